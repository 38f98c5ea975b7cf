/* btcf key: API keys, by hand. A new key's text goes to standard output alone, once, so that
 *
 *     KEY=$(btcf key create --user ann@example.org)
 *
 * holds it and nothing else; what a person wants to know about it goes to standard error.
 */
#include "accounts/api_key.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <stdio.h>

#include "accounts/network.h"
#include "cmd/admin.h"
#include "cmd/command.h"
#include "core/clock.h"
#include "core/err.h"
#include "shm/btcf_abi.h"

#define DEFAULT_OVERLAP "24h"

_Static_assert(NETWORKS_MAX == BTCF_NETWORKS_MAX, "what a key may have is what can be published");

static int run(int argc, char **argv);

const struct command command_key = {
    .name = "key",
    .summary = "make, list, replace and end API keys",
    .usage =
        "usage: btcf key create --user EMAIL|ID [--name N] [--test] [--scopes a,b] [--expires 90d|TIME]\n"
        "                       [--networks 192.0.2.0/24,...]\n"
        "       btcf key list [--user EMAIL|ID] [--all]\n"
        "       btcf key rotate KEYID [--overlap 24h]\n"
        "       btcf key revoke KEYID\n\n"
        "create  prints the key, once: only its digest is kept. Default scopes: what the account's plan has, but\n"
        "        account.write, which no key may have, and admin, which only an admin's may\n"
        "        --test       a key that is answered from the sandbox\n"
        "        --expires    a time from now (90d, 24h) or an instant (2027-01-31T00:00:00Z); a plan may demand one\n"
        "        --networks   from where it may be used, at most 8; default: from anywhere\n"
        "list    keys that are valid; with --all those that were, too\n"
        "rotate  prints a new key of the same kind; the old one stays valid for the overlap, at most 30d\n"
        "revoke  ends a key: no worker accepts it a second later\n\n"
        "Each leaves a row in the audit.\n\n"
        "--json               for scripts\n"
        "--state DIR          of a running `btcf up` (default var), or\n"
        "--database-url URL, --config FILE, --set NAME=VALUE\n",
    .run = run,
};

/* What a verb is asked for, and what came of it. */
struct call {
    const char *user, *expires, *networks, *overlap;
    bool with_ended;
    struct api_key_spec spec;
    struct api_key key;
    struct api_key *keys;
    size_t count;
    char text[BTCF_API_KEY_LEN + 1]; /* the secret; "" when there is none */
};

static const char *kind_of(const struct api_key *key)
{
    return key->is_test ? "test" : "live";
}

static void render(struct json *json, const struct api_key *key, const char *text)
{
    json_open(json, '{');
    json_put_text(json, "id", key->public_id);
    if (text[0] != '\0')
        json_put_text(json, "key", text);
    json_put_text(json, "account", key->account);
    json_put_text(json, "name", key->name);
    json_put_text(json, "kind", kind_of(key));
    json_put_text(json, "state", key->state);
    admin_json_list(json, "scopes", key->scopes);
    admin_json_list(json, "networks", key->networks);
    admin_json_time(json, "expires_at", key->expires_s * MS_PER_S);
    json_put_text(json, "replaced_by", key->replaced_by);
    admin_json_time(json, "created_at", key->created_ms);
    admin_json_time(json, "revoked_at", key->revoked_ms);
    admin_json_time(json, "last_used_at", key->last_used_s * MS_PER_S);
    json_close(json, '}');
}

static void print_new(struct admin *admin, void *ctx)
{
    struct call *call = ctx;
    const struct api_key *key = &call->key;

    if (admin->is_json)
        render(&admin->json, key, call->text);
    else
        strbuf_printf(&admin->out, "%s\n", call->text);
    OPENSSL_cleanse(call->text, sizeof(call->text));
    if (!admin->is_json)
        fprintf(stderr, "%s key %s of account %s, scopes %s, expires %s; it is not shown again\n", kind_of(key),
                key->public_id, key->account, key->scopes,
                key->expires_s > 0 ? admin_time_text(admin->actor.arena, key->expires_s * MS_PER_S) : "never");
}

static int work_create(struct admin *admin, void *ctx)
{
    const struct actor *actor = &admin->actor;
    struct call *call = ctx;
    struct user user;

    if (call->user == NULL)
        return err_set(E_INPUT, "--user says whose key it is: its address or id");
    if (call->expires != NULL &&
        admin_parse_expiry("--expires", call->expires, actor->now_ms, &call->spec.expires_s) < 0)
        return -1;
    if (network_parse_list(actor->arena, call->networks, &call->spec.networks) < 0)
        return err_wrap("--networks");
    if (user_lock(actor, call->user, &user) < 0)
        return -1;
    return api_key_create(actor, &user, &call->spec, &call->key, call->text);
}

