/* External interrupts: the PLIC and the table of handlers. */
#ifndef ARCH_IRQ_H
#define ARCH_IRQ_H

#include "lib/types.h"

/* Called with interrupts off and no lock held, on one hart at a time per source. A handler acknowledges
 * its device, so that the device's line drops, and schedules the work; it does nothing else. A handler must
 * tolerate a call with nothing to do: sources are shared and interrupts can be late. */
typedef void (*irq_handler)(void *argument);

/* Adds a handler to a PLIC source (1..95) and enables the source on the boot hart. Several handlers may
 * share a source; all are called. Returns 0, -EINVAL for a bad source, -ENOSPC when the table is full. */
int irq_register(unsigned source, irq_handler handler, void *argument);

void irq_init(void);      /* once, before any irq_register */
void irq_init_hart(void); /* on each hart */
void irq_dispatch(void);  /* on an external interrupt: claims and serves one source */

#endif
