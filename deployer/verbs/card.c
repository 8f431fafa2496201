/*
 * `card`: prepares the boot partition of a written card, so that the machine comes up with
 * SSH, a user, its name and the beacon, and is trusted by the fleet key.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/cdrom.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "card-common.h"
#include "card-name.h"
#include "card-show.h"
#include "deployer/card/apply.h"
#include "deployer/card/device.h"
#include "deployer/card/plan.h"
#include "deployer/card/watch.h"
#include "discovery/base/file.h"
#include "discovery/base/terminal.h"
#include "verbs.h"

OPTION_ONE(struct deploy_options, agent)
OPTION_ONE(struct deploy_options, hostname)
OPTION_ONE(struct deploy_options, wifi)
OPTION_ONE(struct deploy_options, wifi_country)
OPTION_ONE(struct deploy_options, wifi_password_file)
OPTION_ONE(struct deploy_options, cloud_init)
OPTION_ONE(struct deploy_options, preseed)
OPTION_ONE(struct deploy_options, labels)
OPTION_FLAG(struct deploy_options, sudo_free)
OPTION_FLAG(struct deploy_options, replace)
OPTION_FLAG(struct deploy_options, undo)
OPTION_FLAG(struct deploy_options, watch)

/* Without its row getopt would take it for --wifi-password-file. */
static int refuse_password(void *into, const char *value, struct error *err)
{
    (void)into, (void)value;
    return error_set(err, -EINVAL,
                     "a password on the command line is visible to every user of this computer; "
                     "--wifi asks for it, or takes it from --wifi-password-file or "
                     "DCOP_WIFI_PASSWORD");
}

