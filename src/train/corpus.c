// Reading a corpus: documents by number, their shuffled order, batches of them.
#include "train/train_internal.h"

#include <stdlib.h>

// ---- The file ------------------------------------------------------------------------------------------------------

static Err find(const Stored **out, const Checkpoint *c, const char *name, Dtype dtype)
{
    *out = checkpoint_find(c, str(name));
    if (!*out || (*out)->dtype != dtype || (*out)->rank != 1)
        return err(ERR_FORMAT, "%s: has no list `%s` of %s; remove the file, and it is made again", c->path, name,
                   format_of(dtype)->name);
    return OK;
}

static int64_t start_of(const Corpus *c, int64_t document)
{
    int64_t at;
    memcpy(&at, c->starts + (size_t)document * sizeof at, sizeof at);
    return at;
}

static Err check(const Corpus *c)
{
    if (start_of(c, 0) != 0 || start_of(c, c->documents) != c->tokens)
        return err(ERR_FORMAT, "%s: the documents' starts do not span its tokens", c->file->path);
    for (int64_t i = 0; i < c->documents; i++)
        if (start_of(c, i) >= start_of(c, i + 1))
            return err(ERR_FORMAT, "%s: starts[%lld] is not below the next one", c->file->path, (long long)i);
    return OK;
}

Err corpus_open(Corpus **out, const char *path)
{
    const Stored *ids, *marks, *starts;
    Corpus *c = calloc(1, sizeof *c);
    if (!c) return err_memory(path);
    Err e = checkpoint_open(&c->file, path, CHECKPOINT_ALL, NULL, NULL);
    if (!e.code) e = find(&ids, c->file, "ids", DTYPE_I32);
    if (!e.code) e = find(&marks, c->file, "marks", DTYPE_U8);
    if (!e.code) e = find(&starts, c->file, "starts", DTYPE_I64);
    if (!e.code && (marks->shape[0] != ids->shape[0] || starts->shape[0] < 2))
        e = err(ERR_FORMAT, "%s: ids, marks and starts do not fit together", path);
    if (!e.code) {
        c->ids = checkpoint_data(c->file, ids);
        c->marks = checkpoint_data(c->file, marks);
        c->starts = checkpoint_data(c->file, starts);
        c->tokens = ids->shape[0];
        c->documents = starts->shape[0] - 1;
        e = check(c);
    }
    if (e.code)
        corpus_close(c);
    else
        *out = c;
    return e;
}

void corpus_close(Corpus *c)
{
    if (!c) return;
    checkpoint_close(c->file);
    free(c);
}

int64_t corpus_length(const Corpus *c, int64_t document)
{
    return start_of(c, document + 1) - start_of(c, document);
}

bool corpus_has_key(const Corpus *c, const char *key)
{
    const Stored *stored = checkpoint_find(c->file, str("key"));
    const size_t n = strlen(key);
    return stored && stored->bytes == n && !memcmp(checkpoint_data(c->file, stored), key, n);
}

// ---- The order -----------------------------------------------------------------------------------------------------

// Fisher and Yates, each draw by the high half of a 128-bit product.
static void shuffle_order(Shuffle *s)
{
    uint64_t state = s->seed ^ random_next(&(uint64_t){ (uint64_t)s->epoch });
    const int64_t n = s->corpus->documents;
    for (int64_t i = 0; i < n; i++) s->order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t j = (int64_t)(((__uint128_t)random_next(&state) * (uint64_t)(i + 1)) >> 64);
        const int64_t held = s->order[i];
        s->order[i] = s->order[j];
        s->order[j] = held;
    }
}

Err shuffle_new(Shuffle *out, const Corpus *corpus, uint64_t seed, int64_t epoch, int64_t next)
{
    if (next < 0 || next > corpus->documents || epoch < 0)
        return err(ERR_FORMAT, "%s: has %lld documents, and none at the place where the training was",
                   corpus->file->path, (long long)corpus->documents);
    *out = (Shuffle){ .corpus = corpus, .seed = seed, .epoch = epoch, .next = next };
    out->order = malloc((size_t)corpus->documents * sizeof *out->order);
    if (!out->order) return err_memory("the order of documents");
    shuffle_order(out);
    return OK;
}

void shuffle_free(Shuffle *s)
{
    free(s->order);
    s->order = NULL;
}

int64_t shuffle_next(Shuffle *s)
{
    if (s->next == s->corpus->documents) {
        s->epoch++;
        s->next = 0;
        shuffle_order(s);
    }
    return s->order[s->next++];
}

// ---- Batches -------------------------------------------------------------------------------------------------------

Err batch_new(BatchMaker *out, int64_t most_rows)
{
    const size_t rows = (size_t)most_rows;
    *out = (BatchMaker){ .most_rows = most_rows };
    out->ids = malloc(rows * sizeof *out->ids);
    out->weights = malloc(rows * sizeof *out->weights);
    out->documents = malloc(rows * sizeof *out->documents);
    if (!out->ids || !out->weights || !out->documents) {
        batch_free(out);
        return err_memory("a batch");
    }
    batch_clear(out);
    return OK;
}

void batch_free(BatchMaker *m)
{
    free(m->ids);
    free(m->weights);
    free(m->documents);
    *m = (BatchMaker){ 0 };
}

void batch_clear(BatchMaker *m)
{
    m->batch = (NetBatch){ .ids = m->ids, .weights = m->weights, .documents = m->documents };
}

bool batch_add(BatchMaker *m, const Corpus *c, int64_t document)
{
    const int64_t start = start_of(c, document), n = corpus_length(c, document), row = m->batch.T;
    if (row + n > m->most_rows) return false;
    memcpy(m->ids + row, c->ids + (size_t)start * sizeof *m->ids, (size_t)n * sizeof *m->ids);
    for (int64_t t = 0; t < n; t++) m->weights[row + t] = t + 1 < n ? (float)c->marks[start + t + 1] : 0.0f;
    m->documents[m->batch.document_count++] = (Document){ row, n };
    m->batch.T += n;
    return true;
}
