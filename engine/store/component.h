/* A row of the table component: what a part of the service is doing, for `btcf up` and /v1/status. */
#ifndef STORE_COMPONENT_H
#define STORE_COMPONENT_H

#include "core/base.h"

struct db;

struct component {
    const char *name;    /* "ingest" */
    const char *state;   /* "starting", "loading", "ok", "failed", "ended" */
    const char *detail;  /* one sentence; "" */
    int64_t done, total; /* of what it is loading; 0, 0 when there is nothing to count */
};

/* Replaces the row. */
int component_save(struct db *db, const struct component *component, int64_t wall_ms) BTCF_MUST_CHECK;

#endif
