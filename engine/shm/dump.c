/* `btcf shm dump`: header, sections, documents, curves, newest events, the gate, and the sums of edge's counters.
 *
 * Everything is read through the reader that workers use, and each line says what a worker would have made of it. The
 * only bytes looked at directly are the header's, which every file that is long enough has.
 */
#include "shm/dump.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "shm/auth.h"
#include "shm/btcf_seq.h"
#include "shm/dist.h"
#include "shm/edge.h"
#include "shm/file.h"
#include "shm/reader.h"

#define EVENTS_SHOWN_MAX 8
#define EVENT_TEXT_MAX 60
#define PATH_SIZE 4096

struct dump {
    FILE *out;
    int64_t now_ms;
    int problem_count;
};

static const char *const section_names[] = {
    [BTCF_SECTION_DOC] = "DOC",         [BTCF_SECTION_BODY] = "BODY",
    [BTCF_SECTION_DIST] = "DIST",       [BTCF_SECTION_EVENT] = "EVENT",
    [BTCF_SECTION_AUTH] = "AUTH",       [BTCF_SECTION_KEY_INDEX] = "KEY_INDEX",
    [BTCF_SECTION_KEY] = "KEY",         [BTCF_SECTION_ACCOUNT_INDEX] = "ACCOUNT_INDEX",
    [BTCF_SECTION_ACCOUNT] = "ACCOUNT", [BTCF_SECTION_REVOKED] = "REVOKED",
    [BTCF_SECTION_PLAN] = "PLAN",       [BTCF_SECTION_NETWORK] = "NETWORK",
    [BTCF_SECTION_METRIC] = "METRIC",   [BTCF_SECTION_USAGE] = "USAGE",
    [BTCF_SECTION_ADDR] = "ADDR",       [BTCF_SECTION_LIMIT] = "LIMIT",
    [BTCF_SECTION_POOL] = "POOL",       [BTCF_SECTION_REVOKED_UNTIL] = "REVOKED_UNTIL",
};
static const char *const state_names[] = {"building", "live", "retired"};
static const char *const class_names[] = {"?", "forecast", "market", "status", "static", "internal"};
static const char *const event_names[] = {"?", "price", "candle", "forecast", "status"};
static const char *const outcome_names[] = {
    [BTCF_READ_OK] = "ok", [BTCF_READ_ABSENT] = "absent", [BTCF_READ_BUSY] = "busy", [BTCF_READ_CORRUPT] = "CORRUPT"};

#define NAME_OF(names, i) ((size_t)(i) < BTCF_LENGTH(names) && (names)[i] != NULL ? (names)[i] : "?")

static void say_problem(struct dump *dump, const char *what, const char *why)
{
    fprintf(dump->out, "  PROBLEM  %s: %s\n", what, why);
    dump->problem_count++;
}

/* Text of a file that may be damaged: what is not printable becomes a dot. */
static void print_text(struct dump *dump, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        fputc(isprint((unsigned char)text[i]) ? text[i] : '.', dump->out);
}

static void print_hex(struct dump *dump, const char *label, const uint8_t *bytes, size_t len)
{
    fprintf(dump->out, "  %-10s ", label);
    for (size_t i = 0; i < len; i++)
        fprintf(dump->out, "%02x", bytes[i]);
    fputc('\n', dump->out);
}

/* ---- header and sections ----------------------------------------------------------------------------------------- */

