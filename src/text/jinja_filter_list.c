// Filters over sequences and mappings, and those that call other filters and tests by name.
#include "text/jinja_internal.h"

static Value integer(int64_t i)
{
    return (Value){ .kind = V_INT, .integer = i };
}

static bool given(Value v)
{
    return v.kind != V_ABSENT && v.kind != V_NONE;
}

// ---- Attributes and keys -------------------------------------------------------------------------------------------

// The part of a dotted path: a number where it is made of digits.
static Value path_key(Run *r, const Text *path, size_t begin, size_t end)
{
    int64_t n = 0;
    bool digits = end > begin && end - begin < 18;
    for (size_t i = begin; i < end && digits; i++) {
        digits = path->at[i] >= '0' && path->at[i] <= '9';
        n = n * 10 + (path->at[i] - '0');
    }
    return digits ? integer(n) : jinja_part(r, path, begin, end);
}

// `attribute` of an item: a dotted path, an index, or absent: the item. `fallback` replaces what is undefined, if given.
static Value get_path(Run *r, Value item, Value attribute, Value fallback)
{
    if (!given(attribute)) return item;
    if (attribute.kind != V_TEXT) {
        Value v = jinja_item(r, item, attribute);
        return v.kind == V_UNDEFINED && given(fallback) ? fallback : v;
    }
    const Text *path = attribute.text;
    for (size_t begin = 0; begin <= path->n && !jinja_failed(r);) {
        const char *dot = memchr(path->at + begin, '.', path->n - begin);
        size_t end = dot ? (size_t)(dot - path->at) : path->n;
        item = jinja_item(r, item, path_key(r, path, begin, end));
        if (item.kind == V_UNDEFINED && given(fallback)) item = fallback;
        begin = end + 1;
    }
    return item;
}

static Value fold_case(Run *r, Value v, bool sensitive)
{
    return v.kind == V_TEXT && !sensitive ? jinja_case(r, v.text, CASE_LOWER) : v;
}

// The keys of sort(attribute='a,b') as a tuple: as its elements, equal ones are never asked for their order.
static Value sort_key(Run *r, Value item, Value attribute, bool sensitive)
{
    if (attribute.kind != V_TEXT) {
        List *one = jinja_list_new(r, 1);
        if (one) one->at[0] = fold_case(r, get_path(r, item, attribute, NOTHING), sensitive);
        return jinja_list(V_TUPLE, one);
    }
    const Text *t = attribute.text;
    size_t count = 1, i = 0;
    for (size_t at = 0; at < t->n; at++) count += t->at[at] == ',';
    List *keys = jinja_list_new(r, count);
    for (size_t begin = 0; keys && i < count && !jinja_failed(r);) {
        const char *comma = memchr(t->at + begin, ',', t->n - begin);
        size_t end = comma ? (size_t)(comma - t->at) : t->n;
        keys->at[i++] = fold_case(r, get_path(r, item, jinja_part(r, t, begin, end), NOTHING), sensitive);
        begin = end + 1;
    }
    return jinja_list(V_TUPLE, keys);
}

static List *copy_list(Run *r, const List *from)
{
    List *list = from ? jinja_list_new(r, from->n) : NULL;
    if (list && from->n) memcpy(list->at, from->at, from->n * sizeof *list->at);
    return list;
}

static Value sorted(Run *r, const List *from, Value attribute, bool sensitive, bool reverse)
{
    List *list = copy_list(r, from), *keys = list ? jinja_list_new(r, list->n) : NULL;
    for (size_t i = 0; keys && i < keys->n && !jinja_failed(r); i++)
        keys->at[i] = sort_key(r, list->at[i], attribute, sensitive);
    if (keys && !jinja_failed(r)) jinja_sort(r, keys->at, list->at, list->n, reverse);
    return jinja_failed(r) ? NOTHING : jinja_list(V_LIST, list);
}

// ---- Whole sequences -----------------------------------------------------------------------------------------------

static Value filter_length(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return jinja_length(r, self);
}

static Value filter_list(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return jinja_list(V_LIST, copy_list(r, jinja_iterate(r, self)));
}

static Value filter_first(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    List *list = jinja_iterate_lazily(r, self);
    if (!list || (!list->n && !jinja_reach(r, list))) return NOTHING;
    if (!list->n) return jinja_undefined_reason(r, "no first item, the sequence was empty");
    if (self.kind != V_STREAM) return list->at[0];
    list->spent = false; // the others can still be read
    list->n--;
    return *list->at++;
}

