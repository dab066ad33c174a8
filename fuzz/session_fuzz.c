// A saved session with damage: loaded, and gone on with if it still can be. The input is a list of edits, four bytes each: where (three
// bytes, modulo the file's size), the new byte; a last one that is shorter cuts the file. The file lies under TMPDIR.
#include "model_use.h"

enum { EDIT_BYTES = 4, EDITS_MOST = 64 };

static char path[300];
static Buf whole; // the undamaged file
static DureModel *model;
static DureEngine *engine;

static void drop(void)
{
    unlink(path);
    dure_engine_free(engine);
    dure_model_close(model);
    buf_free(&whole);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    static const int32_t ids[] = { 9, 8, 7, 6, 5 };
    const DureEngineOptions options = { .cpu = "scalar", .threads = 1, .context = 64, .chunk = 16, .page_tokens = 32 };
    DureSession *session;
    snprintf(path, sizeof path, "%s/dure-session-%ld.safetensors", files_under(), (long)getpid());
    must(!dure_model_open(&model, DURE_TEST_DATA "/golden/exaone_moe/launch_resaved", NULL, NULL), "model");
    must(!dure_engine_new(&engine, model, &options, NULL), "engine");
    must(!dure_session_new(&session, engine, NULL), "session");
    must(!dure_session_feed_tokens(session, ids, COUNT(ids), NULL), "tokens");
    session_reply(engine, session);
    must(!dure_session_save(session, path, "[]", 2, NULL), path);
    must(!file_read(&whole, path, 1 << 24).code, path);
    dure_session_free(session);
    return atexit(drop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, whole.at, whole.n) == (ssize_t)whole.n, path);
    size_t i = 0;
    for (; i + EDIT_BYTES <= size && i / EDIT_BYTES < EDITS_MOST; i += EDIT_BYTES) {
        const size_t at = ((size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2]) % whole.n;
        must(pwrite(fd, &data[i + 3], 1, (off_t)at) == 1, path);
    }
    if (i + 2 <= size) must(!ftruncate(fd, (off_t)(((size_t)data[i] << 8 | data[i + 1]) % whole.n)), path);
    close(fd);
    DureSession *session = NULL;
    DureText messages = { 0 };
    if (!dure_session_load(&session, engine, path, &messages, NULL)) {
        session_reply(engine, session);
        dure_session_free(session);
        dure_text_free(&messages);
    }
    return 0;
}
