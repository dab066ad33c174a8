// No reasoning, no calls: the reply is its text. The marks are those that set turns apart in widespread templates, for
// vocabularies that hold them without calling them special.
#include "text/reply/reply_internal.h"

static const char *const marks[] = {
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|endofturn|>",
    "<|stop|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|tool|>",
    "<|end|>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<|role_start|>",
    "<|role_end|>",
    "<|START|>",
    "<|END|>",
    NULL,
};

static const char *const recognise[] = { NULL };

static const char *const ends[] = { "<|im_end|>",      "<|endofturn|>", "<|stop|>", "<|eot_id|>",
                                    "<|end_of_text|>", "<|endoftext|>", "</s>",     NULL };

static const MarkRow rows[] = {
    { NULL, MARK_NONE },
};

const ReplyForm reply_plain = {
    .name = "plain",
    .calls = CALL_NONE,
    .marks = marks,
    .recognise = recognise,
    .ends = ends,
    .machine = &machine_tags,
    .rows = rows,
};
