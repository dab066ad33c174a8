// Ropes: what a config says of them, and their frequencies.
#include "model/model_internal.h"

#include <math.h>
#include <stdio.h>

// ---- Rope ----------------------------------------------------------------------------------------------------------

// A key below rope_parameters (new spelling) or rope_scaling (old); NULL: absent in both.
static const char *rope_key(const Fields *f, const char *key, char out[96])
{
    static const char *const homes[] = { "rope_parameters", "rope_scaling" };
    for (size_t i = 0; i < COUNT(homes); i++) {
        snprintf(out, 96, "%s.%s", homes[i], key);
        if (field(f, out)) return out;
    }
    return NULL;
}

static double rope_optional(Fields *f, const char *key, double absent)
{
    char word[96];
    const char *found = rope_key(f, key, word);
    return found ? want_real(f, found, absent) : absent;
}

static double rope_real(Fields *f, const char *key)
{
    char word[96];
    const char *found = rope_key(f, key, word);
    if (found) return want_real(f, found, 1.0);
    field_fault(f, "%s of the rope scaling is missing", key);
    return 1.0;
}

// m(s, u) = 0.1 u ln s + 1 of YaRN (arXiv 2309.00071, 3.4)
static double yarn_magnitude(double factor, double weight)
{
    return factor > 1 ? 0.1 * weight * log(factor) + 1 : 1;
}

// transformers:src/transformers/modeling_rope_utils.py for the amplitude; DeepSeek-V3's modeling for the scale of scores, which
// only latent attention has.
static void read_yarn(Rope *rope, const Recipe *r, Fields *f)
{
    rope->scaling = ROPE_YARN;
    rope->factor = rope_real(f, "factor");
    char word[96];
    const char *original = rope_key(f, "original_max_position_embeddings", word);
    rope->original = original ? want_real(f, original, 1.0) : (double)r->context;
    rope->high = rope_optional(f, "beta_fast", 32);
    rope->low = rope_optional(f, "beta_slow", 1);
    const char *truncate = rope_key(f, "truncate", word);
    rope->truncate = truncate ? want_bool(f, truncate, true) : true;
    const double one = rope_optional(f, "mscale", 0), all = rope_optional(f, "mscale_all_dim", 0);
    const double amplitude = one != 0 && all != 0
                                 ? yarn_magnitude(rope->factor, one) / yarn_magnitude(rope->factor, all)
                                 : yarn_magnitude(rope->factor, 1);
    rope->amplitude = (float)rope_optional(f, "attention_factor", amplitude);
    if (r->latent.kv_rank && all != 0) rope->score_factor = pow(yarn_magnitude(rope->factor, all), 2);
    if (!(rope->factor > 0) || !(rope->original > 0) || !(rope->high > 0) || !(rope->low > 0) || !(rope->amplitude > 0))
        field_fault(f, "the yarn rope scaling has a factor, an original length or a band that makes no sense");
}

static void read_llama3(Rope *rope, Fields *f)
{
    rope->scaling = ROPE_LLAMA3;
    rope->factor = rope_real(f, "factor");
    rope->low = rope_real(f, "low_freq_factor");
    rope->high = rope_real(f, "high_freq_factor");
    rope->original = rope_real(f, "original_max_position_embeddings");
    if (!(rope->factor > 0) || !(rope->original > 0) || !(rope->high > rope->low))
        field_fault(f, "the llama3 rope scaling has a factor, an original length or a band that makes no sense");
}

// "default" where there is no scaling. *key: the one that says so, or NULL.
static Str scaling_type(Fields *f, char word[96], const char **key)
{
    *key = rope_key(f, "rope_type", word);
    if (!*key) *key = rope_key(f, "type", word);
    return *key ? want_text(f, *key, "default") : str("default");
}

bool recipe_has_scaling(const Fields *f)
{
    char word[96];
    const char *key;
    Fields probe = *f; // a wrong type is told where the scaling is read
    Str type = scaling_type(&probe, word, &key);
    return !str_is(type, "default") && !str_is(type, "none");
}

void recipe_rope_scaling(Recipe *r, Fields *f, int index)
{
    char word[96];
    const char *key;
    Rope *rope = &r->ropes[index];
    Str type = scaling_type(f, word, &key);
    if (str_is(type, "default") || str_is(type, "none")) return;
    if (str_is(type, "llama3")) {
        read_llama3(rope, f);
    } else if (str_is(type, "yarn")) {
        read_yarn(rope, r, f);
    } else if (str_is(type, "linear")) {
        rope->scaling = ROPE_LINEAR;
        rope->factor = rope_real(f, "factor");
        if (!(rope->factor > 0)) field_fault(f, "the linear rope scaling has a factor that is not above 0");
    } else {
        field_fault(f, "%s %.*s is not known", key, (int)(type.n < 80 ? type.n : 80), type.at);
    }
}

