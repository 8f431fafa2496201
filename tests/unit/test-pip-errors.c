/* What pip prints, as it was seen to, and what a person is told of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/wheel/pip-errors.h"

static const struct {
    enum wheel_spec kind;
    const char *said;
    int code;
    const char *words; /* a part of what is told */
} rows[] = {
    {WHEEL_SPEC_REQUIREMENT,
     "ERROR: Could not find a version that satisfies the requirement x (from versions: none)\n"
     "ERROR: No matching distribution found for x\n",
     -ENOENT, "the Python index has no x: Could not find a version"},
    {WHEEL_SPEC_REQUIREMENT,
     "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError'\n"
     "ERROR: No matching distribution found for x\n",
     -ENETUNREACH, "(pip: No matching distribution found for x)"},
    {WHEEL_SPEC_REQUIREMENT, "ERROR: Invalid requirement: 'x='\n", -EINVAL,
     "\"x\" is not a requirement: Invalid requirement: 'x='"},
    {WHEEL_SPEC_DIRECTORY, "ERROR: No matching distribution found for setuptools>=40.8.0\n",
     -ENETUNREACH, "its build requirements are not installed"},
    {WHEEL_SPEC_DIRECTORY, "ModuleNotFoundError: No module named 'setuptools'\n", -ENOPKG,
     "apt install python3-setuptools"},
    {WHEEL_SPEC_DIRECTORY,
     "  error: subprocess-exited-with-error\n"
     "  × Getting requirements to build wheel did not run successfully.\n"
     "  │ exit code: 1\n"
     "  ╰─> [4 lines of output]\n"
     "      Traceback (most recent call last):\n"
     "      RuntimeError: the moon is full\033[2J\n"
     "      [end of output]\n"
     "  note: This error originates from a subprocess, and is likely not a problem with pip.\n",
     -EBADMSG, "cannot build a wheel from x: RuntimeError: the moon is full\\x1b[2J"},
    {WHEEL_SPEC_DIRECTORY, "one\ntwo\nthree\nfour\n", -EBADMSG, ": two; three; four"},
    {WHEEL_SPEC_DIRECTORY, "", -EBADMSG, "cannot build a wheel from x: "},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(process_result_clear) struct process_result errors = {.status = 1};
        CLEANUP(process_result_clear) struct process_result output = {.status = 1};
        struct error err = {0};

        text_adds(&errors.errors, rows[i].said);
        assert_int_equal(pip_explain(rows[i].kind, "x", &errors, &err), rows[i].code);
        if (!strstr(err.text, rows[i].words))
            fail_msg("%s", err.text);
        /* Nothing on standard error: what there is on the other one. */
        text_adds(&output.output, rows[i].said);
        assert_int_equal(pip_explain(rows[i].kind, "x", &output, &err), rows[i].code);
        assert_non_null(strstr(err.text, rows[i].words));
    }
}

static void test_last_error(void **state)
{
    static const struct {
        const char *said, *words;
    } lasts[] = {
        {"ERROR: one\nERROR: two\nwarning\n", "two"},
        {"ERROR: Cannot install a\nERROR: ResolutionImpossible: for help visit x\n",
         "Cannot install a"},
        {"only \033words\n", "only \\x1bwords"},
        {"", "pip printed no message"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lasts); i++) {
        CLEANUP(process_result_clear) struct process_result result = {.status = 1};
        CLEANUP_TEXT struct text words = TEXT_INIT;

        text_adds(&result.errors, lasts[i].said);
        pip_last_error(&result, &words);
        assert_string_equal(text_str(&words), lasts[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
                                       cmocka_unit_test(test_last_error)};

    return cmocka_run_group_tests_name("pip-words", tests, NULL, NULL);
}
