/* What all doors share: settings, log, the app, the accept loop. */
#ifndef SLUICE_CGI_BIN_COMMON_H
#define SLUICE_CGI_BIN_COMMON_H

/* The whole life of one program: reads settings, opens the app, serves until told to stop. `program` is the
 * route bit (HTTP_ROUTE_INFO …). Returns the exit code. Arguments: --socket PATH|:PORT, --config FILE,
 * --check-config, --version,
 * --help. */
int door_main(int argc, char **argv, const char *name, unsigned program);

/* --check-config: 0 and "configuration is fine", or 1 and what is wrong, with file and line. */
int door_check_config(const char *path);

#endif
