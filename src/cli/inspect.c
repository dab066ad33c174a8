// dure inspect: what a model's files hold. The library tells it as one JSON object; here it becomes tables, whatever the
// object's members are: first scalars, a line each, then the rest; a list of objects is a table whose equal neighbours are one row.
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct InspectOptions {
    Options common;
    bool tensors;
} InspectOptions;

static const Option inspect_own[] = {
    { "tensors", 0, OPTION_FLAG, NULL, N_("List every tensor; of a config alone, those that its files would hold."),
      .offset = offsetof(InspectOptions, tensors) },
    { 0 },
};

// ---- Values --------------------------------------------------------------------------------------------------------

static void count_put(Bytes *out, json_int_t value) // 1234567 as 1,234,567
{
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%" JSON_INTEGER_FORMAT, value);
    for (int i = 0; i < n; i++) {
        if (i && digits[i - 1] != '-' && (n - i) % 3 == 0 && n > 4) bytes_put(out, ",", 1);
        bytes_put(out, &digits[i], 1);
    }
}

// "12.018 GiB (12,903,776,256 bytes)"
static void bytes_exactly(Bytes *out, json_int_t value)
{
    static const char *const units[] = { "", "KiB", "MiB", "GiB", "TiB" };
    double scaled = (double)value;
    size_t unit = 0;
    while (scaled >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        scaled /= 1024;
        unit++;
    }
    Bytes exactly = { 0 };
    count_put(&exactly, value);
    if (unit)
        bytes_printf(out, tr("%.3f %s (%s bytes)"), scaled, units[unit], exactly.at);
    else
        bytes_printf(out, tr("%s bytes"), exactly.at);
    bytes_free(&exactly);
}

static void integer_put(Bytes *out, const char *key, json_int_t value)
{
    if (strstr(key, "bytes")) {
        char size[16];
        size_text(size, value);
        bytes_text(out, size);
    } else if (!strncmp(key, "param", 5)) {
        count_put(out, value);
        if (value >= 1000000000)
            bytes_printf(out, tr(" (%.1f billion)"), (double)value / 1e9);
        else if (value >= 1000000)
            bytes_printf(out, tr(" (%.1f million)"), (double)value / 1e6);
    } else {
        bytes_printf(out, "%" JSON_INTEGER_FORMAT, value);
    }
}

// Whether the library has named the key's values itself, in words.
static bool is_word(const char *key)
{
    static const char *const keys[] = { "weights", "pairs", "scaling" };
    for (size_t i = 0; i < COUNT(keys); i++)
        if (!strcmp(key, keys[i])) return true;
    return false;
}

static void text_put(Bytes *out, const char *text) // from a file: nothing that steers a terminal
{
    for (; *text; text++) bytes_put(out, (unsigned char)*text < 0x20 || *text == 0x7F ? "?" : text, 1);
}

static void value_put(Bytes *out, const char *key, const json_t *value)
{
    size_t i;
    json_t *item;
    const char *name;
    switch (json_typeof(value)) {
    case JSON_STRING:
        text_put(out, is_word(key) ? tr(json_string_value(value)) : json_string_value(value));
        break;
    case JSON_INTEGER:
        integer_put(out, key, json_integer_value(value));
        break;
    case JSON_REAL:
        bytes_printf(out, "%.10g", json_real_value(value));
        break;
    case JSON_TRUE:
        bytes_put(out, tr("yes"), strlen(tr("yes")));
        break;
    case JSON_FALSE:
        bytes_put(out, tr("no"), strlen(tr("no")));
        break;
    case JSON_NULL:
        bytes_put(out, "-", 1);
        break;
    case JSON_ARRAY:
        json_array_foreach (value, i, item) {
            if (i) bytes_put(out, !strcmp(key, "shape") ? " x " : ", ", !strcmp(key, "shape") ? 3 : 2);
            value_put(out, key, item);
        }
        break;
    case JSON_OBJECT:
        json_object_foreach ((json_t *)(uintptr_t)value, name, item) {
            if (out->n && out->at[out->n - 1] != ' ') bytes_put(out, ", ", 2);
            text_put(out, name);
            bytes_put(out, " ", 1);
            value_put(out, name, item);
        }
        break;
    }
}

static void key_put(Bytes *out, const char *key) // kv_heads as "kv heads"
{
    for (key = tr(key); *key; key++) bytes_put(out, *key == '_' ? " " : key, 1);
}

// ---- Tables --------------------------------------------------------------------------------------------------------

typedef struct Table {
    const char **column; // keys, in the order of their first appearance
    size_t columns, rows;
    Bytes *cell;     // [rows][columns]
    size_t *repeats; // how many equal neighbours a row stands for
} Table;

