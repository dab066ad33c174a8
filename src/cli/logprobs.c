// Log-probabilities as OpenAI's API has them: {"token", "id", "logprob", "bytes", "top_logprobs": [...]} for each token.
#include "cli.h"

#include <math.h>

// The token's text. Part of a character has no text of its own: then its bytes, written as \xNN.
static json_t *token_text(const DureText *text)
{
    json_t *string = json_stringn(text->at, text->n);
    if (string) return string;
    Bytes shown = { 0 };
    for (size_t i = 0; i < text->n; i++) bytes_printf(&shown, "\\x%02x", (unsigned char)text->at[i]);
    string = need(json_stringn(shown.at, shown.n));
    bytes_free(&shown);
    return string;
}

static json_t *entry(const DureModel *model, const DureLogprob *logprob)
{
    DureText text = { 0 };
    DureError error;
    json_t *bytes = need(json_array());
    const int code =
        dure_token_text(model, logprob->id, &text, &error); // a model without a tokenizer has no text to ask by
    for (size_t i = 0; !code && i < text.n; i++)
        if (json_array_append_new(bytes, json_integer((unsigned char)text.at[i]))) need(NULL);
    const double least = -9999; // what the API has for tokens that are impossible: JSON knows no infinity
    json_t *object = need(json_pack("{s:o, s:i, s:f, s:o}", "token", code ? json_null() : token_text(&text), "id",
                                    (int)logprob->id, "logprob", fmax(logprob->logprob, least), "bytes", bytes));
    if (!code) dure_text_free(&text);
    return object;
}

void logprobs_add(json_t *list, const DureModel *model, const DureEvent *event)
{
    for (size_t i = 0; i < event->tokens; i++) {
        const DureLogprob *row = event->logprobs + i * event->each;
        json_t *token = entry(model, row), *top = need(json_array());
        for (size_t j = 1; j < event->each; j++)
            if (json_array_append_new(top, entry(model, row + j))) need(NULL);
        if (json_object_set_new(token, "top_logprobs", top) || json_array_append_new(list, token)) need(NULL);
    }
}
