// EXAONE 4, K-EXAONE and EXAONE 4.5: reasoning between tags, calls as JSON between tags, results between tags.
//   <think>\n...\n</think>\n\n...
//   <tool_call>{"name": ..., "arguments": {...}}</tool_call>
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
