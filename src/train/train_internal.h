// What the trainer's files share.
#ifndef DURE_TRAIN_INTERNAL_H
#define DURE_TRAIN_INTERNAL_H

#include "train/train.h"

// SplitMix64 (Steele, Lea, Flood 2014).
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static inline Err err_of(const DureError *error)
{
    return err((ErrCode)error->code, "%s", error->text);
}

// Where a training stands, beside its blocks. All of it is in a checkpoint.
typedef struct Progressed {
    int64_t step, tokens; // done
    int64_t epoch, next;  // of the shuffle
} Progressed;

typedef struct Trainer {
    const DureTrainOptions *options;
    Ledger ledger;
    Arena arena;
    Checkpoint *source; // the model's folder
    DureModel *text;
    Recipe *recipe;
    Parameters *parameters;
    float *weights, *gradient; // blocks
    Pool *pool;
    Grads *grads;
    Net *net;
    Optimizer *optimizer;
    Schedule schedule;
    Corpus *corpus, *valid;
    Shuffle shuffle;
    BatchMaker *batches; // those of a step
    int64_t batch_count; // in use
    int64_t batch_most;
    Progressed at;
    char key[33]; // of corpus and model: a checkpoint of another is refused
    char *folder; // OUT/training
    double began; // seconds
    int64_t began_step;
    double peak; // operations per second, 0: unknown
} Trainer;

// data.c: of the trainings of models and of tokenizers
typedef enum DataKind { DATA_JSON_LINES, DATA_TAB_LINES, DATA_TEXT } DataKind;
DataKind data_kind(const char *path); // by its ending
// Leaves out `count` lines of a file, whose first is `line`. ERR_FORMAT: more than may be.
Err bad_lines_add(BadLines *bad, const char *file, int64_t line, int64_t count, const char *why);
Err folder_make(const char *path); // unless it is there

// files.c
Err trainer_path(char **out, const Trainer *t, const char *name); // in the training folder; by malloc
Err trainer_open_corpus(Corpus **out, Trainer *t, const char *const *files, const char *name);
Err trainer_save_state(const Trainer *t);
Err trainer_load_state(Trainer *t, bool *found);
Err trainer_save_model(const Trainer *t);
Err trainer_make_folders(Trainer *t);

// gguf.c
Err trainer_save_gguf(const Trainer *t);

// start.c
Err trainer_open(Trainer *t, const DureTrainOptions *options);
void trainer_close(Trainer *t);
void weights_by_chance(float *block, const Parameters *p, double std, uint64_t seed);

bool trainer_tell(const Trainer *t, const DureTrainEvent *event); // false: stop
void trainer_note(const Trainer *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
