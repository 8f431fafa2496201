/*
 * A plot as SVG 1.1, alone in its file: axes with numbers and labels, and series of points.
 * It follows a reader's dark or light colours where the program that shows it knows them, else
 * it is light.
 *
 * Pure; any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "discovery/base/text.h"

enum {
    PLOT_SERIES_MAX = 12, /* that are drawn; the others are left out */
    PLOT_COLUMNS = 600,   /* of points that are drawn: in each the lowest and the highest */
    PLOT_TICKS_MAX = 60,  /* names on the x axis */
    PLOT_NAME_WIDTH = 24, /* characters of a name that are shown */
};

struct plot_point {
    double x, y;
    double spread; /* drawn as a bar from y - spread to y + spread; 0: none */
};

struct plot_series {
    const char *name; /* NULL: no legend for it */
    const struct plot_point *points;
    size_t count;
};

struct plot {
    const char *title, *x, *y; /* with units; x and y label the axes */
    const struct plot_series *series;
    size_t n_series;
    const char *const *ticks; /* names of x = 0, 1 …; NULL: numbers */
    size_t n_ticks;
    bool steps;     /* a value holds until the next point */
    bool from_zero; /* the x axis begins at 0 */
};

/* Appends the file.  Points that are not finite are left out.  -ENOMEM. */
int plot_svg(const struct plot *p, struct text *ret);

/* The same of a run's metrics, CSV with a heading: cost against time.  Without any cost it says
 * so in the picture. */
int plot_metrics(const char *title, const struct text *csv, struct text *ret);
