// Attention over the vectors of simd_256.h or simd_512.h. A block of ATTEND_BLOCK keys is decoded and turned once for a tile of
// queries and heads: then a vector's lanes are keys for the scores, and elements of a value for the outputs.
//
// Order of sums, the same for every tile: a score is two chains over its even and odd elements, ascending, added at the end; the
// exponentials of a block are summed by lanes and a fixed tree; an output element is one chain over the keys, ascending.
#ifndef DURE_BACKEND_CPU_ATTEND_KERNELS_H
#define DURE_BACKEND_CPU_ATTEND_KERNELS_H

#include <math.h>

#include "backend/cpu/avx.h"

enum { KEY_VECTORS = ATTEND_BLOCK / WIDTH, VALUE_VECTORS = 4 };

// One (query, head) and its running maximum, sum of weights and keys seen in the block at hand.
typedef struct Pair {
    const float *q; // [d_k]
    float *o;       // [padded d_v], not yet divided
    float m, l;
    int64_t from, to;
} Pair;

typedef struct Block {
    const AttendIn *in;
    float *keys;   // [d_k, ATTEND_BLOCK], turned
    float *rows;   // [ATTEND_BLOCK, pad]: decoded keys, then decoded values
    int64_t pad;   // elements between rows
    int64_t width; // of a value, in whole vectors
} Block;

INLINE int64_t whole_vectors(int64_t n)
{
    return (n + WIDTH - 1) / WIDTH * WIDTH;
}

// Stored rows of a block: it lies in one page, since pages hold whole blocks.
typedef struct Stored {
    const uint8_t *at; // of the block's first position
    size_t stride;
    int64_t count;    // positions that hold something
    int64_t first, d; // elements [first, first + d) of a row are wanted
    int64_t scales;   // where a row of KV_Q8 has them
    KvType type;
    uintptr_t ahead; // bytes from a row to the one a block later, which is called when this one is read; 0 at the end
} Stored;

INLINE Stored stored_at(const KvView *view, int64_t position, int64_t keys, int64_t head, int64_t d)
{
    int64_t count = keys - position < ATTEND_BLOCK ? keys - position : ATTEND_BLOCK, later = position + ATTEND_BLOCK;
    return (Stored){ .at = kv_row(view, position),
                     .stride = view->row_bytes,
                     .count = count,
                     .first = head * d,
                     .d = d,
                     .scales = rows_blocks(view->width) * QUANT_BLOCK,
                     .type = view->type,
                     .ahead = later < keys ? (uintptr_t)kv_row(view, later) - (uintptr_t)kv_row(view, position) : 0 };
}

// A head reads a short piece of every row, and turning waits for each before the next: so pieces are called a block ahead, a line
// at a time. (Always inline: gcc drops calls of a function that does nothing but prefetch.)
INLINE void fetch_piece(const Stored *s, const uint8_t *row, int64_t i, const KvType type)
{
    const int64_t size = type == KV_F32 ? 4 : type == KV_BF16 ? 2 : 1;
    if (i * size % 64 == 0)
        _mm_prefetch((const void *)((uintptr_t)row + (uintptr_t)((s->first + i) * size) + s->ahead), _MM_HINT_T0);
}

INLINE float stored_scale(const Stored *s, const uint8_t *row, int64_t element)
{
    float scale;
    memcpy(&scale, row + s->scales + element / QUANT_BLOCK * 4, sizeof scale);
    return scale;
}

// Elements [i, i + WIDTH) of the head in a row. KV_Q8: they must share a scale, which whole heads of whole vectors do.
INLINE V stored_vector(const Stored *s, const uint8_t *row, int64_t i, const KvType type)
{
    int64_t e = s->first + i;
    if (type == KV_BF16) return v_bf16(row + 2 * e);
    if (type == KV_Q8) return v_mul(v_codes((const int8_t *)row + e), v_set(stored_scale(s, row, e)));
    V v;
    memcpy(&v, row + 4 * e, sizeof v);
    return v;
}

static float stored_element(const Stored *s, const uint8_t *row, int64_t i)
{
    int64_t e = s->first + i;
    float f;
    uint16_t h;
    if (s->type == KV_Q8) return (float)(int8_t)row[e] * stored_scale(s, row, e);
    if (s->type == KV_BF16) {
        memcpy(&h, row + 2 * e, sizeof h);
        return bf16_to_f32(h);
    }
    memcpy(&f, row + 4 * e, sizeof f);
    return f;
}

