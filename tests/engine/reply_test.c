// From tokens to events: stop strings are held back and cut off wherever the tokens part them, and characters come whole.
#include "text_support.h"

#include "engine/engine_internal.h"

static Tokenizer *tokenizer;

static int open_tokenizer(void **state)
{
    (void)state;
    tokenizer = byte_tokenizer();
    return 0;
}

static int close_tokenizer(void **state)
{
    (void)state;
    tokenizer_free(tokenizer);
    return 0;
}

// Puts the text token by token, which here is byte by byte; returns what came out, *stopped whether a stop string ended it.
static Buf put_bytes(const char *text, const char *const *stops, bool take_often, bool *stopped)
{
    EventQueue events = { 0 };
    Reply reply;
    DureEvent event;
    Buf out = { 0 };
    DureSampling sampling;
    dure_sampling_default(&sampling);
    sampling.stop = stops;
    assert_int_equal(events_reserve(&events, EVENTS_PER_REPLY).code, ERR_NONE);
    assert_int_equal(reply_begin(&reply, &sampling, &(ReplyBase){ .tokenizer = tokenizer, .vocab = 288 }).code,
                     ERR_NONE);
    *stopped = false;
    for (const char *c = text; *c && !*stopped; c++) {
        assert_int_equal(reply_put(&reply, (unsigned char)*c, &events, stopped).code, ERR_NONE);
        while (take_often && events_take(&events, &event)) {
            assert_true(event.n > 0 && utf8_valid(event.text, event.n));
            buf_put(&out, event.text, event.n);
        }
    }
    if (!*stopped) assert_int_equal(reply_flush(&reply, &events).code, ERR_NONE);
    events_end(&events, DURE_REASON_STOP);
    while (events_take(&events, &event))
        if (event.kind == DURE_EVENT_TEXT) buf_put(&out, event.text, event.n);
    assert_int_equal(event.kind, DURE_EVENT_END);
    buf_put(&out, "", 0);
    reply_free(&reply);
    events_free(&events);
    return out;
}

static void expect_text(const char *text, const char *const *stops, const char *expected, bool expect_stop)
{
    for (int often = 0; often < 2; often++) {
        bool stopped;
        Buf out = put_bytes(text, stops, often, &stopped);
        assert_string_equal(out.at, expected);
        assert_int_equal(stopped, expect_stop);
        buf_free(&out);
    }
}

static void stop_string_is_cut_off(void **state)
{
    (void)state;
    const char *const one[] = { "stop", NULL }, *const two[] = { "abcd", "bc", NULL }, *const none[] = { NULL };
    expect_text("go on", NULL, "go on", false);
    expect_text("go on", none, "go on", false);
    expect_text("go stop on", one, "go ", true);
    expect_text("go sto", one, "go sto", false); // held back, and given out at the end
    expect_text("sstostop", one, "ssto", true);
    expect_text("xabcd", two, "xa", true); // what is completed first
    const char *const nested[] = { "bcd", "cd", NULL };
    expect_text("abcd", nested, "a", true); // both end at d: the longest
}

static void characters_come_whole_and_stop_strings_may_be_hangul(void **state)
{
    (void)state;
    const char *const stops[] = { "끝", NULL };
    expect_text("두레는 마을", stops, "두레는 마을", false);
    expect_text("두레 끝 마을", stops, "두레 ", true);
    expect_text("끄끅끝", stops, "끄끅", true); // the same first bytes
    expect_text("half \xEB\x91", stops, "half \xEF\xBF\xBD", false);
}

// Where the first completed stop string begins, by trying every end.
static size_t cut_of(const char *text, const char *const *stops, bool *found)
{
    for (size_t end = 1; end <= strlen(text); end++)
        for (size_t begin = 0; begin < end; begin++)
            for (size_t i = 0; stops[i]; i++)
                if (strlen(stops[i]) == end - begin && !strncmp(text + begin, stops[i], end - begin)) {
                    *found = true;
                    return begin;
                }
    *found = false;
    return strlen(text);
}

