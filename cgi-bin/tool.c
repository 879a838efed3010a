/* See tool.h. */
#include "tool.h"

#include <stdio.h>
#include <string.h>

int tool_failed(const struct err *err)
{
    fprintf(stderr, "sluice: %s\n", err->text);
    return TOOL_FAILED;
}

int tool_misuse(const char *what, const char *usage)
{
    fprintf(stderr, "sluice: %s\n%s", what, usage);
    return TOOL_MISUSE;
}

int tool_print_json(json_t *root)
{
    int rc = root ? json_dumpf(root, stdout, JSON_INDENT(2)) : -1;
    json_decref(root);
    if (rc == 0 && putchar('\n') != EOF)
        return TOOL_DONE;
    fprintf(stderr, "sluice: cannot write JSON\n");
    return TOOL_FAILED;
}

bool tool_take_json(int *argc, char **argv)
{
    bool found = false;
    int kept = 0;
    for (int i = 0; i < *argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            found = true;
        else
            argv[kept++] = argv[i];
    }
    *argc = kept;
    return found;
}
