// Walks through what format allocates and reads, for the failure injector: inject_format_probe FOLDER (its own, empty). Writes a
// sharded checkpoint and a split GGUF model there, opens both and takes their fingerprints, writes a part of the latter again and
// reads quantised weights. Ends with 0 when all went well, 1 with the sentence on standard error when something gave an Err,
// and 3 when a wrong answer was given without one. It owns nothing when it ends, whatever happened.
#include "format/format.h"

#include <stdlib.h>
#include <unistd.h>

static Err wrong(const char *what)
{
    return err(ERR_INTERNAL, "%s gave a wrong answer", what);
}

static Err write_in(const char *folder, const char *name, Str content)
{
    char *path = NULL;
    Err e = path_join(&path, folder, name);
    if (!e.code) e = file_write(path, content);
    free(path);
    return e;
}

static Err write_shard(const char *folder, const char *name, const char *first, const char *second)
{
    static const float values[6] = { 1, 2, 3, 4, 5, 6 };
    static const char *const metadata[] = { "format", "pt", NULL };
    const TensorOut tensors[] = { { first, DTYPE_F32, 2, { 2, 3 }, values }, { second, DTYPE_BF16, 1, { 4 }, values } };
    char *path = NULL;
    Err e = path_join(&path, folder, name);
    if (!e.code) e = safetensors_write(path, tensors, COUNT(tensors), metadata);
    free(path);
    return e;
}

static Err write_shards(const char *folder)
{
    Err e = write_in(folder, "config.json", str("{\"model_type\": \"llama\", # a comment\n \"ids\": [1, 2]}"));
    if (!e.code)
        e = write_in(folder, "hf_quant_config.json",
                     str("{\"quantization\": {\"quant_algo\": \"FP8\", \"exclude_modules\": [\"re:.*x$\"]}}"));
    if (!e.code) e = write_in(folder, "tokenizer.json", str("{\"model\": {\"type\": \"BPE\"}}"));
    if (!e.code) e = write_shard(folder, "one.safetensors", "a", "d");
    if (!e.code) e = write_shard(folder, "two.safetensors", "c", "b");
    if (!e.code)
        e = write_in(folder, "model.safetensors.index.json",
                     str("{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"two.safetensors\", \"c\": "
                         "\"two.safetensors\", \"d\": \"one.safetensors\"}}"));
    return e;
}

// A weight with a scale, and one whose module the config leaves out.
static Err write_quantised(const char *folder)
{
    static const float scale = 2.0f;
    static const uint8_t codes[8] = { 0x38 };
    const TensorOut tensors[] = { { "m.weight", DTYPE_F8_E4M3, 2, { 2, 4 }, codes },
                                  { "m.weight_scale", DTYPE_F32, 0, { 0 }, &scale },
                                  { "x.weight", DTYPE_F8_E4M3, 2, { 2, 4 }, codes } };
    char *path = NULL;
    Err e = path_join(&path, folder, "quantised.safetensors");
    if (!e.code) e = safetensors_write(path, tensors, COUNT(tensors), NULL);
    free(path);
    return e;
}

static void put_number(Buf *out, uint64_t number, size_t bytes)
{
    buf_put(out, &number, bytes);
}

static void put_string(Buf *out, const char *text)
{
    put_number(out, strlen(text), 8);
    buf_text(out, text);
}

static Err write_part(const char *folder, const char *name, const char *tensor, uint16_t number)
{
    Buf out = { 0 };
    buf_text(&out, "GGUF");
    put_number(&out, 3, 4);
    put_number(&out, 1, 8); // tensors
    put_number(&out, 3, 8); // keys
    put_string(&out, "split.no");
    put_number(&out, 2, 4); // u16
    put_number(&out, number, 2);
    put_string(&out, "split.count");
    put_number(&out, 2, 4);
    put_number(&out, 2, 2);
    put_string(&out, "texts");
    put_number(&out, 9, 4); // array
    put_number(&out, 8, 4); // of strings
    put_number(&out, 1, 8);
    put_string(&out, "x");
    put_string(&out, tensor);
    put_number(&out, 1, 4); // rank
    put_number(&out, 8, 8);
    put_number(&out, 0, 4); // F32
    put_number(&out, 0, 8); // offset
    while (!out.failed && out.n % 32) buf_char(&out, 0);
    for (int i = 0; i < 4; i++) put_number(&out, 0, 8);
    Err e = out.failed ? err_memory(name) : write_in(folder, name, buf_str(&out));
    buf_free(&out);
    return e;
}

