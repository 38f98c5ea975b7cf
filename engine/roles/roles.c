/* The table of roles. A new role is one file with its main loop and one row here. */
#include "roles/role.h"

static int64_t count_fast(const struct settings *settings)
{
    return settings->workers_fast;
}

static int64_t count_heavy(const struct settings *settings)
{
    return settings->workers_heavy;
}

static int64_t count_io(const struct settings *settings)
{
    return settings->workers_io;
}

static int64_t count_api(const struct settings *settings)
{
    return settings->workers_api;
}

/* publish comes first: readers wait for it, and it can take over what the last engine published before the others
 * have said a word. Workers may think for as long as a model needs, so nobody listens for their silence: a job that
 * hangs loses its lease instead. */
const struct role roles[] = {
    {.name = "publish",
     .summary = "renders documents and is the only writer of the shared segment",
     .run = publish_run,
     .silence_max_ms = 15000},
    {.name = "ingest",
     .summary = "fetches, checks and stores closed candles",
     .run = ingest_run,
     .silence_max_ms = 90000},
    {.name = "meter",
     .summary = "drains usage from shared memory into PostgreSQL, exactly once",
     .run = meter_run,
     .silence_max_ms = 90000},
    {.name = "api",
     .summary = "answers what needs the database, spoken as SCGI behind nginx",
     .run = api_run,
     .count = count_api,
     .socket = "api.sock",
     .silence_max_ms = 60000},
    {.name = "worker-fast",
     .summary = "jobs that readers wait for: forecasts and scores",
     .run = worker_run,
     .count = count_fast,
     .lane = "fast"},
    {.name = "worker-heavy",
     .summary = "jobs that calculate for long: training and walk-forward, at low priority",
     .run = worker_run,
     .count = count_heavy,
     .lane = "heavy",
     .niceness = 19},
    {.name = "worker-io",
     .summary = "jobs that wait for others: backfill, delivery, retention",
     .run = worker_run,
     .count = count_io,
     .lane = "io"},
    {.name = NULL},
};
