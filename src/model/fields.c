// Reading a config so that the user hears of every fault at once. Keys are Hugging Face's; GGUF has its own words for them.
#include "model/model_internal.h"

#include <math.h>
#include <stdio.h>

// What GGUF calls a Hugging Face key (ggml-org/ggml:docs/gguf.md). A leading '.' means: not below the architecture's prefix.
static const char *const gguf_keys[][2] = {
    { "vocab_size", "vocab_size" },
    { "hidden_size", "embedding_length" },
    { "num_hidden_layers", "block_count" },
    { "num_nextn_predict_layers", "nextn_predict_layers" },
    { "num_attention_heads", "attention.head_count" },
    { "num_key_value_heads", "attention.head_count_kv" },
    { "head_dim", "attention.key_length" },
    { "v_head_dim", "attention.value_length" },
    { "head_dim_mla", "attention.key_length_mla" },
    { "v_head_dim_mla", "attention.value_length_mla" },
    { "q_lora_rank", "attention.q_lora_rank" },
    { "kv_lora_rank", "attention.kv_lora_rank" },
    { "qk_rope_head_dim", "rope.dimension_count" },
    { "intermediate_size", "feed_forward_length" },
    { "rms_norm_eps", "attention.layer_norm_rms_epsilon" },
    { "layer_norm_epsilon", "attention.layer_norm_epsilon" },
    { "max_position_embeddings", "context_length" },
    { "rope_theta", "rope.freq_base" },
    { "rope_dim", "rope.dimension_count" },
    { "rope_scaling.rope_type", "rope.scaling.type" },
    { "rope_scaling.factor", "rope.scaling.factor" },
    { "rope_scaling.original_max_position_embeddings", "rope.scaling.original_context_length" },
    { "rope_scaling.beta_fast", "rope.scaling.yarn_beta_fast" },
    { "rope_scaling.beta_slow", "rope.scaling.yarn_beta_slow" },
    { "rope_scaling.attention_factor", "rope.scaling.yarn_attn_factor" },
    { "rope_theta_global", "rope.freq_base" },
    { "rope_theta_local", "rope.freq_base_swa" },
    { "sliding_window", "attention.sliding_window" },
    { "is_sliding_layer", "attention.sliding_window_pattern" },
    { "num_experts", "expert_count" },
    { "num_experts_per_tok", "expert_used_count" },
    { "n_group", "expert_group_count" },
    { "topk_group", "expert_group_used_count" },
    { "moe_intermediate_size", "expert_feed_forward_length" },
    { "num_shared_experts", "expert_shared_count" },
    { "routed_scaling_factor", "expert_weights_scale" },
    { "norm_topk_prob", "expert_weights_norm" },
    { "gating_func", "expert_gating_func" },
    { "first_k_dense_replace", "leading_dense_block_count" },
    { "embedding_multiplier", "embedding_scale" },
    { "residual_multiplier", "residual_scale" },
    { "attention_multiplier", "attention.scale" },
    { "logits_scaling", "logit_scale" },
    { "bos_token_id", ".tokenizer.ggml.bos_token_id" },
    { "eos_token_id", ".tokenizer.ggml.eos_token_id" },
    { "eot_token_id", ".tokenizer.ggml.eot_token_id" },
    { "pad_token_id", ".tokenizer.ggml.padding_token_id" },
};

// The key as the file has it; false: the file has no word for it.
static bool spelled(const Fields *f, const char *key, char out[160])
{
    const char *word = key;
    if (f->kind == CHECKPOINT_GGUF) {
        word = NULL;
        for (size_t i = 0; i < COUNT(gguf_keys) && !word; i++)
            if (strcmp(gguf_keys[i][0], key) == 0) word = gguf_keys[i][1];
        if (!word) return false;
    }
    bool whole = word[0] == '.';
    snprintf(out, 160, "%s%s", whole ? "" : f->prefix, whole ? word + 1 : word);
    return true;
}

const MetaValue *field(const Fields *f, const char *key)
{
    char word[160];
    if (!spelled(f, key, word)) return NULL;
    const MetaValue *v = meta_find(f->meta, word);
    if (!v && f->above) v = meta_find(f->meta, key);
    return v && v->type != META_NONE ? v : NULL;
}

const char *spelling(const Fields *f, const char *const *keys)
{
    for (const char *const *key = keys; *key; key++)
        if (field(f, *key)) return *key;
    return keys[0];
}

void report_add(Report *report, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, tr(format), args);
    va_end(args);
    buf_printf(&report->text, "%s\n", line);
    report->count++;
}

