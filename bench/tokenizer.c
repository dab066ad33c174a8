// Speed of encoding. Usage: bench_tokenizer TOKENIZER.json TEXT...
// Prints one JSON line for each text file, one for all of them cut into lines, and one for each of two long pre-tokens. Every pass
// has a tokenizer of its own, which has seen no text before.
#include "bench/machine.h"
#include "text/text.h"

#include <stdio.h>

typedef struct Source {
    Str json;
    const char *name;
} Source;

// Seconds of one pass over the text, in one call or line by line; the number of ids in *count. Negative: failed.
static double pass(const Source *source, Str text, bool lines, size_t *count)
{
    Ids ids = { 0 };
    Tokenizer *t = NULL;
    Err e = tokenizer_from_json(&t, source->json, source->name);
    double begin = bench_seconds();
    for (size_t at = 0; at < text.n && !e.code;) {
        const char *end = lines ? memchr(text.at + at, '\n', text.n - at) : NULL;
        size_t n = end ? (size_t)(end - text.at) + 1 - at : text.n - at;
        e = tokenize(t, (Str){ text.at + at, n }, NULL, &ids);
        at += n;
    }
    double seconds = bench_seconds() - begin;
    *count = ids.n;
    ids_free(&ids);
    tokenizer_free(t);
    if (e.code) fprintf(stderr, "%s\n", e.text);
    return e.code ? -1 : seconds;
}

// The best of several passes, at least a second of them.
static void report(const Source *source, const char *name, Str text, bool lines)
{
    double best = 1e30, total = 0;
    size_t ids = 0;
    for (int i = 0; i < 3 || (total < 1 && i < 1000); i++) {
        double s = pass(source, text, lines, &ids);
        if (s < 0) return;
        total += s;
        if (s < best) best = s;
    }
    printf("{\"bench\": \"tokenizer\", \"text\": \"%s\", \"mode\": \"%s\", \"bytes\": %zu, \"ids\": %zu, \"seconds\": "
           "%.6f, "
           "\"MB_per_s\": %.2f}\n",
           name, lines ? "lines" : "whole", text.n, ids, best, (double)text.n / best * 1e-6);
    fflush(stdout);
}

static void report_long(const Source *source, size_t bytes)
{
    static const char *const parts[] = { "가나다", "안녕하세요", "서울은", "the", "Brown", "한국어", "xyz", "그리고" };
    Buf text = { 0 };
    uint64_t state = 1;
    while (text.n < bytes && !text.failed) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        buf_text(&text, parts[state >> 61]);
    }
    char name[64];
    snprintf(name, sizeof name, "one pre-token of %zu MB", bytes / 1000000);
    if (!text.failed) report(source, name, buf_str(&text), false);
    buf_free(&text);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s TOKENIZER.json TEXT...\n", argv[0]);
        return 2;
    }
    Buf json = { 0 };
    Tokenizer *t = NULL;
    Err e = file_read(&json, argv[1], 1u << 28);
    double begin = bench_seconds();
    if (!e.code) e = tokenizer_from_json(&t, buf_str(&json), argv[1]);
    tokenizer_free(t);
    Source source = { buf_str(&json), argv[1] };
    if (!e.code)
        printf("{\"bench\": \"tokenizer\", \"load\": \"%s\", \"bytes\": %zu, \"seconds\": %.6f}\n", argv[1], json.n,
               bench_seconds() - begin);
    for (int i = 2; i < argc && !e.code; i++) {
        Buf text = { 0 };
        e = file_read(&text, argv[i], 1u << 30);
        if (!e.code) report(&source, argv[i], buf_str(&text), false);
        if (!e.code) report(&source, argv[i], buf_str(&text), true);
        buf_free(&text);
    }
    if (!e.code) report_long(&source, 1000000);
    if (!e.code) report_long(&source, 10000000);
    if (e.code) fprintf(stderr, "%s\n", e.text);
    buf_free(&json);
    return e.code ? 1 : 0;
}
