// Replies cut apart: the public face of text/'s parser for a model.
#include "engine/engine_internal.h"

#include <stdlib.h>

_Static_assert((int)PARSER_START == DURE_OPEN_START && (int)PARSER_REASONING == DURE_OPEN_REASONING &&
                   (int)PARSER_CONTENT == DURE_OPEN_CONTENT,
               "where replies begin is the same inside and outside");
_Static_assert((int)DELTA_REASONING == DURE_DELTA_REASONING && (int)DELTA_CONTENT == DURE_DELTA_CONTENT &&
                   (int)DELTA_CALL == DURE_DELTA_CALL && (int)DELTA_ARGUMENTS == DURE_DELTA_ARGUMENTS &&
                   (int)DELTA_CALL_END == DURE_DELTA_CALL_END && (int)DELTA_PARTIAL == DURE_DELTA_PARTIAL,
               "so are deltas");

struct DureParser {
    Parser *parser;
    json_t *tools;
    bool by_text;
};

// ---- While the reply comes -----------------------------------------------------------------------------------------

static Err tools_read(json_t **out, const char *text)
{
    Err e = text ? json_parse(out, str(text), JSON_NUL, "tools") : OK;
    if (e.code || !*out) return e;
    if (!json_is_array(*out)) return err(ERR_USAGE, "tools: must be a JSON array of functions");
    for (size_t i = 0; i < json_array_size(*out); i++)
        if (!json_is_object(json_array_get(*out, i))) return err(ERR_USAGE, "tools[%zu]: must be an object", i);
    return OK;
}

static Err parser_fill(DureParser *p, const DureModel *model, const DureParserOptions *o)
{
    if (!model->tokenizer) return model->tokenizer_fault;
    if (!model->chat) return model->chat_fault;
    if (o->open < DURE_OPEN_START || o->open > DURE_OPEN_CONTENT)
        return err(ERR_USAGE, "open is %d, which is no DureOpen", o->open);
    Err e = tools_read(&p->tools, o->tools);
    if (e.code) return e;
    p->by_text = o->by_text;
    const ParserOptions options = { .start = (ParserStart)o->open,
                                    .tools = p->tools,
                                    .ends = model->ends,
                                    .end_count = (size_t)model->end_count,
                                    .by_text = o->by_text,
                                    .stops = o->stop,
                                    .drop_special = o->drop_special };
    return parser_new(&p->parser, chat_reply_form(model->chat), model->tokenizer, &options);
}

int dure_parser_new(DureParser **out, const DureModel *model, const DureParserOptions *options, DureError *error)
{
    static const DureParserOptions plain = { 0 };
    DureParser *p = calloc(1, sizeof *p);
    Err e = p ? parser_fill(p, model, options ? options : &plain) : err_memory("a parser");
    if (e.code)
        dure_parser_free(p);
    else
        *out = p;
    return api_return(error, &e);
}

void dure_parser_free(DureParser *p)
{
    if (!p) return;
    parser_free(p->parser);
    json_decref(p->tools);
    free(p);
}

int dure_parser_put(DureParser *p, const int32_t *ids, size_t n, DureError *error)
{
    Err e = p->by_text ? err(ERR_USAGE, "the parser was made for text; feed it with dure_parser_put_text") : OK;
    for (size_t i = 0; i < n && !e.code; i++) e = parser_put(p->parser, ids[i]);
    return api_return(error, &e);
}

int dure_parser_put_text(DureParser *p, const char *text, size_t n, DureError *error)
{
    Err e = p->by_text ? OK : err(ERR_USAGE, "the parser was made for tokens; feed it with dure_parser_put");
    if (!e.code && n) e = parser_put_text(p->parser, (Str){ text, n });
    return api_return(error, &e);
}

int dure_parser_over(const DureParser *p)
{
    return parser_over(p->parser);
}

int dure_parser_end(DureParser *p, int stopped, DureError *error)
{
    Err e = parser_end(p->parser, stopped);
    return api_return(error, &e);
}

int dure_parser_next(DureParser *p, DureDelta *out)
{
    Delta delta;
    if (!parser_next(p->parser, &delta)) return 0;
    *out = (DureDelta){
        .kind = (DureDeltaKind)delta.kind, delta.call, delta.text.at, delta.text.n, delta.id.at, delta.id.n
    };
    return 1;
}

int dure_reply_open(const DureModel *model, const char *messages, size_t n, const DureRenderOptions *options, int *open,
                    DureError *error)
{
    ParserStart start;
    Err e = model_render(model, api_str(messages, n), options, &(RenderTo){ .start = &start });
    if (!e.code) *open = (int)start;
    return api_return(error, &e);
}

// ---- A whole reply -------------------------------------------------------------------------------------------------

static Err drain(Parser *parser, ReplyMessage *message)
{
    Err e = OK;
    for (Delta delta; !e.code && parser_next(parser, &delta);) e = reply_message_add(message, &delta);
    return e;
}

static Err put_all(Parser *parser, const DureReply *reply, ReplyMessage *message)
{
    Err e = OK;
    for (size_t i = 0; reply->ids && i < reply->id_count && !e.code; i++) {
        e = parser_put(parser, reply->ids[i]);
        if (!e.code) e = drain(parser, message);
    }
    if (!e.code && !reply->ids && reply->n) e = parser_put_text(parser, (Str){ reply->text, reply->n });
    if (!e.code) e = drain(parser, message);
    if (!e.code) e = parser_end(parser, false);
    return e.code ? e : drain(parser, message);
}

static Err ids_check(const DureModel *model, const DureReply *reply)
{
    const int32_t most = tokenizer_size(model->tokenizer);
    for (size_t i = 0; reply->ids && i < reply->id_count; i++)
        if (reply->ids[i] < 0 || reply->ids[i] >= most)
            return err(ERR_USAGE, "element %zu is %d, but the model's tokens are 0 to %d", i, reply->ids[i], most - 1);
    return OK;
}

int dure_parse(const DureModel *model, const DureReply *reply, DureText *json, DureError *error)
{
    const DureParserOptions options = { .open = reply->open, .tools = reply->tools, .by_text = !reply->ids };
    DureParser *p = NULL;
    ReplyMessage message = { 0 };
    Buf out = { 0 };
    const int code = dure_parser_new(&p, model, &options, error);
    if (!p) return code;
    Err e = ids_check(model, reply);
    if (!e.code) e = put_all(p->parser, reply, &message);
    if (!e.code) reply_message_write(&out, &message, parser_finish(p->parser));
    reply_message_free(&message);
    dure_parser_free(p);
    return api_text(json, &out, e, error);
}
