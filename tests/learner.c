#include "learner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void must(Err e)
{
    if (e.code) fail_msg("%s", e.text);
}

void learner_open(Learner *l, const char *folder, const NetOptions *options)
{
    *l = (Learner){ .arena = arena_new("a learner") };
    case_open(&l->c, folder);
    must(parameters_of(&l->p, &l->arena, l->c.recipe, l->c.checkpoint));
    l->weights = calloc(l->p->floats, sizeof(float));
    l->gradient = calloc(l->p->floats, sizeof(float));
    assert_non_null(l->weights);
    assert_non_null(l->gradient);
    must(parameters_read(l->weights, l->p, l->c.checkpoint, NULL));
    must(pool_new(&l->pool, 2));
    must(grads_open(&l->grads, cpu_level_best(), false, l->pool));
    const NetParts parts = { l->p, l->weights, l->gradient, l->c.checkpoint->config };
    must(net_new(&l->net, &parts, l->grads, options, NULL));
}

void learner_close(Learner *l)
{
    net_free(l->net);
    grads_close(l->grads);
    pool_free(l->pool);
    free(l->weights);
    free(l->gradient);
    arena_free(&l->arena);
    case_close(&l->c);
}
