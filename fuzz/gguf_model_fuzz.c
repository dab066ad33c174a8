// Any bytes as a GGUF file with a whole model: its recipe, tokenizer and template by GGUF's words or from the publisher's files
// that it keeps; opened, described, spoken to, and run for a few tokens if it can be. The file lies under TMPDIR.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "model_use.h"

static char folder[256], path[300];

static void must(bool fine, const char *what)
{
    if (fine) return;
    perror(what);
    exit(2);
}

static void remove_folder(void)
{
    unlink(path);
    rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const char *under = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/dure-fuzz-XXXXXX", under ? under : "/tmp");
    must(mkdtemp(folder) != NULL, folder);
    snprintf(path, sizeof path, "%s/m.gguf", folder);
    return atexit(remove_folder);
}

static void put_file(const uint8_t *data, size_t size)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0, path);
    for (size_t at = 0; at < size;) {
        const ssize_t n = write(fd, data + at, size - at);
        must(n > 0, path);
        at += (size_t)n;
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DureModel *model;
    put_file(data, size);
    if (dure_model_open(&model, path, NULL, NULL)) return 0;
    model_use(model);
    dure_model_close(model);
    return 0;
}
