// The parser of replies: what every form shares. Finds marks, by token id where they are tokens and in the text otherwise, hands
// text and marks to the form's machine, and queues the deltas that the machine makes of them. Holds back an unfinished
// character, text that may begin a mark, and newlines that may belong to the form.
#include "text/reply/reply_internal.h"

#include <assert.h>
#include <stdlib.h>

// ---- Queue ---------------------------------------------------------------------------------------------------------

static QueuedDelta *queue_add(Parser *p, DeltaKind kind)
{
    if (p->queue_n == p->queue_capacity) {
        const size_t capacity = p->queue_capacity ? 2 * p->queue_capacity : 8;
        QueuedDelta *queue = realloc(p->queue, capacity * sizeof *queue);
        if (!queue) {
            p->failed = true;
            return NULL;
        }
        p->queue = queue;
        p->queue_capacity = capacity;
    }
    QueuedDelta *delta = &p->queue[p->queue_n++];
    *delta = (QueuedDelta){ .kind = kind, .call = p->call_index, .at = p->texts.n };
    return delta;
}

static void text_put(Parser *p, DeltaKind kind, Str text)
{
    QueuedDelta *last = p->queue_n > p->queue_given ? &p->queue[p->queue_n - 1] : NULL;
    if (!last || last->kind != kind || last->call != p->call_index) last = queue_add(p, kind);
    if (!last) return;
    buf_put(&p->texts, text.at, text.n);
    last->n += text.n;
}

static void stops_flush(Parser *p)
{
    if (p->stop_held.n && !p->cut) text_put(p, DELTA_CONTENT, buf_str(&p->stop_held));
    p->stop_held.n = 0;
}

static void content_put(Parser *p, Str text)
{
    bool stopped;
    buf_put(&p->stop_held, text.at, text.n);
    const Str held = buf_str(&p->stop_held);
    const size_t give = stops_release(p->stops, held, &stopped);
    if (give) text_put(p, DELTA_CONTENT, (Str){ held.at, give });
    if (stopped) {
        p->cut = p->over = p->stopped = true;
        p->stop_held.n = 0;
        return;
    }
    if (give) memmove(p->stop_held.at, held.at + give, held.n - give);
    p->stop_held.n -= give;
}

void parser_text(Parser *p, DeltaKind kind, Str text)
{
    if (p->cut) return;
    if (kind == DELTA_CONTENT && p->stops) {
        content_put(p, text);
        return;
    }
    stops_flush(p);
    text_put(p, kind, text);
}

void parser_call(Parser *p, Str name, Str id)
{
    if (p->cut) return;
    stops_flush(p);
    QueuedDelta *delta = queue_add(p, DELTA_CALL);
    if (!delta) return;
    delta->n = name.n;
    delta->id_n = id.n;
    buf_put(&p->texts, name.at, name.n);
    buf_put(&p->texts, id.at, id.n);
}

void parser_call_end(Parser *p)
{
    if (p->cut) return;
    queue_add(p, DELTA_CALL_END);
    p->calls++;
    p->call_index++;
}

void parser_whole_call(Parser *p, Str name, Str arguments)
{
    parser_call(p, name, str(""));
    parser_text(p, DELTA_ARGUMENTS, arguments);
    parser_call_end(p);
}

void parser_partial(Parser *p, Str text)
{
    parser_text(p, DELTA_PARTIAL, text);
}

bool parser_next(Parser *p, Delta *out)
{
    if (p->queue_given == p->queue_n) return false;
    const QueuedDelta *delta = &p->queue[p->queue_given++];
    const char *at = buf_str(&p->texts).at + delta->at;
    *out = (Delta){ delta->kind, delta->call, { at, delta->n }, { at + delta->n, delta->id_n } };
    return true;
}

static void queue_forget(Parser *p)
{
    if (p->queue_given < p->queue_n) return;
    p->queue_given = p->queue_n = 0;
    p->texts.n = 0;
}

// ---- A call's text -------------------------------------------------------------------------------------------------

void parser_call_text(Parser *p, Str text)
{
    buf_put(&p->call, text.at, text.n);
}

