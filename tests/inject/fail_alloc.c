// Preloaded into a program (LD_PRELOAD), makes its n-th allocation or its n-th read fail, so that a test can walk through
// every place where memory or a disk can fail. Counting starts when main does; what the loader and constructors did
// before is left alone.
//
//   INJECT_ALLOC=N    allocation N (from 1) gives NULL with ENOMEM: malloc, calloc, realloc, aligned_alloc, posix_memalign,
//                     memalign, anonymous mmap, and what libc builds on malloc (strdup, asprintf, fopen, ...)
//   INJECT_READ=N     read N fails with EIO: read, pread, mapping a file. stdio's own reads are not seen
//   INJECT_REPEAT=1   ... and every later one too
//   INJECT_COUNT=FILE at the end of main or at exit, FILE gets one line "ALLOCATIONS READS LIVE"; LIVE is the number of blocks
//                     allocated since main began less those freed
//
// Not for programs built with a sanitizer, whose allocators are their own.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

// glibc's own names, which need no look-up and thus no memory.
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);
extern void *__libc_memalign(size_t align, size_t bytes);
extern void __libc_free(void *block);

typedef int Main(int argc, char **argv, char **environment);
typedef int StartMain(Main *start, int argc, char **argv, Main *init, void (*fini)(void), void (*loader_fini)(void),
                      void *stack_end);
EXPORT StartMain __libc_start_main;
EXPORT void *mmap64(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
EXPORT ssize_t pread64(int fd, void *to, size_t bytes, off_t offset);

// One program, one process: the state of an injector can only be global.
static _Atomic bool counting;
static _Atomic long allocations, reads, live;
static long fail_allocation, fail_read;
static bool repeat;
static const char *count_file;
static Main *program;

static bool due(_Atomic long *counter, long n)
{
    if (!atomic_load_explicit(&counting, memory_order_relaxed)) return false;
    long now = atomic_fetch_add(counter, 1) + 1;
    return n && (now == n || (repeat && now > n));
}

static bool allocation_fails(void)
{
    if (!due(&allocations, fail_allocation)) return false;
    errno = ENOMEM;
    return true;
}

static bool read_fails(void)
{
    if (!due(&reads, fail_read)) return false;
    errno = EIO;
    return true;
}

static void *counted(void *block)
{
    if (block && atomic_load_explicit(&counting, memory_order_relaxed)) atomic_fetch_add(&live, 1);
    return block;
}

// Without stdio, which would allocate.
static void report(void)
{
    if (!atomic_exchange(&counting, false) || !count_file) return;
    char line[96];
    int n = snprintf(line, sizeof line, "%ld %ld %ld\n", (long)allocations, (long)reads, (long)live);
    int fd = open(count_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || n < 0 || write(fd, line, (size_t)n) != n) _exit(99);
    close(fd);
}

static long number(const char *name)
{
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : 0;
}

static int counted_main(int argc, char **argv, char **environment)
{
    fail_allocation = number("INJECT_ALLOC");
    fail_read = number("INJECT_READ");
    repeat = number("INJECT_REPEAT") != 0;
    count_file = getenv("INJECT_COUNT");
    atexit(report); // the program may leave by exit()
    counting = true;
    int status = program(argc, argv, environment);
    report();
    return status;
}

EXPORT int __libc_start_main(Main *start, int argc, char **argv, Main *init, void (*fini)(void),
                             void (*loader_fini)(void), void *stack_end)
{
    StartMain *real;
    *(void **)&real = dlsym(RTLD_NEXT, "__libc_start_main");
    program = start;
    return real(counted_main, argc, argv, init, fini, loader_fini, stack_end);
}

EXPORT void *malloc(size_t bytes)
{
    return allocation_fails() ? NULL : counted(__libc_malloc(bytes));
}

EXPORT void *calloc(size_t count, size_t bytes)
{
    return allocation_fails() ? NULL : counted(__libc_calloc(count, bytes));
}

EXPORT void *realloc(void *block, size_t bytes)
{
    if (allocation_fails()) return NULL;
    void *moved = __libc_realloc(block, bytes);
    return block ? moved : counted(moved);
}

EXPORT void *memalign(size_t align, size_t bytes)
{
    return allocation_fails() ? NULL : counted(__libc_memalign(align, bytes));
}

EXPORT void *aligned_alloc(size_t align, size_t bytes)
{
    return memalign(align, bytes);
}

EXPORT int posix_memalign(void **out, size_t align, size_t bytes)
{
    void *block = memalign(align, bytes);
    if (!block) return ENOMEM;
    *out = block;
    return 0;
}

EXPORT void free(void *block)
{
    if (block && atomic_load_explicit(&counting, memory_order_relaxed)) atomic_fetch_sub(&live, 1);
    __libc_free(block);
}

EXPORT void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    bool fails = flags & MAP_ANONYMOUS ? allocation_fails() : read_fails();
    if (fails) return MAP_FAILED;
    return (void *)syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
}

EXPORT void *mmap64(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    return mmap(at, bytes, protection, flags, fd, offset);
}

EXPORT ssize_t read(int fd, void *to, size_t bytes)
{
    if (read_fails()) return -1;
    return syscall(SYS_read, fd, to, bytes);
}

EXPORT ssize_t pread(int fd, void *to, size_t bytes, off_t offset)
{
    if (read_fails()) return -1;
    return syscall(SYS_pread64, fd, to, bytes, offset);
}

EXPORT ssize_t pread64(int fd, void *to, size_t bytes, off_t offset)
{
    return pread(fd, to, bytes, offset);
}
