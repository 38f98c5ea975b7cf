/* Fitted states by model and refit instant: what makes a forecast depend on the data alone and not on who asks when.
 *
 *     struct fits *fits = fits_create(FITS_BYTES_MAX);
 *     if (fits_get(fits, &request, &state) < 0) ...                    fits when nobody has yet
 *     fits_free(&fits);
 *
 * The refit instant of a forecast is the newest multiple of the model's refit_s (since 1970) at or before its origin. The
 * walk-forward, the backtest and the engine get the same state for it, because each fits on the series cut at that
 * instant (24-hour bars end there, too). While history before that instant is too short for the model, the instants are
 * the multiples of FITS_EARLY_S instead: a young installation does not wait two months for its first quantile regression.
 *
 * The engine stores states as rows when the heavy lane has made them and puts them here; until then FITS_NEWEST serves
 * the newest older one, which the batch records.
 */
#ifndef EVAL_FITS_H
#define EVAL_FITS_H

#include "core/base.h"
#include "models/model.h"

struct fits;
struct series;

#define FITS_BYTES_MAX ((size_t)256 << 20)
/* States kept per model and step: this refit instant's and the one before. */
#define FITS_KEPT 2
/* Distance of refit instants while history is too short at the regular one. */
#define FITS_EARLY_S INT64_C(86400)

enum fits_policy {
    FITS_EXACT, /* fit when the instant's own state is missing: backtest, walk-forward, training */
    FITS_NEWEST, /* the newest state there is, though it be older than the instant, or newer (trained out of turn); fit only
                    when there is none at all: the live forecast */
    FITS_AT_ORIGIN, /* as if the origin were a refit instant: training out of turn */
};

struct fits_request {
    const struct model *model;
    const struct series *series; /* own steps, up to the origin */
    int64_t step_ms;             /* what the model works on: the series' step, or a multiple of it (24-hour bars) */
    const size_t *steps; /* horizons in steps of step_ms, ascending; all that are ever asked for at this step */
    size_t count;        /* 1..MODEL_STEPS_MAX */
    struct model_params params; /* but for the seed: a state's is the hour (since 1970) of its instant */
    enum fits_policy policy;
};

/* `bytes_max` bounds the states together; the least recently used give way. */
struct fits *fits_create(size_t bytes_max);
void fits_free(struct fits **fits);

/* The state is borrowed until FITS_KEPT further refits of that model at that step, or, for a model that learns nothing
 * (refit_s 0), until the next call for it. E_INPUT with a reason when it cannot be fitted; refusals are remembered for
 * the refit instant, so a model that cannot serve costs its try once. E_LIMIT when one state is larger than bytes_max. */
int fits_get(struct fits *fits, const struct fits_request *request, const struct model_state **state) BTCF_MUST_CHECK;

/* Takes a stored state over (copied). E_INPUT when it is damaged or of another version. */
int fits_put(struct fits *fits, const struct model *model, const void *bytes, size_t len) BTCF_MUST_CHECK;

/* The regular refit instant at or before origin_ms; origin_ms itself for a model that learns nothing. */
int64_t fits_instant(const struct model *model, int64_t origin_ms);

#endif
