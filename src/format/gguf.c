// Reads one GGUF file, versions 2 and 3: metadata of every type into a Meta, tensor infos into a StoredList. Nothing is believed:
// each count is bounded by the bytes that are left, each range by the file's size, and tensors do not overlap.
// Strings and names are views into the file's memory. Numbers in the file are little-endian, as is this machine.
// Layout: ggml-org/ggml:docs/gguf.md.
#include "format/format_internal.h"

#include <inttypes.h>

enum {
    KEYS_MOST = 1 << 16,
    TENSORS_MOST = 1 << 20,
    ITEMS_MOST = 1 << 22, // of all arrays together; vocabularies and merges have up to some 300,000 each
    KEY_MOST = 65535,
    NAME_MOST = 1024,
    GGUF_RANK_MOST = 4,
    GGUF_ALIGNMENT = 32, // where general.alignment is absent
};

// bytes 0: not of fixed size
static const struct {
    uint8_t bytes;
    MetaType meta;
} value_types[GGUF_TYPES] = {
    [GGUF_U8] = { 1, META_INT },     [GGUF_I8] = { 1, META_INT },    [GGUF_U16] = { 2, META_INT },
    [GGUF_I16] = { 2, META_INT },    [GGUF_U32] = { 4, META_INT },   [GGUF_I32] = { 4, META_INT },
    [GGUF_F32] = { 4, META_REAL },   [GGUF_BOOL] = { 1, META_BOOL }, [GGUF_STRING] = { 0, META_TEXT },
    [GGUF_ARRAY] = { 0, META_LIST }, [GGUF_U64] = { 8, META_INT },   [GGUF_I64] = { 8, META_INT },
    [GGUF_F64] = { 8, META_REAL },
};

// Tensor types that exist elsewhere, so that a refusal can say their names.
static const struct {
    uint32_t type;
    const char *name;
} refused_types[] = { { 9, "Q8_1" }, { 15, "Q8_K" } };

typedef struct Reader {
    const File *file;
    Arena *arena;
    size_t at;       // never beyond file->bytes
    uint64_t items;  // of arrays so far
    GgufPair *pairs; // [keys], filled as they are read; or NULL
} Reader;

// ---- Pieces --------------------------------------------------------------------------------------------------------

// `what` and `name`, if there is one, say in an error what was being read: "the value of key" "general.name".
typedef struct Part {
    const char *what;
    Str name;
} Part;

static Err cut_off(const Reader *r, Part part)
{
    return err(ERR_FORMAT,
               "%s: the file ends (at byte %zu) within %s%s%.*s; it is cut off or damaged, download it again",
               r->file->path, r->file->bytes, tr(part.what), part.name.n ? " " : "", shown(part.name), part.name.at);
}

static Err take(Reader *r, void *out, size_t bytes, Part part)
{
    if (bytes > r->file->bytes - r->at) return cut_off(r, part);
    memcpy(out, r->file->at + r->at, bytes);
    r->at += bytes;
    return OK;
}

static Err take_string(Reader *r, Str *out, Part part)
{
    uint64_t n = 0;
    Err e = take(r, &n, sizeof n, part);
    if (e.code) return e;
    if (n > r->file->bytes - r->at) return cut_off(r, part);
    *out = (Str){ (const char *)r->file->at + r->at, (size_t)n };
    r->at += (size_t)n;
    return OK;
}

// A key or a tensor's name, the number'th of its kind.
static Err take_name(Reader *r, Str *out, const char *kind, uint64_t number, size_t most)
{
    char digits[24] = { 0 };
    size_t at = sizeof digits - 1;
    for (uint64_t left = number + 1; left; left /= 10) digits[--at] = (char)('0' + left % 10);
    Str name = { 0 };
    Err e = take_string(r, &name, (Part){ kind, str(digits + at) });
    if (e.code) return e;
    if (!name.n || name.n > most)
        return err(ERR_FORMAT, "%s: the name of %s %s has %zu bytes, but 1 to %zu are allowed; the file is damaged",
                   r->file->path, tr(kind), digits + at, name.n, most);
    if (!utf8_valid(name.at, name.n) || memchr(name.at, 0, name.n))
        return err(ERR_FORMAT, "%s: the name of %s %s is not UTF-8 text; the file is damaged", r->file->path, tr(kind),
                   digits + at);
    *out = name;
    return OK;
}

