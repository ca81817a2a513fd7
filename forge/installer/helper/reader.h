/*
 * Reads a file from its beginning to its end, ahead of the threads that look at its mapping. One reader in the file's
 * order is what a disk is quickest with; threads that each fault in pages of another place wait for most of them. No
 * advice to the kernel replaces it: what MADV_WILLNEED and its like fetch comes in single pages, in half as long again.
 */
#ifndef HUBFORGE_READER_H
#define HUBFORGE_READER_H

#include "files.h"

#include <pthread.h>

struct reader {
    const char *path;
    struct piece file;    /* the file's mapping */
    pthread_t thread;
    size_t done;          /* bytes that are in memory; the reader alone changes it */
    pthread_mutex_t lock; /* of `done` */
    pthread_cond_t more;  /* `done` has grown */
};

/* Starts it in a thread of its own, which goes on to the end of the file. */
void reader_begin(struct reader *reader, const char *path, struct piece file);

/* Returns when all of the file before `end`, a place in its mapping, is in memory. */
void reader_wait(struct reader *reader, const uint8_t *end);

/* Returns when it has read everything. */
void reader_end(struct reader *reader);

#endif
