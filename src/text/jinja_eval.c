// Expressions: the tree walked. Names, attributes and items with the rules of jinja2's sandbox, calls, filters and tests.
#include "text/jinja_internal.h"

// ---- Names and attributes ------------------------------------------------------------------------------------------

Value jinja_lookup(Run *r, Frame *f, const Text *name)
{
    Value key = { .kind = V_TEXT, .text = name };
    for (; f; f = f->parent) {
        Value v = jinja_dict_get(r, &f->names, key);
        if (v.kind != V_ABSENT || jinja_failed(r)) return v;
    }
    const Builtin *b = jinja_find_builtin(jinja_globals, (Str){ name->at, name->n });
    if (b) {
        Bound *bound = jinja_alloc(r, 1, sizeof *bound);
        if (!bound) return NOTHING;
        bound->builtin = b;
        return (Value){ .kind = V_BOUND, .bound = bound };
    }
    if (str_is((Str){ name->at, name->n }, "self")) return (Value){ .kind = V_BLOCKS };
    return jinja_undefined(r, (Str){ name->at, name->n }, NULL);
}

static Value refused(Run *r, Value of, Str name)
{
    Unknown *u = jinja_alloc(r, 1, sizeof *u);
    if (!u) return NOTHING;
    *u = (Unknown){ .name = name, .of = jinja_type(of), .unsafe = true };
    return (Value){ .kind = V_UNDEFINED, .unknown = u };
}

static Value loop_neighbour(Run *r, Loop *loop, bool next)
{
    if (next && jinja_loop_fetch(r, loop, loop->at + 1) && loop->at + 1 < loop->n) return loop->items[loop->at + 1];
    if (!next && loop->at) return loop->items[loop->at - 1];
    return jinja_undefined_reason(r, next ? N_("there is no next item") : N_("there is no previous item"));
}

static Value loop_attribute(Run *r, Loop *loop, Str name)
{
    static const char *const numbers[] = { "index", "index0", "depth", "depth0", "length", "revindex", "revindex0" };
    for (size_t i = 0; i < COUNT(numbers); i++) {
        if (!str_is(name, numbers[i])) continue;
        if (i >= 4 && !jinja_loop_fetch(r, loop, SIZE_MAX)) return NOTHING;
        int64_t at = (int64_t)loop->at, n = (int64_t)loop->n;
        const int64_t values[] = { at + 1, at, loop->depth, loop->depth - 1, n, n - at, n - at - 1 };
        return (Value){ .kind = V_INT, .integer = values[i] };
    }
    if (str_is(name, "first")) return (Value){ .kind = V_BOOL, .flag = loop->at == 0 };
    if (str_is(name, "last")) {
        jinja_loop_fetch(r, loop, loop->at + 1);
        return (Value){ .kind = V_BOOL, .flag = loop->at + 1 >= loop->n };
    }
    if (str_is(name, "previtem")) return loop_neighbour(r, loop, false);
    if (str_is(name, "nextitem")) return loop_neighbour(r, loop, true);
    return NOTHING;
}

static Value macro_attribute(Run *r, const Macro *m, Str name)
{
    const struct {
        const char *name;
        int use;
    } uses[] = { { "catch_kwargs", USES_KWARGS }, { "catch_varargs", USES_VARARGS }, { "caller", USES_CALLER } };
    if (str_is(name, "name"))
        return m->node->kind == S_CALL ? NONE : jinja_text(r, m->name.at, m->name.n, false); // a call block's has none
    for (size_t i = 0; i < COUNT(uses); i++)
        if (str_is(name, uses[i].name)) return (Value){ .kind = V_BOOL, .flag = (m->node->uses & uses[i].use) != 0 };
    const bool explicit = str_is(name, "explicit_caller");
    if (!explicit && !str_is(name, "arguments")) return NOTHING;
    List *list = jinja_list_new(r, m->node->count);
    size_t i = 0;
    for (const Node *arg = m->node->args; list && arg; arg = arg->next)
        list->at[i++] = (Value){ .kind = V_TEXT, .text = arg->key };
    for (i = 0; explicit && list && i < list->n; i++)
        if (str_is((Str){ list->at[i].text->at, list->at[i].text->n }, "caller"))
            return (Value){ .kind = V_BOOL, .flag = true };
    if (explicit) return (Value){ .kind = V_BOOL };
    return jinja_list(V_TUPLE, list);
}

