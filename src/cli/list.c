// dure list: the models that can be named without a path: those under DURE_MODELS and those in the Hugging Face cache.
#include "pull.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { DEPTH_MOST = 8 }; // of folders below a model's

typedef struct Holds {
    int64_t bytes;
    bool safetensors, gguf, config, pulling; // pulling: not all of it is there yet
} Holds;

// What is not UTF-8 in a file's name becomes question marks.
static json_t *text_json(const char *text)
{
    json_t *value = json_string(text);
    if (value) return value;
    Bytes plain = { 0 };
    for (; *text; text++) bytes_put(&plain, (unsigned char)*text < 0x80 ? text : "?", 1);
    value = need(json_stringn(plain.at, plain.n));
    bytes_free(&plain);
    return value;
}

// Links to files are followed, as the Hugging Face cache is made of them; those to folders are not, so there is no circle.
static void holds_add(Holds *out, const char *folder, int depth)
{
    DIR *dir = depth < DEPTH_MOST ? opendir(folder) : NULL;
    Bytes path = { 0 };
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat st, link;
        const char *name = entry->d_name;
        if (*name == '.') continue;
        path_put(&path, folder, name);
        if (lstat(path.at, &link) || stat(path.at, &st)) continue;
        if (S_ISDIR(st.st_mode) && !S_ISLNK(link.st_mode)) holds_add(out, path.at, depth + 1);
        if (!S_ISREG(st.st_mode)) continue;
        out->bytes += st.st_size;
        if (depth) continue;
        out->safetensors |= ends_in(name, ".safetensors");
        out->gguf |= ends_in(name, ".gguf");
        out->config |= !strcmp(name, "config.json");
    }
    if (dir) closedir(dir);
    bytes_free(&path);
}

static Holds holds_of(const char *folder)
{
    Holds out = { 0 };
    holds_add(&out, folder, 0);
    json_t *record = pulled_record(folder);
    out.pulling = record && !json_is_true(json_object_get(record, "complete"));
    json_decref(record);
    return out;
}

static bool holds_model(const Holds *holds)
{
    return holds->safetensors || holds->gguf || holds->config || holds->pulling;
}

// As the library reads it; NULL where it cannot.
static json_t *family_of(const char *path)
{
    DureModel *model = NULL;
    shortened_catch(path);
    if (dure_model_open(&model, path, NULL, NULL)) return json_null();
    json_t *account = model_account(model, NULL), *family = json_incref(json_object_get(account, "family"));
    json_decref(account);
    dure_model_close(model);
    if (json_is_string(family)) return family;
    json_decref(family);
    return json_null();
}

static void model_add(json_t *list, const char *name, const char *path, const Holds *holds, const char *source)
{
    const char *kind = holds->safetensors ? "safetensors" : holds->gguf ? "GGUF" : NULL;
    json_t *model =
        need(json_pack("{s:o, s:s?, s:o, s:I, s:b, s:s, s:o}", "name", text_json(name), "kind", kind, "family",
                       kind || holds->config ? family_of(path) : json_null(), "bytes", (json_int_t)holds->bytes,
                       "complete", !holds->pulling, "source", source, "path", text_json(path)));
    if (json_array_append_new(list, model)) need(NULL);
}

// ---- Under DURE_MODELS ---------------------------------------------------------------------------------------------

// The others of a split GGUF file: its first part stands for them.
static int64_t other_parts(const char *folder, const char *first)
{
    const size_t stem = strlen(first) - strlen("-00001-of-00002.gguf");
    int64_t bytes = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat st;
        const char *name = entry->d_name;
        const bool part = strlen(name) == strlen(first) && !strncmp(name, first, stem) && strcmp(name, first) &&
                          !strcmp(name + stem + 6, first + stem + 6);
        if (part && !fstatat(dirfd(dir), name, &st, 0)) bytes += st.st_size;
    }
    if (dir) closedir(dir);
    return bytes;
}

static void file_add(json_t *list, const char *folder, const char *name, const char *path, int64_t bytes)
{
    Holds holds = { .bytes = bytes, .safetensors = ends_in(name, ".safetensors"), .gguf = ends_in(name, ".gguf") };
    if (!holds.safetensors && !holds.gguf) return;
    Bytes shown = { 0 };
    const size_t n = strlen(name), tail = strlen("-00001-of-00002.gguf");
    bytes_put(&shown, name, n - (holds.gguf ? 5 : 0)); // the ending need not be given
    if (holds.gguf && n > tail && !strncmp(name + n - 9 - 5, "-of-", 4) && name[n - tail] == '-') {
        if (!strncmp(name + n - tail, "-00001", 6))
            holds.bytes += other_parts(folder, name);
        else
            bytes_free(&shown);
    }
    if (shown.n) model_add(list, shown.at, path, &holds, "DURE_MODELS");
    bytes_free(&shown);
}

