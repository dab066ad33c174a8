// Byte-pair encoding: a piece becomes symbols, and of all neighbours that may merge the pair of least rank does, leftmost
// first, until none is left. Short pieces are merged by scanning, long ones through a heap: n log n in the worst case.
// Words and parts of words that were seen lately are kept with their ids, from one call to the next.
// The order of merges is that of Hugging Face `tokenizers`, so the ids are too, whatever the merges are.
#include "text/tokenizer_internal.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdlib.h>

// ---- Work ----------------------------------------------------------------------------------------------------------

enum { SHORT = 64, APART = 16, CACHE_BITS = 12, KEPT_SYMBOLS = 1 << 16, LONG_PART = 4096 };

// What a cache line's key is. A part of a piece is not looked up as a whole under ignore_merges, so it is kept apart.
typedef enum KeyKind { KEY_NONE, KEY_PIECE, KEY_PART } KeyKind;

// Words and parts of words that were seen lately, with their ids: two cache lines of the machine each.
typedef struct Word {
    uint8_t kind, bytes, count;
    char key[45];
    int32_t id[20];
} Word;

enum { KEY_BYTES = sizeof((Word *)0)->key, KEY_IDS = COUNT(((Word *)0)->id) };

struct BpeWork {
    Word *cache;       // [1 << CACHE_BITS]
    uint32_t *symbols; // of the piece in hand, where they are not its bytes
    size_t symbol_capacity;
    uint32_t *id;   // symbols of the part in hand
    uint32_t *rank; // of the pair that begins here; NO_RANK: none
    uint32_t *next, *prev;
    size_t capacity;
    uint64_t *heap; // rank << 32 | position, least first
    size_t heap_n, heap_capacity;
    Buf text;
};

Err bpe_work_new(BpeWork **out)
{
    BpeWork *w = calloc(1, sizeof *w);
    if (w) w->cache = calloc((size_t)1 << CACHE_BITS, sizeof *w->cache);
    if (!w || !w->cache) {
        free(w);
        return err_memory("tokenizing");
    }
    *out = w;
    return OK;
}

void bpe_work_trim(BpeWork *w)
{
    if (w->symbol_capacity > KEPT_SYMBOLS) {
        free(w->symbols);
        w->symbols = NULL;
        w->symbol_capacity = 0;
    }
    if (w->capacity > KEPT_SYMBOLS) {
        free(w->id);
        w->id = NULL;
        w->capacity = 0;
    }
    if (w->heap_capacity > KEPT_SYMBOLS) {
        free(w->heap);
        w->heap = NULL;
        w->heap_capacity = 0;
    }
    if (w->text.capacity > KEPT_SYMBOLS) buf_free(&w->text);
}

void bpe_work_free(BpeWork *w)
{
    if (!w) return;
    free(w->cache);
    free(w->symbols);
    free(w->id);
    free(w->heap);
    buf_free(&w->text);
    free(w);
}

// Room for n symbols of a part; all four arrays lie in one block.
static bool part_room(BpeWork *w, size_t n)
{
    if (n <= w->capacity) return true;
    if (n > UINT32_MAX - 1) return false;
    size_t capacity = n + n / 2 + 256;
    free(w->id);
    w->id = malloc(capacity * 4 * sizeof *w->id);
    w->capacity = w->id ? capacity : 0;
    w->rank = w->id + w->capacity, w->next = w->rank + w->capacity, w->prev = w->next + w->capacity;
    return w->id != NULL;
}

