// --help, from the tables.
#include "cli.h"

#include <stdio.h>
#include <string.h>

enum { WIDTH = 80, NAMES_WIDTH = 28 };

void help_wrap(const char *text, int indent, int column)
{
    while (*text) {
        size_t word = strcspn(text, " \n");
        if (column > indent && column + 1 + (int)word > WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        fwrite(text, 1, word, stdout);
        column += (int)word;
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
    help_wrap(o->help, NAMES_WIDTH, NAMES_WIDTH);
    if (!o->choices) return;
    Bytes list = { 0 };
    for (int i = 0; o->choices[i]; i++) bytes_printf(&list, "%s%s", i ? ", " : "One of ", o->choices[i]);
    printf("%*s", NAMES_WIDTH, "");
    bytes_put(&list, ".", 1);
    help_wrap(list.at, NAMES_WIDTH, NAMES_WIDTH);
    bytes_free(&list);
}

void help_command(const Command *command)
{
    printf("Usage: dure %s [OPTION]...%s%s\n\n", command->name, *command->arguments ? " " : "", command->arguments);
    help_wrap(command->about, 0, 0);
    printf("\nOptions:\n");
    for (const Option *o = command->own; o && o->name; o++) help_option(o);
    for (const Option *o = common_options; o->name; o++)
        if (option_applies(o, command)) help_option(o);
    if (command->uses & USES_MODEL) {
        printf("\n");
        help_wrap("MODEL is a folder, a .gguf or .safetensors file, the name of one under DURE_MODELS (default "
                  "~/.cache/dure/models), or ORG/NAME as dure pull or the Hugging Face cache has it.",
                  0, 0);
    }
}

void help_overall(void)
{
    printf("Usage: dure COMMAND [OPTION]... [MODEL] ...\n\nRuns language models from their published checkpoints.\n\n"
           "Commands:\n");
    for (int i = 0; commands[i]; i++) printf("  %-12s %s\n", commands[i]->name, commands[i]->summary);
    printf("\n  dure COMMAND --help        tells more about one of them\n"
           "  dure --version             prints the version\n"
           "  dure --completion SHELL    prints completions for bash or zsh\n");
}
