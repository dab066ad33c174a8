// Multi-head latent attention (arXiv 2405.04434, 2.1) in its forms. Absorbed: W_UK goes to the queries and W_UV to the result, so that
// attention reads the latents themselves, as one key and value that all heads share. Expanded: each head's keys and values are made
// of the latents first; they are what is cached then, or, in the mixed form, made anew for a piece of keys at a time.
#include "model/decoder_internal.h"

#include <stdlib.h>

// ---- Queries, latents ----------------------------------------------------------------------------------------------

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
    if (how->rope != NO_ROPE) decoder_turn(d, d->v, &d->r->ropes[how->rope], 1, l->rope, in->T);
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
    if (how->rope != NO_ROPE) decoder_turn(d, d->absorbed + l->kv_rank, &r->ropes[how->rope], r->heads, width, T);
}

// ---- Absorbed ------------------------------------------------------------------------------------------------------

static void attend_absorbed(Decoder *d, const AttendSpan *spans, int64_t span_count, int64_t layer)
{
    const Latent *l = &d->r->latent;
    AttendIn in = decoder_attend_in(d, layer, span_count);
    in.spans = spans;
    in.q = d->absorbed, in.kv_heads = 1, in.d_k = l->kv_rank + l->rope, in.d_v = l->kv_rank, in.d_tail = l->rope;
    d->b->attend(d->b, d->mixed, &in);
}

// W_UV of each head on its weighted latent.
static void unabsorb(Decoder *d, const AttentionWeights *a, int64_t row, int64_t T, float *out)
{
    const Recipe *r = d->r;
    const Latent *l = &r->latent;
    const HeadsIn back = { .x = d->mixed + row * r->heads * l->kv_rank,
                           .x_width = l->kv_rank,
                           .y_width = r->value_width,
                           .w = &a->kv_b,
                           .heads = r->heads,
                           .stride = l->nope + r->value_width,
                           .first = l->nope,
                           .rows = r->value_width };
    d->b->heads_linear(d->b, out + row * r->heads * r->value_width, &back, T);
}

// The latent is key and value, the rotary key the key's tail.
static void latent_views(Decoder *d, int64_t span_count)
{
    for (int64_t i = 0; i < span_count; i++) d->spans[i].tail = d->spans[i].v, d->spans[i].v = d->spans[i].k;
}

// ---- Expanded ------------------------------------------------------------------------------------------------------

// Queries with their rotary part turned where it stands.
static void turn_queries(Decoder *d, const LayerRecipe *how, int64_t T)
{
    const Recipe *r = d->r;
    const int64_t at = r->latent.rope_first ? 0 : r->latent.nope;
    if (how->rope != NO_ROPE) decoder_turn(d, d->q + at, &r->ropes[how->rope], r->heads, r->head_width, T);
}

// d->keys and d->values of n latents, whose rotary keys stand in `rotary`.
static void expand(Decoder *d, const AttentionWeights *a, float *latents, const float *rotary, int64_t n)
{
    const Recipe *r = d->r;
    const Latent *l = &r->latent;
    const int64_t heads = r->heads, pair = l->nope + r->value_width;
    float *nope = d->keys + (l->rope_first ? l->rope : 0), *turned = d->keys + (l->rope_first ? 0 : l->nope);
    Rows in = rows_of(&d->latents, latents, n, l->kv_rank);
    decoder_quantize(d, &in, (const Matrix *const[]){ &a->kv_b }, 1);
    d->b->linear(d->b, d->expanded, a->kv_b.rows, &in, &a->kv_b, NULL);
    d->b->place(d->b, nope, r->head_width, d->expanded, pair, n * heads, l->nope);
    for (int64_t h = 0; h < heads; h++)
        d->b->place(d->b, turned + h * r->head_width, heads * r->head_width, rotary, l->rope, n, l->rope);
    d->b->place(d->b, d->values, r->value_width, d->expanded + l->nope, pair, n * heads, r->value_width);
}

static AttendIn expanded_in(const Decoder *d, int64_t layer, int64_t span_count)
{
    const Recipe *r = d->r;
    AttendIn in = decoder_attend_in(d, layer, span_count);
    in.q = d->q, in.kv_heads = r->heads, in.d_k = r->head_width, in.d_v = r->value_width;
    return in;
}

// ---- Mixed: a long span sees its keys in expanded pieces -----------------------------------------------------------

