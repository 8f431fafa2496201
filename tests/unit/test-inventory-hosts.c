/* The reader of inventories: what it finds, and what it says. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "deployer/base/destination.h"
#include "deployer/inventory/hosts.h"
#include "discovery/base/file.h"
#include "discovery/inventory/inventory.h"

static void add_if(struct text *to, const char *before, const char *value)
{
    if (!value)
        return;
    text_adds(to, before);
    text_adds(to, value);
}

/* "address:port user pass=… become=… key=… [agents]", one a line. */
static void describe(const struct hosts *hosts, struct text *ret)
{
    for (size_t i = 0; i < hosts->count; i++) {
        const struct host *h = &hosts->items[i];

        text_addf(ret, "%s%s:%u", i ? "\n" : "", h->address, h->port);
        add_if(ret, " ", h->user);
        add_if(ret, " pass=", h->password);
        add_if(ret, " become=", h->become_password);
        add_if(ret, " key=", h->key);
        for (size_t j = 0; j < h->agents.count; j++)
            text_addf(ret, "%s%s%s", j ? "|" : " [", h->agents.items[j],
                      j + 1 == h->agents.count ? "]" : "");
    }
}

static void check(const char *yaml, const char *expected)
{
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    CLEANUP_TEXT struct text found = TEXT_INIT;
    struct error err = {0};

    if (hosts_parse("f", yaml, strlen(yaml), &hosts, &err) < 0)
        fail_msg("%s", err.text);
    describe(&hosts, &found);
    assert_string_equal(text_str(&found), expected);
}

static void check_error(const char *yaml, const char *expected)
{
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    struct error err = {0};

    assert_int_equal(hosts_parse("f", yaml, strlen(yaml), &hosts, &err), -EBADMSG);
    assert_string_equal(err.text, expected);
    assert_int_equal(hosts.count, 0);
}

static void check_warnings(const char *yaml, const char *expected)
{
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    CLEANUP_TEXT struct text found = TEXT_INIT;
    struct error err = {0};

    if (hosts_parse("f", yaml, strlen(yaml), &hosts, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < hosts.warnings.count; i++)
        text_addf(&found, "%s\n", hosts.warnings.items[i]);
    assert_string_equal(text_str(&found), expected);
}

/* A host below all, its variables indented by four. */
#define HOST(vars) "all:\n hosts:\n  h:\n" vars
#define H(...) "all: {hosts: {h: {ansible_host: 192.0.2.1, " __VA_ARGS__ "}}}\n"

static void pydcops_file_is_read(void **state)
{
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    CLEANUP_TEXT struct text found = TEXT_INIT;
    struct error err = {0};

    (void)state;
    if (hosts_read("tests/data/inventories/pydcop.yaml", &hosts, &err) < 0)
        fail_msg("%s", err.text);
    describe(&hosts, &found);
    assert_string_equal(text_str(&found),
                        "192.0.2.160:0 teacher pass=s3cret become=s3cret-too [a1]\n"
                        "192.0.2.161:0 [a2]");
    assert_string_equal(hosts.items[0].name, "agent1");
    assert_string_equal(hosts.items[0].place, "tests/data/inventories/pydcop.yaml:6:9");
    assert_int_equal(hosts.warnings.count, 4);
    assert_string_equal(hosts.apt_proxy, "http://192.0.2.63:3142");
    assert_string_equal(hosts.warnings.items[0],
                        "tests/data/inventories/pydcop.yaml:15: ansible_ssh_extra_args is not used "
                        "(host keys are always checked, so StrictHostKeyChecking has no effect "
                        "here)");
}

static void variables_are_ansibles(void **state)
{
    (void)state;
    check(H("ansible_user: a, ansible_ssh_user: b"), "192.0.2.1:0 b [h]");
    check(H("ansible_ssh_host: 192.0.2.2"), "192.0.2.2:0 [h]");
    check(H("ansible_port: 22, ansible_ssh_port: '2222'"), "192.0.2.1:2222 [h]");
    check(H("ansible_password: a, ansible_ssh_pass: b"), "192.0.2.1:0 pass=b [h]");
    check(H("ansible_password: 1234, ansible_sudo_pass: p q"),
          "192.0.2.1:0 pass=1234 become=p q [h]");
    check(H("ansible_become_password: a, ansible_become_pass: b"), "192.0.2.1:0 become=b [h]");
    check(H("ansible_ssh_private_key_file: ~/.ssh/k"), "192.0.2.1:0 key=~/.ssh/k [h]");
    check(H("ansible_user: null, ansible_connection: ssh"), "192.0.2.1:0 [h]");
    check(H("ansible_password: !unsafe '{{ x }}'"), "192.0.2.1:0 pass={{ x }} [h]");
    check("all: {hosts: {h.example: }}", "h.example:0 [h.example]");
    check("all: {hosts: '192.0.2.7'}", "192.0.2.7:0 [192.0.2.7]");
    check("{\"all\": {\"hosts\": {\"h\": {\"ansible_host\": \"fe80::1%eth9\"}}}}",
          "fe80::1%eth9:0 [h]");
}

static void users_may_have_dots_and_capitals(void **state)
{
    static const char *const users[] = {"Admin.User", "1st-year", "jo@example.org", "_apt"};

    (void)state;
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
        char yaml[128];
        struct error err = {0};

        (void)snprintf(yaml, sizeof(yaml), H("ansible_user: %s"), users[i]);
        if (hosts_parse("f", yaml, strlen(yaml), &hosts, &err) < 0)
            fail_msg("%s", err.text);
        assert_string_equal(hosts.items[0].user, users[i]);
    }
}

