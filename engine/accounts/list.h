/* Lists of short names as one text with commas ("read,stream"): how scopes and networks are given, kept in structs
 * and handed to SQL (string_to_array). No name has a comma or a blank in it. The empty text is the empty list. */
#ifndef ACCOUNTS_LIST_H
#define ACCOUNTS_LIST_H

#include "core/arena.h"
#include "core/base.h"
#include "core/str.h"

size_t list_count(const char *list);
bool list_has(const char *list, struct str name);

/* The names of `list` that are also in `other` (or, with `wanted` false, that are not), in the order of `list`. */
const char *list_filter(struct arena *arena, const char *list, const char *other, bool wanted);

/* Without blanks around names, without empty names, each name once. */
const char *list_tidy(struct arena *arena, const char *text);

#endif
