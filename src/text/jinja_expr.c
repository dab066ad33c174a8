// The parser's expressions, with jinja2's precedence: or, and, not, comparison, + -, ~, * / // %, **, unary, postfix,
// filters and tests. `**` groups to the left and unary minus binds tighter than it, as in jinja2 and unlike Python.
#include "text/jinja_internal.h"

#include <errno.h>
#include <stdlib.h>

static Node *parse_unary(Parser *p, bool with_filter);

// One level down in the recursive grammar; every level ends with p->depth--.
static bool deeper(Parser *p)
{
    if (++p->depth <= JINJA_PARSE_DEPTH) return !jinja_failed(p->r);
    jinja_syntax(p, "expressions are nested more than %d deep", JINJA_PARSE_DEPTH);
    return false;
}

static Node *binary(Parser *p, NodeKind kind, TokenKind op, Node *a, Node *b)
{
    Node *n = jinja_node(p, kind);
    n->op = op;
    n->line = a->line;
    n->a = a;
    n->b = b;
    return n;
}

static Node *constant(Parser *p, Value v)
{
    Node *n = jinja_node(p, E_CONST);
    n->value = v;
    return n;
}

// ---- Atoms ---------------------------------------------------------------------------------------------------------

// The token's digits without underscores.
static bool plain_digits(Parser *p, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < p->now.text.n; i++) {
        if (p->now.text.at[i] == '_') continue;
        if (n + 1 >= size) return false;
        out[n++] = p->now.text.at[i];
    }
    out[n] = 0;
    return true;
}

static Node *parse_number(Parser *p)
{
    char text[JINJA_INT_DIGITS + 1];
    Node *n = jinja_node(p, E_CONST);
    if (!plain_digits(p, text, sizeof text)) {
        jinja_syntax(p, "a number has more than %d digits", JINJA_INT_DIGITS);
    } else if (p->now.kind == T_FLOAT) {
        n->value = (Value){ .kind = V_FLOAT, .real = strtod(text, NULL) };
    } else {
        char kind = text[0] == '0' ? (char)(text[1] | 0x20) : 0;
        unsigned base = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
        const char *digits = base == 10 ? text : text + 2;
        n->value = jinja_int_parse(p->r, digits, strlen(digits), base, false);
        if (n->value.kind == V_ABSENT) jinja_syntax(p, "an integer of too many digits");
    }
    jinja_advance(p);
    return n;
}

static Node *parse_string(Parser *p)
{
    const Text *text = p->now.value;
    jinja_advance(p);
    if (p->now.kind == T_STRING) { // neighbours are one string
        Maker m = { .r = p->r };
        jinja_put_text(&m, text);
        for (; p->now.kind == T_STRING; jinja_advance(p)) jinja_put_text(&m, p->now.value);
        text = jinja_made(&m).text;
    }
    return constant(p, (Value){ .kind = V_TEXT, .text = text });
}

static Node *parse_list(Parser *p)
{
    Node *n = jinja_node(p, E_LIST), **tail = &n->args;
    jinja_advance(p);
    while (p->now.kind != T_RBRACKET && p->now.kind != T_END) {
        if (n->args && !jinja_expect(p, T_COMMA)) break;
        if (p->now.kind == T_RBRACKET) break;
        *tail = jinja_parse_expression(p);
        tail = &(*tail)->next;
        n->count++;
    }
    jinja_expect(p, T_RBRACKET);
    return n;
}

static Node *parse_dict(Parser *p)
{
    Node *n = jinja_node(p, E_DICT), **tail = &n->args;
    jinja_advance(p);
    while (p->now.kind != T_RBRACE && p->now.kind != T_END) {
        if (n->args && !jinja_expect(p, T_COMMA)) break;
        if (p->now.kind == T_RBRACE) break;
        Node *key = jinja_parse_expression(p);
        jinja_expect(p, T_COLON);
        *tail = binary(p, E_DICT, T_COLON, key, jinja_parse_expression(p));
        tail = &(*tail)->next;
    }
    jinja_expect(p, T_RBRACE);
    return n;
}

