#include "reader.h"

#include "fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STEP (128 * 1024) /* bytes: more of them leave the processor's cache before they are looked at */

static void advance(struct reader *reader, size_t bytes) {
    pthread_mutex_lock(&reader->lock);
    reader->done += bytes;
    pthread_cond_broadcast(&reader->more);
    pthread_mutex_unlock(&reader->lock);
}

/* What it reads is thrown away: the kernel has the file in memory then, where the mapping finds it. */
static void *read_all(void *argument) {
    struct reader *reader = argument;
    void *thrown_away = allocate(STEP);
    int file = open(reader->path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        fail(EXIT_INSTALL, "cannot read %s: %s", reader->path, strerror(errno));
    while (reader->done < reader->file.length) {
        ssize_t length = read(file, thrown_away, STEP);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            fail(EXIT_INSTALL, "cannot read %s: %s", reader->path, strerror(errno));
        if (length == 0)
            fail(EXIT_DAMAGED, "%s ends too early", reader->path);
        advance(reader, (size_t)length);
    }
    close(file);
    free(thrown_away);
    return NULL;
}

void reader_begin(struct reader *reader, const char *path, struct piece file) {
    *reader = (struct reader){.path = path, .file = file};
    pthread_mutex_init(&reader->lock, NULL);
    pthread_cond_init(&reader->more, NULL);
    if (pthread_create(&reader->thread, NULL, read_all, reader) != 0)
        fail(EXIT_INSTALL, "no memory left for a thread");
}

void reader_wait(struct reader *reader, const uint8_t *end) {
    pthread_mutex_lock(&reader->lock);
    while (reader->done < (size_t)(end - reader->file.data))
        pthread_cond_wait(&reader->more, &reader->lock);
    pthread_mutex_unlock(&reader->lock);
}

void reader_end(struct reader *reader) {
    pthread_join(reader->thread, NULL);
}
