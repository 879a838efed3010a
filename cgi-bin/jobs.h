/* `sluice jobs …`: looking after jobs, and running them where no program stays to do it. */
#ifndef SLUICE_CGI_BIN_JOBS_H
#define SLUICE_CGI_BIN_JOBS_H

#define JOBS_USAGE                                                                                           \
    "  jobs list [--state S] [--limit N] [--json]\n"                                                         \
    "                      the newest jobs, of all owners; S: queued, running, waiting, done, failed,\n"     \
    "                      cancelled\n"                                                                      \
    "  jobs show | cancel | retry ID [--json]\n"                                                             \
    "                      look at one, end it, have it tried anew\n"                                        \
    "  jobs run [--once]   run what is due, for hosts where stream.fcgi does not stay in memory; --once:\n"  \
    "                      until nothing is, which suits cron\n"

/* The arguments after `jobs`. Exit code: 0 done, 1 it failed, 2 misuse, 3 there is no such job, or its state
 * does not allow it. */
int jobs_command(int argc, char **argv);

#endif