static void agents_are_found(void **state)
{
    (void)state;
    check(H("agt_name: a1"), "192.0.2.1:0 [a1]");
    check(H("agt_name: ' a1 a2  a3 '"), "192.0.2.1:0 [a1|a2|a3]");
    check(H("agt_name: [a1, 'a 2']"), "192.0.2.1:0 [a1|a 2]");
    check(H("agt_name: a 1, agt_names: ['a 1']"), "192.0.2.1:0 [a 1]");
    check(H("agt_name: !unsafe 'a{{'"), "192.0.2.1:0 [a{{]");
    check(H("agt_names: [{__ansible_unsafe: '{{ x }}'}]"), "192.0.2.1:0 [{{ x }}]");
    check(H("agt_name: a1 a1"), "192.0.2.1:0 [a1]");
}

static void groups_hand_down(void **state)
{
    (void)state;
    check("all:\n vars: {ansible_user: u, ansible_port: 1}\n children:\n  g:\n"
          "   vars: {ansible_user: g}\n   hosts: {a: , b: {ansible_user: own}}\n",
          "a:1 g [a]\nb:1 own [b]");
    check("g:\n children: {in: {hosts: {a: }, vars: {ansible_user: inner}}}\n"
          " vars: {ansible_user: outer}\n",
          "a:0 inner [a]");
    /* of equally deep ones the later name, unless the priority says so */
    check(
        "x: {hosts: {a: }, vars: {ansible_user: x}}\ny: {hosts: {a: }, vars: {ansible_user: y}}\n",
        "a:0 y [a]");
    check("x: {hosts: {a: }, vars: {ansible_user: x, ansible_group_priority: 5}}\n"
          "y: {hosts: {a: }, vars: {ansible_user: y}}\n",
          "a:0 x [a]");
    /* deeper counts, by the longest way */
    check("z: {hosts: {a: }, vars: {ansible_user: z}}\n"
          "b: {children: {c: }}\nc: {hosts: {a: }, vars: {ansible_user: c}}\n",
          "a:0 c [a]");
    /* a later mention adds to the host */
    check("x: {hosts: {a: {ansible_user: u, ansible_port: 1}}}\n"
          "y: {hosts: {a: {ansible_user: v}}}\n",
          "a:1 v [a]");
    /* the group's ansible_ssh_user beats the host's ansible_user */
    check("x: {hosts: {a: {ansible_user: u}}, vars: {ansible_ssh_user: g}}\n", "a:0 g [a]");
    check("x: {hosts: {a: {ansible_user: }}, vars: {ansible_user: g}}\n", "a:0 [a]");
    check("all: {vars: &d {ansible_user: u}, hosts: {a: {<<: *d, ansible_port: 7}}}\n",
          "a:7 u [a]");
}

