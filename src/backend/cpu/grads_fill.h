// The table but for `multiply`, out of the grads_*.h compiled for one level.
#ifndef DURE_BACKEND_CPU_GRADS_FILL_H
#define DURE_BACKEND_CPU_GRADS_FILL_H

#include "backend/cpu/grads_attend.h"
#include "backend/cpu/grads_route.h"
#include "backend/cpu/grads_rows.h"

static void fill(Grads *g)
{
    g->embed = embed;
    g->embed_back = embed_back;
    g->norm = norm;
    g->norm_back = norm_back;
    g->rope = rope;
    g->rope_back = rope_back;
    g->attend = attend;
    g->attend_back = attend_back;
    g->route = route;
    g->route_back = route_back;
    g->swiglu = swiglu;
    g->swiglu_back = swiglu_back;
    g->gather = gather;
    g->combine = combine;
    g->combine_back = combine_back;
    g->add = add;
    g->place = place;
    g->add_bias = add_bias;
    g->add_bias_back = add_bias_back;
    g->cross_entropy = cross_entropy;
    g->adamw = adamw;
    g->sum_squares = sum_squares;
    g->scale = scale_by;
}

#endif
