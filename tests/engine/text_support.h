// A byte-level tokenizer of our own for the tiny models, whose vocabularies have 256 ids and more: a token for every byte, but that
// three bytes which UTF-8 never has give their ids to special tokens.
#ifndef DURE_TEXT_SUPPORT_H
#define DURE_TEXT_SUPPORT_H

#include "engine_support.h"

#include <sys/stat.h>
#include <unistd.h>

#include "text/text.h"

enum { ID_START = 0xC0, ID_END = 0xC1, ID_THINK = 0xF5 };

// The printable stand-in for a byte, as byte-level BPE has it: its own code point if it shows, else 256 and up.
static inline void put_byte_letter(Buf *out, int byte)
{
    static const int gaps[][2] = { { 0, 0x20 }, { 0x7F, 0xA0 }, { 0xAD, 0xAD } };
    uint32_t code = (uint32_t)byte;
    int before = 0;
    for (size_t g = 0; g < COUNT(gaps); g++) {
        if (byte >= gaps[g][0] && byte <= gaps[g][1]) code = 256 + (uint32_t)(before + byte - gaps[g][0]);
        before += gaps[g][1] - gaps[g][0] + 1;
    }
    char utf8[4];
    const size_t n = utf8_put(utf8, code);
    if (code == '"' || code == '\\') buf_char(out, '\\');
    buf_put(out, utf8, n);
}

static inline Buf tokenizer_json(void)
{
    static const char *const special[] = { "<|im_start|>", "<|im_end|>", "<think>" };
    static const int ids[] = { ID_START, ID_END, ID_THINK };
    Buf json = { 0 };
    buf_text(&json, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[");
    for (size_t i = 0; i < COUNT(special); i++)
        buf_printf(&json,
                   "%s{\"id\":%d,\"content\":\"%s\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                   "\"normalized\":false,\"special\":true}",
                   i ? "," : "", ids[i], special[i]);
    buf_text(&json, "],\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                    "\"trim_offsets\":true,\"use_regex\":false},\"post_processor\":null,"
                    "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,"
                    "\"use_regex\":true},\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                    "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,"
                    "\"byte_fallback\":false,\"ignore_merges\":false,\"vocab\":{");
    for (int byte = 0; byte < 256; byte++) {
        buf_text(&json, byte ? ",\"" : "\"");
        if (byte == ID_START || byte == ID_END || byte == ID_THINK)
            buf_text(&json, special[byte == ID_START ? 0 : byte == ID_END ? 1 : 2]);
        else
            put_byte_letter(&json, byte);
        buf_printf(&json, "\":%d", byte);
    }
    buf_text(&json, "},\"merges\":[]}}");
    assert_false(json.failed);
    return json;
}

static inline Tokenizer *byte_tokenizer(void)
{
    Tokenizer *tokenizer = NULL;
    Buf json = tokenizer_json();
    Err e = tokenizer_from_json(&tokenizer, buf_str(&json), "tokenizer.json");
    if (e.code) print_error("%s\n", e.text);
    assert_int_equal(e.code, ERR_NONE);
    buf_free(&json);
    return tokenizer;
}

// The generation prompt opens a thought that the next turn's rendering leaves out, as reasoning models do.
static inline const char *chat_template(void)
{
    return "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
           "{% if add_generation_prompt %}<|im_start|>assistant\n<think>{% endif %}";
}

static inline void write_beside(const char *folder, const char *name, Str text)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    Err e = file_write(path, text);
    if (e.code) print_error("%s\n", e.text);
    assert_int_equal(e.code, ERR_NONE);
}

// A new folder with the golden case's model (links), our tokenizer and template. Remove it with folder_remove.
static inline void folder_make(char folder[64], const char *golden)
{
    static const char *const links[] = { "config.json", "model.safetensors" };
    char from[1024], to[600];
    snprintf(folder, 64, "/tmp/dure-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < COUNT(links); i++) {
        snprintf(from, sizeof from, GOLDEN "%s/%s", golden, links[i]);
        snprintf(to, sizeof to, "%s/%s", folder, links[i]);
        assert_int_equal(symlink(from, to), 0);
    }
    Buf json = tokenizer_json();
    write_beside(folder, "tokenizer.json", buf_str(&json));
    buf_free(&json);
    write_beside(folder, "chat_template.jinja", str(chat_template()));
    write_beside(folder, "tokenizer_config.json", str("{\"eos_token\": \"<|im_end|>\"}"));
    write_beside(folder, "generation_config.json",
                 str("{\"do_sample\": true, \"temperature\": 0.7, \"top_p\": 0.9, \"eos_token_id\": [3, 193]}"));
}

static inline void folder_remove(const char *folder)
{
    static const char *const names[] = { "config.json",         "model.safetensors",     "tokenizer.json",
                                         "chat_template.jinja", "tokenizer_config.json", "generation_config.json" };
    char path[600];
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

#endif
