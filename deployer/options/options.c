#include "options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/base/destination.h"
#include "deployer/base/url.h"
#include "discovery/advert/advert.h"
#include "discovery/base/options.h"
#include "waves.h"

OPTION_FLAG(struct deploy_options, partial)
OPTION_FLAG(struct deploy_options, strict)
OPTION_FLAG(struct deploy_options, later)
OPTION_FLAG(struct deploy_options, wait)
OPTION_FLAG(struct deploy_options, force)
OPTION_FLAG(struct deploy_options, check)
OPTION_FLAG(struct deploy_options, browser)
OPTION_FLAG(struct deploy_options, set_clock)
OPTION_FLAG(struct deploy_options, no_start)
OPTION_ONE(struct deploy_options, ui)
OPTION_FLAG(struct deploy_options, resume)
OPTION_FLAG(struct deploy_options, accept_new)
OPTION_FLAG(struct deploy_options, ask_pass)
OPTION_FLAG(struct deploy_options, ask_become_pass)
OPTION_FLAG(struct deploy_options, json)
OPTION_FLAG(struct deploy_options, quiet)
OPTION_FLAG(struct deploy_options, verbose)
OPTION_FLAG(struct deploy_options, help)
OPTION_FLAG(struct deploy_options, version)
OPTION_ONE(struct deploy_options, from)
OPTION_ONE(struct deploy_options, domain)
OPTION_ONE(struct deploy_options, spec)
OPTION_ONE(struct deploy_options, inventory)
OPTION_STRING(struct deploy_options, config_dir)
OPTION_STRING(struct deploy_options, state_dir)
OPTION_ONE(struct deploy_options, password_file)
OPTION_ONE(struct deploy_options, become_password_file)
OPTION_LIST(struct deploy_options, problems)
OPTION_LIST(struct deploy_options, limits)
OPTION_LIST(struct deploy_options, keys)
OPTION_SECONDS(struct deploy_options, timeout_ms)
OPTION_SECONDS(struct deploy_options, discovery_ms)

/* Without these rows getopt would take --password for an abbreviation of
 * --password-file, and likewise for --become-password. */
static int refuse_password(void *into, const char *value, struct error *err)
{
    (void)into, (void)value;
    return error_set(
        err, -EINVAL,
        "a password on the command line is visible to every user of this computer; use --ask-pass "
        "or --ask-become-pass, a file, or DCOP_PASSWORD or DCOP_BECOME_PASSWORD");
}

static int set_url(const char *value, char **ret, struct error *err)
{
    if (!url_valid(value))
        return error_set(err, -EINVAL, "'%s' is not a URL such as http://HOST:PORT or https://HOST",
                         value);
    free(*ret);
    *ret = strdup(value);
    return *ret ? 0 : error_sys(err, -ENOMEM, "cannot store %s", value);
}

static int set_apt_proxy(void *into, const char *value, struct error *err)
{
    return set_url(value, &((struct deploy_options *)into)->caches.apt_proxy, err);
}

static int set_pip_index(void *into, const char *value, struct error *err)
{
    return set_url(value, &((struct deploy_options *)into)->caches.pip_index, err);
}

static int set_offline(void *into, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct deploy_options *)into)->caches.offline = true;
    return 0;
}

static int set_cache_direct(void *into, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct deploy_options *)into)->caches.direct = true;
    return 0;
}

static int set_keep_proxy(void *into, const char *value, struct error *err)
{
    (void)value, (void)err;
    ((struct deploy_options *)into)->caches.keep_proxy = true;
    return 0;
}

static int set_diff(void *into, const char *value, struct error *err)
{
    struct deploy_options *o = into;

    (void)value, (void)err;
    o->diff = o->check = true;
    return 0;
}

static int set_deps(void *into, const char *value, struct error *err)
{
    if (strcmp(value, "layer") != 0 && strcmp(value, "apt") != 0 && strcmp(value, "pip") != 0)
        return error_set(err, -EINVAL, "'%s' is none of layer, apt and pip", value);
    ((struct deploy_options *)into)->deps = value;
    return 0;
}

