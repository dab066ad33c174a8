// Byte-pair encoding: a piece becomes symbols, and of all neighbours that may merge the pair of least rank does, leftmost
// first, until none is left. Short pieces are merged by scanning, long ones through a heap: n log n in the worst case.
// A call that reads much text keeps the words that it saw lately, with the place in the output where their ids stand.
// The order of merges is that of Hugging Face `tokenizers`, so the ids are too, whatever the merges are.
#include "text/tokenizer_internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>

// ---- Merges --------------------------------------------------------------------------------------------------------

static size_t slot_of(uint64_t pair)
{
    return (size_t)((pair * 0x9E3779B97F4A7C15u) >> 24);
}

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
    size_t i = slot_of(pair) & m->mask;
    while (m->slots[i].pair != UINT64_MAX && m->slots[i].pair != pair) i = (i + 1) & m->mask;
    m->result[m->count] = result;
    m->pairs[m->count] = pair;
    m->slots[i] = (MergeSlot){ .pair = pair, .rank = m->count++ };
}

static inline uint32_t merges_rank(const Merges *m, uint32_t left, uint32_t right)
{
    uint64_t pair = (uint64_t)left << 32 | right;
    for (size_t i = slot_of(pair) & m->mask;; i = (i + 1) & m->mask) {
        if (m->slots[i].pair == pair) return m->slots[i].rank;
        if (m->slots[i].pair == UINT64_MAX) return NO_RANK;
    }
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
    for (size_t i = 0; m->byte_ranks && i < 65536; i++)
        if (m->byte_ranks[i] != NO_RANK && m->result[m->byte_ranks[i]] == result) m->byte_ranks[i] = NO_RANK;
}

Err merges_finish(Merges *m, const int32_t byte_id[256])
{
    if (!byte_id) return OK;
    m->byte_ranks = malloc(65536 * sizeof *m->byte_ranks);
    if (!m->byte_ranks) return err_memory("the tokenizer's merges");
    for (uint32_t i = 0; i < 65536; i++) {
        int32_t left = byte_id[i >> 8], right = byte_id[i & 255];
        m->byte_ranks[i] = left < 0 || right < 0 ? NO_RANK : merges_rank(m, (uint32_t)left, (uint32_t)right);
    }
    return OK;
}

// ---- Where nothing joins -------------------------------------------------------------------------------------------
//
// A merge (l, r) crosses one border: that between the last symbol of l and the first of r. So a border between symbols
// a b | c d can only be crossed if some merge has these at its border, or fewer where l or r is a single symbol. A filter
// over all merges' borders tells where a piece falls apart for certain: the parts are encoded on their own, in linear time,
// and joined give the ids of the whole.

// The outermost symbols of what an id stands for. The two are the same if it is a single symbol; NO_RANK: not known.
typedef struct Edges {
    uint32_t first[2], last[2];
    bool single;
} Edges;

static inline size_t border_bit(uint32_t a, uint32_t b, uint32_t c, uint32_t d, size_t mask)
{
    uint64_t left = ((uint64_t)a << 32 | b) * 0x9E3779B97F4A7C15u,
             right = ((uint64_t)c << 32 | d) * 0xC2B2AE3D27D4EB4Fu;
    uint64_t h = (left ^ (right >> 29 | right << 35)) * 0xD6E8FEB86659FD93u;
    return (size_t)(h >> 32) & mask;
}

static inline bool border_known(const Merges *m, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    size_t bit = border_bit(a, b, c, d, m->border_mask);
    return m->borders[bit / 64] >> (bit % 64) & 1;
}

// Whether some merge may cross the border behind symbol i. A pair of symbols that merges has a rank.
static inline bool may_join(const Merges *m, const uint32_t *id, const uint32_t *rank, size_t n, size_t i)
{
    if (rank[i] != NO_RANK) return true;
    bool before = i > 0, behind = i + 2 < n;
    return (before && border_known(m, id[i - 1], id[i], id[i + 1], NO_RANK)) ||
           (behind && border_known(m, NO_RANK, id[i], id[i + 1], id[i + 2])) ||
           (before && behind && border_known(m, id[i - 1], id[i], id[i + 1], id[i + 2]));
}

static bool edges_equal(const Edges *a, const Edges *b)
{
    return a->single == b->single && !memcmp(a->first, b->first, sizeof a->first) &&
           !memcmp(a->last, b->last, sizeof a->last);
}

