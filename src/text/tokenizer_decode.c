// Decoding, id by id. The whole of a text is decoded by the same code, so what a stream emits, joined, is the whole.
// Held back: bytes that may still become a character (DECODE_BYTES), byte tokens until the run ends that is a text only as a
// whole (DECODE_FALLBACK), the last word, whose suffix is a space only if another follows (DECODE_WORDS), and characters that
// are stripped where the text ends.
#include "text/tokenizer_internal.h"

static const char replacement[] = "\xEF\xBF\xBD";

Detokenizer detokenizer_new(const Tokenizer *tokenizer, bool keep_special)
{
    return (Detokenizer){ .tokenizer = tokenizer, .keep_special = keep_special };
}

// What the decoder is given: an added token that matches normalised text is decoded as it is looked for.
static Str undecoded(const Tokenizer *t, int32_t id)
{
    for (size_t i = 0; i < t->added_count && t->tokens[id].flags & TOKEN_ADDED; i++)
        if (t->added[i].id == id && t->added[i].normalized) return t->added[i].pattern;
    return (Str){ buf_str(&t->spelling).at + t->tokens[id].at, t->tokens[id].n };
}

// ---- One run of bytes ----------------------------------------------------------------------------------------------

// Completes the held character with the first bytes of s. Returns how many of them it took.
static size_t complete_held(Detokenizer *d, Str s, Buf *out)
{
    char text[8]; // at most 3 held, and 3 that complete it
    size_t more = s.n < 3 ? s.n : 3, n = d->held_n + more, at = 0;
    memcpy(text, d->held, d->held_n);
    memcpy(text + d->held_n, s.at, more);
    if (utf8_whole(text, n) == 0) { // still unfinished
        memcpy(d->held, text, n);
        d->held_n = n;
        return more;
    }
    // What is held is well formed so far, so the character or maximal subpart takes all of it.
    if (utf8_next(text, n, &at) == UTF8_BAD)
        buf_put(out, replacement, 3);
    else
        buf_put(out, text, at);
    size_t taken = at - d->held_n;
    d->held_n = 0;
    return taken;
}

static void put_bytes(Detokenizer *d, Str s, Buf *out)
{
    if (d->held_n) {
        size_t taken = complete_held(d, s, out);
        s.at += taken, s.n -= taken;
    }
    if (d->held_n || !s.n) return;
    size_t whole = utf8_whole(s.at, s.n);
    if (utf8_valid(s.at, whole))
        buf_put(out, s.at, whole);
    else
        utf8_lossy(out, s.at, whole);
    d->held_n = s.n - whole;
    memcpy(d->held, s.at + whole, d->held_n);
}

// ---- Runs of byte tokens -------------------------------------------------------------------------------------------

static void hold_byte(Detokenizer *d, char byte)
{
    if (d->long_run.n || d->held_n == sizeof d->held) {
        if (!d->long_run.n) buf_put(&d->long_run, d->held, d->held_n);
        buf_char(&d->long_run, byte);
        return;
    }
    d->held[d->held_n++] = byte;
}

// A run is a text if all of it is one, else a U+FFFD for every byte.
static void end_run(Detokenizer *d, Buf *out)
{
    Str run = d->long_run.n ? buf_str(&d->long_run) : (Str){ d->held, d->held_n };
    if (utf8_valid(run.at, run.n)) {
        buf_put(out, run.at, run.n);
    } else {
        for (size_t i = 0; i < run.n; i++) buf_put(out, replacement, 3);
    }
    if (d->long_run.failed) out->failed = true;
    buf_free(&d->long_run);
    d->held_n = 0;
}

static void put_fallback(Detokenizer *d, int32_t id, Buf *out)
{
    Str s = tokenizer_token(d->tokenizer, id);
    if (d->tokenizer->tokens[id].flags & TOKEN_BYTE) {
        hold_byte(d, s.at[0]);
        return;
    }
    if (d->held_n) end_run(d, out);
    buf_put(out, s.at, s.n);
}

// ---- Words ---------------------------------------------------------------------------------------------------------

static void put_replaced(Str s, Str find, Str with, Buf *out)
{
    while (s.n) {
        const char *hit = find.n ? memmem(s.at, s.n, find.at, find.n) : NULL;
        size_t n = hit ? (size_t)(hit - s.at) : s.n;
        buf_put(out, s.at, n);
        if (!hit) return;
        buf_put(out, with.at, with.n);
        s.at += n + find.n, s.n -= n + find.n;
    }
}

