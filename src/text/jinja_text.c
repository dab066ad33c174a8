// Marked strings: bytes with the ranges that come from messages. Everything that makes one string of others goes through
// a Maker, which carries the marks along; views and parts of strings share the bytes.
#include "text/jinja_internal.h"

static bool maker_room(Maker *m, size_t more)
{
    if (jinja_failed(m->r) || !jinja_spend(m->r, more)) return false;
    size_t need;
    if (__builtin_add_overflow(m->n, more, &need) || need > m->r->limits.output) {
        jinja_fail(m->r, ERR_LIMIT, "a string of more than %zu bytes would be made", m->r->limits.output);
        return false;
    }
    if (need <= m->capacity) return true;
    size_t capacity = m->capacity < 32 ? 64 : m->capacity * 2;
    if (capacity < need) capacity = need;
    char *at = jinja_alloc(m->r, capacity, 1);
    if (!at) return false;
    if (m->n) memcpy(at, m->at, m->n);
    m->at = at;
    m->capacity = capacity;
    return true;
}

static void maker_mark(Maker *m, size_t begin, size_t end)
{
    if (begin == end || jinja_failed(m->r)) return;
    if (m->mark_count && m->marks[m->mark_count - 1].end == begin) {
        m->marks[m->mark_count - 1].end = end;
        return;
    }
    if (m->mark_count == m->mark_capacity) {
        size_t capacity = m->mark_capacity ? m->mark_capacity * 2 : 4;
        Range *marks = jinja_alloc(m->r, capacity, sizeof *marks);
        if (!marks) return;
        if (m->mark_count) memcpy(marks, m->marks, m->mark_count * sizeof *marks);
        m->marks = marks;
        m->mark_capacity = capacity;
    }
    m->marks[m->mark_count++] = (Range){ begin, end };
}

void jinja_put(Maker *m, const char *at, size_t n, bool from_message)
{
    if (!n || !maker_room(m, n)) return;
    memcpy(m->at + m->n, at, n);
    m->n += n;
    if (from_message) maker_mark(m, m->n - n, m->n);
}

void jinja_put_str(Maker *m, const char *text)
{
    jinja_put(m, text, strlen(text), false);
}

void jinja_put_char(Maker *m, uint32_t c, bool from_message)
{
    char bytes[4];
    jinja_put(m, bytes, utf8_put(bytes, c), from_message);
}

