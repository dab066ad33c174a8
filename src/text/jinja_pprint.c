// The filter pprint: Python's pformat at 80 columns. Keys of dicts are sorted; what does not fit is laid out one item a
// line, and long strings are cut behind white space.
#include "text/jinja_internal.h"

enum { WIDTH = 80 };

typedef struct Pretty {
    Run *r;
    Maker m;
} Pretty;

// Room of a value: where its lines begin, and what has to fit behind its last one.
typedef struct Room {
    int64_t indent, behind;
    int level; // values around it
} Room;

static void put_value(Pretty *p, Value v, Room room);

static const Text *repr_of(Run *r, Value v)
{
    Maker m = { .r = r };
    jinja_repr(&m, v);
    return jinja_soft(r, jinja_made(&m));
}

static bool is_number(Value v)
{
    return v.kind == V_FLOAT || jinja_is_whole(v);
}

// ---- Sorting -------------------------------------------------------------------------------------------------------

static Value sorted(Run *r, Value v);

static Value sorted_dict(Run *r, const Dict *from)
{
    List *keys = jinja_list_new(r, from->n), *values = jinja_list_new(r, from->n);
    Value to = jinja_dict_new(r);
    for (size_t i = 0; keys && values && i < from->n; i++) {
        keys->at[i] = from->at[i].key;
        values->at[i] = from->at[i].value;
        bool alike = keys->at[i].kind == keys->at[0].kind || (is_number(keys->at[i]) && is_number(keys->at[0]));
        if (!alike || (from->n > 1 && keys->at[i].kind != V_TEXT && !is_number(keys->at[i])))
            return jinja_fail(r, ERR_UNSUPPORTED, "pprint of a dict with keys of several types is not supported");
    }
    if (!jinja_failed(r)) jinja_sort(r, keys->at, values->at, from->n, false);
    for (size_t i = 0; !jinja_failed(r) && i < from->n; i++)
        jinja_dict_put(r, to.dict, keys->at[i], sorted(r, values->at[i]));
    return to;
}

static Value sorted(Run *r, Value v)
{
    Value to = v;
    if (v.kind != V_DICT && v.kind != V_LIST && v.kind != V_TUPLE) return v;
    if (jinja_deeper(r)) {
        if (v.kind == V_DICT) {
            to = sorted_dict(r, v.dict);
        } else {
            to = jinja_list(v.kind, jinja_list_new(r, v.list->n));
            for (size_t i = 0; !jinja_failed(r) && i < v.list->n; i++) to.list->at[i] = sorted(r, v.list->at[i]);
        }
    }
    r->depth--;
    return to;
}

// ---- Laying out ----------------------------------------------------------------------------------------------------

static void new_line(Pretty *p, int64_t indent)
{
    jinja_put_str(&p->m, "\n");
    for (int64_t i = 0; i < indent && !jinja_failed(p->r); i++) jinja_put_str(&p->m, " ");
}

static void put_dict(Pretty *p, const Dict *dict, Room room)
{
    jinja_put_str(&p->m, "{");
    for (size_t i = 0; i < dict->n && !jinja_failed(p->r); i++) {
        const Text *key = repr_of(p->r, dict->at[i].key);
        if (i) jinja_put_str(&p->m, ",");
        if (i) new_line(p, room.indent + 1);
        jinja_put_text(&p->m, key);
        jinja_put_str(&p->m, ": ");
        put_value(p, dict->at[i].value,
                  (Room){ room.indent + 1 + key->chars + 2, i + 1 < dict->n ? 1 : room.behind + 1, room.level });
    }
    jinja_put_str(&p->m, "}");
}

static void put_items(Pretty *p, Value v, Room room)
{
    const List *list = v.list;
    const char *end = v.kind == V_LIST ? "]" : list->n == 1 ? ",)" : ")";
    jinja_put_str(&p->m, v.kind == V_LIST ? "[" : "(");
    for (size_t i = 0; i < list->n && !jinja_failed(p->r); i++) {
        if (i) jinja_put_str(&p->m, ",");
        if (i) new_line(p, room.indent + 1);
        int64_t behind = i + 1 < list->n ? 1 : room.behind + (int64_t)strlen(end);
        put_value(p, list->at[i], (Room){ room.indent + 1, behind, room.level });
    }
    jinja_put_str(&p->m, end);
}

