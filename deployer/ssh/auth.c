#include "auth.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "agent-filter.h"
#include "discovery/base/cause.h"

/* A server may ask questions for ever, and empty ones at that: PAM needs one round for the
 * password, and one more without a question that shows a notice. */
enum { KEYS_MAX = 4096, PASSPHRASE_TRIES = 3, ROUNDS_MAX = 4 };

struct loaded_key {
    ssh_key key;
    ssh_key certificate; /* NULL: none */
    char *file;          /* of auth_add; NULL: auth_new's, for every login */
};

struct auth {
    struct loaded_key *keys; /* a certificate and its key are two */
    size_t n_keys, room;
    struct strings added; /* files that auth_add has seen */
    /* Those of them whose key the agent has, each with that key. */
    struct strings held_files, held_keys;
    struct strings held;  /* all of the agent's keys */
    struct strings usual; /* those of them whose files nobody named, and were not read */
    size_t locked;        /* keys that were skipped, as their passphrase is not available */
    bool agent;
    struct strings chosen; /* of the agent's keys; none: all */
    const struct secret *password;
    atomic_size_t first; /* the key that worked last */
};

static void free_base64(char **base64)
{
    ssh_string_free_char(*base64);
}

/* --- keys, before there are workers ---------------------------------------------- */

struct passphrase {
    const char *file;
    bool wanted;           /* the file is encrypted */
    bool may_ask, refused; /* refused: the person gave none, or cannot be asked */
    struct error why;
};

static int give_passphrase(const char *prompt, char *buffer, size_t size, int echo, int verify,
                           void *arg)
{
    CLEANUP(secret_free_p) struct secret *secret = NULL;
    struct passphrase *p = arg;
    char words[512];

    (void)prompt, (void)echo, (void)verify;
    p->wanted = true;
    if (!p->may_ask) {
        p->refused = true;
        return -1;
    }
    (void)snprintf(words, sizeof(words), "Passphrase of %s: ", p->file);
    if (secret_ask(words, &secret, &p->why) < 0 || !secret || secret_size(secret) >= size) {
        p->refused = true;
        return -1;
    }
    memcpy(buffer, secret_text(secret), secret_size(secret) + 1);
    return 0;
}

/* 0 and a key; -EKEYREJECTED: its passphrase is not available; -EINVAL: it is not a
 * private key. */
static int load_key(struct passphrase *p, ssh_key *ret)
{
    for (int i = 0; i < PASSPHRASE_TRIES; i++) {
        p->wanted = false;
        if (ssh_pki_import_privkey_file(p->file, NULL, give_passphrase, p, ret) == SSH_OK)
            return 0;
        if (!p->wanted)
            return -EINVAL;
        if (p->refused)
            break;
    }
    return p->why.code == -ECANCELED ? -ECANCELED : -EKEYREJECTED;
}

static const char certificate_end[] = "-cert.pub";

/* The file's certificate; NULL when there is none that can be read. */
static ssh_key load_certificate(const char *file)
{
    CLEANUP_TEXT struct text beside = TEXT_INIT;
    ssh_key certificate = NULL;

    text_addf(&beside, "%s%s", file, certificate_end);
    if (text_error(&beside) == 0)
        (void)ssh_pki_import_cert_file(text_str(&beside), &certificate);
    return certificate;
}

/* If the agent has that key, adds it to `ret`. */
static bool choose_held(const struct auth *a, ssh_key key, struct strings *ret)
{
    CLEANUP(free_base64) char *base64 = NULL;

    return key && ssh_pki_export_pubkey_base64(key, &base64) == SSH_OK &&
           strings_has(&a->held, base64) && strings_add(ret, base64) == 0;
}

/* Does the agent have the key of that file, which may be the private or the public key, or its
 * certificate?  They are added to `ret`. */
static bool agent_has(const struct auth *a, const char *file, struct strings *ret)
{
    CLEANUP_TEXT struct text beside = TEXT_INIT;
    ssh_key key = NULL, certificate = load_certificate(file);
    bool has = choose_held(a, certificate, ret);

    text_addf(&beside, "%s.pub", file);
    if (text_error(&beside) == 0 && (ssh_pki_import_pubkey_file(file, &key) == SSH_OK ||
                                     ssh_pki_import_pubkey_file(text_str(&beside), &key) == SSH_OK))
        has = choose_held(a, key, ret) || has;
    ssh_key_free(key);
    ssh_key_free(certificate);
    return has;
}

