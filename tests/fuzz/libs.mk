# libs.mk - what the fuzz targets link besides libcommon.a: FUZZ_LIBS_X for tests/fuzz/fuzz_X.c,
# in link order with common last; FUZZ_OBJ_X for single objects.
FUZZ_OBJ_journal := $(BUILD)/tests/sim/sim_disk.o
FUZZ_LIBS_admit := collector common
FUZZ_LIBS_session := collector common
FUZZ_OBJ_session := $(BUILD)/tests/sim/sim_disk.o
FUZZ_LIBS_adhoc := agent common
FUZZ_LIBS_icmp := agent common
FUZZ_LIBS_snmp := agent common
FUZZ_LIBS_control := alertd common
FUZZ_LIBS_http := collector common
FUZZ_LIBS_policy := alertd common
