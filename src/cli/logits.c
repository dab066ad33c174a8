// dure logits: the numbers themselves, for comparing one program with another.
#include "score.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct LogitsOptions {
    Options common;
    const char *ids, *out;
    int64_t greedy;
    bool last, trace, mtp;
} LogitsOptions;

static const Option logits_own[] = {
    { "ids", 0, OPTION_FILE, "FILE", N_("Token ids, one JSON array; - is standard input. Instead of a text."),
      .offset = offsetof(LogitsOptions, ids) },
    { "out", 'o', OPTION_FILE, "FILE",
      N_("Where to write: a name that ends in .safetensors or .json, or - for JSON on standard "
         "output."),
      .offset = offsetof(LogitsOptions, out) },
    { "greedy", 0, OPTION_INT, "N",
      N_("Also N tokens that follow, the likeliest each time; end tokens are not obeyed."),
      .offset = offsetof(LogitsOptions, greedy), 1, 1e9 },
    { "last", 0, OPTION_FLAG, NULL, N_("Logits of the last position alone."), .offset = offsetof(LogitsOptions, last) },
    { "trace", 0, OPTION_FLAG, NULL, N_("Also hidden states and router choices."),
      .offset = offsetof(LogitsOptions, trace) },
    { "mtp", 0, OPTION_FLAG, NULL,
      N_("Also the draft layers' logits, \"mtp.logits\", and three drafts chained after the prompt, \"mtp.draft\"."),
      .offset = offsetof(LogitsOptions, mtp) },
    { 0 },
};

// ---- What is watched -----------------------------------------------------------------------------------------------

typedef struct Table {
    char name[64];
    float *f; // or
    int32_t *i;
    int64_t rows, cols, capacity; // capacity in rows
} Table;

enum { DRAFTS = 3 };

typedef struct Watched {
    int64_t n; // tokens of the prompt
    bool last; // only the last row of logits is kept
    bool over; // the prompt is done: what comes now belongs to the tokens that follow
    int32_t draft[DRAFTS];
    int drafts; // of them, seen
    Table *table;
    size_t count;
} Watched;

static Table *table_get(Watched *w, const char *name)
{
    for (size_t i = 0; i < w->count; i++)
        if (!strcmp(w->table[i].name, name)) return &w->table[i];
    w->table = need(realloc(w->table, (w->count + 1) * sizeof *w->table));
    Table *t = &w->table[w->count++];
    *t = (Table){ 0 };
    snprintf(t->name, sizeof t->name, "%s", name);
    return t;
}

static void *rows_room(void *at, int64_t rows, int64_t cols)
{
    size_t bytes;
    if (__builtin_mul_overflow((size_t)rows * 4, (size_t)cols, &bytes)) need(NULL);
    return need(realloc(at, bytes ? bytes : 1));
}

static void table_add(Watched *w, const char *name, const float *f, const int32_t *i, int64_t rows, int64_t cols)
{
    Table *t = table_get(w, name);
    if (t->rows && t->cols != cols) return; // a name has one width
    t->cols = cols;
    if (t->rows + rows > t->capacity) {
        t->capacity = t->rows + rows > 2 * t->capacity ? t->rows + rows : 2 * t->capacity;
        if (f)
            t->f = rows_room(t->f, t->capacity, cols);
        else
            t->i = rows_room(t->i, t->capacity, cols);
    }
    size_t bytes = (size_t)rows * (size_t)cols * 4;
    if (f && t->f && bytes) memcpy(t->f + t->rows * cols, f, bytes);
    if (i && t->i && bytes) memcpy(t->i + t->rows * cols, i, bytes);
    t->rows += rows;
}

static void see_logits(void *user, int64_t position, const float *logits, int64_t vocab)
{
    Watched *w = user;
    if (position >= w->n) return;
    if (!w->last || position == w->n - 1) table_add(w, "logits", logits, NULL, 1, vocab);
    w->over = position == w->n - 1; // the inner states of a step come before its logits
}

static void see_tensor(void *user, const char *name, const float *f, const int32_t *i, int64_t rows, int64_t cols)
{
    Watched *w = user;
    // The draft layers' states come behind the logits.
    if (strcmp(name, "mtp.hidden") ? !w->over : w->drafts == 0) table_add(w, name, f, i, rows, cols);
}

