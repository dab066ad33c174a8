// Child processes with pipes to their standard streams: curl, and the programs of coreutils that hash. A program is given as a list
// of arguments, never through a shell. Handlers of signals are not passed on. What a child writes is bounded by who reads it.
#include "pull.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void close_end(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

// Both ends above the standard streams, so that dup2 in the child never meets one of them.
static int pipe_make(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC)) return errno;
    for (int i = 0; i < 2; i++) {
        if (ends[i] > STDERR_FILENO) continue;
        const int moved = fcntl(ends[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1), fault = errno;
        if (moved < 0) {
            close(ends[0]);
            close(ends[1]);
            return fault;
        }
        close(ends[i]);
        ends[i] = moved;
    }
    return 0;
}

static int spawn(pid_t *pid, const char *const argv[], int pipes[3][2])
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t plain;
    int fault = posix_spawn_file_actions_init(&files);
    if (fault) return fault;
    fault = posix_spawnattr_init(&how);
    if (fault) {
        posix_spawn_file_actions_destroy(&files);
        return fault;
    }
    for (int i = 0; i < 3 && !fault; i++) fault = posix_spawn_file_actions_adddup2(&files, pipes[i][i != 0], i);
    sigemptyset(&plain);
    sigaddset(&plain, SIGPIPE);
    sigaddset(&plain, SIGINT);
    if (!fault) fault = posix_spawnattr_setsigdefault(&how, &plain);
    if (!fault) fault = posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGDEF);
    // posix_spawnp takes the words as writable for history's sake, and writes to none.
    if (!fault) fault = posix_spawnp(pid, argv[0], &files, &how, (char *const *)(uintptr_t)argv, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return fault;
}

int child_start(Child *out, const char *const argv[])
{
    int pipes[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } }; // as pipe2 gives them: the end to read from first
    int fault = 0;
    *out = (Child){ -1, -1, -1, -1 };
    for (int i = 0; i < 3 && !fault; i++) fault = pipe_make(pipes[i]);
    if (!fault) fault = spawn(&out->pid, argv, pipes);
    for (int i = 0; i < 3; i++) {
        close_end(&pipes[i][i != 0]);
        if (fault) close_end(&pipes[i][i == 0]);
    }
    out->in = pipes[0][1];
    out->out = pipes[1][0];
    out->err = pipes[2][0];
    if (fault) out->pid = -1;
    return fault;
}

bool child_write(int fd, const char *bytes, size_t n)
{
    while (n) {
        const ssize_t put = write(fd, bytes, n);
        if (put < 0 && errno == EINTR && !interrupted()) continue;
        if (put <= 0) return false;
        bytes += put;
        n -= (size_t)put;
    }
    return true;
}

int child_end(Child *child)
{
    int status = 0;
    close_end(&child->in);
    close_end(&child->out);
    close_end(&child->err);
    if (child->pid < 0) return 0;
    while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) continue;
    child->pid = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void child_stop(Child *child)
{
    if (child->pid > 0) kill(child->pid, SIGKILL);
    child_end(child);
}

// ---- Hashes --------------------------------------------------------------------------------------------------------

int digest_begin(Digest *out, const char *program)
{
    *out = (Digest){ .program = program, .child = { -1, -1, -1, -1 } };
    if (!program) return EXIT_FINE;
    const int fault = child_start(&out->child, (const char *const[]){ program, NULL });
    if (fault == ENOENT)
        return fail("there is no program %s, by which files are checked; install Debian's coreutils", program);
    if (fault) return fail("%s: cannot be started: %s", program, tr(strerror(fault)));
    return EXIT_FINE;
}

bool digest_put(Digest *digest, const char *bytes, size_t n)
{
    return !digest->program || child_write(digest->child.in, bytes, n);
}

int digest_end(Digest *digest, char hex[65])
{
    char text[129];
    size_t n = 0;
    hex[0] = 0;
    if (!digest->program) return EXIT_FINE;
    close_end(&digest->child.in);
    while (n < sizeof text - 1) {
        const ssize_t got = read(digest->child.out, text + n, sizeof text - 1 - n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        n += (size_t)got;
    }
    text[n] = 0;
    const int status = child_end(&digest->child);
    n = strspn(text, "0123456789abcdef");
    if (status || n > 64 || text[n] != ' ')
        return interrupted() ? EXIT_FAILED : fail("%s ended with %d and gave no hash", digest->program, status);
    memcpy(hex, text, n);
    hex[n] = 0;
    return EXIT_FINE;
}

void digest_stop(Digest *digest)
{
    if (digest->program) child_stop(&digest->child);
    digest->program = NULL;
}