/* Room for two more. */
static int make_room(struct auth *a, struct error *err)
{
    size_t room = a->room > 0 ? a->room * 2 : 8;
    struct loaded_key *keys;

    if (a->n_keys + 2 > KEYS_MAX)
        return error_set(err, -EINVAL, "more than %d SSH keys and certificates were given",
                         KEYS_MAX);
    if (a->n_keys + 2 <= a->room)
        return 0;
    keys = reallocarray(a->keys, room, sizeof(*a->keys));
    if (!keys)
        return error_sys(err, -ENOMEM, "cannot read keys");
    a->keys = keys;
    memset(a->keys + a->room, 0, (room - a->room) * sizeof(*a->keys));
    a->room = room;
    return 0;
}

static int add_key(struct auth *a, const char *file, bool named, struct error *err)
{
    /* For a default key, the passphrase is only asked for if there is nothing else to log in
     * with. */
    bool unneeded = a->password || a->agent;
    struct passphrase p = {.file = file, .may_ask = named || !unneeded};
    ssh_key key = NULL;
    int r = make_room(a, err);

    if (r < 0)
        return r;
    r = load_key(&p, &key);
    if (r == 0) {
        ssh_key certificate = load_certificate(file);

        if (certificate) {
            a->keys[a->n_keys].key = ssh_key_dup(key);
            a->keys[a->n_keys++].certificate = certificate;
        }
        a->keys[a->n_keys++].key = key;
    }
    if (r == -ECANCELED)
        return error_set(err, r, "interrupted");
    if (r == -EKEYREJECTED)
        a->locked++;
    if (r == 0 || !named)
        return 0;
    if (r == -EINVAL)
        return error_set(err, r, "%s is not a private key that can be read", file);
    if (p.why.code == -ENOTTY)
        return error_set(err, -EINVAL,
                         "the key %s has a passphrase, and there is no terminal to ask for it on: "
                         "`ssh-add %s` first",
                         file, file);
    return error_set(err, -EINVAL, "the passphrase of %s is wrong", file);
}

int auth_new(const struct strings *files, bool named, const struct secret *password,
             struct auth **ret, struct error *err)
{
    CLEANUP(auth_free_p) struct auth *a = calloc(1, sizeof(*a));
    int r;

    if (!a)
        return error_sys(err, -ENOMEM, "cannot read keys");
    a->password = password;
    /* An agent that does not answer counts as no agent. */
    if (agent_list(&a->held, NULL) < 0)
        strings_clear(&a->held);
    a->agent = a->held.count > 0;
    r = 0;
    for (size_t i = 0; i < files->count && r == 0; i++) {
        CLEANUP_FREE char *file = strdup(files->items[i]);

        if (!file)
            return error_sys(err, -ENOMEM, "cannot read keys");
        if (string_ends_with(file, certificate_end))
            file[strlen(file) - strlen(certificate_end)] = '\0';
        if (!named || !agent_has(a, file, &a->chosen)) {
            size_t before = a->n_keys;

            r = add_key(a, file, named, err);
            if (r == 0 && !named && a->n_keys == before)
                (void)agent_has(a, file, &a->usual);
        }
    }
    a->agent = a->agent && (!named || a->chosen.count > 0);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(a);
    return 0;
}

static int add_file(struct auth *a, const char *file, struct error *err)
{
    CLEANUP_STRINGS struct strings found = {0};
    size_t before = a->n_keys;
    int r = 0;

    if (strings_has(&a->added, file))
        return 0;
    if (strings_add(&a->added, file) < 0)
        return error_sys(err, -ENOMEM, "cannot read keys");
    if (!agent_has(a, file, &found))
        r = add_key(a, file, false, err);
    for (size_t i = 0; i < found.count && r == 0; i++)
        if (strings_add(&a->held_files, file) < 0 || strings_add(&a->held_keys, found.items[i]) < 0)
            r = error_sys(err, -ENOMEM, "cannot read keys");
    for (size_t i = before; i < a->n_keys && r == 0; i++) {
        a->keys[i].file = strdup(file);
        if (!a->keys[i].file)
            r = error_sys(err, -ENOMEM, "cannot read keys");
    }
    return r;
}