static Node *parse_name(Parser *p, bool with_namespace)
{
    static const struct {
        const char *name;
        Value value;
    } constants[] = {
        { "true", { .kind = V_BOOL, .flag = true } },
        { "True", { .kind = V_BOOL, .flag = true } },
        { "false", { .kind = V_BOOL, .flag = false } },
        { "False", { .kind = V_BOOL, .flag = false } },
        { "none", { .kind = V_NONE } },
        { "None", { .kind = V_NONE } },
    };
    for (size_t i = 0; i < COUNT(constants); i++) {
        if (!jinja_at_name(p, constants[i].name)) continue;
        jinja_advance(p);
        return constant(p, constants[i].value);
    }
    jinja_note_name(p, p->now.text, p->storing);
    Node *n = jinja_node(p, E_NAME);
    n->key = jinja_const_text(p->r, p->now.text);
    jinja_advance(p);
    if (!with_namespace || p->now.kind != T_DOT) return n;
    jinja_advance(p);
    Node *name = jinja_node(p, E_NAMESPACE_NAME);
    name->a = n;
    if (p->now.kind != T_NAME)
        jinja_syntax(p, "expected a name behind the dot");
    else
        name->key = jinja_const_text(p->r, p->now.text);
    jinja_advance(p);
    return name;
}

Node *jinja_parse_primary(Parser *p, bool with_namespace)
{
    Node *n;
    switch (p->now.kind) {
    case T_NAME:
        return parse_name(p, with_namespace);
    case T_STRING:
        return parse_string(p);
    case T_INTEGER:
    case T_FLOAT:
        return parse_number(p);
    case T_LBRACKET:
        return parse_list(p);
    case T_LBRACE:
        return parse_dict(p);
    case T_LPAREN:
        jinja_advance(p);
        n = jinja_parse_tuple(p, TUPLE_FULL, true, false);
        jinja_expect(p, T_RPAREN);
        return n;
    default:
        if (p->now.kind == T_END)
            jinja_syntax(p, "unexpected end of template");
        else
            jinja_syntax(p, "unexpected '%s'", tr(jinja_token_name(p->now.kind)));
        return jinja_node(p, E_CONST);
    }
}

static bool assignable(const Node *n)
{
    if (n->kind != E_TUPLE) return n->kind == E_NAME || n->kind == E_NAMESPACE_NAME;
    for (const Node *i = n->args; i; i = i->next)
        if (!assignable(i)) return false;
    return true;
}

// A name never ends a tuple: `for x, in y` has two targets, x and in, as in jinja2.
static bool tuple_ends(const Parser *p)
{
    TokenKind k = p->now.kind;
    return k == T_PRINT_END || k == T_BLOCK_END || k == T_RPAREN || k == T_END;
}

static Node *tuple_item(Parser *p, TupleForm form, bool with_namespace)
{
    if (form == TUPLE_TARGET) return jinja_parse_primary(p, with_namespace);
    return form == TUPLE_NO_COND ? jinja_parse_or(p) : jinja_parse_expression(p);
}

Node *jinja_parse_tuple(Parser *p, TupleForm form, bool parenthesised, bool with_namespace)
{
    Node *n = jinja_node(p, E_TUPLE), **tail = &n->args;
    bool is_tuple = false, storing = p->storing;
    if (!deeper(p)) goto done;
    p->storing = form == TUPLE_TARGET;
    for (;;) {
        if (n->args && !jinja_expect(p, T_COMMA)) break;
        if (tuple_ends(p)) break;
        *tail = tuple_item(p, form, with_namespace);
        tail = &(*tail)->next;
        n->count++;
        if (p->now.kind != T_COMMA) break;
        is_tuple = true;
    }
    if (!is_tuple && n->args)
        n = n->args;
    else if (!n->args && !parenthesised)
        jinja_syntax(p, "expected an expression, got '%s'", tr(jinja_token_name(p->now.kind)));
    if (form == TUPLE_TARGET && !jinja_failed(p->r) && !assignable(n)) jinja_syntax(p, "cannot assign to this");
done:
    p->storing = storing;
    p->depth--;
    return n;
}

