/* The endpoints' handlers, one file each; described where they are written. For routes.c, the table of all.
 */
#ifndef SLUICE_SERVE_SERVE_H
#define SLUICE_SERVE_SERVE_H

#include "serve/app.h"

http_handler_fn serve_info, serve_page, serve_stream, serve_size, serve_thumbnail, serve_usage, serve_metrics,
    serve_livez, serve_readyz, serve_health, serve_legacy_video, serve_legacy_upload, serve_legacy_download,
    serve_legacy_progress, serve_tiktok, serve_list, serve_search;
http_handler_fn serve_jobs, serve_job;

/* admin_….c */
http_handler_fn serve_admin_login, serve_admin_logout, serve_admin_session, serve_admin_password,
    serve_admin_users, serve_admin_users_create, serve_admin_users_update, serve_admin_keys,
    serve_admin_keys_create, serve_admin_keys_update, serve_admin_keys_state, serve_admin_streams,
    serve_admin_streams_stop, serve_admin_audit, serve_admin_clients, serve_admin_system,
    serve_admin_settings, serve_admin_events, serve_admin_usage, serve_admin_dashboard, serve_admin_jobs,
    serve_admin_jobs_act, serve_admin_cache, serve_admin_cache_purge, serve_admin_totp_begin,
    serve_admin_totp_confirm, serve_admin_totp_off, serve_admin_client_data, serve_admin_client_check,
    serve_admin_client_save, serve_admin_extraction, serve_admin_extraction_test;

#endif
