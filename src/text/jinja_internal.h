// jinja_internal: what the files of the template interpreter share. Lexer and parser make a tree of Nodes in the
// template's arena; one rendering is a Run with an arena of its own. Errors are sticky: the first one stays in
// Run.err, every function may be called after it and returns quickly, and results after it mean nothing.
#ifndef DURE_JINJA_INTERNAL_H
#define DURE_JINJA_INTERNAL_H

#include "text/text.h"

typedef struct Run Run;
typedef struct Node Node;
typedef struct Text Text;
typedef struct Big Big;
typedef struct List List;
typedef struct Dict Dict;
typedef struct Unknown Unknown;
typedef struct Bound Bound;
typedef struct Macro Macro;
typedef struct Loop Loop;
typedef struct Cycle Cycle;
typedef struct Frame Frame;

// ---- Values --------------------------------------------------------------------------------------------------------

typedef enum ValueKind {
    V_ABSENT, // no value: an argument that was not given, or the result of a failure
    V_UNDEFINED,
    V_NONE,
    V_BOOL,
    V_INT,
    V_BIG, // an int that 64 bits do not hold
    V_FLOAT,
    V_TEXT,
    V_BYTES,
    V_LIST, // from here to V_RANGE: a List
    V_TUPLE,
    V_STREAM, // what Python calls a generator: no length, read once
    V_KEYS,
    V_VALUES,
    V_ITEMS,
    V_RANGE,
    V_DICT,
    V_NAMESPACE, // a Dict that may change
    V_BOUND,
    V_MACRO,
    V_LOOP,
    V_CYCLER,
    V_JOINER,
    V_BLOCKS, // `self`
} ValueKind;

typedef struct Value {
    ValueKind kind;
    union {
        bool flag;
        int64_t integer;
        const Big *big;
        double real;
        const Text *text;
        List *list;
        Dict *dict;
        const Unknown *unknown;
        const Bound *bound;
        const Macro *macro;
        Loop *loop;
        Cycle *cycle;
        const Node *block; // V_BLOCKS: in a template's table of blocks
    };
} Value;

#define NOTHING ((Value){ .kind = V_ABSENT })
#define NONE ((Value){ .kind = V_NONE })

// Well-formed UTF-8 with the ranges that come from messages. Never changed once made.
struct Text {
    const char *at;
    size_t n;
    const Range *marks; // ascending, disjoint, not touching
    size_t mark_count;
    Range one;     // where `marks` points if there is one
    int64_t chars; // code points
    uint32_t hash;
    bool safe; // Markup: needs no HTML escape
};

// A whole number beyond 64 bits: limbs of 64 bits, the lowest first and the highest not zero.
struct Big {
    const uint64_t *at;
    size_t n;
    bool negative;
};

struct List {
    Value *at;
    size_t n;
    bool spent;                // V_STREAM: was read
    const Err *fault;          // V_STREAM: what making the item behind the last one fails with, or NULL
    bool grouped;              // a pair of groupby: .grouper and .list
    int64_t start, stop, step; // V_RANGE
};

typedef struct Entry {
    Value key, value;
    uint32_t hash;
} Entry;

// Keeps the order of insertion. Up to eight entries are searched in line, more through `index` (open addressing).
struct Dict {
    Entry *at;
    size_t n, capacity;
    uint32_t *index; // entry number + 1, or 0
    size_t index_size;
};

// Undefined, and why: said when it is used.
struct Unknown {
    Str name;
    const char *of;     // type whose attribute it is, or NULL: a variable
    const char *reason; // or NULL: made of the two above
    bool unsafe;        // refused by the sandbox
    bool hidden;        // assigned later in the scope that hides it
};

typedef struct Named {
    const Text *name;
    Value value;
} Named;

typedef struct Args {
    const Value *at;
    size_t n;
    const Named *named;
    size_t named_n;
} Args;

enum { PARAMS_MAX = 6 };

// A filter, test, method or global. `params`: names separated by blanks, the first `required` must be given; behind "/" they
// cannot be given by name; "*": fn reads `args` itself. `a` holds the bound parameters, V_ABSENT where not given.
typedef struct Builtin {
    const char *name;
    const char *params;
    int required;
    Value (*fn)(Run *r, Value self, const Value *a, const Args *args);
} Builtin;

struct Bound {
    const Builtin *builtin;
    Value self;
};

struct Macro {
    const Node *node;
    Frame *frame;
    Str name;
};

struct Cycle { // cycler and joiner
    const Value *at;
    size_t n, next;
    bool used;
};

