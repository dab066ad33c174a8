// The table of common options and the reading of a command line by it. Values are checked strictly: a number has no tail,
// lies within its bounds, and the sentence that refuses it names the option.
#include "cli.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const cpu_levels[] = { "best", "scalar", "avx2", "avx2vnni", "avx512", "avx512vnni", "avx512bf16", NULL };
const char *const draft_names[] = { "default", "off", "auto", "ngram", "mtp", NULL }; // in the order of DureDraft
const char *const mla_names[] = { "absorbed", "expanded", "mixed", NULL };            // in the order of DureMla
const char *const kv_names[] = { "default", "f32", "bf16", "q8", NULL };              // in the order of DureKvType

#define AT(field) offsetof(Options, field)

const Option common_options[] = {
    { "prompt", 'p', OPTION_TEXT, "TEXT", N_("The prompt."), .offset = AT(prompt), .uses = USES_PROMPT },
    { "file", 'f', OPTION_FILE, "FILE", N_("Read the prompt from FILE; - is standard input."), .offset = AT(file),
      .uses = USES_PROMPT },
    { "system", 's', OPTION_TEXT, "TEXT", N_("The system message."), .offset = AT(system), .uses = USES_SYSTEM },
    { "kwargs", 0, OPTION_TEXT, "JSON",
      N_("An object of variables for the chat template, as {\"enable_thinking\": false}."), .offset = AT(kwargs),
      .uses = USES_TEMPLATE },
    { "now", 0, OPTION_TEXT, "TIME",
      N_("The time that templates are told, as 2026-01-31T09:30:00+09:00. Default: the clock."), .offset = AT(now),
      .uses = USES_TEMPLATE },
    { "max-tokens", 'n', OPTION_INT, "N", N_("Most tokens of an answer. 0, the default: until the model ends."),
      .offset = AT(sampling.max_tokens), 0, 1e9, .uses = USES_SAMPLING },
    { "min-tokens", 0, OPTION_INT, "N", N_("Do not end an answer before N tokens. Default: 0."),
      .offset = AT(sampling.min_tokens), 0, 1e9, .uses = USES_SAMPLING },
    { "temperature", 0, OPTION_REAL, "X",
      N_("0 always takes the likeliest token. Default: what the model recommends, else 0."),
      .offset = AT(sampling.temperature), 0, 100, .uses = USES_SAMPLING },
    { "dynatemp-range", 0, OPTION_REAL, "X",
      N_("Let the temperature be up to X lower where the model is sure and higher where it is not; 0: off."),
      .offset = AT(sampling.dynatemp_range), 0, 100, .uses = USES_SAMPLING },
    { "dynatemp-exponent", 0, OPTION_REAL, "X", N_("Above 1 it stays low for longer. Default: 1."),
      .offset = AT(sampling.dynatemp_exponent), 0, 100, .uses = USES_SAMPLING },
    { "top-n-sigma", 0, OPTION_REAL, "X",
      N_("Drop tokens more than X standard deviations below the likeliest; 0: none."),
      .offset = AT(sampling.top_n_sigma), 0, 1e6, .uses = USES_SAMPLING },
    { "top-k", 0, OPTION_INT, "N", N_("Draw among the N likeliest tokens; 0: among all."), .offset = AT(sampling.top_k),
      0, 1e9, .uses = USES_SAMPLING },
    { "top-p", 0, OPTION_REAL, "X",
      N_("Draw among the likeliest tokens that together have probability X; 1: among all."),
      .offset = AT(sampling.top_p), 0, 1, .above = true, .uses = USES_SAMPLING },
    { "min-p", 0, OPTION_REAL, "X", N_("Drop tokens less likely than X times the likeliest; 0: none."),
      .offset = AT(sampling.min_p), 0, 1, .uses = USES_SAMPLING },
    { "typical", 0, OPTION_REAL, "X",
      N_("Draw among the tokens of the most usual surprise that together have probability X; 1: among all."),
      .offset = AT(sampling.typical), 0, 1, .above = true, .uses = USES_SAMPLING },
    { "xtc-probability", 0, OPTION_REAL, "X", N_("How often the likeliest tokens are left out (XTC); 0: never."),
      .offset = AT(sampling.xtc_probability), 0, 1, .uses = USES_SAMPLING },
    { "xtc-threshold", 0, OPTION_REAL, "X",
      N_("XTC leaves out all tokens of at least this probability but the last. Default: 0.1."),
      .offset = AT(sampling.xtc_threshold), 0, 1, .above = true, .uses = USES_SAMPLING },
    { "repeat-penalty", 0, OPTION_REAL, "X", N_("Make recent tokens less likely; 1: off."),
      .offset = AT(sampling.repeat_penalty), 0, 100, .above = true, .uses = USES_SAMPLING },
    { "frequency-penalty", 0, OPTION_REAL, "X",
      N_("Make tokens of the answer less likely, the more often they came; 0: off."),
      .offset = AT(sampling.frequency_penalty), -2, 2, .uses = USES_SAMPLING },
    { "presence-penalty", 0, OPTION_REAL, "X", N_("Make tokens of the answer less likely; 0: off."),
      .offset = AT(sampling.presence_penalty), -2, 2, .uses = USES_SAMPLING },
    { "repeat-window", 0, OPTION_INT, "N",
      N_("How many of the last tokens these penalties look at; -1: all. Default: 64 for --repeat-penalty, else all."),
      .offset = AT(sampling.repeat_window), -1, 1e9, .uses = USES_SAMPLING },
    { "dry-multiplier", 0, OPTION_REAL, "X",
      N_("Make tokens less likely that would carry on a repetition (DRY), times X; 0: off."),
      .offset = AT(sampling.dry_multiplier), 0, 1e6, .uses = USES_SAMPLING },
    { "dry-base", 0, OPTION_REAL, "X", N_("How the penalty grows with each token of the repetition. Default: 1.75."),
      .offset = AT(sampling.dry_base), 1, 1e6, .uses = USES_SAMPLING },
    { "dry-allowed-length", 0, OPTION_INT, "N", N_("Shorter repetitions cost nothing. Default: 2."),
      .offset = AT(sampling.dry_allowed_length), 1, 1e9, .uses = USES_SAMPLING },
    { "dry-range", 0, OPTION_INT, "N", N_("How many of the last tokens DRY looks at; -1, the default: all."),
      .offset = AT(sampling.dry_range), -1, 1e9, .uses = USES_SAMPLING },
    { "dry-sequence-breaker", 0, OPTION_LIST, "TEXT",
      N_("No repetition goes over TEXT. May be given many times; none: nothing breaks. Default: newline, :, \" and *."),
      .offset = AT(sampling.dry_breakers), .uses = USES_SAMPLING },
    { "logit-bias", 0, OPTION_BIAS, "ID=BIAS",
      N_("Make token ID more likely, or less with a negative BIAS; -inf: never. May be given many times."),
      .offset = AT(sampling.logit_bias), -1e6, 1e6, .uses = USES_SAMPLING },
    { "seed", 0, OPTION_INT, "N",
      N_("Start of the random numbers; the same seed gives the same answer. Default: chance."),
      .offset = AT(sampling.seed), 0, 9007199254740991.0, .uses = USES_SAMPLING },
    { "stop", 0, OPTION_LIST, "TEXT", N_("End the answer before TEXT. May be given many times."), .offset = AT(stop),
      .uses = USES_SAMPLING },
    { "stop-id", 0, OPTION_IDS, "ID", N_("End the answer before token ID. May be given many times."),
      .offset = AT(sampling.stop_ids), 0, 2147483647.0, .uses = USES_SAMPLING },
    { "greedy", 0, OPTION_FLAG, NULL, N_("The same as --temperature 0."), .offset = AT(greedy), .uses = USES_SAMPLING },
    { "context", 'c', OPTION_SIZE, "N", N_("Most tokens held at once. Default: what the model allows and memory fits."),
      .offset = AT(context), 1, 1e9, .uses = USES_ENGINE },
    { "threads", 't', OPTION_INT, "N", N_("Processors to use. Default: all."), .offset = AT(threads), 1, 4096,
      .uses = USES_ENGINE },
    { "chunk", 0, OPTION_INT, "N", N_("Prompt tokens read at a time. Default: 512."), .offset = AT(chunk), 1, 1e6,
      .uses = USES_ENGINE },
    { "kv", 0, OPTION_CHOICE, "TYPE", N_("Type of the cached keys and values. Default: bf16, with --cpu scalar f32."),
      .offset = AT(kv), .choices = kv_names, .uses = USES_ENGINE },
    { "mla", 0, OPTION_CHOICE, "FORM",
      N_("How latent attention is computed. Default: absorbed. expanded: a far larger cache, faster for long prompts "
         "with "
         "short answers; mixed: faster prompts, and answers that depend in their last bits on what was cached."),
      .offset = AT(mla), .choices = mla_names, .uses = USES_ENGINE },
    { "draft", 0, OPTION_CHOICE, "HOW",
      N_("Propose tokens and check them in one step; answers stay the same. ngram: from the text; mtp: by the model's "
         "draft "
         "layers; auto: either, while it is faster. Default: auto."),
      .offset = AT(draft), .choices = draft_names, .uses = USES_ENGINE },
    { "draft-tokens", 0, OPTION_INT, "N", N_("Most tokens proposed in one step. Default: 4."),
      .offset = AT(draft_tokens), 1, 16, .uses = USES_ENGINE },
    { "cpu", 0, OPTION_CHOICE, "LEVEL", N_("Which instructions to use. Default: the best that this processor has."),
      .offset = AT(cpu), .choices = cpu_levels, .uses = USES_ENGINE },
    { "memory", 0, OPTION_SIZE, "BYTES", N_("Most memory to use, as 6G or 800M. Default: what is available now."),
      .offset = AT(memory), 1, 9007199254740991.0, .uses = USES_ENGINE },
    { "check", 0, OPTION_FLAG, NULL, N_("Read all weights once beforehand, and refuse NaN and infinities in them."),
      .offset = AT(check), .uses = USES_ENGINE },
    { "reasoning", 0, OPTION_CHOICE, "WHAT",
      N_("show the model's reasoning, hide it, or off: ask it not to reason. Default: auto, shown on a terminal."),
      .offset = AT(reasoning), .choices = reasoning_names, .uses = USES_REPLY },
    { "effort", 0, OPTION_CHOICE, "HOW",
      N_("How much to reason, for templates that ask. Default: auto, as the template has it."), .offset = AT(effort),
      .choices = effort_names, .uses = USES_REPLY },
    { "think-budget", 0, OPTION_INT, "N", N_("End the model's reasoning after N tokens. Default: when the model does."),
      .offset = AT(sampling.think_budget), 0, 1e9, .uses = USES_REPLY },
    { "tools", 0, OPTION_FILE, "FILE", N_("Tools that the model may call, a JSON array as OpenAI's API has it."),
      .offset = AT(tools), .uses = USES_REPLY },
    { "json", 0, OPTION_FLAG, NULL, N_("Print one JSON object."), .offset = AT(json), .uses = USES_JSON },
    { "stats", 0, OPTION_FLAG, NULL, N_("Tell speed and memory on standard error afterwards."), .offset = AT(stats),
      .uses = USES_STATS },
    { "quiet", 'q', OPTION_FLAG, NULL, N_("No progress and no warnings."), .offset = AT(quiet) },
    { "verbose", 'v', OPTION_FLAG, NULL, N_("Tell more on standard error."), .offset = AT(verbose) },
    { "help", 'h', OPTION_FLAG, NULL, N_("Show this help."), .offset = AT(help) },
    { 0 },
};

