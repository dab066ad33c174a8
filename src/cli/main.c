// dure: the commands, and the way to them.
#include "cli.h"

#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const Command *const commands[] = {
    &command_run,   &command_chat,   &command_inspect, &command_tokenize,   &command_detokenize,      &command_render,
    &command_parse, &command_logits, &command_embed,   &command_perplexity, &command_compare,         &command_pull,
    &command_list,  &command_rm,     &command_train,   &command_train_plot, &command_tokenizer_train, NULL,
};

const Command *command_find(const char *name)
{
    for (int i = 0; commands[i]; i++)
        if (!strcmp(commands[i]->name, name)) return commands[i];
    return NULL;
}

// The command that the words begin with, and how many words it is: some are two, as "train plot".
static const Command *command_of(int count, char **words, int *taken)
{
    char both[64];
    if (count < 1) return NULL;
    if (count > 1 && snprintf(both, sizeof both, "%s %s", words[0], words[1]) < (int)sizeof both) {
        const Command *command = command_find(both);
        *taken = 2;
        if (command) return command;
    }
    *taken = 1;
    return command_find(words[0]);
}

// What the words could have meant, or NULL: of commands of two words the first alone says enough.
static const char *near_command(int count, char **words)
{
    const char *names[COUNT(commands) + 1];
    char both[64];
    size_t n = 0, first = strlen(words[0]);
    while (commands[n]) {
        names[n] = commands[n]->name;
        if (!strncmp(names[n], words[0], first) && names[n][first] == ' ') return names[n];
        n++;
    }
    names[n++] = "help";
    if (count > 1 && snprintf(both, sizeof both, "%s %s", words[0], words[1]) < (int)sizeof both) {
        const char *near = nearest(both, names, n);
        if (near && strchr(near, ' ')) return near;
    }
    return nearest(words[0], names, n);
}

static int refuse_command(int count, char **words)
{
    const char *near = near_command(count, words);
    if (near) return usage("there is no command \"%s\"; did you mean %s?", words[0], near);
    return usage("there is no command \"%s\"; dure help lists them", words[0]);
}

static int help(int count, char **words)
{
    int taken;
    const Command *command = command_of(count, words, &taken);
    if (count && !command) return refuse_command(count, words);
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
    if (!strcmp(word, "help")) return help(argc - 2, argv + 2);
    if (!strcmp(word, "--help") || !strcmp(word, "-h")) return help(0, NULL);
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
    return refuse_command(argc - 1, argv + 1);
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
    int taken;
    const Command *command = command_of(argc - 1, argv + 1, &taken);
    if (!command) return global(argc, argv);
    Options *options = need(calloc(1, command->bytes));
    int code = options_parse(options, command, argc - taken, argv + taken);
    if (code < 0) {
        code = command->run(options);
        int closed = out_close();
        if (!code) code = closed;
    }
    options_free(options, command);
    return code;
}
