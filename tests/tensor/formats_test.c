// Number formats against the vectors of tools/make_format_vectors.py, bit for bit; 16-bit floats over all their values.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "format/format.h"

static Checkpoint *vectors;

static int open_vectors(void **state)
{
    (void)state;
    Err e = checkpoint_open(&vectors, DURE_TEST_DATA "/vectors/formats.safetensors", CHECKPOINT_ALL, NULL, NULL);
    if (e.code) fprintf(stderr, "%s\n", e.text);
    return e.code ? -1 : 0;
}

static int close_vectors(void **state)
{
    (void)state;
    checkpoint_close(vectors);
    return 0;
}

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

// Not the codes of weights that are several tensors: those are in tests/format/weight_test.c.
static bool in_files(int dtype)
{
    const Format *format = format_of((Dtype)dtype);
    return format->gguf >= 0 || format->safetensors;
}

// The vectors of a format: its bytes, and the n values that they stand for (by malloc, so that reads beyond them are seen).
static const uint8_t *stored_of(const Format *format, float **value, int64_t *n)
{
    char name[32];
    snprintf(name, sizeof name, "%s.stored", format->name);
    const Stored *stored = checkpoint_find(vectors, str(name));
    snprintf(name, sizeof name, "%s.value", format->name);
    const Stored *values = checkpoint_find(vectors, str(name));
    assert_non_null(stored);
    assert_non_null(values);
    *n = values->shape[0];
    size_t bytes;
    assert_int_equal(*n % format->block, 0);
    bytes = (size_t)(*n / format->block) * format->block_bytes;
    assert_int_equal(bytes, stored->bytes);
    *value = malloc(values->bytes);
    memcpy(*value, checkpoint_data(vectors, values), values->bytes);
    return checkpoint_data(vectors, stored);
}

static void decoded_values_equal_the_reference_bit_for_bit(void **state)
{
    (void)state;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        if (!in_files(dtype)) continue;
        const Format *format = format_of((Dtype)dtype);
        float *want;
        int64_t n;
        const uint8_t *in = stored_of(format, &want, &n);
        float *out = malloc((size_t)n * sizeof *out);
        format->decode(out, in, n);
        for (int64_t i = 0; i < n; i++)
            if (bits_of(out[i]) != bits_of(want[i]))
                fail_msg("%s element %lld: %a instead of %a", format->name, (long long)i, (double)out[i],
                         (double)want[i]);
        free(out);
        free(want);
    }
}

static void blocks_may_lie_at_any_address(void **state)
{
    (void)state;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        if (!in_files(dtype)) continue;
        const Format *format = format_of((Dtype)dtype);
        float *want;
        int64_t n;
        const uint8_t *in = stored_of(format, &want, &n);
        size_t bytes;
        assert_true(format_bytes((Dtype)dtype, n, &bytes));
        float *out = malloc((size_t)n * sizeof *out);
        for (size_t shift = 1; shift < 8; shift += 2) {
            uint8_t *moved = malloc(bytes + shift);
            memcpy(moved + shift, in, bytes);
            format->decode(out, moved + shift, n);
            assert_memory_equal(out, want, (size_t)n * sizeof *out);
            free(moved);
        }
        free(out);
        free(want);
    }
}

static void every_count_of_blocks_stays_within_its_bytes(void **state)
{
    (void)state;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        if (!in_files(dtype)) continue;
        const Format *format = format_of((Dtype)dtype);
        float *want;
        int64_t most;
        const uint8_t *in = stored_of(format, &want, &most);
        for (int64_t blocks = 0; blocks <= (format->block == 1 ? 40 : 3); blocks++) {
            int64_t n = blocks * format->block;
            size_t bytes;
            assert_true(format_bytes((Dtype)dtype, n, &bytes));
            uint8_t *exact = malloc(bytes ? bytes : 1);
            float *out = malloc((size_t)n * sizeof *out + 1);
            memcpy(exact, in, bytes);
            format->decode(out, exact, n);
            assert_memory_equal(out, want, (size_t)n * sizeof *out);
            free(out);
            free(exact);
        }
        free(want);
    }
}

