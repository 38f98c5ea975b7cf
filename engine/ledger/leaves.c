/* See the header. */
#include "ledger/leaves.h"

#include <inttypes.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/str.h"
#include "ledger/merkle.h"
#include "store/db.h"

#define LEAF_BYTES_MAX 16384

/* Columns: public_id feed model model_version method weights horizon_s issued_at target_at trained_at origin_price mean
 * prob_up volatility quantiles. Index: the unique key (batch_id, model, horizon_s). */
static const char SQL_LEAVES[] =
    "SELECT public_id, feed, model, model_version, method, weights::text, horizon_s::bigint, issued_at, target_at,"
    " trained_at, origin_price, mean, prob_up, volatility, quantiles"
    " FROM forecast WHERE batch_id = $1 AND served ORDER BY horizon_s, id";

void ledger_leaf_render(const struct ledger_leaf *leaf, struct strbuf *out)
{
    strbuf_printf(out, "format=btcf-forecast-1\nid=%s\nfeed=%s\nmodel=%s\nmodel_version=%s\n", leaf->id, leaf->feed,
                  leaf->model, leaf->model_version);
    strbuf_printf(out, "horizon_s=%" PRId64 "\nissued_at=%" PRId64 "\ntarget_at=%" PRId64 "\norigin_price=%.17g\n",
                  leaf->horizon_s, leaf->issued_at, leaf->target_at, leaf->origin_price);
    strbuf_add_text(out, "quantiles=");
    for (size_t i = 0; i < leaf->quantile_count; i++)
        strbuf_printf(out, "%s%.17g", i > 0 ? "," : "", leaf->quantiles[i]);
    strbuf_printf(out, "\nmean=%.17g\nprob_up=%.17g\nvolatility=%.17g\n", leaf->mean, leaf->prob_up,
                  leaf->volatility);
    strbuf_printf(out, "method=%s\nweights=%s\ntrained_at=%" PRId64 "\n", leaf->method, leaf->weights,
                  leaf->trained_at);
}

static int read_leaf(const struct db_rows *rows, size_t i, struct ledger_leaf *leaf)
{
    *leaf = (struct ledger_leaf){.id = db_text(rows, i, 0),
                                 .feed = db_text(rows, i, 1),
                                 .model = db_text(rows, i, 2),
                                 .model_version = db_text(rows, i, 3),
                                 .method = db_text(rows, i, 4),
                                 .weights = db_text(rows, i, 5),
                                 .horizon_s = db_i64(rows, i, 6),
                                 .issued_at = db_i64(rows, i, 7),
                                 .target_at = db_i64(rows, i, 8),
                                 .trained_at = db_i64(rows, i, 9),
                                 .origin_price = db_f64(rows, i, 10),
                                 .mean = db_f64(rows, i, 11),
                                 .prob_up = db_f64(rows, i, 12),
                                 .volatility = db_f64(rows, i, 13)};
    if (db_f64_array(rows, i, 14, leaf->quantiles, LEDGER_QUANTILES_MAX, &leaf->quantile_count) < 0)
        return err_wrap("while reading forecast %s", leaf->id);
    return 0;
}

int ledger_load_leaves(struct db *db, struct arena *arena, int64_t batch_id, struct ledger_stored *leaves,
                       size_t *count)
{
    struct db_rows rows;
    struct strbuf text;
    int result = 0;
    *count = 0;
    if (db_query(db, arena, SQL_LEAVES, &rows, DB_I64(batch_id), DB_END) < 0)
        return err_wrap("while reading the forecasts of batch %" PRId64, batch_id);
    if (rows.count > LEDGER_LEAVES_MAX)
        return err_set(E_LIMIT, "batch %" PRId64 " has %zu served forecasts, more than %d", batch_id, rows.count,
                       LEDGER_LEAVES_MAX);
    strbuf_init(&text, LEAF_BYTES_MAX);
    for (size_t i = 0; i < rows.count && result == 0; i++) {
        struct ledger_leaf leaf;
        strbuf_reset(&text);
        result = read_leaf(&rows, i, &leaf);
        if (result < 0)
            break;
        ledger_leaf_render(&leaf, &text);
        if (strbuf_failed(&text))
            result = err_set(E_LIMIT, "forecast %s is longer than %d bytes", leaf.id, LEAF_BYTES_MAX);
        leaves[i] = (struct ledger_stored){.id = arena_strdup(arena, leaf.id),
                                           .text = arena_strndup(arena, text.ptr, text.len),
                                           .digest = merkle_leaf(text.ptr, text.len)};
    }
    strbuf_release(&text);
    if (result == 0)
        *count = rows.count;
    return result;
}
