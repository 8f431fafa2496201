/* Host names from records: the result is short, one line, and UTF-8; and a name says the
 * same whichever way it came. */
#include <stdlib.h>
#include <string.h>

#include "discovery/base/text.h"
#include "discovery/network/host-name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check(const char *name)
{
    size_t size = name ? strlen(name) : 1;

    require(size > 0 && size <= HOST_NAME_MAX_BYTES);
    for (size_t i = 0; name && i < size; i++)
        require((unsigned char)name[i] >= 0x20 && name[i] != 0x7f);
    require(!name || utf8_valid(name, size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_TEXT struct text escaped = TEXT_INIT;
    char *text = strndup((const char *)data, size), *one, *other;

    if (!text)
        return 0;
    one = host_name_from_escaped(text);
    check(one);
    free(one);
    one = host_name_from_labels(text);
    check(one);
    for (const char *c = text; *c; c++)
        text_addf(&escaped, "\\%03u", (unsigned char)*c);
    other = host_name_from_escaped(text_str(&escaped));
    require(string_equal(one, other));
    free(one);
    free(other);
    free(text);
    return 0;
}
