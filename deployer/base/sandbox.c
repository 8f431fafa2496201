#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "discovery/base/cleanup.h"

enum { FILTER_MAX = 96 };

struct sandbox {
    enum sandbox_kind kind;
    struct strings reads;
    char *writes;
    int ruleset; /* of Landlock; -1: none */
    int landlock_most;
    bool network;
    bool deny_truncate;
    struct sock_filter filter[FILTER_MAX];
    unsigned short filter_size;
};

/* What builds read of a Debian system.  Of /etc, where keys are, only what programs need. */
static const char *const system_reads[] = {
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/sys/devices/system/cpu",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/etc/alternatives",
    "/etc/debian_version",
    "/etc/group",
    "/etc/host.conf",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/magic",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/python3",
    "/etc/timezone",
};

/* With the network: names of this computer, and of others. */
static const char *const network_reads[] = {
    "/etc/gai.conf",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/services",
};

/* --- Landlock ------------------------------------------------------------------------ */

/* include/uapi/linux/landlock.h of Linux 6.12; headers of older systems lack the later ones.
 * The system calls have the same number on all architectures (asm-generic/unistd.h). */
enum {
    CREATE_RULESET = 444,
    ADD_RULE = 445,
    RESTRICT_SELF = 446,
    CREATE_RULESET_VERSION = 1,
    RULE_PATH_BENEATH = 1,
};

enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_CHAR = 1 << 6,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_MAKE_FIFO = 1 << 10,
    FS_MAKE_BLOCK = 1 << 11,
    FS_MAKE_SYM = 1 << 12,
    FS_REFER = 1 << 13,     /* version 2 */
    FS_TRUNCATE = 1 << 14,  /* version 3 */
    FS_IOCTL_DEV = 1 << 15, /* version 5 */
    NET_ALL = 3,            /* version 4: bind and connect of TCP */
    SCOPE_ALL = 3,          /* version 6: abstract sockets and signals */
    FS_VERSION_1 = (1 << 13) - 1,
    FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE,
    FS_READS = FS_EXECUTE | FS_READ_FILE | FS_READ_DIR,
    FS_WRITES = FS_READS | FS_WRITE_FILE | FS_TRUNCATE | FS_REFER | FS_REMOVE_DIR | FS_REMOVE_FILE |
                FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_FIFO | FS_MAKE_SYM,
};

struct ruleset_attributes {
    uint64_t fs, net, scoped;
};

struct path_beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

static int landlock_version(int most)
{
    int version = (int)syscall(CREATE_RULESET, NULL, (size_t)0, CREATE_RULESET_VERSION);

    return most > 0 && version > most ? most : version;
}

static uint64_t handled(int version)
{
    return FS_VERSION_1 | (version >= 2 ? FS_REFER : 0u) | (version >= 3 ? FS_TRUNCATE : 0u) |
           (version >= 5 ? FS_IOCTL_DEV : 0u);
}

/* What is not there is left out. */
static int allow(int ruleset, const char *path, uint64_t rights, struct error *err)
{
    CLEANUP_CLOSE int fd = open(path, O_PATH | O_CLOEXEC);
    struct path_beneath rule = {.allowed = rights, .parent = fd};
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return 0;
    if (!S_ISDIR(st.st_mode))
        rule.allowed &= FS_OF_FILES;
    return syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0
               ? error_sys(err, -errno, "cannot make a sandbox that reads %s", path)
               : 0;
}

