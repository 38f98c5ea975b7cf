/* A publisher for tests of the nginx module: does in shared memory what it is told on standard input.
 *
 * Each line is a JSON object with "do"; each is answered by one line, "ok" or "error: ...". It uses the same writer as
 * the engine, so what the module reads is real; only the contents are the test's.
 *
 *     {"do":"create","dir":"/dev/shm/x"}                  a new file, not yet visible ("doc_bytes": room per document)
 *     {"do":"doc","key":"/v1/status","class":"status","fresh":"{}"}
 *                                                         also "type", "stale", "gzip":true, "etag":1, "cost":1 and
 *                                                         "stale_in", "expires_in", "published_in": ms from now
 *     {"do":"churn","key":"/v1/price","from":1,"count":1000,"bytes":2000}
 *                                                         versions whose body is one number over and over
 *     {"do":"event","type":"price","data":"{...}"}
 *                                                         also "subject": seconds, "count":1000, "every_us":100000;
 *                                                         no "data": {"n":N,"t_us":T} by number and monotonic time,
 *                                                         and as many more characters as "pad" says
 *     {"do":"plan","number":1,"name":"free","rate":2,"burst":60,"scopes":["read"]}
 *                                                         also "streams", "quota_day", "quota_month"; rate 0: no limit
 *     {"do":"account","number":1,"id":"<32 hex digits>","row":1,"plan":1}
 *                                                         also "enabled":false, "admin":true, "valid_after",
 *                                                         "blocked_until" (unix seconds), "blocked_period":"month"
 *     {"do":"key","text":"btcf_live_...","id":1,"account":1,"row":2,"scopes":["read"]}
 *                                                         also "enabled":false, "expires", "networks":["10.0.0.0/8"]
 *     {"do":"revoke","session":"<32 hex digits>","until":1800000000} {"do":"forget","now":1800000001}
 *     {"do":"unplan","number":1}
 *                                                         the gate; "create" takes "keys", "accounts", "revoked",
 *                                                         "networks": capacities; "gate":false leaves it out
 *     {"do":"live"} {"do":"beat"} {"do":"retire","key":"/v1/price"} {"do":"health","bits":1} {"do":"close"}
 *
 * It ends at the end of its input, and leaves the file in place, as a killed engine would.
 */
#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "core/clock.h"
#include "core/err.h"
#include "crypto/api_key.h"
#include "shm/auth_writer.h"
#include "shm/dist.h"
#include "shm/writer.h"

#define LINE_BYTES_MAX (1 << 20)
#define BODY_BYTES_MAX (1 << 18)
#define GZIP_WINDOW_BITS (15 + 16)

static struct writer *writer;

struct word {
    const char *name;
    int value;
};

static const struct word classes[] = {
    {"forecast", BTCF_DOC_FORECAST}, {"market", BTCF_DOC_MARKET},     {"status", BTCF_DOC_STATUS},
    {"static", BTCF_DOC_STATIC},     {"internal", BTCF_DOC_INTERNAL}, {NULL, 0},
};
static const struct word types[] = {
    {"json", BTCF_TYPE_JSON},
    {"html", BTCF_TYPE_HTML},
    {"text", BTCF_TYPE_TEXT},
    {NULL, 0},
};
static const struct word periods[] = {
    {"day", BTCF_PERIOD_DAY},
    {"month", BTCF_PERIOD_MONTH},
    {NULL, 0},
};

static const struct word event_types[] = {
    {"price", BTCF_EVENT_PRICE},
    {"candle", BTCF_EVENT_CANDLE},
    {"forecast", BTCF_EVENT_FORECAST},
    {"status", BTCF_EVENT_STATUS},
    {NULL, 0},
};

static const char *text_of(const json_t *command, const char *name)
{
    const char *text = json_string_value(json_object_get(command, name));

    return text == NULL ? "" : text;
}

