// The budget of reasoning: after so many tokens of it, the mark that ends reasoning in the model's form of reply is forced, token by
// token, and the model goes on to its answer from there. What is reasoning the reply's parser says, so that marks found by id or
// by their letters, and reasoning that the prompt or the reply opens, are all the same here.
#include "engine/engine_internal.h"

static Err no_effect(DureEngine *engine, const char *form)
{
    if (!engine->told_thoughtless)
        log_say(&engine->model->log, LOG_WARNING,
                "%s: replies of this model (form %s) have no reasoning; think_budget has no effect",
                engine->model->path, form);
    engine->told_thoughtless = true;
    return OK;
}

Err thought_begin(Thought *thought, DureEngine *engine, ParserStart start, int64_t budget)
{
    const DureModel *model = engine->model;
    if (budget < 0) return OK;
    if (!model->tokenizer || !model->chat) return no_effect(engine, "unknown");
    const ReplyForm *form = chat_reply_form(model->chat);
    if (!form->reasoning_close) return no_effect(engine, form->name);
    const ParserOptions options = { .start = start, .ends = model->ends, .end_count = (size_t)model->end_count };
    thought->left = budget;
    Err e = tokenize(model->tokenizer, str(form->reasoning_close), &(TokenizeOptions){ 0 }, &thought->close);
    return e.code ? e : parser_new(&thought->parser, form, model->tokenizer, &options);
}

bool thought_forces(Thought *thought, int32_t *id)
{
    if (!thought->parser || !thought->close.n) return false;
    const bool begins = !thought->forced && !thought->closed && thought->left <= 0 && parser_thinks(thought->parser);
    if (!begins && !thought->forced) return false;
    *id = thought->close.at[thought->forced++];
    if (thought->forced < thought->close.n) return true;
    thought->forced = 0;
    thought->closed = true;
    return true;
}

// Marks do not count. If the mark was given and is none where it stands, it is not given again before reasoning has ended.
Err thought_put(Thought *thought, int32_t id)
{
    if (!thought->parser) return OK;
    const bool before = parser_thinks(thought->parser);
    Err e = parser_put(thought->parser, id);
    for (Delta delta; parser_next(thought->parser, &delta);) continue; // the caller's parser has them
    const bool after = parser_thinks(thought->parser);
    if (before && after) thought->left--;
    if (!after) thought->closed = false;
    return e;
}

void thought_free(Thought *thought)
{
    if (thought->parser) parser_free(thought->parser);
    ids_free(&thought->close);
    *thought = (Thought){ 0 };
}
