// Replies cut apart: the public face of text/'s parser for a model.
#include "engine/engine_internal.h"

_Static_assert((int)PARSER_START == DURE_OPEN_START && (int)PARSER_REASONING == DURE_OPEN_REASONING &&
                   (int)PARSER_CONTENT == DURE_OPEN_CONTENT,
               "where replies begin is the same inside and outside");

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

static Err parse(const DureModel *model, const DureReply *reply, const json_t *tools, Buf *out)
{
    const ParserOptions options = { .start = (ParserStart)reply->open,
                                    .tools = tools,
                                    .ends = model->ends,
                                    .end_count = (size_t)model->end_count,
                                    .by_text = !reply->ids };
    Parser *parser = NULL;
    ReplyMessage message = { 0 };
    Err e = parser_new(&parser, chat_reply_form(model->chat), model->tokenizer, &options);
    if (!e.code) e = put_all(parser, reply, &message);
    if (!e.code) reply_message_write(out, &message, parser_finish(parser));
    reply_message_free(&message);
    parser_free(parser);
    return e;
}

int dure_parse(const DureModel *model, const DureReply *reply, DureText *json, DureError *error)
{
    json_t *tools = NULL;
    Buf out = { 0 };
    if (!model->tokenizer) return api_return(error, &model->tokenizer_fault);
    if (!model->chat) return api_return(error, &model->chat_fault);
    Err e = reply->open < DURE_OPEN_START || reply->open > DURE_OPEN_CONTENT
                ? err(ERR_USAGE, "open is %d, which is no DureOpen", reply->open)
                : OK;
    if (!e.code && reply->tools) e = json_parse(&tools, str(reply->tools), JSON_NUL, "tools");
    if (!e.code && tools && !json_is_array(tools)) e = err(ERR_USAGE, "tools: must be a JSON array of functions");
    if (!e.code) e = parse(model, reply, tools, &out);
    json_decref(tools);
    return api_text(json, &out, e, error);
}
