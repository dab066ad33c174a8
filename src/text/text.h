// text: between bytes and token ids. Tokenizer, chat templates (Jinja), forms of reply. Knows only base.
//
// What a user writes never becomes a special token: a rendered prompt carries, besides its bytes, the ranges that come from
// messages rather than from the template; a guarded token matches only where no byte of it lies in such a range.
#ifndef DURE_TEXT_H
#define DURE_TEXT_H

#include "base/base.h"

typedef struct Range {
    size_t begin, end; // bytes [begin, end)
} Range;

typedef struct Ids {
    int32_t *at; // by malloc
    size_t n, capacity;
} Ids;

Err ids_put(Ids *ids, int32_t id);
void ids_free(Ids *ids);

// ---- Tokenizer -----------------------------------------------------------------------------------------------------

typedef struct Tokenizer Tokenizer;

// From the text of a tokenizer.json. An unknown component is refused by name. `source` names the file in errors.
Err tokenizer_from_json(Tokenizer **out, Str json, const char *source);
// From GGUF metadata (tokenizer.ggml.*). An unknown model or pre-tokeniser is refused by name.
Err tokenizer_from_gguf(Tokenizer **out, const Meta *meta);

// The name by which GGUF files know the pre-tokeniser that splits by this regular expression alone and normalises to this form ("NFC",
// "NFKC" or empty); NULL: none that is known.
const char *tokenizer_gguf_pre(Str regex, Str form);

// A SentencePiece model and the JSON files beside it, each empty where there is none.
typedef struct SentencePieceFiles {
    Str model;              // tokenizer.model
    Str tokenizer_config;   // tokenizer_config.json
    Str added_tokens;       // added_tokens.json
    Str special_tokens_map; // special_tokens_map.json
    const char *source;     // names the model's file in errors
} SentencePieceFiles;

// Ids equal to those of the fast tokenizer that transformers converts the files to.
Err tokenizer_from_sentencepiece(Tokenizer **out, const SentencePieceFiles *files);
void tokenizer_free(Tokenizer *tokenizer);

int32_t tokenizer_size(const Tokenizer *tokenizer); // highest id + 1
// The id of a token by its exact content (added tokens as written, others in the vocabulary's own spelling); -1: none.
int32_t tokenizer_id(const Tokenizer *tokenizer, Str content);
bool tokenizer_is_special(const Tokenizer *tokenizer, int32_t id);
// The token's content as text or bytes as decoding alone would give it; empty for an unknown id. Valid while the tokenizer lives.
Str tokenizer_token(const Tokenizer *tokenizer, int32_t id);
// Adds a token to those that match only outside message ranges; special tokens are guarded from the start. Unknown ids: ignored.
Err tokenizer_guard(Tokenizer *tokenizer, int32_t id);

typedef struct TokenizeOptions {
    bool add_special;      // the post-processor's beginning and end tokens
    bool plain;            // recognise no special tokens in the text
    const Range *messages; // ascending, disjoint; in these no byte of a guarded token may lie
    size_t message_count;
} TokenizeOptions;

// Ids equal to Hugging Face `tokenizers` on any input; ill-formed UTF-8 is read as U+FFFD for each maximal subpart.
// Near-linear in the length. Thread-safe on one Tokenizer. Appends to *out.
Err tokenize(const Tokenizer *tokenizer, Str text, const TokenizeOptions *options, Ids *out);
// The text of ids as `tokenizers` decodes them (no clean-up); ids out of range are skipped. Appends to *out.
Err detokenize(const Tokenizer *tokenizer, const int32_t *ids, size_t n, bool keep_special, Buf *out);

// Decoding as ids arrive: emits whole characters only, holds back the rest. Joined, equal to detokenize of all.
typedef struct Detokenizer {
    const Tokenizer *tokenizer;
    bool keep_special;
    bool begun;
    char held[64];
    size_t held_n;
    uint32_t stripped; // characters dropped from the start
    uint32_t waiting;  // characters that are dropped if the text ends behind them
    Buf long_run;      // byte tokens that `held` has no room for; detokenizer_end frees it
} Detokenizer;

Detokenizer detokenizer_new(const Tokenizer *tokenizer, bool keep_special);
Err detokenizer_put(Detokenizer *d, int32_t id, Buf *out);
Err detokenizer_end(Detokenizer *d, Buf *out); // what is held back, with U+FFFD where it is no character

// ---- Training a tokenizer ------------------------------------------------------------------------------------------

// Learns a byte-level BPE: texts are cut into pieces and counted, then the most frequent pair of neighbours becomes a token,
// again and again (Sennrich et al. 2016, arXiv 1508.07909). Merges equal to those of Hugging Face's BpeTrainer.
typedef struct TokenizerTrainer TokenizerTrainer;

