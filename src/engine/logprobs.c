// Log-probabilities, measured as OpenAI's API has them: of the model's own logits, before any step of sampling, so that they do not
// depend on how a token was chosen. log p = logit - largest - log(sum of exp(logit - largest)), in double, by ascending id.
#include "engine/engine_internal.h"

#include <float.h>
#include <math.h>

static double logit_at(const float *logits, int64_t id)
{
    return logits[id] > FLT_MAX ? (double)FLT_MAX : (double)logits[id]; // as the sampler counts it
}

// The `top` largest, ties by the lower id, in order: linear in the vocabulary times at most `top`.
static void find_top(DureLogprob *out, int top, const float *logits, int64_t vocab)
{
    int n = 0;
    for (int64_t id = 0; id < vocab; id++) {
        const double logit = logit_at(logits, id);
        if (n == top && !(top && logit > out[top - 1].logprob)) continue;
        int place = n < top ? n++ : top - 1;
        for (; place > 0 && logit > out[place - 1].logprob; place--) out[place] = out[place - 1];
        out[place] = (DureLogprob){ .id = (int32_t)id, .logprob = logit };
    }
}

void logprobs_measure(DureLogprob *out, int top, const float *logits, int64_t vocab, int32_t id)
{
    double largest = -INFINITY, sum = 0;
    out[0] = (DureLogprob){ .id = id, .logprob = logit_at(logits, id) };
    find_top(out + 1, top, logits, vocab);
    for (int64_t i = 0; i < vocab; i++) largest = fmax(largest, logit_at(logits, i));
    if (largest == -INFINITY) return; // all are impossible
    for (int64_t i = 0; i < vocab; i++) sum += exp(logit_at(logits, i) - largest);
    for (int i = 0; i <= top; i++) out[i].logprob = out[i].logprob - largest - log(sum);
}
