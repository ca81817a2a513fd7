/*
 * The files of an environment that are no hard links into the package cache: they hold the prefix, or what is known on
 * the server only. forge/installer/linked.py writes the archives that they come from.
 */
#ifndef HUBFORGE_LAY_H
#define HUBFORGE_LAY_H

#include "sha256.h"

#include <stddef.h>
#include <sys/types.h>

/* What is filled in, and of every file that was made the hash and the size, since records name those. */
struct laying {
    const char *prefix;  /* of the environment */
    const char *cache;   /* the package cache */
    const char *command; /* as conda's history shows it */
    const char *time;    /* now, as conda's history has it */
    const char *utc;     /* now (ISO 8601) */
    struct made {
        char sha256[SHA256_HEX];
        size_t size;
    } *made;
    size_t count;
};

/*
 * Makes the file `name` in `folder` of `text`, in which @hubforge:WORD@ stands for a value: prefix, cache, command,
 * time, utc; "sha256 N" or "size N" of the file that was made as the Nth before, counted from zero. "hash N" is the
 * Nth "sha256" of `paths`, a package's info/paths.json (NULL for none), "hash" the next one: an installer carries its
 * packages' hashes once.
 */
void lay_text(struct laying *laying, int folder, const char *name, mode_t mode, const char *text, size_t length,
              const char *paths);

/* All of the file `name` in `folder`, for free(); *length is its size, and a zero follows it. */
char *read_file(int folder, const char *name, size_t *length);

/*
 * Makes the file `name` in `folder` of the file `source` in `source_folder`, with the prefix for the placeholder that a
 * package was built with (CEP 34, `prefix_placeholder`). `how` is "text PLACEHOLDER", "binary PLACEHOLDER" or "copy".
 */
void lay_patched(struct laying *laying, int folder, const char *name, int source_folder, const char *source,
                 const char *how);

#endif
