#include "proc/exec.h"

#include "abi/errno.h"
#include "arch/memlayout.h"
#include "lib/string.h"
#include "mm/kalloc.h"
#include "mm/vm.h"
#include "proc/sched.h"

/* ELF-64 (System V ABI, chapter 4 and 5): the parts that are used. */
#define ELF_IDENT_SIZE    16
#define ELF_TYPE_EXEC     2
#define ELF_MACHINE_RISCV 243
#define ELF_SEGMENT_LOAD  1
#define ELF_SEGMENTS_MAX  16
#define ELF_FLAG_EXEC     1
#define ELF_FLAG_WRITE    2
#define ELF_FLAG_READ     4

static const uint8_t elf_ident[] = {0x7f, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little-endian */};

struct elf_header {
    uint8_t ident[ELF_IDENT_SIZE];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, segments_offset, sections_offset;
    uint32_t flags;
    uint16_t header_size, segment_size, segment_count;
    uint16_t section_size, section_count, names_index;
};

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_size, memory_size, alignment;
};

/* Reads exactly n bytes: a file that ends early is no program. */
static int read_whole(const struct exec_source *source, void *to, uint64_t offset, size_t n)
{
    ssize_t got = source->read(source->context, to, offset, n);
    if (got < 0)
        return (int)got;
    return (size_t)got == n ? 0 : -ENOEXEC;
}

static int header_read(const struct exec_source *source, struct elf_header *header)
{
    int error = read_whole(source, header, 0, sizeof *header);
    if (error)
        return error;
    if (memcmp(header->ident, elf_ident, sizeof elf_ident) || header->type != ELF_TYPE_EXEC ||
        header->machine != ELF_MACHINE_RISCV ||
        header->segment_size != sizeof(struct elf_segment) ||
        header->segment_count > ELF_SEGMENTS_MAX)
        return -ENOEXEC;
    return 0;
}

/* Every number of a segment comes from the file, so each is checked before it is used. */
static bool segment_is_sane(const struct elf_segment *segment, uintptr_t limit)
{
    return segment->file_size <= segment->memory_size &&
           segment->memory_size <= limit - USER_BASE && segment->address >= USER_BASE &&
           segment->address <= limit - segment->memory_size &&
           segment->offset <= INT64_MAX - segment->file_size;
}

static unsigned segment_protection(const struct elf_segment *segment)
{
    return (segment->flags & ELF_FLAG_READ ? VM_READ : 0) |
           (segment->flags & ELF_FLAG_WRITE ? VM_READ | VM_WRITE : 0) |
           (segment->flags & ELF_FLAG_EXEC ? VM_EXEC : 0);
}

/* Fills a mapped segment from the file, page by page straight into its memory. */
static int segment_fill(const struct exec_source *source, struct vm_space *space,
                        const struct elf_segment *segment)
{
    uint64_t done = 0;
    while (done < segment->file_size) {
        uintptr_t address = segment->address + done;
        size_t part = MIN(segment->file_size - done, PAGE_SIZE - address % PAGE_SIZE);
        int error =
            read_whole(source, vm_user_page(space, address, 0), segment->offset + done, part);
        if (error)
            return error;
        done += part;
    }
    return 0;
}

static int segment_load(const struct exec_source *source, struct vm_space *space,
                        const struct elf_segment *segment)
{
    uintptr_t start = ALIGN_DOWN(segment->address, PAGE_SIZE);
    uintptr_t end = ALIGN_UP(segment->address + segment->memory_size, PAGE_SIZE);
    int error = vm_space_map(space, start, end, segment_protection(segment));
    if (error)
        return error == -EINVAL ? -ENOEXEC : error; /* segments that share a page */
    space->top = space->heap_start = MAX(space->top, end);
    return segment_fill(source, space, segment);
}

static int segments_load(const struct exec_source *source, const struct elf_header *header,
                         struct vm_space *space)
{
    for (unsigned n = 0; n < header->segment_count; n++) {
        struct elf_segment segment;
        int error = read_whole(source, &segment, header->segments_offset + n * sizeof segment,
                               sizeof segment);
        if (error)
            return error;
        if (segment.type != ELF_SEGMENT_LOAD || segment.memory_size == 0)
            continue;
        if (!segment_is_sane(&segment, USER_END - USER_STACK_SIZE - PAGE_SIZE))
            return -ENOEXEC;
        error = segment_load(source, space, &segment);
        if (error)
            return error;
    }
    return vm_user_page(space, header->entry, VM_EXEC) ? 0 : -ENOEXEC;
}

/* From the top of the stack downwards: the strings, then argv with its closing NULL, aligned to 16 as the
 * calling convention wants the stack pointer. */
static int stack_build(struct vm_space *space, const struct exec_arguments *arguments,
                       uintptr_t *stack)
{
    uint64_t argv[ARGUMENT_COUNT_MAX + 1];
    uintptr_t strings = USER_END - ALIGN_UP(arguments->bytes, 16);
    const char *string = arguments->strings;

    if (arguments->count > ARGUMENT_COUNT_MAX || arguments->bytes > ARGUMENT_BYTES_MAX)
        return -E2BIG;
    int error = vm_space_map(space, USER_END - USER_STACK_SIZE, USER_END, VM_READ | VM_WRITE);
    if (error)
        return error;
    space->stack = USER_END - USER_STACK_SIZE;

    for (unsigned n = 0; n < arguments->count; n++) {
        argv[n] = strings + (uintptr_t)(string - arguments->strings);
        string += strlen(string) + 1;
    }
    argv[arguments->count] = 0;
    size_t argv_bytes = (arguments->count + 1) * sizeof *argv;
    *stack = ALIGN_DOWN(strings - argv_bytes, 16);
    error = vm_space_write(space, strings, arguments->strings, arguments->bytes);
    return error ? error : vm_space_write(space, *stack, argv, argv_bytes);
}

int exec_build(const struct exec_source *source, const struct exec_arguments *arguments,
               struct exec_image *image)
{
    struct elf_header header;
    int error = header_read(source, &header);
    if (error)
        return error;

    image->entry = header.entry;
    image->space = vm_space_create();
    if (!image->space)
        return -ENOMEM;
    error = segments_load(source, &header, image->space);
    if (!error)
        error = stack_build(image->space, arguments, &image->stack);
    if (error)
        vm_space_destroy(image->space);
    return error;
}

void exec_commit(const struct exec_image *image, const struct exec_arguments *arguments,
                 const char *name)
{
    struct proc *p = current_proc();
    struct vm_space *old = p->space;

    trap_frame_prepare(p->frame, image->entry, image->stack);
    p->frame->a[0] = arguments->count;
    p->frame->a[1] = image->stack;
    strlcpy(p->name, name, sizeof p->name);

    interrupts_disable();
    p->space = image->space;
    sched_load_space(p->space, false);
    interrupts_restore();
    p->memory = p->space->top - USER_BASE + USER_STACK_SIZE;
    if (old)
        sched_retire_space(old);
}
