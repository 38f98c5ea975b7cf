/* Reads a column of numbers as statistical software writes it: 1,2.5e-3,NA with a first line of names, which may be quoted.
 *
 * The first line is one of names when any of its fields is neither a number nor missing. A damaged line ends the reading:
 * a measurement on half a series is no measurement.
 */
#include "cmd/number_column.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/err.h"
#include "core/str.h"
#include "market/lines.h"

#define VALUES_FIRST 1024 /* room that the growing column begins with */

struct reading {
    const char *path, *name;
    size_t index; /* of the field, from 0; known after the first line */
    size_t size;  /* room in column->values */
};

static struct str strip(struct str field)
{
    while (field.len > 0 && (field.ptr[0] == ' ' || field.ptr[0] == '\t')) {
        field.ptr++;
        field.len--;
    }
    while (field.len > 0 && (field.ptr[field.len - 1] == ' ' || field.ptr[field.len - 1] == '\t'))
        field.len--;
    if (field.len >= 2 && field.ptr[0] == '"' && field.ptr[field.len - 1] == '"')
        field = (struct str){field.ptr + 1, field.len - 2};
    return field;
}

static bool is_missing(struct str field)
{
    return field.len == 0 || str_is(field, "NA") || (field.len == 3 && strncasecmp(field.ptr, "nan", 3) == 0);
}

static bool is_names(struct str line)
{
    double value;

    while (line.ptr != NULL) {
        struct str field = strip(str_cut(&line, ','));

        if (!is_missing(field) && str_parse_double(field, &value) < 0)
            return true;
    }
    return false;
}

static size_t count_fields(struct str line)
{
    size_t count = 0;

    for (; line.ptr != NULL; count++)
        str_cut(&line, ',');
    return count;
}

/* Where the column stands, from the first line. */
static int find_column(struct reading *reading, struct str line, bool has_names)
{
    size_t count = count_fields(line);
    int64_t number;

    if (reading->name == NULL) {
        reading->index = count - 1;
        return 0;
    }
    for (reading->index = 0; has_names && line.ptr != NULL; reading->index++)
        if (str_is(strip(str_cut(&line, ',')), reading->name))
            return 0;
    if (str_parse_i64(str_of(reading->name), &number) == 0 && number >= 1 && (uint64_t)number <= count) {
        reading->index = (size_t)number - 1;
        return 0;
    }
    return err_set(E_INPUT, "%s: %s no column \"%s\" among %zu", reading->path,
                   has_names ? "there is" : "without a line of names there is", reading->name, count);
}

static void add(struct number_column *column, struct reading *reading, double value)
{
    if (column->count == reading->size) {
        reading->size = reading->size > 0 ? reading->size * 2 : VALUES_FIRST;
        column->values = reallocarray(column->values, reading->size, sizeof *column->values);
        if (column->values == NULL)
            abort();
    }
    column->values[column->count++] = value;
}

static int take_line(struct number_column *column, struct reading *reading, const struct line *line)
{
    struct str rest = line->text, field = {NULL, 0};
    double value = NAN;

    for (size_t i = 0; i <= reading->index; i++) {
        if (rest.ptr == NULL)
            return err_set(E_INPUT, "%s:%" PRId64 ": has %zu columns; number %zu was asked for", reading->path,
                           line->number, i, reading->index + 1);
        field = strip(str_cut(&rest, ','));
    }
    if (!is_missing(field) && str_parse_double(field, &value) < 0)
        return err_set(E_INPUT, "%s:%" PRId64 ": column %zu: \"%.*s\" is no number", reading->path, line->number,
                       reading->index + 1, (int)field.len, field.ptr);
    if (isnan(value) && column->missing_count++ == 0)
        column->missing_line = line->number;
    if (column->count == NUMBER_COLUMN_MAX)
        return err_set(E_LIMIT, "%s: has more than %zu values", reading->path, NUMBER_COLUMN_MAX);
    add(column, reading, value);
    return 0;
}

static int read_all(struct number_column *column, struct reading *reading, struct lines *lines)
{
    struct line line;
    bool is_first = true;

    for (;;) {
        if (lines_next(lines, &line) < 0)
            return -1;
        if (line.kind == LINE_END)
            break;
        if (line.kind == LINE_LONG)
            return err_set(E_INPUT, "%s:%" PRId64 ": is longer than %d bytes", reading->path, line.number,
                           LINE_LEN_MAX);
        if (strip(line.text).len == 0)
            continue;
        bool has_names = is_first && is_names(line.text);
        if (is_first && find_column(reading, line.text, has_names) < 0)
            return -1;
        is_first = false;
        if (!has_names && take_line(column, reading, &line) < 0)
            return -1;
    }
    return column->count > column->missing_count ? 0 : err_set(E_INPUT, "%s: holds no values", reading->path);
}

int number_column_load(struct number_column *column, const char *path, const char *name)
{
    struct reading reading = {.path = path, .name = name};
    struct lines *lines;

    *column = (struct number_column){0};
    if (lines_open(&lines, path) < 0)
        return -1;
    int status = read_all(column, &reading, lines);
    lines_close(&lines);
    if (status < 0)
        number_column_release(column);
    return status;
}

void number_column_release(struct number_column *column)
{
    free(column->values);
    *column = (struct number_column){0};
}
