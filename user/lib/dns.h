/* DNS messages (RFC 1035, section 4): making a query for a host's addresses and reading the answer.
 * No input or output happens here. */
#ifndef USER_LIB_DNS_H
#define USER_LIB_DNS_H

#include <netinet/in.h>
#include <stddef.h>

#define DNS_NAME_MAX    253 /* characters of a name as text (RFC 1035, 2.3.4) */
#define DNS_MESSAGE_MAX 512 /* bytes of a message over UDP (RFC 1035, 4.2.1) */
#define DNS_PORT        53

/* Writes a query for the IPv4 addresses of `name` into `message`, which has DNS_MESSAGE_MAX bytes.
 * Returns its length, or -1 if the name has an empty or too long part. */
int dns_query_make(uint8_t *message, uint16_t id, const char *name);

enum dns_result {
    DNS_NOT_OURS = -1, /* no answer to this query: go on waiting */
    DNS_NO_NAME = -2,  /* the name does not exist */
    DNS_FAILED = -3,   /* the server cannot or will not tell: ask another */
};

/* Reads a message that came from the server asked. Returns how many addresses it put into
 * `addresses` (0: the name exists and has none), or an enum dns_result. */
int dns_answer_read(const uint8_t *message, size_t length, uint16_t id, const char *name,
                    struct in_addr *addresses, int room);

#endif
