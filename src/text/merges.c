// The merges of a BPE model: the rank of a pair, what it becomes, and where a piece falls apart for certain.
//
// A merge (l, r) crosses one border: that between the last symbol of l and the first of r. So the symbols before a border and
// those behind it can only be joined if some merge has them at its border: as many of them as l and r are long, at most EDGE on
// each side. A filter over all merges' borders tells where a piece falls apart: the parts are encoded on their own, in linear
// time, and joined give the ids of the whole. The filter may say "may be crossed" of a border that is not; a part is then
// longer, no more.
#include "text/tokenizer_internal.h"

#include <stdlib.h>

static void borders_free(Borders *b);

// ---- Ranks ---------------------------------------------------------------------------------------------------------

Err merges_new(Merges *out, size_t count)
{
    size_t slots = 64;
    while (slots < count + count / 2) slots *= 2;
    *out = (Merges){ .mask = slots - 1 };
    out->slots = malloc(slots * sizeof *out->slots);
    out->result = malloc((count ? count : 1) * sizeof *out->result);
    out->pairs = malloc((count ? count : 1) * sizeof *out->pairs);
    if (!out->slots || !out->result || !out->pairs) {
        merges_free(out);
        return err_memory("the tokenizer's merges");
    }
    for (size_t i = 0; i < slots; i++) out->slots[i] = (MergeSlot){ .pair = UINT64_MAX, .rank = NO_RANK };
    return OK;
}

void merges_put(Merges *m, uint32_t left, uint32_t right, uint32_t result)
{
    uint64_t pair = (uint64_t)left << 32 | right;
    size_t i = merges_slot(pair) & m->mask;
    while (m->slots[i].pair != UINT64_MAX && m->slots[i].pair != pair) i = (i + 1) & m->mask;
    m->result[m->count] = result;
    m->pairs[m->count] = pair;
    m->slots[i] = (MergeSlot){ .pair = pair, .rank = m->count++ };
}

void merges_skip(Merges *m, uint32_t left, uint32_t right, uint32_t result)
{
    m->pairs[m->count] = (uint64_t)left << 32 | right;
    m->result[m->count++] = result;
}

void merges_forbid(Merges *m, uint32_t result)
{
    for (size_t i = 0; i <= m->mask; i++) {
        MergeSlot *slot = &m->slots[i];
        if (slot->pair != UINT64_MAX && slot->rank != NO_RANK && m->result[slot->rank] == result) slot->rank = NO_RANK;
    }
    for (size_t i = 0; m->byte_ranks && i < BYTE_PAIRS; i++)
        if (m->byte_ranks[i] != NO_RANK && m->result[m->byte_ranks[i]] == result) m->byte_ranks[i] = NO_RANK;
}

Err merges_finish(Merges *m, const int32_t byte_id[256])
{
    if (!byte_id) return OK;
    m->byte_ranks = malloc(BYTE_PAIRS * sizeof *m->byte_ranks);
    if (!m->byte_ranks) return err_memory("the tokenizer's merges");
    for (uint32_t i = 0; i < BYTE_PAIRS; i++) {
        int32_t left = byte_id[i >> 8], right = byte_id[i & 255];
        m->byte_ranks[i] = left < 0 || right < 0 ? NO_RANK : merges_rank(m, (uint32_t)left, (uint32_t)right);
    }
    return OK;
}

void merges_free(Merges *m)
{
    borders_free(&m->borders);
    free(m->pairs);
    free(m->slots);
    free(m->result);
    free(m->byte_ranks);
    *m = (Merges){ 0 };
}

// ---- Borders -------------------------------------------------------------------------------------------------------
//
// Symbols stand in lanes of a word, the one next to the border lowest: bytes themselves, or 16 bits of an id.
// The outermost symbols of what an id stands for, from the outside in; n of them, at most EDGE. n 0: not known.
typedef struct Edges {
    uint64_t first, last;
    unsigned n;
} Edges;

