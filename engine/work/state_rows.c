/* See state_rows.h. States travel as the bytes that they are in memory, for a state belongs to one release on one kind of
 * machine; the head is checked when it comes back (model_state_load).
 */
#include "work/state_rows.h"

#include <inttypes.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/json.h"
#include "core/log.h"
#include "core/str.h"
#include "eval/fits.h"
#include "eval/issue.h"
#include "store/db.h"
#include "work/history.h"

#define LOAD_ARENA_BYTES (64u << 20)
#define PARAMETERS_BYTES_MAX 16384
#define PARAMETER_DIGITS 10

static const char SQL_SAVE[] =
    "INSERT INTO model_version (feed, model, step_s, fitted_ms, release, state_version, cause, refusal, parameters,"
    " trained_from, points, data_hash, fit_ms, content, created_wall_ms)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10, $11, $12, $13, $14, $15)"
    " ON CONFLICT (feed, release, model, step_s, fitted_ms) DO NOTHING";
/* Arrays: name, summary, refit_s; then release. Whoever is no model any more goes. */
static const char SQL_FORGET_MODELS[] = "DELETE FROM model WHERE NOT name = ANY($1::text[])";
static const char SQL_SAVE_MODELS[] =
    "INSERT INTO model (name, ordinal, summary, learns, refit_s, release)"
    " SELECT u.name, u.i, u.summary, u.refit_s > 0, u.refit_s, $4 FROM unnest($1::text[], $2::text[], $3::bigint[])"
    " WITH ORDINALITY AS u (name, summary, refit_s, i) ON CONFLICT (name) DO UPDATE SET ordinal = excluded.ordinal,"
    " summary = excluded.summary, learns = excluded.learns, refit_s = excluded.refit_s, release = excluded.release,"
    " change = nextval('change_seq')";
/* Columns: i id. Index: unique (feed, release, model, step_s, fitted_ms), one step backwards for each wanted pair. */
static const char SQL_NEWEST[] =
    "SELECT w.i, v.id FROM unnest($4::text[], $5::bigint[]) WITH ORDINALITY AS w (model, step_s, i)"
    " JOIN LATERAL (SELECT id FROM model_version WHERE feed = $1 AND release = $2 AND model = w.model"
    " AND step_s = w.step_s::integer AND fitted_ms <= $3 AND content IS NOT NULL ORDER BY fitted_ms DESC LIMIT 1) v"
    " ON true";
static const char SQL_CONTENT[] = "SELECT content FROM model_version WHERE id = $1";

static const char *render_parameters(struct arena *arena, const struct model *model, const struct model_state *state);
static void take_over(struct db *db, struct arena *arena, const struct model *model, int64_t id, struct fits *fits);

int state_rows_save(struct db *db, struct arena *arena, const struct state_row *row, int64_t wall_ms, bool *added)
{
    const struct model_state *state = row->state;
    int64_t affected, points = state != NULL ? (int64_t)state->points : 0;
    if (state != NULL && state->bytes > STATE_BYTES_MAX)
        return err_set(E_LIMIT, "a state of %s has %llu bytes, more than %zu", row->model->name,
                       (unsigned long long)state->bytes, STATE_BYTES_MAX);
    char hash[17] = "";
    if (state != NULL)
        snprintf(hash, sizeof(hash), "%016" PRIx64, state->data_hash);
    struct db_param from = points > 0 ? DB_I64(row->fitted_ms - (points - 1) * row->step_ms) : DB_NULL;
    struct db_param content = state != NULL ? DB_BYTES(state, state->bytes) : DB_NULL;
    if (db_exec(db, SQL_SAVE, &affected, DB_TEXT(row->feed), DB_TEXT(row->model->name),
                DB_I64(row->step_ms / MS_PER_S), DB_I64(row->fitted_ms), DB_TEXT(BTCF_VERSION),
                DB_I64(row->model->state_version), DB_TEXT(row->cause), DB_TEXT(state != NULL ? NULL : row->refusal),
                DB_TEXT(state != NULL ? render_parameters(arena, row->model, state) : "{}"), from, DB_I64(points),
                DB_TEXT(hash), DB_F64(row->fit_ms), content, DB_I64(wall_ms), DB_END) < 0)
        return err_wrap("while storing what %s has learned", row->model->name);
    *added = affected > 0;
    return 0;
}

