// A training's beginning: what is opened, checked and made before the first step.
#include "train/train_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

enum { PEAK_TRIES = 10 };

// ---- Weights by chance ---------------------------------------------------------------------------------------------

// Box-Muller, of one stream per tensor, so that none depends on another's size.
static double uniform(uint64_t *state)
{
    return ((double)(random_next(state) >> 11) + 0.5) * 0x1p-53;
}

static void normal(float *out, int64_t n, double std, uint64_t state)
{
    for (int64_t i = 0; i < n; i++) {
        const double length = sqrt(-2.0 * log(uniform(&state)));
        out[i] = (float)(std * length * cos(6.283185307179586 * uniform(&state)));
    }
}

void weights_by_chance(float *block, const Parameters *p, double std, uint64_t seed)
{
    const double blocks = 2.0 * (double)p->r->layers; // that add to the residual stream (GPT-2's scaling)
    for (size_t i = 0; i < p->count; i++) {
        const Parameter *one = &p->at[i];
        const int64_t n = one->rows * one->cols;
        float *w = block + one->at;
        const uint64_t stream = XXH3_64bits_withSeed(one->name, strlen(one->name), seed);
        if (one->kind == PARAMETER_MATRIX) normal(w, n, std, stream);
        if (one->kind == PARAMETER_OUT) normal(w, n, std / sqrt(blocks), stream);
        for (int64_t j = 0; j < n && one->rank == 1; j++) w[j] = one->kind == PARAMETER_GAIN ? one->neutral : 0.0f;
    }
}

static bool same_token(const DureModel *a, const DureModel *b, int32_t id)
{
    DureText of_a = { 0 }, of_b = { 0 };
    DureError error = { 0 };
    const bool told = !dure_token_text(a, id, &of_a, &error) && !dure_token_text(b, id, &of_b, &error);
    const bool same = !told || (of_a.n == of_b.n && (!of_a.n || !memcmp(of_a.at, of_b.at, of_a.n)));
    dure_text_free(&of_a);
    dure_text_free(&of_b);
    return same;
}

// Weights know tokens by their ids: those of another tokenizer are worth little.
static void compare_tokenizers(const Trainer *t)
{
    const char *from = t->options->init_from;
    DureModel *other = NULL;
    DureError error = { 0 };
    int64_t differ = 0;
    if (dure_model_open(&other, from, &(DureModelOptions){ .text_only = 1 }, &error)) return; // it has none to compare
    for (int64_t id = 0; id < t->recipe->vocab; id++) differ += !same_token(t->text, other, (int32_t)id);
    if (differ)
        trainer_note(t, "%s has another tokenizer: %lld of %lld ids are other tokens in %s", from, (long long)differ,
                     (long long)t->recipe->vocab, t->options->model);
    dure_model_close(other);
}

static Err begin_weights(Trainer *t)
{
    double std = t->options->init_std;
    if (!(std > 0.0) && !meta_real(t->source->config, "initializer_range", &std)) std = 0.02;
    if (!t->options->init_from) {
        weights_by_chance(t->weights, t->parameters, std, t->options->seed);
        return OK;
    }
    Checkpoint *from = NULL;
    Err e = checkpoint_open(&from, t->options->init_from, CHECKPOINT_ALL, NULL, NULL);
    if (!e.code) e = parameters_read(t->weights, t->parameters, from, NULL);
    checkpoint_close(from);
    if (!e.code) compare_tokenizers(t);
    return e;
}

// ---- Options -------------------------------------------------------------------------------------------------------

void dure_train_defaults(DureTrainOptions *out)
{
    *out = (DureTrainOptions){ .epochs = 1.0,
                               .batch_tokens = 16384,
                               .optimizer = DURE_MUON,
                               .schedule = DURE_WSD,
                               .rate = 3e-3,
                               .least_rate = 0.05,
                               .warmup = -1,
                               .decay_share = 0.3,
                               .beta1 = 0.9,
                               .beta2 = 0.95,
                               .momentum = 0.95,
                               .weight_decay = 0.1,
                               .clip = 1.0,
                               .draft_factor = 0.1,
                               .balance_rate = 1e-3,
                               .seed = 1,
                               .save_every = 500,
                               .valid_every = 500,
                               .most_bad = 100,
                               .bf16 = 1 };
}

