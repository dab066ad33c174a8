// The filter urlize: addresses in a text become HTML links. What counts as one, and which brackets and full stops around it do
// not belong to it, are jinja2's rules; its two patterns are matched by PCRE2, with a bound on the work.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/jinja_internal.h"

#include <pcre2.h>

enum { MATCH_STEPS = 200000 };

typedef struct Urlize {
    Run *r;
    Maker m;
    pcre2_code *http, *mail, *scheme;
    pcre2_match_data *match;
    pcre2_match_context *limit;
    const Text *rel, *target; // or NULL
    const List *schemes;      // or NULL
    Value trim;               // characters shown of an address, negative: less than all; absent or None: all
} Urlize;

static pcre2_code *compile(Run *r, const char *pattern)
{
    int fault;
    PCRE2_SIZE at;
    const uint32_t how = PCRE2_UTF | PCRE2_UCP | PCRE2_CASELESS;
    pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, how, &fault, &at, NULL);
    if (!code) r->err = err_memory("the filter urlize");
    return code;
}

static bool matches(Urlize *u, const pcre2_code *code, Str text)
{
    if (jinja_failed(u->r) || !jinja_spend(u->r, text.n * 16)) return false;
    int n = pcre2_match(code, (PCRE2_SPTR)(text.n ? text.at : ""), text.n, 0, PCRE2_NO_UTF_CHECK, u->match, u->limit);
    if (n == PCRE2_ERROR_NOMEMORY)
        u->r->err = err_memory("the filter urlize");
    else if (n < 0 && n != PCRE2_ERROR_NOMATCH)
        jinja_fail(u->r, ERR_LIMIT, "urlize would take too long over a word");
    return n >= 0;
}

static Str part(const Text *t, size_t begin, size_t end)
{
    return (Str){ t->at + begin, end - begin };
}

static size_t count_of(Str text, const char *what)
{
    size_t n = 0, size = strlen(what);
    for (size_t at = 0; at + size <= text.n;) {
        bool hit = memcmp(text.at + at, what, size) == 0;
        n += hit;
        at += hit ? size : 1;
    }
    return n;
}

// How much of the beginning, or of the end, of the word is made of these marks.
static size_t run_of_marks(Str word, const char *const *marks, bool at_end)
{
    size_t n = 0;
    for (size_t i = 0; marks[i];) {
        size_t size = strlen(marks[i]);
        Str rest = at_end ? (Str){ word.at, word.n - n } : (Str){ word.at + n, word.n - n };
        bool hit = at_end ? str_ends(rest, marks[i]) : str_starts(rest, marks[i]);
        n += hit ? size : 0;
        i = hit ? 0 : i + 1;
    }
    return n;
}

// Where the address in the word [begin, end) ends: brackets that it opens are closed by what stood behind it.
static size_t balanced_end(const Text *t, size_t begin, size_t stop, size_t end)
{
    static const char *const pairs[][2] = { { "(", ")" }, { "<", ">" }, { "&lt;", "&gt;" } };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        size_t opened = count_of(part(t, begin, stop), pairs[i][0]),
               closing = count_of(part(t, stop, end), pairs[i][1]);
        if (opened <= count_of(part(t, begin, stop), pairs[i][1])) continue;
        for (size_t n = opened < closing ? opened : closing; n; n--) {
            const char *hit = memmem(t->at + stop, end - stop, pairs[i][1], strlen(pairs[i][1]));
            if (!hit) break;
            stop = (size_t)(hit - t->at) + strlen(pairs[i][1]);
        }
    }
    return stop;
}