// Notes the border of a merge and what its result's edges are. False: an id stands for more than one sequence of symbols, or
// for one that is not known yet, so that borders say nothing.
static bool note_border(Merges *m, Edges *edges, uint32_t left, uint32_t right, uint32_t result)
{
    const Edges *l = &edges[left], *r = &edges[right];
    if (l->first[0] == NO_RANK || r->first[0] == NO_RANK) return false;
    uint32_t a = l->single ? NO_RANK : l->last[0], d = r->single ? NO_RANK : r->first[1];
    size_t bit = border_bit(a, l->last[1], r->first[0], d, m->border_mask);
    m->borders[bit / 64] |= 1ull << (bit % 64);
    Edges e = { { l->first[0], l->single ? r->first[0] : l->first[1] },
                { r->single ? l->last[1] : r->last[0], r->last[1] },
                false };
    if (edges[result].first[0] != NO_RANK && !edges_equal(&edges[result], &e)) return false;
    edges[result] = e;
    return true;
}

Err merges_borders(Merges *m, const bool *symbol, uint32_t size)
{
    Edges *edges = calloc(size ? size : 1, sizeof *edges);
    size_t bits = 4096;
    while (bits < (size_t)m->count * 8) bits *= 2;
    m->borders = calloc(bits / 64, sizeof *m->borders);
    if (!edges || !m->borders) {
        free(edges);
        return err_memory("the tokenizer's merges");
    }
    m->border_mask = bits - 1;
    for (uint32_t i = 0; i < size; i++)
        edges[i] = symbol[i] ? (Edges){ { i, i }, { i, i }, true }
                             : (Edges){ { NO_RANK, NO_RANK }, { NO_RANK, NO_RANK }, false };
    bool good = true;
    for (uint32_t i = 0; i < m->count && good; i++)
        good = note_border(m, edges, (uint32_t)(m->pairs[i] >> 32), (uint32_t)m->pairs[i], m->result[i]);
    free(edges);
    free(m->pairs);
    m->pairs = NULL;
    if (good) return OK;
    free(m->borders);
    m->borders = NULL;
    return OK;
}

void merges_free(Merges *m)
{
    free(m->borders);
    free(m->pairs);
    free(m->slots);
    free(m->result);
    free(m->byte_ranks);
    *m = (Merges){ 0 };
}

// ---- Work of one call ----------------------------------------------------------------------------------------------

enum { SHORT = 64, APART = 16, CACHED_BYTES = 28, CACHE_LINES = 4096, CACHE_FROM = 2048 };

// A word seen lately. Its ids stand in the output from `at` on.
typedef struct CacheLine {
    size_t at;
    uint32_t count;
    uint32_t bytes; // 0: empty
    char word[CACHED_BYTES];
} CacheLine;

struct BpeWork {
    CacheLine *cache; // NULL: not worth it
    uint32_t *id;     // symbols of the piece in hand
    uint32_t *rank;   // of the pair that begins here; NO_RANK: none
    uint32_t *next, *prev;
    size_t capacity;
    uint64_t *heap; // rank << 32 | position, least first
    size_t heap_n, heap_capacity;
    Buf text;
};

Err bpe_work_new(BpeWork **out, size_t text_bytes)
{
    BpeWork *w = calloc(1, sizeof *w);
    if (w && text_bytes >= CACHE_FROM) w->cache = calloc(CACHE_LINES, sizeof *w->cache);
    if (!w || (text_bytes >= CACHE_FROM && !w->cache)) {
        free(w);
        return err_memory("tokenizing");
    }
    *out = w;
    return OK;
}

void bpe_work_free(BpeWork *w)
{
    if (!w) return;
    free(w->cache);
    free(w->id);
    free(w->heap);
    buf_free(&w->text);
    free(w);
}

// Room for n symbols; all four arrays lie in one block.
static bool work_room(BpeWork *w, size_t n)
{
    if (n <= w->capacity) return true;
    if (n > UINT32_MAX - 1) return false;
    size_t capacity = n + n / 2 + 256;
    free(w->id);
    w->id = malloc(capacity * 4 * sizeof *w->id);
    w->capacity = w->id ? capacity : 0;
    w->rank = w->id + capacity, w->next = w->rank + capacity, w->prev = w->next + capacity;
    return w->id != NULL;
}

// ---- Symbols -------------------------------------------------------------------------------------------------------

