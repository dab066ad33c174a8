// Stop strings: the one that is completed first in the content ends the reply before it; of several that end there, the longest.
// What may yet begin one is held back, but never across a call or reasoning.
#include "text/reply/reply_internal.h"

Err stops_check(const char *const *stops)
{
    for (size_t i = 0; stops && stops[i]; i++) {
        if (!*stops[i]) return err(ERR_USAGE, "stop: a stop string is empty; leave it out or give it text");
        if (!utf8_valid(stops[i], strlen(stops[i]))) return err(ERR_USAGE, "stop: a stop string is not valid UTF-8");
    }
    return OK;
}

static bool find(const char *const *stops, Str text, size_t *begin)
{
    for (size_t end = 1; end <= text.n; end++) {
        size_t longest = 0;
        for (size_t i = 0; stops[i]; i++) {
            const size_t n = strlen(stops[i]);
            if (n <= end && n > longest && !memcmp(text.at + end - n, stops[i], n)) longest = n;
        }
        if (!longest) continue;
        *begin = end - longest;
        return true;
    }
    return false;
}

// Bytes at the end of the text that may begin a stop string.
static size_t may_begin(const char *const *stops, Str text)
{
    size_t longest = 0;
    for (size_t i = 0; stops[i]; i++) {
        const size_t all = strlen(stops[i]) - 1;
        for (size_t n = all < text.n ? all : text.n; n > longest; n--)
            if (!memcmp(text.at + text.n - n, stops[i], n)) longest = n;
    }
    return longest;
}

size_t stops_release(const char *const *stops, Str text, bool *stopped)
{
    size_t give = text.n;
    *stopped = false;
    if (!stops) return give;
    *stopped = find(stops, text, &give);
    return *stopped ? give : text.n - may_begin(stops, text);
}
