// Forms of reply for which there are no golden ones: calls in XML-like syntax (K-EXAONE 2.0), pictures and speech (HyperCLOVA X
// Omni), and turns whose end the model's files call an end of the reply (HyperCLOVA X Think). Each case is cut in every way.
#include "text/parse_support.h"

static const char tools_text[] =
    "[{\"type\": \"function\", \"function\": {\"name\": \"f\", \"parameters\": {\"type\": \"object\", \"properties\": {"
    "\"s\": {\"type\": \"string\"}, \"i\": {\"type\": \"integer\"}, \"n\": {\"type\": \"number\"}, \"b\": {\"type\": "
    "\"boolean\"}, \"o\": {\"type\": \"object\"}, \"a\": {\"type\": \"array\"}, \"none\": {}, \"maybe\": {\"type\": "
    "[\"integer\", \"null\"]}, \"either\": {\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"integer\"}]}, \"one\": {"
    "\"oneOf\": [{\"type\": \"null\"}, {\"type\": \"string\"}]}}}}}]";

typedef struct Case {
    ParserStart start;
    const char *text, *expected;
} Case;

// By text in pieces of every size up to the whole, with and without a schema's tools.
static void check(const ReplyForm *form, const json_t *tools, const Case *c)
{
    json_t *expected = golden_parse(str(c->expected), "expected");
    const uint32_t sizes[] = { 0, 1, 2, 3, 5, 8, 40 };
    for (uint32_t i = 0; i < COUNT(sizes); i++) {
        json_t *got = parse_text(form, NULL, c->start, tools, str(c->text), sizes[i], i);
        if (!json_equal(got, expected))
            fail_msg("%s, %s:\n  want %s\n  got  %s", form->name, c->text, c->expected, json_dumps(got, 0));
        json_decref(got);
    }
    json_decref(expected);
}

// ---- XML-like ------------------------------------------------------------------------------------------------------

#define XML(INNER) "<tool_call>\n" INNER "\n</tool_call>"

