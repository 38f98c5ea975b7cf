/* What is shown of forecasting itself and changes seldom: the scoreboard, what models have learned, who is champion and
 * who is quarantined, the newest entries of the ledger. Hundreds of rows, so they are read when they have changed and kept
 * between looks; a new forecast does not wait for them.
 */
#ifndef PUBLISH_RECORDS_H
#define PUBLISH_RECORDS_H

#include "core/base.h"
#include "market/feed.h"
#include "publish/view.h"

struct arena;
struct db;

/* A row of model. */
struct model_view {
    const char *name, *summary;
};

/* A row of model_version: the newest of a model and step. */
struct version_view {
    const char *model, *cause, *data_hash;
    const char *refusal;    /* NULL: there is a state */
    const char *parameters; /* JSON object */
    int64_t step_s, fitted_ms, state_version, trained_from, points;
    double fit_ms;
};

/* A row of verdict: the newest of its kind, horizon and model (of a champion: of its kind and horizon). */
struct verdict_view {
    const char *kind, *model, *state, *previous, *reason;
    int64_t horizon_s, n, decided_at;
    double p; /* negative: none */
    double n_effective;
};

/* A row of calibration. */
struct calibration_view {
    int64_t horizon_s, as_of, updates;
    const char *summary; /* JSON object */
};

struct records {
    struct arena *arena; /* everything below lives there */
    bool is_loaded;
    char feed[FEED_NAME_SIZE];
    int64_t change; /* of the look that loaded it */
    struct accuracy_view *accuracy;
    size_t accuracy_count;
    struct model_view *models; /* in the order of the registry */
    size_t model_count;
    struct version_view *versions;
    size_t version_count;
    struct verdict_view *verdicts;
    size_t verdict_count;
    struct calibration_view *calibrations;
    size_t calibration_count;
};

void records_init(struct records *records);
void records_release(struct records *records);

/* Something of this feed was read before. */
bool records_has(const struct records *records, const char *feed);

/* Reads everything again when `change` or the feed is another than last time; *is_new tells. */
int records_update(struct records *records, struct db *db, const char *feed, int64_t change,
                   bool *is_new) BTCF_MUST_CHECK;

/* The verdict that holds, or NULL. `model` NULL: any. */
const struct verdict_view *records_verdict(const struct records *records, const char *kind, int64_t horizon_s,
                                           const char *model);

#endif
