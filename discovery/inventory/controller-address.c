#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "discovery/base/cleanup.h"
#include "inventory.h"

void inventory_find_controller(const struct machine *const *machines, size_t n,
                               char ret[static INET_ADDRSTRLEN])
{
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    socklen_t size = sizeof(to);

    ret[0] = '\0';
    for (size_t i = 0; i < n && !ret[0]; i++) {
        if (machines[i]->untrusted || machines[i]->n_addresses == 0 ||
            machines[i]->addresses[0].family != AF_INET)
            continue;
        /* Connecting a datagram socket sends nothing: it asks for the route. */
        memcpy(&to.sin_addr, machines[i]->addresses[0].bytes, 4);
        if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0 &&
            getsockname(fd, (struct sockaddr *)&to, &size) == 0)
            (void)inet_ntop(AF_INET, &to.sin_addr, ret, INET_ADDRSTRLEN);
    }
}
