// The border between Err, Buf and Ids inside and DureError, DureText and DureIds outside.
#include "engine/engine_internal.h"

#include <stdlib.h>

_Static_assert((int)ERR_USAGE == DURE_USAGE && (int)ERR_FILE == DURE_FILE && (int)ERR_FORMAT == DURE_FORMAT &&
                   (int)ERR_UNSUPPORTED == DURE_UNSUPPORTED && (int)ERR_MEMORY == DURE_MEMORY &&
                   (int)ERR_LIMIT == DURE_LIMIT && (int)ERR_CANCELLED == DURE_CANCELLED &&
                   (int)ERR_INTERNAL == DURE_INTERNAL,
               "codes inside and outside are the same numbers");
_Static_assert(sizeof((DureError){ 0 }.text) == sizeof((Err){ 0 }.text), "messages are copied whole");
_Static_assert((int)LOG_ERROR == DURE_LOG_ERROR && (int)LOG_WARNING == DURE_LOG_WARNING &&
                   (int)LOG_INFO == DURE_LOG_INFO && (int)LOG_DEBUG == DURE_LOG_DEBUG,
               "so are log levels");

int api_return(DureError *error, const Err *e)
{
    if (error) {
        error->code = (int)e->code;
        memcpy(error->text, e->text, sizeof error->text);
    }
    return (int)e->code;
}

int api_text(DureText *out, Buf *buf, Err e, DureError *error)
{
    if (!e.code && !buf->at) buf_text(buf, ""); // also an empty text has its NUL
    if (!e.code && (buf->failed || !buf->at)) e = err_memory("a text");
    if (e.code)
        buf_free(buf);
    else
        *out = (DureText){ .at = buf->at, .n = buf->n };
    return api_return(error, &e);
}

int api_ids(DureIds *out, Ids *ids, Err e, DureError *error)
{
    if (e.code)
        ids_free(ids);
    else
        *out = (DureIds){ .at = ids->at, .n = ids->n };
    return api_return(error, &e);
}

void dure_text_free(DureText *text)
{
    if (!text) return;
    free(text->at);
    *text = (DureText){ 0 };
}

void dure_ids_free(DureIds *ids)
{
    if (!ids) return;
    free(ids->at);
    *ids = (DureIds){ 0 };
}

const char *dure_version(void)
{
    return DURE_VERSION;
}

int dure_language(const char *language)
{
    return language_set(language) ? DURE_OK : DURE_UNSUPPORTED;
}

const char *dure_message(const char *english)
{
    return tr(english);
}
