/* sendmsg, recvmsg and, for several datagrams in one call, sendmmsg and recvmmsg.
 *
 * A message header is used where it lies, in the caller's page: one walk of the page table, and its
 * fields are read and written like the kernel's own. That is safe because nobody else runs in this
 * address space while the call lasts. A header that lies across two pages or is not aligned is
 * copied in and, at the end, back.
 *
 * A batch ends at the first message that fails. If others went before it, the call returns how
 * many, and the caller meets the failure when it calls again for the rest: a bad argument is still
 * bad then, and a pending error of the socket has been left where it was. Whatever ends a batch of
 * sends, the device learns of what is in its ring (socket_batch_end).
 */
#include "sys/sysnet.h"

#include "abi/errno.h"
#include "abi/process.h"
#include "fs/file.h"
#include "lib/string.h"
#include "mm/vm.h"
#include "net/socket_batch.h"
#include "sys/sys.h"

/* --- Headers --- */

/* The kernel's address of an object of the caller, if it lies where `access` is allowed, on one
 * page and aligned; else NULL. It may be fine all the same: a copy tells. */
static inline void *object_in_place(uintptr_t user, size_t size, size_t alignment, unsigned access)
{
    bool whole = user % alignment == 0 && size <= PAGE_SIZE - user % PAGE_SIZE;
    return whole ? vm_user_page(current_proc()->space, user, access) : NULL;
}

/* A page of the caller that the kernel has just found: objects of the same kind mostly lie side by side. */
struct page_view {
    uintptr_t user; /* its beginning; NO_PAGE: none yet */
    char *kernel;
};

/* So far from every pointer of the caller's that none is in it: NULL is in page 0. */
#define NO_PAGE ((uintptr_t)1 << 63)

/* object_in_place() for one kind of object, always with the same `access`. */
static inline void *object_in_view(struct page_view *view, uintptr_t user, size_t size,
                                   size_t alignment, unsigned access)
{
    size_t offset = user - view->user;
    if (offset <= PAGE_SIZE - size && offset % alignment == 0)
        return view->kernel + offset;
    char *object = object_in_place(user, size, alignment, access);
    offset = user % PAGE_SIZE;
    if (object)
        *view = (struct page_view){user - offset, object - offset};
    return object;
}

/* What is the same for all messages of a call. */
struct call {
    struct socket *socket;
    int flags; /* with MSG_DONTWAIT if the descriptor has O_NONBLOCK */
    struct socket_batch *batch;
    /* Where the last message had its header, its iovec and its address. */
    struct page_view headers, buffers, names;
};

/* The copy of a message header that cannot be used where it lies; of a plain msghdr only that part. */
struct header_copy {
    uintptr_t user;
    size_t size;
    struct mmsghdr header;
};

static NOINLINE struct mmsghdr *header_copy_in(struct header_copy *copy, uintptr_t user,
                                               size_t size, unsigned access)
{
    copy->user = user;
    copy->size = size;
    if (!vm_user_allows(current_proc()->space, user, size, access) ||
        copy_from_user(&copy->header, user, size) < 0)
        return NULL;
    return &copy->header;
}

/* A message header of the caller: a msghdr, or the mmsghdr that begins with one; in its page, or the copy.
 * `access`: VM_READ, and VM_WRITE if results go into it. NULL: -EFAULT. */
static inline struct mmsghdr *header_open(struct call *call, struct header_copy *copy,
                                          uintptr_t user, size_t size, unsigned access)
{
    struct mmsghdr *header =
        object_in_view(&call->headers, user, size, _Alignof(struct mmsghdr), access);
    return header ? header : header_copy_in(copy, user, size, access);
}

/* The results reach the caller. 0 or -EFAULT. */
static inline int header_close(const struct header_copy *copy, const struct mmsghdr *header)
{
    if (header != &copy->header)
        return 0;
    return copy_to_user(copy->user, &copy->header, copy->size);
}

/* The buffer as a uio; `pieces` is room for the kernel's copy of the array. POSIX, sendmsg: no piece or more
 * than IOV_MAX are -EMSGSIZE, more bytes in all than the result can express -EINVAL. */
static NOINLINE int buffer_in_pieces(const struct msghdr *header, struct uio *uio,
                                     struct iovec *pieces)
{
    size_t count = header->msg_iovlen, total = 0;
    if (count == 0 || count > IOV_MAX)
        return -EMSGSIZE;
    if (copy_from_user(pieces, (uintptr_t)header->msg_iov, count * sizeof(*pieces)) < 0)
        return -EFAULT;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].iov_len > INT64_MAX - total)
            return -EINVAL;
        total += pieces[i].iov_len;
    }
    *uio = (struct uio){.base = (uintptr_t)pieces->iov_base,
                        .remaining = total,
                        .user = true,
                        .pieces = count > 1 ? pieces : NULL};
    return 0;
}

