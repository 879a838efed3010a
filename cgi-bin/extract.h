/* `sluice extract …`: one link looked at as the service would, nothing remembered of it, with every step
 * shown: the tool for the day on which it breaks. */
#ifndef SLUICE_CGI_BIN_EXTRACT_H
#define SLUICE_CGI_BIN_EXTRACT_H

#define EXTRACT_USAGE                                                                                        \
    "  extract LINK [--client X] [--trace] [--json]\n"                                                       \
    "                      ask for a video, as that client only, and show each step and what came\n"

#define CANARY_USAGE                                                                                         \
    "  canary [--json]     look at canary_links now, and show how they fared; for cron, where no program\n"  \
    "                      stays that would do it\n"

/* The arguments after `canary`. Exit code: 0 all could be had, 1 some could not, 2 misuse. */
int canary_command(int argc, char **argv, const char *programs);

/* The arguments after `extract`; `programs`: where sluice-keep lies. Exit code: 0 it can be had, 1 it cannot,
 * 2 misuse. */
int extract_command(int argc, char **argv, const char *programs);

#endif
