/*
 * test_snmp_glob.c - patterns of names.
 */
#include "agent/snmp_glob.h"

#include <string.h>

#include "common/clock.h"
#include "tests/unit/agent/suite.h"

static bool
match(const char *pattern, const char *text)
{
	return snmp_glob(pattern, (const uint8_t *)text, strlen(text));
}

START_TEST(test_patterns)
{
	static const struct { const char *pattern, *text; bool want; } t[] = {
		{ "", "", true }, { "", "a", false }, { "*", "", true }, { "?", "", false },
		{ "eth0", "eth0", true }, { "eth0", "eth", false }, { "eth0", "eth01", false },
		{ "eth*", "eth", true }, { "eth*", "eth0/1", true }, { "eth*", "veth0", false },
		{ "*0", "eth00", true }, { "*0", "eth01", false }, { "eth?", "eth0", true },
		{ "eth?", "eth", false }, { "eth?", "eth10", false }, { "*a*b", "xxaxxbxb", true },
		{ "*a*b", "xxaxxbxc", false }, { "a**b", "ab", true }, { "***", "x", true },
		{ "*.?.*", "1.2.3", true }, { "GigabitEthernet?/*/24", "GigabitEthernet1/0/24", true },
		{ "uplink*上海*", "uplink to 上海-1", true }, { "上?", "上海", true },
		{ "上??", "上海", false }, { "?海", "上海", true }, { "[a]", "a", false },
		{ "[a]", "[a]", true }, { "\\*", "\\x", true }, { "a*bc", "abbc", true },
	};

	for (unsigned i = 0; i < sizeof t / sizeof t[0]; i++)
		ck_assert_msg(match(t[i].pattern, t[i].text) == t[i].want, "'%s' '%s'",
		    t[i].pattern, t[i].text);
}
END_TEST

/* What is no UTF-8 counts byte by byte; a NUL is a byte as any other. */
START_TEST(test_bytes)
{
	ck_assert(match("?", "\xe4"));
	ck_assert(match("??", "\xe4\xb8"));
	ck_assert(match("?x", "\xc3x"));
	ck_assert(match("?", "\xf0\x9f\x98\x80"));
	ck_assert(match("??", "\xff\xff"));
	ck_assert(snmp_glob("a?b", (const uint8_t *)"a\0b", 3));
	ck_assert(snmp_glob("a*", (const uint8_t *)"a\0b", 3));
	ck_assert(!snmp_glob("a", (const uint8_t *)"a\0", 2));
}
END_TEST

/* A pattern made to try everything: exponential time would never end. */
START_TEST(test_hostile_pattern)
{
	char pattern[256], text[60001];
	int64_t before = clock_mono(clock_real()).ns;

	memset(pattern, 0, sizeof pattern);
	for (unsigned i = 0; i < 126; i++)
		memcpy(pattern + 2 * i, "*a", 2);
	strcat(pattern, "b");
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	ck_assert(!match(pattern, text));
	ck_assert_int_lt(clock_mono(clock_real()).ns - before, 5 * NS_PER_S);
}
END_TEST

int
main(void)
{
	return run_suite("snmp_glob", (const TTest *const[]){ test_patterns, test_bytes,
	    test_hostile_pattern, NULL });
}