void parser_call_mark(Parser *p, const Mark *mark)
{
    if (p->call_mark_n == p->call_mark_capacity) {
        const size_t capacity = p->call_mark_capacity ? 2 * p->call_mark_capacity : 16;
        CallMark *marks = realloc(p->call_marks, capacity * sizeof *marks);
        if (!marks) {
            p->failed = true;
            return;
        }
        p->call_marks = marks;
        p->call_mark_capacity = capacity;
    }
    const size_t begin = p->call.n;
    parser_call_text(p, mark->text);
    if (p->call.failed)
        p->failed = true;
    else
        p->call_marks[p->call_mark_n++] = (CallMark){ mark->kind, begin, p->call.n };
}

void parser_call_clear(Parser *p)
{
    p->call.n = 0;
    p->call_mark_n = 0;
}

// ---- Parts whose ends are stripped ---------------------------------------------------------------------------------

static void newlines_put(Parser *p, DeltaKind kind)
{
    static const char some[] = "\n\n\n\n\n\n\n\n";
    while (p->newlines) {
        const size_t n = p->newlines < sizeof some - 1 ? p->newlines : sizeof some - 1;
        parser_text(p, kind, (Str){ some, n });
        p->newlines -= n;
    }
}

static void part_put(Parser *p, DeltaKind kind, Str text)
{
    size_t n = text.n;
    while (n && text.at[n - 1] == '\n') n--;
    if (n) {
        newlines_put(p, kind);
        parser_text(p, kind, (Str){ text.at, n });
    }
    p->newlines += text.n - n;
}

static Str skip_lead(Str text, bool blanks)
{
    size_t at = 0, after;
    while (at < text.n && (blanks ? blank_at(text, at, &after) : (after = at + 1, text.at[at] == '\n'))) at = after;
    return (Str){ text.at + at, text.n - at };
}

void parser_reasoning(Parser *p, Str text)
{
    if (p->lead) text = skip_lead(text, false);
    if (!text.n) return;
    p->lead = false;
    p->reasoned = true;
    part_put(p, DELTA_REASONING, text);
}

void parser_content(Parser *p, Str text)
{
    if (p->lead) {
        text = skip_lead(text, p->form->strip_blanks && !p->calls);
        if (!text.n) return;
        p->lead = false;
        if (p->answered) parser_text(p, DELTA_CONTENT, str("\n"));
    }
    p->answered = true;
    if (p->form->call_open)
        part_put(p, DELTA_CONTENT, text);
    else
        parser_text(p, DELTA_CONTENT, text);
}

void parser_content_end(Parser *p, bool keep_newlines)
{
    if (keep_newlines) newlines_put(p, DELTA_CONTENT);
    p->newlines = 0;
}

void parser_stray(Parser *p, Str text)
{
    text = strip_blanks(text);
    if (!text.n) return;
    parser_content_end(p, false);
    p->lead = true;
    parser_content(p, text);
    parser_content_end(p, false);
}

// ---- Marks in the text ---------------------------------------------------------------------------------------------

WordFit word_fit(Str text, const char *const *words, size_t *which)
{
    WordFit fit = WORD_NONE;
    for (size_t i = 0; words[i]; i++) {
        const size_t n = strlen(words[i]);
        if (memcmp(text.at, words[i], text.n < n ? text.n : n) != 0) continue;
        *which = i;
        if (text.n >= n) return WORD_WHOLE;
        fit = WORD_UNDECIDED;
    }
    return fit;
}

// The shortest mark that stands at the beginning of the text; undecided when only the text's end speaks against one.
static WordFit mark_fit(const Parser *p, Str text, const Mark **which)
{
    WordFit fit = WORD_NONE;
    for (size_t i = 0; i < p->mark_count; i++) {
        const Mark *mark = &p->marks[i];
        const size_t n = mark->text.n;
        if (mark->id >= 0 || memcmp(text.at, mark->text.at, text.n < n ? text.n : n) != 0) continue;
        if (text.n < n) {
            if (fit == WORD_NONE) fit = WORD_UNDECIDED;
        } else if (fit != WORD_WHOLE || n < (*which)->text.n) {
            *which = mark;
            fit = WORD_WHOLE;
        }
    }
    return fit;
}

static void take_mark(Parser *p, const Mark *mark)
{
    if (mark->kind == MARK_END)
        parser_finish_reply(p);
    else
        p->form->machine->mark(p, mark);
}

