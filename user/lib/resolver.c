/* Names of hosts to addresses: numbers, "localhost", then the DNS servers of /etc/resolv.conf
 * ("nameserver ADDRESS" lines, the first three count).
 *
 * Each server is asked in turn, for one second each, then once more for two (RFC 1123, 6.1.3.3:
 * bounded retries with growing intervals). An answer counts only if it comes from the server asked,
 * which connect() sees to, and repeats the query's id and question.
 */
#include "dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONFIGURATION    "/etc/resolv.conf"
#define SERVERS_MAX      3
#define ADDRESSES_MAX    16
#define ROUNDS           2
#define FIRST_TIMEOUT_MS 1000

int h_errno;

/* Deadlines are kept as times, so that answers to others do not prolong the wait. */
static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Read anew for each name: whoever corrects the file need not restart a program. */
static int servers_read(struct in_addr *servers)
{
    FILE *file = fopen(CONFIGURATION, "r");
    char line[128];
    int count = 0;
    bool begins = true;

    while (file && count < SERVERS_MAX && fgets(line, sizeof line, file)) {
        bool rest = !begins; /* of a line that is longer than the buffer: a comment, no server's */
        begins = strchr(line, '\n');
        if (rest)
            continue;
        char *word = strtok(line, " \t\r\n");
        char *address = strtok(NULL, " \t\r\n");
        if (word && address && strcmp(word, "nameserver") == 0)
            count += inet_pton(AF_INET, address, &servers[count]) == 1;
    }
    if (file)
        fclose(file);
    return count;
}

/* Waits for the answer to one query. The result of dns_answer_read(), DNS_FAILED when the server
 * refuses or time is over. */
static int answer_wait(int fd, uint16_t id, const char *name, struct in_addr *addresses,
                       int timeout_ms)
{
    uint8_t message[DNS_MESSAGE_MAX];
    int64_t deadline = now_ms() + timeout_ms, left;
    int result = DNS_NOT_OURS;

    while (result == DNS_NOT_OURS && (left = deadline - now_ms()) > 0) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (poll(&ready, 1, (int)left) <= 0)
            break;
        ssize_t length = recv(fd, message, sizeof message, MSG_DONTWAIT);
        if (length < 0 && errno != EAGAIN)
            break;
        if (length >= 0)
            result = dns_answer_read(message, (size_t)length, id, name, addresses, ADDRESSES_MAX);
    }
    return result == DNS_NOT_OURS ? DNS_FAILED : result;
}

static int server_ask(struct in_addr server, const char *name, struct in_addr *addresses,
                      int timeout_ms)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(DNS_PORT), .sin_addr = server};
    uint8_t query[DNS_MESSAGE_MAX];
    struct timespec now;

    /* There is no better source of chance; the port, which the kernel chooses, adds to it. */
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint16_t id = (uint16_t)((uint64_t)now.tv_nsec / 100 * 40503u ^ (unsigned)getpid());
    int length = dns_query_make(query, id, name);
    if (length < 0)
        return DNS_NO_NAME;

    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0)
        return DNS_FAILED;
    int result = DNS_FAILED;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        send(fd, query, (size_t)length, 0) == length)
        result = answer_wait(fd, id, name, addresses, timeout_ms);
    close(fd);
    return result;
}

/* The addresses of a name: how many, or DNS_NO_NAME or DNS_FAILED. */
static int name_resolve(const char *name, struct in_addr *addresses)
{
    struct in_addr servers[SERVERS_MAX];

    if (inet_aton(name, &addresses[0]))
        return 1;
    if (strcasecmp(name, "localhost") == 0) {
        addresses[0].s_addr = htonl(INADDR_LOOPBACK);
        return 1;
    }
    int count = servers_read(servers), result = DNS_FAILED;
    for (int try = 0; result == DNS_FAILED && try < ROUNDS * count; try++)
        result =
            server_ask(servers[try % count], name, addresses, FIRST_TIMEOUT_MS << (try / count));
    return result;
}

/* POSIX lets the result lie in static memory, and nothing here runs in threads. */
struct hostent *gethostbyname(const char *name)
{
    static struct in_addr addresses[ADDRESSES_MAX];
    static char *pointers[ADDRESSES_MAX + 1], *no_aliases[] = {NULL};
    static char host_name[DNS_NAME_MAX + 1];
    static struct hostent host = {.h_name = host_name,
                                  .h_aliases = no_aliases,
                                  .h_addrtype = AF_INET,
                                  .h_length = sizeof(struct in_addr),
                                  .h_addr_list = pointers};
    int count = name_resolve(name, addresses);

    if (count <= 0) {
        h_errno = count == DNS_NO_NAME ? HOST_NOT_FOUND : count == 0 ? NO_DATA : TRY_AGAIN;
        return NULL;
    }
    strlcpy(host_name, name, sizeof host_name);
    for (int i = 0; i < count; i++)
        pointers[i] = (char *)&addresses[i];
    pointers[count] = NULL;
    return &host;
}