// ---- Values --------------------------------------------------------------------------------------------------------

static int64_t signed_of(const uint8_t *at, GgufType type)
{
    int8_t i8;
    uint16_t u16;
    int16_t i16;
    uint32_t u32;
    int32_t i32;
    int64_t i64;
    switch (type) {
    case GGUF_I8:
        return memcpy(&i8, at, sizeof i8), i8;
    case GGUF_U16:
        return memcpy(&u16, at, sizeof u16), u16;
    case GGUF_I16:
        return memcpy(&i16, at, sizeof i16), i16;
    case GGUF_U32:
        return memcpy(&u32, at, sizeof u32), u32;
    case GGUF_I32:
        return memcpy(&i32, at, sizeof i32), i32;
    case GGUF_U64:
    case GGUF_I64:
        return memcpy(&i64, at, sizeof i64), i64;
    default:
        return *at; // GGUF_U8, GGUF_BOOL
    }
}

static double real_of(const uint8_t *at, GgufType type)
{
    float f32;
    double f64;
    uint64_t u64;
    if (type == GGUF_F32) return memcpy(&f32, at, sizeof f32), (double)f32;
    if (type == GGUF_F64) return memcpy(&f64, at, sizeof f64), f64;
    return memcpy(&u64, at, sizeof u64), (double)u64; // GGUF_U64
}

// Numbers of 64 bits without sign that pass INT64_MAX are kept as the nearest real; nothing that is read here has such.
static MetaType number_type(const uint8_t *at, uint64_t count, GgufType type)
{
    for (uint64_t i = 0; type == GGUF_U64 && i < count; i++)
        if (signed_of(at + 8 * i, type) < 0) return META_REAL;
    return value_types[type].meta;
}

static Err bad_bool(const Reader *r, Str key)
{
    return err(ERR_FORMAT, "%s: the value of key %.*s must be true (1) or false (0); the file is damaged",
               r->file->path, shown(key), key.at);
}

static Err read_fixed(Reader *r, MetaValue *out, GgufType type, Str key)
{
    uint8_t bytes[8] = { 0 };
    Err e = take(r, bytes, value_types[type].bytes, (Part){ N_("the value of key"), key });
    if (e.code) return e;
    *out = (MetaValue){ .type = number_type(bytes, 1, type) };
    if (out->type == META_BOOL) {
        if (bytes[0] > 1) return bad_bool(r, key);
        out->flag = bytes[0];
    } else if (out->type == META_INT) {
        out->integer = signed_of(bytes, type);
    } else {
        out->real = real_of(bytes, type);
    }
    return OK;
}

static Err read_fixed_items(Reader *r, MetaValue *out, GgufType type, size_t count, Str key)
{
    const uint8_t *at = r->file->at + r->at;
    size_t size = value_types[type].bytes;
    out->item = number_type(at, count, type);
    void *items = arena_array(r->arena, count, out->item == META_BOOL ? sizeof(bool) : sizeof(int64_t));
    if (!items) return err_memory(r->file->path);
    out->flags = items;
    for (size_t i = 0; i < count; i++, at += size) {
        if (out->item == META_BOOL && *at > 1) return bad_bool(r, key);
        if (out->item == META_BOOL) ((bool *)items)[i] = *at;
        if (out->item == META_INT) ((int64_t *)items)[i] = signed_of(at, type);
        if (out->item == META_REAL) ((double *)items)[i] = real_of(at, type);
    }
    r->at += count * size;
    return OK;
}

