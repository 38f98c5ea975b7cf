/* The origins are split into one stretch per worker: neighbours share fitted states. Each worker is a forked process that
 * fills in its stretch's records (cmd/backtest_records.h). When all are done, this process goes through them in order,
 * writes the file and sums the scores up, so nothing depends on how the work was split or who was first.
 */
#include "cmd/backtest_job.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cmd/backtest_records.h"
#include "cmd/backtest_report.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/proc.h"
#include "core/str.h"
#include "eval/score_table.h"

#define LINE_BYTES_MAX 4096
#define TABLE_BYTES_MAX ((size_t)1 << 20)
#define PATH_SIZE 4096
#define POLL_MS 100
#define STOP_TIMEOUT_MS 2000
#define BAR_WIDTH 30

/* What a worker tells the parent, in shared memory. The text is written before the worker ends and read after. */
struct worker_report {
    _Atomic size_t origins_done;
    char first_refusal[ERR_TEXT_MAX];
};

/* A walk at work. */
struct work {
    const struct backtest_job *job;
    struct records records;
    size_t kept; /* records that an earlier run had made */
    struct worker_report *reports;
    pid_t pids[BACKTEST_WORKERS_MAX];
    size_t running;
};

/* One worker's stretch. */
struct part {
    struct work *work;
    size_t number;
};

/* The second phase's results. */
struct results {
    const struct backtest_job *job;
    size_t origin_count;
    struct summary_row *rows; /* [horizon][model][nth score] */
    size_t *counts;           /* [horizon][model] */
    struct backtest_fans fans;
    FILE *file; /* NULL: no file is wanted */
    struct strbuf line;
};

static size_t stretch_begin(const struct work *work, size_t number)
{
    return work->records.count * number / work->job->worker_count;
}

