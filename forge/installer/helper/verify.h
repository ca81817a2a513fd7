/* The check of every package's sha256. */
#ifndef HUBFORGE_VERIFY_H
#define HUBFORGE_VERIFY_H

#include "files.h"
#include "packages.h"

/* Ends the program when a package of `list` in `file`, the mapping of `path`, is not what it was built as. */
void verify_packages(const char *path, struct piece file, const struct package_list *list, const char *title);

#endif
