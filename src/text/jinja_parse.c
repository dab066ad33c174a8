// The parser's statements: jinja2's grammar with loop controls and the `generation` tag. A name that no filter or test
// has is an error where jinja2 makes it one: anywhere but under an `if`, where only its use fails.
#include "text/jinja_internal.h"

#include <stdio.h>

// ---- Tokens --------------------------------------------------------------------------------------------------------

void jinja_syntax(Parser *p, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, tr(format), args);
    va_end(args);
    p->r->line = p->now.line;
    jinja_fail(p->r, ERR_FORMAT, "%s", text);
    p->now = p->ahead = (Token){ .kind = T_END, .line = p->now.line };
}

void jinja_advance(Parser *p)
{
    p->now = p->ahead;
    p->ahead = jinja_next_token(&p->lexer);
    if (jinja_failed(p->r)) p->now = (Token){ .kind = T_END, .line = p->now.line };
}

bool jinja_at_name(const Parser *p, const char *name)
{
    return p->now.kind == T_NAME && str_is(p->now.text, name);
}

bool jinja_skip_name(Parser *p, const char *name)
{
    if (!jinja_at_name(p, name)) return false;
    jinja_advance(p);
    return true;
}

bool jinja_skip(Parser *p, TokenKind kind)
{
    if (p->now.kind != kind) return false;
    jinja_advance(p);
    return true;
}

static void unexpected(Parser *p, const char *wanted)
{
    bool word = p->now.kind == T_NAME;
    jinja_syntax(p, "expected %s, got '%.*s'", tr(wanted), word ? (int)(p->now.text.n > 60 ? 60 : p->now.text.n) : 60,
                 word ? p->now.text.at : tr(jinja_token_name(p->now.kind)));
}

bool jinja_expect(Parser *p, TokenKind kind)
{
    char wanted[64];
    if (jinja_skip(p, kind)) return true;
    snprintf(wanted, sizeof wanted, "'%s'", tr(jinja_token_name(kind)));
    unexpected(p, wanted);
    return false;
}

static bool expect_name(Parser *p, const char *name)
{
    if (jinja_skip_name(p, name)) return true;
    unexpected(p, name);
    return false;
}

Node *jinja_node(Parser *p, NodeKind kind)
{
    Node *n = jinja_failed(p->r) ? NULL : jinja_alloc(p->r, 1, sizeof *n);
    if (!n) { // what is written there is never read: the tree of a failure is dropped
        p->nowhere = (Node){ .kind = kind };
        p->now = p->ahead = (Token){ .kind = T_END, .line = p->now.line };
        return &p->nowhere;
    }
    n->kind = kind;
    n->line = p->now.line;
    return n;
}

void jinja_note_name(Parser *p, Str name, bool stored)
{
    int use = str_is(name, "caller")    ? USES_CALLER
              : str_is(name, "kwargs")  ? USES_KWARGS
              : str_is(name, "varargs") ? USES_VARARGS
                                        : 0;
    for (Level *level = use ? p->level : NULL; level; level = level->outer) {
        if (stored)
            level->stored |= use;
        else if (!(level->stored & use))
            level->uses |= use;
    }
}

static const Text *take_name(Parser *p)
{
    Str name = p->now.text;
    if (p->now.kind != T_NAME) {
        unexpected(p, N_("a name"));
        return NULL;
    }
    jinja_advance(p);
    return jinja_const_text(p->r, name);
}

static void append(Node ***tail, Node *node)
{
    **tail = node;
    *tail = &node->next;
}

// ---- Statements ----------------------------------------------------------------------------------------------------

static bool names_loop(const Node *target)
{
    if (target->kind == E_NAME) return str_is((Str){ target->key->at, target->key->n }, "loop");
    for (const Node *n = target->kind == E_TUPLE ? target->args : NULL; n; n = n->next)
        if (names_loop(n)) return true;
    return false;
}

static Node *parse_target(Parser *p, bool with_namespace)
{
    Node *n = jinja_parse_tuple(p, TUPLE_TARGET, false, with_namespace);
    if (p->all_loops && !jinja_failed(p->r) && names_loop(n))
        jinja_syntax(p, "cannot assign to the special variable loop");
    return n;
}

static Node *parse_for(Parser *p)
{
    Node *n = jinja_node(p, S_FOR);
    jinja_advance(p);
    p->all_loops++;
    p->inside++;
    n->a = parse_target(p, false);
    expect_name(p, "in");
    n->b = jinja_parse_tuple(p, TUPLE_NO_COND, false, false);
    if (jinja_skip_name(p, "if")) n->c = jinja_parse_expression(p);
    n->flag = jinja_skip_name(p, "recursive");
    static const char *const ends[] = { "endfor", "else", NULL }, *const end[] = { "endfor", NULL };
    p->loops++;
    n->body = jinja_parse_statements(p, ends, false);
    p->loops--;
    int loops = p->loops;
    if (n->flag) p->loops = 0; // a recursive loop is a function of its own
    if (jinja_skip_name(p, "else"))
        n->other = jinja_parse_statements(p, end, true);
    else
        jinja_advance(p);
    p->loops = loops;
    p->all_loops--;
    p->inside--;
    return n;
}

