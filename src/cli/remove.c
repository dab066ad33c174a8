// dure rm: a model that dure pull fetched goes. Only files that the pull's record lists are removed, and the way to each is opened
// folder by folder without following a link, so that nothing outside the models' folder can be reached.
#include "pull.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct RmOptions {
    Options common;
    bool yes;
} RmOptions;

static const Option rm_own[] = {
    { "yes", 'y', OPTION_FLAG, NULL, N_("Do not ask."), .offset = offsetof(RmOptions, yes) },
    { 0 },
};

enum { AS_FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

// The folder that holds the last part of `path`, below `root`, and that part. -1: errno.
static int way_open(int root, const char *path, const char **last)
{
    int at = dup(root);
    while (at >= 0) {
        const char *slash = strchr(path, '/');
        *last = path;
        if (!slash) return at;
        char part[256];
        const size_t n = (size_t)(slash - path);
        const int above = at;
        if (n < sizeof part) {
            memcpy(part, path, n);
            part[n] = 0;
            at = openat(above, part, AS_FOLDER);
        } else {
            at = -1;
            errno = ENAMETOOLONG;
        }
        const int fault = errno;
        close(above);
        errno = fault;
        path = slash + 1;
    }
    return -1;
}

static int unlink_at(int root, const char *path, int flags) // 0 or -1: errno
{
    const char *last;
    const int at = way_open(root, path, &last);
    if (at < 0) return -1;
    const int done = unlinkat(at, last, flags), fault = errno;
    close(at);
    errno = fault;
    return done;
}

// The folders that a name leads through, innermost first, where they are empty now.
static void folders_remove(int root, const char *name)
{
    Bytes path = { 0 };
    bytes_text(&path, name);
    for (char *slash; (slash = strrchr(path.at, '/'));) {
        *slash = 0;
        if (unlink_at(root, path.at, AT_REMOVEDIR)) break;
    }
    bytes_free(&path);
}

static int files_remove(int model, const json_t *files, const char *name)
{
    const char *file;
    json_t *entry;
    json_object_foreach ((json_t *)(uintptr_t)files, file, entry) {
        if (hub_name_fault(file)) return fail("%s: .pull/record.json lists \"%.200s\", which no pull has", name, file);
        if (unlink_at(model, file, 0) && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
            return fail("%s: %s: %s", name, file, tr(strerror(errno)));
        folders_remove(model, file);
    }
    return EXIT_FINE;
}

// .pull: parts, lock and at last the record, which says that the rest may be removed.
static void own_remove(int model)
{
    const int fd = openat(model, ".pull", AS_FOLDER), parts = fd < 0 ? -1 : openat(fd, "parts", AS_FOLDER);
    DIR *dir = parts < 0 ? NULL : fdopendir(parts);
    for (const struct dirent *entry; dir && (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) unlinkat(parts, entry->d_name, 0);
    if (dir) closedir(dir);
    if (fd < 0) return;
    unlinkat(fd, "parts", AT_REMOVEDIR);
    unlinkat(fd, "record.new", 0);
    unlinkat(fd, "record.json", 0);
    unlinkat(fd, "lock", 0);
    close(fd);
    unlinkat(model, ".pull", AT_REMOVEDIR);
}

static json_t *record_read(int model)
{
    const char *last;
    const int at = way_open(model, ".pull/record.json", &last);
    const int fd = at < 0 ? -1 : openat(at, last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    json_t *record = fd < 0 ? NULL : json_loadfd(fd, 0, NULL);
    if (fd >= 0) close(fd);
    if (at >= 0) close(at);
    if (json_is_object(json_object_get(record, "files"))) return record;
    json_decref(record);
    return NULL;
}

static int64_t bytes_of(int model, const json_t *files, size_t *count)
{
    const char *file;
    json_t *entry;
    int64_t bytes = 0;
    json_object_foreach ((json_t *)(uintptr_t)files, file, entry) {
        const char *last;
        struct stat st;
        const int at = hub_name_fault(file) ? -1 : way_open(model, file, &last);
        if (at >= 0 && !fstatat(at, last, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode)) {
            bytes += st.st_size;
            ++*count;
        }
        if (at >= 0) close(at);
    }
    return bytes;
}

static bool agreed(const char *name, int model, const json_t *files)
{
    size_t count = 0;
    char size[16], answer[16] = "";
    size_text(size, bytes_of(model, files, &count));
    fprintf(stderr, tr("remove %s, %zu files, %s? [y/N] "), name, count, size);
    fflush(stderr);
    return fgets(answer, sizeof answer, stdin) && (*answer == 'y' || *answer == 'Y');
}

static int model_remove(int root, int model, const char *name, bool yes)
{
    const char *last;
    json_t *record = record_read(model);
    if (!record)
        return fail("%s was not put there by dure pull, and rm removes nothing else; remove it by other means", name);
    const json_t *files = json_object_get(record, "files");
    int code = EXIT_FINE;
    const int at = way_open(model, ".pull/lock", &last);
    const int lock = at < 0 ? -1 : openat(at, last, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB))
        code = fail("%s: another dure is at work on this model; wait for it or stop it", name);
    else if (!yes && !agreed(name, model, files))
        code = fail("%s stays", name);
    if (!code) code = files_remove(model, files, name);
    if (!code) {
        own_remove(model);
        if (unlink_at(root, name, AT_REMOVEDIR))
            fprintf(stderr, tr("dure: files in %s that pull did not put there are left\n"), name);
        else
            folders_remove(root, name); // ORG, if that was its last
    }
    if (lock >= 0) close(lock);
    if (at >= 0) close(at);
    json_decref(record);
    return code;
}

static int rm(Options *options)
{
    const RmOptions *o = (const RmOptions *)(const void *)options;
    if (!options->rest_count) return usage("rm needs the NAME of a model that dure pull fetched; dure list shows them");
    const char *name = options->rest[0], *last;
    if (!hub_repository(name)) return usage("\"%s\" is no name that dure pull gives; rm takes ORG/NAME", name);
    if (!o->yes && !isatty(STDIN_FILENO)) return usage("rm asks on a terminal; without one give --yes");
    Bytes folder = { 0 };
    models_folder(&folder);
    int code = EXIT_FINE, model = -1;
    const int root = open(folder.at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const int at = root < 0 ? -1 : way_open(root, name, &last);
    if (at >= 0) model = openat(at, last, AS_FOLDER);
    if (model < 0 && (errno == ELOOP || errno == ENOTDIR))
        code = fail("%s: the way there under %s is a link or no folder, and rm follows none", name, folder.at);
    else if (model < 0)
        code = fail("%s: under %s: %s", name, folder.at, tr(strerror(errno)));
    else
        code = model_remove(root, model, name, o->yes);
    if (model >= 0) close(model);
    if (at >= 0) close(at);
    if (root >= 0) close(root);
    bytes_free(&folder);
    return code;
}

const Command command_rm = {
    .name = "rm",
    .arguments = "ORG/NAME",
    .summary = N_("Remove a model that pull fetched"),
    .about =
        N_("Removes a model that dure pull put under DURE_MODELS: the files that the pull fetched, and nothing else. "
           "On a terminal it asks before; elsewhere it needs --yes. It follows no links, and leaves the Hugging Face "
           "cache and every other folder alone."),
    .own = rm_own,
    .bytes = sizeof(RmOptions),
    .most_rest = 1,
    .run = rm,
};
