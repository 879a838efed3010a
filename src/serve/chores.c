/* See chores.h. */
#include "serve/chores.h"

#include "base/ticker.h"
#include "serve/books.h"
#include "serve/budget.h"
#include "serve/client_data.h"
#include "serve/helpers.h"
#include "serve/outcomes.h"
#include "serve/settings.h"
#include "serve/tier_uses.h"

enum { TICK_MS = 1000 };

static void tick(void *ctx)
{
    struct app *app = ctx;
    settings_tick(app);
    client_data_tick(app);
    slices_tick(app->slices);
    outcomes_tick(app->outcomes);
    budgets_tick(app->budgets);
    books_tick(app->books);
    tier_uses_tick(app->tier_uses);
    tiers_tick(app);
    helpers_look(app);
    app_learn_looks(app);
}

int chores_start(struct app *app, struct err *err)
{
    return ticker_start(&app->chores, TICK_MS, tick, app, err);
}

void chores_stop(struct app *app)
{
    ticker_stop(steal(&app->chores));
}

void chores_hurry(struct app *app)
{
    if (app->chores)
        ticker_hurry(app->chores);
}
