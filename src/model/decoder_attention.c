// The attention block, and grouped-query attention; decoder_latent.c has the other kind.
#include "model/decoder_internal.h"

void decoder_turn(Decoder *d, float *x, const Rope *rope, int64_t heads, int64_t width, int64_t T)
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
    decoder_turn(d, d->q, &r->ropes[how->rope], r->heads, r->head_width, T);
    decoder_turn(d, d->k, &r->ropes[how->rope], r->kv_heads, r->head_width, T);
}

AttendIn decoder_attend_in(const Decoder *d, int64_t layer, int64_t span_count)
{
    const Recipe *r = d->r;
    const LayerRecipe *how = &r->layer[layer];
    const double factor = how->rope == NO_ROPE ? 1.0 : r->ropes[how->rope].score_factor;
    return (AttendIn){ .heads = r->heads,
                       .scale = (float)(r->attention_scale * factor),
                       .mask = how->window ? MASK_WINDOW : MASK_CAUSAL,
                       .window = how->window,
                       .spans = d->spans,
                       .span_count = span_count };
}

void decoder_store(Decoder *d, const Batch *batch, const float *first, const float *second, int64_t span_count,
                   int64_t layer)
{
    for (int64_t i = 0; i < span_count; i++) {
        AttendSpan *span = &d->spans[i];
        span->k = cache_view(batch->rows[span->row].sequence, layer, 0);
        span->v = cache_view(batch->rows[span->row].sequence, layer, 1);
        d->b->kv_store(d->b, &span->k, first + span->row * span->k.width, span->k.width, span->position, span->T);
        d->b->kv_store(d->b, &span->v, second + span->row * span->v.width, span->v.width, span->position, span->T);
    }
}

static void grouped(Decoder *d, const Batch *batch, int64_t span_count, int64_t layer, float *out)
{
    const Recipe *r = d->r;
    project(d, &r->layer[layer], &d->w->layer[layer], batch->T);
    decoder_store(d, batch, d->k, d->v, span_count, layer);
    AttendIn in = decoder_attend_in(d, layer, span_count);
    in.q = d->q, in.kv_heads = r->kv_heads, in.d_k = r->head_width, in.d_v = r->value_width;
    d->b->attend(d->b, out, &in);
}

Err decoder_attention(Decoder *d, const Batch *batch, int64_t span_count, int64_t layer)
{
    const Recipe *r = d->r;
    const LayerRecipe *how = &r->layer[layer];
    const LayerWeights *w = &d->w->layer[layer];
    Rows mid = rows_of(&d->mid, d->mid.x, batch->T, r->heads * r->value_width);
    Err e = OK;
    if (how->attention == ATTENTION_MLA)
        e = decoder_latent(d, batch, span_count, layer, mid.x);
    else
        grouped(d, batch, span_count, layer, mid.x);
    if (e.code) return e;
    decoder_quantize(d, &mid, (const Matrix *const[]){ &w->attention.o }, 1);
    d->b->linear(d->b, d->out, r->hidden, &mid, &w->attention.o, w->attention.o_bias);
    decoder_add_block(d, w->post_norm_attention, how->post_norm_attention, batch->T);
    return OK;
}
