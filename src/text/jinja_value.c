// Values: truth, equality, order, containers. Python's rules; what Python raises fails the run.
#include "text/jinja_internal.h"

#include <math.h>
#include <stdio.h>

const char *jinja_type(Value v)
{
    static const char *const names[] = {
        [V_ABSENT] = "nothing",   [V_UNDEFINED] = "Undefined",
        [V_NONE] = "NoneType",    [V_BOOL] = "bool",
        [V_INT] = "int",          [V_BIG] = "int",
        [V_FLOAT] = "float",      [V_TEXT] = "str",
        [V_BYTES] = "bytes",      [V_LIST] = "list",
        [V_TUPLE] = "tuple",      [V_STREAM] = "generator",
        [V_KEYS] = "dict_keys",   [V_VALUES] = "dict_values",
        [V_ITEMS] = "dict_items", [V_RANGE] = "range",
        [V_DICT] = "dict",        [V_NAMESPACE] = "Namespace",
        [V_BOUND] = "function",   [V_MACRO] = "Macro",
        [V_LOOP] = "LoopContext", [V_CYCLER] = "Cycler",
        [V_JOINER] = "Joiner",    [V_BLOCKS] = "TemplateReference",
    };
    return names[v.kind];
}

bool jinja_is_list(Value v)
{
    return v.kind >= V_LIST && v.kind <= V_RANGE;
}

bool jinja_as_int(Value v, int64_t *out)
{
    if (v.kind == V_INT)
        *out = v.integer;
    else if (v.kind == V_BOOL)
        *out = v.flag;
    else
        return false;
    return true;
}

bool jinja_as_real(Value v, double *out)
{
    if (v.kind == V_FLOAT)
        *out = v.real;
    else if (jinja_is_whole(v))
        *out = jinja_int_real(v);
    else
        return false;
    return true;
}

bool jinja_need_real(Run *r, Value v, double *out)
{
    *out = 0;
    if (v.kind == V_UNDEFINED)
        jinja_use_undefined(r, v);
    else if (!jinja_as_real(v, out))
        jinja_fail(r, ERR_FORMAT, "must be real number, not %s", jinja_type(v));
    else if (v.kind == V_BIG && isinf(*out))
        jinja_fail(r, ERR_FORMAT, "int too large to convert to float");
    return !jinja_failed(r);
}

bool jinja_need_int(Run *r, Value v, int64_t *out)
{
    if (jinja_as_int(v, out)) return true;
    *out = 0;
    if (v.kind == V_UNDEFINED)
        jinja_use_undefined(r, v);
    else if (v.kind == V_BIG)
        jinja_fail(r, ERR_FORMAT, "cannot fit 'int' into an index-sized integer");
    else
        jinja_fail(r, ERR_FORMAT, "'%s' object cannot be interpreted as an integer", jinja_type(v));
    return false;
}

bool jinja_index(Run *r, Value v, int64_t fallback, int64_t *out)
{
    *out = fallback;
    return v.kind == V_ABSENT || jinja_need_int(r, v, out);
}

bool jinja_flag(Run *r, Value v, bool fallback)
{
    int64_t i = fallback;
    if (!jinja_index(r, v, fallback, &i)) return false;
    if (i < INT32_MIN || i > INT32_MAX) jinja_fail(r, ERR_FORMAT, "Python int too large to convert to C int");
    return i != 0;
}

bool jinja_bound(Run *r, Value v, int64_t fallback, int64_t *out)
{
    *out = v.kind == V_BIG && v.big->negative ? INT64_MIN : INT64_MAX;
    if (v.kind == V_BIG) return true;
    return jinja_index(r, v.kind == V_NONE ? NOTHING : v, fallback, out);
}

// ---- Undefined -----------------------------------------------------------------------------------------------------

static Value unknown(Run *r, Unknown u)
{
    Unknown *kept = jinja_alloc(r, 1, sizeof *kept);
    if (!kept) return NOTHING;
    *kept = u;
    return (Value){ .kind = V_UNDEFINED, .unknown = kept };
}