INLINE void decode_rows_of(const Block *b, const Stored *s, const KvType type)
{
    for (int64_t j = 0; j < s->count; j++) {
        const uint8_t *row = s->at + (size_t)j * s->stride;
        float *out = b->rows + j * b->pad;
        int64_t i = 0;
        for (; s->first % WIDTH == 0 && i + WIDTH <= s->d; i += WIDTH) {
            fetch_piece(s, row, i, type);
            v_store(out + i, stored_vector(s, row, i, type));
        }
        for (; i < s->d; i++) out[i] = stored_element(s, row, i);
    }
}

static void decode_rows(const Block *b, const Stored *s)
{
    if (s->type == KV_BF16)
        decode_rows_of(b, s, KV_BF16);
    else if (s->type == KV_Q8)
        decode_rows_of(b, s, KV_Q8);
    else
        decode_rows_of(b, s, KV_F32);
}

// Turns rows [j, j + WIDTH) of the block; those that hold nothing repeat the last one, and their scores are not kept.
INLINE void turn_square(const Block *b, const Stored *s, int64_t j, int64_t i, const bool decoded, const KvType type)
{
    V square[WIDTH];
#pragma GCC unroll 16
    for (int r = 0; r < WIDTH; r++) {
        int64_t row = j + r < s->count ? j + r : s->count - 1;
        const uint8_t *at = s->at + (size_t)row * s->stride;
        if (!decoded) fetch_piece(s, at, i, type);
        square[r] = decoded ? v_load(b->rows + row * b->pad + i) : stored_vector(s, at, i, type);
    }
    v_transpose(square);
    int64_t count = s->d - i < WIDTH ? s->d - i : WIDTH;
    for (int r = 0; r < count; r++) v_store(b->keys + (i + r) * ATTEND_BLOCK + j, square[r]);
}

INLINE void turn_keys_of(const Block *b, const Stored *s, const bool decoded, const KvType type)
{
    for (int64_t j = 0; j < s->count; j += WIDTH)
        for (int64_t i = 0; i < s->d; i += WIDTH) turn_square(b, s, j, i, decoded, type);
}

// b->keys of the block; heads that are no whole vectors go through b->rows.
static void turn_keys(const Block *b, const Stored *s)
{
    if (s->d % WIDTH || s->first % WIDTH) {
        decode_rows(b, s);
        turn_keys_of(b, s, true, s->type);
    } else if (s->type == KV_BF16) {
        turn_keys_of(b, s, false, KV_BF16);
    } else if (s->type == KV_Q8) {
        turn_keys_of(b, s, false, KV_Q8);
    } else {
        turn_keys_of(b, s, false, KV_F32);
    }
}

// Scores of `count` pairs with the block's keys, before the scale: s [count, ATTEND_BLOCK].
INLINE void score_pairs(float (*s)[ATTEND_BLOCK], const Pair *pairs, const Block *b, const int count)
{
    V acc[PAIR_TILE][2][KEY_VECTORS];
    int64_t d = b->in->d_k;
    for (int p = 0; p < count; p++)
        for (int v = 0; v < KEY_VECTORS; v++) acc[p][0][v] = acc[p][1][v] = v_set(0.0f);
    for (int64_t i = 0; i + 1 < d; i += 2) {
#pragma GCC unroll 2
        for (int odd = 0; odd < 2; odd++) {
            V keys[KEY_VECTORS];
#pragma GCC unroll 4
            for (int v = 0; v < KEY_VECTORS; v++) keys[v] = v_load(b->keys + (i + odd) * ATTEND_BLOCK + v * WIDTH);
#pragma GCC unroll 4
            for (int p = 0; p < count; p++) {
                V q = v_set(pairs[p].q[i + odd]);
#pragma GCC unroll 4
                for (int v = 0; v < KEY_VECTORS; v++) acc[p][odd][v] = v_fma(q, keys[v], acc[p][odd][v]);
            }
        }
    }
    for (int p = 0; p < count; p++)
        for (int v = 0; v < KEY_VECTORS; v++) {
            if (d & 1)
                acc[p][0][v] =
                    v_fma(v_set(pairs[p].q[d - 1]), v_load(b->keys + (d - 1) * ATTEND_BLOCK + v * WIDTH), acc[p][0][v]);
            v_store(s[p] + v * WIDTH, v_add(acc[p][0][v], acc[p][1][v]));
        }
}

