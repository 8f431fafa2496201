/* The variables of an inventory: those that are used, and the warnings for others. */
#include <string.h>

#include "private.h"

/* Of several variables for a field, the last in this table is used.  The order is
 * that of `vars` in Ansible's connection plugin ssh and become plugin sudo. */
static const struct {
    const char *key;
    enum hosts_field field;
} variables[HOSTS_VARIABLES] = {
    {"ansible_host", HOSTS_ADDRESS},
    {"ansible_ssh_host", HOSTS_ADDRESS},
    {"ansible_port", HOSTS_PORT},
    {"ansible_ssh_port", HOSTS_PORT},
    {"ansible_user", HOSTS_USER},
    {"ansible_ssh_user", HOSTS_USER},
    {"ansible_password", HOSTS_PASSWORD},
    {"ansible_ssh_pass", HOSTS_PASSWORD},
    {"ansible_ssh_password", HOSTS_PASSWORD},
    {"ansible_become_password", HOSTS_BECOME_PASSWORD},
    {"ansible_become_pass", HOSTS_BECOME_PASSWORD},
    {"ansible_sudo_pass", HOSTS_BECOME_PASSWORD},
    {"ansible_private_key_file", HOSTS_KEY},
    {"ansible_ssh_private_key_file", HOSTS_KEY},
    {"ansible_connection", HOSTS_CONNECTION},
    {"agt_name", HOSTS_AGENT},
    {"agt_names", HOSTS_AGENTS},
    {"agt_address", HOSTS_AGENT_ADDRESS},
    {"controller_proxy_addr", HOSTS_CACHES},
    {"apt_cache_port", HOSTS_APT_PORT},
    {"pip_cache_port", HOSTS_PIP_PORT},
};

int hosts_variable(const char *key)
{
    for (int i = 0; i < HOSTS_VARIABLES; i++)
        if (strcmp(variables[i].key, key) == 0)
            return i;
    return -1;
}

const struct hosts_node *hosts_vars_get(const struct hosts_vars *v, enum hosts_field field,
                                        const char **ret_name)
{
    for (size_t i = HOSTS_VARIABLES; i > 0; i--) {
        const struct hosts_node *value = v->values[i - 1];

        if (!value || variables[i - 1].field != field || hosts_node_is_null(value))
            continue;
        *ret_name = variables[i - 1].key;
        return value;
    }
    return NULL;
}

void hosts_vars_merge(struct hosts_vars *to, const struct hosts_vars *from)
{
    for (size_t i = 0; i < HOSTS_VARIABLES; i++)
        if (from->values[i])
            to->values[i] = from->values[i];
}

static const struct {
    const char *key, *why;
} unused[] = {
    {"ansible_ssh_args", " (they are options of the ssh program, which is not used)"},
    {"ansible_ssh_common_args", " (they are options of the ssh program, which is not used)"},
    {"ansible_ssh_extra_args", " (they are options of the ssh program, which is not used)"},
    {"ansible_host_key_checking", " (host keys are pinned, and always checked)"},
    {"ansible_ssh_host_key_checking", " (host keys are pinned, and always checked)"},
    {"ansible_python_interpreter", " (the system's python3 runs pyDCOP)"},
    {"ansible_become", " (sudo is used where it is needed)"},
    {"ansible_become_user", " (sudo is used where it is needed)"},
    {"ansible_become_method", " (sudo is used where it is needed)"},
    {"pydcop_local_src", " (use --pydcop DIR)"},
    {"pydcop_ui_local_src", " (use --ui DIR)"},
};

/* A value that is used anyway needs no warning. */
static bool is_default(const char *key, const struct hosts_node *value)
{
    static const char *const defaults[][2] = {{"ansible_become_method", "sudo"}};

    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
        if (strcmp(key, defaults[i][0]) == 0 && value->kind == YAML_KIND_SCALAR &&
            strcmp(value->text, defaults[i][1]) == 0)
            return true;
    return false;
}

const char *hosts_unused_why(const char *key, const struct hosts_node *value)
{
    if (is_default(key, value))
        return NULL;
    if (strncmp(key, "ansible_ssh_", 12) == 0 && value->kind == YAML_KIND_SCALAR &&
        strcasestr(value->text, "StrictHostKeyChecking"))
        return " (host keys are always checked, so StrictHostKeyChecking has no effect here)";
    for (size_t i = 0; i < ARRAY_SIZE(unused); i++)
        if (strcmp(key, unused[i].key) == 0)
            return unused[i].why;
    return "";
}

bool hosts_is_template(const char *text)
{
    return strstr(text, "{{") || strstr(text, "{%") || strstr(text, "{#");
}
