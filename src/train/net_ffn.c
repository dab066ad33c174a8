// Feed-forwards of the net: dense, and experts with their router.
#include "train/net_internal.h"

Err net_dense(Net *net, float *y, const float *x, const FfnWeights *w, const DenseKept *kept, int64_t T, float clamp)
{
    const Product in[] = { product_of(kept->gate, x, &w->gate, T), product_of(kept->up, x, &w->up, T) };
    const Product out = product_of(y, kept->mid, &w->down, T);
    Err e = net->g->multiply(net->g, in, COUNT(in));
    if (e.code) return e;
    net->g->swiglu(net->g, kept->mid, kept->gate, kept->up, T * w->gate.rows, clamp);
    return net->g->multiply(net->g, &out, 1);
}

Err net_dense_back(Net *net, float *dx, bool add, const float *dy, const DenseBack *in, int64_t T)
{
    const FfnWeights *w = in->w, *dw = in->dw;
    const DenseKept *kept = in->kept, *d = &net->d;
    const Product down[] = { product_weight(&dw->down, dy, kept->mid, T),
                             product_back(d->mid, dy, &w->down, T, false) };
    const Product first[] = { product_weight(&dw->gate, d->gate, in->x, T), product_weight(&dw->up, d->up, in->x, T),
                              product_back(dx, d->gate, &w->gate, T, add) };
    const Product second = product_back(dx, d->up, &w->up, T, true);
    Err e = net->g->multiply(net->g, down, COUNT(down));
    if (e.code) return e;
    net->g->swiglu_back(net->g, d->gate, d->up, d->mid, kept->gate, kept->up, T * w->gate.rows, in->clamp);
    e = net->g->multiply(net->g, first, COUNT(first));
    return e.code ? e : net->g->multiply(net->g, &second, 1);
}

// ---- Experts -------------------------------------------------------------------------------------------------------

static RouteGrad route_in(const Net *net, int64_t layer, int64_t T)
{
    const Router *router = &net->r->router;
    const LayerKept *kept = &net->layer[layer];
    return (RouteGrad){ .logits = kept->scores,
                        .bias = net->w->layer[layer].experts.bias,
                        .score = router->score,
                        .T = T,
                        .E = router->experts,
                        .K = router->top_k,
                        .groups = router->groups,
                        .groups_kept = router->groups_kept,
                        .normalise = router->normalise,
                        .scale = (float)router->scale,
                        .scores = kept->affinity };
}

// Tokens in order of their experts: where each choice stands, and which token each place has.
static void group(Net *net, int64_t layer, int64_t T)
{
    const int64_t E = net->r->router.experts, K = net->r->router.top_k;
    const LayerKept *kept = &net->layer[layer];
    int64_t *start = kept->start;
    memset(start, 0, (size_t)(E + 1) * sizeof *start);
    for (int64_t i = 0; i < T * K; i++) start[kept->ids[i] + 1]++;
    for (int64_t e = 0; e < E && net->count; e++) net->loads[layer * E + e] += start[e + 1];
    for (int64_t e = 0; e < E; e++) start[e + 1] += start[e];
    for (int64_t i = 0; i < T * K; i++) {
        const int64_t at = start[kept->ids[i]]++;
        kept->at[i] = (int32_t)at;
        net->grouped[at] = (int32_t)(i / K);
    }
    for (int64_t e = E; e > 0; e--) start[e] = start[e - 1];
    start[0] = 0;
}

// One product of every expert that has rows; appended to net->products, whose new count is returned.
typedef Product ExpertProduct(const Net *net, int64_t layer, int64_t expert, int64_t row, int64_t T);

static int64_t each_expert(Net *net, int64_t layer, int64_t count, ExpertProduct *make)
{
    const int64_t *start = net->layer[layer].start;
    for (int64_t e = 0; e < net->r->router.experts; e++) {
        const int64_t T = start[e + 1] - start[e];
        if (T) net->products[count++] = make(net, layer, e, start[e], T);
    }
    return count;
}

