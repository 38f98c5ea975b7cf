/* One column of numbers out of a text file, for `btcf fit`: comma-separated lines, with or without a line of names. */
#ifndef CMD_NUMBER_COLUMN_H
#define CMD_NUMBER_COLUMN_H

#include "core/base.h"

struct number_column {
    double *values; /* on the heap; a missing value (an empty field, NA, NaN) is NaN */
    size_t count;
    size_t missing_count;
    int64_t missing_line; /* of the first missing value; 0: none */
};

/* Reads the column that is called `name`, or is numbered so from 1, or the last one when NULL. "-" is standard input. E_INPUT
 * names file, line and column when there is no such column, a line has too few fields, a field is no number, there are
 * no values at all, or more than NUMBER_COLUMN_MAX. On success the column must be released. */
#define NUMBER_COLUMN_MAX ((size_t)20000000)
int number_column_load(struct number_column *column, const char *path, const char *name) BTCF_MUST_CHECK;
void number_column_release(struct number_column *column);

#endif
