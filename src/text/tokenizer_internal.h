// What the tokenizer's files share: the reader of large JSON, the tables a tokenizer is made of, and the stages of
// encoding. The stages run depth first, so that no list of pieces is ever held: added tokens cut the text, the normaliser
// rewrites what is between them, added tokens cut that again, the pre-tokeniser's steps cut on, BPE turns pieces into ids.
#ifndef DURE_TOKENIZER_INTERNAL_H
#define DURE_TOKENIZER_INTERNAL_H

#include "text/text.h"

// ---- Large JSON (tokenizer_document.c) -----------------------------------------------------------------------------

typedef enum NodeKind { NODE_OBJECT, NODE_ARRAY, NODE_STRING, NODE_NUMBER, NODE_TRUE, NODE_FALSE, NODE_NULL } NodeKind;

// A value in preorder. The first child, if any, is the next node; in an object keys and values alternate.
typedef struct Node {
    uint32_t begin, end; // bytes; of a string what is between the quotes
    uint32_t after;      // index of the node behind this one and all inside it
    uint8_t kind;        // NodeKind
    bool escaped;        // a string with backslashes
} Node;

typedef struct Document {
    Str text;
    const char *source;
    Node *nodes;
    uint32_t count;
} Document;

#define NO_NODE UINT32_MAX

// Checks the whole text as strict JSON in UTF-8. `text` must outlive the document.
Err document_read(Document *out, Str text, const char *source);
void document_free(Document *d);
// The value of a key in an object; NO_NODE: absent. A key given twice is an error.
Err document_field(const Document *d, uint32_t object, const char *key, uint32_t *out);
// A string's text: a view into the document, or a copy in `arena` where it has escapes.
Err document_string(const Document *d, uint32_t node, Arena *arena, Str *out);
Err document_real(const Document *d, uint32_t node, double *out);      // an error if it is no number or out of range
bool document_integer(const Document *d, uint32_t node, int64_t *out); // false: not an integer of int64
static inline NodeKind node_kind(const Document *d, uint32_t node)
{
    return (NodeKind)d->nodes[node].kind;
}

// ---- Regexes (pretokenize_regex.c, regex_rewrite.c) ----------------------------------------------------------------

typedef struct Regex Regex;       // compiled; may be shared by threads
typedef struct RegexRun RegexRun; // what matching writes to; one per call of tokenize

// The pattern as PCRE2 reads it; *out is to be freed in any case.
Err regex_rewrite(Str pattern, Buf *out, const char *source);
Err regex_new(Regex **out, Str pattern, const char *source);
void regex_free(Regex *regex);
Err regex_run_new(RegexRun **out);
void regex_run_free(RegexRun *run);
void regex_run_begin(RegexRun *run, size_t text_bytes); // a text of so many bytes: what its matches may cost together
// The first match at or behind `from`: 1 found, 0 none, -1 given up (limits of the engine).
int regex_find(const Regex *regex, RegexRun *run, Str text, size_t from, size_t *begin, size_t *end);

// ---- Text with marks -----------------------------------------------------------------------------------------------

// mark[i] is 1 where byte i comes from a message. NULL: nobody asks.
typedef struct Marked {
    Str text;
    const uint8_t *mark;
    size_t head; // bytes at its beginning that come from the first character of the whole text
} Marked;

typedef struct MarkedBuf {
    Buf text, mark;
    bool marked; // whether `mark` is kept
    size_t head;
} MarkedBuf;

void marked_put(MarkedBuf *out, const char *at, size_t n, const uint8_t *mark); // mark NULL: zeros
void marked_fill(MarkedBuf *out, const char *at, size_t n, uint8_t mark);       // one mark for all n
void marked_free(MarkedBuf *b);
static inline Marked marked_view(const MarkedBuf *b)
{
    return (Marked){ buf_str(&b->text), b->marked ? (const uint8_t *)buf_str(&b->mark).at : NULL, b->head };
}

