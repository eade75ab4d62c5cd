/* Numbers, sorting and pseudo-random numbers of <stdlib.h>. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int digit_value(int c)
{
    if (isdigit(c))
        return c - '0';
    return isalpha(c) ? tolower(c) - 'a' + 10 : INT_MAX;
}

/* Moves *text behind a 0x or 0 that tells the base, or that may stand before a number of this base.
 */
static int read_base(const char **text, int base)
{
    const char *s = *text;
    bool hexadecimal = s[0] == '0' && tolower(s[1]) == 'x' && isxdigit(s[2]);

    if (hexadecimal && (base == 0 || base == 16)) {
        *text += 2;
        return 16;
    }
    if (base == 0)
        return *s == '0' ? 8 : 10;
    return base;
}

struct number {
    unsigned long magnitude;
    bool negative, overflow;
};

/* What strtol() and its like have in common. *end is where the number ends, or `text` if there is
 * none. */
static struct number read_number(const char *text, char **end, int base)
{
    struct number number = {0};
    const char *s = text;

    while (isspace((unsigned char)*s))
        s++;
    if (*s == '-' || *s == '+')
        number.negative = *s++ == '-';
    base = read_base(&s, base);
    const char *first = s;
    for (int digit; (digit = digit_value((unsigned char)*s)) < base; s++) {
        number.overflow |=
            __builtin_mul_overflow(number.magnitude, (unsigned long)base, &number.magnitude) ||
            __builtin_add_overflow(number.magnitude, (unsigned long)digit, &number.magnitude);
    }
    if (end)
        *end = (char *)(s == first ? text : s);
    return number;
}

long strtol(const char *restrict text, char **restrict end, int base)
{
    struct number number = read_number(text, end, base);
    unsigned long most = number.negative ? -(unsigned long)LONG_MIN : (unsigned long)LONG_MAX;

    if (number.overflow || number.magnitude > most) {
        errno = ERANGE;
        return number.negative ? LONG_MIN : LONG_MAX;
    }
    return (long)(number.negative ? -number.magnitude : number.magnitude);
}

unsigned long strtoul(const char *restrict text, char **restrict end, int base)
{
    struct number number = read_number(text, end, base);

    if (number.overflow) {
        errno = ERANGE;
        return ULONG_MAX;
    }
    return number.negative ? -number.magnitude : number.magnitude;
}

long long strtoll(const char *restrict text, char **restrict end, int base)
{
    return strtol(text, end, base);
}

unsigned long long strtoull(const char *restrict text, char **restrict end, int base)
{
    return strtoul(text, end, base);
}

long long strtonum(const char *text, long long least, long long most, const char **wrong)
{
    int saved = errno;
    char *end;

    errno = 0;
    long long value = strtoll(text, &end, 10);
    bool none = end == text || *end, overflow = errno == ERANGE;
    const char *reason = NULL;
    if (none)
        reason = "invalid";
    else if (value < least || (overflow && value < 0))
        reason = "too small";
    else if (value > most || overflow)
        reason = "too large";
    if (reason)
        saved = none ? EINVAL : ERANGE;
    errno = saved;
    if (wrong)
        *wrong = reason;
    return reason ? 0 : value;
}

int atoi(const char *text) { return (int)strtol(text, NULL, 10); }
long atol(const char *text) { return strtol(text, NULL, 10); }
int abs(int n) { return n < 0 ? -n : n; }

static void swap_items(char *a, char *b, size_t size)
{
    for (; size > 0; size--, a++, b++) {
        char saved = *a;
        *a = *b;
        *b = saved;
    }
}

/* Restores the heap order below `root`: a parent is not smaller than its children. */
static void heap_sift(char *items, size_t root, size_t count, size_t size,
                      int (*compare)(const void *a, const void *b))
{
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && compare(items + child * size, items + (child + 1) * size) < 0)
            child++;
        if (compare(items + root * size, items + child * size) >= 0)
            return;
        swap_items(items + root * size, items + child * size, size);
    }
}

/* Heap sort: needs no memory, and no input makes it slow. */
void qsort(void *items, size_t count, size_t size, int (*compare)(const void *a, const void *b))
{
    for (size_t root = count / 2; root-- > 0;)
        heap_sift(items, root, count, size, compare);
    for (size_t last = count; last-- > 1;) {
        swap_items(items, (char *)items + last * size, size);
        heap_sift(items, 0, last, size, compare);
    }
}

static uint64_t random_state = 1;

void srand(unsigned seed) { random_state = seed; }

/* A linear congruential generator (Knuth's MMIX multiplier); the upper bits are the better ones. */
int rand(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (int)(random_state >> 33);
}
