#include "proc/clock.h"

#include "arch/riscv.h"

#define NS_PER_TICK 100 /* the virt machine's timebase runs at 10 MHz */

uint64_t clock_ns(void) { return timebase_read() * NS_PER_TICK; }

uint64_t clock_to_timebase(uint64_t ns) { return ns / NS_PER_TICK; }