// A running `for`. Items that pass the filter are fetched one ahead at most, unless the length is asked for.
struct Loop {
    const Node *node;
    Frame *frame; // outside the loop
    List *source;
    bool taking; // the source is a stream, whose items are taken one by one: a break leaves the others
    size_t source_at;
    Value *items;
    size_t n, capacity, at;
    int depth;
    Value changed;
};

struct Frame {
    Frame *parent;
    Dict names;
};

// ---- Tree ----------------------------------------------------------------------------------------------------------

typedef enum NodeKind {
    E_CONST,
    E_NAME,
    E_LIST,
    E_TUPLE,
    E_DICT,
    E_ATTRIBUTE,
    E_ITEM,
    E_SLICE,
    E_CALL,
    E_FILTER,
    E_TEST,
    E_AND,
    E_OR,
    E_NOT,
    E_NEGATE,
    E_PLUS,
    E_BINARY,
    E_COMPARE,
    E_CONCAT,
    E_COND,
    E_NAMESPACE_NAME,
    S_TEXT,
    S_PRINT,
    S_IF,
    S_FOR,
    S_SET,
    S_SET_BLOCK,
    S_WITH,
    S_MACRO,
    S_CALL,
    S_FILTER,
    S_SCOPE,
    S_AUTOESCAPE,
    S_BLOCK,
    S_BREAK,
    S_CONTINUE,
    S_LOADER,
} NodeKind;

typedef enum TokenKind {
    T_END,
    T_TEXT,
    T_BLOCK_BEGIN,
    T_BLOCK_END,
    T_PRINT_BEGIN,
    T_PRINT_END,
    T_NAME,
    T_STRING,
    T_INTEGER,
    T_FLOAT,
    T_ADD,
    T_SUB,
    T_DIV,
    T_FLOORDIV,
    T_MUL,
    T_MOD,
    T_POW,
    T_TILDE,
    T_LBRACKET,
    T_RBRACKET,
    T_LPAREN,
    T_RPAREN,
    T_LBRACE,
    T_RBRACE,
    T_EQ,
    T_NE,
    T_GT,
    T_GTEQ,
    T_LT,
    T_LTEQ,
    T_ASSIGN,
    T_DOT,
    T_COLON,
    T_PIPE,
    T_COMMA,
    T_SEMICOLON,
    T_IN,     // only as operators of E_COMPARE
    T_NOT_IN, //
} TokenKind;

enum { USES_CALLER = 1, USES_KWARGS = 2, USES_VARARGS = 4 };

// One shape for all; lists are linked by `next`. What is where:
//   E_LIST E_TUPLE E_CONCAT: args. E_DICT: args, each with a = key, b = value. E_ATTRIBUTE: a, key. E_ITEM: a, b.
//   E_SLICE: a, b, c or NULL. E_CALL E_FILTER E_TEST: a, args, named (key, a), star, stars; E_FILTER's a is NULL in a
//   filter block, and a filter whose name is not known has no builtin. E_COND: a if b else c. E_COMPARE: a, then args with op and a.
//   S_IF: a chain by `other` of nodes with a (NULL: else) and body. S_FOR: a in b if c, body, other. S_SET: a = b.
//   S_SET_BLOCK: a, b = filter chain or NULL, body. S_WITH: args (a = b), body. S_MACRO: key, args with key and a = default.
//   S_CALL: a, args, body. S_FILTER: a, body. S_BLOCK: key, body.
struct Node {
    NodeKind kind;
    TokenKind op;
    int line;
    bool flag; // E_FILTER: asks for the context; E_TEST: negated; S_FOR: recursive; S_BLOCK: scoped
    int uses;  // S_MACRO, S_CALL
    size_t count;
    const Text *key;
    Value value;
    const Builtin *builtin;
    Node *a, *b, *c;
    Node *args, *named, *star, *stars;
    Node *body, *other, *next;
    Node *hides, *other_hides; // names (key) that the scopes of body and other hide
};

struct Template {
    Arena arena;
    const char *name;
    Node *body, *hides;
    Dict blocks; // name -> S_BLOCK
};

// ---- One rendering -------------------------------------------------------------------------------------------------

typedef struct JinjaLimits {
    int64_t steps; // a step: a node visited, an element looked at, or 256 bytes moved
    size_t work;   // bytes of values
    size_t output; // bytes
    int depth;     // of expressions, statements, macros and values within each other
} JinjaLimits;

extern const JinjaLimits jinja_limits;
enum {
    JINJA_PARSE_DEPTH = 300,
    JINJA_RANGE_MAX = 100000,
    JINJA_INT_BITS = 65536,  // of whole numbers
    JINJA_INT_DIGITS = 4300, // decimal ones, to and from text: Python's own limit
};

