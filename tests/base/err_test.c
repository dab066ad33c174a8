// Errors and remarks: one sentence, whole characters, nothing a terminal would obey.
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void success_is_zero_and_has_no_text(void **state)
{
    (void)state;
    Err e = OK;
    assert_int_equal(e.code, 0);
    assert_string_equal(e.text, "");
}

static void an_error_carries_its_sentence(void **state)
{
    (void)state;
    Err e = err(ERR_FORMAT, "%s: tensor %d ends beyond the file", "a.gguf", 3);
    assert_int_equal(e.code, ERR_FORMAT);
    assert_string_equal(e.text, "a.gguf: tensor 3 ends beyond the file");
    e = err_memory("the cache");
    assert_int_equal(e.code, ERR_MEMORY);
    assert_string_equal(e.text, "out of memory for the cache");
}

static void a_long_sentence_is_cut_between_characters(void **state)
{
    (void)state;
    for (int lead = 0; lead < 4; lead++) {
        Buf long_text = { 0 };
        for (int i = 0; i < lead; i++) buf_char(&long_text, 'a');
        for (int i = 0; i < 400; i++) buf_text(&long_text, "\xEB\x91\x90"); // 두
        Err e = err(ERR_FILE, "%s", long_text.at);
        size_t n = strlen(e.text);
        assert_true(n > sizeof e.text - 4 && n < sizeof e.text);
        assert_true(utf8_valid(e.text, n));
        assert_memory_equal(e.text, long_text.at, n);
        buf_free(&long_text);
    }
}

static void what_a_terminal_would_obey_is_made_visible(void **state)
{
    (void)state;
    Err e = err(ERR_FORMAT, "%s",
                "a\x1B[2J\nb\x7F\xC2\x9B"
                "c\xFF"
                "d\r\t\xE2\x82 \xEB\x91\x90");
    assert_string_equal(e.text, "a?[2J?b???c?d???? \xEB\x91\x90");
}

static void an_unfinished_character_at_the_end_is_dropped(void **state)
{
    (void)state;
    assert_string_equal(err(ERR_FORMAT, "name \xEB\x91").text, "name ");
}

static void remember(void *user, LogLevel level, const char *text)
{
    Buf *all = user;
    buf_printf(all, "%d %s|", (int)level, text);
}

static void remarks_reach_the_given_function_made_harmless(void **state)
{
    (void)state;
    Buf all = { 0 };
    Log log = { .write = remember, .user = &all };
    log_say(&log, LOG_WARNING, "%d tensors\x1B", 3);
    log_say(&log, LOG_INFO, "plain");
    assert_string_equal(all.at, "1 3 tensors?|2 plain|");
    buf_free(&all);
    log_say(NULL, LOG_INFO, "nobody listens");
    log_say(&(Log){ 0 }, LOG_INFO, "nobody listens");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_is_zero_and_has_no_text),
        cmocka_unit_test(an_error_carries_its_sentence),
        cmocka_unit_test(a_long_sentence_is_cut_between_characters),
        cmocka_unit_test(what_a_terminal_would_obey_is_made_visible),
        cmocka_unit_test(an_unfinished_character_at_the_end_is_dropped),
        cmocka_unit_test(remarks_reach_the_given_function_made_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
