// dure: the commands, and the way to them.
#include "cli.h"

#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const Command *const commands[] = {
    &command_run,        &command_chat,       &command_inspect, &command_tokenize,
    &command_detokenize, &command_render,     &command_parse,   &command_logits,
    &command_embed,      &command_perplexity, &command_compare, &command_pull,
    &command_list,       &command_rm,         &command_train,   NULL,
};

const Command *command_find(const char *name)
{
    for (int i = 0; commands[i]; i++)
        if (!strcmp(commands[i]->name, name)) return commands[i];
    return NULL;
}

static int refuse_command(const char *word)
{
    const char *names[COUNT(commands) + 1];
    size_t n = 0;
    while (commands[n]) {
        names[n] = commands[n]->name;
        n++;
    }
    names[n++] = "help";
    const char *near = nearest(word, names, n);
    if (near) return usage("there is no command \"%s\"; did you mean %s?", word, near);
    return usage("there is no command \"%s\"; dure help lists them", word);
}

static int help(const char *word)
{
    const Command *command = word ? command_find(word) : NULL;
    if (word && !command) return refuse_command(word);
    if (command)
        help_command(command);
    else
        help_overall();
    return out_close();
}

static int completion(const char *shell)
{
    if (shell && !strcmp(shell, "bash"))
        completion_bash();
    else if (shell && !strcmp(shell, "zsh"))
        completion_zsh();
    else
        return usage("--completion takes bash or zsh");
    return out_close();
}

// Words that are not commands of their own: help, --help, --version, --completion, --manual.
static int global(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL, *argument = argc > 2 ? argv[2] : NULL;
    if (!word) return usage("give a command; dure help lists them");
    if (!strcmp(word, "help")) return help(argument);
    if (!strcmp(word, "--help") || !strcmp(word, "-h")) return help(NULL);
    if (!strcmp(word, "--completion")) return completion(argument);
    if (!strcmp(word, "--manual")) {
        manual_print();
        return out_close();
    }
    if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
        printf("dure %s\n", dure_version());
        return out_close();
    }
    if (*word == '-') {
        static const char *const known[] = { "--help", "--version", "--completion" };
        const char *near = nearest(word, known, COUNT(known));
        if (near) return usage("there is no option %s in front of a command; did you mean %s?", word, near);
        return usage("there is no option %s in front of a command; dure help lists the commands", word);
    }
    return refuse_command(word);
}

enum { BUFFER_BYTES = 1 << 16 };

static void locale_set(void)
{
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8")) setlocale(LC_CTYPE, "C.UTF-8");
}

static bool is_locale(const char *name, const char *language)
{
    const size_t n = strcspn(name, ".@");
    return n == strlen(language) && !strncmp(name, language, n);
}

// By the variables as gettext reads them, but without asking whether the machine has that locale: containers have none.
static void language_choose(void)
{
    static const char *const variables[] = { "LC_ALL", "LC_MESSAGES", "LANG" };
    const char *locale = NULL, *list = getenv("LANGUAGE");
    for (size_t i = 0; i < COUNT(variables) && (!locale || !*locale); i++) locale = getenv(variables[i]);
    if (!locale || !*locale || is_locale(locale, "C") || is_locale(locale, "POSIX")) return;
    for (const char *at = list && *list ? list : locale; *at; at += *at == ':') {
        if (!dure_language(at)) return;
        at += strcspn(at, ":");
    }
}

// jansson loses a character without a word when a string cannot grow while it is parsed; so it never hears of it.
static void *json_memory(size_t bytes)
{
    return need(malloc(bytes ? bytes : 1));
}

int main(int argc, char **argv)
{
    json_set_alloc_funcs(json_memory, free);
    locale_set();
    language_choose();
    setvbuf(stdout, need(malloc(BUFFER_BYTES)), _IOFBF,
            BUFFER_BYTES);    // stdio's own, when it gets none, loses characters
    signal(SIGPIPE, SIG_IGN); // writing to a closed pipe is an error that out_write takes as the end
    const Command *command = argc > 1 ? command_find(argv[1]) : NULL;
    if (!command) return global(argc, argv);
    Options *options = need(calloc(1, command->bytes));
    int code = options_parse(options, command, argc - 1, argv + 1);
    if (code < 0) {
        code = command->run(options);
        int closed = out_close();
        if (!code) code = closed;
    }
    options_free(options, command);
    return code;
}
