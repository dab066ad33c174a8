// What a hub says of a repository, GET MIRROR/api/models/ORG/NAME/revision/REV?blobs=true, doubted field by field, and the choice
// of files. Past here a file's name stays below the folder it is put in, and sizes can be added up.
#include "pull.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MOST ((int64_t)64 << 40)
#define PARTS_MOST 64 // components of a name

// ---- Names ---------------------------------------------------------------------------------------------------------

static bool control_in(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7F || (*c == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0)) return true; // U+0080 to U+009F too
    return false;
}

const char *hub_name_fault(const char *name)
{
    if (!*name) return N_("is empty");
    if (*name == '/') return N_("is an absolute path");
    if (control_in(name)) return N_("holds a control character");
    if (strlen(name) > 1024) return N_("is longer than 1024 bytes");
    int parts = 0;
    for (const char *at = name;;) {
        const size_t n = strcspn(at, "/");
        if (!n) return N_("has an empty part");
        if ((n == 1 && at[0] == '.') || (n == 2 && at[0] == '.' && at[1] == '.')) return N_("leaves its folder");
        if (n > 255) return N_("has a part of more than 255 bytes");
        if (n == 5 && at == name && !memcmp(at, ".pull", 5)) return N_("is kept for what pull itself writes");
        if (++parts > PARTS_MOST) return N_("lies too deep");
        if (!at[n]) return NULL;
        at += n + 1;
    }
}

static bool word_ok(const char *at, size_t n)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    return n && n <= 96 && *at != '.' && *at != '-' && strspn(at, letters) >= n;
}

bool hub_repository(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash && word_ok(name, (size_t)(slash - name)) && !strchr(slash + 1, '/') &&
           word_ok(slash + 1, strlen(slash + 1));
}

void url_put(Bytes *out, const char *text, bool slashes)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";
    for (; *text; text++) {
        if (strchr(plain, *text) || (slashes && *text == '/'))
            bytes_put(out, text, 1);
        else
            bytes_printf(out, "%%%02X", (unsigned char)*text);
    }
}

// ---- The answer ----------------------------------------------------------------------------------------------------

static bool hex_copy(char *out, const json_t *value, size_t n)
{
    const char *text = json_string_value(value);
    if (!text || strlen(text) != n || strspn(text, "0123456789abcdef") != n) return false;
    memcpy(out, text, n + 1);
    return true;
}

static int size_read(HubFile *f, const json_t *row, const json_t *lfs, const char *source)
{
    const json_t *size = json_object_get(row, "size"), *other = json_object_get(lfs, "size");
    if (!json_is_integer(size))
        return fail("%s: siblings[%zu].size of %s is not a whole number, so the file could not be checked", source,
                    f->row, f->name);
    f->bytes = json_integer_value(size);
    if (f->bytes < 0 || f->bytes > FILE_BYTES_MOST)
        return fail("%s: siblings[%zu].size of %s is %lld, which no file has", source, f->row, f->name,
                    (long long)f->bytes);
    if (other && !(json_is_integer(other) && json_integer_value(other) == f->bytes))
        return fail("%s: siblings[%zu].lfs.size of %s is not its size of %lld", source, f->row, f->name,
                    (long long)f->bytes);
    return EXIT_FINE;
}

static int row_read(HubFile *f, const json_t *row, const char *source)
{
    f->name = json_string_value(json_object_get(row, "rfilename"));
    if (!f->name) return fail("%s: siblings[%zu].rfilename is no text", source, f->row);
    const char *fault = hub_name_fault(f->name);
    if (fault)
        return fail("%s: siblings[%zu].rfilename \"%.200s\" %s; nothing was fetched", source, f->row, f->name,
                    tr(fault));
    const json_t *lfs = json_object_get(row, "lfs"), *git = json_object_get(row, "blobId");
    if (json_is_null(lfs)) lfs = NULL;
    if (json_is_null(git)) git = NULL;
    int code = size_read(f, row, lfs, source);
    if (code) return code;
    if (lfs && !hex_copy(f->sha256, json_object_get(lfs, "sha256"), 64))
        return fail("%s: siblings[%zu].lfs.sha256 of %s is no SHA-256", source, f->row, f->name);
    if (!lfs && git && !hex_copy(f->git, git, 40)) // with lfs it is the id of the pointer
        return fail("%s: siblings[%zu].blobId of %s is no id of a git blob", source, f->row, f->name);
    return EXIT_FINE;
}