// The first mark of `text` that ends behind `at`.
static size_t mark_from(const Text *text, size_t at)
{
    size_t low = 0, high = text->mark_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (text->marks[middle].end <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void jinja_put_part(Maker *m, const Text *text, size_t begin, size_t end)
{
    size_t base = m->n;
    if (begin >= end || !maker_room(m, end - begin)) return;
    memcpy(m->at + m->n, text->at + begin, end - begin);
    m->n += end - begin;
    for (size_t i = mark_from(text, begin); i < text->mark_count && text->marks[i].begin < end; i++) {
        size_t b = text->marks[i].begin < begin ? begin : text->marks[i].begin;
        size_t e = text->marks[i].end > end ? end : text->marks[i].end;
        maker_mark(m, base + b - begin, base + e - begin);
    }
}

void jinja_put_text(Maker *m, const Text *text)
{
    jinja_put_part(m, text, 0, text->n);
}

bool jinja_marked(const Text *text, size_t at)
{
    size_t i = mark_from(text, at);
    return i < text->mark_count && text->marks[i].begin <= at;
}

// Code points and hash are counted at once: constants of a template are shared between renderings and must not change.
static void text_finish(Text *t)
{
    uint32_t hash = 2166136261u;
    int64_t chars = 0;
    for (size_t i = 0; i < t->n; i++) {
        chars += (t->at[i] & 0xC0) != 0x80;
        hash = (hash ^ (uint8_t)t->at[i]) * 16777619u;
    }
    t->chars = chars;
    t->hash = hash;
}

const Text *jinja_text_view(Run *r, const char *at, size_t n, bool from_message)
{
    if (!jinja_spend(r, n)) return NULL;
    Text *t = jinja_alloc(r, 1, sizeof *t);
    if (!t) return NULL;
    *t = (Text){ .at = at, .n = n, .one = { 0, n } };
    if (from_message && n) {
        t->marks = &t->one;
        t->mark_count = 1;
    }
    text_finish(t);
    return t;
}

Value jinja_text(Run *r, const char *at, size_t n, bool from_message)
{
    const Text *t = jinja_text_view(r, at, n, from_message);
    return t ? (Value){ .kind = V_TEXT, .text = t } : NOTHING;
}

Value jinja_literal(Run *r, const char *text)
{
    return jinja_text(r, text, strlen(text), false);
}

const Text *jinja_const_text(Run *r, Str bytes)
{
    return jinja_text_view(r, bytes.at, bytes.n, false);
}

Value jinja_made(Maker *m)
{
    if (jinja_failed(m->r)) return NOTHING;
    Text *t = jinja_alloc(m->r, 1, sizeof *t);
    if (!t) return NOTHING;
    *t = (Text){ .at = m->n ? m->at : "", .n = m->n, .marks = m->marks, .mark_count = m->mark_count, .safe = m->safe };
    text_finish(t);
    return (Value){ .kind = V_TEXT, .text = t };
}

Value jinja_part(Run *r, const Text *text, size_t begin, size_t end)
{
    if (begin >= end) begin = end = 0;
    if (end - begin == text->n) return (Value){ .kind = V_TEXT, .text = text };
    if (!jinja_spend(r, end - begin)) return NOTHING;
    Text *t = jinja_alloc(r, 1, sizeof *t);
    if (!t) return NOTHING;
    *t = (Text){ .at = text->at + begin, .n = end - begin, .safe = text->safe };
    size_t first = mark_from(text, begin), last = first;
    while (begin < end && last < text->mark_count && text->marks[last].begin < end) last++;
    Range *marks = last - first > 1 ? jinja_alloc(r, last - first, sizeof *marks) : &t->one;
    if (!marks) return NOTHING;
    for (size_t i = first; i < last; i++) {
        Range m = text->marks[i];
        marks[i - first] = (Range){ (m.begin < begin ? begin : m.begin) - begin, (m.end > end ? end : m.end) - begin };
    }
    if (last > first) {
        t->marks = marks;
        t->mark_count = last - first;
    }
    text_finish(t);
    return (Value){ .kind = V_TEXT, .text = t };
}

size_t jinja_offset(Run *r, const Text *text, int64_t chars)
{
    if (chars <= 0) return 0;
    if (chars >= text->chars) return text->n;
    if (text->chars == (int64_t)text->n) return (size_t)chars;
    size_t at = 0;
    while (at < text->n && ((text->at[at] & 0xC0) == 0x80 || chars-- > 0)) at++;
    jinja_spend(r, at);
    return at;
}

int64_t jinja_find(const Text *in, Str what, size_t from)
{
    if (from > in->n) return -1;
    if (!what.n) return (int64_t)from;
    const char *hit = memmem(in->at + from, in->n - from, what.at, what.n);
    return hit ? hit - in->at : -1;
}

int64_t jinja_find_last(Run *r, const Text *in, Str what, size_t upto)
{
    if (what.n > upto) return -1;
    for (size_t at = upto - what.n + 1; at-- > 0;) {
        if (what.n && in->at[at] != what.at[0]) continue;
        if (!jinja_spend(r, what.n)) break;
        if (!what.n || memcmp(in->at + at, what.at, what.n) == 0) return (int64_t)at;
    }
    return -1;
}

bool jinja_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

static bool stripped(const Text *text, size_t begin, size_t end, const Text *chars)
{
    size_t at = begin;
    if (!chars) return jinja_is_space(utf8_next(text->at, end, &at));
    return jinja_find(chars, (Str){ text->at + begin, end - begin }, 0) >= 0;
}

Value jinja_strip(Run *r, const Text *text, const Text *chars, bool left, bool right)
{
    size_t begin = 0, end = text->n;
    while (left && begin < end && jinja_spend(r, chars ? chars->n : 0)) {
        size_t next = begin;
        utf8_next(text->at, end, &next);
        if (!stripped(text, begin, next, chars)) break;
        begin = next;
    }
    while (right && end > begin && jinja_spend(r, chars ? chars->n : 0)) {
        size_t start = end - 1;
        while (start > begin && (text->at[start] & 0xC0) == 0x80) start--;
        if (!stripped(text, start, end, chars)) break;
        end = start;
    }
    return jinja_failed(r) ? NOTHING : jinja_part(r, text, begin, end);
}

Value jinja_escaped(Run *r, Value v)
{
    static const char *const names[] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&#34;", ['\''] = "&#39;"
    };
    if (jinja_is_safe(v)) return v;
    const Text *text = jinja_soft(r, v);
    Maker m = { .r = r, .safe = true };
    size_t from = 0;
    for (size_t i = 0; i < text->n; i++) {
        uint8_t c = (uint8_t)text->at[i];
        const char *name = c < COUNT(names) ? names[c] : NULL;
        if (!name) continue;
        jinja_put_part(&m, text, from, i);
        jinja_put(&m, name, strlen(name), jinja_marked(text, i));
        from = i + 1;
    }
    jinja_put_part(&m, text, from, text->n);
    return jinja_made(&m);
}
