// Methods of strings, lists, dicts and the few others that templates call. What changes its object is refused, as the
// immutable sandbox refuses it.
#include "text/jinja_internal.h"

#include <stdlib.h>

static Value boolean(bool flag)
{
    return (Value){ .kind = V_BOOL, .flag = flag };
}

static Value integer(int64_t i)
{
    return (Value){ .kind = V_INT, .integer = i };
}

static Str view(const Text *t)
{
    return (Str){ t->at, t->n };
}

static const Text *need_text(Run *r, Value v, const char *what)
{
    if (v.kind == V_TEXT) return v.text;
    if (v.kind == V_UNDEFINED)
        jinja_use_undefined(r, v);
    else
        jinja_fail(r, ERR_FORMAT, "%s must be str, not %s", tr(what), jinja_type(v));
    return NULL;
}

// ---- Case and classes ----------------------------------------------------------------------------------------------

#define CASE_METHOD(name, op)                                                                                          \
    static Value name(Run *r, Value self, const Value *a, const Args *args)                                            \
    {                                                                                                                  \
        (void)a, (void)args;                                                                                           \
        return jinja_case(r, self.text, op);                                                                           \
    }
CASE_METHOD(text_upper, CASE_UPPER)
CASE_METHOD(text_lower, CASE_LOWER)
CASE_METHOD(text_title, CASE_TITLE)
CASE_METHOD(text_capitalize, CASE_CAPITALIZE)
CASE_METHOD(text_swapcase, CASE_SWAP)
CASE_METHOD(text_casefold, CASE_FOLD)

#define CLASS_METHOD(name, class)                                                                                      \
    static Value name(Run *r, Value self, const Value *a, const Args *args)                                            \
    {                                                                                                                  \
        (void)a, (void)args;                                                                                           \
        return jinja_spend(r, self.text->n) ? boolean(jinja_text_is(self.text, class)) : NOTHING;                      \
    }
CLASS_METHOD(text_isalpha, CLASS_ALPHA)
CLASS_METHOD(text_isdecimal, CLASS_DECIMAL)
CLASS_METHOD(text_isdigit, CLASS_DIGIT)
CLASS_METHOD(text_isnumeric, CLASS_NUMERIC)
CLASS_METHOD(text_isalnum, CLASS_ALNUM)
CLASS_METHOD(text_isspace, CLASS_SPACE)
CLASS_METHOD(text_isupper, CLASS_UPPER)
CLASS_METHOD(text_islower, CLASS_LOWER)
CLASS_METHOD(text_istitle, CLASS_TITLE)

static Value text_isprintable(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    if (!jinja_spend(r, self.text->n)) return NOTHING;
    return boolean(!self.text->n || jinja_text_is(self.text, CLASS_PRINTABLE));
}

static Value text_isascii(Run *r, Value self, const Value *a, const Args *args)
{
    (void)r, (void)a, (void)args;
    return boolean(self.text->chars == (int64_t)self.text->n);
}

static Value text_isidentifier(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    const Text *t = self.text;
    if (!jinja_spend(r, t->n)) return NOTHING;
    for (size_t at = 0; at < t->n;) {
        bool first = at == 0;
        uint32_t c = utf8_next(t->at, t->n, &at);
        if (c != '_' && !jinja_in_class(c, first ? CLASS_NAME_START : CLASS_NAME)) return boolean(false);
    }
    return boolean(t->n != 0);
}

// ---- Stripping and padding -----------------------------------------------------------------------------------------

static Value strip(Run *r, Value self, Value chars, bool left, bool right)
{
    const Text *set = NULL;
    if (chars.kind != V_ABSENT && chars.kind != V_NONE && !(set = need_text(r, chars, "strip arg"))) return NOTHING;
    return jinja_strip(r, self.text, set, left, right);
}

static Value text_strip(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return strip(r, self, a[0], true, true);
}

static Value text_lstrip(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return strip(r, self, a[0], true, false);
}

