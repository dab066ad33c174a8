// Replies of Solar Open: every part is opened by a token of its own. Nothing is stripped but the marks and the word assistant
// behind <|begin|>, cut short only where the reply is cut. Text that stands outside the parts is content. A call's arguments are given out as they come; a call that
// is left before its closing mark is partial.
#include "text/reply/reply_internal.h"

enum {
    STATE_BEFORE,
    STATE_REASONING,
    STATE_BETWEEN,
    STATE_HEADER,
    STATE_CONTENT,
    STATE_CALL_ID,
    STATE_CALL_NAME,
    STATE_CALL_ARGUMENTS
};

static const char *const header[] = { "assistant", NULL };

static bool in_call(const Parser *p)
{
    return p->state >= STATE_CALL_ID;
}

static void enter_reasoning(Parser *p)
{
    p->state = STATE_REASONING;
    parser_text(p, DELTA_REASONING, str(""));
}

static void solar_begin(Parser *p, ParserStart start)
{
    p->state = start == PARSER_CONTENT ? STATE_CONTENT : STATE_BEFORE;
    if (start == PARSER_REASONING) enter_reasoning(p);
}

static void header_text(Parser *p, Str text)
{
    size_t which;
    buf_put(&p->word, text.at, text.n);
    if (p->word.failed) return;
    const WordFit fit = word_fit(buf_str(&p->word), header, &which);
    if (fit == WORD_UNDECIDED) return;
    const size_t skip = fit == WORD_WHOLE ? strlen(header[0]) : 0;
    p->state = STATE_BETWEEN;
    if (p->word.n > skip) parser_text(p, DELTA_CONTENT, (Str){ p->word.at + skip, p->word.n - skip });
}

// The beginning of a header's word, and another mark behind it, is no header.
static void end_header(Parser *p)
{
    if (p->state != STATE_HEADER) return;
    p->state = STATE_BETWEEN;
    if (p->word.n) parser_text(p, DELTA_CONTENT, buf_str(&p->word));
    p->word.n = 0;
}

static void solar_text(Parser *p, Str text)
{
    if (in_call(p)) parser_call_text(p, text);
    if (p->state == STATE_CALL_ARGUMENTS)
        parser_text(p, DELTA_ARGUMENTS, text);
    else if (p->state == STATE_REASONING)
        parser_text(p, DELTA_REASONING, text);
    else if (p->state == STATE_HEADER)
        header_text(p, text);
    else if (!in_call(p))
        parser_text(p, DELTA_CONTENT, text);
}

// ---- Calls ---------------------------------------------------------------------------------------------------------

// What there is of the call stays unfinished.
static void leave_call(Parser *p)
{
    if (!in_call(p)) return;
    parser_partial(p, buf_str(&p->call));
    if (p->state == STATE_CALL_ARGUMENTS) p->call_index++;
    parser_call_clear(p);
    p->state = STATE_BETWEEN;
}

static void begin_call(Parser *p, const Mark *mark)
{
    parser_call_text(p, mark->text);
    p->call_inner = p->call.n;
    p->state = STATE_CALL_ID;
}

static void begin_arguments(Parser *p, const Mark *mark)
{
    const CallMark *name = &p->call_marks[0];
    const char *call = buf_str(&p->call).at;
    const Str id = { call + p->call_inner, name->begin - p->call_inner };
    parser_call(p, (Str){ call + name->end, p->call.n - name->end }, id);
    parser_call_mark(p, mark);
    p->state = STATE_CALL_ARGUMENTS;
}

static void end_call(Parser *p, const Mark *mark)
{
    if (p->state == STATE_CALL_ARGUMENTS) {
        parser_call_end(p);
        parser_call_clear(p);
        p->state = STATE_BETWEEN;
    } else {
        parser_call_text(p, mark->text);
        leave_call(p);
    }
}

static void mark_in_call(Parser *p, const Mark *mark)
{
    if (mark->kind == MARK_CALL_END) {
        end_call(p, mark);
    } else if (mark->kind == MARK_CALL_NAME && p->state == STATE_CALL_ID) {
        parser_call_mark(p, mark);
        if (!p->failed) p->state = STATE_CALL_NAME;
    } else if (mark->kind == MARK_CALL_ARGUMENTS && p->state == STATE_CALL_NAME) {
        begin_arguments(p, mark);
    } else {
        solar_text(p, mark->text);
    }
}

static void solar_mark(Parser *p, const Mark *mark)
{
    static const int opens[] = {
        [MARK_CONTENT] = STATE_CONTENT, [MARK_CALL_LIST] = STATE_BETWEEN, [MARK_BEGIN] = STATE_HEADER
    };
    end_header(p);
    if (mark->kind == MARK_CALLS_END) {
        parser_finish_reply(p);
    } else if (mark->kind < COUNT(opens) && opens[mark->kind]) {
        leave_call(p);
        p->word.n = 0;
        p->state = opens[mark->kind];
    } else if (mark->kind == MARK_CALL) {
        leave_call(p);
        begin_call(p, mark);
    } else if (in_call(p)) {
        mark_in_call(p, mark);
    } else if (mark->kind == MARK_THINK && p->state == STATE_BEFORE) {
        enter_reasoning(p);
    } else if (mark->kind == MARK_PART_END && p->state == STATE_REASONING) {
        p->state = STATE_BETWEEN;
    }
}

static void solar_end(Parser *p)
{
    if (p->stopped) end_header(p);
    leave_call(p);
}

static bool solar_thinks(const Parser *p)
{
    return p->state == STATE_REASONING;
}

const ReplyMachine machine_solar = { solar_begin, solar_text, solar_mark, solar_end, solar_thinks };
