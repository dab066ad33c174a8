// model: one decoder, models as data. A Recipe says what a decoder is, Weights where its numbers lie, KvCache what it has seen,
// a Batch what comes next. Families (families/) turn a config into a Recipe and map names; nothing else knows them.
#ifndef DURE_MODEL_H
#define DURE_MODEL_H

#include "backend/backend.h"
#include "base/base.h"
#include "format/format.h"

// Many faults, told together. The Err gives their number and the first three.
typedef struct Report {
    Buf text; // one fault a line
    int count;
} Report;

// ---- Recipe --------------------------------------------------------------------------------------------------------

enum { ROPES_MOST = 4, NO_ROPE = -1, END_IDS_MOST = 16 };

typedef enum AttentionKind { ATTENTION_GQA, ATTENTION_MLA } AttentionKind;
typedef enum FfnKind { FFN_DENSE, FFN_MOE } FfnKind;
typedef enum RopeScaling { ROPE_PLAIN, ROPE_LINEAR, ROPE_LLAMA3, ROPE_YARN, ROPE_DIVISORS } RopeScaling;

// frequency[j] = theta^(-2j/d), then scaled: LINEAR divides by factor (arXiv 2306.15595), YARN follows arXiv 2309.00071, LLAMA3
// transformers:src/transformers/modeling_rope_utils.py, DIVISORS a tensor of the file.
typedef struct Rope {
    double theta;
    int64_t d; // rotated elements per head
    RopePairing pairing;
    RopeScaling scaling;
    double factor, original; // positions that the model was trained for before scaling
    double low, high;        // LLAMA3: low_freq_factor, high_freq_factor; YARN: beta_slow, beta_fast
    bool truncate;           // YARN: the ramp's ends are rounded outwards
    float amplitude;         // of cos and sin
    double score_factor;     // multiplies attention_scale
    const float *frequency;  // [d / 2], filled by recipe_from
} Rope;

// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, 2.1): keys and values are made from a latent of kv_rank elements and
// one rotary key, which all heads share and which alone are cached. kv_rank 0: there is none.
typedef struct Latent {
    int64_t q_rank; // 0: queries are projected directly
    int64_t kv_rank;
    int64_t nope, rope; // elements of each head's query and key without and with rotation: head_width = nope + rope
    bool rope_first;    // each head's rows of q_b: the rotated ones stand first
    NormKind norm;      // of both latents
} Latent;

// An encoder of pictures beside the decoder, as far as its size goes. depth 0: there is none.
typedef enum TowerKind { TOWER_QWEN, TOWER_RICE } TowerKind;
typedef struct Tower {
    TowerKind kind;
    int64_t depth, hidden, heads, kv_heads, ffn_width;
    int64_t channels, patch, temporal_patch, merge; // merge x merge patches become one row
    int64_t out_width;
    bool projector; // one more linear layer, with bias, to the decoder's width
} Tower;

typedef struct LayerRecipe {
    AttentionKind attention;
    int64_t window;                              // keys seen, self included; 0: all
    int rope;                                    // index into ropes, or NO_ROPE
    NormKind norm_attention, norm_ffn;           // before the block
    NormKind post_norm_attention, post_norm_ffn; // on the block's output, before it is added
    NormKind qk_norm;                            // per head, before rope
    FfnKind ffn;
    int64_t ffn_width; // of a dense layer
    float clamp;       // of swiglu; 0: none
} LayerRecipe;

typedef struct Router {
    RouterScore score;
    bool correction; // a bias that selects and does not weigh
    int64_t experts, top_k, groups, groups_kept;
    bool normalise;
    double scale;
    int64_t expert_width, shared_width; // shared_width 0: no shared expert
} Router;

// Everything that defines a decoder.
typedef struct Recipe {
    const char *family;
    int64_t vocab, hidden, layers;
    int64_t heads, kv_heads, head_width, value_width;
    int64_t context; // positions that the model was made for
    double eps;
    double embedding_multiplier, attention_scale, residual_multiplier, logit_multiplier;
    bool tied;           // the head is the embedding
    bool attention_bias; // the config says that q, k, v have biases; else the tensors decide, as they do for o
    NormKind norm;       // the last one
    Latent latent;       // of layers whose attention is MLA
    Rope ropes[ROPES_MOST];
    int rope_count;
    Router router;
    Tower tower;
    int64_t draft_layers; // that propose tokens from the decoder's last hidden state (multi-token prediction)
    LayerRecipe *layer;   // [layers + draft_layers]: the draft layers stand behind the others
    int32_t bos, pad;     // -1: none
    int32_t end_ids[END_IDS_MOST];
    int end_count;
    Buf assumed; // sentences on what was taken by default, one a line
} Recipe;

