/* Cards: what is recognised on a boot partition, what writing leaves there, and what undo
 * does. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deployer/base/folder.h"
#include "deployer/card/apply.h"
#include "deployer/card/plan.h"
#include "discovery/base/file.h"

static char folder[64];

static void put(const char *name, const char *text)
{
    CLEANUP_FREE char *path = path_join(folder, name);
    CLEANUP_FREE char *parent = strdup(path);

    *strrchr(parent, '/') = '\0';
    assert_int_equal(make_folders(parent, 0755, NULL), 0);
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
}

static const char *get(const char *name)
{
    static struct text text;
    CLEANUP_FREE char *path = path_join(folder, name);

    text_reset(&text);
    return file_read(path, 65536, &text, NULL) < 0 ? NULL : text_str(&text);
}

static int make_image(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/test-card.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    put("config.txt", "auto_initramfs=1\n");
    put("cmdline.txt", "root=X quiet\n");
    return 0;
}

static int remove_image(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static struct card_look look(void)
{
    struct card_look l;
    struct error err = {0};

    assert_int_equal(card_look(folder, &l, &err), 0);
    return l;
}

static void digest(char ret[static DIGEST_LENGTH + 1])
{
    struct tree_limits limits = {1000, 1024 * 1024, 8};

    assert_int_equal(folder_read(folder, &limits, NULL, (uid_t)-1, (gid_t)-1, NULL, ret, NULL), 0);
}

static void prepare(void)
{
    static char line[] = "ssh-ed25519 AAAA";
    char *lines[] = {line};
    struct strings keys = {lines, 1};
    struct key key = {{1}};
    struct card_wish w = {.user = "pi",
                          .agent = "a1",
                          .keys = &keys,
                          .id = "0123456789abcdef",
                          .setup = "x",
                          .setup_size = 1,
                          .fleet_key = &key};
    CLEANUP(card_look_clear) struct card_look l = look();
    CLEANUP(card_plan_clear) struct content plan = {0};
    struct error err = {0};

    assert_int_equal(card_plan(&l, &w, &plan, &err), 0);
    assert_int_equal(card_apply(folder, &l, &plan, &err), 0);
}

static void undo(void)
{
    CLEANUP(card_look_clear) struct card_look l = look();
    struct error err = {0};

    assert_int_equal(card_undo(folder, &l, &err), 0);
}

static void the_format_comes_from_the_image(void **state)
{
    struct card_look l = look();

    (void)state;
    assert_int_equal(l.format, CARD_SYSTEMD);
    assert_string_equal(l.mount, "/boot/firmware");
    assert_int_equal(l.strays.count, 0);
    card_look_clear(&l);
    put("config.txt", "dtparam=audio=on\n");
    l = look();
    assert_string_equal(l.mount, "/boot");
    card_look_clear(&l);
    put("user-data", "#cloud-config\n\n# hostname: x\n");
    l = look();
    assert_int_equal(l.format, CARD_CLOUD_INIT);
    assert_string_equal(l.mount, "/boot/firmware");
    assert_int_equal(l.strays.count, 0);
    card_look_clear(&l);
}

static void other_folders_are_no_cards(void **state)
{
    CLEANUP_FREE char *path = path_join(folder, "cmdline.txt");
    struct card_look l;
    struct error err = {0};

    (void)state;
    assert_int_equal(card_look(path, &l, &err), -EINVAL);
    assert_non_null(strstr(err.text, "is not a folder"));
    unlink(path);
    assert_int_equal(card_look(folder, &l, &err), -EINVAL);
    assert_non_null(strstr(err.text, "it has no cmdline.txt"));
}

static void strays_are_seen_and_restored(void **state)
{
    char before[DIGEST_LENGTH + 1], after[DIGEST_LENGTH + 1];
    CLEANUP_FREE char *names = NULL;
    struct card_look l;

    (void)state;
    put("user-data", "#cloud-config\nhostname: other\n");
    put("firstrun.sh", "#!/bin/bash\n");
    put("userconf.txt", "x:y\n");
    put("cmdline.txt", "root=X systemd.run=/boot/firstrun.sh\n");
    digest(before);
    l = look();
    names = strings_join(&l.strays, " ");
    assert_string_equal(names, "firstrun.sh userconf.txt user-data cmdline.txt");
    card_look_clear(&l);
    prepare();
    assert_null(get("firstrun.sh"));
    assert_null(get("userconf.txt"));
    assert_string_equal(get("cmdline.txt"), "root=X\n");
    undo();
    digest(after);
    assert_string_equal(before, after);
}

static void undo_leaves_nothing(void **state)
{
    char before[DIGEST_LENGTH + 1], after[DIGEST_LENGTH + 1];
    struct card_look l;

    (void)state;
    for (int round = 0; round < 2; round++) {
        digest(before);
        prepare();
        l = look();
        assert_true(l.prepared && !l.unfinished && !l.booted);
        assert_string_equal(l.agent, "a1");
        assert_string_equal(l.id, "0123456789abcdef");
        assert_non_null(get("dcop-fleet.key"));
        card_look_clear(&l);
        undo();
        digest(after);
        assert_string_equal(before, after);
        put("meta-data", "instance_id: rpios-image\n"); /* the second round: cloud-init */
    }
}

/* The first words of an unbooted image must not come back. */
static void a_booted_card_keeps_its_command_line(void **state)
{
    (void)state;
    prepare();
    put("dcop/done", "failed:\n");
    put("cmdline.txt", "root=X booted\n");
    undo();
    assert_string_equal(get("cmdline.txt"), "root=X booted\n");
    assert_null(get("dcop-agent.conf"));
    assert_null(get("dcop-fleet.key"));
    assert_null(get("dcop/card"));
}

