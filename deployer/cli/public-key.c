#include "public-key.h"

#include <errno.h>
#include <libssh/libssh.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "discovery/base/file.h"
#include "discovery/base/process.h"

enum { PUBLIC_KEY_MAX = 16 * 1024 };

#define MADE_BY "dcop-deploy@" /* how the comment of a key begins that was made here */

static int make_key(const char *path, struct error *err)
{
    CLEANUP(process_result_clear) struct process_result result = {0};
    CLEANUP_FREE char *folder = strdup(path);
    char comment[sizeof(MADE_BY) + 64] = MADE_BY;
    const char *argv[] = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "",
                          "-f",         path, "-C", comment,   NULL};
    struct process_options run = {.argv = argv, .timeout_ms = 30000, .cancel_fd = -1};
    int r;

    if (!folder)
        return error_sys(err, -ENOMEM, "cannot make a key");
    (void)gethostname(comment + strlen(MADE_BY), 63);
    *strrchr(folder, '/') = '\0';
    r = make_folders(folder, 0700, err);
    if (r == 0)
        r = process_run(&run, &result, err);
    if (r == 0 && result.status != 0)
        r = error_set(err, -EIO, "ssh-keygen cannot make %s: %s", path, text_str(&result.errors));
    if (r == 0)
        fprintf(stderr, "This controller had no SSH key; %s was made.\n", path);
    return r;
}

int public_key_read(const struct deploy_options *o, char **ret, struct error *err)
{
    CLEANUP_FREE char *path = NULL, *file = NULL;
    CLEANUP_TEXT struct text line = TEXT_INIT;
    const char *named = o->keys.count > 0 ? o->keys.items[0] : NULL;
    const char *home = getenv("HOME");
    size_t size = named ? strlen(named) : 0;
    bool is_public = size > 4 && strcmp(named + size - 4, ".pub") == 0;
    int r;

    if (!named && (!home || *home != '/'))
        return error_set(err, -ENOENT,
                         "there is no home folder to look for an SSH key in; give --key");
    if (asprintf(&path, "%s%s", named ? named : home, named ? "" : "/.ssh/id_ed25519") < 0)
        path = NULL;
    if (!path || asprintf(&file, "%s%s", path, is_public ? "" : ".pub") < 0)
        file = NULL;
    if (!file)
        return error_sys(err, -ENOMEM, "cannot find the public key");
    if (!named && access(file, F_OK) < 0 && access(path, F_OK) < 0) {
        if (o->check) {
            fprintf(stderr, "This controller has no SSH key; %s would be made.\n", path);
            *ret = strdup("ssh-ed25519 none");
            return *ret ? 0 : error_sys(err, -ENOMEM, "cannot read the public key");
        }
        r = make_key(path, err);
        if (r < 0)
            return r;
    }
    r = file_read(file, PUBLIC_KEY_MAX, &line, err);
    if (r == -ENOENT)
        return error_set(err, r,
                         "the public key %s does not exist; create it: ssh-keygen -y -f %s >%s",
                         file, path, file);
    if (r < 0)
        return r;
    if (line.size > 0)
        line.data[strcspn(line.data, "\r\n")] = '\0';
    *ret = strdup(text_str(&line));
    return *ret ? 0 : error_sys(err, -ENOMEM, "cannot read the public key");
}

/* The private key's file has the public key in clear, whatever its passphrase is. */
static bool is_pair(const char *path, const char *public_path)
{
    ssh_key own = NULL, beside = NULL;
    bool equal = ssh_pki_import_pubkey_file(path, &own) == SSH_OK &&
                 ssh_pki_import_pubkey_file(public_path, &beside) == SSH_OK &&
                 ssh_key_cmp(own, beside, SSH_KEY_CMP_PUBLIC) == 0;

    ssh_key_free(own);
    ssh_key_free(beside);
    return equal;
}

int public_key_find_made(char **ret, struct error *err)
{
    CLEANUP_FREE char *path = NULL, *file = NULL;
    CLEANUP_TEXT struct text line = TEXT_INIT;
    const char *home = getenv("HOME"), *comment;

    if (!home || *home != '/')
        return -ENOENT;
    if (asprintf(&path, "%s/.ssh/id_ed25519", home) < 0)
        path = NULL;
    if (!path || asprintf(&file, "%s.pub", path) < 0)
        file = NULL;
    if (!file)
        return error_sys(err, -ENOMEM, "cannot find the SSH key");
    if (file_read(file, PUBLIC_KEY_MAX, &line, NULL) < 0 || access(path, R_OK) < 0)
        return -ENOENT;
    comment = strrchr(text_str(&line), ' ');
    if (!comment || strncmp(comment + 1, MADE_BY, strlen(MADE_BY)) != 0 || !is_pair(path, file))
        return -ENOENT;
    *ret = TAKE_PTR(path);
    return 0;
}