static Err room_for_pieces(Decoder *d, int64_t keys)
{
    const int64_t count = keys / LATENT_PIECE + 1;
    if (count <= d->piece_count) return OK;
    uint8_t **pieces = realloc(d->pieces, 2 * (size_t)count * sizeof *pieces);
    if (!pieces) return err_memory("a table of expanded keys");
    d->pieces = pieces;
    d->piece_count = count;
    for (int64_t i = 0; i < count; i++)
        pieces[i] = (uint8_t *)d->keys, pieces[count + i] = (uint8_t *)d->values; // one piece at a time
    return OK;
}

static KvView piece_view(uint8_t *const *page, int64_t width)
{
    return (KvView){ .type = KV_F32,
                     .width = width,
                     .page_tokens = LATENT_PIECE,
                     .row_bytes = (size_t)width * sizeof(float),
                     .page = page };
}

static Err attend_pieces(Decoder *d, const AttentionWeights *a, const AttendSpan *span, int64_t layer, float *out)
{
    const Recipe *r = d->r;
    const int64_t window = r->layer[layer].window, sees = window ? span->position - window + 1 : 0;
    Err e = room_for_pieces(d, span->keys);
    if (e.code) return e;
    AttendSpan all = *span;
    all.k = piece_view(d->pieces, r->heads * r->head_width);
    all.v = piece_view(d->pieces + d->piece_count, r->heads * r->value_width);
    AttendIn in = expanded_in(d, layer, 1);
    in.spans = &all, in.carry = d->carry;
    for (int64_t at = sees > 0 ? sees / LATENT_PIECE * LATENT_PIECE : 0, first = at; at < span->keys;
         at += LATENT_PIECE) {
        const int64_t n = span->keys - at < LATENT_PIECE ? span->keys - at : LATENT_PIECE;
        d->b->kv_load(d->b, d->latents.x, r->latent.kv_rank, &span->k, at, n);
        d->b->kv_load(d->b, d->rotary, r->latent.rope, &span->tail, at, n);
        expand(d, a, d->latents.x, d->rotary, n);
        in.from_key = at, in.to_key = at + n, in.first = at == first, in.last = at + n == span->keys;
        d->b->attend(d->b, out, &in);
    }
    return OK;
}

static Err mixed(Decoder *d, const AttentionWeights *a, int64_t span_count, int64_t layer, float *out)
{
    Err e = OK;
    for (int64_t i = 0; i < span_count && !e.code; i++) {
        const AttendSpan *span = &d->spans[i];
        if (span->T >= LATENT_SPAN) {
            e = attend_pieces(d, a, span, layer, out);
        } else {
            attend_absorbed(d, span, 1, layer);
            unabsorb(d, a, span->row, span->T, out);
        }
    }
    return e;
}

// ---- The whole -----------------------------------------------------------------------------------------------------

Err decoder_latent(Decoder *d, const Batch *batch, int64_t span_count, int64_t layer, float *out)
{
    const LayerRecipe *how = &d->r->layer[layer];
    const LayerWeights *w = &d->w->layer[layer];
    const AttentionWeights *a = &w->attention;
    const LatentForm form = d->options.latent;
    const int64_t T = batch->T;
    Rows x = decoder_block_input(d, w->norm_attention, how->norm_attention, T);
    decoder_quantize(d, &x, (const Matrix *const[]){ d->r->latent.q_rank ? &a->q_a : &a->q, &a->kv_a }, 2);
    latent_queries(d, a, &x);
    latent_keys(d, how, a, &x);
    if (form != LATENT_EXPANDED) absorb(d, how, a, T);
    if (form != LATENT_ABSORBED) turn_queries(d, how, T);
    if (form == LATENT_EXPANDED) {
        expand(d, a, d->k, d->v, T);
        decoder_store(d, batch, d->keys, d->values, span_count, layer);
        AttendIn in = expanded_in(d, layer, span_count);
        d->b->attend(d->b, out, &in);
        return OK;
    }
    decoder_store(d, batch, d->k, d->v, span_count, layer);
    latent_views(d, span_count);
    if (form == LATENT_MIXED) return mixed(d, a, span_count, layer, out);
    attend_absorbed(d, d->spans, span_count, layer);
    unabsorb(d, a, 0, T, out);
    return OK;
}
