/* See the header: the connection to the database, and the table of routes. */
#include "api/api.h"

#include "core/clock.h"
#include "core/err.h"
#include "store/db.h"

#define RECONNECT_BASE_MS 200
#define RECONNECT_MAX_MS 5000

const struct http_route api_routes[] = {
    {.method = "GET",
     .path = "/v1/ledger",
     .query = "limit cursor",
     .run = ledger_list,
     .summary = "The ledger: its entries, the newest first, which is its head."},
    {.method = "GET",
     .path = "/v1/ledger/entries",
     .query = "limit cursor",
     .run = ledger_list,
     .summary = "Entries of the ledger, the newest first."},
    {.method = "GET",
     .path = "/v1/ledger/entries/{seq}",
     .run = ledger_show,
     .summary = "One entry with the exact texts of its forecasts: all that its hash is made of."},
    {.method = "GET",
     .path = "/v1/ledger/forecasts/{id}",
     .run = ledger_prove,
     .summary = "The proof that a forecast belongs to an entry: its text and its audit path."},
    {.method = NULL},
};

void api_init(struct api *api, const struct settings *settings, const char *id)
{
    uint64_t seed;

    rand_bytes(&seed, sizeof seed);
    *api = (struct api){.settings = settings, .id = id};
    rng_init(&api->rng, seed);
    backoff_init(&api->backoff, RECONNECT_BASE_MS, RECONNECT_MAX_MS);
}

void api_release(struct api *api)
{
    db_close(&api->db);
}

int api_db(struct api *api, struct db **db)
{
    const struct settings *settings = api->settings;
    int64_t now_ms = clock_mono_ms();

    *db = api->db;
    if (api->db != NULL && db_is_open(api->db))
        return 0;
    if (now_ms < api->retry_at_ms)
        return err_set(E_STORE, "the database is away");
    int result = api->db != NULL ? db_reconnect(api->db)
                                 : db_open(&api->db, settings->database_url, api->id, settings->database_timeout_ms);
    if (result < 0) {
        api->retry_at_ms = now_ms + RECONNECT_BASE_MS + backoff_next_ms(&api->backoff, &api->rng);
        return -1;
    }
    backoff_reset(&api->backoff);
    *db = api->db;
    return 0;
}
