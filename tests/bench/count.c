/* A QEMU plugin that counts what the guest executes, by function.
 *
 *     -plugin count.so,map=FILE,out=FILE
 *
 * map: one line "START END" in hexadecimal for each function, ascending, without overlap. out: a
 * file of (functions + 1) rows of struct row below, which is mapped and counted into while the
 * guest runs, so that a reader sees the counts at any moment by reading the file: a measurement is
 * the difference of two readings, and the guest need not know. The last row takes what lies in no
 * function.
 *
 * The counting is compiled into the translated code (inline additions: one for each stretch of
 * instructions of a function within a translation block), which slows the guest by a fraction only,
 * so batches stay about as large as they are without it. Two inaccuracies follow. A stretch is
 * counted when it begins, so an exception in its middle counts the rest as executed. And the
 * additions are not atomic: with several harts a few are lost, so exact figures are those of one
 * hart.
 *
 * QEMU exports the plugin interface, but Debian's package does not carry its header; the
 * declarations below are those of interface version 1, which QEMU 7.2 has.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*callback)(qemu_plugin_id_t,
                                                            struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn,
                                                enum qemu_plugin_op op, void *counter,
                                                uint64_t addend);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc,
                               char **argv);

/* bench.py knows this layout: 64-bit words in the machine's byte order. */
struct row {
    uint64_t instructions;
    uint64_t entries;      /* executions of the function's first instruction */
    uint64_t device_reads; /* by the fences of kernel/arch/mmio.h, which no other code has */
    uint64_t device_writes;
    uint64_t tlb_flushes; /* QEMU forgets translations: satp, sfence.vma, sstatus.SUM */
    uint64_t atomics;     /* lr, sc and amo: locks taken and released, counters */
    uint64_t csr; /* accesses to CSRs, sret and wfi: QEMU ends its block and looks for work */
    uint64_t bytes_stored; /* by ordinary stores: what copying costs, whoever does it */
};

static struct function {
    uint64_t start, end;
} * functions;
static size_t function_count;
static struct row *rows;

static size_t row_find(uint64_t address)
{
    size_t low = 0, high = function_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (address < functions[middle].start)
            high = middle;
        else if (address >= functions[middle].end)
            low = middle + 1;
        else
            return middle;
    }
    return function_count;
}

/* --- the instructions of interest (RISC-V unprivileged ISA, chapter 24; privileged, 3.3) --- */

#define FENCE_BEFORE_DEVICE_WRITE 0x0140000fu /* fence w,o */
#define FENCE_AFTER_DEVICE_READ   0x08a0000fu /* fence i,ir */
#define OPCODE(word)              ((word)&0x7f)
#define OPCODE_SYSTEM             0x73
#define ECALL                     0x00000073u
#define OPCODE_ATOMIC             0x2f
#define OPCODE_STORE              0x23
#define FUNCT3(word)              ((word) >> 12 & 7)
#define RS1(word)                 ((word) >> 15 & 31)
#define CSR(word)                 ((word) >> 20)
#define CSR_SATP                  0x180
#define CSR_SSTATUS               0x100
#define SFENCE_VMA(word)          (((word)&0xfe007fff) == 0x12000073)

/* csrrs and csrrc with a register that is not x0: the form that can reach SUM, bit 18, which the
 * five bits of an immediate cannot. (A csrw restores what a trap has saved: it does not change
 * SUM.) */
static int flushes_tlb(uint32_t word)
{
    if (OPCODE(word) != OPCODE_SYSTEM)
        return 0;
    if (SFENCE_VMA(word))
        return 1;
    unsigned form = FUNCT3(word);
    if (CSR(word) == CSR_SATP)
        return form == 1 || ((form == 2 || form == 3) && RS1(word));
    return CSR(word) == CSR_SSTATUS && (form == 2 || form == 3) && RS1(word);
}

