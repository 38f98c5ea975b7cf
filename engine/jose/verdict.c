/* The words of verdict.h, from its own table. */
#include "jose/verdict.h"

#include "core/base.h"

static const char *const texts[] = {
#define VERDICT(name, text, sentence) text,
    BTCF_VERDICTS(VERDICT)
#undef VERDICT
};

static const char *const sentences[] = {
#define VERDICT(name, text, sentence) sentence,
    BTCF_VERDICTS(VERDICT)
#undef VERDICT
};

const char *btcf_verdict_text(enum btcf_verdict verdict)
{
    return (size_t)verdict < BTCF_LENGTH(texts) ? texts[verdict] : "unknown";
}

const char *btcf_verdict_sentence(enum btcf_verdict verdict)
{
    return (size_t)verdict < BTCF_LENGTH(sentences) ? sentences[verdict] : "no such verdict";
}
