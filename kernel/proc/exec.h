/* Program images: builds a process's user memory from an ELF file. Where the file comes from is the caller's
 * business: it is read through a function. */
#ifndef PROC_EXEC_H
#define PROC_EXEC_H

#include "lib/types.h"

struct vm_space;

struct exec_source {
    /* Reads n bytes at offset into kernel memory. The count read (short at the end of the file) or a negated
     * errno. */
    ssize_t (*read)(void *context, void *to, uint64_t offset, size_t n);
    void *context;
};

/* Argument strings, one after the other, each with its closing 0. */
struct exec_arguments {
    char *strings;
    size_t bytes;
    unsigned count;
};

struct exec_image {
    struct vm_space *space;
    uintptr_t entry;
    uintptr_t stack; /* initial stack pointer; argv is there as well */
};

/* Makes a new space with the program's segments, a stack and the arguments on it. Touches nothing of the
 * current process. 0, -ENOEXEC (not a RISC-V ELF program this system can run), -ENOMEM, -E2BIG, or the error
 * of a read. */
int exec_build(const struct exec_source *source, const struct exec_arguments *arguments,
               struct exec_image *image);

/* Makes the image the current process's memory and sets its frame so that it starts there with argc and argv
 * in a0 and a1; the old memory is freed. Takes image->space over. */
void exec_commit(const struct exec_image *image, const struct exec_arguments *arguments,
                 const char *name);

#endif
