// Renders the templates that come on standard input, for the test that compares with jinja2. One case is a line
// "N M" and then N bytes of template and M bytes of a JSON object of variables; its answer is "ok N" or "no N" and
// a newline, and then the N bytes of the prompt or of the error's sentence. Ends with 0 when the input does.
#include "text/text.h"

#include <stdio.h>
#include <stdlib.h>

enum { CASE_MAX = 1 << 24 };

static void answer(const char *how, Str text)
{
    printf("%s %zu\n", how, text.n);
    fwrite(text.at, 1, text.n, stdout);
}

static Err render(Str source, Str variables, Rendered *out)
{
    static const char *const trusted[] = { "bos_token", "eos_token", NULL };
    Template *t = NULL;
    json_t *json = NULL;
    Err e = json_parse(&json, variables, JSON_PLAIN, "variables");
    if (!e.code) e = template_parse(&t, source, "template");
    if (!e.code) e = template_render(t, json, trusted, (RenderClock){ .seconds = 1768469400 }, out);
    template_free(t);
    json_decref(json);
    return e;
}

int main(void)
{
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        char *end;
        size_t source_n = strtoul(line, &end, 10), variables_n = strtoul(end, NULL, 10);
        if (source_n > CASE_MAX || variables_n > CASE_MAX) return 2;
        char *text = malloc(source_n + variables_n + 1);
        if (!text || fread(text, 1, source_n + variables_n, stdin) != source_n + variables_n) {
            free(text);
            return 2;
        }
        Rendered out = { 0 };
        Err e = render((Str){ text, source_n }, (Str){ text + source_n, variables_n }, &out);
        if (e.code)
            answer("no", str(e.text));
        else
            answer("ok", buf_str(&out.text));
        rendered_free(&out);
        free(text);
    }
    return 0;
}
