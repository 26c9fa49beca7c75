# Cordon: see README.md. Everything that is built goes to build/.
#
#   make             the programs             make test    all tests
#   make demo        the main job, live       make lint    format, static checks, include rules
#   make drill       an outbreak, measured; CHANNEL=https|pull|tcp|udp|snmp|mqtt|mail
#   make fuzz        libFuzzer, FUZZ_SECONDS each           make install DESTDIR=...
#   make bench       all measurements: a table, build/bench.json, build/bench.svg
#   make bench-quick the same in two minutes
#
# SAN=address,undefined (or thread) builds into build/san-... and runs the tests there. WHOLE=1 builds into build/whole,
# optimised across files, which takes longer: `make WHOLE=1`, `make install WHOLE=1`, `make bench WHOLE=1`.

SHELL := /bin/bash
# All processors compile, if the command line does not say how many.
ifeq ($(filter clean,$(MAKECMDGOALS)),)
MAKEFLAGS += -j$(shell nproc)
endif
.DELETE_ON_ERROR:
comma := ,
CC := gcc
BUILD := build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))$(if $(WHOLE),/whole)
PREFIX := /usr/local
FUZZ_SECONDS := 60
CHANNEL ?= https

# What is missing is installed before anything asks for it. NODEPS=1 skips the look.
ifeq ($(filter clean,$(MAKECMDGOALS)),)
ifndef NODEPS
DEPS_GROUPS := build $(if $(filter test lab demo drill,$(MAKECMDGOALS)),test) \
	$(if $(filter lint fuzz,$(MAKECMDGOALS)),lint) $(if $(filter bench bench-quick,$(MAKECMDGOALS)),test perf)
DEPS_DONE := $(shell scripts/deps $(DEPS_GROUPS) && echo yes)
ifneq ($(DEPS_DONE),yes)
$(error scripts/deps failed: see above)
endif
endif
endif

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wcast-qual -Wpointer-arith -Wmissing-prototypes \
	-Wstrict-prototypes -Wundef -Wvla -Wswitch-enum -Wformat=2 -Werror
HARDEN := -fstack-protector-strong -fPIE
# What is copied or cleared is small as a rule: a loop is over before the processor's own (rep movs, rep stos) has begun.
STRINGS := $(foreach what,memcpy memset,-m$(what)-strategy=unrolled_loop:192:noalign$(comma)libcall:-1:noalign)
OPT := -O2 -g $(if $(SAN)$(findstring clang,$(CC)),,$(STRINGS)) $(if $(WHOLE),-flto=auto)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer)
FORTIFY := $(if $(SAN),,-D_FORTIFY_SOURCE=2)
CFLAGS := -std=gnu17 $(OPT) $(WARNINGS) $(HARDEN) $(FORTIFY) $(SANFLAGS) -I. -D_GNU_SOURCE
LDFLAGS := -pie -Wl,-z,relro,-z,now $(SANFLAGS) $(if $(WHOLE),-O2 -flto=auto)

isystem = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(1)))
DPDK_CFLAGS := $(call isystem,libdpdk) -DALLOW_EXPERIMENTAL_API
# The pattern compiler is linked into cordonctl and the tests, never into the dataplane.
HS_CFLAGS := $(call isystem,libhs)
HS_COMPILER := -lhs
HS_RUNTIME := -lhs_runtime
DPDK_LIBS := $(shell pkg-config --libs libdpdk)
# Only dataplane/spool_ring.c needs it: what does not ask for a ring (cordonctl) is not linked to it.
RING_LIBS := -luring
SCAN_LIBS := -lcrypto -lIPSec_MB -lisal -lz -lpcre2-8 -lbz2 -larchive
OFFLINE_LIBS := -lpcap -lcyaml -lyaml -ljansson

# ---- sources ----------------------------------------------------------------------------------

