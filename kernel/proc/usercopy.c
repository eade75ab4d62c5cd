/* Copies across the user boundary (declared in vm.h and uio.h), page by page through the kernel's own
 * mapping. */
#include "mm/vm.h"

#include "abi/errno.h"
#include "abi/socket.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/kalloc.h"
#include "mm/uio.h"
#include "proc/proc.h"

/* The part of n bytes that lies on the same page as `address`. */
static size_t bytes_on_page(uintptr_t address, size_t n)
{
    return MIN(n, PAGE_SIZE - address % PAGE_SIZE);
}

/* A copy that does not lie on one page, or not where it is allowed. `access` is what the user's pages must
 * allow: VM_WRITE or VM_READ for a program's own copies, 0 for exec, which fills pages that the program may
 * only read. */
static NOINLINE int copy_by_page(const struct vm_space *space, uintptr_t user, char *kernel,
                                 size_t n, unsigned access, bool to_user)
{
    while (n > 0) {
        size_t part = bytes_on_page(user, n);
        char *page = vm_user_page(space, user, access);
        if (!page)
            return -EFAULT;
        memcpy(to_user ? page : kernel, to_user ? kernel : page, part);
        user += part;
        kernel += part;
        n -= part;
    }
    return 0;
}

int vm_space_write(struct vm_space *space, uintptr_t to, const void *from, size_t n)
{
    return copy_by_page(space, to, (char *)from, n, 0, true);
}

/* Nearly every copy lies on one page: then it is one walk and one memcpy. Inline, because each payload is
 * copied through one of these and a uio. */
static inline int copy_out(uintptr_t to, const void *from, size_t n)
{
    const struct vm_space *space = current_proc()->space;
    void *page = vm_user_page(space, to, VM_WRITE);
    if (!page || n > PAGE_SIZE - to % PAGE_SIZE)
        return copy_by_page(space, to, (char *)from, n, VM_WRITE, true);
    memcpy(page, from, n);
    return 0;
}

static inline int copy_in(void *to, uintptr_t from, size_t n)
{
    const struct vm_space *space = current_proc()->space;
    void *page = vm_user_page(space, from, VM_READ);
    if (!page || n > PAGE_SIZE - from % PAGE_SIZE)
        return copy_by_page(space, from, to, n, VM_READ, false);
    memcpy(to, page, n);
    return 0;
}

int copy_to_user(uintptr_t to, const void *from, size_t n) { return copy_out(to, from, n); }
int copy_from_user(void *to, uintptr_t from, size_t n) { return copy_in(to, from, n); }

ssize_t copy_string_from_user(char *to, uintptr_t from, size_t size)
{
    const struct vm_space *space = current_proc()->space;
    size_t length = 0;

    while (length < size) {
        const char *page = vm_user_page(space, from, VM_READ);
        if (!page)
            return -EFAULT;
        size_t part = bytes_on_page(from, size - length);
        const char *end = memchr(page, 0, part);
        size_t n = end ? (size_t)(end - page) + 1 : part;
        memcpy(to + length, page, n);
        length += n;
        if (end)
            return (ssize_t)length - 1;
        from += part;
    }
    return -ENAMETOOLONG;
}

/* Moves n bytes between kernel memory and as many pieces as it takes. */
static NOINLINE int copy_pieces(struct uio *uio, char *kernel, size_t n, bool to_user)
{
    uio->remaining -= n;
    while (n > 0) {
        struct iovec *piece = uio->pieces;
        uintptr_t user = (uintptr_t)piece->iov_base;
        size_t part = MIN(n, piece->iov_len);
        if (to_user ? copy_to_user(user, kernel, part) : copy_from_user(kernel, user, part))
            return -EFAULT;
        piece->iov_base = (char *)piece->iov_base + part;
        piece->iov_len -= part;
        if (piece->iov_len == 0)
            uio->pieces++;
        kernel += part;
        n -= part;
    }
    return 0;
}

/* Advances a buffer in one piece by n bytes; returns where it stood. */
static uintptr_t advance(struct uio *uio, size_t n)
{
    uintptr_t base = uio->base;
    uio->base = base + n;
    uio->remaining -= n;
    return base;
}

int uio_put(struct uio *uio, const void *from, size_t n)
{
    assert(n <= uio->remaining);
    if (uio->pieces)
        return copy_pieces(uio, (char *)from, n, true);
    uintptr_t to = advance(uio, n);
    if (uio->user)
        return copy_out(to, from, n);
    memcpy((void *)to, from, n);
    return 0;
}

int uio_get(struct uio *uio, void *to, size_t n)
{
    assert(n <= uio->remaining);
    if (uio->pieces)
        return copy_pieces(uio, to, n, false);
    uintptr_t from = advance(uio, n);
    if (uio->user)
        return copy_in(to, from, n);
    memcpy(to, (const void *)from, n);
    return 0;
}

const void *uio_in_place(struct uio *uio, size_t n)
{
    const void *place = (const void *)uio->base;
    assert(n <= uio->remaining);
    if (uio->pieces)
        return NULL;
    if (uio->user) {
        place = vm_user_page(current_proc()->space, uio->base, VM_READ);
        if (!place || n > PAGE_SIZE - uio->base % PAGE_SIZE)
            return NULL;
    }
    advance(uio, n);
    return place;
}
