#include "qr.h"

#include <errno.h>
#include <qrencode.h>
#include <string.h>

#include "discovery/base/cleanup.h"

enum { QUIET = 4 };

DEFINE_CLEANUP(QRcode *, QRcode_free);

static bool is_dark(const QRcode *code, int x, int y)
{
    return code->data[y * code->width + x] & 1;
}

/* One path; a subpath for each run of dark modules in a row. */
static void add_modules(const QRcode *code, struct text *ret)
{
    for (int y = 0; y < code->width; y++)
        for (int x = 0; x < code->width; x++) {
            int from = x;

            while (x < code->width && is_dark(code, x, y))
                x++;
            if (x > from)
                text_addf(ret, "M%d %dh%dv1h-%dz", from + QUIET, y + QUIET, x - from, x - from);
        }
}

int qr_svg(const char *words, struct text *ret)
{
    CLEANUP(QRcode_free_p) QRcode *code = NULL;
    size_t size = strlen(words);
    int whole;

    if (size == 0 || size > QR_TEXT_MAX)
        return -EINVAL;
    /* A label gets scratched: a quarter of it may be gone. */
    code = QRcode_encodeString8bit(words, 0, QR_ECLEVEL_Q);
    if (!code)
        return -errno;
    whole = code->width + 2 * QUIET;
    text_addf(
        ret,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
        "shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h%dv%dh-%dz\"/><path d=\"",
        whole, whole, whole, whole, whole);
    add_modules(code, ret);
    text_adds(ret, "\"/></svg>\n");
    return text_error(ret);
}
