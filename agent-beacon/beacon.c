#include "beacon.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <systemd/sd-daemon.h>

#include "discovery/advert/sign.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/digest.h"
#include "discovery/base/file-watch.h"
#include "discovery/base/options.h"
#include "gather.h"
#include "log.h"
#include "machine.h"
#include "publisher.h"
#include "status.h"
#include "take-key.h"

/* Exit codes, as of all programs (dist/doc/scripting.md). */
enum { EXIT_BAD_USAGE = 2, EXIT_NOT_HERE = 3, WATCHES_MAX = 16 };

struct beacon_options {
    struct settings settings;
    const char *config, *state_folder, *root, *key;
    enum log_level level;
    bool print, take_key, help, version;
};

struct beacon {
    struct log log;
    sd_event *loop;
    struct gather gather;
    struct publisher *publisher;
    struct file_watch *watches[WATCHES_MAX];
    size_t n_watches;
    struct file_watch *version_watch;   /* one of them */
    struct file_watch *error_watch;     /* likewise */
    struct strings told;                /* problems that are in the log */
    uint64_t seq;                       /* of the record on the air */
    uint8_t signed_digest[DIGEST_SIZE]; /* of that record, to see whether it says something new */
    sd_event_source *again;             /* while a settings file may be half-written */
    bool ready;
};

static int store_agent(void *into, const char *value, struct error *err)
{
    return settings_set(&((struct beacon_options *)into)->settings, "agent", value, err);
}

static int store_fleet(void *into, const char *value, struct error *err)
{
    return settings_set(&((struct beacon_options *)into)->settings, "fleet", value, err);
}

static int store_user(void *into, const char *value, struct error *err)
{
    return settings_set(&((struct beacon_options *)into)->settings, "user", value, err);
}

static int store_port(void *into, const char *value, struct error *err)
{
    return settings_set(&((struct beacon_options *)into)->settings, "port", value, err);
}

static int store_absolute(const char **field, const char *value, struct error *err)
{
    if (value[0] != '/')
        return error_set(err, -EINVAL, "'%s' is not an absolute path", value);
    *field = value;
    return 0;
}

static int store_config(void *into, const char *value, struct error *err)
{
    return store_absolute(&((struct beacon_options *)into)->config, value, err);
}

static int store_state(void *into, const char *value, struct error *err)
{
    return store_absolute(&((struct beacon_options *)into)->state_folder, value, err);
}

static int store_root(void *into, const char *value, struct error *err)
{
    return store_absolute(&((struct beacon_options *)into)->root, value, err);
}

static int store_key(void *into, const char *value, struct error *err)
{
    return store_absolute(&((struct beacon_options *)into)->key, value, err);
}

static int store_take_key(void *into, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct beacon_options *)into)->take_key = true;
    return 0;
}

static int store_print(void *into, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct beacon_options *)into)->print = true;
    return 0;
}

static int store_verbose(void *into, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct beacon_options *)into)->level = LOG_LEVEL_DEBUG;
    return 0;
}

static int store_quiet(void *into, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct beacon_options *)into)->level = LOG_LEVEL_ERROR;
    return 0;
}

static int store_help(void *into, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct beacon_options *)into)->help = true;
    return 1;
}

static int store_version(void *into, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct beacon_options *)into)->version = true;
    return 1;
}

static const struct option_row rows[] = {
    {'\0', "agent", OPTION_REQUIRED, "NAME", "an agent on this machine; may be repeated",
     store_agent},
    {'f', "fleet", OPTION_REQUIRED, "NAME", "the fleet of this machine", store_fleet},
    {'\0', "user", OPTION_REQUIRED, "NAME", "the user for SSH", store_user},
    {'\0', "port", OPTION_REQUIRED, "N", "the SSH server's port (22)", store_port},
    {'\0', "config", OPTION_REQUIRED, "FILE", "read FILE instead of /etc/dcop/beacon.conf",
     store_config},
    {'\0', "state-dir", OPTION_REQUIRED, "DIR", "use DIR instead of /var/lib/dcop/beacon",
     store_state},
    {'\0', "key", OPTION_REQUIRED, "FILE",
     "sign with the machine's key in FILE; not needed\nwith the systemd credential dcop-key",
     store_key},
    {'\0', "take-key", OPTION_NONE, NULL,
     "make the machine's key from dcop-fleet.key on\nthe boot partition, erase that file, and exit",
     store_take_key},
    {'\0', "print", OPTION_NONE, NULL, "show the record and exit", store_print},
    {'v', "verbose", OPTION_NONE, NULL, "log more", store_verbose},
    {'q', "quiet", OPTION_NONE, NULL, "log errors only", store_quiet},
    {'h', "help", OPTION_NONE, NULL, "show this help", store_help},
    {'V', "version", OPTION_NONE, NULL, "show the version", store_version},
    /* For tests: a folder in front of all paths that are read. */
    {'\0', "root", OPTION_REQUIRED, "DIR", NULL, store_root},
    {'\0', NULL, OPTION_NONE, NULL, NULL, NULL},
};

