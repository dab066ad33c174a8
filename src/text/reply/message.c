// A whole reply, joined from the deltas of a parser, and as JSON.
#include "text/reply/reply_internal.h"

#include <stdlib.h>

static void call_free(ReplyCall *call)
{
    buf_free(&call->id);
    buf_free(&call->name);
    buf_free(&call->arguments);
}

static Err add_call(ReplyMessage *m, const Delta *delta)
{
    if (m->call_count == m->call_capacity) {
        const size_t capacity = m->call_capacity ? 2 * m->call_capacity : 4;
        ReplyCall *calls = realloc(m->calls, capacity * sizeof *calls);
        if (!calls) return err_memory("a reply's calls");
        m->calls = calls;
        m->call_capacity = capacity;
    }
    ReplyCall *call = &m->calls[m->call_count++];
    *call = (ReplyCall){ 0 };
    m->calling = true;
    buf_put(&call->name, delta->text.at, delta->text.n);
    buf_put(&call->id, delta->id.at, delta->id.n);
    return call->name.failed || call->id.failed ? err_memory("a reply's calls") : OK;
}

static Err add_text(Buf *to, Str text)
{
    buf_put(to, text.at, text.n);
    return to->failed ? err_memory("a reply") : OK;
}

Err reply_message_add(ReplyMessage *m, const Delta *delta)
{
    switch (delta->kind) {
    case DELTA_REASONING:
        m->reasoned = true;
        return add_text(&m->reasoning, delta->text);
    case DELTA_CONTENT:
        return add_text(&m->content, delta->text);
    case DELTA_CALL:
        return add_call(m, delta);
    case DELTA_ARGUMENTS:
        return m->calling ? add_text(&m->calls[m->call_count - 1].arguments, delta->text) : OK;
    case DELTA_CALL_END:
        m->calling = false;
        return OK;
    case DELTA_PARTIAL:
        break;
    }
    if (m->calling) call_free(&m->calls[--m->call_count]);
    m->calling = false;
    m->is_partial = true;
    return add_text(&m->partial, delta->text);
}

void reply_message_free(ReplyMessage *m)
{
    buf_free(&m->reasoning);
    buf_free(&m->content);
    buf_free(&m->partial);
    for (size_t i = 0; i < m->call_count; i++) call_free(&m->calls[i]);
    free(m->calls);
    *m = (ReplyMessage){ 0 };
}

static void put_text(Buf *out, const char *before, bool is_text, const Buf *text)
{
    buf_text(out, before);
    if (is_text)
        json_quoted(out, buf_str(text));
    else
        buf_text(out, "null");
}

void reply_message_write(Buf *out, const ReplyMessage *m, ReplyFinish finish)
{
    static const char *const names[] = {
        [FINISH_LENGTH] = "length", [FINISH_STOP] = "stop", [FINISH_CALLS] = "tool_calls"
    };
    put_text(out, "{\"message\": {\"role\": \"assistant\", \"content\": ", true, &m->content);
    put_text(out, ", \"reasoning_content\": ", m->reasoned, &m->reasoning);
    buf_text(out, ", \"tool_calls\": [");
    for (size_t i = 0; i < m->call_count; i++) {
        const ReplyCall *call = &m->calls[i];
        buf_text(out, i ? ", {" : "{");
        if (call->id.n) put_text(out, "\"id\": ", true, &call->id);
        buf_text(out, call->id.n ? ", \"type\": \"function\"" : "\"type\": \"function\"");
        put_text(out, ", \"function\": {\"name\": ", true, &call->name);
        put_text(out, ", \"arguments\": ", true, &call->arguments);
        buf_text(out, "}}");
    }
    buf_printf(out, "]}, \"finish_reason\": \"%s\", \"partial\": ", names[finish]);
    put_text(out, "", m->is_partial, &m->partial);
    buf_char(out, '}');
}
