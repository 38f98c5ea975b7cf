/* See keep.h. */
#include "work/keep.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "eval/fits.h"
#include "work/history.h"

void keep_init(struct keep *keep)
{
    *keep = (struct keep){.history = history_cache_create(), .fits = fits_create(FITS_BYTES_MAX)};
}

void keep_release(struct keep *keep)
{
    history_cache_free(&keep->history);
    fits_free(&keep->fits);
}

int keep_states(struct keep *keep, struct db *db, const char *feed, int64_t origin_ms)
{
    keep->is_unchecked = true;
    if (strcmp(keep->feed, feed) != 0) {
        fits_free(&keep->fits);
        keep->fits = fits_create(FITS_BYTES_MAX);
        keep->slots.count = 0;
        snprintf(keep->feed, sizeof(keep->feed), "%s", feed);
    }
    return keep->slots.count > 0 ? 0 : state_rows_load(db, feed, origin_ms, &keep->slots, keep->fits);
}

/* Nothing is trained on what lies ahead of the market, so there is no origin to mind. */
int keep_refresh(struct keep *keep, struct db *db)
{
    int64_t now_ms = clock_mono_ms();
    if (keep->feed[0] == '\0' || now_ms - keep->refreshed_mono_ms < KEEP_REFRESH_MS)
        return 0;
    keep->refreshed_mono_ms = now_ms;
    if (keep->is_unchecked && history_check(db, keep->history) < 0)
        return -1;
    keep->is_unchecked = false;
    return state_rows_load(db, keep->feed, INT64_MAX, &keep->slots, keep->fits);
}