static const Case xml_cases[] = {
    { PARSER_REASONING, "a\n</think>\n\n b<|endofturn|>c", REPLY("\"a\"", "b", "", "stop", "null") },
    { PARSER_CONTENT,
      XML("<function=f>\n<parameter=s>\n12\n</parameter>\n<parameter=i>\n12\n</parameter>\n</function>") "<|endofturn|"
                                                                                                         ">",
      REPLY("null", "", CALL("f", "{\\\"s\\\": \\\"12\\\", \\\"i\\\": 12}"), "tool_calls", "null") },
    // a value keeps its own lines and blanks, its entities and its brackets
    { PARSER_CONTENT,
      XML("<function=f><parameter=s>\n\n  if (a < b && c) \"x\" // &amp; </div>\n\n</parameter></function>"),
      REPLY("null", "", CALL("f", "{\\\"s\\\": \\\"\\\\n  if (a < b && c) \\\\\\\"x\\\\\\\" // &amp; </div>\\\\n\\\"}"),
            "length", "null") },
    { PARSER_CONTENT,
      XML("<function=f>\n<parameter=i>-007</parameter>\n<parameter=n>1e3</parameter>\n<parameter=b>True</parameter>\n"
          "<parameter=o>{'a': None}</parameter>\n<parameter=a>[1, true]</parameter>\n</function>"),
      REPLY(
          "null", "",
          CALL("f",
               "{\\\"i\\\": -7, \\\"n\\\": 1e3, \\\"b\\\": true, \\\"o\\\": {\\\"a\\\": null}, \\\"a\\\": [1, true]}"),
          "length", "null") },
    // what is not of its type is text, and null is null whatever is expected
    { PARSER_CONTENT,
      XML("<function=f><parameter=i>1.5</parameter><parameter=n>many</parameter><parameter=b>yes</parameter>"
          "<parameter=o>{oops</parameter><parameter=s>null</parameter></function>"),
      REPLY("null", "",
            CALL("f",
                 "{\\\"i\\\": \\\"1.5\\\", \\\"n\\\": \\\"many\\\", \\\"b\\\": \\\"yes\\\", \\\"o\\\": \\\"{oops\\\", "
                 "\\\"s\\\": null}"),
            "length", "null") },
    { PARSER_CONTENT,
      XML("<function=f><parameter=none>5</parameter><parameter=unknown>5</parameter><parameter=maybe>5</parameter>"
          "<parameter=either>5</parameter><parameter=one>5</parameter></function>"),
      REPLY(
          "null", "",
          CALL(
              "f",
              "{\\\"none\\\": \\\"5\\\", \\\"unknown\\\": \\\"5\\\", \\\"maybe\\\": 5, \\\"either\\\": 5, \\\"one\\\": "
              "\\\"5\\\"}"),
          "length", "null") },
    { PARSER_CONTENT, XML("<function=g><parameter=x>5</parameter></function>"),
      REPLY("null", "", CALL("g", "{\\\"x\\\": \\\"5\\\"}"), "length", "null") },
    { PARSER_CONTENT, XML("<function=now>\n</function>"), REPLY("null", "", CALL("now", "{}"), "length", "null") },
    // several: in blocks of their own, and in one
    { PARSER_CONTENT, "a\n" XML("<function=f></function>") "\n" XML("<function=g></function>") "\nb",
      REPLY("null", "a\\nb", CALL("f", "{}") ", " CALL("g", "{}"), "length", "null") },
    { PARSER_CONTENT, XML("<function=f></function>\n<function=g></function>"),
      REPLY("null", "", CALL("f", "{}") ", " CALL("g", "{}"), "length", "null") },
    // marks that are left out
    { PARSER_CONTENT, XML("<function=f><parameter=s>a<parameter=i>2</function>"),
      REPLY("null", "", CALL("f", "{\\\"s\\\": \\\"a\\\", \\\"i\\\": 2}"), "length", "null") },
    { PARSER_CONTENT, XML("<function=f><parameter=s>a</parameter>"),
      REPLY("null", "", CALL("f", "{\\\"s\\\": \\\"a\\\"}"), "length", "null") },
    { PARSER_CONTENT, "<tool_call><function=f><parameter=s>a</parameter></function>",
      REPLY("null", "", CALL("f", "{\\\"s\\\": \\\"a\\\"}"), "length", "null") },
    { PARSER_CONTENT, "b\n<tool_call><function=f><parameter=s>a</parameter>",
      REPLY("null", "b", "", "length", "\"<tool_call><function=f><parameter=s>a</parameter>\"") },
    { PARSER_CONTENT, "<tool_call>", REPLY("null", "", "", "length", "\"<tool_call>\"") },
    // what is no call stays, and text beside one is content
    { PARSER_CONTENT, "<tool_call>no</tool_call>", REPLY("null", "<tool_call>no</tool_call>", "", "length", "null") },
    { PARSER_CONTENT, "<tool_call><function=></function></tool_call>",
      REPLY("null", "<tool_call><function=></function></tool_call>", "", "length", "null") },
    { PARSER_CONTENT, "<tool_call>{\"name\": \"f\"}</tool_call>",
      REPLY("null", "<tool_call>{\\\"name\\\": \\\"f\\\"}</tool_call>", "", "length", "null") },
    { PARSER_CONTENT, XML("first\n<function=f>in<parameter=\n></parameter> it</function>\nlast"),
      REPLY("null", "first\\nin\\n<parameter=\\n></parameter> it\\nlast", CALL("f", "{}"), "length", "null") },
    { PARSER_CONTENT, "<function=f></function>", REPLY("null", "<function=f></function>", "", "length", "null") },
    { PARSER_REASONING, XML("<function=f></function>") "</think>a",
      REPLY("\"<tool_call>\\n<function=f></function>\\n</tool_call>\"", "a", "", "length", "null") },
    { PARSER_CONTENT, XML("<function=f><parameter=s>a</parameter><parameter=s>\xED\x95\x9C</parameter></function>"),
      REPLY("null", "", CALL("f", "{\\\"s\\\": \\\"\xED\x95\x9C\\\"}"), "length", "null") },
};

static void calls_in_xml_are_typed_by_the_schema(void **state)
{
    (void)state;
    json_t *tools = golden_parse(str(tools_text), "tools");
    for (size_t i = 0; i < COUNT(xml_cases); i++) check(&reply_xml, tools, &xml_cases[i]);
    json_decref(tools);
}

