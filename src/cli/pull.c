// dure pull: a model from a hub to the folder where models are found by name.
#include "pull.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { ANSWER_MOST = 64 << 20 }; // bytes of what a hub says of a repository

typedef struct PullOptions {
    Options common;
    const char *revision, *mirror, *to;
    TextList include, exclude;
    bool dry_run;
} PullOptions;

static const Option pull_own[] = {
    { "revision", 0, OPTION_TEXT, "REV", N_("Branch, tag or commit. Default: main."),
      .offset = offsetof(PullOptions, revision) },
    { "mirror", 0, OPTION_TEXT, "URL", N_("Address of the hub. Default: $HF_ENDPOINT, else https://huggingface.co."),
      .offset = offsetof(PullOptions, mirror) },
    { "include", 0, OPTION_LIST, "PATTERN",
      N_("Fetch the files whose names match, instead of what a model needs; * also stands for slashes. May be given "
         "many "
         "times."),
      .offset = offsetof(PullOptions, include) },
    { "exclude", 0, OPTION_LIST, "PATTERN", N_("Leave out the files whose names match. May be given many times."),
      .offset = offsetof(PullOptions, exclude) },
    { "to", 0, OPTION_FILE, "FOLDER", N_("Where the files go. Default: ORG/NAME under DURE_MODELS."),
      .offset = offsetof(PullOptions, to) },
    { "dry-run", 0, OPTION_FLAG, NULL, N_("Only list what would be fetched."),
      .offset = offsetof(PullOptions, dry_run) },
    { 0 },
};

// ---- What was asked ------------------------------------------------------------------------------------------------

static bool printable(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~') return false;
    return true;
}

static int mirror_read(Bytes *out, const char *given)
{
    const char *variable = getenv("HF_ENDPOINT");
    const char *url = given ? given : variable && *variable ? variable : "https://huggingface.co";
    const char *host = strstr(url, "://");
    const bool known = !strncmp(url, "https://", 8) || !strncmp(url, "http://", 7);
    if (!known || !host || !host[3] || host[3] == '/' || !printable(url) || strpbrk(url, "?#"))
        return usage("%s takes an address as https://huggingface.co, not \"%s\"", given ? "--mirror" : "HF_ENDPOINT",
                     url);
    bytes_text(out, url);
    while (out->at[out->n - 1] == '/') out->at[--out->n] = 0;
    return EXIT_FINE;
}

static int token_read(Bytes *out)
{
    const char *token = getenv("HF_TOKEN");
    if (!token) return EXIT_FINE;
    token += strspn(token, " \t\r\n");
    bytes_put(out, token, strcspn(token, " \t\r\n"));
    if (token[out->n + strspn(token + out->n, " \t\r\n")] || !printable(out->at))
        return usage("HF_TOKEN holds characters that no token has");
    return EXIT_FINE;
}

static int revision_check(const char *revision)
{
    if (*revision && printable(revision) && !strstr(revision, "..") && strcmp(revision, ".")) return EXIT_FINE;
    return usage("--revision takes a branch, tag or commit, not \"%s\"", revision);
}

static void folder_of(Bytes *out, const PullOptions *o, const char *repository)
{
    if (o->to) {
        bytes_text(out, o->to);
        return;
    }
    models_folder(out);
    bytes_text(out, "/");
    bytes_text(out, repository);
}

// ---- The list ------------------------------------------------------------------------------------------------------

static bool answer_take(void *user, const char *bytes, size_t n)
{
    Bytes *answer = user;
    if (n > ANSWER_MOST - answer->n) return false;
    bytes_put(answer, bytes, n);
    return true;
}

static int hub_ask(Pull *p)
{
    Bytes url = { 0 }, answer = { 0 }, source = { 0 };
    Fetched got;
    bytes_text(&url, p->mirror);
    bytes_text(&url, "/api/models/");
    bytes_text(&url, p->repository);
    bytes_text(&url, "/revision/");
    url_put(&url, p->revision, false);
    bytes_text(&url, "?blobs=true");
    bytes_text(&source, p->mirror);
    bytes_text(&source, "/");
    bytes_text(&source, p->repository);
    progress_say(&p->progress, "asking for the list of files ...");
    fetch(&got, &(Fetch){ url.at, p->token, 0, answer_take, NULL, &answer });
    progress_clear(&p->progress);
    int code = EXIT_FINE;
    if (got.end == FETCH_DONE)
        code = hub_read(&p->hub, &answer, source.at);
    else if (got.end == FETCH_STOPPED)
        code = STOPPED;
    else if (got.end == FETCH_ABSENT)
        code = fetch_no_curl();
    else if (got.end == FETCH_REFUSED)
        code = fail("%s: the answer is longer than %d MiB", source.at, ANSWER_MOST >> 20);
    else if (got.status == 404)
        code = fail("%s: %s answers 404: there is no model of that name with a revision %s", p->repository, p->mirror,
                    p->revision);
    else
        code = pull_refused(p, p->repository, &got);
    bytes_free(&url);
    bytes_free(&answer);
    bytes_free(&source);
    return code;
}