static Err check_share(double value, double least, double most, const char *name)
{
    if (value >= least && value <= most) return OK;
    return err(ERR_USAGE, "%s is %g, but must lie in [%g, %g]", name, value, least, most);
}

static Err check_options(const DureTrainOptions *o)
{
    const struct {
        double value, least, most;
        const char *name;
    } reals[] = { { o->epochs, 0.0, 1e6, "epochs" },
                  { o->rate, 0.0, 10.0, "rate" },
                  { o->least_rate, 0.0, 1.0, "least_rate" },
                  { o->decay_share, 0.0, 1.0, "decay_share" },
                  { o->beta1, 0.0, 0.99999, "beta1" },
                  { o->beta2, 0.0, 0.99999, "beta2" },
                  { o->momentum, 0.0, 0.99999, "momentum" },
                  { o->weight_decay, 0.0, 10.0, "weight_decay" },
                  { o->clip, 0.0, 1e9, "clip" },
                  { o->draft_factor, 0.0, 100.0, "draft_factor" },
                  { o->balance_factor, 0.0, 100.0, "balance_factor" },
                  { o->balance_rate, 0.0, 1.0, "balance_rate" },
                  { o->average, 0.0, 0.999999, "average" },
                  { o->init_std, 0.0, 10.0, "init_std" } };
    Err e = OK;
    for (size_t i = 0; i < COUNT(reals) && !e.code; i++)
        e = check_share(reals[i].value, reals[i].least, reals[i].most, reals[i].name);
    if (e.code) return e;
    if (!o->model || !o->out || !o->data || !o->data[0]) return err(ERR_USAGE, "model, out and data must be given");
    if (o->steps < 0 || o->warmup < -1 || o->save_every < 1 || o->valid_every < 1 || o->most_bad < 0)
        return err(ERR_USAGE, "steps, warmup, save_every, valid_every and most_bad must be counts");
    if (o->batch_tokens < 2 || o->batch_tokens > (1 << 28) || o->rows < 0 || o->rows > (1 << 24) || o->context < 0)
        return err(ERR_USAGE, "batch_tokens, rows and context must be numbers of tokens");
    return OK;
}

// ---- The model -----------------------------------------------------------------------------------------------------

static Err open_model(Trainer *t)
{
    const DureTrainOptions *o = t->options;
    DureError error = { 0 };
    Err e = checkpoint_open(&t->source, o->model, CHECKPOINT_ALL, NULL, NULL);
    if (!e.code && !t->source->config) e = err(ERR_FILE, "%s: has no config.json", o->model);
    if (!e.code) e = recipe_from(&t->recipe, &t->arena, t->source->config, NULL, NULL);
    if (!e.code) e = parameters_of(&t->parameters, &t->arena, t->recipe, NULL);
    if (!e.code && dure_model_open(&t->text, o->model, &(DureModelOptions){ .text_only = 1 }, &error))
        e = err_of(&error);
    return e;
}

static Err open_grads(Trainer *t)
{
    CpuLevel level = cpu_level_best();
    const DureTrainOptions *o = t->options;
    if (o->cpu && !cpu_level_from(&level, o->cpu)) return err(ERR_USAGE, "there is no CPU level \"%s\"", o->cpu);
    Err e = pool_new(&t->pool, o->threads ? o->threads : cpu_count());
    if (!e.code) e = grads_open(&t->grads, level, o->bf16, t->pool);
    if (!e.code) t->peak = grads_peak(t->grads, PEAK_TRIES);
    return e;
}

static Err make_blocks(Trainer *t)
{
    const size_t floats = t->parameters->floats, bytes = (floats * sizeof(float) + 63) / 64 * 64;
    if (!ledger_take(&t->ledger, LEDGER_RESIDENT, 2 * bytes))
        return err(ERR_LIMIT, "weights and gradients need %zu MiB, more than is allowed", 2 * bytes >> 20);
    t->weights = memory_large(bytes);
    t->gradient = memory_large(bytes);
    if (!t->weights || !t->gradient) return err_memory("weights and gradients");
    memset(t->weights, 0, bytes);
    memset(t->gradient, 0, bytes);
    return OK;
}