static Value filter_last(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    if (self.kind == V_STREAM) return jinja_fail(r, ERR_FORMAT, "'generator' object is not reversible");
    const List *list = jinja_iterate(r, self);
    if (!list) return NOTHING;
    return list->n ? list->at[list->n - 1] : jinja_undefined_reason(r, "no last item, the sequence was empty");
}

static Value filter_reverse(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    if (self.kind == V_TEXT) return jinja_slice(r, self, NOTHING, NOTHING, integer(-1));
    const List *from = jinja_iterate(r, self);
    List *list = from ? jinja_list_new(r, from->n) : NULL;
    for (size_t i = 0; list && i < list->n; i++) list->at[i] = from->at[from->n - 1 - i];
    return jinja_list(self.kind == V_STREAM ? V_LIST : V_STREAM, list); // what has no reversed() is copied
}

static Value filter_join(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    const List *list = jinja_iterate(r, self);
    List *parts = list ? jinja_list_new(r, list->n) : NULL;
    bool escape = false;
    for (size_t i = 0; parts && i < list->n && !jinja_failed(r); i++) {
        parts->at[i] = get_path(r, list->at[i], a[1], NOTHING);
        escape |= jinja_is_safe(parts->at[i]);
    }
    Value between = a[0].kind == V_ABSENT ? jinja_literal(r, "") : jinja_str(r, a[0]);
    if (!parts || jinja_failed(r)) return NOTHING;
    Maker m = { .r = r, .safe = r->autoescape && (escape || between.text->safe) };
    if (m.safe) between = jinja_escaped(r, between);
    for (size_t i = 0; i < parts->n && !jinja_failed(r); i++) {
        if (i) jinja_put_text(&m, between.text);
        jinja_show(&m, m.safe ? jinja_escaped(r, parts->at[i]) : parts->at[i]);
    }
    return jinja_made(&m);
}

static Value filter_sort(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return sorted(r, jinja_iterate(r, self), a[2], jinja_true(r, a[1]), jinja_flag(r, a[0], false));
}

// What Python makes one by one as it is asked for is made at once here; what fails is kept until it would be reached.
static Value stream(Run *r, List *list, size_t n, const List *from)
{
    const Err e = r->err;
    if (e.code && e.code != ERR_FORMAT) return NOTHING;
    r->err = OK;
    if (!list) list = jinja_list_new(r, 0);
    if (!list) return NOTHING;
    list->n = n;
    list->fault = from ? from->fault : NULL;
    Err *kept = e.code ? jinja_alloc(r, 1, sizeof *kept) : NULL;
    if (!kept) return jinja_list(V_STREAM, list);
    *kept = e;
    list->fault = kept;
    return jinja_list(V_STREAM, list);
}

static Value filter_unique(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    const List *from = jinja_iterate_lazily(r, self);
    List *list = from ? jinja_list_new(r, from->n) : NULL;
    Value seen = jinja_dict_new(r);
    size_t n = 0;
    bool sensitive = jinja_true(r, a[0]);
    for (size_t i = 0; list && i < from->n && !jinja_failed(r); i++) {
        Value key = fold_case(r, get_path(r, from->at[i], a[1], NOTHING), sensitive);
        if (jinja_failed(r) || jinja_dict_get(r, seen.dict, key).kind != V_ABSENT) continue;
        if (jinja_dict_put(r, seen.dict, key, NONE)) list->at[n++] = from->at[i];
    }
    return stream(r, list, n, from);
}

// A row of batch(): `n` items from `at`, filled up to `size` where that is a number.
static Value batch_row(Run *r, const Value *at, size_t n, Value size, Value fill)
{
    int64_t width = 0;
    bool short_row = given(fill) && jinja_compare(r, integer((int64_t)n), size, "<") == -1;
    if (short_row && !jinja_need_int(r, size, &width)) return NOTHING;
    List *row = jinja_failed(r) ? NULL : jinja_list_new(r, width > (int64_t)n ? (size_t)width : n);
    for (size_t i = 0; row && i < row->n; i++) row->at[i] = i < n ? at[i] : fill;
    return jinja_list(V_LIST, row);
}

