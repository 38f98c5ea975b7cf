/* Any bytes as a candle file: whatever comes out is a candle that passes every check, each time once, and the counts add
 * up. The bytes go through a pipe, as standard input would. */
#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"
#include "market/candle_file.h"

#define NOW_MS (INT64_C(1700002800) * MS_PER_S)
#define INTERVAL_S 3600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct candle_file_options options = {.interval_s = INTERVAL_S, .now_ms = NOW_MS};
    struct candle_file *file;
    struct candle_file_stats stats;
    struct candle candle;
    char path[64];
    int64_t good = 0;
    int fd = memfd_create("fuzz", 0), got;

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        return 0;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    options.path = path;
    if (candle_file_open(&file, &options) == 0) {
        while ((got = candle_file_next(file, &candle)) == 1) {
            assert(candle_check(&candle, INTERVAL_S * MS_PER_S, NOW_MS) == CANDLE_OK);
            good++;
        }
        assert(got == 0);
        candle_file_stats(file, &stats);
        assert(stats.good == good);
        assert(stats.good + stats.bad <= stats.lines);
        candle_file_close(&file);
    } else {
        assert(err_kind() == E_INPUT);
    }
    close(fd);
    return 0;
}
