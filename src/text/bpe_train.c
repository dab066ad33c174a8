// Learning merges. Every word is its symbols, at first its bytes; the most frequent pair of neighbours becomes a symbol of its own,
// which changes only the words that hold the pair. So a queue gives the next pair, with the words that it was seen in, and a table
// counts every pair.
//
// The merges are to be those of Hugging Face's BpeTrainer: of equal counts the lower pair of ids comes first. A count in the queue may
// be old; it is then put right and queued again.
//
// A text becomes a token in one way only: within it, merges went the same way wherever it stands, for none crossed its ends. So a
// merge makes a symbol that no word has yet, and every pair is queued once, when the later of its two symbols is made.
#include "text/bpe_train.h"

#include <assert.h>
#include <stdlib.h>

// ---- Counts of pairs -----------------------------------------------------------------------------------------------

typedef struct PairCount {
    uint64_t pair; // UINT64_MAX: an empty slot
    int64_t count;
} PairCount;

typedef struct PairTable {
    PairCount *slots;
    size_t mask, used;
} PairTable;

static uint64_t pair_of(uint32_t left, uint32_t right)
{
    return (uint64_t)left << 32 | right;
}

static PairCount *pair_slot(const PairTable *table, uint64_t pair)
{
    size_t i = merges_slot(pair) & table->mask;
    while (table->slots[i].pair != pair && table->slots[i].pair != UINT64_MAX) i = (i + 1) & table->mask;
    return &table->slots[i];
}

static bool pairs_room(PairTable *table, size_t more)
{
    size_t count = table->slots ? table->mask + 1 : 0;
    if (count && table->used + more <= count / 2) return true;
    if (!count) count = 1 << 12;
    while (table->used + more > count / 2) count *= 2;
    PairTable grown = { malloc(count * sizeof *grown.slots), count - 1, table->used };
    if (!grown.slots) return false;
    for (size_t i = 0; i < count; i++) grown.slots[i].pair = UINT64_MAX;
    for (size_t i = 0; table->slots && i <= table->mask; i++)
        if (table->slots[i].pair != UINT64_MAX) *pair_slot(&grown, table->slots[i].pair) = table->slots[i];
    free(table->slots);
    *table = grown;
    return true;
}

// Room was made.
static void pair_add(PairTable *table, uint64_t pair, int64_t change)
{
    PairCount *slot = pair_slot(table, pair);
    if (slot->pair == UINT64_MAX) {
        *slot = (PairCount){ .pair = pair };
        table->used++;
    }
    slot->count += change;
}

// ---- The queue -----------------------------------------------------------------------------------------------------

typedef struct Queued {
    int64_t count;
    uint64_t pair;
    uint32_t *words; // that hold the pair, ascending; by malloc
    uint32_t n;
} Queued;

typedef struct Queue {
    Queued *at; // a binary heap
    size_t n, capacity;
} Queue;

static bool comes_before(const Queued *a, const Queued *b)
{
    if (a->count != b->count) return a->count > b->count;
    return a->pair < b->pair;
}

static bool queue_put(Queue *q, Queued item)
{
    if (q->n == q->capacity) {
        const size_t capacity = q->capacity ? 2 * q->capacity : 4096;
        Queued *at = realloc(q->at, capacity * sizeof *at);
        if (!at) return false;
        q->at = at;
        q->capacity = capacity;
    }
    size_t i = q->n++;
    for (; i && comes_before(&item, &q->at[(i - 1) / 2]); i = (i - 1) / 2) q->at[i] = q->at[(i - 1) / 2];
    q->at[i] = item;
    return true;
}

// `item` takes the place of the first one.
static void queue_replace(Queue *q, Queued item)
{
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < q->n; i = child) {
        if (child + 1 < q->n && comes_before(&q->at[child + 1], &q->at[child])) child++;
        if (!comes_before(&q->at[child], &item)) break;
        q->at[i] = q->at[child];
    }
    q->at[i] = item;
}

static Queued queue_take(Queue *q)
{
    const Queued first = q->at[0];
    const Queued last = q->at[--q->n];
    if (q->n) queue_replace(q, last);
    return first;
}

