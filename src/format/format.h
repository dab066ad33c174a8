// format: files of tensors. A folder with safetensors, a .safetensors file or a .gguf file becomes a Checkpoint: a read-only bag
// of named tensors and typed metadata. Everything in a file is checked against the file's size before it is touched.
#ifndef DURE_FORMAT_H
#define DURE_FORMAT_H

#include "base/base.h"
#include "tensor/tensor.h"

enum { RANK_MOST = 5 }; // vision encoders keep the kernel of a convolution over time, height and width

typedef struct Stored {
    Str name;
    int file;        // index of the shard
    uint64_t offset; // from the start of the file
    uint64_t bytes;
    Dtype dtype;
    int rank;
    int64_t shape[RANK_MOST]; // outermost first, also for GGUF
} Stored;

typedef enum CheckpointKind { CHECKPOINT_SAFETENSORS, CHECKPOINT_GGUF } CheckpointKind;

typedef struct Checkpoint {
    CheckpointKind kind;
    char *path;   // as given
    char *folder; // where the files lie beside each other
    Arena arena;  // names, metadata
    File *files;  // shards
    int file_count;
    Stored *tensors; // sorted by name
    size_t tensor_count;
    const Meta *config;      // config.json, or what a GGUF file has for it; NULL when the folder has no config.json
    const char *config_name; // path of what `config` came from, for errors
    const Meta *metadata;    // of a GGUF file; the same as `config` unless the file keeps the publisher's config.json
    const char
        *quantization_name; // path of what says how the weights are quantised: config_name or hf_quant_config.json
} Checkpoint;

typedef enum CheckpointParts {
    CHECKPOINT_ALL,  // weights and config
    CHECKPOINT_TEXT, // config if there is one, no weights: for tokenizer and template (GGUF: metadata)
} CheckpointParts;

// `path`: a folder, a *.safetensors file (its folder's config is used, if there is one; a folder must have one) or a *.gguf
// file (of a split model the first part, NAME-00001-of-0000N.gguf; the others follow). Errors name file, tensor or field, and
// what was expected. In a folder: model.safetensors.index.json's shards, else model.safetensors, else a single *.safetensors, else
// a single *.gguf. A folder that holds only config.json opens without tensors. Mapped bytes are counted in `ledger` (may be NULL).
#define WEIGHTS_EXPECTED                                                                                               \
    N_("model.safetensors.index.json with its shards, model.safetensors, one *.safetensors or one *.gguf")
Err checkpoint_open(Checkpoint **out, const char *path, CheckpointParts parts, Ledger *ledger, const Log *log);
void checkpoint_close(Checkpoint *checkpoint);
const Stored *checkpoint_find(const Checkpoint *checkpoint, Str name); // NULL: absent
const uint8_t *checkpoint_data(const Checkpoint *checkpoint, const Stored *stored);
// A file beside the weights ("tokenizer.json"), whole; *out empty and found=false when there is none. A GGUF file may keep such files
// within itself, as strings of its metadata: tokenizer.json as dure.tokenizer, config.json as dure.config, and so on (kept.c).
Err checkpoint_side_file(const Checkpoint *checkpoint, const char *name, Buf *out, bool *found);
// Where it is, or would be, for errors: a path, or a GGUF file's path and the key.
Err checkpoint_side_name(const char **out, Arena *arena, const Checkpoint *checkpoint, const char *name);
// XXH3-128 over config, tokenizer and the sorted (name, dtype, shape, first and last 4 KiB) of the tensors.
Err checkpoint_fingerprint(const Checkpoint *checkpoint, uint8_t out[16]);
// The stored matrix of rank 2 (or one slice [i] of a rank-3 tensor: i in [0, shape[0])); rank 1 gives one row. Absent (data NULL)
// for any other rank or slice.
Matrix stored_matrix(const Checkpoint *checkpoint, const Stored *stored, int64_t slice);

// Weights that are several stored tensors: codes, and companions (scales, zeros, ...) beside them. The tensor of the codes of the
// weight "X.weight": that tensor itself, or "X.weight_packed" or "X.qweight"; NULL: absent.
const Stored *checkpoint_find_weight(const Checkpoint *checkpoint, Str name);
// The weight whose companion this tensor is; NULL: of none.
const Stored *checkpoint_owner(const Checkpoint *checkpoint, const Stored *companion);
// The weight of these codes, of rank 2, or slice [i] of rank 3. Rows and cols are those of the weight, not of the packed codes. What
// a Matrix has besides its codes is in `arena`. Errors name the tensor that is missing or does not fit.
Err checkpoint_matrix(Matrix *out, Arena *arena, const Checkpoint *checkpoint, const Stored *codes, int64_t slice);
// ERR_UNSUPPORTED where config.json, or ModelOpt's hf_quant_config.json beside it, names a way of quantising that is not read here.
Err checkpoint_quantization(const Checkpoint *checkpoint);

// ---- Writing -------------------------------------------------------------------------------------------------------

typedef struct TensorOut {
    const char *name;
    Dtype dtype; // with a name in safetensors, or a number in GGUF
    int rank;
    int64_t shape[RANK_MOST];
    const void *data; // contiguous
} TensorOut;

// One safetensors file, tensors in the order given; `metadata` may be NULL (pairs of strings, NULL-terminated).
Err safetensors_write(const char *path, const TensorOut *tensors, size_t count, const char *const *metadata);

// The types of GGUF's metadata.
typedef enum GgufType {
    GGUF_U8,
    GGUF_I8,
    GGUF_U16,
    GGUF_I16,
    GGUF_U32,
    GGUF_I32,
    GGUF_F32,
    GGUF_BOOL,
    GGUF_STRING,
    GGUF_ARRAY,
    GGUF_U64,
    GGUF_I64,
    GGUF_F64,
    GGUF_TYPES
} GgufType;

// A key with its value as the file has it, bytes and all: what is read so can be written again unchanged.
typedef struct GgufPair {
    Str key;
    GgufType type;
    Str value; // of an array: type of its items, their number, the items
} GgufPair;

typedef struct GgufFile {
    const GgufPair *pairs;
    size_t pair_count;
    const TensorOut *tensors;
    size_t tensor_count;
} GgufFile;

size_t gguf_type_bytes(GgufType type); // 0 for strings and arrays
// The pairs of a GGUF file, in its order: views into it.
Err gguf_pairs(GgufPair **out, size_t *count, Arena *arena, const File *file);
// A pair in `arena` (but for the key, which is kept as a view). value and items: as C has them; Str for strings, a byte for bool.
Err gguf_value(GgufPair *out, Arena *arena, Str key, GgufType type, const void *value);
Err gguf_array(GgufPair *out, Arena *arena, Str key, GgufType item, const void *items, size_t count);
// One GGUF file, tensors in the order given, aligned as the pair general.alignment says, else to 32.
Err gguf_write(const char *path, const GgufFile *in);

#endif
