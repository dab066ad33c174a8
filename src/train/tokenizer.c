// Training a tokenizer: files are read in rounds, and each round's chunks are cut and counted by all threads; then the merges are
// learned and the files written.
#include "text/text.h"
#include "train/train_internal.h"

#include <stdlib.h>

enum { CHUNK_BYTES = 1 << 18, ROUND_CHUNKS = 16 }; // chunks of a round, for each thread

// Whole lines of a file.
typedef struct Chunk {
    Str text;
    int64_t lines, bad, first_bad; // lines; which is the first bad one, from 0
    const char *why;               // it is
} Chunk;

typedef struct Feeder Feeder;
typedef Err FeedLine(Feeder *f, Chunk *chunk, int part, Str line);

struct Feeder {
    const DureTokenizerTrainOptions *options;
    TokenizerTrainer *trainer;
    Pool *pool;
    FeedLine *feed;       // for the file that is read
    Chunk *chunks;        // of a round
    Err *faults;          // [threads]
    int64_t count;        // of chunks
    _Atomic int64_t next; // chunk that nobody has taken
    int64_t done, total;  // bytes
    BadLines bad;
};

static bool told(const DureTokenizerTrainOptions *o, DureTokenizerTrainEventKind kind, int64_t done, int64_t total)
{
    const DureTokenizerTrainEvent event = { .kind = kind, .done = done, .total = total };
    return !o->event || !o->event(o->user, &event);
}

// ---- Lines ---------------------------------------------------------------------------------------------------------

static Err feed_json(Feeder *f, int part, const json_t *value)
{
    Buf text = { 0 };
    if (!value || json_is_null(value)) return OK;
    if (json_is_string(value))
        return tokenizer_trainer_feed(f->trainer, part, (Str){ json_string_value(value), json_string_length(value) });
    json_write(&text, value, JSON_COMPACT | JSON_ENCODE_ANY);
    Err e = text.failed ? err_memory("a line of data") : tokenizer_trainer_feed(f->trainer, part, buf_str(&text));
    buf_free(&text);
    return e;
}

// As templates write a call; arguments that are JSON in a string, as the API has them, are what the string says.
static Err feed_call(Feeder *f, int part, const json_t *call)
{
    const json_t *function = json_object_get(call, "function");
    if (!function) function = call;
    json_t *arguments = json_object_get(function, "arguments"), *read = NULL, *name = json_object_get(function, "name");
    const char *text = json_string_value(arguments);
    Err e = text ? json_parse(&read, (Str){ text, json_string_length(arguments) }, JSON_PLAIN, "arguments") : OK;
    if (e.code == ERR_MEMORY) return e;
    json_t *written = json_pack("{s:O?, s:O?}", "name", name, "arguments", read ? read : arguments);
    e = written ? feed_json(f, part, written) : err_memory("a line of data");
    json_decref(written);
    json_decref(read);
    return e;
}

static Err feed_message(Feeder *f, int part, const json_t *message)
{
    const json_t *content = json_object_get(message, "content"), *calls = json_object_get(message, "tool_calls");
    Err e = json_is_array(content) ? OK : feed_json(f, part, content);
    for (size_t i = 0; json_is_array(content) && i < json_array_size(content) && !e.code; i++)
        e = feed_json(f, part, json_object_get(json_array_get(content, i), "text"));
    if (!e.code) e = feed_json(f, part, json_object_get(message, "reasoning_content"));
    for (size_t i = 0; i < json_array_size(calls) && !e.code; i++) e = feed_call(f, part, json_array_get(calls, i));
    return e;
}

static Err bad_line(Chunk *chunk, const char *why)
{
    if (!chunk->bad++) chunk->first_bad = chunk->lines, chunk->why = why;
    return OK;
}

static Err feed_json_line(Feeder *f, Chunk *chunk, int part, Str line)
{
    json_t *object = NULL;
    Err e = json_parse(&object, line, JSON_PLAIN, "a line");
    if (e.code) return e.code == ERR_MEMORY ? e : bad_line(chunk, "is not JSON");
    const json_t *text = json_object_get(object, "text"), *messages = json_object_get(object, "messages"),
                 *tools = json_object_get(object, "tools");
    if (json_is_string(text)) {
        e = feed_json(f, part, text);
    } else if (json_is_array(messages)) {
        for (size_t i = 0; i < json_array_size(messages) && !e.code; i++)
            e = feed_message(f, part, json_array_get(messages, i));
        for (size_t i = 0; i < json_array_size(tools) && !e.code; i++) e = feed_json(f, part, json_array_get(tools, i));
    } else {
        e = bad_line(chunk, "has neither a string \"text\" nor a list \"messages\"");
    }
    json_decref(object);
    return e;
}

static Str without_newline(Str line)
{
    while (line.n && (line.at[line.n - 1] == '\n' || line.at[line.n - 1] == '\r')) line.n--;
    return line;
}

