/* Control and status registers, and the few instructions C has no words for (RISC-V privileged architecture
 * 1.12; Sstc 0.5 for stimecmp). */
#ifndef ARCH_RISCV_H
#define ARCH_RISCV_H

#include "lib/types.h"

#define CSR_READ(name)                                                                             \
    ({                                                                                             \
        uint64_t csr_value;                                                                        \
        __asm__ volatile("csrr %0, " #name : "=r"(csr_value)::"memory");                           \
        csr_value;                                                                                 \
    })
#define CSR_WRITE(name, value) __asm__ volatile("csrw " #name ", %0" ::"rK"(value) : "memory")
#define CSR_SET(name, bits)    __asm__ volatile("csrs " #name ", %0" ::"rK"(bits) : "memory")
#define CSR_CLEAR(name, bits)  __asm__ volatile("csrc " #name ", %0" ::"rK"(bits) : "memory")

/* The assembler in use may not know these names yet. */
#define CSR_STIMECMP 0x14d
#define CSR_MENVCFG  0x30a
#define CSR_BY_NUMBER_WRITE(number, value)                                                         \
    __asm__ volatile("csrw %0, %1" ::"i"(number), "r"(value) : "memory")

#define MSTATUS_MPP_MASK (3ul << 11)
#define MSTATUS_MPP_S    (1ul << 11)
#define MIE_MSIE         (1ul << 3)
#define MENVCFG_STCE     (1ul << 63) /* supervisor timer by stimecmp */
#define COUNTEREN_ALL    7ul         /* cycle, time, instret may be read from below */

#define SSTATUS_SIE  (1ul << 1)
#define SSTATUS_SPIE (1ul << 5)
#define SSTATUS_SPP  (1ul << 8)
#define SIE_SSIE     (1ul << 1)
#define SIE_STIE     (1ul << 5)
#define SIE_SEIE     (1ul << 9)
#define SIP_SSIP     (1ul << 1)

#define SCAUSE_INTERRUPT       (1ul << 63)
#define IRQ_S_SOFTWARE         1
#define IRQ_S_TIMER            5
#define IRQ_S_EXTERNAL         9
#define CAUSE_FETCH_MISALIGNED 0
#define CAUSE_FETCH_ACCESS     1
#define CAUSE_ILLEGAL          2
#define CAUSE_BREAKPOINT       3
#define CAUSE_LOAD_MISALIGNED  4
#define CAUSE_LOAD_ACCESS      5
#define CAUSE_STORE_MISALIGNED 6
#define CAUSE_STORE_ACCESS     7
#define CAUSE_ECALL_U          8
#define CAUSE_FETCH_PAGE       12
#define CAUSE_LOAD_PAGE        13
#define CAUSE_STORE_PAGE       15

#define SATP_SV39 (8ul << 60)

/* Page-table entries (Sv39). */
#define PTE_V         (1ul << 0)
#define PTE_R         (1ul << 1)
#define PTE_W         (1ul << 2)
#define PTE_X         (1ul << 3)
#define PTE_U         (1ul << 4)
#define PTE_G         (1ul << 5)
#define PTE_A         (1ul << 6)
#define PTE_D         (1ul << 7)
#define PTE_PPN_SHIFT 10
/* The bits above the page number belong to extensions that are not used here, and are 0. */
#define PTE_ADDRESS(pte)          ((pte) >> PTE_PPN_SHIFT << 12)
#define PTE_MAKE(address, flags)  ((((uint64_t)(address) >> 12) << PTE_PPN_SHIFT) | (flags))
#define PTE_INDEX(address, level) (((address) >> (12 + 9 * (level))) & 0x1ff)

static inline void interrupts_on(void) { CSR_SET(sstatus, SSTATUS_SIE); }
static inline void interrupts_off(void) { CSR_CLEAR(sstatus, SSTATUS_SIE); }
static inline bool interrupts_are_on(void) { return CSR_READ(sstatus) & SSTATUS_SIE; }

/* Until an interrupt is pending, whether or not interrupts are on. */
static inline void wait_for_interrupt(void) { __asm__ volatile("wfi" ::: "memory"); }

static inline void tlb_flush(void) { __asm__ volatile("sfence.vma zero, zero" ::: "memory"); }
static inline void icache_flush(void) { __asm__ volatile("fence.i" ::: "memory"); }

static inline uint64_t timebase_read(void)
{
    uint64_t ticks;
    __asm__ volatile("rdtime %0" : "=r"(ticks));
    return ticks;
}

#endif
