# LinkWatch - `make run` and `make test` do all the set-up.
#
#   make            build the four programs into build/
#   make deps       install what is missing (Debian packages)
#   make run        deps, build, keys, start everything; Ctrl-C ends it
#   make break/mend stop and start the small service that make run watches
#   make check      unit, scenario, simulator and fuzz-corpus tests, plain build
#   make test       everything, also with sanitizers and the real servers
#   make bench-agent, bench-collector   figures beside the peers'
#   BUILD=dir       build elsewhere     CC=clang    another compiler
#   SAN=address,undefined               sanitizers
SHELL := /bin/bash
BUILD ?= build
SAN ?=
PREFIX ?= /usr/local
MAKEFLAGS += --no-print-directory

PKGS := libevent libevent_openssl openssl libprotobuf-c yaml-0.1 jansson libcap
OPT ?= -O2 -g
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wformat=2 -Wvla -Werror
HARDEN := -fstack-protector-strong -fPIE
ifeq ($(SAN),)
HARDEN += -D_FORTIFY_SOURCE=2
else
SANFLAGS := -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
override CPPFLAGS += -D_GNU_SOURCE -I. -I$(BUILD)/gen $(shell pkg-config --cflags $(PKGS) cairo 2>/dev/null)
override CFLAGS += -std=gnu17 $(OPT) $(WARN) $(HARDEN) $(SANFLAGS)
override LDFLAGS += -pie -Wl,--as-needed -Wl,-z,relro,-z,now $(SANFLAGS)

LIBS_common := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -lpthread
# -levent_core stands before -levent, which is then not loaded: a quarter of a megabyte less
LIBS_agent := $(shell pkg-config --libs libcares 2>/dev/null) -levent_core
LIBS_collector := $(shell pkg-config --libs librrd cairo libpng zlib 2>/dev/null)
LIBS_alertd := $(shell pkg-config --libs libcurl sqlite3 2>/dev/null) -lnetsnmp
LIBS_ctl :=
LIBS_check := $(shell pkg-config --libs check 2>/dev/null)

PB := $(BUILD)/gen/common/linkwatch.pb-c
objs = $(patsubst %.c,$(BUILD)/%.o,$(1))
COMMON_OBJ := $(call objs,$(sort $(wildcard common/*.c))) $(PB).o
AGENT_OBJ := $(call objs,$(filter-out agent/main.c,$(sort $(wildcard agent/*.c))))
COLLECTOR_OBJ := $(call objs,$(filter-out collector/main.c,$(sort $(wildcard collector/*.c)))) \
	$(BUILD)/gen/collector/assets.o
ALERTD_OBJ := $(call objs,$(filter-out alertd/main.c,$(sort $(wildcard alertd/*.c))))
CTL_OBJ := $(call objs,$(filter-out alertd/ctl/ctl.c,$(sort $(wildcard alertd/ctl/*.c))))
PROGRAMS := $(BUILD)/linkwatch-agent $(BUILD)/linkwatch-collector $(BUILD)/linkwatch-alertd \
	$(BUILD)/linkctl

.PHONY: all programs libs clean
all: programs
programs: $(PROGRAMS)
libs: $(foreach p,common agent collector alertd ctl,$(BUILD)/lib$(p).a)

$(PB).c $(PB).h &: common/linkwatch.proto
	@mkdir -p $(BUILD)/gen
	protoc-c --c_out=$(BUILD)/gen common/linkwatch.proto
$(PB).o: $(PB).c
	$(CC) -D_GNU_SOURCE -I$(BUILD)/gen $(OPT) $(HARDEN) $(SANFLAGS) -MMD -MP -c -o $@ $<
$(BUILD)/%.o: %.c | $(PB).h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The files of the page are part of the program.
ASSETS := $(sort $(wildcard collector/assets/*)) collector/openapi.json
$(BUILD)/gen/collector/assets.c: collector/assets.sh $(ASSETS)
	@mkdir -p $(@D)
	sh collector/assets.sh $(ASSETS) > $@
$(BUILD)/gen/collector/assets.o: $(BUILD)/gen/collector/assets.c
	$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Whole archives are cheap here and keep link order out of the way.
$(BUILD)/libcommon.a: $(COMMON_OBJ)
$(BUILD)/libagent.a: $(AGENT_OBJ)
$(BUILD)/libcollector.a: $(COLLECTOR_OBJ)
$(BUILD)/libalertd.a: $(ALERTD_OBJ)
$(BUILD)/libctl.a: $(CTL_OBJ)
$(BUILD)/lib%.a:
	@mkdir -p $(@D); rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/linkwatch-agent: $(BUILD)/agent/main.o $(BUILD)/libagent.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_agent) $(LIBS_common)
$(BUILD)/linkwatch-collector: $(BUILD)/collector/main.o $(BUILD)/libcollector.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_collector) $(LIBS_common)
$(BUILD)/linkwatch-alertd: $(BUILD)/alertd/main.o $(BUILD)/libalertd.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_alertd) $(LIBS_common)
$(BUILD)/linkctl: $(BUILD)/alertd/ctl/ctl.o $(BUILD)/libctl.a $(BUILD)/libalertd.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_ctl) $(LIBS_alertd) $(LIBS_common)

# A hundred test programs: gold links them in half the time of ld (0.29 s of CPU, not 0.61, with ASan).
TEST_LINK := $(if $(shell command -v ld.gold),-fuse-ld=gold)

# tests/unit/PROG/test_X.c -> build/tests/unit/PROG/test_X, linked with libPROG
UNIT := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/unit/*/test_*.c)))
unit_lib = $(if $(filter-out common,$(1)),$(BUILD)/lib$(1).a) $(if $(filter ctl,$(1)),$(BUILD)/libalertd.a) \
	$(BUILD)/libcommon.a
unit_prog = $(word 4,$(subst /, ,$(patsubst $(BUILD)/%,x/%,$(1))))
# Objects of tests stay, so that a second make has nothing to do.
.SECONDARY:
.SECONDEXPANSION:
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $$(call unit_lib,$$(firstword $$(subst /, ,$$*)))
	$(CC) $(LDFLAGS) $(TEST_LINK) -o $@ $^ $(LIBS_$(firstword $(subst /, ,$*))) \
	    $(if $(filter ctl/%,$*),$(LIBS_alertd)) $(LIBS_check) $(LIBS_common)
# Tests are compiled fast: they wait, or spend their time in the product.
$(BUILD)/tests/unit/%.o: override CPPFLAGS += -include tests/unit/unmarked.h
$(BUILD)/tests/unit/%.o: override CFLAGS += -O0 -U_FORTIFY_SOURCE
unit-build: $(UNIT)

-include tests/tests.mk
-include conf/run.mk

clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
