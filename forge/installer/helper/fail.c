#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

_Noreturn void fail(enum exit_code code, const char *format, ...) {
    char line[8192];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    /* On a terminal the moving line is wiped first; one dprintf call keeps lines of two threads apart. */
    if (isatty(STDOUT_FILENO))
        dprintf(STDOUT_FILENO, "\r\033[K");
    dprintf(STDERR_FILENO, "hub-installer: %s\n", line);
    _exit(code);
}

void *allocate(unsigned long size) {
    void *memory = malloc(size);
    if (memory == NULL)
        fail(EXIT_INSTALL, "no memory left (%lu bytes wanted)", size);
    return memory;
}
