# rvnet: `make help` lists what a person may use.

.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:

B := build
ifneq ($B,build)
export RVNET_BUILD := $(abspath $B)
endif
# Debian's Python sees Debian's python3-* packages; another one on PATH may not.
PYTHON := $(if $(wildcard /usr/bin/python3),/usr/bin/python3,python3)
NIC ?= virtio
export RVNET_NIC = $(NIC)
SMP ?= 1
DISK_MB := 32

# --- tools: found when they are first used, so that `make deps` can bring them ---
find-prefix = $(shell for p in riscv64-unknown-elf- riscv64-linux-gnu-; do \
	command -v $${p}gcc >/dev/null 2>&1 && { echo $$p; break; }; done)
TOOLPREFIX = $(eval TOOLPREFIX := $(find-prefix))$(or $(TOOLPREFIX),$(error no RISC-V compiler \
	found: run `make deps` (Debian package gcc-riscv64-unknown-elf), or set TOOLPREFIX=))
CC = $(TOOLPREFIX)gcc
HOSTCC ?= gcc
QEMU ?= qemu-system-riscv64

WARN := -Wall -Wextra -Werror
ARCH := -march=rv64imac_zicsr_zifencei_zba_zbb -mabi=lp64 -mcmodel=medany
# The compiler must not turn the loops in string.c into calls of the functions they implement.
FREESTANDING := -ffreestanding -fno-pic -fno-stack-protector -fno-tree-loop-distribute-patterns
CFLAGS := -std=gnu11 -O2 -g $(WARN) $(ARCH) $(FREESTANDING) -MMD -MP
KCFLAGS := $(CFLAGS) -Ikernel
UCFLAGS := $(CFLAGS) -Iuser/include -Ikernel

# --- the kernel ---
KERNEL_SOURCES := $(sort $(wildcard kernel/*/*.c kernel/*/*.S))
KERNEL_OBJECTS := $(patsubst %,$B/%.o,$(basename $(KERNEL_SOURCES)))

# What every datagram passes is optimised as one when the kernel is linked, so that its functions are inlined across
# files or lie side by side: each call and return that is spared saves QEMU a look for the next piece of code.
PATH_FILES := dev/virtio_net_data net/checksum net/predict proc/usercopy sys/sysmsg virtio/virtq
$(PATH_FILES:%=$B/kernel/%.o): KCFLAGS += -flto

all: $B/kernel.elf $B/fs.img ## build the kernel and the disk image

$B/kernel.elf: $(KERNEL_OBJECTS) kernel/boot/kernel.ld
	@echo "  LD    $@"
	@$(CC) $(CFLAGS) -flto -flto-partition=one -nostdlib -static -Wl,-z,max-page-size=4096,--build-id=none \
		-Wl,--no-warn-rwx-segments -T kernel/boot/kernel.ld -o $@ $(KERNEL_OBJECTS)

$B/kernel/%.o: kernel/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(KCFLAGS) -c -o $@ $<

$B/kernel/%.o: kernel/%.S
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(KCFLAGS) -c -o $@ $<

# --- user programs: user/NAME.c, or every file of user/NAME/ ---
PROGRAMS := $(basename $(notdir $(wildcard user/*.c))) \
	$(notdir $(patsubst %/,%,$(dir $(wildcard user/*/main.c))))
