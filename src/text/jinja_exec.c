// Statements: the tree run. A frame is a scope; names are looked up outwards through frames, which is what jinja2's
// compiled scopes come to. Loops, macros, blocks of output.
#include "text/jinja_internal.h"

Frame *jinja_frame(Run *r, Frame *parent)
{
    Frame *f = jinja_alloc(r, 1, sizeof *f);
    if (f) f->parent = parent;
    return f;
}

// A statement's body in a new scope `f`.
static void exec_body(Run *r, const Node *owner, Frame *f)
{
    jinja_hide(r, owner->hides, f);
    jinja_exec(r, owner->body, f);
}

// Runs a body with its output caught. NOTHING after a failure or if a break or continue leaves them.
static Value capture(Run *r, const Node *owner, Frame *f)
{
    Maker m = { .r = r, .safe = r->autoescape }, *out = r->out;
    r->out = &m;
    exec_body(r, owner, f);
    r->out = out;
    return r->flow == FLOW_ON ? jinja_made(&m) : NOTHING;
}

// ---- Assignment ----------------------------------------------------------------------------------------------------

static bool assign_attribute(Run *r, const Node *target, Value v, Frame *f)
{
    Value of = jinja_lookup(r, f, target->a->key);
    if (jinja_failed(r)) return false;
    if (of.kind != V_NAMESPACE) {
        jinja_fail(r, ERR_FORMAT, "cannot assign attribute on non-namespace object");
        return false;
    }
    if (target->key->n && target->key->at[0] == '_') {
        jinja_fail(r, ERR_FORMAT,
                   "a namespace cannot hold attributes that begin with an underscore; rename the attribute");
        return false;
    }
    return jinja_dict_put_text(r, of.dict, target->key, v);
}

bool jinja_assign(Run *r, const Node *target, Value v, Frame *f)
{
    if (jinja_failed(r)) return false;
    if (target->kind == E_NAME) return jinja_dict_put_text(r, &f->names, target->key, v);
    if (target->kind == E_NAMESPACE_NAME) return assign_attribute(r, target, v, f);
    const List *list = jinja_iterate(r, v);
    if (!list) return false;
    if (list->n != target->count) {
        jinja_fail(r, ERR_FORMAT,
                   list->n < target->count ? N_("not enough values to unpack: %zu for %zu names")
                                           : N_("too many values to unpack: %zu for %zu names"),
                   list->n, target->count);
        return false;
    }
    size_t i = 0;
    bool fine = jinja_deeper(r);
    for (const Node *t = target->args; fine && t; t = t->next) fine = jinja_assign(r, t, list->at[i++], f);
    r->depth--;
    return fine;
}

// ---- Loops ---------------------------------------------------------------------------------------------------------

bool jinja_loop_fetch(Run *r, Loop *loop, size_t upto)
{
    while (loop->n <= upto && loop->source_at < loop->source->n && !jinja_failed(r)) {
        List *source = loop->source;
        if (loop->taking) source->n--;
        Value item = loop->taking ? *source->at++ : source->at[loop->source_at++];
        if (!loop->node->c) {
            loop->items[loop->n++] = item;
            continue;
        }
        Frame *f = jinja_frame(r, loop->frame);
        if (!f || !jinja_assign(r, loop->node->a, item, f)) return false;
        if (!jinja_true(r, jinja_eval(r, loop->node->c, f))) continue;
        // jinja2's filter gives out what the names hold, so that a pair of any kind is a tuple from here on.
        loop->items[loop->n++] = loop->node->a->kind == E_TUPLE ? jinja_eval(r, loop->node->a, f) : item;
    }
    return loop->n > upto ? !jinja_failed(r) : jinja_reach(r, loop->source);
}

static Loop *loop_new(Run *r, const Node *n, Frame *f, List *source, bool taking, int depth)
{
    Loop *loop = jinja_alloc(r, 1, sizeof *loop);
    if (!loop) return NULL;
    *loop = (Loop){ .node = n, .frame = f, .source = source, .taking = taking, .depth = depth };
    if (!n->c && !taking) { // all items pass
        loop->items = source->at;
        loop->n = loop->source_at = source->n;
        return loop;
    }
    loop->items = source->n ? jinja_alloc(r, source->n, sizeof *loop->items) : NULL;
    return loop->items || !source->n ? loop : NULL;
}

