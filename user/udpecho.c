/* udpecho PORT: sends every datagram that comes to PORT back to where it came from (RFC 862). */
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define DATAGRAM_MAX 65536

int main(int argc, char **argv)
{
    static char datagram[DATAGRAM_MAX];
    const char *wrong = "missing";
    long port = argc == 2 ? strtonum(argv[1], 1, 65535, &wrong) : 0;

    if (wrong)
        errx(2, "usage: udpecho PORT");

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0)
        err(1, "socket");
    if (bind(fd, (struct sockaddr *)&address, sizeof address))
        err(1, "port %ld", port);

    for (;;) {
        struct sockaddr_in peer;
        socklen_t peer_length = sizeof peer;
        ssize_t n =
            recvfrom(fd, datagram, sizeof datagram, 0, (struct sockaddr *)&peer, &peer_length);
        if (n < 0)
            err(1, "receive");
        /* One peer that cannot be reached must not end the service for the others. */
        if (sendto(fd, datagram, (size_t)n, 0, (struct sockaddr *)&peer, peer_length) < 0)
            warn("send to %s", inet_ntoa(peer.sin_addr));
    }
}
