// HyperCLOVA X 32B Think and 8B Omni: reasoning between tags; a call is a name and tagged pairs.
//   <think>\n...\n</think>\n\n...
//   <tool_call>NAME\n<arg_key>K</arg_key>\n<arg_value>V</arg_value>\n</tool_call>
// Values: text where the schema says string, else JSON, else a Python literal, else text. Some marks structure the media
// parts of a prompt. Omni's replies have speech and pictures besides, and its values are always text:
//   <user_transcript>...</user_transcript> <assistant_transcript>...</assistant_transcript>
//   <audio_decoder_call> <speaker_info>JSON</speaker_info> <discrete_audio>UNITS</discrete_audio> </audio_decoder_call>
#include "text/reply/reply_internal.h"

static const char *const marks[] = {
    "<|im_start|>",
    "<|im_end|>",
    "<|endofturn|>",
    "<|stop|>",
    "<|endoftext|>",
    // reasoning, calls and results
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<arg_key>",
    "</arg_key>",
    "<arg_value>",
    "</arg_value>",
    "<arguments>",
    "</arguments>",
    "<tool_response>",
    "</tool_response>",
    "<tools>",
    "</tools>",
    // media
    "<|mime_start|>",
    "<|mime_end|>",
    "<|image_start|>",
    "<|image_end|>",
    "<|IMAGE_PAD|>",
    "<|video_start|>",
    "<|video_end|>",
    "<|VIDEO_PAD|>",
    "<|VIDEO_AUDIO_PAD|>",
    "<|audio_start|>",
    "<|audio_end|>",
    "<|AUDIO_PAD|>",
    "<|discrete_image_start|>",
    "<|discrete_image_end|>",
    "<|DISCRETE_IMAGE_PAD|>",
    "<|discrete_audio_start|>",
    "<|discrete_audio_end|>",
    "<|DISCRETE_AUDIO_PAD|>",
    "<|image_aux_start|>",
    "<|image_aux_end|>",
    "<|video_aux_start|>",
    "<|video_aux_end|>",
    "<|audio_aux_start|>",
    "<|audio_aux_end|>",
    "<|video_meta_duration|>",
    "<|audio_meta_duration|>",
    "<|video_duration|>",
    "<|audio_duration|>",
    // speech of a reply
    "<audio_decoder_call>",
    "</audio_decoder_call>",
    "<user_transcript>",
    "</user_transcript>",
    "<assistant_transcript>",
    "</assistant_transcript>",
    "<speaker_info>",
    "</speaker_info>",
    "<discrete_audio>",
    "</discrete_audio>",
    NULL,
};

static const char *const recognise[] = { "<think>", "</think>", "<tool_call>", "<arg_key>", "<arg_value>", NULL };

static const char *const ends[] = { "<|im_end|>", "<|endofturn|>", "<|stop|>", NULL };

static const MarkRow rows[] = {
    { "<think>", MARK_THINK },         { "</think>", MARK_THINK_END },     { "<tool_call>", MARK_CALL },
    { "</tool_call>", MARK_CALL_END }, { "<arg_key>", MARK_KEY },          { "</arg_key>", MARK_KEY_END },
    { "<arg_value>", MARK_VALUE },     { "</arg_value>", MARK_VALUE_END }, { NULL, MARK_NONE },
};

const ReplyForm reply_tagged = {
    .name = "tagged",
    .reasoning_open = "<think>",
    .reasoning_close = "</think>",
    .call_open = "<tool_call>",
    .call_close = "</tool_call>",
    .calls = CALL_TAGGED,
    .strip_newlines = true,
    .marks = marks,
    .recognise = recognise,
    .ends = ends,
    .machine = &machine_tags,
    .rows = rows,
};

static const char *const omni_template[] = { "<|discrete_image_start|>", "<|discrete_audio_start|>", NULL };

static const MarkRow omni_rows[] = {
    { "<think>", MARK_THINK },
    { "</think>", MARK_THINK_END },
    { "<tool_call>", MARK_CALL },
    { "</tool_call>", MARK_CALL_END },
    { "<arg_key>", MARK_KEY },
    { "</arg_key>", MARK_KEY_END },
    { "<arg_value>", MARK_VALUE },
    { "</arg_value>", MARK_VALUE_END },
    { "<|discrete_image_start|>", MARK_IMAGE },
    { "<|discrete_image_end|>", MARK_IMAGE_END },
    { "<|discrete_audio_start|>", MARK_AUDIO },
    { "<|discrete_audio_end|>", MARK_AUDIO_END },
    { "<audio_decoder_call>", MARK_SPEECH },
    { "</audio_decoder_call>", MARK_SPEECH_END },
    { "<user_transcript>", MARK_HEARD },
    { "</user_transcript>", MARK_HEARD_END },
    { "<assistant_transcript>", MARK_SAID },
    { "</assistant_transcript>", MARK_SAID_END },
    { NULL, MARK_NONE },
};

const ReplyForm reply_omni = {
    .name = "omni",
    .reasoning_open = "<think>",
    .reasoning_close = "</think>",
    .call_open = "<tool_call>",
    .call_close = "</tool_call>",
    .calls = CALL_MEDIA,
    .strip_newlines = true,
    .marks = marks,
    .recognise = recognise,
    .in_template = omni_template,
    .ends = ends,
    .machine = &machine_tags,
    .rows = omni_rows,
};
