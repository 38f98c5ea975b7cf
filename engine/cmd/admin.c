/* One verb, one transaction. A conflict with another transaction is the caller's news, not ours to repeat: an
 * operator is told and decides. What is printed waits for the commit, so that no key is ever shown that does not
 * exist.
 */
#include "cmd/admin.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "accounts/signing_key.h"
#include "cmd/command.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "crypto/secret_key.h"

#define ARENA_MAX ((size_t)256 << 20)
#define OUT_MAX ((size_t)64 << 20)
#define OPTIONS_MAX 20
#define SECRET_FILE "secret.key"
#define DURATION_MAX_S (INT64_C(36500) * 86400)

/* --- a verb --- */

int admin_dispatch(const struct admin_verb *verbs, int argc, char **argv)
{
    struct strbuf names;

    for (size_t i = 0; argc > 1 && verbs[i].name != NULL; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    strbuf_init(&names, 512);
    for (size_t i = 0; verbs[i].name != NULL; i++)
        strbuf_printf(&names, "%s%s", i > 0 ? ", " : "", verbs[i].name);
    err_set(E_INPUT, "say what first: btcf %s %s; see --help", argv[0], names.ptr);
    strbuf_release(&names);
    return -1;
}

const char *admin_operator(struct arena *arena)
{
    const struct passwd *entry = getpwuid(getuid());

    return entry != NULL ? arena_printf(arena, "operator:%.64s", entry->pw_name)
                         : arena_printf(arena, "operator:%u", getuid());
}

static int check_words(const struct admin_call *call, const struct cli *cli)
{
    if (cli->word_count == call->word_count)
        return 0;
    if (call->words != NULL && cli->word_count < call->word_count)
        return err_set(E_INPUT, "say which: %s %s", call->argv[0], call->words);
    return err_set(E_INPUT, "\"%s\" is too much; see --help", cli->words[call->word_count]);
}

static int work(const struct admin_call *call, struct admin *admin)
{
    struct db *db = NULL;

    if (db_open(&db, admin->cli.settings.database_url, call->argv[0], admin->cli.settings.database_timeout_ms) < 0)
        return err_wrap("while connecting to the store (is `btcf up` running?)");
    admin->actor.db = db;
    int rc = db_begin(db);
    if (rc == 0)
        rc = call->work(admin, call->ctx);
    if (rc == 0)
        rc = db_commit(db);
    if (rc < 0)
        db_rollback(db);
    db_close(&db);
    return rc;
}

int admin_write_out(const char *text, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t written = write(STDOUT_FILENO, text + done, len - done);

        if (written < 0 && errno != EINTR)
            return err_set(E_STORE, "it was done, but cannot be shown: %s", strerror(errno));
        done += written > 0 ? (size_t)written : 0;
    }
    return 0;
}

static int print(const struct admin_call *call, struct admin *admin)
{
    strbuf_init(&admin->out, OUT_MAX);
    json_init(&admin->json, &admin->out);
    call->print(admin, call->ctx);
    if (admin->is_json)
        strbuf_add_char(&admin->out, '\n');
    int rc = strbuf_failed(&admin->out) ? err_set(E_LIMIT, "more than can be shown")
                                        : admin_write_out(admin->out.ptr, admin->out.len);
    OPENSSL_cleanse(admin->out.ptr, admin->out.len);
    strbuf_release(&admin->out);
    return rc;
}

int admin_run(const struct admin_call *call)
{
    struct admin admin = {.is_json = false};
    struct cli_option table[OPTIONS_MAX + 1] = {{.name = "--json", .flag = &admin.is_json},
                                                {.name = "--state", .setting = "state_dir"},
                                                {.name = "--database-url", .setting = "database_url"}};
    size_t count = 3;

    for (const struct cli_option *option = call->options; option->name != NULL && count < OPTIONS_MAX; option++)
        table[count++] = *option;
    if (cli_parse(&admin.cli, call->argc, call->argv, table) < 0)
        return -1;
    log_init("admin", LOG_WARN);
    admin.actor.arena = arena_create("admin", ARENA_MAX);
    admin.actor.name = admin_operator(admin.actor.arena);
    admin.actor.now_ms = clock_wall_ms();
    int rc = check_words(call, &admin.cli);
    if (rc == 0)
        rc = settings_derive(&admin.cli.settings);
    if (rc == 0)
        rc = work(call, &admin);
    if (rc == 0)
        rc = print(call, &admin);
    arena_free(&admin.actor.arena);
    cli_release(&admin.cli);
    return rc < 0 ? -1 : EXIT_OK;
}

