/* One insert. The table is append-only; a trigger refuses everything else. */
#include "accounts/audit.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/err.h"

#define DETAIL_SIZE 1024

static const char sql_write[] = "INSERT INTO audit (at_ms, actor, action, object, detail) "
                                "VALUES ($1, $2, $3, $4 || ':' || $5, $6::jsonb)";

int audit_write(const struct actor *actor, const char *action, const char *kind, const char *id, const char *detail)
{
    if (db_exec(actor->db, sql_write, NULL, DB_I64(actor->now_ms), DB_TEXT(actor->name), DB_TEXT(action),
                DB_TEXT(kind), DB_TEXT(id), DB_TEXT(detail != NULL ? detail : "{}"), DB_END) < 0)
        return err_wrap("while writing the audit");
    return 0;
}

const char *audit_detail(const struct actor *actor, const char *fmt, ...)
{
    char *text = arena_alloc(actor->arena, DETAIL_SIZE);
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(text, DETAIL_SIZE, fmt, args);
    va_end(args);
    assert(len >= 0 && len < DETAIL_SIZE);
    return text;
}
