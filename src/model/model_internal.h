// model, inside: how a family is written down. A family reads fields, says what every layer is, and maps names to slots.
#ifndef DURE_MODEL_INTERNAL_H
#define DURE_MODEL_INTERNAL_H

#include "model/model.h"

enum { WIDTH_MOST = 1 << 24 }; // elements of a row: beyond every model, and products of two fit easily

// ---- Fields: a config read with every fault collected --------------------------------------------------------------

// The keys are those of Hugging Face configs; for GGUF they are translated (fields.c), so that a family is written once.
typedef struct Fields {
    const Meta *meta;
    CheckpointKind kind;
    const char *prefix; // "text_config." or "" for JSON; "llama." for GGUF
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
// A list of `count` items of one type; NULL when absent; a fault (and NULL) when of another type or length.
const MetaValue *want_list(Fields *f, const char *key, MetaType item, int64_t count);
void field_fault(Fields *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
void field_assume(Fields *f, const char *format, ...) __attribute__((format(printf, 2, 3)));

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
    SLOT_UNUSED, // known and not used: no warning
} Slot;

// {L} is the layer, {E} the expert; in SLOT_UNUSED patterns '*' at the end stands for anything.
typedef struct Name {
    Slot slot;
    const char *pattern;
} Name;

struct Family {
    const char *name;
    const char *const *types;         // config.json's model_type, NULL-terminated
    const char *const *architectures; // GGUF's general.architecture, NULL-terminated
    void (*recipe)(Recipe *r, Fields *f, const Checkpoint *checkpoint);
    const Name *const *names; // tables for safetensors, NULL-terminated; the first pattern found wins
};

extern const Family *const families[]; // NULL-terminated
extern const Name names_common[];      // what nearly all publishers call alike, ends with a NULL pattern
extern const Name names_gguf[];        // llama.cpp's vocabulary

// The stored tensor of a slot, by the family's names; NULL: absent.
const Stored *slot_find(const Family *family, const Checkpoint *checkpoint, Slot slot, int64_t layer, int64_t expert);
bool slot_present(const Recipe *r, const Checkpoint *checkpoint, Slot slot); // in the first layer
// Its first name, for messages; false: the family has none.
bool slot_name(char *out, size_t room, const Family *family, CheckpointKind kind, Slot slot, int64_t layer,
               int64_t expert);

// ---- What families share -------------------------------------------------------------------------------------------

const Family *recipe_family(const Recipe *r);
void recipe_sizes(Recipe *r, Fields *f); // vocabulary, widths, heads, eps, context, ids, tying
int recipe_rope(Recipe *r, Fields *f, const Checkpoint *checkpoint); // adds the config's rope; its index
void recipe_every_layer(Recipe *r, LayerRecipe layer);
// Windows by layer_types, sliding_windows, sliding_window_pattern in this order; layers without a window keep what they have.
// Returns whether any layer has one.
bool recipe_windows(Recipe *r, Fields *f);
void recipe_global_rope(Recipe *r, int rope); // rope of the layers without a window
void recipe_router(Recipe *r, Fields *f);
void recipe_sparse_layers(Recipe *r, Fields *f); // mlp_layer_types, is_moe_layer, first_k_dense_replace in this order

#endif
