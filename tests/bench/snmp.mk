# snmp.mk - the programs that tests/bench/snmp.py runs.
BENCH_SNMP := $(BUILD)/tests/bench/snmp_poll $(BUILD)/tests/bench/snmp_netsnmp $(BUILD)/tests/bench/snmp_udp
$(BUILD)/tests/bench/snmp_poll: $(BUILD)/tests/bench/snmp_poll.o $(BUILD)/libagent.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_agent) $(LIBS_common)
$(BUILD)/tests/bench/snmp_netsnmp: $(BUILD)/tests/bench/snmp_netsnmp.o
	$(CC) $(LDFLAGS) -o $@ $^ -lnetsnmp
$(BUILD)/tests/bench/snmp_udp: $(BUILD)/tests/bench/snmp_udp.o
	$(CC) $(LDFLAGS) -o $@ $^
TEST_PROGRAMS += $(BENCH_SNMP)