static void queue_free(Queue *q)
{
    for (size_t i = 0; i < q->n; i++) free(q->at[i].words);
    free(q->at);
}

// ---- What a merge changes around it --------------------------------------------------------------------------------

// On one side of the new symbol: the symbols that stand there, how often, and in which words.
typedef struct Neighbour {
    int64_t count;
    uint32_t places; // words
    uint32_t last;   // word + 1 that was noted last; 0: none
    uint32_t *words; // being filled
} Neighbour;

typedef struct Place {
    uint32_t symbol, word;
} Place;

typedef struct Side {
    Neighbour *by_symbol; // [vocab]
    uint32_t *touched;    // symbols that stand there
    size_t touched_n;
    Place *places;
    size_t places_n, capacity;
} Side;

typedef struct Trainer {
    Tokenizer *t;
    const BpeTraining *how;
    const Words *words;
    uint32_t *symbols; // of all words; a word's begin at its place in the text
    uint32_t *lengths; // of each word, in symbols
    PairTable pairs;
    Queue queue;
    Side left, right;
    LearnedMerges *merges;
    bool failed; // no memory
} Trainer;

// `symbol` stands beside the result in `word`. Words come in ascending order.
static void note_neighbour(Trainer *t, Side *side, uint32_t symbol, uint32_t word)
{
    Neighbour *near = &side->by_symbol[symbol];
    near->count += t->words->at[word].count;
    if (near->last == word + 1) return;
    if (side->places_n == side->capacity) {
        const size_t capacity = side->capacity ? 2 * side->capacity : 4096;
        Place *places = realloc(side->places, capacity * sizeof *places);
        t->failed = t->failed || !places;
        if (!places) return;
        side->places = places;
        side->capacity = capacity;
    }
    if (!near->places++) side->touched[side->touched_n++] = symbol;
    side->places[side->places_n++] = (Place){ symbol, word };
    near->last = word + 1;
}

static void merge_word(Trainer *t, uint32_t word, uint64_t pair, uint32_t result)
{
    const uint32_t a = (uint32_t)(pair >> 32), b = (uint32_t)pair, n = t->lengths[word];
    uint32_t *s = t->symbols + t->words->at[word].at, to = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (s[i] != a || i + 1 == n || s[i + 1] != b) {
            s[to++] = s[i];
            continue;
        }
        if (to) note_neighbour(t, &t->left, s[to - 1], word);
        s[to++] = result;
        i++;
        if (i + 1 == n) break;
        assert(s[i + 1] != result);
        note_neighbour(t, &t->right, s[i + 1], word);
    }
    t->lengths[word] = to;
}

static bool places_share_out(Side *side)
{
    for (size_t i = 0; i < side->touched_n; i++) {
        Neighbour *near = &side->by_symbol[side->touched[i]];
        near->words = malloc(near->places * sizeof *near->words);
        if (!near->words) return false;
        near->places = 0;
    }
    for (size_t i = 0; i < side->places_n; i++) {
        Neighbour *near = &side->by_symbol[side->places[i].symbol];
        near->words[near->places++] = side->places[i].word;
    }
    return true;
}

// New pairs go to the queue; the side is as at first. to_left: they are (symbol, result).
static void queue_side(Trainer *t, Side *side, uint32_t result, bool to_left)
{
    t->failed = t->failed || !places_share_out(side);
    for (size_t i = 0; i < side->touched_n; i++) {
        const uint32_t symbol = side->touched[i];
        Neighbour *near = &side->by_symbol[symbol];
        const uint64_t pair = to_left ? pair_of(symbol, result) : pair_of(result, symbol);
        const int64_t count = pair_slot(&t->pairs, pair)->count;
        if (!t->failed && count > 0) {
            t->failed = !queue_put(&t->queue, (Queued){ count, pair, near->words, near->places });
            if (!t->failed) near->words = NULL;
        }
        free(near->words);
        *near = (Neighbour){ 0 };
    }
    side->touched_n = side->places_n = 0;
}

