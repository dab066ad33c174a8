// A talk of two turns with a fork, for the failure injector: inject_engine_probe FOLDER. Prints the ids of the conversation. Ends
// with 0 when all went well and 1 with the sentence on standard error when something gave an error; it owns nothing then.
#include "dure.h"

#include <stdio.h>
#include <string.h>

static const char first[] = "[{\"role\": \"user\", \"content\": \"ab\"}]";
static const char second[] =
    "[{\"role\": \"user\", \"content\": \"ab\"}, {\"role\": \"assistant\", \"content\": \"c\"},"
    "{\"role\": \"user\", \"content\": \"de\"}]";

static int turn(DureEngine *engine, DureSession *session, const char *messages, DureError *error)
{
    static const char *const stops[] = { "no such text", NULL };
    static const int32_t stop_id = 7;
    DureSampling sampling;
    DureEvent event;
    int advanced = 1;
    dure_sampling_default(&sampling);
    sampling.max_tokens = 3;
    sampling.temperature = 1;
    sampling.ignore_end = 1;
    sampling.stop = stops;
    sampling.stop_ids = &stop_id;
    sampling.stop_id_count = 1;
    sampling.min_tokens = 2;
    sampling.dry_multiplier = 1;
    sampling.logprobs = 2;
    sampling.think_budget = 1;
    if (messages && dure_session_feed_messages(session, messages, strlen(messages), NULL, error)) return error->code;
    if (dure_session_start(session, &sampling, error)) return error->code;
    while (advanced) {
        if (dure_engine_step(engine, &advanced, error)) return error->code;
        while (dure_session_next(session, &event)) continue;
    }
    return 0;
}

static int show(const DureSession *session, DureError *error)
{
    DureIds ids;
    if (dure_session_tokens(session, &ids, error)) return error->code;
    for (size_t i = 0; i < ids.n; i++) printf("%d ", (int)ids.at[i]);
    putchar('\n');
    dure_ids_free(&ids);
    return 0;
}

// What the session holds, as a vector: two of its numbers.
static int embed(DureEngine *engine, DureSession *session, const DureModel *model, DureError *error)
{
    const int64_t n = dure_model_hidden(model);
    float vector[256];
    int advanced = 1;
    if (n < 2 || n > 256) return error->code = DURE_INTERNAL;
    if (dure_session_start_embedding(session, error)) return error->code;
    while (advanced)
        if (dure_engine_step(engine, &advanced, error)) return error->code;
    if (dure_session_embedding(session, DURE_POOLING_MEAN, 1, vector, (size_t)n, error)) return error->code;
    printf("%.6f %.6f\n", (double)vector[0], (double)vector[n - 1]);
    return 0;
}

static int talk(DureEngine *engine, const DureModel *model, DureError *error)
{
    DureSession *session = NULL, *fork = NULL;
    int code = dure_session_new(&session, engine, error);
    if (!code) code = turn(engine, session, first, error);
    if (!code) code = dure_session_fork(&fork, session, error);
    if (!code) code = turn(engine, session, second, error);
    if (!code) code = turn(engine, fork, NULL, error);
    if (!code) code = show(session, error);
    if (!code) code = show(fork, error);
    if (!code) code = embed(engine, fork, model, error);
    dure_session_free(fork);
    dure_session_free(session);
    return code;
}

static int describe(const DureModel *model, DureError *error)
{
    DureText text = { 0 };
    int code = dure_model_inspect(model, &(DureInspectOptions){ .tensors = 1 }, &text, error);
    dure_text_free(&text);
    if (!code) code = dure_model_defaults(model, &text, error);
    dure_text_free(&text);
    return code;
}

int main(int argc, char **argv)
{
    const DureEngineOptions options = {
        .cpu = "scalar", .threads = 2, .context = 96, .chunk = 16, .page_tokens = 32, .check = 1
    };
    DureError error = { 0 };
    DureModel *model = NULL;
    DureEngine *engine = NULL;
    if (argc != 2) return 2;
    setvbuf(stdout, NULL, _IONBF, 0);
    int code = dure_model_open(&model, argv[1], NULL, &error);
    if (!code) code = describe(model, &error);
    if (!code) code = dure_engine_new(&engine, model, &options, &error);
    if (!code) code = talk(engine, model, &error);
    dure_engine_free(engine);
    dure_model_close(model);
    if (code) fprintf(stderr, "%s\n", error.text);
    return code != 0;
}
