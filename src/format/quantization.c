// What config.json says of quantised weights: the keys below quantization_config (of a model within another one, or by the name
// of older files, elsewhere), whether a module is left out, and whether all of it is something that is read here.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "format/format_internal.h"

#include <pcre2.h>
#include <stdio.h>

static const char *const places[] = { "quantization_config", "text_config.quantization_config", "compression_config" };

const MetaValue *quantization_find(const Checkpoint *c, const char *key)
{
    char whole[128];
    for (size_t i = 0; c->kind == CHECKPOINT_SAFETENSORS && i < COUNT(places); i++) {
        snprintf(whole, sizeof whole, "%s.%s", places[i], key);
        const MetaValue *value = meta_find(c->config, whole);
        if (value) return value;
    }
    return NULL;
}

// The first of the keys that begin and end so, whatever is between (compressed-tensors names its groups freely).
static const MetaValue *find_around(const Checkpoint *c, const char *begin, const char *end)
{
    char whole[128];
    for (size_t p = 0; c->config && c->kind == CHECKPOINT_SAFETENSORS && p < COUNT(places); p++) {
        snprintf(whole, sizeof whole, "%s.%s", places[p], begin);
        for (size_t i = 0; i < c->config->count; i++) {
            const MetaEntry *entry = &c->config->entries[i];
            if (str_starts(entry->key, whole) && str_ends(entry->key, end)) return &entry->value;
        }
    }
    return NULL;
}

static Str text_of(const MetaValue *value)
{
    return value && value->type == META_TEXT ? value->text : str("");
}

Str quantization_text(const Checkpoint *c, const char *key)
{
    return text_of(quantization_find(c, key));
}

int64_t quantization_int(const Checkpoint *c, const char *key, int64_t otherwise)
{
    const MetaValue *value = quantization_find(c, key);
    return value && value->type == META_INT ? value->integer : otherwise;
}

void quantization_block(const Checkpoint *c, int64_t block[2])
{
    const MetaValue *list = quantization_find(c, "weight_block_size");
    if (!list) list = find_around(c, "config_groups.", ".weights.block_structure");
    block[0] = block[1] = 128;
    bool good = list && list->type == META_LIST && list->item == META_INT && list->count == 2;
    if (!good || list->integers[0] < 1 || list->integers[1] < 1) return;
    block[0] = list->integers[0], block[1] = list->integers[1];
}

// ---- Modules that are left out -------------------------------------------------------------------------------------

