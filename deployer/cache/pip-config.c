/* Parses the output of `pip config list`: SECTION.KEY='VALUE', quoted as in Python. */
#include <errno.h>
#include <string.h>

#include "devpi.h"
#include "discovery/base/cleanup.h"

enum { RANKS = 4, KEYS = 4 };

void pip_config_clear(struct pip_config *c)
{
    free(c->index);
    strings_clear(&c->extras);
    free(c->proxy);
    free(c->cert);
    *c = (struct pip_config){0};
}

/* The precedence of a section for `pip install`: the environment overrides [install], which
 * overrides [global].  0: the section does not apply. */
static int section_precedence(const char *section, size_t size)
{
    static const char *const sections[] = {"global", "install", ":env:"};

    for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
        if (strlen(sections[i]) == size && strncmp(section, sections[i], size) == 0)
            return (int)i + 1;
    return 0;
}

/* The string that Python's repr() shows; NULL without memory. */
static char *unquote(const char *value, size_t size)
{
    CLEANUP_TEXT struct text t = TEXT_INIT;
    char quote = size >= 2 && (*value == '\'' || *value == '"') ? *value : '\0';
    size_t end = quote && value[size - 1] == quote ? size - 1 : size;

    text_add(&t, "", 0);
    for (size_t i = quote ? 1 : 0; i < end; i++) {
        if (value[i] != '\\' || i + 1 == end)
            text_addc(&t, value[i]);
        else if (value[++i] == 'n' || value[i] == 'r' || value[i] == 't')
            text_addc(&t, '\n');
        else
            text_addc(&t, value[i]);
    }
    return t.data || t.failed ? text_take(&t) : strdup("");
}

static int add_words(struct strings *to, const char *value)
{
    strings_clear(to);
    while (*(value += strspn(value, " \t\n"))) {
        size_t size = strcspn(value, " \t\n");

        if (strings_addn(to, value, size) < 0)
            return -ENOMEM;
        value += size;
    }
    return 0;
}

static int take_setting(struct pip_config *c, int ranks[KEYS], const char *key, size_t size,
                        int rank, const char *value)
{
    static const char *const keys[KEYS] = {"index-url", "extra-index-url", "proxy", "cert"};
    char **places[KEYS] = {&c->index, NULL, &c->proxy, &c->cert};

    for (size_t i = 0; i < KEYS; i++) {
        if (strlen(keys[i]) != size || strncmp(keys[i], key, size) != 0 || rank < ranks[i])
            continue;
        ranks[i] = rank;
        if (!places[i])
            return add_words(&c->extras, value);
        free(*places[i]);
        *places[i] = *value ? strdup(value) : NULL;
        return *value && !*places[i] ? -ENOMEM : 0;
    }
    return 0;
}

int pip_config_parse(const char *text, struct pip_config *ret)
{
    CLEANUP(pip_config_clear) struct pip_config c = {0};
    int ranks[KEYS] = {0};

    for (const char *line = text; *line;) {
        size_t size = strcspn(line, "\n"), name = strcspn(line, "=\n"), section = name;

        while (section > 0 && line[section - 1] != '.')
            section--;
        if (name < size && section > 0) {
            int rank = section_precedence(line, section - 1);
            CLEANUP_FREE char *value = unquote(line + name + 1, size - name - 1);

            if (!value || (rank > 0 && take_setting(&c, ranks, line + section, name - section, rank,
                                                    value) < 0))
                return -ENOMEM;
        }
        line += size + (line[size] == '\n');
    }
    *ret = c;
    c = (struct pip_config){0};
    return 0;
}
