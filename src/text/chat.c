// A model's chat: its template, the special tokens that the template may name, and the form of its replies. Variables are
// those that transformers gives: messages, tools, documents, add_generation_prompt, special tokens, and the caller's kwargs.
#include "text/text.h"

#include <stdio.h>
#include <stdlib.h>

struct Chat {
    Template *template; // the one for all uses, or the default of several
    Template *tool_use; // the one to be used when tools are given, or NULL
    json_t *special;    // name -> string, or list of strings
    const ReplyForm *form;
};

typedef struct Sources {
    json_t *config, *map; // or NULL
    Str template, tool_use;
} Sources;

// ---- The template's text -------------------------------------------------------------------------------------------

static Str json_str(const json_t *s)
{
    return (Str){ json_is_string(s) ? json_string_value(s) : "", json_string_length(s) };
}

static Err parse_optional(json_t **out, Str text, const char *source)
{
    if (!text.n) return OK;
    Err e = json_parse(out, text, JSON_PLAIN, source);
    if (!e.code && !json_is_object(*out))
        e = err(ERR_FORMAT, "%s: tokenizer_config.json and special_tokens_map.json must hold objects", source);
    return e;
}

// Of a list of {name, template}.
static Str named_template(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        if (str_is(json_str(json_object_get(one, "name")), name)) return json_str(json_object_get(one, "template"));
    }
    return (Str){ "", 0 };
}

static Err find_templates(Sources *s, const ChatFiles *files)
{
    const json_t *given = json_object_get(s->config, "chat_template");
    s->template = files->template_text;
    if (!s->template.n && files->gguf) {
        meta_text(files->gguf, "tokenizer.chat_template", &s->template);
        meta_text(files->gguf, "tokenizer.chat_template.tool_use", &s->tool_use);
    }
    if (!s->template.n && json_is_array(given)) {
        s->template = named_template(given, "default");
        s->tool_use = named_template(given, "tool_use");
        if (!s->template.n && !s->tool_use.n)
            return err(ERR_FORMAT,
                       "%s: tokenizer_config.json has chat templates, but none is named default or tool_use",
                       files->source);
    } else if (!s->template.n) {
        s->template = json_str(given);
    }
    if (s->template.n || s->tool_use.n) return OK;
    return err(ERR_UNSUPPORTED,
               "%s: the model has no chat template, so it takes no conversation; --raw completes plain text",
               files->source);
}

// ---- Special tokens ------------------------------------------------------------------------------------------------

static const char *const special_names[] = { "bos_token", "eos_token", "unk_token", "sep_token",
                                             "pad_token", "cls_token", "mask_token" };

static Err set_special(json_t *special, const char *name, const json_t *token)
{
    if (json_is_object(token)) token = json_object_get(token, "content");
    if (!json_is_string(token)) return OK;
    json_t *copy = json_stringn(json_string_value(token), json_string_length(token));
    return json_object_set_new(special, name, copy) ? err_memory("the special tokens") : OK;
}

static Err set_additional(json_t *special, const json_t *list)
{
    json_t *tokens = json_array();
    Err e = tokens ? OK : err_memory("the special tokens");
    for (size_t i = 0; !e.code && i < json_array_size(list); i++) {
        const json_t *token = json_array_get(list, i);
        if (json_is_object(token)) token = json_object_get(token, "content");
        if (!json_is_string(token)) continue;
        json_t *copy = json_stringn(json_string_value(token), json_string_length(token));
        if (json_array_append_new(tokens, copy)) e = err_memory("the special tokens");
    }
    if (e.code)
        json_decref(tokens);
    else if (json_object_set_new(special, "additional_special_tokens", tokens))
        e = err_memory("the special tokens");
    return e;
}

static Err specials_of(json_t *special, const json_t *source)
{
    Err e = OK;
    const char *name;
    json_t *token;
    for (size_t i = 0; !e.code && i < COUNT(special_names); i++)
        e = set_special(special, special_names[i], json_object_get(source, special_names[i]));
    const json_t *list = json_object_get(source, "additional_special_tokens");
    if (!e.code && json_array_size(list)) e = set_additional(special, list);
    json_object_foreach (json_object_get(source, "extra_special_tokens"), name, token) // image_token and such
    {
        if (!e.code) e = set_special(special, name, token);
    }
    return e;
}