static int set_forks(void *into, const char *value, struct error *err)
{
    long forks;
    int r = parse_number(value, 1, FORKS_MAX, &forks, err);

    if (r == 0)
        ((struct deploy_options *)into)->forks = (unsigned)forks;
    return r;
}

static int set_canary(void *into, const char *value, struct error *err)
{
    const char *text = value ? value : "1";
    struct waves waves;
    int r = waves_parse(text, &waves, err);

    if (r == 0)
        ((struct deploy_options *)into)->canary = text;
    return r;
}

static int set_healthy(void *into, const char *value, struct error *err)
{
    long seconds;
    int r = parse_number(value, 1, HEALTHY_MAX_S, &seconds, err);

    if (r == 0)
        ((struct deploy_options *)into)->healthy_s = (unsigned)seconds;
    return r;
}

static int set_fleet(void *into, const char *value, struct error *err)
{
    if (!advert_fleet_valid(value))
        return error_set(err, -EINVAL, "'%s' is not a fleet name: 2 to 62 of a-z, 0-9 and -",
                         value);
    ((struct deploy_options *)into)->fleet = value;
    return 0;
}

static int set_user(void *into, const char *value, struct error *err)
{
    if (!destination_user_valid(value))
        return error_set(err, -EINVAL, "'%s' is not a user name (" DESTINATION_USER_RULE ")",
                         value);
    ((struct deploy_options *)into)->user = value;
    return 0;
}

static int set_orchestrator(void *into, const char *value, struct error *err)
{
    char host[INET_ADDRSTRLEN + 1] = "";
    const char *colon = strchr(value, ':');
    size_t size = colon ? (size_t)(colon - value) : strlen(value);
    struct in_addr address;
    long port;

    if (size < sizeof(host))
        memcpy(host, value, size);
    if (inet_pton(AF_INET, host, &address) != 1)
        return error_set(err, -EINVAL,
                         "'%s' is not IP or IP:PORT (pyDCOP takes IPv4 addresses only)", value);
    if (colon && parse_number(colon + 1, 1, 65535, &port, err) < 0)
        return err ? err->code : -EINVAL;
    ((struct deploy_options *)into)->orchestrator = value;
    return 0;
}

