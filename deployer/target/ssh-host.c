#include "ssh-host.h"

#include <errno.h>
#include <string.h>

#include "deployer/base/destination.h"
#include "deployer/base/paths.h"
#include "discovery/advert/advert.h"

enum { KEYS_MAX = 8, HOPS_MAX = 8, FILES_MAX = 8 };

void ssh_host_clear(struct ssh_host *h)
{
    free(h->hostname);
    free(h->user);
    free(h->alias);
    strings_clear(&h->known_hosts);
    strings_clear(&h->keys);
    strings_clear(&h->relay);
    strings_clear(&h->unused);
    *h = (struct ssh_host){0};
}

static int no_memory(struct error *err)
{
    return error_sys(err, -ENOMEM, "cannot read your SSH settings");
}

/* --- what ssh -G said ----------------------------------------------------------------- */

struct setting {
    char *line; /* "KEYWORD VALUE" */
    char *keyword, *value;
};

static void setting_clear(struct setting *s)
{
    free(s->line);
    free(s->keyword);
    *s = (struct setting){0};
}

/* The next line; 1, 0 at the end, -ENOMEM. */
static int next_setting(const char **at, struct setting *ret)
{
    size_t size = strcspn(*at, "\n");
    size_t word;

    setting_clear(ret);
    if (!**at)
        return 0;
    ret->line = strndup(*at, size);
    ret->keyword = strndup(*at, strcspn(*at, " \n"));
    if (!ret->line || !ret->keyword)
        return -ENOMEM;
    word = strlen(ret->keyword);
    ret->value = ret->line + word + (ret->line[word] == ' ');
    *at += size + ((*at)[size] == '\n');
    return 1;
}

static bool has_line(const char *lines, const char *line)
{
    size_t size = strlen(line);

    /* An empty line sets nothing. */
    for (const char *at = lines; size > 0 && (at = strstr(at, line)); at += size)
        if ((at == lines || at[-1] == '\n') && (at[size] == '\n' || !at[size]))
            return true;
    return size == 0;
}

/* They concern terminals, forwarded ports, several sessions over one connection, ssh(1)'s own
 * questions: nothing that a person would miss here. */
static bool is_without_effect(const char *keyword)
{
    static const char *const keywords[] = {"addkeystoagent",
                                           "batchmode",
                                           "canonicaldomains",
                                           "canonicalizefallbacklocal",
                                           "canonicalizehostname",
                                           "canonicalizemaxdots",
                                           "canonicalizepermittedcnames",
                                           "canonicalizePermittedcnames",
                                           "channeltimeout",
                                           "checkhostip",
                                           "clearallforwardings",
                                           "compression",
                                           "connectionattempts",
                                           "connecttimeout",
                                           "controlmaster",
                                           "controlpath",
                                           "controlpersist",
                                           "dynamicforward",
                                           "enableescapecommandline",
                                           "enablesshkeysign",
                                           "escapechar",
                                           "exitonforwardfailure",
                                           "fingerprinthash",
                                           "forkafterauthentication",
                                           "forwardagent",
                                           "forwardx11",
                                           "forwardx11timeout",
                                           "forwardx11trusted",
                                           "gatewayports",
                                           "hashknownhosts",
                                           "host",
                                           "ignoreunknown",
                                           "ipqos",
                                           "localcommand",
                                           "localforward",
                                           "loglevel",
                                           "logverbose",
                                           "nohostauthenticationforlocalhost",
                                           "numberofpasswordprompts",
                                           "obscurekeystroketiming",
                                           "permitlocalcommand",
                                           "permitremoteopen",
                                           "rekeylimit",
                                           "remotecommand",
                                           "remoteforward",
                                           "requesttty",
                                           "sendenv",
                                           "serveralivecountmax",
                                           "serveraliveinterval",
                                           "sessiontype",
                                           "setenv",
                                           "stdinnull",
                                           "streamlocalbindmask",
                                           "streamlocalbindunlink",
                                           "syslogfacility",
                                           "tag",
                                           "tcpkeepalive",
                                           "tunnel",
                                           "tunneldevice",
                                           "updatehostkeys",
                                           "visualhostkey",
                                           "warnweakcrypto",
                                           "xauthlocation"};

    for (size_t i = 0; i < ARRAY_SIZE(keywords); i++)
        if (strcmp(keywords[i], keyword) == 0)
            return true;
    return strncmp(keyword, "gssapi", 6) == 0;
}

