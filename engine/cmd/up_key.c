/* What a fresh installation needs of accounts: the key that signs tokens, and a first account with API keys for
 * whoever has just started it.
 *
 * The keys are made when the first forecast is served, not before: who stops an earlier start has lost nothing. They
 * are written to standard output once and kept nowhere, past stdio, whose buffer every child that is forked later
 * would inherit.
 */
#include <openssl/crypto.h>
#include <stdio.h>

#include "accounts/api_key.h"
#include "accounts/signing_key.h"
#include "accounts/usage_row.h"
#include "accounts/user.h"
#include "cmd/admin.h"
#include "cmd/up.h"
#include "cmd/up_port.h"
#include "core/arena.h"
#include "core/clock.h"
#include "store/db.h"

#define ARENA_BYTES ((size_t)1 << 20)
#define QUERY_TIMEOUT_MS 5000
#define TEXT_SIZE (UP_PATH_SIZE + 1024)
#define ACTOR "role:up"
#define AWAIT_PATH "/v1/forecasts/1d"
#define AWAIT_MS 3000
#define AWAIT_STEP_MS 100

/* Its keys may do what a customer of the largest plan may; administration is not for keys that stand in a
 * terminal. */
#define FIRST_EMAIL "operator@localhost"
#define FIRST_PLAN "enterprise"

struct first_keys {
    char live[BTCF_API_KEY_LEN + 1], test[BTCF_API_KEY_LEN + 1];
};

/* In one transaction, which is committed unless the result is -1. */
static int run(const struct up *up, int (*work)(const struct up *up, const struct actor *actor, void *what),
               void *what)
{
    struct actor actor = {.name = ACTOR, .now_ms = clock_wall_ms()};
    struct db *db = NULL;

    if (db_open(&db, up->settings->database_url, "up", QUERY_TIMEOUT_MS) < 0)
        return -1;
    actor.db = db;
    actor.arena = arena_create("up.key", ARENA_BYTES);
    int rc = db_begin(db);
    if (rc == 0)
        rc = work(up, &actor, what);
    if (rc >= 0 && db_commit(db) < 0)
        rc = -1;
    if (rc < 0)
        db_rollback(db);
    arena_free(&actor.arena);
    db_close(&db);
    return rc;
}

static int prepare(const struct up *up, const struct actor *actor, void *what)
{
    struct signing_key key;
    struct seal_key secret;

    (void)what;
    int rc = admin_secret(actor, up->settings, &secret);
    if (rc == 0)
        rc = signing_key_open(actor, &secret, &key);
    if (rc == 0)
        signing_key_release(&key);
    OPENSSL_cleanse(&secret, sizeof(secret));
    return rc;
}

void up_key_prepare(const struct up *up)
{
    if (run(up, prepare, NULL) < 0)
        up_say("accounts", "no tokens can be issued: %s", err_text());
    err_clear();
}

/* 1 and the keys, or 0 when there are accounts already. */
static int make(const struct up *up, const struct actor *actor, void *what)
{
    struct first_keys *keys = what;
    struct api_key unused;
    struct user user;
    bool has_any;

    (void)up;
    if (usage_row_lock_numbers(actor) < 0 || user_count_any(actor, &has_any) < 0)
        return -1;
    if (has_any)
        return 0;
    if (user_add(actor, FIRST_EMAIL, FIRST_PLAN, false, &user) < 0 ||
        api_key_create(actor, &user, &(struct api_key_spec){.name = "first", .networks = ""}, &unused, keys->live) <
            0 ||
        api_key_create(actor, &user, &(struct api_key_spec){.name = "first test", .networks = "", .is_test = true},
                       &unused, keys->test) < 0)
        return -1;
    return 1;
}

/* Until the workers know it: whoever copies it from the terminal must not be told that it is none. Shown all the same
 * when they take longer, because it is stored. */
static void await_workers(const struct up *up, const char *key)
{
    const struct settings *settings = up->settings;
    int64_t end_ms = clock_mono_ms() + AWAIT_MS;

    while (up_port_get(settings->http_host, (int)settings->http_port, AWAIT_PATH, key, AWAIT_MS) != 200 &&
           clock_mono_ms() < end_ms && !proc_should_stop())
        clock_sleep_ms(AWAIT_STEP_MS);
}

static void show(const struct up *up, const char *base_url, const struct first_keys *keys)
{
    char text[TEXT_SIZE];
    int len = snprintf(text, sizeof text,
                       "\n"
                       "  API keys of the account " FIRST_EMAIL " (plan " FIRST_PLAN
                       "), shown this once and kept nowhere:\n"
                       "\n"
                       "    live  %s\n"
                       "    test  %s    answered from the sandbox\n"
                       "\n"
                       "  curl -s -H 'X-API-Key: %s' %s/v1/forecasts/1d\n"
                       "\n"
                       "  another one: btcf key create --user " FIRST_EMAIL " --state %s\n",
                       keys->live, keys->test, keys->live, base_url, up->settings->state_dir);

    fflush(stdout);
    if (len > 0 && len < TEXT_SIZE && admin_write_out(text, (size_t)len) < 0)
        err_clear(); /* nobody is there to read it */
    OPENSSL_cleanse(text, sizeof text);
}

void up_key_offer(const struct up *up, const char *base_url)
{
    struct first_keys keys;
    int made = run(up, make, &keys);

    if (made < 0)
        up_say("accounts", "no first API key could be made: %s", err_text());
    if (made > 0) {
        await_workers(up, keys.live);
        show(up, base_url, &keys);
    }
    OPENSSL_cleanse(&keys, sizeof keys);
    err_clear();
}
