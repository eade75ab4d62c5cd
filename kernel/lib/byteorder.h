/* Conversions between the host's order (little-endian on RISC-V and on every test host) and the
 * network's. Loads and stores through pointers to packed wire structures are byte-safe because those
 * structures are declared packed. */
#ifndef LIB_BYTEORDER_H
#define LIB_BYTEORDER_H

#include "abi/types.h"

/* By way of 64 bits, the width that Zbb has an instruction for: two instructions each. */
static inline uint16_t byteswap16(uint16_t x) { return (uint16_t)(__builtin_bswap64(x) >> 48); }
static inline uint32_t byteswap32(uint32_t x) { return (uint32_t)(__builtin_bswap64(x) >> 32); }

static inline be16_t htons(uint16_t x) { return byteswap16(x); }
static inline uint16_t ntohs(be16_t x) { return byteswap16(x); }
static inline be32_t htonl(uint32_t x) { return byteswap32(x); }
static inline uint32_t ntohl(be32_t x) { return byteswap32(x); }

/* The same for constants, usable in initialisers and case labels. */
#define BE16(x) ((be16_t)((((x)&0xff) << 8) | (((x) >> 8) & 0xff)))
#define BE32(x)                                                                                    \
    ((be32_t)((((uint32_t)(x)&0xff) << 24) | (((uint32_t)(x)&0xff00) << 8) |                       \
              (((uint32_t)(x) >> 8) & 0xff00) | ((uint32_t)(x) >> 24)))

#endif