static void without_tools_values_in_xml_are_text(void **state)
{
    (void)state;
    check(&reply_xml, NULL,
          &(Case){ PARSER_CONTENT,
                   XML("<function=f><parameter=i>5</parameter><parameter=b>null</parameter></function>"),
                   REPLY("null", "", CALL("f", "{\\\"i\\\": \\\"5\\\", \\\"b\\\": null}"), "length", "null") });
}

// ---- Omni ----------------------------------------------------------------------------------------------------------

#define IMAGE                                                                                                          \
    "<|discrete_image_start|><|vision_ratio_4:3|><|vision00001|><|vision_eol|><|vision_eof|><|discrete_image_end|>"
#define AUDIO "<|discrete_audio_start|><|audio0012|><|audio0000|><|discrete_audio_end|>"
#define SPEECH(INFO)                                                                                                   \
    "<audio_decoder_call>\n<speaker_info>" INFO "</speaker_info>\n<discrete_audio>" AUDIO                              \
    "</discrete_audio>\n</audio_decoder_call>"
#define DRAWN CALL("t2i_model_generation", "{\\\"discrete_image_token\\\": \\\"" IMAGE "\\\"}")
#define SPOKEN(INFO)                                                                                                   \
    CALL("audio_synthesis", "{\\\"speaker_info\\\": " INFO ", \\\"discrete_audio\\\": \\\"" AUDIO "\\\"}")
#define UNITS CALL("audio_synthesis", "{\\\"units\\\": [12, 0], \\\"format\\\": \\\"wav\\\", \\\"token_count\\\": 2}")

static const Case omni_cases[] = {
    { PARSER_REASONING, "\n</think>\n\na", REPLY("\"\"", "a", "", "length", "null") },
    { PARSER_CONTENT, "here:\n" IMAGE "\nis it", REPLY("null", "here:\\nis it", DRAWN, "length", "null") },
    { PARSER_CONTENT,
      "<tool_call>t2i_model_generation\n<arg_key>discrete_image_token</arg_key>\n<arg_value>\n" IMAGE
      "\n</arg_value>\n</tool_call><|im_end|>",
      REPLY("null", "", DRAWN, "tool_calls", "null") },
    { PARSER_CONTENT, "<tool_call>f\n<arg_key>a</arg_key><arg_value>12<arg_key>b</arg_key><arg_value>True</tool_call>",
      REPLY("null", "", CALL("f", "{\\\"a\\\": \\\"12\\\", \\\"b\\\": \\\"True\\\"}"), "length", "null") },
    { PARSER_CONTENT, AUDIO, REPLY("null", "", UNITS, "length", "null") },
    { PARSER_CONTENT, "<|discrete_audio_start|>a<|discrete_audio_end|>",
      REPLY("null", "<|discrete_audio_start|>a<|discrete_audio_end|>", "", "length", "null") },
    { PARSER_CONTENT, "<|discrete_audio_start|><|audio|><|discrete_audio_end|>",
      REPLY("null", "<|discrete_audio_start|><|audio|><|discrete_audio_end|>", "", "length", "null") },
    { PARSER_CONTENT,
      "<user_transcript>hi</user_transcript>\n<assistant_transcript>hello\n</assistant_transcript>\n" SPEECH(
          "{\"age\": \"10\"}") "<|im_end|>",
      REPLY("\"<user_transcript>hi</user_transcript>\"", "hello", SPOKEN("{\\\"age\\\": \\\"10\\\"}"), "tool_calls",
            "null") },
    { PARSER_REASONING,
      "hm\n</think>\n\n<user_transcript>hi\n</user_transcript>a<assistant_transcript>b</assistant_transcript>c",
      REPLY("\"hm\\n<user_transcript>hi\\n</user_transcript>\"", "a\\nb\\nc", "", "length", "null") },
    { PARSER_CONTENT, "a<user_transcript>hi", REPLY("\"<user_transcript>hi\"", "a", "", "length", "null") },
    { PARSER_CONTENT, "</assistant_transcript>a</user_transcript>",
      REPLY("null", "</assistant_transcript>a</user_transcript>", "", "length", "null") },
    { PARSER_CONTENT, SPEECH("a voice"),
      REPLY("null", "", SPOKEN("{\\\"raw\\\": \\\"a voice\\\"}"), "length", "null") },
    // closing parts may be missing where the reply ends, but not the block's own end
    { PARSER_CONTENT, "<audio_decoder_call><discrete_audio>" AUDIO, REPLY("null", "", SPOKEN("{}"), "length", "null") },
    { PARSER_CONTENT,
      "<audio_decoder_call><speaker_info>{}</speaker_info><discrete_audio><|discrete_audio_start|><|audio0012|>",
      REPLY("null", "", "", "length",
            "\"<audio_decoder_call><speaker_info>{}</"
            "speaker_info><discrete_audio><|discrete_audio_start|><|audio0012|>\"") },
    { PARSER_CONTENT, "<audio_decoder_call>la</audio_decoder_call>",
      REPLY("null", "<audio_decoder_call>la</audio_decoder_call>", "", "length", "null") },
    { PARSER_CONTENT, "a\n<|discrete_image_start|><|vision00001|>",
      REPLY("null", "a", "", "length", "\"<|discrete_image_start|><|vision00001|>\"") },
    { PARSER_CONTENT, "<|discrete_audio_start|>", REPLY("null", "", "", "length", "\"<|discrete_audio_start|>\"") },
    { PARSER_START, IMAGE IMAGE, REPLY("null", "", DRAWN ", " DRAWN, "length", "null") },
};

