// Any bytes as a GGUF file with a whole model: its recipe, tokenizer and template by GGUF's words or from the publisher's files
// that it keeps; opened, described, spoken to, and run for a few tokens if it can be. The file lies under TMPDIR.
#include "model_use.h"

static char folder[256], path[300];

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    make_folder(folder);
    snprintf(path, sizeof path, "%s/m.gguf", folder);
    return atexit(remove_folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DureModel *model;
    put_file(path, data, size);
    if (dure_model_open(&model, path, NULL, NULL)) return 0;
    model_use(model);
    dure_model_close(model);
    return 0;
}