static void run_loop(Run *r, const Node *n, Frame *f, Value iterable, int depth)
{
    bool taking = iterable.kind == V_STREAM && !iterable.list->spent;
    List *source = taking && !jinja_failed(r) ? iterable.list : jinja_iterate_lazily(r, iterable);
    Loop *loop = source ? loop_new(r, n, f, source, taking, depth) : NULL;
    bool whole = false; // an iteration reached its end: jinja2's `else` is for loops without one
    if (!loop) return;
    for (; jinja_loop_fetch(r, loop, loop->at) && loop->at < loop->n; loop->at++) {
        Frame *inner = jinja_frame(r, f);
        if (!inner || !jinja_spend(r, 0)) return;
        if (!jinja_dict_put_text(r, &inner->names, r->loop_name, (Value){ .kind = V_LOOP, .loop = loop })) return;
        if (!jinja_assign(r, n->a, loop->items[loop->at], inner)) return;
        exec_body(r, n, inner);
        bool broken = r->flow == FLOW_BREAK;
        whole |= r->flow == FLOW_ON;
        r->flow = FLOW_ON;
        if (broken) break;
    }
    Frame *inner = !whole && n->other ? jinja_frame(r, f) : NULL;
    if (!inner) return;
    jinja_hide(r, n->other_hides, inner);
    jinja_exec(r, n->other, inner);
}

Value jinja_call_loop(Run *r, Loop *loop, const Args *args)
{
    if (!loop->node->flag)
        return jinja_fail(r, ERR_FORMAT, "the loop must have the 'recursive' marker to be called recursively");
    if (args->n != 1 || args->named_n) return jinja_fail(r, ERR_FORMAT, "a recursive loop takes one argument");
    Maker m = { .r = r, .safe = r->autoescape }, *out = r->out;
    r->out = &m;
    run_loop(r, loop->node, loop->frame, args->at[0], loop->depth + 1);
    r->out = out;
    return jinja_made(&m);
}

// ---- Macros --------------------------------------------------------------------------------------------------------

typedef struct Call {
    Run *r;
    const Macro *macro;
    Frame *f;
    Value kwargs; // a dict: what no parameter took
    Value caller;
} Call;

static Value name_value(const Text *name)
{
    return (Value){ .kind = V_TEXT, .text = name };
}

// Takes the named argument of this name out of `all`; NOTHING: there is none.
static Value take_named(Call *c, Dict *all, const Text *name)
{
    Value v = jinja_dict_get(c->r, all, name_value(name));
    if (v.kind != V_ABSENT) jinja_dict_put(c->r, all, name_value(name), NOTHING);
    return v;
}

// What is named goes to the parameters that have no value yet, then to `caller`, then to kwargs: jinja2's Macro.__call__.
static bool bind_named(Call *c, const Args *args, Value *values)
{
    Run *r = c->r;
    const Node *n = c->macro->node;
    Value all = jinja_dict_new(r);
    bool declared = false, found = false;
    size_t i = 0;
    for (size_t k = 0; k < args->named_n && !jinja_failed(r); k++) {
        if (jinja_dict_get(r, all.dict, name_value(args->named[k].name)).kind != V_ABSENT)
            jinja_fail(r, ERR_FORMAT, "a macro got multiple values for one keyword argument");
        jinja_dict_put_text(r, all.dict, args->named[k].name, args->named[k].value);
    }
    for (const Node *p = n->args; p && !jinja_failed(r); p = p->next, i++) {
        bool is_caller = str_is((Str){ p->key->at, p->key->n }, "caller");
        declared |= is_caller;
        if (i < args->n) continue;
        values[i] = take_named(c, all.dict, p->key);
        found |= is_caller;
    }
    if (args->n >= n->count) found = declared;
    if ((n->uses & USES_CALLER) && !found && declared)
        jinja_fail(r, ERR_FORMAT, "a macro takes 'caller' as a parameter, which was not where it is looked for");
    if ((n->uses & USES_CALLER) && !found && !jinja_failed(r))
        c->caller = take_named(c, all.dict, jinja_soft(r, jinja_literal(r, "caller")));
    for (size_t k = 0; !jinja_failed(r) && k < all.dict->n; k++) {
        Entry e = all.dict->at[k];
        if (e.value.kind == V_ABSENT) continue;
        if (!(n->uses & USES_KWARGS))
            jinja_fail(r, ERR_FORMAT, "macro '%.*s' takes no keyword argument '%.*s', or has it already",
                       (int)c->macro->name.n, c->macro->name.at, (int)(e.key.text->n > 60 ? 60 : e.key.text->n),
                       e.key.text->at);
        else
            jinja_dict_put(r, c->kwargs.dict, e.key, e.value);
    }
    return !jinja_failed(r);
}

