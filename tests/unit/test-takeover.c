/* Taking over what another controller has exported: whole, with nothing lost unasked, and
 * whenever it is killed either the old state or the new one. */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <sqlite3.h>

#include "deployer/base/folder.h"
#include "deployer/move/pending.h"
#include "deployer/move/takeover.h"
#include "deployer/verbs/remembered.h"
#include "discovery/base/file.h"

#define ONE "0123456789abcdef"
#define TWO "fedcba9876543210"
#define KEY_A "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define KEY_B "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
/* The four bytes of "AAAA" decode to three zeros. */
#define KEY_ZERO "SHA256:cJ6AyISHokEeHuTfufIqhhSS0gxHZRUMDHlKvXD4FHw"

static const char ours[] =
    "{\"machines\":[{\"id\":\"" ONE "\",\"fingerprint\":\"" KEY_ZERO
    "\",\"host\":\"rpi-1.local\",\"fleet\":\"default\",\"address\":\"10.0.0.1\",\"port\":2222,"
    "\"user\":\"pi\",\"arch\":\"arm64\",\"os\":\"debian-13\",\"version\":\"0.1.2\",\"digest\":"
    "\"d\",\"first_seen\":1000,\"last_seen\":2000},{\"id\":\"" KEY_B
    "\",\"first_seen\":1,\"last_seen\":1}],"
    "\"pins\":[{\"id\":\"" ONE "\",\"fingerprint\":\"" KEY_A
    "\",\"source\":\"accept\",\"created\":900,\"retired\":1000},{\"id\":\"" ONE
    "\",\"fingerprint\":\"" KEY_ZERO
    "\",\"key_type\":\"ssh-ed25519\",\"key_base64\":\"AAAA\",\"source\":\"question\","
    "\"created\":1000},{\"id\":\"" TWO "\",\"fingerprint\":\"" KEY_B
    "\",\"source\":\"signature\",\"created\":5}],"
    "\"names\":[{\"fleet\":\"default\",\"agent\":\"a1\",\"id\":\"" ONE
    "\",\"position\":0,\"held\":1,\"changed\":7},{\"fleet\":\"default\",\"agent\":\"a2\",\"id\":"
    "\"" TWO "\",\"position\":1,\"held\":0,\"changed\":8}],"
    "\"seqs\":[{\"id\":\"" ONE "\",\"fingerprint\":\"" KEY_ZERO "\",\"seq\":41}],"
    "\"pydcop\":\"pydcop==0.1.2\"}";

/* Of another fleet. */
static const char theirs[] =
    "{\"machines\":[],\"pins\":[{\"id\":\"1111111111111111\","
    "\"fingerprint\":\"" KEY_A "\",\"source\":\"trust\",\"created\":3}],\"names\":[],\"seqs\":[]}";

static const char ssh_key[] = "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n"
                              "-----END OPENSSH PRIVATE KEY-----\n";

static char folder[64], state_folder[128], db[160], config[128], fleet_path[160], ssh_path[160];
static struct paths paths = {.state = state_folder, .db = db};

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dcop-test-takeover.XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(state_folder, sizeof(state_folder), "%s/state", folder);
    (void)snprintf(config, sizeof(config), "%s/a config", folder);
    (void)snprintf(db, sizeof(db), "%s/state.db", state_folder);
    (void)snprintf(fleet_path, sizeof(fleet_path), "%s/" KEY_FLEET_FILE, config);
    (void)snprintf(ssh_path, sizeof(ssh_path), "%s/" PATHS_SSH_KEY_FILE, config);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

/* A parcel with a fleet key of this byte (0: without) and, perhaps, the SSH key. */
static struct parcel parcel_of(const char *json, uint8_t byte, bool with_ssh)
{
    struct parcel p = {.state = json, .state_size = strlen(json), .has_fleet_key = byte != 0};

    memset(p.fleet_key.bytes, byte, KEY_SIZE);
    if (with_ssh) {
        p.ssh_key = ssh_key;
        p.ssh_key_size = sizeof(ssh_key) - 1;
    }
    return p;
}

static int take(const struct parcel *p, bool replace, struct takeover_result *ret,
                struct error *err)
{
    CLEANUP(state_free_p) struct state *s = NULL;
    const struct takeover t = {.parcel = p, .paths = &paths, .config = config, .replace = replace};
    int r = state_open(db, &s, err);