// scale * code + minimum, each operation rounded, is what decode does: equal to the bit, but for the sign of zero.
static void unpacked_codes_give_the_decoded_values(void **state)
{
    (void)state;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        const Format *format = format_of((Dtype)dtype);
        assert_true((format->unpack != NULL) == (format->group != 0));
        if (!in_files(dtype) || !format->unpack) continue;
        assert_true(format->group >= FORMAT_GROUP_LEAST && format->block % format->group == 0);
        float *want;
        int64_t n;
        const uint8_t *in = stored_of(format, &want, &n);
        int8_t *code = malloc((size_t)n);
        float *scale = malloc((size_t)(n / format->group) * sizeof *scale);
        float *minimum = malloc((size_t)(n / format->group) * sizeof *minimum);
        memset(minimum, 0xFF, (size_t)(n / format->group) * sizeof *minimum);
        format->unpack(code, scale, minimum, in, n);
        for (int64_t j = 0; j < n; j++) {
            int64_t g = j / format->group;
            volatile float product = scale[g] * (float)code[j];
            assert_true(product + minimum[g] == want[j]);
            assert_true(format->has_minimum || bits_of(minimum[g]) == 0);
        }
        free(code);
        free(scale);
        free(minimum);
        free(want);
    }
}

static void floats_of_eight_bits_have_their_nans(void **state)
{
    (void)state;
    static const struct {
        Dtype dtype;
        uint8_t bits;
    } nans[] = { { DTYPE_F8_E4M3, 0x7F },
                 { DTYPE_F8_E4M3, 0xFF },
                 { DTYPE_F8_E5M2, 0x7D },
                 { DTYPE_F8_E5M2, 0xFF },
                 { DTYPE_F8_E8M0, 0xFF } };
    for (size_t i = 0; i < COUNT(nans); i++) {
        float value = 0;
        format_of(nans[i].dtype)->decode(&value, &nans[i].bits, 1);
        assert_true(isnan(value));
    }
}

static void every_half_float_has_its_value(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        int exponent = (int)(h >> 10 & 31), fraction = (int)(h & 1023);
        float f = f16_to_f32((uint16_t)h);
        float sign = h & 0x8000 ? -1.0f : 1.0f;
        if (exponent == 31 && fraction)
            assert_true(isnan(f));
        else if (exponent == 31)
            assert_true(f == sign * INFINITY);
        else
            assert_true(f ==
                        sign * ldexpf((float)(exponent ? fraction + 1024 : fraction), (exponent ? exponent : 1) - 25));
        assert_int_equal(signbit(f) != 0, h >> 15);
        if (isnan(f))
            assert_true(isnan(f16_to_f32(f32_to_f16(f))));
        else
            assert_int_equal(f32_to_f16(f), h);
    }
}

// Between each two neighbours: just below, at and just above the middle.
static void floats_round_to_the_nearest_half_ties_to_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7C00; h++) {
        float low = f16_to_f32((uint16_t)h);
        float high = h == 0x7BFF ? 65536.0f : f16_to_f32((uint16_t)(h + 1)); // the next one would be 2^16
        float middle = low + (high - low) / 2;                               // exact in float32
        uint32_t even = h & 1 ? h + 1 : h;
        assert_int_equal(f32_to_f16(middle), even);
        assert_int_equal(f32_to_f16(nextafterf(middle, 0.0f)), h);
        assert_int_equal(f32_to_f16(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(f32_to_f16(-middle), 0x8000 | even);
    }
    assert_int_equal(f32_to_f16(3.4e38f), 0x7C00);
    assert_int_equal(f32_to_f16(-INFINITY), 0xFC00);
    assert_int_equal(f32_to_f16(1e-45f), 0);
    assert_true(isnan(f16_to_f32(f32_to_f16(NAN))));
    assert_true(isnan(f16_to_f32(f32_to_f16(float_of(0x7F800001)))));
}

static void floats_round_to_the_nearest_bf16_ties_to_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7F80; h++) {
        assert_int_equal(f32_to_bf16(bf16_to_f32((uint16_t)h)), h);
        assert_int_equal(f32_to_bf16(float_of(h << 16 | 0x7FFF)), h);
        assert_int_equal(f32_to_bf16(float_of(h << 16 | 0x8000)), h & 1 ? h + 1 : h);
        assert_int_equal(f32_to_bf16(float_of(h << 16 | 0x8001)), h + 1);
    }
    assert_int_equal(f32_to_bf16(-INFINITY), 0xFF80);
    assert_true(isnan(bf16_to_f32(f32_to_bf16(float_of(0x7F800001)))));
    assert_true(isnan(bf16_to_f32(f32_to_bf16(float_of(0xFFFFFFFF)))));
}

