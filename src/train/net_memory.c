// The memory of the net: one block, dealt out by a walk that first only counts.
#include "train/net_internal.h"

#include <stdlib.h>

typedef struct Dealer {
    char *memory; // NULL: only counts
    size_t used;
    bool overflow;
} Dealer;

static void *deal(Dealer *d, int64_t rows, int64_t cols, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow((size_t)rows, (size_t)cols, &bytes) || __builtin_mul_overflow(bytes, size, &bytes) ||
        bytes > SIZE_MAX / 4)
        bytes = 0, d->overflow = true;
    void *at = d->memory ? d->memory + d->used : NULL;
    if (__builtin_add_overflow(d->used, (bytes + 63) / 64 * 64, &d->used)) d->overflow = true;
    return bytes ? at : NULL;
}

static float *floats(Dealer *d, int64_t rows, int64_t cols)
{
    return deal(d, rows, cols, sizeof(float));
}

static int32_t *numbers(Dealer *d, int64_t rows, int64_t cols)
{
    return deal(d, rows, cols, sizeof(int32_t));
}

// The largest of what the layers need, where one piece serves them all.
typedef struct Widths {
    int64_t q, k, v, mixed, dense;
    bool grouped, latent, sparse;
} Widths;

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static Widths widths_of_layer(const Recipe *r, const LayerRecipe *how)
{
    const bool latent = how->attention == ATTENTION_MLA, sparse = how->ffn == FFN_MOE;
    const int64_t kv = latent ? r->heads : r->kv_heads;
    return (Widths){ .q = r->heads * r->head_width,
                     .k = kv * r->head_width,
                     .v = kv * r->value_width,
                     .mixed = r->heads * r->value_width,
                     .dense = sparse ? r->router.shared_width : how->ffn_width,
                     .grouped = !latent,
                     .latent = latent,
                     .sparse = sparse };
}

static Widths widest(const Recipe *r)
{
    Widths all = { 0 };
    for (int64_t i = 0; i < r->layers + r->draft_layers; i++) {
        const Widths one = widths_of_layer(r, &r->layer[i]);
        all.q = larger(all.q, one.q), all.k = larger(all.k, one.k), all.v = larger(all.v, one.v);
        all.mixed = larger(all.mixed, one.mixed), all.dense = larger(all.dense, one.dense);
        all.grouped |= one.grouped, all.latent |= one.latent, all.sparse |= one.sparse;
    }
    return all;
}

static void deal_dense(Dealer *d, DenseKept *kept, int64_t T, int64_t width)
{
    kept->gate = floats(d, T, width);
    kept->up = floats(d, T, width);
    kept->mid = floats(d, T, width);
}

static void deal_attention(Dealer *d, LayerKept *kept, const Recipe *r, int64_t T, const Widths *w, bool qk_norm)
{
    const Latent *l = &r->latent;
    const int64_t normed = qk_norm ? T : 0, latent = w->latent ? T : 0;
    kept->q0 = floats(d, normed, w->q);
    kept->k0 = floats(d, normed, w->k);
    kept->q_r = floats(d, normed, r->heads);
    kept->k_r = floats(d, normed, r->kv_heads);
    kept->q = floats(d, T, w->q);
    kept->k = floats(d, T, w->k);
    kept->v = floats(d, T, w->v);
    kept->low0 = floats(d, latent, l->q_rank);
    kept->low = floats(d, latent, l->q_rank);
    kept->low_r = floats(d, latent, 1);
    kept->latent0 = floats(d, latent, l->kv_rank);
    kept->latent = floats(d, latent, l->kv_rank);
    kept->latent_r = floats(d, latent, 1);
    kept->rotary = floats(d, latent, l->rope);
    kept->expanded = floats(d, latent, r->heads * (l->nope + r->value_width));
    kept->mixed = floats(d, T, w->mixed);
    kept->log_sum = floats(d, T, r->heads);
}

