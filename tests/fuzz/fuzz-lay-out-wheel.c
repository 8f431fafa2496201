/* A wheel's bytes, as a stranger may have made them. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "deployer/base/content.h"
#include "deployer/wheel/lay-out-wheel.h"
#include "discovery/base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(content_clear) struct content content = {0};
    struct error err = {0};

    if (lay_out_wheel(&content, "some.whl", data, size, &(struct wheel_layout){0}, &err) < 0 &&
        err.code == 0)
        abort();
    for (size_t i = 0; i < content.count; i++) {
        const char *path = content.files[i].path;

        if (path[0] == '/' || strstr(path, "/../") || strncmp(path, "../", 3) == 0 ||
            (strncmp(path, "site/", 5) != 0 && strncmp(path, "scripts/", 8) != 0))
            abort();
    }
    return 0;
}