static void names_have_ranges_and_ports(void **state)
{
    (void)state;
    check("all: {hosts: {'n[1:3]': }}", "n1:0 [n1]\nn2:0 [n2]\nn3:0 [n3]");
    check("all: {hosts: {'n[08:10]x': }}", "n08x:0 [n08x]\nn09x:0 [n09x]\nn10x:0 [n10x]");
    check("all: {hosts: {'n[0:4:2]': }}", "n0:0 [n0]\nn2:0 [n2]\nn4:0 [n4]");
    check("all: {hosts: {'n[a:c:2]': }}", "na:0 [na]\nnc:0 [nc]");
    check("all: {hosts: {'n[:1][a:b]': }}", "n0a:0 [n0a]\nn0b:0 [n0b]\nn1a:0 [n1a]\nn1b:0 [n1b]");
    check("all: {hosts: {'192.0.2.[1:2]:2222': }}",
          "192.0.2.1:2222 [192.0.2.1]\n192.0.2.2:2222 [192.0.2.2]");
    check("all: {hosts: {'h:2222': {ansible_port: 22}}}", "h:22 [h]");
    check("all: {hosts: {'h:2222': }, vars: {ansible_port: 5}}", "h:2222 [h]");
    check("all: {hosts: {'[2001:db8::1]:2222': }}", "2001:db8::1:2222 [2001:db8::1]");
    check("all: {hosts: {'2001:db8::1': }}", "2001:db8::1:0 [2001:db8::1]");
    check("all: {hosts: {'n[1:2]': {ansible_user: u}, n2: {ansible_user: v}}}",
          "n1:0 u [n1]\nn2:0 v [n2]");
    check_error("all: {hosts: {'n[3:1]': }}",
                "f:1:15: the host's name \"n[3:1]\" has a range that ends before it begins");
    check_error("all: {hosts: {'n[1:]': }}",
                "f:1:15: the host's name \"n[1:]\" has a range without an end");
    check_error("all: {hosts: {'n[1]': }}", "f:1:15: the host's name \"n[1]\" has a range that is "
                                            "not [BEGIN:END] or [BEGIN:END:STEP]");
    check_error("all: {hosts: {'n[01:100]': }}",
                "f:1:15: the host's name \"n[01:100]\" has a range with a leading 0 whose ends "
                "differ in length (write [01:12])");
    check_error("all: {hosts: {'n[1:x]': }}",
                "f:1:15: the host's name \"n[1:x]\" has a range whose "
                "ends are neither two numbers nor two letters");
    check_error(
        "all: {hosts: {'n[1:9:0]': }}",
        "f:1:15: the host's name \"n[1:9:0]\" has a range whose step is not a number above 0");
    check_error("all: {hosts: {'n[1:99][1:99]': }}",
                "f:1:15: the host's name \"n[1:99][1:99]\" has ranges that stand for more than "
                "4096 names");
    check_error("all: {hosts: {'n[': {ansible_host: h}}}",
                "f:1:15: the host's name \"n[\" has a \"[\" without a \"]\" after it");
    check_error("all: {hosts: {'h:99999': }}",
                "f:1:15: the host's name \"h:99999\" has no port after its \":\" (1 to 65535)");
}

static void one_machine_has_several_agents(void **state)
{
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    static const char twins[] =
        "all:\n hosts:\n  a: {ansible_host: 192.0.2.1, ansible_port: 22}\n"
        "  b: {ansible_host: 192.0.2.1}\n  c: {ansible_host: 192.0.2.1, ansible_user: u}\n"
        "  d: {ansible_host: '2001:db8::1'}\n  e: {ansible_host: '2001:DB8:0::1'}\n"
        "  f: {ansible_host: H.example}\n  g: {ansible_host: h.EXAMPLE}\n";

    (void)state;
    check(twins, "192.0.2.1:22 [a|b]\n192.0.2.1:0 u [c]\n2001:db8::1:0 [d|e]\nH.example:0 [f|g]");
    assert_int_equal(hosts_parse("f", twins, strlen(twins), &hosts, NULL), 0);
    assert_int_equal(hosts.items[0].names.count, 2);
    assert_string_equal(hosts.items[0].names.items[1], "b");
    check_error("all:\n hosts:\n  a: {ansible_host: h, ansible_password: x}\n"
                "  b: {ansible_host: h, ansible_password: y}\n",
                "f:4:3: the same machine as \"a\" at f:3:3 (address, port and user), but with "
                "another password or key");
}

