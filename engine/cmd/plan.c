/* btcf plan: what plans there are, and changing them while everything runs. */
#include "accounts/plan.h"

#include <inttypes.h>
#include <string.h>

#include "accounts/list.h"
#include "cmd/admin.h"
#include "cmd/command.h"
#include "core/err.h"
#include "shm/auth.h"

#define TEMPLATE_PLAN "free"

static int run(int argc, char **argv);

const struct command command_plan = {
    .name = "plan",
    .summary = "list and change plans",
    .usage =
        "usage: btcf plan list\n"
        "       btcf plan set NAME [--rate 20|none] [--burst 200] [--quota-day N|none] [--quota-month N|none]\n"
        "                     [--streams N] [--keys N] [--key-age-days N|none] [--scopes a,b] [--price-cents N]\n\n"
        "set changes what is named and leaves the rest; a plan that does not exist yet begins as a copy of " TEMPLATE_PLAN
        ".\nEvery worker knows it within a second, nothing is reloaded.\n\n"
        "--rate, --burst    units a second, and at once\n"
        "--quota-*          units of a UTC day and month\n"
        "--streams          open event streams of an account\n"
        "--keys             API keys of an account; those that exist stay\n"
        "--key-age-days     how long a key may live; those that exist keep their expiry\n"
        "--scopes           the most that keys and tokens may do, at once also those that exist\n"
        "--price-cents      cents of USD a month\n\n"
        "--json               for scripts\n"
        "--state DIR          of a running `btcf up` (default var), or\n"
        "--database-url URL, --config FILE, --set NAME=VALUE\n",
    .run = run,
};

/* What a verb is asked for, and what came of it. */
struct call {
    const char *rate, *burst, *quota_day, *quota_month, *streams, *keys, *key_age_days, *scopes, *price_cents;
    struct plan plan;
    struct plan *plans;
    size_t count;
};

static void put_limit(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    if (value > 0)
        json_i64(json, value);
    else
        json_none(json);
}

static void render(struct json *json, const struct plan *plan)
{
    json_open(json, '{');
    json_put_text(json, "name", plan->name);
    json_put_i64(json, "number", plan->number);
    json_key(json, "rate_per_s");
    if (plan->rate_per_s > 0)
        json_number_significant(json, plan->rate_per_s, 15);
    else
        json_none(json);
    json_put_i64(json, "burst", plan->burst);
    put_limit(json, "quota_day", plan->quota_day);
    put_limit(json, "quota_month", plan->quota_month);
    json_put_i64(json, "streams", plan->streams_max);
    json_put_i64(json, "keys", plan->keys_max);
    put_limit(json, "key_age_days", plan->key_age_max_days);
    admin_json_list(json, "scopes", plan->scopes);
    json_put_i64(json, "price_cents", plan->price_month_cents);
    json_close(json, '}');
}

static const char *limit_text(struct arena *arena, int64_t value)
{
    return value > 0 ? arena_printf(arena, "%" PRId64, value) : "-";
}

static void print_row(struct admin *admin, const struct plan *plan)
{
    struct arena *arena = admin->actor.arena;

    strbuf_printf(&admin->out,
                  "%-15s  %8s  %7" PRId64 "  %12s  %13s  %7" PRId64 "  %5" PRId64 "  %8s  %8" PRId64 "  %s\n",
                  plan->name, plan->rate_per_s > 0 ? arena_printf(arena, "%g", plan->rate_per_s) : "-", plan->burst,
                  limit_text(arena, plan->quota_day), limit_text(arena, plan->quota_month), plan->streams_max,
                  plan->keys_max, limit_text(arena, plan->key_age_max_days), plan->price_month_cents, plan->scopes);
}

static void print_head(struct admin *admin)
{
    strbuf_printf(&admin->out, "%-15s  %8s  %7s  %12s  %13s  %7s  %5s  %8s  %8s  %s\n", "NAME", "RATE/S", "BURST",
                  "QUOTA/DAY", "QUOTA/MONTH", "STREAMS", "KEYS", "KEY DAYS", "CENTS", "SCOPES");
}

static int work_list(struct admin *admin, void *ctx)
{
    struct call *call = ctx;

    return plan_list(&admin->actor, &call->plans, &call->count);
}

