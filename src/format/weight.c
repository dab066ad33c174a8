// A weight as a Matrix. Quantised checkpoints keep a weight as several stored tensors: codes, and companions beside them (scales,
// zeros, ...) whose names follow from that of the codes. What is there decides how it is read; config.json decides what cannot be
// seen (block sizes, bits, how GPTQ counts zeros, whether a bare 8-bit weight is complete). Shapes are checked against each other,
// so that a Matrix reads within its tensors.
// Names and meaning: huggingface/transformers (fp8), vllm-project/compressed-tensors, NVIDIA/Model-Optimizer, AutoGPTQ, AutoAWQ.
#include "format/format_internal.h"

#include <inttypes.h>
#include <stdio.h>

enum { COMPANION_NAME_MOST = 1200 };

// A tensor, or of a tensor [E, ...] one slice.
typedef struct Part {
    const Stored *stored; // NULL: absent
    const uint8_t *data;
    int rank;
    int64_t shape[RANK_MOST];
} Part;

typedef struct Weight {
    const Checkpoint *c;
    const Stored *codes;
    Str stem; // companions are called stem + suffix
    int64_t slice;
    Matrix matrix; // in the making
    MatrixParts parts;
} Weight;

// ---- Names ---------------------------------------------------------------------------------------------------------

// Suffixes of companions behind a weight's name ("X.weight" + "_scale"), and of other numbers that belong to a module and are for
// quantised activations and caches.
static const char *const companions[] = {
    "_scale_inv", "_scale",   "_scale_2",          "_global_scale",       "_zero_point",
    "_shape",     "_g_idx",   ".input_scale",      ".input_global_scale", ".output_scale",
    ".k_scale",   ".v_scale", ".input_zero_point",
};
static const char *const gptq_companions[] = { ".qzeros", ".scales", ".g_idx" };

static const Stored *find_joined(const Checkpoint *c, Str stem, const char *suffix)
{
    char name[COMPANION_NAME_MOST];
    size_t n = strlen(suffix);
    if (stem.n + n > sizeof name) return NULL;
    if (stem.n) memcpy(name, stem.at, stem.n);
    memcpy(name + stem.n, suffix, n);
    return checkpoint_find(c, (Str){ name, stem.n + n });
}

static Str without(Str name, const char *suffix)
{
    return (Str){ name.at, name.n - strlen(suffix) };
}

const Stored *checkpoint_find_weight(const Checkpoint *c, Str name)
{
    const Stored *found = checkpoint_find(c, name);
    if (found || c->kind == CHECKPOINT_GGUF || !str_ends(name, ".weight")) return found;
    found = find_joined(c, name, "_packed");
    return found ? found : find_joined(c, without(name, ".weight"), ".qweight");
}

const Stored *checkpoint_owner(const Checkpoint *c, const Stored *companion)
{
    Str name = companion->name;
    const Stored *owner = NULL;
    for (size_t i = 0; !owner && i < COUNT(gptq_companions); i++)
        if (str_ends(name, gptq_companions[i])) owner = find_joined(c, without(name, gptq_companions[i]), ".qweight");
    for (size_t i = 0; !owner && i < COUNT(companions); i++) {
        if (!str_ends(name, companions[i])) continue;
        Str stem = without(name, companions[i]);
        owner = companions[i][0] == '_' ? checkpoint_find_weight(c, stem) : find_joined(c, stem, ".weight");
        if (!owner && companions[i][0] == '.') owner = find_joined(c, stem, ".weight_packed");
    }
    return owner;
}

// ---- Faults --------------------------------------------------------------------------------------------------------

static void put_shape(char out[160], const int64_t *shape, int rank)
{
    int n = snprintf(out, 160, "[");
    for (int i = 0; i < rank; i++) n += snprintf(out + n, (size_t)(160 - n), "%s%" PRId64, i ? ", " : "", shape[i]);
    snprintf(out + n, (size_t)(160 - n), "]");
}