static const struct option_row options[] = {
    {0, "agent", OPTION_REQUIRED, "NAME",
     "the agent name; with -p: the next name of the\nproblem that no card and no machine has",
     set_agent},
    {0, "hostname", OPTION_REQUIRED, "NAME",
     "default: made from the agent's name, else by each\nmachine from its id", set_hostname},
    {0, "wifi", OPTION_REQUIRED, "SSID", "this wireless network; its password is asked for",
     set_wifi},
    {0, "wifi-country", OPTION_REQUIRED, "CC", "two capitals; default: of LC_ALL or LANG",
     set_wifi_country},
    {0, "wifi-password-file", OPTION_REQUIRED, "FILE",
     "its first line is that password; else\nDCOP_WIFI_PASSWORD", set_wifi_password_file},
    {0, "wifi-password", OPTION_OPTIONAL, NULL, NULL, refuse_password},
    {0, "sudo-free", OPTION_NONE, NULL,
     "sudo asks for no password, although the user has\none (--ask-pass, --password-file)",
     set_sudo_free},
    {0, "replace", OPTION_NONE, NULL, "also a card that was set up before", set_replace},
    {0, "undo", OPTION_NONE, NULL, "remove what this program has written", set_undo},
    {0, "watch", OPTION_NONE, NULL, "prepare each card that is put in, until all names\nhave one",
     set_watch},
    {0, "labels", OPTION_REQUIRED, "FILE", "add a label for the case to this page of HTML",
     set_labels},
    {0, "cloud-init", OPTION_REQUIRED, "DIR",
     "write a NoCloud seed for a virtual machine there:\nuser-data and meta-data", set_cloud_init},
    {0, "preseed", OPTION_REQUIRED, "DIR",
     "write a fragment for Debian's installer there, and\nthe archive for its medium", set_preseed},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

/* --- one card ---------------------------------------------------------------------------- */

struct one {
    char id[CARD_ID_LENGTH + 1];
    char hostname[CARD_HOSTNAME_MAX + 1]; /* "": each machine makes its own */
    const char *agent, *fleet;            /* borrowed; NULL: none */
};

static void make_wish(const struct deploy_options *o, const struct card_common *c,
                      const struct one *one, struct card_wish *ret)
{
    *ret = (struct card_wish){
        .agent = one->agent,
        .fleet = one->fleet,
        .user = o->user ? o->user : "pi",
        .hostname = *one->hostname ? one->hostname : NULL,
        .password = c->password,
        .sudo_asks = c->password && !o->sudo_free,
        .keys = &c->keys,
        .ssid = o->wifi,
        .passphrase = c->wifi ? secret_text(c->wifi) : NULL,
        .country = c->country,
        .fleet_key = c->has_fleet_key ? &c->fleet_key : NULL,
        .id = one->id,
        .setup = text_str(&c->setup),
        .setup_size = c->setup.size,
        .beacons = &c->beacons,
    };
}

static int begin_one(const struct deploy_options *o, const char *agent, struct one *ret,
                     struct error *err)
{
    uint8_t random[CARD_ID_LENGTH / 2];

    if (sodium_init() < 0)
        return error_set(err, -EIO, "cannot draw a random number");
    randombytes_buf(random, sizeof(random));
    *ret = (struct one){.agent = agent, .fleet = o->fleet};
    sodium_bin2hex(ret->id, sizeof(ret->id), random, sizeof(random));
    if (o->hostname && strlen(o->hostname) > CARD_HOSTNAME_MAX)
        return error_set(err, -EINVAL, "the host name has more than %d bytes", CARD_HOSTNAME_MAX);
    if (o->hostname)
        (void)snprintf(ret->hostname, sizeof(ret->hostname), "%s", o->hostname);
    else if (agent && !card_hostname(agent, ret->hostname))
        ret->hostname[0] = '\0';
    return 0;
}

/* -EINVAL when somebody has set the card up. */
static int check_fresh(const struct deploy_options *o, const char *folder,
                       const struct card_look *look, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;
    CLEANUP_FREE char *names = NULL;

    if (look->occupied)
        return error_set(err, -EINVAL,
                         "%s has a folder " CARD_FOLDER
                         " that is not of this program: rename or remove it",
                         folder);
    if (o->replace)
        return 0;
    if (look->prepared && !look->unfinished) {
        card_show_add_former(look, &words);
        return error_set(err, -EINVAL,
                         "the card in %s %s; --replace prepares it anew, --undo takes it back",
                         folder, text_str(&words));
    }
    if (look->strays.count == 0)
        return 0;
    names = strings_join(&look->strays, ", ");
    if (look->format == CARD_CLOUD_INIT && !strings_has(&look->strays, "user-data"))
        return error_set(err, -EINVAL,
                         "%s has files of an older Raspberry Pi Imager (%s), which this image does "
                         "not read: it uses cloud-init; --replace removes them and goes on",
                         folder, names ? names : "");
    return error_set(err, -EINVAL,
                     "somebody has set the card in %s up already (%s); --replace drops that and "
                     "goes on",
                     folder, names ? names : "");
}

/* --- the work ----------------------------------------------------------------------------------
 */

static int undo_former(struct program *p, const char *folder, struct card_look *look,
                       struct error *err)
{
    CLEANUP(card_look_clear) struct card_look former = *look;
    int r;

    *look = (struct card_look){0};
    r = card_undo(folder, &former, err);
    if (r == 0)
        r = card_name_release(p, &former, err);
    return r == 0 ? card_look(folder, look, err) : r;
}

static int write_card(struct program *p, const char *folder, const struct card_look *look,
                      const struct card_wish *w, struct error *err)
{
    CLEANUP(card_plan_clear) struct content plan = {0};
    CLEANUP_FREE char *former = NULL;
    int r = card_plan(look, w, &plan, err);

    if (r == 0)
        r = card_name_claim(p, w, &former, err);
    if (r < 0)
        return r;
    r = card_apply(folder, look, &plan, err);
    return card_name_settle(p, w, former, r, err);
}

static int prepare(struct program *p, const struct card_common *c, const char *folder,
                   struct error *err)
{
    CLEANUP(card_look_clear) struct card_look look = {0};
    CLEANUP_FREE char *agent = NULL;
    const char *name;
    struct card_wish w;
    struct one one;
    int r = card_look(folder, &look, err);

    if (r == 0)
        r = check_fresh(&p->options, card_common_place(c, folder), &look, err);
    if (r == 0)
        r = card_name_choose(p, &look, &name, err);
    if (r < 0)
        return r;
    r = begin_one(&p->options, name, &one, err);
    if (r < 0)
        return r;
    make_wish(&p->options, c, &one, &w);
    r = card_wish_check(&w, err);
    if (r == 0 && look.prepared)
        r = undo_former(p, folder, &look, err);
    if (r == 0) /* what it had replaced is there again */
        r = check_fresh(&p->options, card_common_place(c, folder), &look, err);
    if (r == 0)
        r = write_card(p, folder, &look, &w, err);
    return r == 0 ? card_show_prepared(&p->options, card_common_place(c, folder), &look, &w, err)
                  : r;
}

static int take_back(struct program *p, const struct card_common *c, const char *folder,
                     struct error *err)
{
    CLEANUP(card_look_clear) struct card_look look = {0};
    int r = card_look(folder, &look, err);

    if (r == 0 && !look.prepared)
        return error_set(err, -ENOENT, "the card in %s was not prepared by this program",
                         card_common_place(c, folder));
    if (r == 0)
        r = undo_former(p, folder, &look, err);
    if (r == 0 && p->options.json)
        return card_show_json("undone", card_common_place(c, folder), &look, NULL, err);
    if (r == 0) {
        CLEANUP_TEXT struct text words = TEXT_INIT;

        text_add_printable(&words, card_common_place(c, folder));
        text_adds(&words, " is as it was before\n");
        terminal_put(stdout, &words);
    }
    return r;
}

/* --- devices ---------------------------------------------------------------------------------- */

typedef int folder_work(struct program *p, const struct card_common *c, const char *folder,
                        struct error *err);

static int work_mounted(struct program *p, struct card_common *c, const char *node,
                        folder_work *work, struct error *err)
{
    CLEANUP_FREE char *there = NULL;
    char *mine = NULL;
    struct error why = {0};
    int r = card_device_mounted(node, &there, err), closed;

    if (r < 0)
        return r;
    if (there)
        return work(p, c, there, err);
    r = card_device_mount(node, &mine, err);
    if (r < 0)
        return r;
    c->device = node;
    r = work(p, c, mine, err);
    c->device = NULL;
    closed = card_device_unmount(mine, &why);
    return r == 0 && closed < 0 ? error_set(err, closed, "%s", why.text) : r;
}

static bool is_device(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISBLK(st.st_mode);
}

static int work_path(struct program *p, struct card_common *c, const char *path, folder_work *work,
                     struct error *err)
{
    CLEANUP_FREE char *real = NULL, *node = NULL;
    int r;

    if (!is_device(path))
        return work(p, c, path, err);
    real = realpath(path, NULL); /* /dev/disk/by-id/… */
    if (!real)
        return error_sys(err, -errno, "cannot look at %s", path);
    r = card_device_find("/sys/class/block", "/dev", strrchr(real, '/') + 1, &node, err);
    return r == 0 ? work_mounted(p, c, node, work, err) : r;
}

/* Whole, or not begun: who stops the program gets the card back as one or the other. */
static int work_held(struct program *p, struct card_common *c, const char *path, folder_work *work,
                     struct error *err)
{
    sigset_t held, before;
    int r;

    (void)sigemptyset(&held);
    (void)sigaddset(&held, SIGINT);
    (void)sigaddset(&held, SIGTERM);
    (void)sigaddset(&held, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &held, &before) < 0)
        return error_sys(err, -errno, "cannot work on %s", path);
    r = work_path(p, c, path, work, err);
    (void)fflush(stdout);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return r;
}

