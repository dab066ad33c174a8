/* Goes on with a text, through libdure.  cc example.c $(pkg-config --cflags --libs dure); ./a.out MODEL "Once upon a time" */
#include <dure.h>

#include <stdio.h>
#include <string.h>

static int go_on(DureSession *session, DureEngine *engine, const char *text, DureError *error)
{
    DureSampling sampling;
    dure_sampling_default(&sampling); /* greedy */
    sampling.max_tokens = 64;
    if (dure_session_feed_text(session, text, strlen(text), 0, error)) return error->code;
    if (dure_session_start(session, &sampling, error)) return error->code;
    for (int advanced = 1; advanced;) {
        DureEvent event;
        if (dure_engine_step(engine, &advanced, error)) return error->code;
        while (dure_session_next(session, &event))
            if (event.kind == DURE_EVENT_TEXT) fwrite(event.text, 1, event.n, stdout);
        fflush(stdout);
    }
    putchar('\n');
    return 0;
}

int main(int argc, char **argv)
{
    DureError error = { 0 };
    DureModel *model = NULL;
    DureEngine *engine = NULL;
    DureSession *session = NULL;
    if (argc != 3) return fprintf(stderr, "usage: %s MODEL TEXT\n", argv[0]), 2;
    if (!dure_model_open(&model, argv[1], NULL, &error) && !dure_engine_new(&engine, model, NULL, &error) &&
        !dure_session_new(&session, engine, &error))
        go_on(session, engine, argv[2], &error);
    if (error.code) fprintf(stderr, "%s\n", error.text);
    dure_session_free(session); /* each takes NULL */
    dure_engine_free(engine);
    dure_model_close(model);
    return error.code != 0;
}
