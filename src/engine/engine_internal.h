// What the files of engine/ share and nobody else sees.
#ifndef DURE_ENGINE_INTERNAL_H
#define DURE_ENGINE_INTERNAL_H

#include "engine/engine.h"

// ---- api.c ---------------------------------------------------------------------------------------------------------

static inline Str api_str(const char *text, size_t n) // NULL is fine for nothing
{
    return (Str){ n ? text : "", n };
}
int api_text(DureText *out, Buf *buf, Err e, DureError *error); // gives the Buf's bytes away on success, frees it else
int api_ids(DureIds *out, Ids *ids, Err e, DureError *error);

// ---- random.c ------------------------------------------------------------------------------------------------------

// What the random numbers of one position are for: each use has counters of its own, so that none depends on another.
typedef enum RandomUse { RANDOM_TOKEN, RANDOM_XTC } RandomUse;

void philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);
// [0, 1), 53 bits: words 1 and 0 of counter (position, use)
double philox_uniform(uint64_t seed, uint64_t position, RandomUse use);

// ---- sampler.c, sampler_logits.c, sampling_check.c -----------------------------------------------------------------

Err sampling_check(const DureSampling *options); // ERR_USAGE names the field
size_t sampler_bytes(int64_t vocab);             // what sampler_new takes at most

typedef struct Candidate {
    float logit;
    int32_t id;
} Candidate;

enum {
    REPEAT_WINDOW = 64,
    DRY_MATCH_MOST = 1024 // longer repetitions count as this long
};

struct Sampler {
    DureSampling options;
    LogitMask mask;
    int64_t vocab;
    Candidate *memory;  // [vocab]
    uint32_t *counts;   // [vocab]: nought between the steps
    uint32_t *breakers; // a bit per id
    DureBias bias[DURE_BIAS_MOST];
    int32_t prefix[DRY_MATCH_MOST];
};

// The steps that change logits, in this order, each on all of them.
Err sampler_check(Sampler *sampler, const SampleAt *at); // NaN is refused, +INFINITY counts as FLT_MAX
Err sampler_mask(Sampler *sampler, const SampleAt *at);
Err sampler_bias(Sampler *sampler, const SampleAt *at); // and what is forbidden
Err sampler_repetition(Sampler *sampler, const SampleAt *at);
Err sampler_presence(Sampler *sampler, const SampleAt *at); // and frequency
Err sampler_dry(Sampler *sampler, const SampleAt *at);

// ---- logprobs.c ----------------------------------------------------------------------------------------------------

// out [1 + top]: of id, then of the `top` likeliest, best first, ties by the lower id; top is at most vocab.
void logprobs_measure(DureLogprob *out, int top, const float *logits, int64_t vocab, int32_t id);

// ---- dure_model.c --------------------------------------------------------------------------------------------------

enum { MODEL_ENDS_MOST = 64 };

// Opened once, never written afterwards: engines and threads share it. What could not be loaded is NULL and its Err says why;
// whoever needs it returns that Err.
struct DureModel {
    Ledger ledger; // mapped and resident; no limit
    Arena arena;   // recipe, weights, small vectors
    void (*write)(void *user, int level, const char *text);
    void *write_user;
    Log log;
    char *path;
    bool text_only;
    Checkpoint *checkpoint;
    Recipe *recipe;
    Weights *weights;
    Report report; // what recipe_from or weights_bind found wrong
    Err recipe_fault, weights_fault;
    Tokenizer *tokenizer;
    Err tokenizer_fault;
    bool tokenizer_absent; // no file of one
    Chat *chat;
    Err chat_fault;
    json_t *generation; // generation_config.json, or NULL
    Err generation_fault;
    int32_t ends[MODEL_ENDS_MOST]; // tokens that end a reply: ascending, distinct
    int end_count;
};

bool model_is_end(const DureModel *model, int32_t id);
// Whether the last of a session's tokens ends the reply: an end token ends no turn of a reply that goes on behind it.
Err model_ends_reply(bool *end, const DureModel *model, const int32_t *ids, size_t n);
Err model_defaults(const DureModel *model, json_t **out); // new object: the recommended sampling

