// From the word MODEL to an open model, and from there to a session at work.
#include "pull.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// ---- Names ---------------------------------------------------------------------------------------------------------

static bool exists(const char *path)
{
    struct stat st;
    return !stat(path, &st);
}

static const char *set_variable(const char *name) // NULL when empty, too
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

// $XDG_CACHE_HOME or ~/.cache, and `behind`.
static void cache_folder(Bytes *out, const char *behind)
{
    const char *cache = set_variable("XDG_CACHE_HOME"), *home = set_variable("HOME");
    if (cache)
        bytes_text(out, cache);
    else {
        bytes_text(out, home ? home : "");
        bytes_text(out, "/.cache");
    }
    bytes_text(out, behind);
}

void models_folder(Bytes *out)
{
    const char *folder = set_variable("DURE_MODELS");
    if (folder)
        bytes_text(out, folder);
    else
        cache_folder(out, "/dure/models");
}

// NAME, NAME.gguf or ORG/NAME.
static bool find_short(Bytes *out, const char *name)
{
    static const char *const endings[] = { "", ".gguf" };
    for (size_t i = 0; i < COUNT(endings); i++) {
        out->n = 0;
        models_folder(out);
        bytes_put(out, "/", 1);
        bytes_text(out, name);
        bytes_text(out, endings[i]);
        if (exists(out->at)) return true;
    }
    return false;
}

void hub_folder(Bytes *out)
{
    const char *hub = set_variable("HF_HUB_CACHE"), *home = set_variable("HF_HOME");
    if (hub)
        bytes_text(out, hub);
    else if (home) {
        bytes_text(out, home);
        bytes_put(out, "/hub", 4);
    } else
        cache_folder(out, "/huggingface/hub");
}

// The snapshot that refs/main names.
static bool find_main(Bytes *out, const char *repository)
{
    char revision[65] = "";
    Bytes ref = { 0 };
    bytes_text(&ref, repository);
    bytes_put(&ref, "/refs/main", 10);
    FILE *file = fopen(ref.at, "rb");
    bytes_free(&ref);
    if (!file) return false;
    size_t n = fread(revision, 1, sizeof revision - 1, file);
    fclose(file);
    revision[n] = 0;
    revision[strcspn(revision, " \r\n")] = 0;
    if (!*revision || *revision == '.' || strchr(revision, '/')) return false;
    out->n = 0;
    bytes_text(out, repository);
    bytes_printf(out, "/snapshots/%s", revision);
    return exists(out->at);
}

static bool find_newest(Bytes *out, const char *repository)
{
    Bytes folder = { 0 };
    bytes_text(&folder, repository);
    bytes_put(&folder, "/snapshots", 10);
    DIR *dir = opendir(folder.at);
    struct timespec newest = { 0 };
    bool found = false;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (*entry->d_name == '.') continue;
        Bytes path = { 0 };
        bytes_put(&path, folder.at, folder.n);
        bytes_put(&path, "/", 1);
        bytes_text(&path, entry->d_name);
        struct stat st;
        if (!stat(path.at, &st) && S_ISDIR(st.st_mode) &&
            (!found || st.st_mtim.tv_sec > newest.tv_sec ||
             (st.st_mtim.tv_sec == newest.tv_sec && st.st_mtim.tv_nsec > newest.tv_nsec))) {
            out->n = 0;
            bytes_put(out, path.at, path.n);
            newest = st.st_mtim;
            found = true;
        }
        bytes_free(&path);
    }
    if (dir) closedir(dir);
    bytes_free(&folder);
    return found;
}

bool hub_snapshot(Bytes *out, const char *repository)
{
    return find_main(out, repository) || find_newest(out, repository);
}

static bool find_hub(Bytes *out, const char *name, const char *slash)
{
    Bytes repository = { 0 };
    hub_folder(&repository);
    bytes_put(&repository, "/models--", 9);
    bytes_put(&repository, name, (size_t)(slash - name));
    bytes_put(&repository, "--", 2);
    bytes_text(&repository, slash + 1);
    bool found = hub_snapshot(out, repository.at);
    bytes_free(&repository);
    return found;
}

int model_path(char **path, const char *name)
{
    Bytes found = { 0 };
    const char *slash = strchr(name, '/');
    bool known = exists(name);
    int fault = errno;
    if (known)
        bytes_text(&found, name);
    else if (*name && !slash)
        known = find_short(&found, name);
    else if (slash && slash != name && slash[1] && !strchr(slash + 1, '/'))
        known = (hub_repository(name) && find_short(&found, name)) || find_hub(&found, name, slash);
    if (known) {
        *path = found.at;
        return EXIT_FINE;
    }
    bytes_free(&found);
    if (fault != ENOENT && *name) return fail("%s: %s", name, tr(strerror(fault)));
    return fail(
        "\"%s\": no such file or folder, and no model of that name under DURE_MODELS or in the Hugging Face cache%s",
        name, hub_repository(name) ? tr("; dure pull fetches one") : "");
}

