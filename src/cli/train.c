// dure train: a model from nothing, or further from what there is.
#include "run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct TrainOptions {
    Options common;
    DureTrainOptions train;
    TextList data, valid, samples;
    const char *out, *init_from;
    int64_t seed, sample_tokens;
    bool recompute, f32, save_bf16;
} TrainOptions;

static const char *const optimizer_names[] = { "adamw", "muon", NULL };            // in the order of DureOptimizer
static const char *const schedule_names[] = { "cosine", "wsd", "constant", NULL }; // in the order of DureSchedule

#define AT(field) .offset = offsetof(TrainOptions, field)
static const Option train_own[] = {
    { "data", 0, OPTION_LIST, "FILE", N_("What to learn: *.jsonl, *.tsv or text, see above. May be given many times."),
      AT(data) },
    { "valid", 0, OPTION_LIST, "FILE", N_("Data of the same kinds that is only judged, never learned."), AT(valid) },
    { "out", 'o', OPTION_FILE, "FOLDER", N_("Where the model goes, and in training/ what is needed to go on."),
      AT(out) },
    { "init-from", 0, OPTION_FILE, "MODEL", N_("Begin with this model's weights instead of by chance."),
      AT(init_from) },
    { "gguf", 0, OPTION_FILE, "FILE", N_("Write the model also as one GGUF file, in Q8_0, whenever it is saved."),
      AT(train.gguf) },
    { "steps", 0, OPTION_INT, "N", N_("Steps of the optimizer. Default: as --epochs says."), AT(train.steps), 1, 1e12 },
    { "epochs", 0, OPTION_REAL, "X", N_("How often the data is read. Default: 1."), AT(train.epochs), 0, 1e6,
      .above = true },
    { "batch-tokens", 0, OPTION_SIZE, "N", N_("Tokens of a step, at least. Default: 16384."), AT(train.batch_tokens), 2,
      1 << 28 },
    { "rows", 0, OPTION_SIZE, "N",
      N_("Tokens that are computed at once; fewer take less memory. Default: the context, at least 2048."),
      AT(train.rows), 2, 1 << 24 },
    { "context", 'c', OPTION_SIZE, "N", N_("Most tokens of a document. Default: 2048."), AT(train.context), 2,
      1 << 24 },
    { "optimizer", 0, OPTION_CHOICE, "NAME", N_("muon for the inner matrices, or adamw for all. Default: muon."),
      AT(train.optimizer), .choices = optimizer_names },
    { "schedule", 0, OPTION_CHOICE, "NAME",
      N_("The learning rate's course: wsd holds it and lets it fall at the end. Default: wsd."), AT(train.schedule),
      .choices = schedule_names },
    { "rate", 0, OPTION_REAL, "X", N_("Largest learning rate. Default: 0.003."), AT(train.rate), 0, 10, .above = true },
    { "least-rate", 0, OPTION_REAL, "X", N_("The last learning rate, as a share of the largest. Default: 0.05."),
      AT(train.least_rate), 0, 1 },
    { "warmup", 0, OPTION_INT, "N",
      N_("Steps in which the learning rate rises. Default: 100, or a tenth of all if that is less."), AT(train.warmup),
      0, 1e12 },
    { "decay-share", 0, OPTION_REAL, "X", N_("Share of the steps in which wsd lets it fall. Default: 0.3."),
      AT(train.decay_share), 0, 1 },
    { "weight-decay", 0, OPTION_REAL, "X", N_("Of matrices. Default: 0.1."), AT(train.weight_decay), 0, 10 },
    { "clip", 0, OPTION_REAL, "X", N_("Largest norm of the gradient; 0: any. Default: 1."), AT(train.clip), 0, 1e9 },
    { "beta1", 0, OPTION_REAL, "X", N_("AdamW's first moment. Default: 0.9."), AT(train.beta1), 0, 0.99999 },
    { "beta2", 0, OPTION_REAL, "X", N_("AdamW's second moment. Default: 0.95."), AT(train.beta2), 0, 0.99999 },
    { "momentum", 0, OPTION_REAL, "X", N_("Muon's momentum. Default: 0.95."), AT(train.momentum), 0, 0.99999 },
    { "draft-factor", 0, OPTION_REAL, "X", N_("Weight of the draft layers' loss. Default: 0.1."),
      AT(train.draft_factor), 0, 100 },
    { "balance-factor", 0, OPTION_REAL, "X",
      N_("Weight of the loss that spreads tokens over the experts, for routers without a correction. Default: 0."),
      AT(train.balance_factor), 0, 100 },
    { "balance-rate", 0, OPTION_REAL, "X", N_("Step of the routers' corrections. Default: 0.001."),
      AT(train.balance_rate), 0, 1 },
    { "average", 0, OPTION_REAL, "X",
      N_("Save a moving average of the weights that keeps this share of itself at each step. Default: none."),
      AT(train.average), 0, 0.999999 },
    { "init-std", 0, OPTION_REAL, "X",
      N_("Spread of the first weights. Default: the config's initializer_range, or 0.02."), AT(train.init_std), 0, 10 },
    { "seed", 0, OPTION_INT, "N", N_("Of the first weights and of the order of documents. Default: 1."), AT(seed), 0,
      9007199254740991.0 },
    { "save-every", 0, OPTION_INT, "N", N_("Steps between two savings. Default: 500."), AT(train.save_every), 1, 1e12 },
    { "valid-every", 0, OPTION_INT, "N", N_("Steps between two judgements of --valid. Default: 500."),
      AT(train.valid_every), 1, 1e12 },
    { "sample", 0, OPTION_LIST, "PROMPT", N_("Answer this whenever the model is saved. May be given many times."),
      AT(samples) },
    { "sample-tokens", 0, OPTION_INT, "N", N_("Most tokens of such an answer. Default: 128."), AT(sample_tokens), 1,
      1e6 },
    { "bad-lines", 0, OPTION_INT, "N",
      N_("Lines of data that may be left out because they cannot be read. Default: 100."), AT(train.most_bad), 0,
      1e12 },
    { "recompute", 0, OPTION_FLAG, NULL, N_("Keep less in memory and compute it again: up to a third more time."),
      AT(recompute) },
    { "f32", 0, OPTION_FLAG, NULL, N_("Multiply in float32 even where the processor multiplies bf16."), AT(f32) },
    { "save-bf16", 0, OPTION_FLAG, NULL, N_("Save matrices as BF16 instead of F32."), AT(save_bf16) },
    { "threads", 't', OPTION_INT, "N", N_("Threads. Default: one per processor."), AT(common.threads), 1, 1024 },
    { "cpu", 0, OPTION_CHOICE, "LEVEL", N_("Which instructions to use. Default: the best that this processor has."),
      AT(common.cpu), .choices = cpu_levels },
    { "memory", 0, OPTION_SIZE, "BYTES", N_("Most memory to take. Default: what the system has."), AT(common.memory), 1,
      9007199254740991.0 },
    { 0 },
};
#undef AT