Value jinja_undefined(Run *r, Str name, const char *of)
{
    return unknown(r, (Unknown){ .name = name, .of = of });
}

Value jinja_undefined_reason(Run *r, const char *reason)
{
    return unknown(r, (Unknown){ .reason = reason });
}

Value jinja_use_undefined(Run *r, Value v)
{
    const Unknown *u = v.unknown;
    int n = (int)(u->name.n > 100 ? utf8_whole(u->name.at, 100) : u->name.n);
    if (u->unsafe)
        return jinja_fail(r, ERR_FORMAT, "access to attribute '%.*s' of '%s' object is unsafe", n, u->name.at, u->of);
    if (u->reason) return jinja_fail(r, ERR_FORMAT, "%s", tr(u->reason));
    if (u->of) return jinja_fail(r, ERR_FORMAT, "'%s object' has no attribute '%.*s'", u->of, n, u->name.at);
    return jinja_fail(r, ERR_FORMAT, "'%.*s' is undefined", n, u->name.at);
}

// ---- Truth, equality, order ----------------------------------------------------------------------------------------

bool jinja_true(Run *r, Value v)
{
    if (jinja_failed(r)) return false;
    switch (v.kind) {
    case V_ABSENT:
    case V_UNDEFINED:
    case V_NONE:
        return false;
    case V_BOOL:
        return v.flag;
    case V_INT:
        return v.integer != 0;
    case V_BIG:
        return true;
    case V_FLOAT:
        return v.real != 0;
    case V_TEXT:
    case V_BYTES:
        return v.text->n != 0;
    case V_STREAM:
        return true;
    case V_DICT:
        return v.dict->n != 0;
    default:
        return !jinja_is_list(v) || v.list->n != 0;
    }
}

static bool lists_equal(Run *r, const List *a, const List *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n && !jinja_failed(r); i++)
        if (!jinja_equal(r, a->at[i], b->at[i])) return false;
    return true;
}

static bool dicts_equal(Run *r, const Dict *a, const Dict *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n && !jinja_failed(r); i++) {
        Value other = jinja_dict_get(r, b, a->at[i].key);
        if (other.kind == V_ABSENT || !jinja_equal(r, a->at[i].value, other)) return false;
    }
    return true;
}

// An int against a float, exactly.
static int order_mixed(int64_t i, double d)
{
    if (isnan(d)) return 2;
    if (d >= 9223372036854775808.0) return -1;
    if (d < -9223372036854775808.0) return 1;
    int64_t whole = (int64_t)d;
    if (i != whole) return i < whole ? -1 : 1;
    double part = d - (double)whole;
    return part > 0 ? -1 : part < 0 ? 1 : 0;
}

static int order_numbers(Run *r, Value a, Value b)
{
    int64_t i = 0, j = 0;
    if (a.kind == V_BIG && b.kind == V_FLOAT) return jinja_big_order_real(r, a, b.real);
    if (b.kind == V_BIG && a.kind == V_FLOAT) {
        int o = jinja_big_order_real(r, b, a.real);
        return o == 2 ? 2 : -o;
    }
    if (a.kind == V_BIG || b.kind == V_BIG) return jinja_int_order(a, b);
    bool left = jinja_as_int(a, &i), right = jinja_as_int(b, &j);
    if (left && right) return i < j ? -1 : i > j;
    if (left) return order_mixed(i, b.real);
    if (right) {
        int o = order_mixed(j, a.real);
        return o == 2 ? 2 : -o;
    }
    if (isnan(a.real) || isnan(b.real)) return 2;
    return a.real < b.real ? -1 : a.real > b.real;
}

static bool is_number(Value v)
{
    return v.kind == V_FLOAT || jinja_is_whole(v);
}

static bool is_set(Value v) // dict views that compare as sets
{
    return v.kind == V_KEYS || v.kind == V_ITEMS;
}

