// Unigram: of all ways to write a piece as tokens the one with the greatest sum of scores, found by Viterbi from left to right.
// A character that is no token itself may be unknown, at a score below all others; unknown ones in a row become one unknown
// token, or their bytes. Without an unknown token a text in which the best way to a place needs one is refused. The tokens lie in a trie whose edges are hashed. Ties and sums are those of Hugging Face `tokenizers`:
// in double, in the order of the text, the earlier beginning first.
//
// A piece costs its length times the longest token's, which is bounded.
#include "text/tokenizer_internal.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_TOKEN = 1024 }; // bytes

#define UNKNOWN_PENALTY 10.0

typedef struct Edge {
    uint64_t key; // node << 8 | byte, plus 1; 0: an empty slot
    uint32_t child;
} Edge;

struct Unigram {
    double *score; // by id
    double unknown;
    Edge *edges;
    size_t mask;
    uint32_t *ends; // of each node: id + 1 of the token that ends there; 0: none
    uint32_t nodes, capacity;
};

// ---- Building ------------------------------------------------------------------------------------------------------

static size_t slot_of(uint64_t key, size_t mask)
{
    return (size_t)((key * 0x9E3779B97F4A7C15u) >> 20) & mask;
}

static inline uint32_t child_of(const Unigram *u, uint32_t node, char byte)
{
    uint64_t key = ((uint64_t)node << 8 | (uint8_t)byte) + 1;
    for (size_t i = slot_of(key, u->mask); u->edges[i].key; i = (i + 1) & u->mask)
        if (u->edges[i].key == key) return u->edges[i].child;
    return 0; // the root is nobody's child
}

static void edge_put(Edge *edges, size_t mask, Edge edge)
{
    size_t i = slot_of(edge.key, mask);
    while (edges[i].key) i = (i + 1) & mask;
    edges[i] = edge;
}

static bool edges_room(Unigram *u)
{
    if ((size_t)u->nodes * 2 <= u->mask) return true;
    size_t mask = u->mask * 2 + 1;
    Edge *edges = calloc(mask + 1, sizeof *edges);
    if (!edges) return false;
    for (size_t i = 0; i <= u->mask; i++)
        if (u->edges[i].key) edge_put(edges, mask, u->edges[i]);
    free(u->edges);
    u->edges = edges;
    u->mask = mask;
    return true;
}

static bool nodes_room(Unigram *u)
{
    if (u->nodes < u->capacity) return true;
    uint32_t capacity = u->capacity * 2;
    uint32_t *ends = realloc(u->ends, capacity * sizeof *ends);
    if (!ends) return false;
    memset(ends + u->capacity, 0, (capacity - u->capacity) * sizeof *ends);
    u->ends = ends;
    u->capacity = capacity;
    return true;
}

static Err put_token(Unigram *u, Str token, uint32_t id)
{
    uint32_t node = 0;
    for (size_t i = 0; i < token.n; i++) {
        uint32_t child = child_of(u, node, token.at[i]);
        if (!child) {
            if (!edges_room(u) || !nodes_room(u)) return err_memory("the tokenizer's vocabulary");
            child = u->nodes++;
            edge_put(u->edges, u->mask, (Edge){ ((uint64_t)node << 8 | (uint8_t)token.at[i]) + 1, child });
        }
        node = child;
    }
    if (node) u->ends[node] = id + 1;
    return OK;
}

static Err fill(Unigram *u, const Tokenizer *t)
{
    Err e = OK;
    double least = INFINITY;
    for (uint32_t id = 0; id < t->size && !e.code; id++) {
        const TokenText *token = &t->tokens[id];
        if (!(token->flags & TOKEN_MODEL)) continue;
        if (token->n > MAX_TOKEN)
            return err(ERR_LIMIT, "%s: token %u has %u bytes; one of a Unigram model has at most %d", t->source, id,
                       token->n, MAX_TOKEN);
        if (u->score[id] < least) least = u->score[id];
        e = put_token(u, (Str){ buf_str(&t->spelling).at + token->at, token->n }, id);
    }
    u->unknown = least - UNKNOWN_PENALTY;
    return e;
}

Err unigram_new(Unigram **out, const Tokenizer *t, const double *score)
{
    enum { BEGIN = 1024 };
    *out = NULL;
    Unigram *u = calloc(1, sizeof *u);
    if (!u) return err_memory("the tokenizer's vocabulary");
    u->score = malloc((t->size ? t->size : 1) * sizeof *u->score);
    u->edges = calloc(BEGIN, sizeof *u->edges);
    u->ends = calloc(BEGIN, sizeof *u->ends);
    u->mask = BEGIN - 1, u->capacity = BEGIN, u->nodes = 1;
    Err e = u->score && u->edges && u->ends ? OK : err_memory("the tokenizer's vocabulary");
    if (!e.code) {
        if (t->size) memcpy(u->score, score, t->size * sizeof *score);
        e = fill(u, t);
    }
    if (e.code)
        unigram_free(u);
    else
        *out = u;
    return e;
}

void unigram_free(Unigram *u)
{
    if (!u) return;
    free(u->score);
    free(u->edges);
    free(u->ends);
    free(u);
}