/* --- --watch ------------------------------------------------------------------------------------
 */

struct watched {
    struct program *program;
    struct card_common *common;
};

/* A card that was prepared before, by this controller or another, is told and left. */
static int prepare_watched(struct program *p, const struct card_common *c, const char *folder,
                           struct error *err)
{
    CLEANUP(card_look_clear) struct card_look look = {0};
    CLEANUP(card_look_clear) struct card_look after = {0};
    CLEANUP_TEXT struct text words = TEXT_INIT;
    int r = card_look(folder, &look, err);

    if (r < 0)
        return r;
    if (look.prepared && !look.unfinished && !p->options.replace) {
        if (p->options.json)
            return card_show_json("known", card_common_place(c, folder), &look, NULL, err);
        card_show_banner(&p->options, look.agent);
        text_adds(&words, "This card ");
        card_show_add_former(&look, &words);
        text_adds(&words, "; it is left as it is\n");
        terminal_put(stdout, &words);
        return 0;
    }
    r = prepare(p, c, folder, err);
    if (r == 0)
        r = card_look(folder, &after, err);
    if (r == 0)
        card_show_banner(&p->options, after.agent);
    return r;
}

/* As far as the reader can. */
static void eject(const char *name)
{
    CLEANUP_FREE char *node = path_join("/dev", name);
    CLEANUP_CLOSE int fd = node ? open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;

    if (fd >= 0)
        (void)ioctl(fd, CDROMEJECT);
}

