// The net: a recipe's layers forward and backward over a batch of documents.
#include "train/net_internal.h"

#include <stdlib.h>

// ---- Making --------------------------------------------------------------------------------------------------------

static Err make_tables(Net *net)
{
    const size_t layers = (size_t)(net->r->layers + net->r->draft_layers), drafts = (size_t)net->r->draft_layers;
    Arena *a = &net->arena;
    net->layer = arena_array(a, layers, sizeof *net->layer);
    net->draft = arena_array(a, drafts + 1, sizeof *net->draft);
    net->x = arena_array(a, layers + 1, sizeof *net->x);
    net->draft_in = arena_array(a, drafts + 1, sizeof *net->draft_in);
    net->draft_out = arena_array(a, drafts + 1, sizeof *net->draft_out);
    net->normed = arena_array(a, drafts + 1, sizeof *net->normed);
    net->normed_r = arena_array(a, drafts + 1, sizeof *net->normed_r);
    net->dnormed = arena_array(a, drafts + 1, sizeof *net->dnormed);
    const bool all = net->layer && net->draft && net->x && net->draft_in && net->draft_out && net->normed &&
                     net->normed_r && net->dnormed;
    return all ? OK : err_memory("the net");
}

Err net_new(Net **out, const NetParts *parts, Grads *grads, const NetOptions *options, Ledger *ledger)
{
    Net *net = calloc(1, sizeof *net);
    if (!net) return err_memory("the net");
    *net = (Net){
        .r = parts->parameters->r, .g = grads, .arena = arena_new("the net"), .ledger = ledger, .options = *options
    };
    Err e = parameters_weights(&net->w, &net->arena, parts->parameters, parts->weights, parts->config);
    if (!e.code) e = parameters_weights(&net->dw, &net->arena, parts->parameters, parts->gradient, parts->config);
    if (!e.code) e = make_tables(net);
    if (!e.code) e = net_take_memory(net);
    if (e.code)
        net_free(net);
    else
        net_forget_loads(net);
    if (!e.code) *out = net;
    return e;
}

void net_free(Net *net)
{
    if (!net) return;
    net_give_memory(net);
    arena_free(&net->arena);
    free(net);
}

const int64_t *net_loads(const Net *net, int64_t layer)
{
    return net->r->layer[layer].ffn == FFN_MOE ? net->loads + layer * net->r->router.experts : NULL;
}

void net_forget_loads(Net *net)
{
    const int64_t layers = net->r->layers + net->r->draft_layers;
    if (net->loads) memset(net->loads, 0, (size_t)(layers * net->r->router.experts) * sizeof *net->loads);
}

// ---- A layer -------------------------------------------------------------------------------------------------------

// y = norm(x), or the same memory without a norm.
static float *normed(Net *net, float *y, float *x, const float *gain, NormKind kind, float *r, int64_t T)
{
    if (kind == NORM_NONE) return x;
    const NormGrad in = net_norm_in(net, x, gain, kind, r, T, net->r->hidden);
    net->g->norm(net->g, y, &in);
    return y;
}

// y = x + multiplier * norm(out)
static void add_block(Net *net, float *y, const float *x, float *out, const NormGrad *norm, int64_t T)
{
    const int64_t n = T * net->r->hidden;
    float *add = out;
    if (norm->kind != NORM_NONE) net->g->norm(net->g, add = net->out, norm);
    memcpy(y, x, (size_t)n * sizeof *y);
    net->g->add(net->g, y, add, n, (float)net->r->residual_multiplier);
}

static NormGrad post_attention(const Net *net, int64_t layer, int64_t T)
{
    const LayerKept *kept = &net->layer[layer];
    return net_norm_in(net, kept->out, net->w->layer[layer].post_norm_attention,
                       net->r->layer[layer].post_norm_attention, kept->out_r, T, net->r->hidden);
}

static NormGrad post_ffn(const Net *net, int64_t layer, int64_t T)
{
    const LayerKept *kept = &net->layer[layer];
    return net_norm_in(net, kept->ffn, net->w->layer[layer].post_norm_ffn, net->r->layer[layer].post_norm_ffn,
                       kept->ffn_r, T, net->r->hidden);
}