static Err feed_tab_line(Feeder *f, Chunk *chunk, int part, Str line)
{
    (void)chunk;
    Err e = OK;
    for (line = without_newline(line); line.n && !e.code;) {
        const char *tab = memchr(line.at, '\t', line.n);
        const size_t n = tab ? (size_t)(tab - line.at) : line.n;
        e = tokenizer_trainer_feed(f->trainer, part, (Str){ line.at, n });
        line.at += n + (tab != NULL), line.n -= n + (tab != NULL);
    }
    return e;
}

// With its newline: models write newlines too.
static Err feed_text_line(Feeder *f, Chunk *chunk, int part, Str line)
{
    (void)chunk;
    return tokenizer_trainer_feed(f->trainer, part, line);
}

static Err feed_line(Feeder *f, Chunk *chunk, int part, Str line)
{
    if (!without_newline(line).n && f->feed != feed_text_line) return OK;
    if (!utf8_valid(line.at, line.n)) return bad_line(chunk, "is not UTF-8");
    return f->feed(f, chunk, part, line);
}

// ---- Rounds --------------------------------------------------------------------------------------------------------

static size_t line_end(Str text, size_t from)
{
    const char *newline = from < text.n ? memchr(text.at + from, '\n', text.n - from) : NULL;
    return newline ? (size_t)(newline - text.at) + 1 : text.n;
}

static void feed_chunks(void *arg, int64_t part)
{
    Feeder *f = arg;
    Err e = OK;
    for (int64_t i; !e.code && (i = atomic_fetch_add(&f->next, 1)) < f->count;) {
        Chunk *chunk = &f->chunks[i];
        for (size_t at = 0, end; at < chunk->text.n && !e.code; at = end, chunk->lines++) {
            end = line_end(chunk->text, at);
            e = feed_line(f, chunk, (int)part, (Str){ chunk->text.at + at, end - at });
        }
    }
    f->faults[part] = e;
}

// The chunks in the file's order, so that the first bad line is the same for any number of threads.
static Err count_bad(Feeder *f, const char *path, int64_t *line)
{
    Err e = OK;
    for (int64_t i = 0; i < f->count && !e.code; i++) {
        const Chunk *chunk = &f->chunks[i];
        if (chunk->bad) e = bad_lines_add(&f->bad, path, *line + chunk->first_bad, chunk->bad, chunk->why);
        *line += chunk->lines;
    }
    return e;
}

static Err feed_round(Feeder *f, Str *rest)
{
    const int threads = pool_threads(f->pool);
    f->count = 0;
    atomic_store(&f->next, 0);
    while (f->count < (int64_t)threads * ROUND_CHUNKS && rest->n) {
        const size_t n = line_end(*rest, CHUNK_BYTES);
        f->chunks[f->count++] = (Chunk){ .text = { rest->at, n } };
        rest->at += n, rest->n -= n;
        f->done += (int64_t)n;
    }
    pool_run(f->pool, feed_chunks, f, threads);
    for (int i = 0; i < threads; i++)
        if (f->faults[i].code) return f->faults[i];
    return OK;
}

// `name`: as messages call it.
static Err feed_all(Feeder *f, const char *name, Str rest, FeedLine *feed)
{
    Err e = OK;
    int64_t line = 1;
    f->feed = feed;
    while (rest.n && !e.code) {
        e = feed_round(f, &rest);
        if (!e.code) e = count_bad(f, name, &line);
        if (!e.code && !told(f->options, DURE_TOKENIZER_DATA, f->done, f->total))
            e = err(ERR_CANCELLED, "stopped while the data was read");
    }
    return e;
}

static Err feed_file(Feeder *f, const char *path)
{
    File file = { 0 };
    static FeedLine *const feeds[] = { feed_json_line, feed_tab_line, feed_text_line };
    Err e = file_map(&file, path);
    if (!e.code) e = feed_all(f, path, (Str){ (const char *)file.at, file.bytes }, feeds[data_kind(path)]);
    file_unmap(&file);
    return e;
}

static Err measure(Feeder *f)
{
    Err e = OK;
    f->total = (int64_t)f->options->text_bytes;
    for (size_t i = 0; f->options->data && f->options->data[i] && !e.code; i++) {
        File file = { 0 };
        e = file_map(&file, f->options->data[i]);
        f->total += (int64_t)file.bytes;
        file_unmap(&file);
    }
    return e;
}

static Err feed_data(Feeder *f)
{
    const DureTokenizerTrainOptions *o = f->options;
    const int threads = pool_threads(f->pool);
    Err e = measure(f);
    f->chunks = calloc((size_t)threads * ROUND_CHUNKS, sizeof *f->chunks);
    f->faults = calloc((size_t)threads, sizeof *f->faults);
    if (!e.code && (!f->chunks || !f->faults)) e = err_memory("the data");
    for (size_t i = 0; o->data && o->data[i] && !e.code; i++) e = feed_file(f, o->data[i]);
    if (!e.code) e = feed_all(f, o->text_name, (Str){ o->text, o->text_bytes }, feed_text_line);
    free(f->chunks);
    free(f->faults);
    return e;
}

// ---- The files -----------------------------------------------------------------------------------------------------

static bool is_file(const DureTokenizerTrainOptions *o)
{
    return str_ends(str(o->out), ".json") && !path_is_folder(o->out);
}

