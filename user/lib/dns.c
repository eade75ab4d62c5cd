/* DNS messages. Section numbers are those of RFC 1035.
 *
 * What comes from the network is read through a cursor that knows the message's end: once something
 * does not fit, the cursor is bad, every further read gives 0, and the message is refused as a
 * whole.
 */
#include "dns.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define HEADER_LENGTH    12     /* 4.1.1 */
#define FLAG_RESPONSE    0x8000 /* QR */
#define FLAG_OPCODE      0x7800 /* 0: a standard query */
#define FLAG_TRUNCATED   0x0200 /* TC: there is more than the message took */
#define FLAG_RECURSION   0x0100 /* RD: the server is to ask others */
#define FLAG_RCODE       0x000f
#define RCODE_NAME_ERROR 3
#define TYPE_A           1 /* 3.2.2 */
#define TYPE_CNAME       5
#define CLASS_IN         1 /* 3.2.4 */
#define LABEL_MAX        63
#define LABEL_POINTER    0xc0 /* 4.1.4: the name goes on elsewhere in the message */

#define ALIASES_MAX 8 /* CNAMEs followed for one name; guards against circles */

struct cursor {
    const uint8_t *message;
    size_t length, at;
    bool bad;
};

static uint8_t read8(struct cursor *c)
{
    if (c->at >= c->length) {
        c->bad = true;
        return 0;
    }
    return c->message[c->at++];
}

static uint16_t read16(struct cursor *c)
{
    uint16_t high = read8(c);
    return (uint16_t)(high << 8 | read8(c));
}

static void skip(struct cursor *c, size_t n)
{
    if (c->length - c->at < n)
        c->bad = true;
    else
        c->at += n;
}

static uint8_t *put16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
    return to + 2;
}

/* Writes a name as labels (3.1): each a length and its characters, the last one empty. NULL if it
 * is no name. */
static uint8_t *put_name(uint8_t *to, const char *name)
{
    size_t length = strlen(name);

    if (length > 0 && name[length - 1] == '.') /* takes no room in the message */
        length--;
    if (length > DNS_NAME_MAX)
        return NULL;
    while (*name) {
        size_t label = strcspn(name, ".");
        if (label == 0 || label > LABEL_MAX)
            return NULL;
        *to++ = (uint8_t)label;
        memcpy(to, name, label);
        to += label;
        name += label;
        if (*name == '.')
            name++;
    }
    *to++ = 0;
    return to;
}

int dns_query_make(uint8_t *message, uint16_t id, const char *name)
{
    uint8_t *to = put16(message, id);

    to = put16(to, FLAG_RECURSION);
    to = put16(to, 1); /* one question, no records */
    memset(to, 0, 6);
    to = put_name(to + 6, name);
    if (!to || *name == 0)
        return -1;
    to = put16(to, TYPE_A);
    to = put16(to, CLASS_IN);
    return (int)(to - message);
}

/* Reads a name as text with dots. A pointer must lead backwards, so reading ends. */
static void read_name(struct cursor *c, char name[DNS_NAME_MAX + 1])
{
    struct cursor at = *c;
    size_t used = 0, limit = c->at;
    bool jumped = false;

    for (uint8_t label; (label = read8(&at)) != 0;) {
        if (label >= LABEL_POINTER) {
            size_t target = (size_t)(label & ~LABEL_POINTER) << 8 | read8(&at);
            if (!jumped)
                c->at = at.at;
            jumped = true;
            at.bad |= target >= limit;
            at.at = limit = target;
        } else {
            at.bad |= label > LABEL_MAX || used + label + 1 > DNS_NAME_MAX + 1;
            for (; label > 0 && !at.bad; label--)
                name[used++] = (char)read8(&at);
            if (!at.bad)
                name[used++] = '.';
        }
        if (at.bad)
            break;
    }
    name[used > 0 ? used - 1 : 0] = 0; /* without the last dot */
    if (!jumped)
        c->at = at.at;
    c->bad |= at.bad;
}

struct record {
    char owner[DNS_NAME_MAX + 1];
    uint16_t type;
    struct cursor data;
};

/* Reads a resource record (4.1.3) of class IN; others get type 0. */
static void read_record(struct cursor *c, struct record *record)
{
    read_name(c, record->owner);
    record->type = read16(c);
    if (read16(c) != CLASS_IN)
        record->type = 0;
    skip(c, 4); /* time to live: there is no cache */
    uint16_t length = read16(c);
    record->data = *c;
    skip(c, length);
    /* A CNAME's data may point out of itself, but an address must be all there. */
    if (record->type == TYPE_A && length != sizeof(struct in_addr))
        record->type = 0;
}

/* Looks through the answers for addresses of `name`. If it is an alias, puts its real name there
 * instead and sets *alias. Returns the number of addresses, or DNS_FAILED for a damaged message. */
static int answers_search(struct cursor answers, unsigned count, char *name, bool *alias,
                          struct in_addr *addresses, int room)
{
    struct record record;
    int found = 0;

    *alias = false;
    while (count-- > 0) {
        read_record(&answers, &record);
        if (answers.bad)
            return DNS_FAILED;
        if (strcasecmp(record.owner, name) != 0)
            continue;
        if (record.type == TYPE_A && found < room) {
            memcpy(&addresses[found++], record.data.message + record.data.at,
                   sizeof(struct in_addr));
        } else if (record.type == TYPE_CNAME) {
            read_name(&record.data, name);
            if (record.data.bad)
                return DNS_FAILED;
            *alias = true;
        }
    }
    return found;
}

/* The question must be the one we asked: same name, type and class. */
static bool question_matches(struct cursor *c, const char *name)
{
    char asked[DNS_NAME_MAX + 1];

    read_name(c, asked);
    bool matches = read16(c) == TYPE_A && read16(c) == CLASS_IN;
    return matches && !c->bad && strcasecmp(asked, name) == 0;
}

int dns_answer_read(const uint8_t *message, size_t length, uint16_t id, const char *name,
                    struct in_addr *addresses, int room)
{
    struct cursor c = {.message = message, .length = length};
    char wanted[DNS_NAME_MAX + 1];
    bool alias = true;
    int found = 0;

    strlcpy(wanted, name, sizeof wanted);
    size_t end = strlen(wanted);
    if (end > 0 && wanted[end - 1] == '.') /* a name may be given with its last dot */
        wanted[end - 1] = 0;

    uint16_t answer_id = read16(&c), flags = read16(&c);
    uint16_t questions = read16(&c), answers = read16(&c);
    skip(&c, HEADER_LENGTH - 8);
    if (c.bad || answer_id != id || !(flags & FLAG_RESPONSE) || flags & FLAG_OPCODE ||
        questions != 1 || !question_matches(&c, wanted))
        return DNS_NOT_OURS;
    if ((flags & FLAG_RCODE) == RCODE_NAME_ERROR)
        return DNS_NO_NAME;
    if (flags & FLAG_RCODE)
        return DNS_FAILED;
    for (int i = 0; found == 0 && alias && i <= ALIASES_MAX; i++)
        found = answers_search(c, answers, wanted, &alias, addresses, room);
    /* What was left out may be the addresses (RFC 2181, 9), and there is no TCP to ask for them; and a
     * circle of aliases is an error (RFC 1034, 3.6.2). */
    return found == 0 && (alias || flags & FLAG_TRUNCATED) ? DNS_FAILED : found;
}
