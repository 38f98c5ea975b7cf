/* A small table of entries, one per state or remembered refusal, each with an arena of its own. The table never grows:
 * per model and step FITS_KEPT entries, over all of them `bytes_max` bytes, and in both the least recently used gives
 * way. So a cache can live as long as the engine does.
 *
 * A refusal is an entry without a state. It holds for its instant only: with the next instant comes more history.
 */
#include "eval/fits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "models/series.h"

#define MS_PER_S 1000
#define MS_PER_HOUR INT64_C(3600000)
#define ENTRIES_MAX 256 /* models x steps x FITS_KEPT, four times over */
#define SCRATCH_BYTES_MAX ((size_t)1 << 30)
#define REFUSAL_BYTES_MAX ((size_t)64 << 10)

struct entry {
    const struct model *model; /* NULL: free */
    int64_t step_ms, instant_ms;
    struct arena *arena;
    const struct model_state *state; /* NULL: refused */
    const char *refusal;
    uint64_t used; /* number of the call that asked for it last */
};

struct fits {
    size_t bytes_max, bytes;
    uint64_t calls;
    struct arena *scratch;
    struct entry entries[ENTRIES_MAX];
};

struct fits *fits_create(size_t bytes_max)
{
    struct fits *fits = calloc(1, sizeof *fits);

    if (fits == NULL)
        abort();
    fits->bytes_max = bytes_max;
    fits->scratch = arena_create("fits", SCRATCH_BYTES_MAX);
    return fits;
}

static void drop(struct fits *fits, struct entry *entry)
{
    if (entry->state != NULL)
        fits->bytes -= entry->state->bytes;
    arena_free(&entry->arena);
    *entry = (struct entry){0};
}

void fits_free(struct fits **fits)
{
    if (*fits == NULL)
        return;
    for (size_t i = 0; i < ENTRIES_MAX; i++)
        drop(*fits, &(*fits)->entries[i]);
    arena_free(&(*fits)->scratch);
    free(*fits);
    *fits = NULL;
}

/* The newest multiple at or before, also before 1970. */
static int64_t floor_to(int64_t value, int64_t multiple)
{
    int64_t rest = value % multiple;

    return value - (rest < 0 ? rest + multiple : rest);
}

int64_t fits_instant(const struct model *model, int64_t origin_ms)
{
    return model->refit_s == 0 ? origin_ms : floor_to(origin_ms, model->refit_s * MS_PER_S);
}

/* Whether the history up to `instant_ms` is long enough for the shortest horizon. */
static bool has_history_at(const struct fits_request *request, int64_t instant_ms)
{
    struct model_need need = request->model->need(&request->params, request->step_ms, request->steps[0]);
    size_t per_point = (size_t)(request->step_ms / request->series->step_ms);

    return series_count_at(request->series, instant_ms) / per_point >= need.min;
}

static int64_t instant_of(const struct fits_request *request)
{
    int64_t regular_ms = fits_instant(request->model, request->series->end_ms);

    if (request->policy == FITS_AT_ORIGIN)
        return request->series->end_ms;
    if (request->model->refit_s <= FITS_EARLY_S || has_history_at(request, regular_ms))
        return regular_ms;
    return floor_to(request->series->end_ms, FITS_EARLY_S * MS_PER_S);
}

static bool serves(const struct entry *entry, const struct fits_request *request)
{
    if (entry->model != request->model || entry->step_ms != request->step_ms)
        return false;
    if (entry->state == NULL)
        return true;
    const struct model_params *a = &entry->state->params, *b = &request->params;
    if (a->window != b->window || a->mirrored != b->mirrored || memcmp(&a->lambda, &b->lambda, sizeof a->lambda) != 0)
        return false;
    for (size_t i = 0; i < request->count && entry->state->step_count > 0; i++)
        if (model_state_index(entry->state, request->steps[i]) == entry->state->step_count)
            return false;
    return true;
}

/* The instant's own entry. */
static struct entry *find_exact(struct fits *fits, const struct fits_request *request, int64_t instant_ms)
{
    for (size_t i = 0; i < ENTRIES_MAX; i++)
        if (fits->entries[i].instant_ms == instant_ms && serves(&fits->entries[i], request))
            return &fits->entries[i];
    return NULL;
}

/* The newest state that was fitted at or before the origin. */
static struct entry *find_newest(struct fits *fits, const struct fits_request *request)
{
    struct entry *newest = NULL;

    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        struct entry *entry = &fits->entries[i];

        if (entry->state != NULL && serves(entry, request) && entry->state->fitted_ms <= request->series->end_ms &&
            (newest == NULL || entry->state->fitted_ms > newest->state->fitted_ms))
            newest = entry;
    }
    return newest;
}

/* Least recently used of the entries of this model and step, or of all when `model` is NULL. */
static struct entry *oldest_of(struct fits *fits, const struct model *model, int64_t step_ms, size_t *count)
{
    struct entry *oldest = NULL;

    *count = 0;
    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        struct entry *entry = &fits->entries[i];

        if (entry->model == NULL || (model != NULL && (entry->model != model || entry->step_ms != step_ms)))
            continue;
        (*count)++;
        if (oldest == NULL || entry->used < oldest->used)
            oldest = entry;
    }
    return oldest;
}

