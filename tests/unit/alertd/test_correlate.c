/*
 * test_correlate.c - what links have in common, and where a chain is broken.
 */
#include "alertd/correlate.h"

#include "tests/unit/alertd/suite.h"

static Linkwatch__Pb__Link
link_of(const char *agent, const char *target, const char *chain, const char *vendor,
    const char *zone)
{
	Linkwatch__Pb__Link l = LINKWATCH__PB__LINK__INIT;

	l.agent = (char *)(uintptr_t)agent;
	l.target = (char *)(uintptr_t)target;
	l.chain = (char *)(uintptr_t)chain;
	l.vendor = (char *)(uintptr_t)vendor;
	l.zone = (char *)(uintptr_t)zone;
	return l;
}

START_TEST(test_ties)
{
	Linkwatch__Pb__Link a = link_of("a1", "t1", "c1", "v", "z");
	Linkwatch__Pb__Link target = link_of("a2", "t1", "", "w", "");
	Linkwatch__Pb__Link chain = link_of("a2", "t2", "c1", "w", "");
	Linkwatch__Pb__Link agent = link_of("a1", "t2", "", "w", "");
	Linkwatch__Pb__Link zone = link_of("a2", "t2", "c2", "v", "z");
	Linkwatch__Pb__Link none = link_of("a2", "t2", "c2", "v", "y");
	Linkwatch__Pb__Link blank = link_of("a3", "t3", "", "", ""), empty = link_of("a4", "t4", "", "", "");

	ck_assert_int_eq(correlate_links(&a, &target), TIE_TARGET);
	ck_assert_int_eq(correlate_links(&a, &chain), TIE_CHAIN);
	ck_assert_int_eq(correlate_links(&a, &agent), TIE_AGENT);
	ck_assert_int_eq(correlate_links(&a, &zone), TIE_ZONE);
	ck_assert_int_eq(correlate_links(&a, &none), TIE_NONE);
	/* Both saying nothing is nothing in common. */
	ck_assert_int_eq(correlate_links(&blank, &empty), TIE_NONE);
}
END_TEST

START_TEST(test_locate)
{
	static const struct {
		enum segment_health h[SEG_APP + 1];
		enum segment seg;
		const char *text;
	} rows[] = {
		{ { 0 }, SEG_NONE, "" },
		{ { 0, 1, 1, 1 }, SEG_NONE, "" },
		{ { 0, 1, 1, 2 }, SEG_EXTRANET, "segment 3" },
		{ { 0, 1, 1, 2, 2, 2 }, SEG_EXTRANET, "segment 3" },
		{ { 0, 0, 1, 0, 2 }, SEG_EDGE, "ambiguous: 3 or 4" },
		{ { 0, 1, 0, 0, 2 }, SEG_EDGE, "ambiguous: 2 to 4" },
		{ { 0, 0, 0, 0, 2 }, SEG_EDGE, "segment 4" },
		{ { 0, 2, 1, 1, 1 }, SEG_USER, "segment 1" },
		{ { 0, 0, 0, 0, 0, 0, 0, 2 }, SEG_APP, "segment 7" },
	};
	char text[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_int_eq(correlate_locate(rows[i].h, text, sizeof(text)), rows[i].seg);
		ck_assert_str_eq(text, rows[i].text);
	}
}
END_TEST

RUN_SUITE("correlate", test_ties, test_locate)
