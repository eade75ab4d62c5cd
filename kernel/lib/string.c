/* The memory and string functions of lib/string.h, for the kernel and for user programs.
 *
 * Copying is what the data path spends its time on, and a datagram behind 42 bytes of headers is
 * hardly ever aligned like the user's buffer. So copy_forward() moves whole words in both cases:
 * directly when source and destination are aligned alike, else by merging two neighbouring source
 * words. It loads aligned words only; such a load may take in bytes beside the source, never beyond
 * the word and so never beyond the page that holds it.
 *
 * Compiled with -fno-tree-loop-distribute-patterns: else the compiler would replace loops here by
 * calls of the very functions they make up.
 */
#include "lib/string.h"

/* A word that may overlay any object. */
typedef uint64_t __attribute__((may_alias)) word_t;
typedef uint32_t __attribute__((may_alias)) word32_t;

#define WORD                 sizeof(word_t)
#define WORD_OFFSET(pointer) ((uintptr_t)(pointer) % WORD)

/* Copies `words` words to an aligned destination from a source `offset` (1..7) bytes past a word
 * boundary. Each result consists of the upper bytes of one source word and the lower ones of the
 * next. */
static void copy_words_shifted(uint8_t *to, const uint8_t *from, size_t words, size_t offset)
{
    const word_t *source = (const word_t *)(from - offset);
    word_t *target = (word_t *)to;
    unsigned low_bits = 8 * offset;
    word_t current = *source++;

    while (words--) {
        word_t next = *source++;
        *target++ = current >> low_bits | next << (64 - low_bits);
        current = next;
    }
}

/* Copies between two word boundaries. Four words a round, because the loop itself costs as much as a word;
 * the rest in halves, which the alignment allows. */
static inline void copy_aligned(void *to, const void *from, size_t n)
{
    word_t *target = to;
    const word_t *source = from;

    for (; n >= 4 * WORD; n -= 4 * WORD, source += 4, target += 4) {
        word_t a = source[0], b = source[1], c = source[2], d = source[3];
        target[0] = a;
        target[1] = b;
        target[2] = c;
        target[3] = d;
    }
    if (n == 0)
        return;
    if (n & (2 * WORD)) {
        word_t a = source[0], b = source[1];
        target[0] = a;
        target[1] = b;
        source += 2;
        target += 2;
    }
    if (n & WORD)
        *target++ = *source++;
    if (n % WORD == 0)
        return;

    uint8_t *byte = (uint8_t *)target;
    const uint8_t *rest = (const uint8_t *)source;
    if (n & 4) {
        *(word32_t *)byte = *(const word32_t *)rest;
        byte += 4;
        rest += 4;
    }
    for (n &= 3; n > 0; n--)
        *byte++ = *rest++;
}

/* Copies from low to high addresses. Right for an overlap with to < from as well: every source word
 * is loaded before the store that reaches it. */
static void *copy_forward(void *destination, const void *source, size_t n)
{
    uint8_t *to = destination;
    const uint8_t *from = source;
    if (n >= 2 * WORD) {
        for (; WORD_OFFSET(to); n--)
            *to++ = *from++;
        size_t offset = WORD_OFFSET(from), words = n / WORD;
        if (offset == 0) {
            copy_aligned(to, from, n);
            return destination;
        }
        copy_words_shifted(to, from, words, offset);
        to += words * WORD;
        from += words * WORD;
        n %= WORD;
    }
    while (n--)
        *to++ = *from++;
    return destination;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    if (WORD_OFFSET((uintptr_t)to | (uintptr_t)from) != 0)
        return copy_forward(to, from, n);
    copy_aligned(to, from, n);
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    /* Unsigned, so that this also holds for every to below from. */
    if ((uintptr_t)to - (uintptr_t)from >= n)
        return copy_forward(to, from, n);
    uint8_t *target = to;
    const uint8_t *source = from;
    while (n--)
        target[n] = source[n];
    return to;
}

/* Words in the middle, four a round as in copy_aligned(), bytes up to the first and behind the last word
 * boundary. */
void *memset(void *to, int byte, size_t n)
{
    uint8_t *p = to, *end = p + n;
    word_t pattern = (uint8_t)byte * 0x0101010101010101ull;

    while (p < end && WORD_OFFSET(p))
        *p++ = (uint8_t)byte;
    for (; (size_t)(end - p) >= 4 * WORD; p += 4 * WORD) {
        word_t *word = (word_t *)p;
        word[0] = word[1] = word[2] = word[3] = pattern;
    }
    for (; (size_t)(end - p) >= WORD; p += WORD)
        *(word_t *)p = pattern;
    while (p < end)
        *p++ = (uint8_t)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *left = a, *right = b;

    for (size_t i = 0; i < n; i++) {
        if (left[i] != right[i])
            return left[i] - right[i];
    }
    return 0;
}

void *memchr(const void *s, int byte, size_t n)
{
    for (const uint8_t *p = s; n > 0; p++, n--) {
        if (*p == (uint8_t)byte)
            return (void *)p;
    }
    return NULL;
}

size_t strlen(const char *s)
{
    const char *end = s;
    while (*end)
        end++;
    return (size_t)(end - s);
}

size_t strnlen(const char *s, size_t most)
{
    const char *end = memchr(s, 0, most);
    return end ? (size_t)(end - s) : most;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, SIZE_MAX); }

/* Compares as unsigned char (C99, 7.21.4), whatever char is. */
int strncmp(const char *a, const char *b, size_t most)
{
    for (size_t i = 0; i < most; i++) {
        uint8_t left = (uint8_t)a[i], right = (uint8_t)b[i];
        if (left != right)
            return left < right ? -1 : 1;
        if (left == 0)
            break;
    }
    return 0;
}

/* The closing 0 belongs to the string and can be looked for. */
char *strchr(const char *s, int c) { return memchr(s, c, strlen(s) + 1); }

char *strrchr(const char *s, int c)
{
    for (size_t i = strlen(s) + 1; i-- > 0;) {
        if (s[i] == (char)c)
            return (char *)s + i;
    }
    return NULL;
}

size_t strlcpy(char *to, const char *from, size_t size)
{
    size_t length = strlen(from);

    if (size > 0) {
        size_t kept = length < size ? length : size - 1;
        memcpy(to, from, kept);
        to[kept] = 0;
    }
    return length;
}
