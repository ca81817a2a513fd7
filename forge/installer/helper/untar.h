/*
 * A strict reader of tar archives (POSIX.1-2001 ustar and pax, GNU long names) that writes below one folder.
 *
 * Whatever an archive says, nothing is written anywhere else: names that are absolute or hold ".." are refused; every
 * folder on the way is opened by its parent's descriptor without following links; files are only ever created, never
 * opened; hard links may only name files that the same archive wrote; devices, pipes and sparse files are refused.
 * Each refusal ends the program (fail.h) with a line that names the package and the entry.
 *
 * An environment's archive (forge/installer/linked.py) is read by the same rules, but that hard links lead into the
 * package cache, that files are texts to be filled in, and that an entry of the type P is a file of the cache with the
 * prefix in it; the entry's data say how (lay.h).
 */
#ifndef HUBFORGE_UNTAR_H
#define HUBFORGE_UNTAR_H

#include "lay.h"

#include <stddef.h>

struct untar;

struct untar *untar_new(void);

/* Begins an archive that goes below `directory`; `package` is the name in error messages. Both stay the caller's. */
void untar_begin(struct untar *tar, int directory, const char *package);

/* Begins an environment's archive, which goes below `directory`; `cache` is the package cache, and the caller's, too. */
void untar_begin_environment(struct untar *tar, int directory, const char *name, int cache, struct laying *laying);

/* The next bytes of the archive, in pieces of any size. */
void untar_feed(struct untar *tar, const void *data, size_t length);

/* The archive must be complete now. */
void untar_end(struct untar *tar);

#endif