// Marked bytes being put together. In the arena; what it outgrows stays there.
typedef struct Maker {
    Run *r;
    char *at;
    size_t n, capacity;
    Range *marks;
    size_t mark_count, mark_capacity;
    bool safe;
} Maker;

typedef enum Flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE } Flow;

struct Run {
    Arena *arena;
    const char *name; // of the template
    const Template *template;
    Err err;
    int line;
    int depth;
    int64_t steps;
    size_t work;
    JinjaLimits limits;
    RenderClock now;
    uint64_t drawn;      // random numbers so far
    const Node *printed; // the expression between {{ and }} that is being computed, or NULL
    Maker *out;
    Frame *root;
    const Text *loop_name;
    Flow flow;
    bool autoescape;
};

// jinja_run.c. The first failure stays; returns NOTHING.
Value jinja_fail(Run *r, ErrCode code, const char *format, ...) __attribute__((format(printf, 3, 4)));
static inline bool jinja_failed(const Run *r)
{
    return r->err.code != ERR_NONE;
}
bool jinja_spend(Run *r, size_t work);             // counts 1 + work / 256 steps; false: failed
bool jinja_deeper(Run *r);                         // one level down; false: failed. Always followed by r->depth--
void *jinja_alloc(Run *r, size_t n, size_t bytes); // zeroed; NULL: failed
Err template_render_within(const Template *t, const json_t *variables, const char *const *trusted, RenderClock now,
                           const JinjaLimits *limits, Rendered *out);

// jinja_text.c
void jinja_put(Maker *m, const char *at, size_t n, bool from_message);
void jinja_put_str(Maker *m, const char *text); // from the template
void jinja_put_char(Maker *m, uint32_t c, bool from_message);
void jinja_put_part(Maker *m, const Text *text, size_t begin, size_t end);
void jinja_put_text(Maker *m, const Text *text);
Value jinja_made(Maker *m);
const Text *jinja_text_view(Run *r, const char *at, size_t n, bool from_message);
Value jinja_text(Run *r, const char *at, size_t n, bool from_message); // a view: `at` must outlive the run
Value jinja_literal(Run *r, const char *text);
Value jinja_part(Run *r, const Text *text, size_t begin, size_t end); // bytes [begin, end)
bool jinja_marked(const Text *text, size_t at);
size_t jinja_offset(Run *r, const Text *text, int64_t chars); // byte offset of a code point; the end if beyond
int64_t jinja_find(const Text *in, Str what, size_t from);    // byte offset or -1
int64_t jinja_find_last(Run *r, const Text *in, Str what, size_t upto); // the last one ending at or before upto
bool jinja_is_space(uint32_t c);
Value jinja_strip(Run *r, const Text *text, const Text *chars /* or NULL: white space */, bool left, bool right);
Value jinja_escaped(Run *r, Value v);     // HTML; Markup stays
static inline bool jinja_is_safe(Value v) // Markup
{
    return v.kind == V_TEXT && v.text->safe;
}

// jinja_case.c
typedef enum CaseOp { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_CAPITALIZE, CASE_SWAP, CASE_FOLD } CaseOp;
Value jinja_case(Run *r, const Text *text, CaseOp op);
typedef enum CharClass {
    CLASS_ALPHA,
    CLASS_DECIMAL,
    CLASS_DIGIT,
    CLASS_NUMERIC,
    CLASS_ALNUM,
    CLASS_SPACE,
    CLASS_PRINTABLE,
    CLASS_UPPER,
    CLASS_LOWER,
    CLASS_TITLE,
    CLASS_NAME_START, // of an identifier
    CLASS_NAME,
} CharClass;
bool jinja_in_class(uint32_t c, CharClass class);
bool jinja_text_is(const Text *text, CharClass class);

