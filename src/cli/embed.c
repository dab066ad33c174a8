// dure embed: a text as one vector.
#include "cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct EmbedOptions {
    Options common;
    const char *ids;
    int pooling; // DurePooling
    bool normalise;
} EmbedOptions;

static const char *const pooling_names[] = { "mean", "last", NULL }; // in the order of DurePooling

static const Option embed_own[] = {
    { "ids", 0, OPTION_FILE, "FILE", N_("Token ids, one JSON array; - is standard input. Instead of a text."),
      .offset = offsetof(EmbedOptions, ids) },
    { "pooling", 0, OPTION_CHOICE, "HOW", N_("mean: of all tokens, the default; last: the last token's."),
      .offset = offsetof(EmbedOptions, pooling), .choices = pooling_names },
    { "normalise", 0, OPTION_FLAG, NULL, N_("Bring the vector to length 1."),
      .offset = offsetof(EmbedOptions, normalise) },
    { 0 },
};

static int embed_read(Running *running)
{
    DureError error;
    if (dure_session_start_embedding(running->session, &error)) return fail("%s", error.text);
    progress_share(&running->progress, "reading", 0, 1); // its clock starts
    return running_read(running, true);
}

static void embed_print(const float *vector, size_t n, int64_t tokens, bool as_json)
{
    Bytes out = { 0 };
    if (as_json) bytes_printf(&out, "{\"embedding\": [");
    for (size_t i = 0; i < n; i++)
        bytes_printf(&out, as_json ? "%s%.9g" : "%s%.9g\n", as_json && i ? ", " : "", (double)vector[i]);
    if (as_json) bytes_printf(&out, "], \"tokens\": %lld}\n", (long long)tokens);
    out_write(out.at, out.n);
    bytes_free(&out);
}

static int embed_tell(const Running *running, const EmbedOptions *o)
{
    const size_t n = (size_t)dure_model_hidden(running->model);
    float *vector = need(malloc(n * sizeof *vector));
    DureError error;
    DureStats stats;
    int code = EXIT_FINE;
    dure_session_stats(running->session, &stats);
    if (dure_session_embedding(running->session, o->pooling, o->normalise, vector, n, &error))
        code = fail("%s", error.text);
    for (size_t i = 0; i < n && !code; i++)
        if (!isfinite(vector[i])) code = fail("the embedding is not finite; --check finds weights that are not");
    if (!code) embed_print(vector, n, stats.prompt_tokens, o->common.json);
    free(vector);
    return code;
}

static int embed_feed(Running *running, const EmbedOptions *o, const DureIds *ids, const Bytes *text)
{
    DureError error;
    const int code = o->ids ? dure_session_feed_tokens(running->session, ids->at, ids->n, &error)
                            : dure_session_feed_text(running->session, text->at, text->n, 0, &error);
    return code ? fail("%s", error.text) : EXIT_FINE;
}

static int embed(Options *options)
{
    const EmbedOptions *o = (const EmbedOptions *)(const void *)options;
    if (o->ids && (options->prompt || options->file)) return usage("--ids excludes --prompt and --file");
    DureIds ids = { 0 };
    Bytes text = { 0 };
    const char *source = o->ids;
    int code = o->ids ? input_ids(&ids, o->ids) : input_prompt(&text, options, &source);
    if (!code && o->ids && !ids.n) code = fail("%s: there are no token ids in it", input_name(source));
    Running running;
    if (!code && !(code = running_open(&running, options))) {
        code = embed_feed(&running, o, &ids, &text);
        interrupt_catch();
        if (!code) remarks_show(&running.remarks);
        if (!code) code = embed_read(&running);
        interrupt_release();
        progress_clear(&running.progress);
        if (!code) code = embed_tell(&running, o);
        running_close(&running);
    }
    bytes_free(&text);
    input_ids_free(&ids);
    return code;
}

const Command command_embed = {
    .name = "embed",
    .arguments = "MODEL",
    .summary = N_("Make a vector of a text"),
    .about =
        N_("Reads a text and prints one vector for it, of the hidden states behind the model's last norm: their mean, "
           "or the last one's. One number a line; with --json \"embedding\" and the number of \"tokens\" that were "
           "read. The text is given by --ids, --prompt, --file or standard input; it gets the beginning token that "
           "the tokenizer gives it. With --ids no tokenizer is needed."),
    .uses = USES_MODEL | USES_BUILTIN | USES_ENGINE | USES_PROMPT | USES_JSON,
    .own = embed_own,
    .bytes = sizeof(EmbedOptions),
    .run = embed,
};