static Err read_strings(Reader *r, MetaValue *out, size_t count, Str key)
{
    Str *items = arena_array(r->arena, count, sizeof *items);
    if (!items) return err_memory(r->file->path);
    out->item = META_TEXT;
    out->texts = items;
    for (size_t i = 0; i < count; i++) {
        Err e = take_string(r, &items[i], (Part){ N_("the value of key"), key });
        if (e.code) return e;
    }
    return OK;
}

static Err unknown_type(const Reader *r, uint32_t type, Str key)
{
    return err(ERR_FORMAT,
               "%s: the value of key %.*s has the type %" PRIu32 ", but types are 0 to %d; the file is damaged",
               r->file->path, shown(key), key.at, type, GGUF_TYPES - 1);
}

static Err read_array(Reader *r, MetaValue *out, Str key)
{
    uint32_t type = 0;
    uint64_t count = 0;
    Part part = { N_("the value of key"), key };
    Err e = take(r, &type, sizeof type, part);
    if (!e.code) e = take(r, &count, sizeof count, part);
    if (e.code) return e;
    if (type >= GGUF_TYPES) return unknown_type(r, type, key);
    if (type == GGUF_ARRAY)
        return err(ERR_UNSUPPORTED, "%s: the value of key %.*s is an array of arrays, which is not read here",
                   r->file->path, shown(key), key.at);
    size_t least = type == GGUF_STRING ? sizeof(uint64_t) : value_types[type].bytes;
    if (count > (r->file->bytes - r->at) / least) return cut_off(r, part);
    if (count > ITEMS_MOST - r->items)
        return err(ERR_LIMIT, "%s: with the value of key %.*s, arrays hold %" PRIu64 " items, at most %d are read",
                   r->file->path, shown(key), key.at, r->items + count, ITEMS_MOST);
    r->items += count;
    *out = (MetaValue){ .type = META_LIST, .item = value_types[type].meta, .count = (size_t)count };
    if (!count) return OK;
    if (type == GGUF_STRING) return read_strings(r, out, (size_t)count, key);
    return read_fixed_items(r, out, (GgufType)type, (size_t)count, key);
}

static Err read_pair(Reader *r, Meta *meta, uint64_t number)
{
    Str key = { 0 };
    uint32_t type = 0;
    MetaValue value = { 0 };
    Err e = take_name(r, &key, N_("key"), number, KEY_MOST);
    if (!e.code) e = take(r, &type, sizeof type, (Part){ N_("the type of key"), key });
    if (e.code) return e;
    if (type >= GGUF_TYPES) return unknown_type(r, type, key);
    size_t begin = r->at;
    if (type == GGUF_STRING) {
        value.type = META_TEXT;
        e = take_string(r, &value.text, (Part){ N_("the value of key"), key });
    } else if (type == GGUF_ARRAY) {
        e = read_array(r, &value, key);
    } else {
        e = read_fixed(r, &value, (GgufType)type, key);
    }
    Str bytes = { (const char *)r->file->at + begin, r->at - begin };
    if (r->pairs) r->pairs[number] = (GgufPair){ .key = key, .type = (GgufType)type, .value = bytes };
    return e.code ? e : meta_add(meta, key, value);
}

// ---- Tensors -------------------------------------------------------------------------------------------------------

static const char *refused_name(uint32_t type)
{
    for (size_t i = 0; i < COUNT(refused_types); i++)
        if (refused_types[i].type == type) return refused_types[i].name;
    return tr("unknown");
}

static Err read_type(const Reader *r, Stored *s, uint32_t type)
{
    if (dtype_from_gguf(&s->dtype, type)) return OK;
    return err(ERR_UNSUPPORTED,
               "%s: tensor %.*s has the type %s (%" PRIu32
               "), which is not read here; take a file in Q4_K_M, Q6_K, Q8_0, "
               "BF16 or F16",
               r->file->path, shown(s->name), s->name.at, refused_name(type), type);
}

