/* See manual.h. */
#include "manual.h"

#include <string.h>

#include "base/config.h"

enum { ARGUMENTS_AT = 2, EXPLANATION_AT = 22 };

/* Text that stands for itself: no control line, no escape, and hyphens that can be copied as what they are.
 */
static void add_text(struct buf *out, const char *s, size_t len)
{
    if (len && *s == '.')
        (void)buf_adds(out, "\\&");
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\\')
            (void)buf_adds(out, "\\e");
        else if (s[i] == '-')
            (void)buf_adds(out, "\\-");
        else if (s[i] == '\'')
            (void)buf_adds(out, "\\(aq");
        else
            (void)buf_addc(out, s[i]);
    }
}

static void add_line(struct buf *out, const char *s, size_t len)
{
    add_text(out, s, len);
    (void)buf_addc(out, '\n');
}

static void add_string(struct buf *out, const char *s)
{
    add_line(out, s, strlen(s));
}

/* Where the arguments of a line end: at two blanks, or with it. */
static size_t arguments_len(const char *s, size_t len)
{
    const char *gap = memmem(s, len, "  ", 2);
    return gap ? (size_t)(gap - s) : len;
}

static void add_command_line(struct buf *out, const char *line, size_t len)
{
    size_t blanks = strspn(line, " ");
    const char *s = line + blanks;
    size_t rest = len - blanks;
    if (blanks == ARGUMENTS_AT) {
        size_t n = arguments_len(s, rest);
        (void)buf_adds(out, ".TP\n.B sluice ");
        add_line(out, s, n);
        while (n < rest && s[n] == ' ')
            n++;
        if (n < rest)
            add_line(out, s + n, rest - n);
    } else if (blanks < EXPLANATION_AT) { /* the arguments go on: in the line that was begun */
        if (out->len)
            out->data[out->len - 1] = ' ';
        add_line(out, s, rest);
    } else {
        add_line(out, s, rest);
    }
}

static void add_commands(struct buf *out, const char *usage)
{
    for (usage += strcspn(usage, "\n"); *usage == '\n' && usage[1];) {
        size_t len = strcspn(++usage, "\n");
        add_command_line(out, usage, len);
        usage += len;
    }
}

static const char commands_top[] =
    ".TH SLUICE 1 \"\" \"Sluice " SLUICE_VERSION "\" \"Sluice\"\n"
    ".SH NAME\nsluice \\- run and look after a media gateway\n"
    ".SH SYNOPSIS\n.B sluice\n.I COMMAND\n.RI [ ARGUMENTS ]\n"
    ".SH DESCRIPTION\n"
    "Sluice takes a link to a video or a media file, tells what there is, and lets the chosen file flow from\n"
    "its source through the server's memory to whoever asked. Two FastCGI programs, info.fcgi and\n"
    "stream.fcgi, answer behind a web server; this is the command line beside them. It finds its settings\n"
    "and data as they do: see\n.BR sluice.conf (5).\n"
    ".PP\nRun it as the user that the programs run as: files it makes belong to whoever runs it.\n"
    ".SH COMMANDS\n";

static const char commands_bottom[] =
    ".SH EXIT STATUS\n"
    ".TP\n.B 0\nDone.\n"
    ".TP\n.B 1\nIt failed, or what was checked is not in order; standard error says why.\n"
    ".TP\n.B 2\nThe arguments make no sense; nothing was done.\n"
    ".TP\n.B 3\nWhat was named does not exist: a key, a database.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B SLUICE_CONFIG\nThe settings file, in place of /etc/sluice/sluice.conf.\n"
    ".TP\n.BI SLUICE_ KEY\nOne setting, by its name in capitals; wins over the file.\n"
    ".SH FILES\n"
    ".TP\n.I /etc/sluice/sluice.conf\nSettings.\n"
    ".TP\n.I /var/lib/sluice\nDatabase and caches, unless data_dir says otherwise.\n"
    ".SH EXAMPLES\n"
    ".nf\n"
    "sluice serve \\-\\-port 9000 \\-\\-data\\-dir /srv/sluice\n"
    "sluice key create \\-\\-label \"Ada's player\" \\-\\-limit 1000\n"
    "sluice snippet nginx.conf \\-\\-prefix /media > /etc/nginx/conf.d/sluice.conf\n"
    "sluice db backup /var/backups/sluice.db\n"
    ".fi\n"
    ".SH SEE ALSO\n.BR sluice.conf (5),\n.BR lighttpd (8),\n.BR nginx (8),\n.BR apache2 (8)\n";

int manual_of_commands(struct buf *out, const char *usage)
{
    (void)buf_adds(out, commands_top);
    add_commands(out, usage);
    return buf_adds(out, commands_bottom);
}

static const char settings_top[] =
    ".TH SLUICE.CONF 5 \"\" \"Sluice " SLUICE_VERSION "\" \"Sluice\"\n"
    ".SH NAME\nsluice.conf \\- settings of a media gateway\n"
    ".SH DESCRIPTION\n"
    "Lines of\n.IB \"key \" = \" value\" ;\nlines that begin with # are comments. The file is\n"
    ".I /etc/sluice/sluice.conf\nor what the environment variable SLUICE_CONFIG names; there need not be one.\n"
    "Every key is also an environment variable: SLUICE_ and its name in capitals, which wins over the file.\n"
    "A text may stand in a file of its own, for secrets: SLUICE_DATABASE_FILE names one whose first line is\n"
    "the value.\n"
    ".PP\n.B sluice config \\-\\-check\ntells file and line of a mistake;\n.B sluice config \\-\\-example\n"
    "prints a file with every key.\n"
    ".SH SETTINGS\n";

static const char settings_bottom[] = ".SH SEE ALSO\n.BR sluice (1)\n";

int manual_of_settings(struct buf *out)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    (void)buf_adds(out, settings_top);
    for (size_t i = 0; i < count; i++) {
        const struct config_key *k = &keys[i];
        (void)buf_adds(out, ".TP\n.B ");
        add_string(out, k->name);
        add_string(out, k->help);
        if (k->kind == CONFIG_INT)
            (void)buf_addf(out, "From %lld to %lld%s%s; usually %s.\n", (long long)k->min, (long long)k->max,
                           *k->unit ? " " : "", k->unit, k->fallback);
        else if (*k->fallback)
            (void)buf_addf(out, "Usually\n.IR %s .\n", k->fallback);
        if (k->live)
            (void)buf_adds(out, "Changes without a restart.\n");
    }
    return buf_adds(out, settings_bottom);
}
