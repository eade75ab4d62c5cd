/* The virtio network device (virtio 1.2, 5.1): what its driver and a model of the device share. The
 * driver itself is reached through struct virtio_driver only; interfaces appear through
 * net/netdev.h. */
#ifndef DEV_VIRTIO_NET_H
#define DEV_VIRTIO_NET_H

#include "lib/types.h"
#include "virtio/virtio.h"

/* Feature bits (5.1.3) that the driver understands. CTRL_RX needs CTRL_VQ (5.1.3.1). */
/* CSUM: the device completes checksums of what we send. GUEST_CSUM: we take frames whose checksum is not
 * complete. */
#define VIRTIO_NET_F_CSUM       VIRTIO_FEATURE(0)
#define VIRTIO_NET_F_GUEST_CSUM VIRTIO_FEATURE(1)
#define VIRTIO_NET_F_MTU        VIRTIO_FEATURE(3)
#define VIRTIO_NET_F_MAC        VIRTIO_FEATURE(5)
#define VIRTIO_NET_F_STATUS     VIRTIO_FEATURE(16)
#define VIRTIO_NET_F_CTRL_VQ    VIRTIO_FEATURE(17)
#define VIRTIO_NET_F_CTRL_RX    VIRTIO_FEATURE(18)

/* Configuration space (5.1.4), offsets in bytes; each field is there only with its feature */
#define VIRTIO_NET_CONFIG_MAC    0  /* 6 bytes */
#define VIRTIO_NET_CONFIG_STATUS 6  /* 16 bits */
#define VIRTIO_NET_CONFIG_MTU    10 /* 16 bits */

#define VIRTIO_NET_S_LINK_UP 1u

/* Queues (5.1.2) */
#define VIRTIO_NET_RECEIVE_QUEUE  0u
#define VIRTIO_NET_TRANSMIT_QUEUE 1u
#define VIRTIO_NET_CONTROL_QUEUE  2u /* without the feature MQ */

/* Commands (5.1.6.5): class, command, a byte of data (0: off, 1: on), and the device's answer */
#define VIRTIO_NET_CTRL_OK          0u
#define VIRTIO_NET_CTRL_ERROR       1u
#define VIRTIO_NET_CTRL_RX          0u /* class */
#define VIRTIO_NET_CTRL_RX_PROMISC  0u
#define VIRTIO_NET_CTRL_RX_ALLMULTI 1u

struct virtio_net_command {
    uint8_t class, command, data;
    uint8_t answer;
};

/* In front of every frame, both ways (5.1.6) */
#define VIRTIO_NET_HDR_F_NEEDS_CSUM 0x1u
#define VIRTIO_NET_HDR_F_DATA_VALID 0x2u
#define VIRTIO_NET_HDR_GSO_NONE     0u

struct virtio_net_header {
    uint8_t flags;
    uint8_t gso_type;
    uint16_t header_length;
    uint16_t gso_size;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t num_buffers; /* 0 when sending; when receiving, undefined without MRG_RXBUF */
};

#endif
