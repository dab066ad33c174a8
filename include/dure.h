/* libdure: run language models from their published checkpoints.
 *
 * A model is files opened; an engine computes with a model; a session is one conversation in an engine.
 *
 *     dure_model_open -> dure_engine_new -> dure_session_new -> dure_session_feed_... -> dure_session_start
 *     -> { dure_engine_step, dure_session_next }... -> dure_session_free -> dure_engine_free -> dure_model_close
 *
 * Every function that can fail returns 0 for success or a DureCode, and fills *error (may be NULL) with one sentence. What an
 * out parameter pointed to is changed only on success. One engine and its sessions belong to one thread at a time, but for
 * dure_session_cancel, which any thread may call. Two engines share nothing but the model, which is never written. Nothing here
 * prints, exits, or reads the environment. Text is UTF-8. */
#ifndef DURE_H
#define DURE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DURE_API __attribute__((visibility("default")))

typedef enum DureCode {
    DURE_OK = 0,
    DURE_USAGE,       /* asked for something that has no meaning */
    DURE_FILE,        /* cannot be opened or read */
    DURE_FORMAT,      /* was read, and is damaged or lies */
    DURE_UNSUPPORTED, /* well formed, but nothing here runs it */
    DURE_MEMORY,      /* the system has no more */
    DURE_LIMIT,       /* a limit would be passed */
    DURE_CANCELLED,
    DURE_INTERNAL
} DureCode;

typedef struct DureError {
    int code; /* a DureCode */
    char text[512];
} DureError;

typedef struct DureModel DureModel;
typedef struct DureEngine DureEngine;
typedef struct DureSession DureSession;

/* Bytes and ids that the library gives away; free with dure_text_free, dure_ids_free. `at` is NUL-terminated. */
typedef struct DureText {
    char *at;
    size_t n;
} DureText;
typedef struct DureIds {
    int32_t *at;
    size_t n;
} DureIds;
DURE_API void dure_text_free(DureText *text);
DURE_API void dure_ids_free(DureIds *ids);

DURE_API const char *dure_version(void);

/* The language of every sentence that the library makes in this process from now on: "ko", or "en" as at first; the name of a
 * locale of theirs will do. DURE_UNSUPPORTED: it knows no such language, and nothing changed. */
DURE_API int dure_language(const char *language);
/* One of the library's or the program's English sentences or printf formats in that language; itself where there is none. */
DURE_API const char *dure_message(const char *english) __attribute__((format_arg(1)));

/* ---- Model ---- */

typedef enum DureLogLevel { DURE_LOG_ERROR, DURE_LOG_WARNING, DURE_LOG_INFO, DURE_LOG_DEBUG } DureLogLevel;

typedef struct DureModelOptions {
    int text_only; /* 1: tokenizer and template alone; config and weights may be absent */
    void (*log)(void *user, int level, const char *text); /* may be NULL */
    void *log_user;
} DureModelOptions;

/* path: a folder, a .safetensors or a .gguf file. options may be NULL. */
DURE_API int dure_model_open(DureModel **out, const char *path, const DureModelOptions *options, DureError *error);
DURE_API void dure_model_close(DureModel *model);
/* What generation_config.json recommends, under its names: temperature, top_k, top_p, min_p, typical_p, repetition_penalty,
 * frequency_penalty, presence_penalty, as far as it has them; {} when it says nothing. Without a temperature it is greedy. */
DURE_API int dure_model_defaults(const DureModel *model, DureText *json, DureError *error);
/* What the model's makers say of how to ask it: its help.txt, or dure.help in a GGUF file; empty where there is none. */
DURE_API int dure_model_help(const DureModel *model, DureText *text, DureError *error);
DURE_API int64_t dure_model_hidden(const DureModel *model); /* numbers of a hidden state; 0: without a config */

/* ---- Text ---- */