static bool sets_equal(Run *r, Value a, Value b)
{
    if (a.list->n != b.list->n) return false;
    for (size_t i = 0; i < a.list->n && !jinja_failed(r); i++)
        if (!jinja_contains(r, b, a.list->at[i])) return false;
    return true;
}

bool jinja_equal(Run *r, Value a, Value b)
{
    if (!jinja_spend(r, 0)) return false;
    if (is_number(a) && is_number(b)) return order_numbers(r, a, b) == 0;
    if (is_set(a) && is_set(b)) return sets_equal(r, a, b);
    if (a.kind != b.kind) return false;
    if (a.kind >= V_LIST && a.list == b.list) return true;
    bool same = false;
    switch (a.kind) {
    case V_ABSENT:
    case V_UNDEFINED:
    case V_NONE:
        return true;
    case V_TEXT:
    case V_BYTES:
        return jinja_spend(r, a.text->n) && a.text->n == b.text->n && memcmp(a.text->at, b.text->at, a.text->n) == 0;
    case V_LIST:
    case V_TUPLE:
    case V_RANGE:
        if (jinja_deeper(r)) same = lists_equal(r, a.list, b.list);
        r->depth--;
        return same;
    case V_DICT:
        if (jinja_deeper(r)) same = dicts_equal(r, a.dict, b.dict);
        r->depth--;
        return same;
    case V_BOUND:
        return a.bound->builtin == b.bound->builtin && jinja_equal(r, a.bound->self, b.bound->self);
    default:
        return a.list == b.list; // by identity
    }
}

static int order_texts(const Text *a, const Text *b)
{
    size_t n = a->n < b->n ? a->n : b->n;
    int o = n ? memcmp(a->at, b->at, n) : 0; // UTF-8 sorts as code points do
    return o ? (o < 0 ? -1 : 1) : a->n < b->n ? -1 : a->n > b->n;
}

static int order_lists(Run *r, const List *a, const List *b, const char *op)
{
    for (size_t i = 0; i < a->n && i < b->n && !jinja_failed(r); i++)
        if (!jinja_equal(r, a->at[i], b->at[i])) return jinja_compare(r, a->at[i], b->at[i], op);
    return a->n < b->n ? -1 : a->n > b->n;
}

// Views of a dict are ordered as sets are: -1 for a part of the other, 2 where neither is one.
static int order_views(Run *r, Value a, Value b)
{
    bool swap = a.list->n > b.list->n;
    Value small = swap ? b : a, big = swap ? a : b;
    for (size_t i = 0; i < small.list->n && !jinja_failed(r); i++)
        if (!jinja_contains(r, big, small.list->at[i])) return 2;
    return a.list->n < b.list->n ? -1 : swap;
}

int jinja_compare(Run *r, Value a, Value b, const char *op)
{
    int o = 0;
    if ((a.kind == V_KEYS || a.kind == V_ITEMS) && (b.kind == V_KEYS || b.kind == V_ITEMS)) return order_views(r, a, b);
    if (is_number(a) && is_number(b)) return order_numbers(r, a, b);
    if (a.kind == b.kind && (a.kind == V_TEXT || a.kind == V_BYTES))
        return jinja_spend(r, a.text->n < b.text->n ? a.text->n : b.text->n) ? order_texts(a.text, b.text) : 0;
    if (a.kind == b.kind && (a.kind == V_LIST || a.kind == V_TUPLE)) {
        if (jinja_deeper(r)) o = order_lists(r, a.list, b.list, op);
        r->depth--;
        return o;
    }
    if (a.kind == V_UNDEFINED || b.kind == V_UNDEFINED)
        jinja_use_undefined(r, a.kind == V_UNDEFINED ? a : b);
    else
        jinja_fail(r, ERR_FORMAT, "'%s' not supported between instances of '%s' and '%s'", op, jinja_type(a),
                   jinja_type(b));
    return 0;
}

