#include <string.h>

#include "roster.h"

const char *machine_label(const struct machine *m, char buffer[static MACHINE_LABEL_MAX])
{
    size_t n;

    if (!m->host || !*m->host)
        return *m->advert.id ? m->advert.id : "a machine without a name";
    n = strlen(m->host);
    if (n > 6 && strcmp(m->host + n - 6, ".local") == 0)
        n -= 6;
    if (n >= MACHINE_LABEL_MAX)
        return m->host;
    memcpy(buffer, m->host, n);
    buffer[n] = '\0';
    return buffer;
}

const char *machine_doubt(const struct machine *m)
{
    if (!m->in_doubt)
        return NULL;
    return m->cloned ? "another machine has this id and host key: clones of one image; on one of "
                       "them: " ADVERT_CLONE_REMEDY
                     : "another machine has this id and a different host key (a reflashed or "
                       "cloned card, or an impostor)";
}

const char *machine_error(const struct machine *m)
{
    const char *error = m->advert.error;

    return m->cloned && error && strstr(error, ADVERT_CLONE_REMEDY) ? NULL : error;
}
