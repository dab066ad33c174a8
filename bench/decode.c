// Tokens per second of one model, beside the memory bandwidth measured in the same run. One JSON line per CPU level and thread
// count: decoding reads every weight once per token, so bytes per token times tokens per second is a share of the bandwidth.
//
//     bench_decode MODEL [--cpu LEVEL]... [--threads N] [--prompt N] [--tokens N] [--rounds N] [--bytes N]
//
// --bytes: what a token reads, where the caller knows it; else it is reckoned as if all weights had one format.
#include "bench/machine.h"
#include "dure.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>

typedef struct Settings {
    const char *model;
    const char *levels[8];
    int level_count, threads, rounds;
    int64_t prompt, tokens;
    double bytes; // 0: not told
} Settings;

typedef struct Speed {
    double prefill, decode; // tokens per second
} Speed;

static int fail(const DureError *e)
{
    fprintf(stderr, "bench_decode: %s\n", e->text);
    return 1;
}

static int run_to_end(DureEngine *engine, DureError *e)
{
    int advanced = 1, code = 0;
    while (advanced && !code) code = dure_engine_step(engine, &advanced, e);
    return code;
}

static int measure(Speed *out, DureEngine *engine, int64_t prompt, int64_t tokens, DureError *e)
{
    DureSession *session = NULL;
    DureSampling sampling;
    DureStats stats;
    int32_t *ids = malloc((size_t)prompt * sizeof *ids);
    if (!ids) return 1;
    for (int64_t i = 0; i < prompt; i++) ids[i] = (int32_t)(100 + i * 37 % 1000);
    dure_sampling_default(&sampling);
    sampling.max_tokens = tokens;
    sampling.ignore_end = 1;
    int code = dure_session_new(&session, engine, e);
    if (!code) code = dure_session_feed_tokens(session, ids, (size_t)prompt, e);
    if (!code) code = dure_session_start(session, &sampling, e);
    if (!code) code = run_to_end(engine, e);
    if (!code) {
        dure_session_stats(session, &stats);
        out->prefill = (double)stats.prompt_tokens / stats.prompt_seconds;
        out->decode = (double)stats.reply_tokens / stats.reply_seconds;
    }
    dure_session_free(session);
    free(ids);
    return code;
}

// Bytes of weights that one token reads: of experts the chosen ones, of the embedding one row. As if all had one format.
static double bytes_per_token(const DureModel *model, int64_t mapped)
{
    DureText text;
    DureError e;
    if (dure_model_inspect(model, NULL, &text, &e)) return (double)mapped;
    json_t *told = json_loadb(text.at, text.n, JSON_ALLOW_NUL, NULL);
    const double active = (double)json_integer_value(json_object_get(told, "parameters_active"));
    const double stored = (double)json_integer_value(json_object_get(told, "parameters_in_files"));
    json_decref(told);
    dure_text_free(&text);
    return stored > 0 ? (double)mapped * active / stored : (double)mapped;
}

// The best of the rounds; before the first one a short run touches the file's pages.
static int best_of(Speed *best, DureEngine *engine, const Settings *s, DureError *e)
{
    Speed one = { 0 };
    int code = measure(&one, engine, s->prompt < 64 ? s->prompt : 64, 4, e);
    for (int i = 0; i < s->rounds && !code; i++) {
        code = measure(&one, engine, s->prompt, s->tokens, e);
        if (one.prefill > best->prefill) best->prefill = one.prefill;
        if (one.decode > best->decode) best->decode = one.decode;
    }
    return code;
}

static int bench_level(const DureModel *model, const Settings *s, const char *level, Pool *pool)
{
    DureError e;
    DureEngine *engine = NULL;
    DurePlan plan;
    Speed best = { 0 };
    DureEngineOptions options = { .context = s->prompt + s->tokens + 8, .threads = s->threads, .cpu = level };
    if (dure_engine_new(&engine, model, &options, &e)) return fail(&e);
    dure_engine_plan(engine, &plan);
    double before = bench_bandwidth(pool, 5);
    int code = best_of(&best, engine, s, &e);
    dure_engine_free(engine);
    if (code) return fail(&e);
    double after = bench_bandwidth(pool, 5), bandwidth = before > after ? before : after;
    double bytes = s->bytes > 0 ? s->bytes : bytes_per_token(model, plan.mapped), read = best.decode * bytes;
    printf(
        "{\"bench\": \"decode\", \"engine\": \"dure\", \"cpu\": \"%s\", \"threads\": %d, \"prefill_tokens_s\": %.1f, "
        "\"decode_tokens_s\": %.1f, \"bytes_per_token\": %.0f, \"weights_read_gb_s\": %.2f, \"bandwidth_gb_s\": %.2f, "
        "\"share\": %.3f}\n",
        plan.cpu, plan.threads, best.prefill, best.decode, bytes, read / 1e9, bandwidth / 1e9, read / bandwidth);
    fflush(stdout);
    return 0;
}

static int settings_from(Settings *s, int argc, char **argv)
{
    static const struct option names[] = {
        { "cpu", required_argument, NULL, 'c' },
        { "threads", required_argument, NULL, 't' },
        { "prompt", required_argument, NULL, 'p' },
        { "tokens", required_argument, NULL, 'n' },
        { "rounds", required_argument, NULL, 'r' },
        { "bytes", required_argument, NULL, 'b' },
        { NULL, 0, NULL, 0 },
    };
    *s = (Settings){ .threads = cpu_count(), .rounds = 3, .prompt = 512, .tokens = 128 };
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c == 'c' && s->level_count < 8) s->levels[s->level_count++] = optarg;
        if (c == 't') s->threads = (int)strtol(optarg, NULL, 10);
        if (c == 'p') s->prompt = strtol(optarg, NULL, 10);
        if (c == 'n') s->tokens = strtol(optarg, NULL, 10);
        if (c == 'r') s->rounds = (int)strtol(optarg, NULL, 10);
        if (c == 'b') s->bytes = strtod(optarg, NULL);
        if (c == '?') return 2;
    }
    if (optind + 1 != argc || s->threads < 1 || s->prompt < 1 || s->tokens < 1 || s->rounds < 1) {
        fprintf(stderr, "usage: bench_decode MODEL [--cpu LEVEL]... [--threads N] [--prompt N] [--tokens N] "
                        "[--rounds N] [--bytes N]\n");
        return 2;
    }
    s->model = argv[optind];
    if (!s->level_count) s->levels[s->level_count++] = NULL;
    return 0;
}

int main(int argc, char **argv)
{
    Settings s;
    DureError e;
    DureModel *model = NULL;
    Pool *pool = NULL;
    int code = settings_from(&s, argc, argv);
    if (code) return code;
    if (dure_model_open(&model, s.model, NULL, &e)) return fail(&e);
    if (pool_new(&pool, s.threads).code) return 1;
    for (int i = 0; i < s.level_count && !code; i++) code = bench_level(model, &s, s.levels[i], pool);
    pool_free(pool);
    dure_model_close(model);
    return code;
}
