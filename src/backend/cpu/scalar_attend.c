// Attention as the specification says it (backend.h, AttendIn). The keys and values of a block are decoded once for a tile of
// queries and heads; every (query, head) pair then takes exactly the keys that it sees, in ascending order.
#include <math.h>

#include "backend/cpu/cpu.h"

// The state of one pair: running maximum m, sum of weights l, and o [d_v] not yet divided.
typedef struct Pair {
    float m, l;
} Pair;

// Elements [first, first + d) of a stored row of `width`.
void scalar_load_row(float *x, const uint8_t *row, KvType type, int64_t width, int64_t first, int64_t d)
{
    const uint8_t *scales = row + rows_blocks(width) * QUANT_BLOCK;
    for (int64_t i = 0; i < d; i++) {
        const int64_t e = first + i;
        if (type == KV_F32) {
            memcpy(&x[i], row + 4 * e, sizeof(float));
        } else if (type == KV_BF16) {
            uint16_t h;
            memcpy(&h, row + 2 * e, sizeof h);
            x[i] = bf16_to_f32(h);
        } else {
            float scale;
            memcpy(&scale, scales + e / QUANT_BLOCK * 4, sizeof scale);
            x[i] = (float)(int8_t)row[e] * scale;
        }
    }
}

// The same of `count` positions from `position` on, `stride` apart.
static void decode_keys(float *out, int64_t stride, const KvView *view, int64_t position, int64_t count, int64_t first,
                        int64_t d)
{
    for (int64_t j = 0; j < count; j++)
        scalar_load_row(out + j * stride, kv_row(view, position + j), view->type, view->width, first, d);
}

// One pair over keys [from, to) of a block whose decoded keys and values are k and v.
static void pair_block(Pair *pair, float *o, const float *q, const float *k, const float *v, const AttendIn *in,
                       int64_t from, int64_t to)
{
    float s[ATTEND_BLOCK], largest = pair->m;
    for (int64_t j = from; j < to; j++) {
        s[j] = in->scale * scalar_dot(q, k + j * in->d_k, in->d_k);
        if (s[j] > largest) largest = s[j];
    }
    float fade = expf(pair->m - largest), sum = 0.0f;
    for (int64_t i = 0; i < in->d_v; i++) o[i] *= fade;
    for (int64_t j = from; j < to; j++) {
        float p = expf(s[j] - largest);
        sum += p;
        for (int64_t i = 0; i < in->d_v; i++) o[i] += p * v[j * in->d_v + i];
    }
    pair->l = pair->l * fade + sum;
    pair->m = largest;
}

// Where the pairs of a tile stand in [T, heads].
static int64_t pair_at(const AttendTile *tile, int64_t p)
{
    return (tile->span->row + tile->query + p / tile->heads) * tile->in->heads + tile->head + p % tile->heads;
}

static void pairs_begin(Pair *pairs, const AttendTile *tile)
{
    const AttendIn *in = tile->in;
    for (int64_t p = 0; p < tile->queries * tile->heads; p++) {
        const int64_t at = pair_at(tile, p);
        pairs[p] = (Pair){ .m = -INFINITY };
        if (in->carry && !in->first)
            pairs[p] = (Pair){ in->carry[2 * at], in->carry[2 * at + 1] };
        else
            memset(tile->out + at * in->d_v, 0, (size_t)in->d_v * sizeof(float));
    }
}

static void pairs_end(const Pair *pairs, const AttendTile *tile)
{
    const AttendIn *in = tile->in;
    for (int64_t p = 0; p < tile->queries * tile->heads; p++) {
        const int64_t at = pair_at(tile, p);
        float *o = tile->out + at * in->d_v;
        if (in->carry && !in->last)
            in->carry[2 * at] = pairs[p].m, in->carry[2 * at + 1] = pairs[p].l;
        else
            for (int64_t i = 0; i < in->d_v; i++) o[i] /= pairs[p].l;
    }
}

void scalar_attend(const AttendTile *tile, void *slot)
{
    const AttendIn *in = tile->in;
    const AttendSpan *span = tile->span;
    int64_t kv = tile->head / (in->heads / in->kv_heads);
    float *k = slot, *v = k + ATTEND_BLOCK * in->d_k; // [ATTEND_BLOCK, d]
    Pair pairs[ATTEND_PAIRS];
    int64_t first, last, from,
        to; // keys of the whole tile: its first query sees the earliest, its last query the latest
    attend_visible(in, span, tile->query, &first, &to);
    attend_visible(in, span, tile->query + tile->queries - 1, &from, &last);
    pairs_begin(pairs, tile);
    for (int64_t block = first / ATTEND_BLOCK * ATTEND_BLOCK; block < last; block += ATTEND_BLOCK) {
        int64_t count = span->keys - block < ATTEND_BLOCK ? span->keys - block : ATTEND_BLOCK;
        const int64_t d_first = in->d_k - in->d_tail;
        decode_keys(k, in->d_k, &span->k, block, count, kv * d_first, d_first);
        if (in->d_tail) decode_keys(k + d_first, in->d_k, &span->tail, block, count, 0, in->d_tail);
        decode_keys(v, in->d_v, &span->v, block, count, kv * in->d_v, in->d_v);
        for (int64_t p = 0; p < tile->queries * tile->heads; p++) {
            attend_visible(in, span, tile->query + p / tile->heads, &from, &to);
            from = from > block ? from - block : 0;
            to = to - block < count ? to - block : count;
            const int64_t at = pair_at(tile, p);
            if (from < to) pair_block(&pairs[p], tile->out + at * in->d_v, in->q + at * in->d_k, k, v, in, from, to);
        }
    }
    pairs_end(pairs, tile);
}