static Value text_rstrip(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return strip(r, self, a[0], false, true);
}

static Value text_removeprefix(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    const Text *t = self.text, *p = need_text(r, a[0], "removeprefix() argument");
    if (!p) return NOTHING;
    bool has = t->n >= p->n && memcmp(t->at, p->at, p->n) == 0;
    return has ? jinja_part(r, t, p->n, t->n) : self;
}

static Value text_removesuffix(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    const Text *t = self.text, *p = need_text(r, a[0], "removesuffix() argument");
    if (!p) return NOTHING;
    bool has = t->n >= p->n && memcmp(t->at + t->n - p->n, p->at, p->n) == 0;
    return has ? jinja_part(r, t, 0, t->n - p->n) : self;
}

static void put_fill(Maker *m, const Text *fill, int64_t n)
{
    for (int64_t i = 0; i < n && !jinja_failed(m->r); i++) {
        if (fill)
            jinja_put_text(m, fill);
        else
            jinja_put_str(m, " ");
    }
}

// side: -1 left-justified, 0 centred, 1 right-justified.
static Value pad(Run *r, Value self, const Value *a, int side)
{
    int64_t width;
    const Text *t = self.text, *fill = NULL;
    if (!jinja_need_int(r, a[0], &width)) return NOTHING;
    if (a[1].kind != V_ABSENT && !(fill = need_text(r, a[1], "the fill character"))) return NOTHING;
    if (fill && fill->chars != 1)
        return jinja_fail(r, ERR_FORMAT, "the fill character must be exactly one character long");
    int64_t space = width > t->chars ? width - t->chars : 0;
    int64_t left = side < 0 ? 0 : side > 0 ? space : space / 2 + (space & width & 1);
    Maker m = { .r = r, .safe = t->safe };
    put_fill(&m, fill, left);
    jinja_put_text(&m, t);
    put_fill(&m, fill, space - left);
    return jinja_made(&m);
}

static Value text_center(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return pad(r, self, a, 0);
}

static Value text_ljust(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return pad(r, self, a, -1);
}

static Value text_rjust(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return pad(r, self, a, 1);
}

static Value text_zfill(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    int64_t width;
    const Text *t = self.text;
    if (!jinja_need_int(r, a[0], &width)) return NOTHING;
    size_t sign = t->n && (t->at[0] == '-' || t->at[0] == '+');
    Maker m = { .r = r };
    jinja_put_part(&m, t, 0, sign);
    for (int64_t i = t->chars; i < width && !jinja_failed(r); i++) jinja_put_str(&m, "0");
    jinja_put_part(&m, t, sign, t->n);
    return jinja_made(&m);
}

static Value text_expandtabs(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    int64_t size, column = 0;
    const Text *t = self.text;
    if (!jinja_index(r, a[0], 8, &size)) return NOTHING;
    Maker m = { .r = r };
    for (size_t at = 0; at < t->n && !jinja_failed(r);) {
        size_t begin = at;
        uint32_t c = utf8_next(t->at, t->n, &at);
        int64_t blanks = c == '\t' && size > 0 ? size - column % size : 0;
        for (int64_t i = 0; i < blanks && !jinja_failed(r); i++) jinja_put(&m, " ", 1, jinja_marked(t, begin));
        if (c != '\t') jinja_put_part(&m, t, begin, at);
        column = c == '\n' || c == '\r' ? 0 : column + (c == '\t' ? blanks : 1);
    }
    return jinja_made(&m);
}

// ---- Splitting and joining -----------------------------------------------------------------------------------------

typedef struct Pieces {
    Run *r;
    Value *at;
    size_t n, capacity;
} Pieces;

static void add_piece(Pieces *p, Value v)
{
    if (jinja_failed(p->r) || !jinja_spend(p->r, 0)) return;
    if (p->n == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 8;
        Value *at = jinja_alloc(p->r, capacity, sizeof *at);
        if (!at) return;
        if (p->n) memcpy(at, p->at, p->n * sizeof *at);
        p->at = at;
        p->capacity = capacity;
    }
    p->at[p->n++] = v;
}

