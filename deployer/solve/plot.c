#include "plot.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/base/cleanup.h"

enum {
    WIDTH = 760,
    HEIGHT = 420,
    LEFT = 84,
    RIGHT = 24,
    TOP = 48,
    BOTTOM = 64,
    LEGEND_ROW = 18,
    LEGEND_WIDTH = 190,
    TICKS_WANTED = 6,
};

static const char style[] =
    "<style>\n"
    "text{font:12px sans-serif;fill:#1f2328}.t{font-size:15px}.b{fill:#fff}\n"
    ".g{stroke:#d0d7de}.a{stroke:#57606a}.l{fill:none;stroke-width:2}.d{stroke:none}\n"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.b{fill:#0d1117}\n"
    ".g{stroke:#30363d}.a{stroke:#8b949e}}\n"
    "</style>\n";

/* Each has a contrast of 3 and more towards white and towards .b's dark. */
static const char *const colours[PLOT_SERIES_MAX] = {"#2f81f7", "#d1590f", "#2c974b", "#a475f9",
                                                     "#cf3f4f", "#8a6d1a", "#1b8a9e", "#c2519c",
                                                     "#6e7781", "#5a8a00", "#7a5af8", "#b35c44"};

struct range {
    double low, high, step;
};

/* --- text ------------------------------------------------------------------------ */

/* At most `most` characters; what XML 1.0 §2.2 does not allow becomes U+FFFD. */
static void add_text(struct text *t, const char *string, size_t most)
{
    size_t size = strlen(string), n = 0;

    while (size > 0) {
        uint32_t c = 0;
        size_t length = utf8_decode(string, size, &c);

        if (n++ == most) {
            text_adds(t, "…");
            return;
        }
        if (length == 0 || c < ' ' || c == 0xfffe || c == 0xffff)
            text_adds(t, "\xef\xbf\xbd");
        else if (c == '<' || c == '>' || c == '&' || c == '"')
            text_addf(t, "&#%u;", (unsigned)c);
        else
            text_add(t, string, length);
        length = length ? length : 1;
        string += length;
        size -= length;
    }
}

static void add_words(struct text *t, double x, double y, const char *more, const char *words,
                      size_t most)
{
    text_addf(t, "<text x=\"%.1f\" y=\"%.1f\"%s>", x, y, more);
    add_text(t, words, most);
    text_adds(t, "</text>\n");
}

/* --- scales ---------------------------------------------------------------------- */

/* A step of 1, 2 or 5 times a power of ten, and its multiples around what there is. */
static void make_round(struct range *r)
{
    double width = r->high - r->low, power;

    if (!(width > 0)) {
        double around = r->low == 0 ? 1 : fabs(r->low) / 10;

        r->low -= around;
        r->high += around;
        width = 2 * around;
    }
    power = pow(10, floor(log10(width / TICKS_WANTED)));
    r->step = power * 10;
    for (int i = 2; i >= 0; i--) {
        static const double steps[] = {1, 2, 5};

        if (width / (power * steps[i]) <= TICKS_WANTED)
            r->step = power * steps[i];
    }
    r->low = floor(r->low / r->step + 1e-9) * r->step;
    r->high = ceil(r->high / r->step - 1e-9) * r->step;
}

static bool is_drawn(const struct plot_point *p)
{
    /* Beyond, a difference of two is not finite. */
    return fabs(p->x) < 1e300 && fabs(p->y) < 1e300 && fabs(p->spread) < 1e300;
}

static void widen(struct range *r, double low, double high, bool first)
{
    r->low = first || low < r->low ? low : r->low;
    r->high = first || high > r->high ? high : r->high;
}

static size_t find_ranges(const struct plot *p, struct range *x, struct range *y)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n_series && i < PLOT_SERIES_MAX; i++)
        for (size_t k = 0; k < p->series[i].count; k++) {
            const struct plot_point *point = &p->series[i].points[k];

            if (!is_drawn(point))
                continue;
            widen(x, p->from_zero ? fmin(point->x, 0) : point->x, point->x, n == 0);
            widen(y, point->y - point->spread, point->y + point->spread, n == 0);
            n++;
        }
    if (p->ticks)
        *x = (struct range){-0.5, (double)p->n_ticks - 0.5, 1};
    else
        make_round(x);
    make_round(y);
    return n;
}

struct frame {
    struct range x, y;
    double left, top, width, height;
};

static double at_x(const struct frame *f, double x)
{
    return f->left + (x - f->x.low) / (f->x.high - f->x.low) * f->width;
}

static double at_y(const struct frame *f, double y)
{
    return f->top + (f->y.high - y) / (f->y.high - f->y.low) * f->height;
}

