/* `sluice key …`: making, listing and changing API keys. */
#ifndef SLUICE_CGI_BIN_KEY_H
#define SLUICE_CGI_BIN_KEY_H

#define KEY_USAGE                                                                                            \
    "  key create --label L [--limit N] [--bytes N] [--streams N] [--sites S,…] [--owner O]\n"             \
    "          [--days N] [--allow CIDR,…]\n"                                                              \
    "                      make an API key for N requests per hour (default 1000; 0: no limit); its\n"       \
    "                      text is shown this once. --bytes: of downloads per day; --streams: at once\n"     \
    "                      (0: as the settings say); --sites: only those (as in answers' \"site\")\n"        \
    "  key list | key show ID\n"                                                                             \
    "                      the keys, without their secrets\n"                                                \
    "  key disable | enable | revoke ID\n"                                                                   \
    "                      revoked is for ever; the key's download links stop working, too\n"                \
    "  key limits ID [the same]\n"                                                                           \
    "                      change a key; --days 0: it does not expire, --allow '': from anywhere,\n"         \
    "                      --sites '': any\n"                                                                \
    "                      every key command takes --json\n"

/* The arguments after `key`. Exit code: 0 done, 1 it failed, 2 misuse, 3 there is no such key (or, to be
 * changed in state, it is revoked). */
int key_command(int argc, char **argv);

#endif
