// The training itself: step after step until the end, told as it goes, saved every so often.
#include "train/train_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

bool trainer_tell(const Trainer *t, const DureTrainEvent *event)
{
    return !t->options->event || !t->options->event(t->options->user, event);
}

void trainer_note(const Trainer *t, const char *format, ...)
{
    Buf text = { 0 };
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, tr(format), arguments);
    va_end(arguments);
    buf_text(&text, line);
    if (!text.failed) trainer_tell(t, &(DureTrainEvent){ .kind = DURE_TRAIN_NOTE, .text = text.at });
    buf_free(&text);
}

// ---- A step --------------------------------------------------------------------------------------------------------

// Whole documents, in the shuffle's order, until the step has its tokens. One that does not fit opens the next batch.
static int64_t gather_batches(Trainer *t)
{
    int64_t tokens = 0;
    t->batch_count = 1;
    batch_clear(&t->batches[0]);
    while (tokens < t->options->batch_tokens) {
        const int64_t document = shuffle_next(&t->shuffle);
        if (!batch_add(&t->batches[t->batch_count - 1], t->corpus, document)) {
            if (t->batch_count == t->batch_most) break; // cannot be: two neighbours hold more than one batch's rows
            batch_clear(&t->batches[t->batch_count++]);
            batch_add(&t->batches[t->batch_count - 1], t->corpus, document);
        }
        tokens += corpus_length(t->corpus, document);
    }
    return tokens;
}

static NetStep step_of(const Trainer *t)
{
    NetStep step = { .batch_share = 1.0 / (double)t->batch_count,
                     .draft_factor = t->recipe->draft_layers ? t->options->draft_factor : 0.0,
                     .balance_factor = t->options->balance_factor };
    for (int64_t i = 0; i < t->batch_count; i++) {
        const NetBatch *batch = &t->batches[i].batch;
        for (int64_t row = 0; row < batch->T; row++) step.weight += (double)batch->weights[row];
        step.draft_weight += net_draft_weight(batch, t->recipe->draft_layers);
    }
    return step;
}

static double largest_load(const Trainer *t)
{
    double most = 0.0;
    for (int64_t layer = 0; layer < t->recipe->layers; layer++) {
        const int64_t *loads = net_loads(t->net, layer), E = t->recipe->router.experts;
        double sum = 0.0, largest = 0.0;
        for (int64_t e = 0; loads && e < E; e++) sum += (double)loads[e], largest = fmax(largest, (double)loads[e]);
        if (sum > 0.0) most = fmax(most, largest / sum * (double)E);
    }
    return most;
}

// Operations of a step's products: forward two per weight and row, backward twice that. Heads see the rows that are learned alone.
// Attention's own are left out.
static double operations_of(const Trainer *t, int64_t tokens, const NetStep *step)
{
    const Recipe *r = t->recipe;
    const ParameterCount count = recipe_parameters(r);
    const double head = (double)r->vocab * (double)r->hidden, rest = r->tied ? 0.0 : (double)r->hidden;
    const double inner = (double)count.active - head - rest + (double)count.part[PART_DRAFT];
    return 6.0 * (inner * (double)tokens + head * (step->weight + step->draft_weight));
}

static Err one_step(Trainer *t, DureTrainEvent *told)
{
    NetLoss loss = { 0 };
    const int64_t tokens = gather_batches(t), number = t->at.step + 1;
    const NetStep step = step_of(t);
    Err e = step.weight > 0.0 ? OK : err(ERR_FORMAT, "step %lld: no token of it is learned", (long long)number);
    net_forget_loads(t->net);
    for (int64_t i = 0; i < t->batch_count && !e.code; i++)
        if (t->batches[i].batch.T) e = net_learn(t->net, &t->batches[i].batch, &step, &loss);
    if (!e.code && !isfinite(loss.total)) e = err(ERR_LIMIT, "step %lld: the loss is not finite", (long long)number);
    told->rate = schedule_rate(&t->schedule, number);
    // A gradient that is not finite says more than the loss: the tensor where it is.
    const bool lost = e.code == ERR_LIMIT && !isfinite(loss.total);
    if (!e.code || lost) {
        const Err of_step = optimizer_step(t->optimizer, t->weights, t->gradient, told->rate, number, &told->norm);
        if (of_step.code) e = of_step;
    }
    if (e.code) return e;
    told->load = largest_load(t);
    told->peak_share = operations_of(t, tokens, &step); // over seconds and peak: time_step
    optimizer_balance(t->optimizer, t->weights, t->net);
    t->at.step = number;
    t->at.tokens += tokens;
    t->at.epoch = t->shuffle.epoch;
    t->at.next = t->shuffle.next;
    told->loss = loss.tokens;
    told->draft_loss = loss.draft;
    return OK;
}

// ---- Validation ----------------------------------------------------------------------------------------------------

enum { VALID_BATCHES = 16 };

// The mean loss over the first documents of the validation data: always the same ones.
static Err validate(Trainer *t, double *loss)
{
    BatchMaker *maker = &t->batches[0];
    double sum = 0.0, weight = 0.0;
    int64_t document = 0;
    Err e = OK;
    for (int batch = 0; batch < VALID_BATCHES && document < t->valid->documents && !e.code; batch++) {
        NetLoss one = { 0 };
        batch_clear(maker);
        while (document < t->valid->documents && batch_add(maker, t->valid, document)) document++;
        NetStep step = { .batch_share = 1.0 };
        for (int64_t row = 0; row < maker->batch.T; row++) step.weight += (double)maker->batch.weights[row];
        if (!(step.weight > 0.0)) continue;
        e = net_judge(t->net, &maker->batch, &step, &one);
        sum += one.tokens * step.weight;
        weight += step.weight;
    }
    *loss = weight > 0.0 ? sum / weight : NAN;
    return e;
}