static Node *parse_if(Parser *p)
{
    static const char *const ends[] = { "elif", "else", "endif", NULL }, *const end[] = { "endif", NULL };
    Node *first = jinja_node(p, S_IF), *n = first;
    for (;;) {
        jinja_advance(p);
        n->a = jinja_parse_tuple(p, TUPLE_NO_COND, false, false);
        n->body = jinja_parse_statements(p, ends, false);
        if (!jinja_at_name(p, "elif")) break;
        n->other = jinja_node(p, S_IF);
        n = n->other;
    }
    if (jinja_skip_name(p, "else")) {
        n->other = jinja_node(p, S_IF);
        n->other->body = jinja_parse_statements(p, end, true);
    } else {
        jinja_advance(p);
    }
    return first;
}

static Node *parse_set(Parser *p)
{
    static const char *const end[] = { "endset", NULL };
    Node *n = jinja_node(p, S_SET);
    jinja_advance(p);
    n->a = parse_target(p, true);
    if (jinja_skip(p, T_ASSIGN)) {
        n->b = jinja_parse_tuple(p, TUPLE_FULL, false, false);
        return n;
    }
    n->kind = S_SET_BLOCK;
    n->b = jinja_parse_filters(p, NULL, false);
    p->inside++;
    n->body = jinja_parse_statements(p, end, true);
    p->inside--;
    return n;
}

static Node *parse_with(Parser *p)
{
    static const char *const end[] = { "endwith", NULL };
    Node *n = jinja_node(p, S_WITH), **tail = &n->args;
    jinja_advance(p);
    while (p->now.kind != T_BLOCK_END && p->now.kind != T_END) {
        if (n->args && !jinja_expect(p, T_COMMA)) break;
        Node *pair = jinja_node(p, S_SET);
        pair->a = jinja_parse_tuple(p, TUPLE_TARGET, false, false);
        jinja_expect(p, T_ASSIGN);
        pair->b = jinja_parse_expression(p);
        append(&tail, pair);
    }
    p->inside++;
    n->body = jinja_parse_statements(p, end, true);
    p->inside--;
    return n;
}

static void parse_signature(Parser *p, Node *n)
{
    Node **tail = &n->args;
    bool optional = false;
    jinja_expect(p, T_LPAREN);
    while (p->now.kind != T_RPAREN && p->now.kind != T_END) {
        if (n->args && !jinja_expect(p, T_COMMA)) break;
        Node *arg = jinja_node(p, S_SET);
        arg->key = take_name(p);
        if (arg->key) jinja_note_name(p, (Str){ arg->key->at, arg->key->n }, true);
        if (jinja_skip(p, T_ASSIGN)) {
            arg->a = jinja_parse_expression(p);
            optional = true;
        } else if (optional) {
            jinja_syntax(p, "non-default argument follows default argument");
        }
        n->count++;
        append(&tail, arg);
    }
    jinja_expect(p, T_RPAREN);
}

// A body that becomes a function: loops around it are out of reach.
static Node *function_body(Parser *p, Node *n, const char *const *end)
{
    int loops = p->loops;
    Level level = { .outer = n->kind == S_BLOCK ? NULL : p->level }, *outer = p->level;
    p->loops = 0;
    p->level = &level;
    p->inside++;
    n->body = jinja_parse_statements(p, end, true);
    n->uses = level.uses;
    p->level = outer;
    p->inside--;
    p->loops = loops;
    return n;
}

// A macro whose parameters have the names of what is special in macros. Only `caller` needs a default then.
static Node *check_parameters(Parser *p, Node *n)
{
    for (const Node *arg = n->args; arg && !jinja_failed(p->r); arg = arg->next) {
        Str name = { arg->key->at, arg->key->n };
        if (str_is(name, "kwargs")) n->uses &= ~USES_KWARGS;
        if (str_is(name, "varargs")) n->uses &= ~USES_VARARGS;
        if (str_is(name, "caller") && (n->uses & USES_CALLER) && !arg->a)
            jinja_syntax(p, "the special parameter 'caller' must be omitted or be given a default");
    }
    return n;
}

