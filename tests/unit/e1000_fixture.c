/* See e1000_fixture.h. */
#include "e1000_fixture.h"

#include "virtio/virtio_pci.h"

const uint8_t our_mac[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};
const uint8_t peer_mac[6] = {0x02, 0, 0, 0, 0, 9};

struct pci_space_function *config;
struct pci_function function;
struct e1000_model model;
struct netdev *dev;

/* Not needed here, and it would bring all of virtio. */
const struct pci_driver virtio_pci_driver = {.ids = &(const struct pci_id){0, 0}};

static struct pci_space space;
static void *kept[128];
static unsigned kept_count;

int setup(void **state)
{
    (void)state;
    fakenet_stack_init();
    host_devices_reset();
    pci_space_init(&space);
    config = pci_space_add(&space, 1, 0, 0x8086, 0x100e, 0x02000003);
    pci_space_region(config, 0, E1000_MODEL_SIZE, 0);
    function =
        (struct pci_function){.info = {.slot = 1,
                                       .pin = 1,
                                       .irq = SOURCE,
                                       .regions = {{.address = BASE, .size = E1000_MODEL_SIZE}}}};
    e1000_model_init(&model, BASE, SOURCE, 0, our_mac);
    dev = NULL;
    return 0;
}

int teardown(void **state)
{
    (void)state;
    if (dev)
        netdev_down(dev);
    dev = NULL;
    e1000_model_clear(&model);
    fakenet_assert_no_leak();
    return 0;
}

void keep(void) { kept[kept_count++] = dev->driver; }

void attach(unsigned rx_size, unsigned tx_size)
{
    assert_int_equal(e1000_attach(&function, rx_size, tx_size), 0);
    dev = netdev_get(2); /* the first one is loopback */
    assert_non_null(dev);
    keep();
}

void start(void)
{
    attach(8, 8);
    assert_int_equal(netdev_up(dev), 0);
    dev->scheduled = false; /* as the poll thread does first */
    assert_false(netdev_poll_round(dev));
}

void start_held(void)
{
    start();
    model.tx_held = true;
}

void receive_unknown(void)
{
    struct frame frame = {.length = 0};
    frame_ether(&frame, our_mac, peer_mac, 0x9999);
    frame_data(&frame, 1, FRAME - frame.length);
    assert_true(e1000_model_receive(&model, frame.bytes, frame.length));
}

int transmit(uint8_t mark)
{
    int result = dev->ops->transmit(dev, frame_to_send(mark), false);
    assert_int_equal(host_locks_held(), 0);
    return result;
}
