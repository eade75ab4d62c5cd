/* The host at the other end of the guest's cable, and the stop-watch.
 *
 * usage: peer SOCKET        (listens there before QEMU starts; `-netdev stream,server=off,addr.type=unix`)
 *
 * On that stream each Ethernet frame stands behind its length (4 bytes, big-endian). The peer is
 * 10.0.2.100, answers ARP, and does what its standard input says, one command a line, one JSON object a
 * line in answer:
 *
 *     hello                              waits until the guest answers questions
 *     echo SIZE IN_FLIGHT COUNT [MS]     COUNT echoes, or as many as begin in so many milliseconds, of
 *                                        which IN_FLIGHT are under way at any time
 *     flood SIZE RATE MILLISECONDS       one-way datagrams to the sink, RATE a second (0: as fast as they go)
 *     sunk                               how many the sink has had since it began
 *     blast SIZE MILLISECONDS            the guest sends to us
 *     counters                           the guest's counters, by name
 *     polled 0|1                         the guest's mode
 *     crowd SOCKETS ENTRIES              the guest opens so many sockets, and enters so many hosts into
 *                                        its ARP cache
 *
 * One thread; it sleeps while there is nothing to do, because the machine's other cores belong to QEMU.
 * Both directions are non-blocking: the two ends can never wait for each other. Nothing waits without a deadline: a
 * command that cannot be carried out answers {"error": TEXT}, and the peer goes on.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../../user/bench/protocol.h"
#include "frames.h"

#define CONNECT_MS   20000
#define HELLO_MS     30000
#define QUESTION_MS  10000 /* until a question is given up ... */
#define ASK_MS       100   /* ... and until it is asked again ... */
#define SINK_ASK_MS  5     /* ... of the sink, whose queue may be full: sooner */
#define ECHO_LOST_MS 500   /* an echo that takes longer counts as lost */
#define ECHO_MS      60000

#define IN_FLIGHT_MAX 256
#define SAMPLES_MAX   (1 << 20)

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static uint64_t in_ms(uint64_t milliseconds) { return now_ns() + milliseconds * 1000000; }

/* One line of answer; false, so that it can end a command. */
static bool __attribute__((format(printf, 1, 2))) fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    printf("{\"error\": \"");
    vprintf(format, arguments);
    printf("\"}\n");
    va_end(arguments);
    return false;
}

/* --- the stream --- */

static int link_fd;
static bool link_gone;
static uint8_t in_buffer[1 << 20], out_buffer[1 << 20];
static size_t in_start, in_end, out_start, out_end;
static uint64_t frames_in, frames_bad;

static size_t out_room(void) { return sizeof out_buffer - out_end; }

/* Writes what the stream takes now. */
static void out_flush(void)
{
    while (out_start < out_end && !link_gone) {
        ssize_t n = send(link_fd, out_buffer + out_start, out_end - out_start, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0 && errno != EINTR)
            link_gone = true;
        if (n > 0)
            out_start += (size_t)n;
    }
    out_start = out_end = 0;
}

/* Appends a frame; its bytes are filled in by the caller, at once. There must be room. */
static uint8_t *out_frame(size_t length)
{
    uint8_t *at = out_buffer + out_end;

    put32(at, (uint32_t)length);
    out_end += 4 + length;
    return at + 4;
}

/* Sleeps until the stream can be read or, if something is left to be written, written, or until the
 * deadline; then reads what there is. */
static void link_wait(uint64_t deadline)
{
    struct pollfd pollfd = {link_fd, (short)(POLLIN | (out_start < out_end ? POLLOUT : 0)), 0};
    uint64_t now = now_ns(), left = deadline > now ? deadline - now : 0;
    struct timespec timeout = {(time_t)(left / 1000000000), (long)(left % 1000000000)};

    if (ppoll(&pollfd, 1, &timeout, NULL) <= 0)
        return;
    out_flush();
    if (in_start > 0) {
        memmove(in_buffer, in_buffer + in_start, in_end - in_start);
        in_end -= in_start;
        in_start = 0;
    }
    ssize_t n = recv(link_fd, in_buffer + in_end, sizeof in_buffer - in_end, 0);
    if (n > 0)
        in_end += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        link_gone = true;
}

/* The next frame that has arrived whole; NULL: there is none. Valid until link_wait(). */
static uint8_t *in_frame(size_t *length)
{
    size_t have = in_end - in_start;

    if (have < 4)
        return NULL;
    *length = get32(in_buffer + in_start);
    if (*length > FRAME_MAX) {
        link_gone = true; /* out of step: nothing that follows can be understood */
        return NULL;
    }
    if (have < 4 + *length)
        return NULL;
    uint8_t *frame = in_buffer + in_start + 4;
    in_start += 4 + *length;
    frames_in++;
    return frame;
}

