// Attention of the net: grouped-query, and the small operations that all blocks share.
#include "train/net_internal.h"

Product product_of(float *y, const float *x, const Matrix *w, int64_t T)
{
    return (Product){ .c = y,
                      .a = x,
                      .b = matrix_floats(w),
                      .c_row = w->rows,
                      .a_row = w->cols,
                      .a_col = 1,
                      .b_row = 1,
                      .b_col = w->cols,
                      .M = T,
                      .N = w->rows,
                      .K = w->cols };
}

Product product_back(float *dx, const float *dy, const Matrix *w, int64_t T, bool add)
{
    return (Product){ .c = dx,
                      .a = dy,
                      .b = matrix_floats(w),
                      .c_row = w->cols,
                      .a_row = w->rows,
                      .a_col = 1,
                      .b_row = w->cols,
                      .b_col = 1,
                      .M = T,
                      .N = w->cols,
                      .K = w->rows,
                      .add = add };
}

Product product_weight(const Matrix *dw, const float *dy, const float *x, int64_t T)
{
    return (Product){ .c = matrix_floats(dw),
                      .a = dy,
                      .b = x,
                      .c_row = dw->cols,
                      .a_row = 1,
                      .a_col = dw->rows,
                      .b_row = dw->cols,
                      .b_col = 1,
                      .M = dw->rows,
                      .N = dw->cols,
                      .K = T,
                      .add = true };
}

NormGrad net_norm_in(const Net *net, const float *x, const float *gain, NormKind kind, float *r, int64_t rows,
                     int64_t n)
{
    return (NormGrad){ .x = x, .gain = gain, .eps = (float)net->r->eps, .kind = kind, .rows = rows, .n = n, .r = r };
}

static RopeGrad rope_in(const Net *net, const LayerRecipe *how, int64_t heads, int64_t width)
{
    const Rope *rope = &net->r->ropes[how->rope];
    return (RopeGrad){ .positions = net->positions,
                       .frequency = rope->frequency,
                       .amplitude = rope->amplitude,
                       .pairing = rope->pairing,
                       .heads = heads,
                       .width = width,
                       .d = rope->d };
}

void net_turn(Net *net, float *x, const LayerRecipe *how, int64_t heads, int64_t width, int64_t T)
{
    if (how->rope == NO_ROPE) return;
    const RopeGrad in = rope_in(net, how, heads, width);
    net->g->rope(net->g, x, &in, T);
}

void net_turn_back(Net *net, float *dx, const LayerRecipe *how, int64_t heads, int64_t width, int64_t T)
{
    if (how->rope == NO_ROPE) return;
    const RopeGrad in = rope_in(net, how, heads, width);
    net->g->rope_back(net->g, dx, &in, T);
}

void net_bias(Net *net, float *y, const float *bias, int64_t T, int64_t n)
{
    if (bias) net->g->add_bias(net->g, y, bias, T, n);
}

void net_bias_back(Net *net, const float *dbias, const float *dy, int64_t T, int64_t n)
{
    if (dbias) net->g->add_bias_back(net->g, vector_floats(dbias), dy, T, n);
}

AttendGrad net_attend_in(const Net *net, int64_t layer, const NetBatch *batch)
{
    const Recipe *r = net->r;
    const LayerRecipe *how = &r->layer[layer];
    const LayerKept *kept = &net->layer[layer];
    const double factor = how->rope == NO_ROPE ? 1.0 : r->ropes[how->rope].score_factor;
    return (AttendGrad){ .q = kept->q,
                         .k = kept->k,
                         .v = kept->v,
                         .out = kept->mixed,
                         .heads = r->heads,
                         .kv_heads = how->attention == ATTENTION_MLA ? r->heads : r->kv_heads,
                         .d_k = r->head_width,
                         .d_v = r->value_width,
                         .scale = (float)(r->attention_scale * factor),
                         .window = how->window,
                         .documents = batch->documents,
                         .document_count = batch->document_count,
                         .log_sum = kept->log_sum };
}

// ---- Grouped-query attention ---------------------------------------------------------------------------------------

