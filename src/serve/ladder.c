/* See ladder.h. */
#include "serve/ladder.h"

/* A URL that has died is an answer at once. All else costs the patience of fetch.h each time: a client is not
 * kept waiting for a source that stalls wherever it is asked for. */
enum { STEPS_OF_DEAD = 5, STEPS_OF_OTHERS = 2 };
static const enum ladder_step steps[STEPS_OF_DEAD] = {LADDER_HOST, LADDER_AGAIN, LADDER_HOST, LADDER_CLIENT,
                                                      LADDER_LAST};

enum ladder_step ladder_next(struct ladder *l, unsigned source, const struct err *why, uint64_t at)
{
    int status = why->upstream_status;
    bool dead = status == 403 || status == 404 || status == 410;
    bool wrong = status >= 200 && status < 300; /* not what was asked for */
    struct ladder_place *p = &l->of[source];
    if (why->code != ERR_UPSTREAM_FAILED && why->code != ERR_RATE_LIMITED_UPSTREAM)
        return LADDER_END; /* refused, cancelled, our own fault: it would be so again */
    if (at > p->at && at - p->at >= LADDER_PROGRESS_BYTES) {
        p->next = 0;
        p->repeated = false;
    }
    p->at = at;
    if ((dead || wrong) && !p->repeated) {
        p->repeated = true;
        return LADDER_SAME;
    }
    p->repeated = false;
    if (p->next >= (dead ? STEPS_OF_DEAD : STEPS_OF_OTHERS) || l->steps >= LADDER_STEPS_MAX)
        return LADDER_END;
    l->steps++;
    return steps[p->next++];
}

const char *ladder_name(enum ladder_step step)
{
    static const char *const names[] = {"same", "other-host", "again", "other-client", "once-more", "end"};
    return names[step];
}