// ---- Normalisers (normalize.c) -------------------------------------------------------------------------------------

typedef struct Normaliser Normaliser;
typedef struct Charsmap Charsmap;
typedef Err NormaliserRun(const Normaliser *self, Marked in, RegexRun *regexes, MarkedBuf *out);

struct Normaliser {
    NormaliserRun *run;
    uint32_t form;            // normal forms: UNICODE_NFC ...
    Regex *regex;             // Replace; owned
    Str find, with;           // Replace and Prepend
    bool left, right;         // Strip
    const Charsmap *charsmap; // Precompiled
};

NormaliserRun normalise_form, normalise_replace, normalise_prepend, normalise_strip, normalise_strip_accents,
    normalise_lowercase, normalise_charsmap;

size_t grapheme_end(Str text, size_t at); // of the cluster that begins at `at`, which is before the end (grapheme.c)

// SentencePiece's rules (charsmap.c), as in a tokenizer.model or in base64. What *out needs is copied to `arena`.
Err charsmap_read(const Charsmap **out, Arena *arena, Str bytes, const char *source);
Err charsmap_read_base64(const Charsmap **out, Arena *arena, Str text, const char *source);

// ---- Pre-tokenisers (pretokenize.c) --------------------------------------------------------------------------------

typedef enum Behaviour {
    SPLIT_ISOLATED,
    SPLIT_REMOVED,
    SPLIT_WITH_PREVIOUS,
    SPLIT_WITH_NEXT,
    SPLIT_CONTIGUOUS
} Behaviour;
typedef enum Prepend { PREPEND_NEVER, PREPEND_FIRST, PREPEND_ALWAYS } Prepend;

typedef struct Run Run;
typedef struct Step Step;
// The first match at or behind `from`: 1, 0, or -1 with run->err set.
typedef int StepFind(Run *run, const Step *step, Str piece, size_t from, size_t *begin, size_t *end);

struct Step {
    bool (*apply)(Run *run, const Step *step, Str piece); // hands pieces to the next step; false: run->err is set
    StepFind *find;                                       // of splitting steps
    Regex *regex;                                         // owned
    Str text;                                             // a string to find, or Metaspace's replacement
    uint32_t flags;                                       // code points with one of these match
    Behaviour behaviour;
    bool invert;
    bool split;      // Metaspace
    Prepend prepend; // Metaspace, ByteLevel
};

bool step_split(Run *run, const Step *step, Str piece);
bool step_prefix_space(Run *run, const Step *step, Str piece); // ByteLevel's add_prefix_space
bool step_metaspace(Run *run, const Step *step, Str piece);
StepFind find_regex, find_text, find_flagged, find_space;

// ---- Merges (merges.c) ---------------------------------------------------------------------------------------------

#define NO_RANK UINT32_MAX

enum { BYTE_PAIRS = 256 * 256 };

typedef struct MergeSlot {
    uint64_t pair; // left id << 32 | right id; UINT64_MAX: an empty slot
    uint32_t rank; // NO_RANK: an empty slot, or a merge that is forbidden
} MergeSlot;

// Where pieces may be joined, by symbols: of each two neighbours the shapes of the merges that have them at their border, and
// bits by hash for these borders with what stands around them.
typedef struct Borders {
    uint16_t *near; // NULL: no filter
    uint64_t *bits;
    size_t near_mask, bit_mask;
    unsigned lane; // bits of a symbol: 8 if pieces are their bytes, else 16
} Borders;

typedef struct Merges {
    MergeSlot *slots;
    size_t mask;
    uint32_t *result;     // of each rank: the id that the pair becomes
    uint32_t count;       // ranks
    uint64_t *pairs;      // of each rank: its pair; until merges_borders
    uint32_t *byte_ranks; // [BYTE_PAIRS] ranks of pairs of single bytes; byte-level only
    Borders borders;
} Merges;

