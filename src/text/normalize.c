// Normalisers. Each reads text with marks and writes text with marks: what comes from a marked byte is marked, and where
// several characters become one, one marked byte marks them all. Normal forms are libutf8proc's, corrected to Unicode 9.0:
// code points that it treats otherwise never reach it (unicode_table.h).
#include "text/tokenizer_internal.h"
#include "text/unicode_table.h"

#include <stdlib.h>
#include <utf8proc.h>

void marked_fill(MarkedBuf *out, const char *at, size_t n, uint8_t mark)
{
    buf_put(&out->text, at, n);
    if (!out->marked) return;
    size_t before = out->mark.n;
    buf_put(&out->mark, at, n);
    if (out->mark.n == before + n && n) memset(out->mark.at + before, mark, n);
}

void marked_put(MarkedBuf *out, const char *at, size_t n, const uint8_t *mark)
{
    if (!mark) {
        marked_fill(out, at, n, 0);
        return;
    }
    buf_put(&out->text, at, n);
    if (out->marked) buf_put(&out->mark, mark, n);
}

void marked_free(MarkedBuf *b)
{
    buf_free(&b->text);
    buf_free(&b->mark);
}

static uint8_t any_mark(Marked in, size_t begin, size_t end)
{
    return in.mark && memchr(in.mark + begin, 1, end - begin) ? 1 : 0;
}

static void copy(Marked in, size_t begin, size_t end, MarkedBuf *out)
{
    if (begin < in.head) out->head = out->text.n + (end < in.head ? end : in.head) - begin;
    marked_put(out, in.text.at + begin, end - begin, in.mark ? in.mark + begin : NULL);
}

static Err written(const MarkedBuf *out)
{
    return out->text.failed || out->mark.failed ? err_memory("normalising") : OK;
}

// ---- Normal forms --------------------------------------------------------------------------------------------------

static int combining_class(int32_t c)
{
    return utf8proc_get_property(c)->combining_class;
}

// Marks between starters, by class, equal classes in their order: a merge sort, since a text may be all marks.
static void sort_marks(int32_t *c, int32_t *spare, size_t n)
{
    if (n < 2) return;
    size_t half = n / 2;
    sort_marks(c, spare, half);
    sort_marks(c + half, spare, n - half);
    if (combining_class(c[half - 1]) <= combining_class(c[half])) return;
    memcpy(spare, c, half * sizeof *c);
    for (size_t a = 0, b = half, to = 0; a < half;)
        c[to++] = b < n && combining_class(c[b]) < combining_class(spare[a]) ? c[b++] : spare[a++];
}

// Code points of [begin, end), decomposed. Returns false without memory.
static bool decompose(Str text, size_t begin, size_t end, utf8proc_option_t options, Buf *out)
{
    while (begin < end) {
        utf8proc_int32_t parts[32];
        int boundary = 0;
        uint32_t c = utf8_next(text.at, text.n, &begin);
        utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, parts, 32, options, &boundary);
        if (n < 0 || n > 32) { // no character decomposes into more than 18
            parts[0] = (utf8proc_int32_t)c;
            n = 1;
        }
        buf_put(out, parts, (size_t)n * sizeof *parts);
    }
    return !out->failed;
}

typedef struct Form {
    utf8proc_option_t decompose;
    bool compose;
} Form;

