/* Copies across the user boundary (declared in vm.h and uio.h), page by page through the kernel's own mapping. */
#include "mm/vm.h"

#include "abi/errno.h"
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

/* Writes to a space whose pages allow `access`: a program's own writes need VM_WRITE, exec fills pages that the program
 * itself may only read. */
static int space_write(const struct vm_space *space, uintptr_t to, const char *from, size_t n,
                       unsigned access)
{
    for (;;) {
        size_t part = bytes_on_page(to, n);
        void *page = vm_user_page(space, to, access);
        if (!page)
            return n == 0 ? 0 : -EFAULT;
        memcpy(page, from, part);
        if (part == n)
            return 0;
        to += part;
        from += part;
        n -= part;
    }
}

int vm_space_write(struct vm_space *space, uintptr_t to, const void *from, size_t n)
{
    return space_write(space, to, from, n, 0);
}

int copy_to_user(uintptr_t to, const void *from, size_t n)
{
    return space_write(current_proc()->space, to, from, n, VM_WRITE);
}

int copy_from_user(void *to, uintptr_t from, size_t n)
{
    const struct vm_space *space = current_proc()->space;
    for (;;) {
        size_t part = bytes_on_page(from, n);
        void *page = vm_user_page(space, from, VM_READ);
        if (!page)
            return n == 0 ? 0 : -EFAULT;
        memcpy(to, page, part);
        if (part == n)
            return 0;
        to = (char *)to + part;
        from += part;
        n -= part;
    }
}

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

int uio_put(struct uio *uio, const void *from, size_t n)
{
    assert(n <= uio->remaining);
    if (!uio->user)
        memcpy((void *)uio->base, from, n);
    else if (copy_to_user(uio->base, from, n))
        return -EFAULT;
    uio->base += n;
    uio->remaining -= n;
    return 0;
}

int uio_get(struct uio *uio, void *to, size_t n)
{
    assert(n <= uio->remaining);
    if (!uio->user)
        memcpy(to, (const void *)uio->base, n);
    else if (copy_from_user(to, uio->base, n))
        return -EFAULT;
    uio->base += n;
    uio->remaining -= n;
    return 0;
}
