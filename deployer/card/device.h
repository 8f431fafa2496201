/*
 * A card as a device: its boot partition, mounted for this process alone.
 *
 * Partitions are those that the kernel knows (sysfs); the boot partition is the first with a
 * FAT file system.
 */
#pragma once

#include "discovery/base/error.h"
#include "discovery/base/text.h"

/* The node of the boot partition of the disk or partition `name` ("sdb", "mmcblk0p1"); the
 * caller frees it.  `sys` and `dev` are /sys/class/block and /dev.  -ENOENT: it has
 * no FAT partition; -EACCES, -EPERM: only root can tell; else why it cannot be read.  With
 * words. */
int card_device_find(const char *sys, const char *dev, const char *name, char **ret,
                     struct error *err);

/* Where it is mounted already, NULL: nowhere; the caller frees it.  -EINVAL with words for a
 * partition that this computer itself starts from. */
int card_device_mounted(const char *node, char **ret, struct error *err);

/* Mounts the partition on a new folder, which no other process sees and which is gone when this
 * one ends; card_device_unmount removes both, and frees `folder`.  -EPERM, with words, without
 * the right to mount. */
int card_device_mount(const char *node, char **ret_folder, struct error *err);
int card_device_unmount(char *folder, struct error *err);