/* --- the parts ------------------------------------------------------------------- */

static void add_line(struct text *t, const char *class, double x1, double y1, double x2, double y2)
{
    text_addf(t, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class,
              x1, y1, x2, y2);
}

static void add_number(struct text *t, double x, double y, const char *more, double value,
                       double step)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    text_addf(&words, "%.6g", fabs(value) < step / 1000 ? 0 : value);
    add_words(t, x, y, more, text_str(&words), SIZE_MAX);
}

static void add_y_axis(const struct frame *f, struct text *t)
{
    int n = (int)lround((f->y.high - f->y.low) / f->y.step);

    for (int i = 0; i <= n; i++) {
        double value = f->y.low + i * f->y.step, y = at_y(f, value);

        add_line(t, "g", f->left, y, f->left + f->width, y);
        add_number(t, f->left - 8, y + 4, " text-anchor=\"end\"", value, f->y.step);
    }
}

static void add_x_axis(const struct plot *p, const struct frame *f, struct text *t)
{
    double bottom = f->top + f->height;
    int n = (int)lround((f->x.high - f->x.low) / f->x.step);
    size_t every = p->n_ticks / PLOT_TICKS_MAX + 1;

    add_line(t, "a", f->left, bottom, f->left + f->width, bottom);
    add_line(t, "a", f->left, f->top, f->left, bottom);
    for (size_t i = 0; p->ticks && i < p->n_ticks; i += every)
        add_words(t, at_x(f, (double)i), bottom + 18, " text-anchor=\"middle\"", p->ticks[i],
                  p->n_ticks > 6 ? 8 : PLOT_NAME_WIDTH);
    for (int i = 0; !p->ticks && i <= n; i++) {
        double value = f->x.low + i * f->x.step, x = at_x(f, value);

        add_line(t, "a", x, bottom, x, bottom + 5);
        add_number(t, x, bottom + 18, " text-anchor=\"middle\"", value, f->x.step);
    }
}

/* One line of points that lie in one column of the picture. */
struct column {
    double at, first, low, high, last;
    bool begun;
};

static void end_column(const struct plot *p, struct column *c, bool *drawn, double *before,
                       struct text *t)
{
    const double ys[] = {c->first, c->low, c->high, c->last};

    if (!c->begun)
        return;
    if (p->steps && *drawn)
        text_addf(t, " %.1f,%.1f", c->at, *before);
    for (size_t i = 0; i < ARRAY_SIZE(ys); i++)
        if (i == 0 || ys[i] != ys[i - 1])
            text_addf(t, " %.1f,%.1f", c->at, ys[i]);
    *drawn = true;
    *before = c->last;
    c->begun = false;
}

static void add_series(const struct plot *p, const struct frame *f, const struct plot_series *s,
                       const char *colour, struct text *t)
{
    struct column c = {0};
    bool drawn = false;
    double before = 0;

    text_addf(t, "<polyline class=\"l\" stroke=\"%s\" points=\"", colour);
    for (size_t i = 0; i < s->count; i++) {
        double at, y;

        if (!is_drawn(&s->points[i]))
            continue;
        at = at_x(f, s->points[i].x);
        at = f->left + round((at - f->left) / f->width * PLOT_COLUMNS) * f->width / PLOT_COLUMNS;
        y = at_y(f, s->points[i].y);
        if (c.begun && at != c.at)
            end_column(p, &c, &drawn, &before, t);
        if (!c.begun)
            c = (struct column){at, y, y, y, y, true};
        c.low = fmin(c.low, y);
        c.high = fmax(c.high, y);
        c.last = y;
    }
    end_column(p, &c, &drawn, &before, t);
    if (p->steps && drawn && c.at < f->left + f->width) /* so that one point is seen, too */
        text_addf(t, " %.1f,%.1f", fmin(c.at + 4, f->left + f->width), before);
    text_adds(t, "\"/>\n");
}

/* Dots and bars, for those few points that have no line of steps. */
static void add_dots(const struct frame *f, const struct plot_series *s, const char *colour,
                     struct text *t)
{
    for (size_t i = 0; i < s->count && i < PLOT_COLUMNS; i++) {
        const struct plot_point *point = &s->points[i];
        double x, low, high;

        if (!is_drawn(point))
            continue;
        x = at_x(f, point->x);
        low = at_y(f, point->y - point->spread);
        high = at_y(f, point->y + point->spread);
        text_addf(t, "<circle class=\"d\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>\n", x,
                  at_y(f, point->y), colour);
        if (point->spread != 0)
            text_addf(t,
                      "<path class=\"l\" stroke=\"%s\" d=\"M%.1f %.1fV%.1fM%.1f %.1fh8M%.1f "
                      "%.1fh8\"/>\n",
                      colour, x, low, high, x - 4, low, x - 4, high);
    }
}

