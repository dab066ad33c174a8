// Linear maps of each head by its own slice of one matrix, as absorbed latent attention needs them. A chunk is one head: its rows are
// decoded panel by panel into the slot and used for all tokens.
#include <assert.h>

#include "backend/cpu/cpu.h"

typedef struct HeadsFork {
    float *y;
    const HeadsIn *in;
    int64_t T;
} HeadsFork;

static int64_t panel_rows(const HeadsIn *in)
{
    const int64_t fit = LINEAR_SLOT / (in->w->cols * (int64_t)sizeof(float)); // one always fits
    return fit < 1 ? 1 : fit < in->rows ? fit : in->rows;
}

// The panel of rows [row, ...) of head h, decoded; y and x are still the head's own.
static HeadPanel panel_of(Backend *b, const HeadsFork *f, int64_t h, int64_t row, int64_t rows, float *slot)
{
    const HeadsIn *in = f->in;
    const int64_t count = in->rows - row < rows ? in->rows - row : rows;
    cpu_of(b)->kernels.decode_weights(in->w, h * in->stride + in->first + row, count, slot);
    return (HeadPanel){ .y = f->y + h * in->y_width,
                        .x = in->x + h * in->x_width,
                        .w = slot,
                        .y_stride = in->heads * in->y_width,
                        .x_stride = in->heads * in->x_width,
                        .T = f->T,
                        .rows = count,
                        .cols = in->w->cols };
}

static void heads_chunk(Backend *b, const void *arg, int64_t h, void *slot)
{
    const HeadsFork *f = arg;
    const int64_t rows = panel_rows(f->in);
    for (int64_t row = 0; row < f->in->rows; row += rows) {
        HeadPanel p = panel_of(b, f, h, row, rows, slot);
        p.y += row;
        cpu_of(b)->kernels.head_panel(&p);
    }
}

static void heads_chunk_t(Backend *b, const void *arg, int64_t h, void *slot)
{
    const HeadsFork *f = arg;
    const HeadsIn *in = f->in;
    const int64_t rows = panel_rows(in);
    for (int64_t t = 0; t < f->T; t++)
        memset(f->y + (t * in->heads + h) * in->y_width, 0, (size_t)in->w->cols * sizeof(float));
    for (int64_t row = 0; row < in->rows; row += rows) {
        HeadPanel p = panel_of(b, f, h, row, rows, slot);
        p.x += row;
        cpu_of(b)->kernels.head_panel_t(&p);
    }
}

void cpu_heads_linear(Backend *b, float *y, const HeadsIn *in, int64_t T)
{
    HeadsFork f = { .y = y, .in = in, .T = T };
    assert(in->w->cols <= b->limits.width && (in->heads - 1) * in->stride + in->first + in->rows <= in->w->rows);
    cpu_fork(b, heads_chunk, &f, in->heads);
}

void cpu_heads_linear_t(Backend *b, float *y, const HeadsIn *in, int64_t T)
{
    HeadsFork f = { .y = y, .in = in, .T = T };
    assert(in->w->cols <= b->limits.width && (in->heads - 1) * in->stride + in->first + in->rows <= in->w->rows);
    cpu_fork(b, heads_chunk_t, &f, in->heads);
}
