/* The storage of the stack's counters; everything else about them is in net/counters.h. */
#include "net/counters.h"

uint64_t net_counters[NET_COUNTER_LIMIT];
