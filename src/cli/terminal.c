// The terminal: errors, colours, progress, and standard output that ends quietly when nobody reads it any more.
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

// ---- Errors --------------------------------------------------------------------------------------------------------

// Names of files and words of the user stand in messages: one line, nothing that steers a terminal.
__attribute__((format(printf, 1, 0))) static void sentence_print(const char *format, va_list args)
{
    char text[2048];
    int n = vsnprintf(text, sizeof text, tr(format), args);
    if (n < 0) text[0] = 0;
    for (char *at = text; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F) *at = '?';
    fflush(stdout);
    fprintf(stderr, "dure: %s\n", text);
}

int fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sentence_print(format, args);
    va_end(args);
    return EXIT_FAILED;
}

int usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sentence_print(format, args);
    va_end(args);
    return EXIT_USAGE;
}

void *need(void *memory)
{
    if (memory) return memory;
    fail("out of memory");
    exit(EXIT_FAILED);
}

double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// ---- Colours -------------------------------------------------------------------------------------------------------

const char *colour(int fd, Colour which)
{
    static const char *const sequences[] = { "\033[0m", "\033[2m", "\033[1m", "\033[1;36m" };
    const char *refused = getenv("NO_COLOR"), *term = getenv("TERM");
    if ((refused && *refused) || !term || !strcmp(term, "dumb") || !isatty(fd)) return "";
    return sequences[which];
}

// ---- Standard output -----------------------------------------------------------------------------------------------

static int out_failed(void)
{
    if (errno == EPIPE) exit(EXIT_FINE); // the reader has had enough
    return fail("standard output: %s", tr(strerror(errno)));
}

void out_write(const char *bytes, size_t n)
{
    if (fwrite(bytes, 1, n, stdout) == n && !fflush(stdout)) return;
    exit(out_failed());
}

void out_answer(const char *bytes, size_t n)
{
    if (!isatty(STDOUT_FILENO)) {
        out_write(bytes, n);
        return;
    }
    Bytes clean = { 0 };
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool c1 = c == 0xC2 && i + 1 < n && (unsigned char)bytes[i + 1] < 0xA0; // U+0080 to U+009F
        bool control = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F || c1;
        bytes_put(&clean, control ? "\xEF\xBF\xBD" : bytes + i, control ? 3 : 1);
        i += c1;
    }
    if (clean.n) out_write(clean.at, clean.n);
    bytes_free(&clean);
}

int out_close(void)
{
    if (!fflush(stdout) && !ferror(stdout)) return EXIT_FINE;
    return out_failed();
}

size_t text_columns(const char *text)
{
    size_t columns = 0;
    mbstate_t state = { 0 };
    wchar_t c;
    for (size_t n; *text && (n = mbrtowc(&c, text, strlen(text), &state)) && n <= strlen(text); text += n) {
        const int own = wcwidth(c);
        columns += own > 0 ? (size_t)own : 0;
    }
    return columns;
}

void text_padded(const char *text, size_t columns)
{
    printf("%s", text);
    for (size_t n = text_columns(text); n < columns; n++) putchar(' ');
}

// ---- Progress ------------------------------------------------------------------------------------------------------

Progress progress_new(const Options *options)
{
    return (Progress){ .on = !options->quiet && isatty(STDERR_FILENO) };
}

void progress_say(Progress *progress, const char *what)
{
    if (!progress->on) return;
    fprintf(stderr, "\r\033[K%s%s%s", colour(STDERR_FILENO, COLOUR_DIM), tr(what), colour(STDERR_FILENO, COLOUR_NONE));
    fflush(stderr);
    progress->shown = true;
}

void progress_share(Progress *progress, const char *what, int64_t done, int64_t total)
{
    enum { BAR = 24 };
    if (!progress->on || total <= 0) return;
    double now = now_seconds();
    if (progress->began == 0) progress->began = now;
    double passed = now - progress->began, share = (double)done / (double)total;
    if (passed < 0.5 || done >= total || done <= 0) return; // short work is not worth a line
    char bar[BAR + 1], text[160];
    for (int i = 0; i < BAR; i++) bar[i] = (double)i < share * BAR ? '#' : '.';
    bar[BAR] = 0;
    double left = passed / share - passed;
    snprintf(text, sizeof text, tr("%s %s %3.0f%%  %.0f of %.0f  %d:%02d left"), tr(what), bar, share * 100,
             (double)done, (double)total, (int)(left / 60), (int)left % 60);
    progress_say(progress, text);
}

void progress_clear(Progress *progress)
{
    if (progress->shown) {
        fprintf(stderr, "\r\033[K");
        fflush(stderr);
    }
    progress->shown = false;
    progress->began = 0;
}

// ---- Remarks -------------------------------------------------------------------------------------------------------

void remarks_take(void *user, int level, const char *text)
{
    Remarks *remarks = user;
    if (remarks->verbose) {
        fprintf(stderr, "dure: %s\n", text);
        return;
    }
    if (remarks->quiet || level > DURE_LOG_WARNING) return;
    size_t n = strlen(text);
    char *grown = realloc(remarks->held, remarks->n + n + 16);
    if (!grown) return; // a warning is not worth failing for
    remarks->held = grown;
    remarks->n += (size_t)snprintf(grown + remarks->n, n + 16, "dure: %s\n", text);
}

void remarks_show(Remarks *remarks)
{
    if (remarks->n) fwrite(remarks->held, 1, remarks->n, stderr);
    remarks_drop(remarks);
}

void remarks_drop(Remarks *remarks)
{
    free(remarks->held);
    remarks->held = NULL;
    remarks->n = 0;
}