typedef enum DureTokenizeFlags {
    DURE_NO_SPECIAL = 1, /* add no beginning or end token, but recognise special tokens written in the text */
    DURE_PLAIN = 2       /* neither */
} DureTokenizeFlags;

DURE_API int dure_tokenize(const DureModel *model, const char *text, size_t n, int flags, DureIds *out,
                           DureError *error);
DURE_API int dure_detokenize(const DureModel *model, const int32_t *ids, size_t n, int keep_special, DureText *out,
                             DureError *error);
/* The token's own text, for showing; empty for unknown ids. */
DURE_API int dure_token_text(const DureModel *model, int32_t id, DureText *out, DureError *error);

typedef struct DureRenderOptions {
    const char *tools;  /* JSON array, or NULL */
    const char *kwargs; /* JSON object for the template, or NULL */
    int64_t now;        /* seconds since the epoch, for templates that ask the date */
    int32_t utc_offset; /* seconds */
    int no_generation_prompt;
} DureRenderOptions;

/* messages: JSON array of OpenAI-style messages. text and ids may each be NULL. What users wrote never becomes a special token. */
DURE_API int dure_render(const DureModel *model, const char *messages, size_t n, const DureRenderOptions *options,
                         DureText *text, DureIds *ids, DureError *error);

/* ---- Replies ---- */

typedef enum DureOpen { DURE_OPEN_START, DURE_OPEN_REASONING, DURE_OPEN_CONTENT } DureOpen; /* by the prompt's end */

/* Where the prompt that dure_render makes of the same arguments leaves the reply. *open: a DureOpen. */
DURE_API int dure_reply_open(const DureModel *model, const char *messages, size_t n, const DureRenderOptions *options,
                             int *open, DureError *error);

/* What a model replied: its tokens, or its text, in which marks are found by their letters. */
typedef struct DureReply {
    const int32_t *ids; /* NULL: by text */
    size_t id_count;
    const char *text;
    size_t n;
    int open;          /* DureOpen */
    const char *tools; /* JSON array of the functions offered, or NULL: says which arguments are strings */
} DureReply;

/* {"message": {"role", "content", "reasoning_content", "tool_calls"}, "finish_reason", "partial"}: the reply cut apart by the
 * model's form of reply. "partial" is the text of an unfinished call, or null; without an end token the reason is "length". */
DURE_API int dure_parse(const DureModel *model, const DureReply *reply, DureText *json, DureError *error);

/* The same while the reply comes. Joined, the deltas are the whole, however the reply was split. The model must outlive it. */
typedef struct DureParser DureParser;

typedef struct DureParserOptions {
    int open;                /* DureOpen */
    const char *tools;       /* as in DureReply */
    int by_text;             /* 1: dure_parser_put_text feeds it, else dure_parser_put */
    int drop_special;        /* 1: special tokens that are no marks are left out */
    const char *const *stop; /* strings before which the content ends: NULL-terminated, or NULL. Not copied */
} DureParserOptions;

typedef enum DureDeltaKind {
    DURE_DELTA_REASONING, /* text; empty when reasoning begins */
    DURE_DELTA_CONTENT,   /* text */
    DURE_DELTA_CALL,      /* a call begins; text: the function's name, id: what the model gave, or empty */
    DURE_DELTA_ARGUMENTS, /* text: more of the call's arguments */
    DURE_DELTA_CALL_END,
    DURE_DELTA_PARTIAL /* text: a call that stays unfinished, as written; one that had begun does not count */
} DureDeltaKind;

typedef struct DureDelta {
    DureDeltaKind kind;
    size_t call; /* number of the call, from 0 */
    const char *text;
    size_t n;
    const char *id;
    size_t id_n;
} DureDelta; /* valid until the parser is fed again */

DURE_API int dure_parser_new(DureParser **out, const DureModel *model, const DureParserOptions *options,
                             DureError *error);