static Err specials_of_gguf(json_t *special, const Meta *gguf, const Tokenizer *tokenizer)
{
    static const char *const keys[] = {
        "bos", "eos", "unknown", "seperator", "padding", "cls", "mask"
    }; // sic: GGUF's spelling
    for (size_t i = 0; i < COUNT(keys); i++) {
        char key[64];
        int64_t id;
        snprintf(key, sizeof key, "tokenizer.ggml.%s_token_id", keys[i]);
        if (!meta_int(gguf, key, &id) || id < 0 || id > INT32_MAX) continue;
        Str token = tokenizer_token(tokenizer, (int32_t)id);
        if (!token.n || !utf8_valid(token.at, token.n)) continue;
        if (json_object_set_new(special, special_names[i], json_stringn(token.at, token.n)))
            return err_memory("the special tokens");
    }
    return OK;
}

// As transformers: with added_tokens_decoder the config says all, without it special_tokens_map.json wins.
static Err find_specials(Chat *chat, const Sources *s, const ChatFiles *files, const Tokenizer *tokenizer)
{
    chat->special = json_object();
    if (!chat->special) return err_memory("the special tokens");
    Err e = OK;
    if (files->gguf && tokenizer) e = specials_of_gguf(chat->special, files->gguf, tokenizer);
    if (!e.code) e = specials_of(chat->special, s->config);
    if (!e.code && !json_object_get(s->config, "added_tokens_decoder")) e = specials_of(chat->special, s->map);
    return e;
}

// ---- The form of reply ---------------------------------------------------------------------------------------------

static bool stands_in(Str text, const char *mark)
{
    return text.n && memmem(text.at, text.n, mark, strlen(mark)) != NULL;
}

static bool in_templates(const Sources *s, const char *mark)
{
    return stands_in(s->template, mark) || stands_in(s->tool_use, mark);
}

static const ReplyForm *find_form(const Sources *s, const Tokenizer *tokenizer)
{
    for (const ReplyForm *const *form = reply_forms;; form++) {
        const char *const *mark = (*form)->recognise, *const *text = (*form)->in_template;
        while (*mark && (in_templates(s, *mark) || (tokenizer && tokenizer_id(tokenizer, str(*mark)) >= 0))) mark++;
        while (text && *text && in_templates(s, *text)) text++;
        if (!*mark && !(text && *text)) return *form; // the last one asks for nothing
    }
}

static Err guard_marks(const ReplyForm *form, Tokenizer *tokenizer)
{
    Err e = OK;
    for (const char *const *mark = form->marks; !e.code && tokenizer && *mark; mark++) {
        int32_t id = tokenizer_id(tokenizer, str(*mark));
        if (id >= 0) e = tokenizer_guard(tokenizer, id);
    }
    return e;
}

// ---- A chat --------------------------------------------------------------------------------------------------------

static Err chat_fill(Chat *chat, Sources *s, const ChatFiles *files, Tokenizer *tokenizer)
{
    Err e = parse_optional(&s->config, files->tokenizer_config, files->source);
    if (!e.code) e = parse_optional(&s->map, files->special_tokens_map, files->source);
    if (!e.code) e = find_templates(s, files);
    if (!e.code && s->template.n) e = template_parse(&chat->template, s->template, files->source);
    if (!e.code && s->tool_use.n) e = template_parse(&chat->tool_use, s->tool_use, files->source);
    if (!e.code) e = find_specials(chat, s, files, tokenizer);
    if (e.code) return e;
    chat->form = find_form(s, tokenizer);
    return guard_marks(chat->form, tokenizer);
}

Err chat_new(Chat **out, const ChatFiles *files, Tokenizer *tokenizer)
{
    Sources sources = { 0 };
    *out = NULL;
    Chat *chat = calloc(1, sizeof *chat);
    if (!chat) return err_memory("a chat");
    Err e = chat_fill(chat, &sources, files, tokenizer);
    json_decref(sources.config);
    json_decref(sources.map);
    if (e.code)
        chat_free(chat);
    else
        *out = chat;
    return e;
}

void chat_free(Chat *chat)
{
    if (!chat) return;
    template_free(chat->template);
    template_free(chat->tool_use);
    json_decref(chat->special);
    free(chat);
}

const ReplyForm *chat_reply_form(const Chat *chat)
{
    return chat->form;
}