// Attributes that are no methods. NOTHING: there is none.
static Value number_attribute(Run *r, Value of, Str name)
{
    Value zero = { .kind = V_INT }, one = { .kind = V_INT, .integer = 1 };
    bool whole = of.kind != V_FLOAT;
    if (str_is(name, "real") || (whole && str_is(name, "numerator")))
        return whole ? jinja_binary(r, T_ADD, of, zero) : of;
    if (str_is(name, "imag")) return whole ? zero : (Value){ .kind = V_FLOAT };
    return whole && str_is(name, "denominator") ? one : NOTHING;
}

static Value cycle_attribute(Run *r, Value of, Str name)
{
    const Cycle *c = of.cycle;
    if (of.kind == V_JOINER) {
        if (str_is(name, "sep")) return c->at[0];
        return str_is(name, "used") ? (Value){ .kind = V_BOOL, .flag = c->used } : NOTHING;
    }
    if (str_is(name, "current")) return c->at[c->next];
    if (str_is(name, "pos")) return (Value){ .kind = V_INT, .integer = (int64_t)c->next };
    List *items = str_is(name, "items") ? jinja_list_new(r, c->n) : NULL;
    if (items) memcpy(items->at, c->at, c->n * sizeof *items->at);
    return jinja_list(V_TUPLE, items);
}

static Value plain_attribute(Run *r, Value of, const Text *key)
{
    Str name = { key->at, key->n };
    switch (of.kind) {
    case V_NAMESPACE:
        return jinja_dict_get(r, of.dict, (Value){ .kind = V_TEXT, .text = key });
    case V_LOOP:
        return loop_attribute(r, of.loop, name);
    case V_MACRO:
        return macro_attribute(r, of.macro, name);
    case V_CYCLER:
    case V_JOINER:
        return cycle_attribute(r, of, name);
    case V_TUPLE:
        if (of.list->grouped && str_is(name, "grouper")) return of.list->at[0];
        if (of.list->grouped && str_is(name, "list")) return of.list->at[1];
        return NOTHING;
    case V_BOOL:
    case V_INT:
    case V_BIG:
    case V_FLOAT:
        return number_attribute(r, of, name);
    case V_RANGE:
        if (str_is(name, "start")) return (Value){ .kind = V_INT, .integer = of.list->start };
        if (str_is(name, "stop")) return (Value){ .kind = V_INT, .integer = of.list->stop };
        if (str_is(name, "step")) return (Value){ .kind = V_INT, .integer = of.list->step };
        return NOTHING;
    case V_BLOCKS:
        if (of.block) return NOTHING;
        return jinja_dict_get(r, &r->template->blocks, (Value){ .kind = V_TEXT, .text = key });
    default:
        return NOTHING;
    }
}

// What every object has and the sandbox keeps to itself. Other names with underscores are there for keys of dicts only.
static bool is_internal(Str name)
{
    static const char *const names[] = {
        "class",     "delattr",  "dir",     "doc",           "eq",  "format",       "ge",  "getattribute", "getstate",
        "gt",        "hash",     "init",    "init_subclass", "le",  "lt",           "ne",  "new",          "reduce",
        "reduce_ex", "repr",     "setattr", "sizeof",        "str", "subclasshook", "len", "iter",         "add",
        "getitem",   "contains", "bool",    "mul",
    };
    if (name.n <= 4 || !str_starts(name, "__") || !str_ends(name, "__")) return false;
    for (size_t i = 0; i < COUNT(names); i++)
        if (str_is((Str){ name.at + 2, name.n - 4 }, names[i])) return true;
    return false;
}

// An attribute as Python's getattr sees it, within what the sandbox allows. NOTHING: the object has none of this name.
static Value attribute(Run *r, Value of, const Text *key)
{
    Str name = { key->at, key->n };
    bool unsafe = is_internal(name);
    const Builtin *method = unsafe ? NULL : jinja_method(of.kind, name, &unsafe);
    if (unsafe) return refused(r, of, name);
    if (!method) return plain_attribute(r, of, key);
    Bound *bound = jinja_alloc(r, 1, sizeof *bound);
    if (!bound) return NOTHING;
    *bound = (Bound){ .builtin = method, .self = of };
    return (Value){ .kind = V_BOUND, .bound = bound };
}

static Value missing(Run *r, Value of, Value key)
{
    const Text *name = jinja_soft(r, key);
    return jinja_failed(r) ? NOTHING : jinja_undefined(r, (Str){ name->at, name->n }, jinja_type(of));
}

