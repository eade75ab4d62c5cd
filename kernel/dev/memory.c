/* /dev/null and /dev/zero: an end of file, endless zeros, and a sink for what is written to
 * either. */
#include "dev/memory.h"

#include "abi/errno.h"
#include "fs/file.h"
#include "lib/printf.h"

#define MINOR_NULL 3
#define MINOR_ZERO 5

static bool memory_minor_exists(const struct file *file)
{
    uintptr_t minor = (uintptr_t)file->object;
    return minor == MINOR_NULL || minor == MINOR_ZERO;
}

static ssize_t memory_read(struct file *file, struct uio *uio)
{
    static const uint8_t zeros[512];
    ssize_t total = 0;
    if (!memory_minor_exists(file))
        return -ENXIO;
    if ((uintptr_t)file->object == MINOR_NULL)
        return 0;
    while (uio->remaining > 0) {
        size_t piece = MIN(uio->remaining, sizeof(zeros));
        int error = uio_put(uio, zeros, piece);
        if (error)
            return total > 0 ? total : error;
        total += (ssize_t)piece;
    }
    return total;
}

static ssize_t memory_write(struct file *file, struct uio *uio)
{
    if (!memory_minor_exists(file))
        return -ENXIO;
    size_t n = uio->remaining;
    uio->base += n;
    uio->remaining = 0;
    return (ssize_t)n;
}

static const struct file_ops memory_ops = {
    .read = memory_read,
    .write = memory_write,
};

void memory_devices_init(void)
{
    if (device_register(DEVICE_MAJOR_MEMORY, &memory_ops))
        panic("the memory devices' major number is taken");
}