/* Nearly every message has one buffer, described by an iovec that can be read where it lies. */
static inline int message_buffer(struct call *call, const struct msghdr *header, struct uio *uio,
                                 struct iovec *pieces)
{
    const struct iovec *only = NULL;
    if (header->msg_iovlen == 1)
        only = object_in_view(&call->buffers, (uintptr_t)header->msg_iov, sizeof(*only),
                              _Alignof(struct iovec), VM_READ);
    if (!only || only->iov_len > INT64_MAX)
        return buffer_in_pieces(header, uio, pieces);
    uio->base = (uintptr_t)only->iov_base;
    uio->remaining = only->iov_len;
    uio->user = true;
    uio->pieces = NULL;
    return 0;
}

static NOINLINE int name_copy_out(uintptr_t user, socklen_t room, be32_t address, be16_t port)
{
    struct sockaddr_in name = {AF_INET, port, {address}, {0}};
    return copy_to_user(user, &name, MIN(room, sizeof(name)));
}

/* Where a datagram came from, for the caller: as much of it as there is room for. 0 or -EFAULT. */
static inline int message_name(struct call *call, uintptr_t user, socklen_t room, be32_t address,
                               be16_t port)
{
    struct sockaddr_in *name = NULL;
    if (room >= sizeof(*name))
        name = object_in_view(&call->names, user, sizeof(*name), _Alignof(struct sockaddr_in),
                              VM_WRITE);
    if (!name)
        return name_copy_out(user, room, address, port);
    *name = (struct sockaddr_in){AF_INET, port, {address}, {0}};
    return 0;
}

/* How a datagram came, as the message's ancillary data. What does not fit as a whole is left out, and that
 * is said. 0 or -EFAULT. */
static NOINLINE int message_info(struct msghdr *header, size_t room, const struct netdev *dev,
                                 be32_t destination)
{
    struct in_pktinfo info;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(info))];
    } control = {.bytes = {0}};
    if (room < CMSG_LEN(sizeof(info))) {
        header->msg_flags |= MSG_CTRUNC;
        return 0;
    }
    control.header = (struct cmsghdr){CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO};
    socket_packet_info(dev, destination, &info);
    memcpy(CMSG_DATA(&control.header), &info, sizeof(info));
    header->msg_controllen = MIN(room, sizeof(control));
    return copy_to_user((uintptr_t)header->msg_control, &control, header->msg_controllen);
}

/* --- One message --- */

/* The call's first arguments; `flags` is the number of that one, and before it, for a batch, comes the
 * number of messages. 0, -EBADF, -ENOTSOCK. */
static int call_begin(struct call *call, struct socket_batch *batch, unsigned flags)
{
    struct file *file;
    int result = sysnet_argument_socket(&call->socket, &file);
    if (result < 0)
        return result;
    call->flags = syscall_argument_int(flags);
    if (file->flags & O_NONBLOCK)
        call->flags |= MSG_DONTWAIT;
    call->batch = batch;
    call->headers.user = call->buffers.user = call->names.user = NO_PAGE;
    if (batch)
        socket_batch_begin(batch, MIN((unsigned)syscall_argument(2), MMSG_MAX));
    return 0;
}

static ALWAYS_INLINE ssize_t message_send(struct call *call, const struct msghdr *header,
                                          struct socket_batch *batch)
{
    struct iovec pieces[IOV_MAX];
    struct uio uio;
    struct sockaddr_in copy;
    const struct sockaddr_in *to = NULL;
    uintptr_t name = (uintptr_t)header->msg_name;
    if (header->msg_controllen != 0)
        return -EINVAL;
    int result = message_buffer(call, header, &uio, pieces);
    if (result == 0 && name && header->msg_namelen == sizeof(*to))
        to = object_in_view(&call->names, name, sizeof(*to), _Alignof(struct sockaddr_in), VM_READ);
    if (result == 0 && name && !to) {
        to = &copy;
        result = sysnet_address_from_user((struct sockaddr *)&copy, name, header->msg_namelen);
    }
    if (result < 0)
        return result;
    return socket_send(call->socket, &uio, call->flags, to, header->msg_namelen, batch);
}

/* All that can be wrong with the header is found before a datagram is taken, but for bad addresses
 * of what is to be filled. The datagram's real length is always asked for: it tells whether a part
 * was cut off. */
