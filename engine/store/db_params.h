/* The parameters of one call as libpq wants them. Private to store/. */
#ifndef STORE_DB_PARAMS_H
#define STORE_DB_PARAMS_H

#include <libpq-fe.h>
#include <stdarg.h>

#include "core/str.h"
#include "store/db.h"

#define DB_NUMBER_SIZE 32

struct db_params {
    int count;
    Oid types[DB_PARAMS_MAX];
    const char *values[DB_PARAMS_MAX];
    char numbers[DB_PARAMS_MAX][DB_NUMBER_SIZE];
    struct strbuf texts[DB_PARAMS_MAX];
    bool has_text[DB_PARAMS_MAX];
};

/* Reads struct db_param up to DB_END. Texts are borrowed from the caller, the rest is owned until release. */
void db_params_read(struct db_params *params, va_list args);
void db_params_release(struct db_params *params);

#endif