/* --- datagrams --- */

static void send_datagram(uint16_t from, uint16_t to, const void *payload, size_t size)
{
    if (out_room() < 4 + FRAME_MAX)
        return;
    udp_build(out_frame(HEADERS + size), from, to, payload, size);
}

/* Serves what comes in beside the measured traffic: ARP. True if a right datagram to us came. */
static bool frame_take(uint8_t *frame, size_t length, struct datagram *datagram)
{
    if (is_arp_request(frame, length)) {
        if (out_room() >= 4 + ARP_LENGTH)
            arp_answer(out_frame(ARP_LENGTH), frame);
        return false;
    }
    enum verdict verdict = udp_parse(frame, length, datagram);
    frames_bad += verdict == FRAME_BAD;
    return verdict == FRAME_DATAGRAM;
}

/* Waits for one datagram to `port`; false at the deadline. */
static bool datagram_wait(uint16_t port, struct datagram *datagram, uint64_t deadline)
{
    for (;;) {
        size_t length;
        uint8_t *frame;
        while ((frame = in_frame(&length))) {
            if (frame_take(frame, length, datagram) && datagram->to_port == port)
                return true;
        }
        out_flush();
        if (link_gone || now_ns() >= deadline)
            return false;
        link_wait(deadline);
    }
}

/* --- questions to the guest --- */

#define QUESTION_PORT 5001

static uint32_t serial;

/* Asks again and again until the answer with the right serial number comes. Its payload, or NULL. */
static const uint8_t *ask(uint16_t port, const void *question, size_t size, size_t answer_size,
                          uint64_t milliseconds, uint64_t again_ms, size_t *got)
{
    struct datagram answer;

    for (uint64_t end = in_ms(milliseconds); now_ns() < end && !link_gone;) {
        uint64_t again = in_ms(again_ms);
        send_datagram(QUESTION_PORT, port, question, size);
        while (datagram_wait(QUESTION_PORT, &answer, again < end ? again : end)) {
            if (answer.size >= answer_size && get32(answer.payload) == BENCH_MAGIC &&
                get32(answer.payload + 4) == serial) {
                *got = answer.size;
                return answer.payload;
            }
        }
    }
    return NULL;
}

static const uint8_t *request(enum bench_command command, const uint32_t argument[3],
                              uint64_t milliseconds, uint64_t again_ms, size_t *got)
{
    struct bench_request request = {htonl(BENCH_MAGIC), htonl(command), htonl(++serial), {0}};

    for (int i = 0; i < 3; i++)
        request.argument[i] = htonl(argument[i]);
    return ask(BENCH_CONTROL_PORT, &request, sizeof request, sizeof(struct bench_answer),
               milliseconds, again_ms, got);
}

/* The whole text of the guest's counters; NULL if an answer is missing. */
static const char *counters_fetch(uint64_t milliseconds)
{
    static char text[65536];
    size_t length = 0, total = 1, got;

    while (length < total) {
        const uint8_t *answer =
            request(BENCH_COUNTERS, (uint32_t[3]){(uint32_t)length}, milliseconds, ASK_MS, &got);
        if (!answer)
            return NULL;
        total = get32(answer + 8);
        got -= sizeof(struct bench_answer);
        if (total >= sizeof text || got > total - length || (got == 0 && total > 0))
            return NULL;
        memcpy(text + length, answer + sizeof(struct bench_answer), got);
        length += got;
    }
    text[length] = 0;
    return text;
}

static bool do_hello(void)
{
    if (!counters_fetch(HELLO_MS))
        return fail("the guest does not answer within %d s", HELLO_MS / 1000);
    printf("{\"ready\": true}\n");
    return true;
}

static bool do_counters(void)
{
    const char *text = counters_fetch(QUESTION_MS);
    const char *comma = "";

    if (!text)
        return fail("the guest does not give its counters");
    printf("{");
    while (*text) {
        const char *space = strchr(text, ' '), *end = strchr(text, '\n');
        if (!space || !end || space > end)
            break;
        printf("%s\"%.*s\": %.*s", comma, (int)(space - text), text, (int)(end - space - 1),
               space + 1);
        comma = ", ";
        text = end + 1;
    }
    printf("}\n");
    return true;
}

