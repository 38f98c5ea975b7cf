/* The records of a walk's first phase, in memory that all workers share and, when there is a file to be written, in
 * OUT.partial: whatever ends a run, the next one with the same question goes on from there.
 *
 * A record counts when its mark is the hash of its curves, so a torn one is made again. The file's key is a hash of
 * everything that the records depend on: candles, horizons, origins, models and the program itself. Another key means
 * another question, and the file begins anew.
 */
#ifndef CMD_BACKTEST_RECORDS_H
#define CMD_BACKTEST_RECORDS_H

#include "core/base.h"
#include "eval/backtest.h"

struct records {
    size_t count, curve_count;
    size_t stride; /* bytes from one record to the next */
    unsigned char *map;
    size_t map_bytes;
    int fd; /* -1: memory only */
    char path[4096];
};

/* For a checked plan; `out` is the file to be made, NULL: memory only. E_CONFLICT when another run is at work on it,
 * E_STORE when there is no room. */
int records_open(struct records *records, const struct backtest_plan *plan, const char *out) BTCF_MUST_CHECK;
/* Lets go of the memory; the file stays when `keep`. Safe on one that could not be opened. */
void records_close(struct records *records, bool keep);

/* Curves of one record. */
struct quantile_curve *records_curves(const struct records *records, size_t at);
bool records_is_done(const struct records *records, size_t at);
/* Marks a record whose curves are written. */
void records_set_done(struct records *records, size_t at);

#endif