static int64_t file_bytes(const char *path) // -1: no such file
{
    struct stat st;
    return stat(path, &st) || !S_ISREG(st.st_mode) ? -1 : st.st_size;
}

// ---- Only looking --------------------------------------------------------------------------------------------------

static int dry_run(const Pull *p, const char *folder)
{
    Bytes path = { 0 }, text = { 0 };
    int64_t total = 0;
    size_t files = 0;
    char size[16];
    for (size_t i = 0; i < p->hub.n; i++) {
        const HubFile *f = &p->hub.file[i];
        if (!f->wanted) continue;
        path_put(&path, folder, f->name);
        const bool there = file_bytes(path.at) == f->bytes;
        size_text(size, f->bytes);
        bytes_printf(&text, "%10s  ", size);
        bytes_text(&text, f->name);
        bytes_text(&text, there ? tr("  (there)\n") : "\n");
        total += there ? 0 : f->bytes;
        files += !there;
    }
    size_text(size, total);
    bytes_printf(&text, tr("%zu files, %s (%lld bytes) would be fetched to "), files, size, (long long)total);
    bytes_text(&text, folder);
    bytes_text(&text, "\n");
    out_write(text.at, text.n);
    bytes_free(&path);
    bytes_free(&text);
    return EXIT_FINE;
}

// ---- Pulling -------------------------------------------------------------------------------------------------------

// Sets `have`, and writes down what is to come. What pull did not put there is never replaced.
static int plan_file(Pull *p, HubFile *f)
{
    Bytes path = { 0 }, part = { 0 };
    path_put(&path, p->pulled.path.at, f->name);
    const bool listed = pulled_lists(&p->pulled, f->name);
    int code = EXIT_FINE;
    f->have = pulled_has(&p->pulled, f, path.at);
    if (!f->have && file_bytes(path.at) >= 0) code = pull_check(p, f, path.at);
    if (!code && f->have && listed) pulled_note(&p->pulled, f, path.at);
    struct stat st;
    if (!code && !f->have && !listed && !lstat(path.at, &st))
        code =
            fail("%s: is there, is not what the repository has, and was not put there by pull; move it away", path.at);
    if (!code && !f->have) {
        pulled_note(&p->pulled, f, NULL);
        pulled_part(&part, &p->pulled, f);
        p->total += f->bytes;
        p->files++;
    }
    bytes_free(&path);
    bytes_free(&part);
    return code;
}

static int space_check(const Pull *p)
{
    int64_t needed = p->total;
    Bytes part = { 0 };
    for (size_t i = 0; i < p->hub.n; i++) {
        const HubFile *f = &p->hub.file[i];
        if (!f->wanted || f->have) continue;
        pulled_part(&part, &p->pulled, f);
        const int64_t there = file_bytes(part.at);
        if (there > 0) needed -= there < f->bytes ? there : f->bytes;
    }
    bytes_free(&part);
    struct statvfs disk;
    const char *folder = p->pulled.path.at;
    if (statvfs(folder, &disk)) return fail("%s: %s", folder, tr(strerror(errno)));
    const unsigned long long room = (unsigned long long)disk.f_bavail * disk.f_frsize;
    if (needed <= 0 || (unsigned long long)needed <= room) return EXIT_FINE;
    char want[16], have[16];
    size_text(want, needed);
    size_text(have, (int64_t)room);
    return fail("%s: %s are to be fetched, and the disk has room for %s; free some, or give another folder by --to or "
                "DURE_MODELS",
                folder, want, have);
}

