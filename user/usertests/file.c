/* Tests of files and descriptors. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint8_t buffer[16384];

static void test_open_flags(void)
{
    EXPECT_ERROR(open("f", O_RDONLY), ENOENT);
    int fd = open("f", O_CREAT | O_WRONLY, 0666);
    EXPECT_TRUE(fd >= 0);
    EXPECT_ERROR(open("f", O_CREAT | O_EXCL | O_WRONLY, 0666), EEXIST);
    EXPECT(write(fd, "hello", 5), 5);
    EXPECT_ERROR(read(fd, buffer, 1), EBADF);
    close(fd);

    fd = open("f", O_RDONLY);
    EXPECT(read(fd, buffer, 100), 5);
    EXPECT(memcmp(buffer, "hello", 5), 0);
    EXPECT(read(fd, buffer, 100), 0);
    EXPECT_ERROR(write(fd, "x", 1), EBADF);
    close(fd);

    fd = open("f", O_RDWR | O_TRUNC);
    EXPECT(read(fd, buffer, 100), 0);
    close(fd);
    EXPECT_ERROR(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
    EXPECT_ERROR(open(".", O_RDWR), EISDIR);
    EXPECT_ERROR(open(".", O_WRONLY), EISDIR);
    EXPECT_ERROR(open("f/g", O_RDONLY), ENOTDIR);
    EXPECT_ERROR(open("", O_RDONLY), ENOENT);
    EXPECT_ERROR(open("f", O_ACCMODE), EINVAL);
}

/* O_APPEND moves to the end with each write, also behind what another descriptor wrote. */
static void test_append(void)
{
    int first = open("f", O_CREAT | O_WRONLY | O_APPEND, 0666);
    int second = open("f", O_RDWR | O_APPEND);

    for (int i = 0; i < 10; i++) {
        EXPECT(write(first, "ab", 2), 2);
        EXPECT(write(second, "cd", 2), 2);
    }
    EXPECT(lseek(second, 0, SEEK_SET), 0);
    EXPECT(read(second, buffer, sizeof buffer), 40);
    for (int i = 0; i < 40; i += 4)
        EXPECT(memcmp(buffer + i, "abcd", 4), 0);
}

static void test_seek(void)
{
    file_make("f", 1000);
    int fd = open("f", O_RDWR);

    EXPECT(lseek(fd, 0, SEEK_END), 1000);
    EXPECT(lseek(fd, -10, SEEK_CUR), 990);
    EXPECT(read(fd, buffer, 100), 10);
    EXPECT_TRUE(pattern_matches(buffer, 990, 10));
    EXPECT(lseek(fd, 500, SEEK_SET), 500);
    EXPECT(read(fd, buffer, 100), 100);
    EXPECT_TRUE(pattern_matches(buffer, 500, 100));
    EXPECT_ERROR(lseek(fd, -1, SEEK_SET), EINVAL);
    EXPECT_ERROR(lseek(fd, -1001, SEEK_END), EINVAL);
    EXPECT_ERROR(lseek(fd, 0, 99), EINVAL);
    EXPECT(lseek(fd, 0, SEEK_CUR), 600);
    EXPECT(lseek(fd, 5000, SEEK_SET), 5000);
    EXPECT(read(fd, buffer, 1), 0);
}

/* What was never written, behind the old end, reads as zeros. */
static void test_hole(void)
{
    file_make("f", 10);
    int fd = open("f", O_RDWR);
    struct stat info;

    EXPECT(lseek(fd, 100000, SEEK_SET), 100000);
    EXPECT(write(fd, "end", 3), 3);
    EXPECT(fstat(fd, &info), 0);
    EXPECT(info.st_size, 100003);
    EXPECT(lseek(fd, 0, SEEK_SET), 0);
    long offset = 0;
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0; offset += n) {
        for (long i = 0; i < n; i++) {
            long at = offset + i;
            int wanted = at < 10 ? pattern((size_t)at) : at < 100000 ? 0 : "end"[at - 100000];
            EXPECT(buffer[i], wanted);
        }
    }
    EXPECT(offset, 100003);
    EXPECT(lseek(fd, INT64_MAX - 1, SEEK_SET) >= 0 ? write(fd, "x", 1) : -1, -1);
}