static Value filter_batch(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    const List *from = jinja_iterate_lazily(r, self);
    List *list = from ? jinja_list_new(r, from->n + 1) : NULL;
    size_t n = 0, begin = 0;
    for (size_t i = 0; list && i < from->n && !jinja_failed(r); i++) {
        if (!jinja_equal(r, integer((int64_t)(i - begin)), a[0])) continue;
        list->at[n] = batch_row(r, from->at + begin, i - begin, a[0], NONE);
        begin = i;
        n += !jinja_failed(r);
    }
    if (list && !jinja_failed(r) && jinja_reach(r, from) && begin < from->n) {
        list->at[n] = batch_row(r, from->at + begin, from->n - begin, a[0], a[1]);
        n += !jinja_failed(r);
    }
    return stream(r, list, n, NULL);
}

static Value filter_slice(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    int64_t slices = 0;
    const List *from = jinja_iterate(r, self);
    if (from && jinja_need_int(r, a[0], &slices) && !slices)
        jinja_fail(r, ERR_FORMAT, "integer division or modulo by zero");
    if (jinja_failed(r) || slices < 1) return stream(r, NULL, 0, NULL);
    List *list = jinja_list_new(r, (size_t)slices);
    size_t each = from->n / (size_t)slices, longer = from->n % (size_t)slices, at = 0, made = 0;
    for (size_t i = 0; list && i < list->n && !jinja_failed(r); i++) {
        size_t n = each + (i < longer);
        bool fill = given(a[1]) && i >= longer;
        List *line = jinja_list_new(r, n + fill);
        if (!line) return NOTHING;
        if (n) memcpy(line->at, from->at + at, n * sizeof *line->at);
        if (fill) line->at[n] = a[1];
        at += n;
        list->at[made++] = jinja_list(V_LIST, line);
    }
    return stream(r, list, made, NULL);
}

static Value filter_sum(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    const List *list = jinja_iterate(r, self);
    Value total = a[1].kind == V_ABSENT ? integer(0) : a[1];
    if (total.kind == V_TEXT) return jinja_fail(r, ERR_FORMAT, "sum() can't sum strings; use join instead");
    for (size_t i = 0; list && i < list->n && !jinja_failed(r); i++)
        total = jinja_binary(r, T_ADD, total, get_path(r, list->at[i], a[0], NOTHING));
    return jinja_failed(r) ? NOTHING : total;
}

static Value extreme(Run *r, Value self, const Value *a, int wanted)
{
    const List *list = jinja_iterate(r, self);
    if (!list) return NOTHING;
    if (!list->n) return jinja_undefined_reason(r, "no aggregated item, the sequence was empty");
    bool sensitive = jinja_true(r, a[0]);
    Value best = list->at[0], best_key = fold_case(r, get_path(r, best, a[1], NOTHING), sensitive);
    for (size_t i = 1; i < list->n && !jinja_failed(r); i++) {
        Value key = fold_case(r, get_path(r, list->at[i], a[1], NOTHING), sensitive);
        if (jinja_failed(r) || jinja_compare(r, key, best_key, wanted < 0 ? "<" : ">") != wanted) continue;
        best = list->at[i];
        best_key = key;
    }
    return best;
}

static Value filter_min(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return extreme(r, self, a, -1);
}

static Value filter_max(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    return extreme(r, self, a, 1);
}

static Value filter_groupby(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    bool sensitive = jinja_true(r, a[2]);
    List *list = copy_list(r, jinja_iterate(r, self)), *keys = list ? jinja_list_new(r, list->n) : NULL;
    List *groups = list ? jinja_list_new(r, list->n) : NULL;
    if (!keys || !groups) return NOTHING;
    for (size_t i = 0; i < list->n; i++) keys->at[i] = fold_case(r, get_path(r, list->at[i], a[0], a[1]), sensitive);
    if (!jinja_failed(r)) jinja_sort(r, keys->at, list->at, list->n, false);
    size_t n = 0;
    for (size_t begin = 0, end; begin < list->n && !jinja_failed(r); begin = end) {
        for (end = begin + 1; end < list->n && jinja_equal(r, keys->at[begin], keys->at[end]);) end++;
        List *pair = jinja_list_new(r, 2), *items = jinja_list_new(r, end - begin);
        if (!pair || !items) return NOTHING;
        memcpy(items->at, list->at + begin, (end - begin) * sizeof *items->at);
        pair->at[0] = get_path(r, list->at[begin], a[0], a[1]);
        pair->at[1] = jinja_list(V_LIST, items);
        pair->grouped = true;
        groups->at[n++] = jinja_list(V_TUPLE, pair);
    }
    groups->n = n;
    return jinja_failed(r) ? NOTHING : jinja_list(V_LIST, groups);
}

