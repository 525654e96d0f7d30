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

TEST_PROGRAMS = $(UNIT) $(IMPAIR) $(JOURNAL_DUMP)

# --- tools of the integration tests
IMPAIR := $(BUILD)/tests/impair/impair
$(IMPAIR): $(call objs,$(wildcard tests/impair/*.c)) $(BUILD)/common/mem.o
	$(CC) $(LDFLAGS) -o $@ $^ -lm
JOURNAL_DUMP := $(BUILD)/tests/tools/journal_dump
$(JOURNAL_DUMP): $(BUILD)/tests/tools/journal_dump.o $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_common)

test-programs: $$(TEST_PROGRAMS)

test-deps:
	@conf/deps run test

check:
	@/usr/bin/python3 tests/run-all --build $(BUILD) check

test: test-deps
	@/usr/bin/python3 tests/run-all all
