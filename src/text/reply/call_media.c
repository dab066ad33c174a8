// What HyperCLOVA X Omni draws and speaks, as the calls that OmniServe's parser makes of it: the tokens of a picture are an argument
// of t2i_model_generation, and the units of speech one of audio_synthesis, so that no content is full of them and none is lost.
//   <|discrete_image_start|>...<|discrete_image_end|>                  {"discrete_image_token": the block as written}
//   <audio_decoder_call> <speaker_info>JSON</speaker_info> <discrete_audio>...</discrete_audio> </audio_decoder_call>
//                                                                      {"speaker_info": JSON, "discrete_audio": the block}
//   <|discrete_audio_start|><|audio0123|>...<|discrete_audio_end|>     {"units": [123], "format": "wav", "token_count": 1}
// A speaker_info that is no JSON becomes {"raw": text}.
#include "text/reply/reply_internal.h"

static const char audio_name[] = "audio_synthesis";

static void give(Parser *p, const char *name, Buf *arguments)
{
    if (arguments->failed) p->failed = true;
    parser_whole_call(p, str(name), buf_str(arguments));
    buf_free(arguments);
}

bool call_image(Parser *p)
{
    Buf arguments = { 0 };
    buf_text(&arguments, "{\"discrete_image_token\": ");
    json_quoted(&arguments, buf_str(&p->call));
    buf_char(&arguments, '}');
    give(p, "t2i_model_generation", &arguments);
    return true;
}

// A unit of speech: <|audioDIGITS|>.
static bool unit_at(Str text, size_t *at, Str *digits)
{
    static const char open[] = "<|audio", close[] = "|>";
    if (!str_starts((Str){ text.at + *at, text.n - *at }, open)) return false;
    size_t begin = *at + sizeof open - 1, end = begin;
    while (end < text.n && text.at[end] >= '0' && text.at[end] <= '9') end++;
    if (end == begin || !str_starts((Str){ text.at + end, text.n - end }, close)) return false;
    *at = end + sizeof close - 1;
    while (begin + 1 < end && text.at[begin] == '0') begin++;
    *digits = (Str){ text.at + begin, end - begin };
    return true;
}

// With anything else between the marks than units it is none.
bool call_audio(Parser *p, Str text)
{
    Buf arguments = { 0 };
    size_t n = 0;
    Str digits;
    buf_text(&arguments, "{\"units\": [");
    for (size_t at = 0, after; at < text.n;) {
        if (blank_at(text, at, &after)) {
            at = after;
            continue;
        }
        if (!unit_at(text, &at, &digits)) {
            buf_free(&arguments);
            return false;
        }
        if (n++) buf_text(&arguments, ", ");
        buf_put(&arguments, digits.at, digits.n);
    }
    buf_printf(&arguments, "], \"format\": \"wav\", \"token_count\": %zu}", n);
    give(p, audio_name, &arguments);
    return true;
}

// Takes <mark>...</mark> from the text's beginning. Without the closing mark the part must end with `end`, if that is given.
static bool take_part(Str *text, const char *open, const char *close, const char *end, Str *out)
{
    const Str rest = strip_blanks(*text);
    if (!str_starts(rest, open)) return false;
    const size_t begin = strlen(open);
    const char *at = memmem(rest.at + begin, rest.n - begin, close, strlen(close));
    if (!at && !(end && str_ends(rest, end))) return false;
    const size_t stop = at ? (size_t)(at - rest.at) : rest.n, next = at ? stop + strlen(close) : rest.n;
    *out = strip_blanks((Str){ rest.at + begin, stop - begin });
    *text = (Str){ rest.at + next, rest.n - next };
    return true;
}

bool call_speech(Parser *p, Str text, bool closed)
{
    Str info = str("{}"), audio;
    Buf arguments = { 0 };
    take_part(&text, "<speaker_info>", "</speaker_info>", NULL, &info);
    if (!take_part(&text, "<discrete_audio>", "</discrete_audio>", closed ? NULL : "<|discrete_audio_end|>", &audio) ||
        strip_blanks(text).n)
        return false;
    buf_text(&arguments, "{\"speaker_info\": ");
    if (json_whole(info)) {
        buf_put(&arguments, info.at, info.n);
    } else {
        buf_text(&arguments, "{\"raw\": ");
        json_quoted(&arguments, info);
        buf_char(&arguments, '}');
    }
    buf_text(&arguments, ", \"discrete_audio\": ");
    json_quoted(&arguments, audio);
    buf_char(&arguments, '}');
    give(p, audio_name, &arguments);
    return true;
}
