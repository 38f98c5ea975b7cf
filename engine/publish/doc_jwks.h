/* The keys that our tokens are signed with, as a JSON Web Key Set (RFC 7517): /.well-known/jwks.json. */
#ifndef PUBLISH_DOC_JWKS_H
#define PUBLISH_DOC_JWKS_H

#include "core/base.h"
#include "core/str.h"

struct db_rows;

#define JWKS_KEY "/.well-known/jwks.json"

/* One key in each row, a JSON object (gate_signing_keys). Equal rows give equal bytes. */
void doc_jwks_render(const struct db_rows *keys, struct strbuf *out);

#endif