static void a_format_is_found_by_its_names(void **state)
{
    (void)state;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        const Format *format = format_of((Dtype)dtype);
        Dtype found = DTYPE_COUNT;
        if (format->gguf >= 0) assert_true(dtype_from_gguf(&found, (uint32_t)format->gguf));
        if (format->gguf >= 0) assert_int_equal(found, dtype);
        assert_true(!format->decode != !format->panel);
        found = DTYPE_COUNT;
        if (format->safetensors) assert_true(dtype_from_safetensors(&found, str(format->safetensors)));
        if (format->safetensors) assert_int_equal(found, dtype);
    }
    Dtype none;
    assert_false(dtype_from_gguf(&none, 9)); // Q8_1
    assert_false(dtype_from_gguf(&none, UINT32_MAX));
    assert_false(dtype_from_safetensors(&none, str("F4")));
    assert_false(dtype_from_safetensors(&none, str("")));
}

static void bytes_of_a_row_are_refused_where_they_do_not_exist(void **state)
{
    (void)state;
    size_t bytes = 7;
    assert_true(format_bytes(DTYPE_Q4_1, 64, &bytes) && bytes == 40);
    assert_true(format_bytes(DTYPE_F64, 0, &bytes) && bytes == 0);
    assert_true(format_bytes(DTYPE_BF16, INT64_MAX, &bytes) && bytes == (size_t)INT64_MAX * 2);
    assert_false(format_bytes(DTYPE_Q4_1, 63, &bytes));
    assert_false(format_bytes(DTYPE_Q6_K, 128, &bytes));
    assert_false(format_bytes(DTYPE_F32, -1, &bytes));
    assert_false(format_bytes(DTYPE_F64, INT64_MAX, &bytes));
}

static void a_slice_of_rows_keeps_its_place(void **state)
{
    (void)state;
    uint8_t data[6 * 40];
    Matrix m = { .format = DTYPE_Q4_1, .rows = 6, .cols = 64, .data = data, .row_stride = 40 };
    Matrix part = matrix_rows(&m, 2, 3), inner = matrix_rows(&part, 1, 2), none = matrix_rows(&m, 6, 0);
    assert_int_equal(part.rows, 3);
    assert_int_equal(part.row0, 2);
    assert_ptr_equal(part.data, data + 80);
    assert_int_equal(inner.row0, 3);
    assert_ptr_equal(matrix_row(&inner, 1), data + 160);
    assert_int_equal(none.rows, 0);
    Matrix absent = { 0 };
    assert_null(matrix_rows(&absent, 0, 0).data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoded_values_equal_the_reference_bit_for_bit),
        cmocka_unit_test(blocks_may_lie_at_any_address),
        cmocka_unit_test(every_count_of_blocks_stays_within_its_bytes),
        cmocka_unit_test(unpacked_codes_give_the_decoded_values),
        cmocka_unit_test(floats_of_eight_bits_have_their_nans),
        cmocka_unit_test(every_half_float_has_its_value),
        cmocka_unit_test(floats_round_to_the_nearest_half_ties_to_even),
        cmocka_unit_test(floats_round_to_the_nearest_bf16_ties_to_even),
        cmocka_unit_test(a_format_is_found_by_its_names),
        cmocka_unit_test(bytes_of_a_row_are_refused_where_they_do_not_exist),
        cmocka_unit_test(a_slice_of_rows_keeps_its_place),
    };
    return cmocka_run_group_tests(tests, open_vectors, close_vectors);
}
