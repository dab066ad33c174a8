// Making a corpus: lines of text files become documents of tokens, written as they come.
#include "train/train_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

typedef struct Maker {
    const CorpusSource *source;
    CorpusCount *count;
    const char *path;
    char *ids_path, *marks_path; // beside the file, until it is whole
    FILE *ids, *marks;
    int64_t *starts;
    size_t starts_capacity;
    const char *file; // being read
    int64_t line;
    int64_t done, total; // bytes
} Maker;

// ---- Documents -----------------------------------------------------------------------------------------------------

static Err write_fault(const Maker *m)
{
    return err(ERR_FILE, "%s: cannot be written; is the disk full?", m->path);
}

static Err put_start(Maker *m)
{
    const size_t n = (size_t)m->count->documents;
    if (n + 1 >= m->starts_capacity) {
        const size_t capacity = m->starts_capacity ? 2 * m->starts_capacity : 1024;
        int64_t *starts = realloc(m->starts, capacity * sizeof *starts);
        if (!starts) return err_memory("the list of documents");
        m->starts = starts;
        m->starts_capacity = capacity;
    }
    m->starts[n] = m->count->tokens;
    return OK;
}

// marks: [n] bytes.
static Err put_document(Maker *m, const int32_t *ids, const uint8_t *marks, int64_t n)
{
    if (n < 2) return OK; // nothing is foretold
    Err e = put_start(m);
    if (e.code) return e;
    if (fwrite(ids, sizeof *ids, (size_t)n, m->ids) != (size_t)n || fwrite(marks, 1, (size_t)n, m->marks) != (size_t)n)
        return write_fault(m);
    m->count->documents++;
    m->count->tokens += n;
    for (int64_t i = 1; i < n; i++) m->count->learned += marks[i];
    return OK;
}

static Err bad_line(Maker *m, const char *why)
{
    return bad_lines_add(&m->count->bad, m->file, m->line, 1, why);
}

// ---- Texts ---------------------------------------------------------------------------------------------------------

static Err put_text(Maker *m, Str text)
{
    const CorpusSource *s = m->source;
    DureIds tokens = { 0 };
    DureError error = { 0 };
    if (dure_tokenize(s->model, text.at, text.n, DURE_PLAIN, &tokens, &error)) return err_of(&error);
    const int64_t n = (int64_t)tokens.n + (s->begin >= 0) + (s->end >= 0);
    int32_t *ids = malloc((size_t)n * sizeof *ids);
    uint8_t *marks = malloc((size_t)n);
    Err e = ids && marks ? OK : err_memory("a text");
    if (!e.code) {
        memset(marks, 1, (size_t)n);
        if (s->begin >= 0) ids[0] = s->begin;
        if (tokens.n) memcpy(ids + (s->begin >= 0), tokens.at, tokens.n * sizeof *ids);
        if (s->end >= 0) ids[n - 1] = s->end;
    }
    for (int64_t at = 0; at < n && tokens.n && !e.code; at += s->context)
        e = put_document(m, ids + at, marks + at, n - at < s->context ? n - at : s->context);
    free(ids);
    free(marks);
    dure_ids_free(&tokens);
    return e;
}

// ---- Talks ---------------------------------------------------------------------------------------------------------

// A talk on its way to a document: ids and marks side by side.
typedef struct TalkIds {
    DureIds ids; // as rendered last
    uint8_t *marks;
    size_t n; // marked
} TalkIds;

static void talk_free(TalkIds *talk)
{
    dure_ids_free(&talk->ids);
    free(talk->marks);
    *talk = (TalkIds){ 0 };
}

typedef struct RenderIn {
    json_t *messages, *tools, *kwargs;
} RenderIn;