bool option_applies(const Option *option, const Command *command)
{
    return !option->uses || option->uses & command->uses;
}

// ---- Near misses ---------------------------------------------------------------------------------------------------

enum { WORD_MOST = 32 };

// Edits that make a from b: insert, delete, change, swap neighbours. Words of WORD_MOST letters and more: never near.
static size_t edits(const char *a, const char *b)
{
    size_t d[WORD_MOST + 1][WORD_MOST + 1];
    size_t n = strlen(a), m = strlen(b);
    if (n > WORD_MOST || m > WORD_MOST) return WORD_MOST;
    for (size_t i = 0; i <= n; i++)
        for (size_t j = 0; j <= m; j++) {
            if (!i || !j) {
                d[i][j] = i + j;
                continue;
            }
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (d[i - 1][j] + 1 < best) best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best) best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[n][m];
}

const char *nearest(const char *word, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t fewest = 3; // more than two slips is another word
    for (size_t i = 0; i < count; i++) {
        size_t slips = edits(word, names[i]);
        if (slips < fewest && slips * 2 <= strlen(names[i])) {
            fewest = slips;
            best = names[i];
        }
    }
    return best;
}

// ---- Values --------------------------------------------------------------------------------------------------------

static int refuse_range(const Option *o, const char *text, bool whole)
{
    char least[32], most[32];
    snprintf(least, sizeof least, whole ? "%.0f" : "%g", o->least);
    snprintf(most, sizeof most, whole ? "%.0f" : "%g", o->most);
    return usage(whole      ? N_("--%s takes a whole number from %s to %s, not \"%s\"")
                 : o->above ? N_("--%s takes a number above %s and up to %s, not \"%s\"")
                            : N_("--%s takes a number from %s to %s, not \"%s\""),
                 o->name, least, most, text);
}