static void train_defaults(Options *options)
{
    TrainOptions *o = (TrainOptions *)(void *)options;
    dure_train_defaults(&o->train);
    o->seed = (int64_t)o->train.seed;
    o->sample_tokens = 128;
}

// ---- What is told while it lasts -----------------------------------------------------------------------------------

typedef struct Told {
    const TrainOptions *o;
    Progress progress;
    double loss; // a moving mean
    double last; // line, seconds
} Told;

static void step_text(char *out, size_t room, const Told *told, const DureTrainEvent *e)
{
    const int64_t left = (int64_t)e->seconds_left;
    int n = snprintf(out, room, tr("step %lld of %lld  loss %.4f  rate %.2e  %.0f tokens/s"), (long long)e->step,
                     (long long)e->steps, told->loss, e->rate, e->per_second);
    if (e->peak_share > 0.0 && n > 0 && (size_t)n < room)
        n += snprintf(out + n, room - (size_t)n, tr("  %.0f%% of the peak"), 100.0 * e->peak_share);
    if (n > 0 && (size_t)n < room)
        snprintf(out + n, room - (size_t)n, tr("  %lld:%02lld:%02lld left"), (long long)left / 3600,
                 (long long)left / 60 % 60, (long long)left % 60);
}

// On a terminal one line that changes; elsewhere one every so often.
static void tell_step(Told *told, const DureTrainEvent *e)
{
    enum { LINE_SECONDS = 20 };
    char text[256];
    const double now = now_seconds();
    told->loss = told->loss == 0.0 ? e->loss : 0.98 * told->loss + 0.02 * e->loss;
    step_text(text, sizeof text, told, e);
    if (told->progress.on)
        progress_say(&told->progress, text);
    else if (!told->o->common.quiet && (now - told->last > LINE_SECONDS || e->step == e->steps)) {
        fprintf(stderr, "%s\n", text);
        told->last = now;
    }
}

