// dure detokenize: token ids in, text out.
#include "cli.h"

typedef struct DetokenizeOptions {
    Options common;
    bool keep_special;
} DetokenizeOptions;

static const Option detokenize_own[] = {
    { "keep-special", 0, OPTION_FLAG, NULL, N_("Print special tokens too."),
      .offset = offsetof(DetokenizeOptions, keep_special) },
    { 0 },
};

static int detokenize(Options *options)
{
    const DetokenizeOptions *o = (const DetokenizeOptions *)(const void *)options;
    DureIds ids;
    int code = input_ids(&ids, options->rest_count ? options->rest[0] : "-");
    if (code) return code;
    DureModel *model;
    Remarks remarks;
    code = model_open(&model, options, true, &remarks);
    if (!code) {
        DureText text;
        DureError error;
        if (dure_detokenize(model, ids.at, ids.n, o->keep_special, &text, &error))
            code = fail("%s", error.text);
        else {
            out_write(text.at, text.n);
            dure_text_free(&text);
        }
        if (!code) remarks_show(&remarks);
        remarks_drop(&remarks);
        dure_model_close(model);
    }
    input_ids_free(&ids);
    return code;
}

const Command command_detokenize = {
    .name = "detokenize",
    .arguments = "MODEL [FILE]",
    .summary = N_("Turn token ids into text"),
    .about = N_(
        "Reads one JSON array of token ids from FILE or standard input and prints their text and nothing else. Special "
        "tokens are left out without --keep-special. Needs only the tokenizer's files."),
    .uses = USES_MODEL | USES_BUILTIN,
    .own = detokenize_own,
    .bytes = sizeof(DetokenizeOptions),
    .most_rest = 1,
    .run = detokenize,
};
