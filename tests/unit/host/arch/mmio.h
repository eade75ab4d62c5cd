/* The host's version of kernel/arch/mmio.h: register accesses go to the device models of a test
 * (host/devices.h). Ordering needs no fence, see barrier.h. */
#ifndef ARCH_MMIO_H
#define ARCH_MMIO_H

#include "lib/types.h"

/* In host/devices.c; width in bytes. */
uint32_t host_mmio_read(uintptr_t address, unsigned width);
void host_mmio_write(uintptr_t address, unsigned width, uint32_t value);

#define HOST_MMIO_ACCESSORS(bits)                                                                  \
    static inline uint##bits##_t mmio_read##bits(uintptr_t address)                                \
    {                                                                                              \
        return (uint##bits##_t)host_mmio_read(address, bits / 8);                                  \
    }                                                                                              \
    static inline void mmio_write##bits(uintptr_t address, uint##bits##_t value)                   \
    {                                                                                              \
        host_mmio_write(address, bits / 8, value);                                                 \
    }

HOST_MMIO_ACCESSORS(8)
HOST_MMIO_ACCESSORS(16)
HOST_MMIO_ACCESSORS(32)

#endif