Value jinja_get(Run *r, Value of, const Text *key)
{
    if (jinja_failed(r)) return NOTHING;
    if (of.kind == V_UNDEFINED)
        return is_internal((Str){ key->at, key->n }) ? refused(r, of, (Str){ key->at, key->n })
                                                     : jinja_use_undefined(r, of);
    Value name = { .kind = V_TEXT, .text = key }, v = attribute(r, of, key);
    if (v.kind == V_ABSENT && of.kind == V_DICT) v = jinja_dict_get(r, of.dict, name);
    return v.kind != V_ABSENT || jinja_failed(r) ? v : missing(r, of, name);
}

static Value element(Run *r, Value of, int64_t i)
{
    int64_t n = of.kind == V_TEXT ? of.text->chars : (int64_t)of.list->n;
    if (i < 0) i += n;
    if (i < 0 || i >= n) return NOTHING;
    if (of.kind != V_TEXT) return of.list->at[i];
    size_t begin = jinja_offset(r, of.text, i), end = begin;
    if (jinja_failed(r)) return NOTHING;
    utf8_next(of.text->at, of.text->n, &end);
    return jinja_part(r, of.text, begin, end);
}

Value jinja_item(Run *r, Value of, Value key)
{
    int64_t i;
    Value v = NOTHING;
    if (jinja_failed(r)) return NOTHING;
    if (of.kind == V_UNDEFINED) return jinja_use_undefined(r, of);
    bool indexed = of.kind == V_TEXT || of.kind == V_LIST || of.kind == V_TUPLE || of.kind == V_RANGE;
    if (of.kind == V_DICT && key.kind != V_LIST && key.kind != V_DICT)
        v = jinja_dict_get(r, of.dict, key);
    else if (indexed && jinja_as_int(key, &i))
        v = element(r, of, i);
    if (v.kind == V_ABSENT && key.kind == V_TEXT) v = attribute(r, of, key.text);
    return v.kind != V_ABSENT || jinja_failed(r) ? v : missing(r, of, key);
}

// ---- Calls ---------------------------------------------------------------------------------------------------------

static Value bad_argument(Run *r, const Builtin *b, const Text *name)
{
    return jinja_fail(r, ERR_FORMAT, "%s() got an unexpected or repeated keyword argument '%.*s'", b->name,
                      (int)(name->n > 60 ? 60 : name->n), name->at);
}

Value jinja_call_builtin(Run *r, const Builtin *b, Value self, const Args *args)
{
    Value a[PARAMS_MAX] = { 0 };
    Str names[PARAMS_MAX] = { 0 };
    size_t count = 0;
    if (jinja_failed(r)) return NOTHING;
    if (b->params[0] == '*') return b->fn(r, self, a, args);
    bool by_place = b->params[0] == '/';
    if (by_place && args->named_n) return jinja_fail(r, ERR_FORMAT, "%s() takes no keyword arguments", b->name);
    for (const char *at = b->params + by_place; *at; at += *at == ' ') {
        size_t n = strcspn(at, " ");
        names[count++] = (Str){ at, n };
        at += n;
    }
    if (args->n > count)
        return jinja_fail(r, ERR_FORMAT, "%s() takes at most %zu arguments (%zu given)", b->name, count, args->n);
    for (size_t i = 0; i < args->n; i++) a[i] = args->at[i];
    for (size_t i = 0; i < args->named_n; i++) {
        const Text *name = args->named[i].name;
        size_t k = 0;
        while (k < count && !str_equal(names[k], (Str){ name->at, name->n })) k++;
        if (k == count || a[k].kind != V_ABSENT) return bad_argument(r, b, name);
        a[k] = args->named[i].value;
    }
    for (int i = 0; i < b->required; i++)
        if (a[i].kind == V_ABSENT)
            return jinja_fail(r, ERR_FORMAT, "%s() lacks its argument '%.*s'", b->name, (int)names[i].n, names[i].at);
    return b->fn(r, self, a, args);
}