static Value pieces_list(Pieces *p, bool reverse)
{
    List *list = jinja_list_new(p->r, p->n);
    for (size_t i = 0; list && i < p->n; i++) list->at[i] = p->at[reverse ? p->n - 1 - i : i];
    return jinja_list(V_LIST, list);
}

static bool space_at(const Text *t, size_t at, size_t *next)
{
    *next = at;
    return jinja_is_space(utf8_next(t->at, t->n, next));
}

static Value split_blank(Run *r, const Text *t, int64_t max)
{
    Pieces p = { .r = r };
    for (size_t at = 0, next; at < t->n && !jinja_failed(r);) {
        if (space_at(t, at, &next)) {
            at = next;
            continue;
        }
        size_t end = at;
        while (end < t->n && !space_at(t, end, &next)) end = next;
        if (max >= 0 && (int64_t)p.n == max) {
            Value rest = jinja_part(r, t, at, t->n);
            if (rest.kind == V_TEXT) add_piece(&p, jinja_strip(r, rest.text, NULL, false, true));
            break;
        }
        add_piece(&p, jinja_part(r, t, at, end));
        at = end;
    }
    return pieces_list(&p, false);
}

static size_t char_before(const Text *t, size_t at)
{
    at--;
    while (at && (t->at[at] & 0xC0) == 0x80) at--;
    return at;
}

static Value rsplit_blank(Run *r, const Text *t, int64_t max)
{
    Pieces p = { .r = r };
    size_t next;
    for (size_t end = t->n; end && !jinja_failed(r);) {
        size_t at = char_before(t, end);
        if (space_at(t, at, &next)) {
            end = at;
            continue;
        }
        while (at && !space_at(t, char_before(t, at), &next)) at = char_before(t, at);
        if (max >= 0 && (int64_t)p.n == max) {
            Value rest = jinja_part(r, t, 0, end);
            if (rest.kind == V_TEXT) add_piece(&p, jinja_strip(r, rest.text, NULL, true, false));
            break;
        }
        add_piece(&p, jinja_part(r, t, at, end));
        end = at;
    }
    return pieces_list(&p, true);
}

static Value split(Run *r, Value self, const Value *a, bool from_right)
{
    int64_t max;
    const Text *t = self.text, *by;
    if (!jinja_index(r, a[1], -1, &max)) return NOTHING;
    if (a[0].kind == V_ABSENT || a[0].kind == V_NONE)
        return from_right ? rsplit_blank(r, t, max) : split_blank(r, t, max);
    if (!(by = need_text(r, a[0], "the separator"))) return NOTHING;
    if (!by->n) return jinja_fail(r, ERR_FORMAT, "empty separator");
    Pieces p = { .r = r };
    size_t begin = 0, end = t->n;
    while (!jinja_failed(r) && (max < 0 || (int64_t)p.n < max)) {
        int64_t hit = from_right ? jinja_find_last(r, t, view(by), end) : jinja_find(t, view(by), begin);
        if (hit < 0) break;
        if (from_right)
            add_piece(&p, jinja_part(r, t, (size_t)hit + by->n, end)), end = (size_t)hit;
        else
            add_piece(&p, jinja_part(r, t, begin, (size_t)hit)), begin = (size_t)hit + by->n;
    }
    add_piece(&p, jinja_part(r, t, begin, end));
    return pieces_list(&p, from_right);
}

static Value text_split(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return split(r, self, a, false);
}

static Value text_rsplit(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return split(r, self, a, true);
}

