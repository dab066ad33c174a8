// Scalar kernels over rows and elements, and the scalar table itself: complete, plain, the specification.
#include <math.h>

#include "backend/cpu/cpu.h"

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float of_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

// To the nearest integer, ties to even, for |f| < 2^22: adding 1.5 * 2^23 leaves no bits below one.
static float round_even(float f)
{
    return f + 12582912.0f - 12582912.0f;
}

// Block codes[i] = x[i] / d, whole numbers of at most `most`; returns d = max|x| / most. Magnitudes are compared as bits, so that an
// infinity or NaN in a block becomes its d and is seen in every sum over it; its codes are 0, as where d is 0. Codes are held
// within +-most: where d is subnormal its rounding could push x / d beyond.
static float block_codes(float codes[QUANT_BLOCK], const float *x, int64_t n, float most)
{
    uint32_t largest = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t magnitude = bits_of(x[i]) & 0x7FFFFFFFu;
        if (magnitude > largest) largest = magnitude;
    }
    const float d = of_bits(largest) / most;
    const bool finite = d > 0.0f && d <= 3.4e38f;
    for (int64_t i = 0; i < QUANT_BLOCK; i++) {
        float f = finite && i < n ? x[i] / d : 0.0f;
        codes[i] = round_even(f > most ? most : f < -most ? -most : f);
    }
    return d;
}

// The block of Rows: 32 high bytes, then 32 low ones.
static void quantize_block(int8_t *q, float *d, int32_t *sum, const float *x, int64_t n)
{
    const float base = (float)CODE_BASE;
    float codes[QUANT_BLOCK];
    *d = block_codes(codes, x, n, (float)CODE_MOST);
    sum[0] = sum[1] = 0;
    for (int64_t i = 0; i < QUANT_BLOCK; i++) {
        float high = round_even(codes[i] * (1.0f / base));
        q[i] = (int8_t)high;
        q[i + QUANT_BLOCK] = (int8_t)(codes[i] - base * high);
        sum[i / SUM_BLOCK] += (int32_t)codes[i];
    }
}

static void quantize_row(int8_t *q, float *d, int32_t *sum, const float *x, int64_t n)
{
    for (int64_t b = 0; b < rows_blocks(n); b++) {
        int64_t left = n - b * QUANT_BLOCK;
        quantize_block(q + b * QUANT_BYTES, d + b, sum + 2 * b, x + b * QUANT_BLOCK,
                       left < QUANT_BLOCK ? left : QUANT_BLOCK);
    }
}

// y = x / sqrt(mean(x^2) + eps), times the gain.
static void norm_row(float *y, const float *x, const NormIn *in, int64_t n)
{
    float inverse = 1.0f / sqrtf(scalar_dot(x, x, n) / (float)n + in->eps);
    for (int64_t i = 0; i < n; i++) {
        float gain = in->kind == NORM_NONE ? 1.0f : in->kind == NORM_ONE_PLUS ? 1.0f + in->gain[i] : in->gain[i];
        y[i] = x[i] * inverse * gain;
    }
}

static void rope_head(float *x, const float *cosine, const float *sine, RopePairing pairing, int64_t d)
{
    int64_t half = d / 2;
    for (int64_t j = 0; j < half; j++) {
        int64_t i0 = pairing == ROPE_HALF ? j : 2 * j, i1 = pairing == ROPE_HALF ? j + half : 2 * j + 1;
        float a = x[i0], b = x[i1];
        x[i0] = a * cosine[j] - b * sine[j];
        x[i1] = b * cosine[j] + a * sine[j];
    }
}

static void store_row(uint8_t *to, KvType type, const float *x, int64_t width)
{
    if (type == KV_F32) {
        memcpy(to, x, (size_t)width * sizeof *x);
    } else if (type == KV_BF16) {
        for (int64_t i = 0; i < width; i++) {
            uint16_t h = f32_to_bf16(x[i]);
            memcpy(to + 2 * i, &h, sizeof h);
        }
    } else {
        int64_t blocks = rows_blocks(width);
        for (int64_t b = 0; b < blocks; b++) {
            int64_t left = width - b * QUANT_BLOCK;
            float codes[QUANT_BLOCK];
            float d = block_codes(codes, x + b * QUANT_BLOCK, left < QUANT_BLOCK ? left : QUANT_BLOCK, 127.0f);
            for (int64_t i = 0; i < QUANT_BLOCK; i++) to[b * QUANT_BLOCK + i] = (uint8_t)(int8_t)codes[i];
            memcpy(to + blocks * QUANT_BLOCK + b * (int64_t)sizeof d, &d, sizeof d);
        }
    }
}

static void swiglu(float *y, const float *gate, const float *up, int64_t n, float clamp)
{
    for (int64_t i = 0; i < n; i++) {
        float g = gate[i], u = up[i];
        if (clamp > 0.0f) {
            g = g > clamp ? clamp : g;
            u = u > clamp ? clamp : u < -clamp ? -clamp : u;
        }
        y[i] = g / (1.0f + expf(-g)) * u;
    }
}

static void add(float *x, const float *y, int64_t n, float scale)
{
    for (int64_t i = 0; i < n; i++) x[i] += scale * y[i];
}

static void scale_by(float *x, int64_t n, float scale)
{
    for (int64_t i = 0; i < n; i++) x[i] *= scale;
}

static void head_panel(const HeadPanel *p)
{
    for (int64_t t = 0; t < p->T; t++)
        for (int64_t r = 0; r < p->rows; r++)
            p->y[t * p->y_stride + r] = scalar_dot(p->w + r * p->cols, p->x + t * p->x_stride, p->cols);
}

static void head_panel_t(const HeadPanel *p)
{
    for (int64_t t = 0; t < p->T; t++)
        for (int64_t r = 0; r < p->rows; r++)
            for (int64_t i = 0; i < p->cols; i++)
                p->y[t * p->y_stride + i] += p->x[t * p->x_stride + r] * p->w[r * p->cols + i];
}

void scalar_fill(Backend *b)
{
    CpuKernels *k = &cpu_of(b)->kernels;
    for (int i = 0; i < DTYPE_COUNT; i++) k->linear[i] = scalar_float_rows;
    k->decode_weights = matrix_decode;
    k->quantize_row = quantize_row;
    k->norm_row = norm_row;
    k->rope_head = rope_head;
    k->attend = scalar_attend;
    k->store_row = store_row;
    k->swiglu = swiglu;
    k->add = add;
    k->scale = scale_by;
    k->head_panel = head_panel;
    k->head_panel_t = head_panel_t;

    b->wants_quantized = cpu_wants_quantized;
    b->embed = cpu_embed;
    b->quantize_rows = cpu_quantize_rows;
    b->linear = cpu_linear;
    b->heads_linear = cpu_heads_linear;
    b->heads_linear_t = cpu_heads_linear_t;
    b->experts = cpu_experts;
    b->rms_norm = cpu_rms_norm;
    b->rope = cpu_rope;
    b->kv_store = cpu_kv_store;
    b->kv_load = cpu_kv_load;
    b->attend = cpu_attend;
    b->route = cpu_route;
    b->swiglu = cpu_swiglu;
    b->add = cpu_add;
    b->scale = cpu_scale;
    b->place = cpu_place;
}
