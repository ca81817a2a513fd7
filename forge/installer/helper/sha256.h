/* SHA-256 (FIPS 180-4) of memory, at once or in pieces, with the processor's own instructions where it has them. */
#ifndef HUBFORGE_SHA256_H
#define HUBFORGE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BLOCK 64
#define SHA256_HEX 65 /* 64 hexadecimal digits and the end of the string */

/* The sha256 of what has been added so far. */
struct sha256 {
    uint32_t state[8];
    uint64_t length; /* bytes */
};

void sha256_begin(struct sha256 *hash);

/* Adds whole blocks: `length` is a multiple of SHA256_BLOCK. */
void sha256_add(struct sha256 *hash, const void *data, size_t length);

/* Adds whole blocks to each of two, `length` bytes each: with the processor's instructions hardly slower than to one. */
void sha256_add_both(struct sha256 *one, const void *to_one, struct sha256 *other, const void *to_other, size_t length);

/* Adds the last bytes, however many, and says what all has come to. */
void sha256_end(struct sha256 *hash, const void *data, size_t length, char hex[SHA256_HEX]);

/* All of it at once. */
void sha256_hex(const void *data, size_t length, char hex[SHA256_HEX]);

/* For the tests: never use the processor's instructions. Otherwise chosen at the first call. */
void sha256_portable_only(void);

#endif
