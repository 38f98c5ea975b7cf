/* See sandbox.h. One window more, whose now is the instant at which its clock stands. */
#include "publish/sandbox.h"

#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "market/feed.h"
#include "publish/window.h"

int sandbox_publish(struct db *db, struct arena *arena, const char *symbol, struct shelf *shelf)
{
    struct feed feed;
    if (feed_load_by_origin(db, symbol, FEED_SANDBOX, &feed) < 0) {
        if (err_kind() != E_MISSING)
            return err_wrap("while looking for the sandbox");
        err_clear();
        return 0;
    }
    struct board *board = arena_alloc(arena, sizeof *board);
    struct records records;
    struct window window = {
        .feed = &feed, .prefix = SANDBOX_PREFIX, .now_wall_ms = feed.wall0_ms, .board = board, .records = &records};
    memset(board, 0, sizeof *board);
    records_init(&records);
    int result = window_show(db, arena, &window, shelf);
    records_release(&records);
    return result < 0 ? err_wrap("while loading the sandbox") : 0;
}
