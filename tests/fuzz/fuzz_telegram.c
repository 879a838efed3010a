/* Answers of a Bot API server: the first byte chooses the status. A file_id goes into JSON and a path into a
 * URL, so neither has anything in it that means something there; an error names no more than it was told. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "serve/telegram_api.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 400, 401, 404, 413, 429, 500};
    struct err err = {0};
    struct telegram_file file;
    auto_(buf) struct buf path = BUF_INIT(TELEGRAM_PATH_MAX + 1);
    auto_(buf) struct buf name = BUF_INIT(TELEGRAM_ANSWER_MAX_BYTES);
    if (size == 0)
        return 0;
    const struct telegram_answer answer = {
        .status = statuses[data[0] % ARRAY_LEN(statuses)],
        .body = (const char *)data + 1,
        .len = size - 1,
    };
    if (telegram_read_sent(&answer, &file, &err) == 0) {
        check(answer.status == 200 && *file.id && !strpbrk(file.id, "\"\\/ \r\n"));
        check(file.message >= 0);
    } else {
        check(err.code != ERR_OK && err.retry_after_s >= 0);
    }
    if (telegram_read_path(&answer, "1:a", &path, &err) == 0)
        check(path.len && *path.data != '/' && !strpbrk(path.data, "?#%\\ \r\n") && !strstr(path.data, ".."));
    (void)telegram_read_name(&answer, &name, &err);
    (void)telegram_read_rights(&answer, &err);
    (void)telegram_read_done(&answer, &err);
    return 0;
}