typedef struct TrainerOptions {
    const char *split;          // how texts are cut, by llama.cpp's name; NULL: exaone-moe
    const char *const *special; // tokens that get the first ids; NULL-terminated, or NULL
    int parts;                  // of the counting: as many threads may feed
} TrainerOptions;

typedef bool TrainerProgress(void *user, int64_t done, int64_t total); // false: end with ERR_CANCELLED

Err tokenizer_trainer_new(TokenizerTrainer **out, const TrainerOptions *options);
void tokenizer_trainer_free(TokenizerTrainer *trainer);
int64_t tokenizer_trainer_least(const TokenizerTrainer *trainer); // tokens: the special ones and the bytes
// Counts the pieces of a text in UTF-8. One thread at a time for each part, 0 to parts - 1.
Err tokenizer_trainer_feed(TokenizerTrainer *trainer, int part, Str text);
// Once, behind all texts; `vocab` is at least tokenizer_trainer_least. *size: the tokens that there are then, fewer than `vocab` where no pair comes least_count times.
Err tokenizer_trainer_learn(TokenizerTrainer *trainer, int64_t vocab, int64_t least_count, TrainerProgress *progress,
                            void *user, int64_t *size);
Err tokenizer_trainer_json(const TokenizerTrainer *trainer, Buf *out); // tokenizer.json

// ---- Templates -----------------------------------------------------------------------------------------------------

typedef struct Template Template;

// Parses Jinja as transformers sets it up: trim_blocks, lstrip_blocks, loop controls, `generation`, sandbox.
Err template_parse(Template **out, Str source, const char *name);
void template_free(Template *t);

typedef struct Rendered {
    Buf text;
    Range *
        messages; // ranges that come from messages, tools, documents and kwargs: ascending, disjoint, merged; by malloc
    size_t message_count;
} Rendered;

void rendered_free(Rendered *rendered);

// Renders with `variables`, a JSON object; all its strings are from-message, keys of objects too, but for the roles of
// messages that the API knows and what stands at the top level under a name in `trusted` (special tokens; NULL-terminated list).
// `now`: seconds since the epoch and offset from UTC for strftime_now. Limits on depth, steps and output: errors with line and reason.
typedef struct RenderClock {
    int64_t seconds;
    int32_t utc_offset;
} RenderClock;

Err template_render(const Template *t, const json_t *variables, const char *const *trusted, RenderClock now,
                    Rendered *out);

// ---- Chat ----------------------------------------------------------------------------------------------------------

// A model's chat: template, special tokens as variables, form of reply.
typedef struct Chat Chat;

typedef struct ChatFiles {
    Str template_text;      // chat_template.jinja or tokenizer.chat_template; empty: taken from tokenizer_config
    Str tokenizer_config;   // JSON text or empty
    Str special_tokens_map; // JSON text or empty
    const Meta *gguf;       // or NULL: special tokens by id from here
    const char *source;     // for errors
} ChatFiles;

Err chat_new(Chat **out, const ChatFiles *files,
             Tokenizer *tokenizer); // guards the reply form's marks in the tokenizer
void chat_free(Chat *chat);

typedef struct ChatOptions {
    const json_t *tools;  // array or NULL
    const json_t *kwargs; // object or NULL: chat_template_kwargs
    RenderClock now;
    bool add_generation_prompt;
} ChatOptions;

// Checks the messages (array of objects, known roles, content a string, null or typed parts), then renders. The arguments of a
// call, a string of JSON in OpenAI's API, are an object for the template; what holds no object is left as it is.
Err chat_render(const Chat *chat, const json_t *messages, const ChatOptions *options, Rendered *out);

// ---- Forms of reply ------------------------------------------------------------------------------------------------

typedef enum CallSyntax { CALL_NONE, CALL_JSON, CALL_TAGGED, CALL_TYPED, CALL_LIST, CALL_XML, CALL_MEDIA } CallSyntax;

// How a model's reply is marked up. A constant table; chosen by the marks in template and vocabulary, not by architecture.
typedef struct ReplyForm {
    const char *name;
    const char *reasoning_open, *reasoning_close; // or NULL
    const char *call_open, *call_close;           // or NULL
    CallSyntax calls;
    bool strip_newlines;      // around reasoning, and before the answer
    const char *const *marks; // every string that structures a prompt or reply, NULL-terminated: guarded where a token
    const char *const *recognise;       // strings that must all stand in the template or be tokens, NULL-terminated
    const char *const *in_template;     // strings that must all stand in the template itself, NULL-terminated, or NULL
    const char *const *ends;            // tokens that end a reply besides those that the config names, NULL-terminated
    bool strip_blanks;                  // before the answer all white space goes, not newlines alone
    const struct ReplyMachine *machine; // what cuts a reply of this form apart
    const struct MarkRow *rows;         // the marks that it looks for
} ReplyForm;