// ---- check.c -------------------------------------------------------------------------------------------------------

// Reads all bound weights once; ERR_FORMAT names the first tensor that holds NaN or an infinity. options: its check_progress is told
// how far it is. The ledger (may be NULL) counts the work while it lasts.
Err weights_check(const DureModel *model, const DureEngineOptions *options, int threads, Ledger *ledger);

// ---- plan.c --------------------------------------------------------------------------------------------------------

// The options with every default but the context's filled in.
typedef struct Settings {
    int64_t context; // 0: to be found
    int64_t chunk, most_rows, sessions;
    int threads;
    CpuLevel level;
    KvOptions kv;
    int64_t limit;
    DureDraft draft;      // what proposes: never AUTO or DEFAULT
    int64_t draft_tokens; // at most, in one step
} Settings;

Err settings_from(Settings *out, const DureEngineOptions *o, const Recipe *recipe);
DecoderOptions decoder_options(const Settings *settings);
// All that does not depend on the context: what will be mapped, work, limit.
DurePlan plan_start(const Settings *settings, const Recipe *recipe, int64_t mapped);
int64_t plan_total(const DurePlan *plan);
Err plan_refuse(const DurePlan *plan, const Settings *settings, int64_t fits);
// Fills in context and cache; refuses what does not fit. plan: mapped, resident, work and limit are known.
Err plan_settle(DurePlan *plan, Settings *settings, const Recipe *recipe);
// What an engine over `mapped` bytes of weights would take, draft layers included; refuses nothing for its size. *largest: the
// largest context that fits, 0 for none.
Err plan_reckon(DurePlan *plan, int64_t *largest, const Recipe *recipe, const DureEngineOptions *options,
                int64_t mapped);

// ---- inspect.c, inspect_recipe.c, inspect_sizes.c --------------------------------------------------------------------

// JSON in the making. A value that could not be made sets `failed`, which is asked once at the end.
typedef struct JsonMaker {
    bool failed;
} JsonMaker;

void json_put(JsonMaker *m, json_t *object, const char *name, json_t *value);
void json_push(JsonMaker *m, json_t *array, json_t *value);
json_t *json_text(Str text); // names in hostile files need not be UTF-8
void json_put_text(JsonMaker *m, json_t *object, const char *name, const char *text);
void json_put_int(JsonMaker *m, json_t *object, const char *name, int64_t value);
void json_put_real(JsonMaker *m, json_t *object, const char *name, double value);

int64_t stored_elements(const Stored *stored); // -1: more than can be counted; the reader has checked the bytes
void inspect_recipe(JsonMaker *m, json_t *top, const Recipe *r); // may be NULL
Err inspect_sizes(JsonMaker *m, json_t *top, const DureModel *model, const DureEngineOptions *options);

// ---- dure_text.c ---------------------------------------------------------------------------------------------------

Err model_tokenize(const DureModel *model, Str text, int flags, Ids *out);
// What is wanted of a rendering, each may be NULL: text and ids start empty and are the caller's also on failure.
typedef struct RenderTo {
    Buf *text;
    Ids *ids;
    ParserStart *start; // where the prompt leaves the reply
} RenderTo;

Err model_render(const DureModel *model, Str messages, const DureRenderOptions *options, const RenderTo *out);

// ---- thought.c: the budget of reasoning ----------------------------------------------------------------------------

typedef struct Thought {
    Parser *parser; // knows what is reasoning; NULL: no budget
    int64_t left;   // tokens of reasoning that may still come
    Ids close;      // the mark that ends reasoning
    size_t forced;  // how many of these were given; 0: the mark is not being given
    bool closed;    // it was given, and reasoning has not ended since
} Thought;

// budget < 0: none. A model whose replies have no reasoning is told once per engine.
Err thought_begin(Thought *thought, DureEngine *engine, ParserStart start, int64_t budget);
bool thought_forces(Thought *thought, int32_t *id); // the next token must be this
Err thought_put(Thought *thought, int32_t id);      // the next token is this
void thought_free(Thought *thought);

