// A tokenizer.model of any bytes, with any files beside it, is refused or makes a tokenizer; what loads works.
#include "sentencepiece_parts.h"
#include "tokenizer_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SentencePieceFiles files;
    Tokenizer *t;
    const Str whole = { (const char *)data, size };
    if (!sentencepiece_parts(&files, whole, "fuzz")) return 0;
    if (!tokenizer_from_sentencepiece(&t, &files).code) tokenizer_use(t, whole);
    return 0;
}