// ---- Messages ------------------------------------------------------------------------------------------------------

static Err check_part(const json_t *part, size_t message, size_t at)
{
    const json_t *type = json_object_get(part, "type");
    if (!json_is_object(part))
        return err(
            ERR_USAGE,
            "messages[%zu].content[%zu]: must be an object with a type, such as {\"type\": \"text\", \"text\": ...}",
            message, at);
    if (!json_is_string(type))
        return err(ERR_USAGE, "messages[%zu].content[%zu].type: must be a string, such as \"text\"", message, at);
    if (str_is(json_str(type), "text") && !json_is_string(json_object_get(part, "text")))
        return err(ERR_USAGE, "messages[%zu].content[%zu].text: must be a string", message, at);
    return OK;
}

static Err check_content(const json_t *m, size_t i, bool of_tool)
{
    const json_t *content = json_object_get(m, "content");
    if (!content || json_is_null(content) || json_is_string(content) || (of_tool && json_is_object(content))) return OK;
    if (!json_is_array(content))
        return err(ERR_USAGE, "messages[%zu].content: must be a string, null or a list of parts", i);
    Err e = OK;
    for (size_t k = 0; !e.code && k < json_array_size(content); k++) e = check_part(json_array_get(content, k), i, k);
    return e;
}

static Err check_message(const json_t *m, size_t i)
{
    static const char *const roles[] = { "system", "developer", "user", "assistant", "tool" };
    if (!json_is_object(m)) return err(ERR_USAGE, "messages[%zu]: must be an object with role and content", i);
    const json_t *role = json_object_get(m, "role"), *calls = json_object_get(m, "tool_calls");
    if (!json_is_string(role)) return err(ERR_USAGE, "messages[%zu].role: must be a string", i);
    size_t known = 0;
    while (known < COUNT(roles) && !str_is(json_str(role), roles[known])) known++;
    if (known == COUNT(roles))
        return err(ERR_USAGE,
                   "messages[%zu].role: '%.60s' is not known; it must be system, developer, user, assistant or tool", i,
                   json_string_value(role));
    if (calls && !json_is_null(calls) && !json_is_array(calls))
        return err(ERR_USAGE, "messages[%zu].tool_calls: must be a list", i);
    for (size_t k = 0; k < json_array_size(calls); k++)
        if (!json_is_object(json_array_get(calls, k)))
            return err(ERR_USAGE, "messages[%zu].tool_calls[%zu]: must be an object", i, k);
    return check_content(m, i, known == COUNT(roles) - 1);
}

static Err check_request(const json_t *messages, const ChatOptions *options)
{
    static const char *const ours[] = { "messages", "tools" };
    Err e = OK;
    if (!json_is_array(messages)) return err(ERR_USAGE, "messages: must be a list of messages");
    for (size_t i = 0; !e.code && i < json_array_size(messages); i++) e = check_message(json_array_get(messages, i), i);
    if (e.code) return e;
    if (options->tools && !json_is_null(options->tools) && !json_is_array(options->tools))
        return err(ERR_USAGE, "tools: must be a list of functions");
    for (size_t i = 0; i < json_array_size(options->tools); i++)
        if (!json_is_object(json_array_get(options->tools, i)))
            return err(ERR_USAGE, "tools[%zu]: must be an object", i);
    if (options->kwargs && !json_is_null(options->kwargs) && !json_is_object(options->kwargs))
        return err(ERR_USAGE, "chat_template_kwargs: must be an object");
    for (size_t i = 0; i < COUNT(ours); i++)
        if (json_object_get(options->kwargs, ours[i]))
            return err(ERR_USAGE, "chat_template_kwargs: '%s' must be given in its own place", ours[i]);
    return OK;
}

// ---- Arguments of calls --------------------------------------------------------------------------------------------

// OpenAI's API has a call's arguments as a string of JSON, and templates want the object. A string that holds no object is
// left as it is; an empty one stands for no arguments.
static Err arguments_read(json_t *function)
{
    json_t *object = NULL;
    const json_t *text = json_object_get(function, "arguments");
    if (!json_is_string(text)) return OK;
    Err e = json_string_length(text) ? json_parse(&object, json_str(text), JSON_NUL, "arguments") : OK;
    if (e.code && e.code != ERR_MEMORY) return OK;
    if (!e.code && !json_string_length(text) && !(object = json_object())) e = err_memory("the arguments of a call");
    if (!e.code && json_is_object(object) && json_object_set(function, "arguments", object))
        e = err_memory("the arguments of a call");
    json_decref(object);
    return e;
}

