#include "progress.h"

#include <stdio.h>
#include <unistd.h>

void progress_begin(struct progress *progress, const char *title, uint64_t total) {
    *progress = (struct progress){.title = title, .total = total, .on_terminal = isatty(STDOUT_FILENO)};
    pthread_mutex_init(&progress->lock, NULL);
}

void progress_advance(struct progress *progress, uint64_t bytes, const char *name) {
    if (!progress->on_terminal)
        return;
    pthread_mutex_lock(&progress->lock);
    progress->done += bytes;
    int percent = progress->total ? (int)(progress->done * 100 / progress->total) : 100;
    if (percent != progress->percent) {
        progress->percent = percent;
        printf("\r\033[K%s %3d %%  %.50s", progress->title, percent, name);
        fflush(stdout);
    }
    pthread_mutex_unlock(&progress->lock);
}

void progress_end(struct progress *progress) {
    if (progress->on_terminal)
        fputs("\r\033[K", stdout);
}
