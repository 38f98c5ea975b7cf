/* JSON out: a small writer that puts commas and escapes where they belong, onto a strbuf.
 *
 *     struct json json;
 *     json_init(&json, &buf);
 *     json_open(&json, '{');
 *     json_key(&json, "horizon");  json_text(&json, "1d");
 *     json_key(&json, "price");    json_number(&json, 61234.5, 2);
 *     json_close(&json, '}');
 *
 * Misuse (a value without a key inside an object, closing what is not open) is our own mistake and asserts. A number
 * that is not finite is written as null: JSON has no other word for it. JSON in is jansson's business.
 */
#ifndef CORE_JSON_H
#define CORE_JSON_H

#include "core/base.h"
#include "core/str.h"

#define JSON_DEPTH_MAX 16

struct json {
    struct strbuf *buf; /* borrowed */
    int depth;
    struct {
        char close; /* '}' or ']' */
        bool has_value, has_key;
    } level[JSON_DEPTH_MAX];
};

void json_init(struct json *json, struct strbuf *buf);

void json_open(struct json *json, char bracket);  /* '{' or '[' */
void json_close(struct json *json, char bracket); /* '}' or ']' */
void json_key(struct json *json, const char *key);

/* NULL text is null. Bytes that are not UTF-8 are replaced by U+FFFD. */
void json_text(struct json *json, const char *text);
void json_text_len(struct json *json, const char *text, size_t len);
void json_i64(struct json *json, int64_t value);
/* Fixed `decimals` (0..17) with trailing zeros removed but for one digit: 2 -> 61234.5; never an exponent. */
void json_number(struct json *json, double value, int decimals);
/* Shortest of up to `digits` significant digits (1..17); may use an exponent. */
void json_number_significant(struct json *json, double value, int digits);
void json_bool(struct json *json, bool value);
void json_none(struct json *json);
/* A key and its value in one. */
void json_put_text(struct json *json, const char *key, const char *text);
void json_put_i64(struct json *json, const char *key, int64_t value);
void json_put_number(struct json *json, const char *key, double value, int decimals);
void json_put_bool(struct json *json, const char *key, bool value);
/* A ready piece of JSON, taken as it is. */
void json_raw(struct json *json, const char *text, size_t len);
/* RFC 3339 UTC with milliseconds left out when zero; see core/clock.h. 0 is a valid time; use json_none for none. */
void json_time(struct json *json, int64_t unix_ms);

#endif
