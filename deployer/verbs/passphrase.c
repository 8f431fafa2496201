#include "passphrase.h"

#include <errno.h>
#include <string.h>

static int ask(const char *prompt, struct secret **ret, struct error *err)
{
    int r = secret_ask(prompt, ret, err);

    if (r == -ENOTTY)
        return error_set(err, r,
                         "there is no terminal to ask for the passphrase on; give it in a file "
                         "(--passphrase-file) or in DCOP_PASSPHRASE");
    return r < 0 || *ret ? r : error_set(err, -EINVAL, "the passphrase is empty");
}

static int ask_again(const struct secret *first, struct error *err)
{
    CLEANUP(secret_free_p) struct secret *again = NULL;
    int r = ask("The same again: ", &again, err);

    if (r == 0 && strcmp(secret_text(first), secret_text(again)) != 0)
        return error_set(err, -EINVAL, "the two passphrases differ; nothing was written");
    return r;
}

int passphrase_take(const struct deploy_options *o, bool is_new, struct secret **ret,
                    struct error *err)
{
    CLEANUP(secret_free_p) struct secret *s = NULL;
    int r = secret_take_environment("DCOP_PASSPHRASE", &s, err);
    bool asks = r == 0 && !s && !o->passphrase_file;

    if (r == 0 && o->passphrase_file) {
        secret_free(TAKE_PTR(s));
        r = secret_read(o->passphrase_file, &s, err);
    }
    if (asks)
        r = ask(is_new ? "A passphrase for the file: " : "The file's passphrase: ", &s, err);
    if (r == 0 && is_new && secret_size(s) < PASSPHRASE_MIN)
        r = error_set(err, -EINVAL, "the passphrase has fewer than %d characters", PASSPHRASE_MIN);
    if (r == 0 && asks && is_new)
        r = ask_again(s, err);
    if (r == 0)
        *ret = TAKE_PTR(s);
    return r;
}