// A whole number; with `sizes` a suffix K, M, G or T multiplies it by 1024, 1024^2, ... False: not one, or too large.
static bool whole_number(int64_t *out, const char *text, bool sizes)
{
    if (!*text || strspn(text, "+-0123456789") == 0 || *text == '+') return false;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text) return false;
    if (sizes && *end) {
        const char *suffixes = "KMGT", *at = strchr(suffixes, *end & ~0x20);
        if (!at || !*at) return false;
        int64_t unit = (int64_t)1 << (10 * (at - suffixes + 1));
        if (__builtin_mul_overflow(value, unit, &value)) return false;
        end++;
    }
    if (*end) return false;
    *out = value;
    return true;
}

static int set_whole(const Option *o, void *slot, const char *text)
{
    int64_t value;
    if (!whole_number(&value, text, o->kind == OPTION_SIZE)) {
        if (o->kind == OPTION_SIZE)
            return usage("--%s takes a whole number, if need be with K, M, G or T behind it, not \"%s\"", o->name,
                         text);
        return refuse_range(o, text, true);
    }
    if ((double)value < o->least || (double)value > o->most) return refuse_range(o, text, true);
    *(int64_t *)slot = value;
    return -1;
}

static bool real_number(double *out, const char *text)
{
    char *end;
    *out = strtod(text, &end); // LC_NUMERIC is never set: the point is a point
    return *text && strspn(text, "+-.0123456789eE") == strlen(text) && !*end && isfinite(*out);
}

