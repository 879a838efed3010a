/* See call.h. */
#include "site/call.h"

#include "base/clock.h"

int site_call(const struct site_env *env, const struct net_call *call, struct net_answer *answer,
              struct err *err)
{
    struct err failed = {.code = ERR_OK};
    int64_t start_us = clock_mono_us();
    int rc = env->call(env->call_ctx, call, answer, &failed);
    bool again = rc < 0 ? failed.code == ERR_UPSTREAM_FAILED : answer->status >= 500;
    if (again && clock_mono_us() - start_us < SITE_CALL_AGAIN_MS * 1000) {
        if (rc == 0)
            net_answer_fini(answer);
        rc = env->call(env->call_ctx, call, answer, &failed);
    }
    if (rc < 0 && err)
        *err = failed;
    return rc;
}
