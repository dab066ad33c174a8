// A golden case that learns: its weights and gradient as blocks, and a net over them.
#ifndef DURE_LEARNER_H
#define DURE_LEARNER_H

#include "golden_case.h"
#include "train/train.h"

typedef struct Learner {
    Case c;
    Arena arena;
    Parameters *p;
    float *weights, *gradient;
    Pool *pool;
    Grads *grads;
    Net *net;
} Learner;

// On the best CPU level, with products in float32. Fails the running test when something is wrong.
void learner_open(Learner *l, const char *folder, const NetOptions *options);
void learner_close(Learner *l);

#endif
