// The one decoder: every family's layers are run by the loop below, steered by the Recipe. It orders operations of the backend
// and never looks at activations itself.
#include "model/decoder_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

// ---- The default experts: where the file has them ------------------------------------------------------------------

static void mapped_want(ExpertSource *source, int64_t layer)
{
    (void)source, (void)layer;
}

static Err mapped_get(ExpertSource *source, int64_t layer, const Matrix **gate, const Matrix **up, const Matrix **down)
{
    const ExpertWeights *e = &((const MappedExperts *)source)->weights->layer[layer].experts;
    *gate = e->gate, *up = e->up, *down = e->down;
    return OK;
}

static void mapped_release(ExpertSource *source, int64_t layer)
{
    (void)source, (void)layer;
}

// ---- Memory --------------------------------------------------------------------------------------------------------

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t widest_dense(const Recipe *r)
{
    int64_t width = r->router.shared_width;
    for (int64_t i = 0; i < r->layers; i++)
        if (r->layer[i].ffn == FFN_DENSE) width = larger(width, r->layer[i].ffn_width);
    return width;
}

// Deals pieces out of one block; with a NULL block it only counts.
typedef struct Dealer {
    char *memory;
    size_t used;
} Dealer;

static void *deal(Dealer *d, size_t bytes)
{
    void *at = d->memory ? d->memory + d->used : NULL;
    d->used += (bytes + 63) / 64 * 64;
    return at;
}

static float *deal_floats(Dealer *d, int64_t rows, int64_t cols)
{
    return deal(d, (size_t)rows * (size_t)cols * sizeof(float));
}

static Rows deal_rows(Dealer *d, int64_t T, int64_t n)
{
    void *at = deal(d, rows_bytes(T, n));
    return at ? rows_at(at, T, n) : (Rows){ 0 };
}

// What the form of latent attention needs. S rows are expanded together.
static void deal_latent(Decoder *d, Dealer *dealer, const Recipe *r, const DecoderOptions *o)
{
    const Latent *l = &r->latent;
    const bool has = l->kv_rank > 0, absorbs = has && o->latent != LATENT_EXPANDED;
    const bool expands = has && o->latent != LATENT_ABSORBED;
    const int64_t T = o->most_rows, S = !expands ? 0 : o->latent == LATENT_MIXED ? LATENT_PIECE : T;
    d->low = deal_rows(dealer, T, l->q_rank);
    d->absorbed = deal_floats(dealer, absorbs ? T : 0, r->heads * (l->kv_rank + l->rope));
    d->mixed = deal_floats(dealer, absorbs ? T : 0, r->heads * l->kv_rank);
    d->latents = deal_rows(dealer, S, l->kv_rank);
    d->rotary = deal_floats(dealer, S, l->rope);
    d->expanded = deal_floats(dealer, S, r->heads * (l->nope + r->value_width));
    d->keys = deal_floats(dealer, S, r->heads * r->head_width);
    d->values = deal_floats(dealer, S, r->heads * r->value_width);
    d->carry = deal_floats(dealer, o->latent == LATENT_MIXED ? T : 0, 2 * r->heads);
}

static void deal_all(Decoder *d, Dealer *dealer, const Recipe *r, const DecoderOptions *o)
{
    const int64_t T = o->most_rows;
    const Latent *l = &r->latent;
    int64_t dense = widest_dense(r), q = r->heads * r->head_width, out = r->heads * r->value_width;
    int64_t k = l->kv_rank ? l->kv_rank : r->kv_heads * r->head_width;
    int64_t v = l->kv_rank ? l->rope : r->kv_heads * r->value_width;
    d->x = deal_floats(dealer, T, r->hidden);
    d->in = deal_rows(dealer, T, r->hidden);
    d->mid = deal_rows(dealer, T, larger(out, dense));
    d->q = deal_floats(dealer, T, q);
    d->k = deal_floats(dealer, T, k);
    d->v = deal_floats(dealer, T, v);
    deal_latent(d, dealer, r, o);
    d->gate = deal_floats(dealer, T, dense);
    d->up = deal_floats(dealer, T, dense);
    d->out = deal_floats(dealer, T, r->hidden);
    d->shared = deal_floats(dealer, T, r->hidden);
    d->scores = deal_floats(dealer, T, r->router.experts);
    d->ids = deal(dealer, (size_t)(T * r->router.top_k) * sizeof(int32_t));
    d->routes = deal_floats(dealer, T, r->router.top_k);
    d->hidden = deal_floats(dealer, o->drafts ? T : 0, r->hidden);
    d->joined = deal_rows(dealer, o->drafts ? T : 0, 2 * r->hidden);
}