static Err render(DureIds *out, const Maker *m, const RenderIn *in, size_t count, bool prompt)
{
    json_t *some = json_array();
    bool good = some;
    for (size_t i = 0; i < count && good; i++) good = !json_array_append(some, json_array_get(in->messages, i));
    char *messages = good ? json_dumps(some, JSON_COMPACT) : NULL;
    char *tools = in->tools ? json_dumps(in->tools, JSON_COMPACT) : NULL;
    char *kwargs = in->kwargs ? json_dumps(in->kwargs, JSON_COMPACT) : NULL;
    json_decref(some);
    const DureRenderOptions options = { .tools = tools, .kwargs = kwargs, .no_generation_prompt = !prompt };
    DureError error = { 0 };
    Err e = OK;
    if (!messages || (in->tools && !tools) || (in->kwargs && !kwargs))
        e = err_memory("a talk");
    else if (dure_render(m->source->model, messages, strlen(messages), &options, NULL, out, &error))
        e = err_of(&error);
    free(messages);
    free(tools);
    free(kwargs);
    return e;
}

static bool begins_with(const DureIds *whole, const DureIds *start)
{
    return whole->n > start->n && (!start->n || !memcmp(whole->at, start->at, start->n * sizeof *start->at));
}

static bool is_end(const CorpusSource *s, int32_t id)
{
    for (int i = 0; i < s->end_count; i++)
        if (s->ends[i] == id) return true;
    return false;
}

static Err put_talk(Maker *m, const TalkIds *talk)
{
    if (!talk->n) return OK;
    if ((int64_t)talk->n > m->source->context) {
        m->count->too_long++;
        return OK;
    }
    return put_document(m, talk->ids.at, talk->marks, (int64_t)talk->n);
}

// The talk goes on with a reply: `whole` begins with `prompt`, and what follows is learned, to its last end token.
static Err go_on(TalkIds *talk, const CorpusSource *s, const DureIds *prompt, DureIds *whole)
{
    uint8_t *marks = realloc(talk->marks, whole->n);
    size_t end = whole->n;
    if (!marks) return err_memory("a talk");
    talk->marks = marks;
    while (end > prompt->n && !is_end(s, whole->at[end - 1])) end--;
    if (end == prompt->n) end = whole->n;
    memset(marks + talk->n, 0, prompt->n - talk->n);
    memset(marks + prompt->n, 1, end - prompt->n);
    memset(marks + end, 0, whole->n - end);
    dure_ids_free(&talk->ids);
    talk->ids = *whole;
    talk->n = whole->n;
    *whole = (DureIds){ 0 };
    return OK;
}

// The reply of message `i`, behind the same prompt that it would have been asked for with. Where that prompt does not go on from
// the talk so far (templates drop earlier reasoning), the talk so far is a document of its own.
static Err put_reply(Maker *m, TalkIds *talk, const RenderIn *in, size_t i)
{
    DureIds prompt = { 0 }, whole = { 0 };
    Err e = render(&prompt, m, in, i, true);
    if (!e.code) e = render(&whole, m, in, i + 1, false);
    if (!e.code && !begins_with(&whole, &prompt)) {
        e = bad_line(m, "the template renders an assistant's message otherwise than the prompt for it");
    } else if (!e.code) {
        const DureIds so_far = { talk->ids.at, talk->n };
        if (talk->n && !begins_with(&prompt, &so_far)) {
            e = put_talk(m, talk);
            talk->n = 0;
        }
        if (!e.code) e = go_on(talk, m->source, &prompt, &whole);
    }
    dure_ids_free(&prompt);
    dure_ids_free(&whole);
    return e;
}

static Err put_messages(Maker *m, const RenderIn *in)
{
    TalkIds talk = { 0 };
    Err e = OK;
    for (size_t i = 0; i < json_array_size(in->messages) && !e.code; i++) {
        const char *role = json_string_value(json_object_get(json_array_get(in->messages, i), "role"));
        if (!role || strcmp(role, "assistant") != 0) continue;
        e = put_reply(m, &talk, in, i);
        if (e.code == ERR_USAGE || e.code == ERR_FORMAT)
            e = m->count->bad.count > m->count->bad.most ? e : bad_line(m, e.text);
    }
    if (!e.code) e = put_talk(m, &talk);
    talk_free(&talk);
    return e;
}