// ---- Postfix -------------------------------------------------------------------------------------------------------

static Node *parse_subscribed(Parser *p)
{
    Node *start = NULL;
    if (p->now.kind != T_COLON) {
        start = jinja_parse_expression(p);
        if (p->now.kind != T_COLON) return start;
    }
    Node *n = jinja_node(p, E_SLICE);
    n->a = start;
    jinja_advance(p);
    if (p->now.kind != T_COLON && p->now.kind != T_RBRACKET && p->now.kind != T_COMMA) n->b = jinja_parse_expression(p);
    if (jinja_skip(p, T_COLON) && p->now.kind != T_RBRACKET && p->now.kind != T_COMMA) n->c = jinja_parse_expression(p);
    return n;
}

static Node *parse_subscript(Parser *p, Node *of)
{
    if (jinja_skip(p, T_DOT)) {
        Node *n = jinja_node(p, E_ATTRIBUTE);
        n->a = of;
        if (p->now.kind == T_NAME) {
            n->key = jinja_const_text(p->r, p->now.text);
            jinja_advance(p);
        } else if (p->now.kind == T_INTEGER) {
            n->kind = E_ITEM;
            n->b = parse_number(p);
        } else {
            jinja_syntax(p, "expected a name or number behind the dot");
        }
        return n;
    }
    Node *n = jinja_node(p, E_ITEM), *tuple = jinja_node(p, E_TUPLE), **tail = &tuple->args;
    n->a = of;
    jinja_advance(p);
    while (p->now.kind != T_RBRACKET && p->now.kind != T_END) {
        if (tuple->args && !jinja_expect(p, T_COMMA)) break;
        *tail = parse_subscribed(p);
        if ((*tail)->kind == E_SLICE && (tuple->args != *tail || p->now.kind == T_COMMA))
            jinja_syntax(p, "a slice in a tuple indexes nothing");
        tail = &(*tail)->next;
        tuple->count++;
    }
    jinja_expect(p, T_RBRACKET);
    n->b = tuple->count == 1 ? tuple->args : tuple;
    return n;
}

// Whether an argument of this name stands before the last one. Linear: a call has few, and steps are counted.
static bool is_named(const Parser *p, const Node *call, Str name)
{
    for (const Node *a = call->named; a && a->next && jinja_spend(p->r, 0); a = a->next)
        if (str_equal((Str){ a->key->at, a->key->n }, name)) return true;
    return false;
}

static void parse_args(Parser *p, Node *n)
{
    Node **tail = &n->args, **named = &n->named;
    bool any = false;
    jinja_expect(p, T_LPAREN);
    while (p->now.kind != T_RPAREN && p->now.kind != T_END) {
        if (any && !jinja_expect(p, T_COMMA)) break;
        if (p->now.kind == T_RPAREN) break;
        any = true;
        if (jinja_skip(p, T_MUL)) {
            if (n->star || n->stars) jinja_syntax(p, "invalid syntax in the arguments of a call");
            n->star = jinja_parse_expression(p);
        } else if (jinja_skip(p, T_POW)) {
            if (n->stars) jinja_syntax(p, "invalid syntax in the arguments of a call");
            n->stars = jinja_parse_expression(p);
        } else if (p->now.kind == T_NAME && p->ahead.kind == T_ASSIGN) {
            if (n->stars) jinja_syntax(p, "invalid syntax in the arguments of a call");
            *named = jinja_node(p, S_SET);
            (*named)->key = jinja_const_text(p->r, p->now.text);
            if (is_named(p, n, p->now.text)) jinja_syntax(p, "keyword argument repeated");
            jinja_advance(p);
            jinja_advance(p);
            (*named)->a = jinja_parse_expression(p);
            named = &(*named)->next;
        } else {
            if (n->star || n->stars || n->named) jinja_syntax(p, "a positional argument follows others");
            *tail = jinja_parse_expression(p);
            tail = &(*tail)->next;
            n->count++;
        }
    }
    jinja_expect(p, T_RPAREN);
}