int recipe_rope_theta(Recipe *r, Fields *f, double theta)
{
    if (r->rope_count == ROPES_MOST) return NO_ROPE;
    const int64_t width = r->latent.kv_rank ? r->latent.rope : r->head_width;
    char word[96];
    const char *partial = rope_key(f, "partial_rotary_factor", word);
    const double part = want_real(f, partial ? partial : "partial_rotary_factor", 1.0);
    Rope *rope = &r->ropes[r->rope_count];
    *rope = (Rope){ .theta = theta, .amplitude = 1.0f, .score_factor = 1.0, .factor = 1.0 };
    rope->d = r->latent.kv_rank ? width : want_int(f, "rope_dim", 2, width, (int64_t)((double)width * part) / 2 * 2);
    if (!(rope->theta > 0)) field_fault(f, "rope_theta is not above 0");
    if (rope->d < 2 || rope->d > width || rope->d % 2) {
        field_fault(f, "the rotated width of a head is %lld of %lld", (long long)rope->d, (long long)width);
        rope->d = 2;
    }
    return r->rope_count++;
}

int recipe_rope_plain(Recipe *r, Fields *f, const char *theta)
{
    return recipe_rope_theta(r, f, need_real(f, theta));
}

int recipe_rope(Recipe *r, Fields *f, const Checkpoint *checkpoint)
{
    char word[96];
    const char *nested = rope_key(f, "rope_theta", word); // a nested theta wins over one at the top
    int rope = recipe_rope_theta(r, f, nested ? want_real(f, nested, 1e4) : need_real(f, "rope_theta"));
    recipe_rope_scaling(r, f, rope);
    if (checkpoint && slot_find(r, checkpoint, SLOT_ROPE_DIVISORS, 0, 0)) r->ropes[rope].scaling = ROPE_DIVISORS;
    return rope;
}

// ---- Frequencies ---------------------------------------------------------------------------------------------------

static double llama3_frequency(const Rope *rope, double frequency)
{
    double wavelength = 2 * M_PI / frequency;
    if (wavelength < rope->original / rope->high) return frequency;
    if (wavelength > rope->original / rope->low) return frequency / rope->factor;
    double ramp = (rope->original / wavelength - rope->low) / (rope->high - rope->low);
    return (1 - ramp) * frequency / rope->factor + ramp * frequency;
}

// The pair whose wave turns `turns` times within the original positions.
static double yarn_pair(const Rope *rope, double turns)
{
    return (double)rope->d * log(rope->original / (2 * M_PI * turns)) / (2 * log(rope->theta));
}

// Slow pairs are interpolated, fast ones left alone, those between blended (arXiv 2309.00071, 3.2).
static double yarn_frequency(const Rope *rope, double frequency, int64_t j)
{
    double first = yarn_pair(rope, rope->high), last = yarn_pair(rope, rope->low);
    if (rope->truncate) first = floor(first), last = ceil(last);
    first = fmax(first, 0), last = fmin(last, (double)rope->d - 1);
    if (first == last) last += 0.001;
    const double ramp = fmin(fmax(((double)j - first) / (last - first), 0), 1);
    return frequency * (1 - ramp) + frequency / rope->factor * ramp;
}

static Err rope_fill(Rope *rope, const Recipe *r, Arena *arena, const Checkpoint *checkpoint, const char *source)
{
    float *frequency = arena_array(arena, (size_t)rope->d / 2, sizeof *frequency);
    float *divisor = arena_array(arena, (size_t)rope->d / 2, sizeof *divisor);
    if (!frequency || !divisor) return err_memory("the rope table");
    if (rope->scaling == ROPE_DIVISORS) {
        const Stored *s = slot_find(r, checkpoint, SLOT_ROPE_DIVISORS, 0, 0);
        if (s->dtype != DTYPE_F32 || s->rank != 1 || s->shape[0] != rope->d / 2)
            return err(ERR_FORMAT, "%s: tensor %.*s is not %lld numbers of F32", checkpoint->path, (int)s->name.n,
                       s->name.at, (long long)rope->d / 2);
        memcpy(divisor, checkpoint_data(checkpoint, s), (size_t)s->bytes);
    }
    for (int64_t j = 0; j < rope->d / 2; j++) {
        double plain = pow(rope->theta, -2.0 * (double)j / (double)rope->d);
        if (rope->scaling == ROPE_LINEAR) plain /= rope->factor;
        if (rope->scaling == ROPE_LLAMA3) plain = llama3_frequency(rope, plain);
        if (rope->scaling == ROPE_YARN) plain = yarn_frequency(rope, plain, j);
        if (rope->scaling == ROPE_DIVISORS) plain /= (double)divisor[j];
        if (!isfinite(plain)) return err(ERR_FORMAT, "%s: a rope frequency is not finite", source);
        frequency[j] = (float)plain;
    }
    rope->frequency = frequency;
    return OK;
}

Err recipe_fill_ropes(Recipe *r, Arena *arena, const Checkpoint *checkpoint, const char *source)
{
    Err e = OK;
    for (int i = 0; i < r->rope_count && !e.code; i++) e = rope_fill(&r->ropes[i], r, arena, checkpoint, source);
    return e;
}
