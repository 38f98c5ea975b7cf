/* Prints what the gate of a pub file says, as a line of JSON:
 *
 *     read_gate FILE key DIGEST            the key (64 hex digits), "absent" or "corrupt"
 *     read_gate FILE allows DIGEST IP      may the key be used from there?
 *     read_gate FILE account NUMBER        the account by number; subject ID: by its public id
 *     read_gate FILE plan NAME
 *     read_gate FILE revoked ID            is the session revoked?
 *     read_gate FILE closed DIGEST         waits until the key is refused; CLOCK_MONOTONIC in ns when it was
 *     read_gate FILE tables                where the tables come from and how large they are
 *
 * For tests: the file is opened anew each time, as a worker would that has just found it. Exit status 3: no file, 4: no gate.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shm/auth.h"
#include "shm/reader.h"

#define WAIT_TRIES 100000
#define WAIT_STEP_NS 100000

static const char *outcome_text(enum btcf_read outcome)
{
    return outcome == BTCF_READ_ABSENT ? "\"absent\"" : "\"corrupt\"";
}

static bool parse_hex(const char *text, uint8_t *bytes, size_t len)
{
    if (strlen(text) != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned value;
        if (sscanf(text + 2 * i, "%2x", &value) != 1)
            return false;
        bytes[i] = (uint8_t)value;
    }
    return true;
}

static int print_key(const struct btcf_auth *auth, const char *text)
{
    uint8_t digest[BTCF_DIGEST_SIZE];
    struct btcf_key key;
    if (!parse_hex(text, digest, sizeof(digest)))
        return 2;
    enum btcf_read outcome = btcf_auth_key(auth, digest, &key);
    if (outcome != BTCF_READ_OK)
        return puts(outcome_text(outcome)) < 0;
    printf("{\"id\":%" PRIu64
           ",\"account\":%u,\"row\":%u,\"enabled\":%s,\"test\":%s,\"scopes\":%u,\"expires_s\":%" PRId64
           ",\"networks\":%s}\n",
           key.id, key.account, key.row, (key.flags & BTCF_KEY_ENABLED) != 0 ? "true" : "false",
           (key.flags & BTCF_KEY_TEST) != 0 ? "true" : "false", key.scopes, key.expires_s,
           key.networks != 0 ? "true" : "false");
    return 0;
}

static int print_allows(const struct btcf_auth *auth, const char *text, const char *address)
{
    uint8_t digest[BTCF_DIGEST_SIZE], bytes[16] = {[10] = 0xff, [11] = 0xff};
    struct btcf_key key;
    if (!parse_hex(text, digest, sizeof(digest)) || btcf_auth_key(auth, digest, &key) != BTCF_READ_OK)
        return 2;
    if (inet_pton(AF_INET, address, bytes + 12) != 1 && inet_pton(AF_INET6, address, bytes) != 1)
        return 2;
    return puts(btcf_auth_network_allows(auth, key.networks, bytes) ? "true" : "false") < 0;
}

static int print_closed(const struct btcf_auth *auth, const char *text)
{
    static const struct timespec step = {.tv_nsec = WAIT_STEP_NS};
    uint8_t digest[BTCF_DIGEST_SIZE];
    struct btcf_key key;
    struct timespec now;
    if (!parse_hex(text, digest, sizeof(digest)))
        return 2;
    puts("\"waiting\""); /* so that the caller begins no sooner */
    fflush(stdout);
    for (int i = 0; i < WAIT_TRIES; i++) {
        if (btcf_auth_key(auth, digest, &key) != BTCF_READ_OK || (key.flags & BTCF_KEY_ENABLED) == 0) {
            clock_gettime(CLOCK_MONOTONIC, &now);
            printf("%lld\n", (long long)now.tv_sec * 1000000000 + now.tv_nsec);
            return 0;
        }
        nanosleep(&step, NULL);
    }
    return 1;
}

