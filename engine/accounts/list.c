/* Lists are a handful of names long, so every question walks them. */
#include "accounts/list.h"

#include <string.h>

/* Cuts the next name off; false at the end. */
static bool next_name(struct str *rest, struct str *name)
{
    if (rest->ptr == NULL || rest->len == 0)
        return false;
    *name = str_cut(rest, ',');
    return true;
}

size_t list_count(const char *list)
{
    struct str rest = str_of(list), name;
    size_t count = 0;

    while (next_name(&rest, &name))
        count++;
    return count;
}

bool list_has(const char *list, struct str wanted)
{
    struct str rest = str_of(list), name;

    while (next_name(&rest, &name))
        if (str_equal(name, wanted))
            return true;
    return false;
}

/* Appends to a list in `text`, which has room. */
static void add(char *text, struct str name)
{
    size_t len = strlen(text);

    if (len > 0)
        text[len++] = ',';
    memcpy(text + len, name.ptr, name.len);
    text[len + name.len] = '\0';
}

const char *list_filter(struct arena *arena, const char *list, const char *other, bool wanted)
{
    char *kept = arena_alloc(arena, strlen(list) + 1);
    struct str rest = str_of(list), name;

    while (next_name(&rest, &name))
        if (list_has(other, name) == wanted)
            add(kept, name);
    return kept;
}

static struct str trim(struct str text)
{
    while (text.len > 0 && text.ptr[0] == ' ')
        text.ptr++, text.len--;
    while (text.len > 0 && text.ptr[text.len - 1] == ' ')
        text.len--;
    return text;
}

const char *list_tidy(struct arena *arena, const char *text)
{
    char *tidy = arena_alloc(arena, strlen(text) + 1);

    for (struct str rest = str_of(text); rest.ptr != NULL;) {
        struct str name = trim(str_cut(&rest, ','));

        if (name.len > 0 && !list_has(tidy, name))
            add(tidy, name);
    }
    return tidy;
}