bool jinja_contains(Run *r, Value in, Value what)
{
    if (in.kind == V_TEXT) {
        if (what.kind == V_TEXT)
            return jinja_spend(r, in.text->n) && jinja_find(in.text, (Str){ what.text->at, what.text->n }, 0) >= 0;
        if (what.kind == V_UNDEFINED && what.unknown->unsafe)
            jinja_use_undefined(r, what);
        else
            jinja_fail(r, ERR_FORMAT, "'in <string>' requires string as left operand, not %s", jinja_type(what));
        return false;
    }
    if (in.kind == V_DICT) return jinja_dict_get(r, in.dict, what).kind != V_ABSENT;
    if (in.kind == V_KEYS && !jinja_hashable(r, what)) return false;
    if (in.kind == V_STREAM) {
        List *rest = in.list->spent ? NULL : in.list;
        for (; rest && rest->n && !jinja_failed(r); rest->n--)
            if (jinja_equal(r, *rest->at++, what)) return rest->n--, true;
        return rest && jinja_reach(r, rest) && false;
    }
    const List *list = jinja_iterate_lazily(r, in);
    for (size_t i = 0; list && i < list->n && !jinja_failed(r); i++)
        if (jinja_equal(r, list->at[i], what)) return true;
    if (list) jinja_reach(r, list);
    return false;
}

// ---- Lists ---------------------------------------------------------------------------------------------------------

List *jinja_list_new(Run *r, size_t n)
{
    if (!jinja_spend(r, n * 16)) return NULL;
    List *list = jinja_alloc(r, 1, sizeof *list);
    if (!list) return NULL;
    list->n = n;
    list->at = n ? jinja_alloc(r, n, sizeof *list->at) : NULL;
    return n && !list->at ? NULL : list;
}

Value jinja_list(ValueKind kind, List *list)
{
    return list ? (Value){ .kind = kind, .list = list } : NOTHING;
}

static List *characters(Run *r, const Text *text)
{
    List *list = jinja_list_new(r, (size_t)text->chars);
    size_t at = 0;
    for (size_t i = 0; list && i < list->n && !jinja_failed(r); i++) {
        size_t begin = at;
        utf8_next(text->at, text->n, &at);
        Maker m = { .r = r }; // Markup's characters are none
        if (text->safe) jinja_put_part(&m, text, begin, at);
        list->at[i] = text->safe ? jinja_made(&m) : jinja_part(r, text, begin, at);
    }
    return jinja_failed(r) ? NULL : list;
}

static List *keys_of(Run *r, const Dict *dict)
{
    List *list = jinja_list_new(r, dict->n);
    for (size_t i = 0; list && i < dict->n; i++) list->at[i] = dict->at[i].key;
    return list;
}

// What is left of a running loop, as pairs with the loop itself, which it moves to its end.
static List *rest_of_loop(Run *r, Loop *loop)
{
    if (!jinja_loop_fetch(r, loop, SIZE_MAX)) return NULL;
    size_t first = loop->at + 1, n = loop->n > first ? loop->n - first : 0;
    List *list = jinja_list_new(r, n);
    for (size_t i = 0; list && i < n; i++) {
        List *pair = jinja_list_new(r, 2);
        if (!pair) return NULL;
        pair->at[0] = loop->items[first + i];
        pair->at[1] = (Value){ .kind = V_LOOP, .loop = loop };
        list->at[i] = jinja_list(V_TUPLE, pair);
    }
    if (n) loop->at = loop->n - 1;
    return list;
}

List *jinja_iterate_lazily(Run *r, Value v)
{
    if (jinja_failed(r)) return NULL;
    switch (v.kind) {
    case V_UNDEFINED:
        if (v.unknown->unsafe) return jinja_use_undefined(r, v), NULL;
        return jinja_list_new(r, 0);
    case V_TEXT:
        return characters(r, v.text);
    case V_DICT:
        return keys_of(r, v.dict);
    case V_LOOP:
        return rest_of_loop(r, v.loop);
    case V_STREAM:
        if (v.list->spent) return jinja_list_new(r, 0);
        v.list->spent = true;
        return v.list;
    default:
        if (jinja_is_list(v)) return v.list;
        jinja_fail(r, ERR_FORMAT, "'%s' object is not iterable", jinja_type(v));
        return NULL;
    }
}