// jinja_value.c
const char *jinja_type(Value v);
bool jinja_true(Run *r, Value v);
bool jinja_is_list(Value v);                                       // anything kept in a List
bool jinja_as_int(Value v, int64_t *out);                          // ints of 64 bits and bools
bool jinja_as_real(Value v, double *out);                          // numbers; infinity: an int beyond the floats
bool jinja_need_real(Run *r, Value v, double *out);                // fails for such an int, too
bool jinja_need_int(Run *r, Value v, int64_t *out);                // else fails as Python does
bool jinja_index(Run *r, Value v, int64_t fallback, int64_t *out); // absent: the fallback
bool jinja_flag(Run *r, Value v, bool fallback);                   // an int as C's bool
bool jinja_bound(Run *r, Value v, int64_t fallback, int64_t *out); // of a slice: None, too, and cut to 64 bits
bool jinja_equal(Run *r, Value a, Value b);
int jinja_compare(Run *r, Value a, Value b, const char *op); // -1, 0, 1; 2: not comparable though allowed (NaN)
bool jinja_contains(Run *r, Value in, Value what);
List *jinja_list_new(Run *r, size_t n); // n items, all V_ABSENT; NULL: failed
Value jinja_list(ValueKind kind, List *list);
List *jinja_iterate(Run *r, Value v);        // the items; NULL: failed
List *jinja_iterate_lazily(Run *r, Value v); // the same, but a stream's fault is left to the caller
bool jinja_reach(Run *r, const List *list);  // behind the last item: fails with the stream's fault, if there is one
Value jinja_length(Run *r, Value v);
bool jinja_hashable(Run *r, Value v); // whether it can be a key; false: failed
bool jinja_dict_put(Run *r, Dict *dict, Value key, Value value);
bool jinja_dict_put_text(Run *r, Dict *dict, const Text *key, Value value);
Value jinja_dict_get(Run *r, const Dict *dict, Value key); // NOTHING: absent
Value jinja_dict_new(Run *r);
void jinja_sort(Run *r, Value *keys, Value *values, size_t n, bool reverse); // stable; values follow keys
Value jinja_undefined(Run *r, Str name, const char *of);
Value jinja_undefined_reason(Run *r, const char *reason);
Value jinja_use_undefined(Run *r, Value v); // fails, saying why
static inline bool jinja_is(Value v, ValueKind kind)
{
    return v.kind == kind;
}

// jinja_show.c: values as text
void jinja_show(Maker *m, Value v);      // str(v)
void jinja_repr(Maker *m, Value v);      // repr(v)
Value jinja_str(Run *r, Value v);        // always V_TEXT unless failed
const Text *jinja_soft(Run *r, Value v); // the same as a Text; never NULL: empty after a failure
size_t jinja_float_text(char out[40], double v);

// jinja_clock.c
Value jinja_strftime(Run *r, Value self, const Value *a, const Args *args);

// jinja_pprint.c
Value jinja_pprint(Run *r, Value self, const Value *a, const Args *args);

// jinja_chance.c
Value jinja_random(Run *r, Value self, const Value *a, const Args *args);
Value jinja_lipsum(Run *r, Value self, const Value *a, const Args *args);

// jinja_urlize.c
Value jinja_urlize(Run *r, Value self, const Value *a, const Args *args);

// jinja_number.c
const Builtin *jinja_number_method(ValueKind kind, Str name);

// jinja_wrap.c
Value jinja_wordwrap(Run *r, Value self, const Value *a, const Args *args);

// jinja_json.c
Value jinja_from_json(Run *r, const json_t *json, bool from_message);
Frame *jinja_variables(Run *r, const json_t *variables, const char *const *trusted);
Value jinja_tojson(Run *r, Value self, const Value *a, const Args *args);

// jinja_format.c
Value jinja_percent(Run *r, const Text *format, Value values);                         // 'a %s' % values
Value jinja_str_format(Run *r, const Text *format, const Args *args, const Dict *map); // '{}'.format()

// jinja_eval.c
Value jinja_eval(Run *r, const Node *n, Frame *f);
Value jinja_get(Run *r, Value of, const Text *key); // a.b
Value jinja_item(Run *r, Value of, Value key);      // a[b]
Value jinja_call(Run *r, Value fn, const Args *args);
Value jinja_call_with_caller(Run *r, const Node *n, Frame *f, Value caller);
Value jinja_call_builtin(Run *r, const Builtin *b, Value self, const Args *args);
Value jinja_apply_filters(Run *r, const Node *filter, Value inner, Frame *f); // of a filter block
Value jinja_lookup(Run *r, Frame *f, const Text *name);                       // V_UNDEFINED if there is none

// jinja_int.c: ints of any size. `v`, `a`, `b`: what jinja_is_whole says yes to
bool jinja_is_whole(Value v); // ints and bools
int jinja_int_order(Value a, Value b);
int jinja_big_order_real(Run *r, Value big, double d); // 2: a NaN
double jinja_int_real(Value v);                        // the nearest; infinity: beyond
Value jinja_int_from_real(Run *r, double d);           // towards zero
Value jinja_int_binary(Run *r, TokenKind op, Value a, Value b);
Value jinja_int_round(Run *r, Value v, int64_t places);
int64_t jinja_int_bits(Value v); // of the magnitude
int64_t jinja_int_ones(Value v);
const char *jinja_int_digits(Run *r, Value v, unsigned base);
Value jinja_int_parse(Run *r, const char *digits, size_t n, unsigned base, bool negative); // NOTHING: not digits