    return r < 0 ? r : takeover_run(s, &t, ret, err);
}

static void must_take(const struct parcel *p, bool replace)
{
    CLEANUP(takeover_result_clear) struct takeover_result result = {0};
    struct error err = {0};

    if (take(p, replace, &result, &err) < 0)
        fail_msg("%s", err.text);
}

static int folder_count(const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *entry;
    int n = 0;

    while (d && (entry = readdir(d)))
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (d)
        (void)closedir(d);
    return n;
}

static void add_state(const char *path, struct text *ret)
{
    CLEANUP(state_free_p) struct state *s = NULL;

    assert_int_equal(state_open(path, &s, NULL), 0);
    assert_int_equal(takeover_settle(s, &paths, config, NULL), 0);
    assert_int_equal(transfer_write(s, ret, NULL), 0);
}

static void change(const char *sql)
{
    sqlite3 *raw;

    assert_int_equal(sqlite3_open(db, &raw), SQLITE_OK);
    assert_int_equal(sqlite3_exec(raw, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(raw), SQLITE_OK);
}

static void put_file(const char *path, const char *content)
{
    assert_int_equal(file_write(path, content, strlen(content), 0600, NULL), 0);
}

static void assert_file(const char *path, const char *content)
{
    CLEANUP_TEXT struct text got = TEXT_INIT;

    assert_int_equal(file_read(path, 1000, &got, NULL), content ? 0 : -ENOENT);
    assert_string_equal(text_str(&got), content ? content : "");
}

/* What is known and which keys there are, as a program that begins now finds them. */
static void add_all(struct text *ret)
{
    struct stat st;

    file_sweep(config);
    add_state(db, ret);
    text_addc(ret, '\n');
    (void)file_read(fleet_path, 1000, ret, NULL);
    if (stat(ssh_path, &st) == 0 && S_ISREG(st.st_mode))
        (void)file_read(ssh_path, 1000, ret, NULL);
    text_addf(ret, "%d", folder_count(config));
}

/* --- taking ------------------------------------------------------------------------------- */

static void test_there_and_back(void **state)
{
    CLEANUP_TEXT struct text got = TEXT_INIT;
    CLEANUP(takeover_result_clear) struct takeover_result result = {0};
    CLEANUP(key_clear) struct key key = {{0}};
    const struct parcel p = parcel_of(ours, 7, true);
    struct stat st;

    (void)state;
    assert_int_equal(take(&p, false, &result, NULL), 0);
    assert_int_equal(result.count.machines, 3);
    assert_int_equal(result.count.pins, 2);
    assert_int_equal(result.count.names, 1);
    assert_null(result.copy);
    assert_string_equal(result.ssh_key, ssh_path);
    add_state(db, &got);
    assert_string_equal(text_str(&got), ours);
    assert_int_equal(key_read_fleet(config, &key, NULL), 1);
    assert_memory_equal(key.bytes, p.fleet_key.bytes, KEY_SIZE);
    text_reset(&got);
    assert_int_equal(file_read(ssh_path, 1000, &got, NULL), 0);
    assert_string_equal(text_str(&got), ssh_key);
    assert_int_equal(stat(ssh_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(folder_count(config), 3);
    must_take(&p, false); /* once more is fine */
}

static void test_a_plain_spec_alone_is_taken(void **state)
{
    static const char *const specs[] = {
        "/home/them/pydcop",
        "pydcop",
        "pydcop==",
        "==1",
        "pydcop==0.1.2 --index-url=http://x",
        "-r==1",
        "pydcop @ git+https://example.org/x",
        "https://example.org/x==1",
        "./x==1",
        "pydcop==1;x",
        "pydcop===1",
        "pydcop==1=2",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
        CLEANUP(state_free_p) struct state *s = NULL;
        CLEANUP_FREE char *spec = NULL;
        char json[300];
        struct parcel p;

        (void)snprintf(json, sizeof(json),
                       "{\"machines\":[],\"pins\":[],\"names\":[],\"seqs\":[],"
                       "\"pydcop\":\"%s\"}",
                       specs[i]);
        p = parcel_of(json, 7, false);
        must_take(&p, true);
        assert_int_equal(state_open(db, &s, NULL), 0);
        assert_int_equal(state_setting_get(s, STATE_SETTING_SPEC, &spec, NULL), -ENOENT);
    }
}

static void test_what_is_known_better_here_stays(void **state)
{
    CLEANUP(takeover_result_clear) struct takeover_result kept = {0}, same = {0}, replaced = {0};
    CLEANUP_TEXT struct text got = TEXT_INIT;
    const struct parcel p = parcel_of(ours, 7, false);

    (void)state;
    must_take(&p, false);
    change("UPDATE machines SET address='10.0.0.9', last_seen=3000 WHERE id='" ONE "'");
    change("UPDATE machines SET host='old', last_seen=0 WHERE id='" KEY_B "'");
    change("UPDATE pins SET source='accept'");
    assert_int_equal(take(&p, false, &same, NULL), 0);
    assert_null(same.spec); /* it is the one here */
    change("UPDATE settings SET value='pydcop==9' WHERE key='spec'");
    assert_int_equal(take(&p, false, &kept, NULL), 0);
    assert_null(kept.spec);
    add_state(db, &got);
    assert_non_null(strstr(text_str(&got), "10.0.0.9"));
    assert_null(strstr(text_str(&got), "\"host\":\"old\""));
    assert_non_null(strstr(text_str(&got), "pydcop==9"));
    assert_null(strstr(text_str(&got), "\"question\""));
    assert_null(strstr(text_str(&got), "\"signature\""));
    assert_int_equal(take(&p, true, &replaced, NULL), 0);
    assert_string_equal(replaced.spec, "pydcop==0.1.2");
    text_reset(&got);
    add_state(db, &got);
    assert_string_equal(text_str(&got), ours);
}

static void test_a_seq_never_becomes_lower(void **state)
{
    CLEANUP(state_free_p) struct state *s = NULL;
    const struct parcel p = parcel_of(ours, 7, false);

    (void)state;
    must_take(&p, false);
    assert_int_equal(state_open(db, &s, NULL), 0);
    assert_int_equal(state_seq_put(s, ONE, KEY_ZERO, 50, NULL), 0);
    must_take(&p, true);
    assert_int_equal(state_seq_check(s, ONE, KEY_ZERO, 49, NULL), -ESTALE);
}

/* --- what is here ---------------------------------------------------------------------------- */

static void assert_refused(const struct parcel *p, int code, const char *words)
{
    CLEANUP(takeover_result_clear) struct takeover_result result = {0};
    CLEANUP_TEXT struct text before = TEXT_INIT, after = TEXT_INIT;
    struct error err = {0};
    int files;

    add_all(&before);
    files = folder_count(state_folder);
    assert_int_equal(take(p, false, &result, &err), code);
    if (!strstr(err.text, words))
        fail_msg("'%s' does not say '%s'", err.text, words);
    add_all(&after);
    assert_string_equal(text_str(&after), text_str(&before));
    assert_int_equal(folder_count(state_folder), files);
}

static void test_nothing_is_lost_unasked(void **state)
{
    static const char *const more[] = {
        "INSERT INTO machines(id, first_seen, last_seen) VALUES('" TWO "', 1, 1)",
        "INSERT INTO pins(id, fingerprint, source, created) VALUES('2222222222222222', '" KEY_A
        "', 'trust', 1)",
        "UPDATE pins SET fingerprint='" KEY_A "' WHERE id='" TWO "'",
        "UPDATE pins SET retired=1 WHERE fingerprint='" KEY_ZERO
        "'; UPDATE pins SET retired=NULL WHERE id='" ONE "' AND fingerprint='" KEY_A "'",
        "UPDATE names SET id='" TWO "' WHERE agent='a1'",
        "INSERT INTO names VALUES('lab', 'a1', '" ONE "', 0, 1, 1)",
        "INSERT INTO seqs VALUES('2222222222222222', '" KEY_A "', 1)",
    };
    const struct parcel p = parcel_of(ours, 7, false);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
        must_take(&p, true);
        change(more[i]);
        assert_refused(&p, -EEXIST, "of 1 machine (");
    }
}

static void test_keys_are_not_lost_unasked(void **state)
{
    const struct parcel first = parcel_of(ours, 7, true), other = parcel_of(ours, 8, true),
                        none = parcel_of(ours, 0, true);
    struct parcel ssh = first;

    (void)state;
    must_take(&first, false);
    assert_refused(&other, -EEXIST, "this computer has another fleet key");
    assert_refused(&none, -EEXIST, "this computer has a fleet key, and the file has none");
    ssh.ssh_key_size--;
    assert_refused(&ssh, -EEXIST, "another SSH key in");
    ssh.ssh_key = NULL; /* then the one that is here stays */
    must_take(&ssh, false);
    assert_int_equal(folder_count(config), 3);
}

static void test_replacing_keeps_a_copy(void **state)
{
    CLEANUP(takeover_result_clear) struct takeover_result result = {0};
    CLEANUP_TEXT struct text got = TEXT_INIT;
    CLEANUP(key_clear) struct key key = {{0}};
    CLEANUP_FREE char *copy = NULL;
    const struct parcel first = parcel_of(ours, 7, true), second = parcel_of(theirs, 0, false);
    struct stat st;

    (void)state;
    must_take(&first, true); /* nothing was there: no copy */
    assert_int_equal(take(&second, true, &result, NULL), 0);
    assert_int_equal(key_read_fleet(config, &key, NULL), 0);
    assert_non_null(result.copy);
    assert_int_equal(stat(result.copy, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(folder_count(result.copy), 3);
    assert_int_equal(key_read_fleet(result.copy, &key, NULL), 1);
    assert_memory_equal(key.bytes, first.fleet_key.bytes, KEY_SIZE);
    copy = path_join(result.copy, "state.db");
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    add_state(copy, &got);
    assert_string_equal(text_str(&got), ours);
    text_reset(&got);
    add_state(db, &got);
    assert_non_null(strstr(text_str(&got), "1111111111111111"));
    assert_null(strstr(text_str(&got), ONE));
}

static void test_replacing_takes_the_ssh_key_away(void **state)
{
    CLEANUP(takeover_result_clear) struct takeover_result kept = {0}, went = {0};
    const struct parcel first = parcel_of(ours, 7, true), none = parcel_of(ours, 7, false);
    CLEANUP_FREE char *copy = NULL;

    (void)state;
    must_take(&first, false);
    assert_int_equal(take(&none, false, &kept, NULL), 0);
    assert_string_equal(kept.ssh_key, ssh_path);
    assert_false(kept.ssh_key_went);
    assert_int_equal(take(&none, true, &went, NULL), 0);
    assert_null(went.ssh_key);
    assert_true(went.ssh_key_went);
    assert_file(ssh_path, NULL);
    copy = path_join(went.copy, PATHS_SSH_KEY_FILE);
    assert_file(copy, ssh_key);
    assert_int_equal(folder_count(config), 2);
}

/* In there nothing can be moved to the SSH key's path. */
static void take_with_busy_key(const struct parcel *p)
{
    struct takeover_result result = {0};
    struct error err = {0};
    int r;

    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount(ssh_path, ssh_path, NULL, MS_BIND, NULL) < 0)
        _exit(77);
    r = take(p, true, &result, &err);
    if (r == 0 || !result.taken || !result.copy || !strstr(err.text, ssh_path))
        fprintf(stderr, "%d '%s'\n", r, err.text);
    _exit(r == 0 || !result.taken || !result.copy || !strstr(err.text, ssh_path));
}

static void test_taken_with_keys_not_in_place(void **state)
{
    const struct parcel first = parcel_of(theirs, 9, true), second = parcel_of(ours, 7, true);
    struct parcel other = second;
    CLEANUP_TEXT struct text got = TEXT_INIT;
    pid_t pid;
    int status;

    (void)state;
    must_take(&first, false);
    other.ssh_key_size--;
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        take_with_busy_key(&other);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
    add_state(db, &got); /* the next program ends it */
    assert_string_equal(text_str(&got), ours);
    text_reset(&got);
    assert_int_equal(file_read(ssh_path, 1000, &got, NULL), 0);
    assert_int_equal(got.size, other.ssh_key_size);
    assert_int_equal(folder_count(config), 3);
}

static void test_a_key_here_that_others_can_read(void **state)
{
    const struct parcel p = parcel_of(ours, 7, true);
    char elsewhere[128];

    (void)state;
    must_take(&p, false);
    assert_int_equal(chmod(ssh_path, 0640), 0);
    assert_refused(&p, -EPERM, "chmod 600");
    assert_int_equal(chmod(ssh_path, 0600), 0);
    (void)snprintf(elsewhere, sizeof(elsewhere), "%s/fifo", folder);
    assert_int_equal(rename(ssh_path, elsewhere), 0);
    assert_int_equal(mkfifo(ssh_path, 0600), 0);
    assert_refused(&p, -EBADMSG, "not a regular file");
    assert_int_equal(rename(elsewhere, ssh_path), 0);
}

static void test_a_huge_seq_is_exported(void **state)
{
    CLEANUP_TEXT struct text got = TEXT_INIT;
    const struct parcel p = parcel_of(ours, 7, false);

    (void)state;
    must_take(&p, false);
    change("UPDATE seqs SET seq=9223372036854775807");
    add_state(db, &got);
    assert_non_null(strstr(text_str(&got), "\"seq\":9007199254740992"));
}

/* --- hostile content -----------------------------------------------------------------------------
 */

static void test_hostile_content(void **state)
{
    /* In the place of `what`, which is there once. */
    static const struct {
        const char *what, *becomes, *words;
    } rows[] = {
        {"{\"machines\"", "[{\"machines\"", "no JSON"},
        {"\"seqs\"", "\"sex\"", "seqs are no list"},
        {"\"seqs\":[{", "\"seqs\":[[],{", "row 1 of its seqs: it is no object"},
        {"\"seq\":41", "\"seq\":-1", "row 1 of its seqs: 'seq' is not valid"},
        {"\"seq\":41", "\"seq\":9007199254740993", "'seq'"},
        {"\"seq\":41", "\"seq\":1.5", "'seq'"},
        {"\"seqs\"", "\"more\":1,\"seqs\"", "that this dcop does not know"},
        {"\"seq\":41", "\"seq\":\"1\"", "'seq'"},
        {"\"seq\":41", "\"seq\":41,\"x\":1", "a value of an unknown kind"},
        {"\"id\":\"" KEY_B "\",\"first", "\"id\":\"../x\",\"first", "row 2 of its machines: 'id'"},
        {"\"id\":\"" KEY_B "\",\"first", "\"id\":\"" ONE "\",\"first", "it is there twice"},
        {"\"id\":\"" TWO "\",\"fing", "\"id\":\"" ONE "\",\"fing", "row 3 of its pins: it is "},
        {"rpi-1.local", "rpi\\u001b[2J", "'host'"},
        {"rpi-1.local", "rpi\\u0000", "no JSON"},
        {"\"port\":2222", "\"port\":65536", "'port'"},
        {"\"user\":\"pi\"", "\"user\":\"-x\"", "'user'"},
        {"\"arch\":\"arm64\"", "\"arch\":\"a b\"", "'arch'"},
        {"\"last_seen\":2000", "\"last_seen\":9223372036854775807", "'last_seen'"},
        {"\"question\"", "\"word\"", "'source'"},
        {"\"AAAA\"", "\"AAAB\"", "row 2 of its pins: its values do not fit"},
        {"\"key_type\":\"ssh-ed25519\",", "", "do not fit"},
        {"ssh-ed25519", "ssh ed25519", "'key_type'"},
        {"\"agent\":\"a1\"", "\"agent\":\"\"", "'agent'"},
        {"\"agent\":\"a1\"", "\"agent\":\"a\\n1\"", "'agent'"},
        {"\"agent\":\"a1\"", "\"agent\":\"a2\"", "row 2 of its names: it is there twice"},
        {"\"agent\":\"a1\",", "", "'agent'"},
        {"\"held\":1", "\"held\":2", "'held'"},
        {"\"pydcop==0.1.2\"", "7", "'pydcop'"},
    };
    const struct parcel here = parcel_of(theirs, 9, false);

    (void)state;
    must_take(&here, false);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_TEXT struct text json = TEXT_INIT;
        const char *at = strstr(ours, rows[i].what);
        struct parcel p;

        assert_non_null(at);
        text_add(&json, ours, (size_t)(at - ours));
        text_adds(&json, rows[i].becomes);
        text_adds(&json, at + strlen(rows[i].what));
        p = parcel_of(text_str(&json), 9, false);
        assert_refused(&p, -EBADMSG, rows[i].words);
    }
}

/* --- killed in the middle
 * ------------------------------------------------------------------------- */

/* Takes over in a process that is killed at its system call number `calls`.  Returns true
 * when it lived to the end. */
static bool take_until(const struct parcel *p, int calls)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        struct takeover_result result = {0};

        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(2);
        (void)raise(SIGSTOP);
        _exit(take(p, true, &result, NULL) < 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    for (int i = 0; WIFSTOPPED(status); i++) {
        if (i < calls)
            assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        else
            assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
    }
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFEXITED(status);
}

/* A program with another state, and the same settings, begins. */
static void settle_another(void)
{
    CLEANUP(state_free_p) struct state *s = NULL;
    char other[128], file[160];
    struct paths paths_of = {.state = other, .db = file};

    (void)snprintf(other, sizeof(other), "%s/other", folder);
    (void)snprintf(file, sizeof(file), "%s/state.db", other);
    assert_int_equal(state_open(file, &s, NULL), 0);
    assert_int_equal(takeover_settle(s, &paths_of, config, NULL), 0);
}

static int copies_count(void)
{
    DIR *d = opendir(state_folder);
    const struct dirent *entry;
    int n = 0;

    while (d && (entry = readdir(d)))
        n += strncmp(entry->d_name, "before-import-", 14) == 0;
    if (d)
        (void)closedir(d);
    return n;
}

static void test_killed_in_the_middle(void **state)
{
    CLEANUP_TEXT struct text old = TEXT_INIT, new = TEXT_INIT;
    const struct parcel first = parcel_of(theirs, 9, false), second = parcel_of(ours, 7, true);
    int kept = 0, done = 0;
    bool lived = false;

    (void)state;
    must_take(&second, false);
    add_all(&new);
    folder_remove(folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    must_take(&first, false);
    add_all(&old);
    for (int calls = 1; !lived; calls += 1 + calls % 7) {
        CLEANUP_TEXT struct text got = TEXT_INIT;

        lived = take_until(&second, calls);
        settle_another();
        add_all(&got);
        if (strcmp(text_str(&got), text_str(&old)) == 0) {
            kept++;
            assert_int_equal(copies_count(), 0);
            continue;
        }
        if (strcmp(text_str(&got), text_str(&new)) != 0)
            fail_msg("killed at call %d, neither old nor new: %s", calls, text_str(&got));
        done++;
        assert_int_equal(copies_count(), 1);
        folder_remove(folder);
        assert_int_equal(mkdir(folder, 0700), 0);
        must_take(&first, false);
    }
    assert_true(kept > 50);
    assert_true(done > 5);
}

/* Whether the process waits for a lock: proc_locks(5). */
static bool waits(pid_t pid)
{
    CLEANUP_TEXT struct text locks = TEXT_INIT;
    char words[64];

    assert_int_equal(file_read("/proc/locks", 1 << 20, &locks, NULL), 0);
    (void)snprintf(words, sizeof(words), "-> FLOCK  ADVISORY  WRITE %d ", (int)pid);
    return strstr(text_str(&locks), words);
}

static int import_other(void)
{
    const struct parcel other = parcel_of(ours, 8, true);
    struct takeover_result result = {0};

    return -take(&other, false, &result, NULL);
}

/* `trust fleet-key`: with an import at work, one is there when it looks. */
static int make_fleet_key(void)
{
    char word[] = "fleet-key", *arguments[] = {word, NULL};
    struct deploy_options o = {.config_dir = config, .arguments = arguments, .n_arguments = 1};
    const struct remembered v = {.options = &o};
    struct text said = TEXT_INIT;
    struct error err;

    return -trust_report(&v, &said, &err);
}

/* What changes the keys waits for an import that does. */
static void assert_waits(int (*changer)(void), int expected)
{
    CLEANUP_CLOSE int lock = takeover_lock(config, NULL);
    pid_t pid, ended = 0;
    int status = 0;

    assert_true(lock >= 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(lock); /* as the other's program does not have it */
        _exit(changer());
    }
    while (ended == 0 && !waits(pid)) {
        ended = waitpid(pid, &status, WNOHANG);
        (void)sched_yield();
    }
    assert_int_equal(ended, 0); /* it has looked at no key yet */
    (void)close(TAKE_FD(lock));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), expected);
}

static void test_changes_of_keys_are_serialised(void **state)
{
    const struct parcel first = parcel_of(ours, 7, true);

    (void)state;
    must_take(&first, false);
    assert_waits(import_other, EEXIST);
    assert_waits(make_fleet_key, 0);
}

/* --- what the state database says is hostile, too ----------------------------------------------
 */

#define TOKEN "20260101T000000Z-0123456789abcdef"

static void put_words(const char *format, const char *path)
{
    char words[600], sql[700];

    (void)snprintf(words, sizeof(words), format, path);
    (void)snprintf(sql, sizeof(sql), "INSERT OR REPLACE INTO settings VALUES('import', '%s')",
                   words);
    change(sql);
}

static int settle(const char *in, struct error *err)
{
    CLEANUP(state_free_p) struct state *s = NULL;

    assert_int_equal(state_open(db, &s, NULL), 0);
    return takeover_settle(s, &paths, in, err);
}

static void test_words_name_no_path(void **state)
{
    static const char *const lines[] = {
        "remove %s",
        "put %s",
        "put fleet /../../victim",
        "remove fleet",
        "remove ../victim " TOKEN,
        "remove fleet ../victim",
        "remove fleet 20260101T000000Z-0123456789abcde/",
        "drop ../victim",
        "in a\nin b",
        "put fleet " TOKEN " x",
        "in %%",
    };
    const struct parcel p = parcel_of(ours, 7, true);
    CLEANUP_TEXT struct text fleet = TEXT_INIT;
    char victim[128];

    (void)state;
    must_take(&p, false);
    assert_int_equal(file_read(fleet_path, 1000, &fleet, NULL), 0);
    (void)snprintf(victim, sizeof(victim), "%s/victim", folder);
    put_file(victim, "mine");
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct error err = {0};

        put_words(lines[i], victim);
        assert_true(settle(config, &err) < 0);
        assert_true(*err.text);
        assert_file(victim, "mine");
        assert_file(fleet_path, text_str(&fleet));
        assert_file(ssh_path, ssh_key);
    }
}