// Python's re.match: from the beginning, not to the end. A pattern that is not valid matches nothing.
static Err regex_matches(bool *out, Str pattern, Str name)
{
    int code;
    size_t at;
    pcre2_code *regex = pcre2_compile((PCRE2_SPTR)pattern.at, pattern.n, PCRE2_ANCHORED, &code, &at, NULL);
    *out = false;
    if (!regex) return code == PCRE2_ERROR_HEAP_FAILED ? err_memory("the patterns of config.json") : OK;
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    int found = PCRE2_ERROR_NOMEMORY;
    if (data && limits) {
        pcre2_set_match_limit(limits, 100000);
        pcre2_set_depth_limit(limits, 1000);
        found = pcre2_match(regex, (PCRE2_SPTR)name.at, name.n, 0, 0, data, limits);
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(data);
    pcre2_code_free(regex);
    *out = found >= 0;
    return found == PCRE2_ERROR_NOMEMORY ? err_memory("the patterns of config.json") : OK;
}

// '*' stands for anything, as in shells.
static bool glob_matches(Str pattern, Str name)
{
    size_t p = 0, n = 0, star = SIZE_MAX, from = 0;
    while (n < name.n) {
        if (p < pattern.n && pattern.at[p] == '*') {
            star = p++, from = n;
        } else if (p < pattern.n && pattern.at[p] == name.at[n]) {
            p++, n++;
        } else {
            if (star == SIZE_MAX) return false;
            p = star + 1, n = ++from;
        }
    }
    while (p < pattern.n && pattern.at[p] == '*') p++;
    return p == pattern.n;
}

// The pattern is the name, or whole components of it: "lm_head", "model.layers.0", "mlp.gate".
static bool components_match(Str pattern, Str name)
{
    for (size_t at = 0; pattern.n && at + pattern.n <= name.n; at++) {
        bool begins = at == 0 || name.at[at - 1] == '.';
        bool ends = at + pattern.n == name.n || name.at[at + pattern.n] == '.';
        if (begins && ends && !memcmp(name.at + at, pattern.at, pattern.n)) return true;
    }
    return false;
}

static Err pattern_matches(bool *out, Str pattern, Str name)
{
    if (str_starts(pattern, "re:")) return regex_matches(out, (Str){ pattern.at + 3, pattern.n - 3 }, name);
    bool glob = pattern.n && memchr(pattern.at, '*', pattern.n);
    *out = glob ? glob_matches(pattern, name) : components_match(pattern, name);
    return OK;
}

Err quantization_ignores(bool *out, const Checkpoint *c, Str module)
{
    static const char *const lists[] = { "ignore", "ignored_layers", "modules_to_not_convert", "exclude_modules" };
    *out = false;
    for (size_t i = 0; i < COUNT(lists); i++) {
        const MetaValue *list = quantization_find(c, lists[i]);
        if (!list || list->type != META_LIST || list->item != META_TEXT) continue;
        for (size_t k = 0; k < list->count; k++) {
            Err e = pattern_matches(out, list->texts[k], module);
            if (e.code || *out) return e;
        }
    }
    return OK;
}

// ---- All of it -----------------------------------------------------------------------------------------------------

static bool is_one_of(Str text, const char *const *names)
{
    for (; *names; names++)
        if (str_is(text, *names)) return true;
    return false;
}

static Err refuse(const Checkpoint *c, const char *key, Str value, const char *read)
{
    return err(ERR_UNSUPPORTED, "%s: quantization_config.%s is \"%.*s\"; read here are %s", c->config_name, key,
               shown(value), value.at, read);
}

static Err check_compressed_tensors(const Checkpoint *c)
{
    static const char *const formats[] = {
        "",
        "dense",
        "float-quantized",
        "naive-quantized",
        "int-quantized",
        "pack-quantized",
        "nvfp4-pack-quantized",
        "mxfp4-pack-quantized",
        "mixed-precision",
        NULL,
    };
    static const char read[] = "float-, naive-, int-, pack-, nvfp4-pack- and mxfp4-pack-quantized";
    Str format = quantization_text(c, "format"), sparsity = quantization_text(c, "sparsity_config.format");
    if (!is_one_of(format, formats)) return refuse(c, "format", format, read);
    if (sparsity.n && !str_is(sparsity, "dense")) return refuse(c, "sparsity_config.format", sparsity, "dense weights");
    if (find_around(c, "transform_config.config_groups.", ""))
        return refuse(c, "transform_config", str("a rotation"), "weights without one");
    for (size_t i = 0; i < c->config->count; i++) {
        const MetaEntry *entry = &c->config->entries[i];
        bool of_group = str_starts(entry->key, places[0]) && str_ends(entry->key, ".format");
        if (of_group && entry->value.type == META_TEXT && !is_one_of(entry->value.text, formats))
            return refuse(c, "config_groups", entry->value.text, read);
    }
    return OK;
}

static Err check_gptq(const Checkpoint *c)
{
    static const char *const formats[] = { "", "gptq", "gptq_v2", NULL };
    Str format = quantization_text(c, "checkpoint_format");
    int64_t bits = quantization_int(c, "bits", 4);
    if (!is_one_of(format, formats)) return refuse(c, "checkpoint_format", format, "gptq and gptq_v2");
    if (bits != 4 && bits != 8)
        return err(ERR_UNSUPPORTED, "%s: quantization_config.bits is %lld; read here are 4 and 8", c->config_name,
                   (long long)bits);
    return OK;
}

static Err check_awq(const Checkpoint *c)
{
    static const char *const versions[] = { "", "gemm", "GEMM", NULL };
    Str version = quantization_text(c, "version");
    int64_t bits = quantization_int(c, "bits", 4);
    if (!is_one_of(version, versions)) return refuse(c, "version", version, "gemm");
    if (bits != 4)
        return err(ERR_UNSUPPORTED, "%s: quantization_config.bits is %lld; of awq 4 is read here", c->config_name,
                   (long long)bits);
    return OK;
}

Err checkpoint_quantization(const Checkpoint *c)
{
    static const char *const methods[] = { "", "fp8", "fbgemm_fp8", "modelopt", "modelopt_fp4", NULL };
    Str method = quantization_text(c, "quant_method");
    if (str_is(method, "compressed-tensors")) return check_compressed_tensors(c);
    if (str_is(method, "gptq")) return check_gptq(c);
    if (str_is(method, "awq")) return check_awq(c);
    if (is_one_of(method, methods)) return OK;
    return refuse(c, "quant_method", method, "fp8, compressed-tensors, modelopt, gptq and awq");
}
