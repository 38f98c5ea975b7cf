/* Administration without HTTP: what the commands user, key, plan and token have in common.
 *
 * `btcf key create ...` is a verb of a command. Each verb has its own options, does its work in one transaction on
 * the database of the settings, and says what came of it only after the commit, as text for people or with --json for
 * scripts:
 *
 *     static int create(int argc, char **argv)
 *     {
 *         struct create_options options = {.name = ""};
 *         const struct cli_option table[] = {{.name = "--name", .value = &options.name}, {.name = NULL}};
 *         return admin_run(&(struct admin_call){.argc = argc, .argv = argv, .options = table,
 *                                               .work = work_create, .print = print_create, .ctx = &options});
 *     }
 */
#ifndef CMD_ADMIN_H
#define CMD_ADMIN_H

#include "accounts/audit.h"
#include "cmd/cli.h"
#include "core/base.h"
#include "core/json.h"
#include "core/str.h"
#include "crypto/seal.h"

#define ADMIN_NAME_SIZE 80

/* What a verb works with. */
struct admin {
    struct cli cli; /* words: what stood behind the verb; settings: complete */
    struct actor actor;
    bool is_json;
    struct strbuf out; /* what print has to say on standard output. It may hold a secret, and is wiped */
    struct json json;  /* onto `out` */
};

struct admin_call {
    int argc; /* of the verb: argv[0] is its name */
    char **argv;
    const struct cli_option *options;              /* beside --json, --state, --database-url, --config and --set */
    size_t word_count;                             /* exactly so many */
    const char *words;                             /* "EMAIL|ID": for the error; NULL when there are none */
    int (*work)(struct admin *admin, void *ctx);   /* inside of the transaction */
    void (*print)(struct admin *admin, void *ctx); /* after its commit, into admin->out */
    void *ctx;
};

/* The whole life of a verb; its exit status, or -1 with the error. */
int admin_run(const struct admin_call *call) BTCF_MUST_CHECK;

struct admin_verb {
    const char *name;
    int (*run)(int argc, char **argv);
};

/* Runs the verb that argv[1] names. The table ends with NULL. */
int admin_dispatch(const struct admin_verb *verbs, int argc, char **argv) BTCF_MUST_CHECK;

/* Writes to standard output past the buffers of stdio, which nobody could wipe. E_STORE. */
int admin_write_out(const char *text, size_t len) BTCF_MUST_CHECK;

/* "operator:<login name>", in the arena. */
const char *admin_operator(struct arena *arena);

/* The installation's secret; makes it when there is none and nothing in the database is sealed with another. */
int admin_secret(const struct actor *actor, const struct settings *settings, struct seal_key *secret) BTCF_MUST_CHECK;

/* "90d", "24h", "15m" or "30s" in seconds, at least 0. E_INPUT names the option. */
int admin_parse_duration(const char *option, const char *text, int64_t *seconds) BTCF_MUST_CHECK;
/* The same as a time from now on, or a time as core/clock.h reads it. */
int admin_parse_expiry(const char *option, const char *text, int64_t now_ms, int64_t *unix_s) BTCF_MUST_CHECK;
/* A whole number from 0; "none" is 0, when `has_none`. NULL text leaves the value as it is. */
int admin_parse_count(const char *option, const char *text, bool has_none, int64_t *value) BTCF_MUST_CHECK;

/* A list of accounts/list.h as a JSON array. */
void admin_json_list(struct json *json, const char *key, const char *list);
/* A time, or null when it is 0. */
void admin_json_time(struct json *json, const char *key, int64_t unix_ms);
/* The same as text for a table; "-" when it is 0. */
const char *admin_time_text(struct arena *arena, int64_t unix_ms);

#endif
