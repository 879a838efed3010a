/* See tls.h. */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum {
    SESSIONS_MAX = 64,
    FAST_READ_BYTES = 64 * 1024, /* by one system call: four records */
};

struct session {
    char peer[TLS_PEER_MAX];
    SSL_SESSION *session; /* NULL: no entry */
};

struct tls {
    SSL_CTX *ctx;
    pthread_mutex_t lock; /* guards what follows */
    struct session sessions[SESSIONS_MAX];
    unsigned next; /* to be overwritten */
};

/* ---- Sessions ---- */

/* The entry of a peer, or of nobody: the one to overwrite. */
static struct session *find(struct tls *t, const char *peer)
{
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        if (t->sessions[i].session && strcmp(t->sessions[i].peer, peer) == 0)
            return &t->sessions[i];
    }
    return NULL;
}

/* OpenSSL's new_session_cb: 1, the session is ours. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const char *peer = SSL_get_app_data(ssl);
    (void)pthread_mutex_lock(&t->lock);
    struct session *s = find(t, peer);
    if (!s)
        s = &t->sessions[t->next++ % SESSIONS_MAX];
    SSL_SESSION_free(s->session);
    s->session = session;
    (void)text_copy(s->peer, sizeof s->peer, peer);
    (void)pthread_mutex_unlock(&t->lock);
    return 1;
}

/* A ticket of TLS 1.3 is for one use (RFC 8446, C.4); a session of TLS 1.2 for many. */
static void resume_session(struct tls *t, SSL *ssl, const char *peer)
{
    (void)pthread_mutex_lock(&t->lock);
    struct session *s = find(t, peer);
    if (s && SSL_set_session(ssl, s->session) == 1 &&
        SSL_SESSION_get_protocol_version(s->session) >= TLS1_3_VERSION) {
        SSL_SESSION_free(s->session);
        s->session = NULL;
    }
    (void)pthread_mutex_unlock(&t->lock);
}

/* ---- The context ---- */

static int set_up(SSL_CTX *ctx, const char *ca_dir, const char *ca_file)
{
    /* AES-128 first, as browsers have it: it costs a quarter less than AES-256. */
    static const char ciphers[] =
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
    static const char older[] = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:RSA+AESGCM:RSA+AES:!aNULL:!eNULL";
    static const unsigned char http[] = "\x08http/1.1";
    bool trusted = ca_dir ? SSL_CTX_load_verify_dir(ctx, ca_dir) == 1
                          : SSL_CTX_set_default_verify_paths(ctx) == 1;
    if (*ca_file)
        trusted = trusted && SSL_CTX_load_verify_file(ctx, ca_file) == 1;
    if (!trusted || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, ciphers) != 1 || SSL_CTX_set_cipher_list(ctx, older) != 1 ||
        SSL_CTX_set_alpn_protos(ctx, http, sizeof http - 1) != 0)
        return -1;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, keep_session);
    return 0;
}

int tls_open(struct tls **out, const char *ca_dir, const char *ca_file, struct err *err)
{
    struct tls *t = calloc(1, sizeof *t);
    if (!t)
        return err_set(err, ERR_INTERNAL, "no memory");
    (void)pthread_mutex_init(&t->lock, NULL);
    t->ctx = SSL_CTX_new(TLS_client_method());
    if (!t->ctx || set_up(t->ctx, ca_dir, ca_file) < 0) {
        char why[256];
        ERR_error_string_n(ERR_get_error(), why, sizeof why);
        tls_close(t);
        return err_set(err, ERR_INTERNAL, "TLS: %s", why);
    }
    SSL_CTX_set_app_data(t->ctx, t);
    *out = t;
    return 0;
}

void tls_close(struct tls *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < SESSIONS_MAX; i++)
        SSL_SESSION_free(t->sessions[i].session);
    SSL_CTX_free(t->ctx);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

/* ---- A connection ---- */

/* The certificate must be for this host. */
static int expect_host(SSL *ssl, const char *host)
{
    char address[GUARD_HOST_MAX + 3]; /* without the brackets of IPv6 */
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    (void)snprintf(address, sizeof address, "%.*s", (int)strcspn(host + strspn(host, "["), "]"),
                   host + strspn(host, "["));
    if (X509_VERIFY_PARAM_set1_ip_asc(param, address) == 1)
        return 0;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1 ? 0 : -1;
}

SSL *tls_begin(struct tls *t, const struct guard_url *url, const char *peer, int fd)
{
    SSL *ssl = SSL_new(t->ctx);
    BIO *bio = ssl ? BIO_new_socket(fd, BIO_NOCLOSE) : NULL;
    if (!bio || expect_host(ssl, url->host) < 0) {
        BIO_free(bio);
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_bio(ssl, bio, bio);
    SSL_set_app_data(ssl, (char *)(uintptr_t)peer);
    SSL_set_connect_state(ssl);
    resume_session(t, ssl, peer);
    return ssl;
}

void tls_set_fast(SSL *ssl, bool fast)
{
    if (fast == (SSL_get_read_ahead(ssl) != 0))
        return;
    SSL_set_read_ahead(ssl, fast);
    SSL_set_default_read_buffer_len(ssl, fast ? FAST_READ_BYTES : 0);
}

void tls_explain(const SSL *ssl, char *out, size_t room)
{
    long verified = SSL_get_verify_result(ssl);
    unsigned long code = ERR_peek_last_error();
    if (verified != X509_V_OK)
        (void)snprintf(out, room, "certificate: %s", X509_verify_cert_error_string(verified));
    else if (code)
        ERR_error_string_n(code, out, room);
    else
        (void)snprintf(out, room, "the connection was reset");
}
