// Text to tokens and back, and rendered conversations: the public face of text/ for a model.
#include "engine/engine_internal.h"

#include <stdlib.h>

Err model_tokenize(const DureModel *model, Str text, int flags, Ids *out)
{
    if (!model->tokenizer) return model->tokenizer_fault;
    if (flags & ~(DURE_NO_SPECIAL | DURE_PLAIN))
        return err(ERR_USAGE, "flags has %d, but only DURE_NO_SPECIAL and DURE_PLAIN have a meaning", flags);
    const TokenizeOptions options = { .add_special = !flags, .plain = flags & DURE_PLAIN };
    return tokenize(model->tokenizer, text, &options, out);
}

static Err optional_json(json_t **out, const char *text, const char *name)
{
    return text ? json_parse(out, str(text), JSON_NUL, name) : OK;
}

static Err render(const DureModel *model, Str messages, const DureRenderOptions *options, Rendered *out)
{
    json_t *list = NULL, *tools = NULL, *kwargs = NULL;
    Err e = json_parse(&list, messages, JSON_NUL, "messages");
    if (!e.code) e = optional_json(&tools, options->tools, "tools");
    if (!e.code) e = optional_json(&kwargs, options->kwargs, "kwargs");
    if (!e.code && tools && !json_is_array(tools)) e = err(ERR_USAGE, "tools: must be a JSON array of functions");
    if (!e.code && kwargs && !json_is_object(kwargs)) e = err(ERR_USAGE, "kwargs: must be a JSON object");
    const ChatOptions chat = { .tools = tools,
                               .kwargs = kwargs,
                               .now = { .seconds = options->now, .utc_offset = options->utc_offset },
                               .add_generation_prompt = !options->no_generation_prompt };
    if (!e.code) e = chat_render(model->chat, list, &chat, out);
    json_decref(list);
    json_decref(tools);
    json_decref(kwargs);
    return e;
}

Err model_render(const DureModel *model, Str messages, const DureRenderOptions *options, const RenderTo *out)
{
    static const DureRenderOptions plain = { 0 };
    Rendered rendered = { 0 };
    if (!model->chat) return model->chat_fault;
    Err e = render(model, messages, options ? options : &plain, &rendered);
    if (!e.code && out->start) *out->start = reply_start(chat_reply_form(model->chat), &rendered);
    if (!e.code && out->ids) {
        const TokenizeOptions tokens = { .messages = rendered.messages, .message_count = rendered.message_count };
        e = tokenize(model->tokenizer, buf_str(&rendered.text), &tokens, out->ids);
    }
    if (!e.code && out->text) {
        *out->text = rendered.text;
        rendered.text = (Buf){ 0 };
    }
    rendered_free(&rendered);
    return e;
}

int dure_tokenize(const DureModel *model, const char *text, size_t n, int flags, DureIds *out, DureError *error)
{
    Ids ids = { 0 };
    Err e = model_tokenize(model, api_str(text, n), flags, &ids);
    return api_ids(out, &ids, e, error);
}

int dure_detokenize(const DureModel *model, const int32_t *ids, size_t n, int keep_special, DureText *out,
                    DureError *error)
{
    Buf text = { 0 };
    Err e = model->tokenizer ? detokenize(model->tokenizer, ids, n, keep_special, &text) : model->tokenizer_fault;
    return api_text(out, &text, e, error);
}

int dure_token_text(const DureModel *model, int32_t id, DureText *out, DureError *error)
{
    Buf text = { 0 };
    if (!model->tokenizer) return api_return(error, &model->tokenizer_fault);
    const Str token = tokenizer_token(model->tokenizer, id);
    buf_put(&text, token.at, token.n);
    return api_text(out, &text, OK, error);
}

int dure_render(const DureModel *model, const char *messages, size_t n, const DureRenderOptions *options,
                DureText *text, DureIds *ids, DureError *error)
{
    Buf rendered = { 0 };
    Ids tokens = { 0 };
    Err e = model_render(model, api_str(messages, n), options,
                         &(RenderTo){ .text = text ? &rendered : NULL, .ids = ids ? &tokens : NULL });
    if (!e.code && text && api_text(text, &rendered, OK, error)) {
        ids_free(&tokens);
        return DURE_MEMORY;
    }
    if (e.code) buf_free(&rendered);
    return ids ? api_ids(ids, &tokens, e, error) : api_return(error, &e);
}
