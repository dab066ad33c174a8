// A whole tiny model folder of any family with damage: opened, described, spoken to, and run for a few tokens if it still can be. The
// input is a byte that says which family, and a list of edits, five bytes each: which file and whether to cut it there, where (three
// bytes, modulo the file's size), the new byte. Edits are written into files that are kept between inputs, and undone afterwards.
// The folders lie under TMPDIR.
#include <sys/stat.h>

#include "model_use.h"

enum { EDIT_BYTES = 5, EDITS_MOST = 64, CUT = 0x80 };

typedef struct Piece {
    char path[512];
    Buf text; // undamaged
} Piece;

#define TEXTS DURE_FUZZ_DATA "/model_folder"

enum { PIECES = 6 };

typedef struct Family {
    const char *model; // below the golden cases: one file of weights
    char folder[300];
    Piece pieces[PIECES];
} Family;

static Family families[] = {
    { .model = "exaone_moe/launch_resaved" },
    { .model = "llama/llama3_tied" },
    { .model = "hyperclovax/think_14b" },
    { .model = "exaone4/global_1b" },
    { .model = "axk1/mscale_all_dim" },
    { .model = "solar_open/variant_fused" },
    { .model = "vaetki/yarn" },
    { .model = "exaone_moe/long_window" },
};
static const char *const names[PIECES] = { "config.json",         "tokenizer.json",         "tokenizer_config.json",
                                           "chat_template.jinja", "generation_config.json", "model.safetensors" };
static char folder[256];

static void piece_restore(const Piece *piece)
{
    put_file(piece->path, piece->text.at, piece->text.n);
}

static void remove_folder(void)
{
    for (size_t f = 0; f < COUNT(families); f++) {
        for (size_t i = 0; i < PIECES; i++) unlink(families[f].pieces[i].path);
        rmdir(families[f].folder);
    }
    rmdir(folder);
}

static void family_write(Family *family, size_t number)
{
    snprintf(family->folder, sizeof family->folder, "%s/%zu", folder, number);
    must(!mkdir(family->folder, 0700), family->folder);
    for (size_t i = 0; i < PIECES; i++) {
        char from[512];
        Piece *piece = &family->pieces[i];
        const bool of_model = i == 0 || i == PIECES - 1;
        snprintf(from, sizeof from, "%s/%s/%s", of_model ? DURE_TEST_DATA "/golden" : TEXTS,
                 of_model ? family->model : ".", names[i]);
        must(!file_read(&piece->text, from, 1 << 24).code && piece->text.n, from);
        snprintf(piece->path, sizeof piece->path, "%s/%s", family->folder, names[i]);
        piece_restore(piece);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    make_folder(folder);
    for (size_t f = 0; f < COUNT(families); f++) family_write(&families[f], f);
    return atexit(remove_folder);
}

static void piece_edit(const Piece *piece, const uint8_t *edit)
{
    const size_t at = ((size_t)edit[1] << 16 | (size_t)edit[2] << 8 | edit[3]) % piece->text.n;
    const int fd = open(piece->path, O_WRONLY | O_CLOEXEC);
    must(fd >= 0, piece->path);
    if (edit[0] & CUT)
        must(!ftruncate(fd, (off_t)at), piece->path);
    else
        must(pwrite(fd, &edit[4], 1, (off_t)at) == 1, piece->path);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool touched[PIECES] = { false };
    DureModel *model;
    if (!size) return 0;
    const Family *family = &families[data[0] % COUNT(families)];
    data++, size--;
    for (size_t i = 0; i + EDIT_BYTES <= size && i / EDIT_BYTES < EDITS_MOST; i += EDIT_BYTES) {
        const size_t which = (data[i] & ~(unsigned)CUT) % PIECES;
        piece_edit(&family->pieces[which], &data[i]);
        touched[which] = true;
    }
    if (!dure_model_open(&model, family->folder, NULL, NULL)) {
        model_use(model);
        dure_model_close(model);
    }
    for (size_t i = 0; i < PIECES; i++)
        if (touched[i]) piece_restore(&family->pieces[i]);
    return 0;
}
