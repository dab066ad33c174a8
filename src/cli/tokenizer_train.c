// dure tokenizer train: a tokenizer from texts.
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct TokenizerOptions {
    Options common;
    DureTokenizerTrainOptions train;
    TextList special;
    const char *out, *special_file;
} TokenizerOptions;

#define AT(field) .offset = offsetof(TokenizerOptions, field)
static const Option tokenizer_own[] = {
    { "vocab", 0, OPTION_SIZE, "N", N_("Tokens: the special ones, 256 bytes, and what is learned."), AT(train.vocab),
      256, 4000000 },
    { "out", 'o', OPTION_FILE, "PATH", N_("A file *.json, or a folder for tokenizer.json and tokenizer_config.json."),
      AT(out) },
    { "special", 0, OPTION_LIST, "TEXT",
      N_("A special token. May be given many times; they get the first ids in this order."), AT(special) },
    { "special-file", 0, OPTION_FILE, "FILE", N_("More special tokens behind these, one per line."), AT(special_file) },
    { "bos", 0, OPTION_TEXT, "TEXT", N_("The special token that begins a text, for tokenizer_config.json."),
      AT(train.bos) },
    { "eos", 0, OPTION_TEXT, "TEXT", N_("The one that ends it."), AT(train.eos) },
    { "pad", 0, OPTION_TEXT, "TEXT", N_("The one that fills."), AT(train.pad) },
    { "split", 0, OPTION_TEXT, "NAME",
      N_("How texts are cut before, by llama.cpp's name: exaone-moe, exaone4, hyperclovax, solar-open, gpt-2, llama3, "
         "qwen2, ... Default: exaone-moe."),
      AT(train.split) },
    { "min-frequency", 0, OPTION_INT, "N", N_("How often a pair must come to become a token. Default: 1."),
      AT(train.min_frequency), 1, 1e12 },
    { "bad-lines", 0, OPTION_INT, "N",
      N_("Lines of data that may be left out because they cannot be read. Default: 100."), AT(train.most_bad), 0,
      1e12 },
    { "threads", 't', OPTION_INT, "N", N_("Threads. Default: one per processor."), AT(common.threads), 1, 1024 },
    { 0 },
};
#undef AT

static void tokenizer_defaults(Options *options)
{
    TokenizerOptions *o = (TokenizerOptions *)(void *)options;
    o->train.most_bad = 100;
}

typedef struct Told {
    Progress progress;
    bool quiet;
    int kind; // of the progress that is shown
} Told;

static int tell(void *user, const DureTokenizerTrainEvent *e)
{
    Told *told = user;
    if (e->kind == DURE_TOKENIZER_NOTE || told->kind != (int)e->kind) progress_clear(&told->progress);
    told->kind = (int)e->kind;
    if (e->kind == DURE_TOKENIZER_NOTE && !told->quiet) fprintf(stderr, "dure: %s\n", e->text);
    if (e->kind == DURE_TOKENIZER_DATA) progress_share(&told->progress, N_("bytes"), e->done, e->total);
    if (e->kind == DURE_TOKENIZER_MERGES) progress_share(&told->progress, N_("tokens"), e->done, e->total);
    return interrupted();
}

// The tokens of the command line, then the lines of `text`, which they point into.
static const char **special_tokens(const TextList *given, char *text)
{
    size_t n = given->n, lines = 1;
    for (const char *c = text; c && *c; c++) lines += *c == '\n';
    const char **list = need(calloc(n + lines + 1, sizeof *list));
    if (n) memcpy(list, given->at, n * sizeof *list);
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        const size_t end = strlen(line);
        if (end && line[end - 1] == '\r') line[end - 1] = 0;
        if (*line) list[n++] = line;
    }
    return list;
}

// The files of the command line; standard input, where it is among them, becomes the text. Exit code, told.
static int take_data(const char **files, Bytes *text, const Options *options)
{
    for (int i = 0; i < options->rest_count; i++) {
        if (strcmp(options->rest[i], "-")) {
            *files++ = options->rest[i];
            continue;
        }
        const int code = input_read(text, "-");
        if (code) return code;
    }
    return EXIT_FINE;
}

static int train_from(const TokenizerOptions *o, const char **files, const Bytes *text, const char **special)
{
    Told told = { .progress = progress_new(&o->common), .quiet = o->common.quiet };
    DureTokenizerTrainOptions t = o->train;
    DureError error;
    t.out = o->out, t.data = files, t.special = special;
    t.text = text->at, t.text_bytes = text->n, t.text_name = input_name("-");
    t.threads = (int)o->common.threads;
    t.event = tell, t.user = &told;
    interrupt_catch();
    const int fault = dure_tokenizer_train(&t, &error);
    interrupt_release();
    progress_clear(&told.progress);
    return fault ? fail("%s", error.text) : EXIT_FINE;
}

static int tokenizer_train(Options *options)
{
    const TokenizerOptions *o = (const TokenizerOptions *)(const void *)options;
    if (!options->rest_count) return usage("tokenizer train needs data to learn from: FILE...");
    if (!o->out) return usage("tokenizer train needs a place for the tokenizer: --out PATH");
    if (!o->train.vocab) return usage("tokenizer train needs the size of the vocabulary: --vocab N");
    Bytes lines = { 0 }, text = { 0 };
    const char **files = need(calloc((size_t)options->rest_count + 1, sizeof *files));
    int code = o->special_file ? input_read(&lines, o->special_file) : EXIT_FINE;
    if (!code) code = take_data(files, &text, options);
    if (!code) {
        const char **special = special_tokens(&o->special, lines.at);
        code = train_from(o, files, &text, special);
        free(special);
    }
    free(files);
    bytes_free(&text);
    bytes_free(&lines);
    return code;
}

const Command command_tokenizer_train = {
    .name = "tokenizer train",
    .arguments = "FILE...",
    .summary = N_("Learn a tokenizer from texts"),
    .about =
        N_("Learns a byte-level BPE tokenizer and writes tokenizer.json, for dure and for Hugging Face's tokenizers, "
           "whose trainer finds the same merges.\n"
           "FILE: *.jsonl has an object per line, with a text, or with messages as a chat and its tools; of *.tsv "
           "every column is a text; of other files, and of standard input (-), every line.\n"
           "A tokenizer for a chat needs its special tokens, which the data does not tell: give them with --special."),
    .own = tokenizer_own,
    .bytes = sizeof(TokenizerOptions),
    .most_rest = 1 << 20,
    .defaults = tokenizer_defaults,
    .run = tokenizer_train,
};
