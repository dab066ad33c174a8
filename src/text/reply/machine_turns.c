// Replies of HyperCLOVA X SEED Think 14B: up to three turns, told apart by what follows the role.
//   "/think\n" reasoning | "\n" answer | " -> tool/function_call\n" [calls], each ended by <|im_end|>
// and between turns "\n<|im_start|>assistant". A list that is none is content as written. Where the model's files name <|im_end|>
// as an end, it ends the reply behind an answer and behind calls; behind reasoning the reply goes on in any case.
#include "text/reply/reply_internal.h"

enum { STATE_START, STATE_HEADER, STATE_REASONING, STATE_CONTENT, STATE_CALLS, STATE_BETWEEN };

static const char *const starts[] = { "/think\n", "\n", " -> tool/function_call\n", NULL };
static const char *const headers[] = { "assistant/think\n", "assistant\n", "assistant -> tool/function_call\n", NULL };
static const int states[] = { STATE_REASONING, STATE_CONTENT, STATE_CALLS }; // that the words of both begin

static void enter(Parser *p, int state)
{
    p->state = state;
    p->lead = true;
    p->newlines = 0;
    p->word.n = 0;
    if (state == STATE_REASONING) parser_text(p, DELTA_REASONING, str(""));
}

static void turns_begin(Parser *p, ParserStart start)
{
    enter(p, start == PARSER_REASONING ? STATE_REASONING : start == PARSER_CONTENT ? STATE_CONTENT : STATE_START);
}

static void turns_text(Parser *p, Str text);

static void word_text(Parser *p, Str text)
{
    size_t which = 0, skip = 0;
    const char *const *words = p->state == STATE_START ? starts : headers;
    buf_put(&p->word, text.at, text.n);
    if (p->word.failed) return;
    const Str word = buf_str(&p->word);
    const WordFit fit = word_fit(word, words, &which);
    if (fit == WORD_UNDECIDED) return;
    if (fit == WORD_WHOLE) skip = strlen(words[which]);
    enter(p, fit == WORD_WHOLE ? states[which] : STATE_CONTENT);
    if (word.n > skip)
        turns_text(p, (Str){ word.at + skip, word.n - skip }); // no state reached here writes to the word
}

static void turns_text(Parser *p, Str text)
{
    if (p->state == STATE_BETWEEN) {
        while (text.n && *text.at == '\n') text.at++, text.n--;
        if (!text.n) return;
        enter(p, STATE_CONTENT);
    }
    if (p->state == STATE_START || p->state == STATE_HEADER)
        word_text(p, text);
    else if (p->state == STATE_REASONING)
        parser_reasoning(p, text);
    else if (p->state == STATE_CONTENT)
        parser_content(p, text);
    else
        parser_call_text(p, text);
}

// An undecided header is text.
static void end_word(Parser *p)
{
    const Str word = buf_str(&p->word);
    if ((p->state != STATE_START && p->state != STATE_HEADER) || !word.n) return;
    enter(p, STATE_CONTENT);
    parser_content(p, word);
}

static void end_calls(Parser *p, bool closed)
{
    const Str calls = buf_str(&p->call);
    if (call_json_list(p, calls)) {
        parser_call_clear(p);
    } else if (closed) {
        p->lead = true;
        parser_content(p, calls);
        parser_content_end(p, true);
    } else if (calls.n) {
        parser_partial(p, calls);
    }
    parser_call_clear(p);
}

static void turns_mark(Parser *p, const Mark *mark)
{
    end_word(p);
    if (mark->kind == MARK_TURN && (p->state == STATE_BETWEEN || p->state == STATE_START)) {
        enter(p, STATE_HEADER);
    } else if (mark->kind == MARK_TURN_END) {
        if (p->state == STATE_CONTENT) parser_content_end(p, true);
        if (p->state == STATE_CALLS) end_calls(p, true);
        p->turn_ended = p->state == STATE_CONTENT || p->state == STATE_CALLS;
        const bool over = mark->model_end && p->state != STATE_REASONING;
        enter(p, STATE_BETWEEN);
        if (over) parser_finish_reply(p);
    } else {
        turns_text(p, mark->text);
    }
}

static void turns_end(Parser *p)
{
    end_word(p);
    if (p->state == STATE_CONTENT) parser_content_end(p, true);
    if (p->state == STATE_CALLS) end_calls(p, false);
    if (p->state == STATE_BETWEEN && p->turn_ended) p->stopped = true; // a turn was closed, and no other one opened
}

static bool turns_thinks(const Parser *p)
{
    return p->state == STATE_REASONING;
}

const ReplyMachine machine_turns = { turns_begin, turns_text, turns_mark, turns_end, turns_thinks };

// ---- Ends that are none --------------------------------------------------------------------------------------------

Err reply_goes_on(bool *goes_on, const ReplyForm *form, const Tokenizer *tokenizer, const int32_t *ids, size_t n)
{
    *goes_on = false;
    if (form->machine != &machine_turns || !n || ids[n - 1] != tokenizer_id(tokenizer, str("<|im_end|>"))) return OK;
    const int32_t opens = tokenizer_id(tokenizer, str("<|im_start|>"));
    size_t at = n - 1;
    while (at > 0 && ids[at - 1] != opens) at--;
    if (!at) return OK;
    Buf text = { 0 };
    Detokenizer d = detokenizer_new(tokenizer, true);
    const size_t enough = strlen(headers[0]);
    Err e = OK;
    for (; at + 1 < n && text.n < enough && !e.code; at++) e = detokenizer_put(&d, ids[at], &text);
    if (!e.code) e = detokenizer_end(&d, &text);
    if (!e.code && text.failed) e = err_memory("a turn's header");
    *goes_on = !e.code && str_starts(buf_str(&text), headers[0]);
    buf_free(&text);
    buf_free(&d.long_run);
    return e;
}
