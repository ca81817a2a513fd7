#include "packages.h"

#include "fail.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The piece `offset`, `length` of `file`, which must hold it. */
static struct piece piece_of(struct piece file, size_t offset, size_t length, const char *line) {
    if (offset > file.length || length > file.length - offset)
        fail(EXIT_DAMAGED, "the list of packages points outside the file: %s", line);
    return (struct piece){file.data + offset, length};
}

/* A name that stays within its folder, is not hidden, and is neither "." nor "..". */
static bool plain_name(const char *name) {
    return name[0] != '.' && name[0] != '\0' && strchr(name, '/') == NULL;
}

static struct package read_line(const char *line, struct piece file, size_t base) {
    struct package package;
    size_t offset, length, pkg_offset, pkg_length, info_offset, info_length;
    int fields = sscanf(line, "%64s %zu %zu %zu %zu %zu %zu %63s %511s", package.sha256, &offset, &length, &pkg_offset,
                        &pkg_length, &info_offset, &info_length, package.subdir, package.name);
    if (fields != 9 || !plain_name(package.subdir) || !plain_name(package.name))
        fail(EXIT_DAMAGED, "the list of packages holds a line that cannot be read: %s", line);
    package.whole = piece_of(piece_of(file, base, file.length - base, line), offset, length, line);
    package.archives[0] = piece_of(package.whole, pkg_offset, pkg_length, line);
    package.archives[1] = piece_of(package.whole, info_offset, info_length, line);
    return package;
}

struct package_list read_package_list(const char *path, struct piece file, size_t base) {
    struct package_list list = {NULL, 0, 0};
    char *line = NULL;
    size_t line_size = 0, room = 0;
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        fail(EXIT_INSTALL, "cannot read the list of packages %s", path);
    if (base > file.length)
        fail(EXIT_DAMAGED, "the file ends before its packages");
    for (ssize_t length; (length = getline(&line, &line_size, stream)) >= 0;) {
        if (length > 0 && line[length - 1] == '\n')
            line[length - 1] = '\0';
        if (list.count == room) {
            room = room ? 2 * room : 128;
            list.packages = realloc(list.packages, room * sizeof *list.packages);
            if (list.packages == NULL)
                fail(EXIT_INSTALL, "no memory left for the list of packages");
        }
        list.packages[list.count] = read_line(line, file, base);
        list.bytes += list.packages[list.count++].whole.length;
    }
    free(line);
    fclose(stream);
    return list;
}
