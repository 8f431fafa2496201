#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "deployer/cache/caches.h"
#include "deployer/move/takeover.h"
#include "deployer/wheel/wheel.h"
#include "discovery/base/file.h"
#include "discovery/base/process.h"
#include "discovery/base/terminal.h"

void program_clear(struct program *p)
{
    targets_clear(&p->targets);
    targets_clear(&p->away);
    resumption_clear(&p->resumed);
    pack_unref(p->pack);
    strings_clear(&p->command);
    strings_clear(&p->confirmed);
    strings_clear(&p->revoked);
    strings_clear(&p->usual_known_hosts);
    passwords_clear(&p->passwords);
    for (size_t i = 0; i < p->n_secrets; i++)
        secret_free(p->secrets[i]);
    free(p->secrets);
    free(p->spec);
    state_free(p->state);
    problem_clear(&p->problem);
    caches_clear(&p->caches);
    paths_clear(&p->paths);
    deploy_options_clear(&p->options);
}

/* user@host, for the lock on the machine. */
static void describe_self(struct program *p)
{
    char host[64] = "controller";
    const char *user = getenv("SUDO_USER");

    (void)gethostname(host, sizeof(host) - 1);
    if (!user)
        user = getenv("USER");
    (void)snprintf(p->who, sizeof(p->who), "%s@%s", user ? user : "root", host);
}

/* `trust fleet-key` and `import` make the folder. */
static bool makes_settings(const struct deploy_options *o)
{
    return strcmp(o->verb, "trust") == 0 || strcmp(o->verb, "import") == 0;
}

int program_open(struct program *p, struct error *err)
{
    int r;

    describe_self(p);
    r = passwords_take(&p->options, &p->passwords, err);
    if (r < 0)
        return r;
    r = paths_find(p->options.state_dir, &p->paths, err);
    if (r == 0)
        r = paths_begin(&p->paths, makes_settings(&p->options) ? NULL : p->options.config_dir,
                        &p->options.keys, err);
    if (r == 0)
        r = state_open(p->paths.db, &p->state, err);
    return r < 0 ? r : takeover_settle(p->state, &p->paths, p->options.config_dir, err);
}

/* --- what is sent ------------------------------------------------------------- */

int program_find_caches(struct program *p, struct error *err)
{
    int r = p->has_caches ? 0 : caches_find(&p->options.caches, &p->paths, &p->caches, err);

    p->has_caches = r == 0;
    return r;
}

int program_choose_spec(struct program *p, char **ret, struct error *err)
{
    int r;

    /* The record of the run has it, too. */
    if (p->options.spec && !p->spec) {
        p->spec = wheel_spec_absolute(p->options.spec);
        if (!p->spec)
            return error_sys(err, -errno, "cannot prepare %s", p->options.spec);
        p->options.spec = p->spec;
    }
    r = p->options.spec ? -ENOENT : state_setting_get(p->state, STATE_SETTING_SPEC, ret, err);
    if (r != -ENOENT)
        return r;
    *ret = strdup(p->options.spec ? p->options.spec : "pydcop");
    return *ret ? 0 : error_sys(err, -ENOMEM, "cannot prepare pyDCOP");
}

/* What was packed before is dropped. */
static int replace_pack(struct program *p, const char *spec, const char *index,
                        const struct bundle_extra *extras, struct error *err)
{
    p->pack = pack_unref(p->pack);
    return pack_make(spec, index, extras, &p->paths, -1, &p->pack, err);
}

int program_pack_steps(struct program *p, const struct bundle_extra *extras, struct error *err)
{
    return replace_pack(p, NULL, NULL, extras, err);
}

int program_pack_pydcop(struct program *p, const struct bundle_extra *extras, struct error *err)
{
    CLEANUP_FREE char *spec = NULL;
    int r = program_choose_spec(p, &spec, err);

    if (r == 0)
        r = program_find_caches(p, err);
    if (r == 0)
        r = replace_pack(p, spec, caches_index(&p->caches, &p->options.caches), extras, err);
    if (r < 0)
        return r;
    if (p->pack->wheels.unrefreshed && !p->options.quiet)
        fprintf(stderr, "The Python index does not answer; %s %s from the cache is used.\n",
                p->pack->wheels.name, p->pack->wheels.version);
    if (p->pack->wheels.unconfined)
        fprintf(stderr, "dcop-deploy: pyDCOP was built, but %s\n", p->pack->wheels.unconfined);
    return p->options.check ? 0 : state_setting_set(p->state, STATE_SETTING_SPEC, spec, err);
}

int program_takes_arguments(const struct program *p, int most, struct error *err)
{
    const struct deploy_options *o = &p->options;

    if (o->n_arguments <= most)
        return 0;
    return error_set(err, -EINVAL, "'%s' does not take the argument '%s'; see --help", o->verb,
                     o->arguments[most]);
}
