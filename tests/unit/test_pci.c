/* The PCI bus (dev/pci.c) against a model of configuration space: rows E1K-PCI-* of the requirement
 * table, and bus contents that no QEMU has. */
#include "host.h"

#include "abi/file.h"
#include "dev/e1000.h"
#include "dev/pci.h"
#include "fs/file.h"
#include "pci_space.h"
#include "virtio/virtio_pci.h"

#define WINDOW     0x40000000ul
#define WINDOW_END 0x80000000ul
#define MEMORY32   0x0u
#define MEMORY64   0x4u
#define PREFETCH   0x8u
#define PORTS      0x1u

static struct pci_space space;
static struct pci_function *probed[8];
static unsigned probe_count;
static int probe_result;

/* Stand in for the drivers: they only record. */
static int probe(struct pci_function *function)
{
    probed[probe_count++] = function;
    if (probe_result)
        pci_enable(function);
    return probe_result;
}

static const struct pci_id e1000_ids[] = {{0x8086, 0x100e}, {0, 0}};
static const struct pci_id virtio_ids[] = {{0x1af4, 0x1041}, {0, 0}};
const struct pci_driver e1000_pci_driver = {"e1000", e1000_ids, probe};
const struct pci_driver virtio_pci_driver = {"virtio-pci", virtio_ids, probe};

/* fs/device.c without its once-only rule. */
static const struct file_ops *list_ops;
int device_register(unsigned major, const struct file_ops *ops)
{
    assert_int_equal(major, DEVICE_MAJOR_PCI);
    list_ops = ops;
    return 0;
}
const struct file_ops *device_ops(unsigned major) { return major ? list_ops : NULL; }

static int setup(void **state)
{
    (void)state;
    host_reset();
    host_devices_reset();
    pci_space_init(&space);
    probe_count = 0;
    probe_result = 0;
    return 0;
}

/* The 82540EM as QEMU presents it. */
static struct pci_space_function *nic_add(unsigned slot, unsigned number)
{
    struct pci_space_function *nic =
        pci_space_add(&space, slot, number, 0x8086, 0x100e, 0x02000003);
    pci_space_region(nic, 0, 0x20000, MEMORY32);
    pci_space_region(nic, 1, 64, PORTS);
    return nic;
}

static const struct pci_region *region_of(unsigned probe_number, unsigned number)
{
    return &probed[probe_number]->info.regions[number];
}

/* E1K-PCI-1, -3: identity, and the sizes of what is there. */
static void test_identity_and_sizes(void **state)
{
    (void)state;
    nic_add(1, 0);
    pci_init();
    assert_int_equal(probe_count, 1);
    const struct pci_info *info = &probed[0]->info;
    assert_int_equal(info->slot, 1);
    assert_int_equal(info->function, 0);
    assert_int_equal(info->vendor, 0x8086);
    assert_int_equal(info->device, 0x100e);
    assert_int_equal(info->revision, 3);
    assert_int_equal(info->class_code, 0x020000);
    assert_int_equal(info->regions[0].size, 0x20000);
    assert_int_equal(info->regions[0].flags, 0);
    assert_int_equal(info->regions[1].size, 64);
    assert_int_equal(info->regions[1].flags, PCI_REGION_IO);
    for (unsigned i = 2; i < PCI_REGIONS; i++)
        assert_int_equal(info->regions[i].size, 0);
    assert_string_equal(info->driver, "e1000");
}

/* E1K-PCI-2, -5: nobody but us assigns addresses: naturally aligned, in the window, apart, and in
 * the register itself. */