// The held word: its suffix is a space if another word follows.
static void end_word(Detokenizer *d, bool followed, Buf *out)
{
    int32_t id;
    if (!d->held_n) return;
    memcpy(&id, d->held, sizeof id);
    put_replaced(tokenizer_token(d->tokenizer, id), d->tokenizer->decode_find, str(followed ? " " : ""), out);
    d->held_n = 0;
}

static void put_word(Detokenizer *d, int32_t id, Buf *out)
{
    end_word(d, true, out);
    memcpy(d->held, &id, sizeof id);
    d->held_n = sizeof id;
}

// ---- Strip ---------------------------------------------------------------------------------------------------------

// Of whole characters, the next ones of the text: the first ones go as long as they are the one to be stripped; of a run of it
// as many as may be stripped at the end wait for another character.
static void put_stripped(Detokenizer *d, Str s, Buf *out)
{
    const Tokenizer *t = d->tokenizer;
    const Str c = t->strip_content;
    while (s.n) {
        bool same = s.n >= c.n && !memcmp(s.at, c.at, c.n);
        if (same && d->stripped < t->strip_start) {
            d->stripped++;
        } else if (same && d->waiting < t->strip_stop) {
            d->waiting++;
        } else if (same) { // one that waits is not among the last ones, or none may wait
            buf_put(out, c.at, c.n);
        } else {
            d->stripped = t->strip_start;
            for (; d->waiting; d->waiting--) buf_put(out, c.at, c.n);
            const char *next = memmem(s.at, s.n, c.at, c.n);
            size_t n = next ? (size_t)(next - s.at) : s.n;
            buf_put(out, s.at, n);
            s.at += n, s.n -= n;
            continue;
        }
        s.at += c.n, s.n -= c.n;
    }
}

// ---- The face ------------------------------------------------------------------------------------------------------

static void put_token(Detokenizer *d, int32_t id, Buf *out)
{
    const Tokenizer *t = d->tokenizer;
    bool first = !d->begun;
    Str s = tokenizer_token(t, id);
    d->begun = true;
    switch (t->decode) {
    case DECODE_BYTES:
        put_bytes(d, s, out);
        break;
    case DECODE_FALLBACK:
        put_fallback(d, id, out);
        break;
    case DECODE_WORDS:
        put_word(d, id, out);
        break;
    case DECODE_SPACED:
        if (!first) buf_char(out, ' ');
        buf_put(out, s.at, s.n);
        break;
    case DECODE_PLAIN:
        if (first && t->decode_drop_first)
            put_replaced(undecoded(t, id), t->decode_find, str(""), out);
        else
            buf_put(out, s.at, s.n);
        break;
    }
}

static void put_end(Detokenizer *d, Buf *out)
{
    DecodeKind kind = d->tokenizer->decode;
    if (kind == DECODE_BYTES && d->held_n)
        buf_put(out, replacement, 3); // one unfinished character, one maximal subpart
    if (kind == DECODE_FALLBACK && d->held_n) end_run(d, out);
    if (kind == DECODE_WORDS) end_word(d, false, out);
    d->held_n = 0;
    d->begun = false;
}

static void strip_buf(Detokenizer *d, Buf *whole, Buf *out)
{
    put_stripped(d, buf_str(whole), out);
    if (whole->failed) out->failed = true;
    buf_free(whole);
}

Err detokenizer_put(Detokenizer *d, int32_t id, Buf *out)
{
    const Tokenizer *t = d->tokenizer;
    Buf whole = { 0 };
    if (id < 0 || (uint32_t)id >= t->size || !(t->tokens[id].flags & TOKEN_KNOWN)) return OK;
    if (!d->keep_special && (t->tokens[id].flags & TOKEN_SKIPPED)) return OK;
    put_token(d, id, t->strip_content.n ? &whole : out);
    if (t->strip_content.n) strip_buf(d, &whole, out);
    return out->failed || d->long_run.failed ? err_memory("decoding") : OK;
}

Err detokenizer_end(Detokenizer *d, Buf *out)
{
    Buf whole = { 0 };
    bool strip = d->tokenizer->strip_content.n > 0;
    put_end(d, strip ? &whole : out);
    if (strip) strip_buf(d, &whole, out);
    d->stripped = d->waiting = 0;
    return out->failed ? err_memory("decoding") : OK;
}

Err detokenize(const Tokenizer *t, const int32_t *ids, size_t n, bool keep_special, Buf *out)
{
    Detokenizer d = detokenizer_new(t, keep_special);
    Err e = OK;
    for (size_t i = 0; i < n && !e.code; i++) e = detokenizer_put(&d, ids[i], out);
    Err end = detokenizer_end(&d, out); // frees what a run holds, whatever happened
    return e.code ? e : end;
}
