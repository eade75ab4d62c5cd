/* Devices of a unit test: models answer the register accesses of the code under test, and a PLIC of
 * the kind that QEMU has brings their interrupts to the handlers. */
#ifndef HOST_DEVICES_H
#define HOST_DEVICES_H

#include "host.h"

/* Registers in an address range. `offset` is below `size`, a multiple of `width` (1, 2 or 4 bytes).
 */
struct host_region {
    uintptr_t base;
    size_t size;
    void *model;
    uint32_t (*read)(void *model, unsigned offset, unsigned width);
    void (*write)(void *model, unsigned offset, unsigned width, uint32_t value);
};

/* No region, no interrupt handler, no line up. */
void host_devices_reset(void);
/* An access where no region is fails the test. The region is copied. */
void host_region_add(const struct host_region *region);

/* Raises or drops one of the wires of an interrupt source; several models may share a source, each
 * with a wire of its own (0 to 31). The source becomes pending whenever a wire goes up, not while
 * it stays up. */
void host_wire_set(unsigned source, unsigned wire, bool up);
bool host_wire_is_up(unsigned source);
/* Calls the handlers of every pending source, as often as it becomes pending meanwhile, but not for
 * ever. Returns how many times a source was served. */
unsigned host_interrupts_serve(void);
bool host_interrupt_is_pending(unsigned source);
unsigned host_irq_handlers(unsigned source);
extern int host_irq_register_result; /* not 0: irq_register() fails with it */

#endif
