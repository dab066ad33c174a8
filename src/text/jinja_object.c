// Methods of everything but strings, and the globals: range, dict, namespace, cycler, joiner, and what transformers adds.
#include "text/jinja_internal.h"

static Value boolean(bool flag)
{
    return (Value){ .kind = V_BOOL, .flag = flag };
}

static Value integer(int64_t i)
{
    return (Value){ .kind = V_INT, .integer = i };
}

// ---- Lists and dicts -----------------------------------------------------------------------------------------------

static Value list_index(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    int64_t n = (int64_t)self.list->n, start, stop;
    if (!jinja_bound(r, a[1], 0, &start) || !jinja_bound(r, a[2], n, &stop)) return NOTHING;
    if (start < 0) start = start + n < 0 ? 0 : start + n;
    if (stop < 0) stop += n;
    for (int64_t i = start; i < n && i < stop && !jinja_failed(r); i++)
        if (jinja_equal(r, self.list->at[i], a[0])) return integer(i);
    return jinja_fail(r, ERR_FORMAT, "the value is not in the %s", jinja_type(self));
}

static Value list_count(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    int64_t count = 0;
    for (size_t i = 0; i < self.list->n && !jinja_failed(r); i++) count += jinja_equal(r, self.list->at[i], a[0]);
    return integer(count);
}

static Value list_copy(Run *r, Value self, const Value *a, const Args *args)
{
    (void)r, (void)a, (void)args;
    return self; // lists do not change
}

static Value dict_get(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    Value v = jinja_dict_get(r, self.dict, a[0]);
    if (v.kind != V_ABSENT || jinja_failed(r)) return v;
    return a[1].kind == V_ABSENT ? NONE : a[1];
}

static Value dict_list(Run *r, const Dict *dict, ValueKind kind)
{
    List *list = jinja_list_new(r, dict->n);
    for (size_t i = 0; list && i < dict->n; i++) {
        list->at[i] = kind == V_KEYS ? dict->at[i].key : dict->at[i].value;
        if (kind != V_ITEMS) continue;
        List *pair = jinja_list_new(r, 2);
        if (!pair) return NOTHING;
        pair->at[0] = dict->at[i].key;
        pair->at[1] = dict->at[i].value;
        list->at[i] = jinja_list(V_TUPLE, pair);
    }
    return jinja_list(kind, list);
}

Value jinja_dict_items(Run *r, const Dict *dict)
{
    return dict_list(r, dict, V_ITEMS);
}

static Value dict_items(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return dict_list(r, self.dict, V_ITEMS);
}

static Value dict_keys(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return dict_list(r, self.dict, V_KEYS);
}

static Value dict_values(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return dict_list(r, self.dict, V_VALUES);
}

// dict.fromkeys, called on a dict
static Value dict_fromkeys(Run *r, Value self, const Value *a, const Args *args)
{
    (void)self, (void)args;
    const List *keys = jinja_iterate(r, a[0]);
    Value dict = jinja_dict_new(r);
    for (size_t i = 0; keys && i < keys->n && !jinja_failed(r); i++)
        jinja_dict_put(r, dict.dict, keys->at[i], a[1].kind == V_ABSENT ? NONE : a[1]);
    return jinja_failed(r) ? NOTHING : dict;
}

// Bytes come from str.encode() alone, so they are well-formed UTF-8.
static Value bytes_decode(Run *r, Value self, const Value *a, const Args *args)
{
    (void)args;
    if (a[0].kind != V_ABSENT && !jinja_is_utf8(a[0]))
        return jinja_fail(r, ERR_UNSUPPORTED, "an encoding other than utf-8 is not supported");
    return (Value){ .kind = V_TEXT, .text = self.text };
}

static Value bytes_hex(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    Maker m = { .r = r };
    for (size_t i = 0; i < self.text->n && !jinja_failed(r); i++) {
        uint8_t c = (uint8_t)self.text->at[i];
        const char digits[2] = { "0123456789abcdef"[c >> 4], "0123456789abcdef"[c & 15] };
        jinja_put(&m, digits, 2, jinja_marked(self.text, i));
    }
    return jinja_made(&m);
}

static const Builtin bytes_methods[] = {
    { "decode", "encoding errors", 0, bytes_decode },
    { "hex", "", 0, bytes_hex },
    { NULL, NULL, 0, NULL },
};

static const Builtin list_methods[] = {
    { "index", "/value start stop", 1, list_index },
    { "count", "/value", 1, list_count },
    { "copy", "", 0, list_copy },
    { NULL, NULL, 0, NULL },
};

static const Builtin dict_methods[] = {
    { "get", "/key default", 1, dict_get },
    { "items", "", 0, dict_items },
    { "keys", "", 0, dict_keys },
    { "values", "", 0, dict_values },
    { "copy", "", 0, list_copy },
    { "fromkeys", "/iterable value", 1, dict_fromkeys },
    { NULL, NULL, 0, NULL },
};

// ---- Loops, cyclers, numbers ---------------------------------------------------------------------------------------

