// Files: read-only mappings, bounded reads, and writes that are whole or not at all.
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static Err file_open(int *fd, size_t *bytes, const char *path)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe without a writer would hang otherwise
    if (*fd < 0) return err(ERR_FILE, "%s: cannot be opened: %s", path, tr(strerror(errno)));
    struct stat info;
    Err e = OK;
    if (fstat(*fd, &info))
        e = err(ERR_FILE, "%s: cannot be read: %s", path, tr(strerror(errno)));
    else if (!S_ISREG(info.st_mode))
        e = err(ERR_FILE, "%s: is not a regular file", path);
    if (e.code)
        close(*fd);
    else
        *bytes = (size_t)info.st_size;
    return e;
}

Err file_map(File *out, const char *path)
{
    int fd;
    size_t bytes;
    Err e = file_open(&fd, &bytes, path);
    if (e.code) return e;
    File file = { .path = strdup(path), .bytes = bytes };
    if (!file.path) e = err_memory(path);
    if (!e.code && bytes) {
        void *at = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED)
            e = errno == ENOMEM ? err_memory(path)
                                : err(ERR_FILE, "%s: cannot be mapped: %s", path, tr(strerror(errno)));
        else
            file.at = at;
    }
    close(fd);
    if (e.code)
        free(file.path);
    else
        *out = file;
    return e;
}

void file_unmap(File *file)
{
    if (file->at) munmap((void *)(uintptr_t)file->at, file->bytes);
    free(file->path);
    *file = (File){ 0 };
}

static Err read_all(Buf *out, int fd, const char *path, size_t limit)
{
    char block[16384];
    for (;;) {
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err(ERR_FILE, "%s: cannot be read: %s", path, tr(strerror(errno)));
        if (n == 0) return OK;
        if (out->n + (size_t)n > limit) return err(ERR_LIMIT, "%s: is larger than the %zu bytes allowed", path, limit);
        buf_put(out, block, (size_t)n);
        if (out->failed) return err_memory(path);
    }
}

Err file_read(Buf *out, const char *path, size_t limit)
{
    int fd;
    size_t bytes;
    Err e = file_open(&fd, &bytes, path);
    if (e.code) return e;
    e = read_all(out, fd, path, limit);
    close(fd);
    if (!e.code && !out->at) buf_text(out, "");
    if (!e.code && out->failed) e = err_memory(path);
    return e;
}

static Err write_all(int fd, const char *path, Str content)
{
    while (content.n) {
        ssize_t n = write(fd, content.at, content.n);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err(ERR_FILE, "%s: cannot be written: %s", path, tr(strerror(errno)));
        content.at += n;
        content.n -= (size_t)n;
    }
    return OK;
}

static Err write_fault(const char *path)
{
    return err(ERR_FILE, "%s: cannot be written: %s", path, tr(strerror(errno)));
}

static Err write_through(const char *path, int flags, const Str *parts, size_t count)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0666);
    if (fd < 0) return write_fault(path);
    Err e = OK;
    for (size_t i = 0; i < count && !e.code; i++) e = write_all(fd, path, parts[i]);
    if (!e.code && fsync(fd) && errno != EINVAL && errno != EROFS) e = write_fault(path);
    if (close(fd) && !e.code) e = write_fault(path);
    return e;
}

Err file_write(const char *path, Str content)
{
    return file_write_parts(path, &content, 1);
}

Err file_write_parts(const char *path, const Str *parts, size_t count)
{
    struct stat info;
    // A device or pipe takes the bytes itself: renaming over /dev/stdout would replace it.
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
        return write_through(path, 0, parts, count);
    Buf beside = { 0 };
    buf_printf(&beside, "%s.%ld.part", path, (long)gettid()); // two threads may write the same file: the last one wins
    if (beside.failed) {
        buf_free(&beside);
        return err_memory(path);
    }
    Err e = write_through(beside.at, O_CREAT | O_TRUNC, parts, count);
    if (!e.code && rename(beside.at, path)) e = write_fault(path);
    if (e.code) unlink(beside.at);
    buf_free(&beside);
    return e;
}

bool path_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool path_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

Err path_join(char **out, const char *folder, const char *name)
{
    size_t n = strlen(folder);
    Buf path = { 0 };
    buf_printf(&path, "%s%s%s", folder, n && folder[n - 1] == '/' ? "" : "/", name);
    if (path.failed) {
        buf_free(&path);
        return err_memory(folder);
    }
    *out = path.at;
    return OK;
}
