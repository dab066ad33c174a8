// Which names a scope hides: what jinja2 settles when it compiles. A name that a scope assigns to before it reads it, and that
// no scope around mentions, belongs to that scope from its start; scopes within that run before the assignment find it
// undefined, though a variable or global has that name. What only a branch assigns to is not hidden.
#include "text/jinja_internal.h"

enum { NAME_KNOWN = 0, NAME_HIDDEN = 1 };

// What is known of the names of one scope.
typedef struct Scope {
    const struct Scope *outer;
    Dict names; // name -> NAME_
} Scope;

typedef struct Namer {
    Run *r;
    Scope *scope;
    int branches; // of an `if` in this scope, around what is looked at
} Namer;

static Value name_value(const Text *name)
{
    return (Value){ .kind = V_TEXT, .text = name };
}

// What is known of a name in this scope, or -1.
static int64_t find_name(Namer *n, const Scope *scope, const Text *name)
{
    Value v = jinja_dict_get(n->r, &scope->names, name_value(name));
    return v.kind == V_INT ? v.integer : -1;
}

static bool known_outside(Namer *n, const Text *name)
{
    for (const Scope *scope = n->scope->outer; scope; scope = scope->outer)
        if (find_name(n, scope, name) >= 0) return true;
    return false;
}

static void set_name(Namer *n, const Text *name, int64_t known)
{
    if (!jinja_failed(n->r))
        jinja_dict_put_text(n->r, &n->scope->names, name, (Value){ .kind = V_INT, .integer = known });
}

static void read_name(Namer *n, const Text *name)
{
    if (find_name(n, n->scope, name) < 0 && !known_outside(n, name)) set_name(n, name, NAME_KNOWN);
}

static void store_name(Namer *n, const Text *name)
{
    int64_t known = find_name(n, n->scope, name);
    if (known < 0) set_name(n, name, n->branches || known_outside(n, name) ? NAME_KNOWN : NAME_HIDDEN);
}

// Every name in an expression; `a` is the side on which operators, filters and attributes pile up.
static void read_names(Namer *n, const Node *e)
{
    for (; e && jinja_spend(n->r, 0); e = e->a) {
        if (e->kind == E_NAME) read_name(n, e->key);
        read_names(n, e->b);
        read_names(n, e->c);
        read_names(n, e->star);
        read_names(n, e->stars);
        for (const Node *arg = e->args; arg; arg = arg->next) read_names(n, arg);
        for (const Node *arg = e->named; arg; arg = arg->next) read_names(n, arg->a);
    }
}

static void assign_names(Namer *n, const Node *target, bool parameter)
{
    if (target->kind == E_NAME && parameter)
        set_name(n, target->key, NAME_KNOWN);
    else if (target->kind == E_NAME)
        store_name(n, target->key);
    else if (target->kind == E_NAMESPACE_NAME)
        read_names(n, target->a);
    for (const Node *t = target->kind == E_TUPLE ? target->args : NULL; t; t = t->next) assign_names(n, t, parameter);
}

// ---- The statements of a scope, without the scopes within ----------------------------------------------------------

static void note_all(Namer *n, const Node *first);

static void note_if(Namer *n, const Node *s)
{
    n->branches++;
    for (; s; s = s->other) {
        read_names(n, s->a);
        note_all(n, s->body);
    }
    n->branches--;
}

static void note_one(Namer *n, const Node *s)
{
    switch (s->kind) {
    case S_PRINT:
        for (const Node *a = s->args; a; a = a->next) read_names(n, a);
        break;
    case S_IF:
        note_if(n, s);
        break;
    case S_FOR:
        read_names(n, s->b);
        break;
    case S_SET:
        read_names(n, s->b);
        assign_names(n, s->a, false);
        break;
    case S_SET_BLOCK:
        assign_names(n, s->a, false);
        break;
    case S_WITH:
        for (const Node *a = s->args; a; a = a->next) read_names(n, a->b);
        break;
    case S_MACRO:
        store_name(n, s->key);
        break;
    case S_CALL:
    case S_FILTER:
        read_names(n, s->a);
        break;
    default:
        break;
    }
}

static void note_all(Namer *n, const Node *first)
{
    for (; first && jinja_spend(n->r, 0); first = first->next) note_one(n, first);
}

// ---- Scopes within scopes ------------------------------------------------------------------------------------------

static void enter_all(Namer *n, Node *first);

static Node *hidden_names(Namer *n)
{
    Node *list = NULL;
    for (size_t i = 0; i < n->scope->names.n; i++) {
        if (n->scope->names.at[i].value.integer != NAME_HIDDEN) continue;
        Node *node = jinja_alloc(n->r, 1, sizeof *node);
        if (!node) return NULL;
        *node = (Node){ .kind = E_NAME, .key = n->scope->names.at[i].key.text, .next = list };
        list = node;
    }
    return list;
}

// Analyses the scope of `owner`, one of whose parts `body` is: what it declares, then its statements, then what is within.
static Node *scope_names(Namer *n, const Node *owner, Node *body, bool declares)
{
    Scope scope = { .outer = n->scope };
    Namer inner = { .r = n->r, .scope = &scope };
    bool callable = owner && (owner->kind == S_MACRO || owner->kind == S_CALL);
    if (owner && owner->kind == S_BLOCK) scope.outer = NULL;
    if (declares && owner->kind == S_FOR) assign_names(&inner, owner->a, true);
    for (const Node *a = declares && owner->kind == S_WITH ? owner->args : NULL; a; a = a->next)
        assign_names(&inner, a->a, true);
    for (const Node *a = declares && callable ? owner->args : NULL; a; a = a->next) {
        set_name(&inner, a->key, NAME_KNOWN);
        read_names(&inner, a->a);
    }
    note_all(&inner, body);
    Node *list = hidden_names(&inner);
    enter_all(&inner, body);
    return list;
}

static void enter_all(Namer *n, Node *first)
{
    for (Node *s = first; s && jinja_spend(n->r, 0); s = s->next) {
        if (s->kind == S_IF) {
            for (Node *branch = s; branch; branch = branch->other) enter_all(n, branch->body);
            continue;
        }
        if (s->body) s->hides = scope_names(n, s, s->body, true);
        if (s->other) s->other_hides = scope_names(n, s, s->other, false);
    }
}

void jinja_settle_names(Run *r, Template *t)
{
    Namer n = { .r = r };
    t->hides = scope_names(&n, NULL, t->body, false);
}

void jinja_hide(Run *r, const Node *hides, Frame *f)
{
    for (; hides && f && !jinja_failed(r); hides = hides->next) {
        Str name = { hides->key->at, hides->key->n };
        bool seen = jinja_dict_get(r, &r->root->parent->names, name_value(hides->key)).kind != V_ABSENT;
        if (!seen && !jinja_find_builtin(jinja_globals, name)) continue;
        Unknown *unknown = jinja_alloc(r, 1, sizeof *unknown);
        if (!unknown) return;
        *unknown = (Unknown){ .name = name, .hidden = true };
        jinja_dict_put_text(r, &f->names, hides->key, (Value){ .kind = V_UNDEFINED, .unknown = unknown });
    }
}
