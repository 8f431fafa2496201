/* The caches: settings written and read, ports, locks, where they are found. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "deployer/base/folder.h"
#include "deployer/base/url.h"
#include "deployer/cache/acng.h"
#include "deployer/cache/caches.h"
#include "deployer/cache/devpi.h"
#include "deployer/cache/http.h"
#include "deployer/cache/services.h"
#include "deployer/cache/store.h"
#include "discovery/base/file.h"

struct fixture {
    char folder[32];
    struct paths paths;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/dcop-cache.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->paths.state = f->folder;
    assert_int_equal(cache_folders(&f->paths, NULL), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    folder_remove(f->folder);
    free(f);
    return 0;
}

static void write_file(const struct fixture *f, const char *name, const char *text)
{
    CLEANUP_FREE char *path = cache_path(&f->paths, name);

    assert_non_null(path);
    assert_int_equal(file_write(path, text, strlen(text), 0600, NULL), 0);
}

/* --- apt-cacher-ng ---------------------------------------------------------------- */

static void a_kept_file_is_found(void **state)
{
    char *uris[] = {(char *)"http://deb.example.org/debian",
                    (char *)"https://packages.example.org:8443/pi"};
    struct strings list = {.items = uris, .count = 2};
    CLEANUP_FREE char *folder = acng_folder_of(uris[1]);
    CLEANUP_FREE char *path =
        acng_path_of("/c", &list, "http://packages.example.org:8443/pi/pool/a_1%2b2.deb");
    CLEANUP_FREE char *other = NULL;
    CLEANUP_TEXT struct text wanted = TEXT_INIT;

    (void)state;
    text_addf(&wanted, "/c/%s/pool/a_1+2.deb", folder);
    assert_string_equal(path, text_str(&wanted));
    uris[1] = (char *)"https://deb.example.org/debian";
    other = acng_path_of("/c", &list, "http://deb.example.org:443/debian/a.deb");
    assert_non_null(other);
    assert_null(strstr(other, "debian_f2bea94f"));
    assert_null(acng_path_of("/c", &list, "http://deb.example.org/debian-security/a.deb"));
    assert_null(acng_path_of("/c", &list, "http://deb.example.org/debian/%2e%2e/a.deb"));
    assert_null(acng_path_of("/c", &list, "http://other.example.org/debian/a.deb"));
}

static void acng_serves_its_repositories_and_nothing_else(void **state)
{
    char *uris[] = {(char *)(uintptr_t) "http://deb.example.org/debian",
                    (char *)(uintptr_t) "https://packages.example.org:8443/pi",
                    (char *)(uintptr_t) "https://deb.example.org/debian"};
    struct strings list = {.items = uris, .count = 3};
    struct acng_settings s = {.folder = "/s/apt",
                              .port = 23456,
                              .offline = true,
                              .proxy = "http://proxy.example.org:3128",
                              .repositories = &list};
    CLEANUP_TEXT struct text text = TEXT_INIT;

    (void)state;
    assert_int_equal(acng_settings_text(&s, &text), 0);
    assert_string_equal(
        text_str(&text),
        "# Written by dcop-deploy cache; changes are lost.\n"
        "CacheDir: /s/apt/cache\n"
        "LogDir: /s/apt/log\n"
        "SupportDir: /usr/lib/apt-cacher-ng\n"
        "SocketPath:\n"
        "ForeGround: 1\n"
        "BindAddress: 127.0.0.1\n"
        "Port: 23456\n"
        "ForceManaged: 1\n"
        "PassThroughPattern: ^$\n"
        "ReportPage:\n"
        "ExThreshold: 100000\n"
        "VerboseLog: 0\n"
        "Offlinemode: 1\n"
        "AllowUserPorts: 80 8443 443\n"
        "Proxy: http://proxy.example.org:3128\n"
        "Remap-deb.example.org_debian_f2bea94f: http://deb.example.org/debian ; "
        "http://deb.example.org/debian\n"
        "Remap-packages.example.org_8443_pi_55b8d1bb: http://packages.example.org:8443/pi ; "
        "https://packages.example.org:8443/pi\n"
        "Remap-deb.example.org_debian_1a22fff4: http://deb.example.org:443/debian ; "
        "https://deb.example.org/debian\n");
}