size_t decoder_bytes(const Recipe *recipe, const DecoderOptions *options)
{
    Decoder unused;
    Dealer count = { 0 };
    deal_all(&unused, &count, recipe, options);
    return count.used + (size_t)options->most_rows * (2 * sizeof(int32_t) + sizeof(AttendSpan));
}

BackendLimits decoder_limits(const Recipe *r, const DecoderOptions *options)
{
    const Latent *l = &r->latent;
    const int64_t head = larger(r->head_width, r->value_width), latent = larger(l->q_rank, l->kv_rank + l->rope);
    int64_t width = larger(larger(r->vocab, r->hidden), larger(widest_dense(r), r->heads * head));
    width = larger(width, larger(latent, options->drafts ? 2 * r->hidden : 0));
    if (l->kv_rank) width = larger(width, r->heads * (l->nope + r->value_width));
    return (BackendLimits){ .rows = options->most_rows,
                            .width = larger(width, r->router.expert_width),
                            .heads = r->heads,
                            .head_width = l->kv_rank ? larger(head, l->kv_rank + l->rope) : head,
                            .experts = r->router.experts,
                            .top_k = r->router.top_k,
                            .expert_width = r->router.expert_width,
                            .hidden = r->hidden };
}

Err decoder_new(Decoder **out, const Recipe *recipe, const Weights *weights, Backend *backend,
                const DecoderOptions *options, Ledger *ledger)
{
    Decoder *d = calloc(1, sizeof *d);
    if (!d) return err_memory("the decoder");
    *d = (Decoder){ .r = recipe, .w = weights, .b = backend, .ledger = ledger, .options = *options };
    d->mapped = (MappedExperts){ { mapped_want, mapped_get, mapped_release }, weights };
    d->experts = &d->mapped.source;
    Dealer dealer = { 0 };
    deal_all(d, &dealer, recipe, options);
    Err e = backend->alloc(backend, &d->memory, dealer.used, LEDGER_WORK);
    if (e.code) {
        free(d);
        return e;
    }
    d->memory_bytes = dealer.used;
    dealer = (Dealer){ .memory = d->memory };
    deal_all(d, &dealer, recipe, options);
    d->positions = calloc((size_t)options->most_rows, sizeof *d->positions);
    d->tokens = calloc((size_t)options->most_rows, sizeof *d->tokens);
    d->spans = calloc((size_t)options->most_rows, sizeof *d->spans);
    if (!d->positions || !d->tokens || !d->spans) {
        decoder_free(d);
        return err_memory("the decoder");
    }
    *out = d;
    return OK;
}

static size_t logit_bytes(const Decoder *d)
{
    return (size_t)d->most_logits * (size_t)d->r->vocab * sizeof(float);
}

static void free_logits(Decoder *d)
{
    if (d->logits) d->b->release(d->b, d->logits, logit_bytes(d), LEDGER_WORK);
    if (d->host_logits) ledger_give(d->ledger, LEDGER_WORK, logit_bytes(d));
    free(d->host_logits);
    d->logits = d->host_logits = NULL;
    d->most_logits = 0;
}

void decoder_free(Decoder *d)
{
    if (!d) return;
    free_logits(d);
    d->b->release(d->b, d->memory, d->memory_bytes, LEDGER_WORK);
    free(d->positions);
    free(d->tokens);
    free(d->spans);
    free(d->pieces);
    free(d->seen);
    free(d);
}

