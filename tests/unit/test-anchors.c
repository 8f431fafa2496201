/* The anchors of a document. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "discovery/yaml/anchors.h"

/* Anchors whose node is the mark's column; the last alias's node. */
static int read_anchors(const char *text, struct yaml_anchors *a, void **ret, struct error *err)
{
    CLEANUP_YAML_READER struct yaml_reader *y = NULL;
    struct yaml_item item = {.kind = YAML_KIND_SCALAR};
    int r = yaml_reader_open_memory(&y, "file", text, strlen(text), err);

    while (r == 0 && (r = yaml_reader_next(y, &item, err)) == 0 && item.kind != YAML_KIND_END) {
        if (item.kind == YAML_KIND_ALIAS) {
            *ret = yaml_anchors_find(a, y, &item, err);
            r = *ret ? 0 : -EBADMSG;
        } else if (item.anchor)
            r = yaml_anchors_add(a, y, &item, (void *)(uintptr_t)item.mark.column, err);
    }
    return r;
}

static void test_found(void **state)
{
    CLEANUP(yaml_anchors_clear) struct yaml_anchors a = {0};
    struct error err = {0};
    void *node = NULL;

    (void)state;
    assert_int_equal(read_anchors("[1, &a x, &ab {y: 1}, *a]\n", &a, &node, &err), 0);
    assert_int_equal((uintptr_t)node, 4);
    assert_int_equal(a.by_name.count, 2);
    assert_true(a.size > strlen("a") + strlen("ab"));
    yaml_anchors_clear(&a);
    assert_int_equal(a.by_name.count + a.size, 0);
}

static void test_missing(void **state)
{
    CLEANUP(yaml_anchors_clear) struct yaml_anchors a = {0};
    struct error err = {0};
    void *node = NULL;

    (void)state;
    assert_int_equal(read_anchors("[&a x,\n  *b]\n", &a, &node, &err), -EBADMSG);
    assert_string_equal(err.text, "file:2:3: no anchor &b is defined before this *b");
}

static void test_twice(void **state)
{
    CLEANUP(yaml_anchors_clear) struct yaml_anchors a = {0};
    struct error err = {0};
    void *node = NULL;

    (void)state;
    assert_int_equal(read_anchors("[1, &a x,\n  &a y]\n", &a, &node, &err), -EBADMSG);
    assert_string_equal(err.text, "file:2:3: the anchor &a is given twice, first at file:1:5");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
