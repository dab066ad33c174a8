// base: what every floor stands on. Errors as values, memory with a lifetime and a ledger, strings, UTF-8, typed metadata,
// JSON, mapped files and the thread pool. Knows nothing of models.
#ifndef DURE_BASE_H
#define DURE_BASE_H

#include <jansson.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// ---- Errors --------------------------------------------------------------------------------------------------------

typedef enum ErrCode {
    ERR_NONE = 0,
    ERR_USAGE,       // the caller asked for something that has no meaning
    ERR_FILE,        // cannot be opened or read
    ERR_FORMAT,      // was read, and lies or is damaged
    ERR_UNSUPPORTED, // well formed, but nothing here runs it
    ERR_MEMORY,      // the system has no more
    ERR_LIMIT,       // a limit of ours or of the user's would be passed
    ERR_CANCELLED,
    ERR_INTERNAL,
} ErrCode;

// A result: code 0 is success. Otherwise one sentence saying what was wrong, where, and what would work.
typedef struct Err {
    ErrCode code;
    char text[512]; // UTF-8, cut on a character's border; no control characters
} Err;

#define OK ((Err){ .code = ERR_NONE })

Err err(ErrCode code, const char *format, ...) __attribute__((format(printf, 2, 3)));
Err err_memory(const char *what); // ERR_MEMORY: "out of memory for WHAT"
#ifdef __clang_analyzer__         // sees one file at a time, and must know that an error is never OK
void err_seen(const char *format, ...);
#define err(CODE, ...) (err_seen(__VA_ARGS__), (Err){ .code = (CODE) })
#define err_memory(WHAT) ((Err){ .code = ERR_MEMORY })
#endif

// ---- Language ------------------------------------------------------------------------------------------------------

#define N_(text) text // a key of the catalogue that is looked up where it is used

// "ko" or "en", or the name of a locale of theirs (ko_KR.UTF-8), for all messages of the process from now on; English at first.
// False: there is no such catalogue, and nothing changed.
bool language_set(const char *language);
// A sentence, a format or a part of one in the process's language; the same pointer where the catalogue has none. err, err_memory,
// log_say and their kin call it for their formats.
const char *tr(const char *english) __attribute__((format_arg(1)));

// ---- Ledger: what memory is used for -------------------------------------------------------------------------------

typedef enum LedgerKind { LEDGER_MAPPED, LEDGER_RESIDENT, LEDGER_KV, LEDGER_WORK, LEDGER_KINDS } LedgerKind;

// Thread-safe. `limit` binds resident + KV + work; 0 means none.
typedef struct Ledger {
    _Atomic int64_t used[LEDGER_KINDS]; // bytes
    int64_t limit;
} Ledger;

bool ledger_take(Ledger *ledger, LedgerKind kind,
                 size_t bytes); // false: over the limit, nothing taken; NULL ledger: true
void ledger_give(Ledger *ledger, LedgerKind kind, size_t bytes);
int64_t memory_available(void); // bytes the system would give at present, cgroup included
// Memory of `bytes`, aligned to 64, of unknown content, for free(). Large pieces lie on huge pages where the system has them: what
// walks over hundreds of megabytes again and again would else wait for translations of addresses.
void *memory_large(size_t bytes);

// ---- Arena: memory with one lifetime -------------------------------------------------------------------------------

typedef struct ArenaChunk ArenaChunk;
typedef struct Arena {
    const char *name; // said in errors
    Ledger *ledger;   // or NULL
    LedgerKind kind;
    ArenaChunk *head;
} Arena;
typedef struct ArenaMark {
    ArenaChunk *chunk;
    size_t used;
} ArenaMark;

Arena arena_new(const char *name);
Arena arena_counted(const char *name, Ledger *ledger, LedgerKind kind);
void *arena_alloc(Arena *arena, size_t bytes); // zeroed, aligned to 64 from 64 bytes up, else to 16; NULL: no memory
void *arena_array(Arena *arena, size_t count, size_t size); // the same; count * size is checked for overflow
char *arena_text(Arena *arena, const char *at, size_t n);   // a copy with a NUL behind it; NULL: no memory
ArenaMark arena_mark(const Arena *arena);
void arena_rewind(Arena *arena, ArenaMark mark); // frees what came after the mark
void arena_free(Arena *arena);

// ---- Strings -------------------------------------------------------------------------------------------------------

// A view; not NUL-terminated, may hold any bytes.
typedef struct Str {
    const char *at;
    size_t n;
} Str;

Str str(const char *text); // NULL gives the empty view
bool str_equal(Str a, Str b);
bool str_is(Str a, const char *b);
bool str_starts(Str a, const char *prefix);
bool str_ends(Str a, const char *suffix);

// Growing bytes. After a failed growth `failed` stays set and further puts do nothing, so it can be asked once at the end.
typedef struct Buf {
    char *at; // NUL-terminated once something was put
    size_t n, capacity;
    size_t limit; // 0: none. Growth beyond it sets `failed` too
    bool failed;
} Buf;

