// model, inside: how a family is written down. A family reads fields, says what every layer is, and maps names to slots.
#ifndef DURE_MODEL_INTERNAL_H
#define DURE_MODEL_INTERNAL_H

#include "model/model.h"

enum { WIDTH_MOST = 1 << 24 }; // elements of a row: beyond every model, and products of two fit easily

// ---- Fields: a config read with every fault collected --------------------------------------------------------------

// The keys are those of Hugging Face configs; for GGUF they are translated (fields.c), so that a family is written once. Where the
// decoder is a part of a larger model, its keys lie below "text_config.", and a key that is absent there is looked for above.
typedef struct Fields {
    const Meta *meta;
    CheckpointKind kind;
    const char *prefix; // "text_config." or "" for JSON; "llama." for GGUF
    bool above;         // what is absent below the prefix is looked for without it
    Report report;
    Buf *assumed;
} Fields;

// A wrong type or a value outside [least, most] is a fault; so is absence for need_. The value returned then is `least`.
int64_t need_int(Fields *f, const char *key, int64_t least, int64_t most);
int64_t want_int(Fields *f, const char *key, int64_t least, int64_t most, int64_t absent);
double need_real(Fields *f, const char *key);
double want_real(Fields *f, const char *key, double absent);
bool want_bool(Fields *f, const char *key, bool absent);
Str want_text(Fields *f, const char *key, const char *absent);
const MetaValue *field(const Fields *f, const char *key); // NULL: absent or null
// The first of these spellings that is present; the first of all when none is. NULL-terminated.
const char *spelling(const Fields *f, const char *const *keys);
// A list of `count` items of one type; NULL when absent; a fault (and NULL) when of another type or length.
const MetaValue *want_list(Fields *f, const char *key, MetaType item, int64_t count);
void field_fault(Fields *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void field_assume(Fields *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum { REPORT_MOST = 1000 }; // faults, after which a hostile file has said enough
void report_add(Report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));
Err report_err(const Report *report, ErrCode code, const char *source); // OK when there is no fault
void report_free(Report *report);

// ---- Slots and names -----------------------------------------------------------------------------------------------

typedef enum Slot {
    SLOT_EMBED,
    SLOT_HEAD,
    SLOT_NORM,
    SLOT_ROPE_DIVISORS, // [d / 2]: GGUF keeps Llama 3's scaling so
    SLOT_NORM_ATTENTION,
    SLOT_NORM_FFN,
    SLOT_POST_NORM_ATTENTION,
    SLOT_POST_NORM_FFN,
    SLOT_Q,
    SLOT_K,
    SLOT_V,
    SLOT_O,
    SLOT_Q_BIAS,
    SLOT_K_BIAS,
    SLOT_V_BIAS,
    SLOT_O_BIAS,
    SLOT_Q_NORM,
    SLOT_K_NORM,
    SLOT_Q_A, // latent attention
    SLOT_Q_A_BIAS,
    SLOT_Q_A_NORM,
    SLOT_Q_B,
    SLOT_KV_A,
    SLOT_KV_A_BIAS,
    SLOT_KV_A_NORM,
    SLOT_KV_B,
    SLOT_GATE,
    SLOT_UP,
    SLOT_DOWN,
    SLOT_ROUTER,
    SLOT_ROUTER_BIAS,
    SLOT_EXPERT_GATE, // one tensor per expert
    SLOT_EXPERT_UP,
    SLOT_EXPERT_DOWN,
    SLOT_EXPERTS_GATE, // one tensor for all, [E, width, hidden]
    SLOT_EXPERTS_UP,
    SLOT_EXPERTS_GATE_UP, // [E, 2 width, hidden]: gate rows, then up rows
    SLOT_EXPERTS_DOWN,
    SLOT_SHARED_GATE,
    SLOT_SHARED_UP,
    SLOT_SHARED_DOWN,
    SLOT_DRAFT_NORM_EMBED, // of a draft layer
    SLOT_DRAFT_NORM_HIDDEN,
    SLOT_DRAFT_FC, // [hidden, 2 hidden]: the embedding's columns, then the hidden state's
    SLOT_DRAFT_NORM,
    SLOT_UNUSED, // known and not used: no warning
} Slot;

// {L} is the layer, {E} the expert; in SLOT_UNUSED patterns '*' at the end stands for anything.
typedef struct Name {
    Slot slot;
    const char *pattern;
} Name;

// Names beginning with `from` may begin with `to` instead: where a decoder is a part of a larger model.
typedef struct Prefix {
    const char *from, *to;
} Prefix;

struct Family {
    const char *name;
    const char *const *types;         // config.json's model_type, in any case of letters, NULL-terminated
    const char *const *architectures; // GGUF's general.architecture, NULL-terminated; may be NULL
    bool gguf_as_published;           // under the first of them rows and gains stand as in the publisher's file
    const char *pre; // GGUF's tokenizer.ggml.pre, where the architecture is shared with others; may be NULL
    void (*recipe)(Recipe *r, Fields *f, const Checkpoint *checkpoint);
    const Name *const *names;       // tables for safetensors, NULL-terminated; the first pattern found wins
    const Name *const *draft_names; // of draft layers, {L} from 0; may be NULL
    const Prefix *prefixes;         // ends with NULLs; may be NULL
    const Name *gguf_names;         // before names_gguf; may be NULL
};

extern const Family *const families[]; // NULL-terminated
extern const Name names_common[];      // what nearly all publishers call alike, ends with a NULL pattern
extern const Name names_pre_norm[];    // the two norms of a pre-norm layer
extern const Name names_mtp[];         // draft layers
extern const Name names_gguf[];        // llama.cpp's vocabulary

// The stored tensor of a slot, by the family's names; NULL: absent. Draft layers are counted behind the others.
const Stored *slot_find(const Recipe *r, const Checkpoint *checkpoint, Slot slot, int64_t layer, int64_t expert);
// Its first name, for messages; false: the family has none.
bool slot_name(char *out, size_t room, const Recipe *r, CheckpointKind kind, Slot slot, int64_t layer, int64_t expert);
bool slot_name_unused(const Recipe *r, CheckpointKind kind, Str name); // known, and not used

// What a slot is to a recipe. rank 1: [rows], 2: [rows, cols]; of one expert, for the slots of experts. rank 0: no such tensor
// of its own (several experts in one).
typedef struct SlotShape {
    int rank;
    int64_t rows, cols;
    Part part;
    bool per_layer, per_expert;
} SlotShape;

SlotShape slot_shape(const Recipe *r, Slot slot, int64_t layer);
bool slot_wanted(const Recipe *r, Slot slot, int64_t layer); // the recipe cannot do without it

// ---- What families share -------------------------------------------------------------------------------------------

enum { DRAFTS_MOST = 16 };

const Family *recipe_family(const Recipe *r);
void recipe_sizes(Recipe *r, Fields *f);               // vocabulary, widths, eps, context, ids, tying
void recipe_heads(Recipe *r, Fields *f);               // of grouped-query attention
void recipe_latent(Recipe *r, Fields *f);              // of multi-head latent attention, instead
void recipe_every_layer(Recipe *r, LayerRecipe layer); // draft layers too

// Ropes: each adds one and gives its index.
int recipe_rope(Recipe *r, Fields *f, const Checkpoint *checkpoint); // the config's
int recipe_rope_plain(Recipe *r, Fields *f, const char *theta);      // without scaling, of this key's base
int recipe_rope_theta(Recipe *r, Fields *f, double theta);           // the same, of this base
void recipe_rope_scaling(Recipe *r, Fields *f, int index);           // as rope_scaling says
bool recipe_has_scaling(const Fields *f);
Err recipe_fill_ropes(Recipe *r, Arena *arena, const Checkpoint *checkpoint, const char *source);

// Windows by layer_types, sliding_windows, sliding_window_pattern in this order; without any of them every `period`-th layer is
// global (0: all are). Layers without a window keep what they have. Returns whether any layer has one.
bool recipe_windows(Recipe *r, Fields *f, int64_t period);
void recipe_global_rope(Recipe *r, int rope); // of the layers without a window

typedef struct RouterDefaults { // what an absent key means
    int64_t groups, groups_kept, shared;
    double scale;
    bool raw;     // the weights of the chosen are not normalised
    bool softmax; // scores may also be of this kind, without groups
} RouterDefaults;
void recipe_router(Recipe *r, Fields *f, RouterDefaults absent);
// Which layers have experts: mlp_layer_types, is_moe_layer, first_k_dense_replace with moe_layer_freq, in this order.
void recipe_sparse_layers(Recipe *r, Fields *f);
void recipe_clamps(Recipe *r, Fields *f, const char *key); // a list of the layers' swiglu clamps, 0: none
// Draft layers as the config counts them or, without a count, as the tensor of SLOT_DRAFT_FC says; dense, and like the main layers
// otherwise, with windows by mtp_layer_types. A checkpoint without their tensors has none.
void recipe_drafts(Recipe *r, Fields *f, const Checkpoint *checkpoint);
void recipe_tower(Recipe *r, Fields *f, TowerKind kind); // from vision_config, if there is one
int64_t tower_parameters(const Recipe *r);

#endif
