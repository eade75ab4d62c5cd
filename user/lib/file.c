/* Files and directories: what POSIX builds on the system calls for them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int creat(const char *path, mode_t mode) { return open(path, O_WRONLY | O_CREAT | O_TRUNC, mode); }

/* Closes without touching errno, which tells why the caller gives up. */
static void close_quietly(int fd)
{
    int saved = errno;
    close(fd);
    errno = saved;
}

int stat(const char *restrict path, struct stat *restrict info)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK);

    if (fd < 0)
        return -1;
    int result = fstat(fd, info);
    close_quietly(fd);
    return result;
}

/* The kernel's unlink() removes empty directories too, so only the check for another kind of file
 * is missing. */
int rmdir(const char *path)
{
    struct stat info;

    if (stat(path, &info))
        return -1;
    if (!S_ISDIR(info.st_mode)) {
        errno = ENOTDIR;
        return -1;
    }
    return unlink(path);
}

struct directory_stream {
    int fd;
    int count, next; /* entries in the buffer, and which one comes next */
    struct dirent entries[16];
};

/* O_DIRECTORY makes the kernel refuse everything else. */
DIR *opendir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return NULL;

    DIR *directory = malloc(sizeof *directory);
    if (!directory) {
        close_quietly(fd);
        return NULL;
    }
    directory->fd = fd;
    directory->count = directory->next = 0;
    return directory;
}

/* The kernel gives whole records, so the buffer never ends in the middle of one. */
struct dirent *readdir(DIR *directory)
{
    if (directory->next == directory->count) {
        ssize_t n = read(directory->fd, directory->entries, sizeof directory->entries);
        if (n < (ssize_t)sizeof(struct dirent))
            return NULL;
        directory->count = (int)((size_t)n / sizeof(struct dirent));
        directory->next = 0;
    }
    return &directory->entries[directory->next++];
}

int closedir(DIR *directory)
{
    int result = close(directory->fd);
    free(directory);
    return result;
}

/* select() asks poll() about every descriptor that is in one of the sets. */

/* Rounded up: select() must not return early. NULL waits for ever, and nothing else does. False: it
 * is no time. */
static bool timeout_in_ms(const struct timeval *timeout, int *ms)
{
    *ms = -1;
    if (!timeout)
        return true;
    if (timeout->tv_sec < 0 || timeout->tv_usec < 0 || timeout->tv_usec >= 1000000)
        return false;
    *ms = INT32_MAX;
    if (timeout->tv_sec < INT32_MAX / 1000)
        *ms = (int)(timeout->tv_sec * 1000 + (timeout->tv_usec + 999) / 1000);
    return true;
}

static uint64_t set_bits(const fd_set *set) { return set ? set->bits : 0; }

/* Fills fds with every descriptor in any of the three sets; returns how many. */
static nfds_t select_collect(int count, const fd_set *sets[3], struct pollfd *fds)
{
    nfds_t n = 0;

    for (int fd = 0; fd < count && fd < FD_SETSIZE; fd++) {
        uint64_t bit = 1ull << fd;
        bool in[3] = {set_bits(sets[0]) & bit, set_bits(sets[1]) & bit, set_bits(sets[2]) & bit};
        if (in[0] || in[1] || in[2])
            fds[n++] = (struct pollfd){
                .fd = fd, .events = (int16_t)((in[0] ? POLLIN : 0) | (in[1] ? POLLOUT : 0))};
    }
    return n;
}

/* What makes a descriptor ready in each of the three sets; an error does for all, since the next
 * call will not wait. */
static const int select_events[3] = {POLLIN | POLLERR | POLLHUP, POLLOUT | POLLERR, POLLERR};

/* The descriptors in the set that are ready. */
static uint64_t select_ready(const fd_set *set, int events, const struct pollfd *fds, nfds_t n)
{
    uint64_t ready = 0;

    for (nfds_t i = 0; i < n; i++) {
        if (fds[i].revents & events)
            ready |= 1ull << fds[i].fd;
    }
    return ready & set_bits(set);
}

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Like poll(), but what poll() reports unasked and no set is about (that the other end is closed,
 * where only an error matters) is passed over from then on, instead of ending the wait with nothing
 * ready. */
static int select_wait(const fd_set *sets[3], struct pollfd *fds, nfds_t n, int ms)
{
    int64_t deadline = now_ns() + ms * 1000000ll;

    for (;;) {
        int64_t left = deadline - now_ns();
        int result = poll(fds, n, ms < 0 ? -1 : left > 0 ? (int)((left + 999999) / 1000000) : 0);
        bool wanted = result <= 0;
        for (nfds_t i = 0; i < n; i++) {
            bool of_a_set = fds[i].revents & POLLNVAL;
            for (int k = 0; k < 3; k++)
                of_a_set |= select_ready(sets[k], select_events[k], &fds[i], 1) != 0;
            wanted |= of_a_set;
            if (fds[i].revents && !of_a_set)
                fds[i] = (struct pollfd){.fd = -1};
        }
        if (wanted)
            return result;
    }
}

/* Leaves in the set what is ready; returns how many are. */
static int select_report(fd_set *set, int events, const struct pollfd *fds, nfds_t n)
{
    uint64_t ready = select_ready(set, events, fds, n);

    if (set)
        set->bits = ready;
    return __builtin_popcountll(ready);
}

int select(int count, fd_set *restrict readable, fd_set *restrict writable, fd_set *restrict failed,
           struct timeval *restrict timeout)
{
    struct pollfd fds[FD_SETSIZE];
    int ms;

    if (count < 0 || count > FD_SETSIZE || !timeout_in_ms(timeout, &ms)) {
        errno = EINVAL;
        return -1;
    }
    const fd_set *sets[] = {readable, writable, failed};
    nfds_t n = select_collect(count, sets, fds);
    int result = select_wait(sets, fds, n, ms);

    if (result < 0)
        return -1;
    for (nfds_t i = 0; i < n; i++) {
        if (fds[i].revents & POLLNVAL) {
            errno = EBADF;
            return -1;
        }
    }
    return select_report(readable, select_events[0], fds, n) +
           select_report(writable, select_events[1], fds, n) +
           select_report(failed, select_events[2], fds, n);
}

ssize_t send(int fd, const void *from, size_t n, int flags)
{
    return sendto(fd, from, n, flags, NULL, 0);
}

ssize_t recv(int fd, void *to, size_t n, int flags)
{
    return recvfrom(fd, to, n, flags, NULL, NULL);
}
