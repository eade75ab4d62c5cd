/* The stack's counters: one list, from which the enumeration, the names that netstat shows and the sums of
 * the leak arithmetic are made. A counter marked DROP counts datagrams or frames that were freed
 * undelivered. `received` counts all that a layer is handed, `delivered` what it handed up, `sent` what it
 * handed down, whatever became of that. udp.predicted is how many of udp.received took the shortcut of
 * net/predict.h, udp.in_train how many of udp.sent that of net/train.h. Incremented with relaxed atomics
 * from any context. */
#ifndef NET_COUNTERS_H
#define NET_COUNTERS_H

#include "lib/types.h"

/* X(group, name, kind): kind is SUM or DROP. */
#define NET_COUNTERS(X)                                                                            \
    X(ether, received, SUM)                                                                        \
    X(ether, sent, SUM)                                                                            \
    X(ether, too_short, DROP)                                                                      \
    X(ether, not_for_us, DROP)                                                                     \
    X(ether, bad_source, DROP)                                                                     \
    X(ether, length_field, DROP)                                                                   \
    X(ether, unknown_type, DROP)                                                                   \
    X(arp, received, SUM)                                                                          \
    X(arp, requests_sent, SUM)                                                                     \
    X(arp, replies_sent, SUM)                                                                      \
    X(arp, probes_sent, SUM)                                                                       \
    X(arp, announcements_sent, SUM)                                                                \
    X(arp, conflicts, SUM)                                                                         \
    X(arp, resolved, SUM)                                                                          \
    X(arp, failed, SUM)                                                                            \
    X(arp, expired, SUM)                                                                           \
    X(arp, evicted, SUM)                                                                           \
    X(arp, too_short, DROP)                                                                        \
    X(arp, bad_format, DROP)                                                                       \
    X(arp, bad_sender, DROP)                                                                       \
    X(arp, unknown_operation, SUM)                                                                 \
    X(arp, no_mbuf, SUM)                                                                           \
    X(arp, wait_replaced, DROP)                                                                    \
    X(arp, wait_failed, DROP)                                                                      \
    X(arp, wait_flushed, DROP)                                                                     \
    X(arp, unreachable, DROP)                                                                      \
    X(arp, table_full, DROP)                                                                       \
    X(ip, received, SUM)                                                                           \
    X(ip, delivered, SUM)                                                                          \
    X(ip, sent, SUM)                                                                               \
    X(ip, too_short, DROP)                                                                         \
    X(ip, bad_version, DROP)                                                                       \
    X(ip, bad_header_length, DROP)                                                                 \
    X(ip, bad_checksum, DROP)                                                                      \
    X(ip, bad_length, DROP)                                                                        \
    X(ip, bad_options, DROP)                                                                       \
    X(ip, bad_source, DROP)                                                                        \
    X(ip, not_for_us, DROP)                                                                        \
    X(ip, unicast_in_broadcast, DROP)                                                              \
    X(ip, fragment, DROP)                                                                          \
    X(ip, unknown_protocol, DROP)                                                                  \
    X(ip, send_too_long, DROP)                                                                     \
    X(ip, send_invalid, DROP)                                                                      \
    X(icmp, received, SUM)                                                                         \
    X(icmp, echo_replies_sent, SUM)                                                                \
    X(icmp, echo_replies_delivered, SUM)                                                           \
    X(icmp, errors_delivered, SUM)                                                                 \
    X(icmp, too_short, DROP)                                                                       \
    X(icmp, bad_checksum, DROP)                                                                    \
    X(icmp, unknown_type, DROP)                                                                    \
    X(icmp, echo_broadcast, DROP)                                                                  \
    X(icmp, echo_no_way, SUM)                                                                      \
    X(icmp, echo_no_socket, DROP)                                                                  \
    X(icmp, source_quench, DROP)                                                                   \
    X(icmp, redirect, DROP)                                                                        \
    X(icmp, error_bad_quote, DROP)                                                                 \
    X(icmp, error_not_ours, DROP)                                                                  \
    X(icmp, errors_sent, SUM)                                                                      \
    X(icmp, errors_suppressed, SUM)                                                                \
    X(icmp, errors_rate_limited, SUM)                                                              \
    X(icmp, errors_no_way, SUM)                                                                    \
    X(udp, received, SUM)                                                                          \
    X(udp, predicted, SUM)                                                                         \
    X(udp, bad_length, DROP)                                                                       \
    X(udp, bad_checksum, DROP)                                                                     \
    X(udp, no_port, DROP)                                                                          \
    X(udp, sent, SUM)                                                                              \
    X(udp, in_train, SUM)                                                                          \
    X(socket, queued, SUM)                                                                         \
    X(socket, read, SUM)                                                                           \
    X(socket, queue_full, DROP)                                                                    \
    X(socket, share_full, DROP)                                                                    \
    X(socket, shut_down, DROP)                                                                     \
    X(socket, bad_buffer, DROP)                                                                    \
    X(socket, unread, DROP)                                                                        \
    X(socket, copies, SUM)                                                                         \
    X(socket, no_copy, SUM)                                                                        \
    X(socket, icmp_errors, SUM)                                                                    \
    X(socket, icmp_unclaimed, SUM)                                                                 \
    X(capture, copied, SUM)                                                                        \
    X(capture, missed, SUM)

#define NET_COUNTER_NAME(group, name, kind) NET_##group##_##name,
enum net_counter { NET_COUNTERS(NET_COUNTER_NAME) NET_COUNTER_LIMIT };

extern uint64_t net_counters[NET_COUNTER_LIMIT];

static inline void net_count(enum net_counter counter)
{
    __atomic_fetch_add(&net_counters[counter], 1, __ATOMIC_RELAXED);
}

static inline void net_count_many(enum net_counter counter, unsigned n)
{
    __atomic_fetch_add(&net_counters[counter], n, __ATOMIC_RELAXED);
}

#endif