static const struct option_row rows[] = {
    {'p', "problem", OPTION_REQUIRED, "FILE", "for the agents of this DCOP file; may be repeated",
     set_problems},
    {'i', "inventory", OPTION_REQUIRED, "FILE",
     "for the hosts of this inventory: YAML or INI as\n"
     "Ansible reads it, or a list of hosts",
     set_inventory},
    {'l', "limit", OPTION_REQUIRED, "PATTERN",
     "agents or machines: names, globs, !not, commas,\n"
     "@file; alone: any machine that is found",
     set_limits},
    {'s', "pydcop", OPTION_REQUIRED, "SPEC",
     "what to deploy: a source directory, a wheel, or a\n"
     "requirement of the Python index; default: the last\n"
     "one used, else pydcop",
     set_spec},
    {0, "partial", OPTION_NONE, NULL, "deploy although some machines are missing", set_partial},
    {0, "later", OPTION_NONE, NULL,
     "queue those that are away: the service, or\n"
     "`later --wait`, deploys to them when they appear",
     set_later},
    {0, "wait", OPTION_NONE, NULL, "with --later, or of 'later': wait, and deploy here", set_wait},
    {0, "strict", OPTION_NONE, NULL, "exit 1 also when a machine passed for another", set_strict},
    {0, "force", OPTION_NONE, NULL, "end runs that agents are at work in", set_force},
    {'n', "check", OPTION_NONE, NULL, "say what would change, change nothing", set_check},
    {0, "diff", OPTION_NONE, NULL, "show what would change, change nothing", set_diff},
    {0, "deps", OPTION_REQUIRED, "layer|apt|pip",
     "pyDCOP's dependencies: sent as one layer of wheels\n"
     "(default), from the system's packages, or from pip",
     set_deps},
    {0, "ui", OPTION_REQUIRED, "DIR|none",
     "pydcop-ui too: its files, served on port 4001, the\n"
     "agents' websocket on 10001; none: remove it",
     set_ui},
    {0, "browser", OPTION_NONE, NULL, "with --ui: on the machine's screen, too", set_browser},
    {0, "no-start", OPTION_NONE, NULL,
     "prepare: agents that do not run are not started;\n"
     "`start` or a boot does",
     set_no_start},
    {0, "set-clock", OPTION_NONE, NULL,
     "set clocks back, too, that are ahead of this one;\n"
     "not those that NTP keeps",
     set_set_clock},
    {0, "canary", OPTION_OPTIONAL, "N,N%",
     "N machines first, default 1, then N more, ...:\n"
     "one that is not healthy goes back, and no other\n"
     "is touched; 1,5,25% is three such waves",
     set_canary},
    {0, "healthy", OPTION_REQUIRED, "S", "how long these are watched; default 30", set_healthy},
    {0, "resume", OPTION_NONE, NULL, "what the last run did not finish, and no more", set_resume},
    {0, "apt-proxy", OPTION_REQUIRED, "URL",
     "packages come through this proxy; default: what\n"
     "`cache up` started, or apt-cacher-ng's service",
     set_apt_proxy},
    {0, "pip-index", OPTION_REQUIRED, "URL",
     "Python packages come from this index; default:\n"
     "likewise, devpi",
     set_pip_index},
    {0, "cache-direct", OPTION_NONE, NULL,
     "a machine whose sshd forwards no port may ask them\nover the network", set_cache_direct},
    {0, "keep-proxy", OPTION_NONE, NULL,
     "machines keep the caches in their settings of apt\nand pip; they must reach them over the "
     "network",
     set_keep_proxy},
    {0, "offline", OPTION_NONE, NULL, "fetch nothing from the internet", set_offline},
    {'j', "forks", OPTION_REQUIRED, "N", "machines at once; default 32", set_forks},
    {0, "orchestrator", OPTION_REQUIRED, "IP[:PORT]",
     "default: this controller's address, port 9000", set_orchestrator},
    {0, "user", OPTION_REQUIRED, "NAME", "to log in as; default: as advertised, else pi", set_user},
    {0, "key", OPTION_REQUIRED, "FILE",
     "private key; may be repeated; default: id_ed25519,\n"
     "id_ecdsa, id_rsa in ~/.ssh, and ssh-agent's",
     set_keys},
    {0, "ask-pass", OPTION_NONE, NULL, "ask for the password to log in with", set_ask_pass},
    {0, "ask-become-pass", OPTION_NONE, NULL, "ask for sudo's password", set_ask_become_pass},
    {0, "password-file", OPTION_REQUIRED, "FILE",
     "its first line is the password to log in with;\n"
     "else DCOP_PASSWORD",
     set_password_file},
    {0, "become-password-file", OPTION_REQUIRED, "FILE",
     "its first line is sudo's; else\n"
     "DCOP_BECOME_PASSWORD",
     set_become_password_file},
    {0, "password", OPTION_OPTIONAL, NULL, NULL, refuse_password},
    {0, "become-password", OPTION_OPTIONAL, NULL, NULL, refuse_password},
    {0, "accept-new", OPTION_NONE, NULL, "trust machines that were never seen before",
     set_accept_new},
    {0, "timeout", OPTION_REQUIRED, "S",
     "to reach a machine, and until a silent one counts\n"
     "as lost (at least 15 for that); default 10. One\n"
     "that reports for ever has 150 min, or 30 where no\n"
     "steps run",
     set_timeout_ms},
    {0, "", OPTION_NONE, NULL, "Where the machines are found:", NULL},
    {'f', "fleet", OPTION_REQUIRED, "NAME", "machines of this fleet only", set_fleet},
    {0, "domain", OPTION_REQUIRED, "NAME",
     "machines of this domain, too, by unicast DNS: for\n"
     "other subnets, see `dcop-discover --zone`",
     set_domain},
    {'t', "discovery-timeout", OPTION_REQUIRED, "S", "how long to look for them; default 3",
     set_discovery_ms},
    {0, "from", OPTION_REQUIRED, "FILE", "as saved from `dcop-discover --json`; - is stdin",
     set_from},
    {0, "", OPTION_NONE, NULL, "Common:", NULL},
    {0, "state-dir", OPTION_REQUIRED, "DIR", "default: ~/.local/state/dcop", set_state_dir},
    {0, "config", OPTION_REQUIRED, "DIR", "default: ~/.config/dcop", set_config_dir},
    {0, "json", OPTION_NONE, NULL, "one event a line", set_json},
    {'q', "quiet", OPTION_NONE, NULL, "failures and the recap only", set_quiet},
    {'v', "verbose", OPTION_NONE, NULL, "also show steps that had nothing to do", set_verbose},
    {'h', "help", OPTION_NONE, NULL, "this", set_help},
    {'V', "version", OPTION_NONE, NULL, "which version this is", set_version},
    {0, NULL, OPTION_NONE, NULL, NULL, NULL},
};