static bool has_text_arguments(const json_t *message)
{
    const json_t *calls = json_object_get(message, "tool_calls");
    for (size_t k = 0; k < json_array_size(calls); k++)
        if (json_is_string(json_object_get(json_object_get(json_array_get(calls, k), "function"), "arguments")))
            return true;
    return false;
}

// A copy of the message with its own calls; the rest is shared.
static Err message_with_objects(json_t **out, const json_t *message)
{
    Err e = OK;
    json_t *copy = json_copy((json_t *)(uintptr_t)message);
    json_t *calls = copy ? json_deep_copy(json_object_get(copy, "tool_calls")) : NULL;
    if (!calls || json_object_set_new(copy, "tool_calls", calls)) {
        json_decref(copy);
        return err_memory("the calls of a message");
    }
    for (size_t k = 0; !e.code && k < json_array_size(calls); k++)
        e = arguments_read(json_object_get(json_array_get(calls, k), "function"));
    if (e.code)
        json_decref(copy);
    else
        *out = copy;
    return e;
}

// The messages as templates are to see them: the same, or a copy that shares what did not change. *out: a new reference.
static Err messages_for_template(json_t **out, const json_t *messages)
{
    Err e = OK;
    json_t *list = NULL;
    for (size_t i = 0; !e.code && i < json_array_size(messages); i++) {
        json_t *changed = NULL;
        if (!has_text_arguments(json_array_get(messages, i))) continue;
        if (!list && !(list = json_copy((json_t *)(uintptr_t)messages))) return err_memory("the messages");
        e = message_with_objects(&changed, json_array_get(messages, i));
        if (!e.code && json_array_set_new(list, i, changed)) e = err_memory("the messages");
    }
    if (e.code)
        json_decref(list);
    else
        *out = list ? list : json_incref((json_t *)(uintptr_t)messages);
    return e;
}

// ---- Rendering -----------------------------------------------------------------------------------------------------

static int set_borrowed(json_t *variables, const char *name, const json_t *value)
{
    json_t *borrowed = value ? json_incref((json_t *)(uintptr_t)value) : json_null();
    return json_object_set_new(variables, name, borrowed);
}

// Special tokens first, so that kwargs may take their names; what they take is no longer trusted.
static Err variables_new(json_t **out, const char ***trusted, const Chat *chat, const json_t *messages,
                         const ChatOptions *options)
{
    json_t *v = json_deep_copy(chat->special), *value;
    const char *name, **names = calloc(json_object_size(chat->special) + 1, sizeof *names);
    size_t n = 0;
    int bad = !v || !names || set_borrowed(v, "messages", messages) || set_borrowed(v, "tools", options->tools) ||
              set_borrowed(v, "documents", NULL) ||
              json_object_set_new(v, "add_generation_prompt", json_boolean(options->add_generation_prompt));
    json_object_foreach ((json_t *)(uintptr_t)options->kwargs, name, value)
        bad = bad || json_object_set(v, name, value);
    if (bad) {
        json_decref(v);
        free(names);
        return err_memory("the template's variables");
    }
    json_object_foreach (chat->special, name, value) {
        if (!json_object_get(options->kwargs, name)) names[n++] = name;
    }
    *out = v;
    *trusted = names;
    return OK;
}

Err chat_render(const Chat *chat, const json_t *messages, const ChatOptions *options, Rendered *out)
{
    json_t *variables = NULL, *seen = NULL;
    const char **trusted = NULL;
    *out = (Rendered){ 0 };
    bool tools = options->tools && !json_is_null(options->tools);
    const Template *t = tools && chat->tool_use ? chat->tool_use : chat->template;
    if (!t) return err(ERR_UNSUPPORTED, "the model has a chat template for conversations with tools only; give tools");
    Err e = check_request(messages, options);
    if (!e.code) e = messages_for_template(&seen, messages);
    if (!e.code) e = variables_new(&variables, &trusted, chat, seen, options);
    if (!e.code) e = template_render(t, variables, trusted, options->now, out);
    json_decref(variables);
    json_decref(seen);
    free(trusted);
    return e;
}
