/* What bench.c and bench_auth.c share. For those two alone. */
#ifndef SHM_BENCH_PARTS_H
#define SHM_BENCH_PARTS_H

#include <stdio.h>

#include "core/base.h"
#include "shm/bench.h"

#define BENCH_ROUNDS 11

struct bench_dir {
    char path[256], pub[288];
};

int bench_dir_create(struct bench_dir *dir, const char *parent) BTCF_MUST_CHECK;
void bench_dir_remove(const struct bench_dir *dir);

double bench_now_ns(void);

void bench_print_head(FILE *out);
/* Sorts the rounds. bar_ns 0: none, for information. Returns 1 when it was missed. */
int bench_print_row(const char *what, double rounds[BENCH_ROUNDS], double bar_ns, FILE *out);

/* The second part of shm_bench. */
int bench_keys(const char *parent, uint32_t key_count, FILE *out) BTCF_MUST_CHECK;

#endif