static int64_t number_of(const json_t *command, const char *name, int64_t otherwise)
{
    const json_t *number = json_object_get(command, name);

    return json_is_integer(number) ? (int64_t)json_integer_value(number) : otherwise;
}

/* The value of the word that the field holds; the first word's when there is no such field. */
static int word_of(const json_t *command, const char *name, const struct word *words, int *value)
{
    const char *text = text_of(command, name);

    *value = words[0].value;
    if (text[0] == '\0')
        return 0;
    for (; words->name != NULL; words++) {
        *value = words->value;
        if (strcmp(words->name, text) == 0)
            return 0;
    }
    return err_set(E_INPUT, "%s is no %s", text, name);
}

/* ms from now in the field, as a wall time; 0 when there is no such field. */
static int64_t time_of(const json_t *command, const char *name)
{
    return json_object_get(command, name) == NULL ? 0 : clock_wall_ms() + number_of(command, name, 0);
}

static struct writer_body gzip_of(struct writer_body body, unsigned char *out)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)body.bytes, .avail_in = (uInt)body.len};
    int status;

    if (body.len == 0 || deflateInit2(&stream, 9, Z_DEFLATED, GZIP_WINDOW_BITS, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return (struct writer_body){NULL, 0};
    stream.next_out = out;
    stream.avail_out = BODY_BYTES_MAX;
    status = deflate(&stream, Z_FINISH);
    deflateEnd(&stream);
    return status == Z_STREAM_END ? (struct writer_body){out, stream.total_out} : (struct writer_body){NULL, 0};
}

static int do_create(const json_t *command)
{
    struct writer_options options = {
        .dir = text_of(command, "dir"),
        .build = "test",
        .doc_count_max = 64,
        .doc_bytes_max = (uint32_t)number_of(command, "doc_bytes", 16384),
        .event_count = (uint32_t)number_of(command, "events", 16),
        .dist_count_max = 8,
        .mode = 0644, /* the workers of a test may be another user */
        .auth = {.keys = (uint32_t)number_of(command, "keys", 4096),
                 .accounts = (uint32_t)number_of(command, "accounts", 1024),
                 .revoked = (uint32_t)number_of(command, "revoked", 1024),
                 .networks = (uint32_t)number_of(command, "networks", 64)},
    };

    if (json_is_false(json_object_get(command, "gate")))
        options.auth = (struct writer_auth_options){0};
    return writer_create(&writer, &options);
}

static int do_doc(const json_t *command)
{
    static unsigned char fresh_gz[BODY_BYTES_MAX], stale_gz[BODY_BYTES_MAX];
    struct writer_doc doc = {
        .key = text_of(command, "key"),
        .published_ms = clock_wall_ms() + number_of(command, "published_in", 0),
        .cost_units = (uint32_t)number_of(command, "cost", 1),
        .stale_at_ms = time_of(command, "stale_in"),
        .expires_at_ms = time_of(command, "expires_in"),
        .fresh = {text_of(command, "fresh"), strlen(text_of(command, "fresh"))},
        .stale = {text_of(command, "stale"), strlen(text_of(command, "stale"))},
        .etag_fresh = (uint64_t)number_of(command, "etag", 1),
        .etag_stale = (uint64_t)number_of(command, "etag", 1) + UINT64_C(0x1000),
    };
    int doc_class, type;

    if (word_of(command, "class", classes, &doc_class) < 0 || word_of(command, "type", types, &type) < 0)
        return -1;
    doc.doc_class = (enum btcf_doc_class)doc_class;
    doc.type = (enum btcf_doc_type)type;
    if (json_is_true(json_object_get(command, "gzip"))) {
        doc.fresh_gz = gzip_of(doc.fresh, fresh_gz);
        doc.stale_gz = gzip_of(doc.stale, stale_gz);
    }
    return writer_publish(writer, &doc);
}

/* {"key":..., "levels":[...], "prices":[...], "origin_price":..., "baseline":bool, "degraded":bool} */
static int do_curve(const json_t *command)
{
    const json_t *levels = json_object_get(command, "levels"), *prices = json_object_get(command, "prices");
    struct btcf_dist_curve curve = {
        .issued_at_ms = number_of(command, "issued_at", 1743379200) * 1000,
        .target_at_ms = number_of(command, "target_at", 1743465600) * 1000,
        .stale_at_ms = time_of(command, "stale_in"),
        .expires_at_ms = time_of(command, "expires_in"),
        .origin_price = btcf_dist_bits(json_number_value(json_object_get(command, "origin_price"))),
        .level_count = (uint32_t)json_array_size(levels),
        .flags = (json_is_true(json_object_get(command, "baseline")) ? BTCF_CURVE_BASELINE : 0) |
                 (json_is_true(json_object_get(command, "model")) ? BTCF_CURVE_MODEL : 0) |
                 (json_is_true(json_object_get(command, "degraded")) ? BTCF_CURVE_DEGRADED : 0),
    };

    if (curve.level_count > BTCF_DIST_LEVELS_MAX || json_array_size(prices) != curve.level_count)
        return err_set(E_INPUT, "a curve has as many prices as levels, at most %d", BTCF_DIST_LEVELS_MAX);
    for (uint32_t i = 0; i < curve.level_count; i++) {
        curve.level[i] = btcf_dist_bits(json_number_value(json_array_get(levels, i)));
        curve.value[i] = btcf_dist_bits(json_number_value(json_array_get(prices, i)));
    }
    return writer_publish_dist(writer, text_of(command, "key"), &curve);
}

/* Version n is the nine digits of n and a comma, repeated: a torn copy has two numbers in it. */
static int do_churn(const json_t *command)
{
    static char body[BODY_BYTES_MAX];
    int64_t from = number_of(command, "from", 1), count = number_of(command, "count", 1);
    size_t len = (size_t)number_of(command, "bytes", 2000) / 10 * 10;

    if (len > sizeof(body) - 1)
        return err_set(E_INPUT, "bytes is too large");
    for (int64_t n = from; n < from + count; n++) {
        for (size_t at = 0; at < len; at += 10)
            (void)snprintf(body + at, 11, "%09lld,", (long long)n);
        const struct writer_doc doc = {
            .key = text_of(command, "key"),
            .doc_class = BTCF_DOC_MARKET,
            .type = BTCF_TYPE_TEXT,
            .published_ms = clock_wall_ms(),
            .fresh = {body, len},
            .etag_fresh = (uint64_t)n,
        };

        if (writer_publish(writer, &doc) < 0)
            return -1;
        writer_beat(writer);
    }
    return 0;
}

/* ---- the gate ---------------------------------------------------------------------------------------------------- */

static int scopes_of(const json_t *command, uint16_t *bits)
{
    const json_t *name;
    size_t i;

    *bits = 0;
    json_array_foreach(json_object_get(command, "scopes"), i, name)
    {
        uint32_t bit = json_is_string(name) ? btcf_scope_bit(json_string_value(name), json_string_length(name)) : 0;

        if (bit == 0)
            return err_set(E_INPUT, "no such scope: %s", json_is_string(name) ? json_string_value(name) : "?");
        *bits = (uint16_t)(*bits | bit);
    }
    return 0;
}

static int id_of(const json_t *command, const char *name, uint8_t id[BTCF_ID_SIZE])
{
    const char *text = text_of(command, name);

    return btcf_id_parse(text, strlen(text), id) ? 0 : err_set(E_INPUT, "%s is no %s", text, name);
}

static int do_plan(const json_t *command)
{
    double rate = json_number_value(json_object_get(command, "rate"));
    struct btcf_plan plan = {
        .number = (uint16_t)number_of(command, "number", 0),
        .period_ns = rate > 0 ? (uint64_t)(1e9 / rate) : 0,
        .burst = (uint32_t)number_of(command, "burst", 1),
        .streams_max = (uint32_t)number_of(command, "streams", 0),
        .quota_day = (uint64_t)number_of(command, "quota_day", 0),
        .quota_month = (uint64_t)number_of(command, "quota_month", 0),
    };

    (void)snprintf(plan.name, sizeof(plan.name), "%s", text_of(command, "name"));
    if (scopes_of(command, &plan.scopes) < 0)
        return -1;
    return writer_put_plan(writer, &plan);
}

static int do_unplan(const json_t *command)
{
    return writer_remove_plan(writer, (uint32_t)number_of(command, "number", 0));
}

static int do_account(const json_t *command)
{
    struct btcf_account account = {
        .number = (uint32_t)number_of(command, "number", 0),
        .row = (uint32_t)number_of(command, "row", 0),
        .plan = (uint32_t)number_of(command, "plan", 0),
        .tokens_valid_after_s = number_of(command, "valid_after", 0),
        .blocked_until_s = number_of(command, "blocked_until", 0),
    };
    int period;

    if (!json_is_false(json_object_get(command, "enabled")))
        account.flags |= BTCF_ACCOUNT_ENABLED;
    if (json_is_true(json_object_get(command, "admin")))
        account.flags |= BTCF_ACCOUNT_ADMIN;
    if (id_of(command, "id", account.id) < 0 || word_of(command, "blocked_period", periods, &period) < 0)
        return -1;
    account.blocked_period = (enum btcf_period)period;
    return writer_put_account(writer, &account);
}

/* "10.0.0.0/8", "2001:db8::/32", or an address alone. */
static int parse_network(const char *text, struct btcf_network *network)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char address[INET6_ADDRSTRLEN];
    unsigned bits = 0;
    int fields = sscanf(text, "%45[^/]/%u", address, &bits);

    if (inet_pton(AF_INET, address, network->address + sizeof(mapped)) == 1) {
        memcpy(network->address, mapped, sizeof(mapped));
        network->bits = (uint8_t)(96 + (fields == 2 ? bits : 32));
        return 0;
    }
    if (inet_pton(AF_INET6, address, network->address) != 1)
        return err_set(E_INPUT, "%s is no network", text);
    network->bits = (uint8_t)(fields == 2 ? bits : 128);
    return 0;
}

