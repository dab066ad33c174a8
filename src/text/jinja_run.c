// One rendering from outside: limits, failures, memory, and the way from variables to bytes with ranges.
#include "text/jinja_internal.h"

#include <stdio.h>
#include <stdlib.h>

const JinjaLimits jinja_limits = {
    .steps = 20 * 1000 * 1000,
    .work = (size_t)512 << 20,
    .output = (size_t)64 << 20,
    .depth = 500,
};

Value jinja_fail(Run *r, ErrCode code, const char *format, ...)
{
    char text[400];
    va_list args;
    if (jinja_failed(r)) return NOTHING;
    va_start(args, format);
    vsnprintf(text, sizeof text, tr(format), args);
    va_end(args);
    r->err = err(code, "%s, line %d: %s", r->name, r->line, text);
    return NOTHING;
}

bool jinja_spend(Run *r, size_t work)
{
    r->steps += 1 + (int64_t)(work / 256);
    if (r->steps > r->limits.steps)
        jinja_fail(r, ERR_LIMIT, "the template takes more than %lld steps; does it ever end?",
                   (long long)r->limits.steps);
    return !jinja_failed(r);
}

bool jinja_deeper(Run *r)
{
    if (++r->depth > r->limits.depth)
        jinja_fail(r, ERR_LIMIT, "calls or values are nested more than %d deep", r->limits.depth);
    return !jinja_failed(r);
}

void *jinja_alloc(Run *r, size_t n, size_t bytes)
{
    size_t total;
    if (jinja_failed(r)) return NULL;
    if (__builtin_mul_overflow(n, bytes, &total) || total > r->limits.work - r->work) {
        jinja_fail(r, ERR_LIMIT, "the template needs more than %zu MiB of memory", r->limits.work >> 20);
        return NULL;
    }
    void *at = arena_alloc(r->arena, total);
    if (!at)
        r->err = err_memory("a chat template");
    else
        r->work += total;
    return at;
}

static Err take_output(const Maker *m, Rendered *out)
{
    Rendered made = { 0 };
    buf_put(&made.text, m->at, m->n);
    if (m->mark_count) {
        made.messages = malloc(m->mark_count * sizeof *made.messages);
        if (made.messages) memcpy(made.messages, m->marks, m->mark_count * sizeof *made.messages);
        made.message_count = m->mark_count;
    }
    if (made.text.failed || (m->mark_count && !made.messages)) {
        rendered_free(&made);
        return err_memory("a rendered prompt");
    }
    *out = made;
    return OK;
}

Err template_render_within(const Template *t, const json_t *variables, const char *const *trusted, RenderClock now,
                           const JinjaLimits *limits, Rendered *out)
{
    Arena arena = arena_new("rendering");
    Run run = { .arena = &arena, .name = t->name, .template = t, .limits = *limits, .now = now };
    Maker made = { .r = &run };
    *out = (Rendered){ 0 };
    run.out = &made;
    run.loop_name = jinja_text_view(&run, "loop", 4, false);
    Frame *outer = jinja_variables(&run, variables, trusted);
    run.root = outer ? jinja_frame(&run, outer) : NULL;
    if (run.root) {
        jinja_hide(&run, t->hides, run.root);
        jinja_exec(&run, t->body, run.root);
    }
    Err e = jinja_failed(&run) ? run.err : take_output(&made, out);
    arena_free(&arena);
    return e;
}

Err template_render(const Template *t, const json_t *variables, const char *const *trusted, RenderClock now,
                    Rendered *out)
{
    return template_render_within(t, variables, trusted, now, &jinja_limits, out);
}

void rendered_free(Rendered *rendered)
{
    buf_free(&rendered->text);
    free(rendered->messages);
    *rendered = (Rendered){ 0 };
}
