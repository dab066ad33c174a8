// Errors as values, and the library's remarks. Text from files ends up in messages, so every message is made harmless
// for a terminal here, once: well-formed UTF-8 without control characters.
#include "base/base.h"

#include <stdio.h>

// The names of err and err_memory stand in parentheses because the analyzer has macros for them.

static void make_printable(char *text, size_t n)
{
    size_t at = 0, end = utf8_whole(text, n);
    text[end] = 0;
    while (at < end) {
        size_t begin = at;
        uint32_t c = utf8_next(text, end, &at);
        bool control = c < 0x20 || c == 0x7F || (c >= 0x80 && c < 0xA0) || c == UTF8_BAD;
        for (size_t i = begin; control && i < at; i++) text[i] = '?';
    }
}

Err(err)(ErrCode code, const char *format, ...)
{
    Err e = { .code = code };
    va_list args;
    va_start(args, format);
    int n = vsnprintf(e.text, sizeof e.text, tr(format), args);
    va_end(args);
    if (n < 0) n = 0;
    make_printable(e.text, (size_t)n < sizeof e.text ? (size_t)n : sizeof e.text - 1);
    return e;
}

Err(err_memory)(const char *what)
{
    return err(ERR_MEMORY, "out of memory for %s", tr(what));
}

void log_say(const Log *log, LogLevel level, const char *format, ...)
{
    if (!log || !log->write) return;
    char text[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, tr(format), args);
    va_end(args);
    if (n < 0) return;
    make_printable(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
    log->write(log->user, level, text);
}
