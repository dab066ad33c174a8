// The filter wordwrap: what Python's textwrap does to each line, chunk for chunk. A chunk is a run of blanks, a word or
// the part of one up to a hyphen between letters, or the dashes between two words; lines are filled with whole chunks.
#include "text/jinja_internal.h"

typedef struct Chunk {
    size_t begin, end; // characters of the line
} Chunk;

typedef struct Wrap {
    Run *r;
    Maker m;
    const Text *line, *between;
    uint32_t *c;   // [n] the line's characters
    size_t *bytes; // [n + 1] where they begin
    size_t n;
    size_t width;
    bool break_words, break_hyphens, split_hyphens;
    bool any_line; // of this line's output lines, one was written
} Wrap;

static bool is_blank(uint32_t c) // what splits words: in ASCII only
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(const Wrap *w, size_t at)
{
    return at < w->n && (w->c[at] == '_' || jinja_in_class(w->c[at], CLASS_ALNUM));
}

static bool is_letter(const Wrap *w, size_t at)
{
    return is_word(w, at) && !jinja_in_class(w->c[at], CLASS_DECIMAL);
}

static bool is_dash(const Wrap *w, size_t at)
{
    return at < w->n && w->c[at] == '-';
}

// Whether a word, or what may end one, stands before `at`.
static bool behind_word(const Wrap *w, size_t at)
{
    return at && (is_word(w, at - 1) || (w->c[at - 1] < 0x80 && strchr("!\"'&.,?", (int)w->c[at - 1])));
}

// The end of the two or more dashes at `at` that a word follows, or `at`.
static size_t dashes_end(const Wrap *w, size_t at)
{
    size_t end = at;
    while (is_dash(w, end)) end++;
    return end - at >= 2 && is_word(w, end) ? end : at;
}

static bool hyphen_splits(const Wrap *w, size_t at)
{
    bool two = at >= 2 && is_letter(w, at - 1) && is_letter(w, at - 2);
    bool one = at >= 3 && is_letter(w, at - 1) && is_dash(w, at - 2) && is_letter(w, at - 3);
    return is_dash(w, at) && (two || one) && is_letter(w, at + 1) && is_letter(w, at + 2 + is_dash(w, at + 2));
}

static size_t chunk_end(const Wrap *w, size_t begin)
{
    size_t at = begin;
    bool blank = is_blank(w->c[begin]);
    if (w->split_hyphens && behind_word(w, begin)) at = dashes_end(w, begin);
    if (at > begin) return at;
    for (at = begin + 1; at < w->n && is_blank(w->c[at]) == blank; at++) {
        if (blank || !w->split_hyphens) continue;
        if (hyphen_splits(w, at)) return at + 1;
        if (behind_word(w, at) && dashes_end(w, at) > at) return at;
    }
    return at;
}

static bool all_space(const Wrap *w, Chunk chunk)
{
    for (size_t i = chunk.begin; i < chunk.end; i++)
        if (!jinja_is_space(w->c[i])) return false;
    return true;
}

// How much of a chunk that fits on no line goes on one with so much room: up to its last hyphen, if there is one.
static size_t broken_length(const Wrap *w, Chunk chunk, size_t room)
{
    bool other = false;
    size_t end = room;
    for (size_t i = 0; w->break_hyphens && i < room && chunk.end - chunk.begin > room; i++) {
        bool dash = is_dash(w, chunk.begin + i);
        if (dash && other) end = i + 1;
        other |= !dash;
    }
    return end;
}

// One output line of the chunks from *next on; a chunk that is broken keeps its rest.
static void wrap_line(Wrap *w, Chunk *chunks, size_t count, size_t *next)
{
    size_t i = *next, used = 0;
    if (w->any_line && all_space(w, chunks[i])) i++;
    Chunk line = { i < count ? chunks[i].begin : w->n, 0 }, last = { line.begin, line.begin };
    bool any = false;
    for (; i < count && used + (chunks[i].end - chunks[i].begin) <= w->width; i++, any = true) {
        last = chunks[i];
        used += last.end - last.begin;
    }
    if (i < count && chunks[i].end - chunks[i].begin > w->width) {
        if (w->break_words) {
            size_t length = broken_length(w, chunks[i], w->width - used);
            last = (Chunk){ chunks[i].begin, chunks[i].begin + length };
            chunks[i].begin = last.end;
            any = true;
        } else if (!any) {
            last = chunks[i++];
            any = true;
        }
    }
    line.end = any && all_space(w, last) ? last.begin : last.end;
    *next = i;
    if (line.end <= line.begin) return;
    if (w->any_line) jinja_put_text(&w->m, w->between);
    jinja_put_part(&w->m, w->line, w->bytes[line.begin], w->bytes[line.end]);
    w->any_line = true;
}

static void wrap_text(Wrap *w, const Text *line)
{
    w->line = line;
    w->any_line = false;
    w->n = (size_t)line->chars;
    w->c = jinja_alloc(w->r, w->n + 1, sizeof *w->c);
    w->bytes = jinja_alloc(w->r, w->n + 1, sizeof *w->bytes);
    Chunk *chunks = jinja_alloc(w->r, w->n + 1, sizeof *chunks);
    if (!w->c || !w->bytes || !chunks || !jinja_spend(w->r, line->n * 16)) return;
    size_t at = 0, count = 0, next = 0;
    for (size_t i = 0; i < w->n; i++) {
        w->bytes[i] = at;
        w->c[i] = utf8_next(line->at, line->n, &at);
    }
    w->bytes[w->n] = at;
    for (at = 0; at < w->n && jinja_spend(w->r, 0); at = chunks[count++].end)
        chunks[count] = (Chunk){ at, chunk_end(w, at) };
    while (next < count && jinja_spend(w->r, w->width < w->n ? w->width : w->n)) wrap_line(w, chunks, count, &next);
}

Value jinja_wordwrap(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    int64_t width;
    Value none[PARAMS_MAX] = { 0 };
    if (self.kind != V_TEXT) return jinja_fail(r, ERR_FORMAT, "wordwrap takes a string, not %s", jinja_type(self));
    if (!(a[0].kind == V_BIG ? jinja_bound : jinja_index)(r, a[0], 79, &width)) return NOTHING;
    Value lines = jinja_text_method(str("splitlines"))->fn(r, self, none, &(Args){ 0 });
    if (jinja_failed(r)) return NOTHING;
    if (width < 1 && lines.list->n)
        return jinja_fail(r, ERR_FORMAT, "invalid width %lld (must be > 0)", (long long)width);
    Wrap w = { .r = r, .m = { .r = r }, .width = (size_t)width };
    w.break_words = a[1].kind == V_ABSENT || jinja_true(r, a[1]);
    w.break_hyphens = a[3].kind == V_ABSENT || jinja_true(r, a[3]);
    w.split_hyphens = a[3].kind == V_ABSENT || (a[3].kind == V_BOOL && a[3].flag);
    bool given = a[2].kind != V_ABSENT && a[2].kind != V_NONE;
    w.between = jinja_soft(r, given ? a[2] : jinja_literal(r, "\n"));
    for (size_t i = 0; !jinja_failed(r) && i < lines.list->n; i++) {
        if (i) jinja_put_text(&w.m, w.between);
        wrap_text(&w, lines.list->at[i].text);
    }
    return jinja_made(&w.m);
}