static void pictures_and_speech_are_calls(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(omni_cases); i++) check(&reply_omni, NULL, &omni_cases[i]);
}

// run and chat leave special tokens out of the text, but those of a picture are the picture.
static void special_tokens_of_a_picture_are_kept(void **state)
{
    (void)state;
    static const char *const ids[] = { "<|discrete_image_start|>", "<|mime_start|>", "<|discrete_image_end|>",
                                       "<|mime_start|>", "<|im_end|>" };
    Tokenizer *t = golden_tokenizer("hyperclovax");
    Parser *p = NULL;
    ReplyMessage message = { 0 };
    EXPECT_OK(parser_new(&p, &reply_omni, t, &(ParserOptions){ .start = PARSER_CONTENT, .drop_special = true }));
    for (size_t i = 0; i < COUNT(ids); i++) EXPECT_OK(parser_put(p, tokenizer_id(t, str(ids[i]))));
    json_t *got = finish(p, &message, false);
    json_t *want = golden_parse(
        str(REPLY(
            "null", "",
            CALL(
                "t2i_model_generation",
                "{\\\"discrete_image_token\\\": \\\"<|discrete_image_start|><|mime_start|><|discrete_image_end|>\\\"}"),
            "tool_calls", "null")),
        "want");
    if (!json_equal(got, want)) fail_msg("%s", json_dumps(got, 0));
    json_decref(got);
    json_decref(want);
    tokenizer_free(t);
}

// ---- Turns ---------------------------------------------------------------------------------------------------------

#define NEXT "\n<|im_start|>assistant"

// Where <|im_end|> is the model's own end, it ends the reply behind an answer or calls, never behind reasoning.
static const Case turn_cases[] = {
    { PARSER_START, "/think\na<|im_end|>" NEXT "\nb<|im_end|>" NEXT "\nc", REPLY("\"a\"", "b", "", "stop", "null") },
    { PARSER_REASONING, "a<|im_end|>" NEXT "\nb<|im_end|>", REPLY("\"a\"", "b", "", "stop", "null") },
    { PARSER_REASONING, "a<|im_end|>", REPLY("\"a\"", "", "", "length", "null") },
    { PARSER_REASONING, "a<|im_end|><|endofturn|>", REPLY("\"a\"", "", "", "stop", "null") },
    { PARSER_REASONING, "a<|im_end|>" NEXT " -> tool/function_call\n[{\"name\": \"f\"}]<|im_end|><|im_end|>x",
      REPLY("\"a\"", "", CALL("f", "{}"), "tool_calls", "null") },
    { PARSER_CONTENT, "a<|im_end|>b", REPLY("null", "a", "", "stop", "null") },
    { PARSER_START, "<|im_end|>b", REPLY("null", "", "", "stop", "null") },
    { PARSER_START, "/thi<|im_end|>b", REPLY("null", "/thi", "", "stop", "null") },
};

