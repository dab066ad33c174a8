// One file of a pull: its part is gone on with where an earlier run stopped, hashed while its bytes come, and renamed when size and
// hash are right. A cut connection is tried again from where it was cut; what is wrong is deleted, what is only unfinished is kept.
#include "pull.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TRIES = 3,                 // in a row that bring next to nothing
    NEXT_TO_NOTHING = 1 << 16, // bytes
    PIECE = 1 << 18
};

// ---- Progress ------------------------------------------------------------------------------------------------------

static void progress_draw(Pull *p)
{
    enum { BAR = 16 };
    const double now = now_seconds(), passed = now - p->began;
    if (!p->progress.on || now - p->shown < 0.2 || passed < 0.5 || p->total <= 0) return;
    p->shown = now;
    const double share = (double)p->done / (double)p->total, speed = (double)p->fresh / passed;
    char bar[BAR + 1], done[16], total[16], each[16], left[48] = "", text[160];
    for (int i = 0; i < BAR; i++) bar[i] = (double)i < share * BAR ? '#' : '.';
    bar[BAR] = 0;
    size_text(done, p->done);
    size_text(total, p->total);
    size_text(each, (int64_t)speed);
    const double seconds = speed > 0 ? (double)(p->total - p->done) / speed : -1;
    if (seconds >= 0 && seconds < 360000)
        snprintf(left, sizeof left, tr("  %d:%02d:%02d left"), (int)(seconds / 3600), (int)(seconds / 60) % 60,
                 (int)seconds % 60);
    snprintf(text, sizeof text, tr("%zu/%zu %s %2.0f%% %s of %s  %s/s%s"), p->number, p->files, bar, share * 100, done,
             total, each, left);
    progress_say(&p->progress, p->checking ? p->checking : text);
}

static void on_idle(void *user)
{
    progress_draw(user);
}

// ---- Hashes --------------------------------------------------------------------------------------------------------

static int hash_begin(Digest *digest, const HubFile *f)
{
    const int code = digest_begin(digest, *f->sha256 ? "sha256sum" : *f->git ? "sha1sum" : NULL);
    if (code || *f->sha256 || !*f->git) return code;
    char head[32]; // what git hashes in front of a blob, its NUL included
    const int n = snprintf(head, sizeof head, "blob %lld", (long long)f->bytes);
    digest_put(digest, head, (size_t)n + 1);
    return EXIT_FINE;
}

static int hash_broken(const Digest *digest)
{
    return interrupted() ? STOPPED : fail("%s ended too early", digest->program);
}

// The first n bytes of a file.
static int hash_file(Pull *p, Digest *digest, int fd, int64_t n, const char *path)
{
    char *piece = need(malloc(PIECE));
    int code = EXIT_FINE;
    for (int64_t at = 0; at < n && !code;) {
        const size_t most = n - at < PIECE ? (size_t)(n - at) : PIECE;
        const ssize_t got = pread(fd, piece, most, at);
        if (interrupted())
            code = STOPPED;
        else if (got < 0 && errno == EINTR)
            continue;
        else if (got <= 0)
            code = fail("%s: %s", path, got ? tr(strerror(errno)) : tr("was shortened while it was read"));
        else if (!digest_put(digest, piece, (size_t)got))
            code = hash_broken(digest);
        else
            at += got;
        progress_draw(p);
    }
    free(piece);
    return code;
}

static const char *hash_wanted(const HubFile *f)
{
    return *f->sha256 ? f->sha256 : f->git;
}

int pull_check(Pull *p, HubFile *f, const char *path)
{
    struct stat st;
    char hex[65];
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    f->have = false;
    if (fd < 0) return errno == ENOENT ? EXIT_FINE : fail("%s: %s", path, tr(strerror(errno)));
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size != f->bytes) {
        close(fd);
        return EXIT_FINE;
    }
    Digest digest;
    p->checking = N_("checking what is there ...");
    int code = hash_begin(&digest, f);
    if (!code) code = hash_file(p, &digest, fd, f->bytes, path);
    if (!code) code = digest_end(&digest, hex) ? (interrupted() ? STOPPED : EXIT_FAILED) : EXIT_FINE;
    digest_stop(&digest);
    close(fd);
    p->checking = NULL;
    progress_clear(&p->progress);
    f->have = !code && (!*hash_wanted(f) || !strcmp(hex, hash_wanted(f)));
    return code;
}

