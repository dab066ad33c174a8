// dure chat: a talk. Every turn gives the engine the whole conversation; what its cache already holds is not read again.
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct Talk {
    Running running;
    const Options *options;
    LineReader *lines;
    json_t *messages; // what /save writes
    DureSampling sampling;
    DureRenderOptions how; // the time is that of the talk's beginning: a moving clock would make the cache cold
    char *kwargs, *tools;  // or NULL
    DureStats stats;       // of the last answer
    bool terminal;         // a person is typing
    bool answered, failed, over;
};

// ---- Messages ------------------------------------------------------------------------------------------------------

static const char *role_at(const json_t *messages, size_t i)
{
    const char *role = json_string_value(json_object_get(json_array_get(messages, i), "role"));
    return role ? role : "";
}

static int talk_fail(Talk *talk, const char *sentence)
{
    talk->failed = true;
    return fail("%s", sentence);
}

// Only for people; a pipe gets answers and nothing else.
static void talk_say(const Talk *talk, const char *sentence)
{
    if (talk->terminal && !talk->options->quiet) fprintf(stderr, "(%s)\n", sentence);
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
        bool full = answer.reason == DURE_REASON_LENGTH &&
                    (!talk->sampling.max_tokens || answer.stats.reply_tokens < talk->sampling.max_tokens);
        if (full) talk_say(talk, "the context is full; /reset starts over");
        if (talk->options->stats) stats_print(&talk->running, &answer.stats);
    }
    answer_free(&answer);
    return code;
}

// The messages so far are answered. Not 0: told, and nothing was appended.
static int talk_answer(Talk *talk)
{
    DureError error;
    char *text = need(json_dumps(talk->messages, 0));
    DureParser *parser = NULL;
    int code = dure_session_feed_messages(talk->running.session, text, strlen(text), &talk->how, &error);
    if (code) talk_fail(talk, error.text);
    if (!code) {
        code = reply_parser(&parser, talk->running.model, text, &talk->how, talk->options);
        if (code) talk->failed = true;
    }
    free(text);
    if (!code) code = answer_take(talk, parser);
    dure_parser_free(parser);
    return code;
}

static void talk_ask(Talk *talk, const Bytes *text)
{
    if (utf8_check(text->at, text->n, "the message")) {
        talk->failed = true;
        return;
    }
    message_add(talk->messages, "user", text->at, text->n);
    if (talk_answer(talk)) json_array_remove(talk->messages, json_array_size(talk->messages) - 1);
}

// ---- Words of the talk ---------------------------------------------------------------------------------------------

static void act_help(Talk *talk, const char *argument)
{
    (void)talk, (void)argument;
    for (const ChatWord *w = chat_words; w->name; w++) {
        printf("%s%s%-*s", w->name, w->argument ? " " : "", (int)(15 - strlen(w->name) - (w->argument ? 1 : 0)),
               w->argument ? w->argument : "");
        help_wrap(w->help, 15, 15);
    }
    printf("\n");
    help_wrap(
        "A line that ends in a backslash goes on in the next one. Three quotation marks \"\"\" open a text of many "
        "lines, three more at the end of a line close it. A line that begins with a blank is never a command. Ctrl-C "
        "ends an answer or clears the line, Ctrl-D ends the talk.",
        0, 0);
    out_write("", 0);
}

static void act_reset(Talk *talk, const char *argument)
{
    (void)argument;
    size_t keep = !strcmp(role_at(talk->messages, 0), "system");
    while (json_array_size(talk->messages) > keep)
        json_array_remove(talk->messages, json_array_size(talk->messages) - 1);
    DureError error;
    if (dure_session_reset(talk->running.session, &error)) {
        talk_fail(talk, error.text);
        return;
    }
    talk_say(talk, keep ? "a new talk; the system message is kept" : "a new talk");
}

static void system_set(json_t *messages, const char *text)
{
    if (!strcmp(role_at(messages, 0), "system")) json_array_remove(messages, 0);
    if (*text && json_array_insert_new(messages, 0, need(json_pack("{s:s, s:s}", "role", "system", "content", text))))
        need(NULL);
}