static bool in_range(const Option *o, double value)
{
    return value >= o->least && value <= o->most && !(o->above && value <= o->least);
}

static int set_real(const Option *o, void *slot, const char *text)
{
    double value;
    if (!real_number(&value, text) || !in_range(o, value)) return refuse_range(o, text, false);
    *(double *)slot = value;
    return -1;
}

static int add_id(const Option *o, void *slot, const char *text)
{
    IdList *list = slot;
    int64_t id;
    if (!whole_number(&id, text, false) || !in_range(o, (double)id)) return refuse_range(o, text, true);
    list->at = need(realloc(list->at, (list->n + 1) * sizeof *list->at));
    list->at[list->n++] = (int32_t)id;
    return -1;
}

static int add_bias(const Option *o, void *slot, const char *text)
{
    BiasList *list = slot;
    const char *equals = strchr(text, '=');
    char digits[16];
    int64_t id;
    double bias = -INFINITY;
    const int n = equals ? snprintf(digits, sizeof digits, "%.*s", (int)(equals - text), text) : 0;
    bool fine = n > 0 && n < (int)sizeof digits && whole_number(&id, digits, false) && id >= 0 && id <= INT32_MAX;
    if (fine && strcmp(equals + 1, "-inf") != 0) fine = real_number(&bias, equals + 1) && in_range(o, bias);
    if (!fine)
        return usage("--%s takes ID=BIAS, a token's id and a number from %g to %g or -inf, not \"%s\"", o->name,
                     o->least, o->most, text);
    list->at = need(realloc(list->at, (list->n + 1) * sizeof *list->at));
    list->at[list->n++] = (DureBias){ .id = (int32_t)id, .bias = (float)bias };
    return -1;
}

