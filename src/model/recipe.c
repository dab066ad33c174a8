// From a config to a Recipe: finding the family, and the readings that families share.
#include "model/model_internal.h"

#include <math.h>
#include <stdio.h>
#include <strings.h>

enum { LAYERS_MOST = 4096, HEADS_MOST = 65536 };

// ---- Finding the family --------------------------------------------------------------------------------------------

static bool listed(const char *const *list, Str name)
{
    for (; list && *list; list++)
        if (strlen(*list) == name.n && strncasecmp(*list, name.at, name.n) == 0) return true;
    return false;
}

// Whether a family takes a file of this architecture, which it may share with models that are not its own.
static bool pre_is(const Family *family, const Meta *config)
{
    Str pre;
    return !family->pre || (meta_text(config, "tokenizer.ggml.pre", &pre) && str_is(pre, family->pre));
}

static void put_known(Buf *out, CheckpointKind kind)
{
    for (const Family *const *family = families; *family; family++) {
        const char *const *list = kind == CHECKPOINT_GGUF ? (*family)->architectures : (*family)->types;
        for (; list && *list; list++) buf_printf(out, "%s%s", out->n ? ", " : "", *list);
    }
}

// An architecture that a family shares with models that are not its own, of which this file's is one.
static Err refuse_pre(const Family *family, const Meta *config, Str type)
{
    Str pre;
    if (!meta_text(config, "tokenizer.ggml.pre", &pre)) pre = str("absent");
    return err(
        ERR_UNSUPPORTED, "%s: general.architecture %.*s runs here only where tokenizer.ggml.pre is %s, but it is %.*s",
        config->source, (int)(type.n < 80 ? type.n : 80), type.at, family->pre, (int)(pre.n < 80 ? pre.n : 80), pre.at);
}

Err family_find(const Family **out, const Meta *config, CheckpointKind kind)
{
    const char *key = kind == CHECKPOINT_GGUF ? "general.architecture" : "model_type";
    const Family *near = NULL;
    Str type;
    if (!meta_text(config, key, &type))
        return err(ERR_FORMAT, "%s: %s is missing or not a string", config->source, key);
    for (const Family *const *family = families; *family; family++) {
        if (!listed(kind == CHECKPOINT_GGUF ? (*family)->architectures : (*family)->types, type)) continue;
        near = *family;
        if (kind == CHECKPOINT_GGUF && !pre_is(*family, config)) continue;
        *out = *family;
        return OK;
    }
    if (near) return refuse_pre(near, config, type);
    Buf known = { 0 };
    put_known(&known, kind);
    Err e = known.failed ? err_memory(config->source)
                         : err(ERR_UNSUPPORTED, "%s: %s %.*s is not one that runs here; known are %s", config->source,
                               key, (int)(type.n < 80 ? type.n : 80), type.at, known.at);
    buf_free(&known);
    return e;
}

// A GGUF file that keeps the publisher's config must be of the architecture that the config describes.
static Err check_architecture(const Family *family, const Meta *config, const Meta *metadata)
{
    Str architecture = { 0 }, type = { 0 };
    if (!meta_text(metadata, "general.architecture", &architecture))
        return err(ERR_FORMAT, "%s: general.architecture is missing", metadata->source);
    if (listed(family->types, architecture) || listed(family->architectures, architecture)) return OK;
    meta_text(config, "model_type", &type);
    return err(ERR_FORMAT, "%s: model_type is %.*s, but the file's general.architecture is %.*s; write the file again",
               config->source, (int)(type.n < 80 ? type.n : 80), type.at,
               (int)(architecture.n < 80 ? architecture.n : 80), architecture.at);
}

const char *family_name(const Family *family)
{
    return family->name;
}

const char *recipe_gguf_architecture(const Recipe *r)
{
    const Family *family = recipe_family(r);
    return family->gguf_as_published ? family->architectures[0] : NULL;
}

const Family *recipe_family(const Recipe *r)
{
    for (const Family *const *family = families; *family; family++)
        if (strcmp((*family)->name, r->family) == 0) return *family;
    return NULL;
}

// ---- Readings that families share ----------------------------------------------------------------------------------

static void add_end_id(Recipe *r, int64_t id)
{
    for (int i = 0; i < r->end_count; i++)
        if (r->end_ids[i] == id) return;
    if (id >= 0 && id < r->vocab && r->end_count < END_IDS_MOST) r->end_ids[r->end_count++] = (int32_t)id;
}

