/* The files of counters of one machine: edge.v1 as the nginx master keeps it, and those that it has replaced.
 *
 * Each file has in memory what has been taken of it, one cursor for each usage row and principal. A file that is
 * replaced stays mapped and is drained on until nobody is left who could count into it; only then is it removed.
 */
#ifndef METER_EDGE_FILES_H
#define METER_EDGE_FILES_H

#include "core/base.h"
#include "meter/counters.h"
#include "shm/edge.h"

struct db;

/* More old files than these wait for their turn. Each replacement of edge leaves one, for as long as its workers live. */
#define EDGE_FILES_MAX 16
#define EDGE_INSTANCE_SIZE 33 /* 32 hex digits and a NUL */
#define EDGE_NAME_SIZE 64

struct cursor {
    uint64_t value[2][METER_COUNTERS]; /* by bank: counters as they stood when usage was last written */
    int64_t updated_ms[2];             /* 0: never */
    bool is_nobodys;                   /* its growth waits for an owner; only sweeps look at it */
};

struct edge_file {
    struct btcf_edge edge;
    char instance[EDGE_INSTANCE_SIZE];
    char name[EDGE_NAME_SIZE]; /* in the directory */
    bool is_current;
    /* Cursors; memory is spent on those that are not 0 alone. Meaningless until is_loaded. */
    struct cursor *rows, *pool;
    bool is_loaded;
    int64_t drain; /* fencing number of the row in meter_file */
    /* Of the scan (meter/drain.c). */
    uint32_t position;
    bool is_sweep, is_final; /* final: before the sweep that is going on, nobody was left who counts */
    bool is_stuck;           /* its name could not be removed: it stays, drained */
    int64_t began_s;         /* wall clock at the begin of the scan that is going on, and of the one before */
    int64_t scanned_s;
    int64_t swept_ms;      /* monotonic, of the last whole sweep; 0: none yet */
    int64_t final_ms;      /* monotonic, of the first sweep that found it final; 0: not yet */
    uint32_t waiting;      /* sources with growth that could not be taken: in the last sweep, */
    uint32_t waiting_next; /* and in the scan that is going on */
    uint64_t waiting_units;
};

struct edge_files {
    const char *dir;
    struct edge_file *file[EDGE_FILES_MAX];
    size_t count;
    int refused; /* enum btcf_attach of the last edge.v1 that was refused: said once */
};

/* `dir` is borrowed. */
void edge_files_init(struct edge_files *files, const char *dir);
void edge_files_release(struct edge_files *files);

/* Opens what has appeared in the directory, and notices that edge.v1 is another file. Files that cannot be used are
 * logged and left alone. */
void edge_files_look(struct edge_files *files);

/* Removes the name of a file that has been drained for good. False, and logged, when the system refuses, or when the file
 * has a name left. Only after true may the instance's rows be removed from the database: a file whose cursors are gone would be counted again. */
bool edge_files_unlink(const struct edge_files *files, const struct edge_file *file) BTCF_MUST_CHECK;
/* Closes a file and takes it out of the set; *file is nulled. */
void edge_files_forget(struct edge_files *files, struct edge_file **file);

/* Reads drain and cursors from the database; without any, all are 0. */
int edge_file_load(struct edge_file *file, struct db *db, int64_t now_ms) BTCF_MUST_CHECK;

/* Usage rows and principals together: places of the scan. */
uint32_t edge_file_places(const struct edge_file *file);

#endif
