/* Who does something, and the row that says so.
 *
 * Everything in accounts/ that changes a row takes a `struct actor` and works inside of its transaction: the caller
 * begins and commits, so that the change and its audit row are one. What is said of a thing there is public: ids,
 * names of plans, scopes, counts; never an address, a digest, a key, or a text that a user has chosen.
 */
#ifndef ACCOUNTS_AUDIT_H
#define ACCOUNTS_AUDIT_H

#include "core/arena.h"
#include "core/base.h"
#include "store/db.h"

/* On whose behalf, when, and on which connection. Results live in the arena. */
struct actor {
    struct db *db;
    struct arena *arena;
    const char *name; /* "operator:<account of the machine>", "account:<public id>", "role:<name>" */
    int64_t now_ms;   /* wall clock */
};

/* `kind` and `id` name the object ("key", "3kTMd09VhWq2"); `detail` is a JSON object, or NULL. */
int audit_write(const struct actor *actor, const char *action, const char *kind, const char *id,
                const char *detail) BTCF_MUST_CHECK;

/* A JSON object as a text in the actor's arena, written with printf. What goes into its quotes needs no escapes: it
 * is one of the public texts above. */
const char *audit_detail(const struct actor *actor, const char *fmt, ...) BTCF_PRINTF(2, 3);

#endif
