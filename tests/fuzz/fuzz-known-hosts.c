/* Lines of known_hosts: any bytes, no crash, and a line that is taken has a fingerprint and matches
 * no name that it excludes. */
#include <stdlib.h>
#include <string.h>

#include "deployer/trust/known-hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = strndup((const char *)data, size);
    struct known_hosts_line l;

    if (!line)
        return 0;
    if (known_hosts_line_parse(line, &l) == 0) {
        bool excluded = strstr(l.hosts, "!lab-1,") == l.hosts;

        require(l.hosts && l.type && l.base64 && strlen(l.fingerprint) == 50);
        require(strncmp(l.fingerprint, "SHA256:", 7) == 0);
        require(!l.marker || *l.marker == '@');
        require(!(known_hosts_line_matches(&l, "lab-1") && excluded));
        (void)known_hosts_line_matches(&l, "[10.0.0.5]:2222");
    }
    free(line);
    return 0;
}
