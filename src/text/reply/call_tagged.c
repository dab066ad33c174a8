// Calls as tagged pairs (HyperCLOVA X): a name, then <arg_key>KEY</arg_key> <arg_value>VALUE</arg_value> ... A value is text
// where the function's schema says string, else JSON, else a Python literal, else text; in Omni's replies always text. Arguments
// become one JSON object; of equal keys the last one counts.
#include "text/reply/reply_internal.h"

// What the model draws and speaks is text, and with it all else (OmniServe's parser of Omni's calls).
static bool is_string_argument(const Parser *p, Str name, Str key)
{
    const json_t *type = json_object_get(argument_schema(p->tools, name, key), "type");
    return p->form->calls == CALL_MEDIA || (json_is_string(type) && !strcmp(json_string_value(type), "string"));
}

// A call being read.
typedef struct Pairs {
    Parser *p;
    Str name;
    size_t at;   // the next mark
    size_t done; // bytes of the call that were read
} Pairs;

static const CallMark *next_mark(Pairs *pairs, MarkKind kind)
{
    while (pairs->at < pairs->p->call_mark_n) {
        const CallMark *mark = &pairs->p->call_marks[pairs->at++];
        if (mark->kind == kind) return mark;
    }
    return NULL;
}

static Str between(const Parser *p, size_t begin, size_t end)
{
    return strip_blanks((Str){ buf_str(&p->call).at + begin, end - begin });
}

// Where the value ends that begins at the next mark; without its closing mark at the call's end, in Omni's calls at the next key.
static size_t value_end(Pairs *pairs)
{
    const Parser *p = pairs->p;
    for (; pairs->at < p->call_mark_n; pairs->at++) {
        const CallMark *mark = &p->call_marks[pairs->at];
        if (mark->kind == MARK_KEY && p->form->calls == CALL_MEDIA) return mark->begin;
        if (mark->kind != MARK_VALUE_END) continue;
        pairs->at++;
        return mark->begin;
    }
    return p->call.n;
}

static void stray(Pairs *pairs, size_t end)
{
    parser_stray(pairs->p, (Str){ buf_str(&pairs->p->call).at + pairs->done, end - pairs->done });
}

// A key without a value behind it is passed over; text beside the pairs is content.
static bool next_pair(Pairs *pairs, Str *key, Str *value)
{
    const Parser *p = pairs->p;
    for (;;) {
        const CallMark *open = next_mark(pairs, MARK_KEY), *close = open ? next_mark(pairs, MARK_KEY_END) : NULL;
        if (!close) return false;
        stray(pairs, open->begin);
        pairs->done = close->end;
        *key = between(p, open->end, close->begin);
        const CallMark *value_open = pairs->at < p->call_mark_n ? &p->call_marks[pairs->at] : NULL;
        if (!value_open || value_open->kind != MARK_VALUE || between(p, close->end, value_open->begin).n) continue;
        const size_t end = value_end(pairs);
        pairs->done = pairs->at && p->call_marks[pairs->at - 1].begin == end ? p->call_marks[pairs->at - 1].end : end;
        *value = between(p, value_open->end, end);
        return true;
    }
}

// The arguments' values as JSON texts by key.
static int collect(Pairs *pairs, json_t *values)
{
    Str key, value;
    Buf json = { 0 };
    int bad = 0;
    while (!bad && next_pair(pairs, &key, &value)) {
        json.n = 0;
        value_json(&json, value, is_string_argument(pairs->p, pairs->name, key));
        bad = !arguments_put(values, key, &json);
    }
    buf_free(&json);
    stray(pairs, pairs->p->call.n);
    return bad;
}

// The name ends with its line, or where the arguments begin.
static bool find_name(const Parser *p, Str *name)
{
    const Str call = buf_str(&p->call);
    size_t begin = p->call_inner, end;
    while (begin < call.n && call.at[begin] == '\n') begin++;
    for (end = begin; end < call.n && call.at[end] != '\n';) end++;
    for (size_t i = 0; i < p->call_mark_n; i++)
        if (p->call_marks[i].kind == MARK_KEY && p->call_marks[i].begin < end && p->call_marks[i].begin >= begin)
            end = p->call_marks[i].begin;
    if (end == call.n) return false;
    *name = between(p, begin, end);
    return name->n > 0;
}

bool call_tagged(Parser *p)
{
    Pairs pairs = { .p = p };
    if (!find_name(p, &pairs.name)) return false;
    pairs.done = (size_t)(pairs.name.at + pairs.name.n - buf_str(&p->call).at);
    json_t *values = json_object();
    if (!values || collect(&pairs, values))
        p->failed = true;
    else
        arguments_give(p, pairs.name, values);
    json_decref(values);
    return true;
}
