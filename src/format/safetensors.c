// Reads one safetensors file: 8 bytes of header length, a JSON header, the tensors' bytes. Nothing is believed: the header is
// bounded and strict JSON, every tensor's range follows from its dtype and shape, and the ranges tile the rest of the file
// without overlap, hole or remainder. The header is parsed entry by entry, so that reading one of 100 MB takes memory for its
// tensors only; names are views into it. Also reads the index file of several shards.
// Layout: huggingface/safetensors:README.md, "Format".
#include "format/format_internal.h"

#include <inttypes.h>
#include <stdlib.h>

enum { NAME_MOST = 1024, VALUES_MOST = 1 << 22 };

// Parsed JSON takes up to a hundred times the text's memory, by its values, which commas part: this bounds it. The largest
// models have some 100,000 tensors of about ten values each.
static Err check_values(Str text, const char *source)
{
    size_t commas = 0;
    for (size_t i = 0; i < text.n; i++) commas += text.at[i] == ',';
    if (commas <= VALUES_MOST) return OK;
    return err(ERR_LIMIT, "%s: the JSON holds more than %d values; no model has so many", source, VALUES_MOST);
}

static Err tensor_fault(const char *path, Str name, const char *what)
{
    return err(ERR_FORMAT, "%s: tensor %.*s: %s; the file is damaged", path, shown(name), name.at, tr(what));
}

static Err read_dtype(Stored *s, const json_t *entry, const char *path)
{
    const json_t *dtype = json_object_get(entry, "dtype");
    if (!json_is_string(dtype)) return tensor_fault(path, s->name, "dtype must be a string such as \"BF16\"");
    Str name = { json_string_value(dtype), json_string_length(dtype) };
    if (dtype_from_safetensors(&s->dtype, name)) return OK;
    return err(ERR_UNSUPPORTED,
               "%s: tensor %.*s has the dtype %.*s, which is not read here; take a checkpoint in F32, F16 or BF16",
               path, shown(s->name), s->name.at, name.n < 32 ? (int)name.n : 32, name.at);
}

static Err read_shape(Stored *s, const json_t *entry, const char *path)
{
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_array(shape)) return tensor_fault(path, s->name, "shape must be a list of whole numbers");
    size_t rank = json_array_size(shape);
    if (rank > RANK_MOST)
        return err(ERR_UNSUPPORTED, "%s: tensor %.*s: shape has %zu dimensions, at most %d are read", path,
                   shown(s->name), s->name.at, rank, RANK_MOST);
    s->rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        const json_t *dim = json_array_get(shape, i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return tensor_fault(path, s->name, "shape must hold whole numbers from 0 up");
        s->shape[i] = json_integer_value(dim);
    }
    return stored_measure(s, path);
}

static Err read_range(Stored *s, const json_t *entry, uint64_t data, const File *file)
{
    const json_t *range = json_object_get(entry, "data_offsets");
    const json_t *first = json_array_get(range, 0), *last = json_array_get(range, 1);
    if (!json_is_array(range) || json_array_size(range) != 2 || !json_is_integer(first) || !json_is_integer(last) ||
        json_integer_value(first) < 0)
        return tensor_fault(file->path, s->name, "data_offsets must be two whole numbers, begin and end");
    int64_t begin = json_integer_value(first), end = json_integer_value(last);
    if (end < begin) return tensor_fault(file->path, s->name, "data_offsets end before they begin");
    if ((uint64_t)(end - begin) != s->bytes)
        return err(ERR_FORMAT,
                   "%s: tensor %.*s: data_offsets span %" PRId64 " bytes, but dtype and shape need %" PRIu64
                   "; the file is damaged",
                   file->path, shown(s->name), s->name.at, end - begin, s->bytes);
    if ((uint64_t)end > file->bytes - data)
        return err(ERR_FORMAT,
                   "%s: tensor %.*s ends at byte %" PRIu64
                   " but the file has %zu; the file is cut off, download it again",
                   file->path, shown(s->name), s->name.at, data + (uint64_t)end, file->bytes);
    s->offset = data + (uint64_t)begin;
    return OK;
}