void buf_put(Buf *buf, const void *bytes, size_t n);
void buf_text(Buf *buf, const char *text);
void buf_char(Buf *buf, char c);
void buf_printf(Buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_free(Buf *buf);
static inline Str buf_str(const Buf *buf)
{
    return (Str){ buf->at ? buf->at : "", buf->n };
}

// ---- UTF-8 ---------------------------------------------------------------------------------------------------------

#define UTF8_BAD 0xFFFFFFFFu

// The code point at text[*at]; moves *at behind it. UTF8_BAD for an ill-formed part, of which *at passes the maximal
// subpart (Unicode 15, section 3.9, table 3-8), at least one byte. Needs *at < n.
uint32_t utf8_next(const char *text, size_t n, size_t *at);
size_t utf8_put(char out[4], uint32_t code_point); // bytes written, 1 to 4; surrogates and beyond U+10FFFF: U+FFFD
bool utf8_valid(const char *text, size_t n);
void utf8_lossy(Buf *out, const char *text, size_t n); // U+FFFD for each maximal ill-formed part
size_t utf8_whole(const char *text, size_t n); // length without an unfinished, so far well-formed character at the end

// ---- Metadata ------------------------------------------------------------------------------------------------------

typedef enum MetaType { META_NONE, META_BOOL, META_INT, META_REAL, META_TEXT, META_LIST } MetaType;

// A value; a list holds items of one type (ints in a list with reals become reals). META_NONE: null, or a mixed list.
typedef struct MetaValue {
    MetaType type;
    MetaType item; // of a list
    size_t count;  // of a list
    union {
        bool flag;
        int64_t integer;
        double real;
        Str text;
        const bool *flags;
        const int64_t *integers;
        const double *reals;
        const Str *texts;
    };
} MetaValue;

typedef struct MetaEntry {
    Str key; // nested JSON objects are joined by dots: rope_parameters.rope_theta
    MetaValue value;
} MetaEntry;

// Typed pairs, filled from JSON or GGUF. Views into `arena`.
typedef struct Meta {
    const char *source; // the file's name, for errors
    MetaEntry *entries; // in the file's order until meta_seal, by key after it
    size_t count, capacity;
    Arena *arena;
} Meta;

Err meta_new(Meta **out, Arena *arena, const char *source);
Err meta_add(Meta *meta, Str key, MetaValue value); // key and value must outlive the Meta
Err meta_seal(Meta *meta);                          // sorts for meta_find; a key given twice is an error
Err meta_from_json(Meta **out, Arena *arena, const json_t *object, const char *source);
const MetaValue *meta_find(const Meta *meta, const char *key);  // NULL: absent
bool meta_int(const Meta *meta, const char *key, int64_t *out); // false: absent or another type, *out untouched
bool meta_real(const Meta *meta, const char *key, double *out); // takes ints too
bool meta_text(const Meta *meta, const char *key, Str *out);
bool meta_bool(const Meta *meta, const char *key, bool *out);

// ---- JSON ----------------------------------------------------------------------------------------------------------

typedef enum JsonFlags {
    JSON_PLAIN = 0,
    JSON_COMMENTS = 1, // '#' to the end of the line, outside strings, is blank: one vendor's config.json has such
    JSON_UNIQUE = 2,   // a key given twice is an error
    JSON_NUL = 4,      // strings (not keys) may hold U+0000, as messages of users do
} JsonFlags;

// Strict UTF-8 JSON of any kind; the error names `source`, line and column. The caller owns *out (json_decref).
Err json_parse(json_t **out, Str text, JsonFlags flags, const char *source);
void json_write(Buf *out, const json_t *value, size_t dump_flags); // jansson's flags; sets out->failed on failure

// ---- Files ---------------------------------------------------------------------------------------------------------

// A whole file, mapped read-only.
typedef struct File {
    char *path;
    const uint8_t *at; // NULL for an empty file
    size_t bytes;
} File;

Err file_map(File *out, const char *path);
void file_unmap(File *file);                             // also of a zeroed File
Err file_read(Buf *out, const char *path, size_t limit); // whole; ERR_LIMIT beyond `limit` bytes
Err file_write(const char *path, Str content);           // by a new file beside it and rename: never half a file
Err file_write_parts(const char *path, const Str *parts, size_t count); // the same, the parts one after the other
bool path_is_folder(const char *path);
bool path_exists(const char *path);
Err path_join(char **out, const char *folder, const char *name); // *out by malloc

// ---- Threads -------------------------------------------------------------------------------------------------------

// One fork and join at a time, called from one thread only. Which thread takes which part is not fixed; what a part
// computes must not depend on it.
typedef struct Pool Pool;
typedef void PoolTask(void *arg, int64_t part);

Err pool_new(Pool **out, int threads); // the calling thread is one of them; threads >= 1
int pool_threads(const Pool *pool);
// Returns when all parts, 0 to parts - 1, are done. parts < 2^32 - 1.
void pool_run(Pool *pool, PoolTask *task, void *arg, int64_t parts);
void pool_free(Pool *pool);
int cpu_count(void); // processors this process may run on, the control group's quota included

// ---- Time ----------------------------------------------------------------------------------------------------------

double seconds_now(void); // monotonic

// ---- Messages ------------------------------------------------------------------------------------------------------

typedef enum LogLevel { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG } LogLevel;

// Where a library's remarks go; `write` may be NULL.
typedef struct Log {
    void (*write)(void *user, LogLevel level, const char *text);
    void *user;
} Log;

void log_say(const Log *log, LogLevel level, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