int auth_add(struct auth *a, const struct strings *files, struct error *err)
{
    int r = 0;

    for (size_t i = 0; i < files->count && r == 0; i++)
        r = add_file(a, files->items[i], err);
    return r;
}

void auth_free(struct auth *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->n_keys; i++) {
        ssh_key_free(a->keys[i].key);
        ssh_key_free(a->keys[i].certificate);
        free(a->keys[i].file);
    }
    free(a->keys);
    strings_clear(&a->added);
    strings_clear(&a->held_files);
    strings_clear(&a->held_keys);
    strings_clear(&a->held);
    strings_clear(&a->usual);
    strings_clear(&a->chosen);
    free(a);
}

/* --- one login -------------------------------------------------------------------- */

struct attempt {
    struct auth *auth;
    const struct auth_login *login;
    const struct secret *password; /* NULL: none */
    ssh_key key;                   /* a copy, while it is offered */
    size_t offered;                /* keys, without the agent's */
    bool asked_agent, agent_cut;   /* cut: it had more keys than were offered */
    bool gave_password;
    bool partial; /* a key was accepted, and something else is required, too */
};

/* libssh has two values for "again".  SSH_AGAIN itself is not a result of an
 * authentication. */
static int normalize_again(int r)
{
    return r == SSH_AUTH_AGAIN ? SSH_AGAIN : r == SSH_AGAIN ? SSH_AUTH_ERROR : r;
}

static int call_none(void *arg)
{
    return normalize_again(ssh_userauth_none(((struct attempt *)arg)->login->ssh, NULL));
}

static int call_publickey(void *arg)
{
    struct attempt *t = arg;

    return normalize_again(ssh_userauth_publickey(t->login->ssh, NULL, t->key));
}

static int call_agent(void *arg)
{
    return normalize_again(ssh_userauth_agent(((struct attempt *)arg)->login->ssh, NULL));
}

static int call_password(void *arg)
{
    struct attempt *t = arg;

    return normalize_again(ssh_userauth_password(t->login->ssh, NULL, secret_text(t->password)));
}

static int call_interactive(void *arg)
{
    return normalize_again(ssh_userauth_kbdint(((struct attempt *)arg)->login->ssh, NULL, NULL));
}

/* 0: logged in; -EACCES without a message: refused, try the next method. */
static int try_method(struct attempt *t, int (*call)(void *), int *ret_result, struct error *err)
{
    int r = t->login->repeat(t->login->waiter, call, t, ret_result, err);

    if (r == 0 && *ret_result == SSH_AUTH_SUCCESS)
        return 0;
    if (r == -ECONNRESET || (r == 0 && !ssh_is_connected(t->login->ssh)))
        return error_set(err, -ECONNRESET, "the server closed the connection");
    if (r == 0 && *ret_result == SSH_AUTH_PARTIAL)
        t->partial = true;
    return r < 0 ? r : -EACCES;
}

static int offer_key(struct attempt *t, size_t index, struct error *err)
{
    int result, r;

    t->key = ssh_key_dup(t->auth->keys[index].key);
    if (!t->key || (t->auth->keys[index].certificate &&
                    ssh_pki_copy_cert_to_privkey(t->auth->keys[index].certificate, t->key) < 0)) {
        ssh_key_free(TAKE_PTR(t->key));
        return error_sys(err, -ENOMEM, "cannot offer a key");
    }
    t->offered++;
    r = try_method(t, call_publickey, &result, err);
    ssh_key_free(TAKE_PTR(t->key));
    if (r == 0)
        atomic_store(&t->auth->first, index);
    return r;
}

static bool has_own_keys(const struct attempt *t)
{
    return t->login->keys && t->login->keys->count > 0;
}

/* Is this key for this login? */
static bool is_for_login(const struct attempt *t, size_t index)
{
    const char *file = t->auth->keys[index].file;

    return has_own_keys(t) ? file && strings_has(t->login->keys, file) : !file;
}