static void take_text(Parser *p, const char *at, size_t n)
{
    if (n) p->form->machine->text(p, (Str){ at, n });
}

// Hands over what is held, up to what may yet begin a mark; if nothing follows, all of it.
static void release(Parser *p, bool all)
{
    const Str held = buf_str(&p->held);
    size_t from = 0, at = 0;
    while (at < held.n && !p->over) {
        const Mark *mark = NULL;
        const Str rest = { held.at + at, held.n - at };
        const WordFit fit = p->begins[(uint8_t)*rest.at] ? mark_fit(p, rest, &mark) : WORD_NONE;
        if (fit == WORD_UNDECIDED && !all) break;
        if (fit == WORD_WHOLE) {
            take_text(p, held.at + from, at - from);
            take_mark(p, mark);
            from = at += mark->text.n;
        } else {
            at++;
        }
    }
    if (p->over) at = from = held.n; // nobody asks for what follows the end
    take_text(p, held.at + from, at - from);
    if (at) memmove(p->held.at, held.at + at, held.n - at);
    p->held.n -= at;
}

static Err fault(Parser *p)
{
    const bool failed = p->failed || p->texts.failed || p->held.failed || p->raw.failed || p->word.failed ||
                        p->call.failed || p->stop_held.failed;
    return failed ? err_memory("a reply") : OK;
}

void parser_finish_reply(Parser *p)
{
    p->over = p->stopped = true;
    p->form->machine->end(p);
    stops_flush(p);
}

// ---- Input ---------------------------------------------------------------------------------------------------------

// All marks begin with a token's text here, so what was held back before one is text.
static Err put_mark(Parser *p, const Mark *mark)
{
    Err e = detokenizer_end(&p->detokenizer, &p->held);
    p->detokenizer.begun = true; // what is stripped from a text's beginning is not stripped here
    p->detokenizer.stripped = UINT32_MAX;
    release(p, true);
    if (!p->over) take_mark(p, mark);
    return e;
}

Err parser_put(Parser *p, int32_t id)
{
    assert(!p->by_text);
    queue_forget(p);
    if (p->over) return OK;
    for (size_t i = 0; i < p->mark_count; i++) {
        if (p->marks[i].id != id || id < 0) continue;
        Err e = put_mark(p, &p->marks[i]);
        return e.code ? e : fault(p);
    }
    if (p->drop_special && !p->verbatim && tokenizer_is_special(p->tokenizer, id)) return OK;
    Err e = detokenizer_put(&p->detokenizer, id, &p->held);
    if (e.code) return e;
    release(p, false);
    return fault(p);
}

Err parser_put_text(Parser *p, Str text)
{
    assert(p->by_text);
    queue_forget(p);
    if (p->over) return OK;
    buf_put(&p->raw, text.at, text.n);
    const size_t whole = p->raw.n ? utf8_whole(p->raw.at, p->raw.n) : 0;
    utf8_lossy(&p->held, p->raw.at, whole);
    if (whole) memmove(p->raw.at, p->raw.at + whole, p->raw.n - whole);
    p->raw.n -= whole;
    release(p, false);
    return fault(p);
}

Err parser_end(Parser *p, bool stopped)
{
    Err e = OK;
    queue_forget(p);
    if (p->over) return fault(p);
    if (p->by_text)
        utf8_lossy(&p->held, p->raw.at, p->raw.n);
    else
        e = detokenizer_end(&p->detokenizer, &p->held);
    release(p, true);
    if (p->over) return e.code ? e : fault(p);
    p->over = true;
    p->stopped = stopped;
    p->form->machine->end(p);
    stops_flush(p);
    return e.code ? e : fault(p);
}

ReplyFinish parser_finish(const Parser *p)
{
    if (!p->stopped) return FINISH_LENGTH;
    return p->calls ? FINISH_CALLS : FINISH_STOP;
}

bool parser_thinks(const Parser *p)
{
    return !p->over && p->form->machine->thinks(p);
}

bool parser_over(const Parser *p)
{
    return p->over;
}

// ---- Construction --------------------------------------------------------------------------------------------------

