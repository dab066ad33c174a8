// train: models from nothing. A Net is a decoder that learns: the Recipe's layers forward and backward, over one block of weights and
// one of gradients. An Optimizer moves the weights, a Corpus gives documents, a Trainer does it all until the end.
#ifndef DURE_TRAIN_H
#define DURE_TRAIN_H

#include "backend/grads.h"
#include "base/base.h"
#include "dure.h"
#include "engine/engine.h"
#include "format/format.h"
#include "model/model.h"

// ---- Net -----------------------------------------------------------------------------------------------------------

// Documents one after the other: rows of token ids, and what each row is to foretell.
typedef struct NetBatch {
    int64_t T;
    const int32_t *ids;
    const float *weights; // [T] of foretelling the row's next token; 0 in a document's last row
    const Document *documents;
    int64_t document_count;
} NetBatch;

// The loss of a step is the mean over its batches' weighted tokens, so each batch is told what the whole step has.
typedef struct NetStep {
    double weight;         // sum of all weights of the step's batches
    double draft_weight;   // of the draft layers' targets: net_draft_weight of its batches
    double batch_share;    // of this batch in the losses that balance experts: 1 / number of batches
    double draft_factor;   // of the draft layers' loss
    double balance_factor; // of the loss that balances experts (arXiv 2101.03961, equation 4); 0: none
} NetStep;

typedef struct NetLoss {
    double tokens, draft, balance; // parts of the loss, factors not yet applied but for the means
    double total;
} NetLoss;

typedef struct NetOptions {
    int64_t most_rows; // of a batch
    bool recompute;    // keep layers' inputs alone and run each layer again in the backward pass
} NetOptions;

typedef struct Net Net;

typedef struct NetParts {
    const Parameters *parameters;
    const float *weights; // a block of parameters->floats; both outlive the net
    float *gradient;      // another
    const Meta *config;
} NetParts;

// Memory for activations is counted as work.
Err net_new(Net **out, const NetParts *parts, Grads *grads, const NetOptions *options, Ledger *ledger);
void net_free(Net *net);
size_t net_bytes(const Recipe *recipe, const NetOptions *options); // its activations; SIZE_MAX: too much to count
// Adds the batch's gradient to the block and its share to *loss.
Err net_learn(Net *net, const NetBatch *batch, const NetStep *step, NetLoss *loss);
// The loss alone, as parts; nothing is added to the gradient.
Err net_judge(Net *net, const NetBatch *batch, const NetStep *step, NetLoss *loss);
double net_draft_weight(const NetBatch *batch, int64_t drafts); // sum of the weights of all draft layers' targets
// Tokens that each expert of a layer got since net_forget_loads: [E]; NULL where the layer has none.
const int64_t *net_loads(const Net *net, int64_t layer);
void net_forget_loads(Net *net);

// ---- Optimizer -----------------------------------------------------------------------------------------------------

typedef enum OptimizerKind {
    OPTIMIZER_ADAMW, // arXiv 1711.05101
    OPTIMIZER_MUON // matrices between embedding and head, each expert's its own (arXiv 2502.16982); AdamW for the rest
} OptimizerKind;

typedef struct OptimizerOptions {
    OptimizerKind kind;
    double beta1, beta2, eps; // AdamW
    double momentum;          // Muon
    double decay;             // of matrices; vectors have none
    double clip;              // largest norm of the whole gradient; 0: none
    double balance_rate;      // step of the routers' corrections (arXiv 2408.15664); 0: they stay
    double average;           // of the weights' exponential moving average; 0: none is kept
} OptimizerOptions;

typedef struct MuonMatrix {
    const Parameter *p;
    bool wide;     // not more rows than columns
    int64_t n;     // the shorter side
    size_t square; // where its [n, n] begin
} MuonMatrix;

typedef struct Optimizer {
    const Parameters *p;
    OptimizerOptions options;
    Grads *g;
    Ledger *ledger;
    float *m, *v;   // blocks: first and second moments; Muon's momentum is in m
    float *average; // block, or NULL
    // Muon's:
    MuonMatrix *matrix;
    int64_t matrices;
    size_t square_floats; // of all
    float *product;       // block
    float *square[2];     // of every matrix the product with itself, and that one's square
    Product *products;    // [matrices]
} Optimizer;

