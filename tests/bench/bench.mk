# What `make bench`, `make profile` and tests/bench/test_budget.py need; included by the Makefile.

BENCH_HOST_CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARN)
BENCH_FLOOR := tests/bench/floor
BENCH_FLOOR_SOURCES := $(wildcard $(BENCH_FLOOR)/*.c) $(BENCH_FLOOR)/entry.S kernel/lib/format.c kernel/lib/string.c

BENCH_PEER := $(addprefix tests/bench/,peer.c echo.c link.c frames.c)
$B/bench/peer: $(BENCH_PEER) $(wildcard tests/bench/*.h) user/bench/protocol.h
	@mkdir -p $(@D)
	@echo "  HOST  $@"
	@$(HOSTCC) $(BENCH_HOST_CFLAGS) -o $@ $(filter %.c,$^)

$B/bench/count.so: tests/bench/count.c
	@mkdir -p $(@D)
	@echo "  HOST  $@"
	@$(HOSTCC) $(BENCH_HOST_CFLAGS) -shared -fPIC -fvisibility=hidden -o $@ $<

$B/bench/floor.elf: $(BENCH_FLOOR_SOURCES) $(wildcard $(BENCH_FLOOR)/*.h kernel/*/*.h) \
		$(BENCH_FLOOR)/floor.ld user/bench/protocol.h
	@mkdir -p $(@D)
	@echo "  CC    $@"
	@$(CC) $(filter-out -MMD -MP,$(KCFLAGS)) -nostdlib -Wl,--no-warn-rwx-segments,--build-id=none \
		-T $(BENCH_FLOOR)/floor.ld -o $@ $(filter %.c %.S,$^)

bench-programs: $B/bench/peer $B/bench/count.so $B/bench/floor.elf
test test-full: bench-programs

bench: tools all bench-programs ## measure against the emulator's floor: table, build/bench/results.json, plots
	@$(PYTHON) tests/bench/bench.py

bench-linux: tools all bench-programs ## the same of a Debian Linux guest, beside ours (needs Debian's mirror, 120 MB)
	@$(PYTHON) tests/bench/bench_linux.py

profile: tools all bench-programs ## where the instructions of one echo go, by function
	@$(PYTHON) tests/bench/counts.py

.PHONY: bench bench-linux bench-programs profile
