// Sessions on disk: one safetensors file with the tokens, the cache's pages as they are, and a header in JSON; written by rename. It
// serves one model, by its fingerprint. Where the cache is of another kind than the engine's (type, page size, form of latent
// attention), the tokens are taken and read again.
#include "engine/engine_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SESSION_VERSION = 1, HEADER_MOST = 64 << 20 };

// ---- Writing -------------------------------------------------------------------------------------------------------

static void hex_of(char out[33], const uint8_t print[16])
{
    for (size_t i = 0; i < 16; i++) snprintf(out + 2 * i, 3, "%02x", print[i]);
}

static Err header_make(Buf *out, const DureSession *s, Str messages, const char *path)
{
    const KvOptions *kv = &s->engine->kv;
    uint8_t print[16];
    char hex[33];
    Err e = checkpoint_fingerprint(s->engine->model->checkpoint, print);
    if (e.code) return e;
    hex_of(hex, print);
    json_t *header = json_pack("{s:i, s:s, s:I, s:I, s:i, s:I, s:i, s:b, s:s%}", "version", SESSION_VERSION,
                               "fingerprint", hex, "cached", (json_int_t)cache_length(s->sequence), "turn_end",
                               (json_int_t)s->turn_end, "kv", kv->type, "page_tokens", (json_int_t)kv->page_tokens,
                               "latent", kv->latent, "drafts", kv->drafts, "messages", messages.at, messages.n);
    if (!header) return err(ERR_MEMORY, "%s: no memory for the session's header, or messages that are not UTF-8", path);
    json_write(out, header, JSON_COMPACT);
    json_decref(header);
    return out->failed ? err_memory(path) : OK;
}

// tensors: [2 + count]; names: [count][32]
static void tensors_fill(TensorOut *tensors, char (*names)[32], const DureSession *s, const Buf *header,
                         const KvPage *pages, size_t count)
{
    tensors[0] = (TensorOut){ "header", DTYPE_U8, 1, { (int64_t)header->n }, header->at };
    tensors[1] = (TensorOut){ "tokens", DTYPE_I32, 1, { (int64_t)s->tokens.n }, s->tokens.at };
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "page.%d.%" PRId64, pages[i].group, pages[i].index);
        tensors[2 + i] = (TensorOut){ names[i], DTYPE_U8, 1, { (int64_t)pages[i].n }, pages[i].bytes };
    }
}

static Err session_write(const DureSession *s, const char *path, Str messages)
{
    Arena arena = arena_new("saving a session");
    Buf header = { 0 };
    KvPage *pages = NULL;
    size_t count = 0;
    Err e = header_make(&header, s, messages, path);
    if (!e.code) e = cache_pages(&pages, &count, s->sequence, &arena);
    if (!e.code) {
        TensorOut *tensors = arena_array(&arena, count + 2, sizeof *tensors);
        char(*names)[32] = arena_array(&arena, count, sizeof *names);
        if (tensors && names) {
            tensors_fill(tensors, names, s, &header, pages, count);
            e = safetensors_write(path, tensors, count + 2, NULL);
        } else {
            e = err_memory(path);
        }
    }
    buf_free(&header);
    arena_free(&arena);
    return e;
}

int dure_session_save(const DureSession *session, const char *path, const char *messages, size_t n, DureError *error)
{
    Err e =
        session->state == SESSION_IDLE
            ? session_write(session, path, api_str(messages, n))
            : err(ERR_USAGE, "the session is in the middle of a reply; step the engine to its end before saving it");
    return api_return(error, &e);
}

// ---- Reading -------------------------------------------------------------------------------------------------------

typedef struct SessionFile {
    Checkpoint *checkpoint;
    json_t *header;
    const int32_t *tokens; // any address
    int64_t n, cached, turn_end;
    bool same_cache; // the pages fit the engine's
} SessionFile;

static const uint8_t *tensor_of(const SessionFile *f, const char *name, Dtype dtype, int64_t *n)
{
    const Stored *stored = checkpoint_find(f->checkpoint, str(name));
    if (!stored || stored->dtype != dtype || stored->rank != 1) return NULL;
    *n = stored->shape[0];
    return checkpoint_data(f->checkpoint, stored);
}