// A folder is a model, or an ORG with models below it.
static void folder_add(json_t *list, const char *name, const char *path, bool below)
{
    const Holds holds = holds_of(path);
    if (holds_model(&holds)) {
        model_add(list, name, path, &holds, "DURE_MODELS");
        return;
    }
    DIR *dir = below ? NULL : opendir(path);
    Bytes inner = { 0 }, whole = { 0 };
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat st;
        if (*entry->d_name == '.') continue;
        path_put(&inner, path, entry->d_name);
        path_put(&whole, name, entry->d_name);
        if (!stat(inner.at, &st) && S_ISDIR(st.st_mode)) folder_add(list, whole.at, inner.at, true);
    }
    if (dir) closedir(dir);
    bytes_free(&inner);
    bytes_free(&whole);
}

static int models_add(json_t *list)
{
    Bytes folder = { 0 }, path = { 0 };
    models_folder(&folder);
    DIR *dir = opendir(folder.at);
    const int fault = dir || errno == ENOENT ? 0 : errno;
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat st;
        if (*entry->d_name == '.') continue;
        path_put(&path, folder.at, entry->d_name);
        if (stat(path.at, &st)) continue;
        if (S_ISDIR(st.st_mode))
            folder_add(list, entry->d_name, path.at, false);
        else if (S_ISREG(st.st_mode))
            file_add(list, folder.at, entry->d_name, path.at, st.st_size);
    }
    if (dir) closedir(dir);
    const int code = fault ? fail("%s: %s", folder.at, tr(strerror(fault))) : EXIT_FINE;
    bytes_free(&folder);
    bytes_free(&path);
    return code;
}

// ---- In the Hugging Face cache -------------------------------------------------------------------------------------

static void hub_add(json_t *list)
{
    Bytes folder = { 0 }, path = { 0 }, name = { 0 }, snapshot = { 0 };
    hub_folder(&folder);
    DIR *dir = opendir(folder.at);
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        const char *org = entry->d_name + strlen("models--"), *cut;
        if (strncmp(entry->d_name, "models--", 8) || !(cut = strstr(org, "--"))) continue;
        path_put(&path, folder.at, entry->d_name);
        if (!hub_snapshot(&snapshot, path.at)) continue;
        name.n = 0;
        bytes_put(&name, org, (size_t)(cut - org));
        bytes_text(&name, "/");
        bytes_text(&name, cut + 2);
        const Holds holds = holds_of(snapshot.at);
        if (holds_model(&holds)) model_add(list, name.at, snapshot.at, &holds, "Hugging Face cache");
    }
    if (dir) closedir(dir);
    bytes_free(&folder);
    bytes_free(&path);
    bytes_free(&name);
    bytes_free(&snapshot);
}

// ---- The command ---------------------------------------------------------------------------------------------------

static int by_name(const void *a, const void *b)
{
    const json_t *const *x = a, *const *y = b;
    return strcmp(json_string_value(json_object_get(*x, "name")), json_string_value(json_object_get(*y, "name")));
}

static json_t *sorted(json_t *list)
{
    const size_t n = json_array_size(list);
    json_t **items = need(malloc((n + 1) * sizeof *items)), *out = need(json_array());
    for (size_t i = 0; i < n; i++) items[i] = json_array_get(list, i);
    qsort(items, n, sizeof *items, by_name);
    for (size_t i = 0; i < n; i++)
        if (json_array_append(out, items[i])) need(NULL);
    free(items);
    json_decref(list);
    return out;
}

static void list_print(const json_t *list)
{
    size_t i;
    json_t *model, *rows = need(json_array());
    json_array_foreach (list, i, model) {
        const json_t *complete = json_object_get(model, "complete");
        json_t *row = need(json_pack("{s:O, s:O, s:O, s:O, s:s, s:O}", "name", json_object_get(model, "name"), "kind",
                                     json_object_get(model, "kind"), "family", json_object_get(model, "family"),
                                     "bytes", json_object_get(model, "bytes"), N_("state"),
                                     json_is_true(complete) ? tr("whole") : tr("unfinished"), "path",
                                     json_object_get(model, "path")));
        if (json_array_append_new(rows, row)) need(NULL);
    }
    table_show(rows);
    json_decref(rows);
}

static int list(Options *options)
{
    json_t *models = need(json_array());
    int code = models_add(models);
    if (!code) hub_add(models);
    models = sorted(models);
    if (!code && options->json) {
        code = out_json(need(json_pack("{s:O}", "models", models)), JSON_INDENT(2));
    } else if (!code && json_array_size(models)) {
        list_print(models);
    } else if (!code && !options->quiet) {
        fputs(tr("dure: there are no models yet; dure pull ORG/NAME fetches one\n"), stderr);
    }
    json_decref(models);
    return code;
}

const Command command_list = {
    .name = "list",
    .arguments = "",
    .summary = N_("List the models that are here"),
    .about =
        N_("Lists the models that can be named without a path: those under DURE_MODELS (default "
           "~/.cache/dure/models), where dure pull puts them, and those in the Hugging Face cache, with their kind, "
           "family, size on disk and place. A model that dure pull has not finished is called unfinished."),
    .uses = USES_JSON,
    .bytes = sizeof(Options),
    .run = list,
};
