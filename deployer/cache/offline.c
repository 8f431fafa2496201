#include "offline.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include "deployer/base/folder.h"
#include "discovery/base/file.h"
#include "discovery/base/process.h"

enum {
    PORT_FIRST = 20000, /* apt-cacher-ng takes none above 32767 */
    PORTS = 12000,
    TRIES = 5,
    START_MS = 10 * 1000,
    LOOK_MS = 20,
};

/* apt-cacher-ng runs in a thread, because process_run only returns when it has ended. */
struct cache_offline {
    char *conf, *work, *url;
    uint16_t port;
    pthread_t thread;
    int cancel, lock; /* lock: of `work` */
    atomic_bool ended;
    struct process_result result;
    struct error error;
};

static struct sockaddr_in address_of(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static bool port_is_free(uint16_t port)
{
    const struct sockaddr_in a = address_of(port);
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;
}

static bool port_answers(uint16_t port)
{
    const struct sockaddr_in a = address_of(port);
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;
}

static uint16_t choose_port(void)
{
    unsigned start = 0;

    /* A random start makes it unlikely that two programs choose the same port; if they do, one
     * of the two servers ends, and its program tries another port. */
    if (getrandom(&start, sizeof(start), 0) != sizeof(start))
        start = (unsigned)getpid();
    for (unsigned i = 0; i < PORTS; i++) {
        uint16_t port = (uint16_t)(PORT_FIRST + (start + i) % PORTS);

        if (port_is_free(port))
            return port;
    }
    return 0;
}

/* The full path, for users whose PATH has no sbin. */
static const char program[] = "/usr/sbin/apt-cacher-ng";

static void *run_cacher(void *arg)
{
    struct cache_offline *o = arg;
    CLEANUP_FREE char *port = NULL, *log = NULL, *socket = NULL;

    if (asprintf(&port, "Port=%u", o->port) < 0)
        port = NULL;
    if (asprintf(&log, "LogDir=%s", o->work) < 0)
        log = NULL;
    if (asprintf(&socket, "SocketPath=%s/socket", o->work) < 0)
        socket = NULL;
    if (port && log && socket) {
        const char *argv[] = {access(program, X_OK) == 0 ? program : "apt-cacher-ng", "-c", o->conf,
                              "ForeGround=1", "BindAddress=127.0.0.1", port, log, socket,
                              "Offlinemode=1",
                              /* No report page, and no file expires. */
                              "ReportPage=", "ExThreshold=100000", NULL};
        const struct process_options options = {.argv = argv, .cancel_fd = o->cancel};
        int r = process_run(&options, &o->result, &o->error);

        if (r == -ENOENT)
            (void)error_set(&o->error, -ENOPKG,
                            "this controller has no apt-cacher-ng (apt install apt-cacher-ng)");
    }
    o->ended = true;
    return NULL;
}

static void end_cacher(struct cache_offline *o)
{
    (void)eventfd_write(o->cancel, 1);
    (void)pthread_join(o->thread, NULL);
}

/* 0: it answers; -EAGAIN: it has ended, and another port may work. */
static int start_once(struct cache_offline *o, struct error *err)
{
    int r;

    o->port = choose_port();
    o->ended = false;
    process_result_clear(&o->result);
    r = o->port ? -pthread_create(&o->thread, NULL, run_cacher, o) : -EADDRINUSE;
    if (r < 0)
        return error_sys(err, r, "cannot start apt-cacher-ng");
    for (unsigned waited = 0; waited < START_MS && !o->ended; waited += LOOK_MS) {
        const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};

        /* Wait first: if another program has the port, apt-cacher-ng ends. */
        (void)nanosleep(&pause, NULL);
        if (port_answers(o->port) && !o->ended)
            return 0;
    }
    r = o->ended ? -EAGAIN : -ETIMEDOUT;
    end_cacher(o);
    if (o->error.code == -ENOPKG)
        return error_set(err, -ENOPKG, "%s", o->error.text);
    {
        CLEANUP_TEXT struct text words = TEXT_INIT;

        text_add_printable(&words, text_str(&o->result.errors));
        return error_set(err, r, "apt-cacher-ng does not start in offline mode: %.300s",
                         words.size ? text_str(&words) : "it printed nothing");
    }
}

void cache_offline_free(struct cache_offline *o)
{
    if (o->url)
        end_cacher(o);
    if (o->work)
        folder_remove(o->work);
    cleanup_close(&o->cancel);
    cleanup_close(&o->lock);
    process_result_clear(&o->result);
    free(o->conf);
    free(o->work);
    free(o->url);
    free(o);
}

int cache_offline_start(const char *conf, const char *work, struct cache_offline **ret,
                        struct error *err)
{
    CLEANUP(cache_offline_free_p) struct cache_offline *o = calloc(1, sizeof(*o));
    int r = -EAGAIN;

    if (!o)
        return error_sys(err, -ENOMEM, "cannot start apt-cacher-ng");
    o->lock = -1;
    o->cancel = eventfd(0, EFD_CLOEXEC);
    o->conf = strdup(conf);
    o->work = strdup(work);
    if (o->cancel < 0 || !o->conf || !o->work)
        return error_sys(err, -ENOMEM, "cannot start apt-cacher-ng");
    r = make_folders(work, 0700, err);
    if (r < 0)
        return r;
    o->lock = folder_lock(work);
    r = -EAGAIN;
    for (unsigned i = 0; i < TRIES && r == -EAGAIN; i++) {
        eventfd_t ignored;

        if (i > 0)
            (void)eventfd_read(o->cancel, &ignored);
        r = start_once(o, err);
    }
    if (r < 0)
        return r;
    if (asprintf(&o->url, "http://127.0.0.1:%u", o->port) < 0) {
        o->url = NULL;
        end_cacher(o);
        return error_sys(err, -ENOMEM, "cannot start apt-cacher-ng");
    }
    *ret = TAKE_PTR(o);
    return 0;
}

const char *cache_offline_url(const struct cache_offline *o)
{
    return o->url;
}