static int by_name(const void *a, const void *b)
{
    const HubFile *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static int twice_check(const Hub *hub, const char *source)
{
    for (size_t i = 1; i < hub->n; i++)
        if (!strcmp(hub->file[i - 1].name, hub->file[i].name))
            return fail("%s: siblings[%zu].rfilename \"%s\" is there twice", source, hub->file[i].row,
                        hub->file[i].name);
    return EXIT_FINE;
}

int hub_read(Hub *out, const Bytes *text, const char *source)
{
    json_error_t fault;
    *out = (Hub){ .answer = json_loadb(text->at ? text->at : "", text->n, 0, &fault) };
    if (!out->answer) return fail("%s: the answer is not JSON (line %d: %s)", source, fault.line, fault.text);
    const json_t *list = json_object_get(out->answer, "siblings");
    if (!json_is_array(list)) return fail("%s: the answer has no list \"siblings\" of files", source);
    hex_copy(out->commit, json_object_get(out->answer, "sha"), 40);
    const size_t n = json_array_size(list);
    out->file = need(calloc(n + 1, sizeof *out->file));
    for (; out->n < n; out->n++) {
        HubFile *f = &out->file[out->n];
        f->row = out->n;
        const int code = row_read(f, json_array_get(list, out->n), source);
        if (code) return code;
    }
    qsort(out->file, n, sizeof *out->file, by_name);
    return twice_check(out, source);
}

void hub_free(Hub *hub)
{
    json_decref(hub->answer);
    free(hub->file);
    *hub = (Hub){ 0 };
}

// ---- The choice ----------------------------------------------------------------------------------------------------

// As the hub's own tools have it: * also matches /, and a folder's name with / at its end means all in it.
static bool matches(const TextList *patterns, const char *name)
{
    for (size_t i = 0; i < patterns->n; i++) {
        const char *p = patterns->at[i];
        if (!fnmatch(p, name, 0) || (ends_in(p, "/") && !strncmp(p, name, strlen(p)))) return true;
    }
    return false;
}

static bool pickle(const char *name) // is run by whoever loads it
{
    static const char *const endings[] = { ".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle" };
    for (size_t i = 0; i < COUNT(endings); i++)
        if (ends_in(name, endings[i])) return true;
    return false;
}

static bool needed(const char *name, bool gguf)
{
    const char *slash = strrchr(name, '/'), *last = slash ? slash + 1 : name;
    return ends_in(name, ".safetensors") || ends_in(name, ".json") || ends_in(name, ".jinja") ||
           !strcmp(last, "tokenizer.model") || (gguf && ends_in(name, ".gguf"));
}

// Length of what the parts of one split file have in common: NAME-00001-of-00003.gguf.
static size_t gguf_stem(const char *name)
{
    const size_t n = strlen(name), tail = strlen("-00001-of-00003.gguf");
    const char *end = n > tail ? name + n - tail : "";
    const bool part = *end == '-' && strspn(end + 1, "0123456789") == 5 && !strncmp(end + 6, "-of-", 4) &&
                      strspn(end + 10, "0123456789") == 5;
    return part ? n - tail : n;
}

// Where a repository holds many GGUF files, they are one model at many precisions: nobody wants all.
static int gguf_check(const Hub *hub, const char *repository)
{
    const char *first = NULL;
    Bytes list = { 0 };
    size_t models = 0;
    for (size_t i = 0; i < hub->n; i++) {
        const char *name = hub->file[i].name;
        if (!hub->file[i].wanted || !ends_in(name, ".gguf")) continue;
        const size_t n = gguf_stem(name);
        if (first && gguf_stem(first) == n && !strncmp(first, name, n)) continue;
        first = name;
        if (++models <= 12) bytes_printf(&list, "%s%.100s", models > 1 ? ", " : "", name);
    }
    int code = EXIT_FINE;
    if (models > 1)
        code = fail("%s holds %zu models as GGUF; choose by --include, as --include '*Q4_K_M*', among %.1200s%s",
                    repository, models, list.at, models > 12 ? ", ..." : "");
    bytes_free(&list);
    return code;
}

int hub_choose(Hub *hub, const TextList *include, const TextList *exclude, const char *repository)
{
    bool gguf = true;
    size_t wanted = 0, pickles = 0;
    for (size_t i = 0; i < hub->n; i++) gguf = gguf && !ends_in(hub->file[i].name, ".safetensors");
    for (size_t i = 0; i < hub->n; i++) {
        HubFile *f = &hub->file[i];
        f->wanted = (include->n ? matches(include, f->name) : needed(f->name, gguf)) && !matches(exclude, f->name);
        pickles += pickle(f->name);
        if (pickle(f->name)) f->wanted = false;
        wanted += f->wanted;
    }
    if (!wanted)
        return fail(include->n ? N_("%s: none of its %zu files is chosen by --include and --exclude%s")
                               : N_("%s: none of its %zu files is safetensors, GGUF or what belongs to them%s"),
                    repository, hub->n, pickles ? tr("; pickles (.bin, .pt) are programs, and are never fetched") : "");
    return include->n ? EXIT_FINE : gguf_check(hub, repository);
}