static int on_card(const char *name, void *arg, struct error *err)
{
    struct watched *w = arg;
    CLEANUP_FREE char *node = NULL;
    struct error why = {0};
    int r = card_device_find("/sys/class/block", "/dev", name, &node, &why);

    if (r == -ENOENT)
        return -EAGAIN;
    r = r == 0 ? work_mounted(w->program, w->common, node, prepare_watched, &why) : r;
    if (r < 0) {
        CLEANUP_TEXT struct text words = TEXT_INIT;

        text_add_printable(&words, why.text);
        if (r == -EPERM || r == -EACCES)
            return error_set(err, r, "%s", why.text);
        fprintf(stderr, "dcop-deploy: %s\n", text_str(&words));
        fprintf(stderr, "Take that card out; waiting for the next one.\n");
        return 0;
    }
    eject(name);
    r = card_names_end(w->program, err);
    if (!w->program->options.json && r == 0)
        printf("Take the card out; waiting for the next one.\n");
    if (!w->program->options.json && r == 1)
        printf("Take the card out. Every name of the problem has a card or a machine.\n");
    (void)fflush(stdout);
    return r;
}

static void on_strange(const char *name, void *arg)
{
    (void)arg;
    fprintf(stderr,
            "dcop-deploy: /dev/%s has no boot partition (FAT): write an image of Raspberry Pi OS "
            "to the card first\n",
            name);
}

static void on_begin(void *arg)
{
    const struct watched *w = arg;

    if (w->program->options.json)
        return;
    printf("Put the first card in; one that is in already must come out first. Ctrl-C ends.\n");
    (void)fflush(stdout);
}

static int watch_cards(struct program *p, struct card_common *c, struct error *err)
{
    static const struct card_watch_events events = {
        .on_begin = on_begin, .on_card = on_card, .on_strange = on_strange};
    struct watched w = {.program = p, .common = c};
    int r = card_names_end(p, err);

    if (r == 1)
        return error_set(err, -ENOENT, "each of the problem's %zu names has a card or a machine",
                         p->problem.agents.count);
    if (r < 0)
        return r;
    return card_watch(&events, &w, err);
}

/* --- a virtual machine --------------------------------------------------------------------------
 */