DURE_API void dure_parser_free(DureParser *parser);
DURE_API int dure_parser_put(DureParser *parser, const int32_t *ids, size_t n, DureError *error);
DURE_API int dure_parser_put_text(DureParser *parser, const char *text, size_t n, DureError *error);
/* 1: an end token or a stop string was read; what follows is ignored. */
DURE_API int dure_parser_over(const DureParser *parser);
/* Nothing follows. stopped: the model or a stop string ended the reply; 0: it was cut. */
DURE_API int dure_parser_end(DureParser *parser, int stopped, DureError *error);
/* 1: *delta holds the next one; 0: none waits. */
DURE_API int dure_parser_next(DureParser *parser, DureDelta *delta);

/* ---- Engine ---- */

typedef enum DureKvType { DURE_KV_DEFAULT, DURE_KV_F32, DURE_KV_BF16, DURE_KV_Q8 } DureKvType;

/* Latent attention. Absorbed: the smallest cache. Expanded: a cache many times larger, less to compute for long
 * prompts with short answers. Mixed: absorbed, but long pieces of a prompt are expanded while they are read; answers then depend in
 * their last bits on what was cached. */
typedef enum DureMla { DURE_MLA_ABSORBED, DURE_MLA_EXPANDED, DURE_MLA_MIXED } DureMla;

/* Tokens proposed cheaply and checked by the model in one batch; answers are the same with them and without. NGRAM: what followed
 * the last words when they came before in the text. MTP: the model's own draft layers. AUTO: MTP where the model has such layers,
 * else NGRAM; used while it makes replies faster. */
typedef enum DureDraft {
    DURE_DRAFT_DEFAULT,
    DURE_DRAFT_OFF,
    DURE_DRAFT_AUTO,
    DURE_DRAFT_NGRAM,
    DURE_DRAFT_MTP
} DureDraft;

typedef struct DureEngineOptions {
    int64_t context;      /* most tokens of one session; 0: what the model allows and memory fits */
    int threads;          /* 0: all processors */
    int64_t chunk;        /* prompt tokens per step; 0: 512 */
    int kv;               /* DureKvType; default: bf16, f32 under "scalar" */
    const char *cpu;      /* scalar avx2 avx2vnni avx512 avx512vnni avx512bf16; NULL: the best that runs */
    int64_t memory;       /* bytes that may be used; 0: what is available now */
    int sessions;         /* sessions planned for; 0: 1 */
    int64_t page_tokens;  /* cache page; 0: 64; a multiple of 32 */
    int mla;              /* DureMla */
    int draft;            /* DureDraft; default: AUTO */
    int64_t draft_tokens; /* at most, in one step; 0: 4; up to 16 */
    int check; /* 1: all weights are read once beforehand, and the first tensor with NaN or an infinity is the error */
    void (*check_progress)(void *user, int64_t done, int64_t total); /* bytes read; may be NULL */
    void *check_user;
} DureEngineOptions;

/* The ledger: planned before anything is computed. Bytes. */
typedef struct DurePlan {
    int64_t mapped, resident, kv, work, limit;
    int64_t context;
    int threads;
    const char *cpu; /* the level that runs */
    const char *kv_type;
} DurePlan;

typedef struct DureInspectOptions {
    int tensors; /* 1: one entry per tensor, or per one that is wanted where there is but a config */
    DureEngineOptions
        engine; /* for what would fit: context (0: the model's), chunk, kv, memory, sessions, ...; and check */
} DureInspectOptions;

/* What the files hold and how large it is, as one JSON object: family, sizes, layers, parameters, cache, formats, tokenizer,
 * template, faults, assumed values. Works for models that cannot run (`faults` then says why) and for a folder that holds only
 * config.json. options may be NULL. */
DURE_API int dure_model_inspect(const DureModel *model, const DureInspectOptions *options, DureText *json,
                                DureError *error);

DURE_API int dure_engine_new(DureEngine **out, const DureModel *model, const DureEngineOptions *options,
                             DureError *error);