static void dump_header(struct dump *dump, const struct btcf_file *file)
{
    struct btcf_header header;
    char time[TIME_TEXT_SIZE];

    btcf_words_load(&header, file->base, sizeof(header));
    time_format(header.created_unix_ms, time);
    fprintf(dump->out, "  magic      ");
    print_text(dump, header.magic, sizeof(header.magic));
    fprintf(dump->out, "\n  abi        %u.%u, layout %016" PRIx64 "%s\n", header.major, header.minor,
            header.layout_hash, header.layout_hash == BTCF_LAYOUT_HASH ? "" : " (not ours)");
    fprintf(dump->out, "  build      ");
    print_text(dump, header.build, strnlen(header.build, sizeof(header.build)));
    fprintf(dump->out, "\n  state      %s\n  created    %s\n", NAME_OF(state_names, header.state), time);
    fprintf(dump->out, "  size       %" PRIu64 " stated, %" PRIu64 " in the file\n", header.total_size, file->size);
    print_hex(dump, "instance", header.instance, sizeof(header.instance));
    print_hex(dump, "boot", header.boot_id, sizeof(header.boot_id));
    fprintf(dump->out, "  heartbeat  %" PRIu64 "\n  epoch      %" PRIu64 "\n  fence      %" PRIu64 "\n",
            header.heartbeat, header.epoch, header.publisher_fence);
    fprintf(dump->out, "  health     %s%s%s%s\n", header.health == 0 ? "good" : "",
            (header.health & BTCF_HEALTH_DEGRADED) != 0 ? "degraded " : "",
            (header.health & BTCF_HEALTH_STALE_MARKET) != 0 ? "stale-market " : "",
            (header.health & BTCF_HEALTH_MAINTENANCE) != 0 ? "maintenance" : "");
    for (uint32_t i = 0; i < header.section_count && i < BTCF_SECTIONS_MAX; i++) {
        const struct btcf_section *section = &header.sections[i];

        fprintf(dump->out, "  section    %-13s v%u  at %-10" PRIu64 " size %-10" PRIu64 " %u x %u bytes\n",
                NAME_OF(section_names, section->kind), section->version, section->offset, section->size,
                section->count, section->stride);
    }
}

/* ---- documents --------------------------------------------------------------------------------------------------- */

static enum btcf_read try_body(struct btcf_reader *reader, uint32_t slot, const struct btcf_doc_meta *meta,
                               unsigned body)
{
    unsigned char *buf = malloc((size_t)btcf_body_len(meta, body) + 1);
    enum btcf_read outcome = buf == NULL ? BTCF_READ_BUSY : btcf_reader_body(reader, slot, meta, body, buf);

    free(buf);
    return outcome;
}

static void print_age(struct dump *dump, const char *label, int64_t at_ms)
{
    if (at_ms == 0)
        fprintf(dump->out, "  %s never", label);
    else
        fprintf(dump->out, "  %s %+.1fs", label, (double)(at_ms - dump->now_ms) / 1000.0);
}

static void dump_document(struct dump *dump, struct btcf_reader *reader, uint32_t i)
{
    static const char *const body_names[BTCF_BODY_COUNT] = {"fresh", "stale", "fresh.gz", "stale.gz"};
    struct btcf_doc_slot copy;
    struct btcf_doc_meta meta;
    enum btcf_read outcome = btcf_reader_meta(reader, i, &meta);

    btcf_words_load(&copy, &reader->slots[i], offsetof(struct btcf_doc_slot, meta));
    size_t key_len = copy.key_len <= BTCF_DOC_KEY_MAX ? copy.key_len : BTCF_DOC_KEY_MAX;

    fprintf(dump->out, "  ");
    print_text(dump, copy.key, key_len);
    fprintf(dump->out, "  gen %" PRIu64 "  %s  %s", copy.gen, NAME_OF(class_names, copy.doc_class),
            NAME_OF(outcome_names, outcome));
    if (outcome == BTCF_READ_OK && (meta.flags & BTCF_DOC_RETIRED) != 0)
        fprintf(dump->out, "  gone");
    if (outcome == BTCF_READ_OK) {
        print_age(dump, "published", meta.published_ms);
        print_age(dump, "stale", meta.stale_at_ms);
        print_age(dump, "expires", meta.expires_at_ms);
        for (unsigned body = 0; body < BTCF_BODY_COUNT; body++)
            if (btcf_body_len(&meta, body) > 0)
                fprintf(dump->out, "  %s %u", body_names[body], btcf_body_len(&meta, body));
    }
    fputc('\n', dump->out);
    if (copy.key_len != key_len || btcf_doc_hash(reader->hash_seed, copy.key, key_len) != copy.hash)
        say_problem(dump, "key", "it does not belong to the slot's hash: workers do not find the document");
    if (outcome == BTCF_READ_CORRUPT)
        say_problem(dump, "meta data", "their checksum or bounds are wrong");
    for (unsigned body = 0; outcome == BTCF_READ_OK && body < BTCF_BODY_COUNT; body++)
        if (try_body(reader, i, &meta, body) == BTCF_READ_CORRUPT)
            say_problem(dump, body_names[body], "the body's checksum is wrong");
}

