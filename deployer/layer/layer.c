#include "layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deployer/base/prune.h"
#include "deployer/wheel/name.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/clock.h"
#include "discovery/base/file.h"
#include "make.h"

/* Part of each name; to be changed when layers are made differently. */
#define LAYER_FORMAT "dcop-layer-1"

enum { PINS_MAX = 64 * 1024, LAYER_PACKED_MAX = 128 * 1024 * 1024 };

static const char *const architectures[] = {"amd64", "arm64"};

struct entry {
    char key[LAYER_KEY_MAX];
    char python[8];
    const char *arch;
    char name[DIGEST_LENGTH + 1];
    struct text pins;
    struct strings extra;   /* what pyDCOP requires beside that */
    pthread_mutex_t making; /* protects what follows */
    struct layer layer;     /* bytes NULL: not opened yet */
    struct error failure;
    int64_t failed_ms; /* 0: it did not fail */
};

struct layers {
    char *cache, *index;
    struct strings left_out;
    struct entry *items;
    size_t count;
    char *refusal; /* NULL: none */
};

void layers_free(struct layers *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->count; i++) {
        if (l->items[i].layer.bytes)
            (void)munmap((void *)(uintptr_t)l->items[i].layer.bytes, l->items[i].layer.size);
        text_clear(&l->items[i].pins);
        strings_clear(&l->items[i].extra);
        (void)pthread_mutex_destroy(&l->items[i].making);
    }
    free(l->items);
    free(l->cache);
    free(l->index);
    strings_clear(&l->left_out);
    free(l->refusal);
    free(l);
}

/* --- the pins --------------------------------------------------------------- */

/* The lines that are neither empty nor comments. */
static int add_lines(const char *text, struct strings *ret)
{
    for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
        size_t size = strcspn(text, "\n");

        if (size > 0 && *text != '#' && strings_addn(ret, text, size) < 0)
            return -ENOMEM;
    }
    return 0;
}

static void make_name(const struct layers *l, struct entry *e)
{
    struct digest d;

    digest_init(&d);
    digest_adds(&d, LAYER_FORMAT);
    digest_adds(&d, e->key);
    digest_adds(&d, text_str(&e->pins));
    for (size_t i = 0; i < l->left_out.count; i++)
        digest_adds(&d, l->left_out.items[i]);
    for (size_t i = 0; i < e->extra.count; i++)
        digest_adds(&d, e->extra.items[i]);
    digest_end(&d, e->name);
}

/* One that names a bound or an extra is not: pip is to say whether the pinned version fits. */
static bool is_provided(const char *requirement, const struct strings *pinned)
{
    /* In pyDCOP's own bundle, see wheel.c. */
    static const char bundled[] = "websocket-server";
    CLEANUP_FREE char *name = strndup(requirement, wheel_requirement_name(requirement));

    if (!name || wheel_name_equal(name, bundled))
        return true;
    if (requirement[wheel_requirement_name(requirement)] != '\0')
        return false;
    for (size_t i = 0; i < pinned->count; i++) {
        CLEANUP_FREE char *other =
            strndup(pinned->items[i], wheel_requirement_name(pinned->items[i]));

        if (other && wheel_name_equal(name, other))
            return true;
    }
    return false;
}

static int add_extra(struct entry *e, const struct strings *requires)
{
    CLEANUP_STRINGS struct strings pinned = {0};
    int r = requires ? add_lines(text_str(&e->pins), &pinned) : 0;

    for (size_t i = 0; requires && i < requires->count && r == 0; i++)
        if (!is_provided(requires->items[i], &pinned))
            r = strings_add(&e->extra, requires->items[i]);
    return r;
}

static int add_entry(struct layers *l, const char *python, const char *arch,
                     const struct text *pins, const struct strings *requires)
{
    struct entry *grown = reallocarray(l->items, l->count + 1, sizeof(*grown)), *e;

    if (!grown)
        return -ENOMEM;
    l->items = grown;
    e = &l->items[l->count];
    *e = (struct entry){.arch = arch};
    (void)snprintf(e->python, sizeof(e->python), "%.7s", python);
    (void)snprintf(e->key, sizeof(e->key), "%.7s-%.8s", python, arch);
    l->count++;
    text_add(&e->pins, pins->data, pins->size);
    if (text_error(&e->pins) < 0 || add_extra(e, requires) < 0)
        return -ENOMEM;
    make_name(l, e);
    return 0;
}

static int is_python(const struct dirent *d)
{
    return strncmp(d->d_name, "3.", 2) == 0 && strlen(d->d_name) < 8 &&
           d->d_name[2 + strspn(d->d_name + 2, "0123456789")] == '\0';
}