DURE_API void dure_engine_free(DureEngine *engine); /* its sessions must be freed before */
DURE_API void dure_engine_plan(const DureEngine *engine, DurePlan *out);
/* Advances every ready session by one batch: a chunk of its prompt, or one token. *advanced: how many; 0 means nothing to do. A
 * session for whose tokens no memory is left ends as cancelled and is the error; the others go on, in the next call if need be. */
DURE_API int dure_engine_step(DureEngine *engine, int *advanced, DureError *error);

/* ---- Session ---- */

typedef struct DureBias {
    int32_t id;
    float bias; /* added to the token's logit: -1e6 to 1e6, or -INFINITY */
} DureBias;

/* How a reply is drawn. The steps, their order and formulas: docs/sampling.md. Begin with dure_sampling_default. Pointers need to
 * be valid during dure_session_start alone. A value out of its range is refused by name. */
typedef struct DureSampling {
    double temperature;       /* 0: greedy; the steps from top_n_sigma to xtc have no effect then */
    double dynatemp_range;    /* 0: off; the temperature is within +- this, by the entropy */
    double dynatemp_exponent; /* 1; 0 and more */
    double top_n_sigma;       /* 0: off */
    int top_k;                /* 0: off */
    double top_p;             /* 1: off */
    double min_p;             /* 0: off */
    double typical_p;         /* 1: off */
    double xtc_probability;   /* 0: off */
    double xtc_threshold;     /* 0.1; above 0, to 1 */
    double repeat_penalty;    /* 1: off */
    double frequency_penalty; /* 0: off; -2 to 2, times the token's count in the reply */
    double presence_penalty;  /* 0: off; -2 to 2, for each token of the reply */
    int repeat_window; /* last tokens that these three look at; -1: all; 0: 64 for repeat_penalty, for the others all */
    double dry_multiplier;  /* 0: off */
    double dry_base;        /* 1.75; 1 and more */
    int dry_allowed_length; /* 2; repeated tokens that cost nothing yet; 1 and more */
    int dry_range;          /* last tokens that it looks at; 0 or -1: all */
    const char *const
        *dry_breakers;          /* NULL-terminated list of strings over which no repetition goes; NULL: newline : " * */
    const DureBias *logit_bias; /* [logit_bias_count], at most DURE_BIAS_MOST; those of one id add up */
    size_t logit_bias_count;
    uint64_t seed;
    int64_t min_tokens;      /* tokens that end the reply are not drawn before; 0: off */
    int64_t max_tokens;      /* 0: until the end token or the context's end */
    const char *const *stop; /* NULL-terminated list, or NULL; the stop string itself is not given out */
    const int32_t *stop_ids; /* [stop_id_count]: tokens that end the reply as end tokens do, even with ignore_end */
    size_t stop_id_count;
    int64_t think_budget; /* most tokens of reasoning, behind which the mark that ends it is forced; -1: no bound */
    int open;         /* DureOpen: where what was fed as tokens or text leaves the reply; after messages it is known */
    int logprobs;     /* -1: none; N, 0 to 20: tell the log-probability of each token and of the N likeliest */
    int ignore_end;   /* 1: end tokens are tokens like others */
    int keep_special; /* 1: special tokens appear in the text */
} DureSampling;

enum { DURE_BIAS_MOST = 4096 };

DURE_API void dure_sampling_default(DureSampling *out); /* temperature 0, everything off */

/* A natural logarithm, measured of the model's own logits, before any step of sampling. */
typedef struct DureLogprob {
    int32_t id;
    double logprob;
} DureLogprob;

enum { DURE_LOGPROBS_MOST = 20 };

typedef enum DureEventKind {
    DURE_EVENT_PROMPT,  /* prompt tokens were read: done of total */
    DURE_EVENT_TEXT,    /* text, whole characters */
    DURE_EVENT_END,     /* the reply is over: reason; NONE: reading, without a reply, is done */
    DURE_EVENT_LOGPROBS /* of tokens that were sampled, end tokens included; their text comes later, if they have any */
} DureEventKind;

