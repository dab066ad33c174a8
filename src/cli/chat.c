// dure chat: a talk. Every turn gives the engine the whole conversation; what its cache already holds is not read again.
#include "talk.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct ChatOptions {
    Options common;
    bool shift;
} ChatOptions;

static const Option chat_own[] = {
    { "shift", 0, OPTION_FLAG, NULL,
      N_("Where the context is full, drop the oldest turns until a quarter of it is free, and read the rest again."),
      .offset = offsetof(ChatOptions, shift) },
    { 0 },
};

// ---- Messages ------------------------------------------------------------------------------------------------------

const char *role_at(const json_t *messages, size_t i)
{
    const char *role = json_string_value(json_object_get(json_array_get(messages, i), "role"));
    return role ? role : "";
}

int talk_fail(Talk *talk, const char *sentence)
{
    talk->failed = true;
    return fail("%s", tr(sentence));
}

void talk_say(const Talk *talk, const char *sentence)
{
    if (talk->terminal && !talk->options->quiet) fprintf(stderr, "(%s)\n", tr(sentence));
}

static int answer_take(Talk *talk, DureParser *parser)
{
    const AnswerHow how = {
        .sampling = &talk->sampling, .parser = parser, .show = true, .show_reasoning = reasoning_shown(talk->options)
    };
    Answer answer;
    DureError error;
    interrupt_forget();
    int code = answer_make(&answer, &talk->running, &how, &error);
    interrupt_forget();
    if (answer.last != '\n') out_write("\n", 1);
    if (code) {
        talk_fail(talk, error.text);
    } else {
        if (json_array_append_new(talk->messages, answer_message(&answer))) need(NULL);
        talk->stats = answer.stats;
        talk->answered = true;
        if (answer_filled(&answer, &talk->sampling)) talk_filled(talk, &answer.stats);
        if (talk->options->stats) stats_print(&talk->running, &answer.stats);
    }
    answer_free(&answer);
    return code;
}

int talk_answer(Talk *talk)
{
    DureParser *parser = NULL;
    int code = talk_feed(talk);
    if (code) return code;
    char *text = need(json_dumps(talk->messages, 0));
    DureError error;
    if (reply_parser(&parser, talk->running.model, text, &talk->how, talk->options, &error))
        code = talk_fail(talk, error.text);
    free(text);
    if (!code) code = answer_take(talk, parser);
    dure_parser_free(parser);
    return code;
}

static void talk_ask(Talk *talk, Bytes *text)
{
    if (utf8_check(text->at, text->n, "the message") || attach_words(text)) {
        talk->failed = true;
        return;
    }
    message_add(talk->messages, "user", text->at, text->n);
    if (talk_answer(talk)) messages_cut(talk->messages, json_array_size(talk->messages) - 1);
}

static void talk_word(Talk *talk, char *line)
{
    size_t n = strcspn(line, " \t");
    char *argument = line + n + strspn(line + n, " \t");
    for (size_t end = strlen(argument); end && strchr(" \t", argument[end - 1]);) argument[--end] = 0;
    line[n] = 0;
    const char *names[24];
    size_t count = 0;
    for (const ChatWord *w = chat_words; w->name; w++) {
        if (!strcmp(w->name, line)) {
            w->act(talk, argument);
            return;
        }
        if (count < COUNT(names)) names[count++] = w->name;
    }
    const char *near = nearest(line, names, count);
    talk->failed = true;
    if (near)
        fail("there is no command %s; did you mean %s?", line, near);
    else
        fail("there is no command %s; /help lists them, and a blank in front makes it a message", line);
}

// ---- The talk ------------------------------------------------------------------------------------------------------

// A message of one or many lines. *is_block: in quotation marks, so that it is no command.
static LineEnd message_read(Talk *talk, Bytes *out, bool *is_block)
{
    static const char marks[] = "\"\"\"";
    Bytes line = { 0 };
    bool block = false;
    LineEnd end;
    for (const char *prompt = "> ";; prompt = ". ") {
        line.n = 0;
        end = line_read(talk->lines, prompt, &line);
        if (end != LINE_TEXT) break;
        line_remember(talk->lines, line.at);
        const char *text = line.at;
        if (!block && *prompt == '>' && !strncmp(text, marks, 3)) {
            block = true;
            text += 3;
            if (!*text) continue; // the text begins on the next line
        }
        size_t n = strlen(text);
        bool closed = block && n >= 3 && !strcmp(text + n - 3, marks);
        bool goes_on = block ? !closed : n && text[n - 1] == '\\';
        bytes_put(out, text, n - (closed ? 3 : goes_on && !block));
        if (!goes_on) break;
        bytes_put(out, "\n", 1);
    }
    if (end == LINE_OVER && out->n) end = LINE_TEXT; // input ended inside; what came is the message
    while (block && out->n && out->at[out->n - 1] == '\n') out->at[--out->n] = 0;
    bytes_free(&line);
    *is_block = block;
    return end;
}