// ---- By name -------------------------------------------------------------------------------------------------------

static Args rest_of(const Args *args, size_t from)
{
    Args rest = *args;
    rest.at += from;
    rest.n -= from;
    return rest;
}

Value jinja_call_named_filter(Run *r, Value name, Value v, const Args *args)
{
    const Builtin *b = name.kind == V_TEXT ? jinja_filter((Str){ name.text->at, name.text->n }) : NULL;
    if (!b) return jinja_fail(r, ERR_FORMAT, "no filter of the name given to map()");
    return jinja_call_builtin(r, b, v, args);
}

// map(attribute=..., default=...)
static bool map_attribute(Run *r, const Args *args, Value *attribute, Value *fallback)
{
    bool found = false;
    for (size_t i = 0; i < args->named_n && !args->n; i++) {
        Str name = { args->named[i].name->at, args->named[i].name->n };
        if (str_is(name, "attribute"))
            *attribute = args->named[i].value, found = true;
        else if (str_is(name, "default"))
            *fallback = args->named[i].value;
        else
            jinja_fail(r, ERR_FORMAT, "map() got an unexpected keyword argument");
    }
    if (!args->n && !found) jinja_fail(r, ERR_FORMAT, "map requires a filter argument");
    return found;
}

static Value filter_map(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a;
    Value attribute = NOTHING, fallback = NOTHING;
    if (!jinja_true(r, self)) return jinja_list(V_STREAM, jinja_list_new(r, 0));
    if (jinja_failed(r)) return NOTHING;
    bool by_attribute = map_attribute(r, args, &attribute, &fallback);
    const List *from = jinja_iterate_lazily(r, self);
    List *list = from ? jinja_list_new(r, from->n) : NULL;
    Args rest = args->n ? rest_of(args, 1) : (Args){ 0 };
    size_t n = 0;
    for (size_t i = 0; list && i < from->n && !jinja_failed(r); i++) {
        list->at[i] = by_attribute ? get_path(r, from->at[i], attribute, fallback)
                                   : jinja_call_named_filter(r, args->at[0], from->at[i], &rest);
        n += !jinja_failed(r);
    }
    return stream(r, list, n, from);
}

// select, reject and the two by attribute: items whose test gives `wanted`. Without a test: their truth.
static Value choose(Run *r, Value self, const Args *args, bool by_attribute, bool wanted)
{
    size_t skip = by_attribute ? 1 : 0, n = 0;
    if (!jinja_true(r, self)) return jinja_list(V_STREAM, jinja_list_new(r, 0));
    if (jinja_failed(r)) return NOTHING;
    Value name = args->n > skip ? args->at[skip] : NOTHING;
    const Builtin *test = name.kind == V_TEXT ? jinja_test((Str){ name.text->at, name.text->n }) : NULL;
    if (args->n < skip) jinja_fail(r, ERR_FORMAT, "missing parameter for attribute name");
    if (args->n > skip && !test) jinja_fail(r, ERR_FORMAT, "no test of the name given to a selecting filter");
    const List *from = jinja_iterate_lazily(r, self);
    List *list = from ? jinja_list_new(r, from->n) : NULL;
    Args rest = test ? rest_of(args, skip + 1) : (Args){ 0 };
    for (size_t i = 0; list && i < from->n && !jinja_failed(r); i++) {
        Value v = by_attribute ? get_path(r, from->at[i], args->at[0], NOTHING) : from->at[i];
        bool is = jinja_true(r, test ? jinja_call_test(r, test, v, &rest) : v);
        if (!jinja_failed(r) && is == wanted) list->at[n++] = from->at[i];
    }
    return stream(r, list, n, from);
}

static Value filter_select(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a;
    return choose(r, self, args, false, true);
}

static Value filter_reject(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a;
    return choose(r, self, args, false, false);
}

static Value filter_selectattr(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a;
    return choose(r, self, args, true, true);
}

static Value filter_rejectattr(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a;
    return choose(r, self, args, true, false);
}

// ---- Mappings and the rest -----------------------------------------------------------------------------------------