static Err misfit(const Weight *w, const Part *p, const char *wanted)
{
    char shape[160];
    put_shape(shape, p->stored->shape, p->stored->rank);
    return err(ERR_FORMAT, "%s: tensor %.*s has shape %s (%s), but %.*s needs %s; the checkpoint is damaged",
               w->c->files[p->stored->file].path, shown(p->stored->name), p->stored->name.at, shape,
               format_of(p->stored->dtype)->name, shown(w->codes->name), w->codes->name.at, tr(wanted));
}

static Err no_weight(const Weight *w, const char *why) // why: how the sentence goes on, or NULL
{
    return err(ERR_UNSUPPORTED, "%s: tensor %.*s is stored as %s, which is no format for weights%s",
               w->c->files[w->codes->file].path, shown(w->codes->name), w->codes->name.at,
               format_of(w->codes->dtype)->name, why ? tr(why) : "");
}

// ---- Parts ---------------------------------------------------------------------------------------------------------

static bool part_slice(Part *p, int64_t slice, int64_t count)
{
    if (p->rank < 1 || p->shape[0] != count || count < 1) return false;
    p->data += (uint64_t)slice * (p->stored->bytes / (uint64_t)count);
    p->rank--;
    memmove(p->shape, p->shape + 1, (size_t)p->rank * sizeof *p->shape);
    return true;
}

static Part part_of(const Weight *w, const Stored *stored)
{
    Part p = { .stored = stored };
    if (!stored) return p;
    p.data = checkpoint_data(w->c, stored);
    p.rank = stored->rank;
    memcpy(p.shape, stored->shape, sizeof p.shape);
    return p;
}

// The companion stem + suffix; where the codes are one slice of many, its slice.
static Err take(Part *out, const Weight *w, const char *suffix)
{
    *out = part_of(w, find_joined(w->c, w->stem, suffix));
    if (!out->stored || w->codes->rank < 3) return OK;
    return part_slice(out, w->slice, w->codes->shape[0]) ? OK : misfit(w, out, "one of it per expert");
}

static Err need(Part *out, const Weight *w, const char *suffix)
{
    Err e = take(out, w, suffix);
    if (!e.code && !out->stored)
        e = err(ERR_FORMAT, "%s: tensor %.*s%s is missing, without which %.*s means nothing; download it again",
                w->c->files[w->codes->file].path, shown(w->stem), w->stem.at, suffix, shown(w->codes->name),
                w->codes->name.at);
    return e;
}

static int64_t elements_of(const Part *p)
{
    int64_t n = 1;
    for (int i = 0; i < p->rank; i++) n *= p->shape[i];
    return n;
}

static int64_t parts_of(int64_t n, int64_t part)
{
    return n / part + (n % part != 0);
}

// Some writers keep the dimensions within a block, as ones: [R, 1, C, 1].
static void drop_ones(Part *p)
{
    if (p->rank == 4 && p->shape[1] == 1 && p->shape[3] == 1)
        p->shape[1] = p->shape[2], p->rank = 2;
    else if (p->rank == 3 && p->shape[2] == 1)
        p->rank = 2;
    else if (p->rank == 3 && p->shape[1] == 1)
        p->shape[1] = p->shape[2], p->rank = 2;
}

// ---- Grids ---------------------------------------------------------------------------------------------------------

static bool is_number(Dtype dtype)
{
    return dtype == DTYPE_F32 || dtype == DTYPE_F16 || dtype == DTYPE_BF16 || dtype == DTYPE_F8_E4M3 ||
           dtype == DTYPE_F8_E8M0 || dtype == DTYPE_I8;
}

