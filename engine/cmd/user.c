/* btcf user: accounts, by hand. */
#include "accounts/user.h"

#include <inttypes.h>

#include "cmd/admin.h"
#include "cmd/command.h"
#include "core/clock.h"
#include "core/err.h"

static int run(int argc, char **argv);

const struct command command_user = {
    .name = "user",
    .summary = "make, list and change accounts",
    .usage =
        "usage: btcf user add EMAIL [--plan P] [--admin]\n"
        "       btcf user list\n"
        "       btcf user show|suspend|resume|logout EMAIL|ID\n"
        "       btcf user plan EMAIL|ID PLAN\n\n"
        "add      makes an account (plan: free; with --admin it may hold the scope admin)\n"
        "list     the oldest accounts first\n"
        "suspend  refuses its keys and tokens until resume\n"
        "logout   refuses every token issued to it until now; keys stay valid\n"
        "plan     puts it on another plan (btcf plan list); its keys stay, what they may do is bounded by the plan\n\n"
        "All take effect in every worker within a second, and each leaves a row in the audit.\n\n"
        "--json               for scripts\n"
        "--state DIR          of a running `btcf up` (default var), or\n"
        "--database-url URL, --config FILE, --set NAME=VALUE\n",
    .run = run,
};

/* What a verb is asked for, and what came of it. */
struct call {
    const char *plan;
    bool is_admin;
    int (*change)(const struct actor *actor, struct user *user);
    struct user user;
    struct user *users;
    size_t count;
};

static void render(struct json *json, const struct user *user)
{
    json_open(json, '{');
    json_put_text(json, "id", user->public_id);
    json_put_text(json, "email", user->email);
    json_put_text(json, "role", user->role);
    json_put_text(json, "plan", user->plan);
    json_put_text(json, "state", user->state);
    json_put_i64(json, "keys", user->key_count);
    json_put_i64(json, "number", user->number);
    admin_json_time(json, "tokens_valid_after", user->tokens_valid_after_s * MS_PER_S);
    admin_json_time(json, "created_at", user->created_ms);
    json_close(json, '}');
}

static void print_one(struct admin *admin, void *ctx)
{
    const struct call *call = ctx;
    const struct user *user = &call->user;

    if (admin->is_json) {
        render(&admin->json, user);
        return;
    }
    strbuf_printf(&admin->out,
                  "id       %s\nemail    %s\nrole     %s\nplan     %s\nstate    %s\nkeys     %" PRId64
                  "\ncreated  %s\n",
                  user->public_id, user->email, user->role, user->plan, user->state, user->key_count,
                  admin_time_text(admin->actor.arena, user->created_ms));
    if (user->tokens_valid_after_s > 0)
        strbuf_printf(&admin->out, "logout   %s\n",
                      admin_time_text(admin->actor.arena, user->tokens_valid_after_s * MS_PER_S));
}

static int work_add(struct admin *admin, void *ctx)
{
    struct call *call = ctx;

    return user_add(&admin->actor, admin->cli.words[0], call->plan, call->is_admin, &call->user);
}

static int add(int argc, char **argv)
{
    struct call call = {.plan = "free"};
    const struct cli_option options[] = {
        {.name = "--plan", .value = &call.plan}, {.name = "--admin", .flag = &call.is_admin}, {.name = NULL}};

    return admin_run(&(struct admin_call){.argc = argc,
                                          .argv = argv,
                                          .options = options,
                                          .word_count = 1,
                                          .words = "EMAIL",
                                          .work = work_add,
                                          .print = print_one,
                                          .ctx = &call});
}

static int work_list(struct admin *admin, void *ctx)
{
    struct call *call = ctx;

    return user_list(&admin->actor, &call->users, &call->count);
}

static void print_list(struct admin *admin, void *ctx)
{
    const struct call *call = ctx;

    if (admin->is_json)
        json_open(&admin->json, '[');
    else
        strbuf_printf(&admin->out, "%-32s  %-5s  %-15s  %-9s  %5s  %-20s  %s\n", "ID", "ROLE", "PLAN", "STATE",
                      "KEYS", "CREATED", "EMAIL");
    for (size_t i = 0; i < call->count; i++) {
        const struct user *user = &call->users[i];

        if (admin->is_json)
            render(&admin->json, user);
        else
            strbuf_printf(&admin->out, "%-32s  %-5s  %-15s  %-9s  %5" PRId64 "  %-20s  %s\n", user->public_id,
                          user->role, user->plan, user->state, user->key_count,
                          admin_time_text(admin->actor.arena, user->created_ms), user->email);
    }
    if (admin->is_json)
        json_close(&admin->json, ']');
    else if (call->count == USERS_LISTED_MAX)
        strbuf_printf(&admin->out, "... and perhaps more: these are the %d oldest\n", USERS_LISTED_MAX);
}

static int list(int argc, char **argv)
{
    const struct cli_option options[] = {{.name = NULL}};
    struct call call = {.count = 0};

    return admin_run(&(struct admin_call){
        .argc = argc, .argv = argv, .options = options, .work = work_list, .print = print_list, .ctx = &call});
}

static int work_show(struct admin *admin, void *ctx)
{
    struct call *call = ctx;

    return user_find(&admin->actor, admin->cli.words[0], &call->user);
}

static int work_change(struct admin *admin, void *ctx)
{
    struct call *call = ctx;

    if (user_lock(&admin->actor, admin->cli.words[0], &call->user) < 0)
        return -1;
    return call->change(&admin->actor, &call->user);
}

static int work_plan(struct admin *admin, void *ctx)
{
    struct call *call = ctx;

    if (user_lock(&admin->actor, admin->cli.words[0], &call->user) < 0)
        return -1;
    return user_set_plan(&admin->actor, &call->user, admin->cli.words[1]);
}

/* The verbs that take an account and show it afterwards. */
static int on_one(int argc, char **argv, int (*work)(struct admin *admin, void *ctx),
                  int (*change)(const struct actor *actor, struct user *user))
{
    const struct cli_option options[] = {{.name = NULL}};
    struct call call = {.change = change};
    bool is_plan = work == work_plan;

    return admin_run(&(struct admin_call){.argc = argc,
                                          .argv = argv,
                                          .options = options,
                                          .word_count = is_plan ? 2 : 1,
                                          .words = is_plan ? "EMAIL|ID PLAN" : "EMAIL|ID",
                                          .work = work,
                                          .print = print_one,
                                          .ctx = &call});
}

static int show(int argc, char **argv)
{
    return on_one(argc, argv, work_show, NULL);
}

static int suspend(int argc, char **argv)
{
    return on_one(argc, argv, work_change, user_suspend);
}

static int resume(int argc, char **argv)
{
    return on_one(argc, argv, work_change, user_resume);
}

static int logout(int argc, char **argv)
{
    return on_one(argc, argv, work_change, user_logout);
}

static int plan(int argc, char **argv)
{
    return on_one(argc, argv, work_plan, NULL);
}

static int run(int argc, char **argv)
{
    static const struct admin_verb verbs[] = {{"add", add},         {"list", list},     {"show", show},
                                              {"suspend", suspend}, {"resume", resume}, {"logout", logout},
                                              {"plan", plan},       {NULL, NULL}};

    return admin_dispatch(verbs, argc, argv);
}