static int make_ruleset(struct sandbox *s, struct error *err)
{
    CLEANUP_CLOSE int fd = -1;
    int version = landlock_version(s->landlock_most), r = 0;
    uint64_t fs = handled(version);
    struct ruleset_attributes a = {fs, version >= 4 && !s->network ? NET_ALL : 0,
                                   version >= 6 ? SCOPE_ALL : 0};
    size_t size = version >= 6 ? sizeof(a) : version >= 4 ? 16 : 8;

    if (version < 1)
        return error_set(err, -EOPNOTSUPP, "this kernel has no Landlock");
    fd = (int)syscall(CREATE_RULESET, &a, size, 0u);
    /* Not one of those that process_run takes for itself in the child. */
    s->ruleset = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 16);
    if (s->ruleset < 0)
        return error_sys(err, -errno, "cannot make a sandbox");
    s->deny_truncate = version < 3;
    for (size_t i = 0; i < s->reads.count && r == 0; i++) {
        const char *path = s->reads.items[i];
        bool device = strncmp(path, "/dev/", 5) == 0;

        r = allow(s->ruleset, path,
                  fs & (device ? FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE : FS_READS), err);
    }
    return r < 0 ? r : allow(s->ruleset, s->writes, fs & FS_WRITES, err);
}

/* --- seccomp ------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#elif defined(__arm__)
#define NATIVE_ARCH AUDIT_ARCH_ARM
#elif defined(__i386__)
#define NATIVE_ARCH AUDIT_ARCH_I386
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE_ARCH AUDIT_ARCH_RISCV64
#endif

/* socketpair(2) stays: it reaches nobody.  With the network, socket(2), which is the first, has a
 * filter of its own; socketcall(2) has its arguments in memory, where no filter sees them. */
static const uint32_t denied[] = {
    SYS_socket,
#ifdef SYS_socketcall
    SYS_socketcall,
#endif
#ifdef SYS_ipc
    SYS_ipc,
#endif
#ifdef SYS_shmget /* who knows a number needs no ...get */
    SYS_shmget,
    SYS_shmat,
    SYS_shmctl,
    SYS_msgget,
    SYS_msgsnd,
    SYS_msgrcv,
    SYS_msgctl,
    SYS_semget,
    SYS_semctl,
#endif
#ifdef SYS_semop
    SYS_semop,
#endif
#ifdef SYS_semtimedop
    SYS_semtimedop,
#endif
#ifdef SYS_semtimedop_time64
    SYS_semtimedop_time64,
#endif
    SYS_mq_open,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    438, /* pidfd_getfd */
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    425, /* io_uring_setup: its sockets pass no filter */
    426, /* io_uring_enter */
    427, /* io_uring_register */
    428, /* open_tree */
    429, /* move_mount */
    430, /* fsopen */
    432, /* fsmount */
    433, /* fspick */
    442, /* mount_setattr */
};

/* Landlock 1 and 2 do not look at truncate(2), see also filter_open. */
static const uint32_t truncates[] = {
    SYS_truncate,
#ifdef SYS_truncate64
    SYS_truncate64,
#endif
};

enum { HEAD_SIZE = 7, SOCKET_SIZE = 7, LIMITS_SIZE = 5, OPEN_SIZE = 18 };

_Static_assert(HEAD_SIZE + ARRAY_SIZE(denied) + ARRAY_SIZE(truncates) + SOCKET_SIZE + LIMITS_SIZE +
                       OPEN_SIZE + 1 <=
                   FILTER_MAX,
               "the filter has no room");

#ifdef NATIVE_ARCH

static void add(struct sandbox *s, unsigned code, uint32_t k, size_t if_true, size_t if_false)
{
    s->filter[s->filter_size++] =
        (struct sock_filter){(uint16_t)code, (uint8_t)if_true, (uint8_t)if_false, k};
}

static void add_return(struct sandbox *s, uint32_t action)
{
    add(s, BPF_RET | BPF_K, action, 0, 0);
}

/* The lower half of an argument; all that an int has. */
static void add_load_argument(struct sandbox *s, size_t i)
{
    size_t at = offsetof(struct seccomp_data, args) + i * sizeof(uint64_t);

    if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
        at += sizeof(uint32_t);
    add(s, BPF_LD | BPF_W | BPF_ABS, (uint32_t)at, 0, 0);
}