static int add_text(TextList *list, const char *text)
{
    list->at = need(realloc(list->at, (list->n + 2) * sizeof *list->at));
    list->at[list->n++] = text;
    list->at[list->n] = NULL;
    return -1;
}

static int set_choice(const Option *o, void *slot, const char *text)
{
    char list[128] = "";
    size_t n = 0;
    for (int i = 0; o->choices[i]; i++) {
        if (!strcmp(o->choices[i], text)) {
            *(int *)slot = i;
            return -1;
        }
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", o->choices[i]);
    }
    return usage("--%s takes one of %s, not \"%s\"", o->name, list, text);
}

static int set_option(const Option *o, Options *out, const char *text)
{
    void *slot = (char *)out + o->offset;
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)slot = true;
        return -1;
    case OPTION_INT:
    case OPTION_SIZE:
        return set_whole(o, slot, text);
    case OPTION_REAL:
        return set_real(o, slot, text);
    case OPTION_CHOICE:
        return set_choice(o, slot, text);
    case OPTION_TEXT:
    case OPTION_FILE:
        *(const char **)slot = text;
        return -1;
    case OPTION_LIST:
        return add_text(slot, text);
    case OPTION_IDS:
        return add_id(o, slot, text);
    case OPTION_BIAS:
        break;
    }
    return add_bias(o, slot, text);
}

// The values of what may be given many times are gathered; of the others the last one counts. What is no UTF-8 is null.
static void given_add(json_t *given, const Option *o, const char *text)
{
    const bool many = o->kind == OPTION_LIST || o->kind == OPTION_IDS || o->kind == OPTION_BIAS;
    json_t *values = many ? json_incref(json_object_get(given, o->name)) : NULL,
           *value = text ? json_string(text) : NULL;
    if (!values) values = need(json_array());
    if (text && json_array_append_new(values, value ? value : json_null())) need(NULL);
    if (json_object_set_new(given, o->name, values)) need(NULL);
}

// ---- Command line --------------------------------------------------------------------------------------------------

enum {
    ROWS_MOST = 96,
    LONG = 256 // getopt_long gives LONG + its row for a long option; alike values would hide ambiguity from it
};

typedef struct Rows {
    const Option *row[ROWS_MOST];
    struct option longs[ROWS_MOST + 1];
    char shorts[2 * ROWS_MOST + 2];
    int count;
} Rows;

static void rows_add(Rows *rows, const Option *o, size_t *letters)
{
    if (rows->count == ROWS_MOST) return; // more rows than any command has; the tests look for every option
    bool valued = o->kind != OPTION_FLAG;
    rows->longs[rows->count] =
        (struct option){ o->name, valued ? required_argument : no_argument, NULL, LONG + rows->count };
    rows->row[rows->count++] = o;
    if (!o->letter) return;
    rows->shorts[(*letters)++] = o->letter;
    if (valued) rows->shorts[(*letters)++] = ':';
}

static void rows_of(Rows *rows, const Command *command)
{
    memset(rows, 0, sizeof *rows);
    size_t letters = 0;
    rows->shorts[letters++] = ':'; // a missing value is told apart
    for (const Option *o = command->own; o && o->name; o++) rows_add(rows, o, &letters);
    for (const Option *o = common_options; o->name; o++)
        if (option_applies(o, command)) rows_add(rows, o, &letters);
}

static const Option *row_of_letter(const Rows *rows, int letter)
{
    for (int i = 0; i < rows->count; i++)
        if (rows->row[i]->letter == letter) return rows->row[i];
    return NULL;
}

