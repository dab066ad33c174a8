// cli: the program. One file per command, one line in commands[] (main.c). A command is data: what it is called, which
// options it takes, what it does; help, the man page and the shell completions are made from the same rows. Stands on
// include/dure.h alone. This is the only floor that prints and exits.
#ifndef DURE_CLI_H
#define DURE_CLI_H

#include "dure.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define N_(text) text // a key of the catalogue that is looked up where it is used

// A sentence, a format or a part of one in the user's language. fail, usage, progress_say and their kin call it themselves.
static inline const char *tr(const char *english) __attribute__((format_arg(1)));
static inline const char *tr(const char *english)
{
    return dure_message(english);
}

enum { EXIT_FINE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

// ---- Options (options.c) -------------------------------------------------------------------------------------------

typedef enum OptionKind {
    OPTION_FLAG,   // bool
    OPTION_INT,    // int64_t
    OPTION_SIZE,   // int64_t; K, M, G and T are 1024 and its powers
    OPTION_REAL,   // double
    OPTION_TEXT,   // const char *
    OPTION_FILE,   // const char *; completed as a path
    OPTION_CHOICE, // int: index into choices
    OPTION_LIST,   // TextList: this one and the two that follow may be given many times
    OPTION_IDS,    // IdList
    OPTION_BIAS    // BiasList: ID=BIAS
} OptionKind;

// Which common options a command takes, beside --quiet, --verbose and --help.
enum {
    USES_ENGINE = 1,
    USES_SAMPLING = 2,
    USES_PROMPT = 4,
    USES_SYSTEM = 8,
    USES_TEMPLATE = 16,
    USES_JSON = 32,
    USES_STATS = 64,
    USES_REPLY = 256,
    USES_MODEL = 128,  // the first argument is MODEL
    USES_BUILTIN = 512 // ... and without it the model that comes with the program is used
};

typedef struct Option {
    const char *name; // NULL ends a list
    char letter;      // or 0
    OptionKind kind;
    const char *value; // what help calls the value; NULL for flags
    const char *help;
    size_t offset;              // into the command's options struct
    double least, most;         // INT, SIZE, REAL, IDS, and BIAS, whose bias may also be -inf
    bool above;                 // REAL: `least` itself is refused
    unsigned uses;              // common options: which commands
    const char *const *choices; // CHOICE: NULL-terminated
} Option;

typedef struct TextList {
    const char **at; // NULL-terminated, or NULL
    size_t n;
} TextList;

typedef struct IdList {
    int32_t *at;
    size_t n;
} IdList;

typedef struct BiasList {
    DureBias *at;
    size_t n;
} BiasList;

// How answers are drawn. Numbers that were not given are NaN or NOT_GIVEN, but for the two counts of tokens, which are 0.
enum { NOT_GIVEN = -2 };
typedef struct SamplingOptions {
    double temperature, dynatemp_range, dynatemp_exponent, top_n_sigma, top_p, min_p, typical, xtc_probability,
        xtc_threshold, repeat_penalty, frequency_penalty, presence_penalty, dry_multiplier, dry_base;
    int64_t top_k, repeat_window, dry_allowed_length, dry_range, logprobs, think_budget, seed, min_tokens, max_tokens;
    TextList dry_breakers;
    BiasList logit_bias;
    IdList stop_ids;
} SamplingOptions;

// What the common options hold. A command with options of its own has a struct whose first member is this.
typedef struct Options {
    const char *model;
    const char **rest; // arguments behind MODEL
    int rest_count;
    int64_t context, threads, chunk, memory, sessions;
    int kv;    // DureKvType
    int mla;   // DureMla
    int draft; // DureDraft
    int64_t draft_tokens;
    int cpu;       // index into cpu_levels; 0: the best
    int reasoning; // index into reasoning_names
    int effort;    // index into effort_names
    const char *prompt, *file, *system, *kwargs, *now, *tools;
    SamplingOptions sampling;
    TextList stop;
    bool greedy, check, json, stats, quiet, verbose, help;
    char *builtin; // MODEL where none was given
    json_t *given; // {"name": [its values as typed, ...]}: what the command line has
} Options;

typedef struct Command {
    const char *name;
    const char *arguments; // "MODEL [PROMPT]"
    const char *summary;   // one line, no full stop
    const char *about;     // paragraphs, separated by newlines
    unsigned uses;
    const Option *own;                  // or NULL
    size_t bytes;                       // of its options struct
    int most_rest;                      // arguments behind MODEL
    void (*defaults)(Options *options); // what its own options are when they are not given; NULL: zero
    int (*run)(Options *options);
} Command;

extern const Command *const commands[]; // NULL-terminated; main.c
extern const Command command_run, command_chat, command_inspect, command_tokenize, command_detokenize, command_render,
    command_parse, command_logits, command_embed, command_perplexity, command_compare, command_pull, command_list,
    command_rm, command_train, command_train_plot, command_tokenizer_train;

extern const Option common_options[]; // ends with name NULL
extern const char *const cpu_levels[],
    *const kv_names[], *const mla_names[], *const draft_names[], *const reasoning_names[], *const effort_names[];

bool option_applies(const Option *option, const Command *command); // for rows of common_options
// -1: go on with the command; else the exit code (a usage error was told, or help was printed).
int options_parse(Options *out, const Command *command, int argc, char **argv);
void options_free(Options *options, const Command *command);
const Command *command_find(const char *name);
// The nearest of the names that a command or option could have meant, or NULL.
const char *nearest(const char *word, const char *const *names, size_t count);

// ---- What is made from the tables (help.c, manual.c, completion.c) ---------------------------------------------------------

// What may be typed in a chat beside messages; chat.c.
typedef struct Talk Talk;
typedef struct ChatWord {
    const char *name;     // NULL ends the list
    const char *argument; // or NULL
    const char *help;
    void (*act)(Talk *talk, const char *argument); // argument: what follows the word, perhaps ""
} ChatWord;
extern const ChatWord chat_words[];

void help_overall(void);
void help_command(const Command *command);
void help_wrap(const char *text, int indent, int column); // to 80 columns; the line stands at `column`
void manual_print(void);                                  // mdoc
void completion_bash(void);
void completion_zsh(void);

// ---- Terminal (terminal.c) -----------------------------------------------------------------------------------------

// One sentence on standard error, made harmless for a terminal; returns the exit code.
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int usage(const char *format, ...) __attribute__((format(printf, 1, 2)));
void *need(void *memory); // NULL: says so and exits

typedef enum Colour { COLOUR_NONE, COLOUR_DIM, COLOUR_BOLD, COLOUR_PROMPT } Colour;
const char *colour(int fd, Colour which); // the escape sequence, "" where none is wanted

void out_write(const char *bytes, size_t n);  // to standard output, at once; a closed pipe ends the program quietly
void out_answer(const char *bytes, size_t n); // the same for a model's text: no control characters reach a terminal
int out_close(void);                          // flushes; exit code
size_t text_columns(const char *text);        // on the screen, where Hangul is two wide; not bytes
void text_padded(const char *text, size_t columns); // on standard output, with blanks behind it up to so many columns

// Progress on standard error; silent unless it is a terminal and --quiet was not given.
typedef struct Progress {
    bool on, shown;
    double began; // seconds; 0: not begun
} Progress;
Progress progress_new(const Options *options);
void progress_say(Progress *progress, const char *what);
void progress_share(Progress *progress, const char *what, int64_t done, int64_t total);
void progress_clear(Progress *progress);

// The library's remarks. Warnings wait until the work they belong to has come to something, and are dropped with it.
typedef struct Remarks {
    bool quiet, verbose;
    char *held;
    size_t n;
} Remarks;
void remarks_take(void *user, int level, const char *text); // DureModelOptions.log
void remarks_show(Remarks *remarks);
void remarks_drop(Remarks *remarks);

double now_seconds(void); // monotonic

// ---- Bytes and files (input.c) -------------------------------------------------------------------------------------

typedef struct Bytes {
    char *at; // NUL-terminated once something was put
    size_t n, capacity;
} Bytes;
void bytes_put(Bytes *bytes, const void *at, size_t n); // exits when memory ends
void bytes_text(Bytes *bytes, const char *text);
void bytes_printf(Bytes *bytes, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bytes_free(Bytes *bytes);
bool ends_in(const char *text, const char *ending);
int bytes_read(Bytes *out, const char *path,
               size_t most); // of a longer one, a little more than `most`. Exit code, told
// Written beside and renamed, so that a run killed here leaves no half of it. Exit code, told.
int json_replace(const char *path, const json_t *value, size_t flags);
int input_read(Bytes *out, const char *path);   // "-": standard input. Exit code, told
const char *input_name(const char *path);       // as messages call it: - is standard input
int input_json(json_t **out, const char *path); // the same, parsed
int input_ids(DureIds *out, const char *path);  // one JSON array of token ids; free with input_ids_free
void input_ids_free(DureIds *ids);
int utf8_check(const char *text, size_t n, const char *what); // exit code, told
// The text that -p, -f, the argument or standard input give. `source` says which, for errors.
int input_prompt(Bytes *out, const Options *options, const char **source);
// {"messages": [...], "tools": ...} or an array. *tools is NULL if there are none.
int input_messages(json_t **messages, json_t **tools, const char *path);
void message_add(json_t *messages, const char *role, const char *text, size_t n); // text is UTF-8
char *path_expanded(const char *path);                                            // ~/ is the user's folder; by malloc
int time_parse(int64_t *seconds, int32_t *utc_offset, const char *text);          // ISO 8601; NULL: now
void table_show(const json_t *list); // of objects, as a table on standard output; inspect.c
void out_ids(const DureIds *ids);    // one JSON array and a newline
int out_json(json_t *value,
             size_t flags); // and a newline. Takes the value; NULL, of what is not UTF-8: refused. Exit code, told

// ---- Files within messages (attach.c) ------------------------------------------------------------------------------

int attach_put(Bytes *out, const char *path);        // the file's block. Exit code, told
int attach_files(Bytes *out, const TextList *paths); // their blocks behind the message
// @path and @"a path" in a message become the blocks of the files they name; words that name none stay, as does what
// stands right behind a name; @@ is @. Where one
// cannot be read, the text stays as it was. Exit code, told.
int attach_words(Bytes *text);

// ---- Models (models.c) ---------------------------------------------------------------------------------------------

// A folder, a file, a name under DURE_MODELS, ORG/NAME there or in the Hugging Face cache; *path is malloc'ed. Exit code, told.
int model_path(char **path, const char *name);
char *model_builtin(void); // the path of the model that comes with the program, by malloc; NULL: it is not there
int model_open(DureModel **out, const Options *options, bool text_only, Remarks *remarks);
json_t *model_account(const DureModel *model,
                      DureError *error); // what the library tells of it; NULL: it cannot, error says why

// A model at work: one engine, one session.
typedef struct Running {
    DureModel *model;
    DureEngine *engine;
    DureSession *session;
    DurePlan plan;
    int sessions; // that the plan is for: fewer than asked for, where memory is short
    double load_seconds;
    Progress progress;
    Remarks remarks;
} Running;
DureEngineOptions engine_options(const Options *o, Progress *progress); // progress: of --check
int running_open(Running *out, const Options *options);                 // its remarks wait to be shown
int running_read(Running *running,
                 bool shown); // all that was fed; `shown`: how far it is. Exit code, told; interrupted is one
void running_close(Running *running);

// ---- Answers (answer.c) --------------------------------------------------------------------------------------------

// In the order of reasoning_names. AUTO: shown on a terminal.
enum { REASONING_AUTO, REASONING_SHOW, REASONING_HIDE, REASONING_OFF };

typedef struct Answer {
    Bytes text; // what is neither reasoning nor a call
    Bytes reasoning;
    bool reasoned;
    json_t *calls;    // [{"type", "function"}], arguments as text
    Bytes partial;    // a call that was cut off
    json_t *logprobs; // of its tokens, as OpenAI's API has them
    DureReason reason;
    DureStats stats;
    size_t seen;     // tokens of the session that the parser has had
    char last;       // byte that was shown; 0: none
    bool thinking;   // what was shown last is reasoning
    json_t *call;    // being read, or NULL
    Bytes arguments; // its
} Answer;

typedef struct AnswerHow {
    const DureSampling *sampling;
    DureParser *parser; // NULL: all of the reply is answer. Else it has the stop strings, and sampling has none
    bool show;          // on standard output, as it comes
    bool show_reasoning;
} AnswerHow;

void sampling_not_given(SamplingOptions *out);
// sampling.c: what the options say, else what the model recommends. The options outlive *out.
int sampling_from(DureSampling *out, const Options *options, const DureModel *model);
// What was fed to the session is read and answered. SIGINT ends the answer with DURE_REASON_CANCELLED. Returns a DureCode.
int answer_make(Answer *out, Running *running, const AnswerHow *how, DureError *error);
// The same for several sessions: begin each, then take each one's news after a step of the engine, until out->reason is set.
int answer_begin(Answer *out, Running *running, const AnswerHow *how, DureError *error);
int answer_news(Answer *out, Running *running, const AnswerHow *how, bool *news, DureError *error); // *news: set if any
void answer_free(Answer *answer);
int tokens_count(size_t *n, const DureSession *session, DureError *error);       // that it holds. Returns a DureCode
void logprobs_add(json_t *list, const DureModel *model, const DureEvent *event); // logprobs.c
void size_text(char out[16], int64_t bytes);                                     // "93.8 MiB"
double rate(int64_t tokens, double seconds);
void stats_print(const Running *running, const DureStats *stats);
void stats_sum(DureStats *sum, const DureStats *stats); // the tokens; several answers' seconds overlap
void stats_batch_print(const Running *running, const DureStats *sum, double seconds); // of many answers in so much time
const char *reason_name(DureReason reason);
bool answer_filled(const Answer *answer, const DureSampling *sampling); // the context ended it, not max_tokens
void context_larger(char out[128], const Running *running); // "; a larger --context, up to 4096, holds more", or ""
void context_remark(const Running *running, const DureStats *stats); // that it ended the answer; on standard error

// ---- Replies (reply.c) ---------------------------------------------------------------------------------------------

bool reasoning_shown(const Options *options);
// --reasoning and --effort for the template, below what --kwargs says; *out: NULL or by malloc. A template that does not ask for the
// effort is remarked on. Exit code, told.
int reasoning_kwargs(char **out, const Options *options, const DureModel *model, Remarks *remarks);
// What --tools names, as JSON text by malloc; NULL: nothing. Exit code, told.
int tools_read(char **out, const Options *options);
// For the reply to these messages (JSON); the options outlive it. Returns a DureCode.
int reply_parser(DureParser **out, const DureModel *model, const char *messages, const DureRenderOptions *how,
                 const Options *options, DureError *error);
void answer_delta(Answer *answer, const AnswerHow *how, const DureDelta *delta);
void answer_text(Answer *answer, const AnswerHow *how, const char *text, size_t n);
json_t *answer_message(const Answer *answer);    // {"role": "assistant", ...}; its text is UTF-8
const char *answer_finish(const Answer *answer); // "finish_reason", as OpenAI's API has it
json_t *usage_json(const DureStats *stats);      // "usage": prompt_tokens, completion_tokens, total_tokens

// Ends the program with a sentence that names this model if a file of it is shortened under its mapping.
void shortened_catch(const char *path);
// SIGINT sets a flag instead of ending the program. The flag is the one thing that a signal handler can reach.
void interrupt_catch(void);
void interrupt_release(void);
bool interrupted(void); // since the last interrupt_forget
void interrupt_forget(void);

// ---- Lines from people (line.c) ------------------------------------------------------------------------------------

typedef enum LineEnd { LINE_TEXT, LINE_OVER, LINE_INTERRUPTED, LINE_INTERRUPTED_EMPTY } LineEnd;
typedef struct LineReader LineReader;
LineReader *line_open(bool editing);                                   // exits when memory ends
LineEnd line_read(LineReader *reader, const char *prompt, Bytes *out); // without its newline; a prompt ends in a blank
void line_remember(LineReader *reader, const char *text);
void line_close(LineReader *reader);

#endif