static const Case open_turn_cases[] = {
    { PARSER_CONTENT,
      "a<|im_end|>" NEXT " -> tool/function_call\n[{\"name\": \"f\", \"parameters\": {\"x\": 1}}]<|im_end|>",
      REPLY("null", "a", CALL("f", "{\\\"x\\\": 1}"), "tool_calls", "null") },
    { PARSER_CONTENT, "a<|im_end|><|stop|>b", REPLY("null", "a", "", "stop", "null") },
};

static void the_models_own_end_ends_no_thought(void **state)
{
    (void)state;
    Tokenizer *t = golden_tokenizer("hyperclovax");
    const int32_t end = tokenizer_id(t, str("<|im_end|>"));
    for (size_t i = 0; i < COUNT(turn_cases); i++) {
        json_t *expected = golden_parse(str(turn_cases[i].expected), "expected");
        for (uint32_t most = 0; most < 9; most++) {
            const ParserOptions options = {
                .start = turn_cases[i].start, .by_text = true, .ends = &end, .end_count = 1
            };
            json_t *got = parse_with(&reply_turns, t, &options, str(turn_cases[i].text), most, most);
            if (!json_equal(got, expected)) fail_msg("%s:\n  got %s", turn_cases[i].text, json_dumps(got, 0));
            json_decref(got);
        }
        json_decref(expected);
    }
    for (size_t i = 0; i < COUNT(open_turn_cases); i++) check(&reply_turns, NULL, &open_turn_cases[i]);
    tokenizer_free(t);
}

static void a_reply_goes_on_behind_its_thought_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool goes_on;
    } cases[] = {
        { "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant/think\na<|im_end|>", true },
        { "<|im_start|>assistant/think\n<|im_end|>", true },
        { "<|im_start|>assistant/think\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>", false },
        { "<|im_start|>assistant\n/think\n<|im_end|>", false },
        { "<|im_start|>assistant -> tool/function_call\n[]<|im_end|>", false },
        { "<|im_start|>assistant/think\na<|endofturn|>", false },
        { "<|im_start|>assistant/think\na", false },
        { "assistant/think\na<|im_end|>", false },
        { "<|im_start|>assistant/thi<|im_end|>", false },
        { "", false },
    };
    Tokenizer *t = golden_tokenizer("hyperclovax");
    for (size_t i = 0; i < COUNT(cases); i++) {
        Ids ids = { 0 };
        bool goes_on;
        EXPECT_OK(tokenize(t, str(cases[i].text), &(TokenizeOptions){ 0 }, &ids));
        EXPECT_OK(reply_goes_on(&goes_on, &reply_turns, t, ids.at, ids.n));
        if (goes_on != cases[i].goes_on) fail_msg("%s", cases[i].text);
        EXPECT_OK(reply_goes_on(&goes_on, &reply_hermes, t, ids.at, ids.n));
        assert_false(goes_on);
        ids_free(&ids);
    }
    tokenizer_free(t);
}

// ---- Which form ----------------------------------------------------------------------------------------------------

static void a_templates_own_marks_choose_the_form(void **state)
{
    (void)state;
    static const struct {
        const char *tokenizer, *source;
        const ReplyForm *form;
    } cases[] = {
        { "exaone_moe", "{# <function= <parameter= #}", &reply_xml },
        { "exaone_moe", "{# <function= #}", &reply_exaone },
        { "hyperclovax", "{# <|discrete_image_start|> <|discrete_audio_start|> #}", &reply_omni },
        { "hyperclovax", "{# <|discrete_image_start|> #}", &reply_tagged }, // that the vocabulary has them says nothing
        { "hyperclovax", "{# tool/function_call #}", &reply_turns },
        { "axk1", "", &reply_hermes },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        Tokenizer *t = golden_tokenizer(cases[i].tokenizer);
        Chat *chat = NULL;
        Buf source = { 0 };
        buf_text(&source, cases[i].source);
        buf_char(&source, '.');
        EXPECT_OK(chat_new(&chat, &(ChatFiles){ .template_text = buf_str(&source), .source = "test" }, t));
        if (chat_reply_form(chat) != cases[i].form) fail_msg("%s: %s", cases[i].source, chat_reply_form(chat)->name);
        chat_free(chat);
        tokenizer_free(t);
        buf_free(&source);
    }
}

// ---- Ids and text --------------------------------------------------------------------------------------------------