Err report_err(const Report *report, ErrCode code, const char *source)
{
    if (report->text.failed) return err_memory(source);
    if (!report->count) return OK;
    const char *at = report->text.at;
    size_t n = 0;
    for (int lines = 0; lines < 3 && at[n]; lines++) {
        while (at[n] != '\n') n++;
        n++;
    }
    char first[400] = "";
    size_t used = 0;
    for (size_t i = 0; i + 1 < n && used + 2 < sizeof first; i++) {
        if (at[i] == '\n') first[used++] = ';';
        first[used++] = at[i] == '\n' ? ' ' : at[i];
    }
    first[used] = 0;
    if (report->count == 1) return err(code, "%s: %s", source, first);
    return err(code, report->count >= REPORT_MOST ? N_("%s: at least %d faults: %s%s") : N_("%s: %d faults: %s%s"),
               source, report->count, first, report->count > 3 ? "; ..." : "");
}

void report_free(Report *report)
{
    buf_free(&report->text);
    *report = (Report){ 0 };
}

void field_fault(Fields *f, const char *format, ...)
{
    char line[400];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, tr(format), args);
    va_end(args);
    report_add(&f->report, "%s", line);
}

void field_assume(Fields *f, const char *format, ...)
{
    char line[400];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, tr(format), args);
    va_end(args);
    buf_printf(f->assumed, "%s\n", line);
}

// For messages: the file's own word where it has one.
static const char *shown(const Fields *f, const char *key, char out[160])
{
    return spelled(f, key, out) ? out : key;
}

static int64_t int_in_range(Fields *f, const char *key, const MetaValue *v, int64_t least, int64_t most)
{
    char word[160];
    // Some configs write whole numbers as 16.0.
    double real = v->type == META_REAL ? v->real : 0.5;
    int64_t value = v->type == META_INT                        ? v->integer
                    : fabs(real) < 1e15 && real == floor(real) ? (int64_t)real
                                                               : INT64_MIN;
    if (v->type != META_INT && value == INT64_MIN) {
        field_fault(f, "%s is not a whole number", shown(f, key, word));
        return least;
    }
    if (value < least || value > most) {
        field_fault(f, "%s is %lld, expected %lld to %lld", shown(f, key, word), (long long)value, (long long)least,
                    (long long)most);
        return least;
    }
    return value;
}

int64_t want_int(Fields *f, const char *key, int64_t least, int64_t most, int64_t absent)
{
    const MetaValue *v = field(f, key);
    return v ? int_in_range(f, key, v, least, most) : absent;
}

int64_t need_int(Fields *f, const char *key, int64_t least, int64_t most)
{
    const MetaValue *v = field(f, key);
    char word[160];
    if (v) return int_in_range(f, key, v, least, most);
    field_fault(f, "%s is missing", shown(f, key, word));
    return least;
}

double want_real(Fields *f, const char *key, double absent)
{
    const MetaValue *v = field(f, key);
    char word[160];
    if (!v) return absent;
    double value = v->type == META_REAL ? v->real : v->type == META_INT ? (double)v->integer : NAN;
    if (isfinite(value)) return value;
    field_fault(f, "%s is not a number", shown(f, key, word));
    return 1.0;
}

double need_real(Fields *f, const char *key)
{
    char word[160];
    if (!field(f, key)) field_fault(f, "%s is missing", shown(f, key, word));
    return want_real(f, key, 1.0);
}

bool want_bool(Fields *f, const char *key, bool absent)
{
    const MetaValue *v = field(f, key);
    char word[160];
    if (!v) return absent;
    if (v->type == META_BOOL) return v->flag;
    field_fault(f, "%s is neither true nor false", shown(f, key, word));
    return absent;
}

Str want_text(Fields *f, const char *key, const char *absent)
{
    const MetaValue *v = field(f, key);
    char word[160];
    if (!v) return str(absent);
    if (v->type == META_TEXT) return v->text;
    field_fault(f, "%s is not a string", shown(f, key, word));
    return str(absent);
}

const MetaValue *want_list(Fields *f, const char *key, MetaType item, int64_t count)
{
    const MetaValue *v = field(f, key);
    char word[160];
    if (!v) return NULL;
    if (v->type == META_LIST && v->item == item && v->count == (size_t)count) return v;
    field_fault(f, "%s is not a list of %lld values of one kind, one for each layer", shown(f, key, word),
                (long long)count);
    return NULL;
}