static void act_system(Talk *talk, const char *argument)
{
    if (*argument) {
        if (!strcmp(argument, "none")) argument = "";
        if (utf8_check(argument, strlen(argument), "the system message"))
            talk->failed = true;
        else
            system_set(talk->messages, argument);
        return;
    }
    const json_t *first = json_array_get(talk->messages, 0);
    const char *text = json_string_value(json_object_get(first, "content"));
    bool is_system = !strcmp(role_at(talk->messages, 0), "system") && text;
    if (is_system) {
        out_answer(text, strlen(text));
        out_write("\n", 1);
    } else
        talk_say(talk, "there is no system message; /system TEXT sets one");
}

// The last message with calls that is followed by results alone, and its first call without one; NULL: none waits.
static const json_t *call_waiting(const json_t *messages)
{
    size_t n = json_array_size(messages), results = 0;
    while (results < n && !strcmp(role_at(messages, n - 1 - results), "tool")) results++;
    if (results == n) return NULL;
    return json_array_get(json_object_get(json_array_get(messages, n - 1 - results), "tool_calls"), results);
}

static void act_result(Talk *talk, const char *argument)
{
    const json_t *call = call_waiting(talk->messages);
    if (!call) {
        talk_fail(talk, "there is no call that waits for a result");
        return;
    }
    if (utf8_check(argument, strlen(argument), "the result")) {
        talk->failed = true;
        return;
    }
    json_t *message = need(json_pack("{s:s, s:s}", "role", "tool", "content", argument));
    json_t *name = json_object_get(json_object_get(call, "function"), "name"), *id = json_object_get(call, "id");
    if (name && json_object_set(message, "name", name)) need(NULL);
    if (id && json_object_set(message, "tool_call_id", id)) need(NULL);
    if (json_array_append_new(talk->messages, message)) need(NULL);
    if (call_waiting(talk->messages))
        talk_say(talk, "another call waits for its result");
    else if (talk_answer(talk))
        json_array_remove(talk->messages, json_array_size(talk->messages) - 1);
}

static void act_regen(Talk *talk, const char *argument)
{
    (void)argument;
    size_t n = json_array_size(talk->messages);
    bool answered = n && !strcmp(role_at(talk->messages, n - 1), "assistant");
    if (!n || (n == 1 && answered) || !strcmp(role_at(talk->messages, n - 1 - answered), "system")) {
        talk_fail(talk, "there is no answer to make again");
        return;
    }
    json_t *old = answered ? json_incref(json_array_get(talk->messages, n - 1)) : NULL;
    if (old) json_array_remove(talk->messages, n - 1);
    talk->sampling.seed++;
    if (!(talk->sampling.temperature > 0)) talk_say(talk, "the temperature is 0: the answer will be the same");
    if (talk_answer(talk) && old && json_array_append(talk->messages, old)) need(NULL);
    json_decref(old);
}

static char *path_expanded(const char *argument)
{
    Bytes path = { 0 };
    const char *home = getenv("HOME");
    bool tilde = argument[0] == '~' && argument[1] == '/' && home;
    if (tilde) bytes_put(&path, home, strlen(home));
    bytes_put(&path, argument + tilde, strlen(argument + tilde));
    return path.at;
}

static void act_save(Talk *talk, const char *argument)
{
    if (!*argument) {
        talk_fail(talk, "/save needs the name of a file");
        return;
    }
    char *path = path_expanded(argument);
    Bytes part = { 0 };
    bytes_put(&part, path, strlen(path));
    bytes_put(&part, ".part", 5);
    json_t *object = need(json_pack("{s:O}", "messages", talk->messages));
    if (talk->tools && json_object_set_new(object, "tools", json_loads(talk->tools, JSON_ALLOW_NUL, NULL))) need(NULL);
    errno = 0;
    FILE *file = fopen(part.at, "wb");
    bool fine = file && !json_dumpf(object, file, JSON_INDENT(2)) && fputc('\n', file) != EOF;
    if (file && fclose(file)) fine = false;
    if (!fine || rename(part.at, path)) {
        talk->failed = true;
        fail("%s: %s", path, strerror(errno));
        if (file) remove(part.at);
    } else
        talk_say(talk, "saved");
    json_decref(object);
    bytes_free(&part);
    free(path);
}

// Messages are tried on the template before they replace the talk.
static int messages_try(Talk *talk, const json_t *messages, const DureRenderOptions *how)
{
    DureText text;
    DureError error;
    char *dumped = need(json_dumps(messages, 0));
    int code = dure_render(talk->running.model, dumped, strlen(dumped), how, &text, NULL, &error);
    free(dumped);
    if (code) return fail("%s", error.text);
    dure_text_free(&text);
    return EXIT_FINE;
}