typedef struct Family Family;

// The family by config's model_type or general.architecture; ERR_UNSUPPORTED names it and those known.
Err family_find(const Family **out, const Meta *config, CheckpointKind kind);
const char *family_name(const Family *family);
// Reads the config and, where only the presence of tensors decides, the checkpoint (may be NULL: the default is taken and noted
// in `assumed`). Missing and mistyped keys are collected in *report (may be NULL), one a line. Memory from `arena`.
Err recipe_from(Recipe **out, Arena *arena, const Meta *config, const Checkpoint *checkpoint, Report *report);
void recipe_free(Recipe *recipe); // what is not in the arena
// The architecture under which llama.cpp has the family with its tensors as they were published; NULL: none.
const char *recipe_gguf_architecture(const Recipe *recipe);

typedef enum Part {
    PART_EMBEDDING,
    PART_HEAD,
    PART_NORMS,
    PART_ATTENTION,
    PART_DENSE,
    PART_ROUTERS,
    PART_EXPERTS,
    PART_SHARED,
    PART_DRAFT, // all of the draft layers
    PART_TOWER, // encoder and projector
    PARTS
} Part;

// Parameters reckoned from the recipe alone. A tied head is counted as the embedding. `active` are those read for one token: the
// head, one row of the embedding, the chosen experts; without draft layers and tower.
typedef struct ParameterCount {
    int64_t part[PARTS];
    int64_t decoder; // all but draft layers and tower
    int64_t active;
} ParameterCount;

const char *part_name(Part part);
ParameterCount recipe_parameters(const Recipe *recipe);
// Every tensor that the recipe cannot do without, by the first of the names that its family has for it; experts one by one.
void recipe_tensors(const Recipe *recipe, CheckpointKind kind,
                    void (*see)(void *user, const char *name, int rank, const int64_t *shape), void *user);
// Bytes that a context of n tokens takes at `bytes` per cached element, and nothing else: windows hold their width, no page is
// rounded. whole: as if no layer had a window.
int64_t recipe_kv_bytes(const Recipe *recipe, int64_t tokens, int64_t bytes, bool whole);

// ---- Weights -------------------------------------------------------------------------------------------------------

typedef struct AttentionWeights {
    Matrix q, k, v, o;
    const float *q_bias, *k_bias, *v_bias, *o_bias; // or NULL
    const float *q_norm, *k_norm;                   // [head_width] or NULL
    Matrix q_a, q_b;                                // latent queries: [q_rank, hidden], [heads * head_width, q_rank]
    Matrix kv_a,
        kv_b; // [kv_rank + rope, hidden], per head nope rows of the key and value_width of the value, [.., kv_rank]
    const float *q_a_bias, *kv_a_bias; // or NULL
    const float *q_a_norm, *kv_a_norm; // [q_rank], [kv_rank]
} AttentionWeights;

typedef struct FfnWeights {
    Matrix gate, up, down;
} FfnWeights;

typedef struct ExpertWeights {
    Matrix router;            // [E, hidden]
    const float *bias;        // [E] or NULL
    Matrix *gate, *up, *down; // [E] each
    FfnWeights shared;
} ExpertWeights;

typedef struct LayerWeights {
    const float *norm_attention, *norm_ffn, *post_norm_attention, *post_norm_ffn; // [hidden] or NULL
    AttentionWeights attention;
    FfnWeights ffn;
    ExpertWeights experts;
} LayerWeights;

// Of a draft layer, beside those that it has as a layer: fc joins the normed embedding and the normed hidden state.
typedef struct DraftWeights {
    const float *norm_embed, *norm_hidden, *norm; // [hidden]
    Matrix fc;                                    // [hidden, 2 hidden]
} DraftWeights;

typedef enum TensorUse {
    TENSOR_SUPERFLUOUS,
    TENSOR_USED,
    TENSOR_UNUSED // known to the family, and of no use here
} TensorUse;

typedef struct Weights {
    Matrix embed, head;
    const float *norm;
    LayerWeights *layer; // [layers + draft_layers]
    DraftWeights *draft; // [draft_layers]
    int64_t superfluous; // tensors that nothing uses and that the family does not know
    const uint8_t *used; // [tensor_count of the checkpoint]: TensorUse
} Weights;

