// Messages in the language of who reads them. English is what stands in the sources; a catalogue, which the build makes of po/ko.po
// and which is a constant here, has the same sentences in Korean. gettext's own lookup would need a locale of the language on the
// machine, and would follow the host program's locale where libdure is a guest; this one needs neither and follows `language_set` alone.
#include "base/base.h"

#include <stdatomic.h>

// A file as GNU gettext's manual describes it ("The Format of GNU MO Files"), little-endian; empty where the build had no msgfmt.
extern const unsigned char catalogue_ko[];
extern const size_t catalogue_ko_bytes;

static atomic_bool in_korean; // a message has no caller to be told the language by, so the process has one

static size_t word_at(size_t at)
{
    const unsigned char *b = catalogue_ko + at;
    return b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
}

static const char *text_in(size_t table, size_t row) // rows are {length, offset}
{
    return (const char *)catalogue_ko + word_at(table + 8 * row + 4);
}

bool language_set(const char *language)
{
    const size_t n = strcspn(language, "_.@:");
    const bool korean = n == 2 && !strncmp(language, "ko", n);
    if (!korean && !(n == 2 && !strncmp(language, "en", n))) return false;
    if (korean && !catalogue_ko_bytes) return false;
    in_korean = korean;
    return true;
}

const char *tr(const char *english)
{
    if (!in_korean || !*english) return english; // the empty key holds the catalogue's own description
    const size_t originals = word_at(12), translations = word_at(16);
    for (size_t low = 0, high = word_at(8); low < high;) {
        const size_t middle = (low + high) / 2;
        const int order = strcmp(english, text_in(originals, middle));
        if (!order) return text_in(translations, middle);
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return english;
}
