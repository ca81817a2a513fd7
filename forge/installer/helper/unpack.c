/*
 * The static helper inside hub-installer.sh: what a bare server's shell cannot do, or not fast enough.
 *
 *   unpack verify  FILE LIST BASE TITLE [portable]
 *                                            check the sha256 of every package in FILE
 *   unpack unpack  FILE LIST BASE DIR TITLE  unpack every package to DIR/NAME that is not there yet
 *   unpack afresh  FILE LIST BASE DIR TITLE  the same, trusting nothing that lies in DIR
 *   unpack channel FILE LIST BASE DIR TITLE  write the packages as they are to DIR/SUBDIR/NAME.conda
 *   unpack link    FILE CACHE COMMAND TITLE [OFFSET LENGTH DIR]…
 *                                            lay each environment's archive, a piece of FILE, down in DIR
 *   unpack sync    DIR                       wait until the disk holds all of DIR's file system
 *   unpack lock    FD FILE [wait]            lock FILE, which FD is open on, and write the caller's pid into it
 *   unpack cat     FILE OFFSET LENGTH        write a zstd-compressed piece of FILE to standard output
 *   unpack sha256  FILE [portable]           print the sha256 of FILE
 *
 * LIST is described in packages.h; BASE is where the packages begin in FILE. On a terminal a line moves on standard
 * output and says TITLE. Exit codes: fail.h.
 */
#include "fail.h"
#include "files.h"
#include "lay.h"
#include "packages.h"
#include "progress.h"
#include "sha256.h"
#include "threads.h"
#include "untar.h"
#include "verify.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#define MAX_ENVIRONMENTS 32
#define OUTPUT_BUFFER (256 * 1024)  /* bytes decoded before they are written */
#define WRITE_OUT_PAUSE 200000      /* microseconds */
#define RECEIPT "info/hubforge-sha256" /* in an unpacked package: the sha256 of the file that it came from */

/* ---- one job for every package, on all processors ---- */

struct run {
    const struct package_list *list;
    void (*job)(struct run *run, const struct package *package, void *scratch);
    int directory; /* where the job writes */
    bool trust;    /* whether complete packages that are there already are kept */
    struct progress progress;
    size_t next;          /* the next package to take */
    pthread_mutex_t lock; /* of the one above */
};

/* What one thread needs to unpack. */
struct scratch {
    ZSTD_DCtx *decoder;
    void *output;
    struct untar *tar;
    struct progress *progress; /* where it goes on with every piece that is decoded; NULL where it does not */
};

static void *worker(void *argument) {
    struct run *run = argument;
    struct scratch scratch = {ZSTD_createDCtx(), allocate(OUTPUT_BUFFER), untar_new(), NULL};
    if (scratch.decoder == NULL)
        fail(EXIT_INSTALL, "no memory left for decompression");
    pthread_mutex_lock(&run->lock);
    while (run->next < run->list->count) {
        const struct package *package = &run->list->packages[run->next++];
        pthread_mutex_unlock(&run->lock);
        run->job(run, package, &scratch);
        let_go(package->whole);
        progress_advance(&run->progress, package->whole.length, package->name);
        pthread_mutex_lock(&run->lock);
    }
    pthread_mutex_unlock(&run->lock);
    return NULL;
}

/* Does the job for every package; the list is sorted by size, largest first, so that the threads end together. */
static void for_each_package(struct run *run) {
    pthread_mutex_init(&run->lock, NULL);
    on_all_processors(worker, run);
    progress_end(&run->progress);
}

/* ---- files ---- */

/* Removes `name` and all that is below it, following no link; that it is not there is fine. */
static void remove_tree(int parent, const char *name) {
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return;
    if (errno != EISDIR && errno != EPERM)
        fail(EXIT_INSTALL, "cannot remove %s: %s", name, strerror(errno));
    DIR *stream = fdopendir(open_directory(parent, name));
    if (stream == NULL)
        fail(EXIT_INSTALL, "cannot read the folder %s: %s", name, strerror(errno));
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_tree(dirfd(stream), entry->d_name);
    closedir(stream);
    if (unlinkat(parent, name, AT_REMOVEDIR) != 0)
        fail(EXIT_INSTALL, "cannot remove the folder %s: %s", name, strerror(errno));
}

/* ---- the disk ---- */

/* The kernel tells of what it could not write only once, to whoever asks first: so every answer counts. */
static void write_out(int directory) {
    if (syncfs(directory) != 0)
        fail(EXIT_INSTALL, "the disk did not take everything: %s", strerror(errno));
}

/* Has the disk write what is there while the rest is unpacked: the sync that an installation ends with is then short. */
static void *keep_writing_out(void *directory) {
    for (;;) {
        write_out(*(const int *)directory);
        usleep(WRITE_OUT_PAUSE);
    }
    return NULL;
}

/* ---- the jobs ---- */