LIBUSER_OBJECTS := $(patsubst %,$B/%.o,$(basename $(sort $(wildcard user/lib/*.c user/lib/*.S)))) \
	$B/user/kernel-lib/string.o $B/user/kernel-lib/format.o
PROGRAM_FILES := $(PROGRAMS:%=$B/bin/%)
program-objects = $(patsubst %.c,$B/%.o,$(wildcard user/$1.c user/$1/*.c))

$B/user/%.o: user/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(UCFLAGS) -c -o $@ $<

$B/user/%.o: user/%.S
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(UCFLAGS) -c -o $@ $<

$B/user/kernel-lib/%.o: kernel/lib/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(UCFLAGS) -c -o $@ $<

.SECONDEXPANSION:
$(PROGRAM_FILES): $B/bin/%: $$(call program-objects,$$*) $(LIBUSER_OBJECTS) user/user.ld
	@mkdir -p $(@D)
	@echo "  LD    $@"
	@$(CC) $(ARCH) -nostdlib -static -Wl,-z,max-page-size=4096,--build-id=none,--no-warn-rwx-segments \
		-T user/user.ld -o $@ $(filter %.o,$^)

# --- the disk image ---
$B/mkfs: mkfs/mkfs.c kernel/fs/fs_format.h $(wildcard kernel/abi/*.h)
	@mkdir -p $(@D)
	$(HOSTCC) -std=gnu11 -O2 -g $(WARN) -Ikernel -o $@ $<

ETC_FILES := $(wildcard user/etc/*)
# The image carries stripped programs; those under $B/bin keep their symbols for the debugger.
$B/fs.img: $B/mkfs $(PROGRAM_FILES) $(ETC_FILES)
	@mkdir -p $B/stripped
	@for p in $(PROGRAMS); do $(TOOLPREFIX)strip -o $B/stripped/$$p $B/bin/$$p || exit 1; done
	$B/mkfs $@ $(DISK_MB) dir=/bin dir=/etc dir=/dev dir=/tmp dev=/dev/console,5,1 dev=/dev/null,1,3 \
		dev=/dev/zero,1,5 dev=/dev/pci,8,0 $(foreach p,$(PROGRAMS),$B/stripped/$p=/bin/$p) \
		$(foreach f,$(ETC_FILES),$f=/etc/$(notdir $f))

# --- unit tests: the stack, the ring, the file system and the library, on this host ---
# No stack protector, which some hosts have on by themselves: graders let the kernel's files call the kernel alone.
# A local that nobody has set holds a pattern, so that who reads it is found out.
UNIT_CFLAGS := -std=gnu11 -O1 -g $(WARN) -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -fno-stack-protector -ftrivial-auto-var-init=pattern \
	-Itests/unit/host -Itests/unit -Ikernel -MMD -MP
UNIT_TESTS := $(basename $(notdir $(wildcard tests/unit/test_*.c)))
UNIT_KERNEL := $(sort $(wildcard kernel/net/*.c) $(wildcard kernel/virtio/*.c) \
	$(wildcard kernel/fs/*.c) kernel/dev/block.c \
	$(wildcard kernel/dev/virtio_*.c) kernel/dev/pci.c \
	$(wildcard kernel/dev/e1000*.c))
UNIT_HOST := $(wildcard tests/unit/host/*.c) $(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c))

$B/unit/%.o: %.c
	@mkdir -p $(@D)
	@echo "  HOST  $<"
	@$(HOSTCC) $(UNIT_CFLAGS) -c -o $@ $<

$B/unit/libkernel.a: $(UNIT_KERNEL:%.c=$B/unit/%.o)
$B/unit/libhost.a: $(UNIT_HOST:%.c=$B/unit/%.o)
$B/unit/libkernel.a $B/unit/libhost.a:
	@rm -f $@
	@ar rcs $@ $^

# The host's services stand first: what they offer is not taken from the kernel.
$B/unit/test_%: $B/unit/tests/unit/test_%.o $B/unit/libhost.a $B/unit/libkernel.a
	@echo "  HOST  $@"
	@$(HOSTCC) $(UNIT_CFLAGS) -o $@ $^ $B/unit/libhost.a -lcmocka

unit-programs: $(UNIT_TESTS:%=$B/unit/%)
.PHONY: unit-programs


# --- packages ---
PACKAGES := build-essential gcc-riscv64-unknown-elf binutils-riscv64-unknown-elf qemu-system-misc \
	python3-pytest python3-pytest-xdist python3-pytest-timeout python3-scapy python3-pexpect libcmocka-dev gdb-multiarch parallel gnuplot-nox tshark

deps: ## install what is missing (Debian packages); says what to install elsewhere
	@tests/deps.sh $(PACKAGES)

# `make deps demo` installs first, whatever -j says.
ifneq ($(filter deps,$(MAKECMDGOALS)),)
$(filter-out deps,$(MAKECMDGOALS)): | deps
$B/kernel.elf $B/fs.img unit-programs: | deps
endif

tools:
	@$(PYTHON) tests/check_tools.py $(QEMU) $(CC)

# --- running ---
demo: tools all ## boot, run nettests against scripted peers, print the table of results
	@PYTHONPATH=tests $(PYTHON) -m harness.demo

qemu: tools all ## boot to a shell, with user network and the peers of nettests (Ctrl-A x quits)
	@PYTHONPATH=tests $(PYTHON) -m harness.run --smp $(SMP) --nic $(NIC)

qemu-gdb: tools all ## the same, stopped at the first instruction; then run gdb in another terminal
	@PYTHONPATH=tests $(PYTHON) -m harness.run --smp $(SMP) --nic $(NIC) --gdb

# --- testing ---
test: tools all unit-programs ## everything: unit tests (ASan, UBSan), the include rule, system tests
	@$(PYTHON) tests/run.py

test-full: tools all unit-programs ## the same, with the network's on every card, polled or not, on 1 and 3 harts
	@$(PYTHON) tests/run.py --full tests

unit: unit-programs ## the unit tests only
	@$(PYTHON) tests/run.py tests/unit

include tests/bench/bench.mk
include labs/labs.mk

# --- care ---
FORMATTED = $(shell find kernel user mkfs tests labs -name '*.[ch]')
format: ## apply .clang-format to every C file
	clang-format -i $(FORMATTED)

compile_commands.json: ## for editors (clangd)
	@$(PYTHON) tests/compile_commands.py '$(CC) $(KCFLAGS)' '$(CC) $(UCFLAGS)' > $@

clean: ## remove everything that was built
	rm -rf $B compile_commands.json

# A handout lacks the targets at the end of labs.mk.
help: ## this list
	@echo 'Targets (variables: NIC=virtio|virtio-pci|e1000, SMP=1..8, TOOLPREFIX=, QEMU=):'
	@sed -n $(if $(wildcard labs/tools/handout.py),,-e '/^ifneq.*handout/q') -e 's/^\([a-z_.-]*\):.*## \(.*\)/\1\t\2/p' Makefile tests/bench/bench.mk labs/labs.mk | awk -F'\t' '{printf "  make %-22s %s\n", $$1, $$2}'

.PHONY: all deps tools demo qemu qemu-gdb test test-full unit format clean help

-include $(shell find $B -name '*.d' 2>/dev/null)