Err optimizer_new(Optimizer **out, const Parameters *p, const OptimizerOptions *options, Grads *g, Ledger *ledger);
void optimizer_free(Optimizer *o);
size_t optimizer_bytes(const Parameters *p, const OptimizerOptions *options);
// One step, counted from 1, at this rate; the gradient is zeroed. *norm: the gradient's, before it was clipped. ERR_LIMIT, with
// the tensor's name and nothing changed: the gradient is not finite.
Err optimizer_step(Optimizer *o, float *weights, float *gradient, double rate, int64_t step, double *norm);
// The routers' corrections, by the tokens that each expert of the net got since net_forget_loads.
void optimizer_balance(const Optimizer *o, float *weights, const Net *net);

typedef enum ScheduleKind { SCHEDULE_COSINE, SCHEDULE_WSD, SCHEDULE_CONSTANT } ScheduleKind;
typedef struct Schedule {
    ScheduleKind kind;
    double rate, least;    // largest, and that of the last step as a share of it
    int64_t warmup, steps; // linear up to `rate` over the first ones
    double decay_share;    // WSD: of the steps, at the end, linear (arXiv 2404.06395)
} Schedule;
double schedule_rate(const Schedule *schedule, int64_t step); // step from 1

// ---- Corpus --------------------------------------------------------------------------------------------------------

// Documents of token ids in one memory-mapped file: safetensors with `ids` [n] int32, `marks` [n] bytes (1: the token is to be foretold
// by those before it), `starts` [documents + 1] int64 and `key`, which says what it was made of.
typedef struct Corpus {
    Checkpoint *file;
    const uint8_t *ids, *marks, *starts; // at any address
    int64_t documents, tokens;
} Corpus;

Err corpus_open(Corpus **out, const char *path);
void corpus_close(Corpus *corpus);
int64_t corpus_length(const Corpus *corpus, int64_t document);

typedef struct BadLines { // that cannot be used
    int64_t count, most;  // so many may be left out
    char first[400];      // which line, of which file, and what was wrong with it
} BadLines;

// Text files and what becomes of them. *.jsonl: an object per line, {"text"} or {"messages", "tools"?, "kwargs"?}; *.tsv: a text, or a
// question, a tab and its answer per line; all else: texts, with an empty line between them. Of messages only what the assistant
// says is learned.
typedef struct CorpusSource {
    const char *const *files;      // NULL-terminated
    const DureModel *model;        // whose tokenizer and template make the tokens
    const char *const *side_files; // where those came from, as far as they exist: part of the key. NULL-terminated
    int32_t begin, end;            // around a text; -1: none
    const int32_t *ends;           // that end an assistant's turn
    int end_count;
    int64_t context;  // most tokens of a document: longer texts are cut to pieces, longer talks left out
    int64_t most_bad; // lines that may be left out; beyond it is an error
    bool (*progress)(void *user, int64_t done, int64_t total); // bytes; false: stop
    void *user;
} CorpusSource;

typedef struct CorpusCount {
    int64_t documents, tokens, learned;
    int64_t too_long; // talks beyond the context
    BadLines bad;     // left out: broken UTF-8, JSON of another kind
} CorpusCount;

// XXH3-128 over the sources' bytes, the tokenizer and template's files and the context, as hexadecimal digits.
Err corpus_key(char out[33], const CorpusSource *source);
// ERR_FORMAT: no document at all, or too many bad lines.
Err corpus_make(const char *path, const CorpusSource *source, const char *key, CorpusCount *count);
bool corpus_has_key(const Corpus *corpus, const char *key);

// The order of documents, epoch by epoch, each a shuffle by (seed, epoch): the same on every machine.
typedef struct Shuffle {
    const Corpus *corpus;
    uint64_t seed;
    int64_t epoch, next; // where the next document stands: what a checkpoint keeps
    int64_t *order;      // [documents] of this epoch
} Shuffle;
Err shuffle_new(Shuffle *out, const Corpus *corpus, uint64_t seed, int64_t epoch, int64_t next);
void shuffle_free(Shuffle *shuffle);
int64_t shuffle_next(Shuffle *shuffle); // a document

// A batch that grows, document by document.
typedef struct BatchMaker {
    int64_t most_rows;
    int32_t *ids;
    float *weights;
    Document *documents;
    NetBatch batch;
} BatchMaker;
Err batch_new(BatchMaker *out, int64_t most_rows);
void batch_free(BatchMaker *maker);
void batch_clear(BatchMaker *maker);
bool batch_add(BatchMaker *maker, const Corpus *corpus, int64_t document); // false: no room for it

#endif
