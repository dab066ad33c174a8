// What may be typed in a chat beside messages.
#include "talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// How the model's makers say that it is asked.
static void model_help(const DureModel *model)
{
    DureText help;
    DureError error;
    if (dure_model_help(model, &help, &error)) {
        fail("%s", error.text);
        return;
    }
    if (help.n) printf("\n");
    fflush(stdout);
    out_answer(help.at, help.n);
    dure_text_free(&help);
}

static void act_help(Talk *talk, const char *argument)
{
    (void)argument;
    for (const ChatWord *w = chat_words; w->name; w++) {
        printf("%s%s%-*s", w->name, w->argument ? " " : "", (int)(15 - strlen(w->name) - (w->argument ? 1 : 0)),
               w->argument ? w->argument : "");
        help_wrap(tr(w->help), 15, 15);
    }
    printf("\n");
    help_wrap(
        tr("A line that ends in a backslash goes on in the next one. Three quotation marks \"\"\" open a text of many "
           "lines, three more at the end of a line close it. A line that begins with a blank is never a command. A "
           "word "
           "@FILE, or @\"A FILE\", gives the file's text; @@ is a plain @. Ctrl-C ends an answer or clears the line, "
           "Ctrl-D ends the talk."),
        0, 0);
    model_help(talk->running.model);
    out_write("", 0);
}

static void act_reset(Talk *talk, const char *argument)
{
    (void)argument;
    size_t keep = !strcmp(role_at(talk->messages, 0), "system");
    messages_cut(talk->messages, keep);
    DureError error;
    if (dure_session_reset(talk->running.session, &error)) {
        talk_fail(talk, error.text);
        return;
    }
    talk_say(talk, keep ? N_("a new talk; the system message is kept") : N_("a new talk"));
}

void system_set(json_t *messages, const char *text)
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
        messages_cut(talk->messages, json_array_size(talk->messages) - 1);
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
    messages_cut(talk->messages, n - answered);
    talk->sampling.seed++;
    if (!(talk->sampling.temperature > 0)) talk_say(talk, "the temperature is 0: the answer will be the same");
    if (talk_answer(talk) && old && json_array_append(talk->messages, old)) need(NULL);
    json_decref(old);
}

// What a file of the talk holds.
static json_t *talk_object(const Talk *talk)
{
    json_t *object = need(json_pack("{s:O}", "messages", talk->messages));
    if (talk->tools && json_object_set_new(object, "tools", json_loads(talk->tools, JSON_ALLOW_NUL, NULL))) need(NULL);
    return object;
}

static void save_messages(Talk *talk, const char *path)
{
    json_t *object = talk_object(talk);
    if (json_replace(path, object, JSON_INDENT(2)))
        talk->failed = true;
    else
        talk_say(talk, "saved");
    json_decref(object);
}

static void save_session(Talk *talk, const char *path)
{
    DureError error;
    json_t *object = talk_object(talk);
    char *text = need(json_dumps(object, 0));
    if (dure_session_save(talk->running.session, path, text, strlen(text), &error))
        talk_fail(talk, error.text);
    else
        talk_say(talk, "saved, with what the model holds of it");
    free(text);
    json_decref(object);
}

