// A tokenizer.json of any bytes is refused or loaded; what loads works.
#include "tokenizer_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Tokenizer *t;
    Str json = { (const char *)data, size };
    if (!tokenizer_from_json(&t, json, "fuzz").code) tokenizer_use(t, json);
    return 0;
}