static int64_t number_in(const SessionFile *f, const char *key)
{
    const json_t *value = json_object_get(f->header, key);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static Err header_read(SessionFile *f, const DureEngine *engine, const char *path)
{
    int64_t n = 0;
    uint8_t print[16];
    char hex[33];
    const uint8_t *at = tensor_of(f, "header", DTYPE_U8, &n);
    if (!at || n > HEADER_MOST) return err(ERR_FORMAT, "%s: is no saved session: it has no header", path);
    Err e = json_parse(&f->header, (Str){ (const char *)at, (size_t)n }, JSON_PLAIN, path);
    if (e.code) return e;
    if (number_in(f, "version") != SESSION_VERSION)
        return err(ERR_UNSUPPORTED, "%s: version %lld of saved sessions is not read here, only %d", path,
                   (long long)number_in(f, "version"), SESSION_VERSION);
    e = checkpoint_fingerprint(engine->model->checkpoint, print);
    if (e.code) return e;
    hex_of(hex, print);
    const char *of = json_string_value(json_object_get(f->header, "fingerprint"));
    if (!of || strcmp(of, hex))
        return err(ERR_FORMAT, "%s: was saved with another model (fingerprint %.40s, this one has %s)", path,
                   of ? of : "missing", hex);
    if (!json_is_string(json_object_get(f->header, "messages")))
        return err(ERR_FORMAT, "%s: messages of the header is not a string", path);
    return OK;
}

static Err tokens_read(SessionFile *f, const DureEngine *engine, const char *path)
{
    const uint8_t *at = tensor_of(f, "tokens", DTYPE_I32, &f->n);
    const int64_t vocab = engine->model->recipe->vocab;
    f->cached = number_in(f, "cached"), f->turn_end = number_in(f, "turn_end");
    if (!at) return err(ERR_FORMAT, "%s: tensor tokens is missing or no list of I32", path);
    if (f->n > engine->plan.context)
        return err(ERR_LIMIT,
                   "%s: the session has %lld tokens, but the context holds %lld; make the engine with a larger one",
                   path, (long long)f->n, (long long)engine->plan.context);
    if (f->cached < 0 || f->cached > f->n || f->turn_end < 0 || f->turn_end > f->n)
        return err(ERR_FORMAT, "%s: cached or turn_end of the header is not within the %lld tokens", path,
                   (long long)f->n);
    for (int64_t i = 0; i < f->n; i++) {
        int32_t id;
        memcpy(&id, at + 4 * i, sizeof id);
        if (id < 0 || id >= vocab)
            return err(ERR_FORMAT, "%s: token %lld is %d, which the vocabulary does not have", path, (long long)i,
                       (int)id);
    }
    f->tokens = (const int32_t *)(const void *)at;
    const KvOptions *kv = &engine->kv;
    f->same_cache = number_in(f, "kv") == (int64_t)kv->type && number_in(f, "page_tokens") == kv->page_tokens &&
                    number_in(f, "latent") == (int64_t)kv->latent &&
                    json_is_true(json_object_get(f->header, "drafts")) == kv->drafts;
    return OK;
}

static const uint8_t *page_in(void *user, int group, int64_t index, size_t bytes)
{
    char name[32];
    int64_t n = 0;
    snprintf(name, sizeof name, "page.%d.%" PRId64, group, index);
    const uint8_t *at = tensor_of(user, name, DTYPE_U8, &n);
    return at && (size_t)n == bytes ? at : NULL;
}

static Err session_fill(DureSession *session, SessionFile *f, const char *path)
{
    DureEngine *engine = session->engine;
    Err e = OK;
    for (int64_t i = 0; i < f->n && !e.code; i++) {
        int32_t id;
        memcpy(&id, (const uint8_t *)(const void *)f->tokens + 4 * i, sizeof id);
        e = ids_put(&session->tokens, id);
    }
    if (e.code || !f->same_cache || !f->cached) return e;
    KvSequence *sequence = NULL;
    const KvPageSource source = { page_in, f };
    e = cache_restore(&sequence, engine->cache, f->cached, &source);
    if (e.code == ERR_FORMAT) return err(ERR_FORMAT, "%s: %.400s", path, e.text);
    if (e.code) return e;
    cache_release(session->sequence);
    session->sequence = sequence;
    session->turn_end = f->turn_end;
    return OK;
}

static Err messages_out(DureText *out, const SessionFile *f, const char *path)
{
    const json_t *text = json_object_get(f->header, "messages");
    Buf copy = { 0 };
    buf_put(&copy, json_string_value(text), json_string_length(text));
    if (copy.failed) {
        buf_free(&copy);
        return err_memory(path);
    }
    *out = (DureText){ copy.at, copy.n };
    return OK;
}

static Err file_open(SessionFile *f, const DureEngine *engine, const char *path)
{
    const size_t n = strlen(path), ending = strlen(".safetensors");
    if (n <= ending || strcmp(path + n - ending, ".safetensors"))
        return err(ERR_USAGE, "%s: a saved session's name ends in .safetensors", path);
    Err e = checkpoint_open(&f->checkpoint, path, CHECKPOINT_ALL, NULL, NULL);
    if (!e.code) e = header_read(f, engine, path);
    return e.code ? e : tokens_read(f, engine, path);
}

int dure_session_load(DureSession **out, DureEngine *engine, const char *path, DureText *messages, DureError *error)
{
    SessionFile f = { 0 };
    DureSession *session = NULL;
    DureText text = { 0 };
    Err e = file_open(&f, engine, path);
    if (!e.code && dure_session_new(&session, engine, NULL)) e = err_memory("a session");
    if (!e.code) e = session_fill(session, &f, path);
    if (!e.code && messages) e = messages_out(&text, &f, path);
    if (!e.code) {
        *out = session;
        if (messages) *messages = text;
    } else {
        dure_session_free(session);
    }
    json_decref(f.header);
    if (f.checkpoint) checkpoint_close(f.checkpoint);
    return api_return(error, &e);
}
