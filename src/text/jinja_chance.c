// The two things that are left to chance in jinja2: the filter random and the global lipsum. Here the clock of the rendering and
// a count decide, so that a prompt rendered again for the same moment is the same.
#include "text/jinja_internal.h"

// A number below n, n > 0: splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
static int64_t draw(Run *r, int64_t n)
{
    uint64_t z = ((uint64_t)r->now.seconds << 20) + ++r->drawn * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (int64_t)((z ^ z >> 31) % (uint64_t)n);
}

Value jinja_random(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    Value n = jinja_length(r, self), v = NOTHING;
    if (jinja_failed(r)) return NOTHING;
    if (!n.integer) return jinja_undefined_reason(r, "no random item, the sequence was empty");
    Value at = { .kind = V_INT, .integer = draw(r, n.integer) };
    bool indexed = self.kind == V_TEXT || self.kind == V_LIST || self.kind == V_TUPLE || self.kind == V_RANGE;
    if (indexed) return jinja_item(r, self, at);
    if (self.kind == V_DICT) v = jinja_dict_get(r, self.dict, at);
    return v.kind != V_ABSENT ? v
                              : jinja_fail(r, ERR_FORMAT, "'%s' object cannot be indexed by number", jinja_type(self));
}

static void put_word(Run *r, Maker *m, bool capital, const char **last)
{
    static const char *const words[] = {
        "sed",     "ut",      "unde",  "omnis",   "iste",     "natus", "error",  "sit",     "totam",   "rem",
        "aperiam", "eaque",   "ipsa",  "quae",    "ab",       "illo",  "quasi",  "et",      "beatae",  "vitae",
        "dicta",   "sunt",    "nemo",  "enim",    "ipsam",    "quia",  "aut",    "odit",    "fugit",   "magni",
        "dolores", "eos",     "qui",   "ratione", "nesciunt", "neque", "porro",  "est",     "dolorem", "ipsum",
        "amet",    "velit",   "non",   "numquam", "eius",     "modi",  "magnam", "aliquam", "minima",  "veniam",
        "quis",    "nostrum", "ullam", "nisi",    "vel",
    };
    const char *word;
    do word = words[draw(r, (int64_t)COUNT(words))];
    while (word == *last);
    *last = word;
    char first = (char)(capital ? word[0] - 'a' + 'A' : word[0]);
    jinja_put(m, &first, 1, false);
    jinja_put_str(m, word + 1);
}

// Sentences of ten to twenty words, with commas, ended by a full stop.
static void put_paragraph(Run *r, Maker *m, int64_t words)
{
    const char *last = NULL;
    int64_t comma = draw(r, 5) + 3, stop = draw(r, 10) + 10;
    bool capital = true;
    for (int64_t i = 0; i < words && jinja_spend(r, 0); i++) {
        if (i) jinja_put_str(m, " ");
        put_word(r, m, capital, &last);
        capital = i == stop;
        if (i + 1 == words) break;
        if (capital)
            jinja_put_str(m, "."), stop = i + 10 + draw(r, 10), comma = i + 3 + draw(r, 5);
        else if (i == comma)
            jinja_put_str(m, ","), comma = i + 3 + draw(r, 5);
    }
    jinja_put_str(m, ".");
}

// lipsum(n=5, html=true, min=20, max=100)
Value jinja_lipsum(Run *r, Value self, const Value *a, const Args *args)
{
    (void)self, (void)args;
    int64_t n = 5, least = 20, most = 100;
    bool html = a[1].kind == V_ABSENT || jinja_true(r, a[1]);
    if ((a[0].kind != V_ABSENT && !jinja_need_int(r, a[0], &n)) ||
        (a[2].kind != V_ABSENT && !jinja_need_int(r, a[2], &least)) ||
        (a[3].kind != V_ABSENT && !jinja_need_int(r, a[3], &most)))
        return NOTHING;
    uint64_t width = (uint64_t)most - (uint64_t)least;
    if (n > 0 && (most <= least || width > INT64_MAX))
        return jinja_fail(r, ERR_FORMAT, "lipsum's min must be less than its max");
    Maker m = { .r = r, .safe = html };
    for (int64_t i = 0; i < n && jinja_spend(r, 0); i++) {
        if (i) jinja_put_str(&m, html ? "\n" : "\n\n");
        if (html) jinja_put_str(&m, "<p>");
        put_paragraph(r, &m, least + draw(r, (int64_t)width));
        if (html) jinja_put_str(&m, "</p>");
    }
    return jinja_made(&m);
}