static void read_ids(Recipe *r, Fields *f)
{
    r->bos = (int32_t)want_int(f, "bos_token_id", -1, INT32_MAX, -1);
    r->pad = (int32_t)want_int(f, "pad_token_id", -1, INT32_MAX, -1);
    const MetaValue *end = field(f, "eos_token_id");
    if (end && end->type == META_LIST && end->item == META_INT)
        for (size_t i = 0; i < end->count; i++) add_end_id(r, end->integers[i]);
    else
        add_end_id(r, want_int(f, "eos_token_id", -1, INT32_MAX, -1));
    add_end_id(r, want_int(f, "eot_token_id", -1, INT32_MAX, -1));
}

static int64_t read_vocab(Fields *f)
{
    int64_t padded = want_int(f, "padded_vocab_size", 1, WIDTH_MOST, 0);
    if (padded) return padded;
    const MetaValue *tokens = f->kind == CHECKPOINT_GGUF ? meta_find(f->meta, "tokenizer.ggml.tokens") : NULL;
    if (tokens && tokens->type == META_LIST && !field(f, "vocab_size") && tokens->count && tokens->count <= WIDTH_MOST)
        return (int64_t)tokens->count;
    return need_int(f, "vocab_size", 1, WIDTH_MOST);
}

void recipe_sizes(Recipe *r, Fields *f)
{
    r->vocab = read_vocab(f);
    r->hidden = need_int(f, "hidden_size", 1, WIDTH_MOST);
    r->layers = need_int(f, "num_hidden_layers", 1, LAYERS_MOST);
    if (f->kind == CHECKPOINT_GGUF) { // counts the draft layers
        r->draft_layers = want_int(f, "num_nextn_predict_layers", 0, DRAFTS_MOST, 0);
        r->layers -= r->draft_layers;
        if (r->layers < 1) field_fault(f, "no layer is left beside the %lld draft layers", (long long)r->draft_layers);
    }
    r->heads = need_int(f, "num_attention_heads", 1, HEADS_MOST);
    r->eps = need_real(f, spelling(f, (const char *const[]){ "rms_norm_eps", "layer_norm_epsilon", NULL }));
    r->context = need_int(f, "max_position_embeddings", 1, INT32_MAX);
    r->tied = want_bool(f, "tie_word_embeddings", f->kind == CHECKPOINT_GGUF);
    r->attention_bias = want_bool(f, "attention_bias", false);
    r->norm = NORM_PLAIN;
    r->embedding_multiplier = r->residual_multiplier = r->logit_multiplier = 1.0;
    Str act = want_text(f, "hidden_act", "silu");
    if (!str_is(act, "silu")) field_fault(f, "hidden_act %.*s is not silu", (int)act.n, act.at);
    if (want_bool(f, "mlp_bias", false)) field_fault(f, "mlp_bias is true, which no known model of this family has");
    read_ids(r, f);
}

static void heads_check(Recipe *r, Fields *f)
{
    if (r->heads * r->head_width > WIDTH_MOST || r->heads * r->value_width > WIDTH_MOST)
        field_fault(f, "the heads together are wider than %d", WIDTH_MOST);
    r->attention_scale = 1.0 / sqrt((double)r->head_width);
}

void recipe_heads(Recipe *r, Fields *f)
{
    r->kv_heads = want_int(f, "num_key_value_heads", 1, HEADS_MOST, r->heads);
    if (r->heads % r->kv_heads) {
        field_fault(f, "num_attention_heads %lld is no multiple of num_key_value_heads %lld", (long long)r->heads,
                    (long long)r->kv_heads);
        r->kv_heads = r->heads;
    }
    if (!field(f, "head_dim") && r->hidden % r->heads)
        field_fault(f, "head_dim is missing and hidden_size %lld is no multiple of the %lld heads",
                    (long long)r->hidden, (long long)r->heads);
    int64_t head = r->hidden / r->heads;
    r->head_width = want_int(f, "head_dim", 1, HEADS_MOST, head > 0 ? head : 1);
    r->value_width = r->head_width;
    if (r->head_width % 2) field_fault(f, "head_dim %lld is odd", (long long)r->head_width);
    heads_check(r, f);
}

// GGUF says the width of a whole head, of which rope.dimension_count are rotated; newer files keep that of the latent under the
// same key, and the head's under one with _mla.
static int64_t latent_nope(const Recipe *r, Fields *f)
{
    if (f->kind != CHECKPOINT_GGUF) return need_int(f, "qk_nope_head_dim", 1, HEADS_MOST);
    const char *key = spelling(f, (const char *const[]){ "head_dim_mla", "head_dim", NULL });
    int64_t head = need_int(f, key, 2, HEADS_MOST);
    if (head <= r->latent.rope)
        field_fault(f, "attention.key_length %lld is not above rope.dimension_count %lld", (long long)head,
                    (long long)r->latent.rope);
    return head > r->latent.rope ? head - r->latent.rope : 1;
}

