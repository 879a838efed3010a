/* Text files built into the programs (sql/ and clients.json), so that a binary needs nothing beside it. */
#ifndef SLUICE_BASE_EMBED_H
#define SLUICE_BASE_EMBED_H

struct embed_file {
    const char *name; /* without directories: "001-start.sql" */
    const char *text;
};

/* In the order of the build's list (sorted by path); ended by a row of NULLs. */
extern const struct embed_file embed_files[];

#endif
