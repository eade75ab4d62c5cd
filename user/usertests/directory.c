/* Tests of directories and names. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

static void test_mkdir(void)
{
    EXPECT(mkdir("d", 0777), 0);
    EXPECT_ERROR(mkdir("d", 0777), EEXIST);
    EXPECT_ERROR(mkdir("/", 0777), EEXIST);
    EXPECT_ERROR(mkdir(".", 0777), EEXIST);
    EXPECT_ERROR(mkdir("", 0777), ENOENT);
    EXPECT_ERROR(mkdir("none/d", 0777), ENOENT);
    file_make("f", 1);
    EXPECT_ERROR(mkdir("f/d", 0777), ENOTDIR);
    EXPECT_ERROR(mkdir("f", 0777), EEXIST);
    EXPECT(mkdir("d/e/", 0777), 0);
    EXPECT_TRUE(exists("d/e"));
    EXPECT_TRUE(exists("d//e/../e/."));
}

static void test_unlink(void)
{
    EXPECT_ERROR(unlink("none"), ENOENT);
    EXPECT(mkdir("d", 0777), 0);
    file_make("d/f", 1);
    EXPECT_ERROR(unlink("d"), ENOTEMPTY);
    EXPECT_TRUE(unlink("d/.") == -1 && unlink("d/..") == -1 && unlink("/") == -1);
    EXPECT_ERROR(unlink("d/f/g"), ENOTDIR);
    EXPECT(unlink("d/f"), 0);
    EXPECT(unlink("d"), 0);
    EXPECT_TRUE(!exists("d"));
    EXPECT_ERROR(rmdir("d"), ENOENT);
    file_make("f", 1);
    EXPECT_ERROR(rmdir("f"), ENOTDIR);
}

static void test_link(void)
{
    struct stat info;

    file_make("f", 100);
    EXPECT(link("f", "g"), 0);
    EXPECT(stat("g", &info), 0);
    EXPECT(info.st_nlink, 2);
    EXPECT_ERROR(link("f", "g"), EEXIST);
    EXPECT_ERROR(link("none", "h"), ENOENT);
    EXPECT_ERROR(link("f", "none/h"), ENOENT);
    EXPECT_ERROR(link("f", "g/h"), ENOTDIR);
    EXPECT(mkdir("d", 0777), 0);
    EXPECT_ERROR(link("d", "e"), EPERM);
    EXPECT_ERROR(link("f", ""), ENOENT);
    EXPECT(unlink("f"), 0);
    EXPECT(stat("g", &info), 0);
    EXPECT_TRUE(info.st_nlink == 1 && info.st_size == 100);
}

static void test_chdir(void)
{
    EXPECT(mkdir("d", 0777), 0);
    EXPECT(mkdir("d/e", 0777), 0);
    EXPECT(chdir("d/e"), 0);
    file_make("f", 1);
    EXPECT_TRUE(exists("../e/f") && exists("../../d/e/f"));
    EXPECT_ERROR(chdir("f"), ENOTDIR);
    EXPECT_ERROR(chdir("none"), ENOENT);
    EXPECT(chdir("../.."), 0);
    EXPECT_TRUE(exists("d/e/f"));
    EXPECT(chdir("/"), 0);
    EXPECT(chdir(".."), 0); /* the root is its own parent */
    EXPECT_TRUE(exists("bin/sh"));
}

/* A directory that is gone while somebody is in it: names there do not exist, and leaving it
 * works. */
static void test_current_directory_removed(void)
{
    EXPECT(mkdir("d", 0777), 0);
    EXPECT(chdir("d"), 0);
    if (unlink("../d") == 0) {
        EXPECT_ERROR(open("f", O_CREAT | O_WRONLY, 0666), ENOENT);
        EXPECT_ERROR(mkdir("e", 0777), ENOENT);
    } else
        EXPECT(errno, EBUSY);
    EXPECT(chdir("/"), 0);
}

