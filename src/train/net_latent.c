// Multi-head latent attention of the net, expanded: every head's keys and values are made of the latents (arXiv 2405.04434, 2.1).
#include "train/net_internal.h"

static NormGrad low_norm_in(const Net *net, int64_t layer, int64_t T)
{
    const LayerKept *kept = &net->layer[layer];
    return net_norm_in(net, kept->low0, net->w->layer[layer].attention.q_a_norm, net->r->latent.norm, kept->low_r, T,
                       net->r->latent.q_rank);
}

static NormGrad latent_norm_in(const Net *net, int64_t layer, int64_t T)
{
    const LayerKept *kept = &net->layer[layer];
    return net_norm_in(net, kept->latent0, net->w->layer[layer].attention.kv_a_norm, net->r->latent.norm,
                       kept->latent_r, T, net->r->latent.kv_rank);
}

// Where a head's parts without and with rotation begin.
static int64_t nope_at(const Recipe *r)
{
    return r->latent.rope_first ? r->latent.rope : 0;
}

static int64_t rope_at(const Recipe *r)
{
    return r->latent.rope_first ? 0 : r->latent.nope;
}

static Err queries(Net *net, int64_t layer, int64_t T)
{
    const AttentionWeights *w = &net->w->layer[layer].attention;
    const LayerKept *kept = &net->layer[layer];
    if (!net->r->latent.q_rank) {
        const Product direct = product_of(kept->q, kept->in, &w->q, T);
        return net->g->multiply(net->g, &direct, 1);
    }
    const Product down = product_of(kept->low0, kept->in, &w->q_a, T), up = product_of(kept->q, kept->low, &w->q_b, T);
    Err e = net->g->multiply(net->g, &down, 1);
    if (e.code) return e;
    net_bias(net, kept->low0, w->q_a_bias, T, w->q_a.rows);
    const NormGrad in = low_norm_in(net, layer, T);
    net->g->norm(net->g, kept->low, &in);
    return net->g->multiply(net->g, &up, 1);
}

static Err latents(Net *net, int64_t layer, int64_t T)
{
    const Latent *l = &net->r->latent;
    const AttentionWeights *w = &net->w->layer[layer].attention;
    const LayerKept *kept = &net->layer[layer];
    const Matrix latent = matrix_rows(&w->kv_a, 0, l->kv_rank), rotary = matrix_rows(&w->kv_a, l->kv_rank, l->rope);
    const Product down[] = { product_of(kept->latent0, kept->in, &latent, T),
                             product_of(kept->rotary, kept->in, &rotary, T) };
    const Product up = product_of(kept->expanded, kept->latent, &w->kv_b, T);
    Err e = net->g->multiply(net->g, down, COUNT(down));
    if (e.code) return e;
    net_bias(net, kept->latent0, w->kv_a_bias, T, l->kv_rank);
    net_bias(net, kept->rotary, w->kv_a_bias ? w->kv_a_bias + l->kv_rank : NULL, T, l->rope);
    const NormGrad in = latent_norm_in(net, layer, T);
    net->g->norm(net->g, kept->latent, &in);
    return net->g->multiply(net->g, &up, 1);
}

Err net_latent(Net *net, int64_t layer, const NetBatch *batch)
{
    const Recipe *r = net->r;
    const Latent *l = &r->latent;
    const LayerRecipe *how = &r->layer[layer];
    const LayerKept *kept = &net->layer[layer];
    const int64_t T = batch->T, D = r->head_width, V = r->value_width, pair = l->nope + V;
    Grads *g = net->g;
    Err e = queries(net, layer, T);
    if (!e.code) e = latents(net, layer, T);
    if (e.code) return e;
    net_turn(net, kept->rotary, how, 1, l->rope, T);
    net_turn(net, kept->q + rope_at(r), how, r->heads, D, T);
    g->place(g, kept->k + nope_at(r), D, kept->expanded, pair, T * r->heads, l->nope, false);
    g->place(g, kept->v, V, kept->expanded + l->nope, pair, T * r->heads, V, false);
    for (int64_t h = 0; h < r->heads; h++)
        g->place(g, kept->k + h * D + rope_at(r), r->heads * D, kept->rotary, l->rope, T, l->rope, false);
    const AttendGrad attend = net_attend_in(net, layer, batch);
    g->attend(g, kept->mixed, &attend);
    return OK;
}

