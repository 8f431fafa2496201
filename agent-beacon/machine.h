/*
 * The facts of a machine that its advert tells: operating system, processor,
 * Python, model, SSH host key.  Read from files, nothing is executed.
 *
 * Each returns a string that the caller frees, in the form that the advert
 * wants, or NULL when the machine does not tell it (or there is no memory: then
 * only this fact is missing).  `root` is put in front of every path.
 */
#pragma once

/* "debian-13", of os-release(5). */
char *machine_os(const char *root);

/* Debian's name of the architecture that programs here are built for.  With a
 * 32-bit userland on a 64-bit kernel that is the userland's. */
const char *machine_arch(void);

/* "3.13", of /usr/bin/python3, which is a link to python3.13. */
char *machine_python(const char *root);

/* "Raspberry Pi 5 Model B Rev 1.0", of the device tree, else of DMI. */
char *machine_model(const char *root);

/* Where the host keys are, the one that counts first; NULL ends the list. */
extern const char *const machine_hostkey_paths[];

/* "SHA256:…" of the first of them that is there. */
char *machine_hostkey(const char *root);
