// strftime_now: the caller's clock in the C locale's words, whatever the process's locale is. Directives, flags, widths and
// modifiers as glibc and Python have them; a time without a zone prints nothing for %z and %Z, as in Python.
#include "text/jinja_internal.h"

#include <stdio.h>
#include <time.h>

static const char *const days[] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };
static const char *const months[] = { "January", "February", "March",     "April",   "May",      "June",
                                      "July",    "August",   "September", "October", "November", "December" };

// ISO 8601: the week that holds the year's first Thursday is week 1. *year: the year that the week belongs to.
static int iso_week(const struct tm *t, int *year)
{
    int weekday = (t->tm_wday + 6) % 7, monday = t->tm_yday - weekday; // the year's day on which this week began
    *year = t->tm_year + 1900;
    int week = (monday + 3) / 7 + (monday + 3 >= 0 ? 1 : 0);
    bool leap = (*year % 4 == 0 && *year % 100 != 0) || *year % 400 == 0;
    if (monday + 3 >= 365 + leap) {
        ++*year;
        return 1;
    }
    if (week > 0) return week;
    struct tm last = { .tm_year = t->tm_year - 1, .tm_mon = 11, .tm_mday = 31 };
    int before = *year - 1;
    last.tm_yday = (before % 4 == 0 && before % 100 != 0) || before % 400 == 0 ? 365 : 364;
    last.tm_wday = (t->tm_wday - t->tm_yday - 1 + 7 * 54) % 7;
    return iso_week(&last, year);
}

typedef struct Number {
    char directive;
    int width;
    char pad;
    int value;
} Number;

// The numeric directives. False: `c` is none of them.
static bool put_number(Maker *m, char c, char flag, const struct tm *t)
{
    int iso_year, week = iso_week(t, &iso_year), year = t->tm_year + 1900;
    int half = t->tm_hour % 12 ? t->tm_hour % 12 : 12, weekday = t->tm_wday;
    const Number numbers[] = {
        { 'C', 2, '0', year / 100 },
        { 'd', 2, '0', t->tm_mday },
        { 'e', 2, ' ', t->tm_mday },
        { 'G', 1, '0', iso_year },
        { 'g', 2, '0', iso_year % 100 },
        { 'H', 2, '0', t->tm_hour },
        { 'I', 2, '0', half },
        { 'j', 3, '0', t->tm_yday + 1 },
        { 'k', 2, ' ', t->tm_hour },
        { 'l', 2, ' ', half },
        { 'm', 2, '0', t->tm_mon + 1 },
        { 'M', 2, '0', t->tm_min },
        { 'S', 2, '0', t->tm_sec },
        { 'f', 6, '0', 0 },
        { 'u', 1, '0', weekday ? weekday : 7 },
        { 'U', 2, '0', (t->tm_yday + 7 - weekday) / 7 },
        { 'V', 2, '0', week },
        { 'w', 1, '0', weekday },
        { 'W', 2, '0', (t->tm_yday + 7 - (weekday + 6) % 7) / 7 },
        { 'y', 2, '0', year % 100 },
        { 'Y', 1, '0', year },
    };
    for (size_t i = 0; i < COUNT(numbers); i++) {
        char text[24];
        if (numbers[i].directive != c) continue;
        int width = flag == '-' ? 1 : c == 'Y' && flag ? 4 : numbers[i].width;
        bool blanks = flag == '_' || (numbers[i].pad == ' ' && flag != '0');
        snprintf(text, sizeof text, blanks ? "%*d" : "%0*d", width, numbers[i].value);
        jinja_put_str(m, text);
        return true;
    }
    return false;
}

static void put_directives(Maker *m, const char *directives, const struct tm *t, int64_t seconds);