// ---- Telling and keeping -------------------------------------------------------------------------------------------

static void time_step(const Trainer *t, DureTrainEvent *told, int64_t tokens, double took)
{
    const double since = seconds_now() - t->began;
    const int64_t done = t->at.step - t->began_step;
    told->step = t->at.step;
    told->steps = t->schedule.steps;
    told->tokens = t->at.tokens;
    told->per_second = (double)tokens / took;
    told->peak_share = t->peak > 0.0 ? told->peak_share / took / t->peak : 0.0;
    told->seconds_left = done ? since / (double)done * (double)(t->schedule.steps - t->at.step) : 0.0;
}

static Err put_metrics(const Trainer *t, FILE *metrics, const DureTrainEvent *e)
{
    Buf line = { 0 };
    if (e->kind == DURE_TRAIN_VALID)
        buf_printf(&line, "{\"step\": %lld, \"valid_loss\": %.9g}\n", (long long)e->step, e->loss);
    else
        buf_printf(&line,
                   "{\"step\": %lld, \"tokens\": %lld, \"loss\": %.9g, \"draft_loss\": %.9g, \"norm\": %.6g, "
                   "\"rate\": %.6g, \"load\": %.4g, \"tokens_per_second\": %.6g, \"peak_share\": %.4g}\n",
                   (long long)e->step, (long long)e->tokens, e->loss, e->draft_loss, e->norm, e->rate, e->load,
                   e->per_second, e->peak_share);
    const bool written = !line.failed && fwrite(line.at, 1, line.n, metrics) == line.n && !fflush(metrics);
    buf_free(&line);
    return written ? OK : err(ERR_FILE, "%s/metrics.jsonl: cannot be written; is the disk full?", t->folder);
}

static Err save(Trainer *t)
{
    Err e = trainer_save_state(t);
    if (!e.code) e = trainer_save_model(t);
    if (!e.code && t->options->gguf) e = trainer_save_gguf(t);
    if (!e.code)
        trainer_tell(t, &(DureTrainEvent){ .kind = DURE_TRAIN_SAVED, .text = t->options->out, .step = t->at.step });
    return e;
}

// Lines of steps behind the one that the state stands at are dropped: they will be written again.
static Err open_metrics(FILE **out, const Trainer *t)
{
    char *path = NULL;
    Buf old = { 0 }, kept = { 0 };
    Err e = trainer_path(&path, t, "metrics.jsonl");
    if (!e.code && path_exists(path)) e = file_read(&old, path, (size_t)1 << 30);
    for (size_t at = 0; at < old.n && !e.code;) {
        const char *end = memchr(old.at + at, '\n', old.n - at);
        long long step = 0;
        if (!end) break;
        if (sscanf(old.at + at, "{\"step\": %lld", &step) == 1 && step <= t->at.step)
            buf_put(&kept, old.at + at, (size_t)(end + 1 - old.at) - at);
        at = (size_t)(end + 1 - old.at);
    }
    if (!e.code && kept.failed) e = err_memory(path);
    if (!e.code) e = file_write(path, buf_str(&kept));
    if (!e.code) {
        *out = fopen(path, "a");
        if (!*out) e = err(ERR_FILE, "%s: cannot be written", path);
    }
    buf_free(&old);
    buf_free(&kept);
    free(path);
    return e;
}

static Err step_and_tell(Trainer *t, FILE *metrics, bool *stop)
{
    DureTrainEvent told = { .kind = DURE_TRAIN_STEP };
    const double begin = seconds_now();
    const int64_t before = t->at.tokens;
    Err e = one_step(t, &told);
    if (e.code) return e;
    time_step(t, &told, t->at.tokens - before, seconds_now() - begin);
    e = put_metrics(t, metrics, &told);
    if (!trainer_tell(t, &told)) *stop = true;
    const bool last = t->at.step >= t->schedule.steps;
    if (!e.code && t->valid && (last || t->at.step % t->options->valid_every == 0)) {
        told.kind = DURE_TRAIN_VALID;
        e = validate(t, &told.loss);
        if (!e.code) e = put_metrics(t, metrics, &told);
        if (!trainer_tell(t, &told)) *stop = true;
    }
    if (!e.code && (last || *stop || t->at.step % t->options->save_every == 0)) e = save(t);
    return e;
}

static Err train(const DureTrainOptions *options)
{
    Trainer t;
    FILE *metrics = NULL;
    bool stop = false;
    Err e = trainer_open(&t, options);
    if (!e.code) e = open_metrics(&metrics, &t);
    t.began = seconds_now();
    if (!e.code && t.at.step >= t.schedule.steps) {
        trainer_note(&t, "all %lld steps are done; more steps or epochs go on", (long long)t.schedule.steps);
        e = save(&t);
    }
    while (!e.code && !stop && t.at.step < t.schedule.steps) e = step_and_tell(&t, metrics, &stop);
    if (!e.code && stop)
        e = err(ERR_CANCELLED, "stopped behind step %lld; the same command goes on", (long long)t.at.step);
    if (metrics) fclose(metrics);
    trainer_close(&t);
    return e;
}

int dure_train(const DureTrainOptions *options, DureError *error)
{
    DureTrainOptions filled = *options;
    if (!filled.context) filled.context = 2048;
    if (!filled.rows) filled.rows = filled.context > 2048 ? filled.context : 2048;
    Err e = filled.rows < filled.context
                ? err(ERR_USAGE, "rows is %lld, but a document of the context's %lld tokens must fit",
                      (long long)filled.rows, (long long)filled.context)
                : train(&filled);
    return api_return(error, &e);
}