static int write_stdout(const struct text *text)
{
    const char *at = text_str(text);
    size_t left = text->size;

    if (text_error(text) < 0)
        return EXIT_NOT_HERE;
    while (left > 0) {
        ssize_t n = write(STDOUT_FILENO, at, left);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return EXIT_NOT_HERE;
        at += n;
        left -= (size_t)n;
    }
    return EXIT_SUCCESS;
}

static int show_help(void)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;

    text_adds(&text, "Usage: dcop-beacon [OPTION…]\n"
                     "Advertises this machine and its DCOP agents on the network, by mDNS.\n"
                     "Needs no configuration.\n\n");
    options_help(rows, &text);
    return write_stdout(&text);
}

static int show_version(void)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;

    text_adds(&text, "dcop-beacon " DCOP_VERSION "\n");
    return write_stdout(&text);
}

/* Prints the record for people: one pair on each line. */
static int show_record(const uint8_t *txt, size_t size)
{
    CLEANUP_TEXT struct text text = TEXT_INIT;

    for (size_t at = 0; at < size; at += 1 + (size_t)txt[at]) {
        char pair[ADVERT_PAIR_MAX + 1];

        memcpy(pair, txt + at + 1, txt[at]);
        pair[txt[at]] = '\0';
        text_add_printable(&text, pair);
        text_addc(&text, '\n');
    }
    return write_stdout(&text);
}

/* Logs each problem once, and again when it comes back. */
static void log_problems(struct beacon *b, struct strings *problems)
{
    for (size_t i = 0; i < problems->count; i++)
        if (!strings_has(&b->told, problems->items[i]))
            log_line(&b->log, LOG_LEVEL_ERROR, "%s", problems->items[i]);
    strings_clear(&b->told);
    b->told = *problems;
    *problems = (struct strings){0};
}

/* Encodes as advert_encode does and signs. A record with new content gets a new
 * sequence number. */
static int encode_signed(struct beacon *b, struct gathered *g, struct publisher_record *ret)
{
    uint8_t digest[DIGEST_SIZE];
    int r = 0;

    for (int tries = 0; tries < 2; tries++) {
        g->advert.seq = b->seq;
        r = advert_encode_within(&g->advert, ADVERT_SIGNED_MAX, ret->txt, &ret->txt_size);
        if (r < 0)
            return r;
        digest_hmac(&ret->port, sizeof(ret->port), ret->txt, ret->txt_size, digest);
        if (b->seq > 0 && (tries > 0 || memcmp(digest, b->signed_digest, sizeof(digest)) == 0))
            break;
        b->seq = sequence_next(&b->gather.sequence);
    }
    memcpy(b->signed_digest, digest, sizeof(digest));
    if (advert_sign(ret->txt, &ret->txt_size, ret->port, &b->gather.key) < 0)
        return -EINVAL; /* cannot happen: it is our own record */
    return r;
}

static int make_record(struct beacon *b, struct gathered *g, struct publisher_record *ret)
{
    int left_out;

    memcpy(ret->id, g->advert.id, sizeof(ret->id));
    ret->fleet = g->advert.fleet;
    ret->port = g->port;
    left_out = b->gather.has_key ? encode_signed(b, g, ret)
                                 : advert_encode(&g->advert, ret->txt, &ret->txt_size);
    if (left_out > 0) {
        CLEANUP_TEXT struct text words = TEXT_INIT;

        text_addf(&words, "%d of %zu agent names do not fit the record", left_out,
                  g->advert.agents.count);
        if (strings_add(&g->problems, text_str(&words)) < 0)
            return -ENOMEM;
    }
    log_problems(b, &g->problems);
    return left_out < 0 ? left_out : 0;
}

/* The beacon waits for days after it has read its files. This returns to the
 * system the memory that reading took of the stack (below this frame; a page is
 * left for the call) and of the heap. */
static __attribute__((noinline)) void give_memory_back(void)
{
    enum { STACK_USED_MAX = 65536 };
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t end = ((uintptr_t)__builtin_frame_address(0) - page) / page * page;

    (void)malloc_trim(0);
    (void)madvise((void *)(end - STACK_USED_MAX), STACK_USED_MAX, MADV_DONTNEED);
}

