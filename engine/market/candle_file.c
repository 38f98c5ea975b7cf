/* A candle file: lines, made rows by its format, made candles by candle_check.
 *
 * The first lines are kept aside to find the format and are then walked like all others. A time that appears twice is
 * found with one bit per interval since 1970, so it is found in any order, and a minute file of any length costs
 * less than four megabytes.
 */
#include "market/candle_file.h"

#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/clock.h"
#include "core/err.h"
#include "market/formats.h"
#include "market/lines.h"

#define SAMPLE_COUNT 64 /* lines that the format is found from */
#define ARENA_MAX (1 << 20)
#define BITS_MAX (INT64_C(1) << 26) /* a century and a quarter of minutes */

struct candle_file {
    struct candle_file_options options;
    struct lines *lines;
    struct arena *arena;
    struct format format;
    struct line sample[SAMPLE_COUNT];
    size_t sample_count, sample_next;
    uint64_t *seen; /* one bit per interval since first_ms */
    int64_t bit_count;
    struct candle_file_stats stats;
};

static int read_sample(struct candle_file *file);
static int take_line(struct candle_file *file, struct line *line);
static int judge(struct candle_file *file, const struct line *line, struct candle *candle);

const char *row_reason_text(int reason)
{
    static const char *const texts[] = {
        [ROW_REASON_LONG] = "the line is longer than 4096 bytes",
        [ROW_REASON_CUT] = "the last line has no line end and may be cut short",
        [ROW_REASON_COLUMNS] = "wrong number of columns",
        [ROW_REASON_TIME] = "the time cannot be read",
        [ROW_REASON_NUMBER] = "a value is not a number",
        [ROW_REASON_DUPLICATE] = "the time has appeared before",
    };

    return reason < ROW_REASON_CANDLE ? texts[reason]
                                      : candle_fault_text((enum candle_fault)(reason - ROW_REASON_CANDLE));
}

int candle_file_open(struct candle_file **out, const struct candle_file_options *options)
{
    struct candle_file *file = calloc(1, sizeof(*file));

    if (file == NULL)
        abort();
    file->options = *options;
    file->arena = arena_create("candle_file", ARENA_MAX);
    file->bit_count = options->now_ms / (options->interval_s * MS_PER_S) + 1;
    if (file->bit_count < 1 || file->bit_count > BITS_MAX) {
        candle_file_close(&file);
        return err_set(E_INPUT, "the clock is set to a time that btcf does not count to");
    }
    file->seen = calloc((size_t)file->bit_count / 64 + 1, sizeof(*file->seen));
    if (file->seen == NULL)
        abort();
    if (lines_open(&file->lines, options->path) < 0 || read_sample(file) < 0) {
        candle_file_close(&file);
        return -1;
    }
    *out = file;
    return 0;
}

void candle_file_close(struct candle_file **handle)
{
    struct candle_file *file = *handle;

    *handle = NULL;
    if (file == NULL)
        return;
    lines_close(&file->lines);
    arena_free(&file->arena);
    free(file->seen);
    free(file);
}

int candle_file_next(struct candle_file *file, struct candle *candle)
{
    for (;;) {
        struct line line;

        if (take_line(file, &line) < 0)
            return err_wrap("while reading %s", file->options.path);
        if (line.kind == LINE_END)
            return 0;
        file->stats.lines = line.number;
        if (line.number <= file->format.header_count || (line.kind == LINE_WHOLE && line.text.len == 0))
            continue;

        int reason = judge(file, &line, candle);
        if (reason < 0) {
            file->stats.good++;
            return 1;
        }
        file->stats.bad++;
        file->stats.bad_by_reason[reason]++;
        if (file->options.on_bad != NULL)
            file->options.on_bad(file->options.arg, line.number, row_reason_text(reason));
    }
}

void candle_file_stats(const struct candle_file *file, struct candle_file_stats *stats)
{
    *stats = file->stats;
    stats->format = file->format.name;
    stats->quote = file->format.quote;
    stats->bytes_read = lines_bytes_read(file->lines);
    stats->bytes_total = lines_bytes_total(file->lines);
}

static int read_sample(struct candle_file *file)
{
    struct str texts[SAMPLE_COUNT];
    size_t count = 0;

    while (file->sample_count < SAMPLE_COUNT) {
        struct line *line = &file->sample[file->sample_count];

        if (lines_next(file->lines, line) < 0)
            return err_wrap("while reading %s", file->options.path);
        if (line->kind == LINE_END)
            break;
        file->sample_count++;
        if (line->kind == LINE_LONG) {
            texts[count++] = STR_LIT(""); /* keeps its place, as headers are counted in lines */
            continue;
        }
        line->text.ptr = arena_strndup(file->arena, line->text.ptr, line->text.len);
        texts[count++] = line->text;
    }
    if (!format_detect(texts, count, &file->format))
        return err_set(E_INPUT, "%s is not in a format that btcf knows: see `btcf help import`", file->options.path);
    return 0;
}

static int take_line(struct candle_file *file, struct line *line)
{
    if (file->sample_next == file->sample_count)
        return lines_next(file->lines, line);
    *line = file->sample[file->sample_next++];
    return 0;
}

/* True the second time that a time comes. */
static bool was_seen(struct candle_file *file, int64_t open_time_ms)
{
    int64_t bit = open_time_ms / (file->options.interval_s * MS_PER_S);
    uint64_t mask = UINT64_C(1) << (bit % 64);
    uint64_t *word = &file->seen[bit / 64];
    bool seen = (*word & mask) != 0;

    *word |= mask;
    return seen;
}

/* -1 when the line is a good candle, else the reason why not. */
static int judge(struct candle_file *file, const struct line *line, struct candle *candle)
{
    static const int reasons[] = {
        [ROW_COLUMNS] = ROW_REASON_COLUMNS, [ROW_TIME] = ROW_REASON_TIME, [ROW_NUMBER] = ROW_REASON_NUMBER};

    if (line->kind == LINE_LONG)
        return ROW_REASON_LONG;
    enum row_fault row = format_parse_row(&file->format, line->text, candle);
    if (line->kind == LINE_UNENDED && (row != ROW_OK || !format_has_tail(&file->format)))
        return ROW_REASON_CUT;
    if (row != ROW_OK)
        return reasons[row];

    enum candle_fault fault = candle_check(candle, file->options.interval_s * MS_PER_S, file->options.now_ms);
    if (fault != CANDLE_OK)
        return ROW_REASON_CANDLE + (int)fault;
    return was_seen(file, candle->open_time_ms) ? ROW_REASON_DUPLICATE : -1;
}
