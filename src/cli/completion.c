// Completions for bash and zsh, from the tables.
#include "cli.h"

#include <stdio.h>
#include <string.h>

typedef void (*EachOption)(const Option *option);

static void options_each(const Command *command, EachOption each)
{
    for (const Option *o = command->own; o && o->name; o++) each(o);
    for (const Option *o = common_options; o->name; o++)
        if (option_applies(o, command)) each(o);
}

static void choices_print(const Option *o)
{
    for (int i = 0; o->choices[i]; i++) printf("%s%s", i ? " " : "", o->choices[i]);
}

// ---- Names of two words --------------------------------------------------------------------------------------------

// Some commands are two words, as "train plot".
static int first_word(const Command *command) // bytes
{
    return (int)strcspn(command->name, " ");
}

// False where a command before it in the table begins with the same word.
static bool is_new_word(int i)
{
    const int n = first_word(commands[i]);
    for (int k = 0; k < i; k++)
        if (first_word(commands[k]) == n && !strncmp(commands[k]->name, commands[i]->name, (size_t)n)) return false;
    return true;
}

static const char *second_word(const Command *command) // or NULL
{
    const char *blank = strchr(command->name, ' ');
    return blank ? blank + 1 : NULL;
}

// ---- bash ----------------------------------------------------------------------------------------------------------

static void bash_name(const Option *o)
{
    printf(" --%s", o->name);
    if (o->letter) printf(" -%c", o->letter);
}

// What may follow an option that takes a value: one of its choices, a file, or nothing that could be guessed.
static void bash_value(const Option *o)
{
    if (o->kind == OPTION_FLAG) return;
    printf("        ");
    if (o->letter) printf("-%c|", o->letter);
    printf("--%s) ", o->name);
    if (o->choices) {
        printf("COMPREPLY=($(compgen -W '");
        choices_print(o);
        printf("' -- \"$word\"));");
    } else if (o->kind == OPTION_FILE) {
        printf("compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\");");
    } else {
        printf("COMPREPLY=();");
    }
    printf(" return ;;\n");
}

void completion_bash(void)
{
    printf("# bash completion for dure; made by `dure --completion bash`\n"
           "_dure_models()\n{\n"
           "    local folder=${DURE_MODELS:-$HOME/.cache/dure/models} at\n"
           "    for at in \"$folder\"/*; do\n"
           "        [ -e \"$at\" ] && at=${at##*/} && printf '%%s\\n' \"${at%%.gguf}\"\n"
           "    done\n"
           "    for at in \"$folder\"/*/*/.pull; do\n" // ORG/NAME
           "        [ -d \"$at\" ] && at=${at%%/.pull} && printf '%%s\\n' \"${at#\"$folder\"/}\"\n"
           "    done\n}\n\n"
           "_dure()\n{\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]} "
           "options=\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '");
    for (int i = 0; commands[i]; i++)
        if (is_new_word(i)) printf("%.*s ", first_word(commands[i]), commands[i]->name);
    printf("help --help --version --completion' -- \"$word\"))\n        return\n    fi\n"
           "    case \"$command ${COMP_WORDS[2]}\" in\n");
    for (int i = 0; commands[i]; i++)
        if (second_word(commands[i])) printf("    '%s') command='%s' ;;\n", commands[i]->name, commands[i]->name);
    printf("    esac\n    case $command in\n");
    for (int i = 0; commands[i]; i++) {
        printf(second_word(commands[i]) ? "    '%s')\n        options='" : "    %s)\n        options='",
               commands[i]->name);
        options_each(commands[i], bash_name);
        printf("'\n        case $before in\n");
        options_each(commands[i], bash_value);
        printf("        esac ;;\n");
    }
    printf("    esac\n    local second=\n    [ \"$COMP_CWORD\" -eq 2 ] && case $command in\n");
    for (int i = 0; commands[i]; i++)
        if (second_word(commands[i]))
            printf("    %.*s) second=%s ;;\n", first_word(commands[i]), commands[i]->name, second_word(commands[i]));
    printf("    esac\n"
           "    case $word in\n"
           "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
           "    *) compopt -o filenames\n"
           "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\"; compgen -W \"$second $(_dure_models)\" -- "
           "\"$word\") ;;\n"
           "    esac\n}\n\ncomplete -F _dure dure\n");
}

// ---- zsh -----------------------------------------------------------------------------------------------------------

// Inside single quotes, as a description in brackets.
static void zsh_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            printf("'\\''");
        else if (*text == '[' || *text == ']' || *text == ':' || *text == '\\')
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

static void zsh_option(const Option *o)
{
    const char *many = o->kind >= OPTION_LIST ? "*" : "";
    printf("            ");
    if (o->letter && !*many)
        printf("'(-%c --%s)'{-%c,--%s}'[", o->letter, o->name, o->letter, o->name);
    else
        printf("'%s--%s[", many, o->name);
    zsh_text(o->help);
    printf("]");
    if (o->value) {
        printf(":%s:", o->value);
        if (o->choices) {
            printf("(");
            choices_print(o);
            printf(")");
        } else if (o->kind == OPTION_FILE) {
            printf("_files");
        }
    }
    printf("' \\\n");
}

void completion_zsh(void)
{
    printf("#compdef dure\n# zsh completion for dure; made by `dure --completion zsh`\n\n"
           "_dure_models()\n{\n"
           "    local folder=${DURE_MODELS:-$HOME/.cache/dure/models}\n"
           "    local -a names=($folder/*(N:t)) pulled=($folder/*/*/.pull(N:h))\n"
           "    names+=(${pulled#$folder/})\n"
           "    _alternative \"models:model:(${names%%.gguf})\" 'files:file:_files'\n}\n\n"
           "_dure()\n{\n    local -a commands=(\n");
    for (int i = 0; commands[i]; i++) {
        if (!is_new_word(i)) continue;
        printf("        '%.*s:", first_word(commands[i]), commands[i]->name);
        zsh_text(commands[i]->summary);
        printf("'\n");
    }
    printf("        'help:Show help'\n    )\n"
           "    if ((CURRENT == 2)); then\n"
           "        _describe command commands\n        return\n    fi\n"
           "    local command=$words[2]\n    case \"$words[2] $words[3]\" in\n");
    for (int i = 0; commands[i]; i++)
        if (second_word(commands[i]))
            printf("    '%s') command='%s'; shift words; ((CURRENT--)) ;;\n", commands[i]->name, commands[i]->name);
    printf("    esac\n    shift words\n    ((CURRENT--))\n    case $command in\n");
    for (int i = 0; commands[i]; i++) {
        printf(second_word(commands[i]) ? "    '%s')\n        _arguments \\\n" : "    %s)\n        _arguments \\\n",
               commands[i]->name);
        options_each(commands[i], zsh_option);
        printf("            '1:model:_dure_models' '*:argument:_files' ;;\n");
    }
    printf("    esac\n}\n\n_dure \"$@\"\n");
}
