/* `export`: what this controller knows, for another one, in one encrypted file. */
#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#include "deployer/cli/public-key.h"
#include "deployer/move/envelope.h"
#include "deployer/move/parcel.h"
#include "deployer/move/takeover.h"
#include "deployer/progress/json.h"
#include "deployer/state/transfer.h"
#include "deployer/wheel/wheel.h"
#include "discovery/base/file.h"
#include "discovery/base/terminal.h"
#include "move-common.h"
#include "passphrase.h"
#include "verbs.h"

OPTION_ONE(struct deploy_options, with_key)
OPTION_ONE(struct deploy_options, passphrase_file)

static const struct option_row options[] = {
    {0, "with-key", OPTION_REQUIRED, "FILE",
     "this private SSH key too, or `none`; default: the\n"
     "one that was imported or that dcop-deploy has made",
     set_with_key},
    {0, "passphrase-file", OPTION_REQUIRED, "FILE",
     "its first line is the passphrase; else\nDCOP_PASSPHRASE", set_passphrase_file},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

/* What is exported, and the memory that holds it. */
struct load {
    struct parcel parcel;
    struct text state;
    char *ssh_key; /* of sodium_malloc() */
    struct transfer_count count;
    char *key_path; /* of the SSH key; NULL: none */
    char *spec;     /* pyDCOP, if it is no requirement */
};

static void load_clear(struct load *l)
{
    key_clear(&l->parcel.fleet_key);
    text_clear(&l->state);
    sodium_free(l->ssh_key);
    free(l->key_path);
    free(l->spec);
}
#define CLEANUP_LOAD CLEANUP(load_clear)

/* One that was imported, else one that was made here: what the machines were given. */
static int find_ssh_key(const char *config, char **ret, struct error *err)
{
    CLEANUP_FREE char *folder = key_folder(config);
    CLEANUP_FREE char *imported = folder ? path_join(folder, PATHS_SSH_KEY_FILE) : NULL;
    int r;

    if (imported && access(imported, F_OK) == 0) {
        *ret = TAKE_PTR(imported);
        return 0;
    }
    r = public_key_find_made(ret, err);
    return r == -ENOENT ? 0 : r;
}

static int choose_ssh_key(const struct deploy_options *o, char **ret, struct error *err)
{
    if (!o->with_key)
        return find_ssh_key(o->config_dir, ret, err);
    if (strcmp(o->with_key, "none") == 0)
        return 0;
    *ret = strdup(o->with_key);
    return *ret ? 0 : error_sys(err, -ENOMEM, "cannot read the key %s", o->with_key);
}

static int read_spec(struct state *s, char **ret, struct error *err)
{
    CLEANUP_FREE char *spec = NULL;
    int r = state_setting_get(s, STATE_SETTING_SPEC, &spec, err);

    if (r == 0 && wheel_spec_kind(spec) != WHEEL_SPEC_REQUIREMENT)
        *ret = TAKE_PTR(spec);
    return r == -ENOENT ? 0 : r;
}

static int read_load(struct program *p, struct load *l, struct error *err)
{
    /* No import changes keys and database meanwhile; a folder that cannot be written has none. */
    CLEANUP_CLOSE int lock = takeover_lock(p->options.config_dir, NULL);
    int r = key_read_fleet(p->options.config_dir, &l->parcel.fleet_key, err);

    if (r < 0)
        return r;
    l->parcel.has_fleet_key = r > 0;
    r = choose_ssh_key(&p->options, &l->key_path, err);
    if (r == 0 && l->key_path)
        r = parcel_read_ssh_key(l->key_path, &l->ssh_key, &l->parcel.ssh_key_size, err);
    l->parcel.ssh_key = l->ssh_key;
    if (r == 0)
        r = transfer_count(p->state, &l->count, err);
    if (r == 0 && l->count.machines == 0 && !l->parcel.has_fleet_key)
        return error_set(err, -ENOENT,
                         "there is nothing to export: no machine is known here, and there is no "
                         "fleet key");
    if (r == 0)
        r = transfer_write(p->state, &l->state, err);
    if (r == 0)
        r = read_spec(p->state, &l->spec, err);
    l->parcel.state = text_str(&l->state);
    l->parcel.state_size = l->state.size;
    return r;
}

static int refuse_file(const char *path, struct error *err)
{
    return error_set(err, -EINVAL, "%s exists; remove it, or give another name", path);
}

/* Before a person is asked: it is not there, and can be. */
static int check_file(const char *path, struct error *err)
{
    CLEANUP_FREE char *folder = strdup(path);
    char *slash = folder ? strrchr(folder, '/') : NULL;
    struct stat st;

    if (!folder)
        return error_sys(err, -ENOMEM, "cannot write %s", path);
    if (lstat(path, &st) == 0)
        return refuse_file(path, err);
    if (slash)
        slash[slash == folder] = '\0';
    return access(slash ? folder : ".", W_OK | X_OK) < 0
               ? error_sys(err, -errno, "cannot write a file in %s", slash ? folder : ".")
               : 0;
}

static int write_file(const struct program *p, const struct load *l, const char *path,
                      struct error *err)
{
    CLEANUP(secret_free_p) struct secret *passphrase = NULL;
    CLEANUP_TEXT struct text file = TEXT_INIT;
    unsigned char *bytes = NULL;
    size_t size = 0;
    int r = passphrase_take(&p->options, true, &passphrase, err);

    if (r == 0)
        r = parcel_pack(&l->parcel, &bytes, &size, err);
    if (r == 0)
        r = envelope_seal(bytes, size, passphrase, &envelope_cost_usual, &file, err);
    sodium_free(bytes);
    if (r == 0)
        r = file_write_new(path, file.data, file.size, 0600, err);
    if (r == -EEXIST)
        return refuse_file(path, err);
    if (r == 0 && (r = file_sync_folder(path)) < 0)
        r = error_sys(err, r, "cannot write %s to the disk", path);
    return r;
}

static int tell_json(const struct load *l, const char *path, struct error *err)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;
    json_t *o =
        json_pack("{s:i,s:{s:o,s:I,s:I,s:I,s:b,s:b}}", "version", 1, "exported", "path",
                  progress_json_text(path), "machines", (json_int_t)l->count.machines, "pins",
                  (json_int_t)l->count.pins, "agents", (json_int_t)l->count.names, "fleet_key",
                  (int)l->parcel.has_fleet_key, "ssh_key", (int)(l->key_path != NULL));
    CLEANUP_FREE char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;

    json_decref(o);
    if (!text)
        return error_sys(err, -ENOMEM, "cannot write JSON");
    text_addf(&out, "%s\n", text);
    terminal_put(stdout, &out);
    return 0;
}

