/* An nginx without nginx, for tests of the meter: makes edge.v1 and counts in it with the functions that workers use, as
 * told on standard input. Each line is answered by one line that begins with "ok" or "error".
 *
 *     open DIR KEYS                              "ok INSTANCE"; room for KEYS keys and as many accounts
 *     use ROW TIME_S CLASS STATUS UNITS TIMES    answers of 100 bytes and 1000 us each
 *     head ROW TIME_S CLASS UNITS TIMES          the same for HEAD
 *     principal ISSUER SUBJECT TIME_S CLASS UNITS TIMES
 *     storm ROWS MS SEED                         uses of rows 0 .. ROWS - 1 today, as fast as it can; "ok ANSWERS UNITS"
 *     fill ROW COUNT TIME_S                      one answer of each of COUNT rows
 *     read ROW BANK                              "ok DAY COUNTER..." as in struct btcf_usage_bank
 *     set ROW BANK WORD VALUE                    a word of the bank as garbage; word 15: last_used_s
 *     noise ROW SEED                             a whole row as garbage
 *
 * It holds edge's lock as a master does, and gives it up when it is killed or its input ends.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/rand.h"
#include "shm/edge.h"
#include "shm/limit.h"

#define LINE_SIZE 512
#define NAME_SIZE 256
#define BANK_WORDS (sizeof(struct btcf_usage_bank) / sizeof(uint64_t))
#define CLOCK_EVERY 64 /* answers of a storm between two looks at the clock */

static struct btcf_edge edge;

static struct btcf_usage_row *row_at(uint32_t row)
{
    return row < edge.usage_count ? &edge.usage[row] : NULL;
}

static const char *open_edge(const char *line, char answer[LINE_SIZE])
{
    char dir[NAME_SIZE];
    uint32_t keys;

    if (sscanf(line, "%255s %" SCNu32, dir, &keys) != 2)
        return "open DIR KEYS";
    const struct btcf_edge_options options = {.dir = dir, .build = "test", .keys = keys, .accounts = keys};
    enum btcf_attach why = btcf_edge_open(&edge, &options);
    if (why != BTCF_ATTACH_OK)
        return btcf_attach_text(why);
    for (int i = 0; i < 16; i++)
        snprintf(answer + 2 * i, 3, "%02x", edge.header->instance[i]);
    return NULL;
}

static void count(struct btcf_usage_row *row, struct btcf_use use, uint64_t times)
{
    use.is_whole = use.status < 300;
    use.bytes = 100;
    use.latency_us = 1000;
    for (uint64_t i = 0; i < times; i++)
        btcf_usage_count(row, &use);
}

static const char *use_row(const char *line, bool is_head)
{
    struct btcf_use use = {.is_head = is_head, .status = 200};
    uint32_t row;
    int kind, read;
    uint64_t times;

    if (is_head)
        read = sscanf(line, "%" SCNu32 " %" SCNd64 " %d %" SCNu64 " %" SCNu64, &row, &use.now_s, &kind, &use.units,
                      &times);
    else
        read = sscanf(line, "%" SCNu32 " %" SCNd64 " %d %" SCNu32 " %" SCNu64 " %" SCNu64, &row, &use.now_s, &kind,
                      &use.status, &use.units, &times);
    if (read != (is_head ? 5 : 6) || row_at(row) == NULL || kind < 0 || kind >= BTCF_USAGE_CLASSES)
        return "use ROW TIME_S CLASS STATUS UNITS TIMES";
    use.usage_class = (enum btcf_usage_class)kind;
    count(row_at(row), use, times);
    return NULL;
}

static const char *use_principal(const char *line)
{
    struct btcf_use use = {.status = 200};
    char issuer[NAME_SIZE], subject[NAME_SIZE];
    int kind;
    uint64_t times;

    if (sscanf(line, "%255s %255s %" SCNd64 " %d %" SCNu64 " %" SCNu64, issuer, subject, &use.now_s, &kind,
               &use.units, &times) != 6)
        return "principal ISSUER SUBJECT TIME_S CLASS UNITS TIMES";
    struct btcf_pool_entry *entry =
        btcf_pool_find(&edge, issuer, strlen(issuer), subject, strlen(subject), use.now_s);
    if (entry == NULL)
        return "the pool is full";
    use.usage_class = (enum btcf_usage_class)kind;
    count(&entry->usage, use, times);
    return NULL;
}

