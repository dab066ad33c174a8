// From options to sampling: what the command line says goes before what the model recommends, and that before the library's
// defaults. One row per number.
#include "cli.h"

#include <math.h>
#include <string.h>
#include <sys/random.h>

#define FROM(field) offsetof(SamplingOptions, field)
#define TO(field) offsetof(DureSampling, field)

// key: the name in generation_config.json, or NULL
static const struct {
    size_t from, to;
    const char *key;
} reals[] = {
    { FROM(temperature), TO(temperature), "temperature" },
    { FROM(dynatemp_range), TO(dynatemp_range), NULL },
    { FROM(dynatemp_exponent), TO(dynatemp_exponent), NULL },
    { FROM(top_n_sigma), TO(top_n_sigma), NULL },
    { FROM(top_p), TO(top_p), "top_p" },
    { FROM(min_p), TO(min_p), "min_p" },
    { FROM(typical), TO(typical_p), "typical_p" },
    { FROM(xtc_probability), TO(xtc_probability), NULL },
    { FROM(xtc_threshold), TO(xtc_threshold), NULL },
    { FROM(repeat_penalty), TO(repeat_penalty), "repetition_penalty" },
    { FROM(frequency_penalty), TO(frequency_penalty), "frequency_penalty" },
    { FROM(presence_penalty), TO(presence_penalty), "presence_penalty" },
    { FROM(dry_multiplier), TO(dry_multiplier), NULL },
    { FROM(dry_base), TO(dry_base), NULL },
};

// All of them int in DureSampling.
static const struct {
    size_t from, to;
    const char *key;
} wholes[] = {
    { FROM(top_k), TO(top_k), "top_k" },
    { FROM(repeat_window), TO(repeat_window), NULL },
    { FROM(dry_allowed_length), TO(dry_allowed_length), NULL },
    { FROM(dry_range), TO(dry_range), NULL },
    { FROM(logprobs), TO(logprobs), NULL },
};

void sampling_not_given(SamplingOptions *out)
{
    const double nothing = NAN;
    const int64_t none = NOT_GIVEN;
    for (size_t i = 0; i < COUNT(reals); i++) memcpy((char *)out + reals[i].from, &nothing, sizeof nothing);
    for (size_t i = 0; i < COUNT(wholes); i++) memcpy((char *)out + wholes[i].from, &none, sizeof none);
    out->seed = out->think_budget = NOT_GIVEN;
}

// False: the model does not say.
static bool recommended(double *out, const json_t *defaults, const char *key)
{
    const json_t *value = key ? json_object_get(defaults, key) : NULL;
    if (!json_is_number(value)) return false;
    *out = json_number_value(value);
    return true;
}

static void numbers_from(DureSampling *out, const SamplingOptions *o, const json_t *defaults)
{
    for (size_t i = 0; i < COUNT(reals); i++) {
        double value;
        memcpy(&value, (const char *)o + reals[i].from, sizeof value);
        if (!isnan(value) || recommended(&value, defaults, reals[i].key))
            memcpy((char *)out + reals[i].to, &value, sizeof value);
    }
    for (size_t i = 0; i < COUNT(wholes); i++) {
        int64_t value;
        double advised;
        memcpy(&value, (const char *)o + wholes[i].from, sizeof value);
        if (value == NOT_GIVEN) {
            if (!recommended(&advised, defaults, wholes[i].key)) continue;
            value = advised >= 1 && advised <= INT32_MAX ? (int64_t)advised : 0; // other numbers mean that it is off
        }
        const int narrow = (int)value;
        memcpy((char *)out + wholes[i].to, &narrow, sizeof narrow);
    }
}

static const char *const *breakers_of(const TextList *list)
{
    static const char *const none[] = { NULL };
    if (list->n == 1 && !strcmp(list->at[0], "none")) return none;
    return list->at;
}

static uint64_t seed_of(int64_t given)
{
    uint64_t seed;
    if (given >= 0) return (uint64_t)given;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = (uint64_t)(now_seconds() * 1e9);
    return seed & (((uint64_t)1 << 53) - 1); // so that --seed can repeat it
}

int sampling_from(DureSampling *out, const Options *o, const DureModel *model)
{
    DureText text;
    DureError error;
    const SamplingOptions *given = &o->sampling;
    if (dure_model_defaults(model, &text, &error)) return fail("%s", error.text);
    json_t *defaults = need(json_loadb(text.at, text.n, 0, NULL)); // the library writes JSON
    dure_text_free(&text);
    dure_sampling_default(out);
    numbers_from(out, given, defaults);
    json_decref(defaults);
    if (o->greedy) out->temperature = 0;
    // What a model recommends is meant as its publisher's software has it: for all tokens.
    if (isnan(given->repeat_penalty) && given->repeat_window == NOT_GIVEN) out->repeat_window = -1;
    if (given->think_budget != NOT_GIVEN) out->think_budget = given->think_budget;
    out->min_tokens = given->min_tokens;
    out->max_tokens = given->max_tokens;
    out->stop = o->stop.at;
    out->stop_ids = given->stop_ids.at;
    out->stop_id_count = given->stop_ids.n;
    out->logit_bias = given->logit_bias.at;
    out->logit_bias_count = given->logit_bias.n;
    out->dry_breakers = breakers_of(&given->dry_breakers);
    out->seed = seed_of(given->seed);
    return EXIT_FINE;
}
