/* See keep.h. */
#include "work/keep.h"

#include <stdio.h>
#include <string.h>

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
    if (strcmp(keep->feed, feed) != 0) {
        fits_free(&keep->fits);
        keep->fits = fits_create(FITS_BYTES_MAX);
        keep->slots.count = 0;
        snprintf(keep->feed, sizeof(keep->feed), "%s", feed);
    }
    return state_rows_load(db, feed, origin_ms, &keep->slots, keep->fits);
}
