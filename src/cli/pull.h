// What `dure pull`, `list` and `rm` share: child processes, the fetching of one address, what a hub says of a repository, and the
// folder that a pull keeps. Nothing of it is known to the other commands.
#ifndef DURE_PULL_H
#define DURE_PULL_H

#include "cli.h"

#include <string.h>
#include <sys/types.h>

// ---- Child processes (child.c) -------------------------------------------------------------------------------------

typedef struct Child {
    pid_t pid;
    int in, out, err; // our ends of its standard streams; -1: closed
} Child;

int child_start(Child *out, const char *const argv[]); // looked for in PATH; 0 or errno: ENOENT if there is none
bool child_write(int fd, const char *bytes, size_t n); // all of it
int child_end(Child *child);                           // closes, waits; its exit status, or 128 + the signal
void child_stop(Child *child);                         // ends it if it still runs, and waits

// A hash made by a program of coreutils, fed as the bytes come.
typedef struct Digest {
    const char *program; // "sha256sum", "sha1sum"; NULL: none, and putting does nothing
    Child child;
} Digest;
int digest_begin(Digest *out, const char *program); // exit code, told
bool digest_put(Digest *digest, const char *bytes, size_t n);
int digest_end(Digest *digest, char hex[65]); // exit code, told
void digest_stop(Digest *digest);

// ---- One address (curl.c) ------------------------------------------------------------------------------------------

typedef enum FetchEnd {
    FETCH_DONE,
    FETCH_FAILED,  // curl or the server said no
    FETCH_REFUSED, // `take` did
    FETCH_STOPPED, // by SIGINT
    FETCH_ABSENT   // there is no curl
} FetchEnd;

typedef struct Fetch {
    const char *url;
    const char *token; // or NULL
    int64_t from;      // bytes of it that are there already
    bool (*take)(void *user, const char *bytes, size_t n);
    void (*idle)(void *user); // every fifth of a second at least
    void *user;
} Fetch;

typedef struct Fetched {
    FetchEnd end;
    int curl;          // its exit status
    int status;        // HTTP's; 0: none came
    char message[256]; // what curl said, one line
} Fetched;

void fetch(Fetched *out, const Fetch *how);
bool fetch_transient(const Fetched *f); // trying again may help
int fetch_no_curl(void);                // tells what to install
bool token_may_go(const char *url);     // over TLS, or to this machine

// ---- What a hub says (hub.c) ---------------------------------------------------------------------------------------

typedef struct HubFile {
    const char *name; // checked: stays below its folder; lives in the answer
    size_t row;       // its place among the siblings, for messages
    int64_t bytes;
    char sha256[65], git[41]; // lower-case hex, or ""
    bool wanted;
    bool have; // the right bytes lie there under the right name
} HubFile;

typedef struct Hub {
    json_t *answer;
    HubFile *file;
    size_t n;
    char commit[65]; // or ""
} Hub;

const char *hub_name_fault(const char *name);             // of a file in a repository; NULL: none
bool hub_repository(const char *name);                    // ORG/NAME
void url_put(Bytes *out, const char *text, bool slashes); // percent-encoded; slashes stay
// `source` names the answer in messages. Exit code, told.
int hub_read(Hub *out, const Bytes *text, const char *source);
void hub_free(Hub *hub);
// Which files are wanted: those that match `include`, else what a model needs; without what matches `exclude`.
int hub_choose(Hub *hub, const TextList *include, const TextList *exclude, const char *repository);

// ---- The folder that a pull keeps (pulled.c) -----------------------------------------------------------------------

// FOLDER/.pull: lock, record.json (which files pull put there), and parts of files that are not whole yet.
typedef struct Pulled {
    Bytes path; // the model's folder
    int lock;   // -1: not held
    json_t *record;
} Pulled;

void models_folder(Bytes *out); // DURE_MODELS or its default; models.c
void hub_folder(Bytes *out);    // the Hugging Face cache; models.c
bool hub_snapshot(Bytes *out, const char *repository);

void path_put(Bytes *out, const char *folder, const char *name); // in place of what out holds
int folders_make(const char *path, bool last); // those above path; `last`: path itself too. Exit code, told
json_t *pulled_record(const char *folder);     // what .pull/record.json says; NULL: there is none, or it is damaged
int pulled_open(Pulled *out, const char *folder, const char *repository); // made if absent. Exit code, told
int pulled_write(const Pulled *pulled);                                   // the record
void pulled_close(Pulled *pulled);
bool pulled_lists(const Pulled *pulled, const char *name);                    // pull put it there
bool pulled_has(const Pulled *pulled, const HubFile *file, const char *path); // and checked it, and nobody touched it
void pulled_note(Pulled *pulled, const HubFile *file, const char *path);      // path NULL: it is to come
void pulled_part(Bytes *out, const Pulled *pulled, const HubFile *file);      // where its bytes are gathered
int pulled_finish(Pulled *pulled, const char *revision, const char *commit);  // whole: parts that are left over go

// ---- Files of a pull (pull_file.c) ---------------------------------------------------------------------------------

enum { STOPPED = -1 }; // by SIGINT, and not told yet: beside exit codes

// A pull under way.
typedef struct Pull {
    const char *repository, *revision;
    const char *mirror; // without a slash at its end
    const char *token;  // or NULL
    Hub hub;
    Pulled pulled;
    Progress progress;
    size_t files, number;       // wanted and not there; the one at work, from 1
    int64_t total, done, fresh; // bytes: of these files, of them there, of these fetched by this run
    double began, shown;
    const char *checking; // what is hashed now, or NULL: fetching
} Pull;

int pull_check(Pull *p, HubFile *f, const char *path); // sets f->have by the file's hash. STOPPED or exit code
int pull_file(Pull *p, const HubFile *f);              // STOPPED or exit code
int pull_refused(const Pull *p, const char *what, const Fetched *f); // tells it

#endif