static Err make_parts(Trainer *t)
{
    const DureTrainOptions *o = t->options;
    const OptimizerOptions optimizer = { .kind = o->optimizer == DURE_MUON ? OPTIMIZER_MUON : OPTIMIZER_ADAMW,
                                         .beta1 = o->beta1,
                                         .beta2 = o->beta2,
                                         .eps = 1e-8,
                                         .momentum = o->momentum,
                                         .decay = o->weight_decay,
                                         .clip = o->clip,
                                         .balance_rate = o->balance_rate,
                                         .average = o->average };
    const NetOptions net = { .most_rows = o->rows, .recompute = o->recompute };
    const NetParts parts = { t->parameters, t->weights, t->gradient, t->source->config };
    Err e = optimizer_new(&t->optimizer, t->parameters, &optimizer, t->grads, &t->ledger);
    if (!e.code) e = net_new(&t->net, &parts, t->grads, &net, &t->ledger);
    if (e.code) return e;
    trainer_note(t, "%lld parameters in %s; memory: %lld MiB weights, gradients and moments, %lld MiB activations",
                 (long long)t->parameters->floats, t->recipe->family,
                 (long long)atomic_load(&t->ledger.used[LEDGER_RESIDENT]) >> 20,
                 (long long)atomic_load(&t->ledger.used[LEDGER_WORK]) >> 20);
    trainer_note(t, "%s on %d threads", t->grads->name, pool_threads(t->pool));
    return OK;
}

// Batches of a step: each is nearly full, so that there are few more than the tokens ask for; the last may be small.
static Err make_batches(Trainer *t)
{
    t->batch_most = 2 * (t->options->batch_tokens / t->options->rows + 2);
    t->batches = calloc((size_t)t->batch_most, sizeof *t->batches);
    if (!t->batches) return err_memory("batches");
    Err e = OK;
    for (int64_t i = 0; i < t->batch_most && !e.code; i++) e = batch_new(&t->batches[i], t->options->rows);
    return e;
}

static void make_schedule(Trainer *t)
{
    static const ScheduleKind kinds[] = {
        [DURE_COSINE] = SCHEDULE_COSINE, [DURE_WSD] = SCHEDULE_WSD, [DURE_CONSTANT] = SCHEDULE_CONSTANT
    };
    const DureTrainOptions *o = t->options;
    const double all = o->epochs * (double)t->corpus->tokens / (double)o->batch_tokens;
    const int64_t steps = o->steps ? o->steps : (int64_t)ceil(all);
    t->schedule = (Schedule){ .kind = kinds[o->schedule],
                              .rate = o->rate,
                              .least = o->least_rate,
                              .warmup = o->warmup >= 0 ? o->warmup
                                        : steps < 1000 ? steps / 10
                                                       : 100,
                              .steps = steps,
                              .decay_share = o->decay_share };
}

Err trainer_open(Trainer *t, const DureTrainOptions *options)
{
    bool found = false;
    *t = (Trainer){ .options = options, .arena = arena_new("a training") };
    Err e = check_options(options);
    t->ledger.limit = options->memory ? options->memory : memory_available();
    if (!e.code) e = open_model(t);
    if (!e.code) e = trainer_make_folders(t);
    if (!e.code) e = trainer_open_corpus(&t->corpus, t, options->data, "train.safetensors");
    if (!e.code && options->valid && options->valid[0])
        e = trainer_open_corpus(&t->valid, t, options->valid, "valid.safetensors");
    if (!e.code) e = open_grads(t);
    if (!e.code) e = make_blocks(t);
    if (!e.code) e = make_parts(t);
    if (!e.code) e = make_batches(t);
    if (!e.code) e = trainer_load_state(t, &found);
    if (!e.code && !found) e = begin_weights(t);
    if (!e.code) e = shuffle_new(&t->shuffle, t->corpus, options->seed, t->at.epoch, t->at.next);
    if (e.code) return e;
    make_schedule(t);
    if (found) trainer_note(t, "goes on behind step %lld", (long long)t->at.step);
    t->began_step = t->at.step;
    return OK;
}

void trainer_close(Trainer *t)
{
    shuffle_free(&t->shuffle);
    for (int64_t i = 0; t->batches && i < t->batch_most; i++) batch_free(&t->batches[i]);
    free(t->batches);
    net_free(t->net);
    optimizer_free(t->optimizer);
    grads_close(t->grads);
    pool_free(t->pool);
    free(t->weights);
    free(t->gradient);
    corpus_close(t->corpus);
    corpus_close(t->valid);
    dure_model_close(t->text);
    checkpoint_close(t->source);
    free(t->folder);
    recipe_free(t->recipe);
    arena_free(&t->arena);
}