// One number for all, for each row, for each block (with block[0] > 0), or for equal groups of each row's columns: by the shape.
static Err grid_from(MatrixGrid *out, const Weight *w, Part p, const int64_t block[2])
{
    static const char wanted[] = N_("one number for all of it, for each row or for each block");
    int64_t rows = w->matrix.rows, cols = w->matrix.cols;
    drop_ones(&p);
    size_t bytes = format_of(p.stored->dtype)->block_bytes;
    if (!is_number(p.stored->dtype) || p.rank > 2) return misfit(w, &p, wanted);
    int64_t R = p.rank > 0 ? p.shape[0] : 1, C = p.rank > 1 ? p.shape[1] : 1;
    *out = (MatrixGrid){ .data = p.data, .format = p.stored->dtype, .block_rows = 1, .block_cols = cols };
    out->col_step = bytes, out->row_step = (size_t)C * bytes;
    if (elements_of(&p) == 1) {
        out->block_rows = rows;
    } else if (R == rows && C == 1) {
        return OK;
    } else if (block[0] && R == parts_of(rows, block[0]) && C == parts_of(cols, block[1])) {
        out->block_rows = block[0], out->block_cols = block[1];
    } else if (R == rows && C > 0 && cols % C == 0) {
        out->block_cols = cols / C;
    } else {
        return misfit(w, &p, wanted);
    }
    return OK;
}

// A number for all of the weight, which multiplies or divides the scales.
static Err take_second(Weight *w, const Part *p, bool divide)
{
    if (elements_of(p) != 1 || p->stored->dtype != DTYPE_F32) return misfit(w, p, "one number in F32");
    memcpy(&w->parts.second, p->data, sizeof w->parts.second);
    w->parts.divide = divide;
    return OK;
}

// A column's group, in case it is not simply the one in order; out->index stays NULL where it is.
static Err take_index(Weight *w, const Part *p)
{
    const MatrixGrid *scales = &w->parts.scales;
    int64_t cols = w->matrix.cols, groups = parts_of(cols, scales->block_cols);
    if (p->rank != 1 || p->shape[0] != cols || p->stored->dtype != DTYPE_I32)
        return misfit(w, p, "the group of each column in I32");
    bool in_order = true, unset = false;
    for (int64_t i = 0; i < cols; i++) {
        int32_t group;
        memcpy(&group, p->data + 4 * i, sizeof group);
        unset = unset || group == -1;
        if (group < -1 || group >= groups) return misfit(w, p, "groups that there are scales for");
        in_order = in_order && group == i / scales->block_cols;
    }
    if (!in_order && !unset) w->parts.index = p->data; // -1: written, but never set
    return OK;
}

// ---- Kinds of weights ----------------------------------------------------------------------------------------------

static Err bare(Weight *w, Str module)
{
    Part scale = part_of(w, find_joined(w->c, w->stem, "_scale"));
    Dtype dtype = w->codes->dtype;
    if (scale.stored) return no_weight(w, " that have scales; its _scale should not be there");
    bool eight_bits = dtype == DTYPE_F8_E4M3 || dtype == DTYPE_F8_E5M2;
    bool names_method = quantization_text(w->c, "quant_method").n;
    if (!eight_bits || !names_method) return OK;
    bool left_out = false;
    Err e = quantization_ignores(&left_out, w->c, module);
    return e.code || left_out ? e : need(&scale, w, "_scale");
}

// Floats or integers of 8 bits under scales: fp8, fbgemm_fp8, modelopt FP8, compressed-tensors float- and int-quantized.
static Err scaled(Weight *w, const Part *scale)
{
    Part zeros;
    int64_t block[2], none[2] = { 0, 0 };
    Err e = OK, first = OK;
    for (size_t i = 0; quantization_block(w->c, i, block); i++) { // several groups: the first whose blocks fit
        e = grid_from(&w->parts.scales, w, *scale, block);
        if (!e.code) break;
        if (!i) first = e;
    }
    if (e.code) e = first;
    if (!e.code) e = take(&zeros, w, "_zero_point");
    if (e.code || !zeros.stored) return e;
    e = grid_from(&w->parts.zeros, w, zeros, none);
    if (!e.code && w->parts.zeros.block_cols != w->parts.scales.block_cols) e = misfit(w, &zeros, "zeros like scales");
    return e;
}

