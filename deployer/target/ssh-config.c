#include "ssh-config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deployer/base/paths.h"
#include "discovery/base/file.h"
#include "discovery/base/process.h"

enum { SAID_MAX = 64 * 1024 };

static int no_memory(struct error *err)
{
    return error_sys(err, -ENOMEM, "cannot read your SSH settings");
}

static int run_ssh(const char *const *argv, unsigned timeout_ms, struct process_result *ret,
                   struct error *err)
{
    const struct process_options options = {.argv = argv,
                                            .no_terminal = true,
                                            .timeout_ms = timeout_ms,
                                            .cancel_fd = -1,
                                            .output_max = SAID_MAX};
    int r = process_run(&options, ret, err);

    if (r == -ETIMEDOUT)
        return error_set(err, r,
                         "ssh -G has not read your SSH settings within %u s: does a \"Match exec\" "
                         "in them wait?",
                         timeout_ms / 1000);
    if (r == 0 && ret->output_cut)
        return error_set(err, -EBADMSG, "ssh -G says more than %d bytes", SAID_MAX);
    return r;
}

/* What is read last is what holds where nothing else does: so it can be told whether the
 * settings name a user. */
static int write_file(struct ssh_config *c, const char *folder, const char *settings,
                      struct error *err)
{
    CLEANUP_FREE char *path = path_join(folder, "ssh-config");
    CLEANUP_TEXT struct text content = TEXT_INIT;
    int r;

    if (!path)
        return no_memory(err);
    c->fd = file_temporary(path, &c->file, err);
    if (c->fd < 0)
        return c->fd;
    text_addf(&content,
              "Include \"%s\"\nInclude /etc/ssh/ssh_config\nMatch all\n    User " SSH_CONFIG_NO_USER
              "\n",
              settings);
    r = text_error(&content) < 0 ? -ENOMEM
                                 : file_write_all(c->fd, text_str(&content), content.size);
    return r < 0 ? error_sys(err, r, "cannot write %s", c->file) : 0;
}

/* The settings of relays, and of each ssh that theirs starts for a jump host before the last one,
 * which gets this file's name, and no options. */
static int write_relay_file(const char *path, const char *settings, struct error *err)
{
    CLEANUP_TEXT struct text content = TEXT_INIT;

    text_addf(&content,
              "BatchMode yes\nControlMaster no\nInclude \"%s\"\nInclude /etc/ssh/ssh_config\n",
              settings);
    if (text_error(&content) < 0)
        return no_memory(err);
    return file_write(path, text_str(&content), content.size, 0600, err);
}

int ssh_config_open(const char *folder, struct ssh_config *ret, bool *ret_no_ssh, struct error *err)
{
    static const char *const argv[] = {"ssh", "-G",   "-F", "none", "-l", SSH_CONFIG_NO_USER,
                                       "--",  "host", NULL};
    CLEANUP(ssh_config_close) struct ssh_config c = {0};
    CLEANUP(process_result_clear) struct process_result result = {0};
    CLEANUP_FREE char *settings = path_join(paths_home(), ".ssh/config");
    struct error why = {0};
    int r;

    *ret_no_ssh = false;
    if (!settings)
        return no_memory(err);
    if (access(settings, F_OK) < 0)
        return 0;
    r = run_ssh(argv, 10000, &result, &why);
    if (r == -ENOENT) {
        *ret_no_ssh = true;
        return 0;
    }
    if (r < 0)
        return error_set(err, r, "%s", why.text);
    if (result.status != 0)
        r = error_set(err, -EIO, "ssh -G fails without settings, with status %d", result.status);
    if (r == 0)
        r = write_file(&c, folder, settings, err);
    if (r == 0 && !(c.own = path_join(folder, "ssh-relay.conf")))
        r = no_memory(err);
    if (r == 0)
        r = write_relay_file(c.own, settings, err);
    if (r < 0)
        return r;
    c.there = true;
    c.defaults = result.output;
    result.output = TEXT_INIT;
    *ret = c;
    c = (struct ssh_config){0};
    return 0;
}

void ssh_config_close(struct ssh_config *c)
{
    if (c->file) {
        (void)unlink(c->file);
        close(c->fd);
    }
    free(c->file);
    free(c->own);
    text_clear(&c->defaults);
    *c = (struct ssh_config){0};
}

/* ssh's words as one line. */
static int fail_with_words(struct text *errors, struct error *err)
{
    CLEANUP_TEXT struct text words = TEXT_INIT;

    while (errors->size > 0 && strchr("\r\n", errors->data[errors->size - 1]))
        errors->data[--errors->size] = '\0';
    for (size_t i = 0; i < errors->size; i++)
        if (strchr("\r\n", errors->data[i]))
            errors->data[i] = ' ';
    text_add_printable(&words, text_str(errors));
    return error_set(err, -EBADMSG, "ssh refuses your SSH settings: %.400s",
                     words.size > 0 ? text_str(&words) : "no reason given");
}

int ssh_config_read(const struct ssh_config *c, const struct ssh_written *host, unsigned timeout_ms,
                    struct ssh_host *ret, struct error *err)
{
    CLEANUP(process_result_clear) struct process_result result = {0};
    char port[sizeof("65535")];
    const char *argv[12] = {"ssh", "-G", "-F", c->file};
    size_t argc = 4;
    int r;

    (void)snprintf(port, sizeof(port), "%u", host->port);
    if (host->user) {
        argv[argc++] = "-l";
        argv[argc++] = host->user;
    }
    if (host->port) {
        argv[argc++] = "-p";
        argv[argc++] = port;
    }
    argv[argc++] = "--";
    argv[argc++] = host->host;
    r = run_ssh(argv, timeout_ms, &result, err);
    if (r < 0)
        return r;
    if (result.status != 0)
        return fail_with_words(&result.errors, err);
    return ssh_host_parse(host, text_str(&result.output), text_str(&c->defaults), c->own, ret, err);
}
