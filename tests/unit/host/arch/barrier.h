/* The host's version of kernel/arch/barrier.h: one thread runs driver and device model by turns, so
 * ordering needs no fence, and the handshake becomes the place where a test lets its device model
 * run. */
#ifndef ARCH_BARRIER_H
#define ARCH_BARRIER_H

/* Called at every dma_handshake() if set: a device that acts at the very moment at which a race
 * would. */
extern void (*host_handshake_hook)(void);

static inline void host_compiler_barrier(void) { __asm__ volatile("" ::: "memory"); }

/* How often each was called: a model or a test can tell that it was, and when. */
extern unsigned host_publishes, host_consumes;

static inline void dma_publish(void)
{
    host_compiler_barrier();
    host_publishes++;
}

static inline void dma_consume(void)
{
    host_compiler_barrier();
    host_consumes++;
}

static inline void device_barrier(void) { host_compiler_barrier(); }

static inline void dma_handshake(void)
{
    host_compiler_barrier();
    if (host_handshake_hook)
        host_handshake_hook();
}

#endif
