/* Any bytes as a settings file. */
#include <stdlib.h>
#include <string.h>

#include "agent-beacon/settings.h"
#include "discovery/advert/advert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int whole = 0; whole <= 1; whole++) {
        CLEANUP(settings_clear) struct settings s = SETTINGS_INIT;
        struct error err;

        if (settings_parse((const char *)data, size, "f", whole, &s, &err) < 0)
            continue;
        require(s.agents.count <= ADVERT_AGENTS_MAX && s.errors.count <= SETTINGS_ERRORS_MAX);
        for (size_t i = 0; i < s.agents.count; i++)
            require(advert_agent_valid(s.agents.items[i], strlen(s.agents.items[i])));
        for (size_t i = 0; i < s.errors.count; i++)
            require(utf8_valid(s.errors.items[i], strlen(s.errors.items[i])) &&
                    !strchr(s.errors.items[i], '\n'));
        require(!s.fleet || advert_fleet_valid(s.fleet));
        require(!s.user || advert_user_valid(s.user));
        require(s.port <= 65535);
    }
    return 0;
}