static void a_repository_is_known_by_its_whole_uri(void **state)
{
    CLEANUP_STRINGS struct strings list = {0};
    CLEANUP_FREE char *a = acng_folder_of("http://h.example.org/a_b");
    CLEANUP_FREE char *b = acng_folder_of("http://h.example.org/a/b");
    CLEANUP_FREE char *c = acng_folder_of("https://h.example.org/a/b/");
    struct error err = {0};

    (void)state;
    assert_string_not_equal(a, b);
    assert_string_not_equal(b, c);
    assert_int_equal(acng_repositories_add(&list, "http://h.example.org/a/", NULL), 1);
    assert_int_equal(acng_repositories_add(&list, "http://h.example.org/a", NULL), 0);
    /* One machine's https is not everybody's. */
    assert_int_equal(acng_repositories_add(&list, "https://h.example.org/a", NULL), 1);
    assert_int_equal(acng_repositories_add(&list, "http://h.example.org/a", NULL), 0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0], "http://h.example.org/a");
    assert_int_equal(acng_repositories_remove(&list, "http://h.example.org/a/"), 1);
    assert_int_equal(acng_repositories_remove(&list, "http://h.example.org/a"), 0);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0], "https://h.example.org/a");
    assert_int_equal(acng_repositories_add(&list, "http://127.0.0.1/x", &err), -EINVAL);
    assert_string_equal(err.text, "'http://127.0.0.1/x' is not the URI of a repository, "
                                  "http://HOST/PATH or https, of another computer");
    assert_int_equal(acng_repositories_add(&list, "http://h.example.org/a\nProxy: x", NULL),
                     -EINVAL);
    assert_int_equal(acng_repositories_add(&list, "http://h.example.org/a;b", NULL), -EINVAL);
    assert_int_equal(acng_repositories_add(&list, "file:/etc", NULL), -EINVAL);
}

static void the_list_of_repositories_comes_back(void **state)
{
    struct fixture *f = *state;
    CLEANUP_STRINGS struct strings list = {0}, again = {0}, none = {0};

    assert_int_equal(acng_repositories_read(&f->paths, &none, NULL), 0);
    assert_int_equal(none.count, 0);
    assert_int_equal(acng_repositories_add(&list, "http://h.example.org/a", NULL), 1);
    assert_int_equal(acng_repositories_add(&list, "https://h.example.org/b", NULL), 1);
    assert_int_equal(acng_repositories_write(&f->paths, &list, NULL), 0);
    assert_int_equal(acng_repositories_read(&f->paths, &again, NULL), 0);
    assert_true(strings_equal(&list, &again));
    write_file(f, "apt/repositories", "http://h.example.org/a\ngarbage\n");
    assert_int_equal(acng_repositories_read(&f->paths, &none, NULL), -EBADMSG);
}

static int add_one(const struct fixture *f, const char *uri)
{
    CLEANUP_STRINGS struct strings one = {0};

    assert_int_equal(strings_add(&one, uri), 0);
    return caches_add_repositories(&f->paths, &one, NULL);
}

static void repositories_are_added_while_nothing_runs(void **state)
{
    struct fixture *f = *state;
    CLEANUP_STRINGS struct strings list = {0};

    assert_int_equal(add_one(f, "http://192.0.2.1/a"), 1);
    assert_int_equal(add_one(f, "http://192.0.2.1/a"), 0);
    assert_int_equal(add_one(f, "ftp://192.0.2.1/a"), -EINVAL);
    assert_int_equal(add_one(f, "http://localhost./a"), -EINVAL);
    assert_int_equal(acng_repositories_read(&f->paths, &list, NULL), 0);
    assert_int_equal(list.count, 1);
}

static void a_repository_is_looked_at_alone(void **state)
{
    struct error err = {0};

    (void)state;
    assert_int_equal(caches_check_repository("http://192.0.2.1/a", &err), 0);
    assert_int_equal(caches_check_repository("http://127.1/a", &err), -EINVAL);
    assert_non_null(strstr(err.text, "loopback"));
    assert_int_equal(caches_check_repository("ftp://192.0.2.1/a", &err), -EINVAL);
}

