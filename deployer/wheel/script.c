/*
 * Judges a build by the text of its scripts, without running them.  In doubt, it
 * assumes that a script may do anything.
 */
#include <string.h>

#include "discovery/base/text.h"
#include "patch.h"

/* What setup.py may import: modules that do not read the directory by themselves. */
static const char *const harmless[] = {
    "setuptools", "distutils", "os", "sys", "io", "re", "pathlib", "codecs", "platform",
};

/* Names that may make a wheel depend on more than the text of the script. */
static const char *const doubtful[] = {
    "exec",
    "eval",
    "compile",
    "execfile",
    "__import__",
    "import_module",
    "importlib",
    "runpy",
    "imp",
    "subprocess",
    "popen",
    "os.system",
    "import system",
    "glob",
    "rglob",
    "iglob",
    "walk",
    "fwalk",
    "listdir",
    "scandir",
    "iterdir",
    "cmdclass",
    "command_packages",
    "ext_modules",
    "use_2to3",
    "cffi_modules",
    "setup_requires",
    "use_scm_version",
    "setuptools_scm",
    "scm",
    "versioneer",
    "pbr",
    "attr",
    "getattr",
    "globals",
    "finalize_distribution_options",
    "backend",
};

static bool is_word_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

bool wheel_script_contains_word(const char *words, const char *name)
{
    size_t size = strlen(name);

    for (const char *at = words; size && (at = strstr(at, name)); at++)
        if ((at == words || !is_word_char(at[-1])) && !is_word_char(at[size]))
            return true;
    return false;
}

static bool is_harmless(const char *module)
{
    size_t size = 0;

    while (is_word_char(module[size]))
        size++;
    for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
        if (strlen(harmless[i]) == size && strncmp(harmless[i], module, size) == 0)
            return true;
    return false;
}

/* A line that contains "import": "import A.B as C, D" or "from A.B import C". */
static bool import_is_harmless(const char *line)
{
    line += strspn(line, " \t");
    if (strpbrk(line, ";\\"))
        return false;
    if (strncmp(line, "from ", 5) == 0) {
        const char *rest = strstr(line, " import ");

        line += 5 + strspn(line + 5, " ");
        return rest && is_harmless(line) && !wheel_script_contains_word(rest + 8, "import");
    }
    if (strncmp(line, "import ", 7) != 0 || wheel_script_contains_word(line + 7, "import"))
        return false;
    for (line += 7; line; line = strchr(line, ',') ? strchr(line, ',') + 1 : NULL)
        if (!is_harmless(line + strspn(line, " ")))
            return false;
    return true;
}

static bool imports_are_harmless(const char *words)
{
    CLEANUP_TEXT struct text line = TEXT_INIT;

    while (*words) {
        size_t size = strcspn(words, "\r\n");

        text_reset(&line);
        text_add(&line, words, size);
        if (text_error(&line) < 0 || (wheel_script_contains_word(text_str(&line), "import") &&
                                      !import_is_harmless(text_str(&line))))
            return false;
        words += size + strspn(words + size, "\r\n");
    }
    return true;
}

bool wheel_script_is_plain(const char *name, const char *words)
{
    bool python = strcmp(name, "setup.py") == 0;

    for (size_t i = 0; i < ARRAY_SIZE(doubtful); i++) {
        /* "build-backend" may name setuptools', the only backend that is known here */
        if (strcmp(doubtful[i], "backend") == 0 && strstr(words, "\"setuptools.build_meta\"") &&
            !strstr(words, "backend-path"))
            continue;
        if (wheel_script_contains_word(words, doubtful[i]))
            return false;
    }
    if (wheel_script_contains_word(words, python ? "distutils.commands" : "distutils"))
        return false;
    return !python || imports_are_harmless(words);
}
