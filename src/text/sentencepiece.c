// Reads a SentencePiece model: one protobuf message (google/sentencepiece:src/sentencepiece_model.proto). The wire format is
// read here, field by field; every length is checked against the message that holds it, fields that are not known are passed
// over, and a known one of another wire type is an error. What is promised of a model is checked before anyone uses it: pieces
// are UTF-8, not empty and not given twice, one is the unknown one, and with byte fallback all 256 bytes are there.
#include "text/sentencepiece.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum { WIRE_VARINT, WIRE_FIXED64, WIRE_BYTES, WIRE_FIXED32 = 5 };
enum { MODEL_WORD = 3, MODEL_CHAR = 4, MAX_PIECES = 4000000 };

// ---- Protobuf ------------------------------------------------------------------------------------------------------

typedef struct Wire {
    Str bytes;
    size_t at;
    const char *source, *message; // for errors
} Wire;

typedef struct Field {
    uint32_t number, wire;
    uint64_t integer; // varints and fixed numbers
    Str bytes;
} Field;

static Err broken(const Wire *w, uint32_t number, const char *what)
{
    return err(ERR_FORMAT,
               "%s: %s: field %u %s at byte %zu of the message; the file is damaged or no SentencePiece model",
               w->source, w->message, number, tr(what), w->at);
}