// Binds every tensor of the recipe. Vectors that are not float32 become so in `arena`; all else stays where it lies in the file.
// Missing and misshapen tensors are collected in *report (may be NULL); superfluous ones are one warning in `log`.
Err weights_bind(Weights **out, Arena *arena, const Recipe *recipe, const Checkpoint *checkpoint, Report *report,
                 const Log *log);

typedef enum ParameterKind {
    PARAMETER_MATRIX,
    PARAMETER_OUT, // a matrix whose product is added to the residual stream
    PARAMETER_GAIN,
    PARAMETER_BIAS,
    PARAMETER_CORRECTION // a router's: balanced, not trained by its gradient
} ParameterKind;

// All tensors of a recipe in one block of float32, for training: weights, gradients and moments are such blocks, laid out alike.
typedef struct Parameter {
    const char *name; // as published in safetensors
    const char *gguf; // in llama.cpp's vocabulary; of an expert, that of all of its kind together
    Part part;
    int64_t layer, expert; // -1: of no layer; 0: of no expert
    int rank;
    int64_t rows, cols; // cols 1 for vectors
    size_t at;          // place in the block, in floats; a multiple of 16
    ParameterKind kind;
    float neutral; // of a gain: the value that changes nothing
} Parameter;

typedef struct Parameters {
    const Recipe *r;
    Parameter *at; // layer by layer
    size_t count;
    size_t floats; // of a block; what lies between tensors is zero
} Parameters;

// In `arena`. checkpoint: may be NULL; biases that it has besides are listed too. ERR_UNSUPPORTED where the family has no name for a
// tensor.
Err parameters_of(Parameters **out, Arena *arena, const Recipe *recipe, const Checkpoint *checkpoint);
// The block as Weights. What is read and written through them lies in the block, vectors and matrices alike.
Err parameters_weights(Weights **out, Arena *arena, const Parameters *parameters, const float *block,
                       const Meta *config);
// Every weight of `checkpoint` into the block, decoded; faults as weights_bind has them.
Err parameters_read(float *block, const Parameters *parameters, const Checkpoint *checkpoint, const Log *log);

// ---- Cache ---------------------------------------------------------------------------------------------------------

typedef struct KvCache KvCache;
typedef struct KvSequence KvSequence;
typedef struct KvMark KvMark;

// How latent attention is computed. Absorbed: attention over the latents. Expanded: over each head's keys and values, which are what
// is cached. Mixed: latents are cached, and expanded for the long spans of a prompt; then warm and cold answers differ in the
// last bits.
typedef enum LatentForm { LATENT_ABSORBED, LATENT_EXPANDED, LATENT_MIXED } LatentForm;

typedef struct KvOptions {
    KvType type;
    LatentForm latent;
    int64_t page_tokens; // multiple of ATTEND_BLOCK
    int64_t mark_budget; // bytes that marks alone may hold; the oldest are thinned first
    bool drafts;         // the draft layers have streams too
} KvOptions;

// Pages of tokens in groups (all keys, or a window of them), one page table per sequence and group, shared by reference count.
Err cache_new(KvCache **out, const Recipe *recipe, Backend *backend, const KvOptions *options, Ledger *ledger);
void cache_free(KvCache *cache); // its sequences and marks must be gone
size_t cache_bytes(const Recipe *recipe, const KvOptions *options, int64_t context,
                   int64_t chunk); // one sequence, at most

Err cache_sequence(KvSequence **out, KvCache *cache);
void cache_release(KvSequence *sequence);
int64_t cache_length(const KvSequence *sequence); // tokens stored
// Makes room for `tokens` more, on pages that only this sequence writes. On failure nothing changed.
Err cache_reserve(KvSequence *sequence, int64_t tokens);
KvView cache_view(const KvSequence *sequence, int64_t layer, int stream); // 0: keys or latent, 1: values or rotary key
// The reserved tokens are computed: they count, and pages wholly before every coming token's window are dropped.
void cache_advance(KvSequence *sequence, int64_t tokens);
// Forgets the newest tokens: to any length whose next token's window is still held, so always down to that before the last advance.
Err cache_rollback(KvSequence *sequence, int64_t length);
Err cache_fork(KvSequence **out, KvSequence *sequence);
// A point that the sequence, or another one, can return to. Marks hold pages of their own and are thinned, oldest first, when
// they pass the budget: then cache_rewind says so.
Err cache_mark(KvMark **out, KvSequence *sequence);
void cache_unmark(KvMark *mark);
int64_t mark_length(const KvMark *mark);              // -1: thinned
Err cache_rewind(KvSequence *sequence, KvMark *mark); // ERR_LIMIT: the mark was thinned

