# tests.mk - how the tests are built and run.
#
#   make check    unit, scenario, simulator and fuzz-corpus tests of this build
#   make test     tests/run-all: everything, in every build, with the real servers
#
# TEST_PROGRAMS are built by `make test-programs`; run-all finds them by their place:
#   $(BUILD)/tests/unit/PROG/test_X      $(BUILD)/tests/scenario/test_X
#   $(BUILD)/tests/sim/test_X            $(BUILD)/tests/fuzz/replay_X, with tests/fuzz/corpus/X
# Each ends with status 0 or not and prints either Check's summary or "N passed, N failed".
.PHONY: check test test-programs test-deps

# Nothing starts the sanitized ones of the second line.
TEST_PROGRAMS = $(UNIT) $(FUZZ_REPLAY) $(SIM_TEST) \
	$(if $(SAN),,$(IMPAIR) $(JOURNAL_DUMP) $(POWERCUT) $(BENCH_PROGRAMS))

# --- tools of the integration tests
IMPAIR := $(BUILD)/tests/impair/impair
$(IMPAIR): $(call objs,$(wildcard tests/impair/*.c)) $(BUILD)/common/mem.o
	$(CC) $(LDFLAGS) -o $@ $^ -lm
# what tests/unit/impair tests of it
$(BUILD)/libimpair.a: $(call objs,$(patsubst %,tests/impair/%.c,address io packet rule))
JOURNAL_DUMP := $(BUILD)/tests/tools/journal_dump
$(JOURNAL_DUMP): $(BUILD)/tests/tools/journal_dump.o $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_common)

# A disk that keeps only what was synced: preloaded, so without sanitizers.
POWERCUT := $(BUILD)/tests/power/powercut.so
$(POWERCUT): tests/power/powercut.c
	@mkdir -p $(@D)
	$(CC) -D_GNU_SOURCE -std=gnu17 $(OPT) $(WARN) -fPIC -shared -o $@ $<

-include tests/web/web.mk

# --- agents by the thousand for one collector: tests, the bench and people use it (--help)
LOADGEN := $(BUILD)/linkwatch-loadgen
LOADGEN_OBJ := $(call objs,$(sort $(wildcard tests/loadgen/*.c)))
TEST_PROGRAMS += $(LOADGEN)
$(LOADGEN): $(LOADGEN_OBJ) $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_common)
all: $(LOADGEN)
# what tests/unit/loadgen tests of it
$(BUILD)/libloadgen.a: $(filter-out %/main.o,$(LOADGEN_OBJ))

# --- unit tests that start the real program
$(BUILD)/tests/unit/alertd/test_kill: | $(BUILD)/linkwatch-alertd

# --- fuzz targets: tests/fuzz/fuzz_X.c, with inputs in tests/fuzz/corpus/X
#   make fuzz-build     the replayers of this build: each input once, cut and flipped everywhere
#   make fuzz-replay    runs them all and counts
#   make fuzz           libFuzzer on every target, FUZZ_SECONDS each (clang, a build of its own)
# A target links libcommon.a; tests/fuzz/libs.mk names what else.
FUZZ := $(patsubst tests/fuzz/fuzz_%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_REPLAY := $(FUZZ:%=$(BUILD)/tests/fuzz/replay_%)
FUZZ_SECONDS ?= 60
-include tests/fuzz/libs.mk
fuzz_libs = $(or $(FUZZ_LIBS_$(1)),common)
fuzz_need = $(FUZZ_OBJ_$(1)) $(foreach l,$(call fuzz_libs,$(1)),$(BUILD)/lib$(l).a)
fuzz_link = $(foreach l,$(filter-out common,$(call fuzz_libs,$(1))),$(LIBS_$(l))) $(LIBS_common)
.PHONY: fuzz-build fuzz-replay fuzz fuzzers

$(BUILD)/tests/fuzz/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $$(call fuzz_need,$$*)
	$(CC) $(LDFLAGS) $(TEST_LINK) -o $@ $^ $(call fuzz_link,$*)
fuzz-build: $(FUZZ_REPLAY)
fuzz-replay: fuzz-build
	@for x in $(FUZZ); do printf '%-24s ' $$x; \
	    $(BUILD)/tests/fuzz/replay_$$x tests/fuzz/corpus/$$x || exit 1; done

$(BUILD)/tests/fuzz/libfuzzer_%: $(BUILD)/tests/fuzz/fuzz_%.o $$(call fuzz_need,$$*)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(call fuzz_link,$*)
fuzzers: $(FUZZ:%=$(BUILD)/tests/fuzz/libfuzzer_%)
fuzz:
	$(MAKE) BUILD=$(BUILD)-fuzz CC=clang SAN=fuzzer-no-link,address,undefined fuzzers
	@for x in $(FUZZ); do mkdir -p $(BUILD)-fuzz/found/$$x; echo "== $$x"; \
	    $(BUILD)-fuzz/tests/fuzz/libfuzzer_$$x -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 \
	    -print_final_stats=1 -artifact_prefix=$(BUILD)-fuzz/found/ \
	    $(BUILD)-fuzz/found/$$x tests/fuzz/corpus/$$x 2>&1 | grep -E 'DONE|stat::|ERROR|SUMMARY|Test unit' ; \
	    [ $${PIPESTATUS[0]} = 0 ] || exit 1; done
# --- end of the fuzz targets

# --- scenarios: stories for the alert core on a moving clock
#   make scenario-build, make scenario; test_scenarios -u FILE rewrites what a story expects
SCENARIO := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/scenario/test_*.c)))
SCENARIO_OBJ := $(call objs,$(filter-out tests/scenario/test_%,$(sort $(wildcard tests/scenario/*.c))))
TEST_PROGRAMS += $(SCENARIO)
.PHONY: scenario scenario-build
$(SCENARIO): $(BUILD)/tests/scenario/%: $(BUILD)/tests/scenario/%.o $(SCENARIO_OBJ) $(BUILD)/libalertd.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) $(TEST_LINK) -o $@ $^ $(LIBS_alertd) $(LIBS_common)
scenario-build: $(SCENARIO)
scenario: scenario-build
	@for t in $(SCENARIO); do echo "== $$t"; $$t || exit 1; done
# --- end of the scenarios

# --- the simulator: seeded worlds of agents, a collector and an alertd that crash
#   make sim            sim itself: build/tests/sim/sim --seed N --count N --bug NAME
#   test_sim            what `make check` runs: clean worlds, then every planted bug is found
# Planted bugs replace functions of the product by ld --wrap, in these two programs only.
SIM_WRAP := journal_sync admit_load admit_replay gaps_save db_batch_decision outbox_add \
	outbox_outcome core_restore_incident
SIM_OBJ := $(call objs,$(filter-out tests/sim/sim.c tests/sim/test_%,$(sort $(wildcard tests/sim/*.c))))
# Programs never link each other, so collector and alertd may use the same names; here they meet.
SIM_CLASH := feed_new feed_free feed_ack feed_tick
SIM_LIBS := $(BUILD)/libalertd.a $(BUILD)/libagent.a $(BUILD)/tests/sim/libcollector.a $(BUILD)/libcommon.a
$(BUILD)/tests/sim/libcollector.a: $(BUILD)/libcollector.a
	@mkdir -p $(@D)
	objcopy $(foreach f,$(SIM_CLASH),--redefine-sym $(f)=collector_$(f)) $< $@
SIM_TEST := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/sim/test_*.c)))
.PHONY: sim sim-build
$(BUILD)/tests/sim/sim $(SIM_TEST): $(BUILD)/tests/sim/%: $(BUILD)/tests/sim/%.o $(SIM_OBJ) $(SIM_LIBS)
	$(CC) $(LDFLAGS) $(SIM_WRAP:%=-Wl,--wrap=%) -o $@ $^ $(LIBS_agent) $(LIBS_collector) $(LIBS_alertd) $(LIBS_common)
sim-build: $(BUILD)/tests/sim/sim $(SIM_TEST)
sim: sim-build
# --- end of the simulator

# --- the bench: figures of the agent beside its peers' and the bare limits'
#   make bench-agent, bench-collector   everything (15 minutes, as root); BENCH=--quick for a look
# tests/bench/X.c is a program of its own, with libagent at hand; LIBS_bench_X names more.  The
# bare ones link nothing of ours, since their memory is compared.
BENCH_BARE := $(patsubst %,$(BUILD)/tests/bench/%,rawping baretls baresink barehands)
BENCH_STORE := $(BUILD)/tests/bench/store
BENCH_PROGRAMS := $(filter-out $(BENCH_BARE) $(BENCH_STORE),$(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/bench/*.c))))
LIBS_bench_snmp_netsnmp := -lnetsnmp
LIBS_bench_baretls := -levent_openssl -levent -lssl -lcrypto
LIBS_bench_baresink := $(LIBS_bench_baretls)
LIBS_bench_barehands := -lssl -lcrypto
.PHONY: bench-agent bench-collector bench-build
$(BENCH_BARE): $(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/common/mem.o
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_bench_$*)
$(BENCH_PROGRAMS): $(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/libagent.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_agent) $(LIBS_bench_$*) $(LIBS_common)
$(BENCH_STORE): $(BUILD)/tests/bench/store.o $(BUILD)/libcollector.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_collector) $(LIBS_common)
bench-build: $(BENCH_BARE) $(BENCH_STORE) $(BENCH_PROGRAMS) $(IMPAIR) $(JOURNAL_DUMP) $(LOADGEN) $(POWERCUT) $(FIXTURE) programs
bench-agent bench-collector: bench-%:
	@conf/deps run bench
	@$(MAKE) -j$$(nproc) bench-build
	@/usr/bin/python3 tests/bench/run.py --set $* --build $(BUILD) $(BENCH)
# --- end of the bench

test-programs: $$(TEST_PROGRAMS)

test-deps:
	@conf/deps run test

check:
	@/usr/bin/python3 tests/run-all --build $(BUILD) check

test: test-deps
	@/usr/bin/python3 tests/run-all all
