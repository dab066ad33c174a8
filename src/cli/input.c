// What comes in: files, standard input, JSON, ids, times. Everything here tells its own errors.
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// ---- Bytes ---------------------------------------------------------------------------------------------------------

static void bytes_room(Bytes *bytes, size_t more)
{
    if (bytes->capacity - bytes->n > more) return; // one for the NUL
    size_t capacity = bytes->capacity ? bytes->capacity : 256;
    while (capacity - bytes->n <= more) {
        if (capacity > SIZE_MAX / 2) need(NULL);
        capacity *= 2;
    }
    bytes->at = need(realloc(bytes->at, capacity));
    bytes->capacity = capacity;
}

void bytes_put(Bytes *bytes, const void *at, size_t n)
{
    bytes_room(bytes, n);
    if (n) memcpy(bytes->at + bytes->n, at, n);
    bytes->n += n;
    bytes->at[bytes->n] = 0;
}

void bytes_text(Bytes *bytes, const char *text)
{
    bytes_put(bytes, text, strlen(text));
}

void bytes_printf(Bytes *bytes, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n > 0) bytes_put(bytes, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
}

void bytes_free(Bytes *bytes)
{
    free(bytes->at);
    *bytes = (Bytes){ 0 };
}

bool ends_in(const char *text, const char *ending)
{
    const size_t n = strlen(text), m = strlen(ending);
    return n >= m && !strcmp(text + n - m, ending);
}

// ---- Files ---------------------------------------------------------------------------------------------------------

const char *input_name(const char *path)
{
    return strcmp(path, "-") ? path : tr("standard input");
}

char *path_expanded(const char *path)
{
    Bytes out = { 0 };
    const char *home = getenv("HOME");
    bool tilde = path[0] == '~' && path[1] == '/' && home;
    if (tilde) bytes_text(&out, home);
    bytes_text(&out, path + tilde);
    return out.at;
}

// Closes it.
static int stream_read(Bytes *out, FILE *file, const char *name, size_t most)
{
    Bytes bytes = { 0 };
    if (!file) return fail("%s: %s", name, tr(strerror(errno)));
    bytes_put(&bytes, "", 0);
    errno = 0;
    for (size_t got = 1; got && bytes.n <= most;) {
        char part[65536];
        got = fread(part, 1, sizeof part, file);
        bytes_put(&bytes, part, got);
    }
    const int fault = ferror(file) ? errno : 0;
    if (file != stdin) fclose(file);
    if (fault) {
        bytes_free(&bytes);
        return fail("%s: %s", name, tr(strerror(fault)));
    }
    *out = bytes;
    return EXIT_FINE;
}

int bytes_read(Bytes *out, const char *path, size_t most)
{
    return stream_read(out, fopen(path, "rb"), path, most);
}

int input_read(Bytes *out, const char *path)
{
    return strcmp(path, "-") ? bytes_read(out, path, SIZE_MAX) : stream_read(out, stdin, input_name(path), SIZE_MAX);
}

int json_replace(const char *path, const json_t *value, size_t flags)
{
    Bytes part = { 0 };
    bytes_text(&part, path);
    bytes_text(&part, ".part");
    errno = 0;
    FILE *file = fopen(part.at, "wb");
    bool fine = file && !json_dumpf(value, file, flags) && fputc('\n', file) != EOF;
    if (file && fclose(file)) fine = false;
    const int code = fine && !rename(part.at, path) ? EXIT_FINE : fail("%s: %s", path, tr(strerror(errno)));
    if (code && file) unlink(part.at);
    bytes_free(&part);
    return code;
}

int input_json(json_t **out, const char *path)
{
    Bytes text = { 0 };
    int code = input_read(&text, path);
    if (code) return code;
    json_error_t fault;
    json_t *value = json_loadb(text.at, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &fault);
    bytes_free(&text);
    if (!value)
        return fail("%s: not valid JSON at line %d, column %d: %s", input_name(path), fault.line, fault.column,
                    fault.text);
    *out = value;
    return EXIT_FINE;
}

static int ids_from(DureIds *out, const json_t *array, const char *source)
{
    if (!json_is_array(array)) return fail("%s: expected one JSON array of token ids", source);
    size_t n = json_array_size(array);
    int32_t *ids = need(malloc((n ? n : 1) * sizeof *ids));
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(array, i);
        json_int_t id = json_integer_value(item);
        if (!json_is_integer(item) || id < 0 || id > INT32_MAX) {
            free(ids);
            if (!json_is_integer(item)) return fail("%s: element %zu is not a whole number", source, i);
            return fail("%s: element %zu is %lld, which is no token id", source, i, (long long)id);
        }
        ids[i] = (int32_t)id;
    }
    *out = (DureIds){ ids, n };
    return EXIT_FINE;
}

int input_ids(DureIds *out, const char *path)
{
    json_t *array = NULL;
    int code = input_json(&array, path);
    if (code) return code;
    code = ids_from(out, array, input_name(path));
    json_decref(array);
    return code;
}

void input_ids_free(DureIds *ids)
{
    free(ids->at);
    *ids = (DureIds){ 0 };
}

void out_ids(const DureIds *ids)
{
    Bytes text = { 0 };
    bytes_put(&text, "[", 1);
    for (size_t i = 0; i < ids->n; i++) bytes_printf(&text, i ? ", %d" : "%d", ids->at[i]);
    bytes_put(&text, "]\n", 2);
    out_write(text.at, text.n);
    bytes_free(&text);
}