// Bytes of a byte-level vocabulary. A byte without entry becomes the unknown token or vanishes.
static size_t symbols_of_bytes(const Tokenizer *t, Str piece, uint32_t *id)
{
    size_t n = 0;
    bool unknown = false; // the last symbol is an unknown token that may swallow the next
    for (size_t i = 0; i < piece.n; i++) {
        int32_t found = t->byte_id[(uint8_t)piece.at[i]];
        if (found < 0 && (t->unk < 0 || (unknown && t->fuse_unk))) continue;
        unknown = found < 0;
        id[n++] = (uint32_t)(unknown ? t->unk : found);
    }
    return n;
}

// One character's symbol by its text; the prefix goes before all but the first, the suffix behind the last. -1: no entry.
static int32_t symbol_of_char(const Tokenizer *t, BpeWork *w, Str c, bool first, bool last, Str *text)
{
    *text = c;
    if ((!first && t->prefix.n) || (last && t->suffix.n)) {
        w->text.n = 0;
        if (!first) buf_put(&w->text, t->prefix.at, t->prefix.n);
        buf_put(&w->text, c.at, c.n);
        if (last) buf_put(&w->text, t->suffix.at, t->suffix.n);
        *text = buf_str(&w->text);
    }
    int32_t id = tokenizer_find(t, *text);
    return id >= 0 && (t->tokens[id].flags & TOKEN_MODEL) ? id : -1;
}

static bool falls_back(const Tokenizer *t, Str text)
{
    if (!t->byte_fallback) return false;
    for (size_t i = 0; i < text.n; i++)
        if (t->byte_id[(uint8_t)text.at[i]] < 0) return false;
    return true;
}

// Characters of a vocabulary of text. *id has room for as many symbols as the piece, prefix and suffix have bytes.
// An unknown token waits until the next known character: byte tokens overtake it, as they do in `tokenizers`.
static size_t symbols_of_text(const Tokenizer *t, BpeWork *w, Str piece, uint32_t *id)
{
    size_t n = 0;
    bool unknown = false;
    for (size_t at = 0; at < piece.n;) {
        size_t begin = at;
        utf8_next(piece.at, piece.n, &at);
        Str text;
        int32_t found = symbol_of_char(t, w, (Str){ piece.at + begin, at - begin }, begin == 0, at == piece.n, &text);
        if (found >= 0) {
            if (unknown) id[n++] = (uint32_t)t->unk;
            unknown = false;
            id[n++] = (uint32_t)found;
        } else if (falls_back(t, text)) {
            for (size_t i = 0; i < text.n; i++) id[n++] = (uint32_t)t->byte_id[(uint8_t)text.at[i]];
        } else if (t->unk >= 0) {
            if (unknown && !t->fuse_unk) id[n++] = (uint32_t)t->unk;
            unknown = true;
        }
    }
    if (unknown) id[n++] = (uint32_t)t->unk;
    return n;
}

// ---- Merging -------------------------------------------------------------------------------------------------------

// Quadratic; for at most SHORT symbols.
static size_t merge_short(const Merges *m, uint32_t *id, uint32_t *rank, size_t n)
{
    while (n > 1) {
        uint32_t best = NO_RANK;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++)
            if (rank[i] < best) best = rank[i], at = i;
        if (best == NO_RANK) break;
        id[at] = m->result[best];
        memmove(id + at + 1, id + at + 2, (n - at - 2) * sizeof *id);
        memmove(rank + at + 1, rank + at + 2, (n - at - 2) * sizeof *rank);
        n--;
        if (at) rank[at - 1] = merges_rank(m, id[at - 1], id[at]);
        rank[at] = at + 1 < n ? merges_rank(m, id[at], id[at + 1]) : NO_RANK;
    }
    return n;
}

enum { ARITY = 4 }; // children of a heap's node: two levels of a binary heap in one cache line

static void heap_down(uint64_t *heap, size_t n, size_t i)
{
    uint64_t moving = heap[i];
    for (;;) {
        size_t child = i * ARITY + 1, least = child;
        if (child >= n) break;
        size_t end = child + ARITY < n ? child + ARITY : n;
        for (size_t c = child + 1; c < end; c++)
            if (heap[c] < heap[least]) least = c;
        if (heap[least] >= moving) break;
        heap[i] = heap[least];
        i = least;
    }
    heap[i] = moving;
}

static uint64_t heap_pop(BpeWork *w)
{
    uint64_t top = w->heap[0];
    w->heap[0] = w->heap[--w->heap_n];
    if (w->heap_n) heap_down(w->heap, w->heap_n, 0);
    return top;
}

