/* Disk images for the file-system tests, made by the real mkfs. */
#ifndef FS_IMAGE_H
#define FS_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/* Runs mkfs with the NULL-ended list of items and copies the image of `megabytes` MiB to `image`.
 * Ends the process if mkfs complains. */
void fs_image_make(unsigned megabytes, const char *const *items, uint8_t *image);

#endif
