/* `sluice admin …`: who may use the admin pages. */
#ifndef SLUICE_CGI_BIN_ADMIN_USER_H
#define SLUICE_CGI_BIN_ADMIN_USER_H

#include "base/config.h"

#define ADMIN_USAGE                                                                                          \
    "  admin list          who may use the admin pages\n"                                                    \
    "  admin create NAME [--role admin|viewer]\n"                                                            \
    "  admin passwd NAME   the password is read from standard input, a line; where that is empty or a\n"     \
    "                      terminal's, one is made and shown this once. Both take --json\n"                  \
    "  admin totp-off NAME for who has lost authenticator and recovery codes: the password is enough again\n"

/* The arguments after `admin`. Exit codes as in tool.h. */
int admin_command(int argc, char **argv);

/* Where nobody may use the admin pages yet: makes the user admin, with the password of the settings or a
 * random one, which is printed. In a child process, as the store must not be opened before others fork. */
void admin_first(const struct config *config);

#endif
