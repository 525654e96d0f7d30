/*
 * test_grade.c - the matrix and its rules, row by row.
 */
#include "alertd/grade.h"

#include "tests/unit/alertd/suite.h"

#define MIN (60 * NS_PER_S)

START_TEST(test_matrix)
{
	static const struct { struct grade_facts f; unsigned grade; } rows[] = {
		{ { .kind = ANOMALY_DOWN, .link_class = CLASS_A, .down = true }, 3 },
		{ { .kind = ANOMALY_DOWN, .link_class = CLASS_A, .down = true, .lasting_ns = MIN }, 3 },
		{ { .kind = ANOMALY_DOWN, .link_class = CLASS_A, .down = true, .lasting_ns = 10 * MIN }, 2 },
		{ { .kind = ANOMALY_DOWN, .link_class = CLASS_A, .down = true, .lasting_ns = 60 * MIN }, 1 },
		{ { .kind = ANOMALY_DOWN, .link_class = CLASS_B, .down = true, .lasting_ns = 60 * MIN }, 2 },
		{ { .kind = ANOMALY_DOWN, .link_class = CLASS_C, .down = true, .lasting_ns = 60 * MIN }, 3 },
		{ { .kind = ANOMALY_DOWN, .link_class = CLASS_C, .down = true, .lasting_ns = 59 * MIN }, 4 },
		{ { .kind = ANOMALY_DOWN, .link_class = 0, .down = true, .lasting_ns = 60 * MIN }, 3 },
		{ { .kind = ANOMALY_DOWN, .link_class = CLASS_A, .down = true, .vendor_share = 0.5,
		    .vendor_down = 3 }, 2 },
		{ { .kind = ANOMALY_DOWN, .link_class = CLASS_A, .down = true, .vendor_share = 0.5,
		    .vendor_down = 2 }, 3 },
		{ { .kind = ANOMALY_DOWN, .link_class = CLASS_A, .down = true, .vendor_share = 0.3,
		    .vendor_down = 3, .lasting_ns = 10 * MIN }, 1 },
		{ { .kind = ANOMALY_LATENCY, .link_class = CLASS_A, .severity = SEVERITY_CRITICAL,
		    .lasting_ns = 30 * MIN }, 3 },
		{ { .kind = ANOMALY_LATENCY, .link_class = CLASS_A, .severity = SEVERITY_MAJOR,
		    .lasting_ns = 30 * MIN }, 4 },
		{ { .kind = ANOMALY_DOWN, .link_class = CLASS_A, .down = true, .lasting_ns = MIN,
		    .guarded = true }, 2 },
		{ { .kind = ANOMALY_DOWN, .link_class = CLASS_A, .down = true,
		    .lasting_ns = 60 * MIN, .guarded = true }, 1 },
		{ { .kind = ANOMALY_SILENT }, 3 }, { { .kind = ANOMALY_CLOCK }, 4 },
		{ { .kind = ANOMALY_SELF }, 3 }, { { .kind = ANOMALY_SELF, .guarded = true }, 2 },
	};
	struct policy *p = policy_default();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(grade_of(p, &rows[i].f) == rows[i].grade, "row %zu: %u", i,
		    grade_of(p, &rows[i].f));
	policy_free(p);
}
END_TEST

/* It never falls as time goes on. */
START_TEST(test_rises_only)
{
	struct policy *p = policy_default();

	for (uint32_t class = CLASS_A; class <= CLASS_C; class++) {
		unsigned before = 4;

		for (int m = 0; m < 100; m++) {
			struct grade_facts f = { .kind = ANOMALY_DOWN, .link_class = class,
				.down = true, .lasting_ns = m * MIN };

			ck_assert_uint_le(grade_of(p, &f), before);
			before = grade_of(p, &f);
		}
	}
	ck_assert_str_eq(grade_zh(1), "一级");
	ck_assert_str_eq(grade_zh(0), "?");
	ck_assert_str_eq(grade_zh(5), "?");
	policy_free(p);
}
END_TEST

RUN_SUITE("grade", test_matrix, test_rises_only)
