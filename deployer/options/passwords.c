#include "passwords.h"

#include <errno.h>

void passwords_clear(struct passwords *p)
{
    secret_free(p->login);
    secret_free(p->become);
    *p = (struct passwords){0};
}

static int take_password(const char *variable, const char *file, bool asked, const char *prompt,
                         struct secret **ret, struct error *err)
{
    int r = secret_take_environment(variable, ret, err);

    if (r == 0 && (file || asked))
        secret_free(TAKE_PTR(*ret));
    if (r == 0 && asked)
        return secret_ask(prompt, ret, err);
    return r == 0 && file ? secret_read(file, ret, err) : r;
}

int passwords_share(struct passwords *p, struct error *err)
{
    return p->login && !p->become
               ? secret_new(secret_text(p->login), secret_size(p->login), &p->become, err)
               : 0;
}

int passwords_take(const struct deploy_options *o, struct passwords *ret, struct error *err)
{
    CLEANUP(passwords_clear) struct passwords p = {0};
    int r = take_password("DCOP_PASSWORD", o->password_file, o->ask_pass,
                          "SSH password: ", &p.login, err);

    if (r == 0)
        r = take_password("DCOP_BECOME_PASSWORD", o->become_password_file, o->ask_become_pass,
                          p.login ? "sudo password (empty: the SSH password): " : "sudo password: ",
                          &p.become, err);
    if (r == 0 && o->ask_become_pass)
        r = passwords_share(&p, err);
    if (r < 0)
        return r;
    *ret = p;
    p = (struct passwords){0};
    return 0;
}