static void print_list(struct admin *admin, void *ctx)
{
    const struct call *call = ctx;

    if (admin->is_json)
        json_open(&admin->json, '[');
    else
        print_head(admin);
    for (size_t i = 0; i < call->count; i++) {
        if (admin->is_json)
            render(&admin->json, &call->plans[i]);
        else
            print_row(admin, &call->plans[i]);
    }
    if (admin->is_json)
        json_close(&admin->json, ']');
}

static int list(int argc, char **argv)
{
    const struct cli_option options[] = {{.name = NULL}};
    struct call call = {.count = 0};

    return admin_run(&(struct admin_call){
        .argc = argc, .argv = argv, .options = options, .work = work_list, .print = print_list, .ctx = &call});
}

static int parse_rate(const char *text, double *rate)
{
    if (text == NULL)
        return 0;
    if (strcmp(text, "none") == 0) {
        *rate = 0;
        return 0;
    }
    if (str_parse_double(str_of(text), rate) < 0 || !(*rate > 0))
        return err_set(E_INPUT, "--rate: \"%.40s\" is not a number above 0, or none", text);
    return 0;
}

static int parse_scopes(struct arena *arena, const char *text, const char **scopes)
{
    if (text == NULL)
        return 0;
    *scopes = list_tidy(arena, text);
    for (struct str rest = str_of(*scopes); rest.ptr != NULL && rest.len > 0;) {
        struct str name = str_cut(&rest, ',');

        if (btcf_scope_bit(name.ptr, name.len) == 0)
            return err_set(E_INPUT, "--scopes: there is no scope \"%.*s\"", (int)(name.len < 40 ? name.len : 40),
                           name.ptr);
    }
    return 0;
}

/* What the command line says, over what the plan has. */
static int apply(struct arena *arena, const struct call *call, struct plan *plan)
{
    if (parse_rate(call->rate, &plan->rate_per_s) < 0 ||
        admin_parse_count("--burst", call->burst, false, &plan->burst) < 0 ||
        admin_parse_count("--quota-day", call->quota_day, true, &plan->quota_day) < 0 ||
        admin_parse_count("--quota-month", call->quota_month, true, &plan->quota_month) < 0 ||
        admin_parse_count("--streams", call->streams, false, &plan->streams_max) < 0 ||
        admin_parse_count("--keys", call->keys, false, &plan->keys_max) < 0 ||
        admin_parse_count("--key-age-days", call->key_age_days, true, &plan->key_age_max_days) < 0 ||
        admin_parse_count("--price-cents", call->price_cents, false, &plan->price_month_cents) < 0)
        return -1;
    return parse_scopes(arena, call->scopes, &plan->scopes);
}

static int work_set(struct admin *admin, void *ctx)
{
    const struct actor *actor = &admin->actor;
    const char *name = admin->cli.words[0];
    struct call *call = ctx;

    if (plan_find(actor, name, &call->plan) < 0 &&
        (err_kind() != E_MISSING || plan_find(actor, TEMPLATE_PLAN, &call->plan) < 0))
        return -1;
    call->plan.name = name;
    return apply(actor->arena, call, &call->plan) < 0 ? -1 : plan_save(actor, &call->plan);
}

static void print_one(struct admin *admin, void *ctx)
{
    const struct call *call = ctx;

    if (admin->is_json) {
        render(&admin->json, &call->plan);
        return;
    }
    print_head(admin);
    print_row(admin, &call->plan);
}

static int set(int argc, char **argv)
{
    struct call call = {.count = 0};
    const struct cli_option options[] = {
        {.name = "--rate", .value = &call.rate},
        {.name = "--burst", .value = &call.burst},
        {.name = "--quota-day", .value = &call.quota_day},
        {.name = "--quota-month", .value = &call.quota_month},
        {.name = "--streams", .value = &call.streams},
        {.name = "--keys", .value = &call.keys},
        {.name = "--key-age-days", .value = &call.key_age_days},
        {.name = "--scopes", .value = &call.scopes},
        {.name = "--price-cents", .value = &call.price_cents},
        {.name = NULL},
    };

    return admin_run(&(struct admin_call){.argc = argc,
                                          .argv = argv,
                                          .options = options,
                                          .word_count = 1,
                                          .words = "NAME",
                                          .work = work_set,
                                          .print = print_one,
                                          .ctx = &call});
}

static int run(int argc, char **argv)
{
    static const struct admin_verb verbs[] = {{"list", list}, {"set", set}, {NULL, NULL}};

    return admin_dispatch(verbs, argc, argv);
}
