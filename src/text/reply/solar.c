// Solar Open: every part of a turn is opened by a token of its own, and calls are fields between tokens.
//   <|think|>...<|end|><|begin|>assistant<|content|>...<|flush|>
//   <|tool_calls|><|tool_call:begin|>ID<|tool_call:name|>NAME<|tool_call:args|>JSON<|tool_call:end|><|calls|>
// Nothing is stripped. Marks spelled with ordinary tokens are text.
#include "text/reply/reply_internal.h"

static const char *const marks[] = {
    "<|begin|>",
    "<|end|>",
    "<|think|>",
    "<|content|>",
    "<|flush|>",
    "<|calls|>",
    "<|tools:begin|>",
    "<|tools:end|>",
    "<|tool:begin|>",
    "<|tool:end|>",
    "<|tool_calls|>",
    "<|tool_call:begin|>",
    "<|tool_call:end|>",
    "<|tool_call:name|>",
    "<|tool_call:args|>",
    "<|tool_response|>",
    "<|tool_response:begin|>",
    "<|tool_response:end|>",
    "<|tool_response:id|>",
    "<|tool_response:name|>",
    "<|tool_response:result|>",
    "<|startoftext|>",
    "<|endoftext|>",
    NULL,
};

static const char *const recognise[] = { "<|begin|>",           "<|think|>",          "<|content|>",
                                         "<|tool_call:begin|>", "<|tool_call:args|>", NULL };

// Not <|end|>: it closes a part, and the reply goes on.
static const char *const ends[] = { "<|flush|>", "<|calls|>", "<|endoftext|>", NULL };

static const MarkRow rows[] = {
    { "<|think|>", MARK_THINK },
    { "<|end|>", MARK_PART_END },
    { "<|begin|>", MARK_BEGIN },
    { "<|content|>", MARK_CONTENT },
    { "<|tool_calls|>", MARK_CALL_LIST },
    { "<|tool_call:begin|>", MARK_CALL },
    { "<|tool_call:name|>", MARK_CALL_NAME },
    { "<|tool_call:args|>", MARK_CALL_ARGUMENTS },
    { "<|tool_call:end|>", MARK_CALL_END },
    { "<|calls|>", MARK_CALLS_END },
    { NULL, MARK_NONE },
};

const ReplyForm reply_solar = {
    .name = "solar",
    .reasoning_open = "<|think|>",
    .reasoning_close = "<|end|>",
    .call_open = "<|tool_call:begin|>",
    .call_close = "<|tool_call:end|>",
    .calls = CALL_TYPED,
    .marks = marks,
    .recognise = recognise,
    .ends = ends,
    .machine = &machine_solar,
    .rows = rows,
};