static Err room_for_logits(Decoder *d, int64_t rows)
{
    if (rows <= d->most_logits) return OK;
    free_logits(d);
    d->most_logits = rows;
    void *logits = NULL;
    Err e = d->b->alloc(d->b, &logits, logit_bytes(d), LEDGER_WORK);
    if (!e.code) d->logits = logits;
    if (!e.code && !ledger_take(d->ledger, LEDGER_WORK, logit_bytes(d)))
        e = err(ERR_LIMIT, "the logits of %lld tokens do not fit into the memory allowed", (long long)rows);
    if (!e.code) {
        d->host_logits = malloc(logit_bytes(d));
        if (!d->host_logits) {
            ledger_give(d->ledger, LEDGER_WORK, logit_bytes(d));
            e = err_memory("logits");
        }
    }
    if (e.code) free_logits(d);
    return e;
}

// ---- Looking on ----------------------------------------------------------------------------------------------------

void decoder_show(Decoder *d, const Trace *trace, const char *name, const float *x, int64_t T, int64_t n)
{
    if (!trace) return;
    d->b->get(d->b, d->seen, x, (size_t)(T * n) * sizeof(float));
    trace->see(trace->user, name, d->seen, NULL, T, n);
}

static void show_layer(Decoder *d, const Trace *trace, int64_t layer, const float *x, int64_t T)
{
    char name[40];
    snprintf(name, sizeof name, "layer%02lld", (long long)layer);
    decoder_show(d, trace, name, x, T, d->r->hidden);
}

static void show_routes(Decoder *d, const Trace *trace, int64_t layer, int64_t T)
{
    if (!trace) return;
    char name[48];
    int64_t K = d->r->router.top_k;
    snprintf(name, sizeof name, "router%02lld.logits", (long long)layer);
    decoder_show(d, trace, name, d->scores, T, d->r->router.experts);
    snprintf(name, sizeof name, "router%02lld.weights", (long long)layer);
    decoder_show(d, trace, name, d->routes, T, K);
    snprintf(name, sizeof name, "router%02lld.ids", (long long)layer);
    d->b->get(d->b, d->seen, d->ids, (size_t)(T * K) * sizeof(int32_t));
    trace->see(trace->user, name, NULL, (const int32_t *)(const void *)d->seen, T, K);
}

Err decoder_room_for_traces(Decoder *d, const Trace *trace)
{
    if (!trace || d->seen) return OK;
    int64_t width = larger(larger(d->r->hidden, d->r->router.experts), d->r->router.top_k);
    d->seen = calloc((size_t)(d->options.most_rows * width), sizeof *d->seen);
    return d->seen ? OK : err_memory("traces");
}

// ---- Blocks --------------------------------------------------------------------------------------------------------

void decoder_quantize(Decoder *d, const Rows *x, const Matrix *const *matrices, int count)
{
    for (int i = 0; i < count; i++)
        if (d->b->wants_quantized(d->b, matrices[i]->format)) {
            d->b->quantize_rows(d->b, x);
            return;
        }
}

void decoder_norm(Decoder *d, float *y, const float *x, const float *gain, NormKind kind, int64_t rows, int64_t n)
{
    NormIn in = { .x = x, .gain = gain, .eps = (float)d->r->eps, .kind = kind };
    d->b->rms_norm(d->b, y, &in, rows, n);
}

Rows decoder_block_input(Decoder *d, const float *gain, NormKind kind, int64_t T)
{
    if (kind == NORM_NONE) return rows_of(&d->in, d->x, T, d->r->hidden);
    decoder_norm(d, d->in.x, d->x, gain, kind, T, d->r->hidden);
    return rows_of(&d->in, d->in.x, T, d->r->hidden);
}

void decoder_add_block(Decoder *d, const float *gain, NormKind kind, int64_t T)
{
    if (kind != NORM_NONE) decoder_norm(d, d->out, d->out, gain, kind, T, d->r->hidden);
    d->b->add(d->b, d->x, d->out, T * d->r->hidden, (float)d->r->residual_multiplier);
}