static Err probe(const char *path, size_t tensors, const char *key)
{
    Checkpoint *c = NULL;
    Ledger ledger = { 0 };
    uint8_t digest[16];
    Err e = checkpoint_open(&c, path, CHECKPOINT_ALL, &ledger, NULL);
    if (!e.code) e = checkpoint_fingerprint(c, digest);
    if (!e.code && (c->tensor_count != tensors || !meta_find(c->config, key))) e = wrong("checkpoint_open");
    checkpoint_close(c);
    c = NULL;
    if (!e.code) e = checkpoint_open(&c, path, CHECKPOINT_TEXT, &ledger, NULL);
    checkpoint_close(c);
    for (int kind = 0; kind < LEDGER_KINDS; kind++)
        if (ledger.used[kind]) e = wrong("the ledger");
    return e;
}

static Err probe_weight(const Checkpoint *c, const char *name, float first)
{
    Arena arena = arena_new("weights");
    Matrix m = { 0 };
    float row[4] = { 0 };
    Err e = checkpoint_quantization(c);
    if (!e.code) e = checkpoint_matrix(&m, &arena, c, checkpoint_find_weight(c, str(name)), 0);
    if (!e.code) matrix_decode(&m, 0, 1, row);
    if (!e.code && row[0] != first) e = wrong("checkpoint_matrix");
    arena_free(&arena);
    return e;
}

static Err probe_weights(const char *folder)
{
    char *path = NULL;
    Checkpoint *c = NULL;
    Err e = path_join(&path, folder, "quantised.safetensors");
    if (!e.code) e = checkpoint_open(&c, path, CHECKPOINT_ALL, NULL, NULL);
    if (!e.code) e = probe_weight(c, "m.weight", 2.0f);
    if (!e.code) e = probe_weight(c, "x.weight", 1.0f);
    checkpoint_close(c);
    free(path);
    return e;
}

// What is read of a GGUF file is written again, with one more key.
static Err probe_gguf_write(const char *folder, const char *from)
{
    static const uint32_t one = 1;
    static const float values[8];
    char *path = NULL;
    File file = { 0 };
    Arena arena = arena_new("pairs");
    GgufPair *read = NULL, pairs[8];
    size_t count = 0;
    Err e = path_join(&path, folder, "again.gguf");
    if (!e.code) e = file_map(&file, from);
    if (!e.code) e = gguf_pairs(&read, &count, &arena, &file);
    if (!e.code && count + 2 > COUNT(pairs)) e = wrong("gguf_pairs");
    if (!e.code) memcpy(pairs, read, count * sizeof *pairs);
    if (!e.code) e = gguf_value(&pairs[count], &arena, str("one"), GGUF_U32, &one);
    if (!e.code) e = gguf_array(&pairs[count + 1], &arena, str("ones"), GGUF_U32, &one, 1);
    const TensorOut tensor = { "w", DTYPE_F32, 1, { 8 }, values };
    if (!e.code) e = gguf_write(path, &(GgufFile){ pairs, count + 2, &tensor, 1 });
    arena_free(&arena);
    file_unmap(&file);
    free(path);
    return e;
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    const char *folder = argv[1];
    char *part = NULL;
    Err e = write_shards(folder);
    if (!e.code) e = write_part(folder, "m-00001-of-00002.gguf", "w", 0);
    if (!e.code) e = write_part(folder, "m-00002-of-00002.gguf", "v", 1);
    if (!e.code) e = path_join(&part, folder, "m-00001-of-00002.gguf");
    if (!e.code) e = probe(folder, 4, "model_type");
    if (!e.code) e = probe(part, 2, "texts");
    if (!e.code) e = probe_gguf_write(folder, part);
    if (!e.code) e = write_quantised(folder);
    if (!e.code) e = probe_weights(folder);
    free(part);
    if (e.code && write(STDERR_FILENO, e.text, strlen(e.text)) < 0) return 3;
    return e.code == ERR_INTERNAL ? 3 : e.code != 0;
}
