// dure parse: a reply in, its parts out.
#include "cli.h"

#include <stdlib.h>

typedef struct ParseOptions {
    Options common;
    const char *ids, *tools;
    int open; // DureOpen
} ParseOptions;

static const char *const open_names[] = { "start", "reasoning", "content", NULL }; // in the order of DureOpen

static const Option parse_own[] = {
    { "ids", 0, OPTION_FILE, "FILE", N_("Read the reply's token ids, one JSON array, from FILE; - is standard input."),
      .offset = offsetof(ParseOptions, ids) },
    { "open", 0, OPTION_CHOICE, "STATE",
      N_("What the prompt left open: reasoning, content (reasoning was closed), or start, the default (neither)."),
      .offset = offsetof(ParseOptions, open), .choices = open_names },
    { "tools", 0, OPTION_FILE, "FILE",
      N_("The tools that were offered, a JSON array: where a form of reply leaves it open, they say what is a string."),
      .offset = offsetof(ParseOptions, tools) },
    { 0 },
};

// What else the library would call it: it knows no files.
static int tools_check(const json_t *tools, const char *path)
{
    if (!json_is_array(tools)) return fail("%s: expected one JSON array of functions", path);
    for (size_t i = 0; i < json_array_size(tools); i++)
        if (!json_is_object(json_array_get(tools, i)))
            return fail("%s: element %zu is not an object, such as {\"type\": \"function\", ...}", path, i);
    return EXIT_FINE;
}

static int parse_print(const Options *options, const DureReply *reply)
{
    DureModel *model;
    Remarks remarks;
    int code = model_open(&model, options, true, &remarks);
    if (code) return code;
    DureText json;
    DureError error;
    if (dure_parse(model, reply, &json, &error)) {
        const char *ids = ((const ParseOptions *)(const void *)options)->ids;
        const bool of_ids = ids && error.code == DURE_USAGE; // all else that is wrong in the request was found before
        code = fail("%s%s%s", of_ids ? input_name(ids) : "", of_ids ? ": " : "", error.text);
    } else {
        out_write(json.at, json.n);
        out_write("\n", 1);
        dure_text_free(&json);
        remarks_show(&remarks);
    }
    remarks_drop(&remarks);
    dure_model_close(model);
    return code;
}

static int parse(Options *options)
{
    const ParseOptions *o = (const ParseOptions *)(const void *)options;
    DureIds ids = { 0 };
    Bytes text = { 0 };
    json_t *tools = NULL;
    DureReply reply = { .open = o->open };
    int code = o->ids ? input_ids(&ids, o->ids) : input_read(&text, "-");
    if (!code && o->tools) code = input_json(&tools, o->tools);
    if (!code && o->tools) code = tools_check(tools, input_name(o->tools));
    if (!code) {
        char *offered = tools ? need(json_dumps(tools, JSON_ENCODE_ANY)) : NULL;
        reply.ids = ids.at;
        reply.id_count = ids.n;
        reply.text = text.at;
        reply.n = text.n;
        reply.tools = offered;
        code = parse_print(options, &reply);
        free(offered);
    }
    json_decref(tools);
    bytes_free(&text);
    input_ids_free(&ids);
    return code;
}

const Command command_parse = {
    .name = "parse",
    .arguments = "MODEL",
    .summary = N_("Cut a model's reply into reasoning, answer and tool calls"),
    .about =
        N_("Reads what a model replied from standard input, or its token ids with --ids, and prints one JSON object: "
           "\"message\" with \"content\", \"reasoning_content\" and \"tool_calls\" as OpenAI's API has them, "
           "\"finish_reason\", and \"partial\", the text of a call that was cut off, or null. In ids a mark counts "
           "where it "
           "is the model's token; in text wherever it is spelled. Needs only the files of tokenizer and template."),
    .uses = USES_MODEL | USES_BUILTIN,
    .own = parse_own,
    .bytes = sizeof(ParseOptions),
    .run = parse,
};