static void tell(const struct load *l, const char *path)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;

    text_adds(&out, "Exported to ");
    text_add_printable(&out, path);
    text_addf(&out, ": %zu machine%s, %zu host key%s, %zu name%s; %s fleet key, %s SSH key",
              l->count.machines, l->count.machines == 1 ? "" : "s", l->count.pins,
              l->count.pins == 1 ? "" : "s", l->count.names, l->count.names == 1 ? "" : "s",
              l->parcel.has_fleet_key ? "the" : "no", l->key_path ? "the" : "no");
    if (l->key_path) {
        text_adds(&out, " (");
        text_add_printable(&out, l->key_path);
        text_addc(&out, ')');
    }
    text_adds(&out, ".\n");
    if (!l->key_path)
        text_adds(&out, "The machines must know the SSH key of whoever imports it: add it with "
                        "`dcop-deploy enroll --key THEIRS.pub --key YOURS ADDRESS`, or export with "
                        "--with-key FILE.\n");
    if (l->spec) {
        text_adds(&out, "pyDCOP was last deployed from ");
        text_add_printable(&out, l->spec);
        text_adds(&out, ", which is not in the file: take it along, and name it with -s there.\n");
    }
    text_adds(&out, "Whoever has the file and its passphrase can do what this controller can.\n");
    terminal_put(stdout, &out);
}

static int run_export(struct program *p, struct error *err)
{
    CLEANUP_LOAD struct load load = {.state = TEXT_INIT};
    const char *path = NULL;
    int r = move_common_file(p, &path, err);

    if (r == 0)
        r = check_file(path, err);
    if (r == 0)
        r = read_load(p, &load, err);
    if (r == 0)
        r = write_file(p, &load, path, err);
    if (r < 0)
        return r;
    if (p->options.json)
        return tell_json(&load, path, err);
    if (!p->options.quiet)
        tell(&load, path);
    return 0;
}

const struct verb verb_export = {
    .name = "export",
    .arguments = "FILE",
    .help = "keys and names for another computer, in one file",
    .options = options,
    .run = run_export,
};
