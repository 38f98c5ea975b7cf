/* The name of a third-party principal out of its pool entry, fit to be a text of the database. */
#ifndef METER_PRINCIPAL_H
#define METER_PRINCIPAL_H

#include "core/base.h"
#include "shm/btcf_abi.h"

struct arena;

/* "issuer subject"; bytes that are not printable ASCII, and %, as %XX. NULL when the entry has none, not yet or because it
 * is being given to another principal. The bytes are whatever a worker wrote. */
const char *principal_read(const struct btcf_pool_entry *entry, struct arena *arena);

#endif
