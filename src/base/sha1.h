/* SHA-1, for protocols of others that ask for it; nothing of ours rests on it. */
#ifndef SLUICE_BASE_SHA1_H
#define SLUICE_BASE_SHA1_H

#include <stddef.h>

enum { SHA1_HEX_LEN = 40 };

/* 40 lower-case hex digits and a zero byte; -1: the library does not have it. */
int sha1_hex(const void *data, size_t len, char out[SHA1_HEX_LEN + 1]);

#endif