static Product gate_product(const Net *net, int64_t layer, int64_t e, int64_t row, int64_t T)
{
    const LayerKept *kept = &net->layer[layer];
    const Matrix *w = &net->w->layer[layer].experts.gate[e];
    return product_of(kept->expert.gate + row * w->rows, kept->rows + row * w->cols, w, T);
}

static Product up_product(const Net *net, int64_t layer, int64_t e, int64_t row, int64_t T)
{
    const LayerKept *kept = &net->layer[layer];
    const Matrix *w = &net->w->layer[layer].experts.up[e];
    return product_of(kept->expert.up + row * w->rows, kept->rows + row * w->cols, w, T);
}

static Product down_product(const Net *net, int64_t layer, int64_t e, int64_t row, int64_t T)
{
    const LayerKept *kept = &net->layer[layer];
    const Matrix *w = &net->w->layer[layer].experts.down[e];
    return product_of(kept->results + row * w->rows, kept->expert.mid + row * w->cols, w, T);
}

static Err routed(Net *net, float *y, int64_t layer, int64_t T)
{
    const Recipe *r = net->r;
    const int64_t K = r->router.top_k, H = r->hidden;
    const LayerKept *kept = &net->layer[layer];
    Grads *g = net->g;
    g->gather(g, kept->rows, kept->mid, net->grouped, T * K, H);
    int64_t count = each_expert(net, layer, 0, gate_product);
    count = each_expert(net, layer, count, up_product);
    Err e = g->multiply(g, net->products, count);
    if (e.code) return e;
    g->swiglu(g, kept->expert.mid, kept->expert.gate, kept->expert.up, T * K * r->router.expert_width,
              r->layer[layer].clamp);
    e = g->multiply(g, net->products, each_expert(net, layer, 0, down_product));
    if (!e.code) g->combine(g, y, false, kept->results, kept->at, kept->routes, T, K, H);
    return e;
}

Err net_experts(Net *net, float *y, int64_t layer, int64_t T)
{
    const Recipe *r = net->r;
    const LayerKept *kept = &net->layer[layer];
    const ExpertWeights *w = &net->w->layer[layer].experts;
    const Product logits = product_of(kept->scores, kept->mid, &w->router, T);
    Err e = net->g->multiply(net->g, &logits, 1);
    if (e.code) return e;
    const RouteGrad route = route_in(net, layer, T);
    net->g->route(net->g, kept->ids, kept->routes, &route);
    group(net, layer, T);
    e = routed(net, y, layer, T);
    if (e.code || !r->router.shared_width) return e;
    e = net_dense(net, net->shared, kept->mid, &w->shared, &kept->dense, T, r->layer[layer].clamp);
    if (!e.code) net->g->add(net->g, y, net->shared, T * r->hidden, 1.0f);
    return e;
}

static Product down_weight(const Net *net, int64_t layer, int64_t e, int64_t row, int64_t T)
{
    const Matrix *dw = &net->dw->layer[layer].experts.down[e];
    return product_weight(dw, net->dresults + row * dw->rows, net->layer[layer].expert.mid + row * dw->cols, T);
}

static Product down_back(const Net *net, int64_t layer, int64_t e, int64_t row, int64_t T)
{
    const Matrix *w = &net->w->layer[layer].experts.down[e];
    return product_back(net->dexpert.mid + row * w->cols, net->dresults + row * w->rows, w, T, false);
}

static Product gate_weight(const Net *net, int64_t layer, int64_t e, int64_t row, int64_t T)
{
    const Matrix *dw = &net->dw->layer[layer].experts.gate[e];
    return product_weight(dw, net->dexpert.gate + row * dw->rows, net->layer[layer].rows + row * dw->cols, T);
}

static Product up_weight(const Net *net, int64_t layer, int64_t e, int64_t row, int64_t T)
{
    const Matrix *dw = &net->dw->layer[layer].experts.up[e];
    return product_weight(dw, net->dexpert.up + row * dw->rows, net->layer[layer].rows + row * dw->cols, T);
}