static void add_mark(Parser *p, Str text, MarkKind kind, int32_t id)
{
    for (size_t i = 0; i < p->mark_count; i++)
        if (str_equal(p->marks[i].text, text)) { // the form's own meaning comes first
            if (kind == MARK_END) p->marks[i].model_end = true;
            return;
        }
    if (!text.n) return;
    p->marks[p->mark_count++] = (Mark){ text, kind, p->by_text ? -1 : id, kind == MARK_END };
    if (p->by_text || id < 0) p->begins[(uint8_t)text.at[0]] = true;
}

// The form's marks; then its ends as far as the vocabulary has them (all of them without one); then the model's own ends.
static Err add_marks(Parser *p, const ParserOptions *options)
{
    size_t n = options->end_count;
    for (const MarkRow *row = p->form->rows; row->text; row++) n++;
    for (const char *const *end = p->form->ends; *end; end++) n++;
    p->marks = calloc(n + 1, sizeof *p->marks);
    if (!p->marks) return err_memory("a parser");
    for (const MarkRow *row = p->form->rows; row->text; row++)
        add_mark(p, str(row->text), row->kind, p->tokenizer ? tokenizer_id(p->tokenizer, str(row->text)) : -1);
    for (const char *const *end = p->form->ends; *end; end++) {
        const int32_t id = p->tokenizer ? tokenizer_id(p->tokenizer, str(*end)) : -1;
        if (id >= 0 || !p->tokenizer) add_mark(p, str(*end), MARK_END, id);
    }
    for (size_t i = 0; p->tokenizer && i < options->end_count; i++)
        add_mark(p, tokenizer_token(p->tokenizer, options->ends[i]), MARK_END, options->ends[i]);
    return OK;
}

Err parser_new(Parser **out, const ReplyForm *form, const Tokenizer *tokenizer, const ParserOptions *options)
{
    assert(tokenizer || options->by_text);
    Parser *p = calloc(1, sizeof *p);
    if (!p) return err_memory("a parser");
    p->form = form;
    p->tokenizer = tokenizer;
    p->tools = options->tools;
    p->by_text = options->by_text;
    p->drop_special = options->drop_special;
    if (tokenizer) p->detokenizer = detokenizer_new(tokenizer, true);
    p->stops = options->stops && *options->stops ? options->stops : NULL;
    Err e = stops_check(p->stops);
    if (!e.code) e = add_marks(p, options);
    if (!e.code) {
        form->machine->begin(p, options->start);
        e = fault(p);
    }
    if (e.code)
        parser_free(p);
    else
        *out = p;
    return e;
}

void parser_free(Parser *p)
{
    if (!p) return;
    free(p->marks);
    free(p->queue);
    free(p->call_marks);
    buf_free(&p->detokenizer.long_run);
    buf_free(&p->raw);
    buf_free(&p->held);
    buf_free(&p->texts);
    buf_free(&p->stop_held);
    buf_free(&p->word);
    buf_free(&p->call);
    free(p);
}

// ---- Where a prompt leaves the reply -------------------------------------------------------------------------------

static bool last_mark(Str text, const char *mark, size_t *at)
{
    const size_t n = mark ? strlen(mark) : 0;
    for (size_t end = text.n; n && end >= n; end--) {
        if (memcmp(text.at + end - n, mark, n) != 0) continue;
        *at = end - n;
        return true;
    }
    return false;
}

ParserStart reply_start(const ReplyForm *form, const Rendered *prompt)
{
    const size_t from = prompt->message_count ? prompt->messages[prompt->message_count - 1].end : 0;
    const Str all = buf_str(&prompt->text), tail = { all.at + from, all.n - from };
    size_t open, close;
    if (form->machine == &machine_turns) // whose marks are words of a header
        return str_ends(tail, form->reasoning_open) ? PARSER_REASONING
               : str_ends(tail, "assistant\n")      ? PARSER_CONTENT
                                                    : PARSER_START;
    if (form->machine == &machine_solar && str_ends(tail, "<|content|>")) return PARSER_CONTENT;
    const bool opened = last_mark(tail, form->reasoning_open, &open),
               closed = last_mark(tail, form->reasoning_close, &close);
    if (opened && (!closed || open > close)) return PARSER_REASONING;
    if (form->machine == &machine_solar) return PARSER_START; // a closed thought is followed by a new header
    return closed ? PARSER_CONTENT : PARSER_START;
}