Value jinja_call(Run *r, Value fn, const Args *args)
{
    Value v = NOTHING;
    if (jinja_failed(r)) return NOTHING;
    if (!jinja_deeper(r)) {
        r->depth--;
        return NOTHING;
    }
    switch (fn.kind) {
    case V_BOUND:
        v = jinja_call_builtin(r, fn.bound->builtin, fn.bound->self, args);
        break;
    case V_MACRO:
        v = jinja_call_macro(r, fn.macro, args);
        break;
    case V_LOOP:
        v = jinja_call_loop(r, fn.loop, args);
        break;
    case V_UNDEFINED:
        v = jinja_use_undefined(r, fn);
        break;
    case V_JOINER:
        v = fn.cycle->used ? fn.cycle->at[0] : jinja_literal(r, "");
        fn.cycle->used = true;
        break;
    case V_BLOCKS:
        if (fn.block) {
            v = jinja_call_block(r, fn.block);
            break;
        } // fallthrough
    default:
        v = jinja_fail(r, ERR_FORMAT, "'%s' object is not callable", jinja_type(fn));
    }
    r->depth--;
    return v;
}

static void spread_named(Run *r, Value stars, Named *named, size_t *n)
{
    for (size_t i = 0; i < stars.dict->n; i++) {
        if (stars.dict->at[i].key.kind != V_TEXT) {
            jinja_fail(r, ERR_FORMAT, "keywords must be strings");
            return;
        }
        named[(*n)++] = (Named){ stars.dict->at[i].key.text, stars.dict->at[i].value };
    }
}

// Evaluates the arguments of a call, filter or test. The order is Python's: positional, *, named, **.
static bool eval_args(Run *r, const Node *n, Frame *f, Args *out)
{
    size_t named_n = 0, i = 0, k = 0;
    *out = (Args){ 0 };
    if (!n->args && !n->named && !n->star && !n->stars) return true;
    for (const Node *a = n->named; a; a = a->next) named_n++;
    List *first = jinja_list_new(r, n->count), *star = NULL;
    for (const Node *a = n->args; first && a; a = a->next) first->at[i++] = jinja_eval(r, a, f);
    if (n->star) star = jinja_iterate(r, jinja_eval(r, n->star, f));
    if (star && first) first = jinja_binary(r, T_ADD, jinja_list(V_LIST, first), jinja_list(V_LIST, star)).list;
    if (jinja_failed(r) || !first) return false;
    Value stars = n->stars ? jinja_eval(r, n->stars, f) : NOTHING;
    if (jinja_failed(r)) return false;
    if (n->stars && stars.kind != V_DICT) {
        jinja_fail(r, ERR_FORMAT, "argument after ** must be a mapping, not %s", jinja_type(stars));
        return false;
    }
    Named *named = jinja_alloc(r, 1 + named_n + (n->stars ? stars.dict->n : 0), sizeof *named);
    if (!named) return false;
    for (const Node *a = n->named; a; a = a->next) named[k++] = (Named){ a->key, jinja_eval(r, a->a, f) };
    if (n->stars) spread_named(r, stars, named, &k);
    *out = (Args){ first->at, first->n, named, k };
    return !jinja_failed(r);
}

static Value eval_call(Run *r, const Node *n, Frame *f)
{
    Args args;
    Value fn = jinja_eval(r, n->a, f);
    if (jinja_failed(r) || !eval_args(r, n, f, &args)) return NOTHING;
    r->line = n->line;
    return jinja_call(r, fn, &args);
}

// The call of a `call` block: its body is the keyword argument `caller`, behind those that are named and before those of **.
Value jinja_call_with_caller(Run *r, const Node *n, Frame *f, Value caller)
{
    Args args;
    Value fn = jinja_eval(r, n->a, f);
    if (jinja_failed(r) || !eval_args(r, n, f, &args)) return NOTHING;
    Named *named = jinja_alloc(r, args.named_n + 1, sizeof *named);
    if (!named) return NOTHING;
    size_t before = 0;
    for (const Node *a = n->named; a; a = a->next) before++;
    if (before) memcpy(named, args.named, before * sizeof *named);
    named[before] = (Named){ jinja_soft(r, jinja_literal(r, "caller")), caller };
    if (args.named_n > before) memcpy(named + before + 1, args.named + before, (args.named_n - before) * sizeof *named);
    args.named = named;
    args.named_n++;
    return jinja_call(r, fn, &args);
}

static Value no_builtin(Run *r, const Node *n, const char *what)
{
    return jinja_fail(r, ERR_FORMAT, "no %s named '%.*s' found", tr(what), (int)(n->key->n > 60 ? 60 : n->key->n),
                      n->key->at);
}

static Value eval_filter(Run *r, const Node *n, Value of, Frame *f)
{
    Args args;
    if (!n->builtin) return no_builtin(r, n, N_("filter"));
    if (jinja_failed(r) || !eval_args(r, n, f, &args)) return NOTHING;
    r->line = n->line;
    return jinja_call_builtin(r, n->builtin, of, &args);
}

