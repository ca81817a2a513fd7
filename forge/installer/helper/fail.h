/* How the helper ends when something is wrong: one line on standard error and an exit code of the installer. */
#ifndef HUBFORGE_FAIL_H
#define HUBFORGE_FAIL_H

enum exit_code {
    EXIT_BUSY = 1,    /* somebody else holds the lock */
    EXIT_USAGE = 2,   /* called wrongly */
    EXIT_DAMAGED = 3, /* the installer file is not what was built */
    EXIT_INSTALL = 4, /* writing failed, or a package wants something that is refused */
};

/* Prints "hub-installer: MESSAGE" and ends the whole process, every thread included. */
_Noreturn void fail(enum exit_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* malloc that never returns NULL. */
void *allocate(unsigned long size);

#endif