/* Which of the agent's keys this login may try; an empty list: all.  False: none. */
static bool choose_of_agent(const struct attempt *t, struct strings *own,
                            const struct strings **ret_chosen)
{
    const struct auth *a = t->auth;

    if (!has_own_keys(t)) {
        *ret_chosen = t->login->only_keys && a->chosen.count == 0 ? &a->usual : &a->chosen;
        return a->agent && (!t->login->only_keys || (*ret_chosen)->count > 0);
    }
    for (size_t i = 0; i < a->held_files.count; i++)
        if (strings_has(t->login->keys, a->held_files.items[i]) &&
            strings_add(own, a->held_keys.items[i]) < 0)
            return false;
    *ret_chosen = own;
    return own->count > 0 || (a->held.count > 0 && !t->login->only_keys);
}

static int offer_agent(struct attempt *t, struct error *err)
{
    CLEANUP_STRINGS struct strings own = {0};
    const struct strings *chosen;
    struct agent_filter *filter;
    int fd, result, r;

    if (!choose_of_agent(t, &own, &chosen))
        return -EACCES;
    r = agent_filter_start(chosen, AUTH_KEYS_MAX - t->offered, &filter, &fd, err);
    if (r == -ENOENT) /* the agent has ended since auth_new */
        return -EACCES;
    if (r < 0)
        return r;
    t->asked_agent = true;
    r = ssh_set_agent_socket(t->login->ssh, fd) == SSH_OK
            ? try_method(t, call_agent, &result, err)
            : error_sys(err, -ENOMEM, "cannot talk to ssh-agent");
    t->agent_cut = agent_filter_end(filter);
    return r;
}

static int offer_keys(struct attempt *t, struct error *err)
{
    size_t first = atomic_load(&t->auth->first);
    int r = -EACCES;

    if (t->auth->n_keys > 0 && is_for_login(t, first))
        r = offer_key(t, first, err);
    for (size_t i = 0;
         i < t->auth->n_keys && r == -EACCES && !t->partial && t->offered < AUTH_KEYS_MAX; i++)
        if (i != first && is_for_login(t, i))
            r = offer_key(t, i, err);
    if (r == -EACCES && !t->partial && t->offered < AUTH_KEYS_MAX)
        r = offer_agent(t, err);
    return r;
}

static void note_words(struct attempt *t, const char *words)
{
    if (words && *words && t->login->said->size < CAUSE_WORDS_MAX)
        text_addf(t->login->said, "%s ", words);
}

/* Keeps what the server says and asks in this round; `ret_plain`: its only question, if any, is
 * one for a password. */
static void note_questions(struct attempt *t, int n, bool *ret_plain)
{
    ssh_session ssh = t->login->ssh;

    *ret_plain = n <= 1;
    note_words(t, ssh_userauth_kbdint_getname(ssh));
    note_words(t, ssh_userauth_kbdint_getinstruction(ssh));
    for (int i = 0; i < n; i++) {
        char echo = 0;
        const char *prompt = ssh_userauth_kbdint_getprompt(ssh, (unsigned)i, &echo);

        if (t->gave_password || n > 1 || echo || !prompt || cause_is_second_factor(prompt)) {
            note_words(t, prompt);
            *ret_plain = false;
        }
    }
}

/* Logs in by keyboard-interactive.  PAM may ask any question: only a single one whose answer
 * is hidden is treated as the password prompt, and it is answered once. */
static int answer_questions(struct attempt *t, struct error *err)
{
    ssh_session ssh = t->login->ssh;
    int result = SSH_AUTH_ERROR;
    int r = try_method(t, call_interactive, &result, err);

    for (int round = 0; r == -EACCES && result == SSH_AUTH_INFO; round++) {
        int n = ssh_userauth_kbdint_getnprompts(ssh);
        bool plain;

        note_questions(t, n, &plain);
        if (round == ROUNDS_MAX)
            return error_set(err, -EACCES,
                             "the SSH server asks '%s' again and again, and does not say yes or "
                             "no; use a key",
                             t->login->user);
        if (!plain)
            return error_set(err, -EACCES,
                             "the SSH server asks '%s' for more than %s; use a key or a user that "
                             "needs no more",
                             t->login->user, t->partial ? "a key and a password" : "a password");
        if (n == 1) {
            t->gave_password = true;
            if (ssh_userauth_kbdint_setanswer(ssh, 0, secret_text(t->password)) < 0)
                return error_sys(err, -ENOMEM, "cannot answer the server");
        }
        r = try_method(t, call_interactive, &result, err);
    }
    return r;
}

