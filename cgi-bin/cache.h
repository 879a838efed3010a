/* `sluice cache`: what is remembered on this host, and letting go of it. */
#ifndef SLUICE_CGI_BIN_CACHE_H
#define SLUICE_CGI_BIN_CACHE_H

#define CACHE_USAGE                                                                                          \
    "  cache stat [--json] what is remembered, and how much room it takes\n"                                 \
    "  cache purge [--link LINK | --site NAME | --unused SECONDS] [--json]\n"                                \
    "                      forget all descriptions, plans, contents and slices; or those of a link or\n"     \
    "                      a site; or slices and contents that nobody has used for so long\n"                \
    "  cache verify [--json]\n"                                                                              \
    "                      read and check all slices and kept files: damaged ones go, the index is mended\n"

/* The arguments after `cache`. Exit code: 0 done, 1 it failed (verify: something was damaged), 2 misuse. */
int cache_command(int argc, char **argv);

#endif
