#include "files.h"

#include "fail.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct piece map_file(const char *path) {
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) != 0)
        fail(EXIT_INSTALL, "cannot read %s: %s", path, strerror(errno));
    size_t length = (size_t)status.st_size;
    if (length == 0)
        fail(EXIT_DAMAGED, "%s is empty", path);
    void *data = mmap(NULL, length, PROT_READ, MAP_SHARED, file, 0);
    if (data == MAP_FAILED)
        fail(EXIT_INSTALL, "cannot read %s: %s", path, strerror(errno));
    close(file);
    return (struct piece){data, length};
}

void let_go(struct piece piece) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = (uintptr_t)piece.data + piece.length;
    uintptr_t start = (uintptr_t)piece.data / page * page;
    madvise((void *)start, end - start, MADV_DONTNEED);
}

int open_directory(int parent, const char *name) {
    int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        fail(EXIT_INSTALL, "cannot open the folder %s: %s", name, strerror(errno));
    return directory;
}

void write_all(int file, const void *data, size_t length, const char *name) {
    const char *bytes = data;
    while (length > 0) {
        ssize_t written = write(file, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            fail(EXIT_INSTALL, "cannot write %s: %s", name, strerror(errno));
        bytes += written;
        length -= (size_t)written;
    }
}

void write_file(int directory, const char *name, const void *data, size_t length) {
    int file = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (file < 0)
        fail(EXIT_INSTALL, "cannot create %s: %s", name, strerror(errno));
    write_all(file, data, length, name);
    if (close(file) != 0)
        fail(EXIT_INSTALL, "cannot write %s: %s", name, strerror(errno));
}