// The prompt's rows, then the chained ones; each position's first is the prompt's own.
static void see_draft(void *user, int64_t position, const float *logits, int64_t vocab)
{
    Watched *w = user;
    if (w->drafts == DRAFTS || position != w->n - 1 + w->drafts) {
        if (position < w->n - 1 && !w->drafts) table_add(w, "mtp.logits", logits, NULL, 1, vocab);
        return;
    }
    if (!w->drafts) table_add(w, "mtp.logits", logits, NULL, 1, vocab);
    w->draft[w->drafts++] = (int32_t)largest_of(logits, vocab);
}

static void watched_free(Watched *w)
{
    for (size_t i = 0; i < w->count; i++) {
        free(w->table[i].f);
        free(w->table[i].i);
    }
    free(w->table);
}

// ---- Writing -------------------------------------------------------------------------------------------------------

static int write_safetensors(const Watched *w, const DureIds *greedy, const char *path)
{
    DureTensor *tensors = need(calloc(w->count + 2, sizeof *tensors));
    size_t n = 0;
    for (size_t i = 0; i < w->count; i++) {
        const Table *t = &w->table[i];
        tensors[n++] = (DureTensor){ t->name, t->f, t->i, 2, { t->rows, t->cols } };
    }
    if (greedy->n) tensors[n++] = (DureTensor){ "greedy", NULL, greedy->at, 1, { (int64_t)greedy->n } };
    if (w->drafts) tensors[n++] = (DureTensor){ "mtp.draft", NULL, w->draft, 1, { w->drafts } };
    DureError error;
    int code = dure_write_tensors(path, tensors, n, &error) ? fail("%s", error.text) : EXIT_FINE;
    free(tensors);
    return code;
}

static void json_rows(FILE *file, const Table *t)
{
    for (int64_t r = 0; r < t->rows; r++) {
        fputs(r ? ",\n  [" : "[", file);
        for (int64_t c = 0; c < t->cols; c++) {
            const char *comma = c ? ", " : "";
            if (t->i)
                fprintf(file, "%s%d", comma, t->i[r * t->cols + c]);
            else if (isfinite(t->f[r * t->cols + c]))
                fprintf(file, "%s%.9g", comma, (double)t->f[r * t->cols + c]);
            else
                fprintf(file, "%snull", comma); // JSON has no word for it
        }
        fputc(']', file);
    }
}

static int write_json(Watched *w, const DureIds *greedy, const char *path)
{
    FILE *file = strcmp(path, "-") ? fopen(path, "wb") : stdout;
    if (!file) return fail("%s: %s", path, tr(strerror(errno)));
    for (size_t i = 0; i < w->count; i++) {
        fprintf(file, "%s\"%s\": [", i ? ",\n " : "{", w->table[i].name); // names of the library: nothing to escape
        json_rows(file, &w->table[i]);
        fputc(']', file);
    }
    const DureIds lists[] = { *greedy, { w->draft, (size_t)w->drafts } };
    static const char *const names[] = { "greedy", "mtp.draft" };
    bool opened = w->count > 0;
    for (size_t l = 0; l < COUNT(lists); l++) {
        if (lists[l].n) fprintf(file, "%s\"%s\": [", opened ? ",\n " : "{", names[l]);
        for (size_t i = 0; i < lists[l].n; i++) fprintf(file, i ? ", %d" : "%d", lists[l].at[i]);
        if (lists[l].n) fputc(']', file);
        opened |= lists[l].n > 0;
    }
    fputs("}\n", file);
    if (file == stdout) return out_close();
    bool failed = ferror(file);
    if (fclose(file) || failed) return fail("%s: %s", path, tr(strerror(errno)));
    return EXIT_FINE;
}

// ---- Computing -----------------------------------------------------------------------------------------------------