/* Landlock 1 and 2 see what the file that open(2) returns may do, so nothing of O_TRUNC without
 * a right to write, nor of access mode 3, which may neither read nor write.  O_TRUNC with a right
 * to write they do see. */
static void filter_open(struct sandbox *s, uint32_t number, size_t argument)
{
    add(s, BPF_JMP | BPF_JEQ | BPF_K, number, 0, 7);
    add_load_argument(s, argument);
    add(s, BPF_ALU | BPF_AND | BPF_K, O_TRUNC | 3, 0, 0);
    add(s, BPF_JMP | BPF_JEQ | BPF_K, O_TRUNC | O_RDONLY, 3, 0);
    add(s, BPF_ALU | BPF_AND | BPF_K, 3, 0, 0);
    add(s, BPF_JMP | BPF_JEQ | BPF_K, 3, 1, 0);
    add_return(s, SECCOMP_RET_ALLOW);
    add_return(s, SECCOMP_RET_ERRNO | EPERM);
}

/* The network's families only: a Unix socket reaches the user's SSH agent and D-Bus, as Landlock
 * does not look at connect(2) to a path; getaddrinfo(3) asks netlink for the addresses. */
static void filter_socket(struct sandbox *s)
{
    add(s, BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 6);
    add_load_argument(s, 0);
    add(s, BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 3, 0);
    add(s, BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 2, 0);
    add(s, BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 1, 0);
    add_return(s, SECCOMP_RET_ERRNO | EAFNOSUPPORT);
    add_return(s, SECCOMP_RET_ALLOW);
}