static int print_account(const struct btcf_auth *auth, const char *number, const char *subject)
{
    uint8_t id[BTCF_ID_SIZE];
    char text[2 * BTCF_ID_SIZE + 1];
    struct btcf_account account;
    enum btcf_read outcome;
    if (number != NULL)
        outcome = btcf_auth_account(auth, (uint32_t)strtoul(number, NULL, 10), &account);
    else if (btcf_id_parse(subject, strlen(subject), id))
        outcome = btcf_auth_account_find(auth, id, &account);
    else
        return 2;
    if (outcome != BTCF_READ_OK)
        return puts(outcome_text(outcome)) < 0;
    btcf_id_render(account.id, text);
    printf(
        "{\"id\":\"%s\",\"number\":%u,\"row\":%u,\"enabled\":%s,\"admin\":%s,\"plan\":%u,\"tokens_valid_after_s\":%" PRId64
        ",\"blocked_until_s\":%" PRId64 ",\"blocked_period\":%d}\n",
        text, account.number, account.row, (account.flags & BTCF_ACCOUNT_ENABLED) != 0 ? "true" : "false",
        (account.flags & BTCF_ACCOUNT_ADMIN) != 0 ? "true" : "false", account.plan, account.tokens_valid_after_s,
        account.blocked_until_s, (int)account.blocked_period);
    return 0;
}

static int print_plan(const struct btcf_auth *auth, const char *name)
{
    struct btcf_plan plan;
    enum btcf_read outcome = btcf_auth_plan_find(auth, name, strlen(name), &plan);
    if (outcome != BTCF_READ_OK)
        return puts(outcome_text(outcome)) < 0;
    printf("{\"name\":\"%s\",\"number\":%u,\"scopes\":%u,\"period_ns\":%" PRIu64 ",\"burst\":%u,\"streams_max\":%u,"
           "\"quota_day\":%" PRIu64 ",\"quota_month\":%" PRIu64 "}\n",
           plan.name, plan.number, plan.scopes, plan.period_ns, plan.burst, plan.streams_max, plan.quota_day,
           plan.quota_month);
    return 0;
}

static int print_revoked(const struct btcf_auth *auth, const char *text)
{
    uint8_t id[BTCF_ID_SIZE];
    if (!btcf_id_parse(text, strlen(text), id))
        return 2;
    return puts(btcf_auth_is_revoked(auth, id) ? "true" : "false") < 0;
}

static int print_tables(const struct btcf_reader *reader, const struct btcf_auth *auth)
{
    char database[2 * BTCF_ID_SIZE + 1];
    btcf_id_render(auth->header->database, database);
    printf("{\"database\":\"%s\",\"position\":%" PRIu64 ",\"changes\":%" PRIu64
           ",\"keys\":%u,\"accounts\":%u,\"networks\":%u,\"revoked\":%u,\"bytes\":%zu}\n",
           database, atomic_load_explicit(&auth->header->position, memory_order_relaxed), btcf_auth_changes(auth),
           auth->key_count, auth->account_count, auth->network_count, auth->header->revoked_capacity,
           (size_t)reader->size);
    return 0;
}

int main(int argc, char **argv)
{
    struct btcf_reader reader = {0};
    struct btcf_auth auth;
    if (argc < 3)
        return 2;
    if (btcf_reader_open(&reader, argv[1]) != BTCF_ATTACH_OK)
        return 3;
    if (!btcf_auth_attach(&auth, &reader))
        return 4;
    const char *what = argv[2], *name = argc > 3 ? argv[3] : "";
    int status = 2;
    if (strcmp(what, "key") == 0)
        status = print_key(&auth, name);
    else if (strcmp(what, "allows") == 0 && argc == 5)
        status = print_allows(&auth, name, argv[4]);
    else if (strcmp(what, "closed") == 0)
        status = print_closed(&auth, name);
    else if (strcmp(what, "account") == 0)
        status = print_account(&auth, name, NULL);
    else if (strcmp(what, "subject") == 0)
        status = print_account(&auth, NULL, name);
    else if (strcmp(what, "plan") == 0)
        status = print_plan(&auth, name);
    else if (strcmp(what, "revoked") == 0)
        status = print_revoked(&auth, name);
    else if (strcmp(what, "tables") == 0)
        status = print_tables(&reader, &auth);
    btcf_reader_close(&reader);
    return status;
}
