/* ls [-al] [NAME]...: lists directories, and files by name. -l: type, links, size, inode; -a: names
 * that begin with a dot too. Sorted by name. */
#include "lib/output.h"

#include <dirent.h>
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool all, detailed;

static char type_letter(uint32_t mode)
{
    if (S_ISDIR(mode))
        return 'd';
    return S_ISCHR(mode) ? 'c' : S_ISREG(mode) ? '-' : '?';
}

/* A file may go away between the list and this: then it is reported. */
static int show(const char *path, const char *name)
{
    struct stat info;

    if (!detailed) {
        puts(name);
        return 0;
    }
    if (stat(path, &info)) {
        warn("%s", path);
        return 1;
    }
    if (S_ISCHR(info.st_mode))
        printf("c %3u %5u,%3u %6lu %s\n", info.st_nlink, info.st_rdev >> 8, info.st_rdev & 0xff,
               info.st_ino, name);
    else
        printf("%c %3u %9ld %6lu %s\n", type_letter(info.st_mode), info.st_nlink, info.st_size,
               info.st_ino, name);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

struct names {
    char **items;
    size_t count, room;
};

/* The list doubles, so adding n names copies less than 2n. */
static void names_add(struct names *names, const char *name)
{
    if (names->count == names->room) {
        names->room = names->room ? 2 * names->room : 32;
        names->items = realloc(names->items, names->room * sizeof names->items[0]);
    }
    char *copy = strdup(name);
    if (!names->items || !copy)
        errx(1, "out of memory");
    names->items[names->count++] = copy;
}

static int list_directory(const char *path)
{
    struct names names = {0};
    int failed = 0;
    DIR *directory = opendir(path);

    if (!directory) {
        warn("%s", path);
        return 1;
    }
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (all || entry->d_name[0] != '.')
            names_add(&names, entry->d_name);
    }
    closedir(directory);

    qsort(names.items, names.count, sizeof names.items[0], compare_names);
    for (size_t i = 0; i < names.count; i++) {
        char entry_path[PATH_MAX];
        int length = snprintf(entry_path, sizeof entry_path, "%s/%s", path, names.items[i]);
        if (detailed && length >= (int)sizeof entry_path) { /* cut off, it may be another file's */
            warnx("%s/%s: path too long", path, names.items[i]);
            failed = 1;
        } else
            failed |= show(entry_path, names.items[i]);
        free(names.items[i]);
    }
    free(names.items);
    return failed;
}

static int list(const char *path, bool with_heading)
{
    struct stat info;

    if (stat(path, &info)) {
        warn("%s", path);
        return 1;
    }
    if (!S_ISDIR(info.st_mode))
        return show(path, path);
    if (with_heading)
        printf("%s:\n", path);
    return list_directory(path);
}

int main(int argc, char **argv)
{
    int failed = 0;

    for (int option; (option = getopt(argc, argv, "al")) != -1;) {
        all |= option == 'a';
        detailed |= option == 'l';
        if (option == '?')
            errx(2, "usage: ls [-al] [NAME]...");
    }
    if (optind == argc)
        failed = list(".", false);
    for (int i = optind; i < argc; i++)
        failed |= list(argv[i], argc - optind > 1);
    return output_status(failed, 1);
}