static void deal_experts(Dealer *d, LayerKept *kept, const Recipe *r, int64_t T)
{
    const Router *router = &r->router;
    kept->scores = floats(d, T, router->experts);
    kept->affinity = floats(d, T, router->experts);
    kept->routes = floats(d, T, router->top_k);
    kept->ids = numbers(d, T, router->top_k);
    kept->at = numbers(d, T, router->top_k);
    kept->start = deal(d, router->experts + 1, 1, sizeof *kept->start);
    kept->rows = floats(d, T * router->top_k, r->hidden);
    deal_dense(d, &kept->expert, T * router->top_k, router->expert_width);
    kept->results = floats(d, T * router->top_k, r->hidden);
}

// Of one layer, or of all in turn.
typedef struct Norms {
    bool attention, ffn, post_attention, post_ffn, heads;
} Norms;

static Norms norms_of(const LayerRecipe *how)
{
    return (Norms){ .attention = how->norm_attention != NORM_NONE,
                    .ffn = how->norm_ffn != NORM_NONE,
                    .post_attention = how->post_norm_attention != NORM_NONE,
                    .post_ffn = how->post_norm_ffn != NORM_NONE,
                    .heads = how->qk_norm != NORM_NONE };
}

static Norms all_norms(const Recipe *r)
{
    Norms all = { 0 };
    for (int64_t i = 0; i < r->layers + r->draft_layers; i++) {
        const Norms one = norms_of(&r->layer[i]);
        all.attention |= one.attention, all.ffn |= one.ffn, all.heads |= one.heads;
        all.post_attention |= one.post_attention, all.post_ffn |= one.post_ffn;
    }
    return all;
}

static void deal_layer(Dealer *d, LayerKept *kept, const Recipe *r, int64_t T, const Widths *w, const Norms *n)
{
    const int64_t H = r->hidden;
    kept->in = floats(d, n->attention ? T : 0, H);
    kept->in_r = floats(d, T, 1);
    deal_attention(d, kept, r, T, w, n->heads);
    kept->out = floats(d, n->post_attention ? T : 0, H);
    kept->out_r = floats(d, T, 1);
    kept->x1 = floats(d, T, H);
    kept->mid = floats(d, n->ffn ? T : 0, H);
    kept->mid_r = floats(d, T, 1);
    kept->ffn = floats(d, n->post_ffn ? T : 0, H);
    kept->ffn_r = floats(d, T, 1);
    deal_dense(d, &kept->dense, T, w->dense);
    if (w->sparse) deal_experts(d, kept, r, T);
}

static void deal_layers(Dealer *d, Net *net, const Recipe *r, const NetOptions *o)
{
    const int64_t count = r->layers + r->draft_layers;
    if (o->recompute) {
        const Widths w = widest(r);
        const Norms n = all_norms(r);
        LayerKept one = { 0 };
        deal_layer(d, &one, r, o->most_rows, &w, &n);
        for (int64_t i = 0; i < count && net; i++) net->layer[i] = one;
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        const Widths w = widths_of_layer(r, &r->layer[i]);
        const Norms n = norms_of(&r->layer[i]);
        LayerKept one = { 0 };
        deal_layer(d, &one, r, o->most_rows, &w, &n);
        if (net) net->layer[i] = one;
    }
}

static void deal_drafts(Dealer *d, Net *net, const Recipe *r, int64_t T)
{
    const int64_t H = r->hidden;
    for (int64_t i = 0; i < r->draft_layers; i++) {
        const DraftKept one = { .ids = numbers(d, T, 1),
                                .targets = numbers(d, T, 1),
                                .weights = floats(d, T, 1),
                                .embed = floats(d, T, H),
                                .embed_r = floats(d, T, 1),
                                .hidden_r = floats(d, T, 1),
                                .joined = floats(d, T, 2 * H) };
        float *in = floats(d, T, H), *out = floats(d, T, H);
        if (!net) continue;
        net->draft[i] = one, net->draft_in[i] = in, net->draft_out[i] = out;
    }
}

