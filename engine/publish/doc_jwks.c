/* See doc_jwks.h. Workers read this document too: it is where they learn which tokens are ours. So it is published even when
 * it holds no key, and never goes stale: a database that is away takes no key back.
 */
#include "publish/doc_jwks.h"

#include <string.h>

#include "core/json.h"
#include "store/db.h"

void doc_jwks_render(const struct db_rows *keys, struct strbuf *out)
{
    struct json json;
    json_init(&json, out);
    json_open(&json, '{');
    json_key(&json, "keys");
    json_open(&json, '[');
    for (size_t i = 0; i < keys->count; i++) {
        const char *key = db_text(keys, i, 0);
        json_raw(&json, key, strlen(key));
    }
    json_close(&json, ']');
    json_close(&json, '}');
}