static const char *storm(const char *line, char answer[LINE_SIZE])
{
    uint64_t seed, answers = 0, units = 0;
    uint32_t rows;
    int64_t ms;
    struct rng rng;

    if (sscanf(line, "%" SCNu32 " %" SCNd64 " %" SCNu64, &rows, &ms, &seed) != 3 || rows > edge.usage_count)
        return "storm ROWS MS SEED";
    rng_init(&rng, seed);
    for (int64_t end_ms = clock_mono_ms() + ms; clock_mono_ms() < end_ms; clock_sleep_ms(1)) {
        for (int i = 0; i < CLOCK_EVERY; i++) {
            struct btcf_use use = {.now_s = time(NULL),
                                   .status = 200,
                                   .usage_class = (enum btcf_usage_class)(rng_next(&rng) % BTCF_USAGE_CLASSES),
                                   .units = 1 + rng_next(&rng) % 5};

            count(&edge.usage[rng_next(&rng) % rows], use, 1);
            answers++;
            units += use.units;
        }
    }
    snprintf(answer, LINE_SIZE, "%" PRIu64 " %" PRIu64, answers, units);
    return NULL;
}

static const char *fill(const char *line)
{
    struct btcf_use use = {.status = 200, .units = 1};
    uint32_t first, rows;

    if (sscanf(line, "%" SCNu32 " %" SCNu32 " %" SCNd64, &first, &rows, &use.now_s) != 3 || row_at(first) == NULL ||
        rows > edge.usage_count - first)
        return "fill ROW COUNT TIME_S";
    for (uint32_t i = 0; i < rows; i++)
        count(&edge.usage[first + i], use, 1);
    return NULL;
}

static const char *read_bank(const char *line, char answer[LINE_SIZE])
{
    uint32_t row, bank;
    size_t len = 0;

    if (sscanf(line, "%" SCNu32 " %" SCNu32, &row, &bank) != 2 || row_at(row) == NULL || bank > 1)
        return "read ROW BANK";
    const _Atomic uint64_t *words = (const _Atomic uint64_t *)&row_at(row)->bank[bank];
    for (size_t i = 0; i < BANK_WORDS; i++)
        len += (size_t)snprintf(answer + len, LINE_SIZE - len, "%" PRIu64 " ", atomic_load(&words[i]));
    return NULL;
}

static const char *set_word(const char *line)
{
    uint32_t row, bank, word;
    uint64_t value;

    if (sscanf(line, "%" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu64, &row, &bank, &word, &value) != 4 ||
        row_at(row) == NULL || bank > 1 || word > BANK_WORDS)
        return "set ROW BANK WORD VALUE";
    if (word == BANK_WORDS)
        atomic_store(&row_at(row)->last_used_s, value);
    else
        atomic_store((_Atomic uint64_t *)&row_at(row)->bank[bank] + word, value);
    return NULL;
}

static const char *noise(const char *line)
{
    uint32_t row;
    uint64_t seed;
    struct rng rng;

    if (sscanf(line, "%" SCNu32 " %" SCNu64, &row, &seed) != 2 || row_at(row) == NULL)
        return "noise ROW SEED";
    rng_init(&rng, seed);
    for (size_t i = 0; i < sizeof(struct btcf_usage_row) / sizeof(uint64_t); i++)
        atomic_store((_Atomic uint64_t *)row_at(row) + i, rng_next(&rng));
    return NULL;
}

static const char *obey(const char *verb, const char *rest, char answer[LINE_SIZE])
{
    if (strcmp(verb, "open") == 0)
        return open_edge(rest, answer);
    if (edge.base == NULL)
        return "nothing is open";
    if (strcmp(verb, "use") == 0 || strcmp(verb, "head") == 0)
        return use_row(rest, verb[0] == 'h');
    if (strcmp(verb, "principal") == 0)
        return use_principal(rest);
    if (strcmp(verb, "storm") == 0)
        return storm(rest, answer);
    if (strcmp(verb, "fill") == 0)
        return fill(rest);
    if (strcmp(verb, "read") == 0)
        return read_bank(rest, answer);
    if (strcmp(verb, "set") == 0)
        return set_word(rest);
    if (strcmp(verb, "noise") == 0)
        return noise(rest);
    return "unknown command";
}

int main(void)
{
    char line[LINE_SIZE];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        char verb[16] = "", answer[LINE_SIZE] = "";
        int rest = 0;

        if (sscanf(line, "%15s %n", verb, &rest) < 1)
            continue;
        const char *problem = obey(verb, line + rest, answer);
        printf("%s %s\n", problem == NULL ? "ok" : "error", problem == NULL ? answer : problem);
        fflush(stdout);
    }
    return 0;
}