// Floats of four bits: NVFP4 (scales in E4M3 per 16 and one more) and MXFP4 (powers of two per 32).
static Err four_bit_floats(Weight *w)
{
    const int64_t none[2] = { 0, 0 };
    Part scale, second = { 0 }, divisor = { 0 };
    Err e = need(&scale, w, "_scale");
    if (!e.code) e = take(&second, w, "_scale_2");
    if (!e.code) e = take(&divisor, w, "_global_scale");
    if (e.code) return e;
    if (w->matrix.cols > INT64_MAX / 2) return misfit(w, &scale, "a size that fits");
    w->matrix.format = DTYPE_E2M1;
    w->matrix.cols *= 2;
    Stored as_power;
    if (scale.stored->dtype == DTYPE_U8) { // E8M0 by another name
        as_power = *scale.stored;
        as_power.dtype = DTYPE_F8_E8M0;
        scale.stored = &as_power;
    }
    e = grid_from(&w->parts.scales, w, scale, none);
    int64_t width = scale.stored->dtype == DTYPE_F8_E8M0 ? 32 : 16;
    if (!e.code && w->parts.scales.block_cols != width)
        e = misfit(w, &scale, width == 32 ? N_("a scale for each 32 columns") : N_("a scale for each 16 columns"));
    if (!e.code && width == 16 && !second.stored && !divisor.stored) e = need(&second, w, "_scale_2");
    if (!e.code && second.stored) e = take_second(w, &second, false);
    if (!e.code && !second.stored && divisor.stored) e = take_second(w, &divisor, true);
    return e;
}

// compressed-tensors, pack-quantized: words of 32 bits with the codes of a row, and zeros packed along the rows.
static Err read_packed_shape(Weight *w, int *bits)
{
    Part shape;
    Err e = need(&shape, w, "_shape");
    if (e.code) return e;
    int64_t size[2] = { 0, 0 }, words = w->matrix.cols, rows = w->matrix.rows;
    bool wide = shape.stored->dtype == DTYPE_I64;
    if (elements_of(&shape) != 2 || (!wide && shape.stored->dtype != DTYPE_I32))
        return misfit(w, &shape, "two numbers");
    for (int i = 0; i < 2; i++) {
        int32_t narrow = 0;
        if (wide) memcpy(&size[i], shape.data + 8 * i, sizeof size[i]);
        if (!wide) memcpy(&narrow, shape.data + 4 * i, sizeof narrow), size[i] = narrow;
    }
    *bits = size[1] > 0 && parts_of(size[1], 8) == words ? 4 : size[1] > 0 && parts_of(size[1], 4) == words ? 8 : 0;
    if (size[0] != rows || !*bits) return misfit(w, &shape, "the shape that its words hold in 4 or 8 bits");
    w->matrix.cols = size[1];
    return OK;
}

static Err packed_zeros(Weight *w, const Part *zeros, int bits)
{
    const MatrixGrid *scales = &w->parts.scales;
    int64_t per = 32 / bits, groups = parts_of(w->matrix.cols, scales->block_cols);
    if (zeros->rank != 2 || zeros->stored->dtype != DTYPE_I32 || scales->block_rows != 1 ||
        zeros->shape[0] != parts_of(w->matrix.rows, per) || zeros->shape[1] != groups)
        return misfit(w, zeros, "packed zeros like its scales");
    w->parts.zeros = (MatrixGrid){ .data = zeros->data, .bits = bits, .block_rows = 1 };
    w->parts.zeros.block_cols = scales->block_cols;
    w->parts.zeros.col_step = 4, w->parts.zeros.row_step = 4 * (size_t)groups;
    return OK;
}

