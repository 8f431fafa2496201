/*
 * Floods a link with false adverts by multicast DNS, for tests.
 *
 * usage: flood INTERFACE ADDRESS COUNT RATE [FIRST|signed|names]
 *
 * Sends COUNT answers from ADDRESS, RATE a second, each with the PTR, SRV, TXT
 * and A records of another machine that there is not, from number FIRST on; with
 * `signed`, each has a signature of the right form; with `names`, there is only the PTR.  Tells at
 * the end how many and how long.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 12, PORT = 5353 };

struct packet {
    uint8_t bytes[1500];
    size_t size;
};

static void put(struct packet *p, const void *bytes, size_t size)
{
    memcpy(p->bytes + p->size, bytes, size);
    p->size += size;
}

static void put16(struct packet *p, size_t number)
{
    const uint8_t bytes[] = {(uint8_t)(number >> 8), (uint8_t)number};

    put(p, bytes, sizeof(bytes));
}

static void put_string(struct packet *p, const char *s)
{
    const uint8_t size = (uint8_t)strlen(s);

    put(p, &size, 1);
    put(p, s, size);
}

static void put_type(struct packet *p)
{
    put_string(p, "_dcop-agent");
    put_string(p, "_tcp");
    put_string(p, "local");
    put(p, "", 1);
}

/* Type, class with the cache-flush bit or not, TTL; the length comes at the end. */
static size_t begin(struct packet *p, unsigned type, unsigned class)
{
    put16(p, type);
    put16(p, class);
    put16(p, 0);
    put16(p, 4500);
    put16(p, 0);
    return p->size;
}

static void end(struct packet *p, size_t start)
{
    p->bytes[start - 2] = (uint8_t)((p->size - start) >> 8);
    p->bytes[start - 1] = (uint8_t)(p->size - start);
}

static void make(struct packet *p, unsigned number, struct in_addr address, bool with_signature,
                 bool names_only)
{
    char instance[40], host[20], text[64];
    size_t start;

    memset(p->bytes, 0, HEADER);
    p->bytes[2] = 0x84;
    p->bytes[7] = names_only ? 1 : 4;
    p->size = HEADER;
    (void)snprintf(instance, sizeof(instance), "dcop-f%015x", number);
    (void)snprintf(host, sizeof(host), "f%07x", number);

    put_type(p);
    start = begin(p, 12, 1);
    put_string(p, instance);
    put_type(p);
    end(p, start);
    if (names_only)
        return;

    put_string(p, instance);
    put_type(p);
    start = begin(p, 33, 0x8001);
    put16(p, 0);
    put16(p, 0);
    put16(p, 22);
    put_string(p, host);
    put_string(p, "local");
    put(p, "", 1);
    end(p, start);

    put_string(p, instance);
    put_type(p);
    start = begin(p, 16, 0x8001);
    put_string(p, "txtvers=1");
    (void)snprintf(text, sizeof(text), "id=f%015x", number);
    put_string(p, text);
    put_string(p, "agent=a1");
    if (with_signature)
        put_string(p, "sig=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    end(p, start);

    put_string(p, host);
    put_string(p, "local");
    put(p, "", 1);
    start = begin(p, 1, 0x8001);
    put(p, &address, 4);
    end(p, start);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct ip_mreqn out = {.imr_ifindex = 0};
    unsigned long count, rate, first = 0;
    bool with_signature, names_only;
    const int on = 1;
    double start;
    int fd;

    if (argc < 5) {
        fputs("usage: flood INTERFACE ADDRESS COUNT RATE [FIRST|signed|names]\n", stderr);
        return 2;
    }
    count = strtoul(argv[3], NULL, 10);
    rate = strtoul(argv[4], NULL, 10);
    with_signature = argc > 5 && strcmp(argv[5], "signed") == 0;
    names_only = argc > 5 && strcmp(argv[5], "names") == 0;
    if (argc > 5 && !with_signature && !names_only)
        first = strtoul(argv[5], NULL, 10);
    here.sin_addr.s_addr = inet_addr(argv[2]);
    to.sin_addr.s_addr = inet_addr("224.0.0.251");
    out.imr_ifindex = (int)if_nametoindex(argv[1]);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (const struct sockaddr *)&here, sizeof(here)) < 0 ||
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof(out)) < 0) {
        perror("flood");
        return 3;
    }
    start = seconds();
    for (unsigned long i = 0; i < count; i++) {
        struct packet p;
        double ahead = start + (double)i / (double)rate - seconds();

        if (ahead > 0.001)
            (void)usleep((useconds_t)(ahead * 1e6));
        make(&p, (unsigned)(first + i), here.sin_addr, with_signature, names_only);
        (void)sendto(fd, p.bytes, p.size, 0, (const struct sockaddr *)&to, sizeof(to));
    }
    printf("%lu in %.1f s\n", count, seconds() - start);
    close(fd);
    return 0;
}
