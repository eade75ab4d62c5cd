/* Memory fences with explicit classes: r and w are loads and stores of ordinary memory, i and o those of
 * device registers. Each helper names the situation it is for. Rings and packet buffers lie in coherent
 * cacheable memory on the virt machine, so ordering is all that is needed. Every memory fence also names
 * the matching I/O class, which satisfies VIRTIO_F_ORDER_PLATFORM (virtio 1.2, 6.1) at no cost. */
#ifndef ARCH_BARRIER_H
#define ARCH_BARRIER_H

#define RISCV_FENCE(before, after) __asm__ volatile("fence " #before "," #after ::: "memory")

/* Publish to a device: what was written (and the last loads of a buffer that is given back) comes
 * before the store that hands it over. */
static inline void dma_publish(void) { RISCV_FENCE(iorw, ow); }

/* Consume from a device: the load that shows the device is done comes before the loads of what it
 * wrote and before the stores that recycle the slot. */
static inline void dma_consume(void) { RISCV_FENCE(ir, iorw); }

/* Store-to-load handshake with a device: our store becomes visible before we look at its answer. The
 * only fence that total-store-order machines need as well. */
static inline void dma_handshake(void) { RISCV_FENCE(iorw, iorw); }

/* Register accesses against everything else: reset complete, acknowledge before looking again. */
static inline void device_barrier(void) { RISCV_FENCE(iorw, iorw); }

#endif