static void table_columns(Table *t, const json_t *list)
{
    size_t i, capacity = 0;
    json_t *row, *value;
    const char *key;
    json_array_foreach (list, i, row) {
        json_object_foreach (row, key, value) {
            size_t at = 0;
            while (at < t->columns && strcmp(t->column[at], key)) at++;
            if (at < t->columns) continue;
            if (t->columns == capacity) {
                capacity = capacity ? 2 * capacity : 8;
                t->column = need(realloc(t->column, capacity * sizeof *t->column));
            }
            t->column[t->columns++] = key;
        }
    }
}

static void table_fill(Table *t, const json_t *list)
{
    size_t i;
    json_t *row;
    t->cell = need(calloc(json_array_size(list) * t->columns + 1, sizeof *t->cell));
    t->repeats = need(calloc(json_array_size(list) + 1, sizeof *t->repeats));
    json_array_foreach (list, i, row) {
        if (t->rows && json_equal(row, json_array_get(list, i - 1))) {
            t->repeats[t->rows - 1]++;
            continue;
        }
        for (size_t c = 0; c < t->columns; c++) {
            const json_t *value = json_object_get(row, t->column[c]);
            if (value) value_put(&t->cell[t->rows * t->columns + c], t->column[c], value);
        }
        t->repeats[t->rows++] = 1;
    }
}

static void cell_print(const char *text, size_t width, bool last)
{
    text_padded(text, last ? 0 : width + 2);
}

static void table_print(const Table *t)
{
    size_t total = 0;
    for (size_t r = 0; r < t->rows; r++) total += t->repeats[r];
    bool repeated = total > t->rows;
    size_t *width = need(calloc(t->columns + 1, sizeof *width));
    Bytes *head = need(calloc(t->columns + 1, sizeof *head));
    for (size_t c = 0; c < t->columns; c++) {
        key_put(&head[c], t->column[c]);
        width[c] = head[c].at ? text_columns(head[c].at) : 0;
        for (size_t r = 0; r < t->rows; r++) {
            const char *text = t->cell[r * t->columns + c].at;
            if (text && text_columns(text) > width[c]) width[c] = text_columns(text);
        }
    }
    printf("  ");
    if (repeated) cell_print(tr("times"), 5, false);
    for (size_t c = 0; c < t->columns; c++) cell_print(head[c].at ? head[c].at : "", width[c], c + 1 == t->columns);
    printf("\n");
    for (size_t r = 0; r < t->rows; r++) {
        printf("  ");
        if (repeated) printf("%5zu  ", t->repeats[r]);
        for (size_t c = 0; c < t->columns; c++) {
            const char *text = t->cell[r * t->columns + c].at;
            cell_print(text ? text : "", width[c], c + 1 == t->columns);
        }
        printf("\n");
    }
    for (size_t c = 0; c < t->columns; c++) bytes_free(&head[c]);
    free(head);
    free(width);
}

void table_show(const json_t *list)
{
    Table t = { 0 };
    table_columns(&t, list);
    table_fill(&t, list);
    table_print(&t);
    for (size_t i = 0; i < t.rows * t.columns; i++) bytes_free(&t.cell[i]);
    free(t.cell);
    free(t.repeats);
    free(t.column);
}

// ---- The whole -----------------------------------------------------------------------------------------------------

static bool list_of(const json_t *value, json_type type) // an array of nothing else, not empty
{
    size_t i;
    json_t *item;
    if (!json_array_size(value)) return false;
    json_array_foreach (value, i, item)
        if (json_typeof(item) != type) return false;
    return true;
}

static void heading_print(const char *key)
{
    Bytes name = { 0 };
    key_put(&name, key);
    printf("\n%s%s%s\n", colour(STDOUT_FILENO, COLOUR_BOLD), name.at, colour(STDOUT_FILENO, COLOUR_NONE));
    bytes_free(&name);
}

static void line_print(const char *key, const json_t *value, int indent, int width)
{
    Bytes name = { 0 }, text = { 0 };
    key_put(&name, key);
    bytes_put(&text, "", 0);
    if (json_is_integer(value) && strstr(key, "bytes"))
        bytes_exactly(&text, json_integer_value(value));
    else if (json_is_integer(value) && strncmp(key, "param", 5))
        count_put(&text, json_integer_value(value));
    else
        value_put(&text, key, value);
    printf("%*s", indent, "");
    text_padded(name.at, (size_t)width + 1);
    printf("%s\n", text.at);
    bytes_free(&name);
    bytes_free(&text);
}

static void sentences_print(const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item) {
        Bytes text = { 0 };
        bytes_put(&text, "  - ", 4);
        text_put(&text, json_string_value(item));
        printf("%s\n", text.at);
        bytes_free(&text);
    }
}

// The layers as letters, PATTERN_LINE to a line, with a gap behind every layer that sees all keys or, without any, after eight.
static void letters_print(const char *name, const char *letters, const char *attention)
{
    enum { PATTERN_LINE = 64, PATTERN_GROUP = 8 };
    const bool windows = strpbrk(attention, "wvuxyz") != NULL;
    bool gap = false;
    for (size_t i = 0; letters[i]; i++) {
        if (i % PATTERN_LINE == 0) {
            printf("%s  ", i ? "\n" : "");
            text_padded(i ? "" : tr(name), 14);
        } else if (gap || letters[i] == '+')
            putchar(' ');
        putchar(letters[i]);
        gap = windows ? attention[i] >= 'A' && attention[i] <= 'Z' : (i + 1) % PATTERN_GROUP == 0;
    }
    printf("\n");
}