/* Uses only one of the two password methods, once: the other one would send the same
 * password again, and a machine that counts failures might lock the account. */
static int give_password(struct attempt *t, unsigned methods, struct error *err)
{
    int result;

    if (!(methods & SSH_AUTH_METHOD_PASSWORD))
        return answer_questions(t, err);
    t->gave_password = true;
    return try_method(t, call_password, &result, err);
}

/* --- messages after a refusal ------------------------------------------------------- */

static int refuse_password(const struct attempt *t, struct error *err)
{
    return error_set(err, -EACCES,
                     "the password of user '%s' was refused; it is not tried again. Check --user "
                     "and the password, or use a key",
                     t->login->user);
}

static int explain_refusal(const struct attempt *t, unsigned methods, struct error *err)
{
    const char *user = t->login->user;
    bool takes_password = methods & (SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_INTERACTIVE);
    bool takes_key = methods & SSH_AUTH_METHOD_PUBLICKEY;
    char what[128] = "without a key";

    if (err && err->code < 0)
        return err->code;
    if (t->gave_password && !t->partial)
        return refuse_password(t, err);
    if (t->partial)
        return error_set(err, -EACCES,
                         "the SSH server took the key of '%s' and requires %s, too%s "
                         "(AuthenticationMethods in its sshd_config)",
                         user, takes_password ? "a password or a code" : "more",
                         !takes_password || t->gave_password ? "" : "; give --ask-pass");
    if (t->offered > 0)
        (void)snprintf(what, sizeof(what), "with %zu key%s%s", t->offered,
                       t->offered == 1 ? "" : "s", t->asked_agent ? " and ssh-agent's" : "");
    else if (t->asked_agent)
        (void)snprintf(what, sizeof(what), "with ssh-agent's keys");
    if (takes_password && t->password && !t->login->may_have_password)
        return error_set(err, -EACCES, "user '%s' was refused %s, and no password was given: %s",
                         user, what, AUTH_UNSEEN);
    if (!takes_password && !takes_key)
        return error_set(err, -EACCES,
                         "the SSH server allows neither a key nor a password for '%s'; allow one "
                         "in its sshd_config",
                         user);
    if (!takes_key)
        return error_set(err, -EACCES,
                         "the SSH server requires the password of '%s'; give --ask-pass", user);
    if (t->offered == 0 && !t->asked_agent && !takes_password)
        return error_set(err, -EACCES, "there is no key to log in with; name one with --key");
    return error_set(
        err, -EACCES,
        "user '%s' was refused %s; put the public key into its "
        "~/.ssh/authorized_keys, name another --user or --key%s%s",
        user, what,
        takes_password && !t->password ? ", or give --ask-pass, as the server accepts a password"
                                       : "",
        t->agent_cut ? "; ssh-agent holds more keys than SSH servers allow attempts: name the "
                       "right one with --key FILE.pub"
        : t->auth->locked > 0
            ? "; a key with a passphrase was skipped: ssh-add it, or name it with --key"
            : "");
}

int auth_log_in(struct auth *a, const struct auth_login *login, struct error *err)
{
    struct attempt t = {
        .auth = a, .login = login, .password = login->password ? login->password : a->password};
    unsigned methods;
    int result;
    int r = offer_keys(&t, err);

    /* The method "none" returns the methods that the server accepts (RFC 4252 §5.2), as a
     * refused key does. */
    if (r == -EACCES && t.offered == 0 && !t.asked_agent)
        r = try_method(&t, call_none, &result, err);
    if (r != -EACCES || (err && err->code < 0))
        return r;
    methods = (unsigned)ssh_userauth_list(login->ssh, NULL);
    if (t.password && login->may_have_password &&
        methods & (SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_INTERACTIVE))
        r = give_password(&t, methods, err);
    return r == -EACCES ? explain_refusal(&t, methods, err) : r;
}