static Form form_of(uint32_t flag)
{
    bool compatibility = flag == UNICODE_NFKC || flag == UNICODE_NFKD;
    bool compose = flag == UNICODE_NFC || flag == UNICODE_NFKC;
    utf8proc_option_t options = UTF8PROC_STABLE | (compose ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
    return (Form){ (utf8proc_option_t)(options | (compatibility ? UTF8PROC_COMPAT : 0)), compose };
}

// A chunk: a starter and what may change it or stand behind it. Nothing before or behind it matters.
static bool normalise_chunk(Marked in, size_t begin, size_t end, Form form, Buf *work, Buf *spare, MarkedBuf *out)
{
    work->n = 0;
    size_t behind = in.head < begin ? begin : in.head < end ? in.head : end;
    if (!decompose(in.text, begin, behind, form.decompose, work)) return false;
    size_t head = work->n / sizeof(int32_t);
    if (!decompose(in.text, behind, end, form.decompose, work)) return false;
    size_t n = work->n / sizeof(int32_t);
    spare->n = 0;
    buf_put(spare, work->at, work->n); // room to sort with
    if (spare->failed) return false;
    int32_t *c = (int32_t *)(void *)work->at, *room = (int32_t *)(void *)spare->at;
    for (size_t i = 0; i < n;) {
        size_t first = i;
        while (i < n && combining_class(c[i])) i++;
        sort_marks(c + first, room, i - first);
        if (i < n) i++;
    }
    if (form.compose) {
        utf8proc_ssize_t composed =
            utf8proc_normalize_utf32(c, (utf8proc_ssize_t)n, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        if (composed >= 0) n = (size_t)composed;
    }
    uint8_t mark = any_mark(in, begin, end);
    for (size_t i = 0; i < n; i++) {
        char utf8[4];
        marked_fill(out, utf8, utf8_put(utf8, (uint32_t)c[i]), mark);
        if (i < head) out->head = out->text.n;
    }
    return true;
}

static inline uint32_t flags_of(uint32_t c)
{
    return c < 0x80 ? 0 : unicode_flags(c);
}

// Characters of three bytes that are simple in the composed forms, and for which libutf8proc is right: syllables of Hangul,
// the first block of ideographs.
static inline bool simple_triple(const uint8_t *s)
{
    uint32_t c = (s[0] & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
    return (s[0] & 0xF0) == 0xE0 && (c - 0xAC00 < 11172 || c - 0x4E00 < 0x5200);
}

// Where the run of quite simple characters ends that begins at `at`: the quick way over most text. *last: its last character.
static size_t simple_run(Str text, size_t at, bool composed, size_t *last)
{
    const uint8_t *s = (const uint8_t *)text.at;
    size_t begin = at;
    for (;;) {
        for (uint64_t eight; at + 8 <= text.n; at += 8) {
            memcpy(&eight, s + at, 8);
            if (eight & 0x8080808080808080u) break;
        }
        while (at < text.n && s[at] < 0x80) at++;
        if (at > begin) *last = at - 1;
        begin = at;
        if (composed)
            while (at + 3 <= text.n && simple_triple(s + at)) at += 3;
        if (at == begin) return at;
        *last = at - 3;
        begin = at;
    }
}

Err normalise_form(const Normaliser *self, Marked in, RegexRun *regexes, MarkedBuf *out)
{
    (void)regexes;
    Form form = form_of(self->form);
    Buf work = { 0 }, spare = { 0 };
    size_t done = 0;                // written up to here
    size_t base = SIZE_MAX;         // where the last starter begins that what follows may join; none: SIZE_MAX
    bool good = true, open = false; // open: a chunk from `base` (or from `done`) is being gathered
    for (size_t at = 0; at < in.text.n && good;) {
        if (!open) at = simple_run(in.text, at, form.compose, &base);
        if (at == in.text.n) break;
        size_t begin = at;
        uint32_t flags = flags_of(utf8_next(in.text.at, in.text.n, &at));
        if (flags & self->form) {
            if (!open) {
                size_t from = base == SIZE_MAX ? begin : base;
                copy(in, done, from, out);
                done = from;
                open = true;
            }
            continue;
        }
        if (open) {
            good = normalise_chunk(in, done, begin, form, &work, &spare, out);
            done = begin;
            open = false;
        }
        base = flags & UNICODE_INERT ? SIZE_MAX : begin;
    }
    if (good && open) {
        good = normalise_chunk(in, done, in.text.n, form, &work, &spare, out);
        done = in.text.n;
    }
    if (good) copy(in, done, in.text.n, out);
    buf_free(&work);
    buf_free(&spare);
    return good ? written(out) : err_memory("normalising");
}

// ---- Others --------------------------------------------------------------------------------------------------------

Err normalise_replace(const Normaliser *self, Marked in, RegexRun *regexes, MarkedBuf *out)
{
    size_t from = 0, done = 0, begin = 0, end = 0;
    bool any = false;
    while (from <= in.text.n) {
        int found = 1;
        if (self->regex) {
            found = regex_find(self->regex, regexes, in.text, from, &begin, &end);
        } else {
            const char *hit = memmem(in.text.at + from, in.text.n - from, self->find.at, self->find.n);
            found = hit != NULL;
            begin = hit ? (size_t)(hit - in.text.at) : 0, end = begin + self->find.n;
        }
        if (found < 0) return err(ERR_LIMIT, "a regex of the normaliser needs too many steps on this text");
        if (!found) break;
        if (begin == end && any && end == done) {
            if (from >= in.text.n) break;
            utf8_next(in.text.at, in.text.n, &from);
            continue;
        }
        copy(in, done, begin, out);
        marked_fill(out, self->with.at, self->with.n, any_mark(in, begin, end));
        if (end <= in.head && in.head) out->head = out->text.n; // it counts as the last of what it replaces
        from = done = end;
        any = true;
    }
    copy(in, done, in.text.n, out);
    return written(out);
}

Err normalise_prepend(const Normaliser *self, Marked in, RegexRun *regexes, MarkedBuf *out)
{
    (void)regexes;
    if (in.text.n) marked_fill(out, self->with.at, self->with.n, any_mark(in, 0, 1));
    copy(in, 0, in.text.n, out);
    return written(out);
}

Err normalise_strip(const Normaliser *self, Marked in, RegexRun *regexes, MarkedBuf *out)
{
    (void)regexes;
    size_t begin = 0, end = 0; // what stays; `end` is behind the last character that is no space
    bool found = false;
    for (size_t at = 0; at < in.text.n;) {
        size_t before = at;
        if (unicode_is_space(utf8_next(in.text.at, in.text.n, &at))) continue;
        if (!found) begin = before;
        found = true;
        end = at;
    }
    if (!found) begin = self->left ? in.text.n : 0, end = self->left ? in.text.n : 0;
    copy(in, self->left ? begin : 0, self->right ? end : in.text.n, out);
    return written(out);
}

Err normalise_strip_accents(const Normaliser *self, Marked in, RegexRun *regexes, MarkedBuf *out)
{
    (void)regexes, (void)self;
    size_t done = 0;
    for (size_t at = 0; at < in.text.n;) {
        size_t before = at;
        if (!(flags_of(utf8_next(in.text.at, in.text.n, &at)) & UNICODE_ACCENT)) continue;
        copy(in, done, before, out);
        done = at;
    }
    copy(in, done, in.text.n, out);
    return written(out);
}

static uint32_t lower_case(uint32_t c)
{
    size_t low = 0, high = unicode_lower_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (unicode_lower[middle].upper < c)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < unicode_lower_count && unicode_lower[low].upper == c) return unicode_lower[low].lower;
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}

Err normalise_lowercase(const Normaliser *self, Marked in, RegexRun *regexes, MarkedBuf *out)
{
    (void)regexes, (void)self;
    for (size_t at = 0; at < in.text.n;) {
        size_t before = at;
        uint32_t c = utf8_next(in.text.at, in.text.n, &at);
        char utf8[8];
        size_t n = utf8_put(utf8, c == 0x130 ? 'i' : lower_case(c));
        if (c == 0x130) n += utf8_put(utf8 + n, 0x307); // the only code point whose lower case is two
        marked_fill(out, utf8, n, any_mark(in, before, at));
        if (before < in.head) out->head = out->text.n;
    }
    return written(out);
}

Err normalise_all(const Tokenizer *t, Marked in, RegexRun *regexes, MarkedBuf *out, MarkedBuf *spare)
{
    out->marked = spare->marked = in.mark != NULL;
    Err e = OK;
    for (size_t i = 0; i < t->normaliser_count && !e.code; i++) {
        MarkedBuf *to = (t->normaliser_count - i) % 2 ? out : spare; // the last one writes to *out
        to->text.n = to->mark.n = to->head = 0;
        e = t->normalisers[i].run(&t->normalisers[i], in, regexes, to);
        in = marked_view(to);
    }
    return e;
}
