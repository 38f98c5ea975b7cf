/* Reading what was booked. */
#ifndef METER_USAGE_H
#define METER_USAGE_H

#include "core/base.h"

struct arena;
struct db;

#define USAGE_LISTED_MAX 1000
#define USAGE_DAY_ANY INT64_MIN

/* Billed answers of one key on one UTC day in one class. */
struct usage_line {
    int64_t day;         /* since 1970-01-01 */
    const char *account; /* public id */
    const char *key;     /* public id; "" for what was asked with tokens */
    const char *usage_class;
    int64_t billed, units;
};

/* Of one account (0: of all), on one day or on any; newest first, at most USAGE_LISTED_MAX, in the arena. */
int usage_list(struct db *db, struct arena *arena, int64_t account_id, int64_t day, struct usage_line **lines,
               size_t *count) BTCF_MUST_CHECK;

#endif
