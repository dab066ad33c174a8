// What a training keeps on disk. In OUT: the model, as others read it. In OUT/training: the tokens, the state to go on from, the
// measurements. All by rename: a kill at any moment leaves what was there before, or what is new, whole.
#include "train/train_internal.h"

#include <stdio.h>
#include <stdlib.h>

Err trainer_path(char **out, const Trainer *t, const char *name)
{
    return path_join(out, t->folder, name);
}

Err trainer_make_folders(Trainer *t)
{
    Err e = folder_make(t->options->out);
    if (!e.code) e = path_join(&t->folder, t->options->out, "training");
    return e.code ? e : folder_make(t->folder);
}

// ---- Tokens --------------------------------------------------------------------------------------------------------

static bool told_bytes(void *user, int64_t done, int64_t total)
{
    return trainer_tell(user, &(DureTrainEvent){ .kind = DURE_TRAIN_DATA, .done = done, .total = total });
}

// The files that decide what text becomes of.
static Err side_files(char *out[4], const char *model)
{
    static const char *const names[] = { "tokenizer.json", "tokenizer_config.json", "chat_template.jinja", NULL };
    Err e = OK;
    for (int i = 0; names[i] && !e.code; i++) e = path_join(&out[i], model, names[i]);
    return e;
}

static void say_counts(const Trainer *t, const char *name, const CorpusCount *count)
{
    trainer_note(t, "%s: %lld documents, %lld tokens, of which %lld are learned", name, (long long)count->documents,
                 (long long)count->tokens, (long long)count->learned);
    if (count->bad.count)
        trainer_note(t, "%lld lines were left out; the first is %s", (long long)count->bad.count, count->bad.first);
    if (count->too_long)
        trainer_note(t, "%lld talks are longer than the context and were left out", (long long)count->too_long);
}

static Err open_or_make(Corpus **out, const Trainer *t, const CorpusSource *source, const char *name, char *key)
{
    char *path = NULL;
    CorpusCount count;
    Err e = corpus_key(key, source);
    if (!e.code) e = trainer_path(&path, t, name);
    if (!e.code && path_exists(path)) e = corpus_open(out, path);
    if (!e.code && *out && !corpus_has_key(*out, key)) {
        corpus_close(*out);
        *out = NULL;
    }
    if (!e.code && !*out) {
        e = corpus_make(path, source, key, &count);
        if (!e.code) say_counts(t, name, &count);
        if (!e.code) e = corpus_open(out, path);
    }
    free(path);
    return e;
}

static Err check_ids(const Trainer *t, const Corpus *c)
{
    for (int64_t i = 0; i < c->tokens; i++) {
        int32_t id;
        memcpy(&id, c->ids + (size_t)i * sizeof id, sizeof id);
        if (id < 0 || id >= t->recipe->vocab)
            return err(ERR_FORMAT, "%s: the tokenizer gives token %d, but vocab_size is %lld", t->options->model, id,
                       (long long)t->recipe->vocab);
    }
    for (int64_t i = 0; i < c->documents; i++)
        if (corpus_length(c, i) > t->options->context)
            return err(ERR_FORMAT, "%s: document %lld is longer than the context", c->file->path, (long long)i);
    return OK;
}

Err trainer_open_corpus(Corpus **out, Trainer *t, const char *const *files, const char *name)
{
    char *sides[4] = { 0 }, key[33];
    const Recipe *r = t->recipe;
    Err e = side_files(sides, t->options->model);
    const CorpusSource source = { .files = files,
                                  .model = t->text,
                                  .side_files = (const char *const *)sides,
                                  .begin = r->bos,
                                  .end = r->end_count ? r->end_ids[0] : -1,
                                  .ends = r->end_ids,
                                  .end_count = r->end_count,
                                  .context = t->options->context,
                                  .most_bad = t->options->most_bad,
                                  .progress = told_bytes,
                                  .user = t };
    if (!e.code) e = open_or_make(out, t, &source, name, key);
    if (!e.code) e = check_ids(t, *out);
    if (!e.code && !t->key[0]) memcpy(t->key, key, sizeof key); // the first is what is learned
    for (int i = 0; i < 3; i++) free(sides[i]);
    return e;
}

// ---- The state -----------------------------------------------------------------------------------------------------

enum { STATE_NUMBERS = 8, BLOCKS_MOST = 5 };
static const char state_file[] = "state.safetensors";

static int state_tensors(TensorOut out[BLOCKS_MOST + 2], const Trainer *t, const int64_t *numbers)
{
    const Optimizer *o = t->optimizer;
    const float *const blocks[] = { t->weights, o->m, o->v, o->average };
    static const char *const names[] = { "weights", "m", "v", "average" };
    int n = 0;
    for (int i = 0; i < 4; i++)
        if (blocks[i]) out[n++] = (TensorOut){ names[i], DTYPE_F32, 1, { (int64_t)t->parameters->floats }, blocks[i] };
    out[n++] = (TensorOut){ "numbers", DTYPE_I64, 1, { STATE_NUMBERS }, numbers };
    out[n++] = (TensorOut){ "key", DTYPE_U8, 1, { (int64_t)strlen(t->key) }, t->key };
    return n;
}