static void test_assignment(void **state)
{
    (void)state;
    struct pci_space_function *first = nic_add(1, 0), *second = nic_add(2, 0);
    pci_space_region(first, 2, 0x100, MEMORY32);
    pci_space_region(second, 4, 0x40000, MEMORY64 | PREFETCH);
    pci_space_put(second, 0x24, 4, 0x12345678); /* somebody has put it above 4 GiB */
    pci_init();
    uintptr_t end = WINDOW;
    for (unsigned n = 0; n < 2; n++) {
        for (unsigned i = 0; i < PCI_REGIONS; i++) {
            const struct pci_region *region = region_of(n, i);
            if (region->size == 0 || (region->flags & PCI_REGION_IO))
                continue;
            assert_int_equal(region->address % region->size, 0);
            assert_true(region->address >= end);
            end = region->address + region->size;
            assert_true(end <= WINDOW_END);
        }
    }
    assert_int_equal(pci_space_get(first, 0x10, 4), region_of(0, 0)->address);
    assert_int_equal(pci_space_get(second, 0x20, 4),
                     region_of(1, 4)->address | MEMORY64 | PREFETCH);
    assert_int_equal(pci_space_get(second, 0x24, 4), 0);
    assert_int_equal(region_of(1, 4)->flags, PCI_REGION_64BIT | PCI_REGION_PREFETCHABLE);
    assert_int_equal(region_of(1, 5)->size, 0);
}

/* E1K-PCI-4: a function that firmware has left decoding is turned off before its registers are
 * sized; the model fails the test otherwise. Ports keep their address. */
static void test_sizing_with_decoding_off(void **state)
{
    (void)state;
    struct pci_space_function *nic = nic_add(1, 0);
    pci_space_put(nic, 4, 2, 0x0007);
    nic->bytes[0x15] = 0x30;
    pci_init();
    assert_true(nic->sizing_writes >= 6);
    assert_int_equal(pci_space_get(nic, 0x14, 4), 0x3001);
    assert_int_equal(PCI_SPACE_COMMAND(nic), 0x0400);
}

/* E1K-PCI-6: memory decoding, bus mastering and the interrupt, and nothing else; all off again. */
static void test_enable(void **state)
{
    (void)state;
    struct pci_space_function *nic = nic_add(1, 0);
    /* The status register's bits are cleared by ones: no write may hit it. */
    nic->writable[0x07] = 0xf9;
    nic->bytes[0x07] = 0x29;
    pci_init();
    pci_enable(probed[0]);
    assert_int_equal(PCI_SPACE_COMMAND(nic), 0x0006);
    assert_int_equal(nic->bytes[0x07], 0x29);
    pci_disable(probed[0]);
    assert_int_equal(PCI_SPACE_COMMAND(nic), 0x0400);
}

/* A driver that gives up leaves a function that is off. */
static void test_probe_fails(void **state)
{
    (void)state;
    struct pci_space_function *nic = nic_add(1, 0);
    probe_result = -EIO;
    pci_init();
    assert_int_equal(probe_count, 1);
    assert_string_equal(probed[0]->info.driver, "");
    assert_int_equal(PCI_SPACE_COMMAND(nic), 0x0400);
    assert_true(host_log_contains("pci 01.0: e1000 driver gives up, error -5"));
}

/* E1K-PCI-8, -9: the interrupt follows from slot and pin; the line register is not asked. */
static void test_interrupt_routing(void **state)
{
    (void)state;
    static const uint32_t pin_a[] = {32, 33, 34, 35, 32, 33};
    for (unsigned slot = 1; slot <= 5; slot++)
        pci_space_put(nic_add(slot, 0), 0x3c, 1, 0xff);
    pci_init();
    for (unsigned slot = 1; slot <= 5; slot++)
        assert_int_equal(probed[slot - 1]->info.irq, pin_a[slot]);
}