static bool ends_line(uint32_t c)
{
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

static Value text_splitlines(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    const Text *t = self.text;
    bool keep = jinja_flag(r, a[0], false);
    Pieces p = { .r = r };
    size_t begin = 0;
    for (size_t at = 0; at < t->n && !jinja_failed(r);) {
        size_t stop = at;
        uint32_t c = utf8_next(t->at, t->n, &at);
        if (!ends_line(c)) {
            if (at == t->n) add_piece(&p, jinja_part(r, t, begin, at));
            continue;
        }
        if (c == '\r' && at < t->n && t->at[at] == '\n') at++;
        add_piece(&p, jinja_part(r, t, begin, keep ? at : stop));
        begin = at;
    }
    return pieces_list(&p, false);
}

static Value partition(Run *r, Value self, Value by, bool last)
{
    const Text *t = self.text, *sep = need_text(r, by, "the separator");
    if (!sep) return NOTHING;
    if (!sep->n) return jinja_fail(r, ERR_FORMAT, "empty separator");
    int64_t hit = last ? jinja_find_last(r, t, view(sep), t->n) : jinja_find(t, view(sep), 0);
    List *list = jinja_list_new(r, 3);
    if (!list) return NOTHING;
    if (hit < 0) {
        list->at[last ? 2 : 0] = self;
        list->at[1] = list->at[last ? 0 : 2] = jinja_part(r, t, 0, 0);
    } else {
        list->at[0] = jinja_part(r, t, 0, (size_t)hit);
        list->at[1] = t->safe ? jinja_part(r, t, (size_t)hit, (size_t)hit + sep->n) : by;
        list->at[2] = jinja_part(r, t, (size_t)hit + sep->n, t->n);
    }
    return jinja_list(V_TUPLE, list);
}

static Value text_partition(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return partition(r, self, a[0], false);
}

static Value text_rpartition(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return partition(r, self, a[0], true);
}

static Value text_join(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    const List *list = jinja_iterate(r, a[0]);
    Maker m = { .r = r, .safe = self.text->safe };
    for (size_t i = 0; list && i < list->n && !jinja_failed(r); i++) {
        if (i) jinja_put_text(&m, self.text);
        Value v = m.safe ? jinja_escaped(r, list->at[i]) : list->at[i];
        if (!jinja_failed(r) && v.kind != V_TEXT)
            return jinja_fail(r, ERR_FORMAT, "sequence item %zu: expected str instance, %s found", i, jinja_type(v));
        if (v.kind == V_TEXT) jinja_put_text(&m, v.text);
    }
    return jinja_made(&m);
}

// ---- Searching -----------------------------------------------------------------------------------------------------

// The part of `self` that optional start and end (a[1], a[2], in characters) leave. *begin: its byte offset.
static const Text *window(Run *r, Value self, const Value *a, int64_t *first)
{
    int64_t n = self.text->chars, start, stop;
    if (!jinja_bound(r, a[1], 0, &start) || !jinja_bound(r, a[2], n, &stop)) return NULL;
    if (start < 0) start = start + n < 0 ? 0 : start + n;
    if (stop < 0) stop = stop + n < 0 ? 0 : stop + n;
    if (stop > n) stop = n;
    *first = start;
    if (start > stop) return NULL;
    size_t begin = jinja_offset(r, self.text, start), end = jinja_offset(r, self.text, stop);
    return jinja_failed(r) ? NULL : jinja_part(r, self.text, begin, end).text;
}

static int64_t chars_before(const Text *t, size_t at)
{
    int64_t n = 0;
    for (size_t i = 0; i < at; i++) n += (t->at[i] & 0xC0) != 0x80;
    return n;
}

static Value find(Run *r, Value self, const Value *a, bool last, bool must)
{
    int64_t first = 0, hit = -1;
    const Text *what = need_text(r, a[0], "the text to find");
    const Text *in = what ? window(r, self, a, &first) : NULL;
    if (jinja_failed(r)) return NOTHING;
    if (in) hit = last ? jinja_find_last(r, in, view(what), in->n) : jinja_find(in, view(what), 0);
    if (hit >= 0) return jinja_spend(r, in->n) ? integer(first + chars_before(in, (size_t)hit)) : NOTHING;
    return must ? jinja_fail(r, ERR_FORMAT, "substring not found") : integer(-1);
}

static Value text_find(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return find(r, self, a, false, false);
}

static Value text_rfind(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return find(r, self, a, true, false);
}

static Value text_index(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return find(r, self, a, false, true);
}

static Value text_rindex(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return find(r, self, a, true, true);
}

static Value text_count(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    int64_t first, n = 0;
    const Text *what = need_text(r, a[0], "the text to count"), *in = what ? window(r, self, a, &first) : NULL;
    if (jinja_failed(r)) return NOTHING;
    if (!in) return integer(0);
    if (!what->n) return integer(in->chars + 1);
    for (int64_t at = jinja_find(in, view(what), 0); at >= 0 && jinja_spend(r, 64);
         at = jinja_find(in, view(what), (size_t)at + what->n))
        n++;
    return jinja_spend(r, in->n) ? integer(n) : NOTHING;
}

static bool text_has_end(const Text *t, const Text *what, bool at_end)
{
    return t->n >= what->n && memcmp(t->at + (at_end ? t->n - what->n : 0), what->at, what->n) == 0;
}

static Value has_end(Run *r, Value self, const Value *a, bool at_end)
{
    int64_t first;
    const Text *in = window(r, self, a, &first);
    if (jinja_failed(r)) return NOTHING;
    if (a[0].kind != V_TUPLE) {
        const Text *what = need_text(r, a[0], at_end ? N_("endswith first arg") : N_("startswith first arg"));
        return what ? boolean(in && text_has_end(in, what, at_end)) : NOTHING;
    }
    for (size_t i = 0; i < a[0].list->n; i++) {
        const Text *what = need_text(r, a[0].list->at[i], "tuple for startswith or endswith");
        if (!what) return NOTHING;
        if (in && text_has_end(in, what, at_end)) return boolean(true);
    }
    return boolean(false);
}

static Value text_startswith(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return has_end(r, self, a, false);
}

static Value text_endswith(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return has_end(r, self, a, true);
}

Value jinja_replace(Run *r, const Text *t, const Text *old, const Text *new, int64_t max)
{
    Maker m = { .r = r, .safe = t->safe };
    size_t from = 0, at = 0;
    for (int64_t n = 0; (max < 0 || n < max) && jinja_spend(r, 0); n++) {
        int64_t hit = jinja_find(t, view(old), at);
        if (hit < 0) break;
        jinja_put_part(&m, t, from, (size_t)hit);
        jinja_put_text(&m, new);
        from = (size_t)hit + old->n;
        at = from;
        if (old->n) continue;
        if (at == t->n) break; // an empty text is found before every character and at the end
        utf8_next(t->at, t->n, &at);
    }
    jinja_put_part(&m, t, from, t->n);
    return jinja_made(&m);
}

static Value text_replace(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    int64_t max;
    const Text *old = need_text(r, a[0], "replace() argument 1"),
               *new = old ? need_text(r, a[1], "replace() argument 2") : NULL;
    if (!new || !jinja_index(r, a[2], -1, &max)) return NOTHING;
    if (self.text->safe) new = jinja_soft(r, jinja_escaped(r, a[1]));
    return jinja_failed(r) ? NOTHING : jinja_replace(r, self.text, old, new, max);
}

static Value text_format(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a;
    return jinja_str_format(r, self.text, args, NULL);
}

static Value text_format_map(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    Args none = { 0 };
    Value map = a[0].kind == V_DICT ? a[0] : jinja_dict_new(r); // what is no mapping fails where a field is looked up
    return jinja_failed(r) ? NOTHING : jinja_str_format(r, self.text, &none, map.dict);
}

// ---- Other alphabets -----------------------------------------------------------------------------------------------

bool jinja_is_utf8(Value encoding)
{
    static const char *const names[] = { "utf_8", "utf8", "u8", "utf", "utf8_ucs2", "utf8_ucs4", "cp65001" };
    char name[16];
    size_t n = 0;
    if (encoding.kind != V_TEXT || encoding.text->n > sizeof name) return false;
    for (; n < encoding.text->n; n++) { // case does not count, and hyphens are as underscores
        char c = encoding.text->at[n];
        name[n] = (char)(c == '-' || c == ' ' ? '_' : c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    for (size_t i = 0; i < COUNT(names); i++)
        if (str_is((Str){ name, n }, names[i])) return true;
    return false;
}

static Value text_encode(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    bool fine = a[0].kind == V_ABSENT || jinja_is_utf8(a[0]);
    if (!fine && need_text(r, a[0], "the encoding"))
        jinja_fail(r, ERR_UNSUPPORTED, "an encoding other than utf-8 is not supported");
    return fine ? (Value){ .kind = V_BYTES, .text = self.text } : NOTHING;
}

static uint32_t first_char(const Text *t)
{
    size_t at = 0;
    return t->n ? utf8_next(t->at, t->n, &at) : 0;
}

static Value code_of(const Text *t)
{
    return integer(first_char(t));
}

// maketrans(dict): keys are characters or their codes.
static void table_from_dict(Run *r, Dict *table, const Dict *from)
{
    for (size_t i = 0; i < from->n && !jinja_failed(r); i++) {
        Value key = from->at[i].key;
        if (key.kind == V_TEXT && key.text->chars != 1)
            jinja_fail(r, ERR_FORMAT, "string keys in translate table must be of length 1");
        else if (key.kind != V_TEXT && !jinja_is_whole(key))
            jinja_fail(r, ERR_FORMAT, "keys in translate table must be strings or integers");
        else
            jinja_dict_put(r, table, key.kind == V_TEXT ? code_of(key.text) : key, from->at[i].value);
    }
}

static Value text_maketrans(Run *r, Value self, const Value *a, const Args *args)
{
    (void)self, (void)args;
    Value table = jinja_dict_new(r);
    if (jinja_failed(r)) return NOTHING;
    if (a[1].kind == V_ABSENT) {
        if (a[0].kind != V_DICT)
            return jinja_fail(r, ERR_FORMAT, "if you give only one argument to maketrans it must be a dict");
        table_from_dict(r, table.dict, a[0].dict);
        return jinja_failed(r) ? NOTHING : table;
    }
    const Text *from = need_text(r, a[0], "maketrans() argument 1"), *to = need_text(r, a[1], "maketrans() argument 2");
    const Text *gone = a[2].kind == V_ABSENT ? NULL : need_text(r, a[2], "maketrans() argument 3");
    if (jinja_failed(r)) return NOTHING;
    if (from->chars != to->chars)
        return jinja_fail(r, ERR_FORMAT, "the first two maketrans arguments must have equal length");
    for (size_t i = 0, k = 0; i < from->n && !jinja_failed(r);) {
        uint32_t c = utf8_next(from->at, from->n, &i);
        jinja_dict_put(r, table.dict, integer(c), integer(utf8_next(to->at, to->n, &k)));
    }
    for (size_t i = 0; gone && i < gone->n && !jinja_failed(r);)
        jinja_dict_put(r, table.dict, integer(utf8_next(gone->at, gone->n, &i)), NONE);
    return jinja_failed(r) ? NOTHING : table;
}

static Value text_translate(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    const Text *t = self.text;
    Maker m = { .r = r, .safe = t->safe };
    bool indexed = a[0].kind == V_TEXT || a[0].kind == V_LIST || a[0].kind == V_TUPLE || a[0].kind == V_RANGE;
    if (!indexed && a[0].kind != V_DICT && t->n) {
        if (a[0].kind == V_UNDEFINED) return jinja_use_undefined(r, a[0]);
        return jinja_fail(r, ERR_FORMAT, "'%s' object is not subscriptable", jinja_type(a[0]));
    }
    for (size_t at = 0; at < t->n && !jinja_failed(r);) {
        size_t begin = at;
        int64_t code;
        char bytes[4];
        Value key = integer(utf8_next(t->at, t->n, &at));
        Value to = a[0].kind == V_DICT ? jinja_dict_get(r, a[0].dict, key) : jinja_item(r, a[0], key);
        bool kept = to.kind == V_ABSENT || (indexed && to.kind == V_UNDEFINED);
        if (kept && !jinja_failed(r))
            jinja_put_part(&m, t, begin, at);
        else if (to.kind == V_TEXT)
            jinja_put_text(&m, to.text);
        else if (jinja_as_int(to, &code) && code >= 0 && code <= 0x10FFFF && !(code >= 0xD800 && code < 0xE000))
            jinja_put(&m, bytes, utf8_put(bytes, (uint32_t)code), jinja_marked(t, begin));
        else if (to.kind != V_NONE)
            jinja_fail(r, ERR_FORMAT, "character mapping must return integer, None or str");
    }
    return jinja_made(&m);
}

static const Builtin text_methods[] = {
    { "upper", "", 0, text_upper },
    { "lower", "", 0, text_lower },
    { "title", "", 0, text_title },
    { "capitalize", "", 0, text_capitalize },
    { "swapcase", "", 0, text_swapcase },
    { "casefold", "", 0, text_casefold },
    { "isalpha", "", 0, text_isalpha },
    { "isdecimal", "", 0, text_isdecimal },
    { "isdigit", "", 0, text_isdigit },
    { "isnumeric", "", 0, text_isnumeric },
    { "isalnum", "", 0, text_isalnum },
    { "isspace", "", 0, text_isspace },
    { "isupper", "", 0, text_isupper },
    { "islower", "", 0, text_islower },
    { "istitle", "", 0, text_istitle },
    { "isprintable", "", 0, text_isprintable },
    { "isascii", "", 0, text_isascii },
    { "isidentifier", "", 0, text_isidentifier },
    { "strip", "/chars", 0, text_strip },
    { "lstrip", "/chars", 0, text_lstrip },
    { "rstrip", "/chars", 0, text_rstrip },
    { "removeprefix", "/prefix", 1, text_removeprefix },
    { "removesuffix", "/suffix", 1, text_removesuffix },
    { "center", "/width fillchar", 1, text_center },
    { "ljust", "/width fillchar", 1, text_ljust },
    { "rjust", "/width fillchar", 1, text_rjust },
    { "zfill", "/width", 1, text_zfill },
    { "expandtabs", "tabsize", 0, text_expandtabs },
    { "split", "sep maxsplit", 0, text_split },
    { "rsplit", "sep maxsplit", 0, text_rsplit },
    { "splitlines", "keepends", 0, text_splitlines },
    { "partition", "/sep", 1, text_partition },
    { "rpartition", "/sep", 1, text_rpartition },
    { "join", "/iterable", 1, text_join },
    { "find", "/sub start end", 1, text_find },
    { "rfind", "/sub start end", 1, text_rfind },
    { "index", "/sub start end", 1, text_index },
    { "rindex", "/sub start end", 1, text_rindex },
    { "count", "/sub start end", 1, text_count },
    { "startswith", "/prefix start end", 1, text_startswith },
    { "endswith", "/suffix start end", 1, text_endswith },
    { "replace", "/old new count", 2, text_replace },
    { "format", "*", 0, text_format },
    { "format_map", "mapping", 1, text_format_map },
    { "encode", "encoding errors", 0, text_encode },
    { "maketrans", "/x y z", 1, text_maketrans },
    { "translate", "/table", 1, text_translate },
    { NULL, NULL, 0, NULL },
};

const Builtin *jinja_text_method(Str name)
{
    return jinja_find_builtin(text_methods, name);
}