/* Through direct, indirect and doubly indirect blocks, in pieces that do not fit blocks. */
static void check_large_file(size_t size)
{
    enum { PIECE = 12345 };
    int fd = open("large", O_CREAT | O_RDWR | O_TRUNC, 0666);

    for (size_t offset = 0; offset < size; offset += PIECE) {
        pattern_fill(buffer, offset, PIECE);
        EXPECT(write(fd, buffer, PIECE), PIECE);
    }
    EXPECT(lseek(fd, 0, SEEK_SET), 0);
    for (size_t offset = 0; offset < size; offset += PIECE) {
        EXPECT(read(fd, buffer, PIECE), PIECE);
        EXPECT_TRUE(pattern_matches(buffer, offset, PIECE));
    }
    EXPECT(read(fd, buffer, 1), 0);
    EXPECT(fsync(fd), 0);
    close(fd);
    EXPECT(unlink("large"), 0);
}

static void test_large_file(void) { check_large_file(300000); }
static void test_very_large_file(void) { check_large_file(6000000); }

/* One open file, one offset: after dup() and after fork(). */
static void test_dup_shares_offset(void)
{
    file_make("f", 100);
    int fd = open("f", O_RDONLY), copy = dup(fd);

    EXPECT_TRUE(copy > fd);
    EXPECT(read(fd, buffer, 10), 10);
    EXPECT(read(copy, buffer, 10), 10);
    EXPECT_TRUE(pattern_matches(buffer, 10, 10));
    pid_t pid = fork_checked();
    if (pid == 0) {
        EXPECT(read(fd, buffer, 10), 10);
        _exit(0);
    }
    EXPECT(wait_status(pid), 0);
    EXPECT(lseek(copy, 0, SEEK_CUR), 30);
    close(fd);
    EXPECT(read(copy, buffer, 10), 10);
}

static void test_dup2(void)
{
    file_make("f", 100);
    int fd = open("f", O_RDONLY);

    EXPECT(dup2(fd, fd), fd);
    EXPECT(dup2(fd, 20), 20);
    EXPECT(dup2(fd, 20), 20); /* closes the one that was there */
    EXPECT(read(20, buffer, 10), 10);
    EXPECT_ERROR(dup2(fd, OPEN_MAX), EBADF);
    EXPECT_ERROR(dup2(fd, -1), EBADF);
    EXPECT_ERROR(dup2(25, 20), EBADF);
    EXPECT(read(20, buffer, 10), 10);
    EXPECT_ERROR(dup(25), EBADF);
}

static void test_fcntl(void)
{
    file_make("f", 10);
    int fd = open("f", O_RDWR | O_APPEND);

    EXPECT(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_APPEND);
    EXPECT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    EXPECT(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_NONBLOCK);
    EXPECT(fcntl(fd, F_DUPFD, 17), 17);
    EXPECT(fcntl(fd, F_DUPFD, 17), 18);
    EXPECT_ERROR(fcntl(fd, F_DUPFD, OPEN_MAX), EINVAL);
    EXPECT_ERROR(fcntl(fd, F_DUPFD, -1), EINVAL);
    EXPECT_ERROR(fcntl(fd, 999), EINVAL);
    EXPECT_ERROR(fcntl(30, F_GETFL), EBADF);
}

/* Every call that takes a descriptor. */
static void test_bad_descriptors(void)
{
    static const int bad[] = {-1, 31, 32, 1000, INT32_MAX, INT32_MIN};
    static const int calls[] = {SYS_close,      SYS_read,        SYS_write,       SYS_lseek,
                                SYS_fstat,      SYS_dup,         SYS_fcntl,       SYS_ioctl,
                                SYS_fsync,      SYS_bind,        SYS_connect,     SYS_sendto,
                                SYS_recvfrom,   SYS_getsockname, SYS_getpeername, SYS_shutdown,
                                SYS_setsockopt, SYS_getsockopt};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t call = 0; call < sizeof calls / sizeof calls[0]; call++) {
            long result = raw_syscall(calls[call], bad[i], (long)buffer, 0, 0, 0, 0);
            if (result != -EBADF)
                test_fail(__FILE__, __LINE__, "call %d of descriptor %d: expected %d, got %ld",
                          calls[call], bad[i], -EBADF, result);
        }
        EXPECT(raw_syscall(SYS_dup2, bad[i], 5, 0, 0, 0, 0), -EBADF);
    }
}

