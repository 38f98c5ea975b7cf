/* The engine's own numbers: each role process counts in a small mapped file of its own, a reader renders all of them.
 *
 * Adding a metric is one line in metrics.def and a metric_add where it happens. A file belongs to a slot (role and
 * index), not to a pid: a restarted process goes on counting where its predecessor died, so counters never fall.
 * Until metrics_open a process counts in memory that nobody reads, so code that counts needs no set-up in tests.
 */
#ifndef CORE_METRICS_H
#define CORE_METRICS_H

#include "core/base.h"

struct strbuf;

enum metric {
#define METRIC(name, kind, help) METRIC_##name,
#include "core/metrics.def"
#undef METRIC
    METRIC_COUNT
};

/* Most files that a reader looks at, and longest role name. */
#define METRICS_FILE_COUNT_MAX 128
#define METRICS_ROLE_LEN_MAX 15
/* Where the engine's roles keep theirs, below run_dir. */
#define METRICS_DIR "metrics"

/* Maps `dir`/`role`-`index`.metrics for this process, made when absent; what it counted until now is added. `role` is
 * lower-case letters and "-". E_CONFLICT when another process holds the slot, E_STORE for the file system. */
int metrics_open(const char *dir, const char *role, int index) BTCF_MUST_CHECK;
/* Gives the slot back; the file stays, the numbers with it. */
void metrics_close(void);

/* COUNTER: adds `count`; SECONDS: adds milliseconds. Never negative. */
void metric_add(enum metric metric, int64_t count);
/* GAUGE. */
void metric_set(enum metric metric, int64_t value);
/* This process's own value. */
int64_t metric_get(enum metric metric);

/* All files of `dir` as Prometheus text, in table order, roles sorted; nothing when no role has counted yet. Files of
 * another version and damaged ones are skipped. E_STORE when the directory cannot be read. */
int metrics_render(const char *dir, struct strbuf *out) BTCF_MUST_CHECK;

#endif
