// A SentencePiece model as its file has it (sentencepiece.c), and what the JSON files beside it say (tokenizer_config.c).
// tokenizer_sentencepiece.c makes a Tokenizer of both.
#ifndef DURE_SENTENCEPIECE_H
#define DURE_SENTENCEPIECE_H

#include "text/tokenizer_internal.h"

// ---- tokenizer.model (sentencepiece.c) -----------------------------------------------------------------------------

typedef enum PieceType {
    PIECE_NORMAL = 1,
    PIECE_UNKNOWN,
    PIECE_CONTROL,
    PIECE_USER,
    PIECE_UNUSED,
    PIECE_BYTE
} PieceType;

typedef enum PieceModel { MODEL_UNIGRAM = 1, MODEL_BPE } PieceModel;

typedef struct Piece {
    Str text; // not empty, UTF-8
    float score;
    PieceType type;
} Piece;

// Texts are views into the file.
typedef struct SentencePiece {
    Piece *pieces; // by id
    size_t count;
    PieceModel model;
    bool byte_fallback;
    Str unk_piece;
    int64_t unk;  // the id of a piece; checked
    Str charsmap; // empty: none
} SentencePiece;

// Reads and checks all of it. What conversion to a tokenizer.json cannot express is refused by name.
Err sentencepiece_read(SentencePiece *out, Arena *arena, Str file, const char *source);

// ---- The JSON beside it (tokenizer_config.c) -----------------------------------------------------------------------

// How transformers converts the file: by the class of its tokenizer.
typedef enum SpmClass { SPM_PLAIN, SPM_LLAMA, SPM_T5 } SpmClass;

// bos, eos, unk, ...; a string in a list names a token whose flags count only if no other list has it.
typedef struct SpmSpecial {
    Added token;    // its id is unset
    bool weak;      // of no say where the token is known already
    bool given;     // by a file, not by the class alone
    bool attribute; // what a file says of one attribute comes first
} SpmSpecial;

typedef struct SpmConfig {
    SpmClass kind;
    bool legacy;              // every text begins with a space; else only the first one
    bool prefix;              // a space is put in front
    bool bos, eos;            // put in front, behind
    Str bos_token, eos_token; // contents; empty: none
    int64_t extra_ids;        // of T5
    Added *listed;            // added_tokens_decoder or added_tokens.json, by id
    size_t listed_count;
    SpmSpecial *special; // in the order of transformers
    size_t special_count;
} SpmConfig;

// `model`: what is taken where no class is named. Texts are copied to `arena`.
Err spm_config_read(SpmConfig *out, Arena *arena, const SentencePieceFiles *files, const SentencePiece *model);

#endif