static void test_unlinked_file_lives_on(void)
{
    file_make("f", 5000);
    int fd = open("f", O_RDWR);

    EXPECT(unlink("f"), 0);
    EXPECT_ERROR(open("f", O_RDONLY), ENOENT);
    file_make("f", 10); /* another one of this name */
    EXPECT(read(fd, buffer, 5000), 5000);
    EXPECT_TRUE(pattern_matches(buffer, 0, 5000));
    EXPECT(write(fd, "more", 4), 4);
    struct stat info;
    EXPECT(fstat(fd, &info), 0);
    EXPECT(info.st_nlink, 0);
    EXPECT(info.st_size, 5004);
}

static void test_stat(void)
{
    struct stat info;

    file_make("f", 5000);
    EXPECT(stat("f", &info), 0);
    EXPECT_TRUE(S_ISREG(info.st_mode) && info.st_size == 5000 && info.st_nlink == 1);
    EXPECT_TRUE(info.st_blocks >= 10 && info.st_blksize > 0 && info.st_ino > 0);
    EXPECT(stat(".", &info), 0);
    EXPECT_TRUE(S_ISDIR(info.st_mode));
    int ends[2];
    EXPECT(pipe(ends), 0);
    EXPECT(fstat(ends[0], &info), 0);
    EXPECT_TRUE(S_ISFIFO(info.st_mode));
    EXPECT(stat("/dev/console", &info), 0);
    EXPECT_TRUE(S_ISCHR(info.st_mode));
    EXPECT(info.st_rdev, DEVICE_NUMBER(DEVICE_MAJOR_CONSOLE, 1));
}

/* A node is a name for a driver; without the driver it cannot be opened. */
static void test_device_nodes(void)
{
    EXPECT(mknod("null", S_IFCHR | 0666, DEVICE_NUMBER(DEVICE_MAJOR_MEMORY, 3)), 0);
    EXPECT_ERROR(mknod("null", S_IFCHR | 0666, DEVICE_NUMBER(1, 3)), EEXIST);
    int fd = open("null", O_RDWR);
    EXPECT_TRUE(fd >= 0);
    EXPECT(write(fd, buffer, 1000), 1000);
    EXPECT(read(fd, buffer, 1000), 0);
    close(fd);

    EXPECT(mknod("zero", S_IFCHR | 0666, DEVICE_NUMBER(DEVICE_MAJOR_MEMORY, 5)), 0);
    fd = open("zero", O_RDONLY);
    memset(buffer, 1, 1000);
    EXPECT(read(fd, buffer, 1000), 1000);
    for (int i = 0; i < 1000; i++)
        EXPECT(buffer[i], 0);
    close(fd);

    EXPECT(mknod("nobody", S_IFCHR | 0666, DEVICE_NUMBER(77, 0)), 0);
    EXPECT_ERROR(open("nobody", O_RDONLY), ENXIO);
    EXPECT_ERROR(mknod("socket", S_IFSOCK, 0), EINVAL);
    EXPECT(unlink("nobody"), 0);
}

static void test_console_requests(void)
{
    int fd = open("/dev/console", O_RDWR | O_NONBLOCK), waiting;
    pid_t group = 0;

    EXPECT_TRUE(fd >= 0);
    EXPECT(tcgetpgrp(fd) >= 0, 1);
    EXPECT_ERROR(tcsetpgrp(fd, -1), EINVAL);
    EXPECT(raw_syscall(SYS_ioctl, fd, TIOCGPGRP, (long)&group, 0, 0, 0), 0);
    EXPECT(raw_syscall(SYS_ioctl, fd, FIONREAD, (long)&waiting, 0, 0, 0), 0);
    EXPECT(raw_syscall(SYS_ioctl, fd, 0x12345678, (long)&group, 0, 0, 0), -ENOTTY);
    EXPECT_ERROR(lseek(fd, 0, SEEK_SET), ESPIPE);
    file_make("f", 1);
    EXPECT(isatty(open("f", O_RDONLY)), 0);
    EXPECT(errno, ENOTTY);
}

