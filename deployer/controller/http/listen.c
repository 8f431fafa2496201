#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "deployer/base/destination.h"
#include "discovery/base/address.h"
#include "discovery/base/file.h"

enum { BACKLOG = 128, TOKEN_BYTES = 32 };

int listen_open(const char *where, uint16_t port, int *ret_fd, uint16_t *ret_port, char **ret_host,
                struct error *err)
{
    CLEANUP_CLOSE int fd = -1;
    struct destination destination;
    struct address address;
    struct sockaddr_storage to;
    socklen_t size;
    int one = 1, r = destination_parse(where, &destination, err);

    if (r < 0)
        return r;
    if (*destination.user || address_parse(destination.host, &address) < 0)
        return error_set(err, -EINVAL,
                         "--listen needs an address of this computer: 127.0.0.1, 0.0.0.0:8808, "
                         "[::1]:8808");
    *ret_port = destination.port ? destination.port : port;
    size = address_to_sockaddr(&address, *ret_port, &to);
    fd = socket(address.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, (const struct sockaddr *)&to, size) < 0 || listen(fd, BACKLOG) < 0)
        return error_sys(err, -errno, "cannot listen on %s port %u%s", destination.host, *ret_port,
                         errno == EADDRINUSE ? " (is another dcop-controller running?)" : "");
    if (asprintf(ret_host, address.family == AF_INET6 ? "[%s]" : "%s", destination.host) < 0)
        return error_sys(err, -ENOMEM, "cannot listen on %s", where);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int add_host(struct strings *to, const char *host)
{
    return strings_has(to, host) ? 0 : strings_add(to, host);
}

static int add_all_addresses(struct strings *to)
{
    struct ifaddrs *first;
    int r = 0;

    if (getifaddrs(&first) < 0)
        return 0;
    for (const struct ifaddrs *i = first; i && r == 0; i = i->ifa_next) {
        char text[INET6_ADDRSTRLEN], host[INET6_ADDRSTRLEN + 2];

        if (!i->ifa_addr)
            continue;
        if (i->ifa_addr->sa_family == AF_INET &&
            inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr,
                      text, sizeof(text)))
            r = add_host(to, text);
        if (i->ifa_addr->sa_family == AF_INET6 &&
            inet_ntop(AF_INET6,
                      &((const struct sockaddr_in6 *)(const void *)i->ifa_addr)->sin6_addr, text,
                      sizeof(text))) {
            (void)snprintf(host, sizeof(host), "[%s]", text);
            r = add_host(to, host);
        }
    }
    freeifaddrs(first);
    return r;
}

int listen_hosts(const char *host, const struct strings *given, struct strings *ret)
{
    bool all = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "[::]") == 0;
    bool loopback = all || strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0;
    int r = 0;

    for (size_t i = 0; i < given->count && r == 0; i++)
        r = add_host(ret, given->items[i]);
    if (r == 0 && all)
        r = add_all_addresses(ret);
    else if (r == 0)
        r = add_host(ret, host);
    if (r == 0 && loopback &&
        (add_host(ret, "localhost") < 0 || add_host(ret, "127.0.0.1") < 0 ||
         add_host(ret, "[::1]") < 0))
        r = -ENOMEM;
    return r;
}

static int make_token(const char *path, struct error *err)
{
    uint8_t bytes[TOKEN_BYTES];
    char hex[2 * TOKEN_BYTES + 2];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return error_sys(err, -errno, "cannot make a token");
    for (size_t i = 0; i < sizeof(bytes); i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
    strcat(hex, "\n");
    return file_write(path, hex, strlen(hex), 0600, err);
}

int token_read(const char *path, char ret[static 65], struct error *err)
{
    CLEANUP_TEXT struct text bytes = TEXT_INIT;
    struct stat st;
    int r;

    if (stat(path, &st) < 0 && errno == ENOENT) {
        r = make_token(path, err);
        if (r < 0)
            return r;
    }
    if (stat(path, &st) < 0)
        return error_sys(err, -errno, "cannot read the token %s", path);
    if (st.st_mode & 077)
        return error_set(err, -EPERM,
                         "other users can read the token %s: anyone who has read it can control "
                         "this service. Delete the file and start again; a new token is then made",
                         path);
    r = file_read(path, 4096, &bytes, err);
    if (r < 0)
        return r;
    if (bytes.size && bytes.data[bytes.size - 1] == '\n')
        bytes.data[--bytes.size] = '\0';
    if (bytes.size != 2 * TOKEN_BYTES ||
        !string_is_one_of(text_str(&bytes), "0123456789abcdef", 2 * TOKEN_BYTES, 2 * TOKEN_BYTES))
        return error_set(err, -EBADMSG,
                         "%s does not contain a token (64 hex digits). Delete the file and start "
                         "again; a new token is then made",
                         path);
    memcpy(ret, bytes.data, 2 * TOKEN_BYTES + 1);
    return 0;
}