// jinja_math.c
Value jinja_binary(Run *r, TokenKind op, Value a, Value b);
Value jinja_negate(Run *r, Value v);
Value jinja_slice(Run *r, Value of, Value from, Value to, Value by);

// jinja_exec.c
void jinja_exec(Run *r, const Node *first, Frame *f);
Value jinja_call_macro(Run *r, const Macro *m, const Args *args);
Value jinja_call_loop(Run *r, Loop *loop, const Args *args); // recursive loops
Value jinja_call_block(Run *r, const Node *block);
bool jinja_assign(Run *r, const Node *target, Value v, Frame *f);
Frame *jinja_frame(Run *r, Frame *parent);
bool jinja_loop_fetch(Run *r, Loop *loop, size_t upto);

// jinja_scope.c
void jinja_settle_names(Run *r, Template *t);         // after parsing: fills `hides`
void jinja_hide(Run *r, const Node *hides, Frame *f); // at the start of a scope

// Tables
const Builtin *jinja_find_builtin(const Builtin *table, Str name);
extern const Builtin jinja_filters_text[], jinja_filters_list[], jinja_tests[], jinja_globals[];
const Builtin *jinja_filter(Str name);
const Builtin *jinja_test(Str name);
const Builtin *jinja_method(ValueKind kind, Str name, bool *unsafe);
const Builtin *jinja_text_method(Str name);
bool jinja_is_utf8(Value encoding);               // a name of it
Value jinja_dict_items(Run *r, const Dict *dict); // a V_ITEMS
Value jinja_replace(Run *r, const Text *t, const Text *old, const Text *new, int64_t max);
Value jinja_call_test(Run *r, const Builtin *test, Value v, const Args *args);
Value jinja_call_named_filter(Run *r, Value name, Value v, const Args *args);

// jinja_lex.c, jinja_parse.c, jinja_expr.c
typedef struct Token {
    TokenKind kind;
    int line;
    Str text;          // as written; T_TEXT and T_NAME: the value
    const Text *value; // T_STRING
} Token;

typedef struct Lexer {
    Run *r;
    Str source; // newlines are \n
    size_t at;
    int line;
    char open[JINJA_PARSE_DEPTH]; // brackets not yet closed
    size_t open_n;
    enum { LEX_ROOT, LEX_BLOCK, LEX_PRINT } state;
    bool line_start; // what came before ended a line
} Lexer;

Token jinja_next_token(Lexer *lexer); // T_END at the end and after a failure
const char *jinja_token_name(TokenKind kind);
Str jinja_clean_source(Run *r, Str source);
const Text *jinja_const_text(Run *r, Str bytes);

// A macro, call block or block being parsed: which of caller, kwargs and varargs its body reads (USES_) before it, or a
// macro within it, stores to that name; behind that the name is any other.
typedef struct Level {
    int uses, stored;
    struct Level *outer; // not beyond a block
} Level;

typedef struct Parser {
    Run *r;
    Template *template;
    Lexer lexer;
    Token now, ahead;
    int depth;
    int loops;           // `for` around, within the same function
    int inside;          // statements around that are scopes
    int all_loops;       // `for` around: within them nothing is assigned to the name loop
    struct Level *level; // the function being parsed, or NULL
    bool storing;        // names that are read are assigned to
    const char *unknown; // "filter" or "test" whose name is not known, where that is an error
    Str unknown_name;
    int unknown_line;
    Node nowhere; // stands in for a node after a failure
} Parser;

Node *jinja_node(Parser *p, NodeKind kind);
void jinja_advance(Parser *p);
bool jinja_at_name(const Parser *p, const char *name);
void jinja_note_name(Parser *p, Str name, bool stored); // where it may be special in a macro
bool jinja_skip_name(Parser *p, const char *name);
bool jinja_skip(Parser *p, TokenKind kind);
bool jinja_expect(Parser *p, TokenKind kind);
void jinja_syntax(Parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
Node *jinja_parse_expression(Parser *p);
Node *jinja_parse_or(Parser *p); // without an inline `if`
Node *jinja_parse_primary(Parser *p, bool with_namespace);
Node *jinja_parse_filters(Parser *p, Node *node, bool inline_start); // node NULL: of a filter block
typedef enum TupleForm { TUPLE_FULL, TUPLE_NO_COND, TUPLE_TARGET } TupleForm;
Node *jinja_parse_tuple(Parser *p, TupleForm form, bool parenthesised, bool with_namespace);
Node *jinja_parse_statements(Parser *p, const char *const *ends, bool drop);

#endif