const char *hstrerror(int error)
{
    static const char *const texts[] = {
        [0] = "Success",
        [HOST_NOT_FOUND] = "Host not found",
        [TRY_AGAIN] = "No name server answers",
        [NO_RECOVERY] = "Name server failed",
        [NO_DATA] = "Name has no address",
    };
    return error >= 0 && error <= NO_DATA ? texts[error] : "Unknown resolver error";
}

/* One result of getaddrinfo(), in one piece of memory. */
struct result {
    struct addrinfo info;
    struct sockaddr_in address;
    char name[];
};

/* Only what this system can do: IPv4 and UDP. */
static int hints_check(const struct addrinfo *hints)
{
    if (hints->ai_family != AF_UNSPEC && hints->ai_family != AF_INET)
        return EAI_FAMILY;
    if (hints->ai_socktype != 0 && hints->ai_socktype != SOCK_DGRAM)
        return EAI_SOCKTYPE;
    if (hints->ai_protocol != 0 && hints->ai_protocol != IPPROTO_UDP)
        return EAI_SOCKTYPE;
    return 0;
}

/* There is no table of service names. */
static int service_read(const char *service, in_port_t *port)
{
    char *end;

    *port = 0;
    if (!service)
        return 0;
    unsigned long number = strtoul(service, &end, 10);
    if (end == service || *end || number > 65535)
        return EAI_SERVICE;
    *port = htons((uint16_t)number);
    return 0;
}

/* The addresses of a node: how many, or an EAI_ error. */
static int node_resolve(const char *node, int flags, struct in_addr *addresses)
{
    if (!node) {
        addresses[0].s_addr = htonl(flags & AI_PASSIVE ? INADDR_ANY : INADDR_LOOPBACK);
        return 1;
    }
    if (flags & AI_NUMERICHOST)
        return inet_aton(node, &addresses[0]) ? 1 : EAI_NONAME;
    int count = name_resolve(node, addresses);
    if (count > 0)
        return count;
    return count == DNS_NO_NAME ? EAI_NONAME : count == 0 ? EAI_NODATA : EAI_AGAIN;
}

static struct result *result_make(struct in_addr address, in_port_t port, const char *name)
{
    struct result *result = calloc(1, sizeof *result + (name ? strlen(name) + 1 : 0));

    if (!result)
        return NULL;
    result->address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port, .sin_addr = address};
    result->info = (struct addrinfo){.ai_family = AF_INET,
                                     .ai_socktype = SOCK_DGRAM,
                                     .ai_protocol = IPPROTO_UDP,
                                     .ai_addrlen = sizeof result->address,
                                     .ai_addr = (struct sockaddr *)&result->address};
    if (name)
        result->info.ai_canonname = strcpy(result->name, name);
    return result;
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict result)
{
    static const struct addrinfo no_hints;
    struct in_addr addresses[ADDRESSES_MAX];
    struct addrinfo *first = NULL, **link = &first;
    in_port_t port;

    if (!node && !service)
        return EAI_NONAME;
    if (!hints)
        hints = &no_hints;
    int error = hints_check(hints);
    if (!error)
        error = service_read(service, &port);
    if (error)
        return error;
    int count = node_resolve(node, hints->ai_flags, addresses);
    for (int i = 0; i < count; i++) {
        bool named = i == 0 && node && hints->ai_flags & AI_CANONNAME;
        struct result *each = result_make(addresses[i], port, named ? node : NULL);
        if (!each) {
            freeaddrinfo(first);
            return EAI_MEMORY;
        }
        *link = &each->info;
        link = &each->info.ai_next;
    }
    *result = first;
    return count > 0 ? 0 : count;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *following = list->ai_next;
        free(list); /* the first member of a struct result */
        list = following;
    }
}

const char *gai_strerror(int error)
{
    static const char *const texts[] = {
        [0] = "Success",
        [-EAI_BADFLAGS] = "Bad flags",
        [-EAI_NONAME] = "Name or service not known",
        [-EAI_AGAIN] = "No name server answers",
        [-EAI_FAIL] = "Name server failed",
        [-EAI_NODATA] = "Name has no address",
        [-EAI_FAMILY] = "Address family not supported",
        [-EAI_SOCKTYPE] = "Socket type not supported",
        [-EAI_SERVICE] = "Service is no port number",
        [-EAI_MEMORY] = "Out of memory",
        [-EAI_SYSTEM] = "System error",
        [-EAI_OVERFLOW] = "Buffer too small",
    };
    int last = (int)(sizeof texts / sizeof texts[0]) - 1;
    bool known = error <= 0 && error >= -last && texts[-error];
    return known ? texts[-error] : "Unknown error";
}

int getnameinfo(const struct sockaddr *restrict address, socklen_t length, char *restrict host,
                socklen_t host_size, char *restrict service, socklen_t service_size, int flags)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;

    (void)flags;
    if (length < sizeof *in || in->sin_family != AF_INET)
        return EAI_FAMILY;
    if (host && host_size && !inet_ntop(AF_INET, &in->sin_addr, host, host_size))
        return EAI_OVERFLOW;
    if (service && service_size &&
        snprintf(service, service_size, "%u", ntohs(in->sin_port)) >= (int)service_size)
        return EAI_OVERFLOW;
    return 0;
}
