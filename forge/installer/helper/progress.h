/* The line that moves on a terminal; where standard output is none, nothing is shown. */
#ifndef HUBFORGE_PROGRESS_H
#define HUBFORGE_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* How far something is that several threads may work at. */
struct progress {
    const char *title;
    uint64_t total, done; /* bytes, of whatever is worked at */
    int percent;          /* as last shown */
    bool on_terminal;
    pthread_mutex_t lock; /* of `done`, of `percent` and of the terminal */
};

void progress_begin(struct progress *progress, const char *title, uint64_t total);

/* `bytes` more are done; the line moves when that is a percent more, and says `name`. */
void progress_advance(struct progress *progress, uint64_t bytes, const char *name);

/* Wipes the line. */
void progress_end(struct progress *progress);

#endif