typedef enum DureReason { DURE_REASON_NONE, DURE_REASON_STOP, DURE_REASON_LENGTH, DURE_REASON_CANCELLED } DureReason;

/* Events of one kind that nobody takes are joined. Pointers are valid until the next call on this session. */
typedef struct DureEvent {
    DureEventKind kind;
    int64_t done, total; /* PROMPT */
    const char *text;    /* TEXT */
    size_t n;
    DureReason reason;           /* END */
    const DureLogprob *logprobs; /* LOGPROBS: [tokens, each]: the token itself, then the likeliest in order */
    size_t tokens, each;
} DureEvent;

typedef struct DureStats {
    int64_t prompt_tokens; /* of the last reply's prompt, cached ones included */
    int64_t cached_tokens; /* of these, found in the cache */
    int64_t reply_tokens;  /* sampled, the end token included */
    int64_t context_used;  /* tokens in the cache now */
    double prompt_seconds, reply_seconds;
    int64_t draft_tokens, draft_accepted; /* proposed; of these, such as stood */
} DureStats;

DURE_API int dure_session_new(DureSession **out, DureEngine *engine, DureError *error);
DURE_API void dure_session_free(DureSession *session);
/* A new session with the same tokens in its cache; pages are shared until one of them writes. */
DURE_API int dure_session_fork(DureSession **out, DureSession *session, DureError *error);

/* To a file and back, with what the cache holds. messages (may be NULL): text that is kept with it and given back by _load (may be
 * NULL there). A session of another model is refused; where the engine's cache is of another kind, the tokens are read again when
 * the session is next started. The file is written beside its place and renamed: one that was there stays whole until then. */
DURE_API int dure_session_save(const DureSession *session, const char *path, const char *messages, size_t n,
                               DureError *error);
DURE_API int dure_session_load(DureSession **out, DureEngine *engine, const char *path, DureText *messages,
                               DureError *error);

/* What comes next in the session. _messages takes the whole conversation: what the cache already holds of it is kept. */
DURE_API int dure_session_feed_tokens(DureSession *session, const int32_t *ids, size_t n, DureError *error);
DURE_API int dure_session_feed_text(DureSession *session, const char *text, size_t n, int flags, DureError *error);
DURE_API int dure_session_feed_messages(DureSession *session, const char *messages, size_t n,
                                        const DureRenderOptions *options, DureError *error);
DURE_API int dure_session_reset(DureSession *session, DureError *error); /* forgets all tokens */
/* From now on dure_engine_step reads what was fed, then samples a reply. sampling NULL: read only, no reply. */
DURE_API int dure_session_start(DureSession *session, const DureSampling *sampling, DureError *error);
/* The same without a reply, and besides the hidden states behind the last norm of all tokens of the session are taken, for
 * dure_session_embedding. What the cache held of them is read again. */
DURE_API int dure_session_start_embedding(DureSession *session, DureError *error);

typedef enum DurePooling { DURE_POOLING_MEAN, DURE_POOLING_LAST } DurePooling; /* of all tokens' states; the last's */

/* Of the last dure_session_start_embedding, once its END event is there. pooling: a DurePooling. normalise: 1 makes the length 1.
 * out [n]: n is dure_model_hidden. */
DURE_API int dure_session_embedding(const DureSession *session, int pooling, int normalise, float *out, size_t n,
                                    DureError *error);
/* 1: *event holds the next result; 0: none waits. */
DURE_API int dure_session_next(DureSession *session, DureEvent *event);
/* Any thread; the reply ends at the next step. What was read stays in the session. Without effect on replies started later. */
DURE_API void dure_session_cancel(DureSession *session);
DURE_API void dure_session_stats(const DureSession *session, DureStats *out);
/* Ids of the whole session so far, fed and sampled. */
DURE_API int dure_session_tokens(const DureSession *session, DureIds *out, DureError *error);

