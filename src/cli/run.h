// What dure run's two ways share.
#ifndef DURE_CLI_RUN_H
#define DURE_CLI_RUN_H

#include "cli.h"

typedef struct RunOptions {
    Options common;
    const char *batch, *out;
    bool raw;
    bool within; // another command, which catches interrupts itself
    TextList attach;
} RunOptions;

int batch_run(const RunOptions *options);                   // exit code, told; batch.c
int run_prompt(const Options *options, const char *prompt); // one answer of options->model, shown. Exit code, told

#endif