static Err write_config(const DureTokenizerTrainOptions *o)
{
    char *path = NULL;
    Buf text = { 0 };
    json_t *config =
        json_pack("{s:s, s:s*, s:s*, s:s*, s:b}", "tokenizer_class", "PreTrainedTokenizerFast", "bos_token", o->bos,
                  "eos_token", o->eos, "pad_token", o->pad, "clean_up_tokenization_spaces", 0);
    Err e = path_join(&path, o->out, "tokenizer_config.json");
    json_write(&text, config, JSON_INDENT(2));
    buf_char(&text, '\n');
    if (!e.code && (!config || text.failed)) e = err_memory("the tokenizer");
    if (!e.code) e = file_write(path, buf_str(&text));
    json_decref(config);
    buf_free(&text);
    free(path);
    return e;
}

static Err write_files(const DureTokenizerTrainOptions *o, const TokenizerTrainer *trainer)
{
    char *path = NULL;
    Buf text = { 0 };
    Err e = tokenizer_trainer_json(trainer, &text);
    if (!e.code && is_file(o)) {
        e = file_write(o->out, buf_str(&text));
    } else if (!e.code) {
        e = folder_make(o->out);
        if (!e.code) e = path_join(&path, o->out, "tokenizer.json");
        if (!e.code) e = file_write(path, buf_str(&text));
        if (!e.code) e = write_config(o);
    }
    buf_free(&text);
    free(path);
    return e;
}

// ---- The whole -----------------------------------------------------------------------------------------------------

static Err check_role(const DureTokenizerTrainOptions *o, const char *role, const char *text)
{
    if (!text) return OK;
    for (size_t i = 0; o->special && o->special[i]; i++)
        if (!strcmp(o->special[i], text)) return OK;
    return err(ERR_USAGE, "%s is to be \"%s\", which is none of the special tokens", role, text);
}

static Err check(const DureTokenizerTrainOptions *o, const TokenizerTrainer *trainer)
{
    const int64_t least = tokenizer_trainer_least(trainer), most = 4000000;
    if (o->vocab < least || o->vocab > most)
        return err(ERR_USAGE,
                   "a vocabulary has from %lld tokens, the special ones and the 256 bytes, to %lld, not %lld",
                   (long long)least, (long long)most, (long long)o->vocab);
    if ((o->bos || o->eos || o->pad) && is_file(o))
        return err(ERR_USAGE,
                   "%s: which tokens begin, end and fill stands in tokenizer_config.json, for which the "
                   "output must be a folder",
                   o->out);
    Err e = check_role(o, "bos_token", o->bos);
    if (!e.code) e = check_role(o, "eos_token", o->eos);
    if (!e.code) e = check_role(o, "pad_token", o->pad);
    return e;
}

static bool learning(void *user, int64_t done, int64_t total)
{
    return told(user, DURE_TOKENIZER_MERGES, done, total);
}

static void note(const DureTokenizerTrainOptions *o, const char *text)
{
    const DureTokenizerTrainEvent event = { .kind = DURE_TOKENIZER_NOTE, .text = text };
    if (o->event) o->event(o->user, &event);
}

static void note_bad(const Feeder *f)
{
    Buf text = { 0 };
    if (!f->bad.count) return;
    buf_printf(&text, tr("%lld lines were left out; the first is %s"), (long long)f->bad.count, f->bad.first);
    note(f->options, buf_str(&text).at);
    buf_free(&text);
}

static Err learn(const DureTokenizerTrainOptions *o, TokenizerTrainer *trainer)
{
    int64_t size = 0;
    Err e = tokenizer_trainer_learn(trainer, o->vocab, o->min_frequency, learning, (void *)(uintptr_t)o, &size);
    if (e.code || size == o->vocab) return e;
    Buf text = { 0 };
    buf_printf(&text, tr("the data gives only %lld of %lld tokens: no pair of tokens is left that comes often enough"),
               (long long)size, (long long)o->vocab);
    note(o, buf_str(&text).at);
    buf_free(&text);
    return OK;
}

static Err train(const DureTokenizerTrainOptions *o)
{
    const int threads = o->threads > 0 ? o->threads : cpu_count();
    Feeder f = { .options = o, .bad.most = o->most_bad };
    if (!o->out || (!o->text && (!o->data || !o->data[0])))
        return err(ERR_USAGE, "a tokenizer needs data to learn from and a place to go to");
    Err e = pool_new(&f.pool, threads);
    const TrainerOptions how = { .split = o->split, .special = o->special, .parts = threads };
    if (!e.code) e = tokenizer_trainer_new(&f.trainer, &how);
    if (!e.code) e = check(o, f.trainer);
    if (!e.code) e = feed_data(&f);
    if (!e.code) note_bad(&f);
    if (!e.code) e = learn(o, f.trainer);
    if (!e.code) e = write_files(o, f.trainer);
    tokenizer_trainer_free(f.trainer);
    pool_free(f.pool);
    return e;
}

int dure_tokenizer_train(const DureTokenizerTrainOptions *options, DureError *error)
{
    const Err e = train(options);
    return api_return(error, &e);
}