// Offsets are checked when all infos are read; until then `offset` counts from the start of the data.
static Err read_info(Reader *r, Stored *s, uint64_t number)
{
    Err e = take_name(r, &s->name, N_("tensor"), number, NAME_MOST);
    if (e.code) return e;
    Part part = { N_("the description of tensor"), s->name };
    uint32_t rank = 0, type = 0;
    e = take(r, &rank, sizeof rank, part);
    if (e.code) return e;
    if (rank > GGUF_RANK_MOST)
        return err(ERR_FORMAT,
                   "%s: tensor %.*s has %" PRIu32 " dimensions, but GGUF has at most %d; the file is damaged",
                   r->file->path, shown(s->name), s->name.at, rank, GGUF_RANK_MOST);
    s->rank = (int)rank;
    for (uint32_t i = 0; i < rank; i++) { // innermost first in the file
        uint64_t dim = 0;
        e = take(r, &dim, sizeof dim, part);
        if (e.code) return e;
        if (dim > INT64_MAX)
            return err(ERR_FORMAT, "%s: tensor %.*s has a dimension of %" PRIu64 "; the file is damaged", r->file->path,
                       shown(s->name), s->name.at, dim);
        s->shape[rank - 1 - i] = (int64_t)dim;
    }
    e = take(r, &type, sizeof type, part);
    if (!e.code) e = take(r, &s->offset, sizeof s->offset, part);
    if (!e.code) e = read_type(r, s, type);
    return e.code ? e : stored_measure(s, r->file->path);
}

static Err read_alignment(const Reader *r, const Meta *meta, uint64_t *out)
{
    const MetaValue *value = meta_find(meta, "general.alignment");
    *out = GGUF_ALIGNMENT;
    if (!value) return OK;
    int64_t n = value->type == META_INT ? value->integer : 0;
    if (n <= 0 || n > UINT32_MAX || (n & (n - 1)))
        return err(ERR_FORMAT, "%s: general.alignment must be a power of two, 32 as a rule; the file is damaged",
                   r->file->path);
    *out = (uint64_t)n;
    return OK;
}

static Err place_tensor(const Reader *r, Stored *s, uint64_t data, uint64_t alignment)
{
    if (s->offset % alignment)
        return err(ERR_FORMAT,
                   "%s: tensor %.*s begins at offset %" PRIu64 ", which is not a multiple of the alignment %" PRIu64
                   "; the file is damaged",
                   r->file->path, shown(s->name), s->name.at, s->offset, alignment);
    uint64_t bytes = r->file->bytes, end;
    if (__builtin_add_overflow(s->offset, data, &s->offset) || __builtin_add_overflow(s->offset, s->bytes, &end) ||
        end > bytes)
        return err(ERR_FORMAT,
                   "%s: tensor %.*s reaches beyond the file's %" PRIu64
                   " bytes; the file is cut off or damaged, download it "
                   "again",
                   r->file->path, shown(s->name), s->name.at, bytes);
    return OK;
}

static Err read_infos(Reader *r, StoredList *out, const Meta *meta, uint64_t count, int index)
{
    uint64_t alignment = GGUF_ALIGNMENT;
    Err e = read_alignment(r, meta, &alignment);
    if (e.code) return e;
    StoredList list = { .at = arena_array(r->arena, (size_t)count, sizeof *list.at), .count = (size_t)count };
    if (!list.at) return err_memory(r->file->path);
    for (size_t i = 0; i < list.count; i++) {
        list.at[i].file = index;
        e = read_info(r, &list.at[i], i);
        if (e.code) return e;
    }
    uint64_t data = ((uint64_t)r->at + alignment - 1) / alignment * alignment;
    for (size_t i = 0; i < list.count; i++) {
        e = place_tensor(r, &list.at[i], data, alignment);
        if (e.code) return e;
    }
    stored_sort_by_offset(&list);
    e = stored_check_apart(&list, r->file->path);
    if (!e.code) *out = list;
    return e;
}

