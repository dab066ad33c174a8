// The components of a tokenizer.json: one table for each kind, a row for each type that is known here. A reader checks its
// fields and adds to the tokenizer; to add a type is to add a row. A type without one is refused by name.
#include "text/tokenizer_internal.h"
#include "text/unicode_table.h"

#include <stdlib.h>

typedef Err PartReader(Tokenizer *t, const Document *d, uint32_t node);
typedef struct Part {
    const char *type;
    PartReader *read;
} Part;

// ---- Fields --------------------------------------------------------------------------------------------------------

static Err field_bool(const Document *d, uint32_t node, const char *key, bool absent, bool *out)
{
    uint32_t value;
    Err e = document_field(d, node, key, &value);
    if (e.code) return e;
    NodeKind kind = value == NO_NODE ? NODE_NULL : node_kind(d, value);
    if (kind != NODE_NULL && kind != NODE_TRUE && kind != NODE_FALSE)
        return err(ERR_FORMAT, "%s: %s must be true or false", d->source, key);
    *out = kind == NODE_NULL ? absent : kind == NODE_TRUE;
    return OK;
}

// A required string, copied into the tokenizer.
static Err field_text(Tokenizer *t, const Document *d, uint32_t node, const char *key, Str *out)
{
    uint32_t value;
    Err e = document_field(d, node, key, &value);
    if (e.code) return e;
    if (value == NO_NODE || node_kind(d, value) != NODE_STRING)
        return err(ERR_FORMAT, "%s: %s is missing or no string", d->source, key);
    e = document_string(d, value, &t->arena, out);
    if (e.code) return e;
    out->at = arena_text(&t->arena, out->at, out->n);
    return out->at ? OK : err_memory("the tokenizer's components");
}

// {"Regex": ...} or {"String": ...}; one of *regex and *text is set.
static Err field_pattern(Tokenizer *t, const Document *d, uint32_t node, Regex **regex, Str *text)
{
    uint32_t pattern, inner;
    Str source;
    Err e = document_field(d, node, "pattern", &pattern);
    if (e.code) return e;
    if (pattern == NO_NODE || node_kind(d, pattern) != NODE_OBJECT)
        return err(ERR_FORMAT, "%s: pattern must be {\"Regex\": ...} or {\"String\": ...}", d->source);
    e = document_field(d, pattern, "Regex", &inner);
    if (e.code) return e;
    if (inner == NO_NODE) {
        e = field_text(t, d, pattern, "String", text);
        if (!e.code && !text->n) e = err(ERR_UNSUPPORTED, "%s: an empty pattern is not supported", d->source);
        return e;
    }
    e = field_text(t, d, pattern, "Regex", &source);
    return e.code ? e : regex_new(regex, source, t->source);
}

static Err field_behaviour(Tokenizer *t, const Document *d, uint32_t node, Behaviour *out)
{
    static const char *const names[] = { [SPLIT_ISOLATED] = "Isolated",
                                         [SPLIT_REMOVED] = "Removed",
                                         [SPLIT_WITH_PREVIOUS] = "MergedWithPrevious",
                                         [SPLIT_WITH_NEXT] = "MergedWithNext",
                                         [SPLIT_CONTIGUOUS] = "Contiguous" };
    Str name;
    Err e = field_text(t, d, node, "behavior", &name);
    if (e.code) return e;
    for (size_t i = 0; i < COUNT(names); i++) {
        if (!str_is(name, names[i])) continue;
        *out = (Behaviour)i;
        return OK;
    }
    return err(ERR_UNSUPPORTED, "%s: behavior \"%.*s\" is not supported", d->source, (int)(name.n < 60 ? name.n : 60),
               name.at);
}

// ---- Reading by type -----------------------------------------------------------------------------------------------

static Err read_part(Tokenizer *t, const Document *d, uint32_t node, const char *what, const Part *parts, size_t count)
{
    if (node == NO_NODE || node_kind(d, node) == NODE_NULL) return OK;
    if (node_kind(d, node) != NODE_OBJECT) return err(ERR_FORMAT, "%s: %s must be an object or null", d->source, what);
    Str type;
    Err e = field_text(t, d, node, "type", &type);
    if (e.code) return e;
    for (size_t i = 0; i < count; i++)
        if (str_is(type, parts[i].type)) return parts[i].read(t, d, node);
    Buf known = { 0 };
    for (size_t i = 0; i < count; i++) buf_printf(&known, "%s%s", i ? ", " : "", parts[i].type);
    e = err(ERR_UNSUPPORTED, "%s: %s type %.*s is not supported; supported are %s", d->source, what,
            (int)(type.n < 60 ? type.n : 60), type.at, buf_str(&known).at);
    buf_free(&known);
    return e;
}