/* --- the secret --- */

static uid_t owner_of_state(const struct settings *settings)
{
    const struct passwd *entry = getpwnam(settings->user);

    return geteuid() == 0 && entry != NULL ? entry->pw_uid : geteuid();
}

int admin_secret(const struct actor *actor, const struct settings *settings, struct seal_key *secret)
{
    const char *path = arena_printf(actor->arena, "%s/" SECRET_FILE, settings->state_dir);
    bool has_any;

    if (settings->secret_key[0] != '\0')
        return secret_key_parse(str_of(settings->secret_key), secret) < 0 ? err_wrap("secret_key") : 0;
    if (secret_key_load(path, secret) == 0)
        return 0;
    if (err_kind() != E_MISSING || signing_key_has_any(actor, &has_any) < 0)
        return -1;
    if (has_any)
        return err_set(E_MISSING,
                       "%s is not there, and the database has keys that were sealed with it; name its directory with "
                       "--state, or set secret_key",
                       path);
    err_clear();
    return secret_key_create(path, owner_of_state(settings), secret);
}

/* --- words --- */

int admin_parse_duration(const char *option, const char *text, int64_t *seconds)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t len = strlen(text);
    int64_t number;

    for (size_t i = 0; len > 1 && i < BTCF_LENGTH(units); i++) {
        if (text[len - 1] != units[i].unit || str_parse_i64((struct str){text, len - 1}, &number) < 0 || number < 0 ||
            number > DURATION_MAX_S / units[i].seconds)
            continue;
        *seconds = number * units[i].seconds;
        return 0;
    }
    return err_set(E_INPUT, "%s: \"%.40s\" is not a time such as 30s, 15m, 24h or 90d", option, text);
}

int admin_parse_expiry(const char *option, const char *text, int64_t now_ms, int64_t *unix_s)
{
    int64_t seconds, unix_ms;

    if (admin_parse_duration(option, text, &seconds) == 0) {
        *unix_s = now_ms / MS_PER_S + seconds;
        return 0;
    }
    if (time_parse(str_of(text), &unix_ms) == 0) {
        err_clear();
        *unix_s = unix_ms / MS_PER_S;
        return 0;
    }
    return err_set(E_INPUT,
                   "%s: \"%.40s\" is neither a time from now (90d, 24h) nor an instant (2027-01-31T00:00:00Z)",
                   option, text);
}

int admin_parse_count(const char *option, const char *text, bool has_none, int64_t *value)
{
    int64_t number;

    if (text == NULL)
        return 0;
    if (has_none && strcmp(text, "none") == 0) {
        *value = 0;
        return 0;
    }
    if (str_parse_i64(str_of(text), &number) < 0 || number < (has_none ? 1 : 0))
        return err_set(E_INPUT, "%s: \"%.40s\" is not a number%s", option, text, has_none ? " from 1, or none" : "");
    *value = number;
    return 0;
}

/* --- showing --- */

void admin_json_list(struct json *json, const char *key, const char *list)
{
    json_key(json, key);
    json_open(json, '[');
    for (struct str rest = str_of(list); rest.ptr != NULL && rest.len > 0;) {
        struct str name = str_cut(&rest, ',');

        json_text_len(json, name.ptr, name.len);
    }
    json_close(json, ']');
}

void admin_json_time(struct json *json, const char *key, int64_t unix_ms)
{
    json_key(json, key);
    if (unix_ms != 0)
        json_time(json, unix_ms);
    else
        json_none(json);
}

const char *admin_time_text(struct arena *arena, int64_t unix_ms)
{
    char text[TIME_TEXT_SIZE];

    if (unix_ms == 0)
        return "-";
    time_format(unix_ms / MS_PER_S * MS_PER_S, text);
    return arena_strdup(arena, text);
}