// ---- Encoding ------------------------------------------------------------------------------------------------------

// The best way to a place in the piece: its last token, and where that begins.
typedef struct Way {
    double score;
    uint32_t begin;
    int32_t id; // -1: no way yet
} Way;

struct UnigramWork {
    Way *at;
    size_t capacity;
    Buf text;
};

void unigram_work_free(UnigramWork *work)
{
    if (!work) return;
    free(work->at);
    buf_free(&work->text);
    free(work);
}

static bool work_room(UnigramWork **out, size_t n)
{
    if (!*out) *out = calloc(1, sizeof **out);
    UnigramWork *w = *out;
    if (!w) return false;
    if (n <= w->capacity) return true;
    size_t capacity = n + n / 2 + 256;
    free(w->at);
    w->at = malloc(capacity * sizeof *w->at);
    w->capacity = w->at ? capacity : 0;
    return w->at != NULL;
}

static bool is_better(const Way *way, double score)
{
    return way->id < 0 || score > way->score;
}

// False: there is no unknown token, and one is needed.
static bool find_ways(const Tokenizer *t, Str piece, Way *way)
{
    const Unigram *u = t->unigram;
    for (size_t i = 0; i <= piece.n; i++) way[i] = (Way){ .id = -1 };
    for (size_t begin = 0, next = 0; begin < piece.n; begin = next) {
        utf8_next(piece.at, piece.n, &next);
        double before = way[begin].score;
        bool single = false;
        uint32_t node = 0;
        for (size_t at = begin; at < piece.n && (node = child_of(u, node, piece.at[at])) != 0; at++) {
            uint32_t end = u->ends[node];
            if (!end || (t->tokens[end - 1].flags & TOKEN_GUARDED)) continue; // text stays text
            double score = u->score[end - 1] + before;
            if (is_better(&way[at + 1], score)) way[at + 1] = (Way){ score, (uint32_t)begin, (int32_t)(end - 1) };
            single = single || at + 1 == next;
        }
        if (single || !is_better(&way[next], u->unknown + before)) continue;
        if (t->unk < 0) return false;
        way[next] = (Way){ u->unknown + before, (uint32_t)begin, t->unk };
    }
    return true;
}

// A run of unknown characters: the token that it spells after all, else its bytes, else the unknown token.
static Err put_unknown(const Tokenizer *t, Str run, Ids *out)
{
    int32_t id = tokenizer_find(t, run);
    if (id >= 0 && (t->tokens[id].flags & (TOKEN_MODEL | TOKEN_GUARDED)) == TOKEN_MODEL) return ids_put(out, id);
    bool bytes = t->byte_fallback;
    for (size_t i = 0; i < run.n && bytes; i++) bytes = t->byte_id[(uint8_t)run.at[i]] >= 0;
    if (!bytes) return ids_put(out, t->unk);
    Err e = OK;
    for (size_t i = 0; i < run.n && !e.code; i++) e = ids_put(out, t->byte_id[(uint8_t)run.at[i]]);
    return e;
}

// Turns the links of the best way round: where a token begins there stand its id and, as `begin`, where it ends.
static void turn_round(Way *way, size_t end)
{
    Way token = way[end];
    while (end > 0) {
        size_t begin = token.begin;
        Way before = way[begin];
        way[begin] = (Way){ .begin = (uint32_t)end, .id = token.id };
        end = begin;
        token = before;
    }
}

// For byte-level vocabularies: the piece in the GPT-2 alphabet, in work->text.
static bool in_alphabet(UnigramWork *work, Str *piece)
{
    work->text.n = 0;
    for (size_t i = 0; i < piece->n; i++) {
        char utf8[4];
        buf_put(&work->text, utf8, utf8_put(utf8, alphabet_char((uint8_t)piece->at[i])));
    }
    *piece = buf_str(&work->text);
    return !work->text.failed;
}

Err unigram_piece(const Tokenizer *t, UnigramWork **work, Str piece, Ids *out)
{
    size_t bytes = t->byte_level ? piece.n * 2 : piece.n; // no character of the alphabet has more than two
    if (bytes >= UINT32_MAX) return err(ERR_LIMIT, "a piece of the text to tokenize has 4 GiB or more; cut the text");
    if (!work_room(work, bytes + 1) || (t->byte_level && !in_alphabet(*work, &piece))) return err_memory("tokenizing");
    Way *way = (*work)->at;
    if (!find_ways(t, piece, way))
        return err(
            ERR_UNSUPPORTED,
            "%s: the text has a character that no token writes, and the model has no unknown token (unk_id is null)",
            t->source);
    turn_round(way, piece.n);
    Err e = OK;
    size_t unknown = 0; // where the run of unknown characters in hand begins
    bool open = false;
    for (size_t at = 0; at < piece.n && !e.code; at = way[at].begin) {
        bool known = way[at].id != t->unk;
        if (!known && !open) unknown = at;
        if (known && open) e = put_unknown(t, (Str){ piece.at + unknown, at - unknown }, out);
        open = !known;
        if (known && !e.code) e = ids_put(out, way[at].id);
    }
    if (open && !e.code) e = put_unknown(t, (Str){ piece.at + unknown, piece.n - unknown }, out);
    return e;
}