static ALWAYS_INLINE ssize_t message_receive(struct call *call, struct msghdr *header)
{
    struct iovec pieces[IOV_MAX];
    struct uio uio;
    uintptr_t name = (uintptr_t)header->msg_name;
    int result = message_buffer(call, header, &uio, pieces);
    if (result < 0)
        return result;
    if (name && header->msg_namelen > INT32_MAX)
        return -EINVAL;
    ssize_t room = (ssize_t)uio.remaining;
    struct socket_received got =
        socket_receive(call->socket, &uio, call->flags | MSG_TRUNC, call->batch);
    if (got.length < 0)
        return got.length;
    if (name && got.has_origin &&
        message_name(call, name, header->msg_namelen, got.address, got.port) < 0)
        return -EFAULT;
    if (name)
        header->msg_namelen = got.has_origin ? sizeof(struct sockaddr_in) : 0;
    size_t control_room = header->msg_controllen;
    header->msg_controllen = 0;
    header->msg_flags = got.length > room ? MSG_TRUNC : 0;
    if (got.has_origin && got.dev &&
        message_info(header, control_room, got.dev, got.destination) < 0)
        return -EFAULT;
    return call->flags & MSG_TRUNC ? got.length : MIN(got.length, room);
}

/* The arguments of sendmsg and recvmsg: descriptor, header, flags. */
int64_t sys_sendmsg(void)
{
    struct call call;
    struct header_copy copy;
    int result = call_begin(&call, NULL, 2);
    if (result < 0)
        return result;
    const struct mmsghdr *header =
        header_open(&call, &copy, syscall_argument(1), sizeof(struct msghdr), VM_READ);
    return header ? message_send(&call, &header->msg_hdr, NULL) : -EFAULT;
}

int64_t sys_recvmsg(void)
{
    struct call call;
    struct header_copy copy;
    int result = call_begin(&call, NULL, 2);
    if (result < 0)
        return result;
    struct mmsghdr *header =
        header_open(&call, &copy, syscall_argument(1), sizeof(struct msghdr), VM_READ | VM_WRITE);
    if (!header)
        return -EFAULT;
    ssize_t received = message_receive(&call, &header->msg_hdr);
    return received >= 0 && header_close(&copy, header) < 0 ? -EFAULT : received;
}

/* --- Several messages --- */

/* One message of a batch. 0 or the error that ends the batch. */
static ALWAYS_INLINE int batch_step(struct call *call, uintptr_t user, bool send)
{
    struct header_copy copy;
    struct mmsghdr *header =
        header_open(call, &copy, user, sizeof(struct mmsghdr), VM_READ | VM_WRITE);
    if (!header)
        return -EFAULT;
    ssize_t moved = send ? message_send(call, &header->msg_hdr, call->batch)
                         : message_receive(call, &header->msg_hdr);
    if (moved < 0)
        return (int)moved;
    header->msg_len = (unsigned)moved;
    return header_close(&copy, header);
}

/* Arguments: descriptor, array, count, flags. How many messages were moved, or the error of the
 * first. */
static ALWAYS_INLINE int64_t batch_run(struct call *call, bool send, bool wait_for_one)
{
    struct socket_batch *batch = call->batch;
    uintptr_t user = syscall_argument(1);
    unsigned done = 0;
    int result;
    if (batch->left == 0)
        return 0;
    while ((result = batch_step(call, user, send)) == 0) {
        done++;
        user += sizeof(struct mmsghdr);
        if (--batch->left == 0 || (wait_for_one && socket_batch_must_wait(call->socket, batch)))
            break; /* the latter spares the walk to a header that would stay empty */
        if (done > 1)
            continue;
        batch->later = true;
        if (wait_for_one)
            call->flags |= MSG_DONTWAIT;
    }
    return done > 0 ? (int64_t)done : result;
}

int64_t sys_sendmmsg(void)
{
    struct call call;
    struct socket_batch batch;
    int64_t result = call_begin(&call, &batch, 3);
    if (result < 0)
        return result;
    result = batch_run(&call, true, false);
    socket_batch_end(call.socket, &batch);
    return result;
}

/* The time that the last argument gives, NULL for ever, as a deadline. 0, -EFAULT, -EINVAL. */
static int argument_deadline(uintptr_t user, uint64_t *deadline)
{
    struct timespec timeout;
    uint64_t ns;
    *deadline = NEVER;
    if (!user)
        return 0;
    if (copy_from_user(&timeout, user, sizeof(timeout)) < 0)
        return -EFAULT;
    if (timespec_to_ns(&timeout, &ns) < 0)
        return -EINVAL;
    *deadline = clock_ns() + ns;
    return 0;
}

/* The timeout holds for every wait of the call, also for the first datagram's, as its manual page
 * means it; not, as Linux has it, only between two datagrams. */
int64_t sys_recvmmsg(void)
{
    struct call call;
    struct socket_batch batch;
    int64_t result = call_begin(&call, &batch, 3);
    if (result == 0)
        result = argument_deadline(syscall_argument(4), &batch.deadline);
    if (result < 0)
        return result;
    bool wait_for_one = (call.flags & MSG_WAITFORONE) != 0;
    call.flags &= ~MSG_WAITFORONE;
    result = batch_run(&call, false, wait_for_one);
    socket_batch_end(call.socket, &batch);
    return result;
}
