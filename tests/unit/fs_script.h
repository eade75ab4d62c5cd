/* A fixed series of changes to a file system, which crashes and damage are tested with. */
#ifndef FS_SCRIPT_H
#define FS_SCRIPT_H

#include "lib/types.h"

#define FS_SCRIPT_LENGTH 19

/* `atomic`: takes one log operation as far as names and contents go, so it happens or it does
 * not. */
struct fs_operation {
    int (*run)(void); /* 0 or a negated errno */
    bool atomic;
};

extern const struct fs_operation fs_script[FS_SCRIPT_LENGTH];

/* Runs the script until something fails; returns how many operations succeeded. */
size_t fs_script_run(void);
/* Runs all of it, whatever fails. */
void fs_script_run_all(void);

/* Writes n times `byte` at `offset` of a file, opened with `flags`: 0 or a negated errno. */
int fs_write_at(const char *path, int flags, uint64_t offset, size_t n, uint8_t byte);

/* Every byte that the script writes to /large, which is written and cut in several steps. */
#define FS_LARGE_BYTE 'l'

#endif
