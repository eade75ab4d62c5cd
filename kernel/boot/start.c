/* Machine mode: gives supervisor mode the whole machine, and enters main() there. */
#include "arch/memlayout.h"
#include "arch/mmio.h"
#include "arch/riscv.h"
#include "lib/types.h"

void start(uint64_t hart, uintptr_t device_tree);
void main(uint64_t hart, uintptr_t device_tree);
void machine_vector(void);
void machine_fault(uint64_t cause, uint64_t pc, uint64_t address) __attribute__((noreturn));

/* Two registers at the bottom, a stack for machine_fault above. */
static uint64_t machine_save_area[HART_MAX][64] __attribute__((aligned(16)));

void start(uint64_t hart, uintptr_t device_tree)
{
    /* Physical memory protection: one region, everything allowed. */
    CSR_WRITE(pmpaddr0, ~0ul >> 10);
    CSR_WRITE(pmpcfg0, 0x0f); /* top of range; read, write, execute */

    /* Traps go to supervisor mode directly, but for what only machine mode gets. */
    CSR_WRITE(medeleg, 0xb1fful); /* all but environment calls from above user mode */
    CSR_WRITE(mideleg, SIE_SSIE | SIE_STIE | SIE_SEIE);
    CSR_WRITE(mscratch, (uintptr_t)machine_save_area[hart]);
    CSR_WRITE(mtvec, (uintptr_t)machine_vector);
    CSR_WRITE(mie, MIE_MSIE);

    /* Time: the compare register of supervisor mode (Sstc) and the counters, for users as well. */
    CSR_BY_NUMBER_WRITE(CSR_MENVCFG, MENVCFG_STCE);
    CSR_WRITE(mcounteren, COUNTEREN_ALL);
    /* The machine's own timer begins as expired. Nobody takes its interrupt, but QEMU looks at a hart that
     * has one pending again and again, and wakes it when anything changes at the interrupt controller. */
    mmio_write32(CLINT_MTIMECMP(hart) + 4, ~0u);
    CSR_WRITE(scounteren, COUNTEREN_ALL);

    CSR_WRITE(satp, 0);
    uint64_t mstatus = CSR_READ(mstatus);
    CSR_WRITE(mstatus, (mstatus & ~MSTATUS_MPP_MASK) | MSTATUS_MPP_S);
    CSR_WRITE(mepc, (uintptr_t)main);

    register uint64_t a0 __asm__("a0") = hart;
    register uintptr_t a1 __asm__("a1") = device_tree;
    __asm__ volatile("mret" ::"r"(a0), "r"(a1));
    __builtin_unreachable();
}

/* There is no console in machine mode, and no page table: the UART is written directly. */
static void text_put(const char *text)
{
    for (; *text; text++)
        mmio_write8(UART0, (uint8_t)*text);
}

static void hex_put(uint64_t value)
{
    text_put(" 0x");
    for (int shift = 60; shift >= 0; shift -= 4)
        mmio_write8(UART0, (uint8_t) "0123456789abcdef"[value >> shift & 15]);
}

void machine_fault(uint64_t cause, uint64_t pc, uint64_t address)
{
    text_put("panic: machine-mode trap: mcause, mepc, mtval");
    hex_put(cause);
    hex_put(pc);
    hex_put(address);
    text_put("\n");
    mmio_write32(TEST_FINISHER, 255u << 16 | 0x3333);
    for (;;)
        wait_for_interrupt();
}
