// EXAONE 4, K-EXAONE and EXAONE 4.5: reasoning between tags, calls as JSON between tags, results between tags.
//   <think>\n...\n</think>\n\n...
//   <tool_call>{"name": ..., "arguments": {...}}</tool_call>
// K-EXAONE 2.0 writes its calls in another syntax, which its template shows:
//   <tool_call>\n<function=NAME>\n<parameter=KEY>\nVALUE\n</parameter>\n</function>\n</tool_call>
// Unlike in the hermes form, all white space before the answer goes.
#include "text/reply/reply_internal.h"

static const char *const marks[] = {
    // turns of K-EXAONE, of EXAONE 4
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|tool|>",
    "<|tool_declare|>",
    "<|endofturn|>",
    "[|system|]",
    "[|user|]",
    "[|assistant|]",
    "[|tool|]",
    "[|endofturn|]",
    "<|endoftext|>",
    "[BOS]",
    "[EOS]",
    "[PAD]",
    "[UNK]",
    // turns of other models with calls in the XML-like syntax
    "<|im_start|>",
    "<|im_end|>",
    // reasoning, calls and results
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_result>",
    "</tool_result>",
    "<tool>",
    "</tool>",
    // media
    "<vision>",
    "</vision>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    NULL,
};

static const char *const recognise[] = { "<think>", "</think>", "<tool_call>", "<tool_result>", NULL };

static const char *const ends[] = { "<|endofturn|>", "[|endofturn|]", NULL };
static const char *const xml_ends[] = { "<|endofturn|>", "<|im_end|>", NULL };

static const MarkRow rows[] = {
    { "<think>", MARK_THINK },    { "</think>", MARK_THINK_END },
    { "<tool_call>", MARK_CALL }, { "</tool_call>", MARK_CALL_END },
    { NULL, MARK_NONE },
};

const ReplyForm reply_exaone = {
    .name = "exaone",
    .reasoning_open = "<think>",
    .reasoning_close = "</think>",
    .call_open = "<tool_call>",
    .call_close = "</tool_call>",
    .calls = CALL_JSON,
    .strip_newlines = true,
    .marks = marks,
    .recognise = recognise,
    .ends = ends,
    .strip_blanks = true,
    .machine = &machine_tags,
    .rows = rows,
};

static const char *const xml_recognise[] = { "<think>", "</think>", "<tool_call>", "</tool_call>", NULL };
static const char *const xml_template[] = { "<function=", "<parameter=", NULL };

const ReplyForm reply_xml = {
    .name = "xml",
    .reasoning_open = "<think>",
    .reasoning_close = "</think>",
    .call_open = "<tool_call>",
    .call_close = "</tool_call>",
    .calls = CALL_XML,
    .strip_newlines = true,
    .marks = marks,
    .recognise = xml_recognise,
    .in_template = xml_template,
    .ends = xml_ends,
    .strip_blanks = true,
    .machine = &machine_tags,
    .rows = rows,
};