static Err packed_integers(Weight *w)
{
    const int64_t none[2] = { 0, 0 };
    Part scale = { 0 }, zeros = { 0 }, index = { 0 };
    int bits = 4;
    Err e = read_packed_shape(w, &bits);
    w->matrix.format = bits == 8 ? DTYPE_INT8 : DTYPE_INT4;
    w->parts.zero = bits == 8 ? 128.0f : 8.0f;
    if (!e.code) e = need(&scale, w, "_scale");
    if (!e.code) e = grid_from(&w->parts.scales, w, scale, none);
    if (!e.code) e = take(&zeros, w, "_zero_point");
    if (!e.code && zeros.stored) e = packed_zeros(w, &zeros, bits);
    if (!e.code) e = take(&index, w, "_g_idx");
    if (!e.code && index.stored) e = take_index(w, &index);
    return e;
}

// ---- GPTQ and AWQ: input-major -------------------------------------------------------------------------------------

// scales [groups, rows], zeros [groups, rows / per] in words
static Err turned_grids(Weight *w, int bits)
{
    Part scale, zeros;
    Err e = need(&scale, w, ".scales");
    if (!e.code) e = need(&zeros, w, ".qzeros");
    if (e.code) return e;
    int64_t rows = w->matrix.rows, cols = w->matrix.cols, groups = scale.rank == 2 ? scale.shape[0] : 0;
    int64_t width = quantization_int(w->c, "group_size", -1);
    if (groups > 0 && (width < 1 || groups == 1)) width = groups == 1 ? cols : cols % groups == 0 ? cols / groups : 0;
    if (groups < 1 || width < 1 || scale.shape[1] != rows || parts_of(cols, width) != groups ||
        !is_number(scale.stored->dtype))
        return misfit(w, &scale, "a scale for each group of columns and each row");
    int64_t words = parts_of(rows, 32 / bits);
    if (zeros.rank != 2 || zeros.stored->dtype != DTYPE_I32 || zeros.shape[0] != groups || zeros.shape[1] != words)
        return misfit(w, &zeros, "packed zeros like its scales");
    size_t bytes = format_of(scale.stored->dtype)->block_bytes;
    MatrixGrid grid = { .block_rows = 1, .block_cols = width };
    w->parts.scales = w->parts.zeros = grid;
    w->parts.scales.data = scale.data, w->parts.scales.format = scale.stored->dtype;
    w->parts.scales.row_step = bytes, w->parts.scales.col_step = bytes * (size_t)rows;
    w->parts.zeros.data = zeros.data, w->parts.zeros.bits = bits;
    w->parts.zeros.row_step = 4, w->parts.zeros.col_step = 4 * (size_t)words;
    return OK;
}

static Err gptq(Weight *w, int64_t lines, int64_t words)
{
    Part index;
    int bits = quantization_int(w->c, "bits", 4) == 8 ? 8 : 4;
    w->matrix.format = bits == 8 ? DTYPE_GPTQ8 : DTYPE_GPTQ4;
    if (lines > INT64_MAX / 8) return no_weight(w, "; its shape is too large");
    w->matrix.rows = words, w->matrix.cols = lines * (32 / bits);
    Err e = turned_grids(w, bits);
    w->parts.zeros.plus = str_is(quantization_text(w->c, "checkpoint_format"), "gptq_v2") ? 0 : 1;
    if (!e.code) e = take(&index, w, ".g_idx");
    if (!e.code && index.stored) e = take_index(w, &index);
    return e;
}

static Err awq(Weight *w, int64_t lines, int64_t words)
{
    w->matrix.format = DTYPE_AWQ4;
    if (words > INT64_MAX / 8) return no_weight(w, "; its shape is too large");
    w->matrix.rows = words * 8, w->matrix.cols = lines;
    Err e = turned_grids(w, 4);
    w->parts.zeros.interleaved = true;
    return e;
}