static int read_left_out(struct layers *l, const char *folder, struct error *err)
{
    CLEANUP_FREE char *path = path_join(folder, "left-out");
    CLEANUP_TEXT struct text text = TEXT_INIT;
    int r = path ? file_read(path, PINS_MAX, &text, err) : -ENOMEM;

    if (r == 0)
        r = add_lines(text_str(&text), &l->left_out);
    return r == -ENOMEM ? error_sys(err, r, "cannot read the layers' pins") : r;
}

static int read_python(struct layers *l, const char *folder, const char *python,
                       const struct strings *requires, struct error *err)
{
    CLEANUP_FREE char *path = path_join(folder, python);
    CLEANUP_TEXT struct text pins = TEXT_INIT;
    int r = path ? file_read(path, PINS_MAX, &pins, err) : -ENOMEM;

    for (size_t i = 0; i < ARRAY_SIZE(architectures) && r == 0; i++)
        r = add_entry(l, python, architectures[i], &pins, requires);
    return r == -ENOMEM ? error_sys(err, r, "cannot read the layers' pins") : r;
}

static int read_pins(struct layers *l, const char *folder, const struct strings *requires,
                     struct error *err)
{
    struct dirent **names = NULL;
    int n, r = read_left_out(l, folder, err);

    if (r < 0)
        return r;
    n = scandir(folder, &names, is_python, alphasort);
    if (n < 0)
        return error_sys(err, -errno, "cannot read %s", folder);
    for (int i = 0; i < n; i++) {
        if (r == 0)
            r = read_python(l, folder, names[i]->d_name, requires, err);
        free(names[i]);
    }
    free(names);
    return r;
}

int layers_open(const struct paths *paths, const char *index, const struct strings *requires,
                struct layers **ret, struct error *err)
{
    struct layers *l = calloc(1, sizeof(*l));
    int r = 0;

    if (!l)
        return error_sys(err, -ENOMEM, "cannot prepare the layers");
    l->cache = path_join(paths->cache, "layers");
    l->index = index ? strdup(index) : NULL;
    if (!l->cache || (index && !l->index))
        r = error_sys(err, -ENOMEM, "cannot prepare the layers");
    if (r == 0 && paths->pins)
        r = read_pins(l, paths->pins, requires, err);
    for (size_t i = 0; i < l->count; i++)
        (void)pthread_mutex_init(&l->items[i].making, NULL);
    if (r < 0) {
        layers_free(l);
        return r;
    }
    *ret = l;
    return 0;
}

void layers_add_settings(const struct layers *l, struct text *to)
{
    for (size_t i = 0; i < l->count; i++)
        text_addf(to, "layer %s %s\n", l->items[i].key, l->items[i].name);
}

bool layers_have(const struct layers *l, const char *python, const char *arch)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->items[i].arch, arch) == 0 &&
            (!python || strcmp(l->items[i].python, python) == 0))
            return true;
    return false;
}

/* --- the cache -------------------------------------------------------------- */

/* Maps the file with this digest.  -ENOENT when there is none, or it is damaged. */
static int map_layer(const char *path, const char *digest, struct layer *ret)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    void *bytes;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
        st.st_size > LAYER_PACKED_MAX)
        return -ENOENT;
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return -ENOMEM;
    digest_bytes(bytes, (size_t)st.st_size, ret->digest);
    if (strcmp(ret->digest, digest) != 0) {
        (void)munmap(bytes, (size_t)st.st_size);
        return -ENOENT;
    }
    ret->bytes = bytes;
    ret->size = (size_t)st.st_size;
    prune_used(path);
    return 0;
}

static char *layer_path(const struct layers *l, const char *digest)
{
    char *path;

    return asprintf(&path, "%s/%s.tar.gz", l->cache, digest) < 0 ? NULL : path;
}

static char *answer_path(const struct layers *l, const char *name)
{
    char *path;

    return asprintf(&path, "%s/by-name/%s", l->cache, name) < 0 ? NULL : path;
}

static int read_answer(const struct layers *l, const char *name, char ret[static DIGEST_LENGTH + 1])
{
    CLEANUP_FREE char *answer = answer_path(l, name);
    CLEANUP_TEXT struct text digest = TEXT_INIT;

    if (!answer)
        return -ENOMEM;
    if (file_read(answer, DIGEST_LENGTH, &digest, NULL) < 0 || digest.size != DIGEST_LENGTH ||
        strspn(text_str(&digest), "0123456789abcdef") != DIGEST_LENGTH)
        return -ENOENT;
    (void)snprintf(ret, DIGEST_LENGTH + 1, "%s", text_str(&digest));
    return 0;
}

