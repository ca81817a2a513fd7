#include "reader.h"

#include "fail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP (128 * 1024) /* bytes */

static void advance(struct reader *reader, size_t bytes) {
    pthread_mutex_lock(&reader->lock);
    reader->done += bytes;
    pthread_cond_broadcast(&reader->more);
    pthread_mutex_unlock(&reader->lock);
}

/* /dev/null, or -1 where that is not the device: a file of that name would be filled. */
static int open_null(void) {
    struct stat status;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0 && (fstat(null, &status) != 0 || !S_ISCHR(status.st_mode))) {
        close(null);
        null = -1;
    }
    return null;
}

/* What is read, and where to. */
struct way {
    int file, null;    /* -1: what is read goes to `thrown_away` */
    void *thrown_away; /* STEP bytes */
};

/*
 * Has the kernel fetch up to STEP bytes more, for the mapping to find; 0 at the end, -1 with errno. Sent to /dev/null
 * they are not copied, which would take half as long as a quick disk does. What cannot be sent is read.
 */
static ssize_t fetch(struct way *way) {
    if (way->null >= 0) {
        ssize_t length = sendfile(way->null, way->file, NULL, STEP);
        if (length >= 0 || errno == EINTR)
            return length;
        close(way->null);
        way->null = -1;
    }
    return read(way->file, way->thrown_away, STEP);
}

static void *read_all(void *argument) {
    struct reader *reader = argument;
    struct way way = {open(reader->path, O_RDONLY | O_CLOEXEC), open_null(), allocate(STEP)};
    if (way.file < 0)
        fail(EXIT_INSTALL, "cannot read %s: %s", reader->path, strerror(errno));
    while (reader->done < reader->file.length) {
        ssize_t length = fetch(&way);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            fail(EXIT_INSTALL, "cannot read %s: %s", reader->path, strerror(errno));
        if (length == 0)
            fail(EXIT_DAMAGED, "%s ends too early", reader->path);
        advance(reader, (size_t)length);
    }
    if (way.null >= 0)
        close(way.null);
    close(way.file);
    free(way.thrown_away);
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