static void test_long_names(void)
{
    char name[NAME_MAX + 2], path[PATH_MAX + 10] = "";

    memset(name, 'n', NAME_MAX);
    name[NAME_MAX] = 0;
    file_make(name, 1);
    EXPECT_TRUE(exists(name));
    name[NAME_MAX - 1] = 'm';
    EXPECT_TRUE(!exists(name)); /* the last character counts */
    strcpy(name + NAME_MAX, "x");
    EXPECT_ERROR(open(name, O_CREAT | O_WRONLY, 0666), ENAMETOOLONG);
    EXPECT_ERROR(mkdir(name, 0777), ENAMETOOLONG);
    while (strlen(path) < PATH_MAX)
        strcat(path, "./");
    EXPECT_ERROR(open(path, O_RDONLY), ENAMETOOLONG);
    path[PATH_MAX - 2] = 0;
    EXPECT_TRUE(exists(path));
}

static void test_readdir(void)
{
    enum { FILES = 40 };
    bool seen[FILES] = {false};
    int dots = 0;
    char name[16];

    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file%d", i);
        file_make(name, 0);
    }
    EXPECT(unlink("file7"), 0);
    DIR *directory = opendir(".");
    for (struct dirent *entry; (entry = readdir(directory));) {
        EXPECT_TRUE(entry->d_ino != 0);
        if (entry->d_name[0] == '.') {
            dots++;
            continue;
        }
        int number = 0;
        for (int i = 0; i < FILES; i++) {
            snprintf(name, sizeof name, "file%d", i);
            if (strcmp(name, entry->d_name) == 0)
                number = i;
        }
        EXPECT_TRUE(!seen[number]);
        seen[number] = true;
    }
    EXPECT(closedir(directory), 0);
    EXPECT(dots, 2);
    for (int i = 0; i < FILES; i++)
        EXPECT(seen[i], i != 7);
    EXPECT(opendir("file1"), NULL);
    EXPECT(errno, ENOTDIR);
}

static void test_nested_directories(void)
{
    enum { DEPTH = 30 };

    for (int i = 0; i < DEPTH; i++) {
        EXPECT(mkdir("d", 0777), 0);
        EXPECT(chdir("d"), 0);
    }
    for (int i = 0; i < DEPTH; i++) {
        EXPECT(chdir(".."), 0);
        EXPECT(unlink("d"), 0);
    }
}

/* Many processes make and remove the same few names; each operation succeeds or fails in one of the
 * ways it may. */
static void test_concurrent_names(void)
{
    for (int process = 0; process < 4; process++) {
        if (fork_checked() != 0)
            continue;
        for (int i = 0; i < 40; i++) {
            char name[] = {'a' + (char)(i % 3), 0};
            switch ((i + process) % 4) {
            case 0: {
                int fd = open(name, O_CREAT | O_WRONLY, 0666);
                EXPECT_TRUE(fd >= 0 || errno == EISDIR);
                close(fd);
                break;
            }
            case 1:
                EXPECT_TRUE(mkdir(name, 0777) == 0 || errno == EEXIST);
                break;
            case 2:
                EXPECT_TRUE(link(name, "z") == 0 || errno == EEXIST || errno == ENOENT ||
                            errno == EPERM);
                break;
            default:
                EXPECT_TRUE(unlink(name) == 0 || errno == ENOENT);
                unlink("z");
            }
        }
        _exit(0);
    }
    for (int process = 0; process < 4; process++)
        EXPECT(wait_status(-1), 0);
}

const struct test directory_tests[] = {
    {"mkdir", test_mkdir, 10, false},
    {"unlink", test_unlink, 10, false},
    {"link", test_link, 10, false},
    {"chdir", test_chdir, 10, false},
    {"current_directory_removed", test_current_directory_removed, 10, false},
    {"long_names", test_long_names, 10, false},
    {"readdir", test_readdir, 20, false},
    {"nested_directories", test_nested_directories, 20, false},
    {"concurrent_names", test_concurrent_names, 60, false},
    {0},
};
