// Training data of any bytes, and a corpus with damage. The first byte says which: 0 to 2, the rest is a *.jsonl, *.tsv or text file that
// becomes a corpus; 3, the rest is a list of edits to one that was made before (two bytes where, modulo its size, one byte what; what is
// left over cuts the file). What can be opened is read to its end.
#include "model_use.h"
#include "train/train.h"

enum { EDIT_BYTES = 3, EDITS_MOST = 64, CONTEXT = 32 };

static char folder[256], data_path[300], made_path[300], damaged_path[300];
static DureModel *model;
static Buf whole; // an undamaged corpus

static void drop(void)
{
    static const char *const names[] = { "data.jsonl", "data.tsv", "data.txt", "made.safetensors",
                                         "damaged.safetensors" };
    char path[300];
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    dure_model_close(model);
    buf_free(&whole);
}

static Err make(const char *name, const void *bytes, size_t n)
{
    static const int32_t ends[] = { 53 };
    const char *const files[] = { data_path, NULL };
    const CorpusSource source = { .files = files,
                                  .model = model,
                                  .begin = 1,
                                  .end = 53,
                                  .ends = ends,
                                  .end_count = COUNT(ends),
                                  .context = CONTEXT,
                                  .most_bad = 100 };
    CorpusCount count;
    snprintf(data_path, sizeof data_path, "%s/%s", folder, name);
    put_file(data_path, bytes, n);
    return corpus_make(made_path, &source, "key", &count);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    static const char text[] = "one\n\ntwo words\n\nthree more words\n";
    const DureModelOptions options = { .text_only = 1 };
    make_folder(folder);
    snprintf(made_path, sizeof made_path, "%s/made.safetensors", folder);
    snprintf(damaged_path, sizeof damaged_path, "%s/damaged.safetensors", folder);
    must(!dure_model_open(&model, DURE_TEST_DATA "/golden/text/exaone_moe", &options, NULL), "model");
    must(!make("data.txt", text, sizeof text - 1).code, "corpus");
    must(!file_read(&whole, made_path, 1 << 24).code, made_path);
    return atexit(drop);
}

// Every document goes through a batch, in a shuffled order.
static void read_through(const char *path)
{
    Corpus *corpus = NULL;
    Shuffle order = { 0 };
    BatchMaker batch = { 0 };
    if (corpus_open(&corpus, path).code) return;
    if (!shuffle_new(&order, corpus, 1, 0, 0).code && !batch_new(&batch, CONTEXT).code)
        for (int64_t i = 0; i < corpus->documents; i++) {
            batch_clear(&batch);
            batch_add(&batch, corpus, shuffle_next(&order));
        }
    batch_free(&batch);
    shuffle_free(&order);
    corpus_close(corpus);
}

static void damage(const uint8_t *data, size_t size)
{
    Buf copy = { 0 };
    size_t i = 0;
    buf_put(&copy, whole.at, whole.n);
    must(!copy.failed, "memory");
    for (; i + EDIT_BYTES <= size && i / EDIT_BYTES < EDITS_MOST; i += EDIT_BYTES)
        copy.at[((size_t)data[i] << 8 | data[i + 1]) % whole.n] = (char)data[i + 2];
    put_file(damaged_path, copy.at, i < size ? (size_t)data[i] % whole.n : whole.n);
    buf_free(&copy);
    read_through(damaged_path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "data.jsonl", "data.tsv", "data.txt" };
    if (!size) return 0;
    if (data[0] % 4 == 3)
        damage(data + 1, size - 1);
    else if (!make(names[data[0] % 4], data + 1, size - 1).code)
        read_through(made_path);
    return 0;
}