static void a_forgotten_repository_is_gone(void **state)
{
    struct fixture *f = *state;
    CLEANUP_STRINGS struct strings list = {0}, allowed = {0}, uris = {0}, gone = {0};

    assert_int_equal(add_one(f, "http://192.0.2.1/a"), 1);
    assert_int_equal(add_one(f, "http://192.0.2.1/b"), 1);
    assert_int_equal(add_one(f, "http://192.0.2.1/c"), 1);
    assert_int_equal(caches_allowed(&f->paths, &allowed, NULL), 0);
    assert_true(strings_has(&allowed, "http://192.0.2.1/a"));
    assert_int_equal(strings_add(&uris, "http://192.0.2.1/a"), 0);
    assert_int_equal(strings_add(&uris, "http://192.0.2.1/other"), 0);
    assert_int_equal(strings_add(&uris, "http://192.0.2.1/c"), 0);
    assert_int_equal(caches_forget_repositories(&f->paths, &uris, &gone, NULL), 0);
    assert_int_equal(gone.count, 2); /* and the one that was not there is no matter */
    assert_string_equal(gone.items[0], "http://192.0.2.1/a");
    assert_string_equal(gone.items[1], "http://192.0.2.1/c");
    strings_clear(&gone);
    assert_int_equal(caches_forget_repositories(&f->paths, &uris, &gone, NULL), 0);
    assert_int_equal(gone.count, 0);
    assert_int_equal(acng_repositories_read(&f->paths, &list, NULL), 0);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0], "http://192.0.2.1/b");
}

/* --- pip's configuration ------------------------------------------------------------ */

static void pips_configuration_is_read_as_pip_does(void **state)
{
    CLEANUP(pip_config_clear) struct pip_config c = {0};

    (void)state;
    assert_int_equal(pip_config_parse(":env:.cert='/e.pem'\n"
                                      "global.cert='/g.pem'\n"
                                      "global.extra-index-url='\\nhttps://x.example.org/a\\n"
                                      "https://x.example.org/b'\n"
                                      "global.find-links='/w'\n"
                                      "global.index-url='https://g.example.org/simple'\n"
                                      "install.index-url=\"https://i.example.org/it's\"\n"
                                      "wheel.index-url='https://w.example.org/simple'\n"
                                      "download.proxy='http://no.example.org'\n",
                                      &c),
                     0);
    assert_string_equal(c.index, "https://i.example.org/it's");
    assert_string_equal(c.cert, "/e.pem");
    assert_null(c.proxy);
    assert_int_equal(c.extras.count, 2);
    assert_string_equal(c.extras.items[0], "https://x.example.org/a");
    assert_string_equal(c.extras.items[1], "https://x.example.org/b");
    assert_int_equal(pip_config_parse("", &(struct pip_config){0}), 0);
    assert_int_equal(pip_config_parse("garbage\n=\n.='\n", &(struct pip_config){0}), 0);
}

/* --- what is remembered ----------------------------------------------------------------- */

static void settings_come_back(void **state)
{
    static const char *const damaged[] = {
        "",
        "apt-port 23456\n",
        "apt-port 23456\npip-port 0\n",
        "apt-port 23456\npip-port 40000\n",
        "apt-port 23456\npip-port 23457",
        "apt-port 23456\npip-port 23457\noffline maybe\n",
        "apt-port 23456\npip-port 23457\nindex root/../x\n",
        "apt-port 23456\npip-port 23457\nwhat is this\n",
    };
    struct fixture *f = *state;
    struct cache_settings s = {
        .apt_port = 23456, .pip_port = 23457, .offline = true, .index = "root/all"};
    struct cache_settings again;

    assert_int_equal(cache_settings_read(&f->paths, &again, NULL), -ENOENT);
    assert_string_equal(again.index, "root/pypi");
    assert_int_equal(cache_settings_write(&f->paths, &s, NULL), 0);
    assert_int_equal(cache_settings_read(&f->paths, &again, NULL), 0);
    assert_int_equal(again.apt_port, 23456);
    assert_int_equal(again.pip_port, 23457);
    assert_true(again.offline);
    assert_string_equal(again.index, "root/all");
    for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
        write_file(f, "settings", damaged[i]);
        assert_int_equal(cache_settings_read(&f->paths, &again, NULL), -EBADMSG);
        assert_int_equal(again.apt_port, 0);
    }
}