Err merges_new(Merges *out, size_t count);
// Its rank is m->count; a pair again: the later one counts.
void merges_put(Merges *m, uint32_t left, uint32_t right, uint32_t result);
// A merge that never happens; it only takes its rank.
void merges_skip(Merges *m, uint32_t left, uint32_t right, uint32_t result);
void merges_forbid(Merges *m, uint32_t result);           // nothing becomes this id any more
Err merges_finish(Merges *m, const int32_t byte_id[256]); // byte_id NULL: not byte-level
// Fills the filter of borders, once. symbol[id]: the symbol that the id is, a byte or itself; -1: it comes by merging only.
Err merges_borders(Merges *m, const int32_t *symbol, uint32_t size, bool bytes);
void merges_free(Merges *m);

enum { EDGE = 4 }; // symbols that are looked at on each side of a border

// Whether a merge may cross a border with these symbols, EDGE at most, on its two sides, the nearest first. A side that has fewer
// is the piece's end.
bool merges_may_cross(const Merges *m, const uint32_t *left, unsigned x, const uint32_t *right, unsigned y);
// Where the part ends that begins at `begin`: no merge crosses that border, whatever happens on its two sides. Of a piece whose
// symbols are `id`, or whose symbols are its bytes.
size_t merges_part_of_ids(const Merges *m, const uint32_t *id, size_t n, size_t begin);
size_t merges_part_of_bytes(const Merges *m, Str piece, size_t begin);

static inline size_t merges_slot(uint64_t pair)
{
    return (size_t)((pair * 0x9E3779B97F4A7C15u) >> 24);
}

static inline uint32_t merges_rank(const Merges *m, uint32_t left, uint32_t right)
{
    uint64_t pair = (uint64_t)left << 32 | right;
    for (size_t i = merges_slot(pair) & m->mask;; i = (i + 1) & m->mask) {
        if (m->slots[i].pair == pair) return m->slots[i].rank;
        if (m->slots[i].pair == UINT64_MAX) return NO_RANK;
    }
}

// ---- BPE (bpe.c) ---------------------------------------------------------------------------------------------------

typedef struct BpeWork BpeWork; // buffers, and a cache of words that outlives a call
Err bpe_work_new(BpeWork **out);
void bpe_work_trim(BpeWork *work); // gives back what a long piece took
void bpe_work_free(BpeWork *work);
// Appends the ids of one piece; false: no memory. n log n in its length.
bool bpe_piece(const Tokenizer *t, BpeWork *work, Str piece, Ids *out);

// ---- Unigram (unigram.c) -------------------------------------------------------------------------------------------

typedef struct Unigram Unigram;
typedef struct UnigramWork UnigramWork; // buffers of one call

Err unigram_new(Unigram **out, const Tokenizer *t, const double *score); // over t's tokens; score by id, all finite
void unigram_free(Unigram *unigram);
// Appends the ids of one piece. *work is made on need.
Err unigram_piece(const Tokenizer *t, UnigramWork **work, Str piece, Ids *out);
void unigram_work_free(UnigramWork *work);

// ---- Added tokens (tokenizer_added.c) ------------------------------------------------------------------------------

typedef struct Added {
    Str content; // as written
    Str pattern; // what is looked for: normalised if the flag says so
    int32_t id;
    bool single_word, lstrip, rstrip, normalized, special;
} Added;

// Tokens to look for, by pattern, with a filter on the first two bytes. Of equal patterns the earlier one counts.
typedef struct Matcher {
    const Added **tokens;
    size_t count;
    uint64_t *pairs; // bit [first << 8 | second]: some pattern may begin so; NULL: no tokens
} Matcher;

Err matcher_new(Matcher *out, Arena *arena, const Added *added, size_t count, bool normalized);

typedef struct Match {
    const Added *token; // NULL: none
    size_t begin, end;  // of what the token covers, stripped blanks included
    size_t next;        // where to look on
} Match;