int deploy_options_parse(int argc, char **argv, struct deploy_options *ret, struct error *err)
{
    int first, r;

    *ret = (struct deploy_options){
        .verb = "deploy",
        .lines = 20,
        .timeout_ms = 10000,
        .time_limit_ms = 60000,
    };
    r = options_parse_to_verb(rows, argc, argv, ret, &first, err);
    if (r < 0)
        return r;
    if (first < argc) {
        ret->verb = argv[first];
        ret->arguments = argv + first + 1;
        ret->n_arguments = argc - first - 1;
    }
    return 0;
}

int deploy_options_parse_verb(struct deploy_options *o, const struct option_row *own,
                              struct error *err)
{
    int first, r;

    if (!o->arguments)
        return 0;
    /* The verb stands where getopt wants the program's name. */
    r = options_parse_of_verb(own, rows, o->n_arguments + 1, o->arguments - 1, o, &first, err);
    if (r < 0)
        return r;
    o->arguments += first - 1;
    o->n_arguments -= first - 1;
    return 0;
}

void deploy_options_clear(struct deploy_options *o)
{
    strings_clear(&o->problems);
    strings_clear(&o->limits);
    strings_clear(&o->keys);
    strings_clear(&o->suites);
    strings_clear(&o->archs);
    strings_clear(&o->layers);
    strings_clear(&o->parameters);
    strings_clear(&o->cancelled);
    cache_choice_clear(&o->caches);
}

void deploy_options_help(struct text *ret)
{
    options_help(rows, ret);
}

const struct option_row *deploy_options_row(const char *name)
{
    for (const struct option_row *row = rows; row->name; row++)
        if (row->store && strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

int deploy_exit_code(int r)
{
    switch (r) {
    case -EINVAL:
    case -ENOENT:
    case -EBADMSG:
    case -EISDIR:
    case -EPERM:
    case -EFBIG:
        return 2;
    default:
        return r < 0 ? 3 : r;
    }
}

const char *deploy_options_deps(const struct deploy_options *o)
{
    return o->deps ? o->deps : "layer";
}

void deploy_options_add_settings(const struct deploy_options *o, struct text *settings)
{
    if (o->set_clock)
        text_adds(settings, "set_clock yes\n");
    if (o->no_start)
        text_adds(settings, "start no\n");
}

const char *deploy_options_packages(const struct deploy_options *o)
{
    return strcmp(deploy_options_deps(o), "pip") == 0 ? "PIP" : "APT";
}