static Err layer_forward(Net *net, int64_t layer, float *x, float *y, const NetBatch *batch)
{
    const LayerRecipe *how = &net->r->layer[layer];
    const LayerWeights *w = &net->w->layer[layer];
    LayerKept *kept = &net->layer[layer];
    const int64_t T = batch->T;
    kept->in = normed(net, kept->in, x, w->norm_attention, how->norm_attention, kept->in_r, T);
    Err e = how->attention == ATTENTION_MLA ? net_latent(net, layer, batch) : net_grouped(net, layer, batch);
    if (e.code) return e;
    const NormGrad after_attention = post_attention(net, layer, T), after_ffn = post_ffn(net, layer, T);
    float *out = after_attention.kind == NORM_NONE ? net->out : kept->out;
    const Product o = product_of(out, kept->mixed, &w->attention.o, T);
    e = net->g->multiply(net->g, &o, 1);
    if (e.code) return e;
    net_bias(net, out, w->attention.o_bias, T, net->r->hidden);
    add_block(net, kept->x1, x, out, &after_attention, T);
    kept->mid = normed(net, kept->mid, kept->x1, w->norm_ffn, how->norm_ffn, kept->mid_r, T);
    out = after_ffn.kind == NORM_NONE ? net->out : kept->ffn;
    e = how->ffn == FFN_MOE ? net_experts(net, out, layer, T)
                            : net_dense(net, out, kept->mid, &w->ffn, &kept->dense, T, how->clamp);
    if (!e.code) add_block(net, y, kept->x1, out, &after_ffn, T);
    return e;
}

// db = the derivative by a block's output, before its norm, of dx behind it.
static void block_back(Net *net, const float *dgain, const NormGrad *norm, int64_t T)
{
    const int64_t n = T * net->r->hidden;
    memcpy(net->db, net->dx, (size_t)n * sizeof(float));
    if (net->r->residual_multiplier != 1.0) net->g->scale(net->g, net->db, n, (float)net->r->residual_multiplier);
    if (norm->kind != NORM_NONE) net->g->norm_back(net->g, net->db, false, vector_floats(dgain), net->db, norm);
}

// dx += the derivative by what a block's norm reads, of da behind that norm.
static void input_back(Net *net, const float *dgain, const NormGrad *norm, int64_t T)
{
    if (norm->kind == NORM_NONE)
        net->g->add(net->g, net->dx, net->da, T * net->r->hidden, 1.0f);
    else
        net->g->norm_back(net->g, net->dx, true, vector_floats(dgain), net->da, norm);
}

// net->dx: from the derivative by the layer's output to that by its input x.
static Err layer_back(Net *net, int64_t layer, float *x, float *y, const NetBatch *batch, const NetStep *step)
{
    const LayerRecipe *how = &net->r->layer[layer];
    const LayerWeights *w = &net->w->layer[layer], *dw = &net->dw->layer[layer];
    const LayerKept *kept = &net->layer[layer];
    const int64_t T = batch->T, H = net->r->hidden;
    Err e = net->options.recompute ? layer_forward(net, layer, x, y, batch) : OK;
    if (e.code) return e;
    const NormGrad after_attention = post_attention(net, layer, T), after_ffn = post_ffn(net, layer, T);
    const NormGrad before_ffn = net_norm_in(net, kept->x1, w->norm_ffn, how->norm_ffn, kept->mid_r, T, H);
    const NormGrad before_attention = net_norm_in(net, x, w->norm_attention, how->norm_attention, kept->in_r, T, H);

    block_back(net, dw->post_norm_ffn, &after_ffn, T);
    const DenseBack dense = { kept->mid, &w->ffn, &dw->ffn, &kept->dense, how->clamp };
    e = how->ffn == FFN_MOE ? net_experts_back(net, net->da, net->db, layer, T, step)
                            : net_dense_back(net, net->da, false, net->db, &dense, T);
    if (e.code) return e;
    input_back(net, dw->norm_ffn, &before_ffn, T);

    block_back(net, dw->post_norm_attention, &after_attention, T);
    net_bias_back(net, dw->attention.o_bias, net->db, T, H);
    const Product o[] = { product_weight(&dw->attention.o, net->db, kept->mixed, T),
                          product_back(net->dmixed, net->db, &w->attention.o, T, false) };
    e = net->g->multiply(net->g, o, COUNT(o));
    if (!e.code)
        e = how->attention == ATTENTION_MLA ? net_latent_back(net, layer, batch) : net_grouped_back(net, layer, batch);
    if (!e.code) input_back(net, dw->norm_attention, &before_attention, T);
    return e;
}

// ---- Draft layers --------------------------------------------------------------------------------------------------