static size_t count_legend(const struct plot *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n_series && i < PLOT_SERIES_MAX; i++)
        n += p->series[i].name != NULL;
    return n;
}

static void add_legend(const struct plot *p, struct text *t)
{
    size_t columns = (WIDTH - LEFT) / LEGEND_WIDTH, n = 0;

    for (size_t i = 0; i < p->n_series && i < PLOT_SERIES_MAX; i++) {
        double x = LEFT + (double)(n % columns) * LEGEND_WIDTH;
        double y = TOP + (double)(n / columns) * LEGEND_ROW;

        if (!p->series[i].name)
            continue;
        text_addf(t, "<rect x=\"%.1f\" y=\"%.1f\" width=\"10\" height=\"10\" fill=\"%s\"/>\n", x,
                  y - 9, colours[i]);
        add_words(t, x + 16, y, "", p->series[i].name, PLOT_NAME_WIDTH);
        n++;
    }
}

int plot_svg(const struct plot *p, struct text *ret)
{
    size_t columns = (WIDTH - LEFT) / LEGEND_WIDTH;
    size_t rows = (count_legend(p) + columns - 1) / columns, n;
    double legend = (double)rows * LEGEND_ROW, height = HEIGHT + legend;
    struct frame f = {.left = LEFT,
                      .top = TOP + legend,
                      .width = WIDTH - LEFT - RIGHT,
                      .height = HEIGHT - TOP - BOTTOM};

    n = find_ranges(p, &f.x, &f.y);
    text_addf(ret,
              "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %.0f\" width=\"%d\" "
              "height=\"%.0f\" role=\"img\">\n<title>",
              WIDTH, height, WIDTH, height);
    add_text(ret, p->title, SIZE_MAX);
    text_adds(ret, "</title>\n");
    text_adds(ret, style);
    text_addf(ret, "<rect class=\"b\" width=\"%d\" height=\"%.0f\"/>\n", WIDTH, height);
    add_words(ret, LEFT, 24, " class=\"t\"", p->title, 80);
    add_legend(p, ret);
    if (n > 0)
        add_y_axis(&f, ret);
    else
        add_words(ret, f.left + f.width / 2, f.top + f.height / 2, " text-anchor=\"middle\"",
                  "There is no cost to show.", SIZE_MAX);
    add_x_axis(p, &f, ret);
    add_words(ret, f.left + f.width / 2, f.top + f.height + 44, " text-anchor=\"middle\"", p->x,
              80);
    text_addf(ret, "<g transform=\"translate(18,%.1f) rotate(-90)\">", f.top + f.height / 2);
    add_words(ret, 0, 0, " text-anchor=\"middle\"", p->y, 60);
    text_adds(ret, "</g>\n");
    for (size_t i = 0; i < p->n_series && i < PLOT_SERIES_MAX; i++) {
        if (p->steps || !p->ticks)
            add_series(p, &f, &p->series[i], colours[i], ret);
        if (!p->steps)
            add_dots(&f, &p->series[i], colours[i], ret);
    }
    text_adds(ret, "</svg>\n");
    return text_error(ret);
}

/* --- of a run -------------------------------------------------------------------- */

/* "1.5,4,-0.1,…": time and cost; false without both. */
static bool parse_row(const char *row, struct plot_point *ret)
{
    char *end;

    *ret = (struct plot_point){.x = strtod(row, &end)};
    if (end == row || *end != ',')
        return false;
    row = strpbrk(end + 1, ",\n");
    if (!row || *row != ',' || row[1] == ',')
        return false;
    ret->y = strtod(row + 1, &end);
    return end != row + 1 && *end == ',';
}

int plot_metrics(const char *title, const struct text *csv, struct text *ret)
{
    CLEANUP_FREE struct plot_point *points = NULL;
    struct plot_series series = {0};
    struct plot p = {.title = title,
                     .x = "time (s)",
                     .y = "cost",
                     .series = &series,
                     .n_series = 1,
                     .steps = true,
                     .from_zero = true};
    size_t lines = 0;

    for (const char *at = text_str(csv); (at = strchr(at, '\n')); at++)
        lines++;
    points = calloc(lines + 1, sizeof(*points));
    if (!points)
        return -ENOMEM;
    for (const char *at = text_str(csv); (at = strchr(at, '\n'));)
        series.count += parse_row(++at, &points[series.count]);
    series.points = points;
    return plot_svg(&p, ret);
}
