/* The origins are split into one stretch per worker. Each worker is a forked process that writes its stretch's lines to
 * a part file and its scores into shared memory, each score at the place that its origin, horizon and model have. When
 * all are done, the parent joins the parts in order and sums the scores up, so nothing depends on how the work was
 * split or who was first. The joined file is renamed to its name last.
 */
#include "cmd/backtest_job.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/proc.h"
#include "core/str.h"
#include "eval/score_table.h"

#define SCORE_BYTES_MAX ((size_t)1 << 36) /* shared scores, most of them never touched */
#define LINE_BYTES_MAX 4096
#define TABLE_BYTES_MAX ((size_t)1 << 20)
#define PATH_SIZE 4096
#define COPY_BYTES 65536
#define POLL_MS 100
#define STOP_TIMEOUT_MS 2000
#define BAR_WIDTH 30

struct slot {
    struct summary_row score;
    bool is_set;
};

/* What a worker tells the parent, in shared memory. The texts are written before the worker ends and read after. */
struct report {
    _Atomic size_t origins_done;
    size_t refusal_count;
    char first_refusal[ERR_TEXT_MAX], error[ERR_TEXT_MAX];
};

/* A walk at work: shared memory and the workers. */
struct work {
    const struct backtest_job *job;
    size_t origin_count;
    struct slot *slots; /* [horizon][model][origin] */
    size_t slot_count;
    struct report *reports; /* one per worker */
    pid_t pids[BACKTEST_WORKERS_MAX];
    size_t running;
};

/* One worker's stretch. */
struct part {
    struct work *work;
    size_t number;
    FILE *file; /* NULL: no file is wanted */
    struct strbuf line;
};

static size_t slot_index(const struct work *work, const struct backtest_row *row)
{
    return (row->horizon * work->job->plan.model_count + row->model) * work->origin_count + row->origin;
}

static size_t stretch_begin(const struct work *work, size_t number)
{
    return work->origin_count * number / work->job->worker_count;
}

/* "forecasts.csv.part3.1234" beside the file to be; number of the worker, pid of the parent. */
static int part_path(const struct backtest_job *job, size_t number, pid_t pid, char path[PATH_SIZE])
{
    int len = snprintf(path, PATH_SIZE, "%s.part%zu.%ld", job->out, number, (long)pid);

    return len < PATH_SIZE ? 0 : err_set(E_INPUT, "--out: the path is longer than %d bytes", PATH_SIZE);
}

