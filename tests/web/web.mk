# web.mk - tools of the page's tests (included by tests/tests.mk)
FIXTURE := $(BUILD)/tests/web/fixture
$(FIXTURE): $(BUILD)/tests/web/fixture.o $(BUILD)/libcollector.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_collector) $(LIBS_common)
TEST_PROGRAMS += $(FIXTURE)
