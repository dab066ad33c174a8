// A model's files are used where they lie. If one of them is shortened meanwhile, or the disk fails, touching what is gone raises
// SIGBUS in whichever thread does so; the program then ends with a sentence instead of a signal. What the handler says is made
// ready beforehand, since a handler may do next to nothing.
#include "cli.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char sentence[1400]; // a handler has no other way to reach the program
static size_t sentence_n;

static void on_bus_error(int signal_number)
{
    (void)signal_number;
    for (size_t at = 0; at < sentence_n;) {
        const ssize_t n = write(STDERR_FILENO, sentence + at, sentence_n - at);
        if (n <= 0) break;
        at += (size_t)n;
    }
    _exit(EXIT_FAILED);
}

void shortened_catch(const char *path)
{
    const int n =
        snprintf(sentence, sizeof sentence,
                 tr("%sdure: %.1000s: a file of the model was shortened while it was in use, or could not be read; "
                    "put it back whole and start again\n"),
                 isatty(STDERR_FILENO) ? "\n" : "", path); // a line of progress may be there
    sentence_n = n < 0 ? 0 : (size_t)n < sizeof sentence ? (size_t)n : sizeof sentence - 1;
    struct sigaction action = { .sa_handler = on_bus_error };
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