static inline uint64_t lanes(const Borders *b, uint64_t window, unsigned n)
{
    unsigned bits = b->lane * n;
    return bits < 64 ? window & ((1ull << bits) - 1) : window;
}

static inline uint64_t lane_of(const Borders *b, uint32_t symbol)
{
    return b->lane == 8 ? symbol : (symbol ^ symbol >> 16) & 0xFFFF;
}

static inline uint16_t *near_of(const Borders *b, uint64_t left, uint64_t right)
{
    uint64_t a = lanes(b, left, 1), c = lanes(b, right, 1);
    size_t i = (size_t)(b->lane == 8 ? a << 8 | c : ((a << 16 | c) * 0x9E3779B97F4A7C15u) >> 40);
    return &b->near[i & b->near_mask];
}

static inline size_t bit_of(const Borders *b, uint64_t left, uint64_t right, unsigned x, unsigned y)
{
    uint64_t h = lanes(b, left, x) * 0x9E3779B97F4A7C15u, g = lanes(b, right, y) * 0xC2B2AE3D27D4EB4Fu;
    h = (h ^ (g >> 29 | g << 35)) * 0xD6E8FEB86659FD93u;
    return (size_t)(h >> 32) & b->bit_mask;
}

static inline bool bit_get(const Borders *b, size_t bit)
{
    return b->bits[bit / 64] >> (bit % 64) & 1;
}

// A merge of something of x symbols and something of y, EDGE meaning so many or more.
static inline unsigned shape(unsigned x, unsigned y)
{
    return 1u << ((x - 1) * EDGE + (y - 1));
}

#define SHAPE_PAIR 1u       // two symbols
#define SHAPES_WIDE 0xEEE0u // two symbols or more on both sides

// What is noted of those besides: their inner two symbols on each side.
static inline size_t wide_bit(const Borders *b, uint64_t left, uint64_t right)
{
    return bit_of(b, ~left, right, 2, 2);
}

static void bit_put(Borders *b, size_t bit)
{
    b->bits[bit / 64] |= 1ull << (bit % 64);
}

// Notes the border of a merge and what its result's edges are. False: an id stands for more than one sequence of symbols, or
// for one that is not known yet, so that borders say nothing.
static bool note_border(Borders *b, Edges *edges, uint32_t left, uint32_t right, uint32_t result)
{
    const Edges *l = &edges[left], *r = &edges[right];
    if (!l->n || !r->n) return false;
    *near_of(b, l->last, r->first) |= (uint16_t)shape(l->n, r->n);
    bit_put(b, bit_of(b, l->last, r->first, l->n, r->n));
    if (l->n > 1 && r->n > 1) bit_put(b, wide_bit(b, l->last, r->first));
    Edges e = { l->first, r->last, l->n + r->n < EDGE ? l->n + r->n : EDGE };
    if (l->n < EDGE) e.first = lanes(b, e.first | r->first << (b->lane * l->n), EDGE);
    if (r->n < EDGE) e.last = lanes(b, e.last | l->last << (b->lane * r->n), EDGE);
    Edges *known = &edges[result];
    if (known->n && (known->first != e.first || known->last != e.last || known->n != e.n)) return false;
    *known = e;
    return true;
}

static void borders_free(Borders *b)
{
    free(b->near);
    free(b->bits);
    *b = (Borders){ 0 };
}

static Err borders_new(Borders *b, size_t merges, bool bytes)
{
    size_t bits = 4096, near = BYTE_PAIRS;
    while (bits < merges * 16) bits *= 2;
    while (!bytes && near < merges * 4) near *= 2;
    *b = (Borders){ .lane = bytes ? 8 : 16, .near_mask = near - 1, .bit_mask = bits - 1 };
    b->near = calloc(near, sizeof *b->near);
    b->bits = calloc(bits / 64, sizeof *b->bits);
    if (b->near && b->bits) return OK;
    borders_free(b);
    return err_memory("the tokenizer's merges");
}

