/* The description of the public reads: /openapi.json and /docs, both rendered from one table. Pure, without data. */
#ifndef PUBLISH_DOC_STATIC_H
#define PUBLISH_DOC_STATIC_H

#include "core/base.h"
#include "core/str.h"

/* OpenAPI 3.1. */
void doc_openapi_render(struct strbuf *out);
/* The same for people, as one page of HTML without scripts. */
void doc_docs_render(struct strbuf *out);

#endif