static int find_layer(const struct layers *l, const char *name, struct layer *ret)
{
    CLEANUP_FREE char *path = NULL;
    char digest[DIGEST_LENGTH + 1];
    int r = read_answer(l, name, digest);

    if (r < 0)
        return r;
    path = layer_path(l, digest);
    return path ? map_layer(path, digest, ret) : -ENOMEM;
}

static int store_layer(const struct layers *l, const char *name, const struct text *bytes,
                       struct error *err)
{
    CLEANUP_FREE char *answers = path_join(l->cache, "by-name"), *path = NULL, *answer = NULL;
    char digest[DIGEST_LENGTH + 1];
    int r;

    digest_bytes(bytes->data, bytes->size, digest);
    path = layer_path(l, digest);
    answer = answer_path(l, name);
    if (!answers || !path || !answer)
        return error_sys(err, -ENOMEM, "cannot store the layer");
    r = make_folders(answers, 0755, err);
    if (r == 0)
        r = file_write(path, bytes->data, bytes->size, 0644, err);
    if (r == 0)
        r = file_write(answer, digest, DIGEST_LENGTH, 0644, err);
    prune_oldest(l->cache, ".tar.gz", LAYERS_KEPT);
    prune_answers(answers, l->cache, ".tar.gz");
    return r;
}

static int make_layer(const struct layers *l, struct entry *e, int cancel_fd, struct error *err)
{
    const struct layer_source source = {.python = e->python,
                                        .arch = e->arch,
                                        .name = e->name,
                                        .pins = &e->pins,
                                        .extra = &e->extra,
                                        .left_out = &l->left_out,
                                        .index = l->index};
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    int r = layer_make(&source, cancel_fd, &bytes, err);

    if (r == 0)
        r = store_layer(l, e->name, &bytes, err);
    if (r < 0)
        return r;
    r = find_layer(l, e->name, &e->layer);
    return r < 0 ? error_sys(err, r, "cannot read the layer back from %s", l->cache) : 0;
}

void layers_refuse(struct layers *l, const char *why)
{
    l->refusal = strdup(why);
}

/* With the entry's lock. */
static int open_layer(const struct layers *l, struct entry *e, int cancel_fd, struct error *err)
{
    int r = find_layer(l, e->name, &e->layer);

    if (r == -ENOENT)
        return make_layer(l, e, cancel_fd, err);
    return r < 0 ? error_sys(err, r, "cannot read the layer") : 0;
}

static struct entry *find_entry(const struct layers *l, const char *key)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->items[i].key, key) == 0)
            return &l->items[i];
    return NULL;
}

const char *layers_key(const struct layers *l, size_t index)
{
    return index < l->count ? l->items[index].key : NULL;
}

int layers_recall(const struct layers *l, const char *key, char ret[static DIGEST_LENGTH + 1])
{
    const struct entry *e = find_entry(l, key);
    CLEANUP_FREE char *path = NULL;
    int r = e && !l->refusal ? read_answer(l, e->name, ret) : -ENOENT;

    if (r < 0)
        return r;
    path = layer_path(l, ret);
    if (!path)
        return -ENOMEM;
    prune_used(path); /* a machine may want it */
    return 0;
}

bool layers_is_to_be_made(struct layers *l, const char *key)
{
    struct entry *e = find_entry(l, key);
    bool made;

    if (!e || l->refusal)
        return false;
    if (pthread_mutex_trylock(&e->making) != 0)
        return true;
    made = e->layer.bytes || find_layer(l, e->name, &e->layer) == 0;
    (void)pthread_mutex_unlock(&e->making);
    return !made;
}

int layers_get(struct layers *l, const char *key, int cancel_fd, const struct layer **ret,
               struct error *err)
{
    struct entry *e = find_entry(l, key);
    int r = 0;

    if (!e)
        return error_set(err, -ENOENT, "there is no layer for %s", key);
    if (l->refusal)
        return error_set(err, -EBADMSG, "%s; give --deps apt", l->refusal);
    (void)pthread_mutex_lock(&e->making);
    if (!e->layer.bytes &&
        (e->failed_ms == 0 || clock_ms(CLOCK_MONOTONIC) - e->failed_ms > LAYER_RETRY_MS)) {
        e->failure = (struct error){0};
        r = open_layer(l, e, cancel_fd, &e->failure);
        e->failed_ms = r < 0 && r != -ECANCELED ? clock_ms(CLOCK_MONOTONIC) : 0;
    } else if (!e->layer.bytes)
        r = e->failure.code;
    if (r < 0)
        (void)error_set(err, r, "%s", e->failure.text);
    else
        *ret = &e->layer;
    (void)pthread_mutex_unlock(&e->making);
    return r;
}
