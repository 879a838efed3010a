/* See path.h. */
#include "site/youtube/path.h"

#include <string.h>

#include "base/text.h"

json_t *path_get(const json_t *root, const char *path)
{
    json_t *at = (json_t *)root;
    while (*path && at) {
        size_t len = strcspn(path, ".");
        at = json_object_getn(at, path, len);
        path += len + (path[len] == '.');
    }
    return at;
}

const char *path_text(const json_t *root, const char *path)
{
    return json_string_value(path_get(root, path));
}

uint64_t path_number(const json_t *root, const char *path, uint64_t most)
{
    const json_t *value = path_get(root, path);
    uint64_t n = 0;
    if (json_is_string(value))
        return text_parse_u64(json_string_value(value), 0, most, &n) == 0 ? n : 0;
    if (json_is_integer(value) && json_integer_value(value) > 0)
        n = (uint64_t)json_integer_value(value);
    return n <= most ? n : 0;
}