static void put_link(Urlize *u, const Text *t, size_t begin, size_t shown, size_t end, const char *scheme,
                     bool attributes)
{
    jinja_put_str(&u->m, "<a href=\"");
    jinja_put_str(&u->m, scheme);
    jinja_put_part(&u->m, t, begin, end);
    jinja_put_str(&u->m, "\"");
    if (attributes && u->rel) {
        jinja_put_str(&u->m, " rel=\"");
        jinja_put_text(&u->m, u->rel);
        jinja_put_str(&u->m, "\"");
    }
    if (attributes && u->target) {
        jinja_put_str(&u->m, " target=\"");
        jinja_put_text(&u->m, u->target);
        jinja_put_str(&u->m, "\"");
    }
    jinja_put_str(&u->m, ">");
    Value text = jinja_part(u->r, t, shown, end);
    if (jinja_failed(u->r)) return;
    int64_t left = text.text->chars;
    if (attributes && !jinja_bound(u->r, u->trim, left, &left)) return;
    bool cut = attributes && text.text->chars > left;
    if (left < 0) left = text.text->chars + left < 0 ? 0 : text.text->chars + left;
    jinja_put_part(&u->m, text.text, 0, cut ? jinja_offset(u->r, text.text, left) : text.text->n);
    jinja_put_str(&u->m, cut ? "...</a>" : "</a>");
}

static bool has_scheme(const Urlize *u, Str word)
{
    for (size_t i = 0; u->schemes && i < u->schemes->n; i++) {
        const Text *s = u->schemes->at[i].text;
        if (word.n > s->n && memcmp(word.at, s->at, s->n) == 0) return true;
    }
    return false;
}

static void put_address(Urlize *u, const Text *t, size_t begin, size_t end)
{
    Str word = part(t, begin, end);
    const bool schemed = str_starts(word, "https://") || str_starts(word, "http://");
    const bool mailto = str_starts(word, "mailto:");
    const bool at_sign = word.n && memchr(word.at, '@', word.n), colon = word.n && memchr(word.at, ':', word.n);
    if (matches(u, u->http, word))
        put_link(u, t, begin, begin, end, schemed ? "" : "https://", true);
    else if (mailto && matches(u, u->mail, part(t, begin + 7, end)))
        put_link(u, t, begin, begin + 7, end, "", false);
    else if (at_sign && !colon && word.at[0] != '@' && !str_starts(word, "www.") && matches(u, u->mail, word))
        put_link(u, t, begin, begin, end, "mailto:", false);
    else if (has_scheme(u, word)) {
        Value trim = u->trim;
        u->trim = NOTHING; // such an address is shown whole
        put_link(u, t, begin, begin, end, "", true);
        u->trim = trim;
    } else
        jinja_put_part(&u->m, t, begin, end);
}

static void put_word(Urlize *u, const Text *t, size_t begin, size_t end)
{
    static const char *const heads[] = { "(", "<", "&lt;", NULL }, *const tails[] = {
        ")", ">", ".", ",", "&gt;", NULL
    };
    size_t start = begin + run_of_marks(part(t, begin, end), heads, false);
    size_t stop = end - run_of_marks(part(t, start, end), tails, true);
    stop = balanced_end(t, start, stop, end);
    jinja_put_part(&u->m, t, begin, start);
    put_address(u, t, start, stop);
    jinja_put_part(&u->m, t, stop, end);
}

static void put_all(Urlize *u, const Text *t)
{
    for (size_t at = 0; at < t->n && !jinja_failed(u->r);) {
        size_t begin = at, next = at;
        while (next < t->n && !jinja_is_space(utf8_next(t->at, t->n, &next))) at = next;
        if (at > begin) put_word(u, t, begin, at);
        for (begin = next = at; next < t->n && jinja_is_space(utf8_next(t->at, t->n, &next));) at = next;
        jinja_put_part(&u->m, t, begin, at);
    }
}

