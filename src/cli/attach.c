// Files of text within messages: a block between a line that names the file and a closing line. The fence is longer than
// any row of backticks in the file, so that no file can close its own block.
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ATTACH_MOST = 16 << 20 }; // bytes; far more than a context holds

static int text_read(Bytes *out, const char *path)
{
    struct stat about;
    if (stat(path, &about)) return fail("%s: %s", path, tr(strerror(errno)));
    if (S_ISDIR(about.st_mode)) return fail("%s is a folder; name the files in it that are meant", path);
    const int code = bytes_read(out, path, ATTACH_MOST);
    if (code) return code;
    if (out->n > ATTACH_MOST) return fail("%s has more than 16 MiB; give a part of it", path);
    if (memchr(out->at, 0, out->n)) return fail("%s holds zero bytes, so it is no text", path);
    return utf8_check(out->at, out->n, path);
}

// One more backtick than the longest row of them, at least three.
static size_t fence_length(const Bytes *text)
{
    size_t longest = 2, row = 0;
    for (size_t i = 0; i < text->n; i++) {
        row = text->at[i] == '`' ? row + 1 : 0;
        if (row > longest) longest = row;
    }
    return longest + 1;
}

static void fence_put(Bytes *out, size_t length)
{
    while (length--) bytes_put(out, "`", 1);
}

int attach_put(Bytes *out, const char *path)
{
    Bytes text = { 0 };
    int code = utf8_check(path, strlen(path), "the name of the file to attach");
    if (!code) code = text_read(&text, path);
    if (!code) {
        const size_t fence = fence_length(&text);
        fence_put(out, fence);
        for (const char *at = path; *at; at++) bytes_put(out, (unsigned char)*at < ' ' || *at == '`' ? "?" : at, 1);
        bytes_put(out, "\n", 1);
        bytes_put(out, text.at, text.n);
        if (text.n && text.at[text.n - 1] != '\n') bytes_put(out, "\n", 1);
        fence_put(out, fence);
    }
    bytes_free(&text);
    return code;
}

int attach_files(Bytes *out, const TextList *paths)
{
    int code = EXIT_FINE;
    for (size_t i = 0; i < paths->n && !code; i++) {
        bytes_put(out, "\n\n", out->n ? 2 : 0);
        code = attach_put(out, paths->at[i]);
    }
    return code;
}

// ---- Words of a message --------------------------------------------------------------------------------------------

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n';
}

// What may stand right behind a file's name: punctuation, or what is no ASCII, as a Korean particle.
static bool may_follow(char c)
{
    return (unsigned char)c >= 0x80 || (c && strchr(".,;:!?)]}>'\"", c));
}

// The name without the last of what may follow one: a mark, or all behind its last ASCII character. 0: there is none.
static size_t name_shorter(const char *name, size_t n)
{
    const bool letters = (unsigned char)name[n - 1] >= 0x80;
    if (!may_follow(name[n - 1])) return 0;
    do n--;
    while (letters && n && (unsigned char)name[n - 1] >= 0x80);
    return n;
}

// The path of a file that @path or @"path" at `at` names, by malloc, and how many bytes the word takes; NULL: it names none. The
// longest name counts; a shorter one must be a plain file.
static char *word_path(const char *at, size_t *taken, mode_t *mode)
{
    const bool quoted = at[1] == '"';
    const char *from = at + 1 + quoted;
    const size_t n = strcspn(from, quoted ? "\"\n" : " \t\n");
    if (n >= PATH_MAX || (quoted && from[n] != '"')) return NULL;
    if (quoted && from[n + 1] && !is_blank(from[n + 1]) && !may_follow(from[n + 1])) return NULL;
    for (size_t m = n; m; m = quoted ? 0 : name_shorter(from, m)) {
        struct stat about;
        char *word = need(strndup(from, m)), *path = path_expanded(word);
        free(word);
        if (!stat(path, &about) && (m == n || S_ISREG(about.st_mode))) {
            *taken = (size_t)(from - at) + m + quoted;
            *mode = about.st_mode;
            return path;
        }
        free(path);
    }
    return NULL;
}

// The word at `at` becomes its file's block, on lines of its own. *taken: bytes of the text that it stands for; 0: it
// names no file.
static int word_attach(Bytes *out, const char *at, size_t *taken)
{
    mode_t mode;
    size_t n;
    char *path = word_path(at, &n, &mode);
    int code = EXIT_FINE;
    *taken = 0;
    if (!path) return EXIT_FINE;
    while (out->n && (out->at[out->n - 1] == ' ' || out->at[out->n - 1] == '\t')) out->at[--out->n] = 0;
    if (out->n && out->at[out->n - 1] != '\n') bytes_put(out, "\n", 1);
    if (!S_ISREG(mode) && !S_ISDIR(mode)) // reading a pipe might never end
        code = fail("%s is no plain file", path);
    else
        code = attach_put(out, path);
    n += strspn(at + n, " \t");
    if (at[n] && at[n] != '\n') bytes_put(out, "\n", 1);
    *taken = n;
    free(path);
    return code;
}

int attach_words(Bytes *text)
{
    Bytes out = { 0 };
    int code = EXIT_FINE;
    bytes_put(&out, "", 0);
    for (size_t i = 0, taken; i < text->n && !code; i += taken) {
        const char *at = text->at + i;
        taken = 0;
        if (*at == '@' && (!i || is_blank(at[-1]))) {
            if (at[1] == '@')
                i++; // the second one is meant
            else
                code = word_attach(&out, at, &taken);
        }
        if (!taken && !code) {
            bytes_put(&out, text->at + i, 1);
            taken = 1;
        }
    }
    if (code) {
        bytes_free(&out);
        return code;
    }
    bytes_free(text);
    *text = out;
    return EXIT_FINE;
}