// The next token at or behind `from`; `taken` is where the last one ended. Tokens that may not match here are passed over.
Match matcher_next(const Tokenizer *t, const Matcher *m, Marked text, const TokenizeOptions *o, size_t from,
                   size_t taken);

// ---- The tokenizer -------------------------------------------------------------------------------------------------

typedef enum TokenFlags {
    TOKEN_KNOWN = 1,
    TOKEN_ADDED = 2,
    TOKEN_SPECIAL = 4,
    TOKEN_GUARDED = 8,   // matches outside message ranges only; special ones are
    TOKEN_MODEL = 16,    // in the model's own vocabulary
    TOKEN_BYTE = 32,     // <0x00> to <0xFF> of byte fallback
    TOKEN_SKIPPED = 128, // left out when special tokens are; set by tokenizer_finish
    TOKEN_TWIN = 64,     // may have the text of an earlier token, which then keeps it: known by id only
} TokenFlags;

typedef struct TokenText {
    uint32_t at, n;       // in `spelling`
    uint32_t raw_at, raw; // in `decoded`: offset and bytes
    uint32_t flags;
} TokenText;

typedef enum DecodeKind {
    DECODE_SPACED,   // no decoder: tokens joined by spaces
    DECODE_BYTES,    // ByteLevel: one run of bytes
    DECODE_PLAIN,    // tokens' texts one after another
    DECODE_FALLBACK, // the same, but runs of byte tokens become characters
    DECODE_WORDS,    // BPEDecoder: a suffix becomes a space, at the very end nothing
} DecodeKind;

// What calls of tokenize work with: buffers, caches. A call takes one that another has left, or makes one.
typedef struct Work {
    RegexRun *regexes;
    BpeWork *bpe;
    UnigramWork *unigram; // made on need
    MarkedBuf normal, spare;
} Work;

enum { KEPT_WORKS = 8 };

// The only part of a tokenizer that changes while threads share it: whoever swaps a work out of its place owns it.
typedef struct Kept {
    _Atomic(Work *) work[KEPT_WORKS];
} Kept;

struct Tokenizer {
    const char *source;
    Arena arena;
    Kept *kept;
    Buf spelling, decoded;
    TokenText *tokens; // by id, `size` of them
    uint32_t size, capacity;
    uint32_t *slots; // id + 1 by hash of the spelling; 0: empty
    size_t slot_mask, slot_used;

    Added *added;
    size_t added_count, added_capacity;
    Matcher before, after; // the normaliser

    Normaliser *normalisers;
    size_t normaliser_count;
    Step *steps;
    size_t step_count;

    Unigram *unigram; // NULL: the model is BPE
    Merges merges;
    bool byte_level; // pieces become bytes of the GPT-2 alphabet
    bool ignore_merges, byte_fallback, fuse_unk;
    bool every_byte;      // byte-level, and every byte has an entry
    bool through_text;    // byte-level, but symbols must be looked up as text (prefixes, suffixes, fallback)
    int32_t unk;          // -1: none
    Str prefix, suffix;   // of continuing symbols and of a word's last one
    int32_t **char_id;    // [UNICODE_PAGES][256] ids of characters that are entries; NULL: look them up by text
    int32_t byte_id[256]; // byte-level: the id of each byte's character; else of <0x..>. -1: none
    uint32_t longest;     // bytes of the longest spelling in the model

    int32_t *first, *last; // ids put before and behind when special ones are asked for
    size_t first_count, last_count;

    DecodeKind decode;
    Str decode_find, decode_with; // Replace, or BPEDecoder's suffix
    uint32_t strip_start;         // Strip of the whole text: at most so many ...
    uint32_t strip_stop;          // ... at the start and at the end ...
    Str strip_content;            // ... of this character; empty: no Strip
    bool decode_fused;            // Fuse was read
    bool decode_drop_first;       // Metaspace: the first token loses its replacement characters
};

