// The decoder of a tokenizer.json, brought into one of the forms of DecodeKind, which tokenizer_decode.c runs id by id.
#include "text/tokenizer_internal.h"

typedef Err DecoderReader(Tokenizer *t, const Document *d, uint32_t node);

static Err refuse(const Document *d, const char *why)
{
    return err(ERR_UNSUPPORTED, "%s: decoder: %s is not supported", d->source, tr(why));
}

static Err text_field(Tokenizer *t, const Document *d, uint32_t node, const char *key, Str *out)
{
    uint32_t value;
    Err e = document_field(d, node, key, &value);
    if (e.code) return e;
    if (value == NO_NODE || node_kind(d, value) != NODE_STRING)
        return err(ERR_FORMAT, "%s: decoder: %s is missing or no string", d->source, key);
    e = document_string(d, value, &t->arena, out);
    if (e.code) return e;
    out->at = arena_text(&t->arena, out->at, out->n);
    return out->at ? OK : err_memory("the tokenizer's components");
}

static Err read_bytes(Tokenizer *t, const Document *d, uint32_t node)
{
    (void)node;
    if (t->decode != DECODE_SPACED) return refuse(d, "ByteLevel behind another decoder");
    t->decode = DECODE_BYTES;
    return OK;
}

static Err read_fallback(Tokenizer *t, const Document *d, uint32_t node)
{
    (void)node;
    if (t->decode != DECODE_SPACED && t->decode != DECODE_PLAIN) return refuse(d, "ByteFallback in this place");
    if (t->decode_fused) return refuse(d, "ByteFallback behind Fuse");
    t->decode = DECODE_FALLBACK;
    return OK;
}

static Err read_fuse(Tokenizer *t, const Document *d, uint32_t node)
{
    (void)d, (void)node;
    if (t->decode == DECODE_SPACED) t->decode = DECODE_PLAIN;
    t->decode_fused = true;
    return OK;
}

static Err read_replace(Tokenizer *t, const Document *d, uint32_t node)
{
    uint32_t pattern;
    if (t->decode != DECODE_SPACED) return refuse(d, "Replace behind another decoder");
    Err e = document_field(d, node, "pattern", &pattern);
    if (e.code) return e;
    if (pattern == NO_NODE || node_kind(d, pattern) != NODE_OBJECT)
        return err(ERR_FORMAT, "%s: decoder: Replace needs a pattern", d->source);
    uint32_t regex;
    e = document_field(d, pattern, "Regex", &regex);
    if (!e.code && regex != NO_NODE) return refuse(d, "Replace of a regex");
    if (!e.code) e = text_field(t, d, pattern, "String", &t->decode_find);
    if (!e.code) e = text_field(t, d, node, "content", &t->decode_with);
    t->decode = DECODE_PLAIN;
    return e;
}

static Err read_strip(Tokenizer *t, const Document *d, uint32_t node)
{
    int64_t start, stop;
    uint32_t start_node, stop_node;
    if (t->strip_content.n) return refuse(d, "a second Strip");
    if (!t->decode_fused && t->decode != DECODE_BYTES) return refuse(d, "Strip before Fuse");
    Err e = text_field(t, d, node, "content", &t->strip_content);
    if (!e.code) e = document_field(d, node, "start", &start_node);
    if (!e.code) e = document_field(d, node, "stop", &stop_node);
    if (e.code) return e;
    if (start_node == NO_NODE || stop_node == NO_NODE || !document_integer(d, start_node, &start) ||
        !document_integer(d, stop_node, &stop) || start < 0 || start > UINT32_MAX || stop < 0 || stop > UINT32_MAX)
        return err(ERR_FORMAT, "%s: decoder: Strip needs the counts start and stop", d->source);
    size_t at = 0;
    if (!t->strip_content.n || (utf8_next(t->strip_content.at, t->strip_content.n, &at), at != t->strip_content.n))
        return err(ERR_FORMAT, "%s: decoder: Strip: content must be one character", d->source);
    t->strip_start = (uint32_t)start;
    t->strip_stop = (uint32_t)stop;
    return OK;
}

static Err read_metaspace(Tokenizer *t, const Document *d, uint32_t node)
{
    Str scheme = str("always");
    uint32_t scheme_node, space_node;
    if (t->decode != DECODE_SPACED) return refuse(d, "Metaspace behind another decoder");
    Err e = text_field(t, d, node, "replacement", &t->decode_find);
    if (!e.code) e = document_field(d, node, "prepend_scheme", &scheme_node);
    if (!e.code) e = document_field(d, node, "add_prefix_space", &space_node);
    if (!e.code && scheme_node != NO_NODE)
        e = text_field(t, d, node, "prepend_scheme", &scheme);
    else if (!e.code && space_node != NO_NODE && node_kind(d, space_node) == NODE_FALSE)
        scheme = str("never");
    t->decode_with = str(" ");
    t->decode_drop_first = !str_is(scheme, "never");
    t->decode = DECODE_PLAIN;
    return e;
}

static Err read_words(Tokenizer *t, const Document *d, uint32_t node)
{
    if (t->decode != DECODE_SPACED) return refuse(d, "BPEDecoder behind another decoder");
    t->decode = DECODE_WORDS;
    return text_field(t, d, node, "suffix", &t->decode_find);
}

static Err read_decoders(Tokenizer *t, const Document *d, uint32_t node)
{
    uint32_t list;
    Err e = document_field(d, node, "decoders", &list);
    if (e.code) return e;
    if (list == NO_NODE || node_kind(d, list) != NODE_ARRAY)
        return err(ERR_FORMAT, "%s: decoder: decoders must be a list", d->source);
    for (uint32_t i = list + 1; i < d->nodes[list].after && !e.code; i = d->nodes[i].after) e = parts_decoder(t, d, i);
    if (!e.code && t->decode == DECODE_SPACED) t->decode = DECODE_PLAIN; // an empty Sequence joins without spaces
    return e;
}

static const struct {
    const char *type;
    DecoderReader *read;
} decoders[] = {
    { "ByteLevel", read_bytes },     { "Sequence", read_decoders }, { "Fuse", read_fuse },
    { "Replace", read_replace },     { "Strip", read_strip },       { "ByteFallback", read_fallback },
    { "Metaspace", read_metaspace }, { "BPEDecoder", read_words },
};

Err parts_decoder(Tokenizer *t, const Document *d, uint32_t node)
{
    if (node == NO_NODE || node_kind(d, node) == NODE_NULL) return OK;
    if (node_kind(d, node) != NODE_OBJECT) return err(ERR_FORMAT, "%s: decoder must be an object or null", d->source);
    Str type;
    Err e = text_field(t, d, node, "type", &type);
    if (e.code) return e;
    for (size_t i = 0; i < COUNT(decoders); i++)
        if (str_is(type, decoders[i].type)) return decoders[i].read(t, d, node);
    return err(ERR_UNSUPPORTED,
               "%s: decoder type %.*s is not supported; supported are ByteLevel, Sequence, Fuse, Replace, Strip, "
               "ByteFallback, Metaspace, BPEDecoder",
               d->source, (int)(type.n < 60 ? type.n : 60), type.at);
}