/* Several processes write one file, and files of their own, at the same time. */
static void test_concurrent_writers(void)
{
    enum { WRITERS = 4, ROUNDS = 20 };
    char name[] = "f0";

    int shared = open("shared", O_CREAT | O_RDWR | O_APPEND, 0666);
    for (int i = 0; i < WRITERS; i++) {
        name[1] = (char)('0' + i);
        if (fork_checked() == 0) {
            for (int round = 0; round < ROUNDS; round++) {
                file_make(name, 3000);
                memset(buffer, 'a' + i, 100);
                EXPECT(write(shared, buffer, 100), 100);
            }
            _exit(0);
        }
    }
    for (int i = 0; i < WRITERS; i++)
        EXPECT(wait_status(-1), 0);
    EXPECT(lseek(shared, 0, SEEK_SET), 0);
    for (int i = 0; i < WRITERS * ROUNDS; i++) { /* records are whole */
        EXPECT(read(shared, buffer, 100), 100);
        for (int k = 1; k < 100; k++)
            EXPECT(buffer[k], buffer[0]);
    }
    EXPECT(read(shared, buffer, 1), 0);
}

/* <stdio.h> on files: C11, 7.21. */
static void test_stream_end(void)
{
    char line[8] = "before";
    int fd = open("f", O_WRONLY | O_CREAT | O_APPEND, 0666);
    FILE *stream = fopen("f", "r");

    EXPECT_TRUE(fd >= 0 && stream);
    EXPECT(write(fd, "a", 1), 1);
    EXPECT_TRUE(fgets(line, sizeof line, stream) == line);
    EXPECT(strcmp(line, "a"), 0);
    EXPECT_TRUE(feof(stream));
    /* The end stays the end, whatever comes behind it, until it is taken back. */
    EXPECT(write(fd, "b", 1), 1);
    EXPECT(fgetc(stream), EOF);
    EXPECT_TRUE(fgets(line, sizeof line, stream) == NULL);
    clearerr(stream);
    EXPECT(fgetc(stream), 'b');
    EXPECT(ferror(stream), 0);
    EXPECT(fclose(stream), 0);
}

static void test_stream_errors(void)
{
    char line[8] = "before";
    int ends[2];

    EXPECT(pipe(ends), 0);
    EXPECT(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    FILE *stream = fdopen(ends[0], "r"), *output = fdopen(ends[1], "w");
    EXPECT_TRUE(stream && output);
    EXPECT(write(ends[1], "ab\nc", 4), 4);
    EXPECT_TRUE(fgets(line, 1, stream) == line); /* room for the closing 0 only: nothing is read */
    EXPECT(strcmp(line, ""), 0);
    EXPECT_TRUE(fgets(line, sizeof line, stream) == line);
    EXPECT(strcmp(line, "ab\n"), 0);
    EXPECT_TRUE(fgets(line, sizeof line, stream) == NULL); /* an error is no end of a line */
    EXPECT_TRUE(ferror(stream) && !feof(stream));
    EXPECT(fwrite(line, 0, 5, output), 0);
    EXPECT(fwrite(line, 5, 0, output), 0);
    EXPECT(fclose(stream) | fclose(output), 0);
}

const struct test file_tests[] = {
    {"open_flags", test_open_flags, 10, false},
    {"append", test_append, 10, false},
    {"seek", test_seek, 10, false},
    {"hole", test_hole, 20, false},
    {"large_file", test_large_file, 20, false},
    {"very_large_file", test_very_large_file, 60, true},
    {"dup_shares_offset", test_dup_shares_offset, 10, false},
    {"dup2", test_dup2, 10, false},
    {"fcntl", test_fcntl, 10, false},
    {"bad_descriptors", test_bad_descriptors, 10, false},
    {"unlinked_file_lives_on", test_unlinked_file_lives_on, 10, false},
    {"stat", test_stat, 10, false},
    {"device_nodes", test_device_nodes, 10, false},
    {"console_requests", test_console_requests, 10, false},
    {"stream_end", test_stream_end, 10, false},
    {"stream_errors", test_stream_errors, 10, false},
    {"concurrent_writers", test_concurrent_writers, 60, false},
    {0},
};
