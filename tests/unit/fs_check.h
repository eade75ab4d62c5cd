/* A checker for disk images (what fsck is elsewhere), written against the layout only and sharing
 * no code with the kernel's file system, so that the two can disagree. */
#ifndef FS_CHECK_H
#define FS_CHECK_H

#include <stddef.h>
#include <stdint.h>

struct fs_check {
    unsigned problems;
    char first[160];      /* the first problem in words */
    unsigned orphans;     /* used inodes without a name: allowed, the next mount frees them */
    uint32_t files;       /* reachable inodes, directories included */
    uint32_t used_blocks; /* of the data area */
    uint64_t fingerprint; /* of all names, types, link counts, sizes and contents */
};

/* Checks the image of `size` bytes, whose log is taken to be empty. */
void fs_check(const uint8_t *image, size_t size, struct fs_check *check);

#endif
