/* A buffer that a read or write fills or empties, wherever it lies: in the calling process's user
 * memory (checked page by page) or in the kernel. Drivers, files and sockets use only these two calls,
 * so none of them handles user pointers. */
#ifndef MM_UIO_H
#define MM_UIO_H

#include "lib/types.h"

struct iovec; /* abi/socket.h */

struct uio {
    uintptr_t base;   /* next byte */
    size_t remaining; /* bytes left */
    bool user;        /* base is an address of the calling process */
    /* Not NULL: the buffer is in pieces, all of the calling process, and base means nothing. A kernel copy of
     * the caller's array, used up from here on; the sizes add up to at least `remaining`. */
    struct iovec *pieces;
};

/* Copies n bytes (n <= remaining) from `from` into the buffer and advances it; 0, or -EFAULT, after which the
 * buffer is of no more use. May be called only by the thread whose buffer it is, with no spinlock held. */
int uio_put(struct uio *uio, const void *from, size_t n);

/* Copies the buffer's next n bytes (n <= remaining) to `to` and advances it; 0 or -EFAULT. */
int uio_get(struct uio *uio, void *to, size_t n);

/* Where the kernel can read the buffer's next n bytes (n <= remaining) in place, until the thread returns
 * to its program, and advances it; NULL, and nothing has happened, if they do not lie in one piece or on
 * one page: uio_get() takes them. */
const void *uio_in_place(struct uio *uio, size_t n);

#endif