/* A request that answers 0 or an error number. */
static bool do_request(enum bench_command command, uint32_t first, uint32_t second)
{
    size_t got;
    const uint8_t *answer =
        request(command, (uint32_t[3]){first, second}, QUESTION_MS, ASK_MS, &got);

    if (!answer)
        return fail("the guest does not answer");
    if (get32(answer + 8))
        return fail("the guest answers with error %" PRIu32, get32(answer + 8));
    printf("{\"done\": true}\n");
    return true;
}

static bool sunk_fetch(uint64_t *count, uint64_t milliseconds)
{
    uint32_t question[2] = {htonl(BENCH_MAGIC), htonl(++serial)};
    size_t got;
    const uint8_t *answer = ask(BENCH_SINK_PORT, question, sizeof question,
                                sizeof(struct bench_sunk), milliseconds, SINK_ASK_MS, &got);
    if (answer)
        *count = (uint64_t)get32(answer + 8) << 32 | get32(answer + 12);
    return answer != NULL;
}

static bool do_sunk(void)
{
    uint64_t count;

    if (!sunk_fetch(&count, QUESTION_MS))
        return fail("the sink does not answer");
    printf("{\"sunk\": %" PRIu64 "}\n", count);
    return true;
}

/* --- echo --- */

#define ECHO_PORT_HERE 5002

/* A payload says its number in as many bytes as it has, up to four; what follows is a pattern. */
static struct flight {
    uint64_t sent_ns;
    uint32_t number;
    bool under_way;
} flights[IN_FLIGHT_MAX];

static uint64_t samples[SAMPLES_MAX];
static size_t sample_count;
static uint8_t pattern[BENCH_PAYLOAD_MAX];
static uint32_t echo_number;
static uint64_t echo_done, echo_lost, echo_wrong;

static uint32_t number_mask(size_t size) { return size >= 4 ? 0xffffffff : (1u << (8 * size)) - 1; }

static void echo_send(size_t size, uint64_t now)
{
    struct flight *flight = &flights[echo_number % IN_FLIGHT_MAX];
    uint8_t payload[BENCH_PAYLOAD_MAX];

    if (flight->under_way)
        return; /* cannot be: fewer are under way than there are records */
    *flight = (struct flight){now, echo_number, true};
    memcpy(payload, pattern, size);
    for (size_t i = 0; i < 4 && i < size; i++)
        payload[i] = (uint8_t)(echo_number >> (8 * i));
    echo_number++;
    send_datagram(ECHO_PORT_HERE, BENCH_ECHO_PORT, payload, size);
}

/* A datagram came back. True if it is one that was under way, and unchanged. */
static bool echo_take(const struct datagram *datagram, size_t size, uint64_t now)
{
    uint32_t number = 0, mask = number_mask(size);
    size_t numbered = size < 4 ? size : 4;

    if (datagram->to_port != ECHO_PORT_HERE || datagram->from_port != BENCH_ECHO_PORT)
        return false;
    for (size_t i = 0; i < numbered && i < datagram->size; i++)
        number |= (uint32_t)datagram->payload[i] << (8 * i);
    struct flight *flight = &flights[number % IN_FLIGHT_MAX];
    if (datagram->size != size ||
        memcmp(datagram->payload + numbered, pattern + numbered, size - numbered) ||
        !flight->under_way || (flight->number & mask) != number) {
        echo_wrong++;
        return false;
    }
    flight->under_way = false;
    if (sample_count < SAMPLES_MAX)
        samples[sample_count++] = now - flight->sent_ns;
    return true;
}

