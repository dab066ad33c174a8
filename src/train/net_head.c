// The head of the net: logits and losses of the rows that count, some rows at a time, so that logits never fill the memory.
#include "train/net_internal.h"

// The next rows of weight, from *row on: their numbers, targets and weights.
static int64_t next_rows(Net *net, const HeadIn *in, int64_t *row)
{
    int64_t n = 0;
    for (; *row < in->T && n < HEAD_ROWS; ++*row) {
        if (in->weights[*row] == 0.0f) continue;
        net->head_rows[n] = (int32_t)*row;
        net->head_targets[n] = in->targets[*row];
        net->head_weights[n] = (float)(in->weights[*row] * in->share);
        n++;
    }
    return n;
}

static Err back(Net *net, float *dnormed, int64_t rows)
{
    const int64_t H = net->r->hidden;
    const Product products[] = { product_weight(&net->dw->head, net->logits, net->head_in, rows),
                                 product_back(net->dhead_in, net->logits, &net->w->head, rows, false) };
    Err e = net->g->multiply(net->g, products, COUNT(products));
    for (int64_t i = 0; i < rows && !e.code; i++)
        memcpy(dnormed + net->head_rows[i] * H, net->dhead_in + i * H, (size_t)H * sizeof(float));
    return e;
}

Err net_head(Net *net, float *dnormed, double *sum, const HeadIn *in)
{
    const Recipe *r = net->r;
    int64_t row = 0, rows;
    if (dnormed) memset(dnormed, 0, (size_t)(in->T * r->hidden) * sizeof *dnormed);
    while ((rows = next_rows(net, in, &row))) {
        net->g->gather(net->g, net->head_in, in->normed, net->head_rows, rows, r->hidden);
        const Product logits = product_of(net->logits, net->head_in, &net->w->head, rows);
        Err e = net->g->multiply(net->g, &logits, 1);
        if (e.code) return e;
        net->g->cross_entropy(net->g, net->head_loss, net->logits, net->head_targets, net->head_weights, rows, r->vocab,
                              (float)r->logit_multiplier);
        for (int64_t i = 0; i < rows; i++) *sum += (double)in->weights[net->head_rows[i]] * (double)net->head_loss[i];
        if (dnormed) e = back(net, dnormed, rows);
        if (e.code) return e;
    }
    return OK;
}