static void talk_turn(Talk *talk, Bytes *text, bool block)
{
    if (text->n && text->at[0] == '/' && !block)
        talk_word(talk, text->at);
    else if (strspn(text->at, " \t\n") < text->n)
        talk_ask(talk, text);
}

static void talk_loop(Talk *talk)
{
    for (int empty = 0; !talk->over;) {
        Bytes text = { 0 };
        bytes_put(&text, "", 0);
        interrupt_forget();
        bool block = false;
        LineEnd end = message_read(talk, &text, &block);
        if (end == LINE_TEXT) talk_turn(talk, &text, block);
        bytes_free(&text);
        if (end == LINE_OVER || (end != LINE_TEXT && !talk->terminal)) break;
        empty = end == LINE_INTERRUPTED_EMPTY ? empty + 1 : 0;
        if (empty > 1) talk_say(talk, "/quit or Ctrl-D ends the talk");
    }
}

static int talk_begin(Talk *talk, const Options *o)
{
    *talk = (Talk){ .options = o, .shift = ((const ChatOptions *)(const void *)o)->shift };
    talk->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    int code = time_parse(&talk->how.now, &talk->how.utc_offset, o->now);
    if (!code && o->system) code = utf8_check(o->system, strlen(o->system), "the system message");
    if (!code) code = tools_read(&talk->tools, o);
    if (!code) code = running_open(&talk->running, o);
    if (!code) {
        code = sampling_from(&talk->sampling, o, talk->running.model);
        if (!code) code = reasoning_kwargs(&talk->kwargs, o, talk->running.model, &talk->running.remarks);
        if (code)
            running_close(&talk->running);
        else
            remarks_show(&talk->running.remarks);
        talk->how.kwargs = talk->kwargs;
        talk->how.tools = talk->tools;
        talk->sampling.stop = NULL; // the parser has them
    }
    if (code) free(talk->tools);
    return code;
}

static int chat(Options *options)
{
    Talk talk;
    int code = talk_begin(&talk, options);
    if (code) return code;
    talk.messages = need(json_array());
    if (options->system) system_set(talk.messages, options->system);
    talk.lines = line_open(talk.terminal);
    interrupt_catch();
    char greeting[160];
    snprintf(greeting, sizeof greeting, tr("a context of %lld tokens; /help tells what can be typed"),
             (long long)talk.running.plan.context);
    talk_say(&talk, greeting);
    talk_loop(&talk);
    bool stopped = interrupted() && !talk.terminal;
    interrupt_release();
    line_close(talk.lines);
    json_decref(talk.messages);
    free(talk.kwargs);
    free(talk.tools);
    talk_branches_free(&talk);
    running_close(&talk.running);
    if (stopped) raise(SIGINT);
    return talk.failed && !talk.terminal ? EXIT_FAILED : EXIT_FINE;
}

const Command command_chat = {
    .name = "chat",
    .arguments = "MODEL",
    .summary = N_("Talk with a model"),
    .about = N_(
        "Talks with a model, line by line. A line that ends in a backslash goes on in the next one; three quotation "
        "marks open a text of many lines, three more at the end of a line close it. A word @FILE, or @\"A FILE\" where "
        "the name has blanks, puts that file's text there, between lines of ``` of which the first names it; a "
        "comma or a particle right behind the name stays text, words that name no file stay as they are, and @@ is a "
        "plain @. Ctrl-C ends an answer and keeps the talk; Ctrl-D ends it. Where "
        "standard input is no terminal, lines are read from it and answers alone are "
        "printed."),
    .uses =
        USES_MODEL | USES_BUILTIN | USES_ENGINE | USES_SAMPLING | USES_SYSTEM | USES_TEMPLATE | USES_REPLY | USES_STATS,
    .own = chat_own,
    .bytes = sizeof(ChatOptions),
    .run = chat,
};