/* Decodes a zstd frame and hands its bytes to the archive reader, or writes them to standard output. */
static void decode(struct scratch *scratch, struct piece compressed, const char *name) {
    ZSTD_inBuffer input = {compressed.data, compressed.length, 0};
    size_t hint = 1; /* 0: a frame ended exactly here */
    ZSTD_DCtx_reset(scratch->decoder, ZSTD_reset_session_only);
    for (;;) {
        ZSTD_outBuffer output = {scratch->output, OUTPUT_BUFFER, 0};
        size_t before = input.pos;
        hint = ZSTD_decompressStream(scratch->decoder, &output, &input);
        if (ZSTD_isError(hint))
            fail(EXIT_DAMAGED, "%s cannot be decompressed: %s", name, ZSTD_getErrorName(hint));
        if (scratch->tar)
            untar_feed(scratch->tar, output.dst, output.pos);
        else
            write_all(STDOUT_FILENO, output.dst, output.pos, "standard output");
        if (scratch->progress)
            progress_advance(scratch->progress, input.pos - before, name);
        /* With the input used up and room left in the output, the decoder has nothing more to give. */
        if (input.pos == input.size && (hint == 0 || output.pos < output.size))
            break;
    }
    if (hint != 0)
        fail(EXIT_DAMAGED, "%s ends in the middle", name);
}

/* Whether DIR/NAME was unpacked completely from this very file. */
static bool is_complete(int directory, const struct package *package) {
    char path[sizeof package->name + sizeof RECEIPT + 1], found[SHA256_HEX - 1];
    snprintf(path, sizeof path, "%s/%s", package->name, RECEIPT);
    int file = openat(directory, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0)
        return false;
    ssize_t length = read(file, found, sizeof found);
    close(file);
    return length == (ssize_t)sizeof found && memcmp(found, package->sha256, sizeof found) == 0;
}

/* Unpacks to a temporary name, which becomes DIR/NAME when all is there: a package is complete or not there. */
static void unpack(struct run *run, const struct package *package, void *argument) {
    struct scratch *scratch = argument;
    char partial[sizeof package->name + 16];
    if (run->trust && is_complete(run->directory, package))
        return;
    snprintf(partial, sizeof partial, ".%s.partial", package->name);
    remove_tree(run->directory, partial);
    if (mkdirat(run->directory, partial, 0755) != 0)
        fail(EXIT_INSTALL, "package %s: cannot make its folder: %s", package->name, strerror(errno));
    int directory = open_directory(run->directory, partial);
    for (size_t i = 0; i < sizeof package->archives / sizeof package->archives[0]; i++) {
        untar_begin(scratch->tar, directory, package->name);
        decode(scratch, package->archives[i], package->name);
        untar_end(scratch->tar);
    }
    int info = open_directory(directory, "info");
    write_file(info, strrchr(RECEIPT, '/') + 1, package->sha256, SHA256_HEX - 1);
    close(info);
    close(directory);
    remove_tree(run->directory, package->name);
    if (renameat(run->directory, partial, run->directory, package->name) != 0)
        fail(EXIT_INSTALL, "package %s: cannot put it in place: %s", package->name, strerror(errno));
}

static void lay_down(struct run *run, const struct package *package, void *unused) {
    (void)unused;
    char name[sizeof package->name + 8], partial[sizeof package->name + 16];
    int subdir = open_directory(run->directory, package->subdir);
    snprintf(name, sizeof name, "%s.conda", package->name);
    snprintf(partial, sizeof partial, ".%s.partial", package->name);
    write_file(subdir, partial, package->whole.data, package->whole.length);
    if (renameat(subdir, partial, subdir, name) != 0)
        fail(EXIT_INSTALL, "cannot put %s in place: %s", name, strerror(errno));
    close(subdir);
}

/* ---- environments ---- */

static size_t count(const char *text) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        fail(EXIT_USAGE, "not a number: %s", text);
    return (size_t)value;
}

struct environment {
    struct piece archive;
    const char *directory;
    int cache;
    struct laying laying;
    struct progress *progress; /* of all of them */
    pthread_t thread;
};

static void *lay_environment(void *argument) {
    struct environment *environment = argument;
    struct scratch scratch = {ZSTD_createDCtx(), allocate(OUTPUT_BUFFER), untar_new(), environment->progress};
    if (scratch.decoder == NULL)
        fail(EXIT_INSTALL, "no memory left for decompression");
    int directory = open_directory(AT_FDCWD, environment->directory);
    untar_begin_environment(scratch.tar, directory, environment->directory, environment->cache, &environment->laying);
    decode(&scratch, environment->archive, environment->directory);
    untar_end(scratch.tar);
    close(directory);
    return NULL;
}