/* --- tokens (ssh_config(5), TOKENS) ----------------------------------------------------- */

struct tokens {
    const struct ssh_written *written;
    const struct ssh_host *host;
};

static const char *user_of(const struct tokens *t)
{
    return t->written->user ? t->written->user : t->host->user;
}

static int add_token(const struct tokens *t, char token, struct text *ret)
{
    switch (token) {
    case '%':
        text_addc(ret, '%');
        return 0;
    case 'h':
        text_adds(ret, t->host->hostname);
        return 0;
    case 'n':
        text_adds(ret, t->written->host);
        return 0;
    case 'p':
        text_addf(ret, "%u", t->host->port);
        return 0;
    case 'r':
        text_adds(ret, user_of(t) ? user_of(t) : ADVERT_USER_DEFAULT);
        return 0;
    case 'd':
        text_adds(ret, paths_home());
        return 0;
    default:
        return -ENOTSUP;
    }
}

/* -ENOTSUP: it has a token that has no meaning here. */
static int expand(const struct tokens *t, const char *value, struct text *ret)
{
    for (const char *c = value; *c; c++) {
        if (*c != '%') {
            text_addc(ret, *c);
            continue;
        }
        if (!c[1] || add_token(t, *++c, ret) < 0)
            return -ENOTSUP;
    }
    return text_error(ret);
}

/* A path that may begin with "~/". */
static int expand_path(const struct tokens *t, const char *value, struct text *ret)
{
    if (strncmp(value, "~/", 2) == 0) {
        text_adds(ret, paths_home());
        value++;
    }
    return expand(t, value, ret);
}

/* --- the relay -------------------------------------------------------------------------- */

static int refuse_tokens(const char *keyword, const char *value, struct error *err)
{
    CLEANUP_TEXT struct text shown = TEXT_INIT;

    text_add_shown(&shown, value);
    return error_set(err, -ENOTSUP,
                     "%s in your SSH settings, \"%s\": of the tokens, only %%h, %%n, %%p, %%r, %%d "
                     "and %%%% are supported",
                     keyword, text_str(&shown));
}

static int read_hop(const char *text, struct destination *ret, struct error *err)
{
    size_t scheme = strncmp(text, "ssh://", 6) == 0 ? 6 : 0;

    if (destination_parse(text + scheme, ret, err) < 0)
        return error_prefix(err, "ProxyJump in your SSH settings");
    return 0;
}

static void add_hop(const struct destination *hop, struct text *ret)
{
    bool brackets = strchr(hop->host, ':');

    text_addf(ret, "%s%s%s%s%s%s", ret->size > 0 ? "," : "", hop->user, *hop->user ? "@" : "",
              brackets ? "[" : "", hop->host, brackets ? "]" : "");
    if (hop->port)
        text_addf(ret, ":%u", hop->port);
}

/* `ssh -W` to the last jump host, through those before it: OpenSSH logs in there, with what the
 * user's settings, keys, agent and known_hosts have for these.  Where it would ask, it fails.  It
 * may use a connection that the user has open there (ControlPath), and is none for others: they
 * would end with it. */
static int make_jump(const struct tokens *t, const char *own, struct destination *hops, size_t n,
                     struct strings *ret)
{
    CLEANUP_TEXT struct text before = TEXT_INIT, to = TEXT_INIT, port = TEXT_INIT;
    const struct destination *last = &hops[n - 1];
    const char *argv[20] = {"ssh", "-oBatchMode=yes", "-oControlMaster=no", "-oLogLevel=ERROR"};
    size_t argc = 4;

    for (size_t i = 0; i + 1 < n; i++)
        add_hop(&hops[i], &before);
    text_addf(&to, "[%s]:%u", t->host->hostname, t->host->port);
    text_addf(&port, "%u", last->port);
    if (text_error(&before) < 0 || text_error(&to) < 0 || text_error(&port) < 0)
        return -ENOMEM;
    if (own) {
        argv[argc++] = "-F";
        argv[argc++] = own;
    }
    if (before.size > 0) {
        argv[argc++] = "-J";
        argv[argc++] = text_str(&before);
    }
    if (*last->user) {
        argv[argc++] = "-l";
        argv[argc++] = last->user;
    }
    if (last->port) {
        argv[argc++] = "-p";
        argv[argc++] = text_str(&port);
    }
    argv[argc++] = "-W";
    argv[argc++] = text_str(&to);
    argv[argc++] = "--";
    argv[argc++] = last->host;
    for (size_t i = 0; i < argc; i++)
        if (strings_add(ret, argv[i]) < 0)
            return -ENOMEM;
    return 0;
}

