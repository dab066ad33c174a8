// What the trainer's two halves share: counted words, and the merges learned from them.
#ifndef DURE_BPE_TRAIN_H
#define DURE_BPE_TRAIN_H

#include "text/tokenizer_internal.h"

// A piece of text that the pre-tokeniser made, and how often it did.
typedef struct Word {
    size_t at; // in `text`
    uint32_t n;
    int64_t count;
} Word;

typedef struct Words {
    Buf text;
    Word *at;
    size_t n, capacity;
    uint64_t *slots; // upper half of the hash << 32 | index + 1; 0: empty
    size_t mask;
} Words;

bool words_add(Words *words, Str piece, int64_t count); // false: no memory
bool words_join(Words *words, const Words *more);
void words_free(Words *words);

typedef struct BpeTraining {
    int64_t vocab;             // tokens that are wanted
    int64_t least_count;       // of a pair that is merged
    TrainerProgress *progress; // or NULL
    void *user;
} BpeTraining;

typedef struct LearnedMerges {
    uint64_t *pairs; // left id << 32 | right id, by rank
    size_t n, capacity;
} LearnedMerges;

// Learns merges until t has how->vocab tokens or no pair is left; new tokens are put into t, which has one for each byte.
Err bpe_train(LearnedMerges *out, Tokenizer *t, const Words *words, const BpeTraining *how);

#endif
