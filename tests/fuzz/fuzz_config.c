/* The config file parser on any bytes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/config.h"
#include "base/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[64];
    struct err err;
    struct config c;
    if (!path[0])
        (void)snprintf(path, sizeof path, "/tmp/sluice-fuzz-config-%ld", (long)getpid());
    if (io_write_file(path, data, size, &err) == 0 && config_load(&c, path, &err) == 0)
        config_fini(&c);
    (void)unlink(path);
    return 0;
}