// Turns scores into weights exp(s - m') of the keys seen, 0 for the others, and moves the pair to m'.
static void weigh(float s[ATTEND_BLOCK], Pair *p, const Block *b)
{
    V v[KEY_VECTORS], largest = v_set(p->m);
    for (int i = 0; i < KEY_VECTORS; i++) {
        v[i] = v_keep(v_mul(v_set(b->in->scale), v_load(s + i * WIDTH)), i * WIDTH, p->from, p->to);
        largest = v_max(largest, v[i]);
    }
    float m = v_largest(largest);
    V sum = v_set(0.0f), middle = v_set(m);
    for (int i = 0; i < KEY_VECTORS; i++) {
        v[i] = v_exp(v_sub(v[i], middle));
        v_store(s + i * WIDTH, v[i]);
        sum = v_add(sum, v[i]);
    }
    if (m != p->m) { // else all earlier numbers would be multiplied by 1
        V fade = v_exp(v_set(p->m - m));
        float f[WIDTH];
        v_store(f, fade);
        p->l *= f[0];
        for (int64_t i = 0; i < b->width; i += WIDTH) v_store(p->o + i, v_mul(v_load(p->o + i), fade));
        p->m = m;
    }
    p->l += v_sum(sum);
}

// o += weights times values of keys [from, to), for `count` pairs and VALUE_VECTORS (or `vectors`) vectors of their values.
INLINE void gather_values(const Pair *pairs, float (*s)[ATTEND_BLOCK], const float *values, int64_t pad, int64_t at,
                          int64_t from, int64_t to, const int count, const int vectors)
{
    V acc[PAIR_TILE][VALUE_VECTORS];
    for (int p = 0; p < count; p++)
        for (int v = 0; v < vectors; v++) acc[p][v] = v_load(pairs[p].o + at + v * WIDTH);
    for (int64_t j = from; j < to; j++) {
        V value[VALUE_VECTORS];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) value[v] = v_load(values + j * pad + at + v * WIDTH);
#pragma GCC unroll 4
        for (int p = 0; p < count; p++) {
            V weight = v_set(s[p][j]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) acc[p][v] = v_fma(weight, value[v], acc[p][v]);
        }
    }
    for (int p = 0; p < count; p++)
        for (int v = 0; v < vectors; v++) v_store(pairs[p].o + at + v * WIDTH, acc[p][v]);
}

INLINE void mix_values(const Pair *pairs, float (*s)[ATTEND_BLOCK], const Block *b, int64_t from, int64_t to,
                       const int count)
{
    int64_t at = 0;
    for (; at + VALUE_VECTORS * WIDTH <= b->width; at += VALUE_VECTORS * WIDTH)
        gather_values(pairs, s, b->rows, b->pad, at, from, to, count, VALUE_VECTORS);
    for (; at < b->width; at += WIDTH) gather_values(pairs, s, b->rows, b->pad, at, from, to, count, 1);
}

// The keys of the block at `position` with `count` keys that each pair sees.
static void set_visible(Pair *pairs, const AttendTile *tile, int64_t position, int64_t count)
{
    for (int64_t p = 0; p < tile->queries * tile->heads; p++) {
        int64_t from, to;
        attend_visible(tile->in, tile->span, tile->query + p / tile->heads, &from, &to);
        pairs[p].from = from > position ? from - position : 0;
        pairs[p].to = to - position < count ? to - position : count;
    }
}

static bool sees(const Pair *p)
{
    return p->from < p->to;
}

// How many of the next pairs go together, at most PAIR_TILE: such as see the same keys of the block (`alike`), or any at all. 0: the
// next sees none.
static int pairs_together(const Pair *pairs, int64_t left, bool alike)
{
    int most = left < PAIR_TILE ? (int)left : PAIR_TILE, count = 0;
    while (count < most && sees(&pairs[count]) &&
           (!alike || (pairs[count].from == pairs[0].from && pairs[count].to == pairs[0].to)))
        count++;
    return count;
}

static void score_together(float (*s)[ATTEND_BLOCK], const Pair *pairs, const Block *b, int count)
{
    switch (count) {
#if PAIR_TILE_MOST > 1
    case 4:
        score_pairs(s, pairs, b, 4);
        break;
    case 3:
        score_pairs(s, pairs, b, 3);
        break;
    case 2:
        score_pairs(s, pairs, b, 2);
        break;
#endif
    default:
        score_pairs(s, pairs, b, 1);
    }
}

static void mix_together(const Pair *pairs, float (*s)[ATTEND_BLOCK], const Block *b, int count)
{
    switch (count) {
#if PAIR_TILE_MOST > 1
    case 4:
        mix_values(pairs, s, b, pairs->from, pairs->to, 4);
        break;
    case 3:
        mix_values(pairs, s, b, pairs->from, pairs->to, 3);
        break;
    case 2:
        mix_values(pairs, s, b, pairs->from, pairs->to, 2);
        break;
#endif
    default:
        mix_values(pairs, s, b, pairs->from, pairs->to, 1);
    }
}