// Residual streams and what stands behind the last norms.
static void deal_streams(Dealer *d, Net *net, const Recipe *r, int64_t T)
{
    for (int64_t i = 0; i <= r->layers; i++) {
        float *x = floats(d, T, r->hidden);
        if (net) net->x[i] = x;
    }
    for (int64_t i = 0; i <= r->draft_layers; i++) {
        float *y = floats(d, T, r->hidden), *dy = floats(d, T, r->hidden), *factor = floats(d, T, 1);
        if (net) net->normed[i] = y, net->dnormed[i] = dy, net->normed_r[i] = factor;
    }
}

static void deal_derivatives(Dealer *d, Net *net, const Recipe *r, int64_t T)
{
    const Widths w = widest(r);
    const Router *router = &r->router;
    const Latent *l = &r->latent;
    const int64_t H = r->hidden, latent = w.latent ? T : 0, sparse = w.sparse ? T : 0;
    const int64_t choices = w.sparse ? T * router->top_k : 0, most = T < HEAD_ROWS ? T : HEAD_ROWS;
    net->out = floats(d, T, H), net->shared = floats(d, sparse, H);
    net->dx = floats(d, T, H), net->da = floats(d, T, H), net->db = floats(d, T, H);
    net->dq = floats(d, T, w.q), net->dk = floats(d, T, w.k), net->dv = floats(d, T, w.v);
    net->dmixed = floats(d, T, w.mixed);
    net->dlow = floats(d, latent, l->q_rank);
    net->dlatent = floats(d, latent, l->kv_rank);
    net->drotary = floats(d, latent, l->rope);
    net->dexpanded = floats(d, latent, r->heads * (l->nope + r->value_width));
    deal_dense(d, &net->d, T, w.dense);
    net->dscores = floats(d, sparse, router->experts);
    net->daffinity = floats(d, sparse, router->experts);
    net->droutes = floats(d, sparse, router->top_k);
    net->drows = floats(d, choices, H);
    net->dresults = floats(d, choices, H);
    deal_dense(d, &net->dexpert, choices, router->expert_width);
    net->grouped = numbers(d, choices, 1);
    net->products = deal(d, w.sparse ? 3 * router->experts : 0, 1, sizeof *net->products);
    net->loads = deal(d, w.sparse ? r->layers + r->draft_layers : 0, router->experts, sizeof *net->loads);
    net->joined = floats(d, r->draft_layers ? T : 0, 2 * H);
    net->positions = numbers(d, T, 1), net->targets = numbers(d, T, 1);
    net->head_in = floats(d, most, H), net->dhead_in = floats(d, most, H);
    net->logits = floats(d, most, r->vocab);
    net->head_weights = floats(d, most, 1), net->head_loss = floats(d, most, 1);
    net->head_rows = numbers(d, most, 1), net->head_targets = numbers(d, most, 1);
}

static void deal_all(Dealer *d, Net *net, const Recipe *r, const NetOptions *o)
{
    Net unused;
    deal_layers(d, net, r, o);
    deal_drafts(d, net, r, o->most_rows);
    deal_streams(d, net, r, o->most_rows);
    deal_derivatives(d, net ? net : &unused, r, o->most_rows);
}

size_t net_bytes(const Recipe *recipe, const NetOptions *options)
{
    Dealer count = { 0 };
    deal_all(&count, NULL, recipe, options);
    return count.overflow ? SIZE_MAX : count.used;
}

Err net_take_memory(Net *net)
{
    const size_t bytes = net_bytes(net->r, &net->options);
    if (bytes == SIZE_MAX || !ledger_take(net->ledger, LEDGER_WORK, bytes))
        return err(ERR_LIMIT,
                   "a batch of %lld tokens needs %lld MiB for its activations, more than is allowed; take fewer with "
                   "--batch-tokens, or --recompute",
                   (long long)net->options.most_rows, (long long)(bytes >> 20));
    net->memory_bytes = bytes;
    net->memory = memory_large(bytes);
    if (!net->memory) return err_memory("activations");
    Dealer dealer = { .memory = net->memory };
    deal_all(&dealer, net, net->r, &net->options);
    return OK;
}

void net_give_memory(Net *net)
{
    free(net->memory);
    ledger_give(net->ledger, LEDGER_WORK, net->memory_bytes);
}
