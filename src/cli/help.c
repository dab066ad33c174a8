// --help, from the tables.
#include "cli.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 80, NAMES_WIDTH = 28 };

// Of the n bytes that begin the text.
static int columns_of(const char *text, size_t n)
{
    Bytes word = { 0 };
    bytes_put(&word, text, n);
    const int columns = (int)text_columns(word.at);
    bytes_free(&word);
    return columns;
}

void help_wrap(const char *text, int indent, int column)
{
    while (*text) {
        const size_t word = strcspn(text, " \n");
        const int columns = columns_of(text, word);
        if (column > indent && column + 1 + columns > WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        fwrite(text, 1, word, stdout);
        column += columns;
        text += word;
        if (*text == '\n') {
            printf("\n%*s", indent, "");
            column = indent;
        }
        if (*text) text++;
    }
    putchar('\n');
}

static void help_option(const Option *o)
{
    char names[64];
    int n = o->letter ? snprintf(names, sizeof names, "  -%c, --%s", o->letter, o->name)
                      : snprintf(names, sizeof names, "      --%s", o->name);
    if (o->value) n += snprintf(names + n, sizeof names - (size_t)n, " %s", o->value);
    if (n < NAMES_WIDTH - 1)
        printf("%-*s", NAMES_WIDTH, names);
    else
        printf("%s\n%*s", names, NAMES_WIDTH, "");
    help_wrap(tr(o->help), NAMES_WIDTH, NAMES_WIDTH);
    if (!o->choices) return;
    Bytes list = { 0 }, sentence = { 0 };
    for (int i = 0; o->choices[i]; i++) bytes_printf(&list, "%s%s", i ? ", " : "", o->choices[i]);
    printf("%*s", NAMES_WIDTH, "");
    bytes_printf(&sentence, tr("One of %s."), list.at);
    help_wrap(sentence.at, NAMES_WIDTH, NAMES_WIDTH);
    bytes_free(&list);
    bytes_free(&sentence);
}

void help_command(const Command *command)
{
    printf(tr("Usage: dure %s [OPTION]...%s%s\n\n"), command->name, *command->arguments ? " " : "", command->arguments);
    help_wrap(tr(command->about), 0, 0);
    fputs(tr("\nOptions:\n"), stdout);
    for (const Option *o = command->own; o && o->name; o++) help_option(o);
    for (const Option *o = common_options; o->name; o++)
        if (option_applies(o, command)) help_option(o);
    if (command->uses & USES_MODEL) {
        printf("\n");
        help_wrap(tr("MODEL is a folder, a .gguf or .safetensors file, the name of one under DURE_MODELS (default "
                     "~/.cache/dure/models), or ORG/NAME as dure pull or the Hugging Face cache has it."),
                  0, 0);
    }
}

void help_overall(void)
{
    fputs(tr("Usage: dure COMMAND [OPTION]... [MODEL] ...\n\nRuns language models from their published checkpoints.\n\n"
             "Commands:\n"),
          stdout);
    for (int i = 0; commands[i]; i++) printf("  %-15s %s\n", commands[i]->name, tr(commands[i]->summary));
    fputs(tr("\n  dure COMMAND --help        tells more about one of them\n"
             "  dure --version             prints the version\n"
             "  dure --completion SHELL    prints completions for bash or zsh\n"),
          stdout);
}