static void tell_line(Told *told, const char *text)
{
    progress_clear(&told->progress);
    if (!told->o->common.quiet) fprintf(stderr, "%s\n", text);
}

static void sample(Told *told)
{
    const TrainOptions *o = told->o;
    Options ask = o->common;
    progress_clear(&told->progress);
    ask.model = o->out;
    ask.sampling.max_tokens = o->sample_tokens;
    ask.reasoning = REASONING_SHOW;
    ask.greedy = true;
    ask.context = 0;
    for (size_t i = 0; i < o->samples.n && !interrupted(); i++) {
        printf("> %s\n", o->samples.at[i]);
        fflush(stdout);
        run_prompt(&ask, o->samples.at[i]);
    }
}

static int tell(void *user, const DureTrainEvent *e)
{
    Told *told = user;
    char text[160];
    if (e->kind == DURE_TRAIN_NOTE) tell_line(told, e->text);
    if (e->kind == DURE_TRAIN_DATA) progress_share(&told->progress, tr("tokens"), e->done, e->total);
    if (e->kind == DURE_TRAIN_STEP) tell_step(told, e);
    if (e->kind == DURE_TRAIN_VALID) {
        snprintf(text, sizeof text, tr("step %lld: loss on the validation data %.4f, perplexity %.2f"),
                 (long long)e->step, e->loss, exp(e->loss));
        tell_line(told, text);
    }
    if (e->kind == DURE_TRAIN_SAVED) sample(told);
    return interrupted();
}

static int train(Options *options)
{
    TrainOptions *o = (TrainOptions *)(void *)options;
    if (!o->data.n) return usage("train needs data to learn: --data FILE");
    if (!o->out) return usage("train needs a folder for the model: --out FOLDER");
    Told told = { .o = o, .progress = progress_new(options) };
    DureTrainOptions t = o->train;
    DureError error;
    t.model = options->model, t.out = o->out, t.init_from = o->init_from;
    t.data = o->data.at, t.valid = o->valid.at;
    t.seed = (uint64_t)o->seed;
    t.recompute = o->recompute, t.bf16 = !o->f32, t.save_bf16 = o->save_bf16;
    t.threads = (int)options->threads, t.memory = options->memory;
    t.cpu = options->cpu ? cpu_levels[options->cpu] : NULL;
    t.event = tell, t.user = &told;
    interrupt_catch();
    const int fault = dure_train(&t, &error);
    interrupt_release();
    progress_clear(&told.progress);
    return fault ? fail("%s", error.text) : EXIT_FINE;
}

const Command command_train = {
    .name = "train",
    .arguments = "FOLDER",
    .summary = N_("Train a model from nothing, or go on with one"),
    .about =
        N_("FOLDER holds what the model is to be: config.json of a known family, tokenizer.json (dure tokenizer train "
           "makes one) and, for talks, chat_template.jinja. The trained model is a folder of the same kind with "
           "model.safetensors, for dure and for transformers.\nData: *.jsonl has an object per line, with a text, or "
           "with messages as a chat (and its tools and kwargs), of "
           "which only what the assistant says is learned; *.tsv has a text per line, or a question, a tab and its "
           "answer; other files are text, with an empty "
           "line between documents. Documents do not see each other.\nThe same command goes on where it was stopped or "
           "killed, step for step as if it had not been. training/metrics.jsonl keeps what was measured at every step. "
           "Ctrl-C saves and ends."),
    .uses = USES_MODEL,
    .own = train_own,
    .bytes = sizeof(TrainOptions),
    .defaults = train_defaults,
    .run = train,
};
