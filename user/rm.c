/* rm [-fr] NAME...: removes files and empty directories; -r also what is in directories; -f does
 * not mind names that do not exist. */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool force, recursive;

static int remove_name(const char *path);

/* Each entry is looked up afresh after the one before it is gone, since removing changes what
 * readdir() goes through. Stops when nothing more can be removed. */
static int empty_directory(const char *path)
{
    for (int failed = 0; !failed;) {
        char entry_path[PATH_MAX] = "";
        DIR *directory = opendir(path);
        if (!directory)
            return 1;
        for (struct dirent *entry; !*entry_path && (entry = readdir(directory));) {
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            int length = snprintf(entry_path, sizeof entry_path, "%s/%s", path, entry->d_name);
            if (length >= (int)sizeof entry_path) {
                warnx("%s/%s: path too long", path, entry->d_name);
                failed = 1;
            }
        }
        closedir(directory);
        if (*entry_path == 0)
            return 0;
        failed |= failed || remove_name(entry_path);
    }
    return 1;
}

static int remove_name(const char *path)
{
    struct stat info;

    if (recursive && stat(path, &info) == 0 && S_ISDIR(info.st_mode) && empty_directory(path))
        return 1;
    if (unlink(path) == 0 || (force && errno == ENOENT))
        return 0;
    warn("%s", path);
    return 1;
}

int main(int argc, char **argv)
{
    int failed = 0;

    for (int option; (option = getopt(argc, argv, "fr")) != -1;) {
        force |= option == 'f';
        recursive |= option == 'r';
        if (option == '?')
            errx(2, "usage: rm [-fr] NAME...");
    }
    if (optind == argc && !force)
        errx(2, "usage: rm [-fr] NAME...");
    for (int i = optind; i < argc; i++)
        failed |= remove_name(argv[i]);
    return failed;
}