bool jinja_reach(Run *r, const List *list)
{
    if (list->fault && !jinja_failed(r)) r->err = *list->fault;
    return !jinja_failed(r);
}

List *jinja_iterate(Run *r, Value v)
{
    List *list = jinja_iterate_lazily(r, v);
    return list && jinja_reach(r, list) ? list : NULL;
}

Value jinja_length(Run *r, Value v)
{
    int64_t n = 0;
    if (jinja_failed(r)) return NOTHING;
    if (v.kind == V_TEXT)
        n = v.text->chars;
    else if (v.kind == V_BYTES)
        n = (int64_t)v.text->n;
    else if (v.kind == V_DICT)
        n = (int64_t)v.dict->n;
    else if (v.kind == V_UNDEFINED)
        n = 0;
    else if (jinja_is_list(v) && v.kind != V_STREAM)
        n = (int64_t)v.list->n;
    else if (v.kind == V_LOOP) {
        if (!jinja_loop_fetch(r, v.loop, SIZE_MAX)) return NOTHING;
        n = (int64_t)v.loop->n;
    } else
        return jinja_fail(r, ERR_FORMAT, "object of type '%s' has no len()", jinja_type(v));
    return (Value){ .kind = V_INT, .integer = n };
}

// ---- Dicts ---------------------------------------------------------------------------------------------------------

static bool hash_value(Run *r, Value v, uint32_t *out)
{
    double d;
    uint32_t h = 0, item;
    if (v.kind == V_TEXT || v.kind == V_BYTES) {
        *out = v.text->hash;
        return true;
    }
    if (jinja_as_real(v, &d)) { // equal numbers of any type hash alike
        uint64_t bits;
        if (d == 0) d = 0;
        memcpy(&bits, &d, sizeof bits);
        *out = (uint32_t)(bits ^ bits >> 32) * 2654435761u;
        return true;
    }
    if (v.kind == V_TUPLE) {
        bool fine = jinja_deeper(r);
        for (size_t i = 0; fine && i < v.list->n; i++) {
            fine = jinja_spend(r, 0) && hash_value(r, v.list->at[i], &item);
            h = fine ? h * 31 + item : h;
        }
        r->depth--;
        *out = h;
        return fine;
    }
    if (v.kind == V_LIST || v.kind == V_DICT || v.kind == V_KEYS || v.kind == V_ITEMS) {
        jinja_fail(r, ERR_FORMAT, "unhashable type: '%s'", jinja_type(v));
        return false;
    }
    *out = (uint32_t)v.kind;
    return true;
}

// The entry's number, or -1. *slot: where the index has or would have it.
static int64_t dict_find(Run *r, const Dict *dict, Value key, uint32_t hash, size_t *slot)
{
    if (!dict->index) {
        for (size_t i = 0; i < dict->n; i++)
            if (dict->at[i].hash == hash && jinja_equal(r, dict->at[i].key, key)) return (int64_t)i;
        return -1;
    }
    size_t mask = dict->index_size - 1;
    for (size_t at = hash & mask;; at = (at + 1) & mask) {
        uint32_t number = dict->index[at];
        *slot = at;
        if (!number || !jinja_spend(r, 0)) return -1; // many keys of one hash run out of steps
        if (dict->at[number - 1].hash == hash && jinja_equal(r, dict->at[number - 1].key, key)) return number - 1;
    }
}

static bool dict_index(Run *r, Dict *dict)
{
    size_t size = 32;
    while (size < dict->capacity * 2) size *= 2;
    uint32_t *index = jinja_alloc(r, size, sizeof *index);
    if (!index) return false;
    for (size_t i = 0; i < dict->n; i++) {
        size_t at = dict->at[i].hash & (size - 1);
        while (index[at]) {
            at = (at + 1) & (size - 1);
            if (!jinja_spend(r, 0)) return false;
        }
        index[at] = (uint32_t)i + 1;
    }
    dict->index = index;
    dict->index_size = size;
    return true;
}

