// Walks through what the parser of replies allocates, for the failure injector: a reply in each kind of syntax, in pieces, to its
// JSON. Ends with 0 when all went well, 1 with the sentence on standard error when something gave an Err, and 3 when a wrong
// answer was given without one. It owns nothing when it ends, whatever happened.
#include "text/reply/reply_internal.h"

#include <unistd.h>

#define BEHIND ", \"tool_calls\": [{"
#define FUNCTION "\"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": "
#define END "}}]}, \"finish_reason\": \"tool_calls\", \"partial\": "

static const struct {
    const ReplyForm *form;
    const char *text, *json;
} replies[] = {
    { &reply_hermes,
      "<think>a</think>b <tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call><tool_call>{<|im_end|>",
      "{\"message\": {\"role\": \"assistant\", \"content\": \"b \", \"reasoning_content\": \"a\"" BEHIND FUNCTION
      "\"[1]\"" END "\"<tool_call>{\"}" },
    { &reply_tagged,
      "<tool_call>f\n<arg_key>k</arg_key><arg_value>{'a': (1, None)}</arg_value><arg_key>l</arg_key><arg_value>x"
      "</arg_value></tool_call><|im_end|>",
      "{\"message\": {\"role\": \"assistant\", \"content\": \"\", \"reasoning_content\": null" BEHIND FUNCTION
      "\"{\\\"k\\\": {\\\"a\\\": [1, null]}, \\\"l\\\": \\\"x\\\"}\"" END "null}" },
    { &reply_xml, "<tool_call>a<function=f><parameter=k>1</parameter></function></tool_call>",
      "{\"message\": {\"role\": \"assistant\", \"content\": \"a\", \"reasoning_content\": null" BEHIND FUNCTION
      "\"{\\\"k\\\": \\\"1\\\"}\"}}]}, \"finish_reason\": \"length\", \"partial\": null}" },
    { &reply_omni,
      "<audio_decoder_call><speaker_info>v</speaker_info><discrete_audio>u</discrete_audio></audio_decoder_call>"
      "<|discrete_image_start|>i<|discrete_image_end|><|discrete_audio_start|><|audio07|><|discrete_audio_end|><user_"
      "transcript>h<|im_end|>",
      "{\"message\": {\"role\": \"assistant\", \"content\": \"\", \"reasoning_content\": \"<user_transcript>h\"" BEHIND
      "\"type\": \"function\", \"function\": {\"name\": \"audio_synthesis\", \"arguments\": \"{\\\"speaker_info\\\": "
      "{\\\"raw\\\": \\\"v\\\"}, \\\"discrete_audio\\\": \\\"u\\\"}\"}}, {\"type\": \"function\", \"function\": "
      "{\"name\": "
      "\"t2i_model_generation\", \"arguments\": \"{\\\"discrete_image_token\\\": "
      "\\\"<|discrete_image_start|>i<|discrete_image_end|>\\\"}\"}}, {\"type\": \"function\", \"function\": {\"name\": "
      "\"audio_synthesis\", \"arguments\": \"{\\\"units\\\": [7], \\\"format\\\": \\\"wav\\\", "
      "\\\"token_count\\\": 1}\"" END "null}" },
    { &reply_solar,
      "<|think|>a<|end|><|begin|>assistant<|tool_calls|><|tool_call:begin|>i<|tool_call:name|>f<|tool_call:args|>{}"
      "<|tool_call:end|><|calls|>",
      "{\"message\": {\"role\": \"assistant\", \"content\": \"\", \"reasoning_content\": \"a\"" BEHIND
      "\"id\": \"i\", " FUNCTION "\"{}\"" END "null}" },
    { &reply_turns, "/think\na<|im_end|>\n<|im_start|>assistant -> tool/function_call\n[{\"name\": \"f\"}]<|im_end|>",
      "{\"message\": {\"role\": \"assistant\", \"content\": \"\", \"reasoning_content\": \"a\"" BEHIND FUNCTION
      "\"{}\"" END "null}" },
};

static Err drain(Parser *p, ReplyMessage *message)
{
    Err e = OK;
    for (Delta delta; !e.code && parser_next(p, &delta);) e = reply_message_add(message, &delta);
    return e;
}

static Err parse(const ReplyForm *form, const char *text, Buf *out)
{
    static const char *const stops[] = { "b c", NULL };
    Parser *p = NULL;
    ReplyMessage message = { 0 };
    Err e = parser_new(&p, form, NULL, &(ParserOptions){ .by_text = true, .stops = stops });
    for (; *text && !e.code; text++) {
        e = parser_put_text(p, (Str){ text, 1 });
        if (!e.code) e = drain(p, &message);
    }
    if (!e.code) e = parser_end(p, false);
    if (!e.code) e = drain(p, &message);
    if (!e.code) reply_message_write(out, &message, parser_finish(p));
    if (!e.code && out->failed) e = err_memory("the probe's text");
    reply_message_free(&message);
    parser_free(p);
    return e;
}

int main(void)
{
    Err e = OK;
    for (size_t i = 0; i < COUNT(replies) && !e.code; i++) {
        Buf out = { 0 };
        e = parse(replies[i].form, replies[i].text, &out);
        if (!e.code && !str_is(buf_str(&out), replies[i].json)) e = err(ERR_INTERNAL, "wrong: %.400s", out.at);
        buf_free(&out);
    }
    if (e.code && write(STDERR_FILENO, e.text, strlen(e.text)) < 0) return 3;
    return e.code == ERR_INTERNAL ? 3 : e.code != 0;
}
