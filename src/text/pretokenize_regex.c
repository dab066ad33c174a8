// Regexes of tokenizers, written for Oniguruma's Ruby syntax, through PCRE2: rewritten (regex_rewrite.c), compiled, matched.
#include "text/tokenizer_internal.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdlib.h>

struct Regex {
    pcre2_code *code;
    bool jit;
};

struct RegexRun {
    pcre2_match_data *data;
    pcre2_match_context *context; // limits, and the large stack once it was needed
    pcre2_jit_stack *stack;
    uint64_t budget; // steps
};

enum { STACK_BYTES = 64 << 20 };

// Backtracking steps of one match: patterns that explode end here, one match as long as the text does not. A match begins with
// few and is begun again with more; what was spent in vain is taken from the budget of the whole text.
enum { STEPS = 10000000, STEPS_PER_BYTE = 100, FIRST_STEPS = 4000, MORE_STEPS = 16 };
enum { BUDGET = 200000000, BUDGET_PER_BYTE = 400 };

// ---- Compiling and matching ----------------------------------------------------------------------------------------

static Err compile(Regex *regex, Str pattern, const char *source)
{
    Buf text = { 0 };
    Err e = regex_rewrite(pattern, &text, source);
    if (e.code) {
        buf_free(&text);
        return e;
    }
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (context) {
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        pcre2_set_parens_nest_limit(context, 64);
        int code;
        PCRE2_SIZE at;
        regex->code =
            pcre2_compile((PCRE2_SPTR)buf_str(&text).at, text.n,
                          PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &at, context);
        if (!regex->code && code != PCRE2_ERROR_NOMEMORY && code != 121) {
            PCRE2_UCHAR said[120] = { 0 };
            pcre2_get_error_message(code, said, sizeof said);
            e = err(ERR_FORMAT, "%s: regex \"%.*s\" is damaged: %s", source, (int)(pattern.n < 200 ? pattern.n : 200),
                    pattern.at, (const char *)said);
        }
    }
    pcre2_compile_context_free(context);
    buf_free(&text);
    if (!e.code && !regex->code) e = err_memory("a regex");
    return e;
}

Err regex_new(Regex **out, Str pattern, const char *source)
{
    *out = NULL;
    Regex *regex = calloc(1, sizeof *regex);
    if (!regex) return err_memory("a regex");
    Err e = compile(regex, pattern, source);
    if (e.code) {
        regex_free(regex);
        return e;
    }
    regex->jit = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0; // where it cannot, the interpreter does
    *out = regex;
    return OK;
}

void regex_free(Regex *regex)
{
    if (!regex) return;
    pcre2_code_free(regex->code);
    free(regex);
}

Err regex_run_new(RegexRun **out)
{
    *out = NULL;
    RegexRun *run = calloc(1, sizeof *run);
    if (run) run->data = pcre2_match_data_create(1, NULL);
    if (run) run->context = pcre2_match_context_create(NULL);
    if (!run || !run->data || !run->context) {
        regex_run_free(run);
        return err_memory("tokenizing");
    }
    regex_run_begin(run, 0);
    *out = run;
    return OK;
}

void regex_run_begin(RegexRun *run, size_t text_bytes)
{
    run->budget = BUDGET + (uint64_t)text_bytes * BUDGET_PER_BYTE;
}

void regex_run_free(RegexRun *run)
{
    if (!run) return;
    pcre2_match_data_free(run->data);
    pcre2_match_context_free(run->context);
    pcre2_jit_stack_free(run->stack);
    free(run);
}

// Compiled code runs on 32 KiB of the machine's stack until a match needs more.
static bool large_stack(RegexRun *run)
{
    if (!run->stack) run->stack = pcre2_jit_stack_create(1 << 20, STACK_BYTES, NULL);
    if (!run->stack) return false;
    pcre2_jit_stack_assign(run->context, NULL, run->stack);
    return true;
}

static int match(const Regex *regex, RegexRun *run, Str text, size_t from)
{
    PCRE2_SPTR subject = (PCRE2_SPTR)text.at;
    int rc = PCRE2_ERROR_JIT_STACKLIMIT;
    if (regex->jit) {
        rc = pcre2_jit_match(regex->code, subject, text.n, from, 0, run->data, run->context);
        if (rc == PCRE2_ERROR_JIT_STACKLIMIT && large_stack(run))
            rc = pcre2_jit_match(regex->code, subject, text.n, from, 0, run->data, run->context);
    }
    if (rc != PCRE2_ERROR_JIT_STACKLIMIT) return rc;
    return pcre2_match(regex->code, subject, text.n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, run->data, run->context);
}

int regex_find(const Regex *regex, RegexRun *run, Str text, size_t from, size_t *begin, size_t *end)
{
    const uint64_t wanted = STEPS + (uint64_t)STEPS_PER_BYTE * text.n, most = wanted < UINT32_MAX ? wanted : UINT32_MAX;
    int rc;
    for (uint64_t steps = FIRST_STEPS;; steps *= MORE_STEPS) {
        pcre2_set_match_limit(run->context, (uint32_t)(steps < most ? steps : most));
        rc = match(regex, run, text, from);
        if (rc != PCRE2_ERROR_MATCHLIMIT || steps >= most) break;
        if (run->budget < steps) return -1;
        run->budget -= steps;
    }
    if (rc == PCRE2_ERROR_NOMATCH) return 0;
    if (rc < 0) return -1;
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(run->data);
    *begin = at[0], *end = at[1];
    return *begin <= *end ? 1 : -1;
}
