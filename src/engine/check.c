// Whether every weight that a model computes with is a finite number. The stored tensors that are bound are read once, in the order of
// their names and as the kernels read them: codes with their scales. The first row with NaN or an infinity is told with its tensor,
// whatever the number of threads. Costs one pass over the files.
#include "engine/engine_internal.h"

#include <math.h>
#include <stdlib.h>

enum { PIECE_ELEMENTS = 1 << 15, PIECES_PER_THREAD = 4 };

typedef struct Scan {
    const Checkpoint *checkpoint;
    const uint8_t *used; // TensorUse by tensor
    Ledger *ledger;
    Pool *pool;
    const DureEngineOptions *options;
    Arena arena;
    int64_t done, total; // bytes
    // Pieces of a matrix that are decoded at once: `rows` rows each, from `row` on.
    Matrix matrix;
    int64_t pieces, row, rows;
    size_t room;    // elements of a piece
    float *decoded; // [pieces, room]
    int64_t *bad;   // [pieces]: first element that is not finite, or -1
} Scan;

// ---- One matrix ----------------------------------------------------------------------------------------------------

static int64_t first_bad(const float *x, int64_t n)
{
    const int32_t exponent = 0x7f800000; // all ones: NaN or infinite
    int32_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits &= exponent;
        most = bits > most ? bits : most;
    }
    for (int64_t i = 0; most == exponent && i < n; i++)
        if (!isfinite(x[i])) return i;
    return -1;
}

static void scan_piece(void *arg, int64_t piece)
{
    Scan *s = arg;
    const int64_t row = s->row + piece * s->rows, left = s->matrix.rows - row;
    const int64_t rows = left < s->rows ? left : s->rows;
    float *out = s->decoded + (size_t)piece * s->room;
    matrix_decode(&s->matrix, row, rows, out);
    s->bad[piece] = first_bad(out, rows * s->matrix.cols);
}

// Pieces hold at least one row.
static Err scan_room(Scan *s, int64_t cols)
{
    const size_t room = cols > PIECE_ELEMENTS ? (size_t)cols : PIECE_ELEMENTS;
    size_t each, bytes, before = (size_t)s->pieces * s->room * sizeof *s->decoded;
    if (room <= s->room) return OK;
    if (__builtin_mul_overflow((size_t)s->pieces, sizeof *s->decoded, &each) ||
        __builtin_mul_overflow(room, each, &bytes) || !ledger_take(s->ledger, LEDGER_WORK, bytes - before))
        return err(ERR_LIMIT, "checking the weights would pass the memory limit; allow more memory or fewer threads");
    free(s->decoded);
    s->decoded = malloc(bytes);
    s->room = room; // counted, whether it is there or not
    return s->decoded ? OK : err_memory("checking the weights");
}

typedef struct Fault {
    int64_t row, col; // row -1: none
    float value;
} Fault;

static Err scan_matrix(Fault *out, Scan *s, const Matrix *m, int64_t bytes)
{
    Err e = scan_room(s, m->cols);
    const int64_t begun = s->done;
    *out = (Fault){ .row = -1 };
    if (e.code || m->cols < 1) return e;
    s->matrix = *m;
    s->rows = (int64_t)s->room / m->cols;
    for (s->row = 0; s->row < m->rows; s->row += s->rows * s->pieces) {
        const int64_t left = (m->rows - s->row + s->rows - 1) / s->rows, pieces = left < s->pieces ? left : s->pieces;
        pool_run(s->pool, scan_piece, s, pieces);
        for (int64_t i = 0; i < pieces; i++) {
            if (s->bad[i] < 0) continue;
            out->row = s->row + i * s->rows + s->bad[i] / m->cols;
            out->col = s->bad[i] % m->cols;
            out->value = s->decoded[(size_t)i * s->room + (size_t)s->bad[i]];
            return OK;
        }
        const int64_t read = s->row + s->rows * pieces;
        s->done = begun + (int64_t)((double)bytes * (read < m->rows ? (double)read / (double)m->rows : 1));
        if (s->options->check_progress) s->options->check_progress(s->options->check_user, s->done, s->total);
    }
    s->done = begun + bytes;
    return OK;
}

// ---- Tensors -------------------------------------------------------------------------------------------------------