// y = down(silu(gate x) * up x); `in` is quantised already where its formats want it.
static void dense(Decoder *d, float *y, const Rows *in, const FfnWeights *w, float clamp)
{
    int64_t width = w->gate.rows;
    d->b->linear(d->b, d->gate, width, in, &w->gate, NULL);
    d->b->linear(d->b, d->up, width, in, &w->up, NULL);
    Rows mid = rows_of(&d->mid, d->mid.x, in->T, width);
    d->b->swiglu(d->b, mid.x, d->gate, d->up, in->T * width, clamp);
    decoder_quantize(d, &mid, (const Matrix *const[]){ &w->down }, 1);
    d->b->linear(d->b, y, d->r->hidden, &mid, &w->down, NULL);
}

static Err experts(Decoder *d, const Rows *in, int64_t layer, const Trace *trace)
{
    const Router *router = &d->r->router;
    const ExpertWeights *w = &d->w->layer[layer].experts;
    const Matrix *gate, *up, *down;
    d->experts->want(d->experts, layer);
    Err e = d->experts->get(d->experts, layer, &gate, &up, &down);
    if (e.code) return e;
    decoder_quantize(d, in, (const Matrix *const[]){ &w->router, gate, up }, 3);
    d->b->linear(d->b, d->scores, router->experts, in, &w->router, NULL);
    RouteIn route = { .logits = d->scores,
                      .bias = w->bias,
                      .score = router->score,
                      .T = in->T,
                      .E = router->experts,
                      .K = router->top_k,
                      .groups = router->groups,
                      .groups_kept = router->groups_kept,
                      .normalise = router->normalise,
                      .scale = (float)router->scale };
    d->b->route(d->b, d->ids, d->routes, &route);
    show_routes(d, trace, layer, in->T);
    ExpertsIn routed = { .x = in,
                         .ids = d->ids,
                         .weights = d->routes,
                         .K = router->top_k,
                         .E = router->experts,
                         .width = router->expert_width,
                         .gate = gate,
                         .up = up,
                         .down = down,
                         .clamp = d->r->layer[layer].clamp };
    d->b->experts(d->b, d->out, &routed);
    d->experts->release(d->experts, layer);
    if (!router->shared_width) return OK;
    decoder_quantize(d, in, (const Matrix *const[]){ &w->shared.gate, &w->shared.up }, 2);
    dense(d, d->shared, in, &w->shared, d->r->layer[layer].clamp);
    d->b->add(d->b, d->out, d->shared, in->T * d->r->hidden, 1.0f);
    return OK;
}

Err decoder_feed_forward(Decoder *d, int64_t T, int64_t layer, const Trace *trace)
{
    const LayerRecipe *how = &d->r->layer[layer];
    const LayerWeights *w = &d->w->layer[layer];
    Rows in = decoder_block_input(d, w->norm_ffn, how->norm_ffn, T);
    if (how->ffn == FFN_MOE) {
        Err e = experts(d, &in, layer, trace);
        if (e.code) return e;
    } else {
        decoder_quantize(d, &in, (const Matrix *const[]){ &w->ffn.gate, &w->ffn.up }, 2);
        dense(d, d->out, &in, &w->ffn, how->clamp);
    }
    decoder_add_block(d, w->post_norm_ffn, how->post_norm_ffn, T);
    return OK;
}

// ---- The whole -----------------------------------------------------------------------------------------------------

int64_t decoder_cut_spans(Decoder *d, const Batch *batch, bool anywhere)
{
    int64_t count = 0;
    for (int64_t i = 0; i < batch->T; i++) {
        const BatchRow *row = &batch->rows[i];
        const int64_t length = cache_length(row->sequence);
        if (row->token < 0 || row->token >= d->r->vocab) return 0;
        d->positions[i] = row->position;
        d->tokens[i] = row->token;
        bool goes_on = i && row->sequence == row[-1].sequence;
        if (goes_on && row->position != row[-1].position + 1) return 0;
        if (!goes_on && !anywhere && row->position != length) return 0;
        if (!goes_on) d->spans[count++] = (AttendSpan){ .row = i, .position = row->position };
        d->spans[count - 1].T++;
        d->spans[count - 1].keys = row->position + 1;
    }
    return count;
}

