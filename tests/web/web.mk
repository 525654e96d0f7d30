# web.mk - tools of the page's tests (included by tests/tests.mk)
FIXTURE := $(BUILD)/tests/web/fixture
$(FIXTURE): $(BUILD)/tests/web/fixture.o $(BUILD)/libcollector.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_collector) $(LIBS_common)
TEST_PROGRAMS += $(FIXTURE)

# Pictures of every page in both languages and themes; they are looked at by people, never compared byte by byte.
.PHONY: shots
shots: programs $(FIXTURE) $(BUILD)/tests/impair/impair $(BUILD)/tests/tools/journal_dump
	@LINKWATCH_SHOTS=$(CURDIR)/tests/web/shots BUILD=$(BUILD) /usr/bin/python3 tests/integration/test_page.py
