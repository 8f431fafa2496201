#include "gather.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "discovery/base/cleanup.h"
#include "machine.h"
#include "status.h"
#include "take-key.h"

void gathered_clear(struct gathered *g)
{
    advert_clear(&g->advert);
    strings_clear(&g->problems);
    *g = (struct gathered){0};
}

/* systemd gives an empty credential where there is no key file. */
static int read_key(struct gather *g, struct error *err)
{
    struct error why = {0};
    int r = g->places.key_file ? key_load(g->places.key_file, &g->key, &why) : -ENOENT;

    g->has_key = r == 0;
    if (r == 0 || r == -ENOENT || r == -ENODATA)
        return 0;
    (void)error_prefix(&why, "records are not signed");
    g->key_error = strdup(why.text);
    return g->key_error ? 0 : error_sys(err, -ENOMEM, "cannot start");
}

int gather_init(struct gather *g, const struct gather_places *places, const char *config, bool keep,
                struct error *err)
{
    static const struct {
        const char *path;
        bool whole; /* false for the card's file: people edit it with any editor */
    } files[GATHER_FILES] = {
        {"/etc/dcop/beacon.conf", true},
        {"/boot/firmware/dcop-agent.conf", false}, /* since Debian 12 */
        {"/boot/dcop-agent.conf", false},
    };

    int r;

    *g = (struct gather){.places = *places};
    for (size_t i = 0; i < GATHER_FILES; i++) {
        g->files[i].whole = files[i].whole;
        if (i == 0 && config)
            g->files[i].path = strdup(config);
        else if (asprintf(&g->files[i].path, "%s%s", places->root, files[i].path) < 0)
            g->files[i].path = NULL;
        if (!g->files[i].path) {
            gather_clear(g);
            return error_sys(err, -ENOMEM, "cannot start");
        }
    }
    r = identity_read(places->root, places->state_folder, keep, &g->identity, err);
    if (r == 0 && err->code < 0) { /* there is an id, and a problem to report */
        g->identity_error = strdup(err->text);
        r = g->identity_error ? 0 : error_sys(err, -ENOMEM, "cannot start");
    }
    if (r == 0)
        r = read_key(g, err);
    if (r == 0)
        r = sequence_init(&g->sequence, places->state_folder, keep && g->has_key, err);
    if (r < 0)
        gather_clear(g);
    return r;
}

void gather_clear(struct gather *g)
{
    for (size_t i = 0; i < GATHER_FILES; i++)
        settings_file_clear(&g->files[i]);
    free(TAKE_PTR(g->identity_error));
    free(TAKE_PTR(g->key_error));
    sequence_clear(&g->sequence);
    key_clear(&g->key);
}

static int read_settings(struct gather *g, struct gathered *to)
{
    CLEANUP(settings_clear) struct settings s = SETTINGS_INIT;

    g->unfinished = false;
    for (size_t i = 0; i < GATHER_FILES; i++) {
        if (settings_file_read(&g->files[i]) < 0)
            return -ENOMEM;
        g->unfinished = g->unfinished || g->files[i].unfinished;
    }
    if (settings_merge(g->places.options, g->files, GATHER_FILES, &s) < 0)
        return -ENOMEM;
    to->advert.fleet = TAKE_PTR(s.fleet);
    to->advert.user = TAKE_PTR(s.user);
    to->advert.agents = s.agents;
    s.agents = (struct strings){0};
    to->problems = s.errors;
    s.errors = (struct strings){0};
    to->port = (uint16_t)(s.port > 0 ? s.port : GATHER_PORT_DEFAULT);
    return 0;
}

static void read_machine(const char *root, struct advert *a)
{
    const char *arch = machine_arch();

    a->hostkey = machine_hostkey(root);
    a->os = machine_os(root);
    a->arch = arch ? strdup(arch) : NULL;
    a->python = machine_python(root);
    a->model = machine_model(root);
}

/* What the agents say is wrong comes after the machine's own problems. */
static int read_status(const char *root, struct gathered *to)
{
    CLEANUP(status_clear) struct status status;

    status_read(root, &status);
    to->advert.state = status.state;
    to->advert.pydcop = TAKE_PTR(status.pydcop);
    return status.error ? strings_add(&to->problems, status.error) : 0;
}

/* dcop-beacon --take-key should have erased it before the beacon started. */
static bool fleet_key_is_there(const struct gather *g)
{
    for (const char *const *name = take_key_fleet_files; *name; name++) {
        char path[512];

        if (snprintf(path, sizeof(path), "%s%s", g->places.root, *name) < (int)sizeof(path) &&
            access(path, F_OK) == 0)
            return true;
    }
    return false;
}

#define CLONE_WORDS                                                                                \
    "another machine has this id: clones of one image; on this one: " ADVERT_CLONE_REMEDY

_Static_assert(sizeof(CLONE_WORDS) - 1 <= ADVERT_ERROR_MAX, "the record has all of it");

/* An id from the board or its network card has not been copied with a disk. */
static const char *words_for_renamed(const struct gather *g)
{
    if (g->identity.kind == IDENTITY_MACHINE_ID)
        return CLONE_WORDS;
    return "another machine on this network has this id, too: a clone of this one, or an impostor";
}

static int add_problems(const struct gather *g, struct gathered *to)
{
    const char *first;
    int r = 0;

    if (g->renamed)
        r = strings_add(&to->problems, words_for_renamed(g));
    if (r == 0 && g->identity_error)
        r = strings_add(&to->problems, g->identity_error);
    if (r == 0 && g->key_error)
        r = strings_add(&to->problems, g->key_error);
    if (r == 0 && g->sequence.trouble)
        r = strings_add(&to->problems, g->sequence.trouble);
    if (r == 0 && fleet_key_is_there(g))
        r = strings_add(&to->problems, "the fleet key is still on the boot partition: "
                                       "delete dcop-fleet.key there");
    if (r == 0 && !to->advert.hostkey)
        r = strings_add(&to->problems, "no SSH host key in /etc/ssh: is openssh-server installed?");
    if (r == 0)
        r = read_status(g->places.root, to);
    if (r == 0 && to->problems.count > 0) {
        first = g->renamed ? words_for_renamed(g) : to->problems.items[0];
        to->advert.error = strdup(first);
        r = to->advert.error ? 0 : -ENOMEM;
    }
    return r;
}

int gather_read(struct gather *g, struct gathered *ret)
{
    CLEANUP(gathered_clear) struct gathered to = {0};

    memcpy(to.advert.id, g->identity.id, sizeof(to.advert.id));
    if (read_settings(g, &to) < 0)
        return -ENOMEM;
    read_machine(g->places.root, &to.advert);
    if (add_problems(g, &to) < 0)
        return -ENOMEM;
    *ret = to;
    to = (struct gathered){0};
    return 0;
}
