/* btcf usage: what was billed, for operators. */
#include "meter/usage.h"

#include <inttypes.h>

#include "accounts/user.h"
#include "cmd/admin.h"
#include "cmd/command.h"
#include "core/clock.h"
#include "core/err.h"

static int run(int argc, char **argv);

const struct command command_usage = {
    .name = "usage",
    .summary = "show what was billed, by key, UTC day and class",
    .usage =
        "usage: btcf usage [--user EMAIL|ID] [--day 2026-11-23]\n\n"
        "Billed answers and what they cost in units, newest day first. Rows without a key were asked with tokens.\n"
        "What was counted in the last seconds may not have been drained yet.\n\n"
        "--json               for scripts\n"
        "--state DIR          of a running `btcf up` (default var), or\n"
        "--database-url URL, --config FILE, --set NAME=VALUE\n",
    .run = run,
};

struct call {
    const char *user, *day_text;
    struct usage_line *lines;
    size_t count;
};

static int work(struct admin *admin, void *ctx)
{
    const struct actor *actor = &admin->actor;
    struct call *call = ctx;
    struct user user = {.id = 0};
    int64_t day = USAGE_DAY_ANY, day_ms;

    if (call->day_text != NULL) {
        if (time_parse(str_of(call->day_text), &day_ms) < 0)
            return err_set(E_INPUT, "--day takes a date like 2026-11-23, not \"%s\"", call->day_text);
        day = time_floor(day_ms, MS_PER_DAY) / MS_PER_DAY;
    }
    if (call->user != NULL && user_find(actor, call->user, &user) < 0)
        return -1;
    return usage_list(actor->db, actor->arena, user.id, day, &call->lines, &call->count);
}

static void render(struct json *json, const struct usage_line *line, const char *day)
{
    json_open(json, '{');
    json_put_text(json, "day", day);
    json_put_text(json, "account", line->account);
    json_put_text(json, "key", line->key);
    json_put_text(json, "class", line->usage_class);
    json_put_i64(json, "billed", line->billed);
    json_put_i64(json, "units", line->units);
    json_close(json, '}');
}

static void print(struct admin *admin, void *ctx)
{
    const struct call *call = ctx;

    if (admin->is_json)
        json_open(&admin->json, '[');
    else
        strbuf_printf(&admin->out, "%-10s  %-32s  %-12s  %-8s  %12s  %12s\n", "DAY", "ACCOUNT", "KEY", "CLASS",
                      "BILLED", "UNITS");
    for (size_t i = 0; i < call->count; i++) {
        const struct usage_line *line = &call->lines[i];
        char day[TIME_TEXT_SIZE];

        time_format(line->day * MS_PER_DAY, day);
        day[sizeof("2026-11-23") - 1] = '\0';
        if (admin->is_json)
            render(&admin->json, line, day);
        else
            strbuf_printf(&admin->out, "%-10s  %-32s  %-12s  %-8s  %12" PRId64 "  %12" PRId64 "\n", day,
                          line->account, line->key[0] != '\0' ? line->key : "-", line->usage_class, line->billed,
                          line->units);
    }
    if (admin->is_json)
        json_close(&admin->json, ']');
    else if (call->count == USAGE_LISTED_MAX)
        strbuf_printf(&admin->out, "... and perhaps more: these are the newest %d\n", USAGE_LISTED_MAX);
}

static int run(int argc, char **argv)
{
    struct call call = {.user = NULL};
    const struct cli_option options[] = {
        {.name = "--user", .value = &call.user}, {.name = "--day", .value = &call.day_text}, {.name = NULL}};

    return admin_run(&(struct admin_call){
        .argc = argc, .argv = argv, .options = options, .work = work, .print = print, .ctx = &call});
}
