/* The list of packages that the installer file carries, one line each, as assemble.py writes it. */
#ifndef HUBFORGE_PACKAGES_H
#define HUBFORGE_PACKAGES_H

#include "files.h"
#include "sha256.h"

#include <stddef.h>
#include <stdint.h>

struct package {
    char sha256[SHA256_HEX];   /* of the whole .conda file */
    struct piece whole;        /* the .conda file */
    struct piece archives[2];  /* its members pkg-*.tar.zst and info-*.tar.zst (CEP 28) */
    char subdir[64];           /* linux-64 or noarch */
    char name[512];            /* name-version-build: the folder in the package cache */
};

struct package_list {
    struct package *packages;
    size_t count;
    uint64_t bytes; /* of all .conda files */
};

/*
 * Reads the list at `path`; its offsets count from `base` within `file`. Ends the program when a line is not well
 * formed, names a folder that is not a plain name, or points outside the file.
 */
struct package_list read_package_list(const char *path, struct piece file, size_t base);

#endif
