/* Runs a fuzz target over every file of a corpus directory, so that `make test` keeps what fuzzing found. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
    struct dirent **names = NULL;
    int count = argc == 2 ? scandir(argv[1], &names, NULL, alphasort) : -1;
    if (count < 0) {
        fprintf(stderr, "usage: %s corpus-directory\n", argv[0]);
        return 2;
    }
    int ran = 0;
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 0; i < count; i++) {
        char path[4096];
        auto_(buf) struct buf input = BUF_INIT(16 << 20);
        struct err err;
        (void)snprintf(path, sizeof path, "%s/%s", argv[1], names[i]->d_name);
        if (names[i]->d_name[0] != '.') {
            if (io_read_file(path, &input, &err) < 0) {
                fprintf(stderr, "%s\n", err.text);
                return 1;
            }
            (void)LLVMFuzzerTestOneInput((const uint8_t *)buf_str(&input), input.len);
            ran++;
        }
        free(names[i]);
    }
    free(names);
    if (ran == 0) {
        fprintf(stderr, "%s: empty corpus\n", argv[1]);
        return 1;
    }
    printf("    %d inputs\n", ran);
    return 0;
}
