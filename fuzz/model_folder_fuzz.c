// A whole tiny model folder with damage: opened, described, spoken to, and run for a few tokens if it still can be. The input is a
// list of edits, five bytes each: which file and whether to cut it there, where (three bytes, modulo the file's size), the new
// byte. Edits are written into files that are kept between inputs, and undone afterwards. The folder lies under TMPDIR.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"

#include "dure.h"

enum { EDIT_BYTES = 5, EDITS_MOST = 64, CUT = 0x80 };

typedef struct Piece {
    const char *from, *name;
    char path[512];
    Buf text; // undamaged
} Piece;

#define MODEL DURE_TEST_DATA "/golden/exaone_moe/launch_resaved"
#define TEXTS DURE_FUZZ_DATA "/model_folder"

static Piece pieces[] = {
    { MODEL, "config.json", "", { 0 } },
    { TEXTS, "tokenizer.json", "", { 0 } },
    { TEXTS, "tokenizer_config.json", "", { 0 } },
    { TEXTS, "chat_template.jinja", "", { 0 } },
    { TEXTS, "generation_config.json", "", { 0 } },
    { MODEL, "model.safetensors", "", { 0 } },
};
static char folder[256];

static void must(bool fine, const char *what)
{
    if (fine) return;
    perror(what);
    exit(2);
}

static void piece_restore(const Piece *piece)
{
    const int fd = open(piece->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0, piece->path);
    for (size_t at = 0; at < piece->text.n;) {
        const ssize_t n = write(fd, piece->text.at + at, piece->text.n - at);
        must(n > 0, piece->path);
        at += (size_t)n;
    }
    close(fd);
}

static void remove_folder(void)
{
    for (size_t i = 0; i < COUNT(pieces); i++) unlink(pieces[i].path);
    rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    const char *under = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/dure-fuzz-XXXXXX", under ? under : "/tmp");
    must(mkdtemp(folder) != NULL, folder);
    for (size_t i = 0; i < COUNT(pieces); i++) {
        char from[512];
        snprintf(from, sizeof from, "%s/%s", pieces[i].from, pieces[i].name);
        must(!file_read(&pieces[i].text, from, 1 << 24).code && pieces[i].text.n, from);
        snprintf(pieces[i].path, sizeof pieces[i].path, "%s/%s", folder, pieces[i].name);
        piece_restore(&pieces[i]);
    }
    return atexit(remove_folder);
}

static void piece_edit(const Piece *piece, const uint8_t *edit)
{
    const size_t at = ((size_t)edit[1] << 16 | (size_t)edit[2] << 8 | edit[3]) % piece->text.n;
    const int fd = open(piece->path, O_WRONLY | O_CLOEXEC);
    must(fd >= 0, piece->path);
    if (edit[0] & CUT)
        must(!ftruncate(fd, (off_t)at), piece->path);
    else
        must(pwrite(fd, &edit[4], 1, (off_t)at) == 1, piece->path);
    close(fd);
}

static void reply(DureEngine *engine)
{
    static const int32_t ids[] = { 9, 8, 7 };
    DureSession *session;
    DureSampling sampling;
    DureEvent event;
    int advanced = 1;
    dure_sampling_default(&sampling);
    sampling.max_tokens = 2;
    if (dure_session_new(&session, engine, NULL)) return;
    if (!dure_session_feed_tokens(session, ids, COUNT(ids), NULL) && !dure_session_start(session, &sampling, NULL))
        while (advanced && !dure_engine_step(engine, &advanced, NULL))
            while (dure_session_next(session, &event)) continue;
    dure_session_free(session);
}

static void run(const DureModel *model)
{
    static const char messages[] = "[{\"role\": \"user\", \"content\": \"ab\"}]";
    const DureEngineOptions options = {
        .cpu = "scalar", .threads = 1, .context = 64, .chunk = 16, .memory = 64 << 20, .page_tokens = 32
    };
    DureText text = { 0 };
    DureIds ids = { 0 };
    DureEngine *engine;
    if (!dure_model_inspect(model, &(DureInspectOptions){ .tensors = 1 }, &text, NULL)) dure_text_free(&text);
    if (!dure_tokenize(model, "Village 마을", 14, 0, &ids, NULL)) {
        if (!dure_detokenize(model, ids.at, ids.n, 1, &text, NULL)) dure_text_free(&text);
        dure_ids_free(&ids);
    }
    if (!dure_render(model, messages, sizeof messages - 1, NULL, &text, &ids, NULL)) {
        dure_text_free(&text);
        dure_ids_free(&ids);
    }
    if (dure_engine_new(&engine, model, &options, NULL)) return;
    reply(engine);
    dure_engine_free(engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool touched[COUNT(pieces)] = { false };
    DureModel *model;
    for (size_t i = 0; i + EDIT_BYTES <= size && i / EDIT_BYTES < EDITS_MOST; i += EDIT_BYTES) {
        const size_t which = (data[i] & ~(unsigned)CUT) % COUNT(pieces);
        piece_edit(&pieces[which], &data[i]);
        touched[which] = true;
    }
    if (!dure_model_open(&model, folder, NULL, NULL)) {
        run(model);
        dure_model_close(model);
    }
    for (size_t i = 0; i < COUNT(pieces); i++)
        if (touched[i]) piece_restore(&pieces[i]);
    return 0;
}