// ---- reply.c: from sampled tokens to events ------------------------------------------------------------------------

typedef struct Event {
    DureEventKind kind;
    int64_t done, total;
    Buf text; // or DureLogprobs
    size_t each;
    DureReason reason;
} Event;

// First in, first out. Events of one kind and reply become one, so a reply needs at most EVENTS_PER_REPLY.
typedef struct EventQueue {
    Event *at;
    size_t first, n, capacity;
    Buf given; // text of the last event that was taken
} EventQueue;

enum { EVENTS_PER_REPLY = 4 };

Err events_reserve(EventQueue *queue, size_t more);
void events_prompt(EventQueue *queue, int64_t done, int64_t total); // these four need reserved room
Err events_text(EventQueue *queue, Str text);
Err events_logprobs(EventQueue *queue, const DureLogprob *logprobs, size_t each); // of one token
void events_end(EventQueue *queue, DureReason reason);
bool events_take(EventQueue *queue, DureEvent *out);
void events_free(EventQueue *queue);

// Where DRY's repetitions end: at tokens whose text holds a breaker, or completes one that earlier tokens began.
typedef struct Breakers {
    const Tokenizer *tokenizer; // NULL: there are none
    char **at;                  // own copies, NULL-terminated
    char *tail;                 // the last bytes of the text
    size_t tail_n, longest;
    size_t unbroken; // tokens since the last one that breaks
} Breakers;

// ids [n]: what the reply follows. The sampler is told the ids that hold a breaker: vocabulary times breakers short searches.
Err breakers_begin(Breakers *breakers, const DureSampling *options, const Tokenizer *tokenizer, Sampler *sampler);
void breakers_put(Breakers *breakers, const int32_t *ids, size_t n);
void breakers_free(Breakers *breakers);

typedef struct Reply {
    DureSampling options;       // without its lists
    Sampler *sampler;           // NULL: nothing is sampled
    char **stop;                // own copies, NULL-terminated; NULL: none
    int32_t *stop_ids;          // own copy
    const Tokenizer *tokenizer; // NULL: no text
    Detokenizer detokenizer;
    Buf held; // text that may yet turn out to begin a stop string
    int64_t tokens;
    Breakers breakers; // kept while DRY is on
    Thought thought;
    int32_t *forbid; // [MODEL_ENDS_MOST + stop_id_count]: room for what ends a reply; NULL without min_tokens
} Reply;

// What a reply is made with; tokenizer may be NULL when there are no strings in the options.
typedef struct ReplyBase {
    const Tokenizer *tokenizer;
    int64_t vocab;
    const LogitMask *mask; // or NULL
    const int32_t *ids;    // [n]: what it follows
    size_t n;
} ReplyBase;

Err strings_copy(char ***out, const char *const *list, const char *what); // NULL for none; free with strings_free
void strings_free(char **strings);
// *reply is empty before.
Err reply_begin(Reply *reply, const DureSampling *options, const ReplyBase *base);
bool reply_is_stop_id(const Reply *reply, int32_t id);
// Passes one token's text on, as far as it cannot begin a stop string. *stopped: a stop string was completed.
Err reply_put(Reply *reply, int32_t id, EventQueue *events, bool *stopped);
Err reply_flush(Reply *reply, EventQueue *events); // no more tokens: what is held back is text
void reply_free(Reply *reply);

// ---- session.c -----------------------------------------------------------------------------------------------------

enum { SESSION_MARKS = 16, DRAFT_MOST = 16 };

typedef enum SessionState { SESSION_IDLE, SESSION_READING, SESSION_REPLYING } SessionState;

typedef struct Embedding {
    double *sum;          // [hidden], and behind it
    float *last;          // [hidden]; NULL both until the first is wanted
    int64_t rows, wanted; // tokens that were read, of so many; wanted 0: none
} Embedding;