// One directive. False: unknown.
static bool put_one(Maker *m, char c, char flag, const struct tm *t, int64_t seconds)
{
    static const char *const composed[][2] = {
        { "c", "a b e H:M:S Y" }, { "D", "m/d/y" }, { "F", "Y-m-d" }, { "r", "I:M:S p" },
        { "R", "H:M" },           { "T", "H:M:S" }, { "x", "m/d/y" }, { "X", "H:M:S" },
    };
    char text[32];
    for (size_t i = 0; i < COUNT(composed); i++) {
        if (composed[i][0][0] != c) continue;
        put_directives(m, composed[i][1], t, seconds);
        return true;
    }
    switch (c) {
    case 'a':
        jinja_put(m, days[t->tm_wday], 3, false);
        return true;
    case 'A':
        jinja_put_str(m, days[t->tm_wday]);
        return true;
    case 'b':
    case 'h':
        jinja_put(m, months[t->tm_mon], 3, false);
        return true;
    case 'B':
        jinja_put_str(m, months[t->tm_mon]);
        return true;
    case 'p':
        jinja_put_str(m, t->tm_hour < 12 ? "AM" : "PM");
        return true;
    case 'P':
        jinja_put_str(m, t->tm_hour < 12 ? "am" : "pm");
        return true;
    case 's':
        snprintf(text, sizeof text, "%lld", (long long)seconds);
        jinja_put_str(m, text);
        return true;
    case 'n':
        jinja_put_str(m, "\n");
        return true;
    case 't':
        jinja_put_str(m, "\t");
        return true;
    case '%':
        jinja_put_str(m, "%");
        return true;
    case 'z':
    case 'Z':
        return true;
    default:
        return put_number(m, c, flag, t);
    }
}

// Letters are directives, the rest stands for itself.
static void put_directives(Maker *m, const char *directives, const struct tm *t, int64_t seconds)
{
    for (; *directives; directives++) {
        bool letter = (*directives | 0x20) >= 'a' && (*directives | 0x20) <= 'z';
        if (!letter || !put_one(m, *directives, 0, t, seconds)) jinja_put(m, directives, 1, false);
    }
}

// A directive from behind its '%' on: flags, width, modifier, letter. False: none; *at is unchanged then.
static bool put_directive(Maker *m, const Text *format, size_t *at, const struct tm *t, int64_t seconds)
{
    size_t i = *at;
    char flag = 0;
    bool upper = false;
    int64_t width = 0;
    Maker part = { .r = m->r };
    for (; i < format->n && format->at[i] && strchr("-_0^#", format->at[i]); i++) {
        upper |= format->at[i] == '^';
        if (format->at[i] != '^' && format->at[i] != '#') flag = format->at[i];
    }
    for (; i < format->n && format->at[i] >= '0' && format->at[i] <= '9' && width < INT32_MAX; i++)
        width = width * 10 + (format->at[i] - '0');
    if (i < format->n && (format->at[i] == 'E' || format->at[i] == 'O')) i++; // the C locale has no other digits
    if (i >= format->n || !put_one(&part, format->at[i], flag, t, seconds)) return false;
    Value made = jinja_made(&part);
    if (upper && !jinja_failed(m->r)) made = jinja_case(m->r, made.text, CASE_UPPER);
    if (jinja_failed(m->r)) return true;
    bool digits = made.text->n && made.text->at[0] >= '0' && made.text->at[0] <= '9';
    for (int64_t n = made.text->chars; n < width && !jinja_failed(m->r); n++)
        jinja_put_str(m, flag == '0' || (digits && !flag) ? "0" : " ");
    jinja_put_text(m, made.text);
    *at = i + 1;
    return true;
}

Value jinja_strftime(Run *r, Value self, const Value *a, const Args *args)
{
    (void)self, (void)args;
    if (a[0].kind != V_TEXT)
        return jinja_fail(r, ERR_FORMAT, "strftime_now() takes a string, not %s", jinja_type(a[0]));
    const Text *format = a[0].text;
    int64_t local = r->now.seconds + r->now.utc_offset;
    time_t when = (time_t)local;
    struct tm t = { 0 };
    if (local < -62135596800 || local > 253402300799 || !gmtime_r(&when, &t))
        return jinja_fail(r, ERR_FORMAT, "the clock shows no date between the years 1 and 9999");
    Maker m = { .r = r };
    for (size_t at = 0; at < format->n && !jinja_failed(r);) {
        size_t begin = at;
        bool directive = format->at[at++] == '%' && put_directive(&m, format, &at, &t, r->now.seconds);
        if (!directive) jinja_put_part(&m, format, begin, at); // what is unknown stands for itself
    }
    return jinja_made(&m);
}