static bool symbol_room(BpeWork *w, size_t n)
{
    if (n <= w->symbol_capacity) return true;
    if (n > UINT32_MAX - 1) return false;
    free(w->symbols);
    w->symbols = malloc((n + 256) * sizeof *w->symbols);
    w->symbol_capacity = w->symbols ? n + 256 : 0;
    return w->symbols != NULL;
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

// ---- Words seen lately ---------------------------------------------------------------------------------------------

static Word *word_of(BpeWork *w, KeyKind kind, const void *key, size_t bytes)
{
    return &w->cache[XXH3_64bits_withSeed(key, bytes, kind) >> (64 - CACHE_BITS)];
}

static bool word_is(const Word *word, KeyKind kind, const void *key, size_t bytes)
{
    return word->kind == kind && word->bytes == bytes && !memcmp(word->key, key, bytes);
}

static void word_keep(Word *word, KeyKind kind, const void *key, size_t bytes, const int32_t *id, size_t count)
{
    if (count > KEY_IDS) return;
    word->kind = (uint8_t)kind, word->bytes = (uint8_t)bytes, word->count = (uint8_t)count;
    memcpy(word->key, key, bytes);
    if (count) memcpy(word->id, id, count * sizeof *id);
}

static bool word_put(const Word *word, Ids *out)
{
    if (!ids_room(out, KEY_IDS)) return false;
    memcpy(out->at + out->n, word->id, 4 * sizeof *word->id); // fixed numbers are faster
    if (word->count > 4) memcpy(out->at + out->n + 4, word->id + 4, sizeof word->id - 4 * sizeof *word->id);
    out->n += word->count;
    return true;
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

// utf8_next for text that is well formed, as pieces are: most characters in place.
static inline uint32_t next_char(Str s, size_t *at)
{
    const uint8_t *b = (const uint8_t *)s.at + *at;
    if (b[0] < 0x80) {
        *at += 1;
        return b[0];
    }
    if ((b[0] & 0xF0) != 0xE0 || s.n - *at < 3) return utf8_next(s.at, s.n, at);
    *at += 3;
    return (b[0] & 0x0Fu) << 12 | (b[1] & 0x3Fu) << 6 | (b[2] & 0x3Fu);
}

static int32_t char_entry(const Tokenizer *t, uint32_t c)
{
    return c != UTF8_BAD && t->char_id[c / 256] ? t->char_id[c / 256][c % 256] : -1;
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
        uint32_t c = next_char(piece, &at);
        Str text = { piece.at + begin, at - begin };
        int32_t found;
        if (t->char_id)
            found = char_entry(t, c);
        else
            found = symbol_of_char(t, w, text, begin == 0, at == piece.n, &text);
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

// Merges the part that lies in w->id, with ranks in w->rank, and appends what is left of it.
static bool merge_part(const Merges *m, BpeWork *w, size_t n, Ids *out)
{
    w->rank[n - 1] = NO_RANK;
    if (n <= SHORT)
        n = merge_short(m, w->id, w->rank, n);
    else if (!merge_long(m, w, w->id, w->rank, &n))
        return false;
    if (!ids_room(out, n)) return false;
    memcpy(out->at + out->n, w->id, n * sizeof *w->id);
    out->n += n;
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

static bool put_id(Ids *out, int32_t id)
{
    if (!ids_room(out, 1)) return false;
    out->at[out->n++] = id;
    return true;
}

// A part whose symbols are its bytes.
static bool encode_bytes(const Tokenizer *t, BpeWork *w, Str part, Ids *out)
{
    const uint8_t *b = (const uint8_t *)part.at;
    if (part.n == 1) return put_id(out, t->byte_id[b[0]]);
    if (!part_room(w, part.n)) return false;
    for (size_t i = 0; i < part.n; i++) w->id[i] = (uint32_t)t->byte_id[b[i]];
    for (size_t i = 0; i + 1 < part.n; i++) w->rank[i] = t->merges.byte_ranks[b[i] << 8 | b[i + 1]];
    return merge_part(&t->merges, w, part.n, out);
}

static bool encode_symbols(const Tokenizer *t, BpeWork *w, const uint32_t *symbol, size_t n, Ids *out)
{
    if (n == 1) return put_id(out, (int32_t)symbol[0]);
    if (!part_room(w, n)) return false;
    memcpy(w->id, symbol, n * sizeof *symbol);
    for (size_t i = 0; i + 1 < n; i++) w->rank[i] = merges_rank(&t->merges, symbol[i], symbol[i + 1]);
    return merge_part(&t->merges, w, n, out);
}

static bool bytes_by_part(const Tokenizer *t, BpeWork *w, Str piece, Ids *out)
{
    for (size_t begin = 0, end; begin < piece.n; begin = end) {
        end = merges_part_of_bytes(&t->merges, piece, begin);
        if (!encode_bytes(t, w, (Str){ piece.at + begin, end - begin }, out)) return false;
    }
    return true;
}

static bool symbols_by_part(const Tokenizer *t, BpeWork *w, size_t n, Ids *out)
{
    for (size_t begin = 0, end; begin < n; begin = end) {
        end = merges_part_of_ids(&t->merges, w->symbols, n, begin);
        if (!encode_symbols(t, w, w->symbols + begin, end - begin, out)) return false;
    }
    return true;
}

// A piece whose symbols are not just its bytes.
static bool encode_text(const Tokenizer *t, BpeWork *w, Str piece, Ids *out)
{
    Buf text = { 0 };
    bool bytes = t->byte_level && !t->through_text;
    bool good = !t->through_text || in_alphabet(&piece, &text);
    size_t room = piece.n + 1, n = 0;
    if (!bytes) room += t->suffix.n + (t->byte_fallback ? piece.n * t->prefix.n : 0);
    good = good && symbol_room(w, room);
    if (good) n = bytes ? symbols_of_bytes(t, piece, w->symbols) : symbols_of_text(t, w, piece, w->symbols);
    buf_free(&text);
    return good && !w->text.failed && symbols_by_part(t, w, n, out);
}

static bool encode_part(const Tokenizer *t, BpeWork *w, Str part, Ids *out)
{
    if (!t->every_byte || t->through_text) return encode_text(t, w, part, out);
    return part.n <= APART ? encode_bytes(t, w, part, out) : bytes_by_part(t, w, part, out);
}

// ---- Words in a piece ----------------------------------------------------------------------------------------------
//
// Where a word begins inside a piece a border is likely that no merge crosses. What lies between such borders is short and comes
// again, so it is worth to be kept.

// Whether no merge can cross the border before `at`, where all characters around it are entries (an unknown one may wait).
static bool parts_at(const Tokenizer *t, Str piece, size_t at)
{
    uint32_t left[EDGE], right[EDGE];
    unsigned x = 0, y = 0;
    const bool bytes = t->every_byte && !t->through_text;
    for (size_t i = at; x < EDGE && i; x++) {
        do i--;
        while (!bytes && i && ((uint8_t)piece.at[i] & 0xC0) == 0x80);
        size_t next = i;
        left[x] = bytes ? (uint8_t)piece.at[i] : (uint32_t)char_entry(t, next_char(piece, &next));
        if (left[x] == (uint32_t)-1) return false;
    }
    for (size_t i = at; y < EDGE && i < piece.n; y++) {
        right[y] = bytes ? (uint8_t)piece.at[i++] : (uint32_t)char_entry(t, next_char(piece, &i));
        if (right[y] == (uint32_t)-1) return false;
    }
    return !merges_may_cross(&t->merges, left, x, right, y);
}

// Bytes of the blank or U+2581 at `at`; 0: another character.
static size_t blank_at(Str piece, size_t at)
{
    if (piece.at[at] == ' ') return 1;
    return piece.at[at] == '\xE2' && at + 3 <= piece.n && !memcmp(piece.at + at, "\u2581", 3) ? 3 : 0;
}

// Some vocabularies join a blank to what follows, others to what is before it. A long part may end at any character, so that
// what is at work at once stays small.
static size_t word_end(const Tokenizer *t, Str piece, size_t begin)
{
    size_t blank = 0; // bytes of the last character, if it is a blank
    for (size_t i = begin; i < piece.n;) {
        size_t before = blank;
        blank = blank_at(piece, i);
        bool maybe = blank || before || (i - begin >= LONG_PART && ((uint8_t)piece.at[i] & 0xC0) != 0x80);
        if (maybe && i > begin && parts_at(t, piece, i)) return i;
        i += blank ? blank : 1;
    }
    return piece.n;
}

static bool cached(const Tokenizer *t, BpeWork *w, KeyKind kind, Str text, Ids *out,
                   bool (*encode)(const Tokenizer *t, BpeWork *w, Str text, Ids *out))
{
    if (text.n > KEY_BYTES || text.n < 2) return encode(t, w, text, out);
    Word *word = word_of(w, kind, text.at, text.n);
    if (word_is(word, kind, text.at, text.n)) return word_put(word, out);
    size_t at = out->n;
    if (!encode(t, w, text, out)) return false;
    word_keep(word, kind, text.at, text.n, out->n > at ? out->at + at : NULL, out->n - at);
    return true;
}

static bool encode_piece(const Tokenizer *t, BpeWork *w, Str piece, Ids *out)
{
    int32_t whole;
    if (!whole_entry(t, piece, &whole)) return false;
    if (whole >= 0) return put_id(out, whole);
    bool words = t->merges.borders.near && (t->char_id || (t->every_byte && !t->through_text));
    for (size_t begin = 0, end; begin < piece.n; begin = end) {
        end = words ? word_end(t, piece, begin) : piece.n;
        Str part = { piece.at + begin, end - begin };
        if (!(part.n < piece.n ? cached(t, w, KEY_PART, part, out, encode_part) : encode_part(t, w, part, out)))
            return false;
    }
    return true;
}

bool bpe_piece(const Tokenizer *t, BpeWork *w, Str piece, Ids *out)
{
    return cached(t, w, KEY_PIECE, piece, out, encode_piece);
}
