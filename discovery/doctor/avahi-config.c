#include "avahi-config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char blanks[] = " \t\r";

/* The value of `key` in this line, if it is that; its end without blanks. */
static const char *value_of(const char *line, size_t size, const char *key, size_t *ret_size)
{
    const char *end = line + size;

    line += strspn(line, blanks);
    if (line >= end || strncmp(line, key, strlen(key)) != 0)
        return NULL;
    line += strlen(key);
    line += strspn(line, blanks);
    if (line >= end || *line != '=')
        return NULL;
    line++;
    line += strspn(line, blanks);
    while (end > line && strchr(blanks, end[-1]))
        end--;
    *ret_size = end > line ? (size_t)(end - line) : 0;
    return line;
}

static void take_value(const char *line, size_t size, const char *key, char *ret, size_t room)
{
    size_t n = 0;
    const char *value = value_of(line, size, key, &n);

    if (!value)
        return;
    if (n >= room)
        n = 0;
    memcpy(ret, value, n);
    ret[n] = '\0';
}

void avahi_config_parse(const char *text, struct avahi_config *ret)
{
    *ret = (struct avahi_config){0};
    while (*text) {
        size_t n = strcspn(text, "\n");

        take_value(text, n, "allow-interfaces", ret->allow, sizeof(ret->allow));
        take_value(text, n, "deny-interfaces", ret->deny, sizeof(ret->deny));
        take_value(text, n, "host-name", ret->host_name, sizeof(ret->host_name));
        text += n + (text[n] == '\n');
    }
}

static bool has_word(const char *list, const char *word)
{
    static const char separators[] = ", \t";

    while (*list) {
        size_t n;

        list += strspn(list, separators);
        n = strcspn(list, separators);
        if (n > 0 && n == strlen(word) && strncmp(list, word, n) == 0)
            return true;
        list += n;
    }
    return false;
}

void avahi_config_left_out(const struct avahi_config *c, const char *interface, char *ret,
                           size_t size)
{
    *ret = '\0';
    if (*c->deny && has_word(c->deny, interface))
        (void)snprintf(ret, size, "deny-interfaces=%s", c->deny);
    else if (*c->allow && !has_word(c->allow, interface))
        (void)snprintf(ret, size, "allow-interfaces=%s", c->allow);
}