struct DureSession {
    DureEngine *engine;
    DureSession *before, *after; // in the engine's list, oldest first
    KvSequence *sequence;
    Ids tokens;                   // fed and sampled, at most the context; the cache holds a prefix of them
    KvMark *marks[SESSION_MARKS]; // ascending lengths, all on the present tokens
    int mark_count;
    int64_t turn_end; // a mark shall stand at this length, before a generation prompt; 0: none
    SessionState state;
    atomic_bool cancel;
    Reply reply;
    LogitMask mask;   // of its replies; NULL: none
    ParserStart open; // where what was fed leaves the reply
    EventQueue events;
    DureStats stats;
    Embedding embedding;
    DureWatch watch;           // all NULL: off
    bool waiting;              // in the running step: still to be advanced
    int64_t share;             // in the running batch: rows
    int64_t drafted;           // of them, proposals
    int32_t draft[DRAFT_MOST]; // proposals for the tokens behind the last
    int64_t draft_count;
};

Err session_sample(DureSession *session,
                   const float *logits);             // session_sample.c: the next token, and what follows of it
int64_t session_pending(const DureSession *session); // tokens that the cache does not hold yet
void session_mark(DureSession *session);             // where the cache stands; a mark is a convenience and may fail
void session_unmark(DureSession *session, int64_t longer_than);
// The batch with the session's rows was run, and the cache advanced. logits: of the last row; NULL: not wanted.
Err session_advance(DureSession *session, const float *logits);
void session_trim(DureSession *session); // while replying: the cache forgets rows of proposals that do not stand
void session_finish(DureSession *session, DureReason reason); // ends the reply; never fails: END has its room

// ---- embedding.c ---------------------------------------------------------------------------------------------------

Err embedding_begin(DureSession *session); // for all its tokens; none is in the cache
bool embedding_wants(const DureSession *session);
void embedding_put(DureSession *session, const float *norms,
                   int64_t rows); // the next rows, [rows, hidden]; at least one
void embedding_free(DureSession *session);

// ---- draft.c -------------------------------------------------------------------------------------------------------

typedef struct DraftPace { // fading sums
    double seconds, tokens;
    int64_t samples;
} DraftPace;

// How many proposals stand behind the session's pending token in the next batch, at most `room`: s->draft[0, n).
int64_t draft_rows(DureSession *session, int64_t room);
// Samples from the rows of the pending token and of the proposals as long as these stand. logits: [1 + drafted, vocab]
Err draft_accept(DureSession *session, const float *logits, int64_t drafted);
void draft_measure(DureEngine *engine, bool drafted, double seconds, int64_t tokens); // a step of one replying session
// The draft layers' passes behind a main pass: begin, add each session's rows ([begin, cache length), the first of them `row` of the
// main batch), run. New proposals are in the sessions then.
void draft_begin(DureEngine *engine);
void draft_add(DureEngine *engine, DureSession *session, int64_t row, int64_t begin);
Err draft_run(DureEngine *engine, const Trace *trace); // trace: of the first pass; may be NULL

// ---- engine.c, schedule.c ------------------------------------------------------------------------------------------

struct DureEngine {
    const DureModel *model;
    Ledger ledger; // limit: what may be used, less the mapped weights
    DurePlan plan;
    Backend *backend;
    Decoder *decoder;
    KvCache *cache;
    KvOptions kv;
    int64_t chunk, most_rows;
    BatchRow *rows; // [most_rows]
    float *logits;  // [vocab]: a row that the sampler may change
    float *norms;   // [most_rows, hidden], for embeddings; NULL until the first is wanted
    DureSession *first, *last;
    bool told_thoughtless;  // that a budget of reasoning has no effect
    DureDraft draft_choice; // as asked for; AUTO: while it wins
    DureDraft draft_kind;   // what proposes
    int64_t draft_tokens;
    BatchRow *draft_rows; // [most_rows], of the draft layers' pass
    int32_t *draft_from;
    int64_t draft_T;
    DraftPace pace[2]; // without, with drafts
    int64_t since_probe;
};

Err engine_step(DureEngine *engine, int *advanced);

#endif
