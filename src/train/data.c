#include "train/train_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

DataKind data_kind(const char *path)
{
    const Str name = str(path);
    return str_ends(name, ".jsonl") ? DATA_JSON_LINES : str_ends(name, ".tsv") ? DATA_TAB_LINES : DATA_TEXT;
}

Err bad_lines_add(BadLines *bad, const char *file, int64_t line, int64_t count, const char *why)
{
    if (!bad->count) snprintf(bad->first, sizeof bad->first, "%s, line %lld: %s", file, (long long)line, tr(why));
    bad->count += count;
    if (bad->count <= bad->most) return OK;
    return err(ERR_FORMAT, "%lld lines cannot be used, and %lld are allowed; the first is %s", (long long)bad->count,
               (long long)bad->most, bad->first);
}

Err folder_make(const char *path)
{
    if (mkdir(path, 0777) && errno != EEXIST) return err(ERR_FILE, "%s: cannot be made: %s", path, tr(strerror(errno)));
    return path_is_folder(path) ? OK : err(ERR_FILE, "%s: is no folder", path);
}
