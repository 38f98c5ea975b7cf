/* The rows of the table score: what is due, writing what was scored, and the evidence for what is served. */
#ifndef WORK_SCORE_ROWS_H
#define WORK_SCORE_ROWS_H

#include "core/base.h"
#include "eval/score.h"
#include "eval/serve.h"

struct arena;
struct db;

/* Scores count for this long: live ones together with walk-forward ones from before the first issue. */
#define SCORE_WINDOW_S (INT64_C(365) * 86400)
#define SCORE_PAGE_MAX 512 /* forecasts of one look */

/* A forecast whose truth is known. */
struct score_due {
    int64_t forecast_id, batch_id, issued_at, horizon_s;
    const char *model; /* lives in the arena */
    double origin_price, actual;
    double price[QUANTILE_COUNT], baseline[QUANTILE_COUNT];
};

struct score_page {
    struct score_due *due;
    size_t count;
    bool is_last;
};

/* Up to SCORE_PAGE_MAX forecasts of the feed that aim at or before `close_ms` and have no score, by target, horizon and
 * batch; of no batch and horizon only a part. The truth is the close at the target; when the feed has a gap there, the
 * last close before it. *is_last: there are no more. */
int score_rows_load_due(struct db *db, struct arena *arena, const char *feed, int64_t close_ms,
                        struct score_page *page) BTCF_MUST_CHECK;

/* The same of forecasts that have live scores: of the newest SCORE_LEARN_MAX at a horizon, issued at or after
 * `since_ms`. */
#define SCORE_LEARN_MAX 40000
int score_rows_load_scored(struct db *db, struct arena *arena, const char *feed, int64_t horizon_s, int64_t since_ms,
                           struct score_page *page) BTCF_MUST_CHECK;

/* Id of the first of them, 0 when none is due. */
int score_rows_first_due(struct db *db, struct arena *arena, const char *feed, int64_t close_ms,
                         int64_t *forecast_id) BTCF_MUST_CHECK;

struct scored {
    double actual;
    struct score score;
    double crps_baseline, width_90_baseline;
};

/* Writes the scores of stored forecasts, ids[i] for scored[i]; those that have one already are left alone. */
int score_rows_save_live(struct db *db, const int64_t *ids, const struct scored *scored, size_t count,
                         int64_t wall_ms) BTCF_MUST_CHECK;

/* Walk-forward scores of one model at one horizon. */
struct score_group {
    const char *feed, *model;
    int64_t horizon_s;
    size_t count;
    const int64_t *issued_at;
    const double *origin_price;
    const struct scored *scored;
};
int score_rows_save_walk_forward(struct db *db, const struct score_group *group, int64_t wall_ms) BTCF_MUST_CHECK;

/* All models that were scored at a horizon against one of them, over scores of the same origins. */
struct score_contest {
    const char *feed, *champion;
    int64_t horizon_s, since_ms; /* targets after that */
};
struct score_contender {
    const char *model;      /* lives in the arena */
    struct serve_sums sums; /* of crps of the champion - crps of the model */
};
/* At most `max` of them, by name; the champion is not among them. */
int score_rows_contest(struct db *db, struct arena *arena, const struct score_contest *contest,
                       struct score_contender *contenders, size_t max, size_t *count) BTCF_MUST_CHECK;

/* How many consecutive forecasts share one hour of truth: horizon over the distance of two origins, at least 1. `origin`
 * is "live" or "walk_forward". */
double score_overlap(const char *origin, int64_t horizon_s);

#endif
