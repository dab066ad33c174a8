// Views of bytes, growing bytes, and UTF-8. Everything here takes any bytes; nothing assumes well-formed text.
#include "base/base.h"

#include <stdio.h>
#include <stdlib.h>

Str str(const char *text)
{
    return (Str){ text ? text : "", text ? strlen(text) : 0 };
}

bool str_equal(Str a, Str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.at, b.at, a.n) == 0);
}

bool str_is(Str a, const char *b)
{
    return str_equal(a, str(b));
}

bool str_starts(Str a, const char *prefix)
{
    size_t n = strlen(prefix);
    return a.n >= n && str_equal((Str){ a.at, n }, (Str){ prefix, n });
}

bool str_ends(Str a, const char *suffix)
{
    size_t n = strlen(suffix);
    return n == 0 || (a.n >= n && memcmp(a.at + a.n - n, suffix, n) == 0);
}

static bool buf_room(Buf *buf, size_t more)
{
    if (buf->failed) return false;
    size_t need;
    if (__builtin_add_overflow(buf->n, more, &need) || need == SIZE_MAX || (buf->limit && need > buf->limit)) {
        buf->failed = true;
        return false;
    }
    if (need + 1 <= buf->capacity) return true;
    size_t capacity = buf->capacity < 32 ? 64 : buf->capacity;
    while (capacity < need + 1) capacity = capacity > SIZE_MAX / 2 ? need + 1 : capacity * 2;
    char *at = realloc(buf->at, capacity);
    if (!at) {
        buf->failed = true;
        return false;
    }
    buf->at = at;
    buf->capacity = capacity;
    return true;
}

void buf_put(Buf *buf, const void *bytes, size_t n)
{
    if (!buf_room(buf, n)) return;
    if (n) memcpy(buf->at + buf->n, bytes, n);
    buf->n += n;
    buf->at[buf->n] = 0;
}

void buf_text(Buf *buf, const char *text)
{
    buf_put(buf, text, strlen(text));
}

void buf_char(Buf *buf, char c)
{
    buf_put(buf, &c, 1);
}

void buf_printf(Buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n < 0) buf->failed = true;
    if (n >= 0 && buf_room(buf, (size_t)n)) {
        vsnprintf(buf->at + buf->n, (size_t)n + 1, format, again);
        buf->n += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

void buf_free(Buf *buf)
{
    free(buf->at);
    *buf = (Buf){ 0 };
}

// How many continuation bytes follow `lead`, and the bounds of the first of them (Unicode 15, table 3-7). -1: no lead.
static int utf8_lead(uint8_t lead, uint8_t *low, uint8_t *high)
{
    *low = 0x80, *high = 0xBF;
    if (lead < 0x80) return 0;
    if (lead >= 0xC2 && lead <= 0xDF) return 1;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (lead == 0xE0) *low = 0xA0;
        if (lead == 0xED) *high = 0x9F;
        return 2;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (lead == 0xF0) *low = 0x90;
        if (lead == 0xF4) *high = 0x8F;
        return 3;
    }
    return -1;
}

uint32_t utf8_next(const char *text, size_t n, size_t *at)
{
    const uint8_t *s = (const uint8_t *)text;
    uint8_t low, high, lead = s[(*at)++];
    int more = utf8_lead(lead, &low, &high);
    if (more == 0) return lead;
    if (more < 0) return UTF8_BAD;
    uint32_t c = lead & (0x3Fu >> more);
    for (int i = 0; i < more; i++) {
        if (*at >= n || s[*at] < low || s[*at] > high) return UTF8_BAD;
        c = c << 6 | (s[(*at)++] & 0x3Fu);
        low = 0x80, high = 0xBF;
    }
    return c;
}

size_t utf8_put(char out[4], uint32_t c)
{
    if ((c >= 0xD800 && c <= 0xDFFF) || c > 0x10FFFF) c = 0xFFFD;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

bool utf8_valid(const char *text, size_t n)
{
    const uint8_t *s = (const uint8_t *)text;
    for (size_t at = 0; at < n;) {
        uint64_t eight;
        if (s[at] < 0x80 && at + 8 <= n && (memcpy(&eight, s + at, 8), !(eight & 0x8080808080808080u)))
            at += 8;
        else if (s[at] < 0x80)
            at++;
        else if (s[at] > 0xE0 && s[at] < 0xED && at + 3 <= n && (s[at + 1] & s[at + 2] & 0xC0) == 0x80 &&
                 !((s[at + 1] | s[at + 2]) & 0x40))
            at += 3; // most of Hangul and Han
        else if (utf8_next(text, n, &at) == UTF8_BAD)
            return false;
    }
    return true;
}

void utf8_lossy(Buf *out, const char *text, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t begin = at;
        if (utf8_next(text, n, &at) == UTF8_BAD)
            buf_text(out, "\xEF\xBF\xBD");
        else
            buf_put(out, text + begin, at - begin);
    }
}

size_t utf8_whole(const char *text, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        const uint8_t *s = (const uint8_t *)text + (n - back);
        uint8_t low, high;
        if ((s[0] & 0xC0) == 0x80) continue;
        int more = utf8_lead(s[0], &low, &high);
        if (more < (int)back) return n;
        if (back > 1 && (s[1] < low || s[1] > high)) return n;
        return n - back;
    }
    return n;
}
