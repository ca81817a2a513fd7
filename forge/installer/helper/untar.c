#include "untar.h"

#include "fail.h"
#include "lay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 512
#define NAME_LENGTH 4096         /* PATH_MAX: the longest name, with its end */
#define MAX_DEPTH 64             /* folders within each other */
#define MAX_EXTENSION (1u << 20) /* bytes of one pax header or long name */
#define MAX_TEXT (1u << 26)      /* bytes of one text of an environment */
#define PATCHED 'P'              /* POSIX leaves the types A to Z to whoever wants one */

/* A ustar header (POSIX.1-2017, pax, "ustar Interchange Format"). */
struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], padding[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

/* Where the bytes of the current entry go. */
enum sink { TO_NOWHERE, TO_FILE, TO_EXTENSION, TO_TEXT };

/* The open folders from the root down to the last name's, to save walking there for each of its neighbours. */
struct walk {
    struct {
        int descriptor;
        size_t length; /* of the folder's name within `folder` */
    } open_folder[MAX_DEPTH];
    int depth;
    char folder[NAME_LENGTH];
};

struct untar {
    const char *package;
    bool ended; /* the zero block that ends an archive was seen */

    /* The header block that is being collected. */
    union {
        struct header header;
        unsigned char bytes[BLOCK];
    } block;
    size_t block_fill;

    /* The current entry: its data still to come, then padding up to a whole block. */
    uint64_t data_left;
    size_t padding_left;
    enum sink sink;
    int file;
    time_t mtime;
    char entry[NAME_LENGTH]; /* its cleaned name, for messages too */

    /* What an extension header says about the next entry. */
    char extension_type;
    char *extension;
    size_t extension_fill;
    bool has_path, has_link, has_size;
    char path[NAME_LENGTH], link[NAME_LENGTH], target[NAME_LENGTH]; /* `target` is the cleaned `link` */
    uint64_t size;

    struct walk entries, targets; /* to what is written; to what hard links lead to */

    /* Of an environment's archive. */
    struct laying *laying; /* NULL for a package's */
    char *text;            /* the data of the current entry */
    size_t text_fill;
};

static _Noreturn void refuse(const struct untar *tar, const char *why, const char *name) {
    fail(EXIT_INSTALL, "package %s: %s: %s", tar->package, why, name);
}

static _Noreturn void refuse_errno(const struct untar *tar, const char *what, const char *name) {
    fail(EXIT_INSTALL, "package %s: %s %s: %s", tar->package, what, name, strerror(errno));
}

struct untar *untar_new(void) {
    struct untar *tar = allocate(sizeof *tar);
    memset(tar, 0, sizeof *tar);
    tar->extension = allocate(MAX_EXTENSION + 1);
    return tar;
}

static void begin_walk(struct walk *walk, int root) {
    walk->open_folder[0].descriptor = root;
    walk->open_folder[0].length = 0;
    walk->depth = 0;
}

static void end_walk(struct walk *walk) {
    while (walk->depth > 0)
        close(walk->open_folder[walk->depth--].descriptor);
}

void untar_begin(struct untar *tar, int directory, const char *package) {
    tar->package = package;
    tar->laying = NULL;
    tar->ended = false;
    tar->block_fill = 0;
    tar->data_left = 0;
    tar->padding_left = 0;
    tar->has_path = tar->has_link = tar->has_size = false;
    begin_walk(&tar->entries, directory);
    begin_walk(&tar->targets, directory);
    tar->entry[0] = '\0';
}

void untar_begin_environment(struct untar *tar, int directory, const char *name, int cache, struct laying *laying) {
    untar_begin(tar, directory, name);
    begin_walk(&tar->targets, cache);
    tar->laying = laying;
}

/* ---- names ---- */

/* Copies `raw` to `clean` without empty and "." components; refuses what leads out of the folder. */
static void clean_name(const struct untar *tar, const char *raw, char clean[NAME_LENGTH]) {
    size_t fill = 0;
    if (raw[0] == '/')
        refuse(tar, "absolute name", raw);
    while (*raw != '\0') {
        size_t length = strcspn(raw, "/");
        if (length == 2 && raw[0] == '.' && raw[1] == '.')
            refuse(tar, "name with ..", raw);
        if (length > 0 && !(length == 1 && raw[0] == '.')) {
            if (fill + length + 2 > NAME_LENGTH)
                refuse(tar, "name too long", raw);
            if (fill > 0)
                clean[fill++] = '/';
            memcpy(clean + fill, raw, length);
            fill += length;
        }
        raw += length;
        raw += *raw == '/';
    }
    clean[fill] = '\0';
}

/* Opens the folder `name` in `parent`, made when missing; a link or a file of that name is refused. */
static int open_folder(const struct untar *tar, int parent, const char *name) {
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int folder = openat(parent, name, flags);
    if (folder < 0 && errno == ENOENT) {
        if (mkdirat(parent, name, 0755) != 0)
            refuse_errno(tar, "cannot make the folder for", tar->entry);
        folder = openat(parent, name, flags);
    }
    if (folder < 0 && (errno == ELOOP || errno == ENOTDIR))
        refuse(tar, "goes through a link or a file", tar->entry);
    if (folder < 0)
        refuse_errno(tar, "cannot open the folder of", tar->entry);
    return folder;
}

static bool below(const char *name, const char *folder, size_t length) {
    return length == 0 || (memcmp(name, folder, length) == 0 && name[length] == '/');
}

/* The descriptor of the folder that holds `name` (clean), and in *last its last component. */
static int folder_of(const struct untar *tar, struct walk *walk, const char *name, const char **last) {
    size_t name_length = strlen(name);
    while (walk->depth > 0 && (walk->open_folder[walk->depth].length >= name_length ||
                               !below(name, walk->folder, walk->open_folder[walk->depth].length)))
        close(walk->open_folder[walk->depth--].descriptor);

    size_t length = walk->open_folder[walk->depth].length;
    for (;;) {
        const char *component = name + length + (length > 0);
        const char *slash = strchr(component, '/');
        if (slash == NULL) {
            *last = component;
            return walk->open_folder[walk->depth].descriptor;
        }
        if (walk->depth + 1 == MAX_DEPTH)
            refuse(tar, "too many folders within each other", name);
        length = (size_t)(slash - name);
        memcpy(walk->folder, name, length);
        walk->folder[length] = '\0';
        int parent = walk->open_folder[walk->depth].descriptor;
        int folder = open_folder(tar, parent, walk->folder + (component - name));
        walk->depth++;
        walk->open_folder[walk->depth].descriptor = folder;
        walk->open_folder[walk->depth].length = length;
    }
}

/* ---- numbers ---- */

/* A number field: octal digits, or (GNU) base 256 when its first bit is set. */
static uint64_t number(const struct untar *tar, const char *field, size_t width) {
    const unsigned char *byte = (const unsigned char *)field;
    uint64_t value = 0;
    if (byte[0] & 0x80) {
        if (byte[0] != 0x80)
            refuse(tar, "number out of range", tar->entry);
        for (size_t i = 1; i < width; i++) {
            if (value >> 55)
                refuse(tar, "number out of range", tar->entry);
            value = value << 8 | byte[i];
        }
        return value;
    }
    size_t i = 0;
    while (i < width && byte[i] == ' ')
        i++;
    for (; i < width && byte[i] >= '0' && byte[i] <= '7'; i++)
        value = value << 3 | (uint64_t)(byte[i] - '0'); /* at most 12 digits: 36 bits */
    if (i < width && byte[i] != ' ' && byte[i] != '\0')
        refuse(tar, "header with a bad number", tar->entry);
    return value;
}

/* Decimal digits of `text`, all `length` of them, as in a pax record. */
static uint64_t decimal(const struct untar *tar, const char *text, size_t length) {
    uint64_t value = 0;
    if (length == 0 || length > 18)
        refuse(tar, "extended header with a bad number", tar->entry);
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            refuse(tar, "extended header with a bad number", tar->entry);
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    return value;
}

static void check_header(const struct untar *tar) {
    const size_t start = offsetof(struct header, checksum), end = start + sizeof tar->block.header.checksum;
    uint64_t sum = 0;
    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= start && i < end ? ' ' : tar->block.bytes[i];
    if (sum != number(tar, tar->block.header.checksum, sizeof tar->block.header.checksum))
        refuse(tar, "tar header with a wrong checksum after", tar->entry[0] ? tar->entry : "the beginning");
}

/* ---- extensions: what the next entry is really called ---- */

static void keep_name(const struct untar *tar, char target[NAME_LENGTH], const char *text, size_t length) {
    if (length >= NAME_LENGTH || memchr(text, '\0', length) != NULL)
        refuse(tar, "extended header with a bad name after", tar->entry);
    memcpy(target, text, length);
    target[length] = '\0';
}

/* One record "LENGTH KEY=VALUE\n" of a pax header; returns the record after it. */
static const char *pax_record(struct untar *tar, const char *record, const char *end) {
    const char *space = memchr(record, ' ', (size_t)(end - record));
    if (space == NULL)
        refuse(tar, "bad extended header after", tar->entry);
    uint64_t length = decimal(tar, record, (size_t)(space - record));
    if (length > (uint64_t)(end - record) || length < (uint64_t)(space - record) + 3 || record[length - 1] != '\n')
        refuse(tar, "bad extended header after", tar->entry);
    const char *key = space + 1, *next = record + length;
    const char *equals = memchr(key, '=', (size_t)(next - key));
    if (equals == NULL)
        refuse(tar, "bad extended header after", tar->entry);
    const char *value = equals + 1;
    size_t key_length = (size_t)(equals - key), value_length = (size_t)(next - 1 - value);

    if (key_length == 4 && memcmp(key, "path", 4) == 0) {
        keep_name(tar, tar->path, value, value_length);
        tar->has_path = true;
    } else if (key_length == 8 && memcmp(key, "linkpath", 8) == 0) {
        keep_name(tar, tar->link, value, value_length);
        tar->has_link = true;
    } else if (key_length == 4 && memcmp(key, "size", 4) == 0) {
        tar->size = decimal(tar, value, value_length);
        tar->has_size = true;
    } else if (key_length > 11 && memcmp(key, "GNU.sparse.", 11) == 0) {
        refuse(tar, "sparse file after", tar->entry);
    }
    return next;
}

static void end_extension(struct untar *tar) {
    const char *text = tar->extension, *end = text + tar->extension_fill;
    size_t name_length = strnlen(text, tar->extension_fill); /* GNU long names end in a zero byte */
    switch (tar->extension_type) {
    case 'x':
        while (text < end)
            text = pax_record(tar, text, end);
        break;
    case 'L':
        keep_name(tar, tar->path, text, name_length);
        tar->has_path = true;
        break;
    case 'K':
        keep_name(tar, tar->link, text, name_length);
        tar->has_link = true;
        break;
    }
}

/* ---- entries ---- */

static void entry_names(struct untar *tar) {
    const struct header *header = &tar->block.header;
    if (!tar->has_path) {
        int name = (int)strnlen(header->name, sizeof header->name);
        int prefix = (int)strnlen(header->prefix, sizeof header->prefix);
        if (memcmp(header->magic, "ustar\0", 6) == 0 && prefix > 0) /* GNU's magic keeps other things there */
            snprintf(tar->path, NAME_LENGTH, "%.*s/%.*s", prefix, header->prefix, name, header->name);
        else
            snprintf(tar->path, NAME_LENGTH, "%.*s", name, header->name);
    }
    if (!tar->has_link)
        snprintf(tar->link, NAME_LENGTH, "%.*s", (int)strnlen(header->link, sizeof header->link), header->link);
    clean_name(tar, tar->path, tar->entry);
}

static void make_folder(struct untar *tar) {
    const char *last;
    int parent = folder_of(tar, &tar->entries, tar->entry, &last);
    close(open_folder(tar, parent, last));
}

static void make_symlink(struct untar *tar) {
    const char *last;
    int parent = folder_of(tar, &tar->entries, tar->entry, &last);
    if (symlinkat(tar->link, parent, last) != 0)
        refuse_errno(tar, "cannot make the link", tar->entry);
}

/* The folder of the file that the entry leads to, and in *last the file's name in it. */
static int target_of(struct untar *tar, const char **last) {
    struct stat status;
    clean_name(tar, tar->link, tar->target);
    int folder = folder_of(tar, &tar->targets, tar->target, last);
    if (fstatat(folder, *last, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
        refuse(tar, "hard link to what is not a file of the package", tar->entry);
    return folder;
}

static void make_hard_link(struct untar *tar) {
    const char *target, *last;
    int from = target_of(tar, &target);
    int to = folder_of(tar, &tar->entries, tar->entry, &last);
    if (linkat(from, target, to, last, 0) != 0)
        refuse_errno(tar, "cannot make the hard link", tar->entry);
}

static void begin_file(struct untar *tar) {
    const struct header *header = &tar->block.header;
    mode_t mode = number(tar, header->mode, sizeof header->mode) & 0777; /* never setuid, setgid, sticky */
    const char *last;
    int parent = folder_of(tar, &tar->entries, tar->entry, &last);
    tar->file = openat(parent, last, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode | 0600);
    if (tar->file < 0)
        refuse_errno(tar, "cannot create", tar->entry);
    tar->mtime = (time_t)number(tar, header->mtime, sizeof header->mtime);
    tar->sink = TO_FILE;
}

/* Data of an environment's entry are filled in or looked up at their end. */
static void begin_text(struct untar *tar) {
    if (tar->data_left > MAX_TEXT)
        refuse(tar, "text too long", tar->entry);
    tar->text = allocate(tar->data_left + 1);
    tar->text_fill = 0;
    tar->sink = TO_TEXT;
}

static void end_text(struct untar *tar) {
    const struct header *header = &tar->block.header;
    const char *last, *target;
    int folder = folder_of(tar, &tar->entries, tar->entry, &last);
    tar->text[tar->text_fill] = '\0';
    if (header->type == PATCHED) {
        int from = target_of(tar, &target);
        lay_patched(tar->laying, folder, last, from, target, tar->text);
    } else {
        mode_t mode = number(tar, header->mode, sizeof header->mode) & 0777;
        size_t length;
        char *paths = tar->link[0] == '\0' ? NULL : read_file(target_of(tar, &target), target, &length);
        lay_text(tar->laying, folder, last, mode, tar->text, tar->text_fill, paths);
        free(paths);
    }
    free(tar->text);
}

static void end_file(struct untar *tar) {
    const struct timespec times[2] = {{tar->mtime, 0}, {tar->mtime, 0}};
    futimens(tar->file, times); /* not worth a failure: nothing that is shipped depends on it */
    if (close(tar->file) != 0)
        refuse_errno(tar, "cannot write", tar->entry);
}

static void begin_extension(struct untar *tar) {
    tar->extension_type = tar->block.header.type;
    tar->extension_fill = 0;
    if (tar->data_left > MAX_EXTENSION)
        refuse(tar, "extended header too long after", tar->entry);
    tar->sink = TO_EXTENSION;
}

static void end_data(struct untar *tar) {
    if (tar->sink == TO_FILE)
        end_file(tar);
    else if (tar->sink == TO_EXTENSION)
        end_extension(tar);
    else if (tar->sink == TO_TEXT)
        end_text(tar);
    tar->sink = TO_NOWHERE;
}

/* An entry that is no extension: made now, or opened for the data that follow. */
static void begin_entry(struct untar *tar) {
    entry_names(tar);
    uint64_t size = tar->data_left;
    tar->data_left = 0;
    switch (tar->block.header.type) {
    case '0':
    case '\0':
        if (tar->entry[0] == '\0')
            refuse(tar, "file without a name", tar->path);
        tar->data_left = tar->has_size ? tar->size : size;
        if (tar->laying == NULL)
            begin_file(tar);
        else
            begin_text(tar);
        break;
    case PATCHED:
        if (tar->laying == NULL)
            refuse(tar, "neither file, folder nor link", tar->entry);
        tar->data_left = size;
        begin_text(tar);
        break;
    case '1':
        make_hard_link(tar);
        break;
    case '2':
        make_symlink(tar);
        break;
    case '5':
        if (tar->entry[0] != '\0') /* "./" is the folder itself */
            make_folder(tar);
        break;
    default:
        refuse(tar, "neither file, folder nor link", tar->entry);
    }
    tar->has_path = tar->has_link = tar->has_size = false;
}

static void take_header(struct untar *tar) {
    const struct header *header = &tar->block.header;
    if (header->name[0] == '\0' && header->checksum[0] == '\0') {
        tar->ended = true;
        return;
    }
    check_header(tar);
    tar->data_left = number(tar, header->size, sizeof header->size);
    tar->sink = TO_NOWHERE;
    switch (header->type) {
    case 'x':
    case 'L':
    case 'K':
        begin_extension(tar);
        break;
    case 'g': /* a comment for the whole archive: skipped */
        break;
    default:
        begin_entry(tar);
    }
    tar->padding_left = (BLOCK - tar->data_left % BLOCK) % BLOCK;
    if (tar->data_left == 0)
        end_data(tar);
}

static void take_data(struct untar *tar, const char *data, size_t length) {
    if (tar->sink == TO_EXTENSION) {
        memcpy(tar->extension + tar->extension_fill, data, length);
        tar->extension_fill += length;
    }
    if (tar->sink == TO_TEXT) {
        memcpy(tar->text + tar->text_fill, data, length);
        tar->text_fill += length;
    }
    while (tar->sink == TO_FILE && length > 0) {
        ssize_t written = write(tar->file, data, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            refuse_errno(tar, "cannot write", tar->entry);
        data += written;
        length -= (size_t)written;
    }
}

void untar_feed(struct untar *tar, const void *data, size_t length) {
    const char *bytes = data;
    while (length > 0 && !tar->ended) {
        size_t piece;
        if (tar->data_left > 0) {
            piece = length < tar->data_left ? length : (size_t)tar->data_left;
            take_data(tar, bytes, piece);
            tar->data_left -= piece;
            if (tar->data_left == 0)
                end_data(tar);
        } else if (tar->padding_left > 0) {
            piece = length < tar->padding_left ? length : tar->padding_left;
            tar->padding_left -= piece;
        } else {
            piece = length < BLOCK - tar->block_fill ? length : BLOCK - tar->block_fill;
            memcpy(tar->block.bytes + tar->block_fill, bytes, piece);
            tar->block_fill += piece;
            if (tar->block_fill == BLOCK) {
                tar->block_fill = 0;
                take_header(tar);
            }
        }
        bytes += piece;
        length -= piece;
    }
}

void untar_end(struct untar *tar) {
    if (!tar->ended)
        refuse(tar, "the archive ends too early after", tar->entry[0] ? tar->entry : "its beginning");
    end_walk(&tar->entries);
    end_walk(&tar->targets);
}