// ---- Lines ---------------------------------------------------------------------------------------------------------

static Err put_json_line(Maker *m, Str line)
{
    json_t *object = NULL;
    Err e = json_parse(&object, line, JSON_PLAIN, m->file);
    if (e.code) return e.code == ERR_MEMORY ? e : bad_line(m, "is not JSON");
    const json_t *text = json_object_get(object, "text");
    const RenderIn in = { json_object_get(object, "messages"), json_object_get(object, "tools"),
                          json_object_get(object, "kwargs") };
    if (json_is_string(text))
        e = put_text(m, (Str){ json_string_value(text), json_string_length(text) });
    else if (json_is_array(in.messages))
        e = put_messages(m, &in);
    else
        e = bad_line(m, "has neither a string \"text\" nor a list \"messages\"");
    json_decref(object);
    return e;
}

static Err put_tab_line(Maker *m, Str line)
{
    const char *tab = memchr(line.at, '\t', line.n);
    if (!tab) return put_text(m, line);
    const size_t n = (size_t)(tab - line.at);
    json_t *messages = json_pack("[{s:s, s:s%}, {s:s, s:s%}]", "role", "user", "content", line.at, n, "role",
                                 "assistant", "content", tab + 1, line.n - n - 1);
    if (!messages) return err_memory("a talk");
    Err e = put_messages(m, &(RenderIn){ .messages = messages });
    json_decref(messages);
    return e;
}

typedef Err PutLine(Maker *m, Str line);

static Err put_whole_line(Maker *m, Str line)
{
    return put_text(m, line);
}

// A piece of the file: a line, or the lines up to an empty one.
static Str next_piece(Str *rest, bool paragraphs, int64_t *lines)
{
    size_t end = 0, n = 0;
    *lines = 0;
    while (end < rest->n) {
        const char *newline = memchr(rest->at + end, '\n', rest->n - end);
        const size_t line_end = newline ? (size_t)(newline - rest->at) : rest->n;
        const bool empty = line_end == end || (line_end == end + 1 && rest->at[end] == '\r');
        if (!empty) n = line_end;
        end = line_end + (newline != NULL);
        ++*lines;
        if (!paragraphs || (empty && n)) break;
    }
    Str piece = { rest->at, n };
    while (piece.n && (piece.at[piece.n - 1] == '\r' || piece.at[piece.n - 1] == '\n')) piece.n--;
    *rest = (Str){ rest->at + end, rest->n - end };
    return piece;
}

static Err read_file(Maker *m, const char *path)
{
    File file = { 0 };
    Err e = file_map(&file, path);
    if (e.code) return e;
    static PutLine *const puts[] = { put_json_line, put_tab_line, put_whole_line };
    PutLine *put = puts[data_kind(path)];
    Str rest = { (const char *)file.at, file.bytes };
    m->file = path;
    m->line = 1;
    while (rest.n && !e.code) {
        int64_t lines;
        const size_t before = rest.n;
        const Str piece = next_piece(&rest, put == put_whole_line, &lines);
        if (piece.n) e = utf8_valid(piece.at, piece.n) ? put(m, piece) : bad_line(m, "is not UTF-8");
        m->line += lines;
        m->done += (int64_t)(before - rest.n);
        if (m->source->progress && !m->source->progress(m->source->user, m->done, m->total))
            e = err(ERR_CANCELLED, "stopped while the data was read");
    }
    file_unmap(&file);
    return e;
}

// ---- The file ------------------------------------------------------------------------------------------------------