static bool heap_room(BpeWork *w)
{
    if (w->heap_n < w->heap_capacity) return true;
    size_t capacity = w->heap_capacity * 2 + 1024;
    uint64_t *heap = realloc(w->heap, capacity * sizeof *heap);
    if (!heap) return false;
    w->heap = heap;
    w->heap_capacity = capacity;
    return true;
}

static bool heap_push(BpeWork *w, uint32_t rank, size_t position)
{
    if (rank == NO_RANK) return true;
    if (!heap_room(w)) return false;
    uint64_t value = (uint64_t)rank << 32 | position;
    size_t i = w->heap_n++;
    for (; i && w->heap[(i - 1) / ARITY] > value; i = (i - 1) / ARITY) w->heap[i] = w->heap[(i - 1) / ARITY];
    w->heap[i] = value;
    return true;
}

// All pairs of the piece at once.
static bool heap_fill(BpeWork *w, const uint32_t *rank, size_t n)
{
    w->heap_n = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        if (rank[i] == NO_RANK) continue;
        if (!heap_room(w)) return false;
        w->heap[w->heap_n++] = (uint64_t)rank[i] << 32 | i;
    }
    for (size_t i = w->heap_n / ARITY + 1; i-- > 0;)
        if (i < w->heap_n) heap_down(w->heap, w->heap_n, i);
    return true;
}

// Symbols are a linked list through `next` and `prev`; a symbol's place is where its first byte was. An entry of the heap
// is stale unless its rank is still the one noted at its place; dead places note none.
static bool merge_long(const Merges *m, BpeWork *w, uint32_t *id, uint32_t *rank, size_t *count)
{
    size_t n = *count;
    uint32_t *next = w->next, *prev = w->prev;
    for (size_t i = 0; i < n; i++) next[i] = (uint32_t)(i + 1), prev[i] = (uint32_t)(i - 1);
    if (!heap_fill(w, rank, n)) return false;
    while (w->heap_n) {
        uint64_t top = heap_pop(w);
        size_t at = (uint32_t)top;
        uint32_t best = (uint32_t)(top >> 32);
        if (rank[at] != best) continue;
        size_t right = next[at], behind = next[right];
        id[at] = m->result[best];
        rank[right] = NO_RANK;
        next[at] = (uint32_t)behind;
        if (behind < n) prev[behind] = (uint32_t)at;
        rank[at] = behind < n ? merges_rank(m, id[at], id[behind]) : NO_RANK;
        if (!heap_push(w, rank[at], at)) return false;
        if (at == 0) continue;
        size_t left = prev[at];
        rank[left] = merges_rank(m, id[left], id[at]);
        if (!heap_push(w, rank[left], left)) return false;
    }
    size_t kept = 0;
    for (size_t i = 0; i < n; i = next[i]) id[kept++] = id[i];
    *count = kept;
    return true;
}

#define PART_ENDS (NO_RANK - 1) // in place of a rank: no merge crosses the border behind this symbol

static bool merge_part(const Merges *m, BpeWork *w, size_t begin, size_t end, size_t *kept)
{
    size_t n = end - begin;
    w->rank[end - 1] = NO_RANK;
    if (n <= SHORT)
        n = merge_short(m, w->id + begin, w->rank + begin, n);
    else if (!merge_long(m, w, w->id + begin, w->rank + begin, &n))
        return false;
    memmove(w->id + *kept, w->id + begin, n * sizeof *w->id);
    *kept += n;
    return true;
}

// Merges all symbols, part by part where the piece certainly falls apart.
static bool merge_all(const Merges *m, BpeWork *w, size_t *count)
{
    size_t n = *count, begin = 0, kept = 0;
    if (!n) return true;
    if (n <= APART || !m->borders) {
        *count = 0;
        return merge_part(m, w, 0, n, count);
    }
    // All borders are judged before any symbol changes.
    for (size_t i = 0; i + 1 < n; i++)
        if (!may_join(m, w->id, w->rank, n, i)) w->rank[i] = PART_ENDS;
    w->rank[n - 1] = PART_ENDS;
    for (size_t i = 0; i < n; i++) {
        if (w->rank[i] != PART_ENDS) continue;
        if (!merge_part(m, w, begin, i + 1, &kept)) return false;
        begin = i + 1;
    }
    *count = kept;
    return true;
}

// ---- Pieces --------------------------------------------------------------------------------------------------------

