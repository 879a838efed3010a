/* `sluice db …`: looking after the database. */
#ifndef SLUICE_CGI_BIN_DB_H
#define SLUICE_CGI_BIN_DB_H

#define DB_USAGE                                                                                             \
    "  db path [--json]    where the database is\n"                                                          \
    "  db check [--json]   read all of it; also whether its schema is this program's\n"                      \
    "  db migrate [--json]\n"                                                                                \
    "                      bring its schema up to date, or make it; the programs do so when they start\n"    \
    "  db backup FILE [--json]\n"                                                                            \
    "                      copy it, while it is in use, to a file that is not there yet\n"

/* The arguments after `db`. Exit code: 0 done, or sound; 1 it failed, or is not; 2 misuse; 3 there is none.
 */
int db_command(int argc, char **argv);

#endif