// Beside the program as `make install` puts it, or in the tree that it was built in.
char *model_builtin(void)
{
    static const char *const places[] = { "../share/dure/models/dure-mini.gguf",
                                          "../../models/dure-mini/dure-mini.gguf" };
    char program[4096];
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program);
    if (n <= 0 || (size_t)n == sizeof program) return NULL;
    size_t folder = (size_t)n;
    while (folder && program[folder - 1] != '/') folder--;
    for (size_t i = 0; i < COUNT(places); i++) {
        Bytes path = { 0 };
        bytes_put(&path, program, folder);
        bytes_text(&path, places[i]);
        if (exists(path.at)) return path.at;
        bytes_free(&path);
    }
    return NULL;
}

// ---- Opening -------------------------------------------------------------------------------------------------------

int model_open(DureModel **out, const Options *options, bool text_only, Remarks *remarks)
{
    *remarks = (Remarks){ .quiet = options->quiet, .verbose = options->verbose };
    char *path = NULL;
    int code = model_path(&path, options->model);
    if (code) return code;
    DureModelOptions how = { .text_only = text_only, .log = remarks_take, .log_user = remarks };
    DureError error;
    shortened_catch(path);
    if (dure_model_open(out, path, &how, &error)) {
        remarks_drop(remarks);
        code = fail("%s", error.text);
    }
    free(path);
    return code;
}

json_t *model_account(const DureModel *model, DureError *error)
{
    DureText text;
    if (dure_model_inspect(model, NULL, &text, error)) return NULL;
    json_t *account = need(json_loadb(text.at, text.n, JSON_ALLOW_NUL, NULL)); // the library writes JSON
    dure_text_free(&text);
    return account;
}

static void check_share(void *user, int64_t done, int64_t total)
{
    progress_share(user, "checking the weights, MiB:", done >> 20, total >> 20);
}

DureEngineOptions engine_options(const Options *o, Progress *progress)
{
    return (DureEngineOptions){
        .context = o->context,
        .threads = (int)o->threads,
        .chunk = o->chunk,
        .kv = o->kv,
        .mla = o->mla,
        .draft = o->draft,
        .draft_tokens = o->draft_tokens,
        .cpu = o->cpu ? cpu_levels[o->cpu] : NULL,
        .memory = o->memory,
        .sessions = (int)o->sessions,
        .check = o->check,
        .check_progress = check_share,
        .check_user = progress,
    };
}

// For fewer sessions where memory is short: a plan that is refused costs next to nothing, and there are at most 256.
static int engine_fit(Running *running, DureEngineOptions *how, DureError *error)
{
    const int wanted = how->sessions ? how->sessions : 1;
    int code;
    for (running->sessions = wanted;; running->sessions--) {
        how->sessions = running->sessions;
        code = dure_engine_new(&running->engine, running->model, how, error);
        if (code != DURE_LIMIT || running->sessions == 1) break;
    }
    if (!code && running->sessions < wanted) {
        char text[256];
        snprintf(text, sizeof text, tr("memory suffices for %d at once, not for %d"), running->sessions, wanted);
        remarks_take(&running->remarks, DURE_LOG_WARNING, text);
    }
    return code;
}

static int engine_open(Running *running, const Options *o)
{
    DureEngineOptions how = engine_options(o, &running->progress);
    DureError error;
    // The engine's threads inherit that all signals are blocked, so it is this thread whose waiting a signal ends; but one that a
    // thread raises itself would end the program, were it blocked.
    sigset_t every, before;
    sigfillset(&every);
    sigdelset(&every, SIGBUS);
    sigprocmask(SIG_BLOCK, &every, &before);
    progress_share(&running->progress, "checking the weights", 0, 1); // its clock starts
    const int code = engine_fit(running, &how, &error);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (code) return fail("%s", error.text);
    dure_engine_plan(running->engine, &running->plan);
    if (dure_session_new(&running->session, running->engine, &error)) return fail("%s", error.text);
    return EXIT_FINE;
}

int running_open(Running *out, const Options *options)
{
    *out = (Running){ .progress = progress_new(options) };
    double began = now_seconds();
    progress_say(&out->progress, "opening the model ...");
    int code = model_open(&out->model, options, false, &out->remarks);
    if (!code) {
        code = engine_open(out, options);
        out->load_seconds = now_seconds() - began;
    }
    progress_clear(&out->progress);
    if (code) running_close(out);
    return code;
}

int running_read(Running *running, bool shown)
{
    DureError error;
    for (int advanced = 1; advanced;) {
        if (dure_engine_step(running->engine, &advanced, &error)) return fail("%s", error.text);
        if (interrupted()) return fail("interrupted");
        for (DureEvent event; dure_session_next(running->session, &event);)
            if (shown && event.kind == DURE_EVENT_PROMPT)
                progress_share(&running->progress, "reading", event.done, event.total);
    }
    return EXIT_FINE;
}

void running_close(Running *running)
{
    if (running->session) dure_session_free(running->session);
    if (running->engine) dure_engine_free(running->engine);
    if (running->model) dure_model_close(running->model);
    remarks_drop(&running->remarks);
    running->session = NULL;
    running->engine = NULL;
    running->model = NULL;
}