static int networks_of(const json_t *command, struct btcf_networks *networks)
{
    const json_t *list = json_object_get(command, "networks");
    const json_t *text;
    size_t i;

    memset(networks, 0, sizeof(*networks));
    json_array_foreach(list, i, text)
    {
        if (i == BTCF_NETWORKS_MAX)
            return err_set(E_INPUT, "more networks than an entry holds");
        if (!json_is_string(text) || parse_network(json_string_value(text), &networks->network[i]) < 0)
            return -1;
        networks->count++;
    }
    return 0;
}

static int do_key(const json_t *command)
{
    const char *text = text_of(command, "text");
    struct btcf_api_key parsed;
    struct btcf_networks networks;
    struct btcf_key key = {
        .id = (uint64_t)number_of(command, "id", 1),
        .account = (uint32_t)number_of(command, "account", 0),
        .row = (uint32_t)number_of(command, "row", 0),
        .expires_s = number_of(command, "expires", 0),
    };

    if (!btcf_api_key_parse(text, strlen(text), &parsed))
        return err_set(E_INPUT, "that is no API key");
    if (!json_is_false(json_object_get(command, "enabled")))
        key.flags |= BTCF_KEY_ENABLED;
    if (parsed.is_test)
        key.flags |= BTCF_KEY_TEST;
    if (scopes_of(command, &key.scopes) < 0 || networks_of(command, &networks) < 0)
        return -1;
    return writer_put_key(writer, parsed.digest, &key, networks.count > 0 ? &networks : NULL);
}

