// Attention as the specification says it (backend.h, AttendIn). The keys and values of a block are decoded once for a tile of
// queries and heads; every (query, head) pair then takes exactly the keys that it sees, in ascending order.
#include <math.h>

#include "backend/cpu/cpu.h"

// The state of one pair: running maximum m, sum of weights l, and o [d_v] not yet divided.
typedef struct Pair {
    float m, l;
} Pair;

// Elements [first, first + d) of the rows of `count` positions from `position` on, as float32, `stride` apart.
static void decode_keys(float *out, int64_t stride, const KvView *view, int64_t position, int64_t count, int64_t first,
                        int64_t d)
{
    int64_t blocks = rows_blocks(view->width);
    for (int64_t j = 0; j < count; j++, out += stride) {
        const uint8_t *row = kv_row(view, position + j);
        for (int64_t i = 0; i < d; i++) {
            int64_t e = first + i;
            if (view->type == KV_F32) {
                memcpy(&out[i], row + 4 * e, sizeof(float));
            } else if (view->type == KV_BF16) {
                uint16_t h;
                memcpy(&h, row + 2 * e, sizeof h);
                out[i] = bf16_to_f32(h);
            } else {
                float scale;
                memcpy(&scale, row + blocks * QUANT_BLOCK + e / QUANT_BLOCK * 4, sizeof scale);
                out[i] = (float)(int8_t)row[e] * scale;
            }
        }
    }
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

void scalar_attend(const AttendTile *tile, void *slot)
{
    const AttendIn *in = tile->in;
    const AttendSpan *span = tile->span;
    int64_t kv = tile->head / (in->heads / in->kv_heads);
    float *k = slot, *v = k + ATTEND_BLOCK * in->d_k; // [ATTEND_BLOCK, d]
    Pair pairs[ATTEND_PAIRS];
    for (int i = 0; i < ATTEND_PAIRS; i++) pairs[i] = (Pair){ .m = -INFINITY };
    int64_t first, last, from,
        to; // keys of the whole tile: its first query sees the earliest, its last query the latest
    attend_visible(in, span, tile->query, &first, &to);
    attend_visible(in, span, tile->query + tile->queries - 1, &from, &last);
    for (int64_t t = 0; t < tile->queries; t++)
        memset(tile->out + ((span->row + tile->query + t) * in->heads + tile->head) * in->d_v, 0,
               (size_t)(tile->heads * in->d_v) * sizeof(float));
    for (int64_t block = first / ATTEND_BLOCK * ATTEND_BLOCK; block < last; block += ATTEND_BLOCK) {
        int64_t count = span->keys - block < ATTEND_BLOCK ? span->keys - block : ATTEND_BLOCK;
        const int64_t d_first = in->d_k - in->d_tail;
        decode_keys(k, in->d_k, &span->k, block, count, kv * d_first, d_first);
        if (in->d_tail) decode_keys(k + d_first, in->d_k, &span->tail, block, count, 0, in->d_tail);
        decode_keys(v, in->d_v, &span->v, block, count, kv * in->d_v, in->d_v);
        for (int64_t p = 0; p < tile->queries * tile->heads; p++) {
            int64_t query = tile->query + p / tile->heads, head = tile->head + p % tile->heads;
            attend_visible(in, span, query, &from, &to);
            from = from > block ? from - block : 0;
            to = to - block < count ? to - block : count;
            int64_t at = (span->row + query) * in->heads + head;
            if (from < to) pair_block(&pairs[p], tile->out + at * in->d_v, in->q + at * in->d_k, k, v, in, from, to);
        }
    }
    for (int64_t p = 0; p < tile->queries * tile->heads; p++) {
        float *o = tile->out +
                   ((span->row + tile->query + p / tile->heads) * in->heads + tile->head + p % tile->heads) * in->d_v;
        for (int64_t i = 0; i < in->d_v; i++) o[i] /= pairs[p].l;
    }
}