// The piece's text in the alphabet, for look-ups in the vocabulary; a view of *out.
static bool in_alphabet(Str *piece, Buf *out)
{
    for (size_t i = 0; i < piece->n; i++) {
        char utf8[4];
        buf_put(out, utf8, utf8_put(utf8, alphabet_char((uint8_t)piece->at[i])));
    }
    *piece = buf_str(out);
    return !out->failed;
}

// ignore_merges: a piece that is an entry as a whole is that entry. Guarded tokens are no such entries: text stays text.
static bool whole_entry(const Tokenizer *t, Str piece, int32_t *out)
{
    *out = -1;
    if (!t->ignore_merges || piece.n > t->longest) return true;
    Buf text = { 0 };
    bool good = !t->byte_level || in_alphabet(&piece, &text);
    int32_t id = good ? tokenizer_find(t, piece) : -1;
    if (id >= 0 && (t->tokens[id].flags & (TOKEN_MODEL | TOKEN_GUARDED)) == TOKEN_MODEL) *out = id;
    buf_free(&text);
    return good;
}

static bool ids_room(Ids *ids, size_t more)
{
    if (more <= ids->capacity - ids->n) return true;
    if (more > SIZE_MAX / 8 - ids->n) return false;
    size_t capacity = ids->n + more > ids->capacity * 2 ? ids->n + more + 64 : ids->capacity * 2;
    int32_t *at = realloc(ids->at, capacity * sizeof *at);
    if (!at) return false;
    ids->at = at;
    ids->capacity = capacity;
    return true;
}

static bool append(Ids *out, const uint32_t *id, size_t n)
{
    if (!ids_room(out, n)) return false;
    for (size_t i = 0; i < n; i++) out->at[out->n + i] = (int32_t)id[i];
    out->n += n;
    return true;
}

// Symbols of the piece with the ranks of their pairs, in w->id and w->rank.
static bool begin_symbols(const Tokenizer *t, BpeWork *w, Str piece, size_t *count)
{
    bool bytes = t->byte_level && !t->through_text;
    size_t room = piece.n + 1;
    if (!bytes) room += t->suffix.n + (t->byte_fallback ? piece.n * t->prefix.n : 0);
    if (!work_room(w, room)) return false;
    size_t n = bytes ? symbols_of_bytes(t, piece, w->id) : symbols_of_text(t, w, piece, w->id);
    if (bytes && n == piece.n && t->every_byte) {
        const uint8_t *b = (const uint8_t *)piece.at;
        for (size_t i = 0; i + 1 < n; i++) w->rank[i] = t->merges.byte_ranks[b[i] << 8 | b[i + 1]];
    } else {
        for (size_t i = 0; i + 1 < n; i++) w->rank[i] = merges_rank(&t->merges, w->id[i], w->id[i + 1]);
    }
    if (n) w->rank[n - 1] = NO_RANK;
    *count = n;
    return !w->text.failed;
}

static bool encode(const Tokenizer *t, BpeWork *w, Str piece, Ids *out)
{
    int32_t whole;
    if (!whole_entry(t, piece, &whole)) return false;
    if (whole >= 0) return append(out, &(uint32_t){ (uint32_t)whole }, 1);
    Buf text = { 0 };
    size_t n = 0;
    bool good = !t->through_text || in_alphabet(&piece, &text);
    good = good && begin_symbols(t, w, piece, &n);
    buf_free(&text);
    good = good && merge_all(&t->merges, w, &n);
    return good && append(out, w->id, n);
}

bool bpe_piece(const Tokenizer *t, BpeWork *w, Str piece, Ids *out)
{
    if (!w->cache || piece.n > CACHED_BYTES || piece.n < 2) return encode(t, w, piece, out);
    CacheLine *line = &w->cache[XXH3_64bits(piece.at, piece.n) % CACHE_LINES];
    if (line->bytes == piece.n && !memcmp(line->word, piece.at, piece.n)) {
        if (!ids_room(out, line->count)) return false;
        for (size_t i = 0; i < line->count; i++) out->at[out->n + i] = out->at[line->at + i];
        out->n += line->count;
        return true;
    }
    size_t at = out->n;
    if (!encode(t, w, piece, out)) return false;
    *line = (CacheLine){ .at = at, .count = (uint32_t)(out->n - at), .bytes = (uint32_t)piece.n };
    memcpy(line->word, piece.at, piece.n);
    return true;
}
