// dure tokenize: text in, tokens out.
#include "cli.h"

#include <string.h>
#include <wchar.h>
#include <wctype.h>

typedef struct TokenizeOptions {
    Options common;
    bool ids, no_special, plain;
} TokenizeOptions;

static const Option tokenize_own[] = {
    { "ids", 0, OPTION_FLAG, NULL, N_("Print one JSON array of ids instead of a token a line."),
      .offset = offsetof(TokenizeOptions, ids) },
    { "no-special", 0, OPTION_FLAG, NULL,
      N_("Add no beginning or end token; special tokens written in the text count."),
      .offset = offsetof(TokenizeOptions, no_special) },
    { "plain", 0, OPTION_FLAG, NULL, N_("Nor recognise special tokens written in the text."),
      .offset = offsetof(TokenizeOptions, plain) },
    { 0 },
};

// Bytes as one line: \n, \t, \\ and \xNN for what is no printable character.
static void escaped_put(Bytes *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n;) {
        mbstate_t state = { 0 };
        wchar_t character = 0;
        size_t bytes = mbrtowc(&character, text + i, n - i, &state); // the locale is UTF-8; main sees to it
        bool fine = bytes && bytes <= n - i;
        const char *named = text[i] ? strchr("\n\t\r\\", text[i]) : NULL;
        if (named)
            bytes_printf(out, "\\%c", text[i] == '\n' ? 'n' : text[i] == '\t' ? 't' : text[i] == '\r' ? 'r' : '\\');
        else if (fine && iswprint((wint_t)character))
            bytes_put(out, text + i, bytes);
        else
            for (size_t j = 0; j < (fine ? bytes : 1); j++) bytes_printf(out, "\\x%02X", (unsigned char)text[i + j]);
        i += fine ? bytes : 1;
    }
}

static int tokens_print(const DureModel *model, const DureIds *ids)
{
    Bytes lines = { 0 };
    for (size_t i = 0; i < ids->n; i++) {
        DureText text;
        DureError error;
        if (dure_token_text(model, ids->at[i], &text, &error)) {
            bytes_free(&lines);
            return fail("%s", error.text);
        }
        bytes_printf(&lines, "%d\t", ids->at[i]);
        escaped_put(&lines, text.at, text.n);
        bytes_put(&lines, "\n", 1);
        dure_text_free(&text);
    }
    if (lines.n) out_write(lines.at, lines.n);
    bytes_free(&lines);
    return EXIT_FINE;
}

static int tokenize(Options *options)
{
    const TokenizeOptions *o = (const TokenizeOptions *)(const void *)options;
    Bytes text;
    const char *source;
    int code = input_prompt(&text, options, &source);
    if (code) return code;
    DureModel *model;
    Remarks remarks;
    code = model_open(&model, options, true, &remarks);
    if (!code) {
        DureIds ids;
        DureError error;
        int flags = o->plain ? DURE_PLAIN : o->no_special ? DURE_NO_SPECIAL : 0;
        if (dure_tokenize(model, text.at, text.n, flags, &ids, &error))
            code = fail("%s", error.text);
        else {
            if (o->ids)
                out_ids(&ids);
            else
                code = tokens_print(model, &ids);
            dure_ids_free(&ids);
        }
        if (!code) remarks_show(&remarks);
        remarks_drop(&remarks);
        dure_model_close(model);
    }
    bytes_free(&text);
    return code;
}

const Command command_tokenize = {
    .name = "tokenize",
    .arguments = "MODEL",
    .summary = N_("Turn text into tokens"),
    .about = N_(
        "Turns text from standard input, --prompt or --file into the model's tokens: one a line, its id and its text, "
        "or with --ids one JSON array. The text is taken to the byte, its last newline too. Needs only the "
        "tokenizer's files."),
    .uses = USES_MODEL | USES_BUILTIN | USES_PROMPT,
    .own = tokenize_own,
    .bytes = sizeof(TokenizeOptions),
    .run = tokenize,
};
