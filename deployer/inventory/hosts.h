/*
 * Hosts are the machines that an inventory names: pyDCOP's hosts-conf.yaml, the
 * output of `dcop-discover --inventory`, and other inventories of Ansible in YAML,
 * INI, or as a list of hosts.
 *
 * It is read as Ansible reads it.  Groups may contain groups.  Variables of `all`
 * have the lowest precedence, then those of groups from parents to children (among
 * groups of the same depth: by ansible_group_priority, then by name), then those in
 * the files group_vars/GROUP, then those of the host, then those in host_vars/HOST.
 * Both folders are looked for beside the inventory and in the current folder.  Host
 * names may contain ranges.  Of several variables for the same setting (ansible_user
 * and ansible_ssh_user), the one that Ansible's ssh plugin uses is taken.  A host's
 * agents are agt_names (a list), else agt_name (one name, several separated by
 * blanks, or a list), else the host's own name.
 *
 * Hosts with the same address, port and user are one machine.
 *
 * Where `ansible-inventory` is installed, it is asked for everything but a single
 * file in YAML, for which the result is the same and costs no start of Ansible; its
 * configuration, plugins and vault then count.  Elsewhere, programs, folders, plugins
 * and vaults are errors.
 *
 * These are always errors, because their meaning cannot be known here: templates
 * ({{ }}), single values encrypted with Ansible's vault, a key given twice, a
 * connection that is not ssh.
 *
 * One thread at a time for one value.  Passwords are wiped by hosts_clear.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "discovery/base/cleanup.h"
#include "discovery/base/error.h"
#include "discovery/base/text.h"

enum {
    HOSTS_FILE_MAX = 4 << 20, /* bytes */
    HOSTS_MAX = 4096,
    HOSTS_GROUPS_MAX = 256,
    HOSTS_WARNINGS_MAX = 100,
    HOSTS_SECRET_MAX = 1024, /* bytes of a password */
};

/* A machine. */
struct host {
    char *name;            /* in the inventory; the first one of several */
    struct strings names;  /* all of them */
    struct strings agents; /* at least one, each once */
    char *address;         /* as written: numeric, or a name to look up (target/resolve.h) */
    uint16_t port;         /* 0: not given */
    char *user;            /* NULL: not given, as all below */
    char *agent_address;   /* IPv4: at which others reach its agents */
    char *password;        /* to log in */
    char *become_password; /* for sudo */
    char *key;             /* private key file, as written ("~" is not resolved) */
    char *place;           /* "FILE:LINE:COLUMN" of its name, for messages */
};

/* A value; in the order of the file. */
struct hosts {
    struct host *items;
    size_t count;
    struct strings warnings; /* printable lines: "FILE:LINE: KEY is not used (why)" */
    struct strings shared;   /* agents on several machines; each also has a warning */
    /* URLs of the caches, from controller_proxy_addr with apt_cache_port and pip_cache_port of
     * the first host that has them; NULL: not given.  See cache/caches.h. */
    char *apt_proxy, *pip_index;
};

#define HOSTS_INIT ((struct hosts){0})
#define CLEANUP_HOSTS CLEANUP(hosts_clear)

void hosts_clear(struct hosts *h);

/* Reads the file; "-" is standard input, "HOST,…" a list of hosts.  -EBADMSG with
 * "FILE:LINE:COLUMN: what is wrong" for bad content, or with Ansible's words;
 * -EFBIG, -ENOMEM, -ETIMEDOUT, or an error of open(2) or read(2).  `ret` is written
 * on success only, and holds at least one host. */
int hosts_read(const char *path, struct hosts *ret, struct error *err);

/* As hosts_read, without Ansible, and with Ansible always (-ENOENT: not installed). */
int hosts_read_here(const char *path, struct hosts *ret, struct error *err);
int hosts_read_by_ansible(const char *path, struct hosts *ret, struct error *err);

/* As hosts_read_here, from memory, without files of variables; `name` is the file's name in
 * messages. */
int hosts_parse(const char *name, const void *data, size_t size, struct hosts *ret,
                struct error *err);