static Product gate_back(const Net *net, int64_t layer, int64_t e, int64_t row, int64_t T)
{
    const Matrix *w = &net->w->layer[layer].experts.gate[e];
    return product_back(net->drows + row * w->cols, net->dexpert.gate + row * w->rows, w, T, false);
}

static Product up_back(const Net *net, int64_t layer, int64_t e, int64_t row, int64_t T)
{
    const Matrix *w = &net->w->layer[layer].experts.up[e];
    return product_back(net->drows + row * w->cols, net->dexpert.up + row * w->rows, w, T, true);
}

// dx of the chosen experts, and the derivatives by their weights in net->droutes.
static Err routed_back(Net *net, float *dx, const float *dy, int64_t layer, int64_t T)
{
    const Recipe *r = net->r;
    const int64_t K = r->router.top_k, H = r->hidden;
    const LayerKept *kept = &net->layer[layer];
    const DenseKept *d = &net->dexpert;
    Grads *g = net->g;
    g->combine_back(g, net->dresults, net->droutes, dy, kept->results, kept->at, kept->routes, T, K, H);
    int64_t count = each_expert(net, layer, 0, down_weight);
    Err e = g->multiply(g, net->products, each_expert(net, layer, count, down_back));
    if (e.code) return e;
    g->swiglu_back(g, d->gate, d->up, d->mid, kept->expert.gate, kept->expert.up, T * K * r->router.expert_width,
                   r->layer[layer].clamp);
    count = each_expert(net, layer, 0, gate_weight);
    count = each_expert(net, layer, count, up_weight);
    e = g->multiply(g, net->products, each_expert(net, layer, count, gate_back));
    if (!e.code) e = g->multiply(g, net->products, each_expert(net, layer, 0, up_back));
    if (!e.code) g->combine(g, dx, false, net->drows, kept->at, NULL, T, K, H);
    return e;
}

// The share of the choices that an expert got.
static double share_of(const LayerKept *kept, int64_t expert, int64_t E)
{
    return (double)(kept->start[expert + 1] - kept->start[expert]) / (double)kept->start[E];
}

double net_balance(const Net *net, int64_t layer, int64_t T)
{
    const int64_t E = net->r->router.experts;
    const LayerKept *kept = &net->layer[layer];
    double sum = 0.0;
    for (int64_t e = 0; e < E; e++) {
        double mean = 0.0;
        for (int64_t t = 0; t < T; t++) mean += (double)kept->affinity[t * E + e];
        sum += share_of(kept, e, E) * mean / (double)T;
    }
    return (double)E * sum;
}

Err net_experts_back(Net *net, float *dx, const float *dy, int64_t layer, int64_t T, const NetStep *step)
{
    const Recipe *r = net->r;
    const int64_t E = r->router.experts;
    const LayerKept *kept = &net->layer[layer];
    const ExpertWeights *w = &net->w->layer[layer].experts, *dw = &net->dw->layer[layer].experts;
    const RouteGrad route = route_in(net, layer, T);
    const double balance = step->balance_factor * step->batch_share;
    Err e = routed_back(net, dx, dy, layer, T);
    if (e.code) return e;
    for (int64_t i = 0; i < T * E && balance != 0.0; i++)
        net->daffinity[i] = (float)(balance * (double)E * share_of(kept, i % E, E) / (double)T);
    net->g->route_back(net->g, net->dscores, net->droutes, balance != 0.0 ? net->daffinity : NULL, kept->ids, &route);
    const Product products[] = { product_weight(&dw->router, net->dscores, kept->mid, T),
                                 product_back(dx, net->dscores, &w->router, T, true) };
    e = net->g->multiply(net->g, products, COUNT(products));
    if (e.code || !r->router.shared_width) return e;
    const DenseBack shared = { kept->mid, &w->shared, &dw->shared, &kept->dense, r->layer[layer].clamp };
    return net_dense_back(net, dx, true, dy, &shared, T);
}
