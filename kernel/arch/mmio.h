/* Device registers. A write is ordered behind every earlier store to memory, so a ring is visible before
 * its doorbell; a read is ordered before every later read, so what an interrupt register announces is
 * seen. Stores to memory that must come behind a read need device_barrier(). Registers of one device are
 * strongly ordered among themselves. */
#ifndef ARCH_MMIO_H
#define ARCH_MMIO_H

#include "lib/types.h"

#define MMIO_ACCESSORS(bits)                                                                       \
    static inline uint##bits##_t mmio_read##bits(uintptr_t address)                                \
    {                                                                                              \
        uint##bits##_t value = *(const volatile uint##bits##_t *)address;                          \
        __asm__ volatile("fence i,ir" ::: "memory");                                               \
        return value;                                                                              \
    }                                                                                              \
    static inline void mmio_write##bits(uintptr_t address, uint##bits##_t value)                   \
    {                                                                                              \
        __asm__ volatile("fence w,o" ::: "memory");                                                \
        *(volatile uint##bits##_t *)address = value;                                               \
    }

MMIO_ACCESSORS(8)
MMIO_ACCESSORS(16)
MMIO_ACCESSORS(32)

#endif