static int take_jump(const struct tokens *t, const char *value, const char *own,
                     struct strings *ret, struct error *err)
{
    CLEANUP_TEXT struct text all = TEXT_INIT;
    struct destination hops[HOPS_MAX];
    size_t n = 0;
    int r = expand(t, value, &all);

    if (r == -ENOTSUP)
        return refuse_tokens("ProxyJump", value, err);
    if (r < 0)
        return no_memory(err);
    for (const char *at = text_str(&all); *at;) {
        size_t size = strcspn(at, ",");
        CLEANUP_FREE char *hop = strndup(at, size);

        if (!hop)
            return no_memory(err);
        if (n == HOPS_MAX)
            return error_set(err, -ENOTSUP,
                             "ProxyJump in your SSH settings names more than %d jump hosts",
                             HOPS_MAX);
        r = read_hop(hop, &hops[n++], err);
        if (r < 0)
            return r;
        at += size + (at[size] == ',');
    }
    return n > 0 && make_jump(t, own, hops, n, ret) < 0 ? no_memory(err) : 0;
}

static int take_command(const struct tokens *t, const char *value, struct strings *ret,
                        struct error *err)
{
    CLEANUP_TEXT struct text command = TEXT_INIT;
    int r;

    text_adds(&command, "exec ");
    r = expand(t, value, &command);
    if (r == -ENOTSUP)
        return refuse_tokens("ProxyCommand", value, err);
    if (r < 0 || strings_add(ret, "/bin/sh") < 0 || strings_add(ret, "-c") < 0 ||
        strings_add(ret, text_str(&command)) < 0)
        return no_memory(err);
    return 0;
}

/* --- one setting after the other --------------------------------------------------------- */

struct reader {
    const struct tokens *tokens;
    const char *defaults, *own;
    bool has_keys; /* the settings name private keys: then all that is said is theirs */
    struct ssh_host *host;
    struct error *err;
};

/* Hostname, port and user, which the other settings may need: tokens. */
static int take_place(struct ssh_host *h, const struct setting *s, struct error *err)
{
    char **to = strcmp(s->keyword, "hostname") == 0 ? &h->hostname : &h->user;

    if (strcmp(s->keyword, "port") == 0) {
        h->port = destination_port(s->value);
        return h->port ? 0 : error_set(err, -EBADMSG, "ssh -G says the port \"%.40s\"", s->value);
    }
    if ((strcmp(s->keyword, "hostname") != 0 && strcmp(s->keyword, "user") != 0) || *to ||
        (to == &h->user && strcmp(s->value, SSH_CONFIG_NO_USER) == 0))
        return 0;
    if (to == &h->user ? !destination_user_valid(s->value) : !destination_host_valid(s->value)) {
        CLEANUP_TEXT struct text shown = TEXT_INIT;

        text_add_shown(&shown, s->value);
        return error_set(err, -ENOTSUP, "your SSH settings give it the %s \"%s\", which is none",
                         to == &h->user ? "user" : "host name", text_str(&shown));
    }
    *to = strdup(s->value);
    return *to ? 0 : no_memory(err);
}

static int add_unused(struct ssh_host *h, const char *keyword)
{
    return strings_has(&h->unused, keyword) ? 0 : strings_add(&h->unused, keyword);
}

static int take_key(const struct reader *r, const struct setting *s)
{
    CLEANUP_TEXT struct text path = TEXT_INIT;
    int q = expand_path(r->tokens, s->value, &path);

    if (strcmp(s->value, "none") == 0)
        return 0;
    if (q == -ENOTSUP || r->host->keys.count >= KEYS_MAX)
        return add_unused(r->host, "identityfile");
    return q < 0 ? q : strings_add(&r->host->keys, text_str(&path));
}

static int take_relay(const struct reader *r, const struct setting *s)
{
    if (strcmp(s->value, "none") == 0 || r->host->relay.count > 0)
        return 0;
    return strcmp(s->keyword, "proxyjump") == 0
               ? take_jump(r->tokens, s->value, r->own, &r->host->relay, r->err)
               : take_command(r->tokens, s->value, &r->host->relay, r->err);
}

