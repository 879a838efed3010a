/* Every address Sluice answers, in one table. */
#include "serve/serve.h"

const struct http_route serve_routes[] = {
    {"/api/v1/info", HTTP_GET | HTTP_POST, HTTP_ROUTE_INFO | HTTP_ROUTE_CORS, serve_info},
    {"/api/v1/page", HTTP_GET | HTTP_POST, HTTP_ROUTE_INFO | HTTP_ROUTE_HTML, serve_page},
    {"/api/v1/thumbnail", HTTP_GET, HTTP_ROUTE_INFO | HTTP_ROUTE_CORS, serve_thumbnail},
    {"/api/v1/stream", HTTP_GET, HTTP_ROUTE_STREAM | HTTP_ROUTE_HTML | HTTP_ROUTE_CORS, serve_stream},
    {"/api/v1/usage", HTTP_GET, HTTP_ROUTE_INFO | HTTP_ROUTE_CORS, serve_usage},
    {"/api/v1/jobs", HTTP_GET | HTTP_POST, HTTP_ROUTE_INFO | HTTP_ROUTE_CORS, serve_jobs},
    {"/api/v1/jobs/", HTTP_GET | HTTP_DELETE, HTTP_ROUTE_INFO | HTTP_ROUTE_CORS | HTTP_ROUTE_BELOW,
     serve_job},
    {"/api/v1/list", HTTP_GET, HTTP_ROUTE_INFO | HTTP_ROUTE_CORS, serve_list},
    {"/api/v1/search", HTTP_GET, HTTP_ROUTE_INFO | HTTP_ROUTE_CORS, serve_search},
    {"/livez", HTTP_GET, HTTP_ROUTE_INFO | HTTP_ROUTE_STREAM, serve_livez},
    {"/readyz", HTTP_GET, HTTP_ROUTE_INFO, serve_readyz},
    {"/health", HTTP_GET, HTTP_ROUTE_INFO | HTTP_ROUTE_CORS, serve_health},
    {"/metrics", HTTP_GET, HTTP_ROUTE_INFO, serve_metrics},
    /* Older clients: legacy.c. Their roots also stand in http/request.c. */
    {"/info", HTTP_GET | HTTP_POST, HTTP_ROUTE_INFO | HTTP_ROUTE_CORS, serve_info},
    {"/api/video", HTTP_GET, HTTP_ROUTE_INFO | HTTP_ROUTE_CORS, serve_legacy_video},
    {"/progress", HTTP_GET, HTTP_ROUTE_INFO | HTTP_ROUTE_CORS, serve_legacy_progress},
    {"/download", HTTP_GET, HTTP_ROUTE_STREAM | HTTP_ROUTE_HTML | HTTP_ROUTE_CORS, serve_legacy_download},
    {"/stream_video", HTTP_POST, HTTP_ROUTE_STREAM | HTTP_ROUTE_CORS, serve_legacy_download},
    {"/tiktok", HTTP_POST, HTTP_ROUTE_INFO | HTTP_ROUTE_CORS, serve_tiktok},
    {"/stream", HTTP_GET, HTTP_ROUTE_STREAM | HTTP_ROUTE_HTML | HTTP_ROUTE_CORS, serve_stream},
    /* The admin pages: admin_….c. Without CORS: they work by a cookie. */
    {"/api/v1/admin/session", HTTP_GET, HTTP_ROUTE_ADMIN, serve_admin_session},
    {"/api/v1/admin/login", HTTP_POST, HTTP_ROUTE_ADMIN, serve_admin_login},
    {"/api/v1/admin/logout", HTTP_POST, HTTP_ROUTE_ADMIN, serve_admin_logout},
    {"/api/v1/admin/password", HTTP_POST, HTTP_ROUTE_ADMIN, serve_admin_password},
    {"/api/v1/admin/users", HTTP_GET, HTTP_ROUTE_ADMIN, serve_admin_users},
    {"/api/v1/admin/users/create", HTTP_POST, HTTP_ROUTE_ADMIN, serve_admin_users_create},
    {"/api/v1/admin/users/update", HTTP_POST, HTTP_ROUTE_ADMIN, serve_admin_users_update},
    {"/api/v1/admin/keys", HTTP_GET, HTTP_ROUTE_ADMIN, serve_admin_keys},
    {"/api/v1/admin/keys/create", HTTP_POST, HTTP_ROUTE_ADMIN, serve_admin_keys_create},
    {"/api/v1/admin/keys/update", HTTP_POST, HTTP_ROUTE_ADMIN, serve_admin_keys_update},
    {"/api/v1/admin/keys/state", HTTP_POST, HTTP_ROUTE_ADMIN, serve_admin_keys_state},
    {"/api/v1/admin/streams", HTTP_GET, HTTP_ROUTE_ADMIN, serve_admin_streams},
    {"/api/v1/admin/streams/stop", HTTP_POST, HTTP_ROUTE_ADMIN, serve_admin_streams_stop},
    {"/api/v1/admin/audit", HTTP_GET, HTTP_ROUTE_ADMIN, serve_admin_audit},
    {"/api/v1/admin/clients", HTTP_GET, HTTP_ROUTE_ADMIN, serve_admin_clients},
    {"/api/v1/admin/system", HTTP_GET, HTTP_ROUTE_ADMIN, serve_admin_system},
    {"/api/v1/admin/usage", HTTP_GET, HTTP_ROUTE_ADMIN, serve_admin_usage},
    {"/api/v1/admin/dashboard", HTTP_GET, HTTP_ROUTE_ADMIN, serve_admin_dashboard},
};

const size_t serve_route_count = ARRAY_LEN(serve_routes);