static void test_a_key_that_is_nowhere_is_told(void **state)
{
    const struct parcel p = parcel_of(ours, 7, false);
    struct error err = {0};
    char beside[256];

    (void)state;
    must_take(&p, false);
    put_words("in %s\nremove fleet " TOKEN, "/elsewhere");
    assert_int_equal(settle(config, &err), -ENOENT);
    assert_non_null(strstr(err.text, "give --config /elsewhere"));
    assert_int_equal(access(fleet_path, F_OK), 0);
    put_words("put ssh " TOKEN, NULL);
    assert_int_equal(settle(config, &err), -ENOENT);
    (void)snprintf(beside, sizeof(beside), "%s.import-" TOKEN, ssh_path);
    put_file(beside, "it is here");
    assert_int_equal(settle(config, NULL), 0);
    assert_file(ssh_path, "it is here");
    assert_file(beside, NULL);
    assert_int_equal(settle(config, NULL), 0); /* nothing is pending */
}

static void test_what_is_dropped_is_its_own(void **state)
{
    const struct parcel p = parcel_of(ours, 7, true);
    char own[256], other[256];

    (void)state;
    must_take(&p, false);
    (void)snprintf(own, sizeof(own), "%s.import-" TOKEN, ssh_path);
    (void)snprintf(other, sizeof(other), "%s.import-20260101T000000Z-1111111111111111", ssh_path);
    put_file(own, "own");
    put_file(other, "other");
    put_words("in %s\ndrop " TOKEN, "/elsewhere");
    assert_int_equal(settle("/nowhere", NULL), 0);
    assert_file(own, "own");
    put_words("in %s\ndrop " TOKEN, config);
    put_words("in /tmp\ndrop " TOKEN, NULL);
    assert_int_equal(settle(config, NULL), 0);
    assert_file(own, NULL);
    assert_file(other, "other");
    assert_file(ssh_path, ssh_key);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_there_and_back),
        TEST(test_a_plain_spec_alone_is_taken),
        TEST(test_what_is_known_better_here_stays),
        TEST(test_a_seq_never_becomes_lower),
        TEST(test_nothing_is_lost_unasked),
        TEST(test_keys_are_not_lost_unasked),
        TEST(test_replacing_keeps_a_copy),
        TEST(test_replacing_takes_the_ssh_key_away),
        TEST(test_taken_with_keys_not_in_place),
        TEST(test_a_key_here_that_others_can_read),
        TEST(test_a_huge_seq_is_exported),
        TEST(test_hostile_content),
        TEST(test_killed_in_the_middle),
        TEST(test_changes_of_keys_are_serialised),
        TEST(test_words_name_no_path),
        TEST(test_a_key_that_is_nowhere_is_told),
        TEST(test_what_is_dropped_is_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
