#include "services.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "acng.h"
#include "discovery/base/cleanup.h"
#include "discovery/base/file.h"
#include "discovery/base/options.h"
#include "http.h"

enum { SETTINGS_MAX = 256 * 1024, ANSWER_MS = 2000, APT_PORT = 3142, PIP_PORT = 3141 };

uint16_t cache_setting_port(const char *text, const char *key, uint16_t otherwise)
{
    uint16_t port = otherwise;
    size_t size = strlen(key);

    for (const char *line = text; *line;) {
        const char *at = line + strspn(line, " \t");
        char value[16];
        long number;

        if (strncasecmp(at, key, size) == 0) {
            at += size;
            at += strspn(at, " \t");
            if ((*at == ':' || *at == '=') && sscanf(at + 1, " %15[^ \t\n#]", value) == 1)
                port = parse_number(value, 1, UINT16_MAX, &number, NULL) < 0 ? 0 : (uint16_t)number;
        }
        line = strchr(line, '\n');
        if (!line)
            break;
        line++;
    }
    return port;
}

static uint16_t port_of(const char *pattern, const char *key, uint16_t otherwise)
{
    CLEANUP_TEXT struct text all = TEXT_INIT;
    glob_t found = {0};
    uint16_t port = 0;

    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            (void)file_read(found.gl_pathv[i], SETTINGS_MAX, &all, NULL);
            text_addc(&all, '\n');
        }
    if (all.size > 0)
        port = cache_setting_port(text_str(&all), key, otherwise);
    globfree(&found);
    return port;
}

bool devpi_answers(uint16_t port, unsigned timeout_ms)
{
    struct cache_request request = {.port = port, .path = "/+api", .timeout_ms = timeout_ms};
    CLEANUP_TEXT struct text body = TEXT_INIT;

    return cache_http(&request, &body) == 200 && strstr(text_str(&body), "\"apiconfig\"");
}

uint16_t cache_system_apt(void)
{
    uint16_t port = port_of("/etc/apt-cacher-ng/*.conf", "Port", APT_PORT);

    return port && cache_port_is_trusted(port) && acng_answers(port, ANSWER_MS) ? port : 0;
}

uint16_t cache_system_pip(void)
{
    static const char *const places[] = {"/etc/devpi-server/devpi-server.yml",
                                         "/etc/xdg/devpi-server/devpi-server.yml"};

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        uint16_t port = port_of(places[i], "port", PIP_PORT);

        if (port && cache_port_is_trusted(port) && devpi_answers(port, ANSWER_MS))
            return port;
    }
    return 0;
}