void recipe_latent(Recipe *r, Fields *f)
{
    Latent *l = &r->latent;
    l->q_rank = want_int(f, "q_lora_rank", 0, WIDTH_MOST, 0);
    l->kv_rank = need_int(f, "kv_lora_rank", 1, WIDTH_MOST);
    l->rope = need_int(f, "qk_rope_head_dim", 2, HEADS_MOST);
    l->nope = latent_nope(r, f);
    l->norm = NORM_PLAIN;
    if (l->rope % 2) field_fault(f, "qk_rope_head_dim %lld is odd", (long long)l->rope);
    r->kv_heads = r->heads; // num_key_value_heads says nothing here
    r->head_width = l->nope + l->rope;
    r->value_width =
        need_int(f, spelling(f, (const char *const[]){ "v_head_dim_mla", "v_head_dim", NULL }), 1, HEADS_MOST);
    heads_check(r, f);
}

void recipe_every_layer(Recipe *r, LayerRecipe layer)
{
    for (int64_t i = 0; i < r->layers + r->draft_layers; i++) r->layer[i] = layer;
}

// ---- The whole -----------------------------------------------------------------------------------------------------

// Where the decoder's own keys lie.
static void find_prefix(char out[96], const Meta *config, CheckpointKind kind)
{
    Str architecture;
    out[0] = 0;
    if (kind == CHECKPOINT_GGUF && meta_text(config, "general.architecture", &architecture))
        snprintf(out, 96, "%.*s.", (int)architecture.n, architecture.at);
    else if (meta_find(config, "text_config.hidden_size"))
        snprintf(out, 96, "text_config.");
}

// Whose words the config has: GGUF's, or config.json's, which a GGUF file may keep.
static CheckpointKind kind_of(const Meta *config, const Checkpoint *checkpoint)
{
    const bool gguf = checkpoint ? config == checkpoint->metadata : meta_find(config, "general.architecture") != NULL;
    return gguf ? CHECKPOINT_GGUF : CHECKPOINT_SAFETENSORS;
}

// f: what the config is and whose words it has
static Err recipe_read(Recipe *r, Fields f, const Family *family, Arena *arena, const Checkpoint *checkpoint,
                       Report *report)
{
    char prefix[96];
    find_prefix(prefix, f.meta, f.kind);
    f.prefix = prefix;
    f.assumed = &r->assumed;
    f.above = f.kind == CHECKPOINT_SAFETENSORS && prefix[0];
    // Layers first, so that a family can fill them: a wrong count is told by recipe_sizes.
    Fields probe = f;
    int64_t count = need_int(&probe, "num_hidden_layers", 1, LAYERS_MOST);
    report_free(&probe.report);
    r->layer = arena_array(arena, (size_t)(count + DRAFTS_MOST), sizeof *r->layer);
    if (!r->layer) return err_memory("the recipe");
    r->layers = count;
    family->recipe(r, &f, checkpoint);
    if (checkpoint && f.kind == CHECKPOINT_GGUF) // has no key for it
        r->attention_bias = slot_find(r, checkpoint, r->latent.kv_rank ? SLOT_KV_A_BIAS : SLOT_Q_BIAS, 0, 0) != NULL;
    // A head in the file is the head, whatever tie_word_embeddings says.
    if (checkpoint && slot_find(r, checkpoint, SLOT_HEAD, 0, 0)) r->tied = false;
    Err e = r->assumed.failed ? err_memory("the recipe") : report_err(&f.report, ERR_FORMAT, f.meta->source);
    if (report)
        *report = f.report;
    else
        report_free(&f.report);
    return e.code ? e : recipe_fill_ropes(r, arena, checkpoint, f.meta->source);
}

Err recipe_from(Recipe **out, Arena *arena, const Meta *config, const Checkpoint *checkpoint, Report *report)
{
    const Family *family = NULL;
    if (!config) return err(ERR_FORMAT, "%s: there is no config.json", checkpoint ? checkpoint->path : tr("the model"));
    const CheckpointKind kind = kind_of(config, checkpoint);
    Err e = family_find(&family, config, kind);
    if (!e.code && checkpoint && checkpoint->metadata && kind == CHECKPOINT_SAFETENSORS)
        e = check_architecture(family, config, checkpoint->metadata);
    if (e.code) return e;
    Recipe *r = arena_alloc(arena, sizeof *r);
    if (!r) return err_memory("the recipe");
    if (checkpoint && !checkpoint->tensor_count) checkpoint = NULL; // a config alone
    r->family = family->name;
    e = recipe_read(r, (Fields){ .meta = config, .kind = kind }, family, arena, checkpoint, report);
    if (e.code)
        recipe_free(r);
    else
        *out = r;
    return e;
}

void recipe_free(Recipe *recipe)
{
    if (recipe) buf_free(&recipe->assumed);
}
