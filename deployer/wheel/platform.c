#include "platform.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "discovery/base/cleanup.h"

enum {
    GLIBC_MIN = 17, /* of manylinux2014, PEP 599 */
    GLIBC_MAX = 99,
};

/* Python's name of a Debian architecture, as uname(2) has it.  NULL: not known. */
static const char *python_arch(const char *arch)
{
    static const struct {
        const char *debian, *python;
    } names[] = {
        {"amd64", "x86_64"}, {"arm64", "aarch64"},   {"armhf", "armv7l"},
        {"i386", "i686"},    {"riscv64", "riscv64"}, {"ppc64el", "ppc64le"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(arch, names[i].debian) == 0)
            return names[i].python;
    return NULL;
}

int wheel_pip_words(const char *program, const char *python, const char *arch, struct strings *ret)
{
    /* The number of the micro version is not known: the first, as --python-version has it. */
    static const char script[] = "import runpy, sys\n"
                                 "from pip._vendor.packaging import markers\n"
                                 "python, machine = sys.argv[1:3]\n"
                                 "del sys.argv[1:3]\n"
                                 "machines = {\n"
                                 "    'implementation_name': 'cpython',\n"
                                 "    'implementation_version': python + '.0',\n"
                                 "    'os_name': 'posix',\n"
                                 "    'platform_machine': machine,\n"
                                 "    'platform_python_implementation': 'CPython',\n"
                                 "    'platform_release': '',\n"
                                 "    'platform_system': 'Linux',\n"
                                 "    'platform_version': '',\n"
                                 "    'python_full_version': python + '.0',\n"
                                 "    'python_version': python,\n"
                                 "    'sys_platform': 'linux',\n"
                                 "}\n"
                                 "markers.default_environment = lambda: dict(machines)\n"
                                 "runpy.run_module('pip', run_name='__main__', alter_sys=True)\n";
    const char *machine = python_arch(arch);

    if (!machine)
        return -EINVAL;
    if (strings_add(ret, program) < 0 || strings_add(ret, "-c") < 0 ||
        strings_add(ret, script) < 0 || strings_add(ret, python) < 0 ||
        strings_add(ret, machine) < 0)
        return -ENOMEM;
    return 0;
}

int wheel_platforms(const char *arch, unsigned glibc, struct strings *ret)
{
    const char *name = python_arch(arch);

    if (!name || glibc > GLIBC_MAX)
        return -EINVAL;
    /* With --platform, pip accepts only the listed tags: a newer one does not include the older
     * ones (PEP 600). */
    for (unsigned minor = glibc; minor >= GLIBC_MIN; minor--) {
        char platform[64];

        (void)snprintf(platform, sizeof(platform), "manylinux_2_%u_%s", minor, name);
        if (strings_add(ret, platform) < 0)
            return -ENOMEM;
    }
    {
        char last[2][64];

        (void)snprintf(last[0], sizeof(last[0]), "manylinux2014_%s", name);
        (void)snprintf(last[1], sizeof(last[1]), "linux_%s", name);
        for (size_t i = 0; i < ARRAY_SIZE(last); i++)
            if (strings_add(ret, last[i]) < 0)
                return -ENOMEM;
    }
    return 0;
}