Value jinja_apply_filters(Run *r, const Node *filter, Value inner, Frame *f)
{
    Value v = inner;
    if (filter->a && jinja_deeper(r)) v = jinja_apply_filters(r, filter->a, inner, f);
    if (filter->a) r->depth--;
    return eval_filter(r, filter, v, f);
}

static Value eval_test(Run *r, const Node *n, Frame *f)
{
    Args args;
    if (!n->builtin) return no_builtin(r, n, N_("test"));
    Value of = jinja_eval(r, n->a, f);
    if (jinja_failed(r) || !eval_args(r, n, f, &args)) return NOTHING;
    r->line = n->line;
    bool is = jinja_true(r, jinja_call_test(r, n->builtin, of, &args));
    return (Value){ .kind = V_BOOL, .flag = is != n->flag };
}

// ---- Literals and operators ----------------------------------------------------------------------------------------

static Value eval_list(Run *r, const Node *n, Frame *f)
{
    List *list = jinja_list_new(r, n->count);
    size_t i = 0;
    for (const Node *a = n->args; list && a && !jinja_failed(r); a = a->next) list->at[i++] = jinja_eval(r, a, f);
    return jinja_list(n->kind == E_LIST ? V_LIST : V_TUPLE, list);
}

static Value eval_dict(Run *r, const Node *n, Frame *f)
{
    Value dict = jinja_dict_new(r);
    for (const Node *a = n->args; a && !jinja_failed(r); a = a->next) {
        Value key = jinja_eval(r, a->a, f), value = jinja_eval(r, a->b, f);
        if (!jinja_failed(r)) jinja_dict_put(r, dict.dict, key, value);
    }
    return dict;
}

// What jinja2 prints while it compiles: there a slice that fails gives Undefined.
static bool is_constant(const Node *n)
{
    if (!n || n->kind == E_CONST) return true;
    if (n->kind == E_FILTER && n->flag) return false;
    if (n->kind == E_NAME || n->kind == E_CALL || n->kind >= E_NAMESPACE_NAME || n->star || n->stars) return false;
    if (!is_constant(n->a) || !is_constant(n->b) || !is_constant(n->c)) return false;
    for (const Node *a = n->args; a; a = a->next)
        if (!is_constant(a)) return false;
    for (const Node *a = n->named; a; a = a->next)
        if (!is_constant(a->a)) return false;
    return true;
}

static Value slice_of(Run *r, const Node *n, Value of, Frame *f)
{
    Value start = n->a ? jinja_eval(r, n->a, f) : NOTHING, stop = n->b ? jinja_eval(r, n->b, f) : NOTHING;
    Value step = n->c ? jinja_eval(r, n->c, f) : NOTHING;
    if (jinja_failed(r)) return NOTHING;
    if (of.kind == V_UNDEFINED) return jinja_use_undefined(r, of);
    if (of.kind == V_TEXT || of.kind == V_LIST || of.kind == V_TUPLE || of.kind == V_RANGE)
        return jinja_slice(r, of, start, stop, step);
    return jinja_fail(r, ERR_FORMAT, "'%s' object cannot be sliced", jinja_type(of));
}

static Value eval_slice(Run *r, const Node *n, Value of, Frame *f)
{
    bool before = jinja_failed(r);
    Value v = slice_of(r, n->b, of, f);
    bool folded =
        !before && of.kind != V_UNDEFINED && r->err.code == ERR_FORMAT && r->printed && is_constant(r->printed);
    if (!folded) return v;
    r->err = OK;
    return jinja_undefined_reason(r, "a literal was sliced in a way that it cannot be");
}

// What another filter hands to one that is computed later may still be computed before; Undefined itself leaves no constant.
static Value eval_filtered(Run *r, const Node *n, Frame *f)
{
    const Node *printed = r->printed;
    if (printed && n->flag) r->printed = n->a->kind == E_FILTER ? n->a : NULL;
    Value of = jinja_eval(r, n->a, f);
    r->printed = printed;
    return eval_filter(r, n, of, f);
}

static Value eval_item(Run *r, const Node *n, Frame *f)
{
    Value of = jinja_eval(r, n->a, f);
    if (n->b->kind == E_SLICE) return eval_slice(r, n, of, f);
    return jinja_item(r, of, jinja_eval(r, n->b, f));
}

