/* `import`: takes what another controller has exported, all of it or nothing. */
#include <errno.h>
#include <jansson.h>
#include <pwd.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deployer/move/envelope.h"
#include "deployer/move/takeover.h"
#include "deployer/progress/json.h"
#include "discovery/base/file.h"
#include "discovery/base/terminal.h"
#include "move-common.h"
#include "passphrase.h"
#include "verbs.h"

OPTION_FLAG(struct deploy_options, replace)
OPTION_ONE(struct deploy_options, passphrase_file)

static const struct option_row options[] = {
    {0, "replace", OPTION_NONE, NULL,
     "in the place of what is known here, which is kept\nas a copy", set_replace},
    {0, "passphrase-file", OPTION_REQUIRED, "FILE",
     "its first line is the passphrase; else\nDCOP_PASSPHRASE", set_passphrase_file},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

/* A damaged file is told before a passphrase is asked for.  `ret`: of sodium_malloc(). */
static int open_file(const struct deploy_options *o, const char *path, unsigned char **ret,
                     size_t *ret_size, struct error *err)
{
    CLEANUP(secret_free_p) struct secret *passphrase = NULL;
    CLEANUP_TEXT struct text file = TEXT_INIT;
    int r = file_read(path, ENVELOPE_FILE_MAX, &file, err);

    if (r == 0)
        r = envelope_check(path, text_str(&file), file.size, err);
    if (r == 0)
        r = passphrase_take(o, false, &passphrase, err);
    if (r == 0)
        r = envelope_open(path, file.data, file.size, passphrase, ret, ret_size, err);
    return r;
}

static int take_over(struct program *p, const char *path, const struct parcel *parcel,
                     struct takeover_result *ret, struct error *err)
{
    const struct takeover takeover = {
        .parcel = parcel,
        .paths = &p->paths,
        .config = p->options.config_dir,
        .replace = p->options.replace,
    };
    struct error why = {0};
    int r = paths_hold(&p->paths, "dcop program", err);

    if (r < 0)
        return r;
    r = takeover_run(p->state, &takeover, ret, &why);
    if (r < 0 && ret->taken)
        return error_set(err, -EIO,
                         "%s is imported, but its keys are not in place yet: %s; run the same "
                         "command again as a user who may write there%s%s",
                         path, why.text, ret->copy ? "; what was here before is kept in " : "",
                         ret->copy ? ret->copy : "");
    if (r == -EEXIST)
        return error_set(err, -EINVAL,
                         "%s is not imported, and nothing has changed: %s; --replace takes what is "
                         "in the file, and keeps a copy of what is here",
                         path, why.text);
    return r < 0 ? error_set(err, r, "%s is not imported: %s", path, why.text) : 0;
}

static int tell_json(const struct takeover_result *t, const struct parcel *parcel,
                     struct error *err)
{
    CLEANUP_TEXT struct text out = TEXT_INIT;
    json_t *o = json_object(), *imported;
    CLEANUP_FREE char *text = NULL;

    imported =
        json_pack("{s:I,s:I,s:I,s:b,s:b}", "machines", (json_int_t)t->count.machines, "pins",
                  (json_int_t)t->count.pins, "agents", (json_int_t)t->count.names, "fleet_key",
                  (int)parcel->has_fleet_key, "ssh_key", (int)(parcel->ssh_key != NULL));
    progress_json_add(imported, "ssh_key_path", t->ssh_key);
    progress_json_add(imported, "copy", t->copy);
    progress_json_add(imported, "pydcop", t->spec);
    (void)json_object_set_new(o, "version", json_integer(1));
    if (json_object_set_new(o, "imported", imported) == 0)
        text = json_dumps(o, JSON_INDENT(2));
    json_decref(o);
    if (!text)
        return error_sys(err, -ENOMEM, "cannot write JSON");
    text_addf(&out, "%s\n", text);
    terminal_put(stdout, &out);
    return 0;
}

static void tell_ssh_key(struct text *out, const struct takeover_result *t,
                         const struct parcel *parcel)
{
    if (t->ssh_key_went)
        text_adds(out, "The SSH key that was here is no longer used; it is in the copy.\n");
    if (t->ssh_key) {
        text_adds(out, parcel->ssh_key ? "The SSH key is " : "The SSH key that was here stays: ");
        text_add_printable(out, t->ssh_key);
        text_adds(out, ", and is tried as those in ~/.ssh are.\n");
    } else {
        text_adds(out, "The machines must know an SSH key of yours; if they do not: on the other "
                       "computer, dcop-deploy enroll --key YOURS.pub --key ITS ADDRESS\n");
    }
}

static void tell_spec_here(struct text *out, const char *spec)
{
    text_adds(out, "pyDCOP: ");
    text_add_printable(out, spec);
    text_adds(out, ", as before.\n");
}

/* A word for a shell, quoted where it must be. */
static void add_shell_word(struct text *out, const char *word)
{
    CLEANUP_TEXT struct text quoted = TEXT_INIT;

    text_adds(&quoted, "'");
    for (; *word; word++)
        *word == '\'' ? text_adds(&quoted, "'\\''") : text_addc(&quoted, *word);
    text_adds(&quoted, "'");
    text_add_printable(out, text_str(&quoted));
}

/* Root's files are of no use to the user whose state folder it is. */
static void tell_owner(const struct program *p, const struct parcel *parcel, struct text *out)
{
    CLEANUP_FREE char *folder = key_folder(p->options.config_dir);
    CLEANUP_FREE char *fleet = folder ? path_join(folder, KEY_FLEET_FILE) : NULL;
    CLEANUP_FREE char *ssh = folder ? path_join(folder, PATHS_SSH_KEY_FILE) : NULL;
    const struct passwd *user;
    struct stat st;

    if (geteuid() != 0 || stat(p->paths.state, &st) < 0 || st.st_uid == 0 || !fleet || !ssh)
        return;
    user = getpwuid(st.st_uid);
    if (!user)
        return;
    text_addf(
        out,
        "It was imported as root; %s, who has the state folder, needs the files: chown -R %s: ",
        user->pw_name, user->pw_name);
    add_shell_word(out, p->paths.state);
    if (parcel->has_fleet_key) {
        text_addc(out, ' ');
        add_shell_word(out, fleet);
    }
    if (parcel->ssh_key) {
        text_addc(out, ' ');
        add_shell_word(out, ssh);
    }
    text_addc(out, '\n');
}

static void tell(const struct program *p, const struct takeover_result *t,
                 const struct parcel *parcel, const char *path)
{
    struct state *s = p->state;
    CLEANUP_TEXT struct text out = TEXT_INIT;
    CLEANUP_FREE char *spec = NULL;

    text_adds(&out, "Imported from ");
    text_add_printable(&out, path);
    text_addf(&out, ": %zu machine%s, %zu host key%s, %zu name%s; %s fleet key, %s SSH key.\n",
              t->count.machines, t->count.machines == 1 ? "" : "s", t->count.pins,
              t->count.pins == 1 ? "" : "s", t->count.names, t->count.names == 1 ? "" : "s",
              parcel->has_fleet_key ? "the" : "no", parcel->ssh_key ? "the" : "no");
    if (t->copy) {
        text_adds(&out, "What was here before is kept in ");
        text_add_printable(&out, t->copy);
        text_adds(&out, ".\n");
    }
    tell_ssh_key(&out, t, parcel);
    if (t->spec)
        text_addf(&out, "pyDCOP: %s, from the file.\n", t->spec);
    else if (state_setting_get(s, STATE_SETTING_SPEC, &spec, NULL) == 0)
        tell_spec_here(&out, spec);
    else
        text_adds(&out, "Name pyDCOP with -s at the first deploy; without, it is pydcop of the "
                        "Python index.\n");
    tell_owner(p, parcel, &out);
    text_adds(&out, "To see the machines: dcop-deploy -l all status\n");
    terminal_put(stdout, &out);
}

static int import_parcel(struct program *p, const char *path, const struct parcel *parcel,
                         struct error *err)
{
    CLEANUP(takeover_result_clear) struct takeover_result result = {0};
    int r = take_over(p, path, parcel, &result, err);

    if (r < 0)
        return r;
    if (p->options.json)
        return tell_json(&result, parcel, err);
    if (!p->options.quiet)
        tell(p, &result, parcel, path);
    return 0;
}

static int run_import(struct program *p, struct error *err)
{
    const char *path = NULL;
    struct parcel parcel = {0};
    struct error why = {0};
    unsigned char *bytes = NULL;
    size_t size = 0;
    int r = move_common_file(p, &path, err);

    if (r == 0)
        r = open_file(&p->options, path, &bytes, &size, err);
    if (r < 0)
        return r;
    r = parcel_unpack(bytes, size, &parcel, &why);
    r = r < 0 ? error_set(err, r, "%s is not imported: %s", path, why.text)
              : import_parcel(p, path, &parcel, err);
    key_clear(&parcel.fleet_key);
    sodium_free(bytes);
    return r;
}

const struct verb verb_import = {
    .name = "import",
    .arguments = "FILE",
    .help = "take over what another computer has exported",
    .options = options,
    .run = run_import,
};
