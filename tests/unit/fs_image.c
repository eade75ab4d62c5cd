/* See fs_image.h. mkfs is a program of one file; here it is one function of that file. A file of
 * its own, because mkfs needs headers of the host that collide with the kernel's. */
#include "fs_image.h"

#define main mkfs_main
#include "../../mkfs/mkfs.c"
#undef main

#define ARGUMENTS_MAX 32

void fs_image_make(unsigned megabytes, const char *const *items, uint8_t *to)
{
    char path[] = "/tmp/rvnet-fs-XXXXXX", size[16];
    char *argv[ARGUMENTS_MAX + 1] = {"mkfs", path, size};
    int argc = 3, fd = mkstemp(path);
    snprintf(size, sizeof(size), "%u", megabytes);
    /* Copies, because mkfs cuts its arguments into pieces. */
    while (items && *items && argc < ARGUMENTS_MAX)
        argv[argc++] = strdup(*items++);
    if (fd < 0 || mkfs_main(argc, argv) != 0)
        fail(1, "%s: %s", path, strerror(errno));
    if (pread(fd, to, (size_t)megabytes << 20, 0) != (ssize_t)((size_t)megabytes << 20))
        fail(1, "%s: short read", path);
    close(fd);
    unlink(path);
    for (int i = 3; i < argc; i++)
        free(argv[i]);
}
