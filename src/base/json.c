// JSON through jansson: strict reading with our errors, and writing into a Buf.
#include "base/base.h"

#include <errno.h>
#include <stdlib.h>

static void blank_comments(char *text, size_t n)
{
    bool quoted = false;
    for (size_t i = 0; i < n; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (text[i] == '#' && !quoted)
            while (i < n && text[i] != '\n') text[i++] = ' ';
    }
}

// jansson calls most failed allocations a syntax error; only errno, set by malloc, tells.
static Err json_fault(const json_error_t *fault, int cause, const char *source)
{
    if (cause == ENOMEM || json_error_code(fault) == json_error_out_of_memory) return err_memory(source);
    return err(ERR_FORMAT, "%s: not valid JSON at line %d, column %d: %s", source, fault->line, fault->column,
               fault->text);
}

Err json_parse(json_t **out, Str text, JsonFlags flags, const char *source)
{
    size_t load = JSON_DECODE_ANY | (flags & JSON_UNIQUE ? JSON_REJECT_DUPLICATES : 0);
    if (flags & JSON_NUL) load |= JSON_ALLOW_NUL;
    json_error_t fault;
    char *copy = NULL;
    if (flags & JSON_COMMENTS && text.n && memchr(text.at, '#', text.n)) {
        copy = malloc(text.n);
        if (!copy) return err_memory(source);
        memcpy(copy, text.at, text.n);
        blank_comments(copy, text.n);
    }
    errno = 0;
    json_t *value = json_loadb(copy ? copy : text.n ? text.at : "", text.n, load, &fault);
    int cause = errno;
    free(copy);
    if (value && cause == ENOMEM) { // a string lost its end; a number read after it hides even that
        json_decref(value);
        return err_memory(source);
    }
    if (!value) return json_fault(&fault, cause, source);
    *out = value;
    return OK;
}

static int into_buf(const char *bytes, size_t n, void *buf)
{
    buf_put(buf, bytes, n);
    return ((Buf *)buf)->failed ? -1 : 0;
}

void json_write(Buf *out, const json_t *value, size_t dump_flags)
{
    if (json_dump_callback(value, into_buf, out, dump_flags | JSON_ENCODE_ANY)) out->failed = true;
}
