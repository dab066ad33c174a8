// dure render: messages in, the prompt out.
#include "cli.h"

#include <stdlib.h>
#include <string.h>

typedef struct RenderOptions {
    Options common;
    bool ids, no_generation_prompt;
    const char *tools;
} RenderOptions;

static const Option render_own[] = {
    { "ids", 0, OPTION_FLAG, NULL, N_("Print the prompt's token ids as one JSON array."),
      .offset = offsetof(RenderOptions, ids) },
    { "tools", 0, OPTION_FILE, "FILE", N_("The tools offered, a JSON array. Default: those in the messages' file."),
      .offset = offsetof(RenderOptions, tools) },
    { "no-generation-prompt", 0, OPTION_FLAG, NULL, N_("Do not open the assistant's turn."),
      .offset = offsetof(RenderOptions, no_generation_prompt) },
    { 0 },
};

static int render_print(const DureModel *model, const RenderOptions *o, const char *messages,
                        const DureRenderOptions *how)
{
    DureText text;
    DureIds ids;
    DureError error;
    if (dure_render(model, messages, strlen(messages), how, o->ids ? NULL : &text, o->ids ? &ids : NULL, &error))
        return fail("%s", error.text);
    if (o->ids) {
        out_ids(&ids);
        dure_ids_free(&ids);
    } else {
        out_write(text.at, text.n);
        dure_text_free(&text);
    }
    return EXIT_FINE;
}

static int render_with(const RenderOptions *o, json_t *messages, json_t *tools)
{
    const Options *options = &o->common;
    DureRenderOptions how = { .kwargs = options->kwargs, .no_generation_prompt = o->no_generation_prompt };
    int code = time_parse(&how.now, &how.utc_offset, options->now);
    if (code) return code;
    DureModel *model;
    Remarks remarks;
    code = model_open(&model, options, true, &remarks);
    if (code) return code;
    char *text = need(json_dumps(messages, 0)), *offered = tools ? need(json_dumps(tools, JSON_ENCODE_ANY)) : NULL;
    how.tools = offered;
    code = render_print(model, o, text, &how);
    free(text);
    free(offered);
    if (!code) remarks_show(&remarks);
    remarks_drop(&remarks);
    dure_model_close(model);
    return code;
}

static int render(Options *options)
{
    const RenderOptions *o = (const RenderOptions *)(const void *)options;
    json_t *messages = NULL, *tools = NULL;
    int code = input_messages(&messages, &tools, options->rest_count ? options->rest[0] : "-");
    if (!code && o->tools) {
        json_decref(tools);
        tools = NULL;
        code = input_json(&tools, o->tools);
    }
    if (!code) code = render_with(o, messages, tools);
    json_decref(messages);
    json_decref(tools);
    return code;
}

const Command command_render = {
    .name = "render",
    .arguments = "MODEL [FILE]",
    .summary = N_("Turn messages into a prompt by the model's chat template"),
    .about = N_(
        "Reads messages from FILE or standard input, an array as OpenAI's API has it or an object with \"messages\" "
        "and "
        "perhaps \"tools\", and prints the prompt that the model's chat template makes of them, to the byte and "
        "nothing "
        "else. With --ids it prints the prompt's token ids: what users wrote never becomes a special token. Needs only "
        "the files of tokenizer and template."),
    .uses = USES_MODEL | USES_BUILTIN | USES_TEMPLATE,
    .own = render_own,
    .bytes = sizeof(RenderOptions),
    .most_rest = 1,
    .run = render,
};