static Err read_list(Tokenizer *t, const Document *d, uint32_t node, const char *key, PartReader *read)
{
    uint32_t list;
    Err e = document_field(d, node, key, &list);
    if (e.code) return e;
    if (list == NO_NODE || node_kind(d, list) != NODE_ARRAY)
        return err(ERR_FORMAT, "%s: %s must be a list", d->source, key);
    for (uint32_t i = list + 1; i < d->nodes[list].after && !e.code; i = d->nodes[i].after) e = read(t, d, i);
    return e;
}

Err parts_add_normaliser(Tokenizer *t, Normaliser normaliser)
{
    Normaliser *grown = realloc(t->normalisers, (t->normaliser_count + 1) * sizeof *grown);
    if (!grown) {
        regex_free(normaliser.regex);
        return err_memory("the tokenizer's components");
    }
    t->normalisers = grown;
    t->normalisers[t->normaliser_count++] = normaliser;
    return OK;
}

Err parts_add_step(Tokenizer *t, Step step)
{
    Step *grown = realloc(t->steps, (t->step_count + 1) * sizeof *grown);
    if (!grown) {
        regex_free(step.regex);
        return err_memory("the tokenizer's components");
    }
    t->steps = grown;
    t->steps[t->step_count++] = step;
    return OK;
}

// ---- Normalisers ---------------------------------------------------------------------------------------------------

static Err read_nfc(Tokenizer *t, const Document *d, uint32_t node)
{
    (void)d, (void)node;
    return parts_add_normaliser(t, (Normaliser){ .run = normalise_form, .form = UNICODE_NFC });
}

static Err read_nfd(Tokenizer *t, const Document *d, uint32_t node)
{
    (void)d, (void)node;
    return parts_add_normaliser(t, (Normaliser){ .run = normalise_form, .form = UNICODE_NFD });
}

static Err read_nfkc(Tokenizer *t, const Document *d, uint32_t node)
{
    (void)d, (void)node;
    return parts_add_normaliser(t, (Normaliser){ .run = normalise_form, .form = UNICODE_NFKC });
}

static Err read_nfkd(Tokenizer *t, const Document *d, uint32_t node)
{
    (void)d, (void)node;
    return parts_add_normaliser(t, (Normaliser){ .run = normalise_form, .form = UNICODE_NFKD });
}

static Err read_lowercase(Tokenizer *t, const Document *d, uint32_t node)
{
    (void)d, (void)node;
    return parts_add_normaliser(t, (Normaliser){ .run = normalise_lowercase });
}

static Err read_strip_accents(Tokenizer *t, const Document *d, uint32_t node)
{
    (void)d, (void)node;
    return parts_add_normaliser(t, (Normaliser){ .run = normalise_strip_accents });
}

static Err read_strip(Tokenizer *t, const Document *d, uint32_t node)
{
    Normaliser n = { .run = normalise_strip };
    Err e = field_bool(d, node, "strip_left", true, &n.left);
    if (!e.code) e = field_bool(d, node, "strip_right", true, &n.right);
    return e.code ? e : parts_add_normaliser(t, n);
}

static Err read_prepend(Tokenizer *t, const Document *d, uint32_t node)
{
    Normaliser n = { .run = normalise_prepend };
    Err e = field_text(t, d, node, "prepend", &n.with);
    return e.code ? e : parts_add_normaliser(t, n);
}

static Err read_replace(Tokenizer *t, const Document *d, uint32_t node)
{
    Normaliser n = { .run = normalise_replace };
    Err e = field_text(t, d, node, "content", &n.with);
    if (!e.code) e = field_pattern(t, d, node, &n.regex, &n.find);
    return e.code ? e : parts_add_normaliser(t, n);
}

static Err read_precompiled(Tokenizer *t, const Document *d, uint32_t node)
{
    Normaliser n = { .run = normalise_charsmap };
    Str text;
    Err e = field_text(t, d, node, "precompiled_charsmap", &text);
    if (!e.code) e = charsmap_read_base64(&n.charsmap, &t->arena, text, t->source);
    return e.code ? e : parts_add_normaliser(t, n);
}