// ---- The file ------------------------------------------------------------------------------------------------------

static Err read_head(Reader *r, uint64_t *tensors, uint64_t *keys)
{
    uint8_t magic[4] = { 0 };
    uint32_t version = 0;
    Part head = { N_("its first 24 bytes"), str("") };
    if (!r->file->bytes) return err(ERR_FORMAT, "%s: is empty; download it again", r->file->path);
    Err e = take(r, magic, sizeof magic, head);
    if (!e.code && memcmp(magic, "GGUF", sizeof magic) != 0)
        e = err(ERR_FORMAT, "%s: does not begin with \"GGUF\"; this is no GGUF file", r->file->path);
    if (!e.code) e = take(r, &version, sizeof version, head);
    if (e.code) return e;
    if (version == 2u << 24 || version == 3u << 24)
        return err(ERR_UNSUPPORTED, "%s: is a big-endian GGUF file; take the little-endian one", r->file->path);
    if (version != 2 && version != 3)
        return err(ERR_UNSUPPORTED,
                   "%s: is GGUF version %" PRIu32 ", versions 2 and 3 are read; convert the model again", r->file->path,
                   version);
    e = take(r, tensors, sizeof *tensors, head);
    if (!e.code) e = take(r, keys, sizeof *keys, head);
    if (e.code) return e;
    if (*tensors > TENSORS_MOST || *keys > KEYS_MOST)
        return err(ERR_FORMAT,
                   "%s: claims %" PRIu64 " tensors and %" PRIu64
                   " keys, at most %d and %d are read; the file is damaged",
                   r->file->path, *tensors, *keys, TENSORS_MOST, KEYS_MOST);
    return OK;
}

Err gguf_read(Meta **meta, StoredList *out, Arena *arena, const File *file, int index)
{
    Reader r = { .file = file, .arena = arena };
    uint64_t tensors = 0, keys = 0;
    Meta *pairs = NULL;
    Err e = read_head(&r, &tensors, &keys);
    if (!e.code) e = meta_new(&pairs, arena, file->path);
    for (uint64_t i = 0; !e.code && i < keys; i++) e = read_pair(&r, pairs, i);
    if (!e.code) e = meta_seal(pairs);
    // A description has at least 25 bytes: this bounds the list's memory by the file's size.
    if (!e.code && out && tensors > (file->bytes - r.at) / 25)
        e = cut_off(&r, (Part){ N_("the descriptions of its tensors"), str("") });
    if (!e.code && out) e = read_infos(&r, out, pairs, tensors, index);
    if (!e.code) *meta = pairs;
    return e;
}

size_t gguf_type_bytes(GgufType type)
{
    return value_types[type].bytes;
}

Err gguf_pairs(GgufPair **out, size_t *count, Arena *arena, const File *file)
{
    Arena scratch = arena_new("GGUF metadata");
    Reader r = { .file = file, .arena = &scratch };
    uint64_t tensors = 0, keys = 0;
    Meta *meta = NULL;
    Err e = read_head(&r, &tensors, &keys);
    // A pair has at least 13 bytes: this bounds the list's memory by the file's size.
    if (!e.code && keys > (file->bytes - r.at) / 13) e = cut_off(&r, (Part){ N_("its keys"), str("") });
    if (!e.code && !(r.pairs = arena_array(arena, (size_t)keys, sizeof *r.pairs))) e = err_memory(file->path);
    if (!e.code) e = meta_new(&meta, &scratch, file->path);
    for (uint64_t i = 0; !e.code && i < keys; i++) e = read_pair(&r, meta, i);
    if (!e.code) e = meta_seal(meta);
    if (!e.code) *out = r.pairs, *count = (size_t)keys;
    arena_free(&scratch);
    return e;
}