static json_t *parse_ids(const ReplyForm *form, const Tokenizer *t, ParserStart start, const json_t *tools,
                         const Ids *ids)
{
    Parser *p = NULL;
    ReplyMessage message = { 0 };
    EXPECT_OK(parser_new(&p, form, t, &(ParserOptions){ .start = start, .tools = tools }));
    for (size_t i = 0; i < ids->n; i++) {
        EXPECT_OK(parser_put(p, ids->at[i]));
        if (i % 3) drain(p, &message);
    }
    return finish(p, &message, false);
}

// Where all marks that a reply spells are tokens, its ids say what its text says, cut anywhere.
static void ids_and_text_are_cut_alike(void **state)
{
    (void)state;
    static const struct {
        const char *family;
        const ReplyForm *form;
    } cases[] = { { "axk1", &reply_hermes },       { "vaetki", &reply_hermes },      { "exaone_moe", &reply_exaone },
                  { "exaone_moe", &reply_xml },    { "hyperclovax", &reply_tagged }, { "hyperclovax", &reply_omni },
                  { "hyperclovax", &reply_turns }, { "solar_open", &reply_solar },   { "axk1", &reply_think },
                  { "exaone4", &reply_calls } };
    static const char *const pieces[] = {
        "x",
        "\n",
        " y",
        "</thi",
        "{\"name\": \"f\", \"arguments\": {\"s\": \"í\"}}",
        "f\n",
        "assistant",
        "/think\n",
        " -> tool/function_call\n",
        "[{\"name\": \"g\"}]",
        "<function=f>\n<parameter=i>\n7\n</parameter>\n</function>",
        "<|audio0001|>",
        "<audio_decoder_call><discrete_audio>",
        "</discrete_audio></audio_decoder_call>",
        "<user_transcript>",
        "</user_transcript>",
        "ð",
    };
    json_t *tools = golden_parse(str(tools_text), "tools");
    uint32_t seed = 11;
    for (size_t c = 0; c < COUNT(cases); c++) {
        Tokenizer *t = golden_tokenizer(cases[c].family);
        size_t marks = 0;
        while (cases[c].form->rows[marks].text) marks++;
        for (int round = 0; round < 400; round++) {
            Ids ids = { 0 };
            Buf text = { 0 };
            const ParserStart start = (ParserStart)(next_random(&seed) % 3);
            for (uint32_t n = next_random(&seed) % 16; n; n--) {
                const uint32_t which = next_random(&seed);
                const char *piece =
                    which % 2 ? cases[c].form->rows[which / 2 % marks].text : pieces[which / 2 % COUNT(pieces)];
                const int32_t id = which % 2 ? tokenizer_id(t, str(piece)) : -1;
                if (id >= 0)
                    EXPECT_OK(ids_put(&ids, id));
                else
                    EXPECT_OK(tokenize(t, str(piece), &(TokenizeOptions){ .plain = true }, &ids));
            }
            EXPECT_OK(detokenize(t, ids.at, ids.n, true, &text)); // VAETKI's drops a blank at the beginning
            json_t *by_ids = parse_ids(cases[c].form, t, start, tools, &ids);
            json_t *by_text = parse_text(cases[c].form, t, start, tools, buf_str(&text), 7, seed);
            if (!json_equal(by_ids, by_text))
                fail_msg("%s of %s: %s\n  ids  %s\n  text %s", cases[c].form->name, cases[c].family, buf_str(&text).at,
                         json_dumps(by_ids, 0), json_dumps(by_text, 0));
            json_decref(by_ids);
            json_decref(by_text);
            ids_free(&ids);
            buf_free(&text);
        }
        tokenizer_free(t);
    }
    json_decref(tools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_in_xml_are_typed_by_the_schema),
        cmocka_unit_test(without_tools_values_in_xml_are_text),
        cmocka_unit_test(pictures_and_speech_are_calls),
        cmocka_unit_test(special_tokens_of_a_picture_are_kept),
        cmocka_unit_test(the_models_own_end_ends_no_thought),
        cmocka_unit_test(a_reply_goes_on_behind_its_thought_alone),
        cmocka_unit_test(ids_and_text_are_cut_alike),
        cmocka_unit_test(a_templates_own_marks_choose_the_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
