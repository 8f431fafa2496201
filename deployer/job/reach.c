#include "reach.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deployer/ssh/dial.h"

enum { REACH_MS = 3000, AGENTS_MAX = 64, AGENTS_PORT = 9001 };

int reach_parse(const char *said, struct reach *ret)
{
    char address[16], more;
    unsigned port, count;

    if (sscanf(said, "%15[0-9.] %5u %5u%c", address, &port, &count, &more) != 3 ||
        port != AGENTS_PORT || count == 0 || count > AGENTS_MAX ||
        address_parse(address, &ret->address) < 0)
        return -EINVAL;
    ret->port = (uint16_t)port;
    ret->count = count;
    return 0;
}

int reach_check(const struct reach *reach, const struct address *peer, const char *given,
                const struct links *links, struct error *err)
{
    char address[ADDRESS_TEXT_MAX];

    address_format(&reach->address, address);
    if (address_equal(&reach->address, peer) || (given && strcmp(given, address) == 0) ||
        (links_is_near(links, &reach->address) && !links_refuse(links, &reach->address, false)))
        return 0;
    if (given)
        return error_set(err, -EREMOTEIO,
                         "its agents run at %s, because the machine has no address %s, which was "
                         "given: correct agt_address in the inventory, then deploy again",
                         address, given);
    return error_set(
        err, -EREMOTEIO,
        "its agents run, but their address %s is neither where SSH reaches it nor on a "
        "network of this computer: give the address at which all machines reach it "
        "(agt_address in an inventory)",
        address);
}

void reach_place_clear(struct reach_place *place)
{
    free(atomic_exchange(&place->last, NULL));
}

static int fail_from_here(const struct reach *r, uint16_t port, int code, struct error *err)
{
    char address[ADDRESS_TEXT_MAX];

    address_format(&r->address, address);
    if (code == -ETIMEDOUT || code == -ECONNREFUSED)
        return error_set(
            err, -EREMOTEIO,
            "its agents run, but this computer cannot connect to %s port %u (%s): a firewall on "
            "the machine lets only SSH in (with ufw: `ufw allow %u:%u/tcp` there), or that is not "
            "its address for others (agt_address in an inventory gives one)",
            address, port, strerror(-code), r->port, r->port + r->count - 1);
    return error_set(err, -EREMOTEIO,
                     "its agents run, but this computer cannot connect to %s port %u (%s): give an "
                     "address that all machines reach (agt_address in an inventory)",
                     address, port, strerror(-code));
}

static int try_from_here(const struct reach *r, int cancel_fd, struct error *err)
{
    for (unsigned i = 0; i < r->count; i++) {
        uint16_t port = (uint16_t)(r->port + i);
        struct address peer;
        struct error why = {0};
        int fd, q = dial(&r->address, 1, port, REACH_MS, cancel_fd, &peer, &fd, &why);

        if (q == -ECANCELED)
            return error_set(err, q, "%s", why.text);
        if (q < 0)
            return fail_from_here(r, port, q, err);
        close(fd);
    }
    return 0;
}

static int try_other(const struct reach *other, struct session *s, struct error *err)
{
    char address[ADDRESS_TEXT_MAX];
    struct error why = {0};
    int q;

    address_format(&other->address, address);
    q = session_try_connect(s, address, other->port, &why);
    if (q == -ECANCELED)
        return error_set(err, q, "%s", why.text);
    if (q == 0 || q == -EPERM) /* forbidden to SSH's forwards: nothing can be said */
        return 0;
    return error_set(err, -EREMOTEIO,
                     "it cannot connect to the agents of %s at %s port %u, which this computer "
                     "can (%s): a firewall, or an access point that keeps its clients apart; let "
                     "the machines connect to each other, then deploy again",
                     other->name, address, other->port, why.text);
}

int reach_try(const struct reach *reach, struct reach_place *place, struct session *s,
              int cancel_fd, struct error *err)
{
    struct reach *mine, *other;
    int q = try_from_here(reach, cancel_fd, err);

    if (q < 0 || !place)
        return q;
    mine = malloc(sizeof(*mine));
    if (!mine)
        return error_sys(err, -ENOMEM, "cannot try the agents");
    *mine = *reach;
    other = atomic_exchange(&place->last, mine);
    if (other)
        q = try_other(other, s, err);
    free(other);
    return q;
}