// What draft layer `draft` reads and foretells: in row t of a document the token at t + 1 + draft, and the one behind it.
static void draft_targets(const DraftKept *kept, const NetBatch *batch, int64_t draft)
{
    for (int64_t i = 0; i < batch->document_count; i++) {
        const int64_t first = batch->documents[i].row, end = first + batch->documents[i].T;
        for (int64_t t = first; t < end; t++) {
            const int64_t next = t + 1 + draft;
            kept->ids[t] = batch->ids[next < end ? next : end - 1];
            kept->targets[t] = next + 1 < end ? batch->ids[next + 1] : 0;
            kept->weights[t] = next + 1 < end ? batch->weights[next] : 0.0f;
        }
    }
}

double net_draft_weight(const NetBatch *batch, int64_t drafts)
{
    double sum = 0.0;
    for (int64_t draft = 0; draft < drafts; draft++)
        for (int64_t i = 0; i < batch->document_count; i++) {
            const Document *d = &batch->documents[i];
            for (int64_t t = 1 + draft; t + 1 < d->T; t++) sum += (double)batch->weights[d->row + t];
        }
    return sum;
}

static NormGrad draft_embed_norm(const Net *net, int64_t draft, int64_t T)
{
    return net_norm_in(net, net->draft[draft].embed, net->w->draft[draft].norm_embed, net->r->norm,
                       net->draft[draft].embed_r, T, net->r->hidden);
}

static NormGrad draft_hidden_norm(const Net *net, int64_t draft, int64_t T)
{
    return net_norm_in(net, net->normed[draft], net->w->draft[draft].norm_hidden, net->r->norm,
                       net->draft[draft].hidden_r, T, net->r->hidden);
}

static Err draft_forward(Net *net, int64_t draft, const NetBatch *batch)
{
    const int64_t T = batch->T, H = net->r->hidden;
    const DraftKept *kept = &net->draft[draft];
    Grads *g = net->g;
    draft_targets(kept, batch, draft);
    g->embed(g, kept->embed, matrix_floats(&net->w->embed), kept->ids, T, H, (float)net->r->embedding_multiplier);
    const NormGrad of_embed = draft_embed_norm(net, draft, T), of_hidden = draft_hidden_norm(net, draft, T);
    g->norm(g, net->out, &of_embed);
    g->place(g, kept->joined, 2 * H, net->out, H, T, H, false);
    g->norm(g, net->out, &of_hidden);
    g->place(g, kept->joined + H, 2 * H, net->out, H, T, H, false);
    const Product fc = product_of(net->draft_in[draft], kept->joined, &net->w->draft[draft].fc, T);
    Err e = g->multiply(g, &fc, 1);
    if (!e.code) e = layer_forward(net, net->r->layers + draft, net->draft_in[draft], net->draft_out[draft], batch);
    return e;
}

// net->dx by the draft layer's input: on to the embeddings, and to the states behind the norm before it.
static Err draft_back(Net *net, int64_t draft, int64_t T)
{
    const int64_t H = net->r->hidden;
    const DraftKept *kept = &net->draft[draft];
    const DraftWeights *w = &net->w->draft[draft], *dw = &net->dw->draft[draft];
    Grads *g = net->g;
    const Product fc[] = { product_weight(&dw->fc, net->dx, kept->joined, T),
                           product_back(net->joined, net->dx, &w->fc, T, false) };
    Err e = g->multiply(g, fc, COUNT(fc));
    if (e.code) return e;
    const NormGrad of_embed = draft_embed_norm(net, draft, T), of_hidden = draft_hidden_norm(net, draft, T);
    g->place(g, net->da, H, net->joined, 2 * H, T, H, false);
    g->norm_back(g, net->da, false, vector_floats(dw->norm_embed), net->da, &of_embed);
    g->embed_back(g, matrix_floats(&net->dw->embed), net->da, kept->ids, T, H, (float)net->r->embedding_multiplier);
    g->place(g, net->da, H, net->joined + H, 2 * H, T, H, false);
    g->norm_back(g, net->dnormed[draft], true, vector_floats(dw->norm_hidden), net->da, &of_hidden);
    return OK;
}

// ---- The whole -----------------------------------------------------------------------------------------------------

static NormGrad last_norm(const Net *net, int64_t pass, int64_t T)
{
    const float *gain = pass ? net->w->draft[pass - 1].norm : net->w->norm;
    const float *x = pass ? net->draft_out[pass - 1] : net->x[net->r->layers];
    return net_norm_in(net, x, gain, net->r->norm, net->normed_r[pass], T, net->r->hidden);
}