static void random_texts_are_cut_where_the_first_stop_string_completes(void **state)
{
    (void)state;
    uint64_t at = 0;
    for (int round = 0; round < 3000; round++) {
        char text[40], stop[3][5];
        const char *stops[4] = { stop[0], stop[1], stop[2], NULL };
        for (int i = 0; i < 39; i++) text[i] = (char)('a' + (int)(philox_uniform(1, at++, RANDOM_TOKEN) * 3));
        text[(int)(philox_uniform(1, at++, RANDOM_TOKEN) * 40)] = 0;
        text[39] = 0;
        for (int i = 0; i < 3; i++) {
            const int n = 1 + (int)(philox_uniform(1, at++, RANDOM_TOKEN) * 4);
            for (int j = 0; j < n; j++) stop[i][j] = (char)('a' + (int)(philox_uniform(1, at++, RANDOM_TOKEN) * 3));
            stop[i][n] = 0;
        }
        bool found;
        char expected[40];
        memcpy(expected, text, sizeof text);
        expected[cut_of(text, stops, &found)] = 0;
        expect_text(text, stops, expected, found);
    }
}

static void wrong_stop_strings_are_refused(void **state)
{
    (void)state;
    const char *const empty[] = { "", NULL }, *const broken[] = { "\xFF", NULL };
    const char *const *const wrong[] = { empty, broken };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        Reply reply;
        DureSampling sampling;
        dure_sampling_default(&sampling);
        sampling.stop = wrong[i];
        Err e = reply_begin(&reply, &sampling, &(ReplyBase){ .tokenizer = tokenizer, .vocab = 288 });
        assert_int_equal(e.code, ERR_USAGE);
        assert_non_null(strstr(e.text, "stop"));
    }
}

static void events_that_nobody_takes_are_joined(void **state)
{
    (void)state;
    EventQueue queue = { 0 };
    DureEvent event;
    for (int round = 0; round < 3; round++) {
        assert_int_equal(events_reserve(&queue, EVENTS_PER_REPLY).code, ERR_NONE);
        for (int i = 1; i <= 100; i++) events_prompt(&queue, i, 100);
        for (int i = 0; i < 100; i++) { // each token has both
            const DureLogprob row[2] = { { i, -0.5 }, { i + 1, -0.25 } };
            assert_int_equal(events_logprobs(&queue, row, 2).code, ERR_NONE);
            assert_int_equal(events_text(&queue, str("ab")).code, ERR_NONE);
        }
        events_end(&queue, DURE_REASON_LENGTH);
    }
    for (int round = 0; round < 3; round++) {
        assert_true(events_take(&queue, &event));
        assert_true(event.kind == DURE_EVENT_PROMPT && event.done == 100 && event.total == 100);
        assert_true(events_take(&queue, &event));
        assert_true(event.kind == DURE_EVENT_LOGPROBS && event.tokens == 100 && event.each == 2);
        for (int i = 0; i < 100; i++)
            assert_true(event.logprobs[2 * i].id == i && event.logprobs[2 * i + 1].logprob == -0.25);
        assert_true(events_take(&queue, &event));
        assert_true(event.kind == DURE_EVENT_TEXT && event.n == 200);
        assert_true(events_take(&queue, &event));
        assert_true(event.kind == DURE_EVENT_END && event.reason == DURE_REASON_LENGTH);
    }
    assert_false(events_take(&queue, &event));
    events_free(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stop_string_is_cut_off),
        cmocka_unit_test(characters_come_whole_and_stop_strings_may_be_hangul),
        cmocka_unit_test(random_texts_are_cut_where_the_first_stop_string_completes),
        cmocka_unit_test(wrong_stop_strings_are_refused),
        cmocka_unit_test(events_that_nobody_takes_are_joined),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
