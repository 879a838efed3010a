/* See helpers.h. */
#include "serve/helpers.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "serve/pump.h"
#include "site/engines/ytdlp.h"
#include "site/youtube/challenges/js.h"

enum { ASK_AGAIN_US = 2 * 1000 * 1000 };

/* -1: nobody. */
static int wish_fd(void)
{
    uint64_t fd;
    struct stat st;
    const char *text = getenv(HELPERS_WISH);
    bool there = text && text_parse_u64(text, 3, 1 << 20, &fd) == 0 && fstat((int)fd, &st) == 0;
    return there && S_ISFIFO(st.st_mode) ? (int)fd : -1;
}

void helpers_look(struct app *app)
{
    bool no_js = js_is_gone(app->site.js);
    bool no_ytdlp = ytdlp_is_gone(app->engines.ytdlp);
    int64_t now_us = clock_mono_us();
    if ((!no_js && !no_ytdlp) || (app->helpers_us && now_us - app->helpers_us < ASK_AGAIN_US))
        return;
    int32_t pid = getpid();
    int fd = wish_fd();
    bool asked = fd >= 0 && write(fd, &pid, sizeof pid) == (ssize_t)sizeof pid;
    if (!app->helpers_us)
        log_event(LOG_WARN, "helpers-gone", "which", no_js ? "player scripts" : "yt-dlp", "then",
                  asked ? "replaced" : "ends", NULL);
    app->helpers_us = now_us;
    if (fd < 0 && pumps_are_idle(app->pumps))
        (void)kill(pid, SIGTERM);
}
