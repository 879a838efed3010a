/* See clients.h. */
#include "clients.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "serve/outcomes.h"
#include "site/trace.h"

enum { EXIT_FAILED = 1, EXIT_MISUSE = 2, LINE_MAX_BYTES = 32768 };

static const char *text(const json_t *of, const char *name)
{
    const char *s = json_string_value(json_object_get(of, name));
    return s ? s : "";
}

static long long number(const json_t *of, const char *name)
{
    return json_integer_value(json_object_get(of, name));
}

/* ---- Rates and reasons ---- */

static void print_span(const json_t *client, const char *name, const char *title)
{
    const json_t *span = json_object_get(client, name);
    const json_t *rate = json_object_get(span, "success_rate");
    const json_t *outcomes = json_object_get(span, "outcomes");
    if (number(span, "asked") == 0)
        return;
    printf("%-14s %-10s %-4s %8lld ", text(client, "client"), text(client, "kind"), title,
           number(span, "asked"));
    if (json_is_real(rate))
        printf("%7.1f %% ", 100 * json_real_value(rate));
    else
        printf("%9s ", "-");
    printf("%7lld ", number(span, "took_ms"));
    for (size_t i = 0; i < json_array_size(outcomes); i++)
        printf(" %s %lld", text(json_array_get(outcomes, i), "outcome"),
               number(json_array_get(outcomes, i), "count"));
    (void)putchar('\n');
    for (size_t i = 0; i < json_array_size(outcomes); i++) {
        const json_t *o = json_array_get(outcomes, i);
        if (*text(o, "why"))
            printf("%16s%s: %s\n", "", text(o, "last_at"), text(o, "why"));
    }
}

static void print_clients(const json_t *root)
{
    const json_t *list = json_object_get(root, "clients");
    printf("%-14s %-10s %-4s %8s %9s %7s  %s\n", "CLIENT", "KIND", "OF", "ASKED", "SUCCESS", "MS",
           "OUTCOMES");
    for (size_t i = 0; i < json_array_size(list); i++) {
        print_span(json_array_get(list, i), "last_hour", "1 h");
        print_span(json_array_get(list, i), "last_day", "24 h");
    }
}

/* ---- Failures ---- */

static void print_failures(const json_t *root)
{
    const json_t *list = json_object_get(root, "failures");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *f = json_array_get(list, i);
        const json_t *steps = json_object_get(f, "trace");
        printf("%s  %s %s  %s: %s\n", text(f, "at"), text(f, "site"), text(f, "id"), text(f, "code"),
               text(f, "error"));
        for (size_t k = 0; k < json_array_size(steps); k++) {
            auto_(buf) struct buf line = BUF_INIT(LINE_MAX_BYTES);
            if (trace_line(json_array_get(steps, k), &line) == 0)
                (void)trace_print(buf_str(&line), stdout);
        }
    }
}

static int show(struct store *store, bool failures, bool json, struct err *err)
{
    json_t *root = failures ? failures_json(store, err) : outcomes_json(store, clock_unix_s(), err);
    if (!root)
        return -1;
    if (json)
        (void)(json_dumpf(root, stdout, JSON_INDENT(1)) < 0 || putchar('\n') == EOF);
    else if (failures)
        print_failures(root);
    else
        print_clients(root);
    json_decref(root);
    return ferror(stdout) ? err_set(err, ERR_INTERNAL, "cannot write") : 0;
}

int clients_command(int argc, char **argv)
{
    struct err err = {0};
    auto_(config) struct config config = {0};
    auto_ptr(store) struct store *store = NULL;
    bool json = false;
    bool failures = false;
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--failures") == 0) {
            failures = true;
        } else {
            fprintf(stderr, "sluice: clients takes --failures and --json\n%s", CLIENTS_USAGE);
            return EXIT_MISUSE;
        }
    }
    if (config_load(&config, NULL, &err) < 0 ||
        store_open(&store, *config.database ? config.database : config.data_dir, &err) < 0 ||
        show(store, failures, json, &err) < 0) {
        fprintf(stderr, "sluice: %s\n", err.text);
        return EXIT_FAILED;
    }
    return 0;
}
