// The product as the specification says it: one chain for every element, p ascending.
#ifndef DURE_BACKEND_CPU_GRADS_PLAIN_H
#define DURE_BACKEND_CPU_GRADS_PLAIN_H

#include "backend/cpu/grads_cpu.h"

enum { PLAIN_ROWS = 16, PLAIN_COLUMNS = 64 };

typedef struct Products {
    const Product *products;
    int64_t count;
} Products;

// Row i, PLAIN_COLUMNS columns at a time.
static void plain_row(const Product *x, int64_t i)
{
    for (int64_t first = 0; first < x->N; first += PLAIN_COLUMNS) {
        const int64_t n = grads_least(PLAIN_COLUMNS, x->N - first);
        real sum[PLAIN_COLUMNS] = { 0 }, *c = x->c + i * x->c_row + first;
        for (int64_t p = 0; p < x->K; p++) {
            const real a = x->a[i * x->a_row + p * x->a_col], *b = x->b + p * x->b_row + first * x->b_col;
            for (int64_t j = 0; j < n; j++) sum[j] += a * b[j * x->b_col];
        }
        for (int64_t j = 0; j < n; j++) c[j] = x->add ? c[j] + sum[j] : sum[j];
    }
}

// Items are the rows of all products, one after the other.
static void plain_rows(const void *arg, int64_t first, int64_t end, real *slot)
{
    (void)slot;
    const Products *all = arg;
    int64_t begin = 0;
    for (const Product *x = all->products; x < all->products + all->count && begin < end; begin += x->M, x++)
        for (int64_t i = first > begin ? first - begin : 0; i < grads_least(x->M, end - begin); i++) plain_row(x, i);
}

static Err plain_multiply(Grads *g, const Product *products, int64_t count)
{
    const Products all = { products, count };
    int64_t rows = 0;
    for (int64_t i = 0; i < count; i++) rows += products[i].M;
    grads_fork(g, plain_rows, &all, rows, PLAIN_ROWS);
    return OK;
}

#endif