static bool compare_one(Run *r, TokenKind op, Value a, Value b)
{
    switch (op) {
    case T_EQ:
        return jinja_equal(r, a, b);
    case T_NE:
        return !jinja_equal(r, a, b);
    case T_IN:
        return jinja_contains(r, b, a);
    case T_NOT_IN:
        return !jinja_contains(r, b, a);
    default:
        break;
    }
    int o = jinja_compare(r, a, b, jinja_token_name(op));
    if (o == 2) return false;
    return op == T_LT ? o < 0 : op == T_LTEQ ? o <= 0 : op == T_GT ? o > 0 : o >= 0;
}

static Value eval_compare(Run *r, const Node *n, Frame *f)
{
    Value left = jinja_eval(r, n->a, f);
    bool is = true;
    for (const Node *a = n->args; a && is && !jinja_failed(r); a = a->next) {
        Value right = jinja_eval(r, a->a, f);
        if (jinja_failed(r)) return NOTHING;
        r->line = n->line;
        is = compare_one(r, a->op, left, right);
        left = right;
    }
    return (Value){ .kind = V_BOOL, .flag = is };
}

static Value eval_concat(Run *r, const Node *n, Frame *f)
{
    Maker m = { .r = r };
    size_t count = 0, i = 0;
    for (const Node *a = n->args; a; a = a->next) count++;
    List *parts = jinja_list_new(r, count);
    for (const Node *a = n->args; parts && a && !jinja_failed(r); a = a->next) {
        parts->at[i++] = jinja_eval(r, a, f);
        m.safe |= r->autoescape && jinja_is_safe(parts->at[i - 1]);
    }
    for (i = 0; parts && i < count && !jinja_failed(r); i++)
        jinja_show(&m, m.safe ? jinja_escaped(r, parts->at[i]) : parts->at[i]);
    return jinja_made(&m);
}

static Value eval_cond(Run *r, const Node *n, Frame *f)
{
    if (jinja_true(r, jinja_eval(r, n->b, f))) return jinja_eval(r, n->a, f);
    if (n->c) return jinja_eval(r, n->c, f);
    return jinja_undefined_reason(r, "the inline if-expression evaluated to false and no else section was defined");
}

static Value eval_here(Run *r, const Node *n, Frame *f)
{
    Value v, w;
    switch (n->kind) {
    case E_CONST:
        return n->value;
    case E_NAME:
        return jinja_lookup(r, f, n->key);
    case E_LIST:
    case E_TUPLE:
        return eval_list(r, n, f);
    case E_DICT:
        return eval_dict(r, n, f);
    case E_ATTRIBUTE:
        return jinja_get(r, jinja_eval(r, n->a, f), n->key);
    case E_ITEM:
        return eval_item(r, n, f);
    case E_CALL:
        return eval_call(r, n, f);
    case E_FILTER:
        return eval_filtered(r, n, f);
    case E_TEST:
        return eval_test(r, n, f);
    case E_AND:
        v = jinja_eval(r, n->a, f);
        return jinja_true(r, v) ? jinja_eval(r, n->b, f) : v;
    case E_OR:
        v = jinja_eval(r, n->a, f);
        return jinja_true(r, v) ? v : jinja_eval(r, n->b, f);
    case E_NOT:
        return (Value){ .kind = V_BOOL, .flag = !jinja_true(r, jinja_eval(r, n->a, f)) };
    case E_NEGATE:
        return jinja_negate(r, jinja_eval(r, n->a, f));
    case E_PLUS:
        v = jinja_eval(r, n->a, f);
        return v.kind == V_FLOAT ? v : jinja_negate(r, jinja_negate(r, v));
    case E_BINARY:
        v = jinja_eval(r, n->a, f);
        w = jinja_eval(r, n->b, f);
        r->line = n->line;
        return jinja_binary(r, n->op, v, w);
    case E_COMPARE:
        return eval_compare(r, n, f);
    case E_CONCAT:
        return eval_concat(r, n, f);
    case E_COND:
        return eval_cond(r, n, f);
    default:
        return jinja_fail(r, ERR_FORMAT, "a slice stands where a value should");
    }
}

Value jinja_eval(Run *r, const Node *n, Frame *f)
{
    Value v = NOTHING;
    if (jinja_failed(r)) return NOTHING;
    r->line = n->line;
    if (jinja_deeper(r) && jinja_spend(r, 0)) v = eval_here(r, n, f);
    r->depth--;
    return v;
}
