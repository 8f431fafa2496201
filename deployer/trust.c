#include "trust.h"

#include <errno.h>
#include <string.h>

int trust_check(const struct trust *t, const char *fingerprint, struct error *err)
{
    if (t->pin) {
        if (strcmp(t->pin, fingerprint) == 0)
            return 0;
        return error_set(err, -EKEYREJECTED,
                         "its host key is %s, but %s is pinned for machine %s: a reflashed card, "
                         "or an impostor. If you know why it changed: dcop-deploy trust %s %s",
                         fingerprint, t->pin, t->id, t->id, fingerprint);
    }
    if (t->expected && strcmp(t->expected, fingerprint) != 0)
        return error_set(err, -EKEYREJECTED,
                         "its host key is %s, but the record of %s says %s: another machine "
                         "answers at its address",
                         fingerprint, t->host, t->expected);
    if (!t->accept_new)
        return error_set(err, -EKEYREJECTED,
                         "it is new here: its host key is %s. Compare it with `ssh-keygen -l -f "
                         "/etc/ssh/ssh_host_ed25519_key.pub` on the machine, then give "
                         "--accept-new, or: dcop-deploy trust %s %s",
                         fingerprint, t->id ? t->id : "ID", fingerprint);
    return 0;
}