// ---- The part ------------------------------------------------------------------------------------------------------

typedef struct Part {
    Pull *pull;
    const HubFile *file;
    Bytes path;
    int fd;
    int64_t at; // bytes of it
    Digest digest;
    bool too_long;
    int fault; // errno of writing it
} Part;

static bool part_take(void *user, const char *bytes, size_t n)
{
    Part *part = user;
    if ((int64_t)n > part->file->bytes - part->at) {
        part->too_long = true;
        return false;
    }
    for (size_t put = 0; put < n;) {
        const ssize_t got = pwrite(part->fd, bytes + put, n - put, part->at + (int64_t)put);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            part->fault = got ? errno : EIO;
            return false;
        }
        put += (size_t)got;
    }
    part->at += (int64_t)n;
    part->pull->done += (int64_t)n;
    part->pull->fresh += (int64_t)n;
    return digest_put(&part->digest, bytes, n);
}

static void part_idle(void *user)
{
    on_idle(((Part *)user)->pull);
}

static int part_empty(Part *part)
{
    digest_stop(&part->digest);
    part->pull->done -= part->at;
    part->at = 0;
    if (ftruncate(part->fd, 0)) return fail("%s: %s", part->path.at, tr(strerror(errno)));
    return hash_begin(&part->digest, part->file);
}