static void *map_shared(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static int work_init(struct work *work, const struct backtest_job *job)
{
    *work = (struct work){.job = job, .origin_count = backtest_origin_count(&job->plan)};
    work->slot_count = work->origin_count * job->plan.horizon_count * job->plan.model_count;
    if (work->slot_count > SCORE_BYTES_MAX / sizeof *work->slots)
        return err_set(E_LIMIT, "%zu forecasts are too many for one backtest; take a longer --step",
                       work->slot_count);
    work->slots = map_shared(work->slot_count * sizeof *work->slots);
    work->reports = map_shared(job->worker_count * sizeof *work->reports);
    if (work->slots == NULL || work->reports == NULL)
        return err_set(E_STORE, "no shared memory for %zu scores: %s", work->slot_count, strerror(errno));
    return 0;
}

static void work_release(struct work *work)
{
    if (work->slots != NULL)
        munmap(work->slots, work->slot_count * sizeof *work->slots);
    if (work->reports != NULL)
        munmap(work->reports, work->job->worker_count * sizeof *work->reports);
}

/* ---- in a worker ------------------------------------------------------------------------------------------------- */

static int keep_row(void *arg, const struct backtest_row *row)
{
    struct part *part = arg;
    struct slot *slot = &part->work->slots[slot_index(part->work, row)];

    *slot = (struct slot){row->score, true};
    if (part->file == NULL)
        return 0;
    strbuf_reset(&part->line);
    backtest_csv_row(&part->line, row);
    if (strbuf_failed(&part->line) || fwrite(part->line.ptr, 1, part->line.len, part->file) != part->line.len)
        return err_set(E_STORE, "cannot write forecasts: %s", strerror(errno));
    return 0;
}

static void note_refusal(void *arg, const struct issue_refusal *refusal)
{
    struct part *part = arg;
    struct report *report = &part->work->reports[part->number];

    if (report->refusal_count++ == 0)
        snprintf(report->first_refusal, sizeof report->first_refusal, "%s", refusal->reason);
}

static void note_origin(void *arg)
{
    struct part *part = arg;

    /* Relaxed: only a figure for the progress bar; results are read after the process has ended. */
    atomic_fetch_add_explicit(&part->work->reports[part->number].origins_done, 1, memory_order_relaxed);
}

static int walk_stretch(struct part *part)
{
    struct work *work = part->work;
    const struct backtest_sink sink = {keep_row, note_refusal, note_origin, part};

    if (part->number == 0 && part->file != NULL) {
        backtest_csv_header(&part->line);
        fwrite(part->line.ptr, 1, part->line.len, part->file); /* an error shows at the end, by ferror */
    }
    if (backtest_run(&work->job->plan, stretch_begin(work, part->number), stretch_begin(work, part->number + 1),
                     &sink) < 0)
        return -1;
    if (part->file != NULL && (fflush(part->file) != 0 || ferror(part->file)))
        return err_set(E_STORE, "cannot write forecasts: %s", strerror(errno));
    return 0;
}

/* The worker process: 0, or 1 with the reason in its report. */
static int run_worker(void *arg)
{
    struct part *part = arg;
    char path[PATH_SIZE];
    int rc = 0;

    strbuf_init(&part->line, LINE_BYTES_MAX);
    if (part->work->job->out != NULL) {
        rc = part_path(part->work->job, part->number, getppid(), path);
        if (rc == 0 && (part->file = fopen(path, "wxe")) == NULL)
            rc = err_set(E_STORE, "--out: cannot make %s: %s", path, strerror(errno));
    }
    if (rc == 0)
        rc = walk_stretch(part);
    if (part->file != NULL)
        fclose(part->file);
    strbuf_release(&part->line);
    if (rc < 0)
        snprintf(part->work->reports[part->number].error, ERR_TEXT_MAX, "%s", err_text());
    return rc < 0;
}

/* ---- in the parent ----------------------------------------------------------------------------------------------- */

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

static void show_progress(const struct work *work, int64_t begun_ms)
{
    size_t done = 0;

    for (size_t i = 0; i < work->job->worker_count; i++)
        done += atomic_load_explicit(&work->reports[i].origins_done, memory_order_relaxed);
    double share = (double)done / (double)work->origin_count;
    double elapsed_s = (double)(clock_mono_ms() - begun_ms) / (double)MS_PER_S;
    int filled = (int)(share * BAR_WIDTH);

    fprintf(stderr, "\r[%.*s%*s] %3.0f%%  %zu of %zu origins", filled, "##############################",
            BAR_WIDTH - filled, "", 100.0 * share, done, work->origin_count);
    if (done > 0)
        fprintf(stderr, "  %.0f s left  ", elapsed_s * (1.0 - share) / share);
}

static int check_worker(const struct work *work, size_t number, int status)
{
    char text[PROC_STATUS_TEXT_SIZE];

    if (status == 0)
        return 0;
    if (work->reports[number].error[0] != '\0')
        return err_set(E_STORE, "%s", work->reports[number].error);
    proc_status_text(status, text);
    return err_set(E_STORE, "worker %zu ended: %s", number, text);
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
            rc = err_set(E_TIMEOUT, "stopped before the end; nothing was written");
        for (size_t i = 0; i < work->job->worker_count && rc == 0; i++) {
            int status, ended = work->pids[i] > 0 ? proc_wait(work->pids[i], 0, &status) : 0;

            if (ended == 0)
                continue;
            work->pids[i] = 0;
            work->running--;
            rc = ended < 0 ? -1 : check_worker(work, i, status);
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

static void remove_parts(const struct backtest_job *job)
{
    char path[PATH_SIZE];

    for (size_t i = 0; job->out != NULL && i < job->worker_count; i++)
        if (part_path(job, i, getpid(), path) == 0)
            unlink(path);
}

static int append_file(FILE *to, const char *path)
{
    static char buf[COPY_BYTES];
    FILE *from = fopen(path, "re");
    size_t got;

    if (from == NULL)
        return err_set(E_STORE, "cannot open %s: %s", path, strerror(errno));
    while ((got = fread(buf, 1, sizeof buf, from)) > 0)
        if (fwrite(buf, 1, got, to) != got)
            break;
    int failed = ferror(from) || ferror(to);
    fclose(from);
    return failed ? err_set(E_STORE, "cannot copy %s: %s", path, strerror(errno)) : 0;
}

/* Appends the other parts to the first and gives that its name. */
static int join_parts(const struct backtest_job *job)
{
    char first[PATH_SIZE], path[PATH_SIZE];
    int rc = part_path(job, 0, getpid(), first);
    FILE *whole = rc == 0 ? fopen(first, "ae") : NULL;

    if (whole == NULL)
        return rc < 0 ? -1 : err_set(E_STORE, "cannot open %s: %s", first, strerror(errno));
    for (size_t i = 1; i < job->worker_count && rc == 0; i++) {
        rc = part_path(job, i, getpid(), path);
        if (rc == 0)
            rc = append_file(whole, path);
    }
    if (rc == 0 && (fflush(whole) != 0 || fsync(fileno(whole)) != 0))
        rc = err_set(E_STORE, "cannot write %s: %s", first, strerror(errno));
    fclose(whole);
    if (rc == 0 && rename(first, job->out) != 0)
        rc = err_set(E_STORE, "--out: cannot rename to %s: %s", job->out, strerror(errno));
    return rc;
}

/* The scores of one model at one horizon, in order of origin. */
static size_t collect(const struct work *work, size_t horizon, size_t model, struct summary_row *rows)
{
    const struct slot *slots = work->slots + (horizon * work->job->plan.model_count + model) * work->origin_count;
    size_t count = 0;

    for (size_t i = 0; i < work->origin_count; i++)
        if (slots[i].is_set)
            rows[count++] = slots[i].score;
    return count;
}

static int print_scores(struct arena *arena, const struct work *work)
{
    const struct backtest_plan *plan = &work->job->plan;
    struct summary_row *rows = arena_array(arena, work->origin_count, sizeof *rows);
    struct score_table_row *table = arena_array(arena, plan->horizon_count * plan->model_count, sizeof *table);
    struct strbuf text;
    size_t table_count = 0;

    for (size_t h = 0; h < plan->horizon_count; h++)
        for (size_t m = 0; m < plan->model_count; m++) {
            struct score_table_row *row = &table[table_count];
            size_t count = collect(work, h, m, rows);
            double overlap = (double)(plan->horizons_s[h] * MS_PER_S) / (double)plan->step_ms;

            if (count == 0)
                continue;
            if (summary_make(arena, rows, count, overlap, &row->summary) < 0)
                return -1;
            row->model = plan->models[m];
            row->horizon_s = plan->horizons_s[h];
            table_count++;
        }
    strbuf_init(&text, TABLE_BYTES_MAX);
    score_table_render(&text, table, table_count);
    fputs(text.ptr, stdout);
    strbuf_release(&text);
    return 0;
}

static void print_refusals(const struct work *work)
{
    size_t count = 0;
    const char *first = NULL;

    for (size_t i = 0; i < work->job->worker_count; i++) {
        if (first == NULL && work->reports[i].refusal_count > 0)
            first = work->reports[i].first_refusal;
        count += work->reports[i].refusal_count;
    }
    if (count > 0)
        fprintf(stderr, "%zu forecasts could not be made; the first: %s\n", count, first);
}

int backtest_job_run(struct arena *arena, const struct backtest_job *job)
{
    struct work work;

    proc_signals_init();
    int rc = work_init(&work, job);
    if (rc == 0)
        rc = start_workers(&work);
    if (rc == 0)
        rc = await_workers(&work);
    if (rc == 0) {
        print_refusals(&work);
        rc = print_scores(arena, &work);
    }
    if (rc == 0 && job->out != NULL)
        rc = join_parts(job);
    stop_workers(&work);
    remove_parts(job);
    work_release(&work);
    return rc;
}