// Where the rows that want logits stand, normed: all rows are, if something else wants them too.
static int64_t normed_rows(Decoder *d, const Batch *batch, const float *gain, const Trace *trace, const char *name)
{
    const int64_t H = d->r->hidden;
    const NormKind kind = d->r->norm;
    const bool all = trace || d->options.drafts || batch->norms;
    float *every = d->options.drafts ? d->hidden : d->in.x;
    int64_t wanted = 0;
    if (all) {
        decoder_norm(d, every, d->x, gain, kind, batch->T, H);
        decoder_show(d, trace, name, every, batch->T, H);
        if (batch->norms) d->b->get(d->b, batch->norms, every, (size_t)(batch->T * H) * sizeof *every);
    }
    for (int64_t i = 0; i < batch->T; i++) {
        float *at = d->in.x + wanted * H;
        if (!batch->rows[i].want_logits) continue;
        if (d->options.drafts)
            d->b->place(d->b, at, H, d->hidden + i * H, H, 1, H);
        else
            decoder_norm(d, at, d->x + i * H, gain, kind, 1, H);
        wanted++;
    }
    return wanted;
}

Err decoder_head(Decoder *d, const Batch *batch, const float *gain, const Trace *trace, const char *name,
                 const float **logits)
{
    const Recipe *r = d->r;
    const int64_t wanted = normed_rows(d, batch, gain, trace, name);
    *logits = NULL;
    if (!wanted) return OK;
    Err e = room_for_logits(d, wanted);
    if (e.code) return e;
    Rows in = rows_of(&d->in, d->in.x, wanted, r->hidden);
    decoder_quantize(d, &in, (const Matrix *const[]){ &d->w->head }, 1);
    d->b->linear(d->b, d->logits, r->vocab, &in, &d->w->head, NULL);
    if (r->logit_multiplier != 1.0) d->b->scale(d->b, d->logits, wanted * r->vocab, (float)r->logit_multiplier);
    d->b->get(d->b, d->host_logits, d->logits, (size_t)(wanted * r->vocab) * sizeof(float));
    *logits = d->host_logits;
    return OK;
}

Err decoder_run_span(Decoder *d, const Batch *batch, const LayerSpan *span, const Trace *trace, const float **logits)
{
    const Recipe *r = d->r;
    size_t bytes = (size_t)(batch->T * r->hidden) * sizeof(float);
    assert(batch->T > 0 && batch->T <= d->options.most_rows);
    int64_t span_count = decoder_cut_spans(d, batch, false);
    if (!span_count)
        return err(ERR_USAGE, "a batch has a token outside the vocabulary or positions that do not follow");
    Err e = decoder_room_for_traces(d, trace);
    if (e.code) return e;
    if (span->first > 0)
        d->b->put(d->b, d->x, span->in, bytes);
    else
        d->b->embed(d->b, d->x, &d->w->embed, d->tokens, batch->T, (float)r->embedding_multiplier);
    if (span->first == 0) decoder_show(d, trace, "embed", d->x, batch->T, r->hidden);
    for (int64_t layer = span->first; layer < span->last && !e.code; layer++) {
        e = decoder_attention(d, batch, span_count, layer);
        if (!e.code) e = decoder_feed_forward(d, batch->T, layer, trace);
        if (!e.code) show_layer(d, trace, layer, d->x, batch->T);
    }
    if (e.code) return e;
    if (span->last < r->layers) {
        d->b->get(d->b, span->out, d->x, bytes);
        *logits = NULL;
        return OK;
    }
    return decoder_head(d, batch, d->w->norm, trace, "norm", logits);
}

Err decoder_run(Decoder *decoder, const Batch *batch, const Trace *trace, const float **logits)
{
    LayerSpan whole = { .first = 0, .last = decoder->r->layers };
    return decoder_run_span(decoder, batch, &whole, trace, logits);
}
