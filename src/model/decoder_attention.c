// The attention block: grouped-query, and latent in its absorbed form.
#include "model/decoder_internal.h"

// Heads of x stand `width` apart; their first rope->d elements are turned.
static void turn(Decoder *d, float *x, const Rope *rope, int64_t heads, int64_t width, int64_t T)
{
    RopeIn in = { .positions = d->positions,
                  .frequency = rope->frequency,
                  .amplitude = rope->amplitude,
                  .pairing = rope->pairing,
                  .heads = heads,
                  .width = width,
                  .d = rope->d };
    d->b->rope(d->b, x, &in, T);
}

// q, k, v of all rows, ready for the cache: projected, normed per head, turned.
static void project(Decoder *d, const LayerRecipe *how, const LayerWeights *w, int64_t T)
{
    const Recipe *r = d->r;
    const AttentionWeights *a = &w->attention;
    Rows in = decoder_block_input(d, w->norm_attention, how->norm_attention, T);
    decoder_quantize(d, &in, (const Matrix *const[]){ &a->q, &a->k, &a->v }, 3);
    d->b->linear(d->b, d->q, a->q.rows, &in, &a->q, a->q_bias);
    d->b->linear(d->b, d->k, a->k.rows, &in, &a->k, a->k_bias);
    d->b->linear(d->b, d->v, a->v.rows, &in, &a->v, a->v_bias);
    if (how->qk_norm != NORM_NONE) {
        decoder_norm(d, d->q, d->q, a->q_norm, how->qk_norm, T * r->heads, r->head_width);
        decoder_norm(d, d->k, d->k, a->k_norm, how->qk_norm, T * r->kv_heads, r->head_width);
    }
    if (how->rope == NO_ROPE) return;
    turn(d, d->q, &r->ropes[how->rope], r->heads, r->head_width, T);
    turn(d, d->k, &r->ropes[how->rope], r->kv_heads, r->head_width, T);
}

static float score_scale(const Recipe *r, const LayerRecipe *how)
{
    return (float)(r->attention_scale * (how->rope == NO_ROPE ? 1.0 : r->ropes[how->rope].score_factor));
}

// Rows of two streams go into the cache, and the spans see all that is stored.
static void store(Decoder *d, const Batch *batch, int64_t span_count, int64_t layer)
{
    for (int64_t i = 0; i < span_count; i++) {
        AttendSpan *span = &d->spans[i];
        span->k = cache_view(batch->rows[span->row].sequence, layer, 0);
        span->v = cache_view(batch->rows[span->row].sequence, layer, 1);
        d->b->kv_store(d->b, &span->k, d->k + span->row * span->k.width, span->k.width, span->position, span->T);
        d->b->kv_store(d->b, &span->v, d->v + span->row * span->v.width, span->v.width, span->position, span->T);
    }
}

static void grouped(Decoder *d, const Batch *batch, int64_t span_count, int64_t layer, float *out)
{
    const Recipe *r = d->r;
    const LayerRecipe *how = &r->layer[layer];
    project(d, how, &d->w->layer[layer], batch->T);
    store(d, batch, span_count, layer);
    AttendIn in = { .q = d->q,
                    .heads = r->heads,
                    .kv_heads = r->kv_heads,
                    .d_k = r->head_width,
                    .d_v = r->value_width,
                    .scale = score_scale(r, how),
                    .mask = how->window ? MASK_WINDOW : MASK_CAUSAL,
                    .window = how->window,
                    .spans = d->spans,
                    .span_count = span_count };
    d->b->attend(d->b, out, &in);
}

// ---- Latent attention (arXiv 2405.04434, 2.1.2), absorbed: W_UK goes to the queries and W_UV to the result, so that attention reads
// the latents themselves, as one key and value that all heads share.

// Queries of all heads: through the latent query, or directly.
static void latent_queries(Decoder *d, const AttentionWeights *a, const Rows *in)
{
    const int64_t q_rank = d->r->latent.q_rank, T = in->T;
    if (!q_rank) {
        d->b->linear(d->b, d->q, a->q.rows, in, &a->q, NULL);
        return;
    }
    d->b->linear(d->b, d->low.x, q_rank, in, &a->q_a, a->q_a_bias);
    decoder_norm(d, d->low.x, d->low.x, a->q_a_norm, d->r->latent.norm, T, q_rank);
    Rows low = rows_of(&d->low, d->low.x, T, q_rank);
    decoder_quantize(d, &low, (const Matrix *const[]){ &a->q_b }, 1);
    d->b->linear(d->b, d->q, a->q_b.rows, &low, &a->q_b, NULL);
}