static Value loop_cycle(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a;
    if (!args->n || args->named_n) return jinja_fail(r, ERR_FORMAT, "no items for cycling given");
    return args->at[self.loop->at % args->n];
}

static Value loop_changed(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a;
    List *list = jinja_list_new(r, args->n);
    if (!list) return NOTHING;
    for (size_t i = 0; i < args->n; i++) list->at[i] = args->at[i];
    Value now = jinja_list(V_TUPLE, list);
    bool same = self.loop->changed.kind != V_ABSENT && jinja_equal(r, self.loop->changed, now);
    if (!same) self.loop->changed = now;
    return boolean(!same);
}

static Value cycler_next(Run *r, Value self, const Value *a, const Args *args)
{
    (void)r, (void)a, (void)args;
    Value v = self.cycle->at[self.cycle->next];
    self.cycle->next = (self.cycle->next + 1) % self.cycle->n;
    return v;
}

static Value cycler_reset(Run *r, Value self, const Value *a, const Args *args)
{
    (void)r, (void)a, (void)args;
    self.cycle->next = 0;
    return NONE;
}

static const Builtin loop_methods[] = {
    { "cycle", "*", 0, loop_cycle },
    { "changed", "*", 0, loop_changed },
    { NULL, NULL, 0, NULL },
};

static const Builtin cycler_methods[] = {
    { "next", "", 0, cycler_next },
    { "reset", "", 0, cycler_reset },
    { NULL, NULL, 0, NULL },
};

// ---- Which object has which ----------------------------------------------------------------------------------------

static bool is_one_of(Str name, const char *const *names)
{
    for (; *names; names++)
        if (str_is(name, *names)) return true;
    return false;
}

// Methods that change their object: there, and refused.
static bool changes(ValueKind kind, Str name)
{
    static const char *const list[] = {
        "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove", NULL
    };
    static const char *const dict[] = { "clear", "pop", "popitem", "setdefault", "update", NULL };
    return (kind == V_LIST && is_one_of(name, list)) || (kind == V_DICT && is_one_of(name, dict));
}

// Methods that Python has and that no template was seen to need: said, not passed over as undefined.
static Value not_here(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return jinja_fail(r, ERR_UNSUPPORTED, "this method of '%s' is not supported", jinja_type(self));
}

static const Builtin *unsupported(ValueKind kind, Str name)
{
    static const Builtin refusal = { "unsupported", "*", 0, not_here };
    static const char *const number[] = { "to_bytes", "from_bytes", "fromhex", NULL };
    static const char *const view[] = { "isdisjoint", NULL };
    bool has = (kind == V_BYTES && (jinja_text_method(name) || str_is(name, "fromhex"))) ||
               ((kind == V_KEYS || kind == V_ITEMS) && is_one_of(name, view)) ||
               (kind >= V_BOOL && kind <= V_FLOAT && is_one_of(name, number));
    return has ? &refusal : NULL;
}

const Builtin *jinja_method(ValueKind kind, Str name, bool *unsafe)
{
    const Builtin *found = NULL;
    switch (kind) {
    case V_TEXT:
        found = jinja_text_method(name);
        break;
    case V_LIST:
    case V_TUPLE:
    case V_RANGE:
        found = kind != V_LIST && str_is(name, "copy") ? NULL : jinja_find_builtin(list_methods, name);
        break;
    case V_DICT:
        found = jinja_find_builtin(dict_methods, name);
        break;
    case V_LOOP:
        found = jinja_find_builtin(loop_methods, name);
        break;
    case V_CYCLER:
        found = jinja_find_builtin(cycler_methods, name);
        break;
    case V_BOOL:
    case V_INT:
    case V_BIG:
    case V_FLOAT:
        found = jinja_number_method(kind, name);
        break;
    case V_BYTES:
        found = jinja_find_builtin(bytes_methods, name);
        break;
    default:
        break;
    }
    *unsafe = !found && changes(kind, name);
    return found || *unsafe ? found : unsupported(kind, name);
}

const Builtin *jinja_find_builtin(const Builtin *table, Str name)
{
    for (; table->name; table++)
        if (str_is(name, table->name)) return table;
    return NULL;
}

// ---- Globals -------------------------------------------------------------------------------------------------------