static bool varint(Wire *w, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 70 && w->at < w->bytes.n; shift += 7) {
        uint8_t byte = (uint8_t)w->bytes.at[w->at++];
        if (shift == 63 && byte > 1) return false;
        *out |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

static bool fixed(Wire *w, size_t n, uint64_t *out)
{
    if (w->bytes.n - w->at < n) return false;
    *out = 0;
    for (size_t i = 0; i < n; i++) *out |= (uint64_t)(uint8_t)w->bytes.at[w->at + i] << (8 * i);
    w->at += n;
    return true;
}

// The next field, if the message has one more.
static Err next_field(Wire *w, Field *out)
{
    uint64_t key, n = 0;
    *out = (Field){ 0 };
    if (!varint(w, &key)) return broken(w, 0, "has no whole key");
    if (key >> 3 == 0 || key >> 3 > 0x1FFFFFFF) return broken(w, 0, "has a number that no field has");
    out->number = (uint32_t)(key >> 3);
    out->wire = key & 7;
    switch (out->wire) {
    case WIRE_VARINT:
        return varint(w, &out->integer) ? OK : broken(w, out->number, "is no whole number");
    case WIRE_FIXED64:
        return fixed(w, 8, &out->integer) ? OK : broken(w, out->number, "is cut off");
    case WIRE_FIXED32:
        return fixed(w, 4, &out->integer) ? OK : broken(w, out->number, "is cut off");
    case WIRE_BYTES:
        if (!varint(w, &n)) return broken(w, out->number, "has no whole length");
        if (n > w->bytes.n - w->at) return broken(w, out->number, "is longer than what is left");
        out->bytes = (Str){ w->bytes.at + w->at, (size_t)n };
        w->at += (size_t)n;
        return OK;
    default:
        return broken(w, out->number, "has an unknown wire type");
    }
}

typedef Err FieldReader(void *user, Wire *w, const Field *field);

static Err each_field(Str bytes, const char *source, const char *message, FieldReader *read, void *user)
{
    Wire w = { .bytes = bytes, .source = source, .message = message };
    Err e = OK;
    while (w.at < w.bytes.n && !e.code) {
        Field field;
        e = next_field(&w, &field);
        if (!e.code) e = read(user, &w, &field);
    }
    return e;
}

static Err need(const Wire *w, const Field *field, uint32_t wire)
{
    return field->wire == wire ? OK : broken(w, field->number, "is of another kind than this field");
}

static Err read_flag(const Wire *w, const Field *field, bool *out)
{
    Err e = need(w, field, WIRE_VARINT);
    if (!e.code) *out = field->integer != 0;
    return e;
}

// int32 and enums: negative ones are written as 64 bits.
static Err read_integer(const Wire *w, const Field *field, int64_t *out)
{
    Err e = need(w, field, WIRE_VARINT);
    if (!e.code) *out = (int32_t)(uint32_t)field->integer;
    return e;
}

static Err read_bytes(const Wire *w, const Field *field, Str *out)
{
    Err e = need(w, field, WIRE_BYTES);
    if (!e.code) *out = field->bytes;
    return e;
}

// ---- Messages ------------------------------------------------------------------------------------------------------

typedef struct Normal { // NormalizerSpec
    Str charsmap;
    bool escape;
} Normal;

typedef struct Reading {
    SentencePiece *out;
    size_t capacity;
    int64_t model;
    bool whitespace_suffix;
    Normal before, after;
} Reading;

static Err piece_field(void *user, Wire *w, const Field *field)
{
    Piece *piece = user;
    int64_t type = 0;
    uint32_t bits = (uint32_t)field->integer;
    Err e = OK;
    switch (field->number) {
    case 1:
        return read_bytes(w, field, &piece->text);
    case 2:
        e = need(w, field, WIRE_FIXED32);
        if (!e.code) memcpy(&piece->score, &bits, sizeof bits);
        return e;
    case 3:
        e = read_integer(w, field, &type);
        if (!e.code && (type < PIECE_NORMAL || type > PIECE_BYTE)) return broken(w, 3, "is no type of piece");
        piece->type = (PieceType)type;
        return e;
    default:
        return OK;
    }
}

static Err trainer_field(void *user, Wire *w, const Field *field)
{
    Reading *r = user;
    switch (field->number) {
    case 3:
        return read_integer(w, field, &r->model);
    case 24:
        return read_flag(w, field, &r->whitespace_suffix);
    case 35:
        return read_flag(w, field, &r->out->byte_fallback);
    case 40:
        return read_integer(w, field, &r->out->unk);
    case 45:
        return read_bytes(w, field, &r->out->unk_piece);
    default:
        return OK;
    }
}

// The flags add_dummy_prefix and remove_extra_whitespaces (3, 4) have no say: the conversion always does as it does.
static Err normal_field(void *user, Wire *w, const Field *field)
{
    Normal *normal = user;
    bool unused;
    switch (field->number) {
    case 2:
        return read_bytes(w, field, &normal->charsmap);
    case 3:
    case 4:
        return read_flag(w, field, &unused);
    case 5:
        return read_flag(w, field, &normal->escape);
    default:
        return OK;
    }
}

static Err add_piece(Reading *r, const Wire *w, const Field *field)
{
    SentencePiece *m = r->out;
    if (m->count == r->capacity) return err(ERR_LIMIT, "%s: has more than %d pieces", w->source, MAX_PIECES);
    Piece *piece = &m->pieces[m->count];
    *piece = (Piece){ .type = PIECE_NORMAL };
    Err e = each_field(field->bytes, w->source, "pieces", piece_field, piece);
    if (e.code) return e;
    if (!piece->text.n) return err(ERR_FORMAT, "%s: piece %zu is empty", w->source, m->count);
    if (!utf8_valid(piece->text.at, piece->text.n))
        return err(ERR_FORMAT, "%s: piece %zu is not UTF-8", w->source, m->count);
    if (!isfinite(piece->score)) return err(ERR_FORMAT, "%s: the score of piece %zu is no number", w->source, m->count);
    m->count++;
    return OK;
}

static Err model_field(void *user, Wire *w, const Field *field)
{
    Reading *r = user;
    if (field->number < 1 || field->number > 5 || field->number == 4) return OK;
    Err e = need(w, field, WIRE_BYTES);
    if (e.code) return e;
    switch (field->number) {
    case 1:
        return add_piece(r, w, field);
    case 2:
        return each_field(field->bytes, w->source, "trainer_spec", trainer_field, r);
    case 3:
        return each_field(field->bytes, w->source, "normalizer_spec", normal_field, &r->before);
    default:
        return each_field(field->bytes, w->source, "denormalizer_spec", normal_field, &r->after);
    }
}

// Only counts, so that the list of pieces is made once.
static Err count_field(void *user, Wire *w, const Field *field)
{
    (void)w;
    size_t *count = user;
    *count += field->number == 1;
    return OK;
}

// ---- Checks --------------------------------------------------------------------------------------------------------

static Err check_spec(const Reading *r, const char *source)
{
    static const char *const others[] = { [MODEL_WORD] = "WORD", [MODEL_CHAR] = "CHAR" };
    if (r->model == MODEL_WORD || r->model == MODEL_CHAR)
        return err(ERR_UNSUPPORTED, "%s: trainer_spec.model_type %s is not supported; supported are UNIGRAM and BPE",
                   source, others[r->model]);
    if (r->model != MODEL_UNIGRAM && r->model != MODEL_BPE)
        return err(ERR_FORMAT, "%s: trainer_spec.model_type %" PRId64 " is no type of model", source, r->model);
    if (r->whitespace_suffix)
        return err(ERR_UNSUPPORTED, "%s: trainer_spec.treat_whitespace_as_suffix is not supported; it must be false",
                   source);
    if (!r->before.escape) return err(ERR_UNSUPPORTED, "%s: normalizer_spec.escape_whitespaces must be true", source);
    if (r->after.charsmap.n)
        return err(ERR_UNSUPPORTED, "%s: a denormalizer_spec with rules is not supported; it must be empty", source);
    return OK;
}

static int by_text(const void *a, const void *b)
{
    const Piece *x = *(const Piece *const *)a, *y = *(const Piece *const *)b;
    int order = memcmp(x->text.at, y->text.at, x->text.n < y->text.n ? x->text.n : y->text.n);
    return order ? order : (x->text.n > y->text.n) - (x->text.n < y->text.n);
}

static Err check_unique(const SentencePiece *m, Arena *arena, const char *source)
{
    const Piece **sorted = arena_array(arena, m->count, sizeof *sorted);
    if (!sorted) return err_memory("the SentencePiece model");
    for (size_t i = 0; i < m->count; i++) sorted[i] = &m->pieces[i];
    qsort(sorted, m->count, sizeof *sorted, by_text);
    for (size_t i = 1; i < m->count; i++)
        if (!by_text(&sorted[i - 1], &sorted[i]))
            return err(ERR_FORMAT, "%s: pieces %td and %td have the same text", source, sorted[i - 1] - m->pieces,
                       sorted[i] - m->pieces);
    return OK;
}

static Err check_pieces(const SentencePiece *m, const char *source)
{
    size_t unknown = 0;
    bool byte[256] = { false };
    for (size_t i = 0; i < m->count; i++) {
        const Piece *piece = &m->pieces[i];
        unknown += piece->type == PIECE_UNKNOWN;
        if (piece->type != PIECE_BYTE) continue;
        int value = byte_token(piece->text);
        if (value < 0 || !m->byte_fallback)
            return err(ERR_FORMAT, "%s: piece %zu is a byte, but %s", source, i,
                       value < 0 ? tr("its text is not <0x00> to <0xFF>") : tr("trainer_spec.byte_fallback is false"));
        byte[value] = true;
    }
    if (unknown != 1)
        return err(ERR_FORMAT, "%s: has %zu pieces of the type unknown; there must be one", source, unknown);
    for (int i = 0; m->byte_fallback && i < 256; i++)
        if (!byte[i])
            return err(ERR_FORMAT, "%s: trainer_spec.byte_fallback is true, but the piece <0x%02X> is missing", source,
                       (unsigned)i);
    if (m->unk < 0 || (uint64_t)m->unk >= m->count)
        return err(ERR_FORMAT, "%s: trainer_spec.unk_id %" PRId64 " is no id; there are %zu pieces", source, m->unk,
                   m->count);
    return OK;
}

Err sentencepiece_read(SentencePiece *out, Arena *arena, Str file, const char *source)
{
    *out = (SentencePiece){ .unk_piece = str("<unk>") };
    Reading r = { .out = out, .model = MODEL_UNIGRAM, .before.escape = true };
    Err e = each_field(file, source, "model", count_field, &r.capacity);
    if (e.code) return e;
    if (!r.capacity) return err(ERR_FORMAT, "%s: has no pieces; it is no SentencePiece model", source);
    if (r.capacity > MAX_PIECES) r.capacity = MAX_PIECES;
    out->pieces = arena_array(arena, r.capacity, sizeof *out->pieces);
    if (!out->pieces) return err_memory("the SentencePiece model");
    e = each_field(file, source, "model", model_field, &r);
    if (!e.code) e = check_spec(&r, source);
    if (!e.code) e = check_pieces(out, source);
    if (!e.code) e = check_unique(out, arena, source);
    out->model = (PieceModel)r.model;
    out->charsmap = r.before.charsmap;
    return e;
}
