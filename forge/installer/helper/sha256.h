/* SHA-256 (FIPS 180-4) of a piece of memory, with the processor's own instructions where it has them. */
#ifndef HUBFORGE_SHA256_H
#define HUBFORGE_SHA256_H

#include <stddef.h>

#define SHA256_HEX 65 /* 64 hexadecimal digits and the end of the string */

void sha256_hex(const void *data, size_t length, char hex[SHA256_HEX]);

/* For the tests: never use the processor's instructions. Otherwise chosen at the first call. */
void sha256_portable_only(void);

#endif
