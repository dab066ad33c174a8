// Building a Tokenizer: texts and ids of its tokens, the hash from text to id, added tokens, merges, and what decoding one
// token gives. Readers of tokenizer.json and of GGUF call these in order; every id and text that they bring is checked here.
#include "text/tokenizer_internal.h"
#include "text/unicode_table.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <inttypes.h>
#include <stdlib.h>

enum {
    MAX_IDS = 4000000,
    MAX_TEXT = 1 << 30,
    MAX_ADDED = 1024
}; // added: bytes, for every place in a text may cost so much

// ---- The alphabet --------------------------------------------------------------------------------------------------

// Printable bytes of Latin-1 stand for themselves, the other 68 for U+0100 and on, in order (GPT-2, encoder.py).
static bool stands_for_itself(unsigned b)
{
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
}

uint32_t alphabet_char(uint8_t byte)
{
    if (stands_for_itself(byte)) return byte;
    if (byte <= 0x20) return 0x100u + byte;
    return byte == 0xAD ? 0x143u : 0x121u + (byte - 0x7Fu);
}

int alphabet_byte(uint32_t c)
{
    if (c < 0x100) return stands_for_itself(c) ? (int)c : -1;
    if (c <= 0x120) return (int)(c - 0x100);
    if (c <= 0x142) return (int)(c - 0x121 + 0x7F);
    return c == 0x143 ? 0xAD : -1;
}

