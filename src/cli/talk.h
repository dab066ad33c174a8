// The talk's state, and what chat.c and chat_words.c share.
#ifndef DURE_CLI_TALK_H
#define DURE_CLI_TALK_H

#include "cli.h"

// A talk that was left by /fork or /switch.
typedef struct Branch {
    char *name;
    json_t *messages;
    DureSession *session;
} Branch;

struct Talk {
    Running running;
    const Options *options;
    LineReader *lines;
    json_t *messages; // what /save writes
    DureSampling sampling;
    DureRenderOptions how; // the time is that of the talk's beginning: a moving clock would make the cache cold
    char *kwargs, *tools;  // or NULL
    DureStats stats;       // of the last answer
    bool terminal;         // a person is typing
    bool shift;            // the oldest turns may be dropped
    bool answered, failed, over;
    Branch *branches; // kept beside the running one
    size_t branch_count;
    char *name; // of the running one, or NULL
};

void messages_cut(json_t *messages, size_t n); // to the first n
const char *role_at(const json_t *messages, size_t i);
int talk_fail(Talk *talk, const char *sentence);
void talk_say(const Talk *talk, const char *sentence); // only for people; a pipe gets answers and nothing else
int talk_answer(Talk *talk);                           // the messages so far. Not 0: told, and nothing was appended
// talk_room.c: gives the session the messages, with room for an answer. Exit code, told; turns may have been dropped.
int talk_feed(Talk *talk);
void talk_filled(Talk *talk, const DureStats *stats); // the context ended the answer that is the last message
void system_set(json_t *messages, const char *text);  // "": none
void talk_branches_free(Talk *talk);

#endif
