/* Import: parse here, COPY BINARY into a temporary table, and from there into archive_candle, chunk by chunk.
 *
 * A chunk is one transaction, so memory is bounded on both sides and an interrupted import has whole chunks in the store.
 * Within a chunk no time appears twice (candle_file sees to that), so ON CONFLICT only ever meets rows of earlier imports:
 * DO NOTHING inserts the new ones, and only if some were there already a second statement compares and changes. The
 * obvious single ON CONFLICT DO UPDATE would not tell inserted from changed.
 *
 * Commits do not wait for the disk, except for the last: a crash of the server costs the rows of an import that was not
 * reported as done.
 */
#include "market/import.h"

#include <endian.h>
#include <string.h>

#include "core/clock.h"
#include "core/err.h"
#include "store/db.h"

#define CHUNK_ROWS 100000
#define BUFFER_SIZE (64 << 10)
#define STATEMENT_TIMEOUT_MS (10 * 60 * MS_PER_S)
#define PROGRESS_ROWS 16384
#define COLUMN_COUNT 6
#define ROW_SIZE (2 + COLUMN_COUNT * (4 + 8))

static const char sql_create[] =
    "SET temp_buffers = '32MB'; SET synchronous_commit = off;"
    "CREATE TEMPORARY TABLE IF NOT EXISTS import_chunk (open_time bigint, open float8, high float8, low float8, "
    "close float8, volume float8) ON COMMIT DELETE ROWS";
static const char sql_finish[] = "SET synchronous_commit = on; DROP TABLE import_chunk; ANALYZE archive_candle";
static const char sql_copy[] = "COPY import_chunk FROM STDIN (FORMAT binary)";
static const char sql_insert[] =
    "INSERT INTO archive_candle (symbol, interval_s, source, quote, open_time, open, high, low, close, volume) "
    "SELECT $1, $2::integer, $3, $4, open_time, open, high, low, close, volume FROM import_chunk "
    "ON CONFLICT (symbol, interval_s, source, quote, open_time) DO NOTHING";
/* The bounds are those of the chunk: without them the planner may read the whole archive for every chunk. */
static const char sql_update[] =
    "UPDATE archive_candle a SET open = i.open, high = i.high, low = i.low, close = i.close, volume = i.volume "
    "FROM import_chunk i WHERE a.symbol = $1 AND a.interval_s = $2::integer AND a.source = $3 AND a.quote = $4 "
    "AND a.open_time = i.open_time AND a.open_time BETWEEN $5 AND $6 AND (a.open, a.high, a.low, a.close, a.volume) "
    "IS DISTINCT FROM (i.open, i.high, i.low, i.close, i.volume)";

struct chunk {
    int64_t rows, first_ms, last_ms;
};

struct importer {
    struct db *db;
    const struct import_options *options;
    const char *source, *quote;
    struct candle_file *file;
    struct import_report *report;
    int64_t start_ms;
    size_t used;
    unsigned char buffer[BUFFER_SIZE];
};

static int choose_names(struct importer *importer);
static int import_chunks(struct importer *importer);
static int import_chunk(struct importer *importer, bool *more);
static int copy_rows(struct importer *importer, struct chunk *chunk, bool *more);
static int merge(struct importer *importer, const struct chunk *chunk);
static void report_progress(struct importer *importer);

int import_file(struct db *db, const struct import_options *options, struct import_report *report)
{
    struct importer importer = {.db = db, .options = options, .report = report, .start_ms = clock_mono_ms()};
    struct candle_file_options file = {.path = options->path,
                                       .interval_s = options->interval_s,
                                       .now_ms = options->now_ms,
                                       .on_bad = options->on_bad,
                                       .arg = options->arg};
    int64_t timeout_ms = db_timeout_ms(db);

    *report = (struct import_report){0};
    if (candle_file_open(&importer.file, &file) < 0)
        return -1;
    int rc = choose_names(&importer);
    if (rc == 0)
        rc = db_set_timeout(db, STATEMENT_TIMEOUT_MS);
    if (rc == 0)
        rc = db_script(db, sql_create);
    if (rc == 0)
        rc = import_chunks(&importer);
    if (rc == 0)
        rc = db_script(db, sql_finish);
    if (rc == 0)
        rc = db_set_timeout(db, timeout_ms);
    report_progress(&importer);
    candle_file_close(&importer.file);
    return rc < 0 ? err_wrap("while importing %s", options->path) : 0;
}