int state_rows_save_models(struct db *db)
{
    const char *names[STATE_SLOTS_MAX], *summaries[STATE_SLOTS_MAX];
    int64_t refits_s[STATE_SLOTS_MAX];
    size_t count = 0;
    for (; models[count] != NULL && count < STATE_SLOTS_MAX; count++) {
        names[count] = models[count]->name;
        summaries[count] = models[count]->summary;
        refits_s[count] = models[count]->refit_s;
    }
    if (db_exec(db, SQL_FORGET_MODELS, NULL, DB_TEXT_ARRAY(names, count), DB_END) < 0 ||
        db_exec(db, SQL_SAVE_MODELS, NULL, DB_TEXT_ARRAY(names, count), DB_TEXT_ARRAY(summaries, count),
                DB_I64_ARRAY(refits_s, count), DB_TEXT(BTCF_VERSION), DB_END) < 0)
        return err_wrap("while storing who the models are");
    return 0;
}

int state_rows_load(struct db *db, const char *feed, int64_t origin_ms, struct state_slots *slots, struct fits *fits)
{
    static const int64_t steps_s[] = {HISTORY_STEP_S, ISSUE_BAR_S};
    const struct model *wanted[STATE_SLOTS_MAX];
    const char *names[STATE_SLOTS_MAX];
    int64_t wanted_s[STATE_SLOTS_MAX];
    size_t count = 0;
    for (size_t m = 0; models[m] != NULL; m++)
        for (size_t s = 0; s < BTCF_LENGTH(steps_s) && models[m]->refit_s > 0 && count < STATE_SLOTS_MAX; s++) {
            wanted[count] = models[m];
            names[count] = models[m]->name;
            wanted_s[count++] = steps_s[s];
        }
    struct arena *arena = arena_create("states.load", LOAD_ARENA_BYTES);
    struct db_rows rows = {0};
    int result = count == 0
                     ? 0
                     : db_query(db, arena, SQL_NEWEST, &rows, DB_TEXT(feed), DB_TEXT(BTCF_VERSION), DB_I64(origin_ms),
                                DB_TEXT_ARRAY(names, count), DB_I64_ARRAY(wanted_s, count), DB_END);
    for (size_t i = 0; i < rows.count && result == 0; i++) {
        size_t at = (size_t)db_i64(&rows, i, 0) - 1, slot = 0;
        int64_t id = db_i64(&rows, i, 1);
        while (slot < slots->count &&
               (slots->slot[slot].model != wanted[at] || slots->slot[slot].step_s != wanted_s[at]))
            slot++;
        if (slot < slots->count && slots->slot[slot].id == id)
            continue;
        take_over(db, arena, wanted[at], id, fits);
        slots->slot[slot].model = wanted[at];
        slots->slot[slot].step_s = wanted_s[at];
        slots->slot[slot].id = id;
        slots->count += slot == slots->count;
    }
    arena_free(&arena);
    return result < 0 ? err_wrap("while looking for what the models of %s have learned", feed) : 0;
}

/* Never an error of the caller's: a lost connection will show in its next statement. */
static void take_over(struct db *db, struct arena *arena, const struct model *model, int64_t id, struct fits *fits)
{
    struct db_rows rows;
    const unsigned char *bytes;
    size_t len;
    if (db_query(db, arena, SQL_CONTENT, &rows, DB_I64(id), DB_END) < 0 ||
        db_bytes(&rows, 0, 0, arena, &bytes, &len) < 0 || fits_put(fits, model, bytes, len) < 0) {
        log_failure("states.unreadable", model->name);
        err_clear();
    }
}

static const char *render_parameters(struct arena *arena, const struct model *model, const struct model_state *state)
{
    struct model_parameter parameters[MODEL_PARAMETERS_MAX];
    size_t count = model->parameters != NULL ? model->parameters(state, parameters, MODEL_PARAMETERS_MAX) : 0;
    struct strbuf text;
    struct json json;
    strbuf_init(&text, PARAMETERS_BYTES_MAX);
    json_init(&json, &text);
    json_open(&json, '{');
    for (size_t i = 0; i < count; i++) {
        json_key(&json, parameters[i].name);
        json_number_significant(&json, parameters[i].value, PARAMETER_DIGITS);
    }
    json_close(&json, '}');
    const char *copy = strbuf_failed(&text) ? "{}" : arena_strdup(arena, text.ptr);
    strbuf_release(&text);
    return copy;
}
