// Tests: what stands behind `is`. Each gives a bool.
#include "text/jinja_internal.h"

static Value boolean(bool flag)
{
    return (Value){ .kind = V_BOOL, .flag = flag };
}

// A test of the value's kind alone.
#define KIND_TEST(name, condition)                                                                                     \
    static Value name(Run *r, Value v, const Value *a, const Args *args)                                               \
    {                                                                                                                  \
        (void)r, (void)a, (void)args;                                                                                  \
        return boolean(condition);                                                                                     \
    }
KIND_TEST(is_defined, v.kind != V_UNDEFINED)
KIND_TEST(is_undefined, v.kind == V_UNDEFINED)
KIND_TEST(is_none, v.kind == V_NONE)
KIND_TEST(is_boolean, v.kind == V_BOOL)
KIND_TEST(is_true, v.kind == V_BOOL && v.flag)
KIND_TEST(is_false, v.kind == V_BOOL && !v.flag)
KIND_TEST(is_integer, v.kind == V_INT || v.kind == V_BIG)
KIND_TEST(is_float, v.kind == V_FLOAT)
KIND_TEST(is_number, v.kind == V_FLOAT || jinja_is_whole(v))
KIND_TEST(is_string, v.kind == V_TEXT)
KIND_TEST(is_mapping, v.kind == V_DICT)
KIND_TEST(is_callable, v.kind == V_BOUND || v.kind == V_MACRO || v.kind == V_LOOP || v.kind == V_JOINER ||
                           v.kind == V_UNDEFINED || (v.kind == V_BLOCKS && v.block))
KIND_TEST(is_iterable, jinja_is_list(v) || v.kind == V_TEXT || v.kind == V_BYTES || v.kind == V_DICT ||
                           v.kind == V_UNDEFINED || v.kind == V_LOOP)
KIND_TEST(is_escaped, jinja_is_safe(v))
// What has a length and can be indexed; Undefined has both methods, of which indexing raises only when used.
KIND_TEST(is_sequence, v.kind == V_TEXT || v.kind == V_BYTES || v.kind == V_LIST || v.kind == V_TUPLE ||
                           v.kind == V_RANGE || v.kind == V_DICT || v.kind == V_UNDEFINED)

static Value remainder_is(Run *r, Value v, Value by, int64_t wanted)
{
    Value rest = jinja_binary(r, T_MOD, v, by);
    return boolean(!jinja_failed(r) && jinja_equal(r, rest, (Value){ .kind = V_INT, .integer = wanted }));
}

static Value is_odd(Run *r, Value v, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return remainder_is(r, v, (Value){ .kind = V_INT, .integer = 2 }, 1);
}

static Value is_even(Run *r, Value v, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return remainder_is(r, v, (Value){ .kind = V_INT, .integer = 2 }, 0);
}

static Value is_divisible(Run *r, Value v, const Value *a, const Args *args)
{
    (void)args;
    return remainder_is(r, v, a[0], 0);
}

// The names are looked up as keys of a dict are.
static bool can_be_name(Run *r, Value v)
{
    return jinja_hashable(r, v) && v.kind == V_TEXT;
}

static Value is_filter(Run *r, Value v, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return boolean(can_be_name(r, v) && jinja_filter((Str){ v.text->at, v.text->n }));
}

static Value is_test(Run *r, Value v, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return boolean(can_be_name(r, v) && jinja_test((Str){ v.text->at, v.text->n }));
}

static Value is_lower(Run *r, Value v, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return boolean(jinja_text_is(jinja_soft(r, v), CLASS_LOWER));
}

static Value is_upper(Run *r, Value v, const Value *a, const Args *args)
{
    (void)a, (void)args;
    return boolean(jinja_text_is(jinja_soft(r, v), CLASS_UPPER));
}

// Identity. Small values are taken for the same object if they are equal, as the interned ones of Python are.
static Value is_same(Run *r, Value v, const Value *a, const Args *args)
{
    (void)args;
    if (v.kind != a[0].kind) return boolean(false);
    if (v.kind >= V_LIST) return boolean(v.list == a[0].list);
    return boolean(jinja_equal(r, v, a[0]));
}

static Value is_in(Run *r, Value v, const Value *a, const Args *args)
{
    (void)args;
    return boolean(jinja_contains(r, a[0], v));
}

static Value is_equal(Run *r, Value v, const Value *a, const Args *args)
{
    (void)args;
    return boolean(jinja_equal(r, v, a[0]));
}

static Value is_unequal(Run *r, Value v, const Value *a, const Args *args)
{
    (void)args;
    return boolean(!jinja_equal(r, v, a[0]));
}

static Value is_less(Run *r, Value v, const Value *a, const Args *args)
{
    (void)args;
    return boolean(jinja_compare(r, v, a[0], "<") == -1);
}

static Value is_greater(Run *r, Value v, const Value *a, const Args *args)
{
    (void)args;
    return boolean(jinja_compare(r, v, a[0], ">") == 1);
}

static Value is_at_most(Run *r, Value v, const Value *a, const Args *args)
{
    (void)args;
    return boolean(jinja_compare(r, v, a[0], "<=") <= 0);
}

static Value is_at_least(Run *r, Value v, const Value *a, const Args *args)
{
    (void)args;
    int o = jinja_compare(r, v, a[0], ">=");
    return boolean(o == 0 || o == 1);
}

const Builtin jinja_tests[] = {
    { "odd", "", 0, is_odd },
    { "even", "", 0, is_even },
    { "divisibleby", "num", 1, is_divisible },
    { "defined", "", 0, is_defined },
    { "undefined", "", 0, is_undefined },
    { "filter", "", 0, is_filter },
    { "test", "", 0, is_test },
    { "none", "", 0, is_none },
    { "boolean", "", 0, is_boolean },
    { "false", "", 0, is_false },
    { "true", "", 0, is_true },
    { "integer", "", 0, is_integer },
    { "float", "", 0, is_float },
    { "lower", "", 0, is_lower },
    { "upper", "", 0, is_upper },
    { "string", "", 0, is_string },
    { "mapping", "", 0, is_mapping },
    { "number", "", 0, is_number },
    { "sequence", "", 0, is_sequence },
    { "iterable", "", 0, is_iterable },
    { "callable", "", 0, is_callable },
    { "sameas", "other", 1, is_same },
    { "escaped", "", 0, is_escaped },
    { "in", "seq", 1, is_in },
    { "==", "other", 1, is_equal },
    { "eq", "other", 1, is_equal },
    { "equalto", "other", 1, is_equal },
    { "!=", "other", 1, is_unequal },
    { "ne", "other", 1, is_unequal },
    { ">", "other", 1, is_greater },
    { "gt", "other", 1, is_greater },
    { "greaterthan", "other", 1, is_greater },
    { ">=", "other", 1, is_at_least },
    { "ge", "other", 1, is_at_least },
    { "<", "other", 1, is_less },
    { "lt", "other", 1, is_less },
    { "lessthan", "other", 1, is_less },
    { "<=", "other", 1, is_at_most },
    { "le", "other", 1, is_at_most },
    { NULL, NULL, 0, NULL },
};

const Builtin *jinja_test(Str name)
{
    return jinja_find_builtin(jinja_tests, name);
}

Value jinja_call_test(Run *r, const Builtin *test, Value v, const Args *args)
{
    return jinja_call_builtin(r, test, v, args);
}