static void bad_values_are_named(void **state)
{
    static const struct {
        const char *yaml, *expected;
    } table[] = {
        {H("ansible_port: 0"), "f:1:58: ansible_port: \"0\" is not a port (1 to 65535)"},
        {H("ansible_port: 65536"), "f:1:58: ansible_port: \"65536\" is not a port (1 to 65535)"},
        {H("ansible_port: 022"),
         "f:1:58: ansible_port: 022 is a number in YAML; quote it: \"022\""},
        {H("ansible_port: on"),
         "f:1:58: ansible_port: on is a truth value in YAML; quote it: \"on\""},
        {H("ansible_port: [22]"), "f:1:58: ansible_port must be a single text"},
        {H("ansible_user: '1000'"),
         "f:1:58: ansible_user: \"1000\" is not a valid user name (" DESTINATION_USER_RULE ")"},
        {H("ansible_user: '-oProxyCommand=x'"),
         "f:1:58: ansible_user: \"-oProxyCommand=x\" is not a valid user name "
         "(" DESTINATION_USER_RULE ")"},
        {H("ansible_user: on"), "f:1:58: ansible_user: on is a truth value in YAML; quote it: "
                                "\"on\""},
        {H("ansible_user: '{{ me }}'"),
         "f:1:58: ansible_user is a template (\"{{\", \"{%\" or \"{#\"), which is not evaluated "
         "here; write the value, or mark it: !unsafe \"…\""},
        {H("ansible_password: 'a{{b'"), "f:1:62: ansible_password is a template (\"{{\", \"{%\" or "
                                        "\"{#\"), which is not evaluated "
                                        "here; write the value, or mark it: !unsafe \"…\""},
        {H("ansible_password: 0123"), "f:1:62: ansible_password is a number in YAML; put it in "
                                      "quotes"},
        {H("ansible_password: on"), "f:1:62: ansible_password is a truth value in YAML; put it in "
                                    "quotes"},
        {H("ansible_password: 2024-13-45"),
         "f:1:62: this value is not a valid date; quote it if it is text"},
        {H("ansible_password: ''"), "f:1:62: ansible_password is empty; leave it out"},
        {H("ansible_password: \"a\\nb\""), "f:1:62: ansible_password holds a NUL or a newline"},
        {H("ansible_password: !vault x"),
         "f:1:62: ansible_password is encrypted with Ansible's vault, which is not supported here: "
         "leave it out and use --ask-pass"},
        {H("ansible_become_pass: !vault x"),
         "f:1:65: ansible_become_pass is encrypted with Ansible's vault, which is not supported "
         "here: leave it out and use --ask-become-pass"},
        {H("ansible_user: !vault x"), "f:1:58: ansible_user is encrypted with Ansible's vault, "
                                      "which is not supported here: write it as plain text"},
        {H("ansible_connection: local"), "f:1:64: ansible_connection: \"local\" is not supported: "
                                         "machines are reached by ssh only"},
        {H("agt_name: 1"), "f:1:54: agt_name: 1 is a number in YAML; quote it: \"1\""},
        {H("agt_name: [a, on]"), "f:1:58: agt_name: on is a truth value in YAML; quote it: \"on\""},
        {H("agt_name: ''"), "f:1:54: agt_name is empty"},
        {H("agt_name: []"), "f:1:54: agt_name is empty"},
        {H("agt_name: ['']"), "f:1:55: \"\" is not a valid agent name: it is empty"},
        {H("agt_name: {a: b}"), "f:1:54: agt_name must be a single text"},
        {"all: {hosts: {h: {ansible_host: 192.0.2.300}}}",
         "f:1:33: ansible_host: \"192.0.2.300\" is neither an address nor a host name"},
        {"all: {hosts: {h: {ansible_host: -oProxyCommand=x}}}",
         "f:1:33: ansible_host: \"-oProxyCommand=x\" is neither an address nor a host name"},
        {"all: {hosts: {h: {ansible_host: \"h\\e[2J\"}}}",
         "f:1:33: ansible_host: \"h\\x1b[2J\" is neither an address nor a host name"},
        {"all: {hosts: {h!: }}",
         "f:1:15: the host \"h!\" has no ansible_host, and its own name is not an address"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        check_error(table[i].yaml, table[i].expected);
}

static void bad_structure_is_named(void **state)
{
    static const struct {
        const char *yaml, *expected;
    } table[] = {
        {"", "f:1:1: the inventory is empty"},
        {"~", "f:1:1: the inventory is empty"},
        {"- a\n", "f:1:1: an inventory must be a map of groups, with `all:` or a group's name as a "
                  "key"},
        {"all:\n", "f:1:1: the inventory contains no host"},
        {"all: 5\n", "f:1:6: the group \"all\" must be a map, with `hosts`, `children` or `vars`"},
        {"all: {hosts: [a]}", "f:1:14: `hosts` must be a map: write \"NAME:\", not \"- NAME\""},
        {"all: {hosts: {a: b}}", "f:1:18: the value of the host \"a\" must be a map: NAME: VALUE"},
        {"all: {vars: [a]}", "f:1:13: `vars` must be a map: NAME: VALUE"},
        {"all: {hosts: {1: }}", "f:1:15: the host's name 1 is a number in YAML; quote it: \"1\""},
        {"all: {hosts: {'': }}", "f:1:15: the host's name is empty"},
        {"all: {hosts: {'{{a}}': }}", "f:1:15: the host's name \"{{a}}\" is a template, which is "
                                      "not evaluated here"},
        {"on: {}", "f:1:1: the group's name on is a truth value in YAML; quote it: \"on\""},
        {"all: {hosts: {a: ,\n a: }}",
         "f:2:2: duplicate key \"a\", first at f:1:15; Ansible would ignore the first"},
        {"all: {hosts: {a: {ansible_user: u, ansible_user: v}}}",
         "f:1:36: duplicate key \"ansible_user\", first at f:1:19; Ansible would ignore the first"},
        {"g: {children: {all: }}", "f:1:16: `all` cannot be inside another group"},
        {"g: {children: {h: {children: {g: }}}}", "f:1:1: the group \"g\" is inside itself"},
        {"all: {hosts: *x}", "f:1:14: no anchor &x is defined before this *x"},
        {"all: &x {hosts: *x}", "f:1:17: the alias *x is part of the value that it refers to"},
        {"[a]: 1", "f:1:1: a list or map cannot be a key"},
        {"all: !!set {a}", "f:1:6: only plain lists and maps are allowed in an inventory"},
        {"plugin: x\n",
         "f:1:9: this configures an Ansible plugin, which only Ansible runs: install "
         "ansible-core, or save its output as a file: `ansible-inventory --list "
         "--yaml`"},
        {"{_meta: {}}", "f:1:1: this is the output of a dynamic inventory; save the output of "
                        "`ansible-inventory --list --yaml` and use that file"},
        {"#!/bin/sh\n", "f:1:1: this is a program (a dynamic inventory), which only Ansible runs: "
                        "install ansible-core, or save its output as a file: `ansible-inventory -i "
                        "f --list --yaml`"},
        {"$ANSIBLE_VAULT;1.1;AES256\n",
         "f:1:1: the whole file is encrypted with Ansible's vault, which is not supported here: "
         "`ansible-vault view f | dcop-deploy -i - …`"},
        {"all:\n\thosts: {}\n", "f:2:1: a tab, which YAML does not allow for indentation; use "
                                "spaces"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        check_error(table[i].yaml, table[i].expected);
}

static void ini_and_lists_are_read(void **state)
{
    (void)state;
    check("10.0.0.1\n10.0.0.2\n", "10.0.0.1:0 [10.0.0.1]\n10.0.0.2:0 [10.0.0.2]");
    check("pi@10.0.0.1\n", "10.0.0.1:0 pi [10.0.0.1]");
    check("node1\n\n[all]\nnode1 ansible_host=10.0.0.1\n", "10.0.0.1:0 [node1]");
    check("# c\n[agents]\na1 ansible_host=h ansible_user=\"a\" # b\n[agents:vars]\n"
          "ansible_port = 22 # c\nansible_user = u # c\n",
          "h:22 a [a1]");
    check("[x:children]\ny\n[y]\nn[1:2]:2222\n[x:vars]\nansible_user=u\n",
          "n1:2222 u [n1]\nn2:2222 u [n2]");
    check("a agt_names=\"['x', 'y z']\"\n", "a:0 [x|y z]");
    check("a agt_name='x y'\n", "a:0 [x|y]");
    check("a ansible_password=0123\nb ansible_password='\"1e3\"'\n",
          "a:0 pass=0123 [a]\nb:0 pass=1e3 [b]");
    check("a ansible_password=p#q\n", "a:0 pass=p [a]"); /* as Ansible: "#" is a comment */
    check("a ansible_user=None\n", "a:0 [a]");
    check_error("a ansible_password=1e3\n",
                "f:1:3: ansible_password is an object in YAML; put it in "
                "quotes");
    check_error("a x\n", "f:1:3: after a host's name there can be NAME=VALUE only");
    check_error("a x='y\n", "f:1:3: a quote (') that is not closed");
    check_error("[a:b]\n", "f:1:1: a section must be [GROUP], [GROUP:children] or [GROUP:vars]");
    check_error("[a:vars]\nx=1\n", "f:1:1: the group \"a\" has no section [a]");
    check_error("[a:children]\nb\n", "f:2:1: the group \"b\" has no section [b]");
    check_error("a\n---\n", "f:2:1: this line is neither INI nor the beginning of YAML");
}

/* Writes the file, and the folders above it. */
static void put(const char *folder, const char *name, const char *content)
{
    CLEANUP_FREE char *path = path_join(folder, name), *above = strdup(path);
    struct error err = {0};

    *strrchr(above, '/') = '\0';
    assert_int_equal(make_folders(above, 0700, &err), 0);
    assert_int_equal(file_write(path, content, strlen(content), 0600, &err), 0);
}

static void read_in(const char *folder, const char *name, const char *expected)
{
    CLEANUP_FREE char *path = path_join(folder, name);
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    CLEANUP_TEXT struct text found = TEXT_INIT;
    struct error err = {0};

    if (hosts_read_here(path, &hosts, &err) < 0)
        text_adds(&found, strrchr(err.text, '/') + 1);
    describe(&hosts, &found);
    assert_string_equal(text_str(&found), expected);
}

static void files_of_variables_are_read(void **state)
{
    char t[] = "/tmp/test-hosts-XXXXXX";
    CLEANUP_FREE char *remove = NULL;

    (void)state;
    assert_non_null(mkdtemp(t));
    put(t, "h", "all: {vars: {ansible_user: file}, hosts: {a: {ansible_port: 1}, b: }}\n");
    put(t, "group_vars/all.yml", "ansible_user: alice\nansible_port: 2\nx: y\n");
    read_in(t, "h", "a:1 alice [a]\nb:2 alice [b]");
    put(t, "group_vars/ungrouped/2.yml", "ansible_user: two");
    put(t, "group_vars/ungrouped/1.yml", "ansible_user: one");
    put(t, "group_vars/ungrouped/3.txt", "ansible_user: three");
    put(t, "host_vars/a", "agt_name: zoe\nansible_port: 3\n");
    put(t, "host_vars/a.yml", "agt_name: shadowed\n");
    read_in(t, "h", "a:3 two [zoe]\nb:2 two [b]");
    put(t, "host_vars/b.json", "[1]");
    read_in(t, "h", "b.json:1:1: a file of variables must be a map: NAME: VALUE");
    put(t, "host_vars/b.json", "$ANSIBLE_VAULT;1.1;AES256\n");
    read_in(t, "h", "b.json | dcop-deploy -i - …`"); /* the vault's message */
    put(t, "host_vars/b.json", "{\"ansible_user\": \"{{ x }}\"}");
    read_in(t, "h",
            "b.json:1:18: ansible_user is a template (\"{{\", \"{%\" or \"{#\"), which is not "
            "evaluated here; write the value, or mark it: !unsafe \"…\"");
    assert_true(asprintf(&remove, "rm -r %s", t) > 0);
    assert_int_equal(system(remove), 0);
}

static void what_is_not_used_is_told_once(void **state)
{
    (void)state;
    check_warnings("all:\n hosts:\n  a: {x: 1, agt_name: a1}\n  b: {x: 2, y: 3}\n",
                   "f:3: x is not used\nf:4: y is not used\n");
    check_warnings(HOST("    ansible_ssh_common_args: -o stricthostkeychecking=no\n"),
                   "f:4: ansible_ssh_common_args is not used (host keys are always checked, so "
                   "StrictHostKeyChecking has no effect here)\n");
    check_warnings(HOST("    ansible_ssh_common_args: -C\n"),
                   "f:4: ansible_ssh_common_args is not used (they are options of the ssh program, "
                   "which is not used)\n");
    check_warnings(HOST("    secret: !vault x\n"), "f:4: secret is not used\n");
    check_warnings(
        "agents:\n a1: {ansible_host: h}\n hosts: {b: }\n",
        "f:2: a1 is not used (in a group there can be `hosts`, `children` and `vars`)\n");
    check_warnings("all: {hosts: {a: }, vars: {apt_cache_port: 3142, pip_cache_port: 1}}", "");
    check_warnings("all:\n hosts:\n  a: {agt_name: x}\n  b: {agt_name: x}\n",
                   "f:4:3: the agent \"x\" is also on another machine, first at f:3:3\n");
}

static void check_caches(const char *vars, const char *apt, const char *pip)
{
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    CLEANUP_TEXT struct text yaml = TEXT_INIT;
    struct error err = {0};

    text_addf(&yaml, "all: {hosts: {a: , b: {controller_proxy_addr: other}}, vars: {%s}}", vars);
    if (hosts_parse("f", yaml.data, yaml.size, &hosts, &err) < 0)
        fail_msg("%s", err.text);
    if (apt)
        assert_string_equal(hosts.apt_proxy, apt);
    else
        assert_null(hosts.apt_proxy);
    if (pip)
        assert_string_equal(hosts.pip_index, pip);
    else
        assert_null(hosts.pip_index);
}

static void the_caches_of_pydcops_playbook_are_taken(void **state)
{
    (void)state;
    check_caches("controller_proxy_addr: 192.0.2.1, apt_cache_port: 3142, pip_cache_port: 3141",
                 "http://192.0.2.1:3142", "http://192.0.2.1:3141/root/pypi/+simple/");
    check_caches("controller_proxy_addr: 'fd00::1', apt_cache_port: '1'", "http://[fd00::1]:1",
                 NULL);
    check_caches("controller_proxy_addr: cache.local", NULL, NULL);
    check_caches("controller_proxy_addr: null, pip_cache_port: 3141", NULL,
                 "http://other:3141/root/pypi/+simple/");
    check_error("all: {hosts: {a: {controller_proxy_addr: c, apt_cache_port: 70000}}}",
                "f:1:61: apt_cache_port: \"70000\" is not a port (1 to 65535)");
    check_error("all: {hosts: {a: {controller_proxy_addr: -c}}}",
                "f:1:42: controller_proxy_addr: \"-c\" is neither an address nor a host name");
}

static void machine_with(struct machine *m, struct address *a, char **agents, size_t n)
{
    *m = (struct machine){.port = 2222, .online = true, .beacon = true, .n_addresses = 1};
    assert_int_equal(address_parse("192.0.2.9", a), 0);
    m->addresses = a;
    memcpy(m->advert.id, "0123456789abcdef", 17);
    m->advert.user = agents[n];
    m->advert.agents = (struct strings){.items = agents, .count = n};
}

static void our_own_files_come_back(void **state)
{
    static const char *const names[] = {"a1",
                                        "a 1",
                                        " a",
                                        "[1:3]",
                                        "a[1:3]",
                                        "a[x-z]",
                                        "a[",
                                        "on",
                                        "1",
                                        "1.0",
                                        "~",
                                        "{{ x }}",
                                        "{%",
                                        "!unsafe a",
                                        "'",
                                        "\"",
                                        "a\\",
                                        "é",
                                        "😀",
                                        "a\tb",
                                        "a\rb",
                                        "\x1b[2J",
                                        "a:22",
                                        "#a",
                                        "192.0.2.7",
                                        "all",
                                        "agents",
                                        "__ansible_unsafe",
                                        "- a",
                                        "? a",
                                        "a: b",
                                        ("\xef\xbb\xbf"
                                         "a"),
                                        "2024-01-01",
                                        "12:30",
                                        "=",
                                        "<<",
                                        "null",
                                        "$ANSIBLE_VAULT",
                                        "a,b",
                                        "\xc2\x85",
                                        "\xe2\x80\xa8"};
    static const enum inventory_format formats[] = {INVENTORY_YAML, INVENTORY_JSON};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(names) / sizeof(names[0]); i++) {
        char first[64], second[] = "second [1:2]", user[] = "pi", *agents[] = {first, user, NULL};
        char *both[] = {first, second, user};
        const char *name = names[i / 2];
        struct machine m;
        struct address a;
        const struct machine *list[] = {&m};

        snprintf(first, sizeof(first), "%s", name);
        for (size_t n = 1; n <= 2; n++) {
            CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
            CLEANUP_TEXT struct text out = TEXT_INIT;
            struct error err = {0};

            machine_with(&m, &a, n == 1 ? agents : both, n);
            assert_int_equal(inventory_write(list, 1, formats[i % 2], NULL, &out), 0);
            if (i % 2 && (strstr(name, "\xc2\x85") || strstr(name, "\xe2\x80\xa8"))) {
                assert_int_equal(hosts_parse("f", text_str(&out), out.size, &hosts, &err),
                                 -EBADMSG);
                assert_non_null(strstr(err.text, "YAML reads as a line end"));
                continue;
            }
            if (hosts_parse("f", text_str(&out), out.size, &hosts, &err) < 0)
                fail_msg("%s: %s\n%s", name, err.text, text_str(&out));
            assert_int_equal(hosts.count, 1);
            assert_int_equal(hosts.warnings.count, 0);
            assert_true(strings_equal(&hosts.items[0].agents, &m.advert.agents));
            assert_string_equal(hosts.items[0].address, "192.0.2.9");
            assert_int_equal(hosts.items[0].port, 2222);
            assert_string_equal(hosts.items[0].user, "pi");
        }
    }
}

static void aliases_do_not_blow_up(void **state)
{
    CLEANUP_TEXT struct text bomb = TEXT_INIT;
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    struct error err = {0};

    (void)state;
    text_adds(&bomb, "x0: &x0 {hosts: {h: }}\n");
    for (int i = 1; i < 25; i++)
        text_addf(&bomb, "x%d: &x%d {children: {y%d: *x%d, z%d: *x%d}}\n", i, i, i, i - 1, i,
                  i - 1);
    assert_int_equal(hosts_parse("f", text_str(&bomb), bomb.size, &hosts, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "including those that aliases repeat"));
    text_reset(&bomb);
    text_adds(&bomb, "x0: &x0 {a: b}\n");
    for (int i = 1; i < 900; i++)
        text_addf(&bomb, "x%d: &x%d {k%d: 1, k%dx: 1, <<: *x%d}\n", i, i, i, i, i - 1);
    assert_int_equal(hosts_parse("f", text_str(&bomb), bomb.size, &hosts, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "more than 200000 values, merged ones included"));
}

/* Work is bounded by what a file names, not by the square of it. */
static void ranges_do_not_blow_up(void **state)
{
    CLEANUP_TEXT struct text bomb = TEXT_INIT;
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    struct error err = {0};

    (void)state;
    text_adds(&bomb, "[x]\n");
    for (int i = 0; i < 65; i++)
        text_addf(&bomb, "h[0:4095] v%d=1\n", i);
    assert_int_equal(hosts_parse("f", text_str(&bomb), bomb.size, &hosts, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "f:66:1: hosts are named more than 262144 times up to here"));
    text_reset(&bomb);
    text_adds(&bomb, "h[0:4095] ansible_host=198.51.100.1\n");
    assert_int_equal(hosts_parse("f", text_str(&bomb), bomb.size, &hosts, &err), 0);
    assert_int_equal(hosts.count, 1);
    assert_int_equal(hosts.items[0].agents.count, 4096);
    hosts_clear(&hosts);
    text_reset(&bomb);
    text_adds(&bomb, "h[0:4094] ansible_host=198.51.100.1\n"
                     "i ansible_host=198.51.100.1 agt_names=\"['y', 'z']\"\n");
    assert_int_equal(hosts_parse("f", text_str(&bomb), bomb.size, &hosts, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "more than 4096 agents on one machine"));
}

static void a_missing_file_is_named(void **state)
{
    CLEANUP_HOSTS struct hosts hosts = HOSTS_INIT;
    struct error err = {0};

    (void)state;
    assert_int_equal(hosts_read("/nonexistent/x", &hosts, &err), -ENOENT);
    assert_string_equal(err.text, "cannot open /nonexistent/x: No such file or directory");
    assert_int_equal(hosts_read_here("/", &hosts, &err), -EISDIR);
    assert_int_equal(hosts_read("/dev/zero", &hosts, &err), -EFBIG);
}

/* How often the bytes stand in the heap. */
static size_t count_in_heap(const char *bytes, size_t size)
{
    CLEANUP_FREE char *line = NULL;
    FILE *maps = fopen("/proc/self/maps", "re");
    size_t room = 0, count = 0;

    assert_non_null(maps);
    while (getline(&line, &room, maps) > 0) {
        uintptr_t from, to;

        if (!strstr(line, "[heap]") || sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &from, &to) != 2)
            continue;
        for (const char *at = (const char *)from, *end = (const char *)to;
             (at = memmem(at, (size_t)(end - at), bytes, size)); at++)
            count++;
    }
    (void)fclose(maps);
    return count;
}

#define MARK "1234567890123456789012345678901234567890"

static void passwords_are_wiped(void **state)
{
    static char yaml[] = "all: {hosts: {h: {ansible_password: " MARK ", x: " MARK
                         ", ansible_sudo_pass: '" MARK "'}}}\n";
    static char password[sizeof(MARK)];
    const char *tail = password + 20; /* free(3) writes over the start */
    struct hosts hosts = HOSTS_INIT;

    (void)state;
    /* The password is made here, so that it stands nowhere else. */
    for (size_t i = 0; i < sizeof(MARK) - 1; i++)
        password[i] = (char)('a' + (i * 7 + i / 26 + 3) % 26);
    for (char *at = yaml; (at = strstr(at, MARK));)
        memcpy(at, password, sizeof(MARK) - 1);
    assert_int_equal(hosts_parse("f", yaml, strlen(yaml), &hosts, NULL), 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_int_equal(count_in_heap(tail, 20), 2); /* that the search finds them */
#endif
    hosts_clear(&hosts);
    assert_int_equal(count_in_heap(tail, 20), 0);
    /* On the way to an error, too. */
    yaml[strlen(yaml) - 4] = ' ';
    assert_int_equal(hosts_parse("f", yaml, strlen(yaml), &hosts, NULL), -EBADMSG);
    assert_int_equal(count_in_heap(tail, 20), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pydcops_file_is_read),
        cmocka_unit_test(variables_are_ansibles),
        cmocka_unit_test(users_may_have_dots_and_capitals),
        cmocka_unit_test(agents_are_found),
        cmocka_unit_test(groups_hand_down),
        cmocka_unit_test(names_have_ranges_and_ports),
        cmocka_unit_test(one_machine_has_several_agents),
        cmocka_unit_test(bad_values_are_named),
        cmocka_unit_test(bad_structure_is_named),
        cmocka_unit_test(ini_and_lists_are_read),
        cmocka_unit_test(files_of_variables_are_read),
        cmocka_unit_test(what_is_not_used_is_told_once),
        cmocka_unit_test(the_caches_of_pydcops_playbook_are_taken),
        cmocka_unit_test(our_own_files_come_back),
        cmocka_unit_test(aliases_do_not_blow_up),
        cmocka_unit_test(ranges_do_not_blow_up),
        cmocka_unit_test(passwords_are_wiped),
        cmocka_unit_test(a_missing_file_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
