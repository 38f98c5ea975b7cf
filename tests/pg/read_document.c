/* Prints one published document of a pub file: `read_document FILE KEY [stale]`. For tests: exit status 3 when the file or
 * the document is not there (yet), 1 when what is there is damaged.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shm/reader.h"

#define BODY_MAX (1u << 20)

int main(int argc, char **argv)
{
    static unsigned char body[BODY_MAX];
    struct btcf_reader reader = {0};
    struct btcf_doc_meta meta;

    if (argc < 3)
        return 2;
    if (btcf_reader_open(&reader, argv[1]) != BTCF_ATTACH_OK)
        return 3;
    int64_t slot = btcf_reader_find(&reader, argv[2], strlen(argv[2]));
    if (slot < 0 || btcf_reader_meta(&reader, (uint32_t)slot, &meta) != BTCF_READ_OK ||
        (meta.flags & BTCF_DOC_RETIRED) != 0)
        return 3;
    unsigned which = argc > 3 && strcmp(argv[3], "stale") == 0 ? BTCF_BODY_STALE : 0;
    uint32_t len = btcf_body_len(&meta, which);
    if (len > BODY_MAX || btcf_reader_body(&reader, (uint32_t)slot, &meta, which, body) != BTCF_READ_OK)
        return 1;
    fwrite(body, 1, len, stdout);
    btcf_reader_close(&reader);
    return 0;
}