// The latent, normed, and the rotary key, turned.
static void latent_keys(Decoder *d, const LayerRecipe *how, const AttentionWeights *a, const Rows *in)
{
    const Latent *l = &d->r->latent;
    const Matrix latent = matrix_rows(&a->kv_a, 0, l->kv_rank), rotary = matrix_rows(&a->kv_a, l->kv_rank, l->rope);
    const float *bias = a->kv_a_bias;
    d->b->linear(d->b, d->k, l->kv_rank, in, &latent, bias);
    d->b->linear(d->b, d->v, l->rope, in, &rotary, bias ? bias + l->kv_rank : NULL);
    decoder_norm(d, d->k, d->k, a->kv_a_norm, l->norm, in->T, l->kv_rank);
    if (how->rope != NO_ROPE) turn(d, d->v, &d->r->ropes[how->rope], 1, l->rope, in->T);
}

// Each head's query against the latent: W_UK^T of the part without rotation, and the turned part behind it.
static void absorb(Decoder *d, const LayerRecipe *how, const AttentionWeights *a, int64_t T)
{
    const Recipe *r = d->r;
    const Latent *l = &r->latent;
    const int64_t width = l->kv_rank + l->rope;
    const float *nope = d->q + (l->rope_first ? l->rope : 0), *rotary = d->q + (l->rope_first ? 0 : l->nope);
    const HeadsIn in = { .x = nope,
                         .x_width = r->head_width,
                         .y_width = width,
                         .w = &a->kv_b,
                         .heads = r->heads,
                         .stride = l->nope + r->value_width,
                         .rows = l->nope };
    d->b->heads_linear_t(d->b, d->absorbed, &in, T);
    d->b->place(d->b, d->absorbed + l->kv_rank, width, rotary, r->head_width, T * r->heads, l->rope);
    if (how->rope != NO_ROPE) turn(d, d->absorbed + l->kv_rank, &r->ropes[how->rope], r->heads, width, T);
}

static void latent(Decoder *d, const Batch *batch, int64_t span_count, int64_t layer, float *out)
{
    const Recipe *r = d->r;
    const Latent *l = &r->latent;
    const LayerRecipe *how = &r->layer[layer];
    const LayerWeights *w = &d->w->layer[layer];
    const AttentionWeights *a = &w->attention;
    Rows x = decoder_block_input(d, w->norm_attention, how->norm_attention, batch->T);
    decoder_quantize(d, &x, (const Matrix *const[]){ l->q_rank ? &a->q_a : &a->q, &a->kv_a }, 2);
    latent_queries(d, a, &x);
    latent_keys(d, how, a, &x);
    absorb(d, how, a, batch->T);
    store(d, batch, span_count, layer);
    for (int64_t i = 0; i < span_count; i++) d->spans[i].tail = d->spans[i].v, d->spans[i].v = d->spans[i].k;
    AttendIn in = { .q = d->absorbed,
                    .heads = r->heads,
                    .kv_heads = 1,
                    .d_k = l->kv_rank + l->rope,
                    .d_v = l->kv_rank,
                    .d_tail = l->rope,
                    .scale = score_scale(r, how),
                    .mask = how->window ? MASK_WINDOW : MASK_CAUSAL,
                    .window = how->window,
                    .spans = d->spans,
                    .span_count = span_count };
    d->b->attend(d->b, d->mixed, &in);
    const HeadsIn back = { .x = d->mixed,
                           .x_width = l->kv_rank,
                           .y_width = r->value_width,
                           .w = &a->kv_b,
                           .heads = r->heads,
                           .stride = l->nope + r->value_width,
                           .first = l->nope,
                           .rows = r->value_width };
    d->b->heads_linear(d->b, out, &back, batch->T);
}

// ---- The block -----------------------------------------------------------------------------------------------------

void decoder_attention(Decoder *d, const Batch *batch, int64_t span_count, int64_t layer)
{
    const Recipe *r = d->r;
    const LayerRecipe *how = &r->layer[layer];
    const LayerWeights *w = &d->w->layer[layer];
    Rows mid = rows_of(&d->mid, d->mid.x, batch->T, r->heads * r->value_width);
    if (how->attention == ATTENTION_MLA)
        latent(d, batch, span_count, layer, mid.x);
    else
        grouped(d, batch, span_count, layer, mid.x);
    decoder_quantize(d, &mid, (const Matrix *const[]){ &w->attention.o }, 1);
    d->b->linear(d->b, d->out, r->hidden, &mid, &w->attention.o, w->attention.o_bias);
    decoder_add_block(d, w->post_norm_attention, how->post_norm_attention, batch->T);
}
