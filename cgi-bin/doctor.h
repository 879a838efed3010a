/* `sluice doctor`: serve/doctor.h, printed. */
#ifndef SLUICE_CGI_BIN_DOCTOR_H
#define SLUICE_CGI_BIN_DOCTOR_H

#define DOCTOR_USAGE                                                                                         \
    "  doctor [--url URL] [--docroot DIR] [--server-config FILE] [--offline] [--json]\n"                     \
    "                      look whether all is in order, each with the line that puts it right; exit code\n" \
    "                      0: it is, 1: not quite, 2: something does not work\n"

/* The arguments after `doctor`; `programs`: where info.fcgi lies, "": not found. */
int doctor_command(int argc, char **argv, const char *programs);

#endif