/* Watching the numbers. Called from dure_engine_step; the arrays are valid during the call. */
typedef struct DureWatch {
    /* logits of every position when all_logits, else of those that are sampled from; position of the row's token */
    void (*logits)(void *user, int64_t position, const float *logits, int64_t vocab);
    /* inner states by the names of tests/golden: "embed", "layer00", "norm", "router01.logits", ... Either f or i is set. The
     * session is then alone in its batches, and a prompt that fits a chunk comes in one piece. */
    void (*tensor)(void *user, const char *name, const float *f, const int32_t *i, int64_t rows, int64_t cols);
    void *user;
    int all_logits;
    /* logits of the draft layers' passes (DURE_DRAFT_MTP): the row at `position` has the token behind it, too, and proposes the one
     * after that. After the last token, chained proposals follow at the positions behind it. */
    void (*draft)(void *user, int64_t position, const float *logits, int64_t vocab);
} DureWatch;
DURE_API void dure_session_watch(DureSession *session, const DureWatch *watch); /* NULL: off; the struct is copied */

/* ---- Tensors to a file ---- */

typedef struct DureTensor {
    const char *name;
    const float *f;   /* f32, or */
    const int32_t *i; /* i32; the other is NULL */
    int rank;         /* 1 to 4 */
    int64_t shape[4]; /* outermost first */
} DureTensor;

/* One safetensors file, tensors in the order given. */
DURE_API int dure_write_tensors(const char *path, const DureTensor *tensors, size_t n, DureError *error);

/* ---- Training ---- */

typedef enum DureTrainEventKind {
    DURE_TRAIN_NOTE, /* text: one line about what is done, such as the plan of memory */
    DURE_TRAIN_DATA, /* done and total bytes of data made to tokens */
    DURE_TRAIN_STEP,
    DURE_TRAIN_VALID, /* loss on the validation data, after a step */
    DURE_TRAIN_SAVED  /* text: the folder that now holds the model as it is */
} DureTrainEventKind;

typedef struct DureTrainEvent {
    DureTrainEventKind kind;
    const char *text; /* valid during the call */
    int64_t done, total;
    int64_t step, steps;
    double loss;       /* mean over the learned tokens, of foretelling the next one; natural logarithm */
    double draft_loss; /* of the draft layers; 0: there are none */
    double norm;       /* of the gradient, before it is clipped */
    double rate;       /* the step's learning rate */
    double load; /* largest share of tokens that an expert got, times the number of experts: 1 is even; 0: no experts */
    int64_t tokens;    /* read since the training began */
    double per_second; /* tokens, over the last steps */
    double peak_share; /* of what this machine's processors could multiply and add; 0: unknown */
    double seconds_left;
} DureTrainEvent;

typedef enum DureOptimizer { DURE_ADAMW, DURE_MUON } DureOptimizer;
typedef enum DureSchedule { DURE_COSINE, DURE_WSD, DURE_CONSTANT } DureSchedule;