static Err read_tensor(Stored *s, const json_t *entry, uint64_t data, const File *file)
{
    if (!s->name.n || s->name.n > NAME_MOST)
        return err(ERR_FORMAT, "%s: a tensor's name has %zu bytes, but 1 to %d are allowed; the file is damaged",
                   file->path, s->name.n, NAME_MOST);
    if (!json_is_object(entry)) return tensor_fault(file->path, s->name, "its entry must be an object");
    Err e = read_dtype(s, entry, file->path);
    if (!e.code) e = read_shape(s, entry, file->path);
    return e.code ? e : read_range(s, entry, data, file);
}

static Err check_metadata(const json_t *metadata, const char *path)
{
    const char *key;
    json_t *value;
    bool good = json_is_object(metadata);
    json_object_foreach ((json_t *)metadata, key, value) good = good && json_is_string(value);
    return good ? OK : err(ERR_FORMAT, "%s: __metadata__ must be an object of strings; the file is damaged", path);
}

// The tensors' ranges follow each other from the end of the header to the end of the file.
static Err check_tiling(const StoredList *list, uint64_t data, const File *file)
{
    Err e = stored_check_apart(list, file->path);
    if (e.code) return e;
    uint64_t end = data;
    for (size_t i = 0; i < list->count; i++) {
        const Stored *s = &list->at[i];
        if (s->offset != end)
            return err(ERR_FORMAT, "%s: %" PRIu64 " bytes before tensor %.*s belong to no tensor; the file is damaged",
                       file->path, s->offset - end, shown(s->name), s->name.at);
        end += s->bytes;
    }
    if (end != file->bytes)
        return err(ERR_FORMAT,
                   "%s: %" PRIu64 " superfluous bytes follow the last tensor; the file is damaged, download it again",
                   file->path, file->bytes - end);
    return OK;
}

// ---- The header ----------------------------------------------------------------------------------------------------

// The members of the outermost object, one after the other.
typedef struct Members {
    Str text;
    size_t at; // never beyond text.n
    const char *path;
} Members;

static Err bad_json(const Members *m)
{
    return err(ERR_FORMAT, "%s: the header is not valid JSON at its byte %zu; the file is damaged", m->path, m->at);
}

static void skip_blanks(Members *m)
{
    while (m->at < m->text.n && memchr(" \t\n\r", m->text.at[m->at], 4)) m->at++;
}

// Passes this character, with blanks before and behind it.
static bool skip(Members *m, char c)
{
    skip_blanks(m);
    if (m->at >= m->text.n || m->text.at[m->at] != c) return false;
    m->at++;
    skip_blanks(m);
    return true;
}

// Passes a string, both quotes included. False: it has no end.
static bool skip_string(Members *m)
{
    if (m->at >= m->text.n || m->text.at[m->at] != '"') return false;
    for (m->at++; m->at < m->text.n; m->at++) {
        if (m->text.at[m->at] == '"') return m->at++, true;
        if (m->text.at[m->at] == '\\' && m->at + 1 < m->text.n) m->at++;
    }
    return false;
}

// Passes a value as far as brackets and strings tell; its text is parsed later.
static bool skip_value(Members *m)
{
    int64_t depth = 0;
    size_t begin = m->at;
    while (m->at < m->text.n) {
        char c = m->text.at[m->at];
        bool closes = c == '}' || c == ']';
        if (depth == 0 && (closes || c == ',')) break;
        depth += (c == '{' || c == '[') - closes;
        if (c == '"') {
            if (!skip_string(m)) return false;
        } else {
            m->at++;
        }
        if (depth == 0 && (closes || c == '"')) break;
    }
    return depth == 0 && m->at > begin;
}

