// Checks and orders of lists of stored tensors, for both file formats.
#include "format/format_internal.h"

#include <inttypes.h>
#include <stdlib.h>

static int by_offset(const void *a, const void *b)
{
    const Stored *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int by_name(const void *a, const void *b)
{
    const Stored *x = a, *y = b;
    size_t n = x->name.n < y->name.n ? x->name.n : y->name.n;
    int order = n ? memcmp(x->name.at, y->name.at, n) : 0;
    if (!order) order = (x->name.n > y->name.n) - (x->name.n < y->name.n);
    return order ? order : (x->file > y->file) - (x->file < y->file);
}

void stored_sort_by_offset(StoredList *list)
{
    if (list->count) qsort(list->at, list->count, sizeof *list->at, by_offset);
}

void stored_sort_by_name(StoredList *list)
{
    if (list->count) qsort(list->at, list->count, sizeof *list->at, by_name);
}

Err stored_measure(Stored *s, const char *source)
{
    const Format *format = format_of(s->dtype);
    int64_t elements = 1, row = s->rank ? s->shape[s->rank - 1] : 1;
    size_t bytes = 0;
    if (row % format->block != 0)
        return err(ERR_FORMAT,
                   "%s: tensor %.*s has rows of %" PRId64 " elements, but %s stores blocks of %" PRId64
                   "; the file is damaged",
                   source, shown(s->name), s->name.at, row, format->name, format->block);
    bool fits = true;
    for (int i = 0; i < s->rank; i++) fits = fits && !__builtin_mul_overflow(elements, s->shape[i], &elements);
    if (!fits || !format_bytes(s->dtype, elements, &bytes) || bytes > INT64_MAX)
        return err(ERR_FORMAT, "%s: tensor %.*s has a shape too large for any file; the file is damaged", source,
                   shown(s->name), s->name.at);
    s->bytes = bytes;
    return OK;
}

Err stored_check_apart(const StoredList *list, const char *source)
{
    for (size_t i = 1; i < list->count; i++) {
        const Stored *a = &list->at[i - 1], *b = &list->at[i];
        if (b->offset - a->offset < a->bytes)
            return err(ERR_FORMAT, "%s: the tensors %.*s and %.*s overlap at byte %" PRIu64 "; the file is damaged",
                       source, shown(a->name), a->name.at, shown(b->name), b->name.at, b->offset);
    }
    return OK;
}

Err stored_check_names(const StoredList *list, const File *files)
{
    for (size_t i = 1; i < list->count; i++) {
        const Stored *a = &list->at[i - 1], *b = &list->at[i];
        if (!str_equal(a->name, b->name)) continue;
        if (a->file == b->file)
            return err(ERR_FORMAT, "%s: the tensor %.*s is given twice; the file is damaged", files[a->file].path,
                       shown(a->name), a->name.at);
        return err(ERR_FORMAT, "%s: the tensor %.*s is also in %s; remove the file that does not belong here",
                   files[b->file].path, shown(a->name), a->name.at, files[a->file].path);
    }
    return OK;
}