static Err queries_back(Net *net, int64_t layer, int64_t T)
{
    const AttentionWeights *w = &net->w->layer[layer].attention, *dw = &net->dw->layer[layer].attention;
    const LayerKept *kept = &net->layer[layer];
    if (!net->r->latent.q_rank) {
        const Product direct[] = { product_weight(&dw->q, net->dq, kept->in, T),
                                   product_back(net->da, net->dq, &w->q, T, true) };
        return net->g->multiply(net->g, direct, COUNT(direct));
    }
    const Product up[] = { product_weight(&dw->q_b, net->dq, kept->low, T),
                           product_back(net->dlow, net->dq, &w->q_b, T, false) };
    Err e = net->g->multiply(net->g, up, COUNT(up));
    if (e.code) return e;
    const NormGrad in = low_norm_in(net, layer, T);
    net->g->norm_back(net->g, net->dlow, false, vector_floats(dw->q_a_norm), net->dlow, &in);
    net_bias_back(net, dw->q_a_bias, net->dlow, T, w->q_a.rows);
    const Product down[] = { product_weight(&dw->q_a, net->dlow, kept->in, T),
                             product_back(net->da, net->dlow, &w->q_a, T, true) };
    return net->g->multiply(net->g, down, COUNT(down));
}

// From dexpanded and drotary; da is overwritten.
static Err latents_back(Net *net, int64_t layer, int64_t T)
{
    const Latent *l = &net->r->latent;
    const AttentionWeights *w = &net->w->layer[layer].attention, *dw = &net->dw->layer[layer].attention;
    const LayerKept *kept = &net->layer[layer];
    const Product up[] = { product_weight(&dw->kv_b, net->dexpanded, kept->latent, T),
                           product_back(net->dlatent, net->dexpanded, &w->kv_b, T, false) };
    Err e = net->g->multiply(net->g, up, COUNT(up));
    if (e.code) return e;
    const NormGrad in = latent_norm_in(net, layer, T);
    net->g->norm_back(net->g, net->dlatent, false, vector_floats(dw->kv_a_norm), net->dlatent, &in);
    net_bias_back(net, dw->kv_a_bias, net->dlatent, T, l->kv_rank);
    net_bias_back(net, dw->kv_a_bias ? dw->kv_a_bias + l->kv_rank : NULL, net->drotary, T, l->rope);
    const Matrix latent = matrix_rows(&w->kv_a, 0, l->kv_rank), rotary = matrix_rows(&w->kv_a, l->kv_rank, l->rope);
    const Matrix dlatent = matrix_rows(&dw->kv_a, 0, l->kv_rank), drotary = matrix_rows(&dw->kv_a, l->kv_rank, l->rope);
    const Product down[] = { product_weight(&dlatent, net->dlatent, kept->in, T),
                             product_weight(&drotary, net->drotary, kept->in, T),
                             product_back(net->da, net->dlatent, &latent, T, false) };
    const Product more = product_back(net->da, net->drotary, &rotary, T, true);
    e = net->g->multiply(net->g, down, COUNT(down));
    return e.code ? e : net->g->multiply(net->g, &more, 1);
}

Err net_latent_back(Net *net, int64_t layer, const NetBatch *batch)
{
    const Recipe *r = net->r;
    const Latent *l = &r->latent;
    const LayerRecipe *how = &r->layer[layer];
    const int64_t T = batch->T, D = r->head_width, V = r->value_width, pair = l->nope + V;
    Grads *g = net->g;
    const AttendGrad attend = net_attend_in(net, layer, batch);
    g->attend_back(g, net->dq, net->dk, net->dv, net->dmixed, &attend);
    net_turn_back(net, net->dq + rope_at(r), how, r->heads, D, T);
    for (int64_t h = 0; h < r->heads; h++)
        g->place(g, net->drotary, l->rope, net->dk + h * D + rope_at(r), r->heads * D, T, l->rope, h > 0);
    net_turn_back(net, net->drotary, how, 1, l->rope, T);
    g->place(g, net->dexpanded, pair, net->dk + nope_at(r), D, T * r->heads, l->nope, false);
    g->place(g, net->dexpanded + l->nope, pair, net->dv, V, T * r->heads, V, false);
    Err e = latents_back(net, layer, T);
    return e.code ? e : queries_back(net, layer, T);
}
