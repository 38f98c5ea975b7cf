/* Parameters travel as text with declared types: a number that is first bound as NULL, or a bigint that meets an integer
 * column, then needs no care from the caller, and doubles keep all their bits at 17 digits.
 */
#include "store/db_params.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define BYTES_MAX (4 << 20) /* one bytea parameter */
#define PARAM_TEXT_MAX (16 << 20)

/* Types that parameters are declared with (pg_type.dat); 0 lets the server decide. */
enum {
    OID_UNKNOWN = 0,
    OID_BOOL = 16,
    OID_BYTEA = 17,
    OID_INT8 = 20,
    OID_FLOAT8 = 701,
    OID_TEXT_ARRAY = 1009,
    OID_INT8_ARRAY = 1016,
    OID_FLOAT8_ARRAY = 1022,
};

/* An element of an array in quotes, so that nothing in it separates or ends. */
static void add_quoted(struct strbuf *buf, const char *text)
{
    if (text == NULL) {
        strbuf_add_text(buf, "NULL");
        return;
    }
    strbuf_add_char(buf, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            strbuf_add_char(buf, '\\');
        strbuf_add_char(buf, *text);
    }
    strbuf_add_char(buf, '"');
}

static void add_array(struct strbuf *buf, const struct db_param *param)
{
    assert(param->count <= DB_ARRAY_COUNT_MAX);
    strbuf_add_char(buf, '{');
    for (size_t i = 0; i < param->count; i++) {
        if (i > 0)
            strbuf_add_char(buf, ',');
        if (param->kind == DB_PARAM_F64_ARRAY)
            strbuf_printf(buf, "%.17g", ((const double *)param->ptr)[i]);
        else if (param->kind == DB_PARAM_I64_ARRAY)
            strbuf_printf(buf, "%lld", (long long)((const int64_t *)param->ptr)[i]);
        else
            add_quoted(buf, ((const char *const *)param->ptr)[i]);
    }
    strbuf_add_char(buf, '}');
}

static void add_hex(struct strbuf *buf, const unsigned char *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";

    assert(len <= BYTES_MAX);
    strbuf_add_text(buf, "\\x");
    for (size_t i = 0; i < len; i++) {
        strbuf_add_char(buf, digits[bytes[i] >> 4]);
        strbuf_add_char(buf, digits[bytes[i] & 15]);
    }
}

/* A parameter whose text needs room of its own. */
static void read_long(struct db_params *params, int i, const struct db_param *param)
{
    static const Oid types[] = {[DB_PARAM_F64_ARRAY] = OID_FLOAT8_ARRAY,
                                [DB_PARAM_I64_ARRAY] = OID_INT8_ARRAY,
                                [DB_PARAM_TEXT_ARRAY] = OID_TEXT_ARRAY,
                                [DB_PARAM_BYTES] = OID_BYTEA};
    struct strbuf *text = &params->texts[i];

    strbuf_init(text, PARAM_TEXT_MAX);
    params->has_text[i] = true;
    params->types[i] = types[param->kind];
    if (param->kind == DB_PARAM_BYTES)
        add_hex(text, param->ptr, param->count);
    else
        add_array(text, param);
    assert(!strbuf_failed(text));
    params->values[i] = text->ptr;
}

/* Reads one parameter into slot `i`. */
static void param_read(struct db_params *params, int i, const struct db_param *param)
{
    char *number = params->numbers[i];

    params->values[i] = number;
    switch (param->kind) {
    case DB_PARAM_TEXT:
        params->values[i] = param->ptr;
        break;
    case DB_PARAM_I64:
        params->types[i] = OID_INT8;
        snprintf(number, DB_NUMBER_SIZE, "%lld", (long long)param->i64);
        break;
    case DB_PARAM_F64:
        params->types[i] = OID_FLOAT8;
        snprintf(number, DB_NUMBER_SIZE, "%.17g", param->f64);
        break;
    case DB_PARAM_BOOL:
        params->types[i] = OID_BOOL;
        snprintf(number, DB_NUMBER_SIZE, "%s", param->i64 != 0 ? "t" : "f");
        break;
    case DB_PARAM_F64_ARRAY:
    case DB_PARAM_I64_ARRAY:
    case DB_PARAM_TEXT_ARRAY:
    case DB_PARAM_BYTES:
        read_long(params, i, param);
        break;
    case DB_PARAM_NULL:
    case DB_PARAM_END:
        params->values[i] = NULL;
    }
}

void db_params_read(struct db_params *params, va_list args)
{
    memset(params, 0, sizeof(*params));
    for (;;) {
        struct db_param param = va_arg(args, struct db_param);

        if (param.kind == DB_PARAM_END)
            return;
        assert(params->count < DB_PARAMS_MAX);
        param_read(params, params->count++, &param);
    }
}

void db_params_release(struct db_params *params)
{
    for (int i = 0; i < params->count; i++)
        if (params->has_text[i])
            strbuf_release(&params->texts[i]);
}
