/*
 * What is on the boot partition of a card: whether it is one, by which format its
 * image is set up at the first boot, and who has written to it before.
 *
 * The format is read from the files of the image, not from what somebody has written:
 * older versions of Raspberry Pi Imager write firstrun.sh on images that never run it
 * (rpi-imager, doc/os_customisation_formats.md).
 *
 * A value; card_look_clear.  Any thread.
 */
#pragma once

#include <stdbool.h>

#include "discovery/base/error.h"
#include "discovery/base/text.h"

/* What we add is in this folder, but for the files that others look for at the top. */
#define CARD_FOLDER "dcop"
/* Whose the folder is: "key value" a line, or the word of a card that was not completed. */
#define CARD_MARK CARD_FOLDER "/card"
#define CARD_UNFINISHED "unfinished"

enum { CARD_FILE_MAX = 64 * 1024 }; /* of each file that is read */

enum card_format {
    CARD_SYSTEMD,    /* a program named on the kernel's command line: systemd-run-generator(8) */
    CARD_CLOUD_INIT, /* user-data and meta-data: cloud-init's data source NoCloud */
    CARD_PRESEED,    /* rpi-preseed.toml */
};
const char *card_format_name(enum card_format format);

struct card_look {
    enum card_format format;
    const char *mount; /* where the machine mounts the partition: /boot/firmware, or /boot before
                          Debian 12 */
    struct text cmdline;
    bool prepared;         /* by us; the rest is of that */
    bool unfinished;       /* ours, and not completed */
    bool occupied;         /* the folder dcop is somebody else's */
    bool booted;           /* since then */
    char *id;              /* of the preparation; NULL: not prepared */
    char *agent;           /* NULL: none */
    char *fleet;           /* likewise */
    struct strings strays; /* files of others that set the machine up; not when prepared */
};

void card_look_clear(struct card_look *look);

/* -EINVAL, with what is missing, for a folder that is not a boot partition; else the errors
 * of open and read. */
int card_look(const char *folder, struct card_look *ret, struct error *err);

/* The kernel's command line without what makes systemd run a program at boot, of whomever it
 * is; without line breaks. */
void card_cmdline_strip(const char *cmdline, struct text *ret);
