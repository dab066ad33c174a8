// reply_internal: the forms of reply, one file each. reply.c puts them in the order in which they are tried.
#ifndef DURE_REPLY_INTERNAL_H
#define DURE_REPLY_INTERNAL_H

#include "text/text.h"

extern const ReplyForm reply_solar, reply_turns, reply_tagged, reply_exaone, reply_hermes, reply_calls, reply_think,
    reply_plain;

#endif
