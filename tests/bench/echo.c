/* Echoes: datagrams that the guest sends back, with a fixed number of them under way. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

#define ECHO_LOST_MS 500 /* an echo that takes longer counts as lost */
#define SAMPLES_MAX  (1 << 20)

/* A payload says its number in as many bytes as it has, up to four; what follows is a pattern. */
static struct flight {
    uint64_t sent_ns;
    uint32_t number;
    bool under_way;
} flights[IN_FLIGHT_MAX];

static uint64_t samples[SAMPLES_MAX];
static size_t sample_count;
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
    send_datagram(ECHO_PORT, BENCH_ECHO_PORT, payload, size);
}

/* A datagram came back. True if it is one that was under way, and unchanged. */
static bool echo_take(const struct datagram *datagram, size_t size, uint64_t now)
{
    uint32_t number = 0, mask = number_mask(size);
    size_t numbered = size < 4 ? size : 4;

    if (datagram->to_port != ECHO_PORT || datagram->from_port != BENCH_ECHO_PORT)
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
           size, in_flight, echo_done, echo_lost, echo_wrong + link_bad, seconds,
           (double)echo_done / seconds, percentile(500), percentile(990));
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

/* Each answer lets the next one out. All that one reading of the stream calls for leave in one
 * writing. */
bool do_echo(size_t size, unsigned in_flight, uint64_t count, uint64_t milliseconds)
{
    uint64_t begin = now_ns(), now = begin, sent = 0;
    uint64_t end = begin + milliseconds * 1000000;
    unsigned under_way = 0;

    memset(flights, 0, sizeof flights);
    sample_count = 0;
    echo_done = echo_lost = echo_wrong = link_bad = 0;
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