Err trainer_save_state(const Trainer *t)
{
    char *path = NULL;
    TensorOut tensors[BLOCKS_MOST + 2];
    int64_t numbers[STATE_NUMBERS] = { t->at.step, t->at.tokens, t->at.epoch, t->at.next };
    numbers[5] = t->options->optimizer;
    Err e = trainer_path(&path, t, state_file);
    if (!e.code) e = safetensors_write(path, tensors, (size_t)state_tensors(tensors, t, numbers), NULL);
    free(path);
    return e;
}

static Err read_tensor(void *to, const Checkpoint *c, const TensorOut *wanted)
{
    const Stored *s = checkpoint_find(c, str(wanted->name));
    if (!s || s->dtype != wanted->dtype || s->rank != 1 || s->shape[0] != wanted->shape[0])
        return err(ERR_FORMAT, "%s: the state of another training: %s does not fit; take another --out, or remove it",
                   c->path, wanted->name);
    memcpy(to, checkpoint_data(c, s), s->bytes);
    return OK;
}

static Err read_state(Trainer *t, const Checkpoint *c)
{
    TensorOut tensors[BLOCKS_MOST + 2];
    int64_t numbers[STATE_NUMBERS] = { 0 };
    char key[sizeof t->key] = { 0 };
    const int n = state_tensors(tensors, t, numbers);
    Err e = OK;
    // What says whether the rest belongs here is read first.
    e = read_tensor(key, c, &tensors[n - 1]);
    if (!e.code && memcmp(key, t->key, sizeof key) != 0)
        e = err(ERR_USAGE, "%s: was trained on other data or with another tokenizer; take another --out, or remove it",
                c->path);
    if (!e.code) e = read_tensor(numbers, c, &tensors[n - 2]);
    if (!e.code && numbers[5] != t->options->optimizer)
        e = err(ERR_USAGE, "%s: was trained with another --optimizer; take another --out, or remove it", c->path);
    for (int i = 0; i < n - 2 && !e.code; i++) e = read_tensor((void *)(uintptr_t)tensors[i].data, c, &tensors[i]);
    if (e.code) return e;
    t->at = (Progressed){ numbers[0], numbers[1], numbers[2], numbers[3] };
    return OK;
}

Err trainer_load_state(Trainer *t, bool *found)
{
    char *path = NULL;
    Checkpoint *c = NULL;
    Err e = trainer_path(&path, t, state_file);
    *found = !e.code && path_exists(path);
    if (*found) e = checkpoint_open(&c, path, CHECKPOINT_ALL, NULL, NULL);
    if (*found && !e.code) e = read_state(t, c);
    checkpoint_close(c);
    free(path);
    return e;
}

// ---- The model -----------------------------------------------------------------------------------------------------

static Err copy_side_file(const Trainer *t, const char *name)
{
    Buf text = { 0 };
    bool found = false;
    char *path = NULL;
    Err e = checkpoint_side_file(t->source, name, &text, &found);
    if (!e.code && found) e = path_join(&path, t->options->out, name);
    if (!e.code && found) e = file_write(path, buf_str(&text));
    buf_free(&text);
    free(path);
    return e;
}

static void put_bf16(uint16_t *out, const float *in, int64_t n)
{
    for (int64_t i = 0; i < n; i++) out[i] = f32_to_bf16(in[i]);
}

static Err write_weights(const Trainer *t, const char *path)
{
    const Parameters *p = t->parameters;
    const bool bf16 = t->options->save_bf16;
    const float *weights = t->optimizer->average ? t->optimizer->average : t->weights;
    TensorOut *tensors = calloc(p->count, sizeof *tensors);
    uint16_t *rounded = bf16 ? malloc(p->floats * sizeof *rounded) : NULL;
    Err e = tensors && (rounded || !bf16) ? OK : err_memory(path);
    for (size_t i = 0; i < p->count && !e.code; i++) {
        const Parameter *one = &p->at[i];
        const bool narrow = bf16 && one->rank == 2;
        if (narrow) put_bf16(rounded + one->at, weights + one->at, one->rows * one->cols);
        tensors[i] = (TensorOut){ .name = one->name,
                                  .dtype = narrow ? DTYPE_BF16 : DTYPE_F32,
                                  .rank = one->rank,
                                  .shape = { one->rows, one->rank == 2 ? one->cols : 0 },
                                  .data = narrow ? (const void *)(rounded + one->at) : weights + one->at };
    }
    static const char *const metadata[] = { "format", "pt", NULL };
    if (!e.code) e = safetensors_write(path, tensors, p->count, metadata);
    free(tensors);
    free(rounded);
    return e;
}

Err trainer_save_model(const Trainer *t)
{
    static const char *const names[] = { "config.json",
                                         "tokenizer.json",
                                         "tokenizer_config.json",
                                         "chat_template.jinja",
                                         "generation_config.json",
                                         "help.txt",
                                         NULL };
    char *path = NULL;
    Err e = path_join(&path, t->options->out, "model.safetensors");
    if (!e.code) e = write_weights(t, path);
    for (int i = 0; names[i] && !e.code; i++) e = copy_side_file(t, names[i]);
    free(path);
    return e;
}