static void count_changes(Trainer *t, uint64_t pair, uint32_t result)
{
    const uint32_t a = (uint32_t)(pair >> 32), b = (uint32_t)pair;
    if (!pairs_room(&t->pairs, 2 * (t->left.touched_n + t->right.touched_n))) {
        t->failed = true;
        return;
    }
    for (size_t i = 0; i < t->left.touched_n; i++) {
        const uint32_t symbol = t->left.touched[i];
        const int64_t count = t->left.by_symbol[symbol].count;
        pair_add(&t->pairs, pair_of(symbol, a), -count);
        pair_add(&t->pairs, pair_of(symbol, result), count);
    }
    for (size_t i = 0; i < t->right.touched_n; i++) {
        const uint32_t symbol = t->right.touched[i];
        const int64_t count = t->right.by_symbol[symbol].count;
        pair_add(&t->pairs, pair_of(b, symbol), -count);
        pair_add(&t->pairs, pair_of(result, symbol), count);
    }
}

// ---- Merges --------------------------------------------------------------------------------------------------------

static bool merges_add(LearnedMerges *m, uint64_t pair)
{
    if (m->n == m->capacity) {
        const size_t capacity = m->capacity ? 2 * m->capacity : 1024;
        uint64_t *pairs = realloc(m->pairs, capacity * sizeof *pairs);
        if (!pairs) return false;
        m->pairs = pairs;
        m->capacity = capacity;
    }
    m->pairs[m->n++] = pair;
    return true;
}

// The token that the two make: a new one, or a special one that is written so.
static Err result_of(Trainer *t, uint64_t pair, uint32_t *result)
{
    const TokenText *a = &t->t->tokens[pair >> 32], *b = &t->t->tokens[pair & UINT32_MAX];
    Buf joined = { 0 };
    buf_put(&joined, t->t->spelling.at + a->at, a->n);
    buf_put(&joined, t->t->spelling.at + b->at, b->n);
    Err e = joined.failed ? err_memory("the tokenizer's vocabulary") : OK;
    const int32_t known = e.code ? -1 : tokenizer_find(t->t, buf_str(&joined));
    *result = known < 0 ? t->t->size : (uint32_t)known;
    if (!e.code && known < 0) e = tokenizer_put(t->t, buf_str(&joined), t->t->size, TOKEN_MODEL);
    buf_free(&joined);
    if (!e.code && !merges_add(t->merges, pair)) e = err_memory("the tokenizer's merges");
    return e;
}

static Err merge(Trainer *t, const Queued *next)
{
    uint32_t result;
    Err e = result_of(t, next->pair, &result);
    if (e.code) return e;
    for (uint32_t i = 0; i < next->n; i++) merge_word(t, next->words[i], next->pair, result);
    count_changes(t, next->pair, result);
    queue_side(t, &t->left, result, true);
    queue_side(t, &t->right, result, false);
    return t->failed ? err_memory("the pairs of tokens") : OK;
}

static Err merge_all(Trainer *t)
{
    enum { TELL_EVERY = 8 };
    const int64_t base = t->t->size, least = t->how->least_count > 1 ? t->how->least_count : 1;
    Err e = OK;
    while (!e.code && t->t->size < t->how->vocab && t->queue.n) {
        Queued first = t->queue.at[0];
        const int64_t count = pair_slot(&t->pairs, first.pair)->count;
        if (first.count != count) {
            first.count = count;
            queue_replace(&t->queue, first);
            continue;
        }
        if (count < least) break;
        first = queue_take(&t->queue);
        e = merge(t, &first);
        free(first.words);
        if (e.code || !t->how->progress || t->merges->n % TELL_EVERY) continue;
        if (!t->how->progress(t->how->user, t->t->size - base, t->how->vocab - base))
            e = err(ERR_CANCELLED, "stopped while the merges were learned");
    }
    return e;
}

// ---- The beginning -------------------------------------------------------------------------------------------------

static inline uint32_t bytes_at(const char *at)
{
    return (uint32_t)(uint8_t)at[0] << 8 | (uint8_t)at[1];
}