// The next member, as text: key with its quotes, value. *done: there was none, and nothing follows the object.
static Err next_member(Members *m, Str *key, Str *value, bool *done)
{
    bool first = m->at == 0;
    if (first && !skip(m, '{')) return bad_json(m);
    *done = (first || m->text.at[m->at] == '}') && skip(m, '}');
    if (*done) return m->at == m->text.n ? OK : bad_json(m);
    if (!first && !skip(m, ',')) return bad_json(m);
    size_t begin = m->at;
    if (!skip_string(m)) return bad_json(m);
    *key = (Str){ m->text.at + begin, m->at - begin };
    if (!skip(m, ':')) return bad_json(m);
    begin = m->at;
    if (!skip_value(m)) return bad_json(m);
    *value = (Str){ m->text.at + begin, m->at - begin };
    skip_blanks(m);
    return m->at < m->text.n ? OK : bad_json(m);
}

// A key without its quotes: a view, or where it has escapes a copy.
static Err read_key(Str *out, Arena *arena, Str quoted, const Members *m)
{
    Str inner = { quoted.at + 1, quoted.n - 2 };
    bool plain = utf8_valid(inner.at, inner.n);
    for (size_t i = 0; plain && i < inner.n; i++) plain = (uint8_t)inner.at[i] >= 0x20 && inner.at[i] != '\\';
    *out = inner;
    if (plain) return OK;
    json_t *text = NULL;
    Err e = json_parse(&text, quoted, JSON_UNIQUE, m->path);
    if (e.code) return e;
    *out = (Str){ arena_text(arena, json_string_value(text), json_string_length(text)), json_string_length(text) };
    json_decref(text);
    return out->at ? OK : err_memory(m->path);
}

static Err count_members(size_t *out, Members m)
{
    bool done = false;
    Err e = OK;
    for (*out = 0; !e.code && !done; *out += !done) {
        Str key, value;
        e = next_member(&m, &key, &value, &done);
    }
    return e;
}

static Err read_member(StoredList *list, Str name, Str value, uint64_t data, const File *file)
{
    json_t *entry = NULL;
    Err e = json_parse(&entry, value, JSON_UNIQUE, file->path);
    if (e.code) return e;
    if (str_is(name, "__metadata__")) {
        e = check_metadata(entry, file->path);
    } else {
        Stored *s = &list->at[list->count++];
        s->name = name;
        e = read_tensor(s, entry, data, file);
    }
    json_decref(entry);
    return e;
}

static Err read_header(StoredList *out, Arena *arena, Str text, uint64_t data, const File *file, int index)
{
    Members m = { .text = text, .path = file->path };
    size_t count = 0;
    bool done = false;
    Err e = count_members(&count, m);
    if (e.code) return e;
    StoredList list = { .at = arena_array(arena, count, sizeof *list.at) };
    if (!list.at) return err_memory(file->path);
    while (!e.code && !done) {
        Str key = { 0 }, value = { 0 }, name = { 0 };
        e = next_member(&m, &key, &value, &done);
        if (e.code || done) break;
        e = read_key(&name, arena, key, &m);
        if (!e.code) e = read_member(&list, name, value, data, file);
    }
    for (size_t i = 0; i < list.count; i++) list.at[i].file = index;
    stored_sort_by_offset(&list);
    if (!e.code) e = check_tiling(&list, data, file);
    if (!e.code) *out = list;
    return e;
}

Err safetensors_read(StoredList *out, Arena *arena, const File *file, int index)
{
    uint64_t header_bytes;
    if (file->bytes < sizeof header_bytes)
        return err(
            ERR_FORMAT,
            "%s: has %zu bytes, but a safetensors file begins with 8 bytes that give its header's length; download "
            "it again",
            file->path, file->bytes);
    memcpy(&header_bytes, file->at, sizeof header_bytes);
    if (header_bytes > HEADER_BYTES_MOST)
        return err(ERR_FORMAT,
                   "%s: claims a header of %" PRIu64
                   " bytes, but at most %d are allowed; this is no safetensors file or "
                   "is damaged",
                   file->path, header_bytes, HEADER_BYTES_MOST);
    if (header_bytes > file->bytes - sizeof header_bytes)
        return err(ERR_FORMAT,
                   "%s: claims a header of %" PRIu64
                   " bytes, but only %zu follow; the file is cut off, download it again",
                   file->path, header_bytes, file->bytes - sizeof header_bytes);
    Str text = { (const char *)file->at + sizeof header_bytes, (size_t)header_bytes };
    if (!str_starts(text, "{"))
        return err(ERR_FORMAT, "%s: the header does not begin with '{'; this is no safetensors file or is damaged",
                   file->path);
    Err e = check_values(text, file->path);
    return e.code ? e : read_header(out, arena, text, sizeof header_bytes + header_bytes, file, index);
}

