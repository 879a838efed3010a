/* The system call filter of base/sandbox.h. Private to it. */
#ifndef SLUICE_BASE_SANDBOX_FILTER_H
#define SLUICE_BASE_SANDBOX_FILTER_H

#include <stdbool.h>

/* For all threads of the process; needs no_new_privs. `program`: as in struct sandbox_opts. 0, or what errno
 * says. ENOTSUP: the numbers of this machine's system calls are not known here. */
int sandbox_filter_install(bool program);

#endif