static Value filter_items(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    if (self.kind == V_UNDEFINED) return jinja_list(V_STREAM, jinja_list_new(r, 0));
    if (self.kind != V_DICT) {
        jinja_fail(r, ERR_FORMAT, "can only get item pairs from a mapping");
        return stream(r, NULL, 0, NULL);
    }
    Value v = jinja_dict_items(r, self.dict);
    if (v.kind == V_ITEMS) v.kind = V_STREAM;
    return v;
}

static Value filter_dictsort(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    bool by_value = a[1].kind == V_TEXT && str_is((Str){ a[1].text->at, a[1].text->n }, "value");
    bool by_key = a[1].kind == V_ABSENT || (a[1].kind == V_TEXT && str_is((Str){ a[1].text->at, a[1].text->n }, "key"));
    if (!by_value && !by_key) return jinja_fail(r, ERR_FORMAT, "dictsort sorts by \"key\" or \"value\"");
    if (self.kind == V_UNDEFINED) return jinja_use_undefined(r, self);
    if (self.kind != V_DICT) return jinja_fail(r, ERR_FORMAT, "'%s' object has no attribute 'items'", jinja_type(self));
    Value items = jinja_dict_items(r, self.dict);
    if (jinja_failed(r)) return NOTHING;
    List *list = items.list, *keys = jinja_list_new(r, list->n); // keys as they are: even equal ones must have an order
    bool sensitive = jinja_true(r, a[0]), reverse = jinja_flag(r, a[2], false);
    for (size_t i = 0; keys && i < keys->n && !jinja_failed(r); i++)
        keys->at[i] = fold_case(r, list->at[i].list->at[by_value], sensitive);
    if (keys && !jinja_failed(r)) jinja_sort(r, keys->at, list->at, list->n, reverse);
    return jinja_failed(r) ? NOTHING : jinja_list(V_LIST, list);
}

static Value filter_default(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    bool empty = self.kind == V_UNDEFINED || (jinja_true(r, a[1]) && !jinja_true(r, self));
    if (!empty) return self;
    return a[0].kind == V_ABSENT ? jinja_literal(r, "") : a[0];
}

static Value filter_attr(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    if (a[0].kind != V_TEXT) return jinja_fail(r, ERR_FORMAT, "attr() takes the name of an attribute");
    if (self.kind == V_DICT && jinja_dict_get(r, self.dict, a[0]).kind != V_ABSENT) { // a key is no attribute
        bool unsafe;
        Str name = { a[0].text->at, a[0].text->n };
        if (!jinja_method(V_DICT, name, &unsafe) && !unsafe) return jinja_undefined(r, name, "dict");
    }
    return jinja_get(r, self, a[0].text);
}

const Builtin jinja_filters_list[] = {
    { "length", "", 0, filter_length },
    { "count", "", 0, filter_length },
    { "list", "", 0, filter_list },
    { "first", "", 0, filter_first },
    { "last", "", 0, filter_last },
    { "reverse", "", 0, filter_reverse },
    { "join", "d attribute", 0, filter_join },
    { "sort", "reverse case_sensitive attribute", 0, filter_sort },
    { "unique", "case_sensitive attribute", 0, filter_unique },
    { "batch", "linecount fill_with", 1, filter_batch },
    { "slice", "slices fill_with", 1, filter_slice },
    { "sum", "attribute start", 0, filter_sum },
    { "min", "case_sensitive attribute", 0, filter_min },
    { "max", "case_sensitive attribute", 0, filter_max },
    { "groupby", "attribute default case_sensitive", 1, filter_groupby },
    { "map", "*", 0, filter_map },
    { "select", "*", 0, filter_select },
    { "reject", "*", 0, filter_reject },
    { "selectattr", "*", 0, filter_selectattr },
    { "rejectattr", "*", 0, filter_rejectattr },
    { "items", "", 0, filter_items },
    { "dictsort", "case_sensitive by reverse", 0, filter_dictsort },
    { "default", "default_value boolean", 0, filter_default },
    { "d", "default_value boolean", 0, filter_default },
    { "attr", "name", 1, filter_attr },
    { "random", "", 0, jinja_random },
    { NULL, NULL, 0, NULL },
};

const Builtin *jinja_filter(Str name)
{
    const Builtin *b = jinja_find_builtin(jinja_filters_list, name);
    return b ? b : jinja_find_builtin(jinja_filters_text, name);
}
