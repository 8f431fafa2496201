/* The picture of a QR code has the modules that the code has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <qrencode.h>
#include <stdio.h>
#include <string.h>

#include "deployer/controller/qr.h"

enum { SIDE_MAX = 120 };

/* Draws the last path of the picture; its side. */
static int draw(const char *svg, bool dark[SIDE_MAX][SIDE_MAX])
{
    const char *at = strstr(svg, "viewBox=\"0 0 "), *path = strstr(svg, "<path d=\"");
    int side, x, y, run, back, used;

    memset(dark, 0, sizeof(bool[SIDE_MAX][SIDE_MAX]));
    assert_non_null(at);
    assert_non_null(path);
    assert_int_equal(sscanf(at, "viewBox=\"0 0 %d", &side), 1);
    for (path += strlen("<path d=\""); *path == 'M'; path += used) {
        used = 0;
        assert_int_equal(sscanf(path, "M%d %dh%dv1h-%dz%n", &x, &y, &run, &back, &used), 4);
        assert_true(used > 0 && run > 0 && run == back && x >= 0 && x + run <= side && y >= 0 &&
                    y < side && side <= SIDE_MAX);
        for (int i = 0; i < run; i++)
            dark[y][x + i] = true;
    }
    assert_string_equal(path, "\"/></svg>\n");
    return side;
}

static void test_picture(void **state)
{
    static bool dark[SIDE_MAX][SIDE_MAX];
    static const char *const words[] = {"http://10.77.0.1:8808/#m=0123456789abcdef", "a",
                                        "\xc3\xa4"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        QRcode *code = QRcode_encodeString8bit(words[i], 0, QR_ECLEVEL_Q);
        CLEANUP_TEXT struct text svg = TEXT_INIT;
        int side;

        assert_int_equal(qr_svg(words[i], &svg), 0);
        side = draw(text_str(&svg), dark);
        assert_int_equal(side, code->width + 8);
        for (int y = 0; y < side; y++)
            for (int x = 0; x < side; x++) {
                bool inside = x >= 4 && y >= 4 && x < side - 4 && y < side - 4;

                assert_int_equal(dark[y][x],
                                 inside && (code->data[(y - 4) * code->width + x - 4] & 1));
            }
        QRcode_free(code);
    }
}

static void test_bounds(void **state)
{
    char words[QR_TEXT_MAX + 2];
    CLEANUP_TEXT struct text svg = TEXT_INIT;

    (void)state;
    memset(words, 'x', sizeof(words));
    words[QR_TEXT_MAX + 1] = '\0';
    assert_int_equal(qr_svg("", &svg), -EINVAL);
    assert_int_equal(qr_svg(words, &svg), -EINVAL);
    assert_int_equal(svg.size, 0);
    words[QR_TEXT_MAX] = '\0';
    assert_int_equal(qr_svg(words, &svg), 0);
    assert_true(svg.size < 64 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_picture),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