static int create(int argc, char **argv)
{
    struct call call = {.networks = "", .spec = {.name = ""}};
    const struct cli_option options[] = {
        {.name = "--user", .value = &call.user},
        {.name = "--name", .value = &call.spec.name},
        {.name = "--test", .flag = &call.spec.is_test},
        {.name = "--scopes", .value = &call.spec.scopes},
        {.name = "--expires", .value = &call.expires},
        {.name = "--networks", .value = &call.networks},
        {.name = NULL},
    };

    return admin_run(&(struct admin_call){
        .argc = argc, .argv = argv, .options = options, .work = work_create, .print = print_new, .ctx = &call});
}

static int work_rotate(struct admin *admin, void *ctx)
{
    struct call *call = ctx;
    int64_t overlap_s;

    if (admin_parse_duration("--overlap", call->overlap, &overlap_s) < 0)
        return -1;
    return api_key_rotate(&admin->actor, admin->cli.words[0], overlap_s, &call->key, call->text);
}

static int rotate(int argc, char **argv)
{
    struct call call = {.overlap = DEFAULT_OVERLAP};
    const struct cli_option options[] = {{.name = "--overlap", .value = &call.overlap}, {.name = NULL}};

    return admin_run(&(struct admin_call){.argc = argc,
                                          .argv = argv,
                                          .options = options,
                                          .word_count = 1,
                                          .words = "KEYID",
                                          .work = work_rotate,
                                          .print = print_new,
                                          .ctx = &call});
}

static int work_revoke(struct admin *admin, void *ctx)
{
    struct call *call = ctx;

    return api_key_revoke(&admin->actor, admin->cli.words[0], &call->key);
}

static void print_revoked(struct admin *admin, void *ctx)
{
    const struct call *call = ctx;

    if (admin->is_json)
        render(&admin->json, &call->key, "");
    else
        strbuf_printf(&admin->out, "the key %s is %s\n", call->key.public_id, call->key.state);
}

static int revoke(int argc, char **argv)
{
    const struct cli_option options[] = {{.name = NULL}};
    struct call call = {.count = 0};

    return admin_run(&(struct admin_call){.argc = argc,
                                          .argv = argv,
                                          .options = options,
                                          .word_count = 1,
                                          .words = "KEYID",
                                          .work = work_revoke,
                                          .print = print_revoked,
                                          .ctx = &call});
}

static int work_list(struct admin *admin, void *ctx)
{
    struct call *call = ctx;
    struct user user;

    if (call->user != NULL && user_find(&admin->actor, call->user, &user) < 0)
        return -1;
    return api_key_list(&admin->actor, call->user != NULL ? &user : NULL, call->with_ended, &call->keys,
                        &call->count);
}

static void print_list(struct admin *admin, void *ctx)
{
    struct arena *arena = admin->actor.arena;
    const struct call *call = ctx;

    if (admin->is_json)
        json_open(&admin->json, '[');
    else
        strbuf_printf(&admin->out, "%-12s  %-4s  %-7s  %-20s  %-20s  %-32s  %-28s  %s\n", "ID", "KIND", "STATE",
                      "EXPIRES", "LAST USED", "ACCOUNT", "SCOPES", "NAME");
    for (size_t i = 0; i < call->count; i++) {
        const struct api_key *key = &call->keys[i];

        if (admin->is_json)
            render(&admin->json, key, "");
        else
            strbuf_printf(&admin->out, "%-12s  %-4s  %-7s  %-20s  %-20s  %-32s  %-28s  %s\n", key->public_id,
                          kind_of(key), key->state, admin_time_text(arena, key->expires_s * MS_PER_S),
                          admin_time_text(arena, key->last_used_s * MS_PER_S), key->account, key->scopes, key->name);
    }
    if (admin->is_json)
        json_close(&admin->json, ']');
    else if (call->count == API_KEYS_LISTED_MAX)
        strbuf_printf(&admin->out, "... and perhaps more: these are the %d oldest\n", API_KEYS_LISTED_MAX);
}

static int list(int argc, char **argv)
{
    struct call call = {.user = NULL};
    const struct cli_option options[] = {
        {.name = "--user", .value = &call.user}, {.name = "--all", .flag = &call.with_ended}, {.name = NULL}};

    return admin_run(&(struct admin_call){
        .argc = argc, .argv = argv, .options = options, .work = work_list, .print = print_list, .ctx = &call});
}

static int run(int argc, char **argv)
{
    static const struct admin_verb verbs[] = {
        {"create", create}, {"list", list}, {"rotate", rotate}, {"revoke", revoke}, {NULL, NULL}};

    return admin_dispatch(verbs, argc, argv);
}
