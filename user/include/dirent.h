/* <dirent.h>: reading directories. */
#ifndef USER_DIRENT_H
#define USER_DIRENT_H

#include "abi/file.h"

typedef struct directory_stream DIR;

DIR *opendir(const char *path);
struct dirent *readdir(DIR *directory); /* valid until the next call */
int closedir(DIR *directory);

#endif
