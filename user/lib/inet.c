/* Internet addresses as text (POSIX <arpa/inet.h>). */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ctype.h>

/* Reads up to four numbers with dots in between, decimal, octal and hexadecimal as in C. The last
 * one fills all the bytes that are left: 127.1 is 127.0.0.1. */
int inet_aton(const char *text, struct in_addr *address)
{
    uint32_t value = 0;

    for (int bytes_left = 4; bytes_left > 0; bytes_left--) {
        char *end;
        if (!isdigit((unsigned char)*text))
            return 0;
        unsigned long part = strtoul(text, &end, 0);
        bool last = *end == 0 || isspace((unsigned char)*end);
        if (last) {
            if (part >> (8 * bytes_left))
                return 0;
            address->s_addr = htonl(value | (uint32_t)part);
            return 1;
        }
        if (*end != '.' || part > 255)
            return 0;
        value |= (uint32_t)part << (8 * (bytes_left - 1));
        text = end + 1;
    }
    return 0;
}

in_addr_t inet_addr(const char *text)
{
    struct in_addr address;
    return inet_aton(text, &address) ? address.s_addr : INADDR_NONE;
}

/* One decimal number 0..255 of at most three digits; moves *text behind it. -1 if there is none. */
static int read_byte(const char **text)
{
    int value = 0, digits = 0;

    for (; isdigit((unsigned char)**text) && digits < 3; ++*text, digits++)
        value = value * 10 + (**text - '0');
    return digits > 0 && value <= 255 ? value : -1;
}

/* Stricter than inet_aton(): four decimal numbers, nothing else (POSIX). */
int inet_pton(int family, const char *restrict text, void *restrict address)
{
    const char *rest = text;
    uint8_t bytes[4];

    if (family != AF_INET) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        int byte = read_byte(&rest);
        if (byte < 0 || *rest++ != (i < 3 ? '.' : 0))
            return 0;
        bytes[i] = (uint8_t)byte;
    }
    memcpy(address, bytes, sizeof bytes);
    return 1;
}

const char *inet_ntop(int family, const void *restrict address, char *restrict text, socklen_t size)
{
    const uint8_t *bytes = address;

    if (family != AF_INET) {
        errno = EAFNOSUPPORT;
        return NULL;
    }
    int length = snprintf(text, size, "%d.%d.%d.%d", bytes[0], bytes[1], bytes[2], bytes[3]);
    if (length >= (int)size) {
        errno = ENOSPC;
        return NULL;
    }
    return text;
}

char *inet_ntoa(struct in_addr address)
{
    static char text[INET_ADDRSTRLEN];
    return (char *)inet_ntop(AF_INET, &address, text, sizeof text);
}
