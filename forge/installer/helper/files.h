/* Files: each function ends the program (fail.h) with a line that names the file when it cannot do its work. */
#ifndef HUBFORGE_FILES_H
#define HUBFORGE_FILES_H

#include <stddef.h>
#include <stdint.h>

/* A piece of a mapped file. */
struct piece {
    const uint8_t *data;
    size_t length;
};

/* All of a file, which must not be empty. */
struct piece map_file(const char *path);

/* What has been read counts no longer as this program's memory; the kernel keeps it, and it can be read again. */
void let_go(struct piece piece);

/* Opens the folder `name` in `parent`, following no link. */
int open_directory(int parent, const char *name);

/* Writes all of `data`; `name` is for the message. */
void write_all(int file, const void *data, size_t length, const char *name);

/* Makes the file `name` in `directory` hold `data`. */
void write_file(int directory, const char *name, const void *data, size_t length);

#endif