static bool bind_rest(Call *c, const Args *args)
{
    Run *r = c->r;
    const Node *n = c->macro->node;
    size_t taken = args->n < n->count ? args->n : n->count;
    if (args->n > n->count && !(n->uses & USES_VARARGS)) {
        jinja_fail(r, ERR_FORMAT, "macro '%.*s' takes not more than %zu argument(s)", (int)c->macro->name.n,
                   c->macro->name.at, n->count);
        return false;
    }
    List *rest = jinja_list_new(r, args->n - taken);
    for (size_t i = taken; rest && i < args->n; i++) rest->at[i - taken] = args->at[i];
    Value unknown = jinja_undefined_reason(r, "no caller is defined");
    if (jinja_failed(r)) return false;
    if (n->uses & USES_VARARGS) jinja_dict_put(r, &c->f->names, jinja_literal(r, "varargs"), jinja_list(V_TUPLE, rest));
    if (n->uses & USES_KWARGS) jinja_dict_put(r, &c->f->names, jinja_literal(r, "kwargs"), c->kwargs);
    if (n->uses & USES_CALLER)
        jinja_dict_put(r, &c->f->names, jinja_literal(r, "caller"), c->caller.kind <= V_NONE ? unknown : c->caller);
    return !jinja_failed(r);
}

static bool bind_parameters(Call *c, const Value *values)
{
    size_t i = 0;
    for (const Node *p = c->macro->node->args; p; p = p->next, i++) {
        Value v = values[i];
        if (v.kind == V_ABSENT)
            v = p->a ? jinja_eval(c->r, p->a, c->f)
                     : jinja_undefined_reason(c->r, "a parameter of a macro was not provided");
        if (jinja_failed(c->r) || !jinja_dict_put_text(c->r, &c->f->names, p->key, v)) return false;
    }
    return true;
}

Value jinja_call_macro(Run *r, const Macro *m, const Args *args)
{
    Call c = { .r = r, .macro = m, .f = jinja_frame(r, m->frame), .kwargs = jinja_dict_new(r) };
    Value *values = jinja_alloc(r, m->node->count + 1, sizeof *values);
    if (!values || !c.f) return NOTHING;
    for (size_t i = 0; i < args->n && i < m->node->count; i++) values[i] = args->at[i];
    if (!bind_named(&c, args, values) || !bind_rest(&c, args) || !bind_parameters(&c, values)) return NOTHING;
    return capture(r, m->node, c.f);
}

static Value macro_new(Run *r, const Node *n, Frame *f, Str name)
{
    Macro *m = jinja_alloc(r, 1, sizeof *m);
    if (!m) return NOTHING;
    *m = (Macro){ .node = n, .frame = f, .name = name };
    return (Value){ .kind = V_MACRO, .macro = m };
}

// ---- Statements ----------------------------------------------------------------------------------------------------

static void print(Run *r, Value v)
{
    if (jinja_failed(r)) return;
    jinja_show(r->out, r->autoescape ? jinja_escaped(r, v) : v);
}

static void exec_print(Run *r, const Node *n, Frame *f)
{
    const Node *before = r->printed;
    for (const Node *a = n->args; a; a = a->next) {
        r->printed = a;
        print(r, jinja_eval(r, a, f));
    }
    r->printed = before;
}

static void exec_if(Run *r, const Node *n, Frame *f)
{
    for (; n && !jinja_failed(r); n = n->other) {
        if (n->a && !jinja_true(r, jinja_eval(r, n->a, f))) continue;
        if (!jinja_failed(r)) jinja_exec(r, n->body, f);
        return;
    }
}

static void exec_set_block(Run *r, const Node *n, Frame *f)
{
    Frame *inner = jinja_frame(r, f);
    Value v = inner ? capture(r, n, inner) : NOTHING;
    if (jinja_failed(r) || r->flow != FLOW_ON) return;
    if (n->b) v = jinja_apply_filters(r, n->b, v, inner);
    jinja_assign(r, n->a, v, f);
}

static void exec_with(Run *r, const Node *n, Frame *f)
{
    Frame *inner = jinja_frame(r, f);
    for (const Node *a = n->args; inner && a && !jinja_failed(r); a = a->next)
        jinja_assign(r, a->a, jinja_eval(r, a->b, f), inner);
    if (inner) exec_body(r, n, inner);
}

