// Lines that people type, by libedit with its wide characters so that Hangul is moved over and deleted as what it is; or
// plain lines where standard input is no terminal. The history is kept between talks.
#include "cli.h"

#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HISTORY_LINES = 1000 };

struct LineReader {
    EditLine *edit; // NULL: plain lines
    HistoryW *history;
    char *history_file; // NULL: there is no place for one
    wchar_t prompt[64];
    bool touched; // something stands in the line being edited
    char *plain;  // getline's
    size_t plain_capacity;
};

// ---- History -------------------------------------------------------------------------------------------------------

static bool folders_make(char *path) // all but the last part; path is given back as it was
{
    for (char *at = path + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        bool failed = mkdir(path, 0700) && errno != EEXIST;
        *at = '/';
        if (failed) return false;
    }
    return true;
}

static char *history_path(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    Bytes path = { 0 };
    if (state && *state) {
        bytes_text(&path, state);
    } else if (home && *home) {
        bytes_text(&path, home);
        bytes_put(&path, "/.local/state", 13);
    } else {
        return NULL;
    }
    bytes_put(&path, "/dure/history", 13);
    if (folders_make(path.at)) return path.at;
    bytes_free(&path);
    return NULL;
}

void line_remember(LineReader *reader, const char *text)
{
    if (!reader->edit || !*text) return;
    size_t n = strlen(text);
    wchar_t *wide = need(calloc(n + 1, sizeof *wide));
    if (mbstowcs(wide, text, n) != (size_t)-1) {
        HistEventW event;
        history_w(reader->history, &event, H_ENTER, wide);
        if (reader->history_file) history_w(reader->history, &event, H_SAVE, reader->history_file);
    }
    free(wide);
}

// ---- Reading by libedit --------------------------------------------------------------------------------------------

static volatile sig_atomic_t was_resized, was_continued; // handlers have no other way

static void on_resize(int signal_number)
{
    if (signal_number == SIGWINCH)
        was_resized = 1;
    else
        was_continued = 1;
}

static void handle(int signal_number, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler };
    sigemptyset(&action.sa_mask);
    sigaction(signal_number, &action, NULL);
}

static wchar_t *prompt_of(EditLine *edit)
{
    void *reader = NULL;
    el_wget(edit, EL_CLIENTDATA, &reader);
    return ((LineReader *)reader)->prompt;
}

static void terminal_changes(EditLine *edit)
{
    if (was_resized) el_resize(edit);
    if (was_continued) {
        el_wset(edit, EL_PREP_TERM, 0); // libedit believes it raw; the shell has had it in between
        el_wset(edit, EL_PREP_TERM, 1);
        el_wset(edit, EL_REFRESH);
    }
    was_resized = was_continued = 0;
}

// Waits for a byte of standard input. The signals that matter are blocked but for this wait, so none can come unseen
// between looking for it and waiting. False: interrupted.
static bool byte_awaited(EditLine *edit)
{
    sigset_t none;
    sigemptyset(&none);
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    for (int got = -1; got < 0;) {
        if (interrupted()) return false;
        if (was_resized || was_continued) terminal_changes(edit);
        got = ppoll(&input, 1, NULL, &none);
        if (got < 0 && errno != EINTR) return true; // read will tell
    }
    return true;
}

// One character for libedit: 1, 0 at the end of input, -1 when interrupted. What is not UTF-8 becomes U+FFFD.
static int character_read(EditLine *edit, wchar_t *out)
{
    void *client = NULL;
    el_wget(edit, EL_CLIENTDATA, &client);
    mbstate_t state = { 0 };
    for (;;) {
        char byte;
        ssize_t got = byte_awaited(edit) ? read(STDIN_FILENO, &byte, 1) : -1;
        if (got <= 0) {
            const LineInfoW *line = el_wline(edit);
            ((LineReader *)client)->touched = line->lastchar > line->buffer;
            return (int)got;
        }
        size_t used = mbrtowc(out, &byte, 1, &state);
        if (used == (size_t)-2) continue; // more bytes belong to it
        if (used == (size_t)-1) *out = 0xFFFD;
        return 1;
    }
}

