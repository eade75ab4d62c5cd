/* The virtio block device (virtio 1.2, 5.2): what its driver and a model of the device share. The
 * driver itself is reached through struct virtio_driver only; disks appear through dev/block.h. */
#ifndef DEV_VIRTIO_BLK_H
#define DEV_VIRTIO_BLK_H

#include "lib/types.h"
#include "virtio/virtio.h"

/* Feature bits (5.2.3) that the driver understands */
#define VIRTIO_BLK_F_RO    VIRTIO_FEATURE(5)
#define VIRTIO_BLK_F_FLUSH VIRTIO_FEATURE(9)

/* Configuration space (5.2.4): the capacity in sectors of 512 bytes, 64 bits in two halves */
#define VIRTIO_BLK_CONFIG_CAPACITY 0

/* Requests (5.2.6): this header, data, one status byte */
#define VIRTIO_BLK_T_IN    0u
#define VIRTIO_BLK_T_OUT   1u
#define VIRTIO_BLK_T_FLUSH 4u

struct virtio_blk_header {
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};

#define VIRTIO_BLK_S_OK     0u
#define VIRTIO_BLK_S_IOERR  1u
#define VIRTIO_BLK_S_UNSUPP 2u

#endif