static void dump_documents(struct dump *dump, struct btcf_reader *reader)
{
    uint32_t count = 0;

    fprintf(dump->out, "documents\n");
    for (uint32_t i = 0; i < reader->slot_count; i++) {
        if (atomic_load_explicit(&reader->slots[i].hash, memory_order_acquire) == 0)
            continue;
        dump_document(dump, reader, i);
        count++;
    }
    fprintf(dump->out, "  %u in %u slots\n", count, reader->slot_count);
}

/* ---- curves and events ------------------------------------------------------------------------------------------- */

/* A curve is stored under the hash of its document's key, so the directory has the name. */
static void print_key_of(struct dump *dump, const struct btcf_reader *reader, uint64_t hash)
{
    struct btcf_doc_slot copy;

    for (uint32_t i = 0; i < reader->slot_count; i++) {
        if (atomic_load_explicit(&reader->slots[i].hash, memory_order_acquire) != hash)
            continue;
        btcf_words_load(&copy, &reader->slots[i], offsetof(struct btcf_doc_slot, meta));
        print_text(dump, copy.key, copy.key_len <= BTCF_DOC_KEY_MAX ? copy.key_len : BTCF_DOC_KEY_MAX);
        return;
    }
    fprintf(dump->out, "(no document) %016" PRIx64, hash);
}

static void dump_curves(struct dump *dump, struct btcf_reader *reader)
{
    fprintf(dump->out, "curves\n");
    for (uint32_t i = 0; i < reader->dist_count; i++) {
        struct btcf_dist_curve curve;
        struct btcf_dist dist;
        uint64_t hash = atomic_load_explicit(&reader->dists[i].hash, memory_order_acquire);

        if (hash == 0)
            continue;

        enum btcf_read outcome = btcf_reader_dist_at(reader, i, &curve);

        fprintf(dump->out, "  ");
        print_key_of(dump, reader, hash);
        fprintf(dump->out, "  %s", NAME_OF(outcome_names, outcome));
        if (outcome == BTCF_READ_OK && btcf_dist_init(&dist, &curve))
            fprintf(dump->out, "  gen %" PRIu64 "  horizon %u s  levels %u  5%% %.2f  median %.2f  95%% %.2f",
                    curve.gen, curve.horizon_s, curve.level_count, btcf_dist_quantile(&dist, 0.05),
                    btcf_dist_quantile(&dist, 0.5), btcf_dist_quantile(&dist, 0.95));
        fputc('\n', dump->out);
        if (outcome == BTCF_READ_CORRUPT || (outcome == BTCF_READ_OK && !btcf_dist_init(&dist, &curve)))
            say_problem(dump, "curve", "its checksum is wrong or it is not a distribution");
    }
}

static void dump_events(struct dump *dump, struct btcf_reader *reader)
{
    uint64_t head = btcf_reader_event_head(reader);
    struct btcf_event_slot event;
    char time[TIME_TEXT_SIZE];

    fprintf(dump->out, "events     newest %" PRIu64 ", ring of %u\n", head, reader->event_count);
    for (uint64_t id = head > EVENTS_SHOWN_MAX ? head - EVENTS_SHOWN_MAX + 1 : 1; id <= head; id++) {
        enum btcf_read outcome = btcf_reader_event(reader, id, &event);

        fprintf(dump->out, "  %" PRIu64 "  %s", id, NAME_OF(outcome_names, outcome));
        if (outcome == BTCF_READ_OK) {
            time_format(event.wall_ms, time);
            fprintf(dump->out, "  %s  %s  ", NAME_OF(event_names, event.type), time);
            print_text(dump, event.data, event.data_len < EVENT_TEXT_MAX ? event.data_len : EVENT_TEXT_MAX);
        }
        fputc('\n', dump->out);
        if (outcome == BTCF_READ_CORRUPT)
            say_problem(dump, "event", "its checksum is wrong");
    }
}

/* ---- the gate ---------------------------------------------------------------------------------------------------- */

/* How the entries of a table read. No digest and no id is shown: who may look at the dump need not know who asks. */
struct census {
    uint32_t used, disabled, damaged;
};