static const wchar_t *line_got(LineReader *reader, int *n)
{
    sigset_t ours, before;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGWINCH);
    sigaddset(&ours, SIGCONT);
    handle(SIGWINCH, on_resize);
    handle(SIGCONT, on_resize);
    sigprocmask(SIG_BLOCK, &ours, &before);
    el_wset(reader->edit, EL_PREP_TERM, 1); // before the prompt, or what is typed at once would be echoed twice
    const wchar_t *line = el_wgets(reader->edit, n);
    sigprocmask(SIG_SETMASK, &before, NULL);
    handle(SIGWINCH, SIG_DFL);
    handle(SIGCONT, SIG_DFL);
    return line;
}

static LineEnd line_edit(LineReader *reader, const char *prompt, Bytes *out)
{
    const char *bold = colour(STDOUT_FILENO, COLOUR_PROMPT), *plain = colour(STDOUT_FILENO, COLOUR_NONE);
    int blank = (int)strlen(prompt) - 1;
    // \1 encloses what takes no room on the screen; behind the last such part libedit needs a character, the blank.
    swprintf(reader->prompt, COUNT(reader->prompt), *bold ? L"\1%s\1%.*s\1%s\1 " : L"%s%.*s%s ", bold, blank, prompt,
             plain);
    int n = 0;
    const wchar_t *line = line_got(reader, &n);
    if (!line || n <= 0) {
        el_wset(reader->edit, EL_PREP_TERM, 0);
        el_reset(reader->edit);
        fputs("\n", stdout);
        fflush(stdout);
        if (!interrupted()) return LINE_OVER;
        return reader->touched ? LINE_INTERRUPTED : LINE_INTERRUPTED_EMPTY;
    }
    for (int i = 0; i < n && line[i] != L'\n'; i++) {
        char bytes[16]; // MB_LEN_MAX
        mbstate_t state = { 0 };
        size_t used = wcrtomb(bytes, line[i], &state);
        if (used != (size_t)-1) bytes_put(out, bytes, used);
    }
    return LINE_TEXT;
}

static LineEnd line_plain(LineReader *reader, Bytes *out)
{
    errno = 0;
    ssize_t n = getline(&reader->plain, &reader->plain_capacity, stdin);
    if (n < 0 && errno == ENOMEM) need(NULL);
    if (n < 0) return interrupted() ? LINE_INTERRUPTED : LINE_OVER;
    if (n && reader->plain[n - 1] == '\n') n--;
    if (n && reader->plain[n - 1] == '\r') n--;
    bytes_put(out, reader->plain, (size_t)n);
    return LINE_TEXT;
}

LineEnd line_read(LineReader *reader, const char *prompt, Bytes *out)
{
    bytes_put(out, "", 0);
    return reader->edit ? line_edit(reader, prompt, out) : line_plain(reader, out);
}

LineReader *line_open(bool editing)
{
    LineReader *reader = need(calloc(1, sizeof *reader));
    if (!editing) return reader;
    reader->edit = need(el_init("dure", stdin, stdout, stderr));
    reader->history = need(history_winit());
    reader->history_file = history_path();
    HistEventW event;
    history_w(reader->history, &event, H_SETSIZE, HISTORY_LINES);
    history_w(reader->history, &event, H_SETUNIQUE, 1);
    if (reader->history_file) history_w(reader->history, &event, H_LOAD, reader->history_file);
    el_wset(reader->edit, EL_CLIENTDATA, reader);
    el_wset(reader->edit, EL_PROMPT_ESC, prompt_of, L'\1');
    el_wset(reader->edit, EL_HIST, history_w, reader->history);
    el_wset(reader->edit, EL_EDITOR, L"emacs");
    el_wset(reader->edit, EL_SIGNAL, 0);
    el_wset(reader->edit, EL_GETCFN, character_read);
    el_source(reader->edit, NULL); // ~/.editrc, if there is one
    return reader;
}

void line_close(LineReader *reader)
{
    if (reader->edit) el_end(reader->edit);
    if (reader->history) history_wend(reader->history);
    free(reader->history_file);
    free(reader->plain);
    free(reader);
}
