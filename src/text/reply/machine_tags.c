// Replies between tags: A.X K1, VAETKI, EXAONE, HyperCLOVA X and many others; without reasoning, without calls, plain text too.
//   [<think>] reasoning </think> answer <tool_call> call </tool_call> ...
// Newlines at both ends of the reasoning and before the answer are dropped, newlines beside a call belong to the form, and text
// around calls is content joined by one newline. A closed block that is no call is content as written; an unclosed one is a
// call if its JSON is complete, else partial (tagged pairs: always partial).
// Omni's replies have blocks of picture and speech, which are calls too, and transcripts: what is spoken is content, and what the
// user was heard to say goes, marks and all, to the reasoning, for it is no part of the answer.
#include "text/reply/reply_internal.h"

enum {
    STATE_START,
    STATE_THOUGHT, // opened by the prompt, and nothing but newlines came
    STATE_REASONING,
    STATE_CONTENT,
    STATE_CALL,
    STATE_HEARD
};

static void enter_content(Parser *p)
{
    p->state = STATE_CONTENT;
    p->lead = p->form->strip_newlines;
    p->newlines = 0;
}

static void enter_reasoning(Parser *p, int state)
{
    p->state = state;
    p->lead = true;
    parser_text(p, DELTA_REASONING, str(""));
}

static void tags_begin(Parser *p, ParserStart start)
{
    if (start == PARSER_CONTENT || !p->form->reasoning_open)
        enter_content(p);
    else if (start == PARSER_REASONING)
        enter_reasoning(p, STATE_THOUGHT);
    else
        p->lead = true; // and the state is STATE_START
}

static void tags_reasoning(Parser *p, Str text)
{
    parser_reasoning(p, text);
    if (!p->lead) p->state = STATE_REASONING;
}

static void tags_text(Parser *p, Str text)
{
    if (p->state == STATE_START) {
        size_t newlines = 0;
        while (newlines < text.n && text.at[newlines] == '\n') newlines++;
        p->lead = false; // a closing mark is not the first any more
        if (newlines == text.n) return;
        enter_content(p);
    }
    if (p->state == STATE_CALL)
        parser_call_text(p, text);
    else if (p->state == STATE_CONTENT)
        parser_content(p, text);
    else if (p->state == STATE_HEARD)
        parser_reasoning(p, text);
    else
        tags_reasoning(p, text);
}

static void begin_call(Parser *p, const Mark *mark)
{
    p->state = STATE_CALL;
    p->opened = mark->kind;
    p->verbatim = p->form->calls == CALL_MEDIA;
    parser_call_clear(p);
    parser_call_text(p, mark->text);
    p->call_inner = p->call.n;
}

// closed: NULL when the reply ended before the closing mark.
static bool read_call(Parser *p, const Mark *closed)
{
    const Str call = buf_str(&p->call), inner = { call.at + p->call_inner, call.n - p->call_inner };
    if (p->opened == MARK_AUDIO) return closed && call_audio(p, inner);
    if (p->opened == MARK_SPEECH) return call_speech(p, inner, closed);
    if (p->form->calls == CALL_XML) return call_xml(p, inner, closed);
    if (p->form->calls == CALL_JSON) return call_json(p, inner);
    if (!closed) return false;
    if (p->opened != MARK_IMAGE) return call_tagged(p);
    parser_call_text(p, closed->text);
    return call_image(p);
}

// Newlines beside the call go.
static void after_call(Parser *p)
{
    parser_call_clear(p);
    p->verbatim = false;
    enter_content(p);
}

static void end_call(Parser *p, const Mark *mark)
{
    if (read_call(p, mark)) {
        after_call(p);
        return;
    }
    p->state = STATE_CONTENT;
    p->verbatim = false;
    parser_call_text(p, mark->text);
    parser_content(p, buf_str(&p->call));
    parser_call_clear(p);
}

// ---- Transcripts ---------------------------------------------------------------------------------------------------

static void begin_heard(Parser *p, const Mark *mark)
{
    parser_content_end(p, false);
    p->state = STATE_HEARD;
    p->lead = false;
    if (p->reasoned) parser_text(p, DELTA_REASONING, str("\n"));
    parser_reasoning(p, mark->text);
}

static void end_heard(Parser *p, const Mark *mark)
{
    parser_reasoning(p, mark->text);
    enter_content(p);
}

// The marks around what is spoken, and newlines beside them, belong to the form.
static void turn_said(Parser *p)
{
    parser_content_end(p, false);
    p->said = !p->said;
    p->lead = true;
}

static bool mark_of_content(Parser *p, const Mark *mark)
{
    if (mark->kind == MARK_CALL || mark->kind == MARK_IMAGE || mark->kind == MARK_AUDIO || mark->kind == MARK_SPEECH)
        begin_call(p, mark);
    else if (mark->kind == MARK_HEARD)
        begin_heard(p, mark);
    else if (mark->kind == (p->said ? MARK_SAID_END : MARK_SAID))
        turn_said(p);
    else
        return false;
    return true;
}

// ---- Marks ---------------------------------------------------------------------------------------------------------

static bool mark_of_start(Parser *p, const Mark *mark)
{
    if (mark->kind == MARK_THINK) {
        enter_reasoning(p, STATE_REASONING);
        return true;
    }
    const bool first = p->lead;
    enter_content(p);
    return first && mark->kind == MARK_THINK_END;
}

static void tags_mark(Parser *p, const Mark *mark)
{
    if (p->state == STATE_START && mark_of_start(p, mark)) return;
    const bool reasoning = p->state == STATE_REASONING || p->state == STATE_THOUGHT;
    if (reasoning && mark->kind == MARK_THINK_END)
        enter_content(p);
    else if (p->state == STATE_THOUGHT && mark->kind == MARK_THINK) // once more what the prompt had opened
        p->state = STATE_REASONING;
    else if (p->state == STATE_CONTENT && mark_of_content(p, mark))
        return;
    else if (p->state == STATE_CALL && mark->kind == p->opened + 1)
        end_call(p, mark);
    else if (p->state == STATE_CALL)
        parser_call_mark(p, mark);
    else if (p->state == STATE_HEARD && mark->kind == MARK_HEARD_END)
        end_heard(p, mark);
    else
        tags_text(p, mark->text);
}

static void tags_end(Parser *p)
{
    if (p->state == STATE_CONTENT) parser_content_end(p, true);
    if (p->state != STATE_CALL) return;
    if (read_call(p, NULL)) return;
    parser_content_end(p, false);
    parser_partial(p, buf_str(&p->call));
}

static bool tags_thinks(const Parser *p)
{
    return p->state == STATE_THOUGHT || p->state == STATE_REASONING;
}

const ReplyMachine machine_tags = { tags_begin, tags_text, tags_mark, tags_end, tags_thinks };
