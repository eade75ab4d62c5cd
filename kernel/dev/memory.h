/* The memory devices, /dev/null and /dev/zero. */
#ifndef DEV_MEMORY_H
#define DEV_MEMORY_H

/* Registers them under DEVICE_MAJOR_MEMORY; once, at boot. */
void memory_devices_init(void);

#endif