// Counts of all pairs of bytes, and how many words hold each; then the words themselves.
static void count_bytes(const Trainer *t, Neighbour *pairs)
{
    for (uint32_t w = 0; w < t->words->n; w++) {
        const Word *word = &t->words->at[w];
        const char *text = t->words->text.at + word->at;
        for (uint32_t i = 1; i < word->n; i++) {
            Neighbour *pair = &pairs[bytes_at(text + i - 1)];
            pair->count += word->count;
            pair->places += pair->last != w + 1;
            pair->last = w + 1;
        }
    }
}

static void place_bytes(const Trainer *t, Neighbour *pairs)
{
    for (uint32_t w = 0; w < t->words->n; w++) {
        const Word *word = &t->words->at[w];
        const char *text = t->words->text.at + word->at;
        for (uint32_t i = 1; i < word->n; i++) {
            Neighbour *pair = &pairs[bytes_at(text + i - 1)];
            if (pair->last != w + 1) pair->words[pair->places++] = w;
            pair->last = w + 1;
        }
    }
}

static bool queue_bytes(Trainer *t, Neighbour *pairs)
{
    bool good = pairs_room(&t->pairs, BYTE_PAIRS);
    count_bytes(t, pairs);
    for (uint32_t i = 0; i < BYTE_PAIRS && good; i++) {
        if (!pairs[i].places) continue;
        pairs[i].words = malloc(pairs[i].places * sizeof *pairs[i].words);
        good = pairs[i].words;
        pairs[i].places = pairs[i].last = 0;
    }
    if (good) place_bytes(t, pairs);
    for (uint32_t i = 0; i < BYTE_PAIRS && good; i++) {
        if (!pairs[i].places) continue;
        const uint64_t pair = pair_of((uint32_t)t->t->byte_id[i >> 8], (uint32_t)t->t->byte_id[i & 255]);
        pair_add(&t->pairs, pair, pairs[i].count);
        good = queue_put(&t->queue, (Queued){ pairs[i].count, pair, pairs[i].words, pairs[i].places });
        if (good) pairs[i].words = NULL;
    }
    return good;
}

static bool side_new(Side *side, size_t vocab)
{
    side->by_symbol = calloc(vocab, sizeof *side->by_symbol);
    side->touched = malloc(vocab * sizeof *side->touched);
    return side->by_symbol && side->touched;
}

static void side_free(Side *side)
{
    free(side->by_symbol);
    free(side->touched);
    free(side->places);
}

static Err begin(Trainer *t)
{
    const Str text = buf_str(&t->words->text);
    const size_t vocab = (size_t)t->how->vocab;
    t->symbols = malloc((text.n ? text.n : 1) * sizeof *t->symbols);
    t->lengths = malloc((t->words->n ? t->words->n : 1) * sizeof *t->lengths);
    Neighbour *pairs = calloc(BYTE_PAIRS, sizeof *pairs);
    bool good = t->symbols && t->lengths && pairs && side_new(&t->left, vocab) && side_new(&t->right, vocab);
    for (size_t i = 0; i < text.n && good; i++) t->symbols[i] = (uint32_t)t->t->byte_id[(uint8_t)text.at[i]];
    for (size_t w = 0; w < t->words->n && good; w++) t->lengths[w] = t->words->at[w].n;
    good = good && queue_bytes(t, pairs);
    for (size_t i = 0; i < BYTE_PAIRS && pairs; i++) free(pairs[i].words);
    free(pairs);
    return good ? OK : err_memory("the words of the texts");
}

Err bpe_train(LearnedMerges *out, Tokenizer *tokenizer, const Words *words, const BpeTraining *how)
{
    Trainer t = { .t = tokenizer, .how = how, .words = words, .merges = out };
    Err e = begin(&t);
    if (!e.code) e = merge_all(&t);
    queue_free(&t.queue);
    free(t.pairs.slots);
    free(t.symbols);
    free(t.lengths);
    side_free(&t.left);
    side_free(&t.right);
    return e;
}