static Value global_range(Run *r, Value self, const Value *a, const Args *args)
{
    (void)self, (void)a;
    int64_t v[3] = { 0, 0, 1 };
    if (args->n < 1 || args->n > 3 || args->named_n)
        return jinja_fail(r, ERR_FORMAT, "range expected 1 to 3 arguments, got %zu", args->n);
    for (size_t i = 0; i < args->n; i++)
        if (!jinja_need_int(r, args->at[i], &v[args->n == 1 ? 1 : i])) return NOTHING;
    if (!v[2]) return jinja_fail(r, ERR_FORMAT, "range() arg 3 must not be zero");
    uint64_t width = v[2] > 0      ? (v[1] > v[0] ? (uint64_t)v[1] - (uint64_t)v[0] : 0)
                     : v[0] > v[1] ? (uint64_t)v[0] - (uint64_t)v[1]
                                   : 0;
    uint64_t step = v[2] > 0 ? (uint64_t)v[2] : 0 - (uint64_t)v[2], n = width ? (width - 1) / step + 1 : 0;
    if (n > JINJA_RANGE_MAX) return jinja_fail(r, ERR_LIMIT, "range too big: more than %d elements", JINJA_RANGE_MAX);
    List *list = jinja_list_new(r, (size_t)n);
    for (uint64_t i = 0; list && i < n; i++) list->at[i] = integer(v[0] + (int64_t)i * v[2]);
    if (list) list->start = v[0], list->stop = v[1], list->step = v[2];
    return jinja_list(V_RANGE, list);
}

// dict() and namespace(): a mapping or pairs, then named arguments.
static Value fill_dict(Run *r, const Args *args)
{
    Value dict = jinja_dict_new(r);
    if (args->n > 1) return jinja_fail(r, ERR_FORMAT, "dict expected at most 1 argument, got %zu", args->n);
    if (args->n && args->at[0].kind == V_UNDEFINED) return jinja_use_undefined(r, args->at[0]);
    if (args->n && args->at[0].kind == V_DICT) {
        const Dict *from = args->at[0].dict;
        for (size_t i = 0; i < from->n && !jinja_failed(r); i++)
            jinja_dict_put(r, dict.dict, from->at[i].key, from->at[i].value);
    } else if (args->n) {
        const List *pairs = jinja_iterate(r, args->at[0]);
        for (size_t i = 0; pairs && i < pairs->n && !jinja_failed(r); i++) {
            const List *pair = jinja_iterate(r, pairs->at[i]);
            if (pair && pair->n != 2)
                return jinja_fail(r, ERR_FORMAT,
                                  "dictionary update sequence element #%zu has length %zu; 2 is required", i, pair->n);
            if (pair) jinja_dict_put(r, dict.dict, pair->at[0], pair->at[1]);
        }
    }
    for (size_t i = 0; i < args->named_n && !jinja_failed(r); i++)
        jinja_dict_put_text(r, dict.dict, args->named[i].name, args->named[i].value);
    return jinja_failed(r) ? NOTHING : dict;
}

static Value global_dict(Run *r, Value self, const Value *a, const Args *args)
{
    (void)self, (void)a;
    return fill_dict(r, args);
}

static Value global_namespace(Run *r, Value self, const Value *a, const Args *args)
{
    (void)self, (void)a;
    Value v = fill_dict(r, args);
    if (jinja_failed(r)) return NOTHING;
    for (size_t i = 0; i < v.dict->n; i++) {
        Value key = v.dict->at[i].key;
        if (key.kind == V_TEXT && key.text->n && key.text->at[0] == '_')
            return jinja_fail(r, ERR_FORMAT,
                              "a namespace cannot hold attributes that begin with an underscore; rename the attribute");
    }
    v.kind = V_NAMESPACE;
    return v;
}

static Value new_cycle(Run *r, ValueKind kind, const Value *items, size_t n)
{
    Cycle *c = jinja_alloc(r, 1, sizeof *c);
    Value *kept = jinja_alloc(r, n, sizeof *kept);
    if (!c || !kept) return NOTHING;
    memcpy(kept, items, n * sizeof *kept);
    *c = (Cycle){ .at = kept, .n = n };
    return (Value){ .kind = kind, .cycle = c };
}

static Value global_cycler(Run *r, Value self, const Value *a, const Args *args)
{
    (void)self, (void)a;
    if (!args->n || args->named_n) return jinja_fail(r, ERR_FORMAT, "at least one item has to be provided to cycler");
    return new_cycle(r, V_CYCLER, args->at, args->n);
}

static Value global_joiner(Run *r, Value self, const Value *a, const Args *args)
{
    (void)self, (void)args;
    Value sep = a[0].kind == V_ABSENT ? jinja_literal(r, ", ") : a[0];
    return new_cycle(r, V_JOINER, &sep, 1);
}

static Value global_raise(Run *r, Value self, const Value *a, const Args *args)
{
    (void)self, (void)args;
    const Text *t = jinja_soft(r, a[0]);
    return jinja_fail(r, ERR_USAGE, "the template refuses the conversation: %.*s",
                      (int)utf8_whole(t->at, t->n > 300 ? 300 : t->n), t->at);
}

const Builtin jinja_globals[] = {
    { "range", "*", 0, global_range },
    { "dict", "*", 0, global_dict },
    { "namespace", "*", 0, global_namespace },
    { "cycler", "*", 0, global_cycler },
    { "joiner", "sep", 0, global_joiner },
    { "lipsum", "n html min max", 0, jinja_lipsum },
    { "raise_exception", "message", 1, global_raise },
    { "strftime_now", "format", 1, jinja_strftime },
    { NULL, NULL, 0, NULL },
};
