// A.X K1, VAETKI and many others: reasoning between tags, calls as JSON between tags.
//   <think>\n...\n</think>\n\n...
//   <tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>
// Also the two halves of it: calls without reasoning, and reasoning without calls.
#include "text/reply/reply_internal.h"

static const char *const marks[] = {
    "<|im_start|>",
    "<|im_end|>",
    "<|role_start|>",
    "<|role_end|>",
    "<|START|>",
    "<|END|>",
    "<|endoftext|>",
    // reasoning, calls and results
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<tool_response>",
    "</tool_response>",
    "<tools>",
    "</tools>",
    "<tool_start>",
    "<tool_end>",
    // media
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<|image|>",
    NULL,
};

static const char *const both[] = { "<think>", "</think>", "<tool_call>", "</tool_call>", NULL };
static const char *const calls[] = { "<tool_call>", "</tool_call>", NULL };
static const char *const reasoning[] = { "<think>", "</think>", NULL };

static const char *const ends[] = { "<|im_end|>", "<|END|>", "<|endoftext|>", NULL };

static const MarkRow both_rows[] = {
    { "<think>", MARK_THINK },    { "</think>", MARK_THINK_END },
    { "<tool_call>", MARK_CALL }, { "</tool_call>", MARK_CALL_END },
    { NULL, MARK_NONE },
};

static const MarkRow call_rows[] = {
    { "<tool_call>", MARK_CALL },
    { "</tool_call>", MARK_CALL_END },
    { NULL, MARK_NONE },
};

static const MarkRow think_rows[] = {
    { "<think>", MARK_THINK },
    { "</think>", MARK_THINK_END },
    { NULL, MARK_NONE },
};

const ReplyForm reply_hermes = {
    .name = "hermes",
    .reasoning_open = "<think>",
    .reasoning_close = "</think>",
    .call_open = "<tool_call>",
    .call_close = "</tool_call>",
    .calls = CALL_JSON,
    .strip_newlines = true,
    .marks = marks,
    .recognise = both,
    .ends = ends,
    .machine = &machine_tags,
    .rows = both_rows,
};

const ReplyForm reply_calls = {
    .name = "calls",
    .call_open = "<tool_call>",
    .call_close = "</tool_call>",
    .calls = CALL_JSON,
    .strip_newlines = true,
    .marks = marks,
    .recognise = calls,
    .ends = ends,
    .machine = &machine_tags,
    .rows = call_rows,
};

const ReplyForm reply_think = {
    .name = "think",
    .reasoning_open = "<think>",
    .reasoning_close = "</think>",
    .calls = CALL_NONE,
    .strip_newlines = true,
    .marks = marks,
    .recognise = reasoning,
    .ends = ends,
    .machine = &machine_tags,
    .rows = think_rows,
};
