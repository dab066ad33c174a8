// Any bytes as options, ids and logits of one draw, and the same draw again on a sampler that has drawn before. What is drawn is an id
// of the vocabulary that nothing forbids; a second time it is the same one; numbers that are none are told.
#include "engine/engine_internal.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

typedef struct Bytes {
    const uint8_t *at;
    size_t n;
} Bytes;

static void take(Bytes *bytes, void *out, size_t n)
{
    memset(out, 0, n);
    if (n > bytes->n) n = bytes->n;
    if (n) memcpy(out, bytes->at, n);
    bytes->at += n;
    bytes->n -= n;
}

static uint8_t take_byte(Bytes *bytes)
{
    uint8_t byte;
    take(bytes, &byte, 1);
    return byte;
}

// Half of the numbers are any bits, half lie where they are allowed.
static void take_real(Bytes *bytes, double *out, double least, double most)
{
    const uint8_t kind = take_byte(bytes);
    if (kind < 128) return; // the default
    if (kind < 144)
        take(bytes, out, sizeof *out);
    else
        *out = least + (most - least) * take_byte(bytes) / 255;
}

static void take_options(Bytes *b, DureSampling *s, DureBias bias[8])
{
    dure_sampling_default(s);
    s->temperature = 1;
    take_real(b, &s->temperature, 0, 3);
    take_real(b, &s->dynatemp_range, 0, 3);
    take_real(b, &s->dynatemp_exponent, 0, 3);
    take_real(b, &s->top_n_sigma, 0, 3);
    take_real(b, &s->top_p, 0.01, 1);
    take_real(b, &s->min_p, 0, 1);
    take_real(b, &s->typical_p, 0.01, 1);
    take_real(b, &s->xtc_probability, 0, 1);
    take_real(b, &s->xtc_threshold, 0.001, 1);
    take_real(b, &s->repeat_penalty, 0.01, 9);
    take_real(b, &s->frequency_penalty, -2, 2);
    take_real(b, &s->presence_penalty, -2, 2);
    take_real(b, &s->dry_multiplier, 0, 9);
    take_real(b, &s->dry_base, 1, 9);
    s->top_k = take_byte(b) % 40;
    s->repeat_window = take_byte(b) % 40 - 1;
    s->dry_allowed_length = 1 + take_byte(b) % 5;
    s->dry_range = take_byte(b) % 40 - 1;
    take(b, &s->seed, sizeof s->seed);
    s->logit_bias = bias;
    s->logit_bias_count = take_byte(b) % 8;
    for (size_t i = 0; i < s->logit_bias_count; i++) {
        bias[i].id = take_byte(b);
        if (take_byte(b) % 4)
            bias[i].bias = (float)(take_byte(b) - 128);
        else
            take(b, &bias[i].bias, sizeof bias[i].bias);
    }
}

enum { VOCAB_MOST = 64, IDS_MOST = 200, FORBID_MOST = 4 };

typedef struct Case {
    DureSampling s;
    DureBias bias[8];
    int64_t vocab;
    float logits[VOCAB_MOST];
    int32_t ids[IDS_MOST], forbid[FORBID_MOST];
    SampleAt at;
} Case;

static void take_case(Bytes *b, Case *c)
{
    take_options(b, &c->s, c->bias);
    c->vocab = 1 + take_byte(b) % VOCAB_MOST;
    c->at.n = take_byte(b) % IDS_MOST;
    c->at.reply = take_byte(b) % (c->at.n + 1);
    c->at.unbroken = take_byte(b);
    c->at.forbid_n = take_byte(b) % (FORBID_MOST + 1);
    take(b, &c->at.position, sizeof c->at.position);
    for (size_t i = 0; i < c->at.forbid_n; i++) c->forbid[i] = take_byte(b) - 1;
    const int letters = 1 + take_byte(b) % 8;
    for (size_t i = 0; i < c->at.n; i++) c->ids[i] = take_byte(b) % letters - (take_byte(b) == 77);
    const bool any = take_byte(b) > 200;
    for (int64_t i = 0; i < c->vocab; i++) {
        if (any)
            take(b, &c->logits[i], sizeof c->logits[i]);
        else
            c->logits[i] = (float)(take_byte(b) - 128) / 8;
    }
    c->at.ids = c->ids;
    c->at.forbid = c->forbid;
}

static void draw_expect(const Case *c, int32_t id)
{
    if (id < 0 || id >= c->vocab) __builtin_trap();
    for (size_t i = 0; i < c->at.forbid_n; i++)
        if (c->forbid[i] == id) __builtin_trap();
    for (size_t i = 0; i < c->s.logit_bias_count; i++)
        if (c->bias[i].id == id && c->bias[i].bias == -INFINITY) __builtin_trap();
    if (c->logits[id] == -INFINITY) __builtin_trap();
    for (int64_t i = 0; i < c->vocab; i++)
        if (isnan(c->logits[i])) __builtin_trap(); // should have been refused
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Bytes bytes = { data, n };
    Case c = { 0 };
    take_case(&bytes, &c);
    Sampler *sampler = NULL;
    int32_t ids[2] = { -1, -1 };
    float logits[2][VOCAB_MOST];
    if (sampler_new(&sampler, &c.s, c.vocab, NULL).code) return 0;
    sampler_add_breaker(sampler, 1);
    for (int round = 0; round < 2; round++) {
        SampleAt at = c.at;
        memcpy(logits[round], c.logits, sizeof c.logits);
        at.logits = logits[round];
        Err e = sampler_next(sampler, &at, &ids[round]);
        if (!e.code != (ids[round] >= 0)) __builtin_trap();
        if (!e.code) draw_expect(&c, ids[round]);
    }
    if (ids[0] != ids[1] || memcmp(logits[0], logits[1], sizeof logits[0]) != 0) __builtin_trap();
    sampler_free(sampler);
    return 0;
}