static Node *parse_call(Parser *p, Node *of)
{
    Node *n = jinja_node(p, E_CALL);
    n->a = of;
    parse_args(p, n);
    return n;
}

// A filter's or test's name, which may hold dots. They stand in the source as written, without blanks between.
static Str dotted_name(Parser *p)
{
    Str name = p->now.text;
    if (p->now.kind != T_NAME) {
        jinja_syntax(p, "expected a name, got '%s'", tr(jinja_token_name(p->now.kind)));
        return name;
    }
    jinja_advance(p);
    while (p->now.kind == T_DOT && p->ahead.kind == T_NAME) {
        jinja_advance(p);
        if (p->now.kind != T_NAME) break; // a failure
        name.n = (size_t)(p->now.text.at + p->now.text.n - name.at);
        jinja_advance(p);
    }
    return name;
}

// Whether jinja2 gives a filter the context, and so computes it only when it renders: those that call others by name, and random.
static bool asks_context(Str filter)
{
    static const char *const names[] = { "map", "select", "reject", "selectattr", "rejectattr", "random" };
    for (size_t i = 0; i < COUNT(names); i++)
        if (str_equal(filter, str(names[i]))) return true;
    return false;
}

static void set_builtin(Parser *p, Node *n, Str name, const char *what)
{
    n->builtin = n->kind == E_FILTER ? jinja_filter(name) : jinja_test(name);
    n->key = jinja_const_text(p->r, name);
    if (n->builtin || p->unknown || jinja_failed(p->r)) return;
    p->unknown = what;
    p->unknown_name = name;
    p->unknown_line = n->line;
}

static Node *parse_filter(Parser *p, Node *of)
{
    Node *n = jinja_node(p, E_FILTER);
    n->a = of;
    Str name = dotted_name(p);
    set_builtin(p, n, name, N_("filter"));
    n->flag = asks_context(name);
    if (p->now.kind == T_LPAREN) parse_args(p, n);
    return n;
}

Node *jinja_parse_filters(Parser *p, Node *node, bool inline_start)
{
    if (inline_start) node = parse_filter(p, node);
    while (jinja_skip(p, T_PIPE)) node = parse_filter(p, node);
    return node;
}

static Node *parse_postfix(Parser *p, Node *n)
{
    while (!jinja_failed(p->r)) {
        if (p->now.kind == T_DOT || p->now.kind == T_LBRACKET)
            n = parse_subscript(p, n);
        else if (p->now.kind == T_LPAREN)
            n = parse_call(p, n);
        else
            break;
    }
    return n;
}

static bool starts_test_argument(const Parser *p)
{
    switch (p->now.kind) {
    case T_NAME:
        return !jinja_at_name(p, "else") && !jinja_at_name(p, "or") && !jinja_at_name(p, "and");
    case T_STRING:
    case T_INTEGER:
    case T_FLOAT:
    case T_LBRACKET:
    case T_LBRACE:
        return true;
    default:
        return false;
    }
}

static Node *parse_test(Parser *p, Node *of)
{
    Node *n = jinja_node(p, E_TEST);
    n->a = of;
    jinja_advance(p);
    n->flag = jinja_skip_name(p, "not");
    set_builtin(p, n, dotted_name(p), N_("test"));
    if (p->now.kind == T_LPAREN) {
        parse_args(p, n);
    } else if (starts_test_argument(p)) {
        if (jinja_at_name(p, "is")) jinja_syntax(p, "tests cannot be chained with is");
        n->args = parse_postfix(p, jinja_parse_primary(p, false));
        n->count = 1;
    }
    return n;
}

static Node *parse_filter_expr(Parser *p, Node *n)
{
    while (!jinja_failed(p->r)) {
        if (jinja_skip(p, T_PIPE))
            n = parse_filter(p, n);
        else if (jinja_at_name(p, "is"))
            n = parse_test(p, n);
        else if (p->now.kind == T_LPAREN)
            n = parse_call(p, n);
        else
            break;
    }
    return n;
}

