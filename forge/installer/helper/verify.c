#include "verify.h"

#include "fail.h"
#include "progress.h"
#include "reader.h"
#include "sha256.h"
#include "threads.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define AT_ONCE (64 * 1024) /* bytes, whole blocks of SHA-256 */

/* What all threads share. */
struct check {
    const struct package_list *list;
    struct reader reader;
    struct progress progress;
    size_t next;          /* the next package to take */
    pthread_mutex_t lock; /* of the one above */
};

/* A package that is being hashed. */
struct lane {
    const struct package *package; /* NULL: all are taken */
    struct piece rest;             /* what is still to be added */
    struct sha256 hash;
};

static void take(struct check *check, struct lane *lane) {
    pthread_mutex_lock(&check->lock);
    bool any = check->next < check->list->count;
    lane->package = any ? &check->list->packages[check->next++] : NULL;
    pthread_mutex_unlock(&check->lock);
    if (any)
        lane->rest = lane->package->whole;
    sha256_begin(&lane->hash);
}

/* The whole blocks that it goes on with. */
static size_t step(const struct lane *lane) {
    size_t left = lane->rest.length / SHA256_BLOCK * SHA256_BLOCK;
    return left < AT_ONCE ? left : AT_ONCE;
}

static void advance(struct lane *lane, size_t bytes) {
    lane->rest.data += bytes;
    lane->rest.length -= bytes;
}

static void finish(struct check *check, struct lane *lane) {
    const struct package *package = lane->package;
    char found[SHA256_HEX];
    reader_wait(&check->reader, lane->rest.data + lane->rest.length);
    sha256_end(&lane->hash, lane->rest.data, lane->rest.length, found);
    if (strcmp(found, package->sha256) != 0)
        fail(EXIT_DAMAGED, "the package %s in this file is damaged (sha256 %s, expected %s)", package->name, found,
             package->sha256);
    let_go(package->whole);
    progress_advance(&check->progress, package->whole.length, package->name);
    take(check, lane);
}

/* Two packages at a time, as long as there are two. The threads stay behind the reader, which is at the disk's pace. */
static void *hash(void *argument) {
    struct check *check = argument;
    struct lane lanes[2];
    take(check, &lanes[0]);
    take(check, &lanes[1]);
    while (lanes[0].package != NULL && lanes[1].package != NULL) {
        struct lane *one = &lanes[0], *other = &lanes[1];
        size_t bytes = step(one) < step(other) ? step(one) : step(other);
        reader_wait(&check->reader, one->rest.data + bytes);
        reader_wait(&check->reader, other->rest.data + bytes);
        sha256_add_both(&one->hash, one->rest.data, &other->hash, other->rest.data, bytes);
        advance(one, bytes);
        advance(other, bytes);
        for (int i = 0; i < 2; i++)
            if (step(&lanes[i]) == 0)
                finish(check, &lanes[i]);
    }
    struct lane *last = lanes[0].package != NULL ? &lanes[0] : &lanes[1];
    while (last->package != NULL) {
        for (size_t bytes; (bytes = step(last)) > 0; advance(last, bytes)) {
            reader_wait(&check->reader, last->rest.data + bytes);
            sha256_add(&last->hash, last->rest.data, bytes);
        }
        finish(check, last);
    }
    return NULL;
}

void verify_packages(const char *path, struct piece file, const struct package_list *list, const char *title) {
    struct check check = {.list = list};
    pthread_mutex_init(&check.lock, NULL);
    progress_begin(&check.progress, title, list->bytes);
    reader_begin(&check.reader, path, file);
    on_all_processors(hash, &check);
    reader_end(&check.reader);
    progress_end(&check.progress);
}