static int logits_run(Running *running, const LogitsOptions *o, Watched *w, DureIds *greedy)
{
    DureSampling sampling;
    DureError error;
    dure_sampling_default(&sampling);
    sampling.max_tokens = o->greedy ? o->greedy : 1;
    if (o->mtp && sampling.max_tokens < 2) sampling.max_tokens = 2; // drafts are made where a reply goes on
    sampling.ignore_end = 1;
    const DureWatch watch = { .logits = see_logits,
                              .tensor = o->trace ? see_tensor : NULL,
                              .user = w,
                              .all_logits = !o->last,
                              .draft = o->mtp ? see_draft : NULL };
    dure_session_watch(running->session, &watch);
    Answer answer;
    int code = answer_make(&answer, running, &(AnswerHow){ .sampling = &sampling }, &error);
    answer_free(&answer);
    if (code) return fail("%s", error.text);
    DureIds all;
    if (dure_session_tokens(running->session, &all, &error)) return fail("%s", error.text);
    if (o->greedy && (int64_t)all.n != w->n + o->greedy)
        code = fail("the context of %lld tokens ended after %lld of %lld tokens; give a larger --context",
                    (long long)running->plan.context, (long long)all.n - w->n, (long long)o->greedy);
    if (o->greedy && !code) {
        greedy->at = need(malloc((size_t)o->greedy * sizeof *greedy->at));
        memcpy(greedy->at, all.at + w->n, (size_t)o->greedy * sizeof *greedy->at);
        greedy->n = (size_t)o->greedy;
    }
    dure_ids_free(&all);
    return code;
}

static int logits_write(Running *running, const LogitsOptions *o, const DureIds *ids, bool as_json)
{
    DureError error;
    if (dure_session_feed_tokens(running->session, ids->at, ids->n, &error)) return fail("%s", error.text);
    remarks_show(&running->remarks);
    Watched w = { .n = (int64_t)ids->n, .last = o->last };
    DureIds greedy = { 0 };
    int code = logits_run(running, o, &w, &greedy);
    if (!code) code = as_json ? write_json(&w, &greedy, o->out) : write_safetensors(&w, &greedy, o->out);
    input_ids_free(&greedy);
    watched_free(&w);
    return code;
}

static int ids_of_text(DureIds *ids, const DureModel *model, const Bytes *text)
{
    DureIds found;
    DureError error;
    if (dure_tokenize(model, text->at, text->n, 0, &found, &error)) return fail("%s", error.text);
    ids->at = need(malloc((found.n ? found.n : 1) * sizeof *ids->at));
    if (found.n) memcpy(ids->at, found.at, found.n * sizeof *ids->at);
    ids->n = found.n;
    dure_ids_free(&found);
    return EXIT_FINE;
}

static int logits(Options *options)
{
    const LogitsOptions *o = (const LogitsOptions *)(const void *)options;
    if (o->mtp) { // the draft layers run, whether they pay or not
        options->draft = DURE_DRAFT_MTP;
        options->draft_tokens = DRAFTS;
    }
    if (!o->out) return usage("logits needs --out FILE: a name that ends in .safetensors or .json, or -");
    bool as_json = !strcmp(o->out, "-") || ends_in(o->out, ".json");
    if (!as_json && !ends_in(o->out, ".safetensors"))
        return usage("--out takes a name that ends in .safetensors or .json, or -, not \"%s\"", o->out);
    if (o->ids && (options->prompt || options->file)) return usage("--ids excludes --prompt and --file");
    DureIds ids = { 0 };
    Bytes text = { 0 };
    const char *source = o->ids;
    int code = o->ids ? input_ids(&ids, o->ids) : input_prompt(&text, options, &source);
    if (!code && o->ids && !ids.n) code = fail("%s: there are no token ids in it", source);
    Running running;
    if (!code && !(code = running_open(&running, options))) {
        if (!o->ids) code = ids_of_text(&ids, running.model, &text);
        if (!code) code = logits_write(&running, o, &ids, as_json);
        running_close(&running);
    }
    bytes_free(&text);
    input_ids_free(&ids);
    return code;
}

const Command command_logits = {
    .name = "logits",
    .arguments = "MODEL",
    .summary = N_("Write a prompt's logits to a file"),
    .about = N_(
        "Computes the logits that follow each token of a prompt and writes them: \"logits\" [tokens, vocabulary], with "
        "--greedy \"greedy\" [N], with --trace also \"embed\", \"layer00\" and so on. The prompt is given by --ids, "
        "--prompt, --file or standard input; a text gets the beginning token that the tokenizer gives it. With --ids "
        "no "
        "tokenizer is needed."),
    .uses = USES_MODEL | USES_BUILTIN | USES_ENGINE | USES_PROMPT,
    .own = logits_own,
    .bytes = sizeof(LogitsOptions),
    .run = logits,
};