// A page of a sequence, for a file: what cache_restore on a cache of the same recipe and options takes again.
typedef struct KvPage {
    int group;
    int64_t index;
    const uint8_t *bytes;
    size_t n;
} KvPage;

// Of a place where pages are: NULL where there is none of this size. Only the first pages of a group with a window may be absent.
typedef struct KvPageSource {
    const uint8_t *(*page)(void *user, int group, int64_t index, size_t bytes);
    void *user;
} KvPageSource;

// The pages that a sequence holds, rows behind its length zeroed. What is not the sequence's own memory is in `arena`.
Err cache_pages(KvPage **out, size_t *count, const KvSequence *sequence, Arena *arena);
Err cache_restore(KvSequence **out, KvCache *cache, int64_t length, const KvPageSource *source);

// ---- Decoder -------------------------------------------------------------------------------------------------------

// Rows of one sequence stand together, with consecutive positions that start at the sequence's length.
typedef struct BatchRow {
    KvSequence *sequence;
    int32_t position;
    int32_t token;
    bool want_logits;
} BatchRow;

typedef struct Batch {
    const BatchRow *rows;
    int64_t T;
    float *norms; // [T, hidden], host: every row's state behind the last norm goes here; NULL: not wanted
} Batch;

// A window on the inner numbers: names as in tests/golden without "prompt{i}.". Either f or i is set; host memory.
typedef struct Trace {
    void (*see)(void *user, const char *name, const float *f, const int32_t *i, int64_t rows, int64_t cols);
    void *user;
} Trace;

// Where a layer's experts come from. `get` gives arrays of E matrices, valid until `release`; `want` is a hint that may come
// long before. The default has them mapped; a store that streams from disk, or another rank, is another.
typedef struct ExpertSource ExpertSource;
struct ExpertSource {
    void (*want)(ExpertSource *source, int64_t layer);
    Err (*get)(ExpertSource *source, int64_t layer, const Matrix **gate, const Matrix **up, const Matrix **down);
    void (*release)(ExpertSource *source, int64_t layer);
};

typedef struct Decoder Decoder;

typedef struct DecoderOptions {
    int64_t most_rows; // of a batch
    LatentForm latent; // as the cache's
    bool drafts;       // decoder_draft will be called
} DecoderOptions;

Err decoder_new(Decoder **out, const Recipe *recipe, const Weights *weights, Backend *backend,
                const DecoderOptions *options, Ledger *ledger);
void decoder_free(Decoder *decoder);
size_t decoder_bytes(const Recipe *recipe, const DecoderOptions *options); // its activations
BackendLimits decoder_limits(const Recipe *recipe, const DecoderOptions *options);
// Runs a batch through all layers and, for rows that want them, the head. The caller reserved room in every sequence and
// advances it afterwards. *logits: [wanted rows in order, vocab], host memory, valid until the next run; NULL if none wanted.
Err decoder_run(Decoder *decoder, const Batch *batch, const Trace *trace, const float **logits);
// One pass of draft layer `draft` (multi-token prediction; K-EXAONE, arXiv 2601.01739). A row has position p and the token at p + 1, and
// reads hidden state from[i] of the pass before: the main one's after its last norm, or that of another draft pass. Its logits
// propose the token at p + 2, and its own hidden state takes the place of row i. Rows stand where the main pass stored theirs or
// on reserved ones; the keys go to the draft layer's own streams (KvOptions.drafts), also where other holders share the page: these
// keys serve proposals, never answers.
Err decoder_draft(Decoder *decoder, const Batch *batch, const int32_t *from, int64_t draft, const Trace *trace,
                  const float **logits);
// The same for a span of layers: `in` [T, hidden] replaces the embedding when first > 0, `out` [T, hidden] receives the residual
// stream when last < layers (then no logits). Host memory.
typedef struct LayerSpan {
    int64_t first, last; // layers [first, last)
    const float *in;
    float *out;
} LayerSpan;
Err decoder_run_span(Decoder *decoder, const Batch *batch, const LayerSpan *span, const Trace *trace,
                     const float **logits);

#endif