static Err begin(Maker *m)
{
    for (size_t i = 0; m->source->files[i]; i++) {
        File file = { 0 };
        Err e = file_map(&file, m->source->files[i]);
        if (e.code) return e;
        m->total += (int64_t)file.bytes;
        file_unmap(&file);
    }
    Buf ids = { 0 }, marks = { 0 };
    buf_printf(&ids, "%s.ids.part", m->path);
    buf_printf(&marks, "%s.marks.part", m->path);
    m->ids_path = ids.at, m->marks_path = marks.at;
    if (ids.failed || marks.failed) return err_memory(m->path);
    m->ids = fopen(m->ids_path, "wb");
    m->marks = fopen(m->marks_path, "wb");
    return m->ids && m->marks ? OK : write_fault(m);
}

static Err end(Maker *m, const char *key)
{
    File ids = { 0 }, marks = { 0 };
    const int faults = fclose(m->ids) | fclose(m->marks);
    m->ids = m->marks = NULL;
    if (faults) return write_fault(m);
    if (!m->count->documents)
        return err(ERR_FORMAT, "%s: no document was found in the data%s%s", m->source->files[0],
                   m->count->bad.count ? tr("; the first line that cannot be used is ") : "", m->count->bad.first);
    Err e = put_start(m); // the end of the last one
    if (!e.code) e = file_map(&ids, m->ids_path);
    if (!e.code) e = file_map(&marks, m->marks_path);
    const TensorOut tensors[] = {
        { .name = "starts", .dtype = DTYPE_I64, .rank = 1, .shape = { m->count->documents + 1 }, .data = m->starts },
        { .name = "ids", .dtype = DTYPE_I32, .rank = 1, .shape = { m->count->tokens }, .data = ids.at },
        { .name = "marks", .dtype = DTYPE_U8, .rank = 1, .shape = { m->count->tokens }, .data = marks.at },
        { .name = "key", .dtype = DTYPE_U8, .rank = 1, .shape = { (int64_t)strlen(key) }, .data = key },
    };
    if (!e.code) e = safetensors_write(m->path, tensors, COUNT(tensors), NULL);
    file_unmap(&ids);
    file_unmap(&marks);
    return e;
}

Err corpus_make(const char *path, const CorpusSource *source, const char *key, CorpusCount *count)
{
    Maker m = { .source = source, .count = count, .path = path };
    *count = (CorpusCount){ .bad.most = source->most_bad };
    Err e = begin(&m);
    for (size_t i = 0; source->files[i] && !e.code; i++) e = read_file(&m, source->files[i]);
    if (!e.code) e = end(&m, key);
    if (m.ids) fclose(m.ids);
    if (m.marks) fclose(m.marks);
    if (m.ids_path) unlink(m.ids_path);
    if (m.marks_path) unlink(m.marks_path);
    free(m.ids_path);
    free(m.marks_path);
    free(m.starts);
    return e;
}

// ---- The key -------------------------------------------------------------------------------------------------------

static Err put_file(XXH3_state_t *hash, const char *path)
{
    File file = { 0 };
    Err e = file_map(&file, path);
    if (e.code) return e;
    const uint64_t n = file.bytes;
    XXH3_128bits_update(hash, &n, sizeof n);
    if (n) XXH3_128bits_update(hash, file.at, file.bytes);
    file_unmap(&file);
    return OK;
}

Err corpus_key(char out[33], const CorpusSource *s)
{
    XXH3_state_t *hash = XXH3_createState();
    if (!hash) return err_memory("a key");
    XXH3_128bits_reset(hash);
    Err e = OK;
    for (size_t i = 0; s->files[i] && !e.code; i++) e = put_file(hash, s->files[i]);
    const int64_t numbers[] = { s->begin, s->end, s->context };
    XXH3_128bits_update(hash, numbers, sizeof numbers);
    for (size_t i = 0; s->side_files[i] && !e.code; i++)
        if (path_exists(s->side_files[i])) e = put_file(hash, s->side_files[i]);
    const XXH128_hash_t digest = XXH3_128bits_digest(hash);
    XXH3_freeState(hash);
    snprintf(out, 33, "%016llx%016llx", (unsigned long long)digest.high64, (unsigned long long)digest.low64);
    return e;
}