static void place_documents(Net *net, const NetBatch *batch)
{
    for (int64_t i = 0; i < batch->document_count; i++) {
        const Document *d = &batch->documents[i];
        for (int64_t t = 0; t < d->T; t++) {
            net->positions[d->row + t] = (int32_t)t;
            net->targets[d->row + t] = t + 1 < d->T ? batch->ids[d->row + t + 1] : 0;
        }
    }
}

static Err forward(Net *net, const NetBatch *batch, NetLoss *loss, const NetStep *step)
{
    const Recipe *r = net->r;
    const int64_t T = batch->T;
    Err e = OK;
    place_documents(net, batch);
    net->g->embed(net->g, net->x[0], matrix_floats(&net->w->embed), batch->ids, T, r->hidden,
                  (float)r->embedding_multiplier);
    for (int64_t i = 0; i < r->layers && !e.code; i++) {
        e = layer_forward(net, i, net->x[i], net->x[i + 1], batch);
        if (!e.code && r->layer[i].ffn == FFN_MOE && step->balance_factor > 0.0)
            loss->balance += step->batch_share * net_balance(net, i, T);
    }
    for (int64_t pass = 0; pass <= r->draft_layers && !e.code; pass++) {
        if (pass) e = draft_forward(net, pass - 1, batch);
        const NormGrad last = last_norm(net, pass, T);
        if (!e.code) net->g->norm(net->g, net->normed[pass], &last);
    }
    return e;
}

static Err heads(Net *net, const NetBatch *batch, const NetStep *step, NetLoss *loss, bool learn)
{
    const HeadIn main = { net->normed[0], net->targets, batch->weights, batch->T, 1.0 / step->weight };
    double sum = 0.0, drafts = 0.0;
    Err e = net_head(net, learn ? net->dnormed[0] : NULL, &sum, &main);
    for (int64_t i = 0; i < net->r->draft_layers && !e.code; i++) {
        const double share = step->draft_weight > 0.0 ? step->draft_factor / step->draft_weight : 0.0;
        const DraftKept *kept = &net->draft[i];
        const HeadIn in = { net->normed[1 + i], kept->targets, kept->weights, batch->T, share };
        e = net_head(net, learn ? net->dnormed[1 + i] : NULL, &drafts, &in);
    }
    loss->tokens += sum / step->weight;
    if (step->draft_weight > 0.0) loss->draft += drafts / step->draft_weight;
    loss->total = loss->tokens + step->draft_factor * loss->draft + step->balance_factor * loss->balance;
    return e;
}

// dx of what last norm `pass` reads.
static void last_norm_back(Net *net, int64_t pass, int64_t T)
{
    const float *dgain = pass ? net->dw->draft[pass - 1].norm : net->dw->norm;
    const NormGrad last = last_norm(net, pass, T);
    net->g->norm_back(net->g, net->dx, false, vector_floats(dgain), net->dnormed[pass], &last);
}

static Err backward(Net *net, const NetBatch *batch, const NetStep *step)
{
    const Recipe *r = net->r;
    const int64_t T = batch->T;
    Err e = OK;
    for (int64_t i = r->draft_layers - 1; i >= 0 && !e.code; i--) {
        last_norm_back(net, 1 + i, T);
        e = layer_back(net, r->layers + i, net->draft_in[i], net->draft_out[i], batch, step);
        if (!e.code) e = draft_back(net, i, T);
    }
    if (e.code) return e;
    last_norm_back(net, 0, T);
    for (int64_t i = r->layers - 1; i >= 0 && !e.code; i--)
        e = layer_back(net, i, net->x[i], net->x[i + 1], batch, step);
    if (!e.code)
        net->g->embed_back(net->g, matrix_floats(&net->dw->embed), net->dx, batch->ids, T, r->hidden,
                           (float)r->embedding_multiplier);
    return e;
}

Err net_learn(Net *net, const NetBatch *batch, const NetStep *step, NetLoss *loss)
{
    net->count = true;
    Err e = forward(net, batch, loss, step);
    if (!e.code) e = heads(net, batch, step, loss, true);
    net->count = false;
    return e.code ? e : backward(net, batch, step);
}

Err net_judge(Net *net, const NetBatch *batch, const NetStep *step, NetLoss *loss)
{
    net->count = false;
    Err e = forward(net, batch, loss, step);
    return e.code ? e : heads(net, batch, step, loss, false);
}