/* Listens on a port of loopback; the caller closes. */
static int listen_on(uint16_t *port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    assert_true(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void ports_are_kept_unless_they_are_taken(void **state)
{
    struct cache_settings s = {0}, before;
    bool moved = true;
    int fd;

    (void)state;
    assert_int_equal(cache_choose_ports(&s, &moved, NULL), 0);
    assert_false(moved);
    assert_in_range(s.apt_port, CACHE_PORT_MIN, CACHE_PORT_MAX);
    assert_in_range(s.pip_port, CACHE_PORT_MIN, CACHE_PORT_MAX);
    assert_int_not_equal(s.apt_port, s.pip_port);
    before = s;
    assert_int_equal(cache_choose_ports(&s, &moved, NULL), 0);
    assert_int_equal(s.apt_port, before.apt_port);
    assert_int_equal(s.pip_port, before.pip_port);
    fd = listen_on(&s.apt_port);
    assert_int_equal(cache_choose_ports(&s, &moved, NULL), 0);
    assert_true(moved);
    assert_int_not_equal(s.apt_port, before.apt_port);
    assert_int_equal(s.pip_port, before.pip_port);
    close(fd);
}

/* --- locks -------------------------------------------------------------------------- */

/* A process that holds both locks until it is killed. */
static pid_t hold(const struct fixture *f, bool serving)
{
    int ready[2], lock;
    pid_t pid;
    char c;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (cache_lock(&f->paths, &lock, NULL) == 0 &&
            (!serving || cache_serving_take(&f->paths, NULL) == 0))
            (void)!write(ready[1], "x", 1);
        close(ready[1]);
        for (;;)
            (void)pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    return pid;
}

static void who_runs_is_known_from_locks(void **state)
{
    struct fixture *f = *state;
    pid_t pid;
    int lock;

    assert_false(cache_runs(&f->paths));
    assert_int_equal(cache_serving_pid(&f->paths), 0);
    assert_int_equal(cache_serving_signal(&f->paths, SIGTERM), -ESRCH);
    pid = hold(f, true);
    assert_true(cache_runs(&f->paths));
    assert_int_equal(cache_serving_pid(&f->paths), pid);
    assert_int_equal(cache_lock(&f->paths, &lock, NULL), -EALREADY);
    assert_int_equal(cache_serving_signal(&f->paths, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_false(cache_runs(&f->paths));
    assert_int_equal(cache_serving_pid(&f->paths), 0);
    assert_int_equal(cache_lock(&f->paths, &lock, NULL), 0);
    close(lock);
}

/* --- HTTP ---------------------------------------------------------------------------- */

/* Answers one connection with these bytes. */
static pid_t answer(uint16_t *port, const char *bytes)
{
    int fd = listen_on(port);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        char request[1024];
        int c = accept(fd, NULL, NULL);

        (void)!read(c, request, sizeof(request));
        (void)!write(c, bytes, strlen(bytes));
        _exit(0);
    }
    close(fd);
    return pid;
}

static int ask(const char *bytes, struct text *body)
{
    uint16_t port = 0;
    pid_t pid = answer(&port, bytes);
    struct cache_request request = {.port = port, .path = "/", .timeout_ms = 5000};
    int r = cache_http(&request, body);

    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return r;
}

static void answers_are_read_whole(void **state)
{
    CLEANUP_TEXT struct text body = TEXT_INIT, none = TEXT_INIT;
    struct cache_request nobody = {.path = "/", .timeout_ms = 5000};
    uint16_t port = 0;
    int fd;

    (void)state;
    assert_int_equal(ask("HTTP/1.0 406 No\r\nX: y\r\n\r\nthe body", &body), 406);
    assert_string_equal(text_str(&body), "the body");
    assert_int_equal(ask("HTTP/1.0 abc\r\n\r\n", &none), -EBADMSG);
    assert_int_equal(ask("SSH-2.0-x\r\n", &none), -EBADMSG);
    assert_int_equal(ask("", &none), -EBADMSG);
    fd = listen_on(&port);
    nobody.port = port;
    nobody.timeout_ms = 50; /* it takes the connection and never answers */
    assert_int_equal(cache_http(&nobody, &none), -ETIMEDOUT);
    close(fd);
    assert_int_equal(cache_http(&nobody, &none), -ECONNREFUSED);
}

static void who_listens_is_asked_only_when_it_is_one_of_us(void **state)
{
    uint16_t port = 0;
    int fd = listen_on(&port);

    (void)state;
    assert_true(cache_port_is_trusted(port));
    assert_false(cache_port_is_free(port));
    close(fd);
    assert_false(cache_port_is_trusted(port));
    assert_true(cache_port_is_free(port));
    if (geteuid() == 0) { /* what another person has there is not */
        assert_int_equal(seteuid(54321), 0);
        fd = listen_on(&port);
        assert_int_equal(seteuid(0), 0);
        assert_false(cache_port_is_trusted(port));
        close(fd);
    }
}

/* --- where they are found ---------------------------------------------------------------- */

static void a_services_port_is_read_from_its_settings(void **state)
{
    (void)state;
    assert_int_equal(cache_setting_port("# Port: 1\nBindAddress: x\n", "Port", 3142), 3142);
    assert_int_equal(cache_setting_port("Port: 1\n port = 9999 # x\n", "Port", 3142), 9999);
    assert_int_equal(cache_setting_port("Port:3000", "Port", 3142), 3000);
    assert_int_equal(cache_setting_port("Port: x\n", "Port", 3142), 0);
    assert_int_equal(cache_setting_port("ports: 1\n", "Port", 3142), 3142);
    assert_int_equal(cache_setting_port("devpi-server:\n  port: 4040\n", "port", 3141), 4040);
}

static void what_is_named_comes_first(void **state)
{
    struct fixture *f = *state;
    struct cache_choice o = {.apt_proxy = (char *)(uintptr_t) "http://named:1",
                             .inventory_apt_proxy = (char *)(uintptr_t) "http://192.0.2.1:3142",
                             .inventory_pip_index =
                                 (char *)(uintptr_t) "http://192.0.2.1:3141/root/pypi/+simple/"};
    CLEANUP(caches_clear) struct caches c = {0}, here = {0};

    assert_int_equal(caches_find(&o, &f->paths, &c, NULL), 0);
    assert_string_equal(c.apt_proxy, "http://named:1");
    assert_string_equal(c.pip_index, "http://192.0.2.1:3141/root/pypi/+simple/");
    /* This controller's own address, and nobody there. */
    o = (struct cache_choice){.inventory_apt_proxy = (char *)(uintptr_t) "http://127.0.0.1:1",
                              .pip_index = (char *)(uintptr_t) "http://named:2/"};
    assert_int_equal(caches_find(&o, &f->paths, &here, NULL), 0);
    assert_true(!here.apt_proxy || strcmp(here.apt_proxy, "http://127.0.0.1:1") != 0);
}

static void urls_are_plain(void **state)
{
    (void)state;
    assert_true(url_valid("http://127.0.0.1:3142"));
    assert_true(url_valid("https://[fd00::1]:3141/root/pypi/+simple/"));
    assert_false(url_valid("127.0.0.1:3142"));
    assert_false(url_valid("ftp://h/"));
    assert_false(url_valid("http://"));
    assert_false(url_valid("http:///x"));
    assert_false(url_valid("http://user:pw@h/"));
    assert_false(url_valid("http://h/\";Acquire::x"));
    assert_false(url_valid("http://h/ x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kept_file_is_found),
        cmocka_unit_test(acng_serves_its_repositories_and_nothing_else),
        cmocka_unit_test(a_repository_is_known_by_its_whole_uri),
        cmocka_unit_test_setup_teardown(the_list_of_repositories_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(repositories_are_added_while_nothing_runs, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_forgotten_repository_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_repository_is_looked_at_alone, set_up, tear_down),
        cmocka_unit_test(pips_configuration_is_read_as_pip_does),
        cmocka_unit_test_setup_teardown(settings_come_back, set_up, tear_down),
        cmocka_unit_test(ports_are_kept_unless_they_are_taken),
        cmocka_unit_test_setup_teardown(who_runs_is_known_from_locks, set_up, tear_down),
        cmocka_unit_test(answers_are_read_whole),
        cmocka_unit_test(who_listens_is_asked_only_when_it_is_one_of_us),
        cmocka_unit_test(a_services_port_is_read_from_its_settings),
        cmocka_unit_test_setup_teardown(what_is_named_comes_first, set_up, tear_down),
        cmocka_unit_test(urls_are_plain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
