/* The Internet checksum (RFC 1071): the one's complement sum of the data's 16-bit words.
 *
 * Two properties of that sum (RFC 1071, 2) make it fast. It does not depend on byte order: words
 * are added as they lie in memory, and the result is right when it is stored as it is. And it does
 * not depend on how words are grouped: 64 bits are added at a time, carries going round to bit 0,
 * and the sum is folded to 16 bits at the end. A running sum is 32 bits wide, so that pieces can be
 * added in any number.
 */
#include "net/net.h"

#include "lib/string.h"

/* Packet memory read as words: such loads may alias the bytes that others stored. */
typedef uint64_t __attribute__((may_alias)) word64;
typedef uint32_t __attribute__((may_alias)) word32;
typedef uint16_t __attribute__((may_alias)) word16;

/* One's complement addition: the carry out of bit 63 goes into bit 0. */
static inline uint64_t add_with_carry(uint64_t a, uint64_t b)
{
    a += b;
    return a + (a < b);
}

/* [lab 5] */
/* The sum of n < 8 bytes from an address that is a multiple of 8. */
static inline uint64_t sum_tail(const uint8_t *p, size_t n)
{
    uint64_t sum = 0;
    if (n & 4) {
        sum += *(const word32 *)p;
        p += 4;
    }
    if (n & 2) {
        sum += *(const word16 *)p;
        p += 2;
    }
    if (n & 1)
        sum += *p; /* with a zero byte behind it: the high one in memory order */
    return sum;
}

/* [lab 5] */
/* `sum` and that of n bytes from an even address. */
static ALWAYS_INLINE uint64_t sum_even(uint64_t sum, const uint8_t *p, size_t n)
{
    while (((uintptr_t)p & 7) && n >= 2) {
        sum = add_with_carry(sum, *(const word16 *)p);
        p += 2;
        n -= 2;
    }
    for (; n >= 32; p += 32, n -= 32) {
        const word64 *words = (const word64 *)p;
        sum = add_with_carry(sum, words[0]);
        sum = add_with_carry(sum, words[1]);
        sum = add_with_carry(sum, words[2]);
        sum = add_with_carry(sum, words[3]);
    }
    if (n == 0)
        return sum;
    if (n & 16) {
        const word64 *words = (const word64 *)p;
        sum = add_with_carry(sum, words[0]);
        sum = add_with_carry(sum, words[1]);
        p += 16;
    }
    if (n & 8) {
        sum = add_with_carry(sum, *(const word64 *)p);
        p += 8;
    }
    return n % 8 == 0 ? sum : add_with_carry(sum, sum_tail(p, n % 8));
}

/* [lab 5] */
uint32_t checksum_add(uint32_t sum, const void *data, size_t n)
{
    const uint8_t *p = data;
    if (((uintptr_t)p & 1) == 0 || n == 0)
        return checksum_fold_32(sum_even(sum, p, n));
    /* From an odd address every byte but the first is summed in the wrong half of its word;
     * exchanging the halves of the result puts them all right (RFC 1071, 2(B)). */
    uint32_t shifted = checksum_fold_32(sum_even(0, p + 1, n - 1));
    return checksum_fold_32((uint64_t)sum + byteswap16(checksum_fold_16(shifted)) + p[0]);
}

static NOINLINE uint32_t copy_then_add(uint32_t sum, void *to, const void *from, size_t n)
{
    memcpy(to, from, n);
    return checksum_add(sum, to, n);
}

/* Whole words, as most payloads are, are loaded once for both. */
uint32_t checksum_copy(uint32_t sum, void *to, const void *from, size_t n)
{
    const word64 *in = from;
    word64 *out = to;
    uint64_t total = sum;
    if ((((uintptr_t)to | (uintptr_t)from | n) & 7) != 0)
        return copy_then_add(sum, to, from, n);
    for (; n >= 32; in += 4, out += 4, n -= 32) {
        uint64_t a = in[0], b = in[1], c = in[2], d = in[3];
        out[0] = a;
        out[1] = b;
        out[2] = c;
        out[3] = d;
        total = add_with_carry(add_with_carry(total, a), b);
        total = add_with_carry(add_with_carry(total, c), d);
    }
    for (; n > 0; n -= 8) {
        uint64_t a = *in++;
        *out++ = a;
        total = add_with_carry(total, a);
    }
    return checksum_fold_32(total);
}
