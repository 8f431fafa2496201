#include "url.h"

#include <string.h>

bool url_valid(const char *url)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/+%[]";
    const char *host = strncmp(url, "http://", 7) == 0    ? url + 7
                       : strncmp(url, "https://", 8) == 0 ? url + 8
                                                          : NULL;

    return host && *host && *host != '/' && *host != ':' && strlen(host) < URL_MAX &&
           host[strspn(host, allowed)] == '\0';
}
