// The two forms of linear, as specification: float32 over decoded weights, and integer activations over the formats' integer codes.
// A group of weight rows is decoded once and used for all T rows of the input.
#include <assert.h>

#include "backend/cpu/cpu.h"

enum { LANES = 16, PANEL_MOST = 16 };

typedef float Four
    __attribute__((vector_size(16))); // four lanes: every processor that this runs on adds four floats at once

static Four load4(const float *at)
{
    Four v;
    memcpy(&v, at, sizeof v);
    return v;
}

float scalar_dot(const float *a, const float *b, int64_t n)
{
    Four s0 = { 0 }, s1 = { 0 }, s2 = { 0 }, s3 = { 0 };
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        s0 += load4(a + i) * load4(b + i);
        s1 += load4(a + i + 4) * load4(b + i + 4);
        s2 += load4(a + i + 8) * load4(b + i + 8);
        s3 += load4(a + i + 12) * load4(b + i + 12);
    }
    float rest[LANES] = { 0 };
    for (int64_t l = 0; i + l < n; l++) rest[l] = a[i + l] * b[i + l];
    s0 += load4(rest), s1 += load4(rest + 4), s2 += load4(rest + 8), s3 += load4(rest + 12);
    Four s = (s0 + s2) + (s1 + s3);
    return (s[0] + s[2]) + (s[1] + s[3]);
}

void scalar_float_rows(const LinearJob *job, int64_t first, int64_t rows, void *slot)
{
    int64_t n = job->w->cols, T = job->x->T;
    int64_t most = LINEAR_SLOT / ((n ? n : 1) * (int64_t)sizeof(float)); // decoded at once; one always fits
    int64_t panel = most < 1 ? 1 : most > PANEL_MOST ? PANEL_MOST : most;
    float *w = slot; // [panel, n]
    for (int64_t r0 = first; r0 < first + rows; r0 += panel) {
        int64_t count = first + rows - r0 < panel ? first + rows - r0 : panel;
        matrix_decode(job->w, r0, count, w);
        for (int64_t t = 0; t < T; t++) {
            float *y = job->y + t * job->y_stride + r0;
            for (int64_t r = 0; r < count; r++)
                y[r] = scalar_dot(w + r * n, job->x->x + t * n, n) + (job->bias ? job->bias[r0 + r] : 0.0f);
        }
    }
}

// One weight row against one activation row; g counts groups of `group` elements, 16 or 32.
static float dot_codes(const Rows *x, int64_t t, const int8_t *code, const float *scale, const float *minimum,
                       int64_t group)
{
    int64_t blocks = rows_blocks(x->n), groups = x->n / group, per = QUANT_BLOCK / group;
    const int8_t *q = x->q + t * blocks * QUANT_BYTES;
    float acc = 0.0f;
    for (int64_t g = 0; g < groups; g++) {
        float dx = x->d[t * blocks + g / per];
        int32_t high = 0, low = 0, qsum = 0;
        for (int64_t j = g * group; j < (g + 1) * group; j++) {
            const int8_t *at = q + j / QUANT_BLOCK * QUANT_BYTES + j % QUANT_BLOCK;
            high += code[j] * at[0];
            low += code[j] * at[QUANT_BLOCK];
        }
        const int32_t isum = CODE_BASE * high + low;
        const int32_t *sum = x->sum + t * blocks * 2 + g * group / SUM_BLOCK;
        for (int64_t s = 0; s < group / SUM_BLOCK; s++) qsum += sum[s];
        acc = scale[g] * dx * (float)isum + acc;
        if (minimum) acc = minimum[g] * dx * (float)qsum + acc;
    }
    return acc;
}

void scalar_code_rows(const LinearJob *job, int64_t first, int64_t rows, void *slot)
{
    const Format *format = format_of(job->w->format);
    assert(format->unpack && job->x->n % format->group == 0);
    int64_t n = job->w->cols, most_groups = n / FORMAT_GROUP_LEAST + 1;
    float *scale = slot, *minimum = scale + most_groups;
    int8_t *code = (int8_t *)(minimum + most_groups);
    for (int64_t r = first; r < first + rows; r++) {
        format->unpack(code, scale, minimum, matrix_row(job->w, r), n);
        for (int64_t t = 0; t < job->x->T; t++)
            job->y[t * job->y_stride + r] =
                dot_codes(job->x, t, code, scale, format->has_minimum ? minimum : NULL, format->group) +
                (job->bias ? job->bias[r] : 0.0f);
    }
}
