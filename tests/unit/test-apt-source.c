/* Package sources in both forms of sources.list(5), plain and hostile; the lists of
 * steps/packages.sh. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/apt/packages.h"
#include "deployer/apt/source.h"

static void add_text(struct text *t, const struct apt_sources *s)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct apt_source *a = &s->items[i];

        text_addf(t, "%s %s", a->uri, a->suite);
        for (size_t j = 0; j < a->components.count; j++)
            text_addf(t, " %s", a->components.items[j]);
        if (a->signed_by)
            text_addf(t, " <%s>", a->signed_by);
        if (a->key)
            text_addf(t, " {%s}", a->key);
        text_addc(t, '\n');
    }
}

static void expect(const char *name, const char *from, const char *wanted, size_t passed_over)
{
    CLEANUP(apt_sources_clear) struct apt_sources s = {0};
    CLEANUP_TEXT struct text text = TEXT_INIT;
    struct error err = {0};

    assert_int_equal(apt_sources_parse(&s, name, from, "arm64", &err), 0);
    add_text(&text, &s);
    assert_string_equal(text_str(&text), wanted);
    assert_int_equal(s.passed_over.count, passed_over);
}

/* https is asked of the cache on a port of its own, so that no http source is meant. */
static void test_uri_for_cache(void **state)
{
    static const char *const uris[][2] = {
        {"http://d.example.org/debian", "http://d.example.org/debian"},
        {"https://d.example.org/debian", "http://d.example.org:443/debian"},
        {"https://d.example.org", "http://d.example.org:443"},
        {"https://d.example.org:8443/a:b", "http://d.example.org:8443/a:b"},
        {"https://[2001:db8::1]/a", "http://[2001:db8::1]:443/a"},
        {"https://[2001:db8::1]:8443/a", "http://[2001:db8::1]:8443/a"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
        CLEANUP_FREE char *made = apt_uri_for_cache(uris[i][0]);

        assert_string_equal(made, uris[i][1]);
    }
}

static void test_lines(void **state)
{
    (void)state;
    expect("sources.list",
           "# a comment\n"
           "deb http://deb.example.org/debian/ bookworm main contrib # and one behind\n"
           "deb-src http://deb.example.org/debian bookworm main\n"
           "\tdeb [signed-by=/usr/share/keyrings/a.gpg arch=arm64,armhf] "
           "https://sec.example.org/d bookworm-security main\r\n"
           "deb [arch=amd64] http://other.example.org/ bookworm main\n"
           "deb http://deb.example.org/debian bookworm main non-free\n"
           "deb http://flat.example.org/repo ./\n",
           "http://deb.example.org/debian bookworm main contrib non-free\n"
           "https://sec.example.org/d bookworm-security main </usr/share/keyrings/a.gpg>\n"
           "http://flat.example.org/repo ./\n",
           0);
}

static void test_deb822(void **state)
{
    (void)state;
    expect(
        "debian.sources",
        "Types: deb deb-src\n"
        "# a comment\n"
        "URIs: http://deb.example.org/debian\n"
        "Suites: trixie\n trixie-updates\n"
        "Components: main contrib\n"
        "signed-by: /usr/share/keyrings/debian.pgp\n"
        "\n"
        "Types: deb\nURIs: http://off.example.org/\nSuites: x\nComponents: main\nEnabled: no\n"
        "\n\n"
        "Types: deb\nURIs: http://other.example.org/\nSuites: x\nComponents: main\n"
        "Architectures: amd64 i386\n"
        "\n"
        "Types: deb\nURIs: http://inline.example.org\nSuites: y\nComponents: main\n"
        "Signed-By:\n"
        " -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abcd\n -----END PGP PUBLIC KEY BLOCK-----\n",
        "http://deb.example.org/debian trixie main contrib </usr/share/keyrings/debian.pgp>\n"
        "http://deb.example.org/debian trixie-updates main contrib "
        "</usr/share/keyrings/debian.pgp>\n"
        "http://inline.example.org y main {-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabcd\n"
        "-----END PGP PUBLIC KEY BLOCK-----\n}\n",
        0);
}

static void test_hostile_sources(void **state)
{
    static const char *const lines[] = {
        "deb http://127.0.0.1:8808/ x main",
        "deb http://localhost/ x main",
        "deb http://LOCALHOST:80/ x main",
        "deb http://[::1]/debian x main",
        "deb http://[0:0::1]:3142/debian x main",
        "deb http://[0:0:0:0:0:ffff:7f00:1]/debian x main",
        "deb http://[::7f00:1]/debian x main",
        "deb http://h:65536/debian x main",
        "deb http://2130706433/ x main",
        "deb http://0x7f.1:80/ x main",
        "deb http://user:password@host/ x main",
        "deb file:/etc x main",
        "deb cdrom:[Debian]/ x main",
        "deb http://host/../../x x main",
        "deb http:///debian x main",
        "deb http://-option/ x main",
        "deb http://host/a\"b x main",
        "deb http://host/a;b{ x main",
        "deb http://host:80x/ x main",
        "deb http://host/ ../x main",
        "deb http://host/ -x main",
        "deb http://host/ x ma\"in",
        "deb http://host/ x ../../main",
        "deb http://host/ x",
        "deb http://host/ x/ main",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        print_message("%s\n", lines[i]);
        expect("sources.list", lines[i], "", 1);
    }
    expect("sources.list", "deb [signed-by=/x http://host/ x main", "", 0);
    expect("sources.list", "deb", "", 0);
    expect("x.sources", "no colon\nTypes: deb\nURIs: http://h/\nSuites: x\nComponents: m\n", "", 1);
    expect("x.sources", " starts in the middle\nTypes: deb\n", "", 0);
}

static void test_bounds(void **state)
{
    CLEANUP(apt_sources_clear) struct apt_sources s = {0};
    CLEANUP_TEXT struct text text = TEXT_INIT;
    struct error err = {0};

    (void)state;
    for (int i = 0; i <= APT_SOURCES_MAX; i++)
        text_addf(&text, "deb http://h%d.example.org/ x main\n", i);
    assert_int_equal(apt_sources_parse(&s, "sources.list", text_str(&text), "amd64", &err), -EFBIG);
    assert_non_null(strstr(err.text, "more than 256"));
    text_reset(&text);
    while (text.size <= APT_SOURCES_FILE_MAX)
        text_adds(&text, "# nothing\n");
    assert_int_equal(apt_sources_parse(&s, "sources.list", text_str(&text), "amd64", &err), -EFBIG);
}

static void test_another_suite(void **state)
{
    CLEANUP(apt_sources_clear) struct apt_sources own = {0};
    CLEANUP(apt_sources_clear) struct apt_sources other = {0};
    CLEANUP_TEXT struct text text = TEXT_INIT;
    struct error err = {0};

    (void)state;
    assert_int_equal(apt_sources_parse(&own, "sources.list",
                                       "deb [signed-by=/k] http://d.org/debian bookworm main\n"
                                       "deb http://d.org/debian stable-updates main\n"
                                       "deb http://d.org/debian-security bookworm-security main\n"
                                       "deb http://cloud.org/apt cloud-bookworm main\n"
                                       "deb http://pg.org/debian bookworm-pgdg main\n"
                                       "deb http://docker.org/linux/debian bookworm stable\n"
                                       "deb http://vendor.org/apt bookworm main\n",
                                       "amd64", &err),
                     0);
    assert_int_equal(apt_sources_of_suite(&own, "bookworm", "trixie", &other, &err), 0);
    add_text(&text, &other);
    assert_string_equal(text_str(&text), "http://d.org/debian trixie main </k>\n"
                                         "http://d.org/debian trixie-updates main\n"
                                         "http://d.org/debian-security trixie-security main\n");
    apt_sources_clear(&other);
    assert_int_equal(apt_sources_of_suite(&own, "noble", "jammy", &other, &err), 0);
    apt_sources_clear(&own);
    apt_sources_clear(&other);
    assert_int_equal(apt_sources_of_suite(&own, "bookworm", "trixie", &other, &err), -ENOENT);
    assert_non_null(strstr(err.text, "bookworm"));
}

static void test_lists_of_packages(void **state)
{
    CLEANUP_STRINGS struct strings names = {0};
    struct error err = {0};
    size_t n;

    (void)state;
    assert_int_equal(packages_read("deployer/steps", "APT", &names, &err), 0);
    assert_true(strings_has(&names, "python3-numpy"));
    assert_true(strings_has(&names, "glpk-utils"));
    n = names.count;
    assert_int_equal(packages_read("deployer/steps", "PIP", &names, &err), 0);
    assert_true(strings_has(&names, "python3-venv"));
    assert_int_equal(names.count, n + 1); /* the others are there already */
    assert_int_equal(packages_read("deployer/steps", "INDEX", &names, &err), 0);
    assert_int_equal(packages_read("deployer/steps", "BEACON", &names, &err), 0);
    assert_int_equal(packages_read("deployer/steps", "OTHER", &names, &err), -ENOENT);
    assert_int_equal(packages_read("deployer", "APT", &names, &err), -ENOENT);
    assert_true(package_name_valid("libstdc++6"));
    assert_false(package_name_valid("-y"));
    assert_false(package_name_valid("./x.deb"));
    assert_false(package_name_valid("x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uri_for_cache),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_deb822),
        cmocka_unit_test(test_hostile_sources),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_another_suite),
        cmocka_unit_test(test_lists_of_packages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
