/* The table of job kinds, and reading a job's payload. */
#include "work/work.h"

#include <jansson.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"

static const struct work_kind kinds[] = {
    {.name = "forecast", .lane = "fast", .run = work_forecast},
    {.name = "score", .lane = "fast", .run = work_score},
    {.name = "accuracy", .lane = "heavy", .run = work_accuracy},
    {.name = "train", .lane = "heavy", .run = work_train},
    {.name = "walk_forward", .lane = "heavy", .run = work_walk_forward},
    {.name = "sandbox", .lane = "heavy", .run = work_sandbox},
};

static int payload_find(struct work *work, const char *name, json_t **root, json_t **value);

const struct work_kind *work_find(const char *name)
{
    for (size_t i = 0; i < BTCF_LENGTH(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

int payload_text(struct work *work, const char *name, const char **value)
{
    json_t *root, *found;
    if (payload_find(work, name, &root, &found) < 0)
        return -1;
    bool is_text = json_is_string(found);
    if (is_text)
        *value = arena_strdup(work->arena, json_string_value(found));
    json_decref(root);
    return is_text ? 0 : err_set(E_CORRUPT, "the payload's \"%s\" is no text", name);
}

int payload_i64(struct work *work, const char *name, int64_t *value)
{
    json_t *root, *found;
    if (payload_find(work, name, &root, &found) < 0)
        return -1;
    bool is_integer = json_is_integer(found);
    if (is_integer)
        *value = json_integer_value(found);
    json_decref(root);
    return is_integer ? 0 : err_set(E_CORRUPT, "the payload's \"%s\" is no integer", name);
}

static int payload_find(struct work *work, const char *name, json_t **root, json_t **value)
{
    *root = json_loads(work->job->payload, 0, NULL);
    *value = json_object_get(*root, name);
    if (*value != NULL)
        return 0;
    json_decref(*root);
    return err_set(E_CORRUPT, "the payload has no \"%s\"", name);
}
