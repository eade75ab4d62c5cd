/* The virtio transport over memory-mapped registers (virtio 1.2, 4.2). */
#ifndef VIRTIO_VIRTIO_MMIO_H
#define VIRTIO_VIRTIO_MMIO_H

/* Probes every slot of the machine, and has the drivers register the disks and network devices they
 * find. Called once, after irq_init(). A slot that is empty or holds a device that cannot be used
 * is passed over: the boot goes on without it. */
void virtio_mmio_init(void);

#endif