static bool dict_room(Run *r, Dict *dict)
{
    if (dict->n < dict->capacity) return true;
    if (dict->n >= UINT32_MAX / 4) return jinja_fail(r, ERR_LIMIT, "a dict has too many entries"), false;
    size_t capacity = dict->capacity ? dict->capacity * 2 : 4;
    Entry *at = jinja_alloc(r, capacity, sizeof *at);
    if (!at) return false;
    if (dict->n) memcpy(at, dict->at, dict->n * sizeof *at);
    dict->at = at;
    dict->capacity = capacity;
    return capacity <= 8 || dict_index(r, dict);
}

bool jinja_hashable(Run *r, Value v)
{
    uint32_t hash;
    return !jinja_failed(r) && hash_value(r, v, &hash);
}

bool jinja_dict_put(Run *r, Dict *dict, Value key, Value value)
{
    uint32_t hash;
    size_t slot = 0;
    if (jinja_failed(r) || !jinja_spend(r, 0) || !hash_value(r, key, &hash)) return false;
    int64_t at = dict_find(r, dict, key, hash, &slot);
    if (jinja_failed(r)) return false;
    if (at >= 0) {
        dict->at[at].value = value;
        return true;
    }
    if (!dict_room(r, dict)) return false;
    if (dict->index && dict_find(r, dict, key, hash, &slot) < 0 && !jinja_failed(r))
        dict->index[slot] = (uint32_t)dict->n + 1;
    dict->at[dict->n++] = (Entry){ .key = key, .value = value, .hash = hash };
    return !jinja_failed(r);
}

bool jinja_dict_put_text(Run *r, Dict *dict, const Text *key, Value value)
{
    return jinja_dict_put(r, dict, (Value){ .kind = V_TEXT, .text = key }, value);
}

Value jinja_dict_get(Run *r, const Dict *dict, Value key)
{
    uint32_t hash;
    size_t slot;
    if (jinja_failed(r) || !hash_value(r, key, &hash)) return NOTHING;
    int64_t at = dict_find(r, dict, key, hash, &slot);
    return at < 0 ? NOTHING : dict->at[at].value;
}

Value jinja_dict_new(Run *r)
{
    Dict *dict = jinja_alloc(r, 1, sizeof *dict);
    return dict ? (Value){ .kind = V_DICT, .dict = dict } : NOTHING;
}

// ---- Sorting -------------------------------------------------------------------------------------------------------

// A merge sort, stable also in reverse. keys[i] belongs to values[i].
void jinja_sort(Run *r, Value *keys, Value *values, size_t n, bool reverse)
{
    Value *other = n > 1 ? jinja_alloc(r, n, 2 * sizeof *other) : NULL;
    if (!other) return;
    Value *from_k = keys, *from_v = values, *to_k = other, *to_v = other + n;
    for (size_t width = 1; width < n && !jinja_failed(r); width *= 2) {
        for (size_t begin = 0; begin < n; begin += 2 * width) {
            size_t middle = begin + width < n ? begin + width : n, end = middle + width < n ? middle + width : n;
            size_t i = begin, j = middle;
            for (size_t k = begin; k < end; k++) {
                bool right = i >= middle;
                if (i < middle && j < end) {
                    int o = reverse ? jinja_compare(r, from_k[i], from_k[j], "<")
                                    : jinja_compare(r, from_k[j], from_k[i], "<");
                    right = o == -1;
                }
                size_t take = right ? j++ : i++;
                to_k[k] = from_k[take];
                to_v[k] = from_v[take];
            }
        }
        Value *swap = from_k;
        from_k = to_k, to_k = swap;
        swap = from_v;
        from_v = to_v, to_v = swap;
    }
    if (from_k == keys || jinja_failed(r)) return;
    memcpy(keys, from_k, n * sizeof *keys);
    memcpy(values, from_v, n * sizeof *values);
}