static Err fault_told(const Scan *s, const Stored *stored, int64_t slice, const Fault *fault)
{
    char expert[48] = "";
    if (stored->rank == 3) snprintf(expert, sizeof expert, tr(", expert %lld,"), (long long)slice);
    return err(ERR_FORMAT,
               "%s: tensor %.*s%s holds %s in %s %lld; the file is damaged or was written so: download it "
               "again, or take another file of the model",
               s->checkpoint->files[stored->file].path, (int)(stored->name.n < 200 ? stored->name.n : 200),
               stored->name.at, expert, isnan(fault->value) ? "NaN" : tr("an infinity"),
               stored->rank == 1 ? tr("element") : tr("row"), (long long)(stored->rank == 1 ? fault->col : fault->row));
}

// Whether it is a weight's scales that make it so: then these are told.
static Err scales_check(Scan *s, const Stored *weight)
{
    Err e = OK;
    for (size_t i = 0; i < s->checkpoint->tensor_count && !e.code; i++) {
        const Stored *stored = &s->checkpoint->tensors[i];
        if (s->used[i] != TENSOR_USED || stored->rank < 1 || stored->rank > 2) continue;
        if (checkpoint_owner(s->checkpoint, stored) != weight) continue;
        const Matrix m = stored_matrix(s->checkpoint, stored, 0);
        Fault fault = { .row = -1 };
        if (m.data && format_of(stored->dtype)->decode) e = scan_matrix(&fault, s, &m, 0);
        if (fault.row >= 0) e = fault_told(s, stored, 0, &fault);
    }
    return e;
}

static Err slice_check(Scan *s, const Stored *stored, int64_t slice, int64_t slices)
{
    const ArenaMark mark = arena_mark(&s->arena);
    Matrix m = { 0 };
    Fault fault = { .row = -1 };
    Err e = OK;
    if (stored->rank == 1)
        m = stored_matrix(s->checkpoint, stored, 0);
    else
        e = checkpoint_matrix(&m, &s->arena, s->checkpoint, stored, slice);
    if (!e.code && m.data) e = scan_matrix(&fault, s, &m, (int64_t)(stored->bytes / (uint64_t)slices));
    if (!e.code && fault.row >= 0 && m.parts) e = scales_check(s, stored);
    if (!e.code && fault.row >= 0) e = fault_told(s, stored, slice, &fault);
    arena_rewind(&s->arena, mark);
    return e;
}

// A tensor that the model computes with; the companions of weights are read with these.
static bool is_read(const Scan *s, size_t i)
{
    const Stored *stored = &s->checkpoint->tensors[i];
    if (s->used[i] != TENSOR_USED || stored->rank < 1 || stored->rank > 3) return false;
    return !checkpoint_owner(s->checkpoint, stored);
}

static Err scan_all(Scan *s)
{
    const Checkpoint *c = s->checkpoint;
    Err e = OK;
    for (size_t i = 0; i < c->tensor_count; i++)
        if (is_read(s, i)) s->total += (int64_t)c->tensors[i].bytes;
    for (size_t i = 0; i < c->tensor_count && !e.code; i++) {
        const int64_t slices = c->tensors[i].rank == 3 ? c->tensors[i].shape[0] : 1;
        if (!is_read(s, i)) continue;
        for (int64_t slice = 0; slice < slices && !e.code; slice++) e = slice_check(s, &c->tensors[i], slice, slices);
    }
    return e;
}

// ---- The whole -----------------------------------------------------------------------------------------------------

Err weights_check(const DureModel *model, const DureEngineOptions *options, int threads, Ledger *ledger)
{
    if (model->weights_fault.code) return model->weights_fault;
    Scan s = { .checkpoint = model->checkpoint,
               .used = model->weights->used,
               .ledger = ledger,
               .options = options,
               .arena = arena_new("checking the weights"),
               .pieces = (int64_t)threads * PIECES_PER_THREAD };
    Err e = pool_new(&s.pool, threads);
    if (!e.code) {
        s.bad = malloc((size_t)s.pieces * sizeof *s.bad);
        e = s.bad ? scan_all(&s) : err_memory("checking the weights");
        pool_free(s.pool);
    }
    ledger_give(ledger, LEDGER_WORK, (size_t)s.pieces * s.room * sizeof *s.decoded);
    free(s.decoded);
    free(s.bad);
    arena_free(&s.arena);
    return e;
}
