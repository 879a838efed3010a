/* `sluice token …`: the keys that seal download links, and single links. */
#ifndef SLUICE_CGI_BIN_TOKEN_H
#define SLUICE_CGI_BIN_TOKEN_H

#define TOKEN_USAGE                                                                                          \
    "  token list          the keys that download links are sealed with, newest first\n"                     \
    "  token rotate [--forget]\n"                                                                            \
    "                      seal with a new one; links made before go on working, or end (--forget)\n"        \
    "  token show LINK     what a download link says; its ID\n"                                              \
    "  token revoke LINK|ID\n"                                                                               \
    "                      end one download link\n"                                                          \
    "                      every token command takes --json\n"

/* The arguments after `token`. Exit code: 0 done, 1 it failed, 2 misuse, 3 the link is not valid (any more).
 */
int token_command(int argc, char **argv);

#endif
