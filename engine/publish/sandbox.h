/* The documents of test keys: those of the feed FEED_SANDBOX, under SANDBOX_PREFIX, in every body "sandbox": true. Made by
 * the renderers that make the real ones; never stale, never expired, the same bytes as long as the release is the same.
 */
#ifndef PUBLISH_SANDBOX_H
#define PUBLISH_SANDBOX_H

#include "core/base.h"

struct arena;
struct db;
struct shelf;

/* A test key that asks for /v1/price is answered with /sandbox/v1/price. */
#define SANDBOX_PREFIX "/sandbox"

/* Nothing is published when this release's sandbox has not been made yet (work/sandbox.c). */
int sandbox_publish(struct db *db, struct arena *arena, const char *symbol, struct shelf *shelf) BTCF_MUST_CHECK;

#endif