static int do_revoke(const json_t *command)
{
    uint8_t session[BTCF_ID_SIZE];

    if (id_of(command, "session", session) < 0)
        return -1;
    return writer_revoke_session(writer, session, number_of(command, "until", AUTH_TIME_MAX));
}

static int do_forget(const json_t *command)
{
    (void)writer_forget_sessions(writer, number_of(command, "now", 0));
    return 0;
}

/* ---- the file as a whole ----------------------------------------------------------------------------------------- */

/* Events of one kind, at a steady pace: the n-th is due n intervals after the first, however late the one before was. */
static int do_event(const json_t *command)
{
    static int64_t number;
    int64_t count = number_of(command, "count", 1), every_us = number_of(command, "every_us", 0), begin_ms;
    const char *given = text_of(command, "data");
    int pad = (int)number_of(command, "pad", 0), type;
    char made[BTCF_EVENT_DATA_MAX];

    if (word_of(command, "type", event_types, &type) < 0)
        return -1;
    if (pad < 0 || pad > BTCF_EVENT_DATA_MAX / 2)
        return err_set(E_INPUT, "pad is too large");
    begin_ms = clock_mono_ms();
    for (int64_t i = 0; i < count; i++) {
        int64_t wait_ms = begin_ms + i * every_us / 1000 - clock_mono_ms();

        if (every_us > 0 && wait_ms > 0)
            (void)clock_sleep_ms(wait_ms);
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        (void)snprintf(made, sizeof(made), "{\"n\":%lld,\"t_us\":%lld,\"pad\":\"%*s\"}", (long long)++number,
                       (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000, pad, "");
        const char *data = given[0] == '\0' ? made : given;
        const struct writer_event event = {.type = (enum btcf_event_type)type,
                                           .wall_ms = clock_wall_ms(),
                                           .data = data,
                                           .len = strlen(data),
                                           .subject_s = (uint32_t)number_of(command, "subject", 0)};

        if (writer_event(writer, &event, NULL) < 0)
            return -1;
    }
    return 0;
}

static int do_live(const json_t *command)
{
    (void)command;
    return writer_go_live(writer);
}

static int do_beat(const json_t *command)
{
    (void)command;
    writer_beat(writer);
    return 0;
}

static int do_retire(const json_t *command)
{
    return writer_retire_doc(writer, text_of(command, "key"));
}

static int do_health(const json_t *command)
{
    writer_set_health(writer, (uint64_t)number_of(command, "bits", 0));
    return 0;
}

static int do_close(const json_t *command)
{
    (void)command;
    writer_close(&writer);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(const json_t *command);
    bool needs_writer;
} commands[] = {
    {"create", do_create, false},  {"doc", do_doc, true},       {"curve", do_curve, true},
    {"churn", do_churn, true},     {"plan", do_plan, true},     {"unplan", do_unplan, true},
    {"account", do_account, true}, {"key", do_key, true},       {"revoke", do_revoke, true},
    {"forget", do_forget, true},   {"event", do_event, true},   {"live", do_live, true},
    {"beat", do_beat, true},       {"retire", do_retire, true}, {"health", do_health, true},
    {"close", do_close, true},
};

static int run_line(const char *line)
{
    json_t *command = json_loads(line, 0, NULL);
    const char *name = text_of(command, "do");
    int status = err_set(E_INPUT, "no such command: %s", line);

    for (size_t i = 0; i < BTCF_LENGTH(commands); i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        if (commands[i].needs_writer && writer == NULL)
            status = err_set(E_INPUT, "create comes first");
        else
            status = commands[i].run(command);
    }
    json_decref(command);
    return status;
}

int main(void)
{
    static char line[LINE_BYTES_MAX];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (run_line(line) < 0)
            printf("error: %s\n", err_text());
        else
            printf("ok\n");
        fflush(stdout);
    }
    return 0;
}
