// The man page, in mdoc, from the tables: `dure --manual` prints it, the build installs it.
#include "cli.h"

#include <stdio.h>
#include <string.h>

#define MANUAL_DATE "November 25, 2026"

static void mdoc_word(const char *word, size_t n, bool first)
{
    bool dashes = true; // in front of an option's name they must stay plain
    if (first && n && (*word == '.' || *word == '\'')) printf("\\&");
    for (size_t i = 0; i < n; i++) {
        dashes = dashes && (word[i] == '-' || word[i] == '(' || word[i] == '"');
        if (word[i] == '\\')
            printf("\\e");
        else if (word[i] == '"')
            printf("\\(dq");
        else if (word[i] == '-' && dashes)
            printf("\\-");
        else if (word[i] == '~')
            printf("\\(ti");
        else
            putchar(word[i]);
    }
}

// Plain text: a sentence begins a line, and lines are short.
static void mdoc_text(const char *text)
{
    enum { LINE_MOST = 72 };
    bool ends = true; // the line before is over
    for (size_t column = 0; *text; text += *text != 0) {
        size_t word = strcspn(text, " \n");
        if (word) {
            bool fresh = ends || column + word > LINE_MOST;
            if (column) putchar(fresh ? '\n' : ' ');
            if (fresh) column = 0;
            mdoc_word(text, word, fresh);
            column += word + 1;
            ends = strchr(".;?", text[word - 1]) != NULL;
        }
        text += word;
        if (*text == '\n') {
            printf("\n.Pp\n");
            column = 0;
            ends = true;
        }
    }
    printf("\n");
}

static void mdoc_option(const Option *o)
{
    printf(".It ");
    if (o->letter) printf("Fl %c , ", o->letter);
    printf("Fl \\-%s", o->name);
    if (o->value) printf(" Ar %s", o->value);
    printf("\n");
    mdoc_text(o->help);
    if (!o->choices) return;
    printf("One of");
    for (int i = 0; o->choices[i]; i++) printf("%s\n.Cm %s", i ? " ," : "", o->choices[i]);
    printf(" .\n");
}

// "MODEL [PROMPT]": words in capitals are arguments, brackets mean optional.
static void mdoc_arguments(const char *arguments)
{
    for (const char *at = arguments; *at;) {
        at += strspn(at, " ");
        size_t n = strcspn(at, " ");
        if (!n) break;
        if (*at == '[')
            printf(".Op Ar %.*s\n", (int)(n - 2), at + 1);
        else if (*at == '<')
            printf("<\n");
        else
            printf(".Ar %.*s\n", (int)n, at);
        at += n;
    }
}

static void mdoc_command(const Command *command)
{
    printf(".Ss dure %s\n", command->name);
    mdoc_text(command->about);
    if (command->own) {
        printf(".Bl -tag -width Ds\n");
        for (const Option *o = command->own; o->name; o++) mdoc_option(o);
        printf(".El\n");
    }
    printf(".Pp\nOf the common options it takes");
    for (const Option *o = common_options, *last = NULL; o->name; o++) {
        if (!option_applies(o, command)) continue;
        printf("%s\n.Fl \\-%s", last ? " ," : "", o->name);
        last = o;
    }
    printf(" .\n");
    if (command != &command_chat) return;
    printf(".Pp\nThese lines are commands of the talk:\n.Bl -tag -width Ds\n");
    for (const ChatWord *w = chat_words; w->name; w++) {
        printf(".It Ic %s", w->name);
        if (w->argument) printf(" Ar %s", w->argument);
        printf("\n");
        mdoc_text(w->help);
    }
    printf(".El\n");
}

static void mdoc_head(void)
{
    printf(".Dd " MANUAL_DATE "\n.Dt DURE 1\n.Os\n.Sh NAME\n.Nm dure\n.Nd run language models from their published "
           "checkpoints\n.Sh SYNOPSIS\n");
    for (int i = 0; commands[i]; i++) {
        printf(".Nm\n.Cm %s\n.Op Ar option ...\n", commands[i]->name);
        mdoc_arguments(commands[i]->arguments);
    }
    printf(".Nm\n.Cm help\n.Op Ar command\n.Nm\n.Fl \\-version\n.Nm\n.Fl \\-completion\n.Cm bash | zsh\n.Sh "
           "DESCRIPTION\n");
    mdoc_text(
        "Runs language models from the files in which their makers published them, used where they lie: folders of "
        "safetensors, or GGUF files.\n"
        "MODEL is a folder, a .gguf or .safetensors file, the name of one under DURE_MODELS, or ORG/NAME as "
        "found there or in the Hugging Face cache.");
}

static void mdoc_foot(void)
{
    printf(
        ".Sh ENVIRONMENT\n.Bl -tag -width Ds\n"
        ".It Ev DURE_MODELS\nFolder in which names of models are looked for, and into which\n.Cm pull\nputs them.\n"
        ".It Ev HF_HUB_CACHE , HF_HOME\nWhere the Hugging Face cache lies.\n"
        ".It Ev HF_ENDPOINT\nAddress of the hub that\n.Cm pull\nasks.\n"
        ".It Ev HF_TOKEN\nToken that\n.Cm pull\nsends to it, over TLS or to this machine alone.\n"
        ".It Ev XDG_CACHE_HOME , XDG_STATE_HOME\nWhere caches and histories of programs lie.\n"
        ".It Ev NO_COLOR\nIf set and not empty, no colours are used.\n.El\n"
        ".Sh FILES\n.Bl -tag -width Ds\n"
        ".It Pa ~/.cache/dure/models\nDefault of\n.Ev DURE_MODELS .\n"
        ".It Pa ~/.local/state/dure/history\nWhat was typed in\n.Nm\n.Cm chat .\n.El\n"
        ".Sh EXIT STATUS\n0 if all went well, 1 if something failed, 2 if the command line was wrong.\n"
        "A sentence on standard error says what and where.\n"
        ".Sh EXAMPLES\nFetch a model and talk with it:\n.Pp\n.Dl dure pull ORG/NAME && dure chat ORG/NAME\n.Pp\nAsk "
        "once:\n.Pp\n.Dl dure run model.gguf \\(dqWhat is the capital of Korea?\\(dq\n.Pp\n"
        "Summarise a file:\n.Pp\n.Dl dure run -s \\(dqSummarise in three sentences.\\(dq model.gguf < report.txt\n.Pp\n"
        "Talk:\n.Pp\n.Dl dure chat -s \\(dqAnswer in Korean.\\(dq ORG/NAME\n");
}

void manual_print(void)
{
    mdoc_head();
    for (int i = 0; commands[i]; i++) mdoc_command(commands[i]);
    printf(".Ss Common options\n.Bl -tag -width Ds\n");
    for (const Option *o = common_options; o->name; o++) mdoc_option(o);
    printf(".El\n");
    mdoc_foot();
}