/* Publishes what the files say now. */
static void read_and_publish(struct beacon *b)
{
    CLEANUP(gathered_clear) struct gathered g = {0};
    struct publisher_record record = {0};
    int r = gather_read(&b->gather, &g);

    if (r == 0)
        r = make_record(b, &g, &record);
    if (r == 0)
        r = publisher_set(b->publisher, &record);
    if (r < 0)
        log_line(&b->log, LOG_LEVEL_ERROR, "cannot read the settings: %s", strerror(-r));
}

enum { AGAIN_MS = SETTINGS_STILL_MS + 100 };

static int on_again(sd_event_source *source, uint64_t usec, void *arg);

/* A file that is written for good makes no more noise: it is looked at again, once. */
static void refresh_record(struct beacon *b)
{
    read_and_publish(b);
    b->again = sd_event_source_disable_unref(b->again);
    if (b->gather.unfinished)
        (void)sd_event_add_time_relative(b->loop, &b->again, CLOCK_MONOTONIC,
                                         (uint64_t)AGAIN_MS * 1000, 0, on_again, b);
    give_memory_back();
}

static int on_again(sd_event_source *source, uint64_t usec, void *arg)
{
    (void)source, (void)usec;
    refresh_record(arg);
    return 0;
}

static void on_change(void *userdata)
{
    refresh_record(userdata);
}

/* The path to the version leads through this link. */
static void on_current(void *userdata)
{
    struct beacon *b = userdata;

    if (b->version_watch)
        file_watch_again(b->version_watch);
    refresh_record(b);
}

/* The agents' notes are in a file system that was mounted before this file changed. */
static void on_state(void *userdata)
{
    struct beacon *b = userdata;

    if (b->error_watch)
        file_watch_again(b->error_watch);
    refresh_record(b);
}

static void on_publisher(enum publisher_state state, const char *words, void *userdata)
{
    struct beacon *b = userdata;
    char line[512];

    switch (state) {
    case PUBLISHER_STARTING:
        return;
    case PUBLISHER_RETRYING:
    case PUBLISHER_WAITING:
        break;
    case PUBLISHER_REGISTERING:
        log_line(&b->log, LOG_LEVEL_DEBUG, "registering %s", words);
        return;
    case PUBLISHER_PUBLISHED:
        break;
    }
    (void)snprintf(line, sizeof(line), state == PUBLISHER_PUBLISHED ? "published %s" : "%s", words);
    log_line(&b->log, LOG_LEVEL_NOTICE, "%s", line);
    if (state == PUBLISHER_PUBLISHED && b->gather.renamed != publisher_is_renamed(b->publisher)) {
        b->gather.renamed = !b->gather.renamed;
        refresh_record(b);
    }
    /* Waiting counts as ready: the boot must not wait for Avahi. */
    (void)sd_notifyf(0, "%sSTATUS=%s", b->ready ? "" : "READY=1\n", line);
    b->ready = true;
    give_memory_back();
}

static struct file_watch *add_watch(struct beacon *b, const char *root, const char *path,
                                    file_watch_callback changed)
{
    CLEANUP_FREE char *full = NULL;
    struct file_watch *w = NULL;
    struct error err;

    if (asprintf(&full, "%s%s", root, path) < 0) {
        full = NULL;
        return NULL;
    }
    if (b->n_watches < WATCHES_MAX && file_watch_new(b->loop, full, changed, b, &w, &err) < 0)
        log_line(&b->log, LOG_LEVEL_ERROR, "%s; restart dcop-beacon after a change there",
                 err.text);
    if (w)
        b->watches[b->n_watches++] = w;
    return w;
}

static void add_watches(struct beacon *b)
{
    const char *root = b->gather.places.root;

    for (size_t i = 0; i < GATHER_FILES; i++)
        (void)add_watch(b, "", b->gather.files[i].path, on_change);
    (void)add_watch(b, root, STATUS_STATE_FILE, on_state);
    b->error_watch = add_watch(b, root, STATUS_ERROR_FILE, on_change);
    (void)add_watch(b, root, STATUS_CURRENT, on_current);
    b->version_watch = add_watch(b, root, STATUS_VERSION_FILE, on_change);
    for (const char *const *path = machine_hostkey_paths; *path; path++)
        (void)add_watch(b, root, *path, on_change);
}

static int run_beacon(struct beacon *b, struct error *err)
{
    int r = sd_event_new(&b->loop);

    if (r < 0)
        return error_sys(err, r, "cannot start");
    r = publisher_new(b->loop, on_publisher, b, &b->publisher, err);
    if (r < 0)
        return r;
    add_watches(b); /* first, so that no change in between is missed */
    refresh_record(b);
    r = sd_event_loop(b->loop);
    return r < 0 ? error_sys(err, r, "the event loop failed") : 0;
}

/* What is on the stack while the beacon waits is its memory for days, so what has ended by then,
 * and has large values, is not inlined into what has not. */
#define BEFORE_THE_WAIT __attribute__((noinline))

