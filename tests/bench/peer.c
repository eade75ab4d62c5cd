/* The host at the other end of the guest's cable, and the stop-watch.
 *
 * usage: peer SOCKET
 *
 * It listens on SOCKET before QEMU starts with `-netdev stream,server=off,addr.type=unix`.
 *
 * The peer is 10.0.2.100, answers ARP, and does what its standard input says, one command a line,
 * one JSON object a line in answer:
 *
 *     hello                              waits until the guest answers questions
 *     echo SIZE IN_FLIGHT COUNT [MS]     COUNT echoes, or as many as begin in MS milliseconds, of
 *                                        which IN_FLIGHT are under way at any time
 *     flood SIZE RATE MS                 one-way datagrams to the sink, RATE a second (0: as fast
 *                                        as they go)
 *     sunk                               how many the sink has had since it began
 *     blast SIZE MS                      the guest sends to us
 *     counters                           the guest's counters, by name
 *     polled 0|1                         the guest's mode
 *     crowd SOCKETS ENTRIES              the guest opens so many sockets, and enters so many hosts
 *                                        into its ARP cache
 *
 * One thread; it sleeps while there is nothing to do, because the machine's other cores belong
 * to QEMU. Nothing waits without a deadline: a command that cannot be carried out answers
 * {"error": TEXT}, and the peer goes on.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "peer.h"

#define HELLO_MS    30000
#define ASK_MS      100 /* until a question is asked again ... */
#define SINK_ASK_MS 5   /* ... of the sink, whose queue may be full: sooner */
#define ECHO_MS     60000

uint8_t pattern[BENCH_PAYLOAD_MAX];

bool fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    printf("{\"error\": \"");
    vprintf(format, arguments);
    printf("\"}\n");
    va_end(arguments);
    return false;
}

/* --- questions to the guest --- */

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

/* --- one way to the guest --- */

#define FLOOD_BURST 64
#define FLOOD_MAX                                                                                  \
    200000 /* datagrams: QEMU keeps what the guest has not taken yet, without a bound */
#define FLOOD_END_MS 60000 /* until the guest has taken all of that */

/* Sends until the time is over. How many; the stream has taken them all then, or is gone. */
static uint64_t flood_send(size_t size, uint64_t rate, uint64_t begin, uint64_t end)
{
    uint8_t frame[FRAME_MAX], *at;
    uint64_t sent = 0, now;

    udp_build(frame, ECHO_PORT, BENCH_SINK_PORT, pattern, size);
    while ((now = now_ns()) < end && sent < FLOOD_MAX && !link_gone) {
        uint64_t due = rate ? (uint64_t)((double)(now - begin) * (double)rate / 1e9) : UINT64_MAX;
        for (int i = 0; i < FLOOD_BURST && sent < due; i++, sent++)
            if ((at = out_frame(HEADERS + size)))
                memcpy(at, frame, HEADERS + size);
        out_flush();
        in_ignore();
        out_finish(end + QUESTION_MS * 1000000ull);
        if (rate && sent >= due)
            link_wait(begin + (uint64_t)((double)(sent + 1) * 1e9 / (double)rate));
    }
    return sent;
}

/* What is delivered is counted by the guest and timed until the last datagram is dealt with: the
 * question for the count stands behind it in the stream. */
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

#define BLAST_QUIET_MS 300

/* Counts from the first datagram to the last, in our time. When nothing more comes, the answer
 * is asked for again: e1000 under QEMU drops frames that it cannot pass on. */
static bool do_blast(size_t size, uint32_t milliseconds)
{
    struct bench_request request = {
        htonl(BENCH_MAGIC),
        htonl(BENCH_BLAST),
        htonl(++serial),
        {htonl((uint32_t)size), htonl(milliseconds), htonl(BLAST_PORT)}};
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
            if (datagram.to_port == BLAST_PORT && datagram.size == size) {
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
    if (!link_open(argv[1]))
        return 1;
    while (!link_gone && fgets(line, sizeof line, stdin))
        command(line);
    return link_gone;
}