static bool is_name(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && len <= IMPORT_NAME_LEN_MAX &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static int choose_names(struct importer *importer)
{
    const struct import_options *options = importer->options;
    const char *dash = strchr(options->symbol, '-');
    struct candle_file_stats stats;

    if (!is_name(options->symbol) || dash == NULL || dash == options->symbol || dash[1] == '\0')
        return err_set(E_INPUT, "\"%.40s\" is not a symbol like BTC-USD", options->symbol);
    candle_file_stats(importer->file, &stats);
    importer->source = options->source != NULL ? options->source : stats.format;
    importer->quote = options->quote != NULL ? options->quote : stats.quote != NULL ? stats.quote : dash + 1;
    if (!is_name(importer->source) || !is_name(importer->quote))
        return err_set(E_INPUT, "source and quote are names of letters, digits, '.', '_' and '-', up to %d of them",
                       IMPORT_NAME_LEN_MAX);
    return 0;
}

static int import_chunks(struct importer *importer)
{
    bool more = true;

    while (more) {
        if (import_chunk(importer, &more) < 0) {
            db_rollback(importer->db);
            return -1;
        }
        report_progress(importer);
    }
    return 0;
}

static int import_chunk(struct importer *importer, bool *more)
{
    struct chunk chunk;
    int64_t copied = 0;

    if (db_begin(importer->db) < 0 || db_copy_start(importer->db, sql_copy) < 0)
        return -1;
    if (copy_rows(importer, &chunk, more) < 0) {
        /* Giving up the COPY leaves the error frame alone unless it fails as well. */
        if (db_is_open(importer->db) && db_copy_end(importer->db, "the file cannot be read", NULL) < 0)
            return -1;
        return -1;
    }
    if (db_copy_end(importer->db, NULL, &copied) < 0 || merge(importer, &chunk) < 0)
        return -1;
    /* The last commit waits for the disk, and with it everything before. */
    if (!*more && db_script(importer->db, "SET LOCAL synchronous_commit = on") < 0)
        return -1;
    return db_commit(importer->db);
}

static int flush(struct importer *importer)
{
    size_t len = importer->used;

    importer->used = 0;
    return db_copy_data(importer->db, importer->buffer, len);
}

static void put(struct importer *importer, const void *bytes, size_t len)
{
    memcpy(&importer->buffer[importer->used], bytes, len);
    importer->used += len;
}

static void put_i16(struct importer *importer, int16_t value)
{
    uint16_t big = htobe16((uint16_t)value);

    put(importer, &big, sizeof(big));
}

/* A field: its length, then eight bytes. */
static void put_field(struct importer *importer, uint64_t bits)
{
    uint32_t len = htobe32(sizeof(bits));
    uint64_t big = htobe64(bits);

    put(importer, &len, sizeof(len));
    put(importer, &big, sizeof(big));
}

static void put_double(struct importer *importer, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    put_field(importer, bits);
}

static void put_row(struct importer *importer, const struct candle *candle)
{
    put_i16(importer, COLUMN_COUNT);
    put_field(importer, (uint64_t)candle->open_time_ms);
    put_double(importer, candle->open);
    put_double(importer, candle->high);
    put_double(importer, candle->low);
    put_double(importer, candle->close);
    put_double(importer, candle->volume);
}

static void note_time(struct chunk *chunk, int64_t open_time_ms)
{
    if (chunk->rows == 0 || open_time_ms < chunk->first_ms)
        chunk->first_ms = open_time_ms;
    if (chunk->rows == 0 || open_time_ms > chunk->last_ms)
        chunk->last_ms = open_time_ms;
    chunk->rows++;
}

/* The body of one COPY: signature, flags and extension length, rows, -1 (PostgreSQL manual, COPY, Binary Format). */
static int copy_rows(struct importer *importer, struct chunk *chunk, bool *more)
{
    static const char header[] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
    struct candle candle;
    int got = 1;

    put(importer, header, sizeof(header));
    *chunk = (struct chunk){.rows = 0};
    while (chunk->rows < CHUNK_ROWS) {
        got = candle_file_next(importer->file, &candle);
        if (got <= 0)
            break;
        note_time(chunk, candle.open_time_ms);
        if (importer->used + ROW_SIZE > BUFFER_SIZE && flush(importer) < 0)
            return -1;
        put_row(importer, &candle);
        if (chunk->rows % PROGRESS_ROWS == 0)
            report_progress(importer);
    }
    if (got < 0 || (importer->used + ROW_SIZE > BUFFER_SIZE && flush(importer) < 0))
        return -1;
    *more = got == 1;
    put_i16(importer, -1);
    return flush(importer);
}

static int merge(struct importer *importer, const struct chunk *chunk)
{
    struct import_report *report = importer->report;
    const char *symbol = importer->options->symbol;
    int64_t interval_s = importer->options->interval_s, inserted = 0, changed = 0;

    if (db_exec(importer->db, sql_insert, &inserted, DB_TEXT(symbol), DB_I64(interval_s), DB_TEXT(importer->source),
                DB_TEXT(importer->quote), DB_END) < 0)
        return -1;
    if (inserted < chunk->rows &&
        db_exec(importer->db, sql_update, &changed, DB_TEXT(symbol), DB_I64(interval_s), DB_TEXT(importer->source),
                DB_TEXT(importer->quote), DB_I64(chunk->first_ms), DB_I64(chunk->last_ms), DB_END) < 0)
        return -1;
    report->inserted += inserted;
    report->changed += changed;
    report->unchanged += chunk->rows - inserted - changed;
    if (chunk->rows > 0 && (report->first_ms == 0 || chunk->first_ms < report->first_ms))
        report->first_ms = chunk->first_ms;
    if (chunk->rows > 0 && chunk->last_ms > report->last_ms)
        report->last_ms = chunk->last_ms;
    return 0;
}

static void report_progress(struct importer *importer)
{
    struct import_report *report = importer->report;

    report->elapsed_ms = clock_mono_ms() - importer->start_ms;
    candle_file_stats(importer->file, &report->file);
    if (importer->options->on_progress != NULL)
        importer->options->on_progress(importer->options->arg, report);
}