static BEFORE_THE_WAIT int print_record(struct beacon *b)
{
    CLEANUP(gathered_clear) struct gathered g = {0};
    struct publisher_record record = {0};

    int r = gather_read(&b->gather, &g);

    if (r == 0 && b->gather.unfinished) {
        gathered_clear(&g);
        (void)poll(NULL, 0, AGAIN_MS); /* there is nothing to wait for but that nothing happens */
        r = gather_read(&b->gather, &g);
    }
    if (r < 0 || make_record(b, &g, &record) < 0)
        return EXIT_NOT_HERE;
    return show_record(record.txt, record.txt_size);
}

static void beacon_clear(struct beacon *b)
{
    for (size_t i = 0; i < b->n_watches; i++)
        file_watch_free(b->watches[i]);
    (void)sd_event_source_disable_unref(b->again);
    publisher_free(b->publisher);
    gather_clear(&b->gather);
    strings_clear(&b->told);
    sd_event_unref(b->loop);
}

/* systemd.exec(5): the folders of StateDirectory=, separated by ':'; the first
 * is ours. */
static char *state_folder(const struct beacon_options *o)
{
    const char *given = getenv("STATE_DIRECTORY");
    char *folder;

    if (o->state_folder)
        return strdup(o->state_folder);
    if (given && *given == '/')
        return strndup(given, strcspn(given, ":"));
    return asprintf(&folder, "%s/var/lib/dcop/beacon", o->root) < 0 ? NULL : folder;
}

/* The file with the machine's key: systemd's credential comes first. */
static char *key_file(const struct beacon_options *o)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char *path;

    if (!folder || *folder != '/')
        return strdup(o->key ? o->key : "");
    return asprintf(&path, "%s/dcop-key", folder) < 0 ? NULL : path;
}

static BEFORE_THE_WAIT int take_fleet_key(const struct beacon_options *o, const struct log *log)
{
    CLEANUP_FREE char *state = state_folder(o);
    struct error err = {0};
    int r = state ? take_key(o->root, state, &err) : error_sys(&err, -ENOMEM, "cannot start");

    if (r < 0) {
        log_line(log, LOG_LEVEL_ERROR, "%s", err.text);
        return EXIT_NOT_HERE;
    }
    log_line(log, r > 0 ? LOG_LEVEL_NOTICE : LOG_LEVEL_DEBUG, "%s",
             r > 0 ? "this machine has its key; the fleet key is erased"
                   : "no dcop-fleet.key on the boot partition");
    return EXIT_SUCCESS;
}

static int start_beacon(const struct beacon_options *o)
{
    CLEANUP(beacon_clear) struct beacon b = {
        .log = {.level = o->level, .journal = log_is_journal()}};
    CLEANUP_FREE char *state = state_folder(o), *key = key_file(o);
    const struct gather_places places = {o->root, state, &o->settings, key && *key ? key : NULL};
    struct error err = {0};

    if (o->take_key)
        return take_fleet_key(o, &b.log);
    if (!state || !key || gather_init(&b.gather, &places, o->config, !o->print, &err) < 0) {
        log_line(&b.log, LOG_LEVEL_ERROR, "%s", *err.text ? err.text : strerror(ENOMEM));
        return EXIT_NOT_HERE;
    }
    if (o->print)
        return print_record(&b);
    if (run_beacon(&b, &err) < 0) {
        log_line(&b.log, LOG_LEVEL_ERROR, "%s", err.text);
        return EXIT_NOT_HERE;
    }
    return EXIT_SUCCESS;
}

static void options_clear(struct beacon_options *o)
{
    settings_clear(&o->settings);
}

/* False: the program has nothing more to do, and ends with this code. */
static BEFORE_THE_WAIT bool read_options(int argc, char **argv, struct beacon_options *ret,
                                         int *ret_code)
{
    const struct log log = {.level = LOG_LEVEL_ERROR, .journal = log_is_journal()};
    struct error err = {0};
    int first, r = options_parse(rows, argc, argv, ret, &first, &err);

    if (ret->help || ret->version) {
        *ret_code = ret->help ? show_help() : show_version();
        return false;
    }
    if (r == 0 && first < argc)
        r = error_set(&err, -EINVAL, "unexpected argument '%s'; see --help", argv[first]);
    if (r < 0) {
        log_line(&log, LOG_LEVEL_ERROR, "%s", err.text);
        *ret_code = EXIT_BAD_USAGE;
        return false;
    }
    return true;
}

int beacon_main(int argc, char **argv)
{
    CLEANUP(options_clear)
    struct beacon_options o = {.root = "", .level = LOG_LEVEL_NOTICE};
    int code;

    return read_options(argc, argv, &o, &code) ? start_beacon(&o) : code;
}