static void exec_filter(Run *r, const Node *n, Frame *f)
{
    Frame *inner = jinja_frame(r, f);
    Value v = inner ? capture(r, n, inner) : NOTHING;
    if (jinja_failed(r) || r->flow != FLOW_ON) return;
    v = jinja_apply_filters(r, n->a, v, inner);
    if (!jinja_failed(r) && v.kind != V_TEXT) // jinja2 joins what filter blocks give as it is
        jinja_fail(r, ERR_FORMAT, "a filter block gives a string, not %s; use {%% set %%} and print", jinja_type(v));
    print(r, v);
}

static void exec_autoescape(Run *r, const Node *n, Frame *f)
{
    Frame *inner = jinja_frame(r, f);
    bool before = r->autoescape;
    Value on = jinja_eval(r, n->a, f);
    if (!inner || jinja_failed(r)) return;
    r->autoescape = jinja_true(r, on);
    exec_body(r, n, inner);
    r->autoescape = before;
}

// Puts what the frames from the root to `f` hold into `view`, but for the names that they hide.
static void copy_names(Run *r, const Frame *f, Frame *view)
{
    const bool last = f->parent == r->root->parent; // the root, or what stands for it around a block
    if (!last && jinja_deeper(r)) copy_names(r, f->parent, view);
    if (!last) r->depth--;
    for (size_t i = 0; i < f->names.n && !jinja_failed(r); i++) {
        Entry e = f->names.at[i];
        if (e.value.kind != V_UNDEFINED || !e.value.unknown->hidden) jinja_dict_put(r, &view->names, e.key, e.value);
    }
}

// The scope of a block. It looks names up in the context: what is assigned so far, else the variables.
static Frame *block_frame(Run *r, const Frame *around)
{
    Frame *view = jinja_frame(r, r->root->parent);
    if (view) copy_names(r, around, view);
    return jinja_failed(r) ? NULL : jinja_frame(r, view);
}

Value jinja_call_block(Run *r, const Node *block)
{
    Frame *inner = block_frame(r, r->root);
    return inner ? capture(r, block, inner) : NOTHING;
}

static void exec_scope(Run *r, const Node *n, Frame *f)
{
    Frame *inner = n->kind == S_BLOCK ? block_frame(r, n->flag ? f : r->root) : jinja_frame(r, f);
    if (inner) exec_body(r, n, inner);
}

static void exec_one(Run *r, const Node *n, Frame *f)
{
    switch (n->kind) {
    case S_TEXT:
        jinja_put_text(r->out, n->key);
        break;
    case S_PRINT:
        exec_print(r, n, f);
        break;
    case S_IF:
        exec_if(r, n, f);
        break;
    case S_FOR:
        run_loop(r, n, f, jinja_eval(r, n->b, f), 1);
        break;
    case S_SET:
        jinja_assign(r, n->a, jinja_eval(r, n->b, f), f);
        break;
    case S_SET_BLOCK:
        exec_set_block(r, n, f);
        break;
    case S_WITH:
        exec_with(r, n, f);
        break;
    case S_MACRO:
        jinja_dict_put_text(r, &f->names, n->key, macro_new(r, n, f, (Str){ n->key->at, n->key->n }));
        break;
    case S_CALL:
        print(r, jinja_call_with_caller(r, n->a, f, macro_new(r, n, f, str("caller"))));
        break;
    case S_FILTER:
        exec_filter(r, n, f);
        break;
    case S_AUTOESCAPE:
        exec_autoescape(r, n, f);
        break;
    case S_SCOPE:
    case S_BLOCK:
        exec_scope(r, n, f);
        break;
    case S_BREAK:
        r->flow = FLOW_BREAK;
        break;
    case S_CONTINUE:
        r->flow = FLOW_CONTINUE;
        break;
    default:
        jinja_fail(r, ERR_UNSUPPORTED,
                   "other templates cannot be loaded: include, import, from and extends do not work here");
    }
}

void jinja_exec(Run *r, const Node *first, Frame *f)
{
    bool down = jinja_deeper(r);
    for (const Node *n = first; down && n && !jinja_failed(r) && r->flow == FLOW_ON; n = n->next) {
        r->line = n->line;
        if (jinja_spend(r, 0)) exec_one(r, n, f);
    }
    r->depth--;
}