int out_json(json_t *value, size_t flags)
{
    char *text = value ? json_dumps(value, flags) : NULL;
    json_decref(value);
    if (!text) return fail("the answer is not valid UTF-8 and cannot be given as JSON");
    out_write(text, strlen(text));
    out_write("\n", 1);
    free(text);
    return EXIT_FINE;
}

// ---- Prompts -------------------------------------------------------------------------------------------------------

int utf8_check(const char *text, size_t n, const char *what)
{
    json_t *asked = json_stringn(text, n); // refuses what is not UTF-8
    if (!asked)
        return fail("%s is not valid UTF-8; convert it first, for example with iconv -f CP949 -t UTF-8", tr(what));
    json_decref(asked);
    return EXIT_FINE;
}

int input_prompt(Bytes *out, const Options *o, const char **source)
{
    const char *argument = o->rest_count ? o->rest[0] : NULL;
    if (!!argument + !!o->prompt + !!o->file > 1)
        return usage("give the prompt once: as an argument, by --prompt or by --file");
    const char *path = o->file ? o->file : argument && !strcmp(argument, "-") ? "-" : NULL;
    const char *text = o->prompt ? o->prompt : path ? NULL : argument;
    if (!text && !path) {
        if (isatty(STDIN_FILENO))
            return usage("give a prompt: as an argument, by --prompt, by --file or on standard input");
        path = "-";
    }
    *source = text ? tr("the prompt") : input_name(path);
    if (path) return input_read(out, path);
    *out = (Bytes){ 0 };
    bytes_text(out, text);
    return EXIT_FINE;
}

int input_messages(json_t **messages, json_t **tools, const char *path)
{
    json_t *root = NULL;
    int code = input_json(&root, path);
    if (code) return code;
    json_t *list = json_is_object(root) ? json_object_get(root, "messages") : root;
    json_t *offered = json_is_object(root) ? json_object_get(root, "tools") : NULL;
    if (!json_is_array(list)) {
        code = fail("%s: expected an array of messages or an object with \"messages\"", input_name(path));
    } else {
        *messages = json_incref(list);
        *tools = json_is_null(offered) ? NULL : json_incref(offered);
    }
    json_decref(root);
    return code;
}

void message_add(json_t *messages, const char *role, const char *text, size_t n)
{
    json_t *message = need(json_pack("{s:s, s:s%}", "role", role, "content", text, n));
    if (json_array_append_new(messages, message)) need(NULL);
}

// ---- Time ----------------------------------------------------------------------------------------------------------

// Two digits at *text; moves behind them. -1: not two digits, or more than `most`.
static int two_digits(const char **text, int most)
{
    const char *at = *text;
    if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9') return -1;
    int value = (at[0] - '0') * 10 + at[1] - '0';
    *text += 2;
    return value <= most ? value : -1;
}

static bool time_clock(struct tm *t, const char **at)
{
    if (**at != 'T' && **at != ' ') return true; // a date alone: midnight
    ++*at;
    if ((t->tm_hour = two_digits(at, 23)) < 0 || *(*at)++ != ':' || (t->tm_min = two_digits(at, 59)) < 0) return false;
    if (**at != ':') return true;
    ++*at;
    if ((t->tm_sec = two_digits(at, 60)) < 0) return false;
    if (**at == '.') *at += 1 + strspn(*at + 1, "0123456789"); // fractions of a second are no matter here
    return true;
}

// "+09:00", "+0900", "+09", "Z", or nothing: the local zone, of which *local is then set.
static bool time_zone(int32_t *offset, bool *local, const char **at)
{
    *local = !**at;
    *offset = 0;
    if (*local) return true;
    if (**at == 'Z') return ++*at, true;
    if (**at != '+' && **at != '-') return false;
    int sign = *(*at)++ == '-' ? -1 : 1, hours = two_digits(at, 23), minutes = 0;
    if (hours < 0) return false;
    if (**at == ':') ++*at;
    if (**at && (minutes = two_digits(at, 59)) < 0) return false;
    *offset = sign * (hours * 3600 + minutes * 60);
    return true;
}

static int32_t local_offset(time_t when)
{
    struct tm local;
    return localtime_r(&when, &local) ? (int32_t)local.tm_gmtoff : 0;
}

int time_parse(int64_t *seconds, int32_t *utc_offset, const char *text)
{
    if (!text) {
        time_t now = time(NULL);
        *seconds = now;
        *utc_offset = local_offset(now);
        return EXIT_FINE;
    }
    struct tm t = { .tm_isdst = -1 };
    const char *at = text;
    bool fine = strspn(text, "0123456789") == 4;
    if (fine) {
        t.tm_year = (int)strtol(text, NULL, 10) - 1900; // four digits
        at = text + 4;
        fine = *at++ == '-' && (t.tm_mon = two_digits(&at, 12) - 1) >= 0 && *at++ == '-' &&
               (t.tm_mday = two_digits(&at, 31)) > 0 && time_clock(&t, &at);
    }
    bool local = false;
    int day = t.tm_mday;
    fine = fine && time_zone(utc_offset, &local, &at) && !*at;
    time_t when = fine ? (local ? mktime(&t) : timegm(&t)) : 0;
    if (!fine || t.tm_mday != day) // 31 February was carried over
        return usage("--now takes a time as 2026-01-31T09:30:00+09:00, not \"%s\"", text);
    if (local) *utc_offset = local_offset(when);
    *seconds = (int64_t)when - (local ? 0 : *utc_offset);
    return EXIT_FINE;
}