/* Each in a thread of its own; `words` are offset, length and folder of every archive. */
static void link_environments(const char *path, const char *cache, const char *command, const char *title,
                              char *const words[], size_t number) {
    struct environment environments[MAX_ENVIRONMENTS];
    struct progress progress;
    uint64_t bytes = 0;
    struct piece file = map_file(path);
    char local[sizeof "2026-11-30 12:00:00"], utc[sizeof "2026-11-30T12:00:00Z"];
    time_t now = time(NULL);
    struct tm parts;
    strftime(local, sizeof local, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &parts));
    strftime(utc, sizeof utc, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &parts));
    if (number > MAX_ENVIRONMENTS)
        fail(EXIT_USAGE, "more than %d environments", MAX_ENVIRONMENTS);
    for (size_t i = 0; i < number; i++)
        bytes += count(words[3 * i + 1]);
    progress_begin(&progress, title, bytes);
    for (size_t i = 0; i < number; i++, words += 3) {
        size_t offset = count(words[0]), length = count(words[1]);
        if (offset > file.length || length > file.length - offset)
            fail(EXIT_DAMAGED, "%s ends too early", path);
        environments[i] = (struct environment){
            .archive = {file.data + offset, length},
            .directory = words[2],
            .cache = open_directory(AT_FDCWD, cache),
            .laying = {.prefix = words[2], .cache = cache, .command = command, .time = local, .utc = utc},
            .progress = &progress,
        };
        if (pthread_create(&environments[i].thread, NULL, lay_environment, &environments[i]) != 0)
            fail(EXIT_INSTALL, "no memory left for a thread");
    }
    for (size_t i = 0; i < number; i++)
        pthread_join(environments[i].thread, NULL);
    progress_end(&progress);
}

/* ---- the lock ---- */

/*
 * Locks the open file, which this process has from the shell that starts it: it stays locked until that shell and all
 * that it has started are gone, however they end (flock(2)). Whoever held it before may have removed it meanwhile, so
 * that another one is the lock now: EXIT_BUSY, too.
 */
static int lock(int file, const char *path, bool wait) {
    struct stat opened, named;
    while (flock(file, wait ? LOCK_EX : LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return EXIT_BUSY;
        if (errno != EINTR)
            fail(EXIT_INSTALL, "cannot lock %s: %s", path, strerror(errno));
    }
    if (fstat(file, &opened) != 0 || stat(path, &named) != 0 || opened.st_ino != named.st_ino)
        return EXIT_BUSY;
    if (ftruncate(file, 0) != 0 || dprintf(file, "%d\n", getppid()) < 0)
        fail(EXIT_INSTALL, "cannot write %s: %s", path, strerror(errno));
    return 0;
}

/* ---- the command line ---- */

static void cat(const char *path, size_t offset, size_t length) {
    struct scratch scratch = {ZSTD_createDCtx(), allocate(OUTPUT_BUFFER), NULL, NULL};
    struct piece file = map_file(path);
    if (scratch.decoder == NULL)
        fail(EXIT_INSTALL, "no memory left for decompression");
    if (offset > file.length || length > file.length - offset)
        fail(EXIT_DAMAGED, "%s ends too early", path);
    decode(&scratch, (struct piece){file.data + offset, length}, path);
}

static void print_sha256(const char *path) {
    char hex[SHA256_HEX];
    struct piece file = map_file(path);
    sha256_hex(file.data, file.length, hex);
    puts(hex);
}

static void verify(char *const arguments[]) {
    struct piece file = map_file(arguments[0]);
    struct package_list list = read_package_list(arguments[1], file, count(arguments[2]));
    verify_packages(arguments[0], file, &list, arguments[3]);
}

static void write_packages(const char *command, char *const arguments[]) {
    struct piece file = map_file(arguments[0]);
    struct package_list list = read_package_list(arguments[1], file, count(arguments[2]));
    struct run run = {
        .list = &list,
        .job = strcmp(command, "channel") == 0 ? lay_down : unpack,
        .directory = open_directory(AT_FDCWD, arguments[3]),
        .trust = strcmp(command, "unpack") == 0,
    };
    progress_begin(&run.progress, arguments[4], list.bytes);
    pthread_t writer;
    if (pthread_create(&writer, NULL, keep_writing_out, &run.directory) == 0)
        pthread_detach(writer);
    for_each_package(&run);
}

int main(int argc, char **argv) {
    const char *command = argc > 1 ? argv[1] : "";
    bool writes = strcmp(command, "unpack") == 0 || strcmp(command, "afresh") == 0 || strcmp(command, "channel") == 0;
    umask(022);
    if (writes && argc == 7) {
        write_packages(command, argv + 2);
    } else if (strcmp(command, "verify") == 0 && (argc == 6 || argc == 7)) {
        if (argc == 7)
            sha256_portable_only();
        verify(argv + 2);
    } else if (strcmp(command, "link") == 0 && argc >= 6 && (argc - 6) % 3 == 0) {
        link_environments(argv[2], argv[3], argv[4], argv[5], argv + 6, (size_t)(argc - 6) / 3);
    } else if (strcmp(command, "sync") == 0 && argc == 3) {
        write_out(open_directory(AT_FDCWD, argv[2]));
    } else if (strcmp(command, "lock") == 0 && (argc == 4 || argc == 5)) {
        return lock((int)count(argv[2]), argv[3], argc == 5);
    } else if (strcmp(command, "cat") == 0 && argc == 5) {
        cat(argv[2], count(argv[3]), count(argv[4]));
    } else if (strcmp(command, "sha256") == 0 && (argc == 3 || argc == 4)) {
        if (argc == 4)
            sha256_portable_only();
        print_sha256(argv[2]);
    } else {
        fail(EXIT_USAGE, "unknown command: %s", command);
    }
    return 0;
}
