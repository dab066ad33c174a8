// One talking model for all tests of a file: a tiny golden one in a folder with a tokenizer of bytes, opened and closed as cmocka's
// setup and teardown of a group.
#ifndef DURE_TALK_SUPPORT_H
#define DURE_TALK_SUPPORT_H

#include "text_support.h"

static char folder[64];
static DureModel *model;

static inline int open_folder(void **state)
{
    (void)state;
    folder_make(folder, "exaone_moe/long_window");
    model = open_model(folder);
    return 0;
}

static inline int close_folder(void **state)
{
    (void)state;
    dure_model_close(model);
    folder_remove(folder);
    return 0;
}

#endif
