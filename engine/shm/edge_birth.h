/* Between edge.c and edge_birth.c alone: what a file of edge consists of, and how a new one is made. */
#ifndef BTCF_SHM_EDGE_BIRTH_H
#define BTCF_SHM_EDGE_BIRTH_H

#include "core/base.h"
#include "shm/edge.h"
#include "shm/file.h"

#define BTCF_EDGE_PATH_MAX 4096

enum btcf_edge_section {
    BTCF_EDGE_METRIC,
    BTCF_EDGE_LIMIT,
    BTCF_EDGE_USAGE,
    BTCF_EDGE_POOL,
    BTCF_EDGE_ADDR,
    BTCF_EDGE_SECTION_COUNT,
};

extern const struct btcf_section_shape btcf_edge_shapes[BTCF_EDGE_SECTION_COUNT];

/* Whether a file is of this boot and of our minor, and has room for what is asked for. */
bool btcf_edge_fits(const struct btcf_edge *edge, const struct btcf_edge_options *options);

/* Makes a file and puts it in the place of `before` (NULL: nothing worth keeping is there), taking limits over. Locked
 * as by btcf_edge_take_lock. */
enum btcf_attach btcf_edge_make(struct btcf_edge *edge, const char *path, const struct btcf_edge_options *options,
                                const struct btcf_edge *before) BTCF_MUST_CHECK;

/* Checks a mapped file and points `edge` into it. The mapping becomes the edge's when this is OK. */
enum btcf_attach btcf_edge_attach(struct btcf_edge *edge, const struct btcf_file *file) BTCF_MUST_CHECK;

/* Opens the file once more under its name; for a writer with the shared lock that says so. False with errno; also when
 * another file has the name by now. */
bool btcf_edge_take_lock(struct btcf_edge *edge, const char *path, bool is_writer) BTCF_MUST_CHECK;

#endif