static int write_seed(struct program *p, const struct card_common *c, struct error *err)
{
    const char *folder = p->options.cloud_init ? p->options.cloud_init : p->options.preseed;
    CLEANUP(card_plan_clear) struct content plan = {0};
    CLEANUP_FREE char *former = NULL;
    struct card_look look = {.format = CARD_CLOUD_INIT};
    const char *name;
    struct card_wish w;
    struct one one;
    int r = card_name_choose(p, &look, &name, err);

    if (r == 0)
        r = begin_one(&p->options, name, &one, err);
    if (r < 0)
        return r;
    make_wish(&p->options, c, &one, &w);
    r = p->options.cloud_init ? card_plan_seed(&w, &plan, err) : card_plan_preseed(&w, &plan, err);
    if (r == 0)
        r = make_folders(folder, 0700, err);
    if (r == 0)
        r = card_name_claim(p, &w, &former, err);
    if (r < 0)
        return r;
    for (size_t i = 0; i < plan.count && r == 0; i++) {
        CLEANUP_FREE char *path = path_join(folder, plan.files[i].path);

        r = path ? file_write(path, plan.files[i].data, plan.files[i].size, plan.files[i].mode, err)
                 : error_sys(err, -ENOMEM, "cannot write %s", plan.files[i].path);
    }
    r = card_name_settle(p, &w, former, r, err);
    return r == 0 ? card_show_prepared(&p->options, folder, &look, &w, err) : r;
}

static int check_usage(const struct deploy_options *o, struct error *err)
{
    if (o->agent && o->problems.count > 0)
        return error_set(err, -EINVAL, "--agent and -p both say the name; give one of them");
    if (card_common_is_seed(o) && (o->n_arguments > 0 || o->undo || (o->cloud_init && o->preseed)))
        return error_set(err, -EINVAL, "--cloud-init and --preseed have a folder of their own");
    if (o->watch &&
        (card_common_is_seed(o) || o->undo || o->agent || o->hostname || o->n_arguments > 0))
        return error_set(err, -EINVAL,
                         "--watch prepares cards as they come: without a folder, --agent, "
                         "--hostname, --undo, --cloud-init and --preseed");
    if (!card_common_is_seed(o) && !o->watch && o->n_arguments == 0)
        return error_set(err, -EINVAL,
                         "say which card: card DIR, where its boot partition is mounted, or card "
                         "DEVICE, such as /dev/sdb");
    if ((o->agent || o->hostname) && o->n_arguments > 1)
        return error_set(err, -EINVAL, "--agent and --hostname are for one card, but %d were given",
                         o->n_arguments);
    return 0;
}

/* A wrong folder is told before anything is read, asked or made for the card. */
static int check_places(const struct deploy_options *o, struct error *err)
{
    int r = 0;

    for (int i = 0; i < o->n_arguments && r == 0; i++) {
        CLEANUP(card_look_clear) struct card_look look = {0};

        if (!is_device(o->arguments[i]))
            r = card_look(o->arguments[i], &look, err);
    }
    return r;
}

static int run_card(struct program *p, struct error *err)
{
    CLEANUP(card_common_clear) struct card_common common = {.has_fleet_key = false};
    const struct deploy_options *o = &p->options;
    int r = check_usage(o, err);

    if (r == 0)
        r = card_show_check_labels(o, err);
    if (r == 0)
        r = check_places(o, err);
    if (r == 0 && o->problems.count > 0)
        r = problem_read(&o->problems, &p->problem, err);
    if (r == 0 && !o->undo && !o->hostname)
        r = card_hostnames_check(&p->problem.agents, err);
    if (r == 0 && !o->undo)
        r = card_common_read(p, &common, err);
    if (r == 0 && card_common_is_seed(o))
        r = write_seed(p, &common, err);
    for (int i = 0; i < o->n_arguments && r == 0; i++)
        r = work_held(p, &common, o->arguments[i], o->undo ? take_back : prepare, err);
    if (r == 0 && o->watch)
        r = watch_cards(p, &common, err);
    return r;
}

const struct verb verb_card = {
    .name = "card",
    .arguments = "DIR|DEVICE...",
    .help = "prepare the boot partition of a written card",
    .options = options,
    .run = run_card,
};
