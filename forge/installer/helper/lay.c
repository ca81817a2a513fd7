#include "lay.h"

#include "fail.h"
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK "@hubforge:"
#define LONGEST_SHEBANG 127 /* what rattler and conda take Linux to read of a script's first line */

/* ---- text that grows ---- */

struct text {
    char *data;
    size_t length, room;
};

static void append(struct text *text, const void *data, size_t length) {
    if (text->room - text->length <= length) { /* room for a zero, where strings are looked for */
        text->room = 2 * (text->length + length) + 1;
        text->data = realloc(text->data, text->room);
        if (text->data == NULL)
            fail(EXIT_INSTALL, "no memory left (%zu bytes wanted)", text->room);
    }
    memcpy(text->data + text->length, data, length);
    text->length += length;
    text->data[text->length] = '\0';
}

static void append_string(struct text *text, const char *string) {
    append(text, string, strlen(string));
}

/* Appends `data` with `after` in place of every `before`. */
static void append_replaced(struct text *text, const char *data, size_t length, const char *before, const char *after) {
    const char *end = data + length;
    size_t before_length = strlen(before);
    for (const char *found; (found = memmem(data, (size_t)(end - data), before, before_length)) != NULL;) {
        append(text, data, (size_t)(found - data));
        append_string(text, after);
        data = found + before_length;
    }
    append(text, data, (size_t)(end - data));
}

/* ---- a script's first line ---- */

/* The length of the first line of a script that starts with "#!" and is too long for Linux; else 0. */
static size_t long_shebang(const char *data, size_t length) {
    const char *end = memchr(data, '\n', length);
    size_t line = end == NULL ? length : (size_t)(end - data);
    return length > 2 && memcmp(data, "#!", 2) == 0 && line > LONGEST_SHEBANG ? line : 0;
}

/*
 * What rattler puts in its place: of a Python script the shell runs Python, to which the same line is a string; another
 * interpreter is found by its name.
 */
static void append_short_shebang(struct text *text, const char *line, size_t length) {
    const char *end = line + length, *program = line + 2;
    while (program < end && *program == ' ')
        program++;
    const char *options = memchr(program, ' ', (size_t)(end - program));
    if (options == NULL)
        options = end;
    const char *slash = memrchr(program, '/', (size_t)(options - program)), *name = slash == NULL ? program : slash + 1;
    size_t word = strlen("python"), name_length = (size_t)(options - name);
    if (name_length >= word && memcmp(name, "python", word) == 0 &&
        strspn(name + word, "0123456789.") >= name_length - word) {
        append_string(text, "#!/bin/sh\n'''exec' \"");
        append(text, program, (size_t)(options - program));
        append_string(text, "\"");
        append(text, options, (size_t)(end - options));
        append_string(text, " \"$0\" \"$@\" #'''");
    } else {
        append_string(text, "#!/usr/bin/env ");
        append(text, name, (size_t)(end - name));
    }
}

/* Appends a text whose first line, if it names a long interpreter, is put shorter. */
static void append_script(struct text *text, const struct text *script) {
    size_t line = long_shebang(script->data, script->length);
    if (line > 0)
        append_short_shebang(text, script->data, line);
    append(text, script->data + line, script->length - line);
}

/* ---- files ---- */

char *read_file(int folder, const char *name, size_t *length) {
    struct stat status;
    int file = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) != 0)
        fail(EXIT_INSTALL, "cannot read %s: %s", name, strerror(errno));
    *length = (size_t)status.st_size;
    char *data = allocate(*length + 1);
    for (size_t fill = 0; fill < *length;) {
        ssize_t got = read(file, data + fill, *length - fill);
        if (got <= 0)
            fail(EXIT_INSTALL, "cannot read %s: %s", name, got < 0 ? strerror(errno) : "it has become shorter");
        fill += (size_t)got;
    }
    data[*length] = '\0';
    close(file);
    return data;
}

static void make(struct laying *laying, int folder, const char *name, mode_t mode, const struct text *content) {
    int file = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        fail(EXIT_INSTALL, "cannot create %s: %s", name, strerror(errno));
    write_all(file, content->data, content->length, name);
    if (fchmod(file, mode) != 0 || close(file) != 0)
        fail(EXIT_INSTALL, "cannot write %s: %s", name, strerror(errno));
    laying->made = realloc(laying->made, (laying->count + 1) * sizeof *laying->made);
    if (laying->made == NULL)
        fail(EXIT_INSTALL, "no memory left");
    struct made *made = &laying->made[laying->count++];
    sha256_hex(content->data, content->length, made->sha256);
    made->size = content->length;
}