static void take(struct census *census, enum btcf_read outcome, bool is_enabled)
{
    census->used += outcome != BTCF_READ_ABSENT;
    census->disabled += outcome == BTCF_READ_OK && !is_enabled;
    census->damaged += outcome == BTCF_READ_CORRUPT;
}

static void print_census(struct dump *dump, const char *table, const struct census *census, uint32_t capacity)
{
    fprintf(dump->out, "  %-10s %u of %u entries used", table, census->used, capacity);
    if (census->disabled > 0)
        fprintf(dump->out, ", %u disabled", census->disabled);
    fputc('\n', dump->out);
    if (census->damaged > 0)
        say_problem(dump, table, "entries are damaged: whom they are for is answered with 503");
}

static void print_plan(struct dump *dump, const struct btcf_plan *plan)
{
    fprintf(dump->out, "  plan %-5u ", plan->number);
    print_text(dump, plan->name, strnlen(plan->name, sizeof(plan->name)));
    if (plan->period_ns > 0)
        fprintf(dump->out, "  %.6g/s burst %u", 1e9 / (double)plan->period_ns, plan->burst);
    if (plan->quota_day > 0)
        fprintf(dump->out, "  %" PRIu64 "/day", plan->quota_day);
    if (plan->quota_month > 0)
        fprintf(dump->out, "  %" PRIu64 "/month", plan->quota_month);
    fprintf(dump->out, "  %u streams ", plan->streams_max);
    for (uint32_t bit = 1; bit < UINT32_C(1) << BTCF_SCOPES_MAX; bit <<= 1)
        if ((plan->scopes & bit) != 0)
            fprintf(dump->out, " %s", btcf_scope_name(bit) != NULL ? btcf_scope_name(bit) : "?");
    fputc('\n', dump->out);
}

static void dump_plans(struct dump *dump, const struct btcf_auth *auth)
{
    struct btcf_plan plan;

    for (uint32_t i = 0; i < auth->plan_count; i++) {
        enum btcf_read outcome = btcf_auth_plan(auth, i, &plan);

        if (outcome == BTCF_READ_OK)
            print_plan(dump, &plan);
        else if (outcome == BTCF_READ_CORRUPT)
            say_problem(dump, "plan", "its checksum is wrong");
    }
}

static struct census count_keys(const struct btcf_auth *auth)
{
    struct census census = {0};
    uint8_t digest[BTCF_DIGEST_SIZE];
    struct btcf_key key;

    for (uint32_t i = 0; i < auth->key_count; i++) {
        enum btcf_read outcome = btcf_auth_key_at(auth, i, digest, &key);

        take(&census, outcome, outcome == BTCF_READ_OK && (key.flags & BTCF_KEY_ENABLED) != 0);
    }
    return census;
}

static struct census count_accounts(const struct btcf_auth *auth)
{
    struct census census = {0};
    struct btcf_account account;

    for (uint32_t i = 0; i < auth->account_count; i++) {
        enum btcf_read outcome = btcf_auth_account(auth, i, &account);

        take(&census, outcome, outcome == BTCF_READ_OK && (account.flags & BTCF_ACCOUNT_ENABLED) != 0);
    }
    return census;
}

static uint32_t count_revoked(const struct btcf_auth *auth)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < auth->revoked_buckets; i++)
        for (int word = 0; word < BTCF_INDEX_BUCKET; word++) {
            uint64_t there = atomic_load_explicit(&auth->revoked[i].word[word], memory_order_relaxed);

            count += there != 0 && there != BTCF_INDEX_GONE;
        }
    return count;
}

static void dump_gate(struct dump *dump, const struct btcf_reader *reader)
{
    struct btcf_auth_header header;
    struct btcf_auth auth;

    if (!btcf_auth_attach(&auth, reader)) {
        fprintf(dump->out, "gate       none\n");
        return;
    }

    const struct census keys = count_keys(&auth), accounts = count_accounts(&auth);

    btcf_words_load(&header, auth.header, sizeof(header));
    fprintf(dump->out, "gate\n");
    print_hex(dump, "database", header.database, sizeof(header.database));
    fprintf(dump->out, "  position   %" PRIu64 "\n  changes    %" PRIu64 "\n",
            atomic_load_explicit(&header.position, memory_order_relaxed), btcf_auth_changes(&auth));
    print_census(dump, "keys", &keys, auth.key_count);
    print_census(dump, "accounts", &accounts, auth.account_count);
    fprintf(dump->out, "  revoked    %u sessions, %u fit\n", count_revoked(&auth), header.revoked_capacity);
    dump_plans(dump, &auth);
}