static int refuse_unknown(const Rows *rows, const Command *command, const char *word)
{
    if (optopt && optopt < LONG)
        return usage("%s has no option -%c; dure %s --help lists what it takes", command->name, optopt, command->name);
    char name[WORD_MOST + 1];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    const char *names[ROWS_MOST];
    int alike = 0;
    for (int i = 0; i < rows->count; i++) {
        names[i] = rows->row[i]->name;
        if (!strcmp(names[i], name)) return usage("--%s takes no value", name);
        alike += !strncmp(names[i], name, strlen(name));
    }
    if (alike > 1) return usage("--%s could be one of several options; dure %s --help lists them", name, command->name);
    const char *near = nearest(name, names, (size_t)rows->count);
    if (near) return usage("%s has no option --%s; did you mean --%s?", command->name, name, near);
    return usage("%s has no option --%s; dure %s --help lists what it takes", command->name, name, command->name);
}

static int options_read(Options *out, const Command *command, int argc, char **argv)
{
    Rows rows;
    rows_of(&rows, command);
    opterr = 0;
    for (;;) {
        int got = getopt_long(argc, argv, rows.shorts, rows.longs, NULL);
        if (got == -1) return -1;
        if (got == '?') return refuse_unknown(&rows, command, argv[optind - 1]);
        if (got == ':') {
            const Option *o = optopt < LONG ? row_of_letter(&rows, optopt) : NULL;
            if (o) return usage("-%c (--%s) needs a value: %s", o->letter, o->name, o->value);
            return usage("--%s needs a value: %s", rows.row[optopt - LONG]->name, rows.row[optopt - LONG]->value);
        }
        const Option *o = got >= LONG ? rows.row[got - LONG] : row_of_letter(&rows, got);
        int code = o ? set_option(o, out, optarg) : -1;
        if (code >= 0) return code;
        if (o) given_add(out->given, o, optarg);
    }
}

static int options_check(const Options *out, const Command *command)
{
    if (command->uses & USES_MODEL && !out->model)
        return usage(
            "%s needs a MODEL: a folder, a .gguf or .safetensors file, a name under DURE_MODELS, or ORG/NAME as "
            "dure pull or the Hugging Face cache has it",
            command->name);
    if (out->rest_count > command->most_rest)
        return usage("%s does not take the argument \"%s\"; dure %s --help shows what it takes", command->name,
                     out->rest[command->most_rest], command->name);
    if (out->quiet && out->verbose) return usage("--quiet and --verbose exclude each other");
    if (out->greedy && out->sampling.temperature > 0) return usage("--greedy and --temperature exclude each other");
    const SamplingOptions *sampling = &out->sampling;
    if (sampling->max_tokens && sampling->min_tokens > sampling->max_tokens)
        return usage("--min-tokens must be at most --max-tokens, which is %lld", (long long)sampling->max_tokens);
    if (sampling->logit_bias.n > DURE_BIAS_MOST)
        return usage("--logit-bias may be given at most %d times", DURE_BIAS_MOST);
    return -1;
}

int options_parse(Options *out, const Command *command, int argc, char **argv)
{
    sampling_not_given(&out->sampling);
    if (command->defaults) command->defaults(out);
    out->given = need(json_object());
    int code = options_read(out, command, argc, argv);
    if (code >= 0) return code;
    if (out->help) {
        help_command(command);
        return out_close();
    }
    int at = optind;
    if (command->uses & USES_MODEL && at < argc) out->model = argv[at++];
    if (command->uses & USES_BUILTIN && !out->model) out->model = out->builtin = model_builtin();
    out->rest = (const char **)argv + at;
    out->rest_count = argc - at;
    return options_check(out, command);
}

static void lists_free(Options *options, const Option *rows)
{
    for (const Option *o = rows; o && o->name; o++) {
        void *slot = (char *)options + o->offset;
        if (o->kind == OPTION_LIST) free(((TextList *)slot)->at);
        if (o->kind == OPTION_IDS) free(((IdList *)slot)->at);
        if (o->kind == OPTION_BIAS) free(((BiasList *)slot)->at);
    }
}

void options_free(Options *options, const Command *command)
{
    lists_free(options, command->own);
    lists_free(options, common_options);
    json_decref(options->given);
    free(options->builtin);
    free(options);
}