// The keys' last elements, which lie in a stream of their own, behind the others.
static void turn_tail(const Block *b, const AttendSpan *span, int64_t position)
{
    const AttendIn *in = b->in;
    Block tail = *b;
    Stored s = stored_at(&span->tail, position, span->keys, 0, in->d_tail);
    tail.keys += (in->d_k - in->d_tail) * ATTEND_BLOCK;
    turn_keys(&tail, &s);
}

static void run_block(Block *b, Pair *pairs, const AttendTile *tile, int64_t position, int64_t kv)
{
    const AttendIn *in = tile->in;
    const AttendSpan *span = tile->span;
    float s[ATTEND_PAIRS][ATTEND_BLOCK];
    int64_t total = tile->queries * tile->heads;
    int64_t count = span->keys - position < ATTEND_BLOCK ? span->keys - position : ATTEND_BLOCK;
    set_visible(pairs, tile, position, count);
    Stored k = stored_at(&span->k, position, span->keys, kv, in->d_k - in->d_tail),
           v = stored_at(&span->v, position, span->keys, kv, in->d_v);
    turn_keys(b, &k);
    if (in->d_tail) turn_tail(b, span, position);
    for (int64_t p = 0, together; p < total; p += together ? together : 1) {
        together = pairs_together(pairs + p, total - p, false);
        if (together) score_together(s + p, pairs + p, b, (int)together);
        for (int64_t i = 0; i < together; i++) weigh(s[p + i], pairs + p + i, b);
    }
    decode_rows(b, &v);
    for (int64_t p = 0, together; p < total; p += together ? together : 1) {
        together = pairs_together(pairs + p, total - p, true);
        if (together) mix_together(pairs + p, s + p, b, (int)together);
    }
}

static int64_t pair_at(const AttendTile *tile, int64_t p)
{
    return (tile->span->row + tile->query + p / tile->heads) * tile->in->heads + tile->head + p % tile->heads;
}

// The pairs of a tile, their outputs in o: new, or as the piece of keys before left them.
static void pairs_begin(Pair *pairs, const AttendTile *tile, float *o, int64_t width)
{
    const AttendIn *in = tile->in;
    const bool goes_on = in->carry && !in->first;
    const int64_t total = tile->queries * tile->heads;
    memset(o, 0, (size_t)(total * width) * sizeof *o);
    for (int64_t p = 0; p < total; p++) {
        const int64_t at = pair_at(tile, p);
        pairs[p] = (Pair){ .q = in->q + at * in->d_k, .o = o + p * width, .m = -INFINITY };
        if (!goes_on) continue;
        pairs[p].m = in->carry[2 * at], pairs[p].l = in->carry[2 * at + 1];
        memcpy(pairs[p].o, tile->out + at * in->d_v, (size_t)in->d_v * sizeof(float));
    }
}

static void pairs_end(const Pair *pairs, const AttendTile *tile)
{
    const AttendIn *in = tile->in;
    for (int64_t p = 0; p < tile->queries * tile->heads; p++) {
        const int64_t at = pair_at(tile, p);
        float *out = tile->out + at * in->d_v;
        V l = v_set(pairs[p].l);
        int64_t i = 0;
        if (in->carry && !in->last) {
            in->carry[2 * at] = pairs[p].m, in->carry[2 * at + 1] = pairs[p].l;
            memcpy(out, pairs[p].o, (size_t)in->d_v * sizeof(float));
            continue;
        }
        for (; i + WIDTH <= in->d_v; i += WIDTH) v_store(out + i, v_div(v_load(pairs[p].o + i), l));
        if (i < in->d_v) v_store_first(out + i, v_div(v_load(pairs[p].o + i), l), in->d_v - i);
    }
}

static void attend(const AttendTile *tile, void *slot)
{
    const AttendIn *in = tile->in;
    const AttendSpan *span = tile->span;
    int64_t kv = tile->head / (in->heads / in->kv_heads);
    Block b = { .in = in, .width = whole_vectors(in->d_v) };
    b.pad = whole_vectors(in->d_k > in->d_v ? in->d_k : in->d_v);
    float *o = slot;
    b.keys = o + ATTEND_PAIRS * b.width;
    b.rows = b.keys + in->d_k * ATTEND_BLOCK;
    Pair pairs[ATTEND_PAIRS];
    pairs_begin(pairs, tile, o, b.width);
    int64_t first, last, other; // keys of the whole tile: its first query sees the earliest, its last query the latest
    attend_visible(in, span, tile->query, &first, &other);
    attend_visible(in, span, tile->query + tile->queries - 1, &other, &last);
    first = first / ATTEND_BLOCK * ATTEND_BLOCK;
    for (int64_t position = first; position < last; position += ATTEND_BLOCK) run_block(&b, pairs, tile, position, kv);
    pairs_end(pairs, tile);
}

#endif
