// What config.json says of quantised weights: the keys below quantization_config (of a model within another one, or by the name
// of older files, elsewhere; of ModelOpt's older files in hf_quant_config.json), whether a module is left out, and whether all
// of it is something that is read here.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "format/format_internal.h"

#include <inttypes.h>
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

// The number'th of the keys that begin and end so, whatever is between (compressed-tensors names its groups freely).
static const MetaValue *find_around(const Checkpoint *c, size_t number, const char *begin, const char *end)
{
    char whole[128];
    for (size_t p = 0; c->config && c->kind == CHECKPOINT_SAFETENSORS && p < COUNT(places); p++) {
        snprintf(whole, sizeof whole, "%s.%s", places[p], begin);
        for (size_t i = 0; i < c->config->count; i++) {
            const MetaEntry *entry = &c->config->entries[i];
            if (str_starts(entry->key, whole) && str_ends(entry->key, end) && !number--) return &entry->value;
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

// A list of two, or as older files have it "128x128".
static bool block_from(int64_t block[2], const MetaValue *value)
{
    if (value->type == META_LIST && value->item == META_INT && value->count == 2) {
        block[0] = value->integers[0], block[1] = value->integers[1];
    } else if (value->type == META_TEXT && value->text.n < 40) {
        char text[40], rest;
        long long rows, cols;
        snprintf(text, sizeof text, "%.*s", (int)value->text.n, value->text.at);
        if (sscanf(text, "%18lldx%18lld%c", &rows, &cols, &rest) != 2) return false;
        block[0] = rows, block[1] = cols;
    } else {
        return false;
    }
    return block[0] > 0 && block[1] > 0;
}

bool quantization_block(const Checkpoint *c, size_t number, int64_t block[2])
{
    const MetaValue *value = quantization_find(c, "weight_block_size");
    if (!value)
        value = find_around(c, number, "config_groups.", ".weights.block_structure");
    else if (number)
        return false;
    if (value && block_from(block, value)) return true;
    block[0] = block[1] = 128;
    return value || !number;
}

// ---- The side file ---------------------------------------------------------------------------------------------------
// {"producer": {...}, "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "exclude_modules": [...], ...}}
// Source: NVIDIA/Model-Optimizer, which now writes the same into config.json besides.

static bool is_said(const json_t *config, const char *key)
{
    const json_t *value = json_object_get(config, key);
    return value && !json_is_null(value);
}

bool quantization_in(const json_t *config)
{
    return is_said(config, "quantization_config") || is_said(config, "compression_config") ||
           is_said(json_object_get(config, "text_config"), "quantization_config");
}

Err quantization_adopt(json_t *config, const json_t *side, const char *path)
{
    const json_t *said = json_object_get(side, "quantization");
    if (!json_is_object(said))
        return err(ERR_FORMAT, "%s: quantization must be an object with quant_algo; download it again", path);
    json_t *copy = json_deep_copy(said);
    if (!copy || json_object_set_new(copy, "quant_method", json_string("modelopt"))) {
        json_decref(copy);
        return err_memory(path);
    }
    return json_object_set_new(config, "quantization_config", copy) ? err_memory(path) : OK;
}

void quantization_remark(const Checkpoint *c, const Log *log)
{
    const bool cache = quantization_text(c, "kv_cache_quant_algo").n || find_around(c, 0, "kv_cache_scheme.", "");
    if (cache)
        log_say(log, LOG_WARNING,
                "%s: asks for a quantised cache of keys and values, which is not heeded; --kv chooses it",
                c->quantization_name);
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

// As the file that says it calls the object.
static const char *section(const Checkpoint *c)
{
    return c->quantization_name == c->config_name ? "quantization_config" : "quantization";
}

static Err refuse(const Checkpoint *c, const char *key, Str value, const char *read)
{
    return err(ERR_UNSUPPORTED, "%s: %s.%s is \"%.*s\"; read here are %s", c->quantization_name, section(c), key,
               shown(value), value.at, tr(read));
}

static Err refuse_number(const Checkpoint *c, const char *key, int64_t value, const char *read)
{
    return err(ERR_UNSUPPORTED, "%s: quantization_config.%s is %" PRId64 "; read here are %s", c->quantization_name,
               key, value, tr(read));
}

// Each of the keys that begin and end so has one of the values; what has another type is passed over.
static Err check_each(const Checkpoint *c, const char *begin, const char *end, const char *const *values,
                      const char *read)
{
    const MetaValue *value;
    for (size_t i = 0; (value = find_around(c, i, begin, end)); i++)
        if (value->type == META_TEXT && !is_one_of(value->text, values)) return refuse(c, begin, value->text, read);
    return OK;
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
    static const char read[] = N_("float-, naive-, int-, pack-, nvfp4-pack- and mxfp4-pack-quantized");
    Str format = quantization_text(c, "format"), sparsity = quantization_text(c, "sparsity_config.format");
    if (!is_one_of(format, formats)) return refuse(c, "format", format, read);
    if (sparsity.n && !str_is(sparsity, "dense")) return refuse(c, "sparsity_config.format", sparsity, "dense weights");
    if (find_around(c, 0, "transform_config.config_groups.", ""))
        return refuse(c, "transform_config", str(tr("a rotation")), "weights without one");
    const MetaValue *bits;
    for (size_t i = 0; (bits = find_around(c, i, "config_groups.", ".weights.num_bits")); i++)
        if (bits->type == META_INT && bits->integer != 4 && bits->integer != 8)
            return refuse_number(c, "config_groups.weights.num_bits", bits->integer, "4 and 8");
    return check_each(c, "config_groups.", ".format", formats, read);
}

// One method for all weights, or one for each of the layers that are named. What multiplies a layer's inputs (AWQ, SmoothQuant)
// is not read.
static Err check_modelopt(const Checkpoint *c)
{
    static const char *const algorithms[] = { "",      "FP8",   "FP8_PB_WO",       "FP8_PER_CHANNEL_PER_TOKEN",
                                              "NVFP4", "MXFP4", "MIXED_PRECISION", NULL };
    static const char read[] =
        N_("FP8, FP8_PB_WO, FP8_PER_CHANNEL_PER_TOKEN, NVFP4, MXFP4 and MIXED_PRECISION of these");
    Str algorithm = quantization_text(c, "quant_algo");
    if (!is_one_of(algorithm, algorithms)) return refuse(c, "quant_algo", algorithm, read);
    return check_each(c, "quantized_layers.", ".quant_algo", algorithms, read);
}

static Err check_gptq(const Checkpoint *c)
{
    static const char *const formats[] = { "", "gptq", "gptq_v2", NULL };
    Str format = quantization_text(c, "checkpoint_format");
    int64_t bits = quantization_int(c, "bits", 4);
    if (!is_one_of(format, formats)) return refuse(c, "checkpoint_format", format, "gptq and gptq_v2");
    if (bits != 4 && bits != 8) return refuse_number(c, "bits", bits, "4 and 8");
    if (find_around(c, 0, "dynamic.", ""))
        return refuse(c, "dynamic", str(tr("bits that differ by module")), "weights with the same bits everywhere");
    return OK;
}

static Err check_awq(const Checkpoint *c)
{
    static const char *const versions[] = { "", "gemm", "GEMM", NULL };
    Str version = quantization_text(c, "version");
    int64_t bits = quantization_int(c, "bits", 4);
    if (!is_one_of(version, versions)) return refuse(c, "version", version, "gemm");
    return bits == 4 ? OK : refuse_number(c, "bits", bits, "4");
}

Err checkpoint_quantization(const Checkpoint *c)
{
    static const char *const methods[] = { "", "fp8", "fbgemm_fp8", NULL };
    Str method = quantization_text(c, "quant_method");
    if (str_is(method, "compressed-tensors")) return check_compressed_tensors(c);
    if (str_is(method, "gptq")) return check_gptq(c);
    if (str_is(method, "awq")) return check_awq(c);
    if (str_starts(method, "modelopt")) return check_modelopt(c);
    if (is_one_of(method, methods)) return OK;
    return refuse(c, "quant_method", method, "fp8, compressed-tensors, modelopt, gptq and awq");
}
