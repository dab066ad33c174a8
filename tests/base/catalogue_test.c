// The language of messages: English at first, Korean where it was asked for, and never a message lost.
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int english_again(void **state)
{
    (void)state;
    return language_set("en") ? 0 : -1;
}

static void messages_are_english_until_korean_is_asked_for(void **state)
{
    (void)state;
    assert_string_equal(err_memory("the backend").text, "out of memory for the backend");
    assert_true(language_set("ko_KR.UTF-8"));
    assert_string_equal(err_memory("the backend").text, "메모리가 모자랍니다: 백엔드");
    assert_true(language_set("en_US.UTF-8"));
    assert_string_equal(err_memory("the backend").text, "out of memory for the backend");
}

static void an_unknown_language_changes_nothing(void **state)
{
    (void)state;
    assert_true(language_set("ko:en"));
    static const char *const unknown[] = { "fr_FR.UTF-8", "kok_IN", "k", "C.UTF-8", "" };
    for (size_t i = 0; i < COUNT(unknown); i++) {
        assert_false(language_set(unknown[i]));
        assert_string_equal(tr("Permission denied"), "권한이 없습니다");
    }
}

static void a_message_without_a_translation_is_itself(void **state)
{
    (void)state;
    assert_true(language_set("ko"));
    static const char *const messages[] = { "", " ", "no such message", "\xFF", "\x01" };
    for (size_t i = 0; i < COUNT(messages); i++) assert_ptr_equal(tr(messages[i]), messages[i]);
}

static void values_stand_where_the_translation_has_them(void **state)
{
    (void)state;
    assert_true(language_set("ko"));
    assert_string_equal(err(ERR_USAGE, "%d is not a CPU level", 7).text, "7번 CPU 수준은 없습니다");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(messages_are_english_until_korean_is_asked_for, english_again),
        cmocka_unit_test_teardown(an_unknown_language_changes_nothing, english_again),
        cmocka_unit_test_teardown(a_message_without_a_translation_is_itself, english_again),
        cmocka_unit_test_teardown(values_stand_where_the_translation_has_them, english_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
