/*
 * Hosts are the machines that an inventory file names: pyDCOP's
 * hosts-conf.yaml, what `dcop-discover --inventory=yaml` (or json) writes, and
 * other YAML inventories of Ansible's.
 *
 * Read as Ansible does: groups in groups, variables of `all`, then of the
 * groups from the outside to the inside (ansible_group_priority, then the name
 * between groups that are equally deep), then of the host; ranges in hosts'
 * names; of several words for the same thing (ansible_user and
 * ansible_ssh_user) the one that Ansible's ssh takes.  A host's agents are
 * agt_names (a list), else agt_name (one, several with blanks between, or a
 * list), else the host's own name.
 *
 * Hosts with the same address, port and user are one machine.
 *
 * Refused, because what is meant cannot be known here: templates ({{ }}),
 * values of Ansible's vault, other formats than YAML, a key given twice, a
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
    char *name;            /* in the inventory; the first, when it has several */
    struct strings names;  /* all of them */
    struct strings agents; /* at least one, each once */
    char *address;         /* as written: numeric, or a name to look up; see resolve.h */
    uint16_t port;         /* 0: not said */
    char *user;            /* NULL: not said, as all below */
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
    struct strings shared;   /* agents that several machines have; each also has a warning */
    /* The caches of controller_proxy_addr with apt_cache_port and pip_cache_port, of the first
     * host that has them, as URLs; NULL: not said, see cache/caches.h. */
    char *apt_proxy, *pip_index;
};

#define HOSTS_INIT ((struct hosts){0})
#define CLEANUP_HOSTS CLEANUP(hosts_clear)

void hosts_clear(struct hosts *h);

/* Reads the file; "-" is standard input.  -EBADMSG with "FILE:LINE:COLUMN:
 * what is wrong" for bad content, else what open(2) and read(2) say, -EFBIG or
 * -ENOMEM.  `ret` is written on success only, and holds at least one host. */
int hosts_read(const char *path, struct hosts *ret, struct error *err);

/* The same from memory; `name` stands for the file. */
int hosts_parse(const char *name, const void *data, size_t size, struct hosts *ret,
                struct error *err);
