/* Which driver stands behind the device nodes of a major number. Drivers enter themselves while one
 * hart boots and never leave, so the table needs no lock. */
#include "fs/file.h"

#include "abi/errno.h"

#define DEVICE_MAX 16

static const struct file_ops *devices[DEVICE_MAX];

int device_register(unsigned major, const struct file_ops *ops)
{
    if (major >= DEVICE_MAX || devices[major])
        return -EINVAL;
    devices[major] = ops;
    return 0;
}

const struct file_ops *device_ops(unsigned major)
{
    return major < DEVICE_MAX ? devices[major] : NULL;
}