static int work_init(struct work *work, const struct backtest_job *job)
{
    *work = (struct work){.job = job};
    if (records_open(&work->records, &job->plan, job->out) < 0)
        return -1;
    for (size_t i = 0; i < work->records.count; i++)
        work->kept += records_is_done(&work->records, i);
    work->reports = mmap(NULL, job->worker_count * sizeof *work->reports, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (work->reports == MAP_FAILED) {
        work->reports = NULL;
        return err_set(E_STORE, "no shared memory for the workers' reports: %s", strerror(errno));
    }
    return 0;
}

static void work_release(struct work *work, bool keep)
{
    if (work->reports != NULL)
        munmap(work->reports, work->job->worker_count * sizeof *work->reports);
    records_close(&work->records, keep);
}

/* ---- in a worker ------------------------------------------------------------------------------------------------- */

static void note_refusal(void *arg, const struct issue_refusal *refusal)
{
    struct worker_report *report = arg;

    if (report->first_refusal[0] == '\0')
        snprintf(report->first_refusal, sizeof report->first_refusal, "%s", refusal->reason);
}

/* The worker process: its exit status. */
static int run_worker(void *arg)
{
    const struct part *part = arg;
    struct work *work = part->work;
    struct worker_report *report = &work->reports[part->number];
    struct backtest_walk *walk = backtest_walk_create(&work->job->plan);

    for (size_t at = stretch_begin(work, part->number); at < stretch_begin(work, part->number + 1); at++) {
        if (records_is_done(&work->records, at))
            continue;
        backtest_raw(walk, at, records_curves(&work->records, at), note_refusal, report);
        records_set_done(&work->records, at);
        /* Relaxed: only a figure for the progress bar; records are read after the process has ended. */
        atomic_fetch_add_explicit(&report->origins_done, 1, memory_order_relaxed);
    }
    backtest_walk_free(&walk);
    return 0;
}

/* ---- in the parent: the workers ---------------------------------------------------------------------------------- */

static int start_workers(struct work *work)
{
    for (size_t i = 0; i < work->job->worker_count; i++) {
        struct part part = {.work = work, .number = i};
        const struct proc_spec spec = {
            .name = "btcf-backtest", .run = run_worker, .ctx = &part, .death_signal = SIGKILL};

        if (proc_spawn(&spec, &work->pids[i]) < 0)
            return err_wrap("while starting worker %zu", i);
        work->running++;
    }
    return 0;
}

static size_t origins_done(const struct work *work)
{
    size_t done = work->kept;

    for (size_t i = 0; i < work->job->worker_count; i++)
        done += atomic_load_explicit(&work->reports[i].origins_done, memory_order_relaxed);
    return done;
}

/* "[=====          ]  33%  1000 of 3000 origins  40 s left": the time is that of the slowest worker to come. */
static void show_progress(const struct work *work, int64_t begun_ms)
{
    size_t done = origins_done(work), total = work->records.count;
    double share = (double)done / (double)total;
    double elapsed_s = (double)(clock_mono_ms() - begun_ms) / (double)MS_PER_S;
    int filled = (int)(share * BAR_WIDTH);

    fprintf(stderr, "\r[%.*s%*s] %3.0f%%  %zu of %zu origins", filled,
            "==============================", BAR_WIDTH - filled, "", 100.0 * share, done, total);
    if (done > work->kept)
        fprintf(stderr, "  %.0f s left  ", elapsed_s * (double)(total - done) / (double)(done - work->kept));
}

static int check_worker(size_t number, int status)
{
    char text[PROC_STATUS_TEXT_SIZE];

    if (status == 0)
        return 0;
    proc_status_text(status, text);
    return err_set(E_STORE, "worker %zu ended: %s", number, text);
}

static int tell_stopped(const struct work *work)
{
    if (work->job->out == NULL)
        return err_set(E_TIMEOUT, "stopped before the end; nothing was written");
    return err_set(E_TIMEOUT, "stopped; %zu of %zu origins are kept in %s: the same command goes on from there",
                   origins_done(work), work->records.count, work->records.path);
}

/* Until all have ended well. -1 when one has not, or we are told to stop. */
static int await_workers(struct work *work)
{
    bool is_terminal = isatty(STDERR_FILENO) == 1;
    int64_t begun_ms = clock_mono_ms();
    int rc = 0;

    while (work->running > 0 && rc == 0) {
        proc_wait_ms(POLL_MS);
        if (is_terminal)
            show_progress(work, begun_ms);
        if (proc_should_stop())
            rc = tell_stopped(work);
        for (size_t i = 0; i < work->job->worker_count && rc == 0; i++) {
            int status, ended = work->pids[i] > 0 ? proc_wait(work->pids[i], 0, &status) : 0;

            if (ended == 0)
                continue;
            work->pids[i] = 0;
            work->running--;
            rc = ended < 0 ? -1 : check_worker(i, status);
        }
    }
    if (is_terminal) {
        show_progress(work, begun_ms); /* what was done since the last look */
        fputc('\n', stderr);
    }
    return rc;
}

static void stop_workers(struct work *work)
{
    for (size_t i = 0; i < work->job->worker_count; i++)
        if (work->pids[i] > 0) {
            proc_stop(work->pids[i], SIGKILL, STOP_TIMEOUT_MS, NULL);
            work->pids[i] = 0;
        }
}

/* ---- in the parent: the second phase ----------------------------------------------------------------------------- */

static void results_init(struct arena *arena, struct results *results, const struct backtest_job *job)
{
    size_t series_count = job->plan.horizon_count * job->plan.model_count;

    *results = (struct results){.job = job, .origin_count = backtest_origin_count(&job->plan)};
    results->rows = arena_array(arena, series_count * results->origin_count, sizeof *results->rows);
    results->counts = arena_array(arena, series_count, sizeof *results->counts);
    backtest_fans_init(arena, &results->fans, &job->plan);
    strbuf_init(&results->line, LINE_BYTES_MAX);
}

static int write_line(struct results *results)
{
    const struct strbuf *line = &results->line;

    if (strbuf_failed(line) || fwrite(line->ptr, 1, line->len, results->file) != line->len)
        return err_set(E_STORE, "--out: cannot write forecasts: %s", strerror(errno));
    return 0;
}

static int keep_row(void *arg, const struct backtest_row *row)
{
    struct results *results = arg;
    size_t place = row->horizon * results->job->plan.model_count + row->model;

    results->rows[place * results->origin_count + results->counts[place]++] = row->score;
    backtest_fans_add(&results->fans, row);
    if (results->file == NULL)
        return 0;
    strbuf_reset(&results->line);
    backtest_csv_row(&results->line, row);
    return write_line(results);
}

/* Goes through the records; the file grows under another name and gets its own when it is whole. */
static int judge(const struct work *work, struct results *results, size_t *refused)
{
    const struct backtest_records records = {.base = records_curves(&work->records, 0),
                                             .stride = work->records.stride};
    char path[PATH_SIZE + 8];
    int rc = 0;

    if (work->job->out != NULL) {
        snprintf(path, sizeof path, "%s.new", work->job->out); /* shorter than .partial, which fitted */
        results->file = fopen(path, "we");
        if (results->file == NULL)
            return err_set(E_STORE, "--out: cannot make %s: %s", path, strerror(errno));
        backtest_csv_header(&results->line);
        rc = write_line(results);
    }
    if (rc == 0)
        rc = backtest_judge(&work->job->plan, &records, refused, keep_row, results);
    if (results->file == NULL)
        return rc;
    if (rc == 0 && (fflush(results->file) != 0 || fsync(fileno(results->file)) != 0))
        rc = err_set(E_STORE, "--out: cannot write %s: %s", path, strerror(errno));
    fclose(results->file);
    if (rc == 0 && rename(path, work->job->out) != 0)
        rc = err_set(E_STORE, "--out: cannot rename to %s: %s", work->job->out, strerror(errno));
    if (rc < 0)
        unlink(path);
    return rc;
}

/* The table on standard output, and the report. */
static int tell_scores(struct arena *arena, const struct results *results)
{
    const struct backtest_plan *plan = &results->job->plan;
    struct score_table_row *table = arena_array(arena, plan->horizon_count * plan->model_count, sizeof *table);
    struct strbuf text;
    size_t table_count = 0;

    for (size_t h = 0; h < plan->horizon_count; h++)
        for (size_t m = 0; m < plan->model_count; m++) {
            size_t place = h * plan->model_count + m;
            double overlap = (double)(plan->horizons_s[h] * MS_PER_S) / (double)plan->step_ms;
            struct score_table_row *row = &table[table_count];

            if (results->counts[place] == 0)
                continue;
            if (summary_make(arena, results->rows + place * results->origin_count, results->counts[place], overlap,
                             &row->summary) < 0)
                return -1;
            row->model = plan->models[m];
            row->horizon_s = plan->horizons_s[h];
            table_count++;
        }
    strbuf_init(&text, TABLE_BYTES_MAX);
    score_table_render(&text, table, table_count);
    fputs(text.ptr, stdout);
    strbuf_release(&text);
    if (results->job->report == NULL)
        return 0;
    return backtest_report_write(arena, results->job->report, &results->fans, table, table_count);
}

static void print_refusals(const struct work *work, size_t refused)
{
    const char *first = "";

    for (size_t i = work->job->worker_count; i-- > 0;)
        if (work->reports[i].first_refusal[0] != '\0')
            first = work->reports[i].first_refusal;
    if (refused > 0)
        fprintf(stderr, "%zu forecasts could not be made%s%s\n", refused, first[0] != '\0' ? "; the first: " : "",
                first);
}

static int finish(struct arena *arena, const struct work *work)
{
    struct results results;
    size_t refused = 0;

    results_init(arena, &results, work->job);
    int rc = judge(work, &results, &refused);
    if (rc == 0) {
        print_refusals(work, refused);
        rc = tell_scores(arena, &results);
    }
    strbuf_release(&results.line);
    return rc;
}

int backtest_job_run(struct arena *arena, const struct backtest_job *job)
{
    struct work work;

    proc_signals_init();
    int rc = work_init(&work, job);
    if (rc == 0 && work.kept > 0)
        fprintf(stderr, "going on with %s: %zu of %zu origins are there\n", work.records.path, work.kept,
                work.records.count);
    if (rc == 0)
        rc = start_workers(&work);
    if (rc == 0)
        rc = await_workers(&work);
    stop_workers(&work);
    if (rc == 0)
        rc = finish(arena, &work);
    work_release(&work, rc < 0);
    return rc;
}