// Building, in this order: new, put tokens, add tokens, components, merges, finish (tokenizer_build.c).
Err tokenizer_begin(Tokenizer **out, const char *source);
Err tokenizer_put(Tokenizer *t, Str spelling, int64_t id,
                  uint32_t flags);            // checks the id; the same spelling again is an error
Err tokenizer_add(Tokenizer *t, Added added); // content is copied
Err tokenizer_merge(Tokenizer *t, Str left, Str right, size_t index);
// Instead of single merges (tokenizer_scores.c): by id a score, and whether the token takes part.
Err tokenizer_merges_of_scores(Tokenizer *t, const double *score, const bool *merges);
Err tokenizer_finish(Tokenizer *t);
int32_t tokenizer_find(const Tokenizer *t, Str spelling); // -1: none

// The GPT-2 alphabet: byte b is written as this code point; and back (-1: not of the alphabet).
uint32_t alphabet_char(uint8_t byte);
int alphabet_byte(uint32_t code_point);
int byte_token(Str spelling); // the byte of <0x00> to <0xFF>; -1: none of them

// Components of a tokenizer.json (tokenizer_parts.c). `node` may be null in the JSON or absent.
Err parts_normaliser(Tokenizer *t, const Document *d, uint32_t node);
Err parts_pretokeniser(Tokenizer *t, const Document *d, uint32_t node);
Err parts_post_processor(Tokenizer *t, const Document *d, uint32_t node);
Err parts_decoder(Tokenizer *t, const Document *d, uint32_t node);
Err parts_add_step(Tokenizer *t, Step step);                   // takes step.regex
Err parts_add_normaliser(Tokenizer *t, Normaliser normaliser); // takes normaliser.regex
// Runs all normalisers; *out is emptied first.
Err normalise_all(const Tokenizer *t, Marked in, RegexRun *regexes, MarkedBuf *out, MarkedBuf *spare);

void kept_clear(Kept *kept); // frees the works in it

// How texts are prepared and decoded for a SentencePiece vocabulary (tokenizer_sentencepiece.c): spaces become U+2581.
// `prefix`: a space is put in front, which decoding drops; of every text between added tokens if `legacy`, else of the first.
Err sentencepiece_text(Tokenizer *t, bool legacy, bool prefix); // the whole text in one piece, as Llama has it
// Cut into words; `tidy`: blanks at the end go, of several in a row one stays. `charsmap` may be NULL.
Err sentencepiece_words(Tokenizer *t, const Charsmap *charsmap, bool tidy, bool legacy, bool prefix);

typedef bool PieceTake(void *user, Str piece); // false: no memory

// One call of tokenize.
struct Run {
    const Tokenizer *t;
    const TokenizeOptions *options;
    Ids *out;
    Err err;
    Work *work;
    Str head;        // what comes from the first character of the whole text, where the piece in hand lies
    PieceTake *take; // gets the pieces instead of the model; or NULL
    void *user;
};

bool run_next(Run *run, const Step *step, Str piece); // the step behind `step`, or the model
// The pieces that the model would get of a text in UTF-8 in which no added token is looked for. Thread-safe on one Tokenizer.
Err pretokenize(const Tokenizer *t, Str text, PieceTake *take, void *user);

// ---- Pre-tokenisers by name (tokenizer_gguf.c) ---------------------------------------------------------------------

// How llama.cpp has it, by the name that GGUF files give (tokenizer.ggml.pre).
typedef struct Pre {
    const char *name;
    uint32_t form;              // UNICODE_NFC ... or 0
    bool digits;                // every digit alone, first
    bool ignore_merges, bos;    // bos: a start token unless the file says otherwise
    const char *const *regexes; // one after another, each match alone; NULL-terminated
} Pre;

const Pre *pre_find(Str name); // NULL: there is none
void pre_names(Buf *out);      // all, with commas between
Err pre_apply(Tokenizer *t, const Pre *pre);

#endif