// ---- Operators -----------------------------------------------------------------------------------------------------

static Node *parse_unary(Parser *p, bool with_filter)
{
    Node *n;
    bool minus = p->now.kind == T_SUB, down = deeper(p);
    if (down && (minus || p->now.kind == T_ADD)) {
        n = jinja_node(p, minus ? E_NEGATE : E_PLUS);
        jinja_advance(p);
        n->a = parse_unary(p, false);
    } else {
        n = jinja_parse_primary(p, false);
    }
    n = parse_postfix(p, n);
    if (with_filter) n = parse_filter_expr(p, n);
    p->depth--;
    return n;
}

static Node *parse_pow(Parser *p)
{
    Node *n = parse_unary(p, true);
    while (jinja_skip(p, T_POW)) n = binary(p, E_BINARY, T_POW, n, parse_unary(p, true));
    return n;
}

static Node *parse_product(Parser *p)
{
    Node *n = parse_pow(p);
    for (;;) {
        TokenKind op = p->now.kind;
        if (op != T_MUL && op != T_DIV && op != T_FLOORDIV && op != T_MOD) return n;
        jinja_advance(p);
        n = binary(p, E_BINARY, op, n, parse_pow(p));
    }
}

static Node *parse_concat(Parser *p)
{
    Node *first = parse_product(p);
    if (p->now.kind != T_TILDE) return first;
    Node *n = jinja_node(p, E_CONCAT), *last = first;
    n->args = first;
    while (jinja_skip(p, T_TILDE)) last = last->next = parse_product(p);
    return n;
}

static Node *parse_sum(Parser *p)
{
    Node *n = parse_concat(p);
    for (;;) {
        TokenKind op = p->now.kind;
        if (op != T_ADD && op != T_SUB) return n;
        jinja_advance(p);
        n = binary(p, E_BINARY, op, n, parse_concat(p));
    }
}

static Node *parse_compare(Parser *p)
{
    Node *first = parse_sum(p), *n = NULL, **tail = NULL;
    for (;;) {
        TokenKind op = p->now.kind;
        if (jinja_at_name(p, "in"))
            op = T_IN;
        else if (jinja_at_name(p, "not") && p->ahead.kind == T_NAME && str_is(p->ahead.text, "in"))
            op = T_NOT_IN;
        else if (op < T_EQ || op > T_LTEQ)
            return n ? n : first;
        if (!n) {
            n = jinja_node(p, E_COMPARE);
            n->a = first;
            tail = &n->args;
        }
        jinja_advance(p);
        if (op == T_NOT_IN) jinja_advance(p);
        *tail = binary(p, E_COMPARE, op, parse_sum(p), NULL);
        tail = &(*tail)->next;
    }
}

static Node *parse_not(Parser *p)
{
    if (!jinja_at_name(p, "not")) return parse_compare(p);
    Node *n = jinja_node(p, E_NOT);
    jinja_advance(p);
    if (deeper(p)) n->a = parse_not(p);
    p->depth--;
    return n;
}

static Node *parse_and(Parser *p)
{
    Node *n = parse_not(p);
    while (jinja_skip_name(p, "and")) n = binary(p, E_AND, T_END, n, parse_not(p));
    return n;
}

Node *jinja_parse_or(Parser *p)
{
    Node *n = parse_and(p);
    while (jinja_skip_name(p, "or")) n = binary(p, E_OR, T_END, n, parse_and(p));
    return n;
}

Node *jinja_parse_expression(Parser *p)
{
    const char *unknown = p->unknown;
    if (!deeper(p)) {
        p->depth--;
        return jinja_node(p, E_CONST);
    }
    Node *n = jinja_parse_or(p);
    while (jinja_skip_name(p, "if")) {
        Node *cond = jinja_node(p, E_COND);
        cond->a = n;
        cond->b = jinja_parse_or(p);
        if (jinja_skip_name(p, "else")) cond->c = jinja_parse_expression(p);
        n = cond;
        p->unknown = unknown; // under an `if`, only use fails
    }
    p->depth--;
    return n;
}