static Err read_normalisers(Tokenizer *t, const Document *d, uint32_t node)
{
    return read_list(t, d, node, "normalizers", parts_normaliser);
}

static const Part normaliser_parts[] = {
    { "NFC", read_nfc },
    { "NFD", read_nfd },
    { "NFKC", read_nfkc },
    { "NFKD", read_nfkd },
    { "Replace", read_replace },
    { "Prepend", read_prepend },
    { "Strip", read_strip },
    { "StripAccents", read_strip_accents },
    { "Lowercase", read_lowercase },
    { "Precompiled", read_precompiled },
    { "Sequence", read_normalisers },
};

Err parts_normaliser(Tokenizer *t, const Document *d, uint32_t node)
{
    return read_part(t, d, node, "normalizer", normaliser_parts, COUNT(normaliser_parts));
}

// ---- Pre-tokenisers ------------------------------------------------------------------------------------------------

static Err read_split(Tokenizer *t, const Document *d, uint32_t node)
{
    Step step = { .apply = step_split };
    Err e = field_behaviour(t, d, node, &step.behaviour);
    if (!e.code) e = field_bool(d, node, "invert", false, &step.invert);
    if (!e.code) e = field_pattern(t, d, node, &step.regex, &step.text);
    step.find = step.regex ? find_regex : find_text;
    return e.code ? e : parts_add_step(t, step);
}

static Err read_digits(Tokenizer *t, const Document *d, uint32_t node)
{
    bool alone = false;
    Err e = field_bool(d, node, "individual_digits", false, &alone);
    Step step = { .apply = step_split, .find = find_flagged, .flags = UNICODE_NUMERIC };
    step.behaviour = alone ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS;
    return e.code ? e : parts_add_step(t, step);
}

static Err read_punctuation(Tokenizer *t, const Document *d, uint32_t node)
{
    Step step = { .apply = step_split, .find = find_flagged, .flags = UNICODE_PUNCTUATION };
    uint32_t behaviour;
    Err e = document_field(d, node, "behavior", &behaviour);
    if (!e.code && behaviour != NO_NODE) e = field_behaviour(t, d, node, &step.behaviour);
    return e.code ? e : parts_add_step(t, step);
}

static const Step without_spaces = { .apply = step_split, .find = find_space, .behaviour = SPLIT_REMOVED };

static Err read_whitespace_split(Tokenizer *t, const Document *d, uint32_t node)
{
    (void)d, (void)node;
    return parts_add_step(t, without_spaces);
}

// Words and runs of what is neither word nor space: \w+|[^\w\s]+.
static Err read_whitespace(Tokenizer *t, const Document *d, uint32_t node)
{
    (void)d, (void)node;
    Err e = parts_add_step(t, without_spaces);
    if (e.code) return e;
    return parts_add_step(
        t, (Step){ .apply = step_split, .find = find_flagged, .flags = UNICODE_WORD, .behaviour = SPLIT_CONTIGUOUS });
}

static Err read_bert(Tokenizer *t, const Document *d, uint32_t node)
{
    (void)d, (void)node;
    Err e = parts_add_step(t, without_spaces);
    if (e.code) return e;
    return parts_add_step(t, (Step){ .apply = step_split, .find = find_flagged, .flags = UNICODE_PUNCTUATION });
}

static Err read_metaspace(Tokenizer *t, const Document *d, uint32_t node)
{
    static const char *const schemes[] = { "never", "first", "always" };
    Step step = { .apply = step_metaspace, .find = find_text, .behaviour = SPLIT_WITH_NEXT, .prepend = PREPEND_ALWAYS };
    uint32_t scheme;
    Str name;
    Err e = field_text(t, d, node, "replacement", &step.text);
    if (!e.code) e = field_bool(d, node, "split", true, &step.split);
    if (!e.code) e = document_field(d, node, "prepend_scheme", &scheme);
    if (e.code) return e;
    size_t at = 0;
    if (!step.text.n || (utf8_next(step.text.at, step.text.n, &at), at != step.text.n))
        return err(ERR_FORMAT, "%s: Metaspace: replacement must be one character", d->source);
    if (scheme != NO_NODE) {
        e = field_text(t, d, node, "prepend_scheme", &name);
        if (e.code) return e;
        size_t i = 0;
        while (i < COUNT(schemes) && !str_is(name, schemes[i])) i++;
        if (i == COUNT(schemes)) return err(ERR_UNSUPPORTED, "%s: Metaspace: unknown prepend_scheme", d->source);
        step.prepend = (Prepend)i;
    } else {
        bool space;
        e = field_bool(d, node, "add_prefix_space", true, &space);
        if (e.code) return e;
        step.prepend = space ? PREPEND_ALWAYS : PREPEND_NEVER;
    }
    return parts_add_step(t, step);
}