/* ---- the two files ----------------------------------------------------------------------------------------------- */

/* Maps the file and shows its header. False when there is nothing to map. */
static bool open_and_dump_header(struct dump *dump, const char *path, uint32_t forbidden_mode, struct btcf_file *file)
{
    const struct btcf_file_options options = {.is_writable = false, .forbidden_mode = forbidden_mode};
    const struct btcf_file_options lenient = {.is_writable = false, .forbidden_mode = 0};
    enum btcf_attach why = btcf_file_open(file, path, &options);

    fprintf(dump->out, "%s\n", path);
    if (why == BTCF_ATTACH_BAD_OWNER) {
        say_problem(dump, "file", btcf_attach_text(why));
        why = btcf_file_open(file, path, &lenient);
    }
    if (why != BTCF_ATTACH_OK) {
        say_problem(dump, "file", why == BTCF_ATTACH_SYSTEM ? strerror(errno) : btcf_attach_text(why));
        return false;
    }
    dump_header(dump, file);
    return true;
}

static void dump_pub(struct dump *dump, const char *path)
{
    struct btcf_reader reader;
    struct btcf_file file;

    if (!open_and_dump_header(dump, path, BTCF_PUB_FORBIDDEN_MODE, &file))
        return;

    enum btcf_attach why = btcf_reader_inspect(&reader, file.base, file.size);

    if (why != BTCF_ATTACH_OK)
        say_problem(dump, "workers refuse this file", btcf_attach_text(why));
    if (reader.base != NULL) {
        dump_documents(dump, &reader);
        dump_curves(dump, &reader);
        dump_events(dump, &reader);
        dump_gate(dump, &reader);
    }
    btcf_file_close(&file);
}

static void dump_route(struct dump *dump, const struct btcf_edge *edge, unsigned route)
{
    uint64_t by_status[BTCF_METRIC_STATUSES] = {0}, total = 0;

    for (unsigned block = 0; block < BTCF_METRIC_BLOCKS; block++)
        for (unsigned i = 0; i < BTCF_METRIC_STATUSES; i++) {
            by_status[i] += atomic_load_explicit(&edge->metrics[block].requests[route][i], memory_order_relaxed);
        }
    for (unsigned i = 0; i < BTCF_METRIC_STATUSES; i++)
        total += by_status[i];
    if (total == 0)
        return;
    fprintf(dump->out, "  %-9s  %" PRIu64 " requests:", btcf_route_name((enum btcf_route)route), total);
    for (unsigned i = 0; i < BTCF_METRIC_STATUSES; i++)
        if (by_status[i] > 0 && btcf_status_codes[i] != 0)
            fprintf(dump->out, " %u %" PRIu64, btcf_status_codes[i], by_status[i]);
        else if (by_status[i] > 0)
            fprintf(dump->out, " other %" PRIu64, by_status[i]);
    fputc('\n', dump->out);
}

static void dump_edge(struct dump *dump, const char *dir, const char *path)
{
    struct btcf_edge edge;
    struct btcf_file file;

    if (!open_and_dump_header(dump, path, BTCF_EDGE_FORBIDDEN_MODE, &file))
        return;
    btcf_file_close(&file);

    enum btcf_attach why = btcf_edge_open_readonly(&edge, dir);

    if (why != BTCF_ATTACH_OK) {
        say_problem(dump, "nginx would replace this file", btcf_attach_text(why));
        return;
    }
    fprintf(dump->out, "requests by route, over all workers\n");
    for (unsigned route = 0; route < BTCF_METRIC_ROUTES; route++)
        dump_route(dump, &edge, route);
    btcf_edge_close(&edge);
}

int shm_dump(const char *dir, int64_t now_ms, FILE *out)
{
    struct dump dump = {.out = out, .now_ms = now_ms};
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s/" BTCF_PUB_FILE, dir);
    dump_pub(&dump, path);
    snprintf(path, sizeof(path), "%s/" BTCF_EDGE_FILE, dir);
    dump_edge(&dump, dir, path);
    return dump.problem_count;
}