/* A power cut before the list of what was replaced: nothing at the top is touched. */
static void a_broken_off_one_is_taken_back(void **state)
{
    CLEANUP_FREE char *written = path_join(folder, "dcop/undo/written");
    struct card_look l;

    (void)state;
    put("dcop-agent.conf", "agent mine\n");
    prepare();
    unlink(written);
    put("dcop-agent.conf", "agent mine\n");
    put("cmdline.txt", "root=X quiet\n");
    undo();
    assert_string_equal(get("dcop-agent.conf"), "agent mine\n");
    assert_string_equal(get("cmdline.txt"), "root=X quiet\n");
    l = look();
    assert_false(l.prepared);
    card_look_clear(&l);
}

/* A folder in the place of a file stands for any error in the middle. */
static void a_failure_leaves_it_as_it_was(void **state)
{
    CLEANUP_FREE char *path = path_join(folder, "cmdline.txt");
    CLEANUP(card_look_clear) struct card_look l = look();
    CLEANUP(content_clear) struct content plan = {0};
    char before[DIGEST_LENGTH + 1], after[DIGEST_LENGTH + 1];
    struct error err = {0};

    (void)state;
    digest(before);
    assert_int_equal(content_add(&plan, "dcop/settings", 0644, "x", 1, NULL), 0);
    assert_int_equal(content_add(&plan, "dcop-agent.conf", 0644, "x", 1, NULL), 0);
    assert_int_equal(content_add(&plan, "dcop/settings/x", 0644, "x", 1, NULL), 0);
    assert_int_equal(content_add(&plan, "cmdline.txt", 0644, "x", 1, NULL), 0);
    assert_true(card_apply(folder, &l, &plan, &err) < 0);
    digest(after);
    assert_string_equal(before, after);
}

static void a_mark_of_anybody_gives_valid_names(void **state)
{
    struct card_look l;

    (void)state;
    put("dcop/card", "id ../x\nagent a\xff\nfleet \xc2\x9b\n");
    l = look();
    assert_true(l.prepared);
    assert_null(l.id);
    assert_null(l.agent);
    assert_null(l.fleet);
    card_look_clear(&l);
    put("dcop/card", "id 00ff\nagent Ä 1\nfleet room-7\n");
    l = look();
    assert_string_equal(l.id, "00ff");
    assert_string_equal(l.agent, "Ä 1");
    assert_string_equal(l.fleet, "room-7");
    card_look_clear(&l);
}

static void a_folder_of_others_is_not_ours(void **state)
{
    struct card_look l;

    (void)state;
    put("dcop/notes.txt", "mine\n");
    l = look();
    assert_true(l.occupied && !l.prepared);
    card_look_clear(&l);
}

static void what_is_not_complete_is_ours(void **state)
{
    CLEANUP_FREE char *path = path_join(folder, "dcop");
    struct card_look l;

    (void)state;
    assert_int_equal(mkdir(path, 0755), 0);
    put("dcop/card.dcop-aB3dEf", "unfin");
    l = look();
    assert_true(!l.occupied && !l.prepared);
    card_look_clear(&l);
    put("dcop/card", "unfinished\n");
    put("dcop/setup.sh", "x");
    l = look();
    assert_true(l.prepared && l.unfinished && !l.occupied);
    card_look_clear(&l);
    undo();
    assert_int_equal(access(path, F_OK), -1);
}

/* A killed writer's file, and a second link to see what becomes of its bytes. */
static void plant(const char *name)
{
    CLEANUP_FREE char *path = path_join(folder, name);
    CLEANUP_FREE char *other = path_join(folder, "other");

    put(name, "secret");
    (void)unlink(other);
    assert_int_equal(link(path, other), 0);
}

static void expect_erased(const char *name)
{
    static const char zeros[6];
    CLEANUP_FREE char *other = path_join(folder, "other");
    CLEANUP_TEXT struct text bytes = TEXT_INIT;

    assert_null(get(name));
    assert_int_equal(file_read(other, 64, &bytes, NULL), 0);
    assert_int_equal(bytes.size, sizeof(zeros));
    assert_memory_equal(bytes.data, zeros, sizeof(zeros));
}

static void what_killed_writers_left_is_erased(void **state)
{
    (void)state;
    plant("dcop-fleet.key.dcop-aB3dEf");
    prepare();
    expect_erased("dcop-fleet.key.dcop-aB3dEf");
    plant("dcop-fleet.key.dcop-aB3dEf");
    undo();
    expect_erased("dcop-fleet.key.dcop-aB3dEf");
    prepare();
    plant("dcop/settings.dcop-aB3dEf");
    undo();
    expect_erased("dcop/settings.dcop-aB3dEf");
    prepare();
    plant("dcop/undo/user-data.dcop-aB3dEf");
    undo();
    expect_erased("dcop/undo/user-data.dcop-aB3dEf");
}

#define CARD_TEST(f) cmocka_unit_test_setup_teardown(f, make_image, remove_image)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CARD_TEST(the_format_comes_from_the_image),
        CARD_TEST(other_folders_are_no_cards),
        CARD_TEST(strays_are_seen_and_restored),
        CARD_TEST(undo_leaves_nothing),
        CARD_TEST(a_booted_card_keeps_its_command_line),
        CARD_TEST(a_broken_off_one_is_taken_back),
        CARD_TEST(a_failure_leaves_it_as_it_was),
        CARD_TEST(what_killed_writers_left_is_erased),
        CARD_TEST(a_mark_of_anybody_gives_valid_names),
        CARD_TEST(a_folder_of_others_is_not_ours),
        CARD_TEST(what_is_not_complete_is_ours),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