/* Gives up what has been under way for too long; how many that were. */
static unsigned echo_expire(uint64_t now)
{
    unsigned count = 0;

    for (int i = 0; i < IN_FLIGHT_MAX; i++) {
        if (flights[i].under_way && now - flights[i].sent_ns > ECHO_LOST_MS * 1000000ull) {
            flights[i].under_way = false;
            count++;
        }
    }
    echo_lost += count;
    return count;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Microseconds below which the given part (per mille) of all round trips lie. */
static double percentile(unsigned per_mille)
{
    return sample_count ? (double)samples[(sample_count - 1) * per_mille / 1000] / 1000 : 0;
}

static void echo_report(size_t size, unsigned in_flight, double seconds)
{
    qsort(samples, sample_count, sizeof *samples, compare);
    printf("{\"size\": %zu, \"in_flight\": %u, \"echoes\": %" PRIu64 ", \"lost\": %" PRIu64
           ", \"wrong\": %" PRIu64
           ", \"seconds\": %.6f, \"rate\": %.0f, \"median_us\": %.1f, \"p99_us\": %.1f}\n",
           size, in_flight, echo_done, echo_lost, echo_wrong, seconds, (double)echo_done / seconds,
           percentile(500), percentile(990));
}

/* What has come in; how many echoes that ends. */
static unsigned echo_collect(size_t size, uint64_t now)
{
    struct datagram datagram;
    unsigned back = 0;
    size_t length;

    for (uint8_t *frame; (frame = in_frame(&length));) {
        if (frame_take(frame, length, &datagram))
            back += echo_take(&datagram, size, now);
    }
    echo_done += back;
    return back ? back : echo_expire(now);
}

/* Each answer lets the next one out; all that one reading of the stream calls for leave in one writing. */
static bool do_echo(size_t size, unsigned in_flight, uint64_t count, uint64_t milliseconds)
{
    uint64_t begin = now_ns(), now = begin, sent = 0;
    uint64_t end = begin + milliseconds * 1000000;
    unsigned under_way = 0;

    memset(flights, 0, sizeof flights);
    sample_count = 0;
    echo_done = echo_lost = echo_wrong = 0;
    do {
        for (; under_way < in_flight && sent < count && now < end; sent++, under_way++)
            echo_send(size, now);
        out_flush();
        link_wait(now + ECHO_LOST_MS * 1000000ull);
        now = now_ns();
        under_way -= echo_collect(size, now);
        if (link_gone || now > end + QUESTION_MS * 1000000ull)
            return fail("echo: %" PRIu64 " of %" PRIu64 " done", echo_done, sent);
    } while (under_way > 0 || (sent < count && now < end));
    echo_report(size, in_flight, (double)(now - begin) / 1e9);
    return true;
}

/* --- one way to the guest --- */

/* What has come in is of no interest, but for ARP. */
static void in_ignore(void)
{
    struct datagram ignored;
    size_t length;

    for (uint8_t *frame; (frame = in_frame(&length));)
        frame_take(frame, length, &ignored);
}

/* Until everything that was written has gone into the stream; false at the deadline. */
static bool out_finish(uint64_t deadline)
{
    while (out_start < out_end && !link_gone && now_ns() < deadline) {
        link_wait(deadline);
        in_ignore();
    }
    return out_start == out_end;
}

#define FLOOD_BURST 64
#define FLOOD_MAX                                                                                  \
    200000 /* datagrams: QEMU keeps what the guest has not taken yet, without a bound */
#define FLOOD_END_MS 60000 /* until the guest has taken all of that */

/* Sends until the time is over. How many; the stream has taken them all then, or is gone. */
static uint64_t flood_send(size_t size, uint64_t rate, uint64_t begin, uint64_t end)
{
    uint8_t frame[FRAME_MAX];
    uint64_t sent = 0, now;

    udp_build(frame, ECHO_PORT_HERE, BENCH_SINK_PORT, pattern, size);
    while ((now = now_ns()) < end && sent < FLOOD_MAX && !link_gone) {
        uint64_t due = rate ? (uint64_t)((double)(now - begin) * (double)rate / 1e9) : UINT64_MAX;
        for (int i = 0; i < FLOOD_BURST && sent < due; i++, sent++)
            memcpy(out_frame(HEADERS + size), frame, HEADERS + size);
        out_flush();
        in_ignore();
        out_finish(end + QUESTION_MS * 1000000ull);
        if (rate && sent >= due)
            link_wait(begin + (uint64_t)((double)(sent + 1) * 1e9 / (double)rate));
    }
    return sent;
}

/* What is delivered is counted by the guest and timed until the last datagram is dealt with: the question for the
 * count stands behind it in the stream. */
static bool do_flood(size_t size, uint64_t rate, uint64_t milliseconds)
{
    uint64_t before, after;

    if (!sunk_fetch(&before, QUESTION_MS))
        return fail("the sink does not answer");
    uint64_t begin = now_ns();
    uint64_t sent = flood_send(size, rate, begin, begin + milliseconds * 1000000);
    uint64_t fed = now_ns();
    if (!sunk_fetch(&after, FLOOD_END_MS))
        return fail("the sink does not answer after the flood");
    double sending = (double)(fed - begin) / 1e9, taking = (double)(now_ns() - begin) / 1e9;
    printf("{\"size\": %zu, \"asked\": %" PRIu64 ", \"sent\": %" PRIu64
           ", \"offered\": %.0f, \"delivered\": %.0f"
           ", \"loss\": %.4f, \"seconds\": %.3f}\n",
           size, rate, sent, (double)sent / sending, (double)(after - before) / taking,
           sent ? 1 - (double)(after - before) / (double)sent : 0, taking);
    return true;
}

/* --- one way from the guest --- */

#define BLAST_PORT_HERE 5003
#define BLAST_QUIET_MS  300

/* Counts from the first datagram to the last, in our time. When nothing more comes, the answer is asked for again:
 * e1000 under QEMU drops frames that it cannot pass on. */
static bool do_blast(size_t size, uint32_t milliseconds)
{
    struct bench_request request = {
        htonl(BENCH_MAGIC),
        htonl(BENCH_BLAST),
        htonl(++serial),
        {htonl((uint32_t)size), htonl(milliseconds), htonl(BLAST_PORT_HERE)}};
    uint64_t count = 0, first = 0, last = 0, now = now_ns(), asked = 0;
    uint64_t end = in_ms(milliseconds + QUESTION_MS);
    struct datagram datagram = {0};
    bool answered = false;

    while (!answered && !link_gone && now < end) {
        if (now - (asked > last ? asked : last) > BLAST_QUIET_MS * 1000000ull) {
            send_datagram(QUESTION_PORT, BENCH_CONTROL_PORT, &request, sizeof request);
            asked = now;
        }
        out_flush();
        link_wait(now + BLAST_QUIET_MS * 1000000ull);
        now = now_ns();
        size_t length;
        for (uint8_t *frame; !answered && (frame = in_frame(&length));) {
            if (!frame_take(frame, length, &datagram))
                continue;
            answered = datagram.to_port == QUESTION_PORT && get32(datagram.payload + 4) == serial;
            if (datagram.to_port == BLAST_PORT_HERE && datagram.size == size) {
                first = count++ ? first : now;
                last = now;
            }
        }
    }
    if (!answered)
        return fail("blast: no answer, %" PRIu64 " datagrams", count);
    uint32_t accepted = get32(datagram.payload + 8);
    double seconds = (double)(last - first) / 1e9;
    printf("{\"size\": %zu, \"sent\": %" PRIu32 ", \"received\": %" PRIu64
           ", \"seconds\": %.3f, \"rate\": %.0f}\n",
           size, accepted, count, seconds, seconds > 0 ? (double)count / seconds : 0);
    return true;
}

/* --- commands --- */

static bool size_is_right(unsigned long size) { return size >= 1 && size <= BENCH_PAYLOAD_MAX; }

static bool command(const char *line)
{
    unsigned long a, b, c, d = ECHO_MS;

    if (strcmp(line, "hello\n") == 0)
        return do_hello();
    if (strcmp(line, "sunk\n") == 0)
        return do_sunk();
    if (strcmp(line, "counters\n") == 0)
        return do_counters();
    if (sscanf(line, "polled %lu", &a) == 1)
        return do_request(BENCH_POLLED, a != 0, 0);
    if (sscanf(line, "crowd %lu %lu", &a, &b) == 2)
        return do_request(BENCH_CROWD, (uint32_t)a, (uint32_t)b);
    if (sscanf(line, "echo %lu %lu %lu %lu", &a, &b, &c, &d) >= 3 && size_is_right(a) && b >= 1 &&
        b < IN_FLIGHT_MAX)
        return do_echo(a, (unsigned)b, c, d);
    if (sscanf(line, "flood %lu %lu %lu", &a, &b, &c) == 3 && size_is_right(a))
        return do_flood(a, b, c);
    if (sscanf(line, "blast %lu %lu", &a, &b) == 2 && size_is_right(a) && b <= BENCH_DURATION_MAX)
        return do_blast(a, (uint32_t)b);
    return fail("unknown command");
}

static int link_accept(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);

    if (strlen(path) >= sizeof address.sun_path) {
        fprintf(stderr, "peer: %s: too long for a socket's name\n", path);
        return -1;
    }
    strcpy(address.sun_path, path);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) ||
        listen(listener, 1)) {
        perror(path);
        return -1;
    }
    printf("{\"listening\": true}\n");
    struct pollfd pollfd = {listener, POLLIN, 0};
    if (poll(&pollfd, 1, CONNECT_MS) != 1) {
        fprintf(stderr, "peer: QEMU does not connect within %d s\n", CONNECT_MS / 1000);
        return -1;
    }
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    close(listener);
    return fd;
}

int main(int argc, char **argv)
{
    char line[128];

    if (argc != 2) {
        fprintf(stderr, "usage: peer SOCKET\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)(i * 7 + 1);
    link_fd = link_accept(argv[1]);
    if (link_fd < 0)
        return 1;
    while (!link_gone && fgets(line, sizeof line, stdin))
        command(line);
    return link_gone;
}
