/* Any bytes as an answer of unicast DNS: what is read of it is bounded, and its names can be
 * asked for and told apart. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "discovery/network/dns-answer.h"

#define TYPE "_dcop-agent._tcp.lab.test"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* Whatever the instance says of itself. */
static void read_records(const uint8_t *data, size_t size, const char *instance)
{
    char label[DNS_LABEL_MAX + 1], host[NS_MAXDNAME];
    struct address list[3];
    uint8_t txt[DNS_TXT_MAX];
    size_t length, count = 0;
    uint16_t port;

    if (dns_instance_label(instance, label))
        require(*label && strlen(label) <= DNS_LABEL_MAX);
    if (dns_answer_txt(data, size, instance, txt, &length, NULL) == 0)
        require(length <= sizeof(txt));
    if (dns_answer_service(data, size, instance, host, &port, NULL) < 0)
        return;
    require(*host && strlen(host) < sizeof(host));
    (void)dns_answer_addresses(data, size, host, AF_INET, list, ARRAY_SIZE(list), &count, NULL);
    require(count <= ARRAY_SIZE(list));
    (void)dns_answer_addresses(data, size, host, AF_INET6, list, ARRAY_SIZE(list), &count, NULL);
    require(count <= ARRAY_SIZE(list));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_STRINGS struct strings instances = {0};

    if (size > 65535)
        return 0;
    if (dns_answer_instances(data, size, TYPE, &instances, NULL) < 0)
        strings_clear(&instances);
    require(instances.count <= DNS_INSTANCES_MAX);
    for (size_t i = 0; i < instances.count; i++) {
        require(i == 0 || strcmp(instances.items[i - 1], instances.items[i]) < 0);
        if (i < 4) /* each reads the whole answer */
            read_records(data, size, instances.items[i]);
    }
    read_records(data, size, "dcop-1." TYPE);
    return 0;
}