Err merges_borders(Merges *m, const int32_t *symbol, uint32_t size, bool bytes)
{
    Edges *edges = calloc(size ? size : 1, sizeof *edges);
    if (!edges) return err_memory("the tokenizer's merges");
    Err e = borders_new(&m->borders, m->count, bytes);
    bool good = !e.code;
    for (uint32_t i = 0; i < size && good; i++)
        if (symbol[i] >= 0) {
            uint64_t lane = lane_of(&m->borders, (uint32_t)symbol[i]);
            edges[i] = (Edges){ lane, lane, 1 };
        }
    for (uint32_t i = 0; i < m->count && good; i++)
        good = note_border(&m->borders, edges, (uint32_t)(m->pairs[i] >> 32), (uint32_t)m->pairs[i], m->result[i]);
    free(edges);
    free(m->pairs);
    m->pairs = NULL;
    if (!good) borders_free(&m->borders);
    return e;
}

// ---- Parts ---------------------------------------------------------------------------------------------------------

// Whether some merge of one of the shapes may cross the border between the two windows, of which x and y lanes hold symbols.
static bool may_cross(const Borders *b, unsigned shapes, uint64_t left, uint64_t right, unsigned x, unsigned y)
{
    if (shapes & SHAPES_WIDE && (x < 2 || y < 2 || !bit_get(b, wide_bit(b, left, right)))) shapes &= ~SHAPES_WIDE;
    for (; shapes; shapes &= shapes - 1) {
        unsigned one = (unsigned)__builtin_ctz(shapes), l = one / EDGE + 1, r = one % EDGE + 1;
        if (l <= x && r <= y && bit_get(b, bit_of(b, left, right, l, r))) return true;
    }
    return false;
}

bool merges_may_cross(const Merges *m, const uint32_t *left, unsigned x, const uint32_t *right, unsigned y)
{
    const Borders *b = &m->borders;
    if (!b->near || !x || !y) return true;
    uint64_t before = 0, behind = 0;
    for (unsigned i = 0; i < x; i++) before |= lane_of(b, left[i]) << (b->lane * i);
    for (unsigned i = 0; i < y; i++) behind |= lane_of(b, right[i]) << (b->lane * i);
    unsigned shapes = *near_of(b, before, behind);
    return shapes & SHAPE_PAIR || (shapes && may_cross(b, shapes, before, behind, x, y));
}

size_t merges_part_of_ids(const Merges *m, const uint32_t *id, size_t n, size_t begin)
{
    const Borders *b = &m->borders;
    if (!b->near) return n;
    for (size_t i = begin; i + 1 < n; i++) {
        uint64_t left = lane_of(b, id[i]), right = lane_of(b, id[i + 1]);
        unsigned shapes = *near_of(b, left, right), x = 1, y = 1;
        if (!shapes) return i + 1;
        if (shapes & SHAPE_PAIR) continue;
        for (; x < EDGE && x <= i; x++) left |= lane_of(b, id[i - x]) << (16 * x);
        for (; y < EDGE && i + 1 + y < n; y++) right |= lane_of(b, id[i + 1 + y]) << (16 * y);
        if (!may_cross(b, shapes, left, right, x, y)) return i + 1;
    }
    return n;
}

size_t merges_part_of_bytes(const Merges *m, Str piece, size_t begin)
{
    const Borders *b = &m->borders;
    const uint8_t *s = (const uint8_t *)piece.at;
    const size_t n = piece.n;
    if (!b->near) return n;
    for (size_t i = begin; i + 1 < n; i++) {
        unsigned shapes = b->near[s[i] << 8 | s[i + 1]], x = 1, y = 1;
        if (!shapes) return i + 1;
        if (shapes & SHAPE_PAIR) continue;
        uint64_t left = s[i], right = s[i + 1];
        for (; x < EDGE && x <= i; x++) left |= (uint64_t)s[i - x] << (8 * x);
        for (; y < EDGE && i + 1 + y < n; y++) right |= (uint64_t)s[i + 1 + y] << (8 * y);
        if (!may_cross(b, shapes, left, right, x, y)) return i + 1;
    }
    return n;
}
