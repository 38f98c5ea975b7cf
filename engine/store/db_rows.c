/* Reading rows. Results come as text, which PostgreSQL writes so that it reads back exactly; a value that does not read
 * as what the caller asked for is a query and its reader that disagree, our own mistake, and asserts. Only what an array
 * or a bytea holds is data, and is refused as such.
 */
#include "store/db.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/str.h"

static const PGresult *result_of(const struct db_rows *rows)
{
    assert(rows->result != NULL);
    return rows->result;
}

bool db_is_null(const struct db_rows *rows, size_t row, size_t column)
{
    return PQgetisnull(result_of(rows), (int)row, (int)column) != 0;
}

const char *db_text(const struct db_rows *rows, size_t row, size_t column)
{
    assert(row < rows->count);
    assert(column < rows->columns);
    return db_is_null(rows, row, column) ? NULL : PQgetvalue(result_of(rows), (int)row, (int)column);
}

int64_t db_i64(const struct db_rows *rows, size_t row, size_t column)
{
    const char *text = db_text(rows, row, column);
    int64_t value = 0;

    if (text == NULL)
        return 0;
    int rc = str_parse_i64(str_of(text), &value);
    assert(rc == 0);
    return value;
}

double db_f64(const struct db_rows *rows, size_t row, size_t column)
{
    const char *text = db_text(rows, row, column);
    char *end;

    if (text == NULL)
        return 0.0;
    /* The server's shortest exact digits; also its NaN and Infinity. */
    double value = strtod(text, &end);
    assert(end != text && *end == '\0');
    return value;
}

bool db_bool(const struct db_rows *rows, size_t row, size_t column)
{
    const char *text = db_text(rows, row, column);

    if (text == NULL)
        return false;
    assert(strcmp(text, "t") == 0 || strcmp(text, "f") == 0);
    return text[0] == 't';
}

int db_f64_array(const struct db_rows *rows, size_t row, size_t column, double *values, size_t max, size_t *count)
{
    const char *text = db_text(rows, row, column);
    size_t n = 0;

    *count = 0;
    if (text == NULL)
        return 0;
    assert(text[0] == '{');
    struct str rest = {text + 1, strlen(text) - 2};
    while (rest.len > 0 && rest.ptr != NULL) {
        struct str item = str_cut(&rest, ',');
        char *end;

        if (n == max)
            return err_set(E_CORRUPT, "an array of more than %zu numbers came back", max);
        values[n] = strtod(item.ptr, &end);
        if (item.len == 0 || end != item.ptr + item.len)
            return err_set(E_CORRUPT, "an array holds \"%.*s\" where a number belongs", (int)item.len, item.ptr);
        n++;
    }
    *count = n;
    return 0;
}

int db_bytes(const struct db_rows *rows, size_t row, size_t column, struct arena *arena, const unsigned char **bytes,
             size_t *len)
{
    const char *text = db_text(rows, row, column);

    *bytes = NULL;
    *len = 0;
    if (text == NULL)
        return 0;
    unsigned char *raw = PQunescapeBytea((const unsigned char *)text, len);
    if (raw == NULL)
        return err_set(E_CORRUPT, "a bytea value cannot be read");
    unsigned char *copy = arena_alloc(arena, *len + 1);
    memcpy(copy, raw, *len);
    PQfreemem(raw);
    *bytes = copy;
    return 0;
}