// The heads' norms, from q0 and k0.
static NormGrad q_norm_in(const Net *net, int64_t layer, int64_t T)
{
    const LayerKept *kept = &net->layer[layer];
    return net_norm_in(net, kept->q0, net->w->layer[layer].attention.q_norm, net->r->layer[layer].qk_norm, kept->q_r,
                       T * net->r->heads, net->r->head_width);
}

static NormGrad k_norm_in(const Net *net, int64_t layer, int64_t T)
{
    const LayerKept *kept = &net->layer[layer];
    return net_norm_in(net, kept->k0, net->w->layer[layer].attention.k_norm, net->r->layer[layer].qk_norm, kept->k_r,
                       T * net->r->kv_heads, net->r->head_width);
}

Err net_grouped(Net *net, int64_t layer, const NetBatch *batch)
{
    const Recipe *r = net->r;
    const LayerRecipe *how = &r->layer[layer];
    const AttentionWeights *w = &net->w->layer[layer].attention;
    LayerKept *kept = &net->layer[layer];
    const int64_t T = batch->T;
    const bool normed = how->qk_norm != NORM_NONE;
    float *q = normed ? kept->q0 : kept->q, *k = normed ? kept->k0 : kept->k;
    const Product products[] = { product_of(q, kept->in, &w->q, T), product_of(k, kept->in, &w->k, T),
                                 product_of(kept->v, kept->in, &w->v, T) };
    Err e = net->g->multiply(net->g, products, COUNT(products));
    if (e.code) return e;
    net_bias(net, q, w->q_bias, T, w->q.rows);
    net_bias(net, k, w->k_bias, T, w->k.rows);
    net_bias(net, kept->v, w->v_bias, T, w->v.rows);
    if (normed) {
        const NormGrad q_in = q_norm_in(net, layer, T), k_in = k_norm_in(net, layer, T);
        net->g->norm(net->g, kept->q, &q_in);
        net->g->norm(net->g, kept->k, &k_in);
    }
    net_turn(net, kept->q, how, r->heads, r->head_width, T);
    net_turn(net, kept->k, how, r->kv_heads, r->head_width, T);
    const AttendGrad attend = net_attend_in(net, layer, batch);
    net->g->attend(net->g, kept->mixed, &attend);
    return OK;
}

Err net_grouped_back(Net *net, int64_t layer, const NetBatch *batch)
{
    const Recipe *r = net->r;
    const LayerRecipe *how = &r->layer[layer];
    const AttentionWeights *w = &net->w->layer[layer].attention, *dw = &net->dw->layer[layer].attention;
    const LayerKept *kept = &net->layer[layer];
    const int64_t T = batch->T;
    const AttendGrad attend = net_attend_in(net, layer, batch);
    net->g->attend_back(net->g, net->dq, net->dk, net->dv, net->dmixed, &attend);
    net_turn_back(net, net->dq, how, r->heads, r->head_width, T);
    net_turn_back(net, net->dk, how, r->kv_heads, r->head_width, T);
    if (how->qk_norm != NORM_NONE) {
        const NormGrad q_in = q_norm_in(net, layer, T), k_in = k_norm_in(net, layer, T);
        net->g->norm_back(net->g, net->dq, false, vector_floats(dw->q_norm), net->dq, &q_in);
        net->g->norm_back(net->g, net->dk, false, vector_floats(dw->k_norm), net->dk, &k_in);
    }
    net_bias_back(net, dw->q_bias, net->dq, T, w->q.rows);
    net_bias_back(net, dw->k_bias, net->dk, T, w->k.rows);
    net_bias_back(net, dw->v_bias, net->dv, T, w->v.rows);
    const Product first[] = { product_weight(&dw->q, net->dq, kept->in, T),
                              product_weight(&dw->k, net->dk, kept->in, T),
                              product_weight(&dw->v, net->dv, kept->in, T),
                              product_back(net->da, net->dq, &w->q, T, false) };
    const Product second = product_back(net->da, net->dk, &w->k, T, true);
    const Product third = product_back(net->da, net->dv, &w->v, T, true);
    Err e = net->g->multiply(net->g, first, COUNT(first));
    if (!e.code) e = net->g->multiply(net->g, &second, 1);
    return e.code ? e : net->g->multiply(net->g, &third, 1);
}