static int take_alias(struct ssh_host *h, const char *value)
{
    if (!h->alias)
        h->alias = strdup(value);
    return h->alias ? 0 : -ENOMEM;
}

static bool is_key(const struct setting *s)
{
    return strcmp(s->keyword, "identityfile") == 0;
}

static bool is_known_hosts(const struct setting *s)
{
    return strcmp(s->keyword, "userknownhostsfile") == 0 ||
           strcmp(s->keyword, "globalknownhostsfile") == 0;
}

static int take_setting(const struct reader *r, const struct setting *s)
{
    const char *keyword = s->keyword;
    struct ssh_host *h = r->host;
    int q = 0;

    if (strcmp(keyword, "hostname") == 0 || strcmp(keyword, "user") == 0 ||
        strcmp(keyword, "port") == 0)
        return 0;
    if (strcmp(keyword, "proxyjump") == 0 || strcmp(keyword, "proxycommand") == 0)
        return take_relay(r, s);
    if (strcmp(keyword, "identitiesonly") == 0)
        h->only_keys = strcmp(s->value, "yes") == 0;
    else if (is_key(s))
        q = r->has_keys ? take_key(r, s) : 0;
    else if (has_line(r->defaults, s->line) || is_without_effect(keyword))
        return 0;
    else if (strcmp(keyword, "revokedhostkeys") == 0)
        return error_set(r->err, -ENOTSUP,
                         "RevokedHostKeys in your SSH settings is not supported: list the revoked "
                         "keys in ~/.ssh/known_hosts, as @revoked");
    else if (strcmp(keyword, "hostkeyalias") == 0)
        q = take_alias(h, s->value);
    else if (!is_known_hosts(s))
        q = add_unused(h, keyword);
    return q < 0 ? no_memory(r->err) : 0;
}

/* Not "none", nor a name that means a file in whatever folder this program is started. */
static int take_files(struct ssh_host *h, const char *names)
{
    while (*names && h->known_hosts.count < FILES_MAX) {
        size_t size = strcspn(names, " ");

        if (*names == '/' && strings_addn(&h->known_hosts, names, size) < 0)
            return -ENOMEM;
        names += size + strspn(names + size, " ");
    }
    return 0;
}

/* Do the settings name what no defaults have?  1, 0, -ENOMEM. */
static int names_any(bool is_wanted(const struct setting *), const char *said, const char *defaults)
{
    CLEANUP(setting_clear) struct setting s = {0};
    int r;

    for (const char *at = said; (r = next_setting(&at, &s)) > 0;)
        if (is_wanted(&s) && !has_line(defaults, s.line))
            return 1;
    return r;
}

/* The user's and the system's, where the settings name any. */
static int take_known_hosts(struct ssh_host *h, const char *said, const char *defaults)
{
    CLEANUP(setting_clear) struct setting s = {0};
    int named = names_any(is_known_hosts, said, defaults), r = 0;

    if (named <= 0)
        return named;
    for (const char *at = said; r == 0 && (r = next_setting(&at, &s)) > 0;)
        r = is_known_hosts(&s) ? take_files(h, s.value) : 0;
    /* No file at all is not the usual ones. */
    return r == 0 && h->known_hosts.count == 0 ? strings_add(&h->known_hosts, "/dev/null") : r;
}

int ssh_host_parse(const struct ssh_written *host, const char *said, const char *defaults,
                   const char *own, struct ssh_host *ret, struct error *err)
{
    CLEANUP(ssh_host_clear) struct ssh_host h = {0};
    CLEANUP(setting_clear) struct setting s = {0};
    const struct tokens tokens = {.written = host, .host = &h};
    struct reader reader = {&tokens, defaults, own, false, &h, err};
    int r = names_any(is_key, said, defaults);

    if (r < 0)
        return no_memory(err);
    reader.has_keys = r > 0;

    for (const char *at = said; (r = next_setting(&at, &s)) > 0;)
        if ((r = take_place(&h, &s, err)) < 0)
            return r;
    if (r < 0)
        return no_memory(err);
    if (!h.hostname || !h.port)
        return error_set(err, -EBADMSG, "ssh -G says no host name, or no port");
    for (const char *at = said; (r = next_setting(&at, &s)) > 0;)
        if ((r = take_setting(&reader, &s)) < 0)
            return r;
    if (r < 0 || take_known_hosts(&h, said, defaults) < 0)
        return no_memory(err);
    *ret = h;
    h = (struct ssh_host){0};
    return 0;
}