uint32_t unicode_flags(uint32_t c)
{
    if (c > 0x10FFFF) return 0;
    size_t low = unicode_pages[c / 256], high = unicode_pages[c / 256 + 1];
    while (low < high) { // `high` may be the range that goes on into the next page
        size_t middle = (low + high) / 2;
        if (unicode_ranges[middle].last < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < unicode_range_count && unicode_ranges[low].first <= c ? unicode_ranges[low].flags : 0;
}

// ---- Tokens --------------------------------------------------------------------------------------------------------

Err tokenizer_begin(Tokenizer **out, const char *source)
{
    *out = NULL;
    Tokenizer *t = calloc(1, sizeof *t);
    if (!t) return err_memory("the tokenizer");
    t->arena = arena_new("tokenizer");
    t->unk = -1;
    for (int i = 0; i < 256; i++) t->byte_id[i] = -1;
    t->source = arena_text(&t->arena, source, strlen(source));
    t->kept = calloc(1, sizeof *t->kept);
    if (!t->source || !t->kept) {
        tokenizer_free(t);
        return err_memory("the tokenizer");
    }
    *out = t;
    return OK;
}

void tokenizer_free(Tokenizer *t)
{
    if (!t) return;
    for (size_t i = 0; i < t->step_count; i++) regex_free(t->steps[i].regex);
    for (size_t i = 0; i < t->normaliser_count; i++) regex_free(t->normalisers[i].regex);
    if (t->kept) kept_clear(t->kept);
    free(t->kept);
    free(t->steps);
    free(t->normalisers);
    free(t->added);
    free(t->tokens);
    free(t->slots);
    merges_free(&t->merges);
    unigram_free(t->unigram);
    buf_free(&t->spelling);
    buf_free(&t->decoded);
    arena_free(&t->arena);
    free(t);
}

static Str spelling_of(const Tokenizer *t, uint32_t id)
{
    return (Str){ t->spelling.at + t->tokens[id].at, t->tokens[id].n };
}

static size_t hash_of(Str s)
{
    return (size_t)XXH3_64bits(s.at, s.n);
}

int32_t tokenizer_find(const Tokenizer *t, Str spelling)
{
    if (!t->slots) return -1;
    for (size_t i = hash_of(spelling) & t->slot_mask; t->slots[i]; i = (i + 1) & t->slot_mask)
        if (str_equal(spelling_of(t, t->slots[i] - 1), spelling)) return (int32_t)(t->slots[i] - 1);
    return -1;
}

static void slot_take(Tokenizer *t, uint32_t id)
{
    size_t i = hash_of(spelling_of(t, id)) & t->slot_mask;
    while (t->slots[i]) i = (i + 1) & t->slot_mask;
    t->slots[i] = id + 1;
}

static bool slots_room(Tokenizer *t)
{
    if (t->slots && (t->slot_used + 1) * 2 <= t->slot_mask + 1) return true;
    size_t count = t->slots ? (t->slot_mask + 1) * 2 : 4096;
    uint32_t *slots = calloc(count, sizeof *slots), *old = t->slots;
    if (!slots) return false;
    size_t old_count = old ? t->slot_mask + 1 : 0;
    t->slots = slots;
    t->slot_mask = count - 1;
    for (size_t i = 0; i < old_count; i++)
        if (old[i]) slot_take(t, old[i] - 1);
    free(old);
    return true;
}

static bool tokens_room(Tokenizer *t, uint32_t id)
{
    if (id < t->capacity) return true;
    uint32_t capacity = t->capacity * 2 > id + 1 ? t->capacity * 2 : id + 1024;
    TokenText *tokens = realloc(t->tokens, capacity * sizeof *tokens);
    if (!tokens) return false;
    memset(tokens + t->capacity, 0, (capacity - t->capacity) * sizeof *tokens);
    t->tokens = tokens;
    t->capacity = capacity;
    return true;
}

static const char *shown(Str s, char out[48])
{
    size_t n = s.n < 40 ? s.n : utf8_whole(s.at, 40);
    memcpy(out, s.at, n);
    out[n] = 0;
    return out;
}

Err tokenizer_put(Tokenizer *t, Str spelling, int64_t id, uint32_t flags)
{
    char name[48];
    if (id < 0 || id >= MAX_IDS)
        return err(ERR_FORMAT, "%s: token \"%s\" has id %" PRId64 "; ids are from 0 to %d", t->source,
                   shown(spelling, name), id, MAX_IDS - 1);
    if (spelling.n > MAX_TEXT - t->spelling.n)
        return err(ERR_LIMIT, "%s: tokens have more than 1 GiB of text", t->source);
    if (!tokens_room(t, (uint32_t)id) || !slots_room(t)) return err_memory("the tokenizer's vocabulary");
    TokenText *token = &t->tokens[id];
    if (token->flags & TOKEN_KNOWN)
        return err(ERR_FORMAT, "%s: id %" PRId64 " is given to two tokens, the second is \"%s\"", t->source, id,
                   shown(spelling, name));
    bool twin = tokenizer_find(t, spelling) >= 0;
    if (twin && !(flags & TOKEN_TWIN))
        return err(ERR_FORMAT, "%s: token \"%s\" has two ids", t->source, shown(spelling, name));
    token->at = (uint32_t)t->spelling.n;
    token->n = (uint32_t)spelling.n;
    buf_put(&t->spelling, spelling.at, spelling.n);
    if (t->spelling.failed) return err_memory("the tokenizer's vocabulary");
    token->flags = flags | TOKEN_KNOWN;
    if (id >= t->size) t->size = (uint32_t)id + 1;
    if ((flags & TOKEN_MODEL) && spelling.n > t->longest) t->longest = token->n;
    if (twin) return OK;
    slot_take(t, (uint32_t)id);
    t->slot_used++;
    return OK;
}

// The id in the file counts only for what the vocabulary lacks: where both have one, `tokenizers` takes the vocabulary's.
Err tokenizer_add(Tokenizer *t, Added added)
{
    char name[48];
    if (!added.content.n) return OK;
    if (added.content.n > MAX_ADDED)
        return err(ERR_LIMIT, "%s: added token \"%s\" has %zu bytes; it may have %d", t->source,
                   shown(added.content, name), added.content.n, MAX_ADDED);
    int32_t known = tokenizer_find(t, added.content);
    uint32_t flags = TOKEN_ADDED | (added.special ? TOKEN_SPECIAL | TOKEN_GUARDED : 0);
    Err e = known < 0 ? tokenizer_put(t, added.content, added.id, flags) : OK;
    if (e.code) return e;
    if (known >= 0) added.id = known;
    if (t->tokens[added.id].flags & TOKEN_ADDED && known >= 0)
        return err(ERR_FORMAT, "%s: added token \"%s\" is given twice", t->source, shown(added.content, name));
    t->tokens[added.id].flags |= flags;
    if (t->added_count == t->added_capacity) {
        size_t capacity = t->added_capacity * 2 + 64;
        Added *grown = realloc(t->added, capacity * sizeof *grown);
        if (!grown) return err_memory("the tokenizer's added tokens");
        t->added = grown;
        t->added_capacity = capacity;
    }
    char *copy = arena_text(&t->arena, added.content.at, added.content.n);
    if (!copy) return err_memory("the tokenizer's added tokens");
    added.content.at = copy;
    added.pattern = added.content;
    t->added[t->added_count++] = added;
    return OK;
}

Err tokenizer_merge(Tokenizer *t, Str left, Str right, size_t index)
{
    char name[48], other[48];
    int32_t a = tokenizer_find(t, left), b = tokenizer_find(t, right);
    if (a < 0 || b < 0 || !(t->tokens[a].flags & TOKEN_MODEL) || !(t->tokens[b].flags & TOKEN_MODEL))
        return err(ERR_FORMAT, "%s: merge %zu joins \"%s\" and \"%s\", of which the vocabulary lacks one", t->source,
                   index, shown(left, name), shown(right, other));
    size_t skip = t->prefix.n;
    if (skip > right.n)
        return err(ERR_FORMAT, "%s: merge %zu: \"%s\" is shorter than continuing_subword_prefix", t->source, index,
                   shown(right, name));
    Buf joined = { 0 };
    buf_put(&joined, left.at, left.n);
    buf_put(&joined, right.at + skip, right.n - skip);
    int32_t result = joined.failed ? -1 : tokenizer_find(t, buf_str(&joined));
    bool failed = joined.failed;
    buf_free(&joined);
    if (failed) return err_memory("the tokenizer's merges");
    if (result < 0 || !(t->tokens[result].flags & TOKEN_MODEL))
        return err(ERR_FORMAT, "%s: merge %zu: \"%s\" and \"%s\" joined are not in the vocabulary", t->source, index,
                   shown(left, name), shown(right, other));
    // Text must not become a special token by merging; where the token may match it is found before.
    if (t->tokens[result].flags & TOKEN_GUARDED)
        merges_skip(&t->merges, (uint32_t)a, (uint32_t)b, (uint32_t)result);
    else
        merges_put(&t->merges, (uint32_t)a, (uint32_t)b, (uint32_t)result);
    return OK;
}

// ---- Finishing -----------------------------------------------------------------------------------------------------

static void find_bytes(Tokenizer *t)
{
    t->every_byte = t->byte_level;
    for (int b = 0; b < 256; b++) {
        char text[8];
        size_t n = 6;
        if (t->byte_level && !t->byte_fallback)
            n = utf8_put(text, alphabet_char((uint8_t)b));
        else
            snprintf(text, sizeof text, "<0x%02X>", (unsigned)b);
        int32_t id = tokenizer_find(t, (Str){ text, n });
        t->byte_id[b] = id >= 0 && (t->tokens[id].flags & TOKEN_MODEL) ? id : -1;
        t->every_byte = t->every_byte && t->byte_id[b] >= 0;
    }
    t->through_text = t->byte_level && (t->byte_fallback || t->prefix.n || t->suffix.n);
}

// The id of each character that is an entry, where text is looked up as it is.
static Err find_chars(Tokenizer *t)
{
    if ((t->byte_level && !t->through_text) || t->prefix.n || t->suffix.n) return OK;
    t->char_id = arena_array(&t->arena, UNICODE_PAGES, sizeof *t->char_id);
    if (!t->char_id) return err_memory("the tokenizer's vocabulary");
    for (uint32_t id = 0; id < t->size; id++) {
        Str s = spelling_of(t, id);
        size_t at = 0;
        uint32_t c = s.n && (t->tokens[id].flags & TOKEN_MODEL) ? utf8_next(s.at, s.n, &at) : 0;
        if (!at || at < s.n || c == UTF8_BAD || tokenizer_find(t, s) != (int32_t)id)
            continue; // of twins the earlier one
        int32_t **page = &t->char_id[c / 256];
        if (!*page) {
            *page = arena_array(&t->arena, 256, sizeof **page);
            if (!*page) return err_memory("the tokenizer's vocabulary");
            memset(*page, 0xFF, 256 * sizeof **page);
        }
        (*page)[c % 256] = (int32_t)id;
    }
    return OK;
}

// Which ids a piece may begin as; with a prefix or suffix, no filter of borders.
static Err find_borders(Tokenizer *t)
{
    if (t->prefix.n || t->suffix.n) return OK;
    const bool bytes = t->every_byte && !t->through_text; // pieces are their bytes
    int32_t *symbol = malloc((t->size ? t->size : 1) * sizeof *symbol);
    if (!symbol) return err_memory("the tokenizer's merges");
    for (uint32_t id = 0; id < t->size; id++) symbol[id] = -1;
    for (int b = 0; b < 256; b++)
        if (t->byte_id[b] >= 0) symbol[t->byte_id[b]] = bytes ? b : t->byte_id[b];
    if (t->unk >= 0 && !bytes) symbol[t->unk] = t->unk;
    for (uint32_t id = 0; id < t->size && (!t->byte_level || t->through_text); id++) {
        Str s = spelling_of(t, id);
        size_t at = 0;
        if (s.n && (t->tokens[id].flags & TOKEN_MODEL)) utf8_next(s.at, s.n, &at);
        if (at && at == s.n) symbol[id] = (int32_t)id;
    }
    Err e = merges_borders(&t->merges, symbol, t->size, bytes);
    free(symbol);
    return e;
}

// A token's bytes if all its characters are of the alphabet, else its own text.
static void decode_alphabet(Str s, Buf *out)
{
    size_t begin = out->n;
    for (size_t at = 0; at < s.n;) {
        int b = alphabet_byte(utf8_next(s.at, s.n, &at));
        if (b < 0) {
            out->n = begin;
            buf_put(out, s.at, s.n);
            return;
        }
        buf_char(out, (char)b);
    }
}

static void decode_replace(Str s, Str find, Str with, Buf *out)
{
    while (s.n) {
        const char *hit = find.n ? memmem(s.at, s.n, find.at, find.n) : NULL;
        size_t n = hit ? (size_t)(hit - s.at) : s.n;
        buf_put(out, s.at, n);
        if (!hit) break;
        buf_put(out, with.at, with.n);
        s.at += n + find.n, s.n -= n + find.n;
    }
}

int byte_token(Str s)
{
    if (s.n != 6 || !str_starts(s, "<0x") || s.at[5] != '>') return -1;
    char digits[3] = { s.at[3], s.at[4], 0 }, *end;
    if (!strchr("0123456789abcdefABCDEF", digits[0]) || !strchr("0123456789abcdefABCDEF", digits[1])) return -1;
    long value = strtol(digits, &end, 16);
    return *end ? -1 : (int)value;
}

// What decoding token `id` alone gives, from its text.
static Err decode_one(Tokenizer *t, uint32_t id, Str s)
{
    TokenText *token = &t->tokens[id];
    size_t begin = t->decoded.n;
    if (t->decode == DECODE_BYTES)
        decode_alphabet(s, &t->decoded);
    else if (t->decode == DECODE_WORDS)
        buf_put(&t->decoded, s.at, s.n);
    else
        decode_replace(s, t->decode_find, t->decode_with, &t->decoded);
    if (t->decoded.failed) return err_memory("the tokenizer's vocabulary");
    if (t->decoded.n > MAX_TEXT) return err(ERR_LIMIT, "%s: tokens decode to more than 1 GiB", t->source);
    token->raw_at = (uint32_t)begin;
    token->raw = (uint32_t)(t->decoded.n - begin);
    int b = t->decode == DECODE_FALLBACK ? byte_token((Str){ buf_str(&t->decoded).at + begin, token->raw }) : -1;
    token->flags &= ~(uint32_t)TOKEN_BYTE;
    if (b < 0) return OK;
    token->flags |= TOKEN_BYTE;
    t->decoded.at[begin] = (char)b;
    token->raw = 1;
    return OK;
}

// An added token that matches normalised text also decodes as it is looked for.
static Err decode_all(Tokenizer *t)
{
    Err e = OK;
    for (uint32_t id = 0; id < t->size && !e.code; id++)
        if (t->tokens[id].flags & TOKEN_KNOWN) e = decode_one(t, id, spelling_of(t, id));
    for (size_t i = 0; i < t->added_count && !e.code; i++)
        if (t->added[i].normalized) e = decode_one(t, (uint32_t)t->added[i].id, t->added[i].pattern);
    return e;
}

// Tokens that match after the normaliser are looked for in its own output.
static Err normalise_patterns(Tokenizer *t)
{
    RegexRun *regexes = NULL;
    MarkedBuf out = { 0 }, spare = { 0 };
    Err e = regex_run_new(&regexes);
    for (size_t i = 0; i < t->added_count && !e.code; i++) {
        Added *a = &t->added[i];
        if (!a->normalized || !t->normaliser_count) continue;
        e = normalise_all(t, (Marked){ .text = a->content }, regexes, &out, &spare);
        Str s = buf_str(&out.text);
        char name[48];
        if (!e.code && s.n > 4 * MAX_ADDED)
            e = err(ERR_LIMIT, "%s: added token \"%s\" has %zu bytes behind the normaliser; it may have %d", t->source,
                    shown(a->content, name), s.n, 4 * MAX_ADDED);
        a->pattern.at = e.code ? NULL : arena_text(&t->arena, s.at, s.n);
        a->pattern.n = s.n;
        if (!e.code && !a->pattern.at) e = err_memory("the tokenizer's added tokens");
    }
    regex_run_free(regexes);
    buf_free(&out.text);
    buf_free(&spare.text);
    return e;
}

// Which tokens are left out with the special ones: as `tokenizers` has it, those that decode as some special token is written.
// One that matches normalised text decodes as it is looked for, and then may stay.
static void find_skipped(Tokenizer *t)
{
    for (uint32_t id = 0; id < t->size; id++)
        if (t->tokens[id].flags & TOKEN_SPECIAL) t->tokens[id].flags |= TOKEN_SKIPPED;
    for (size_t i = 0; i < t->added_count; i++) {
        const Added *a = &t->added[i];
        int32_t id = a->normalized ? tokenizer_find(t, a->pattern) : a->id;
        if (id >= 0 && t->tokens[id].flags & TOKEN_SPECIAL)
            t->tokens[a->id].flags |= TOKEN_SKIPPED;
        else
            t->tokens[a->id].flags &= ~(uint32_t)TOKEN_SKIPPED;
    }
}

Err tokenizer_finish(Tokenizer *t)
{
    find_bytes(t);
    Err e = merges_finish(&t->merges, t->byte_level && !t->through_text ? t->byte_id : NULL);
    if (!e.code) e = find_borders(t);
    if (!e.code) e = find_chars(t);
    if (!e.code) e = normalise_patterns(t);
    if (!e.code) find_skipped(t);
    if (!e.code) e = decode_all(t);
    if (!e.code) e = matcher_new(&t->before, &t->arena, t->added, t->added_count, false);
    if (!e.code) e = matcher_new(&t->after, &t->arena, t->added, t->added_count, true);
    return e;
}
