/* What the programs may still do once they serve: their part of base/sandbox.h. */
#include <string.h>

#include "serve/app.h"
#include "serve/s3.h"

enum { DNS_PORT = 53, PORTS_MAX = 64 };

static void enter(struct app *app, const char *socket)
{
    const struct config *c = &app->config;
    uint16_t ports[PORTS_MAX] = {DNS_PORT}; /* over TCP, for long answers */
    const struct store_needs *store = store_needs(app->store);
    enum { OWN = 6 };
    struct sandbox_path paths[OWN + ARRAY_LEN(store->paths)] = {
        {c->data_dir, SANDBOX_WRITE},
        {store->directory ? store->directory : "", SANDBOX_WRITE},
        {c->clients_file, SANDBOX_READ_REPLACED},
        {c->cookies_dir, SANDBOX_READ},
        {c->upstream_ca_file, SANDBOX_READ_REPLACED},
        {socket, SANDBOX_REMOVE},
    };
    for (size_t i = 0; i < store->path_count; i++)
        paths[OWN + i] = (struct sandbox_path){store->paths[i], SANDBOX_READ};
    size_t own_ports = 1;
    for (size_t i = 0; i < store->port_count; i++)
        ports[own_ports++] = store->ports[i];
    ports[own_ports++] = net_url_port(c->telegram_api_url); /* a token may come later */
    if (*c->pot_provider_url)
        ports[own_ports++] = net_url_port(c->pot_provider_url);
    if (app->s3)
        ports[own_ports++] = s3_port(app->s3);
    const struct sandbox_opts opts = {
        .paths = paths,
        .path_count = OWN + store->path_count,
        .tcp_ports = ports,
        .tcp_port_count = own_ports + net_ports(app->net, ports + own_ports, PORTS_MAX - own_ports),
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