static Node *parse_macro(Parser *p)
{
    static const char *const end[] = { "endmacro", NULL };
    Node *n = jinja_node(p, S_MACRO);
    jinja_advance(p);
    n->key = take_name(p);
    parse_signature(p, n);
    return check_parameters(p, function_body(p, n, end));
}

static Node *parse_call_block(Parser *p)
{
    static const char *const end[] = { "endcall", NULL };
    Node *n = jinja_node(p, S_CALL);
    jinja_advance(p);
    if (p->now.kind == T_LPAREN) parse_signature(p, n);
    n->a = jinja_parse_expression(p);
    if (n->a->kind != E_CALL && !jinja_failed(p->r)) jinja_syntax(p, "expected a call");
    for (const Node *a = n->a->kind == E_CALL ? n->a->named : NULL; a && !jinja_failed(p->r); a = a->next)
        if (str_is((Str){ a->key->at, a->key->n }, "caller")) jinja_syntax(p, "keyword argument repeated: caller");
    return check_parameters(p, function_body(p, n, end));
}

static Node *parse_generation(Parser *p)
{
    static const char *const end[] = { "endgeneration", NULL };
    Node *n = jinja_node(p, S_SCOPE);
    jinja_advance(p);
    return function_body(p, n, end);
}

static Node *parse_filter_block(Parser *p)
{
    static const char *const end[] = { "endfilter", NULL };
    Node *n = jinja_node(p, S_FILTER);
    jinja_advance(p);
    n->a = jinja_parse_filters(p, NULL, true);
    p->inside++;
    n->body = jinja_parse_statements(p, end, true);
    p->inside--;
    return n;
}

static Node *parse_autoescape(Parser *p)
{
    static const char *const end[] = { "endautoescape", NULL };
    Node *n = jinja_node(p, S_AUTOESCAPE);
    jinja_advance(p);
    n->a = jinja_parse_expression(p);
    n->body = jinja_parse_statements(p, end, true);
    return n;
}

static Node *parse_block(Parser *p)
{
    static const char *const end[] = { "endblock", NULL };
    Node *n = jinja_node(p, S_BLOCK);
    jinja_advance(p);
    n->key = take_name(p);
    if (p->now.kind == T_SUB) jinja_syntax(p, "block names have no hyphens; use an underscore");
    n->flag = jinja_skip_name(p, "scoped");
    if (jinja_at_name(p, "required"))
        jinja_syntax(p, "a required block needs template inheritance, which a chat template cannot have");
    function_body(p, n, end);
    if (n->key && p->now.kind == T_NAME && str_equal(p->now.text, (Str){ n->key->at, n->key->n })) jinja_advance(p);
    Value key = { .kind = V_TEXT, .text = n->key };
    if (jinja_failed(p->r)) return n;
    if (jinja_dict_get(p->r, &p->template->blocks, key).kind != V_ABSENT)
        jinja_syntax(p, "a block of this name was defined before");
    else
        jinja_dict_put(p->r, &p->template->blocks, key, (Value){ .kind = V_BLOCKS, .block = n });
    return n;
}

// include, import, from and extends need other templates: they fail when reached, as without a loader.
static Node *parse_loader(Parser *p)
{
    Node *n = jinja_node(p, S_LOADER);
    int around = p->depth;
    if (p->inside && jinja_at_name(p, "extends")) jinja_syntax(p, "cannot use extends within another scope");
    while (p->depth == around && p->now.kind != T_BLOCK_END && p->now.kind != T_END) jinja_advance(p);
    return n;
}

static Node *parse_print(Parser *p)
{
    Node *n = jinja_node(p, S_PRINT), **tail = &n->args;
    jinja_advance(p);
    while (p->now.kind != T_BLOCK_END && p->now.kind != T_END) {
        if (n->args && !jinja_expect(p, T_COMMA)) break;
        append(&tail, jinja_parse_expression(p));
    }
    return n;
}

static Node *parse_leave(Parser *p)
{
    Node *n = jinja_node(p, jinja_at_name(p, "break") ? S_BREAK : S_CONTINUE);
    if (!p->loops)
        jinja_syntax(p, "'%s' outside of a loop", n->kind == S_BREAK ? "break" : "continue");
    else
        jinja_advance(p);
    return n;
}

typedef struct Statement {
    const char *name;
    Node *(*parse)(Parser *p);
    bool soft; // its filters and tests need not exist unless they are used
} Statement;

static const Statement statements[] = {
    { "for", parse_for, false },
    { "if", parse_if, true },
    { "set", parse_set, false },
    { "with", parse_with, false },
    { "macro", parse_macro, false },
    { "call", parse_call_block, false },
    { "generation", parse_generation, false },
    { "filter", parse_filter_block, false },
    { "autoescape", parse_autoescape, false },
    { "block", parse_block, false },
    { "print", parse_print, false },
    { "break", parse_leave, false },
    { "continue", parse_leave, false },
    { "include", parse_loader, false },
    { "import", parse_loader, false },
    { "from", parse_loader, false },
    { "extends", parse_loader, false },
};