/* A free entry, after what must give way has gone. */
static struct entry *make_room(struct fits *fits, const struct model *model, int64_t step_ms, size_t bytes)
{
    size_t count, kept = model->refit_s == 0 ? 1 : FITS_KEPT;
    struct entry *oldest;

    while ((oldest = oldest_of(fits, model, step_ms, &count)) != NULL && count >= kept)
        drop(fits, oldest);
    while ((oldest = oldest_of(fits, NULL, 0, &count)) != NULL &&
           (count == ENTRIES_MAX || fits->bytes + bytes > fits->bytes_max))
        drop(fits, oldest);
    for (size_t i = 0; i < ENTRIES_MAX; i++)
        if (fits->entries[i].model == NULL)
            return &fits->entries[i];
    assert(false && "an entry was dropped above");
    return NULL;
}

/* Copies the state into an entry of its own. */
static int keep(struct fits *fits, const struct model *model, const struct model_state *state, struct entry **kept)
{
    if (state->bytes > fits->bytes_max)
        return err_set(E_LIMIT, "%s: a state of %llu bytes is larger than the cache of %zu", model->name,
                       (unsigned long long)state->bytes, fits->bytes_max);
    struct entry *entry = make_room(fits, model, state->step_ms, state->bytes);
    struct arena *arena = arena_create("fit", fits->bytes_max + REFUSAL_BYTES_MAX);
    struct model_state *copy = arena_alloc(arena, state->bytes);
    memcpy(copy, state, state->bytes);
    *entry = (struct entry){.model = model,
                            .step_ms = state->step_ms,
                            .instant_ms = state->fitted_ms,
                            .arena = arena,
                            .state = copy,
                            .used = ++fits->calls};
    fits->bytes += copy->bytes;
    *kept = entry;
    return 0;
}

static void keep_refusal(struct fits *fits, const struct fits_request *request, int64_t instant_ms)
{
    struct entry *entry = make_room(fits, request->model, request->step_ms, 0);

    *entry = (struct entry){.model = request->model,
                            .step_ms = request->step_ms,
                            .instant_ms = instant_ms,
                            .arena = arena_create("fit", REFUSAL_BYTES_MAX),
                            .used = ++fits->calls};
    entry->refusal = arena_strdup(entry->arena, err_text());
}

/* What the model is fitted on: the series cut at the instant, as bars when it works on bars. */
static int training_series(struct fits *fits, const struct fits_request *request, int64_t instant_ms,
                           struct series *training)
{
    size_t per_point = (size_t)(request->step_ms / request->series->step_ms), most = 1;
    size_t count = series_count_at(request->series, instant_ms);
    struct series known;

    if (count == 0)
        return err_set(E_INPUT, "%s has no points of history at its refit instant", request->model->name);
    known = series_head(request->series, count);
    for (size_t i = 0; i < request->count; i++) {
        struct model_need need = request->model->need(&request->params, request->step_ms, request->steps[i]);

        most = need.used > most ? need.used : most;
    }
    if (per_point > 1)
        return series_bars(fits->scratch, &known, per_point, most, training);
    *training = series_tail(&known, most);
    return 0;
}

static int fit(struct fits *fits, const struct fits_request *request, int64_t instant_ms, struct entry **kept)
{
    struct model_params params = request->params;
    struct series training;
    const struct model_task task = {
        .series = &training, .params = &params, .steps = request->steps, .count = request->count};
    struct model_state *state;

    arena_reset(fits->scratch);
    params.seed = (uint64_t)(instant_ms / MS_PER_HOUR);
    if (training_series(fits, request, instant_ms, &training) < 0 ||
        request->model->fit(fits->scratch, &task, &state) < 0) {
        keep_refusal(fits, request, instant_ms);
        return -1;
    }
    if (keep(fits, request->model, state, kept) < 0)
        return -1;
    (*kept)->instant_ms = instant_ms;
    return 0;
}

int fits_get(struct fits *fits, const struct fits_request *request, const struct model_state **state)
{
    int64_t instant_ms = instant_of(request);
    struct entry *entry = NULL;

    assert(request->count >= 1 && request->count <= MODEL_STEPS_MAX);
    assert(request->step_ms % request->series->step_ms == 0);
    if (request->model->refit_s > 0 && request->policy == FITS_NEWEST)
        entry = find_newest(fits, request);
    if (request->model->refit_s > 0 && entry == NULL)
        entry = find_exact(fits, request, instant_ms);
    if (entry == NULL && fit(fits, request, instant_ms, &entry) < 0)
        return -1;
    entry->used = ++fits->calls;
    if (entry->state == NULL)
        return err_set(E_INPUT, "%s", entry->refusal);
    *state = entry->state;
    return 0;
}

int fits_put(struct fits *fits, const struct model *model, const void *bytes, size_t len)
{
    struct model_state *state;
    struct entry *entry;

    arena_reset(fits->scratch);
    if (model_state_load(fits->scratch, model, bytes, len, &state) < 0)
        return -1;
    for (size_t i = 0; i < ENTRIES_MAX; i++)
        if (fits->entries[i].model == model && fits->entries[i].step_ms == state->step_ms &&
            fits->entries[i].instant_ms == state->fitted_ms)
            drop(fits, &fits->entries[i]);
    return keep(fits, model, state, &entry);
}
