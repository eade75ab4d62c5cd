/* <arpa/inet.h>: addresses to text and back. */
#ifndef USER_ARPA_INET_H
#define USER_ARPA_INET_H

#include <netinet/in.h>

/* Forms a, a.b, a.b.c and a.b.c.d, decimal, octal and hexadecimal. 1, or 0 if the text is none. */
int inet_aton(const char *text, struct in_addr *address);
in_addr_t inet_addr(const char *text);   /* INADDR_NONE if the text is none */
char *inet_ntoa(struct in_addr address); /* valid until the next call */
/* Form a.b.c.d, decimal. 1, 0 if the text is none, -1 (EAFNOSUPPORT). */
int inet_pton(int family, const char *restrict text, void *restrict address);
const char *inet_ntop(int family, const void *restrict address, char *restrict text,
                      socklen_t size);

#endif
