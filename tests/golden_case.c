#include "golden_case.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void must(Err e)
{
    if (e.code) fail_msg("%s", e.text);
}

static json_t *case_json(const char *folder)
{
    char path[1200];
    Buf text = { 0 };
    json_t *json = NULL;
    snprintf(path, sizeof path, "%s/case.json", folder);
    must(file_read(&text, path, 1 << 24));
    must(json_parse(&json, buf_str(&text), JSON_PLAIN, path));
    buf_free(&text);
    return json;
}

static double tolerance(const json_t *json, const char *name, double absent)
{
    const json_t *value = json_object_get(json_object_get(json, "tolerance"), name);
    return json_is_number(value) ? json_number_value(value) : absent;
}

void case_open(Case *c, const char *folder)
{
    char path[1200];
    *c = (Case){ .arena = arena_new("case") };
    snprintf(c->folder, sizeof c->folder, "%s", folder);
    json_t *json = case_json(folder);
    c->logits_abs = tolerance(json, "logits_abs", 1e-3);
    c->hidden_abs = tolerance(json, "hidden_abs", c->logits_abs);
    c->weights_abs = tolerance(json, "router_weights_abs", 1e-5);
    c->prompts = (int)json_array_size(json_object_get(json, "prompt_lengths"));
    const json_t *traced = json_object_get(json, "traced_prompt"); // a number, or "all"
    c->traced = json_is_integer(traced) ? (int)json_integer_value(traced) : TRACED_ALL;
    json_decref(json);
    must(checkpoint_open(&c->checkpoint, folder, CHECKPOINT_ALL, NULL, NULL));
    snprintf(path, sizeof path, "%s/expected.safetensors", folder);
    must(checkpoint_open(&c->expected, path, CHECKPOINT_ALL, NULL, NULL));
    must(recipe_from(&c->recipe, &c->arena, c->checkpoint->config, c->checkpoint, NULL));
    must(weights_bind(&c->weights, &c->arena, c->recipe, c->checkpoint, NULL, NULL));
}

void case_close(Case *c)
{
    recipe_free(c->recipe);
    arena_free(&c->arena);
    checkpoint_close(c->checkpoint);
    checkpoint_close(c->expected);
}

static const void *expected(const Case *c, const char *name, Dtype dtype, int64_t *rows, int64_t *cols)
{
    const Stored *s = checkpoint_find(c->expected, str(name));
    if (!s) return NULL;
    assert_int_equal(s->dtype, dtype);
    *rows = s->rank == 2 ? s->shape[0] : 1;
    *cols = s->shape[s->rank - 1];
    return checkpoint_data(c->expected, s);
}

const float *case_floats(const Case *c, const char *name, int64_t *rows, int64_t *cols)
{
    return expected(c, name, DTYPE_F32, rows, cols);
}

const int32_t *case_ints(const Case *c, const char *name, int64_t *rows, int64_t *cols)
{
    return expected(c, name, DTYPE_I32, rows, cols);
}

void runner_open(Runner *r, const Case *c, RunnerOptions o)
{
    *r = (Runner){ .c = c };
    const bool drafts = c->recipe->draft_layers > 0;
    const DecoderOptions decoder = { .most_rows = o.most_rows, .latent = o.latent, .drafts = drafts };
    BackendOptions backend = { .level = o.level, .threads = o.threads, .limits = decoder_limits(c->recipe, &decoder) };
    KvOptions kv = {
        .type = o.kv, .page_tokens = o.page_tokens, .mark_budget = o.mark_budget, .latent = o.latent, .drafts = drafts
    };
    must(backend_open(&r->backend, &backend));
    must(cache_new(&r->cache, c->recipe, r->backend, &kv, NULL));
    must(decoder_new(&r->decoder, c->recipe, c->weights, r->backend, &decoder, NULL));
}

void runner_close(Runner *r)
{
    decoder_free(r->decoder);
    cache_free(r->cache);
    backend_close(r->backend);
}

KvSequence *runner_sequence(Runner *r)
{
    KvSequence *s = NULL;
    must(cache_sequence(&s, r->cache));
    return s;
}

void runner_read(Runner *r, KvSequence *s, const int32_t *ids, int64_t n, int64_t chunk, float *out, const Trace *trace)
{
    int64_t vocab = r->c->recipe->vocab;
    BatchRow *rows = calloc((size_t)chunk, sizeof *rows);
    assert_non_null(rows);
    for (int64_t at = 0; at < n; at += chunk) {
        int64_t T = n - at < chunk ? n - at : chunk;
        const float *logits;
        for (int64_t i = 0; i < T; i++)
            rows[i] = (BatchRow){ s, (int32_t)(cache_length(s) + i), ids[at + i], out != NULL };
        must(cache_reserve(s, T));
        must(decoder_run(r->decoder, &(Batch){ .rows = rows, .T = T }, trace, &logits));
        cache_advance(s, T);
        if (out) memcpy(out + at * vocab, logits, (size_t)(T * vocab) * sizeof *out);
    }
    free(rows);
}

int32_t argmax(const float *x, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return (int32_t)best;
}

static void walk_below(const char *folder, void (*visit)(const char *, void *), void *user, int depth)
{
    char path[1200];
    struct dirent **entries;
    int n = depth <= 3 ? scandir(folder, &entries, NULL, alphasort) : 0;
    snprintf(path, sizeof path, "%s/case.json", folder);
    if (path_exists(path)) {
        const Family *family;
        Checkpoint *config = NULL;
        must(checkpoint_open(&config, folder, CHECKPOINT_TEXT, NULL, NULL));
        if (config->config && !family_find(&family, config->config, config->kind).code) visit(folder, user);
        checkpoint_close(config);
    }
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.' && path_is_folder(path)) walk_below(path, visit, user, depth + 1);
        free(entries[i]);
    }
    if (n > 0) free(entries);
}

void walk_cases(void (*visit)(const char *folder, void *user), void *user)
{
    walk_below(DURE_TEST_DATA "/golden", visit, user, 0);
    const char *more = getenv("DURE_GOLDEN");
    if (more && *more) walk_below(more, visit, user, 0);
}