// The end of the word at `at` and of the white space behind it.
static size_t part_end(const Text *t, size_t at)
{
    bool space = false;
    while (at < t->n) {
        size_t next = at;
        bool is = jinja_is_space(utf8_next(t->at, t->n, &next));
        if (space && !is) break;
        space = is;
        at = next;
    }
    return at;
}

typedef struct Chunks {
    Pretty *p;
    Room room;
    size_t n;
} Chunks;

static void put_chunk(Chunks *c, const Text *line, size_t begin, size_t end, bool only)
{
    Value part = jinja_part(c->p->r, line, begin, end);
    if (jinja_failed(c->p->r)) return;
    if (!c->n && !only && c->room.level == 0) jinja_put_str(&c->p->m, "(");
    if (c->n++) new_line(c->p, c->room.indent);
    jinja_put_text(&c->p->m, repr_of(c->p->r, part));
}

// One line of a string, in as many pieces as it takes.
static void put_text_line(Chunks *c, const Text *line, bool last, bool only)
{
    Run *r = c->p->r;
    int64_t width = WIDTH - c->room.indent;
    if (repr_of(r, (Value){ .kind = V_TEXT, .text = line })->chars <= width - (last ? c->room.behind : 0)) {
        put_chunk(c, line, 0, line->n, only);
        return;
    }
    size_t begin = 0;
    only = only && part_end(line, 0) == line->n;
    for (size_t at = 0, end; at < line->n && jinja_spend(r, at - begin); at = end) {
        end = part_end(line, at);
        if (end == line->n && last) width -= c->room.behind;
        Value candidate = jinja_part(r, line, begin, end);
        if (jinja_failed(r) || repr_of(r, candidate)->chars <= width) continue;
        if (at > begin) put_chunk(c, line, begin, at, only);
        begin = at;
    }
    put_chunk(c, line, begin, line->n, only);
}

static void put_string(Pretty *p, const Text *t, Room room)
{
    Value none[PARAMS_MAX] = { { .kind = V_BOOL, .flag = true } };
    Value lines =
        jinja_text_method(str("splitlines"))->fn(p->r, (Value){ .kind = V_TEXT, .text = t }, none, &(Args){ 0 });
    Chunks c = { .p = p, .room = room };
    if (jinja_failed(p->r)) return;
    if (room.level == 0) c.room.indent++, c.room.behind++;
    for (size_t i = 0; i < lines.list->n && !jinja_failed(p->r); i++)
        put_text_line(&c, lines.list->at[i].text, i + 1 == lines.list->n, lines.list->n == 1);
    if (c.n > 1 && room.level == 0) jinja_put_str(&p->m, ")");
}

static void put_value(Pretty *p, Value v, Room room)
{
    const Text *whole = repr_of(p->r, v);
    Room inside = { room.indent, room.behind, room.level + 1 };
    bool fits = whole->chars <= WIDTH - room.indent - room.behind, down = jinja_deeper(p->r);
    if (!down)
        ;
    else if (!fits && v.kind == V_DICT)
        put_dict(p, v.dict, inside);
    else if (!fits && (v.kind == V_LIST || v.kind == V_TUPLE))
        put_items(p, v, inside);
    else if (!fits && v.kind == V_TEXT && !v.text->safe && v.text->n)
        put_string(p, v.text, room);
    else
        jinja_put_text(&p->m, whole);
    p->r->depth--;
}

Value jinja_pprint(Run *r, Value self, const Value *a, const Args *args)
{
    (void)a, (void)args;
    Pretty p = { .r = r, .m = { .r = r } };
    Value v = sorted(r, self);
    if (!jinja_failed(r)) put_value(&p, v, (Room){ 0 });
    return jinja_made(&p.m);
}
