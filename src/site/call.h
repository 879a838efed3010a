/* One call of the outside world, made a second time where that is likely to help. */
#ifndef SLUICE_SITE_CALL_H
#define SLUICE_SITE_CALL_H

#include "site/site.h"

enum { SITE_CALL_AGAIN_MS = 1000 };

/* As env->call(); a transport failure or a 5xx that came within SITE_CALL_AGAIN_MS is asked for once more: a
 * reset connection must not cost a description, and a stalled server must not cost the double of its timeout.
 */
int site_call(const struct site_env *env, const struct net_call *call, struct net_answer *answer,
              struct err *err);

#endif