static void act_save(Talk *talk, const char *argument)
{
    if (!*argument) {
        talk_fail(talk, "/save needs the name of a file");
        return;
    }
    char *path = path_expanded(argument);
    if (ends_in(path, ".safetensors"))
        save_session(talk, path);
    else
        save_messages(talk, path);
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

// Takes the talk over; messages and tools are the caller's no more.
static int talk_take(Talk *talk, json_t *messages, const json_t *tools)
{
    DureRenderOptions how = talk->how;
    char *offered = tools ? need(json_dumps(tools, JSON_ENCODE_ANY)) : NULL;
    if (offered) how.tools = offered;
    if (json_array_size(messages) && messages_try(talk, messages, &how)) {
        free(offered);
        json_decref(messages);
        return talk->failed = true, EXIT_FAILED;
    }
    json_decref(talk->messages);
    talk->messages = messages;
    if (offered) {
        free(talk->tools);
        talk->how.tools = talk->tools = offered;
    }
    return EXIT_FINE;
}

static void load_session(Talk *talk, const char *path)
{
    DureSession *session = NULL;
    DureText text = { 0 };
    DureError error;
    if (dure_session_load(&session, talk->running.engine, path, &text, &error)) {
        talk_fail(talk, error.text);
        return;
    }
    json_t *object = json_loadb(text.at, text.n, JSON_ALLOW_NUL, NULL);
    json_t *messages = json_incref(json_object_get(object, "messages"));
    dure_text_free(&text);
    int code = EXIT_FAILED;
    if (json_is_array(messages))
        code = talk_take(talk, messages, json_object_get(object, "tools"));
    else
        talk_fail(talk, "the file holds no messages, so it was not saved by a talk");
    json_decref(object);
    if (code) {
        dure_session_free(session);
        return;
    }
    dure_session_free(talk->running.session);
    talk->running.session = session;
    talk_say(talk, "loaded");
}

static void load_messages(Talk *talk, const char *path)
{
    json_t *messages = NULL, *tools = NULL;
    if (input_messages(&messages, &tools, path)) {
        talk->failed = true;
        return;
    }
    if (!talk_take(talk, messages, tools)) talk_say(talk, "loaded");
    json_decref(tools);
}

static void act_load(Talk *talk, const char *argument)
{
    if (!*argument || !strcmp(argument, "-")) {
        talk_fail(talk, "/load needs the name of a file");
        return;
    }
    char *path = path_expanded(argument);
    if (ends_in(path, ".safetensors"))
        load_session(talk, path);
    else
        load_messages(talk, path);
    free(path);
}

// ---- Going back, and several talks ---------------------------------------------------------------------------------

static void act_undo(Talk *talk, const char *argument)
{
    (void)argument;
    size_t n = json_array_size(talk->messages), at = n;
    while (at && strcmp(role_at(talk->messages, at - 1), "user")) at--;
    if (!at) {
        talk_fail(talk, "there is no message to take back");
        return;
    }
    messages_cut(talk->messages, at - 1);
    talk_say(talk, "the last message and its answer are forgotten");
}

static Branch *branch_find(const Talk *talk, const char *name)
{
    for (size_t i = 0; i < talk->branch_count; i++)
        if (!strcmp(talk->branches[i].name, name)) return &talk->branches[i];
    return NULL;
}

static const char *running_name(const Talk *talk)
{
    return talk->name ? talk->name : "first";
}

static void branches_show(const Talk *talk)
{
    printf("* %s\n", running_name(talk));
    for (size_t i = 0; i < talk->branch_count; i++) printf("  %s\n", talk->branches[i].name);
    out_write("", 0);
}

// The running talk goes on under a new name; what it was until here stays under the old one.
static void act_fork(Talk *talk, const char *argument)
{
    DureError error;
    DureSession *kept = NULL;
    if (!*argument) {
        talk_fail(talk, "/fork needs a name for the talk that goes on");
        return;
    }
    if (branch_find(talk, argument) || !strcmp(argument, running_name(talk))) {
        talk_fail(talk, "there is a talk of this name already");
        return;
    }
    if (dure_session_fork(&kept, talk->running.session, &error)) {
        talk_fail(talk, error.text);
        return;
    }
    talk->branches = need(realloc(talk->branches, (talk->branch_count + 1) * sizeof *talk->branches));
    talk->branches[talk->branch_count++] = (Branch){ .name = need(strdup(running_name(talk))),
                                                     .messages = need(json_deep_copy(talk->messages)),
                                                     .session = kept };
    free(talk->name);
    talk->name = need(strdup(argument));
    talk_say(talk, "a copy of the talk goes on; /switch goes back");
}

static void act_switch(Talk *talk, const char *argument)
{
    if (!*argument) {
        branches_show(talk);
        return;
    }
    Branch *branch = branch_find(talk, argument);
    if (!branch) {
        talk_fail(talk, "there is no other talk of this name; /switch alone lists them");
        return;
    }
    const Branch left = { need(strdup(running_name(talk))), talk->messages, talk->running.session };
    free(talk->name);
    talk->name = branch->name;
    talk->messages = branch->messages;
    talk->running.session = branch->session;
    *branch = left;
    talk_say(talk, "switched");
}

void talk_branches_free(Talk *talk)
{
    for (size_t i = 0; i < talk->branch_count; i++) {
        free(talk->branches[i].name);
        json_decref(talk->branches[i].messages);
        dure_session_free(talk->branches[i].session);
    }
    free(talk->branches);
    free(talk->name);
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
    { "/help", NULL, N_("Show this."), act_help },
    { "/reset", NULL, N_("Start over; the system message is kept."), act_reset },
    { "/system", "TEXT", N_("Set the system message; none removes it; without TEXT show it."), act_system },
    { "/result", "TEXT", N_("Give TEXT as the result of a tool that the model called."), act_result },
    { "/regen", NULL, N_("Answer the last message again."), act_regen },
    { "/undo", NULL, N_("Take the last message back, and its answer."), act_undo },
    { "/fork", "NAME", N_("Go on with a copy of the talk that is called NAME."), act_fork },
    { "/switch", "NAME", N_("Go on with another talk; without NAME list them."), act_switch },
    { "/save", "FILE",
      N_("Write the talk to FILE as JSON; a name that ends in .safetensors keeps what the model has read, too."),
      act_save },
    { "/load", "FILE", N_("Go on with the talk in FILE, and with its tools if it has some."), act_load },
    { "/stats", NULL, N_("Tell speed and memory of the last answer."), act_stats },
    { "/quit", NULL, N_("End the talk."), act_quit },
    { 0 },
};
