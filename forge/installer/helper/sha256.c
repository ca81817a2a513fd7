#include "sha256.h"

#include <cpuid.h>
#include <immintrin.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2). */
static const uint32_t K[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* Takes `blocks` blocks into each of one or two messages. */
typedef void compress_blocks(int lanes, uint32_t *const states[], const uint8_t *const data[], size_t blocks);

static uint32_t rotate(uint32_t word, int bits) {
    return word >> bits | word << (32 - bits);
}

/* The 64 words of one block's message schedule (FIPS 180-4, 6.2.2 step 1). */
static void schedule(uint32_t w[64], const uint8_t *block) {
    for (int t = 0; t < 16; t++) {
        uint32_t word;
        memcpy(&word, block + 4 * t, sizeof word);
        w[t] = __builtin_bswap32(word);
    }
    for (int t = 16; t < 64; t++) {
        uint32_t sigma0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t sigma1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = w[t - 16] + sigma0 + w[t - 7] + sigma1;
    }
}

static void compress_one(uint32_t state[8], const uint8_t *data, size_t blocks) {
    for (; blocks > 0; blocks--, data += SHA256_BLOCK) {
        uint32_t w[64];
        schedule(w, data);
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (int t = 0; t < 64; t++) {
            uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
            uint32_t sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
            uint32_t t1 = h + sum1 + ((e & f) ^ (~e & g)) + K[t] + w[t];
            uint32_t t2 = sum0 + ((a & b) ^ (a & c) ^ (b & c));
            h = g, g = f, f = e, e = d + t1;
            d = c, c = b, b = a, a = t1 + t2;
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
        state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
}

static void compress_portable(int lanes, uint32_t *const states[], const uint8_t *const data[], size_t blocks) {
    for (int lane = 0; lane < lanes; lane++)
        compress_one(states[lane], data[lane], blocks);
}

/* A state as the SHA extensions want it: {a,b,e,f} and {c,d,g,h}. */
struct registers {
    __m128i abef, cdgh;
};

#define SHA_NI __attribute__((target("sha,sse4.1")))
#define SHA_NI_PART __attribute__((target("sha,sse4.1"), always_inline)) static inline

SHA_NI_PART struct registers load_state(const uint32_t state[8]) {
    __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);
    return (struct registers){_mm_alignr_epi8(cdab, hgfe, 8), _mm_blend_epi16(hgfe, cdab, 0xF0)};
}

SHA_NI_PART void store_state(uint32_t state[8], struct registers from) {
    __m128i feba = _mm_shuffle_epi32(from.abef, 0x1B);
    __m128i dchg = _mm_shuffle_epi32(from.cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

SHA_NI_PART void load_words(__m128i w[4], const uint8_t *block) {
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0bLL, 0x0405060700010203LL);
    for (int i = 0; i < 4; i++)
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), big_endian);
}

/* The rounds 4 * `i` to 4 * `i` + 3; w is a ring of the last sixteen words. */
SHA_NI_PART void four_rounds(struct registers *state, __m128i w[4], int i) {
    __m128i now = w[i & 3];
    __m128i words = _mm_add_epi32(now, _mm_load_si128((const __m128i *)(K + 4 * i)));
    state->cdgh = _mm_sha256rnds2_epu32(state->cdgh, state->abef, words);
    state->abef = _mm_sha256rnds2_epu32(state->abef, state->cdgh, _mm_shuffle_epi32(words, 0x0E));
    if (i < 12) { /* the words of four steps later take this place in the ring */
        __m128i next = _mm_sha256msg1_epu32(now, w[(i + 1) & 3]);
        next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
        w[i & 3] = _mm_sha256msg2_epu32(next, w[(i + 3) & 3]);
    }
}

/*
 * The same with the SHA extensions (Intel SDM, SHA256RNDS2, SHA256MSG1, SHA256MSG2), for one message or two. Each of
 * the instructions waits for the result of the one before; those of a second message fill the gaps.
 */
SHA_NI_PART void compress_lanes(int lanes, uint32_t *const states[], const uint8_t *const data[], size_t blocks) {
    struct registers state[2], before[2];
    __m128i w[2][4];
    for (int lane = 0; lane < lanes; lane++)
        state[lane] = load_state(states[lane]);
    for (size_t at = 0; at < blocks * SHA256_BLOCK; at += SHA256_BLOCK) {
        for (int lane = 0; lane < lanes; lane++) {
            before[lane] = state[lane];
            load_words(w[lane], data[lane] + at);
        }
#pragma clang loop unroll(full)
        for (int i = 0; i < 16; i++)
            for (int lane = 0; lane < lanes; lane++)
                four_rounds(&state[lane], w[lane], i);
        for (int lane = 0; lane < lanes; lane++) {
            state[lane].abef = _mm_add_epi32(state[lane].abef, before[lane].abef);
            state[lane].cdgh = _mm_add_epi32(state[lane].cdgh, before[lane].cdgh);
        }
    }
    for (int lane = 0; lane < lanes; lane++)
        store_state(states[lane], state[lane]);
}

SHA_NI static void compress_sha_ni(int lanes, uint32_t *const states[], const uint8_t *const data[], size_t blocks) {
    if (lanes == 1)
        compress_lanes(1, states, data, blocks);
    else
        compress_lanes(2, states, data, blocks);
}

static compress_blocks *compress;
static pthread_once_t chosen = PTHREAD_ONCE_INIT;
static bool portable_only;

static void choose(void) {
    unsigned a, b, c, d;
    bool sha = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1);
    bool sse41 = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_1);
    compress = sha && sse41 && !portable_only ? compress_sha_ni : compress_portable;
}

