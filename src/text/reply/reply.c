// The forms of reply in the order in which they are tried: the first whose every mark stands in the template or is a token
// is the model's. A form that asks for more marks, or for some that only the template can have, comes before one that asks for
// fewer of them.
#include "text/reply/reply_internal.h"

const ReplyForm *const reply_forms[] = {
    &reply_solar,  &reply_turns, &reply_omni,  &reply_tagged, &reply_xml, &reply_exaone,
    &reply_hermes, &reply_calls, &reply_think, &reply_plain,  NULL,
};