extern const ReplyForm *const reply_forms[]; // NULL-terminated; the last one is plain text and fits everything
const ReplyForm *chat_reply_form(const Chat *chat);

// ---- Replies -------------------------------------------------------------------------------------------------------

// Cuts a reply apart as it comes: reasoning, answer, calls. Where a mark is a token of the vocabulary only that token counts,
// never its letters; other marks are found in the text. However a reply is split, the joined deltas are the same, and no byte
// is lost: each is in the reasoning, the content, a call, the partial call, or belongs to the form.
//
// Where a call is JSON or tagged pairs, whether it is one is known at its closing mark only (what is none stays content), so
// it is given out whole. A typed call's arguments (Solar Open) are given out as they come.
typedef struct Parser Parser;

typedef enum ParserStart { PARSER_START, PARSER_REASONING, PARSER_CONTENT } ParserStart; // what the prompt left open

typedef struct ParserOptions {
    ParserStart start;
    const json_t *tools; // array of functions as OpenAI has it, or NULL: says which arguments are strings. Borrowed
    const int32_t *ends; // tokens that end a reply besides those of the form
    size_t end_count;
    const char *const *stops; // strings before which the content ends; NULL-terminated, or NULL. Borrowed
    bool by_text;             // the reply comes by parser_put_text; all marks are found in the text
    bool drop_special;        // special tokens that are no marks are left out of the text
} ParserOptions;

// tokenizer may be NULL when by_text. Form, tokenizer and tools must outlive the parser.
Err parser_new(Parser **out, const ReplyForm *form, const Tokenizer *tokenizer, const ParserOptions *options);
void parser_free(Parser *parser);
// What comes after the reply's end is ignored.
Err parser_put(Parser *parser, int32_t id);
Err parser_put_text(Parser *parser, Str text); // any bytes; ill-formed UTF-8 is read as U+FFFD
// No more comes. stopped: because the model or a stop string ended the reply; false: it was cut. Once.
Err parser_end(Parser *parser, bool stopped);

typedef enum ReplyFinish { FINISH_LENGTH, FINISH_STOP, FINISH_CALLS } ReplyFinish;
ReplyFinish parser_finish(const Parser *parser); // after parser_end
bool parser_over(const Parser *parser);          // an end token, an end mark or a stop string was read
bool parser_thinks(const Parser *parser);        // what is read now is reasoning

typedef enum DeltaKind {
    DELTA_REASONING, // text; empty when reasoning begins
    DELTA_CONTENT,   // text
    DELTA_CALL,      // call `call` begins; text: the function's name, id: its id or empty
    DELTA_ARGUMENTS, // text: more of call `call`'s arguments
    DELTA_CALL_END,  // call `call` is complete
    DELTA_PARTIAL    // text: a call that stays unfinished, as written. One that had begun is none
} DeltaKind;

typedef struct Delta {
    DeltaKind kind;
    size_t call;
    Str text, id; // valid until the next parser_put, parser_put_text or parser_end
} Delta;

bool parser_next(Parser *parser, Delta *out); // false: none waits

// Where a prompt leaves the reply: the last reasoning mark that the template wrote behind all messages decides.
ParserStart reply_start(const ReplyForm *form, const Rendered *prompt);

// Whether a reply goes on behind an end token, the last of ids: in a form whose replies are turns, the token that ends a turn does
// not end the reply when the turn was a thought. ids: prompt and reply.
Err reply_goes_on(bool *goes_on, const ReplyForm *form, const Tokenizer *tokenizer, const int32_t *ids, size_t n);

// The whole reply, joined from deltas.
typedef struct ReplyCall {
    Buf id, name, arguments; // arguments: JSON, unless the model wrote something else
} ReplyCall;

typedef struct ReplyMessage {
    bool reasoned;
    Buf reasoning, content;
    ReplyCall *calls;
    size_t call_count, call_capacity;
    bool calling; // the last call is not complete yet
    bool is_partial;
    Buf partial;
} ReplyMessage;

Err reply_message_add(ReplyMessage *message, const Delta *delta);
void reply_message_free(ReplyMessage *message);
// {"message": {"role", "content", "reasoning_content", "tool_calls"}, "finish_reason", "partial"}
void reply_message_write(Buf *out, const ReplyMessage *message, ReplyFinish finish);

// ---- Stop strings --------------------------------------------------------------------------------------------------

// NULL-terminated lists; NULL is the empty one. Each must be well-formed UTF-8 and not empty.
Err stops_check(const char *const *stops);
// Bytes of the text to be given out now. *stopped: a stop string follows them; else the rest may begin one.
size_t stops_release(const char *const *stops, Str text, bool *stopped);

#endif