// "noopener" and what else is asked for, each once, sorted.
static const Text *rel_words(Run *r, Value rel, bool nofollow)
{
    const Args none = { 0 };
    if (rel.kind != V_TEXT && jinja_true(r, rel)) jinja_fail(r, ERR_FORMAT, "rel must be str, not %s", jinja_type(rel));
    Value text = rel.kind == V_TEXT ? rel : jinja_literal(r, ""), seen = jinja_dict_new(r);
    Value words = jinja_failed(r) ? NOTHING : jinja_call_builtin(r, jinja_text_method(str("split")), text, &none);
    if (jinja_failed(r)) return NULL;
    for (size_t i = 0; i < words.list->n; i++) jinja_dict_put(r, seen.dict, words.list->at[i], NONE);
    jinja_dict_put(r, seen.dict, jinja_literal(r, "noopener"), NONE);
    if (nofollow) jinja_dict_put(r, seen.dict, jinja_literal(r, "nofollow"), NONE);
    List *keys = jinja_failed(r) ? NULL : jinja_iterate(r, seen);
    List *order = keys ? jinja_list_new(r, keys->n) : NULL;
    if (!order) return NULL;
    jinja_sort(r, keys->at, order->at, keys->n, false);
    Maker m = { .r = r };
    for (size_t i = 0; i < keys->n && !jinja_failed(r); i++) {
        if (i) jinja_put_str(&m, " ");
        jinja_put_text(&m, keys->at[i].text);
    }
    Value joined = jinja_made(&m);
    return jinja_failed(r) ? NULL : jinja_soft(r, jinja_escaped(r, joined));
}

static bool take_schemes(Urlize *u, Value given)
{
    if (given.kind == V_ABSENT || given.kind == V_NONE) return true;
    u->schemes = jinja_iterate(u->r, given);
    for (size_t i = 0; u->schemes && i < u->schemes->n; i++) {
        Value s = u->schemes->at[i];
        if (s.kind == V_TEXT && matches(u, u->scheme, (Str){ s.text->at, s.text->n })) continue;
        jinja_fail(u->r, ERR_FORMAT, "an element of extra_schemes is not a valid URI scheme prefix");
        return false;
    }
    return !jinja_failed(u->r);
}

static bool begin(Urlize *u)
{
    static const char http[] =
        "^((https?://|www\\.)(([\\w%-]+\\.)+)?([a-z]{2,63}|xn--[\\w%]{2,59})"
        "|([\\w%-]{2,63}\\.)+(com|net|int|edu|gov|org|info|mil)"
        "|(https?://)((([\\d]{1,3})(\\.[\\d]{1,3}){3})|(\\[([\\da-f]{0,4}:){2}([\\da-f]{0,4}:?){1,6}\\])))"
        "(?::[\\d]{1,5})?(?:[/?#]\\S*)?$";
    u->http = compile(u->r, http);
    u->mail = u->http ? compile(u->r, "^\\S+@\\w[\\w.-]*\\.\\w+$") : NULL;
    u->scheme = u->mail ? compile(u->r, "^([\\w.+-]{2,}:(/){0,2})\\z") : NULL;
    u->match = u->scheme ? pcre2_match_data_create(1, NULL) : NULL;
    u->limit = u->match ? pcre2_match_context_create(NULL) : NULL;
    if (u->limit)
        pcre2_set_match_limit(u->limit, MATCH_STEPS);
    else if (!jinja_failed(u->r))
        u->r->err = err_memory("the filter urlize");
    return u->limit;
}

// urlize(trim_url_limit, nofollow, target, rel, extra_schemes)
Value jinja_urlize(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    Urlize u = { .r = r, .m = { .r = r, .safe = r->autoescape }, .trim = a[0] };
    Value out = NOTHING;
    const Text *t = jinja_soft(r, jinja_escaped(r, self));
    u.rel = rel_words(r, a[3], jinja_true(r, a[1]));
    if (jinja_true(r, a[2])) u.target = jinja_soft(r, jinja_escaped(r, a[2]));
    if (!jinja_failed(r) && begin(&u) && take_schemes(&u, a[4])) {
        put_all(&u, t);
        out = jinja_made(&u.m);
    }
    pcre2_match_context_free(u.limit);
    pcre2_match_data_free(u.match);
    pcre2_code_free(u.scheme);
    pcre2_code_free(u.mail);
    pcre2_code_free(u.http);
    return out;
}
