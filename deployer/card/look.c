#include "look.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "discovery/advert/advert.h"
#include "discovery/base/file.h"

enum { CARD_MARK_ID_MAX = 64 };

const char *card_format_name(enum card_format format)
{
    static const char *const names[] = {"systemd", "cloud-init", "rpi-preseed"};

    return names[format];
}

void card_look_clear(struct card_look *look)
{
    text_clear(&look->cmdline);
    free(look->id);
    free(look->agent);
    free(look->fleet);
    strings_clear(&look->strays);
    *look = (struct card_look){0};
}

/* 0 and nothing added when there is no such file. */
static int read_optional(const char *folder, const char *name, bool *ret_there, struct text *ret,
                         struct error *err)
{
    CLEANUP_FREE char *path = path_join(folder, name);
    struct stat st;
    int r;

    *ret_there = false;
    if (!path)
        return error_sys(err, -ENOMEM, "cannot read %s", name);
    if (stat(path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0
                                                   : error_sys(err, -errno, "cannot read %s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, -EINVAL, "%s is not a file", path);
    r = file_read(path, CARD_FILE_MAX, ret, err);
    *ret_there = r == 0;
    return r;
}

static bool is_there(const char *folder, const char *name)
{
    CLEANUP_FREE char *path = path_join(folder, name);

    return path && access(path, F_OK) == 0;
}

/* systemd-run-generator(8), systemd(1) */
static bool runs_something(const char *word, size_t size)
{
    static const char *const starts[] = {
        "systemd.run=", "systemd.run_success_action=", "systemd.run_failure_action="};
    static const char unit[] = "systemd.unit=kernel-command-line.target";

    for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
        if (size >= strlen(starts[i]) && memcmp(word, starts[i], strlen(starts[i])) == 0)
            return true;
    return size == sizeof(unit) - 1 && memcmp(word, unit, size) == 0;
}

/* A word may hold blanks in double quotes. */
static size_t word_length(const char *word)
{
    bool quoted = false;
    size_t n = 0;

    for (; word[n] && (quoted || !strchr(" \t\r\n", word[n])); n++)
        if (word[n] == '"')
            quoted = !quoted;
    return n;
}

void card_cmdline_strip(const char *cmdline, struct text *ret)
{
    size_t before = ret->size;

    while (*cmdline) {
        size_t n;

        cmdline += strspn(cmdline, " \t\r\n");
        n = word_length(cmdline);
        if (n > 0 && !runs_something(cmdline, n)) {
            if (ret->size > before)
                text_addc(ret, ' ');
            text_add(ret, cmdline, n);
        }
        cmdline += n;
    }
}

static bool cmdline_runs(const char *cmdline)
{
    while (*cmdline) {
        size_t n;

        cmdline += strspn(cmdline, " \t\r\n");
        n = word_length(cmdline);
        if (n > 0 && runs_something(cmdline, n))
            return true;
        cmdline += n;
    }
    return false;
}

/* Does it say more than comments, as the one of an image does? */
static bool has_content(const char *text)
{
    while (*text) {
        text += strspn(text, " \t\r\n");
        if (*text && *text != '#')
            return true;
        text += strcspn(text, "\n");
    }
    return false;
}

/* A card of anybody: what would break a line, a terminal or JSON is no name. */
static void drop_invalid(struct card_look *look)
{
    if (look->agent && !advert_agent_valid(look->agent, strlen(look->agent)))
        free(TAKE_PTR(look->agent));
    if (look->fleet && !advert_fleet_valid(look->fleet))
        free(TAKE_PTR(look->fleet));
    if (look->id && !string_is_one_of(look->id, "0123456789abcdef", 1, CARD_MARK_ID_MAX))
        free(TAKE_PTR(look->id));
}

static int take_value(const char *line, const char *key, char **ret)
{
    size_t size = strlen(key);

    if (strncmp(line, key, size) != 0 || line[size] != ' ' || *ret)
        return 0;
    *ret = strdup(line + size + 1);
    return *ret ? 0 : -ENOMEM;
}

static void close_folder(DIR **d)
{
    if (*d)
        (void)closedir(*d);
}

/* What has a mark is ours.  Before the mark there are at most a folder and a killed writer's
 * temporary file. */
static bool is_occupied(const char *folder)
{
    static const char temporary[] = "card.";
    CLEANUP_FREE char *ours = path_join(folder, CARD_FOLDER);
    CLEANUP(close_folder) DIR *d = ours ? opendir(ours) : NULL;

    for (struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            strncmp(e->d_name, temporary, strlen(temporary)) != 0)
            return true;
    return !d && is_there(folder, CARD_FOLDER);
}

/* dcop/card: "key value" a line.  Anyone may have written it: what it says is shown, never
 * executed. */
static int read_mark(const char *folder, struct card_look *look, struct error *err)
{
    CLEANUP_TEXT struct text mark = TEXT_INIT;
    int r = read_optional(folder, CARD_MARK, &look->prepared, &mark, err);

    if (r == 0 && !look->prepared)
        look->occupied = is_occupied(folder);
    if (r < 0 || !look->prepared)
        return r;
    look->booted = is_there(folder, CARD_FOLDER "/done");
    if (!mark.data)
        return 0;
    for (char *rest = mark.data, *line; (line = strsep(&rest, "\n"));) {
        line[strcspn(line, "\r")] = '\0';
        look->unfinished = look->unfinished || strcmp(line, CARD_UNFINISHED) == 0;
        r = take_value(line, "id", &look->id);
        if (r == 0)
            r = take_value(line, "agent", &look->agent);
        if (r == 0)
            r = take_value(line, "fleet", &look->fleet);
        if (r < 0)
            return error_sys(err, r, "cannot read %s/" CARD_FOLDER "/card", folder);
    }
    drop_invalid(look);
    return 0;
}

/* Debian 12's images name their own initial RAM disks; those before were mounted on /boot. */
static const char *find_mount(const char *folder, const char *config)
{
    return strstr(config, "auto_initramfs=1") || is_there(folder, "kernel_2712.img")
               ? "/boot/firmware"
               : "/boot";
}

static int find_strays(const char *folder, const char *user_data, struct card_look *look)
{
    static const char *const files[] = {"firstrun.sh", "userconf.txt", "userconf", "custom.toml",
                                        "rpi-preseed.toml"};
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(files) && r == 0; i++)
        if (is_there(folder, files[i]))
            r = strings_add(&look->strays, files[i]);
    if (r == 0 && has_content(user_data))
        r = strings_add(&look->strays, "user-data");
    if (r == 0 && cmdline_runs(text_str(&look->cmdline)))
        r = strings_add(&look->strays, "cmdline.txt");
    return r;
}

static int read_image(const char *folder, struct card_look *look, struct error *err)
{
    CLEANUP_TEXT struct text config = TEXT_INIT;
    CLEANUP_TEXT struct text user_data = TEXT_INIT;
    bool has_config, has_cmdline, has_user_data;
    int r = read_optional(folder, "config.txt", &has_config, &config, err);

    if (r == 0)
        r = read_optional(folder, "cmdline.txt", &has_cmdline, &look->cmdline, err);
    if (r == 0)
        r = read_optional(folder, "user-data", &has_user_data, &user_data, err);
    if (r < 0)
        return r;
    if (!has_config || !has_cmdline || !*text_str(&look->cmdline))
        return error_set(err, -EINVAL,
                         "%s is not the boot partition of a Raspberry Pi card: it has no %s; write "
                         "an image of Raspberry Pi OS to the card first, and give the folder where "
                         "its partition 'bootfs' is mounted",
                         folder, has_config ? "cmdline.txt" : "config.txt");
    look->mount = find_mount(folder, text_str(&config));
    if (has_user_data || is_there(folder, "meta-data")) {
        look->format = CARD_CLOUD_INIT;
        look->mount = "/boot/firmware"; /* no image before Debian 12 had cloud-init */
    } else if (is_there(folder, "rpi-preseed.toml")) {
        look->format = CARD_PRESEED;
        look->mount = "/boot/firmware";
    } else
        look->format = CARD_SYSTEMD;
    r = look->prepared ? 0 : find_strays(folder, text_str(&user_data), look);
    return r < 0 ? error_sys(err, r, "cannot look at %s", folder) : 0;
}

int card_look(const char *folder, struct card_look *ret, struct error *err)
{
    CLEANUP(card_look_clear) struct card_look look = {0};
    struct stat st;
    int r;

    if (stat(folder, &st) < 0)
        return error_sys(err, -errno, "cannot look at %s", folder);
    if (!S_ISDIR(st.st_mode))
        return error_set(err, -EINVAL, "%s is not a folder", folder);
    r = read_mark(folder, &look, err);
    if (r == 0)
        r = read_image(folder, &look, err);
    if (r < 0)
        return r;
    *ret = look;
    look = (struct card_look){0};
    return 0;
}