void sha256_portable_only(void) {
    portable_only = true;
}

void sha256_begin(struct sha256 *hash) {
    static const struct sha256 empty = { /* FIPS 180-4, 5.3.3 */
        {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}, 0};
    pthread_once(&chosen, choose);
    *hash = empty;
}

void sha256_add(struct sha256 *hash, const void *data, size_t length) {
    compress(1, (uint32_t *[]){hash->state}, (const uint8_t *[]){data}, length / SHA256_BLOCK);
    hash->length += length;
}

void sha256_add_both(struct sha256 *one, const void *to_one, struct sha256 *other, const void *to_other, size_t length) {
    uint32_t *const states[] = {one->state, other->state};
    compress(2, states, (const uint8_t *[]){to_one, to_other}, length / SHA256_BLOCK);
    one->length += length;
    other->length += length;
}

void sha256_end(struct sha256 *hash, const void *data, size_t length, char hex[SHA256_HEX]) {
    size_t rest = length % SHA256_BLOCK;
    const uint8_t *last_bytes = (const uint8_t *)data + (length - rest);
    uint64_t bits = (hash->length + length) * 8;

    sha256_add(hash, data, length - rest);
    /* The last bytes, a one bit, zeros, and the length in bits as 64 bits (FIPS 180-4, 5.1.1). */
    uint8_t last[2 * SHA256_BLOCK] = {0};
    size_t padded = rest < SHA256_BLOCK - 8 ? SHA256_BLOCK : 2 * SHA256_BLOCK;
    memcpy(last, last_bytes, rest);
    last[rest] = 0x80;
    for (int i = 0; i < 8; i++)
        last[padded - 1 - i] = (uint8_t)(bits >> (8 * i));
    sha256_add(hash, last, padded);

    for (int i = 0; i < 8; i++)
        snprintf(hex + 8 * i, 9, "%08x", hash->state[i]);
}

void sha256_hex(const void *data, size_t length, char hex[SHA256_HEX]) {
    struct sha256 hash;
    sha256_begin(&hash);
    sha256_end(&hash, data, length, hex);
}