SCAN_BUILD_SRC := $(wildcard scan/clamav*.c scan/ruleset_build*.c)
SCAN_SRC := $(filter-out $(SCAN_BUILD_SRC),$(wildcard scan/*.c))
REASSEMBLY_SRC := $(wildcard reassembly/*.c)
# Only these see DPDK; the rest of dataplane/ is also linked into cordonctl and the tests.
DPDK_SRC := $(wildcard $(addprefix dataplane/,main*.c port*.c worker*.c telemetry.c distributor.c))
DATAPLANE_SRC := $(filter-out $(DPDK_SRC),$(wildcard dataplane/*.c))
CTL_SRC := $(wildcard control/ctl_*.c)
# Of the control process's, what reads its configuration, for cordonctl doctor.
CTL_SHARED_SRC := $(wildcard control/control_options*.c)
VENDOR_SRC := $(wildcard control/vendor_*.c)
CONTROL_SRC := $(filter-out $(CTL_SRC),$(wildcard control/*.c))
DPDK_UNIT_SRC := $(wildcard tests/dpdk/test_*.c)
# These link what cordon-control is made of: all of it but main.
CONTROL_UNIT_SRC := $(filter-out tests/control/test_ctl_%.c,$(wildcard tests/control/test_*.c))
UNIT_SRC := $(filter-out tests/lab/% tests/dpdk/% $(CONTROL_UNIT_SRC),$(wildcard tests/*/test_*.c))
FUZZ_SRC := $(filter-out tests/fuzz/fuzz_main.c,$(wildcard tests/fuzz/fuzz_*.c))
TEST_HELP_SRC := $(wildcard tests/support/*.c)
# What other programs are started with, and the programs.
LAB_CLOCK_SRC := tests/lab/clockwork.c
LAB_SRC := $(filter-out $(LAB_CLOCK_SRC),$(wildcard tests/lab/*.c))
BENCH_SRC := $(wildcard tests/bench/*.c)
PERF_CASES_SRC := perf/perf.c perf/words.c $(wildcard perf/rules*.c perf/case_*.c perf/content*.c)
PERF_SRC := $(wildcard perf/bench_*.c)
# What measures a worker sees DPDK, and is a program of the dataplane's.
PERF_RIG_PROGRAMS_SRC := perf/bench_traffic.c perf/bench_idle.c perf/bench_scale.c perf/bench_memif.c perf/bench_swap.c \
	perf/bench_engine.c
PERF_DPDK_SRC := $(PERF_RIG_PROGRAMS_SRC) $(wildcard perf/rig*.c) perf/light.c
PERF_TRAFFIC_SRC := perf/perf.c perf/figures.c perf/words.c perf/traffic.c perf/traffic_smtp.c perf/light.c perf/light_digest.c \
	$(wildcard perf/mails*.c perf/content*.c perf/rules*.c perf/rig*.c)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
LIBS := $(addprefix $(BUILD)/lib,scan_build.a dataplane.a scan.a reassembly.a)

PROGRAMS := $(addprefix $(BUILD)/,cordonctl cordon-dataplane cordon-control cordon-vendor)
UNITS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(UNIT_SRC))
DPDK_UNITS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(DPDK_UNIT_SRC))
CONTROL_UNITS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(CONTROL_UNIT_SRC))
CONTROL_FUZZ_SRC := $(wildcard tests/fuzz/fuzz_control_*.c)
FUZZERS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(filter-out $(CONTROL_FUZZ_SRC),$(FUZZ_SRC)))
CONTROL_FUZZERS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(CONTROL_FUZZ_SRC))
LAB_PROGRAMS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(LAB_SRC)) $(BUILD)/tests/lab/clockwork.so
BENCHES := $(patsubst tests/%.c,$(BUILD)/tests/%,$(BENCH_SRC))
PERF_PROGRAMS := $(BUILD)/perf/micro $(patsubst %.c,$(BUILD)/%,$(PERF_SRC))
PERF_COMPILED := $(call obj,$(filter-out perf/light.c perf/case_inflate.c,$(sort $(PERF_CASES_SRC) $(PERF_SRC) $(PERF_DPDK_SRC) \
	$(PERF_TRAFFIC_SRC) perf/fleet.c perf/disk.c)))

.PHONY: all test units bench bench-quick lab demo drill lint fuzz fuzz-libs install clean
all: $(PROGRAMS)

$(BUILD)/libscan.a: $(call obj,$(SCAN_SRC))
$(BUILD)/libscan_build.a: $(call obj,$(SCAN_BUILD_SRC))
$(BUILD)/libreassembly.a: $(call obj,$(REASSEMBLY_SRC))
$(BUILD)/libcontrol.a: $(call obj,$(filter-out control/%_main.c,$(CONTROL_SRC))) $(BUILD)/obj/pages.o
$(BUILD)/libdataplane.a: $(call obj,$(DATAPLANE_SRC))
$(BUILD)/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	@echo "AR   $@"
	@$(if $(WHOLE),gcc-)ar rcs $@ $^

# The pages of both daemons, bundled by npm's esbuild, are part of the programs.
WEB := build/web
$(WEB)/pages.c: scripts/pages $(shell find control/web -type f)
	@echo "WEB  $@"
	@scripts/pages $(WEB)
$(BUILD)/obj/pages.o: $(WEB)/pages.c control/web_pages.h
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -c $< -o $@

CONTROL_CFLAGS := $(call isystem,gmime-3.0)
CONTROL_LIBS := $(shell pkg-config --libs gmime-3.0 sqlite3 libetpan libwebsockets libcurl libmosquitto netsnmp libssl)

# Each folder sees the libraries that docs/layout.md allows it, and no others.
$(BUILD)/obj/scan/%.o: CFLAGS += $(HS_CFLAGS)
$(BUILD)/obj/dataplane/%.o: CFLAGS += $(if $(filter $(DPDK_SRC),$*.c),$(DPDK_CFLAGS))
$(call obj,$(CONTROL_SRC) $(CONTROL_UNIT_SRC) $(CONTROL_FUZZ_SRC) $(PERF_SRC) perf/fleet.c): CFLAGS += $(CONTROL_CFLAGS)
$(BUILD)/obj/tests/%.o: CFLAGS += $(HS_CFLAGS)
$(BUILD)/obj/perf/%.o: CFLAGS += $(HS_CFLAGS)
$(call obj,$(PERF_DPDK_SRC)): CFLAGS += $(DPDK_CFLAGS)
$(BUILD)/obj/tests/dpdk/%.o: CFLAGS += $(DPDK_CFLAGS)
# What runs for every mail: 3 % less time, and to compile it takes no longer. DPDK asks for such a processor, too.
$(BUILD)/obj/scan/%.o $(BUILD)/obj/reassembly/%.o $(BUILD)/obj/dataplane/%.o: CFLAGS += \
	-march=x86-64-v2 $(if $(SAN),,-O3)
# Vector code chooses at run time what the processor has; each variant has its own file and flags.
$(BUILD)/obj/scan/%_avx2.o: CFLAGS += -mavx2 -mbmi -mbmi2 -mpclmul
$(BUILD)/obj/scan/%_avx512.o: CFLAGS += -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vbmi \
	-mavx512vbmi2 -mbmi -mbmi2 -mpopcnt -mpclmul
$(BUILD)/obj/reassembly/%_avx512.o: CFLAGS += -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vbmi \
	-mavx512vbmi2 -mbmi2 -mpopcnt

$(BUILD)/obj/scan/%_shani.o: CFLAGS += -msse4.1 -msha

$(BUILD)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "CC   $<"
	@$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/cordon-dataplane: $(call obj,$(DPDK_SRC)) $(BUILD)/libdataplane.a $(BUILD)/libscan.a \
		$(BUILD)/libreassembly.a
	@echo "LD   $@"
	@$(CC) $(LDFLAGS) $^ -o $@ $(DPDK_LIBS) $(HS_RUNTIME) $(SCAN_LIBS) $(OFFLINE_LIBS) $(RING_LIBS) -lpthread

$(BUILD)/cordonctl: $(call obj,$(CTL_SRC) $(CTL_SHARED_SRC)) $(LIBS)
	@echo "LD   $@"
	@$(CC) $(LDFLAGS) $^ -o $@ $(HS_COMPILER) $(SCAN_LIBS) $(OFFLINE_LIBS) -lpthread

$(BUILD)/cordon-control: $(call obj,$(filter-out $(VENDOR_SRC),$(CONTROL_SRC))) $(BUILD)/obj/pages.o $(BUILD)/libdataplane.a $(BUILD)/libscan.a \
		$(BUILD)/libreassembly.a
	@echo "LD   $@"
	@$(CC) $(LDFLAGS) $^ -o $@ $(CONTROL_LIBS) $(HS_RUNTIME) $(SCAN_LIBS) $(OFFLINE_LIBS) -lpthread

# Of libcontrol.a it takes what both daemons share.
$(BUILD)/cordon-vendor: $(call obj,$(VENDOR_SRC)) $(addprefix $(BUILD)/lib,control.a dataplane.a scan.a \
		reassembly.a)
	@echo "LD   $@"
	@$(CC) $(LDFLAGS) $^ -o $@ $(CONTROL_LIBS) $(HS_RUNTIME) $(SCAN_LIBS) $(OFFLINE_LIBS) -lpthread

# ---- tests ------------------------------------------------------------------------------------

TEST_OBJ := $(call obj,$(TEST_HELP_SRC))
WRAP_test_engine_quiet := $(addprefix -Wl$(comma)--wrap=,engine_input engine_tick malloc calloc \
	realloc free pthread_mutex_lock write read usleep clock_gettime fputs)
WRAP_test_scan_gather := $(addprefix -Wl$(comma)--wrap=,match_end_late screening_end)
WRAP_test_match_stage := -Wl,--wrap=anchor_search
WRAP_test_spool_seal := -Wl,--wrap=ring_peek
WRAP_test_alerts_order := -Wl,--wrap=control_steady_ns
WRAP_test_aside := -Wl,--wrap=waitpid
WRAP_test_channel_tcp := -Wl,--wrap=accept4
WRAP_test_publish_base := $(addprefix -Wl$(comma)--wrap=,ruleset_attach ruleset_attach_delta ruleset_close)
WRAP_test_store_urgent := $(addprefix -Wl$(comma)--wrap=,pread fsync)
WRAP_test_unpack_libarchive := $(addprefix -Wl$(comma)--wrap=,archive_read_has_encrypted_entries \
	archive_read_data_block capture_piece)
$(UNITS): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(TEST_OBJ) $(LIBS)
	@mkdir -p $(@D)
	@echo "LD   $@"
	@$(CC) $(LDFLAGS) $^ -o $@ $(WRAP_$(notdir $@)) -lcmocka $(HS_COMPILER) $(SCAN_LIBS) $(OFFLINE_LIBS) $(RING_LIBS) -lpthread

# Of what sees DPDK: all of it but main.
$(DPDK_UNITS): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o \
		$(call obj,$(filter-out dataplane/main%.c,$(DPDK_SRC))) \
		$(addprefix $(BUILD)/lib,dataplane.a scan.a reassembly.a)
	@mkdir -p $(@D)
	@echo "LD   $@"
	@$(CC) $(LDFLAGS) $^ -o $@ -lcmocka $(DPDK_LIBS) $(HS_RUNTIME) $(SCAN_LIBS) $(OFFLINE_LIBS) $(RING_LIBS) -lpthread

# Of cordon-control: all of it but main.
$(CONTROL_UNITS): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o \
		$(BUILD)/libcontrol.a $(TEST_OBJ) $(LIBS)
	@mkdir -p $(@D)
	@echo "LD   $@"
	@$(CC) $(LDFLAGS) $^ -o $@ $(WRAP_$(notdir $@)) -lcmocka -lssl $(CONTROL_LIBS) $(HS_COMPILER) $(SCAN_LIBS) $(OFFLINE_LIBS) $(RING_LIBS) -lpthread

# A fuzz target runs its corpus and a bounded number of seeded mutations through a plain main.
$(FUZZERS): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(BUILD)/obj/tests/fuzz/fuzz_main.o \
		$(TEST_OBJ) $(LIBS)
	@mkdir -p $(@D)
	@echo "LD   $@"
	@$(CC) $(LDFLAGS) $^ -o $@ -lcmocka $(HS_COMPILER) $(SCAN_LIBS) $(OFFLINE_LIBS) $(RING_LIBS) -lpthread

$(CONTROL_FUZZERS): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(BUILD)/obj/tests/fuzz/fuzz_main.o \
		$(BUILD)/libcontrol.a $(TEST_OBJ) $(LIBS)
	@mkdir -p $(@D)
	@echo "LD   $@"
	@$(CC) $(LDFLAGS) $^ -o $@ -lcmocka $(CONTROL_LIBS) $(HS_COMPILER) $(SCAN_LIBS) $(OFFLINE_LIBS) $(RING_LIBS) -lpthread

$(BUILD)/tests/lab/clockwork.so: $(LAB_CLOCK_SRC)
	@mkdir -p $(@D)
	@echo "LD   $@"
	@$(CC) -std=gnu17 -Wall -Wextra -Werror -O2 -fPIC -shared $< -o $@

$(filter-out %.so,$(LAB_PROGRAMS)): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(LIBS)
	@mkdir -p $(@D)
	@echo "LD   $@"
	@$(CC) $(LDFLAGS) $^ -o $@ $(HS_COMPILER) $(SCAN_LIBS) $(OFFLINE_LIBS) $(RING_LIBS) -lpthread

# They print figures and judge nothing.
$(BENCHES): $(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(LIBS)
	@mkdir -p $(@D)
	@echo "LD   $@"
	@$(CC) $(LDFLAGS) $^ -o $@ $(HS_COMPILER) $(SCAN_LIBS) $(OFFLINE_LIBS) $(RING_LIBS) -lpthread

# Cases in C behind one C++ file; programs of their own, which may use what cordon-control is made of.
$(BUILD)/obj/perf/perf_main.o: perf/perf_main.cc perf/perf.h Makefile
	@mkdir -p $(@D)
	@echo "CXX  $<"
	@$(CXX) -std=c++17 $(OPT) -Wall -Wextra -Werror $(HARDEN) $(FORTIFY) $(SANFLAGS) -I. -c $< -o $@

$(BUILD)/perf/micro: $(BUILD)/obj/perf/perf_main.o $(call obj,$(PERF_CASES_SRC)) $(LIBS)
	@mkdir -p $(@D)
	@echo "LD   $@"
	@$(CXX) $(LDFLAGS) $^ -o $@ -lbenchmark -ldeflate $(HS_COMPILER) $(SCAN_LIBS) $(OFFLINE_LIBS) $(RING_LIBS) -lm -lpthread

$(patsubst %.c,$(BUILD)/%,$(PERF_RIG_PROGRAMS_SRC)): $(BUILD)/perf/%: $(BUILD)/obj/perf/%.o \
		$(call obj,$(PERF_TRAFFIC_SRC) $(filter-out dataplane/main%.c,$(DPDK_SRC))) $(LIBS)
	@mkdir -p $(@D)
	@echo "LD   $@"
	@$(CC) $(LDFLAGS) $^ -o $@ $(DPDK_LIBS) -lrte_net_ring -ldeflate $(HS_COMPILER) $(SCAN_LIBS) $(OFFLINE_LIBS) $(RING_LIBS) -lm -lpthread

$(BUILD)/perf/bench_%: $(BUILD)/obj/perf/bench_%.o $(call obj,perf/perf.c perf/fleet.c perf/disk.c) $(BUILD)/libcontrol.a $(LIBS)
	@mkdir -p $(@D)
	@echo "LD   $@"
	@$(CC) $(LDFLAGS) $^ -o $@ $(CONTROL_LIBS) $(HS_COMPILER) $(SCAN_LIBS) $(OFFLINE_LIBS) $(RING_LIBS) -lpthread

bench bench-quick: all $(BENCHES) $(PERF_PROGRAMS)
	BUILD=$(BUILD) perf/run $(if $(filter bench-quick,$@),--quick)

units: $(UNITS) $(DPDK_UNITS) $(CONTROL_UNITS) $(FUZZERS) $(CONTROL_FUZZERS)

# tests/run prints each program's own summary and, last, "N passed, N failed, N skipped".
# What measures is compiled, too, so that no change leaves it behind; linked, and what needs more packages, for a bench.
test: all units $(LAB_PROGRAMS) $(PERF_COMPILED)
	BUILD=$(BUILD) SAN=$(SAN) tests/run

lab: all $(LAB_PROGRAMS)
	BUILD=$(BUILD) SAN=$(SAN) tests/run lab

demo: all
	BUILD=$(BUILD) scripts/demo

drill: all
	BUILD=$(BUILD) scripts/drill --channel $(CHANNEL)

# libFuzzer builds of the same targets, with clang, in a build folder of their own.
fuzz:
	FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz $(FUZZ)

# What scripts/fuzz links its programs with.
fuzz-libs:
	@echo $(CONTROL_LIBS) $(HS_COMPILER) $(SCAN_LIBS) $(OFFLINE_LIBS) $(RING_LIBS)

lint: scripts/lint
	scripts/lint

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/share/cordon/docs
	install -m 755 $(BUILD)/cordonctl $(DESTDIR)$(PREFIX)/bin/
	install -m 755 $(addprefix $(BUILD)/cordon-,dataplane control vendor) $(DESTDIR)$(PREFIX)/sbin/
	install -m 644 README.md LICENSE $(DESTDIR)$(PREFIX)/share/cordon/
	install -m 644 docs/* $(DESTDIR)$(PREFIX)/share/cordon/docs/
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in docs/*.service; do \
		sed 's|/usr/local/|$(PREFIX)/|' $$unit >$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit#docs/} || exit; done

clean:
	rm -rf build

.SECONDARY:
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