static int part_open(Part *part)
{
    struct stat st;
    pulled_part(&part->path, &part->pull->pulled, part->file);
    part->fd = open(part->path.at, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    if (part->fd < 0 || fstat(part->fd, &st)) return fail("%s: %s", part->path.at, tr(strerror(errno)));
    if (!S_ISREG(st.st_mode)) return fail("%s: is no file, but what pull gathers belongs there", part->path.at);
    // Without a hash nobody knows of what file the bytes were.
    if (!*hash_wanted(part->file) || st.st_size > part->file->bytes) return part_empty(part);
    part->at = st.st_size;
    part->pull->done += part->at;
    int code = hash_begin(&part->digest, part->file);
    part->pull->checking = N_("checking what an earlier run fetched ...");
    if (!code) code = hash_file(part->pull, &part->digest, part->fd, part->at, part->path.at);
    part->pull->checking = NULL;
    progress_clear(&part->pull->progress);
    return code;
}

static void part_close(Part *part)
{
    digest_stop(&part->digest);
    if (part->fd >= 0) close(part->fd);
    bytes_free(&part->path);
}

static int part_wrong(Part *part)
{
    unlink(part->path.at);
    part->pull->done -= part->at;
    part->at = 0;
    return EXIT_FAILED;
}

static int part_check(Part *part)
{
    char hex[65];
    const HubFile *f = part->file;
    if (digest_end(&part->digest, hex)) return interrupted() ? STOPPED : EXIT_FAILED;
    part->digest.program = NULL;
    if (!*hash_wanted(f) || !strcmp(hex, hash_wanted(f))) return EXIT_FINE;
    fail("%s: its %s is %s and not %s as siblings[%zu].%s says; what was fetched is deleted, run it again", f->name,
         *f->sha256 ? "SHA-256" : tr("git blob id"), hex, hash_wanted(f), f->row, *f->sha256 ? "lfs.sha256" : "blobId");
    return part_wrong(part);
}

static int part_place(Part *part)
{
    Pull *p = part->pull;
    Bytes path = { 0 };
    path_put(&path, p->pulled.path.at, part->file->name);
    int code = folders_make(path.at, false);
    if (!code && (fsync(part->fd) || rename(part->path.at, path.at)))
        code = fail("%s: %s", path.at, tr(strerror(errno)));
    if (!code) pulled_note(&p->pulled, part->file, path.at);
    if (!code) code = pulled_write(&p->pulled);
    bytes_free(&path);
    return code;
}

// ---- Fetching ------------------------------------------------------------------------------------------------------

int pull_refused(const Pull *p, const char *what, const Fetched *f)
{
    if (f->status == 401 || f->status == 403) {
        const char *token = !p->token ? tr("and set HF_TOKEN to a token of yours")
                            : token_may_go(p->mirror)
                                ? tr("and see that the token in HF_TOKEN is right and may read it")
                                : tr("and use https: HF_TOKEN is not sent in the clear");
        return fail("%s: %s answers %d: the model may be gated or private, or there is none of that name; accept its "
                    "terms at %s/%s, %s",
                    what, p->mirror, f->status, p->mirror, p->repository, token);
    }
    if (f->status == 429) return fail("%s: %s answers 429, too many requests; try again later", what, p->mirror);
    if (f->status >= 400) return fail("%s: %s answers %d", what, p->mirror, f->status);
    return fail("%s: %s: %s", what, p->mirror, f->message);
}

static int part_ended(Part *part, const Fetched *got)
{
    const HubFile *f = part->file;
    char have[16], whole[16];
    if (got->end == FETCH_ABSENT) return fetch_no_curl();
    if (part->too_long) {
        fail("%s: the server sent more than the %lld bytes that siblings[%zu].size says; what was fetched is deleted",
             f->name, (long long)f->bytes, f->row);
        return part_wrong(part);
    }
    if (part->fault) return fail("%s: cannot be written: %s", part->path.at, tr(strerror(part->fault)));
    if (got->end == FETCH_REFUSED) return hash_broken(&part->digest);
    if (got->status == 416) {
        fail("%s: the server has only %lld bytes of the %lld that siblings[%zu].size says; what was fetched is deleted",
             f->name, (long long)part->at, (long long)f->bytes, f->row);
        return part_wrong(part);
    }
    if (got->status == 404)
        return fail("%s: is in the list of %s, but %s answers 404", f->name, part->pull->repository,
                    part->pull->mirror);
    if (got->status >= 400) return pull_refused(part->pull, f->name, got);
    size_text(have, part->at);
    size_text(whole, f->bytes);
    return fail("%s: %s; %s of %s are kept, and the same command goes on from there", f->name,
                got->end == FETCH_DONE ? tr("the server ended it too early") : got->message, have, whole);
}

// Waits 1, 2, 4 ... seconds.
static int wait_between(int failures)
{
    const double until = now_seconds() + (double)(1 << (failures - 1));
    while (!interrupted() && now_seconds() < until) poll(NULL, 0, 100);
    return interrupted() ? STOPPED : EXIT_FINE;
}

static int part_fetch(Part *part, const char *url)
{
    bool whole_only = false; // the server does not send from the middle
    for (int failures = 0; part->at < part->file->bytes;) {
        Fetched got;
        const int64_t before = part->at;
        fetch(&got, &(Fetch){ url, part->pull->token, before, part_take, part_idle, part });
        progress_clear(&part->pull->progress);
        if (got.end == FETCH_STOPPED) return STOPPED;
        if (got.end == FETCH_DONE && part->at == part->file->bytes) return EXIT_FINE;
        int code = EXIT_FINE;
        if (got.curl == 33 && before && !whole_only) {
            whole_only = true;
            code = part_empty(part);
        } else if (got.end == FETCH_DONE || (got.end == FETCH_FAILED && fetch_transient(&got) && !whole_only)) {
            failures = part->at - before < NEXT_TO_NOTHING ? failures + 1 : 0;
            code = failures == TRIES ? part_ended(part, &got) : failures ? wait_between(failures) : EXIT_FINE;
        } else {
            code = part_ended(part, &got);
        }
        if (code) return code;
    }
    return EXIT_FINE;
}

int pull_file(Pull *p, const HubFile *f)
{
    Part part = { .pull = p, .file = f, .fd = -1 };
    Bytes url = { 0 };
    bytes_text(&url, p->mirror);
    bytes_text(&url, "/");
    bytes_text(&url, p->repository);
    bytes_text(&url, "/resolve/");
    url_put(&url, p->revision, false);
    bytes_text(&url, "/");
    url_put(&url, f->name, true);
    int code = part_open(&part);
    if (!code) code = part_fetch(&part, url.at);
    if (!code) code = part_check(&part);
    if (!code) code = part_place(&part);
    part_close(&part);
    bytes_free(&url);
    return code;
}
