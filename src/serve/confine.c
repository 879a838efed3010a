/* What the programs may still do once they serve: their part of base/sandbox.h. */
#include <string.h>

#include "serve/app.h"

enum { DNS_PORT = 53, PORTS_MAX = 64 };

static void enter(struct app *app, const char *socket)
{
    const struct config *c = &app->config;
    uint16_t ports[PORTS_MAX] = {DNS_PORT}; /* over TCP, for long answers */
    const struct sandbox_path paths[] = {
        {c->data_dir, SANDBOX_WRITE},
        {c->clients_file, SANDBOX_READ_REPLACED},
        {c->upstream_ca_file, SANDBOX_READ_REPLACED},
        {socket, SANDBOX_REMOVE},
    };
    const struct sandbox_opts opts = {
        .paths = paths,
        .path_count = ARRAY_LEN(paths),
        .tcp_ports = ports,
        .tcp_port_count = 1 + net_ports(app->net, ports + 1, PORTS_MAX - 1),
    };
    sandbox_enter(&app->sandbox, &opts);
}

int app_confine(struct app *app, const char *socket, struct err *err)
{
    const struct sandbox *got = &app->sandbox;
    if (strcmp(app->config.sandbox, "off") == 0)
        sandbox_enter(&app->sandbox, NULL);
    else
        enter(app, socket);
    if (*got->missing && strcmp(app->config.sandbox, "required") == 0)
        return err_set(err, ERR_INTERNAL, "the sandbox is required, and cannot be had: %s", got->missing);
    return 0;
}
