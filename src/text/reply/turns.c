// HyperCLOVA X SEED Think 14B: a reply is up to three ChatML turns, told apart by what follows the role.
//   /think\n...<|im_end|>\n<|im_start|>assistant\n...           reasoning, then the answer
//   ...<|im_end|>\n<|im_start|>assistant -> tool/function_call\n[{"name": ..., "arguments": {...}}]<|im_end|>
// The mark that ends the reasoning is that of a turn; what follows it says whether an answer or a call begins.
#include "text/reply/reply_internal.h"

static const char *const marks[] = {
    "<|im_start|>", "<|im_end|>", "<|endofturn|>", "<|stop|>", "<|endoftext|>", "<tool_call>", "</tool_call>", NULL,
};

static const char *const recognise[] = { "<|im_start|>", "<|im_end|>", "tool/function_call", NULL };

// Not <|im_end|>: a reply has several turns.
static const char *const ends[] = { "<|endofturn|>", "<|stop|>", NULL };

static const MarkRow rows[] = {
    { "<|im_start|>", MARK_TURN },
    { "<|im_end|>", MARK_TURN_END },
    { NULL, MARK_NONE },
};

const ReplyForm reply_turns = {
    .name = "turns",
    .reasoning_open = "/think\n",
    .reasoning_close = "<|im_end|>\n<|im_start|>assistant",
    .call_open = " -> tool/function_call\n",
    .call_close = "<|im_end|>",
    .calls = CALL_LIST,
    .strip_newlines = true,
    .marks = marks,
    .recognise = recognise,
    .ends = ends,
    .machine = &machine_turns,
    .rows = rows,
};
