// The folder that a pull fills, and FOLDER/.pull beside the model's files: a lock, so that two pulls and a removal do not meet;
// parts, named by the hash of what they become, so that one that an earlier run left is never taken for another's; and
// record.json, which says what pull put there. What the record does not list, neither pull nor rm will replace or remove.
#include "pull.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void path_put(Bytes *out, const char *folder, const char *name)
{
    out->n = 0;
    bytes_text(out, folder);
    bytes_text(out, "/");
    bytes_text(out, name);
}

int folders_make(const char *path, bool last)
{
    Bytes part = { 0 };
    int code = EXIT_FINE;
    for (const char *at = path; !code && *at;) {
        at += strspn(at, "/");
        at += strcspn(at, "/");
        if (!*at && !last) break;
        part.n = 0;
        bytes_put(&part, path, (size_t)(at - path));
        struct stat st;
        if (mkdir(part.at, 0777) && errno != EEXIST)
            code = fail("%s: the folder cannot be made: %s", part.at, tr(strerror(errno)));
        else if (stat(part.at, &st) || !S_ISDIR(st.st_mode))
            code = fail("%s: is in the way: it is no folder", part.at);
    }
    bytes_free(&part);
    return code;
}

// ---- The record ----------------------------------------------------------------------------------------------------

json_t *pulled_record(const char *folder)
{
    Bytes path = { 0 };
    path_put(&path, folder, ".pull/record.json");
    json_t *record = NULL;
    const int fd = open(path.at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        record = json_loadfd(fd, 0, NULL);
        close(fd);
    }
    bytes_free(&path);
    if (json_is_object(json_object_get(record, "files"))) return record;
    json_decref(record);
    return NULL;
}

int pulled_write(const Pulled *p)
{
    Bytes fresh = { 0 }, path = { 0 };
    path_put(&fresh, p->path.at, ".pull/record.new");
    path_put(&path, p->path.at, ".pull/record.json");
    unlink(fresh.at);
    const int fd = open(fresh.at, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool fine = fd >= 0 && !json_dumpfd(p->record, fd, JSON_INDENT(1)) && !fsync(fd);
    if (fd >= 0) fine = !close(fd) && fine;
    fine = fine && !rename(fresh.at, path.at);
    const int code = fine ? EXIT_FINE : fail("%s: cannot be written: %s", path.at, tr(strerror(errno)));
    bytes_free(&fresh);
    bytes_free(&path);
    return code;
}

static int lock_take(Pulled *p)
{
    Bytes path = { 0 };
    path_put(&path, p->path.at, ".pull/lock");
    int code = EXIT_FINE;
    p->lock = open(path.at, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (p->lock < 0)
        code = fail("%s: cannot be opened: %s", path.at, tr(strerror(errno)));
    else if (flock(p->lock, LOCK_EX | LOCK_NB))
        code = fail("%s: another dure is at work on this model; wait for it or stop it", p->path.at);
    bytes_free(&path);
    return code;
}

static json_t *record_new(const char *repository)
{
    return need(json_pack("{s:s, s:b, s:{}}", "repository", repository, "complete", 0, "files"));
}

int pulled_open(Pulled *out, const char *folder, const char *repository)
{
    *out = (Pulled){ .lock = -1 };
    bytes_text(&out->path, folder);
    Bytes parts = { 0 };
    path_put(&parts, folder, ".pull/parts");
    int code = folders_make(parts.at, true);
    bytes_free(&parts);
    if (!code) code = lock_take(out);
    if (code) return code;
    out->record = pulled_record(folder);
    if (!out->record) out->record = record_new(repository);
    const char *owner = json_string_value(json_object_get(out->record, "repository"));
    if (!owner || strcmp(owner, repository))
        return fail("%s: %s was pulled there; give another folder by --to", folder,
                    owner ? owner : tr("something else"));
    json_object_set_new(out->record, "complete", json_false());
    return EXIT_FINE;
}

void pulled_close(Pulled *p)
{
    if (p->lock >= 0) close(p->lock);
    json_decref(p->record);
    bytes_free(&p->path);
    *p = (Pulled){ .lock = -1 };
}

// ---- Files ---------------------------------------------------------------------------------------------------------

static json_t *entry_of(const Pulled *p, const char *name)
{
    return json_object_get(json_object_get(p->record, "files"), name);
}

bool pulled_lists(const Pulled *p, const char *name)
{
    return entry_of(p, name) != NULL;
}

static json_int_t changed_at(const struct stat *st) // nanoseconds since the epoch
{
    return (json_int_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

bool pulled_has(const Pulled *p, const HubFile *f, const char *path)
{
    const json_t *entry = entry_of(p, f->name), *when = json_object_get(entry, "changed");
    const char *sha256 = json_string_value(json_object_get(entry, "sha256"));
    const char *git = json_string_value(json_object_get(entry, "git"));
    struct stat st;
    return json_is_integer(when) && sha256 && !strcmp(sha256, f->sha256) && git && !strcmp(git, f->git) &&
           !stat(path, &st) && st.st_size == f->bytes && changed_at(&st) == json_integer_value(when);
}

void pulled_note(Pulled *p, const HubFile *f, const char *path)
{
    struct stat st;
    json_t *entry =
        need(json_pack("{s:I, s:s, s:s}", "bytes", (json_int_t)f->bytes, "sha256", f->sha256, "git", f->git));
    if (path && !stat(path, &st)) json_object_set_new(entry, "changed", json_integer(changed_at(&st)));
    if (json_object_set_new(json_object_get(p->record, "files"), f->name, entry)) need(NULL);
}

void pulled_part(Bytes *out, const Pulled *p, const HubFile *f)
{
    path_put(out, p->path.at, ".pull/parts/");
    bytes_text(out, *f->sha256 ? f->sha256 : *f->git ? f->git : "unnamed");
}

int pulled_finish(Pulled *p, const char *revision, const char *commit)
{
    Bytes parts = { 0 };
    path_put(&parts, p->path.at, ".pull/parts");
    DIR *dir = opendir(parts.at);
    for (const struct dirent *entry; dir && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir) closedir(dir);
    bytes_free(&parts);
    json_object_set_new(p->record, "revision", need(json_string(revision)));
    json_object_set_new(p->record, "commit", need(json_string(commit)));
    json_object_set_new(p->record, "complete", json_true());
    return pulled_write(p);
}