// What an older revision had and this one has not: left there, it would be read with the new.
static void stale_remove(Pull *p)
{
    json_t *files = json_object_get(p->pulled.record, "files"), *entry;
    const char *name;
    void *next;
    Bytes path = { 0 };
    json_object_foreach_safe(files, next, name, entry)
    {
        size_t at = 0;
        while (at < p->hub.n && strcmp(p->hub.file[at].name, name)) at++;
        if (at < p->hub.n || hub_name_fault(name)) continue;
        path_put(&path, p->pulled.path.at, name);
        unlink(path.at);
        json_object_del(files, name);
    }
    bytes_free(&path);
}

static int pull_all(Pull *p, const PullOptions *o)
{
    int code = EXIT_FINE;
    for (size_t i = 0; i < p->hub.n && !code; i++)
        if (p->hub.file[i].wanted) code = plan_file(p, &p->hub.file[i]);
    if (!code) code = space_check(p);
    if (!code) code = pulled_write(&p->pulled);
    p->began = now_seconds();
    for (int weights = 0; weights < 2;
         weights++) // small files first: what is wrong with them is known before hours pass
        for (size_t i = 0; i < p->hub.n && !code; i++) {
            const HubFile *f = &p->hub.file[i];
            if (!f->wanted || f->have || (*f->sha256 != 0) != weights) continue;
            p->number++;
            code = pull_file(p, f);
            if (!code && o->common.verbose) fprintf(stderr, "dure: %s\n", f->name);
        }
    if (code) return code;
    stale_remove(p);
    code = pulled_finish(&p->pulled, p->revision, p->hub.commit);
    if (code || o->common.quiet) return code;
    out_write(p->pulled.path.at, p->pulled.path.n);
    out_write("\n", 1);
    return EXIT_FINE;
}

static int pull_into(Pull *p, const PullOptions *o)
{
    Bytes folder = { 0 };
    folder_of(&folder, o, p->repository);
    int code = hub_ask(p);
    if (!code) code = hub_choose(&p->hub, &o->include, &o->exclude, p->repository);
    if (!code && o->dry_run)
        code = dry_run(p, folder.at);
    else if (!code) {
        code = pulled_open(&p->pulled, folder.at, p->repository);
        if (!code) code = pull_all(p, o);
    }
    pulled_close(&p->pulled);
    hub_free(&p->hub);
    bytes_free(&folder);
    return code;
}

static int pull(Options *options)
{
    const PullOptions *o = (const PullOptions *)(const void *)options;
    Pull p = { .repository = options->rest_count ? options->rest[0] : "",
               .revision = o->revision ? o->revision : "main",
               .pulled = { .lock = -1 },
               .progress = progress_new(options) };
    if (!options->rest_count) return usage("pull needs the name of a repository: ORG/NAME");
    if (!hub_repository(p.repository))
        return usage("\"%s\" is not the name of a repository; pull takes ORG/NAME", p.repository);
    Bytes mirror = { 0 }, token = { 0 };
    int code = revision_check(p.revision);
    if (!code && o->to && !*o->to) code = usage("--to takes a folder");
    if (!code) code = mirror_read(&mirror, o->mirror);
    if (!code) code = token_read(&token);
    if (!code) {
        p.mirror = mirror.at;
        p.token = token.n ? token.at : NULL;
        interrupt_catch();
        code = pull_into(&p, o);
        interrupt_release();
    }
    bytes_free(&mirror);
    bytes_free(&token);
    if (code != STOPPED) return code;
    fail("stopped; what was fetched is kept, and the same command goes on from there");
    raise(SIGINT); // now as if never caught, so that scripts see it
    return EXIT_FAILED;
}

const Command command_pull = {
    .name = "pull",
    .arguments = "ORG/NAME",
    .summary = N_("Fetch a model from a hub"),
    .about = N_(
        "Fetches a model's repository from the Hugging Face hub, or a mirror of it, to where models are found by "
        "name, and prints the folder. Every file is checked by its size and hash before it gets its name. Ctrl-C or a "
        "cut connection loses nothing: the same command goes on from there, and one that has all only looks whether "
        "anything is new. It uses the program curl.\nWithout --include these are fetched: *.safetensors, *.json, "
        "*.jinja, tokenizer.model, and where there are no safetensors a *.gguf. Pickles (*.bin, *.pt) are programs "
        "that run when they are loaded; they are never fetched.\nFor a model whose terms must be accepted, do so on "
        "its page and put a token of yours into HF_TOKEN."),
    .own = pull_own,
    .bytes = sizeof(PullOptions),
    .most_rest = 1,
    .run = pull,
};