static void act_load(Talk *talk, const char *argument)
{
    if (!*argument || !strcmp(argument, "-")) {
        talk_fail(talk, "/load needs the name of a file");
        return;
    }
    char *path = path_expanded(argument);
    json_t *messages = NULL, *tools = NULL;
    int code = input_messages(&messages, &tools, path);
    DureRenderOptions how = talk->how;
    char *offered = !code && tools ? need(json_dumps(tools, JSON_ENCODE_ANY)) : NULL;
    if (offered) how.tools = offered;
    if (!code && json_array_size(messages)) code = messages_try(talk, messages, &how);
    json_decref(tools);
    free(path);
    if (code) {
        talk->failed = true;
        json_decref(messages);
        free(offered);
        return;
    }
    json_decref(talk->messages);
    talk->messages = messages;
    if (offered) {
        free(talk->tools);
        talk->how.tools = talk->tools = offered;
    }
    talk_say(talk, "loaded");
}

static void act_stats(Talk *talk, const char *argument)
{
    (void)argument;
    if (talk->answered)
        stats_print(&talk->running, &talk->stats);
    else
        talk_fail(talk, "there is no answer yet to tell of");
}

static void act_quit(Talk *talk, const char *argument)
{
    (void)argument;
    talk->over = true;
}

const ChatWord chat_words[] = {
    { "/help", NULL, "Show this.", act_help },
    { "/reset", NULL, "Start over; the system message is kept.", act_reset },
    { "/system", "TEXT", "Set the system message; none removes it; without TEXT show it.", act_system },
    { "/result", "TEXT", "Give TEXT as the result of a tool that the model called.", act_result },
    { "/regen", NULL, "Answer the last message again.", act_regen },
    { "/save", "FILE", "Write the talk to FILE as JSON.", act_save },
    { "/load", "FILE", "Go on with the talk in FILE, and with its tools if it has some.", act_load },
    { "/stats", NULL, "Tell speed and memory of the last answer.", act_stats },
    { "/quit", NULL, "End the talk.", act_quit },
    { 0 },
};

static void talk_word(Talk *talk, char *line)
{
    size_t n = strcspn(line, " \t");
    char *argument = line + n + strspn(line + n, " \t");
    for (size_t end = strlen(argument); end && strchr(" \t", argument[end - 1]);) argument[--end] = 0;
    line[n] = 0;
    const char *names[16];
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
    *talk = (Talk){ .options = o };
    talk->terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    int code = time_parse(&talk->how.now, &talk->how.utc_offset, o->now);
    if (!code && o->system) code = utf8_check(o->system, strlen(o->system), "the system message");
    if (!code) code = tools_read(&talk->tools, o);
    if (!code) code = running_open(&talk->running, o);
    if (!code) {
        code = sampling_from(&talk->sampling, o, talk->running.model);
        if (code)
            running_close(&talk->running);
        else
            remarks_show(&talk->running.remarks);
        talk->how.kwargs = talk->kwargs = code ? NULL : reasoning_kwargs(o);
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
    char greeting[96];
    snprintf(greeting, sizeof greeting, "a context of %lld tokens; /help tells what can be typed",
             (long long)talk.running.plan.context);
    talk_say(&talk, greeting);
    talk_loop(&talk);
    bool stopped = interrupted() && !talk.terminal;
    interrupt_release();
    line_close(talk.lines);
    json_decref(talk.messages);
    free(talk.kwargs);
    free(talk.tools);
    running_close(&talk.running);
    if (stopped) raise(SIGINT);
    return talk.failed && !talk.terminal ? EXIT_FAILED : EXIT_FINE;
}

const Command command_chat = {
    .name = "chat",
    .arguments = "MODEL",
    .summary = "Talk with a model",
    .about =
        "Talks with a model, line by line. A line that ends in a backslash goes on in the next one; three quotation "
        "marks open a text of many lines, three more at the end of a line close it. Ctrl-C ends an answer and keeps "
        "the "
        "talk; Ctrl-D ends it. Where standard input is no terminal, lines are read from it and answers alone are "
        "printed.",
    .uses = USES_MODEL | USES_ENGINE | USES_SAMPLING | USES_SYSTEM | USES_TEMPLATE | USES_REPLY | USES_STATS,
    .bytes = sizeof(Options),
    .run = chat,
};
