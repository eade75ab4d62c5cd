/* See devices.h. */
#include "devices.h"

#include "arch/barrier.h"
#include "arch/irq.h"
#include "arch/memlayout.h"
#include "arch/mmio.h"

#define REGIONS_MAX  8
#define HANDLERS_MAX 16
#define SERVED_MAX   64

static struct host_region regions[REGIONS_MAX];
static unsigned region_count;

static struct {
    unsigned source;
    irq_handler handler;
    void *argument;
} handlers[HANDLERS_MAX];
static unsigned handler_count;
static uint32_t wires[PLIC_SOURCES];
static bool pending[PLIC_SOURCES];

int host_irq_register_result;
unsigned host_publishes, host_consumes; /* arch/barrier.h */

void host_devices_reset(void)
{
    region_count = handler_count = 0;
    memset(wires, 0, sizeof(wires));
    memset(pending, 0, sizeof(pending));
    host_irq_register_result = 0;
}

void host_region_add(const struct host_region *region)
{
    assert_true(region_count < REGIONS_MAX);
    regions[region_count++] = *region;
}

static struct host_region *region_find(uintptr_t address, unsigned width)
{
    assert_int_equal(address % width, 0);
    for (unsigned i = 0; i < region_count; i++) {
        if (address >= regions[i].base && address - regions[i].base < regions[i].size)
            return &regions[i];
    }
    fail_msg("access to address 0x%lx, where no register is", (unsigned long)address);
    return NULL;
}

uint32_t host_mmio_read(uintptr_t address, unsigned width)
{
    struct host_region *region = region_find(address, width);
    return region->read(region->model, (unsigned)(address - region->base), width);
}

void host_mmio_write(uintptr_t address, unsigned width, uint32_t value)
{
    struct host_region *region = region_find(address, width);
    region->write(region->model, (unsigned)(address - region->base), width, value);
}

/* --- interrupts --- */

int irq_register(unsigned source, irq_handler handler, void *argument)
{
    if (host_irq_register_result)
        return host_irq_register_result;
    assert_true(source > 0 && source < PLIC_SOURCES);
    assert_true(handler_count < HANDLERS_MAX);
    handlers[handler_count].source = source;
    handlers[handler_count].handler = handler;
    handlers[handler_count++].argument = argument;
    return 0;
}

void host_wire_set(unsigned source, unsigned wire, bool up)
{
    uint32_t before = wires[source];
    wires[source] = up ? before | 1u << wire : before & ~(1u << wire);
    if (wires[source] & ~before)
        pending[source] = true;
}

bool host_wire_is_up(unsigned source) { return wires[source] != 0; }
bool host_interrupt_is_pending(unsigned source) { return pending[source]; }

unsigned host_interrupts_serve(void)
{
    unsigned served = 0;
    for (unsigned source = 1; source < PLIC_SOURCES; source++) {
        while (pending[source]) {
            pending[source] = false; /* the claim */
            assert_true(++served < SERVED_MAX);
            for (unsigned i = 0; i < handler_count; i++) {
                if (handlers[i].source == source)
                    handlers[i].handler(handlers[i].argument);
            }
            assert_int_equal(host_locks_held(), 0);
        }
    }
    return served;
}

unsigned host_irq_handlers(unsigned source)
{
    unsigned count = 0;
    for (unsigned i = 0; i < handler_count; i++)
        count += handlers[i].source == source;
    return count;
}