/* How many bytes an ordinary store writes; 0: it is something else. The compressed ones (16.3):
 * c.sw and c.sd in quadrant 0, c.swsp and c.sdsp in quadrant 2, each as its function code 6 and
 * 7. */
static unsigned bytes_stored(uint32_t word, size_t size)
{
    if (size == 4)
        return OPCODE(word) == OPCODE_STORE && FUNCT3(word) < 4 ? 1u << FUNCT3(word) : 0;
    unsigned quadrant = word & 3, function = word >> 13 & 7;
    return quadrant != 1 && function >= 6 ? 4u << (function - 6) : 0;
}

static void add(struct qemu_plugin_insn *insn, uint64_t *counter, uint64_t addend)
{
    qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, counter, addend);
}

static void count_kind(struct qemu_plugin_insn *insn, struct row *row)
{
    uint32_t word = 0;
    size_t size = qemu_plugin_insn_size(insn);

    memcpy(&word, qemu_plugin_insn_data(insn), size < sizeof word ? size : sizeof word);
    unsigned stored = bytes_stored(word, size);
    if (stored)
        add(insn, &row->bytes_stored, stored);
    else if (word == FENCE_BEFORE_DEVICE_WRITE)
        add(insn, &row->device_writes, 1);
    else if (word == FENCE_AFTER_DEVICE_READ)
        add(insn, &row->device_reads, 1);
    else if (size == 4 && OPCODE(word) == OPCODE_ATOMIC)
        add(insn, &row->atomics, 1);
    else if (size == 4 && OPCODE(word) == OPCODE_SYSTEM && word != ECALL)
        add(insn, &row->csr, 1);
    if (size == 4 && flushes_tlb(word))
        add(insn, &row->tlb_flushes, 1);
}

/* The row of an instruction, and whether a function begins with it. */
static size_t locate(const struct qemu_plugin_insn *insn, int *begins)
{
    uint64_t address = qemu_plugin_insn_vaddr(insn);
    size_t index = row_find(address);

    *begins = index < function_count && functions[index].start == address;
    return index;
}

static void block_translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    size_t count = qemu_plugin_tb_n_insns(tb), stretch = 0, row = 0;
    struct qemu_plugin_insn *first = NULL;

    for (size_t i = 0; i < count; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        int begins;
        size_t index = locate(insn, &begins);
        if (begins)
            add(insn, &rows[index].entries, 1);
        if (first && index != row) {
            add(first, &rows[row].instructions, stretch);
            first = NULL;
        }
        if (!first) {
            first = insn;
            row = index;
            stretch = 0;
        }
        stretch++;
        count_kind(insn, &rows[index]);
    }
    if (first)
        add(first, &rows[row].instructions, stretch);
}

/* --- start --- */

static int fail(const char *what)
{
    perror(what);
    return -1;
}

static int map_read(const char *path)
{
    FILE *file = fopen(path, "r");
    struct function f;

    if (!file)
        return fail(path);
    while (fscanf(file, "%lx %lx", &f.start, &f.end) == 2) {
        functions = realloc(functions, (function_count + 1) * sizeof f);
        if (!functions)
            return fail("count: functions");
        functions[function_count++] = f;
    }
    fclose(file);
    return 0;
}

static int rows_open(const char *path)
{
    size_t size = (function_count + 1) * sizeof *rows;
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0666);

    if (fd < 0 || ftruncate(fd, (off_t)size))
        return fail(path);
    rows = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return rows == MAP_FAILED ? fail(path) : 0;
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
    (void)info;
    const char *map = NULL, *out = NULL;

    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "map=", 4) == 0)
            map = argv[i] + 4;
        else if (strncmp(argv[i], "out=", 4) == 0)
            out = argv[i] + 4;
    }
    if (!map || !out) {
        fprintf(stderr, "count: expected map=FILE,out=FILE\n");
        return -1;
    }
    if (map_read(map) || rows_open(out))
        return -1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, block_translated);
    return 0;
}