/* Where the hashes of a package's info/paths.json are; the caller frees them. */
static const char **find_hashes(const char *paths, size_t *count) {
    const char *key = "\"sha256\": \"", **hashes = NULL, *end = paths == NULL ? NULL : paths + strlen(paths);
    size_t room = 0;
    /* zig's strstr reads to the end of the text each time */
    *count = 0;
    while (paths != NULL && (paths = memmem(paths, (size_t)(end - paths), key, strlen(key))) != NULL) {
        paths += strlen(key);
        if (*count == room) {
            room = room ? 2 * room : 256;
            hashes = realloc(hashes, room * sizeof *hashes);
            if (hashes == NULL)
                fail(EXIT_INSTALL, "no memory left");
        }
        hashes[(*count)++] = paths;
    }
    return hashes;
}

static void append_word(const struct laying *laying, struct text *text, const char *word) {
    const struct {
        const char *word, *value;
    } values[] = {{"prefix", laying->prefix}, {"cache", laying->cache}, {"command", laying->command},
                  {"time", laying->time},     {"utc", laying->utc}};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (strcmp(word, values[i].word) == 0) {
            append_string(text, values[i].value);
            return;
        }
    size_t number;
    char kind[8], size[24];
    if (sscanf(word, "%7s %zu", kind, &number) != 2 || number >= laying->count)
        fail(EXIT_DAMAGED, "an environment's file asks for what is not known: %s", word);
    snprintf(size, sizeof size, "%zu", laying->made[number].size);
    append_string(text, strcmp(kind, "size") == 0 ? size : laying->made[number].sha256);
}

void lay_text(struct laying *laying, int folder, const char *name, mode_t mode, const char *text, size_t length,
              const char *paths) {
    struct text filled = {0}, content = {0};
    const char *end = text + length;
    size_t count, next = 0;
    const char **hashes = find_hashes(paths, &count);
    for (const char *mark; (mark = memmem(text, (size_t)(end - text), MARK, strlen(MARK))) != NULL;) {
        char word[32] = "";
        append(&filled, text, (size_t)(mark - text));
        text = mark + strlen(MARK);
        const char *close = memchr(text, '@', (size_t)(end - text));
        if (close == NULL || (size_t)(close - text) >= sizeof word)
            fail(EXIT_DAMAGED, "an environment's file cannot be read: %s", name);
        memcpy(word, text, (size_t)(close - text));
        if (strncmp(word, "hash", 4) == 0) {
            sscanf(word, "hash %zu", &next);
            if (next >= count || strnlen(hashes[next], SHA256_HEX) < SHA256_HEX)
                fail(EXIT_DAMAGED, "a package names fewer files than its record");
            append(&filled, hashes[next++], SHA256_HEX - 1);
        } else {
            append_word(laying, &filled, word);
        }
        text = close + 1;
    }
    append(&filled, text, (size_t)(end - text));
    append_script(&content, &filled);
    make(laying, folder, name, mode, &content);
    free(hashes);
    free(filled.data);
    free(content.data);
}

/* Text: the prefix is longer or shorter than the placeholder, and so is the file. */
static void append_text(struct text *content, struct piece source, const char *placeholder, const char *prefix) {
    struct text replaced = {0};
    append_replaced(&replaced, (const char *)source.data, source.length, placeholder, prefix);
    append_script(content, &replaced);
    free(replaced.data);
}

/* A program: nothing may move, so a string that holds the placeholder is filled up with zeros to its old length. */
static void append_binary(struct text *content, struct piece source, const char *placeholder, const char *prefix) {
    const char *data = (const char *)source.data, *end = data + source.length;
    for (const char *found; (found = memmem(data, (size_t)(end - data), placeholder, strlen(placeholder))) != NULL;) {
        append(content, data, (size_t)(found - data));
        size_t length = strnlen(found, (size_t)(end - found)), before = content->length;
        append_replaced(content, found, length, placeholder, prefix);
        if (content->length - before > length)
            fail(EXIT_INSTALL, "the prefix %s is longer than a placeholder", prefix);
        static const char zeros[256];
        while (content->length - before < length) {
            size_t missing = length - (content->length - before);
            append(content, zeros, missing < sizeof zeros ? missing : sizeof zeros);
        }
        data = found + length;
    }
    append(content, data, (size_t)(end - data));
}

void lay_patched(struct laying *laying, int folder, const char *name, int source_folder, const char *source,
                 const char *how) {
    struct stat status;
    struct text content = {0};
    size_t length;
    char *data = read_file(source_folder, source, &length);
    if (fstatat(source_folder, source, &status, AT_SYMLINK_NOFOLLOW) != 0)
        fail(EXIT_INSTALL, "cannot read %s: %s", source, strerror(errno));
    struct piece piece = {(uint8_t *)data, length};
    const char *placeholder = strchr(how, ' ');
    if (strncmp(how, "text ", 5) == 0)
        append_text(&content, piece, placeholder + 1, laying->prefix);
    else if (strncmp(how, "binary ", 7) == 0)
        append_binary(&content, piece, placeholder + 1, laying->prefix);
    else
        append(&content, data, length);
    make(laying, folder, name, status.st_mode & 0777, &content);
    free(content.data);
    free(data);
}