/* Filled by dure_train_defaults; what is 0 or NULL there is to be set or to be left. */
typedef struct DureTrainOptions {
    const char *model; /* folder with config.json, tokenizer files and, for talks, a chat template */
    const char *out; /* folder, made when it is absent: the model and, in training/, what the training needs to go on */
    const char *const *data;  /* *.jsonl, *.tsv or texts; NULL-terminated */
    const char *const *valid; /* the same, never learned; or NULL */
    const char *gguf;         /* a file that gets the model in Q8_0 whenever it is saved; or NULL */
    const char *init_from;    /* a model whose weights to begin with; NULL: by chance */
    int64_t steps;            /* 0: as many as `epochs` gives */
    double epochs;
    int64_t batch_tokens;    /* of a step, at least; documents are whole */
    int64_t rows;            /* tokens that are computed at once; 0: as many as context, at least 2,048 */
    int64_t context;         /* most tokens of a document */
    int optimizer;           /* DureOptimizer */
    int schedule;            /* DureSchedule */
    double rate, least_rate; /* the largest, and the last as a share of it */
    int64_t warmup;          /* steps; -1: 100, or a tenth of all if that is less */
    double decay_share;      /* of the steps, at the end of DURE_WSD */
    double beta1, beta2, momentum, weight_decay, clip;
    double draft_factor, balance_factor, balance_rate;
    double average;  /* of the weights' moving average, which is then what is saved; 0: none */
    double init_std; /* 0: the config's initializer_range, or 0.02 */
    uint64_t seed;
    int64_t save_every, valid_every; /* steps */
    int64_t most_bad;                /* lines of data that may be left out */
    int recompute;                   /* 1: less memory, up to a third more time */
    int bf16;                        /* 1: products of numbers rounded to bf16 where the processor has them */
    int save_bf16;                   /* 1: the saved weights are BF16, else F32 */
    int threads;                     /* 0: one per processor */
    const char *cpu;                 /* CPU level; NULL: the best */
    int64_t memory;                  /* bytes; 0: what the system has */
    int (*event)(void *user, const DureTrainEvent *event); /* not 0: save and end with DURE_CANCELLED; may be NULL */
    void *user;
} DureTrainOptions;

DURE_API void dure_train_defaults(DureTrainOptions *out);
/* Trains from nothing, or goes on where an earlier call with the same model, data and folder was ended or killed: then step for step
 * and bit for bit as if it had not been. Data without end is no harm: it is tokens in a mapped file. */
DURE_API int dure_train(const DureTrainOptions *options, DureError *error);

/* ---- Training a tokenizer ---- */

typedef enum DureTokenizerTrainEventKind {
    DURE_TOKENIZER_NOTE,  /* text: one line that the user should see */
    DURE_TOKENIZER_DATA,  /* done and total bytes of data read */
    DURE_TOKENIZER_MERGES /* done and total tokens learned */
} DureTokenizerTrainEventKind;

typedef struct DureTokenizerTrainEvent {
    DureTokenizerTrainEventKind kind;
    const char *text; /* valid during the call */
    int64_t done, total;
} DureTokenizerTrainEvent;

/* What is 0 or NULL is to be left, but for out, vocab, and data or text. Lists are NULL-terminated. */
typedef struct DureTokenizerTrainOptions {
    const char *out; /* a file *.json, or a folder, made when it is absent: tokenizer.json and tokenizer_config.json */
    /* *.jsonl: a "text" per line, or "messages" as a chat, and "tools"; *.tsv: every column is a text; else every line is one */
    const char *const *data;
    const char *text, *text_name; /* more data: lines of text behind the files, and what messages call them */
    size_t text_bytes;
    const char *const *special;  /* tokens that get the first ids, in this order */
    const char *bos, *eos, *pad; /* which of them begins, ends, fills; needs a folder */
    const char *split;           /* how texts are cut before, by llama.cpp's name of it; NULL: "exaone-moe" */
    int64_t vocab;               /* tokens: special ones, 256 bytes, merges */
    int64_t min_frequency;       /* of a pair that is merged; 0: 1 */
    int64_t most_bad;            /* lines of data that may be left out */
    int threads;                 /* 0: one per processor; the result is the same for any number */
    int (*event)(void *user, const DureTokenizerTrainEvent *event); /* not 0: end with DURE_CANCELLED; may be NULL */
    void *user;
} DureTokenizerTrainOptions;

/* Learns a byte-level BPE tokenizer. Merges and ids are those of Hugging Face's `tokenizers` (BpeTrainer) on the same texts. Texts
 * that cannot fill the vocabulary give a smaller one, with a note. Nothing is written unless all went well; memory is some ten
 * times the distinct pieces of the data. */
DURE_API int dure_tokenizer_train(const DureTokenizerTrainOptions *options, DureError *error);

#ifdef __cplusplus
}
#endif

#endif