/* Its own limits, as setrlimit(2); those of a process with a number, even its own, are not. */
static void filter_limits(struct sandbox *s)
{
    add(s, BPF_JMP | BPF_JEQ | BPF_K, SYS_prlimit64, 0, 4);
    add_load_argument(s, 0);
    add(s, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
    add_return(s, SECCOMP_RET_ALLOW);
    add_return(s, SECCOMP_RET_ERRNO | EPERM);
}

static void filter_opens(struct sandbox *s)
{
#ifdef SYS_open
    filter_open(s, SYS_open, 1);
#endif
    filter_open(s, SYS_openat, 2);
    /* openat2 has its flags in memory, where no filter sees them. */
    add(s, BPF_JMP | BPF_JEQ | BPF_K, 437, 0, 1);
    add_return(s, SECCOMP_RET_ERRNO | ENOSYS);
}

#endif

static int make_filter(struct sandbox *s, struct error *err)
{
#ifdef NATIVE_ARCH
    size_t first = s->network ? 1 : 0;
    size_t denials = ARRAY_SIZE(denied) + (s->deny_truncate ? ARRAY_SIZE(truncates) : 0) - first;

    /* A call of another architecture (i386 on amd64) has other numbers. */
    add(s, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    add(s, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
    add_return(s, SECCOMP_RET_ERRNO | EPERM);
    add(s, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
#ifdef __x86_64__ /* x32 has numbers of its own from here on (__X32_SYSCALL_BIT) */
    add(s, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, denials + 1, 0);
#endif
    for (size_t i = 0; i < denials; i++) {
        size_t at = i + first;
        uint32_t number = at < ARRAY_SIZE(denied) ? denied[at] : truncates[at - ARRAY_SIZE(denied)];

        add(s, BPF_JMP | BPF_JEQ | BPF_K, number, denials - i, 0);
    }
    add(s, BPF_JMP | BPF_JA, 1, 0, 0);
    add_return(s, SECCOMP_RET_ERRNO | EPERM);
    if (s->network)
        filter_socket(s);
    filter_limits(s);
    if (s->deny_truncate)
        filter_opens(s);
    add_return(s, SECCOMP_RET_ALLOW);
    (void)err;
    return 0;
#else
    (void)s;
    return error_set(err, -EOPNOTSUPP, "there is no sandbox for this kind of processor");
#endif
}

static int enter_filter(const struct sandbox *s)
{
    const struct sock_fprog program = {s->filter_size, (struct sock_filter *)(uintptr_t)s->filter};

    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0)
        return 0;
    return errno == EINVAL ? -EOPNOTSUPP : -errno; /* a kernel without filters */
}

/* --- all of it ----------------------------------------------------------------------- */

static int add_reads(struct sandbox *s, const struct strings *more)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(system_reads) && r == 0; i++)
        r = strings_add(&s->reads, system_reads[i]);
    for (size_t i = 0; s->network && i < ARRAY_SIZE(network_reads) && r == 0; i++)
        r = strings_add(&s->reads, network_reads[i]);
    for (size_t i = 0; more && i < more->count && r == 0; i++)
        r = strings_add(&s->reads, more->items[i]);
    return r;
}

int sandbox_new(const struct sandbox_options *options, struct sandbox **ret, struct error *err)
{
    CLEANUP(sandbox_free_p) struct sandbox *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return error_sys(err, -ENOMEM, "cannot make a sandbox");
    s->kind = options->kind;
    s->landlock_most = options->landlock_most;
    s->network = options->network;
    s->ruleset = -1;
    s->writes = strdup(options->writes);
    if (!s->writes || add_reads(s, options->reads) < 0)
        return error_sys(err, -ENOMEM, "cannot make a sandbox");
    r = s->kind == SANDBOX_LANDLOCK ? make_ruleset(s, err) : 0;
    /* bubblewrap itself mounts; the namespaces that it makes do what the filter does. */
    if (r == 0 && s->kind != SANDBOX_NONE && s->kind != SANDBOX_BUBBLEWRAP)
        r = make_filter(s, err);
    if (r == 0)
        *ret = TAKE_PTR(s);
    return r;
}

void sandbox_free(struct sandbox *s)
{
    if (!s)
        return;
    cleanup_close(&s->ruleset);
    strings_clear(&s->reads);
    free(s->writes);
    free(s);
}

int sandbox_command(const struct sandbox *s, const char *const *argv, struct strings *ret)
{
    static const char *const head[] = {"bwrap",      "--unshare-all", "--die-with-parent",
                                       "--cap-drop", "ALL",           "--proc",
                                       "/proc",      "--dev",         "/dev"};
    const char *const tail[] = {"--remount-ro", "/", "--chdir", s->writes, "--"};
    int r = 0;

    for (size_t i = 0; s->kind == SANDBOX_BUBBLEWRAP && i < ARRAY_SIZE(head) && r == 0; i++)
        r = strings_add(ret, head[i]);
    for (size_t i = 0; s->kind == SANDBOX_BUBBLEWRAP && i < s->reads.count + 1 && r == 0; i++) {
        bool last = i == s->reads.count;
        const char *path = last ? s->writes : s->reads.items[i];

        if (strcmp(path, "/proc") == 0 || strncmp(path, "/dev/", 5) == 0)
            continue;
        r = strings_add(ret, last ? "--bind" : "--ro-bind-try");
        for (unsigned j = 0; j < 2 && r == 0; j++)
            r = strings_add(ret, path);
    }
    for (size_t i = 0; s->kind == SANDBOX_BUBBLEWRAP && i < ARRAY_SIZE(tail) && r == 0; i++)
        r = strings_add(ret, tail[i]);
    for (; *argv && r == 0; argv++)
        r = strings_add(ret, *argv);
    return r;
}

int sandbox_enter(const void *sandbox)
{
    const struct sandbox *s = sandbox;

    if (s->kind == SANDBOX_NONE)
        return 0;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    if (s->kind == SANDBOX_LANDLOCK && syscall(RESTRICT_SELF, s->ruleset, 0u) < 0)
        return -errno;
    return s->filter_size ? enter_filter(s) : 0;
}