static const char gpt2_pattern[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static Err read_byte_level(Tokenizer *t, const Document *d, uint32_t node)
{
    bool space, split;
    Err e = field_bool(d, node, "add_prefix_space", true, &space);
    if (!e.code) e = field_bool(d, node, "use_regex", true, &split);
    if (!e.code && space) e = parts_add_step(t, (Step){ .apply = step_prefix_space });
    if (e.code) return e;
    t->byte_level = true;
    if (!split) return OK;
    Step step = { .apply = step_split, .find = find_regex };
    e = regex_new(&step.regex, str(gpt2_pattern), t->source);
    return e.code ? e : parts_add_step(t, step);
}

static Err read_pretokenisers(Tokenizer *t, const Document *d, uint32_t node)
{
    return read_list(t, d, node, "pretokenizers", parts_pretokeniser);
}

static const Part pretokeniser_parts[] = {
    { "Split", read_split },
    { "ByteLevel", read_byte_level },
    { "Digits", read_digits },
    { "Punctuation", read_punctuation },
    { "WhitespaceSplit", read_whitespace_split },
    { "Whitespace", read_whitespace },
    { "BertPreTokenizer", read_bert },
    { "Metaspace", read_metaspace },
    { "Sequence", read_pretokenisers },
};

Err parts_pretokeniser(Tokenizer *t, const Document *d, uint32_t node)
{
    if (t->byte_level && node != NO_NODE && node_kind(d, node) != NODE_NULL)
        return err(ERR_UNSUPPORTED, "%s: a pre_tokenizer behind ByteLevel is not supported", d->source);
    return read_part(t, d, node, "pre_tokenizer", pretokeniser_parts, COUNT(pretokeniser_parts));
}

// ---- Post-processors -----------------------------------------------------------------------------------------------

static Err put_ids(Tokenizer *t, int32_t **at, size_t *n, bool front, const int32_t *more, size_t count)
{
    int32_t *ids = arena_array(&t->arena, *n + count, sizeof *ids);
    if (!ids) return err_memory("the tokenizer's components");
    if (*n) memcpy(ids + (front ? count : 0), *at, *n * sizeof *ids);
    if (count) memcpy(ids + (front ? 0 : *n), more, count * sizeof *ids);
    *at = ids;
    *n += count;
    return OK;
}

// One after another they would add around what the first has added, each in a way of its own.
static Err adds_once(const Tokenizer *t, const Document *d)
{
    if (!t->first_count && !t->last_count) return OK;
    return err(ERR_UNSUPPORTED, "%s: post_processor: a second one that adds tokens is not supported", d->source);
}

static Err known_id(const Tokenizer *t, const Document *d, uint32_t node, int32_t *out)
{
    int64_t id;
    if (!document_integer(d, node, &id) || id < 0 || id >= t->size || !(t->tokens[id].flags & TOKEN_KNOWN))
        return err(ERR_FORMAT, "%s: post_processor names an id that the vocabulary lacks", d->source);
    *out = (int32_t)id;
    return OK;
}

// The ids of one {"SpecialToken": {"id": NAME}} by the processor's table.
static Err template_ids(Tokenizer *t, const Document *d, uint32_t table, uint32_t token, int32_t **at, size_t *n)
{
    Str name;
    char key[256];
    uint32_t entry, ids = NO_NODE;
    Err e = field_text(t, d, token, "id", &name);
    if (e.code) return e;
    if (name.n >= sizeof key || memchr(name.at, 0, name.n))
        return err(ERR_FORMAT, "%s: TemplateProcessing: odd name", d->source);
    memcpy(key, name.at, name.n);
    key[name.n] = 0;
    e = document_field(d, table, key, &entry);
    if (!e.code && entry != NO_NODE && node_kind(d, entry) == NODE_OBJECT) e = document_field(d, entry, "ids", &ids);
    if (e.code) return e;
    if (ids == NO_NODE || node_kind(d, ids) != NODE_ARRAY)
        return err(ERR_FORMAT, "%s: TemplateProcessing: special_tokens lacks the ids of \"%s\"", d->source, key);
    for (uint32_t i = ids + 1; i < d->nodes[ids].after && !e.code; i = d->nodes[i].after) {
        int32_t id;
        e = known_id(t, d, i, &id);
        if (!e.code) e = put_ids(t, at, n, false, &id, 1);
    }
    return e;
}

static Err read_template(Tokenizer *t, const Document *d, uint32_t node)
{
    uint32_t single, table;
    Err e = document_field(d, node, "single", &single);
    if (!e.code) e = document_field(d, node, "special_tokens", &table);
    if (e.code) return e;
    if (single == NO_NODE || node_kind(d, single) != NODE_ARRAY || table == NO_NODE ||
        node_kind(d, table) != NODE_OBJECT)
        return err(ERR_FORMAT, "%s: TemplateProcessing needs a list single and an object special_tokens", d->source);
    int32_t *first = NULL, *last = NULL;
    size_t first_n = 0, last_n = 0, texts = 0;
    for (uint32_t i = single + 1; i < d->nodes[single].after && !e.code; i = d->nodes[i].after) {
        uint32_t token = NO_NODE, sequence = NO_NODE;
        if (node_kind(d, i) == NODE_OBJECT) e = document_field(d, i, "SpecialToken", &token);
        if (!e.code && node_kind(d, i) == NODE_OBJECT) e = document_field(d, i, "Sequence", &sequence);
        if (e.code) return e;
        if (token != NO_NODE && node_kind(d, token) == NODE_OBJECT)
            e = template_ids(t, d, table, token, texts ? &last : &first, texts ? &last_n : &first_n);
        else if (sequence != NO_NODE)
            texts++;
        else
            return err(ERR_FORMAT, "%s: TemplateProcessing: single holds what is neither token nor sequence",
                       d->source);
    }
    if (!e.code) e = adds_once(t, d);
    if (!e.code && texts != 1)
        return err(ERR_UNSUPPORTED, "%s: TemplateProcessing: single must hold the text once", d->source);
    if (!e.code) e = put_ids(t, &t->first, &t->first_count, true, first, first_n);
    if (!e.code) e = put_ids(t, &t->last, &t->last_count, false, last, last_n);
    return e;
}

// RobertaProcessing and BertProcessing: "cls": [text, id] in front, "sep": [text, id] behind.
static Err read_cls_sep(Tokenizer *t, const Document *d, uint32_t node)
{
    static const char *const keys[] = { "cls", "sep" };
    Err e = adds_once(t, d);
    for (int i = 0; i < 2 && !e.code; i++) {
        uint32_t pair;
        int32_t id;
        e = document_field(d, node, keys[i], &pair);
        if (e.code) return e;
        if (pair == NO_NODE || node_kind(d, pair) != NODE_ARRAY || d->nodes[pair].after != pair + 3)
            return err(ERR_FORMAT, "%s: post_processor: %s must be a text and an id", d->source, keys[i]);
        e = known_id(t, d, pair + 2, &id);
        if (!e.code)
            e = i ? put_ids(t, &t->last, &t->last_count, false, &id, 1)
                  : put_ids(t, &t->first, &t->first_count, true, &id, 1);
    }
    return e;
}

static Err read_nothing(Tokenizer *t, const Document *d, uint32_t node)
{
    (void)t, (void)d, (void)node; // ByteLevel only moves offsets
    return OK;
}

static Err read_processors(Tokenizer *t, const Document *d, uint32_t node)
{
    return read_list(t, d, node, "processors", parts_post_processor);
}

static const Part processor_parts[] = {
    { "ByteLevel", read_nothing },      { "TemplateProcessing", read_template }, { "RobertaProcessing", read_cls_sep },
    { "BertProcessing", read_cls_sep }, { "Sequence", read_processors },
};

Err parts_post_processor(Tokenizer *t, const Document *d, uint32_t node)
{
    return read_part(t, d, node, "post_processor", processor_parts, COUNT(processor_parts));
}