static Err input_major(Weight *w)
{
    int64_t lines = w->matrix.rows, words = w->matrix.cols;
    Str method = quantization_text(w->c, "quant_method");
    if (w->codes->dtype != DTYPE_I32) return no_weight(w, "; a .qweight holds words in I32");
    if (str_is(method, "gptq")) return gptq(w, lines, words);
    if (str_is(method, "awq")) return awq(w, lines, words);
    return no_weight(w, " where config.json does not say gptq or awq in quantization_config.quant_method");
}

// ---- All of them ---------------------------------------------------------------------------------------------------

// ModelOpt's numbers that multiply a module's inputs: without them the codes are not those of the weight.
static Err check_inputs(const Weight *w)
{
    if (!str_starts(quantization_text(w->c, "quant_method"), "modelopt") || !str_ends(w->stem, ".weight")) return OK;
    const Str module = without(w->stem, ".weight");
    const Stored *scale = find_joined(w->c, module, ".pre_quant_scale");
    if (!scale) return OK;
    return err(ERR_UNSUPPORTED,
               "%s: tensor %.*s multiplies the inputs of %.*s (AWQ, SmoothQuant), which is not read here",
               w->c->files[scale->file].path, shown(scale->name), scale->name.at, shown(module), module.at);
}

static bool is_plain_weight(Dtype dtype)
{
    static const bool other[DTYPE_COUNT] = {
        [DTYPE_I8] = true,  [DTYPE_U8] = true,  [DTYPE_I16] = true,  [DTYPE_I32] = true,
        [DTYPE_I64] = true, [DTYPE_F64] = true, [DTYPE_BOOL] = true, [DTYPE_F8_E8M0] = true,
    };
    return !other[dtype];
}

static Err read_weight(Weight *w)
{
    Str name = w->codes->name;
    Dtype dtype = w->codes->dtype;
    Part scale = { 0 };
    w->stem = name;
    if (str_ends(name, ".qweight")) {
        w->stem = without(name, ".qweight");
        return input_major(w);
    }
    if (str_ends(name, ".weight_packed")) w->stem = without(name, "_packed");
    if (w->stem.n != name.n && dtype == DTYPE_I32) return packed_integers(w);
    Err fault = check_inputs(w);
    if (fault.code) return fault;
    if (dtype == DTYPE_U8) return four_bit_floats(w);
    if (dtype == DTYPE_F8_E4M3 || dtype == DTYPE_F8_E5M2 || dtype == DTYPE_I8) {
        Err e = take(&scale, w, "_scale_inv");
        if (!e.code && !scale.stored) e = take(&scale, w, "_scale");
        if (!e.code && !scale.stored && dtype == DTYPE_I8) e = need(&scale, w, "_scale");
        if (e.code || scale.stored) return e.code ? e : scaled(w, &scale);
    }
    if (!is_plain_weight(dtype)) return no_weight(w, NULL);
    return bare(w, str_ends(name, ".weight") ? without(name, ".weight") : name);
}

Err checkpoint_matrix(Matrix *out, Arena *arena, const Checkpoint *c, const Stored *codes, int64_t slice)
{
    Weight w = { .c = c, .codes = codes, .slice = slice, .parts = { .second = 1.0f } };
    w.matrix = stored_matrix(c, codes, slice);
    if (!w.matrix.data && w.matrix.rows == 0)
        return err(ERR_FORMAT, "%s: tensor %.*s has no matrix %" PRId64, c->files[codes->file].path, shown(codes->name),
                   codes->name.at, slice);
    if (c->kind == CHECKPOINT_GGUF) {
        *out = w.matrix;
        return is_plain_weight(codes->dtype) ? OK : no_weight(&w, NULL);
    }
    Err e = read_weight(&w);
    if (e.code) return e;
    if (w.parts.scales.data) {
        MatrixParts *parts = arena_alloc(arena, sizeof *parts);
        if (!parts) return err_memory(c->path);
        *parts = w.parts;
        w.matrix.parts = parts;
    }
    *out = w.matrix;
    return OK;
}