static void fail_unknown(Parser *p)
{
    if (!p->unknown || jinja_failed(p->r)) return;
    p->now.line = p->unknown_line;
    jinja_syntax(p, "no %s named '%.*s'", tr(p->unknown), (int)(p->unknown_name.n > 60 ? 60 : p->unknown_name.n),
                 p->unknown_name.at);
}

static Node *parse_statement(Parser *p)
{
    if (p->now.kind != T_NAME) {
        jinja_syntax(p, "tag name expected");
        return jinja_node(p, S_SCOPE);
    }
    for (size_t i = 0; i < COUNT(statements); i++) {
        if (!jinja_at_name(p, statements[i].name)) continue;
        const char *unknown = p->unknown;
        p->unknown = NULL;
        Node *n = statements[i].parse(p);
        if (!statements[i].soft && (n->body || n->other))
            fail_unknown(p); // a scope of its own: an `if` around it does not help
        if (statements[i].soft || !p->unknown) p->unknown = unknown;
        return n;
    }
    jinja_syntax(p, "encountered unknown tag '%.*s'", (int)(p->now.text.n > 60 ? 60 : p->now.text.n), p->now.text.at);
    return jinja_node(p, S_SCOPE);
}

static bool at_end(const Parser *p, const char *const *ends)
{
    for (; ends && *ends; ends++)
        if (jinja_at_name(p, *ends)) return true;
    return false;
}

// Statements and text up to one of `ends`, or to the template's end if that is NULL. Leaves the parser at the name.
static Node *parse_until(Parser *p, const char *const *ends)
{
    Node *first = NULL, **tail = &first;
    while (p->now.kind != T_END) {
        if (p->now.kind == T_TEXT) {
            Node *n = jinja_node(p, S_TEXT);
            n->key = jinja_const_text(p->r, p->now.text);
            append(&tail, n);
            jinja_advance(p);
        } else if (p->now.kind == T_PRINT_BEGIN) {
            Node *n = jinja_node(p, S_PRINT);
            jinja_advance(p);
            n->args = jinja_parse_tuple(p, TUPLE_FULL, false, false);
            append(&tail, n);
            jinja_expect(p, T_PRINT_END);
        } else { // T_BLOCK_BEGIN: nothing else stands outside of tags
            jinja_advance(p);
            if (at_end(p, ends)) return first;
            append(&tail, parse_statement(p));
            jinja_expect(p, T_BLOCK_END);
        }
    }
    if (ends) jinja_syntax(p, "unexpected end of template, which lacks '%s'", ends[1] && ends[2] ? ends[2] : ends[0]);
    return first;
}

Node *jinja_parse_statements(Parser *p, const char *const *ends, bool drop)
{
    jinja_skip(p, T_COLON); // as Python's colon, allowed and ignored
    jinja_expect(p, T_BLOCK_END);
    if (++p->depth > JINJA_PARSE_DEPTH) jinja_syntax(p, "statements are nested more than %d deep", JINJA_PARSE_DEPTH);
    Node *first = parse_until(p, ends);
    p->depth--;
    if (drop) jinja_advance(p);
    return first;
}

// ---- The template --------------------------------------------------------------------------------------------------

Err template_parse(Template **out, Str source, const char *name)
{
    Template *t = NULL;
    Arena arena = arena_new("chat template");
    *out = NULL;
    if (!utf8_valid(source.at, source.n))
        return err(ERR_FORMAT, "%s: the template is not UTF-8; save it as UTF-8", name);
    t = arena_alloc(&arena, sizeof *t);
    char *kept = t ? arena_text(&arena, name, strlen(name)) : NULL;
    if (!kept) {
        arena_free(&arena);
        return err_memory("a chat template");
    }
    t->name = kept;
    Run run = { .arena = &arena, .name = kept, .line = 1, .limits = jinja_limits };
    Parser p = { .r = &run, .template = t, .lexer = { .r = &run, .line = 1, .line_start = true } };
    p.lexer.source = jinja_clean_source(&run, source);
    jinja_advance(&p);
    jinja_advance(&p);
    t->body = parse_until(&p, NULL);
    fail_unknown(&p);
    if (!jinja_failed(&run)) jinja_settle_names(&run, t);
    t->arena = arena;
    if (jinja_failed(&run)) {
        template_free(t);
        return run.err;
    }
    *out = t;
    return OK;
}

void template_free(Template *t)
{
    if (!t) return;
    Arena arena = t->arena; // the template lies in it
    arena_free(&arena);
}