// ---- The index of shards -------------------------------------------------------------------------------------------

static int str_order(Str a, Str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.at, b.at, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int by_shard(const void *a, const void *b)
{
    const IndexEntry *x = a, *y = b;
    int order = str_order(x->shard, y->shard);
    return order ? order : str_order(x->tensor, y->tensor);
}

static Err check_shard_name(const json_t *shard, const char *tensor, const char *source)
{
    if (!json_is_string(shard))
        return err(ERR_FORMAT, "%s: weight_map: the shard of tensor %.120s must be a string", source, tensor);
    Str s = { json_string_value(shard), json_string_length(shard) };
    if (!s.n || s.n > 255 || memchr(s.at, '/', s.n) || strstr(s.at, ".."))
        return err(
            ERR_FORMAT,
            "%s: weight_map: the shard \"%.*s\" of tensor %.120s is not a plain file name; shards must lie beside the "
            "index, without '/' or '..' in their names",
            source, shown(s), s.at, tensor);
    return OK;
}

static Err read_entries(ShardIndex *out, Arena *arena, const json_t *map, const char *source)
{
    out->entries = arena_array(arena, json_object_size(map), sizeof *out->entries);
    if (!out->entries) return err_memory(source);
    const char *tensor;
    json_t *shard;
    json_object_foreach ((json_t *)map, tensor, shard) {
        Err e = check_shard_name(shard, tensor, source);
        if (e.code) return e;
        IndexEntry *entry = &out->entries[out->count++];
        entry->tensor.n = strlen(tensor);
        entry->tensor.at = arena_text(arena, tensor, entry->tensor.n);
        entry->shard.n = json_string_length(shard);
        entry->shard.at = arena_text(arena, json_string_value(shard), entry->shard.n);
        if (!entry->tensor.at || !entry->shard.at) return err_memory(source);
    }
    return OK;
}

static Err collect_shards(ShardIndex *out, Arena *arena, const char *source)
{
    qsort(out->entries, out->count, sizeof *out->entries, by_shard);
    size_t distinct = 0;
    for (size_t i = 0; i < out->count; i++) {
        distinct += i == 0 || !str_equal(out->entries[i - 1].shard, out->entries[i].shard);
        out->entries[i].file = distinct - 1;
    }
    if (distinct > INT16_MAX)
        return err(ERR_LIMIT, "%s: weight_map names %zu shards, at most %d are read", source, distinct, INT16_MAX);
    out->shards = arena_array(arena, distinct, sizeof *out->shards);
    if (!out->shards) return err_memory(source);
    out->shard_count = distinct;
    for (size_t i = 0; i < out->count; i++) out->shards[out->entries[i].file] = out->entries[i].shard;
    return OK;
}

Err index_read(ShardIndex *out, Arena *arena, Str text, const char *source)
{
    json_t *root = NULL;
    Err e = check_values(text, source);
    if (!e.code) e = json_parse(&root, text, JSON_UNIQUE, source);
    if (e.code) return e;
    const json_t *map = json_object_get(root, "weight_map");
    ShardIndex index = { 0 };
    if (!json_is_object(map) || json_object_size(map) == 0)
        e = err(ERR_FORMAT, "%s: weight_map must be an object that gives each tensor's shard; download it again",
                source);
    if (!e.code) e = read_entries(&index, arena, map, source);
    if (!e.code) e = collect_shards(&index, arena, source);
    json_decref(root);
    if (!e.code) *out = index;
    return e;
}
