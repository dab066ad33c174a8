// dure train plot: what a training measured, as a picture. gnuplot draws it.
#include "pull.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct PlotOptions {
    Options common;
    const char *out;
} PlotOptions;

static const Option plot_own[] = {
    { "out", 'o', OPTION_FILE, "FILE", N_("The picture. Default: training/curves.png below FOLDER."),
      .offset = offsetof(PlotOptions, out) },
    { 0 },
};

// A curve: its block of data in the script, and the key of the numbers in the lines.
typedef struct Curve {
    const char *block, *key;
} Curve;

static const Curve curves[] = {
    { "loss", "loss" }, { "valid", "valid_loss" }, { "draft", "draft_loss" },
    { "rate", "rate" }, { "norm", "norm" },        { "load", "load" },
};

// One block: step and number of every line that has the key; at least one point, so that gnuplot finds the block.
static size_t put_block(Bytes *script, const json_t *lines, const Curve *curve)
{
    size_t points = 0, i;
    const json_t *line;
    bytes_printf(script, "$%s << END\n", curve->block);
    json_array_foreach (lines, i, line) {
        const json_t *number = json_object_get(line, curve->key);
        if (!json_is_number(number) || json_number_value(number) == 0.0) continue;
        bytes_printf(script, "%lld %.9g\n", (long long)json_integer_value(json_object_get(line, "step")),
                     json_number_value(number));
        points++;
    }
    bytes_printf(script, "END\n");
    return points;
}

// In single quotes, where gnuplot knows no escapes but the doubled quote.
static void put_path(Bytes *script, const char *path)
{
    bytes_put(script, "'", 1);
    for (; *path; path++) bytes_put(script, *path == '\'' ? "''" : path, *path == '\'' ? 2 : 1);
    bytes_put(script, "'", 1);
}

static void put_panels(Bytes *script, const size_t *points)
{
    enum { LOSS, VALID, DRAFT, RATE, NORM, LOAD };
    bytes_printf(script, "set multiplot layout 2, 2\nset grid\nset key top right\nset format x '%%.0s%%c'\n");
    bytes_printf(script, "set title 'loss (nats per learned token)'\nplot $loss w l lc rgb '#88aacc' t 'of the step'");
    if (points[LOSS] > 50) bytes_printf(script, ", $loss smooth bezier lw 2 lc rgb '#003366' t 'smoothed'");
    if (points[VALID]) bytes_printf(script, ", $valid w lp pt 7 lc rgb '#cc3311' t 'validation'");
    if (points[DRAFT]) bytes_printf(script, ", $draft w l lc rgb '#bbbbbb' t 'draft layers'");
    bytes_printf(script, "\nset title 'learning rate'\nset yrange [0:*]\nplot $rate w l lw 2 lc rgb '#003366' notitle\n"
                         "set yrange [*:*]\nset logscale y\nset title 'norm of the gradient, before it is clipped'\n"
                         "plot $norm w l lc rgb '#003366' notitle\nunset logscale y\nset yrange [0:*]\n"
                         "set title 'largest share of an expert, 1 is even'\n");
    if (points[LOAD])
        bytes_printf(script, "plot $load w l lc rgb '#003366' notitle\n");
    else
        bytes_printf(script, "unset key\nset label 1 'no experts' at graph 0.4, 0.5\nplot [0:1] [0:1] NaN notitle\n");
    bytes_printf(script, "unset multiplot\n");
}

static int read_lines(json_t **out, const char *path)
{
    Bytes text = { 0 };
    int code = input_read(&text, path);
    json_t *lines = need(json_array());
    for (char *at = text.at; !code && at && *at;) {
        char *end = strchr(at, '\n');
        json_t *line = end ? json_loadb(at, (size_t)(end - at), 0, NULL) : NULL;
        if (end && !json_is_object(line))
            code = fail("%s: line %zu is not a JSON object", path, json_array_size(lines) + 1);
        if (line && json_array_append_new(lines, line)) need(NULL);
        at = end ? end + 1 : NULL; // a line without its end is still being written
    }
    if (!code && !json_array_size(lines)) code = fail("%s: there is no line in it yet", path);
    bytes_free(&text);
    if (code) json_decref(lines);
    if (!code) *out = lines;
    return code;
}

static int draw(const Bytes *script, const char *out)
{
    static const char *const argv[] = { "gnuplot", "-", NULL };
    Child child;
    char said[400];
    size_t n = 0;
    const int fault = child_start(&child, argv);
    if (fault == ENOENT) return fail("the picture needs the program gnuplot (in Debian the package gnuplot-nox)");
    if (fault) return fail("gnuplot cannot be started: %s", tr(strerror(fault)));
    child_write(child.in, script->at, script->n);
    close(child.in);
    child.in = -1;
    for (ssize_t got; n < sizeof said - 1 && (got = read(child.err, said + n, sizeof said - 1 - n)) > 0;)
        n += (size_t)got;
    said[n] = 0;
    const int status = child_end(&child);
    for (char *c = said; *c; c++)
        if (*c == '\n') *c = ' ';
    if (status || access(out, R_OK)) return fail("%s: gnuplot did not draw it: %s", out, said);
    return EXIT_FINE;
}

static int plot(Options *options)
{
    const PlotOptions *o = (const PlotOptions *)(const void *)options;
    Bytes metrics = { 0 }, out = { 0 }, script = { 0 };
    size_t points[COUNT(curves)];
    json_t *lines = NULL;
    bytes_printf(&metrics, "%s/training/metrics.jsonl", options->model);
    if (o->out)
        bytes_printf(&out, "%s", o->out);
    else
        bytes_printf(&out, "%s/training/curves.png", options->model);
    int code = read_lines(&lines, metrics.at);
    if (!code) {
        bytes_printf(&script, "set terminal pngcairo size 1280,800 font 'sans,11'\nset output ");
        put_path(&script, out.at);
        bytes_printf(&script, "\n");
        for (size_t i = 0; i < COUNT(curves); i++) points[i] = put_block(&script, lines, &curves[i]);
        put_panels(&script, points);
        code = draw(&script, out.at);
        json_decref(lines);
    }
    if (!code && !options->quiet) printf("%s\n", out.at);
    bytes_free(&metrics);
    bytes_free(&out);
    bytes_free(&script);
    return code;
}

const Command command_train_plot = {
    .name = "train plot",
    .arguments = "FOLDER",
    .summary = N_("Draw what a training measured"),
    .about = N_(
        "Draws the curves of a training whose folder is FOLDER, also while it runs: loss, learning rate, norm of the "
        "gradient, load of the experts. The picture is a PNG file; its name is printed. Needs gnuplot."),
    .uses = USES_MODEL,
    .own = plot_own,
    .bytes = sizeof(PlotOptions),
    .run = plot,
};