static void test_interrupt_pins(void **state)
{
    (void)state;
    static const uint8_t pins[] = {2, 4, 0, 5};
    static const uint32_t sources[] = {34, 32, 0, 0};
    for (unsigned i = 0; i < 4; i++)
        nic_add(1, i)->bytes[0x3d] = pins[i];
    space.functions[1][0].bytes[0x0e] = 0x80;
    pci_init();
    assert_int_equal(probe_count, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(probed[i]->info.irq, sources[i]);
    assert_int_equal(pci_irq_register(probed[0], (irq_handler)(uintptr_t)1, NULL), 0);
    assert_int_equal(host_irq_handlers(34), 1);
    assert_int_equal(pci_irq_register(probed[2], (irq_handler)(uintptr_t)1, NULL), -ENXIO);
}

/* Functions 1 to 7 exist only if function 0 says so, and need not be in order. */
static void test_functions(void **state)
{
    (void)state;
    nic_add(1, 0);
    nic_add(1, 1); /* function 0 does not say so: an echo of it */
    nic_add(2, 0)->bytes[0x0e] = 0x80;
    nic_add(2, 7);
    nic_add(3, 3); /* without function 0 there is nothing */
    pci_init();
    assert_int_equal(probe_count, 3);
    assert_int_equal(probed[1]->info.slot, 2);
    assert_int_equal(probed[2]->info.function, 7);
}

static void test_empty_bus(void **state)
{
    (void)state;
    pci_init();
    assert_int_equal(probe_count, 0);
    assert_string_equal(host_log(), "");
}

/* One line for who has no driver, none for the host bridge. */
static void test_no_driver(void **state)
{
    (void)state;
    pci_space_add(&space, 0, 0, 0x1b36, 0x0008, 0x06000000);
    pci_space_add(&space, 4, 0, 0x1234, 0x11e8, 0x00ff0010);
    pci_init();
    assert_string_equal(host_log(), "pci 04.0: no driver for 1234:11e8, class 00ff00\n");
}

/* A bridge has two base address registers; what follows them means other things. */
static void test_bridge_is_left_alone(void **state)
{
    (void)state;
    struct pci_space_function *bridge = pci_space_add(&space, 1, 0, 0x1b36, 0x000c, 0x06040000);
    bridge->bytes[0x0e] = 0x01;
    memset(bridge->ignorable, 0, sizeof(bridge->ignorable));
    pci_init();
    assert_int_equal(bridge->sizing_writes, 0);
}

static void test_regions_that_cannot_be(void **state)
{
    (void)state;
    struct pci_space_function *nic = nic_add(1, 0);
    pci_space_region(nic, 2, 1ull << 31, MEMORY32); /* larger than the window */
    pci_space_region(nic, 3, 0x1000, 0x2);          /* below 1 MiB */
    pci_space_region(nic, 5, 0x1000, MEMORY64);     /* no register for the other half */
    memset(nic->writable + 0x20, 0xff, 4);          /* keeps every bit */
    pci_init();
    assert_int_equal(region_of(0, 2)->address, 0);
    assert_true(host_log_contains("pci 01.0: no room for region 2 of 0x80000000 bytes"));
    assert_int_equal(region_of(0, 3)->size, 0);
    assert_int_equal(region_of(0, 4)->size, 0);
    assert_int_equal(region_of(0, 5)->size, 0);
    assert_int_equal(pci_region_map(probed[0], 2, 0, 1), 0);
}

/* Sizes need more than 32 bits, and more than there is. */
static void test_huge_region(void **state)
{
    (void)state;
    struct pci_space_function *nic = nic_add(1, 0);
    pci_space_region(nic, 2, 1ull << 36, MEMORY64);
    pci_init();
    assert_int_equal(region_of(0, 2)->size, 1ull << 36);
    assert_int_equal(region_of(0, 2)->address, 0);
    assert_int_equal(pci_region_map(probed[0], 2, 0x1000, 4), 0);
}

/* A register that keeps scattered bits has no size. */
static void test_broken_region(void **state)
{
    (void)state;
    struct pci_space_function *nic = nic_add(1, 0);
    pci_space_region(nic, 2, 0x1000, MEMORY32);
    nic->writable[0x1a] = 0x0f;
    pci_init();
    assert_int_equal(region_of(0, 2)->address, 0);
}

static void test_window_is_bounded(void **state)
{
    (void)state;
    for (unsigned slot = 1; slot <= 5; slot++)
        pci_space_region(nic_add(slot, 0), 2, 1ul << 28, MEMORY32);
    pci_init();
    /* Each region 0 stands in front of one of these, which begins at the next quarter. */
    assert_int_equal(region_of(0, 2)->address, 0x50000000);
    assert_int_equal(region_of(1, 2)->address, 0x70000000);
    for (unsigned i = 2; i < 5; i++) {
        assert_int_equal(region_of(i, 0)->address, 0);
        assert_int_equal(region_of(i, 2)->address, 0);
    }
}

static void test_region_map(void **state)
{
    (void)state;
    nic_add(1, 0);
    nic_add(2, 0); /* behind the first one's regions in the table */
    pci_init();
    uintptr_t base = region_of(0, 0)->address;
    assert_int_equal(pci_region_map(probed[0], 0, 0, 0x20000), base);
    assert_int_equal(pci_region_map(probed[0], 0, 0x1fffc, 4), base + 0x1fffc);
    assert_int_equal(pci_region_map(probed[0], 0, 0x1fffd, 4), 0);
    assert_int_equal(pci_region_map(probed[0], 0, UINT64_MAX, 4), 0);
    assert_int_equal(pci_region_map(probed[0], 0, 4, UINT64_MAX), 0);
    assert_int_equal(pci_region_map(probed[0], 1, 4, 4), 0); /* ports */
    assert_int_equal(pci_region_map(probed[0], 2, 0, 0), 0);
    for (unsigned number = PCI_REGIONS; number < 256; number++)
        assert_int_equal(pci_region_map(probed[0], number, 0, 1), 0);
}

/* --- capabilities --- */

static void test_capabilities(void **state)
{
    (void)state;
    static const uint8_t body[14];
    struct pci_space_function *nic = nic_add(1, 0);
    pci_space_capability(nic, 0x50, 0x09, body, 16);
    pci_space_capability(nic, 0x40, 0x11, body, 12);
    pci_space_capability(nic, 0xf0, 0x09, body, 16);
    pci_init();
    assert_int_equal(pci_capability_find(probed[0], 0x09, 0), 0xf0);
    assert_int_equal(pci_capability_find(probed[0], 0x09, 1), 0x50);
    assert_int_equal(pci_capability_find(probed[0], 0x09, 2), 0);
    assert_int_equal(pci_capability_find(probed[0], 0x11, 0), 0x40);
    assert_int_equal(pci_capability_find(probed[0], 0x05, 0), 0);
    nic->bytes[0x06] = 0; /* the status says that there is no list */
    assert_int_equal(pci_capability_find(probed[0], 0x09, 0), 0);
}

static void test_capability_list_without_end(void **state)
{
    (void)state;
    static const uint8_t body[14];
    struct pci_space_function *nic = nic_add(1, 0);
    pci_space_capability(nic, 0x50, 0x09, body, 16);
    nic->bytes[0x51] = 0x50;
    pci_init();
    unsigned found = 0;
    while (found < 1000 && pci_capability_find(probed[0], 0x09, found))
        found++;
    assert_true(found < 100);
    assert_int_equal(pci_capability_find(probed[0], 0x05, 0), 0);
}

/* Links into the header, and into what reads as all ones. */
static void test_capability_links_that_lead_nowhere(void **state)
{
    (void)state;
    static const uint8_t body[14];
    struct pci_space_function *nic = nic_add(1, 0);
    pci_space_capability(nic, 0x50, 0x09, body, 16);
    nic->bytes[0x51] = 0x10;
    pci_init();
    assert_int_equal(pci_capability_find(probed[0], 0x09, 1), 0);
    nic->bytes[0x51] = 0x60;
    memset(nic->bytes + 0x60, 0xff, 4);
    assert_int_equal(pci_capability_find(probed[0], 0xff, 0), 0);
    nic->bytes[0x51] = 0x28; /* the header, which happens to look like a capability */
    nic->bytes[0x28] = 0x09;
    assert_int_equal(pci_capability_find(probed[0], 0x09, 1), 0);
    nic->bytes[0x34] = 0x53; /* the lowest two bits are reserved (PCI 3.0, 6.7) */
    assert_int_equal(pci_capability_find(probed[0], 0x09, 0), 0x50);
    nic->bytes[0x51] = 0x73; /* here too */
    nic->bytes[0x70] = 0x09;
    assert_int_equal(pci_capability_find(probed[0], 0x09, 1), 0x70);
}

/* The function vanishes: everything reads as ones, and every walk ends. */
static void test_gone(void **state)
{
    (void)state;
    struct pci_space_function *nic = nic_add(1, 0);
    pci_init();
    nic->present = false;
    assert_int_equal(pci_capability_find(probed[0], 0x09, 0), 0);
    assert_int_equal(pci_config_read8(probed[0], 0), 0xff);
    assert_int_equal(pci_config_read16(probed[0], 0), 0xffff);
    assert_int_equal(pci_config_read32(probed[0], 0x100), 0xffffffff);
    pci_enable(probed[0]);
    pci_disable(probed[0]);
}

/* More functions than the table takes: the rest is named, nothing else happens. */
static void test_table_is_bounded(void **state)
{
    (void)state;
    for (unsigned slot = 0; slot < 5; slot++) {
        for (unsigned number = 0; number < 8; number++)
            pci_space_add(&space, slot, number, 0x1234, 1, 0)->bytes[0x0e] = 0x80;
    }
    pci_init();
    assert_true(host_log_contains("pci 04.0: table full, passed over"));
}

/* --- /dev/pci --- */

static void test_list(void **state)
{
    (void)state;
    struct pci_info list[4];
    struct file file = {0};
    pci_space_add(&space, 0, 0, 0x1b36, 0x0008, 0x06000000);
    nic_add(1, 0);
    nic_add(2, 0);
    pci_init();
    struct uio uio = host_uio(list, sizeof(list) - 1);
    assert_int_equal(list_ops->read(&file, &uio), 3 * sizeof(*list));
    assert_int_equal(list[0].vendor, 0x1b36);
    assert_memory_equal(&list[1], &probed[0]->info, sizeof(*list));
    assert_memory_equal(&list[2], &probed[1]->info, sizeof(*list));
    uio = host_uio(list, sizeof(list));
    assert_int_equal(list_ops->read(&file, &uio), 0);
}

static void test_list_in_pieces(void **state)
{
    (void)state;
    struct pci_info info;
    struct file file = {0};
    nic_add(1, 0);
    nic_add(2, 0);
    pci_init();
    struct uio uio = host_uio(&info, sizeof(info) - 1);
    assert_int_equal(list_ops->read(&file, &uio), -EINVAL);
    for (unsigned slot = 1; slot <= 2; slot++) {
        uio = host_uio(&info, sizeof(info));
        assert_int_equal(list_ops->read(&file, &uio), sizeof(info));
        assert_int_equal(info.slot, slot);
    }
    file.offset = 0;
    host_uio_fault(0);
    uio = host_uio(&info, sizeof(info));
    assert_int_equal(list_ops->read(&file, &uio), -EFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_identity_and_sizes, setup),
        cmocka_unit_test_setup(test_assignment, setup),
        cmocka_unit_test_setup(test_sizing_with_decoding_off, setup),
        cmocka_unit_test_setup(test_enable, setup),
        cmocka_unit_test_setup(test_probe_fails, setup),
        cmocka_unit_test_setup(test_interrupt_routing, setup),
        cmocka_unit_test_setup(test_interrupt_pins, setup),
        cmocka_unit_test_setup(test_functions, setup),
        cmocka_unit_test_setup(test_empty_bus, setup),
        cmocka_unit_test_setup(test_no_driver, setup),
        cmocka_unit_test_setup(test_bridge_is_left_alone, setup),
        cmocka_unit_test_setup(test_regions_that_cannot_be, setup),
        cmocka_unit_test_setup(test_huge_region, setup),
        cmocka_unit_test_setup(test_broken_region, setup),
        cmocka_unit_test_setup(test_window_is_bounded, setup),
        cmocka_unit_test_setup(test_region_map, setup),
        cmocka_unit_test_setup(test_capabilities, setup),
        cmocka_unit_test_setup(test_capability_list_without_end, setup),
        cmocka_unit_test_setup(test_capability_links_that_lead_nowhere, setup),
        cmocka_unit_test_setup(test_gone, setup),
        cmocka_unit_test_setup(test_table_is_bounded, setup),
        cmocka_unit_test_setup(test_list, setup),
        cmocka_unit_test_setup(test_list_in_pieces, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