static void pattern_print(const json_t *pattern)
{
    const char *attention = json_string_value(json_object_get(pattern, "attention"));
    const char *feed_forward = json_string_value(json_object_get(pattern, "feed_forward"));
    const char *letter;
    json_t *meaning;
    if (!attention || !feed_forward) return;
    letters_print(N_("attention"), attention, attention);
    letters_print(N_("feed forward"), feed_forward, attention);
    json_object_foreach (json_object_get(pattern, "legend"), letter, meaning)
        printf("  %s  %s\n", letter, json_string_value(meaning));
    if (strchr(attention, '+')) fputs(tr("  +  draft layers follow\n"), stdout);
}

static bool is_section(const json_t *value)
{
    bool sentences = list_of(value, JSON_STRING) && strchr(json_string_value(json_array_get(value, 0)), ' ');
    return sentences || list_of(value, JSON_OBJECT) || json_object_size(value);
}

static int widest_key(const json_t *object)
{
    const char *key;
    json_t *value;
    size_t widest = 0;
    json_object_foreach ((json_t *)(uintptr_t)object, key, value)
        if (text_columns(tr(key)) > widest) widest = text_columns(tr(key));
    return (int)widest;
}

static void section_print(const char *key, const json_t *value)
{
    const char *inner;
    json_t *item;
    heading_print(key);
    if (!strcmp(key, "pattern"))
        pattern_print(value);
    else if (json_is_object(value))
        json_object_foreach ((json_t *)(uintptr_t)value, inner, item) line_print(inner, item, 2, widest_key(value));
    else if (list_of(value, JSON_OBJECT))
        table_show(value);
    else
        sentences_print(value);
}

static void inspect_print(const json_t *root)
{
    enum { KEY_WIDTH = 24 };
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)root, key, value) {
        bool empty = value && !json_array_size(value) && !json_object_size(value);
        bool nothing = empty && (json_is_array(value) || json_is_object(value));
        if (!nothing && !json_is_null(value) && !is_section(value)) line_print(key, value, 0, KEY_WIDTH);
    }
    json_object_foreach ((json_t *)(uintptr_t)root, key, value)
        if (is_section(value) && strcmp(key, "layers")) section_print(key, value); // the pattern shows the layers
}

// The whole account is printed whatever is amiss.
static int inspect_tell(const InspectOptions *o, const DureText *json)
{
    json_t *root = need(json_loadb(json->at, json->n, JSON_ALLOW_NUL, NULL)); // the library writes JSON
    int code = EXIT_FINE;
    if (o->common.json) {
        out_write(json->at, json->n);
        out_write("\n", 1);
    } else {
        inspect_print(root);
        code = out_close();
    }
    const json_t *faults = json_object_get(root, "faults");
    const size_t n = json_array_size(faults);
    if (n && !code)
        code = fail(n > 1 ? N_("%s has %zu faults, the first of them: %s") : N_("%s has %zu fault: %s"),
                    o->common.model, n, json_string_value(json_array_get(faults, 0)));
    json_decref(root);
    return code;
}

static int inspect(Options *options)
{
    const InspectOptions *o = (const InspectOptions *)(const void *)options;
    DureModel *model;
    Remarks remarks;
    int code = model_open(&model, options, false, &remarks);
    if (code) return code;
    remarks_drop(&remarks); // what is amiss is part of the account
    DureText json;
    DureError error;
    Progress progress = progress_new(options);
    const DureInspectOptions how = { .tensors = o->tensors, .engine = engine_options(options, &progress) };
    const int failed = dure_model_inspect(model, &how, &json, &error);
    progress_clear(&progress);
    if (failed)
        code = fail("%s", error.text);
    else {
        code = inspect_tell(o, &json);
        dure_text_free(&json);
    }
    dure_model_close(model);
    return code;
}

const Command command_inspect = {
    .name = "inspect",
    .arguments = "MODEL",
    .summary = N_("Tell what a model's files hold"),
    .about = N_(
        "Tells what a model's files hold: family, sizes, the layers as a picture, parameters, number formats, "
        "tokenizer, "
        "template; what the cache takes at a context, and what fits into memory; what was taken by default; and what "
        "is "
        "amiss; the exit code is 1 then. Works for models that cannot be run here and for a folder that holds only "
        "config.json, and takes no "
        "memory for the weights."),
    .uses = USES_MODEL | USES_BUILTIN | USES_ENGINE | USES_JSON,
    .own = inspect_own,
    .bytes = sizeof(InspectOptions),
    .run = inspect,
};
