/* The passwords of a run: from the environment, from files, from a person. */
#include <errno.h>

#include "deployer/cli/program.h"

/* What is asked for counts before a file, a file before the environment. */
static int take(const char *variable, const char *file, bool asked, const char *prompt,
                struct secret **ret, struct error *err)
{
    int r = secret_take_environment(variable, ret, err);

    if (r == 0 && (file || asked))
        secret_free(TAKE_PTR(*ret));
    if (r == 0 && asked)
        return secret_ask(prompt, ret, err);
    return r == 0 && file ? secret_read(file, ret, err) : r;
}

int program_take_passwords(struct program *p, struct error *err)
{
    const struct deploy_options *o = &p->options;
    int r =
        take("DCOP_PASSWORD", o->password_file, o->ask_pass, "SSH password: ", &p->password, err);

    if (r < 0)
        return r;
    r = take("DCOP_BECOME_PASSWORD", o->become_password_file, o->ask_become_pass,
             p->password ? "sudo password (empty: the SSH password): " : "sudo password: ",
             &p->become_password, err);
    if (r == 0 && o->ask_become_pass && !p->become_password && p->password)
        r = secret_new(secret_text(p->password), secret_size(p->password), &p->become_password,
                       err);
    return r;
}
