# spool.mk - the program that tests/bench/spool.py runs.
BENCH_SPOOL := $(BUILD)/tests/bench/spool
$(BENCH_SPOOL): $(BUILD)/tests/bench/spool.o $(BUILD)/libagent.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_agent) $(LIBS_common)
TEST_PROGRAMS += $(BENCH_SPOOL)
