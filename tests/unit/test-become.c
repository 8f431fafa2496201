/* sudo: the command line, its prompts in what it says, and refusals in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "deployer/job/become.h"

static void command_lines(void **unused)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    (void)unused;
    become_command(&t, "root", "N", true);
    assert_string_equal(text_str(&t), "");
    become_command(&t, "pi", "N", false);
    assert_string_equal(text_str(&t), "env LC_ALL=C sudo -n ");
    text_reset(&t);
    become_command(&t, "pi", "0a1b", true);
    assert_string_equal(text_str(&t), "env LC_ALL=C sudo -S -p dcop-sudo-0a1b: ");
}

static void prompts(void **unused)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;

    (void)unused;
    assert_false(become_prompted(&t, "0a1b"));
    text_adds(&t, "We trust you have received the lecture\n[sudo] Passwort: dcop-sudo-0a1");
    assert_false(become_prompted(&t, "0a1b"));
    text_adds(&t, "b:Sorry, try again.\ndcop-sudo-ffff:dcop-sudo-0a1b:");
    assert_true(become_prompted(&t, "0a1b"));
    assert_string_equal(text_str(&t), "Sorry, try again.\ndcop-sudo-ffff:dcop-sudo-0a1b:");
    assert_true(become_prompted(&t, "0a1b"));
    assert_false(become_prompted(&t, "0a1b"));
    assert_string_equal(text_str(&t), "");
}

/* sudo-rs writes around it, in the machine's language, with no-break spaces and no colon. */
static void wrapped_prompts(void **unused)
{
    static const char *const around[] = {"] Password: ", "] Mot de passe\u00a0: ", "] 密码"};

    (void)unused;
    for (size_t i = 0; i < ARRAY_SIZE(around); i++) {
        CLEANUP_TEXT struct text t = TEXT_INIT;

        text_addf(&t, "[sudo: dcop-sudo-0a1b:%s", around[i]);
        assert_true(become_prompted(&t, "0a1b"));
        assert_false(become_prompted(&t, "0a1b"));
        text_addf(&t, "\nsudo: Authentication failed, try again.\n[sudo: dcop-sudo-0a1b:%s",
                  around[i]);
        assert_true(become_prompted(&t, "0a1b"));
        text_reset(&t);
        text_addf(&t, "[sudo: authenticate%s", around[i]); /* not ours: gets nothing */
        assert_false(become_prompted(&t, "0a1b"));
    }
}

static int explain(struct become_refusal f, const char *word)
{
    struct error err = {0};
    int r;

    f.user = "pi";
    f.errors = f.errors ? f.errors : "";
    f.output = f.output ? f.output : "";
    r = become_explain(&f, &err);
    if (r < 0)
        assert_non_null(strstr(err.text, word));
    return r;
}

#define E(words, ...)                                                                              \
    (struct become_refusal)                                                                        \
    {                                                                                              \
        .errors = (words), __VA_ARGS__                                                             \
    }

static void refusals(void **unused)
{
    (void)unused;
    assert_int_equal(explain(E("pi is not in the sudoers file.\n"), "usermod -aG sudo pi"), -EPERM);
    assert_int_equal(explain(E("Sorry, user pi is not allowed to execute '/bin/sh' as root"),
                             "may not use sudo on the machine"),
                     -EPERM);
    assert_int_equal(explain(E("sudo: sorry, you must have a tty to run sudo"), "requiretty"),
                     -EPERM);
    assert_int_equal(explain(E("sudo: a password is required"), "--ask-become-pass"), -EPERM);
    assert_int_equal(explain(E("sudo: a password is required", .unseen = true), "trust ID"),
                     -EPERM);
    assert_int_equal(explain(E("sudo: 1 incorrect password attempt", .prompted = true), "refused"),
                     -EACCES);
    /* sudo-rs 0.2.5 */
    assert_int_equal(
        explain(E("sudo-rs: I'm sorry pi. I'm afraid I can't do that\n"), "usermod -aG sudo pi"),
        -EPERM);
    assert_int_equal(
        explain(E("sudo-rs: interactive authentication is required\n"), "--ask-become-pass"),
        -EPERM);
    assert_int_equal(
        explain(E("sudo-rs: interactive authentication is required\n", .unseen = true), "trust ID"),
        -EPERM);
    assert_int_equal(
        explain(E("] Password: \nsudo-rs: Maximum 3 incorrect authentication attempts\n",
                  .prompted = true),
                "refused"),
        -EACCES);
    assert_int_equal(explain(E("env: 'sudo': No such file", .status = 127), "apt install sudo"),
                     -EPERM);
    assert_int_equal(explain(E(NULL, .output = "This account is currently not available.\n"),
                             "chsh -s /bin/sh pi"),
                     -EPERM);
    assert_int_equal(explain(E("mkdir: no space left"), ""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines),
        cmocka_unit_test(prompts),
        cmocka_unit_test(wrapped_prompts),
        cmocka_unit_test(refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
