/*
 * test_rule.c - does the emulator do what its rules say?  Shares and shapes,
 * with fixed seeds and the bounds of statistics.
 *
 * A share of n throws must lie within four standard deviations; a shape must
 * pass the chi-square test at one in ten thousand.  In long loops what is wrong is
 * counted: an assertion costs more than a throw.
 */
#include "tests/impair/rule.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

#define N 200000
#define MS INT64_C(1000000)

static struct rules rules;
static struct dice dice;

static struct rule *
set(const char *text)
{
	char copy[256];
	struct rule *r;

	snprintf(copy, sizeof copy, "%s", text);
	r = rules_set(&rules, copy);
	ck_assert_msg(r != NULL, "not understood: %s", text);
	return r;
}

static void
reset(uint64_t seed)
{
	for (size_t i = 0; i < rules.n; i++)
		free(rules.v[i].ge_state);
	rules = (struct rules){ 0 };
	dice_seed(&dice, seed);
}

static struct address
at(const char *text)
{
	struct address a;

	ck_assert_int_eq(address_parse(text, &a), 0);
	return a;
}

static void
check_share(const char *what, double hits, double n, double p)
{
	double sd = sqrt(n * p * (1 - p));

	ck_assert_msg(fabs(hits - n * p) <= 4 * sd + 1e-9, "%s: %.0f of %.0f, not %.4f", what, hits, n,
	    p);
}

/* Chi-square with bins - 1 degrees of freedom, by Wilson and Hilferty; z = 3.72: 1 in 10^4. */
static void
check_shape(const char *what, const unsigned *seen, const double *expected, unsigned bins)
{
	double x2 = 0, k = bins - 1, z;

	for (unsigned i = 0; i < bins; i++) {
		ck_assert_msg(expected[i] >= 5, "%s: bin %u is too small", what, i);
		x2 += (seen[i] - expected[i]) * (seen[i] - expected[i]) / expected[i];
	}
	z = (cbrt(x2 / k) - (1 - 2 / (9 * k))) / sqrt(2 / (9 * k));
	ck_assert_msg(z < 3.72, "%s: chi-square %.1f of %u bins", what, x2, bins);
}

/* The dice must know their limits too: a loaded die fails. */
START_TEST(test_dice)
{
	unsigned low[64] = { 0 }, high[64] = { 0 }, pair[64] = { 0 }, before = 0;
	double even[64];

	reset(7);
	for (unsigned i = 0; i < 64; i++)
		even[i] = N / 64.0;
	for (unsigned i = 0; i < N; i++) {
		uint64_t v = dice_u64(&dice);
		unsigned unit = (unsigned)(dice_unit(&dice) * 64);

		low[v & 63]++;
		high[unit]++;
		pair[(before & 7) << 3 | (unit >> 3)]++;
		before = unit >> 3;
	}
	check_shape("low bits", low, even, 64);
	check_shape("units", high, even, 64);
	check_shape("pairs", pair, even, 64);
}
END_TEST

static const double percents[] = { 0.1, 1, 5, 20, 50, 99 };

START_TEST(test_loss)
{
	struct address one = at("10.0.0.1");

	for (unsigned i = 0; i < sizeof percents / sizeof percents[0]; i++) {
		unsigned lost = 0, both = 0, before = 0;
		double p = percents[i] / 100;
		char text[64];
		struct rule *r;

		reset(i + 1);
		snprintf(text, sizeof text, "all loss=%g", percents[i]);
		r = set(text);
		for (unsigned k = 0; k < N; k++) {
			unsigned now = rule_fate(r, &dice, one, 0) == V_LOSS;

			lost += now;
			both += now & before;
			before = now;
		}
		check_share(text, lost, N, p);
		check_share("two in a row", both, N, p * p);	/* each for itself */
	}
	ck_assert_int_eq(rule_fate(set("all loss=0"), &dice, at("::1"), 0), V_PASS);
	ck_assert_int_eq(rule_fate(set("all loss=100"), &dice, at("::1"), 0), V_LOSS);
	ck_assert_int_eq(rule_fate(set("all down=1"), &dice, at("::1"), 0), V_DOWN);
}
END_TEST

/* Bursts of a Gilbert model are geometric: length k with (1 - r)^(k-1) r. */
START_TEST(test_bursts)
{
	const double p = 0.02, back = 0.25;
	unsigned lost = 0, run = 0, bursts = 0, seen[16] = { 0 };
	double expected[16], rest = 1;
	struct address one = at("fd00::1");
	struct rule *r;

	reset(11);
	r = set("fd00::/8 ge=2,25,100,0");
	for (unsigned k = 0; k < 5 * N; k++) {
		if (rule_fate(r, &dice, one, 0) == V_GELOSS) {
			lost++;
			run++;
		} else if (run > 0) {
			seen[run < 16 ? run - 1 : 15]++;
			bursts++;
			run = 0;
		}
	}
	for (unsigned i = 0; i < 15; i++) {
		expected[i] = bursts * rest * back;
		rest *= 1 - back;
	}
	expected[15] = bursts * rest;
	check_shape("burst lengths", seen, expected, 16);
	/* losses of a chain are no throws of their own: the spread is (2 - p - r) / (p + r) times as
	 * wide, and so are the bounds */
	ck_assert_double_lt(fabs(lost / (5.0 * N) - p / (p + back)), 4 * sqrt(p / (p + back) * (back /
	    (p + back)) / (5.0 * N) * (2 - p - back) / (p + back)));
	check_share("bursts begin", bursts, 5.0 * N - lost, p);
}
END_TEST

/* Loss in the bad state and in the good one; each target and direction has a state of its own. */
START_TEST(test_burst_states)
{
	struct address one = at("10.0.0.1"), two = at("10.0.0.2");
	unsigned lost = 0, same = 0, n = 0;
	struct rule *r;
	double bad = 10.0 / 40;

	reset(12);
	r = set("all ge=10,30,80,1");
	for (unsigned k = 0; k < 5 * N; k++)
		lost += rule_fate(r, &dice, one, 0) == V_GELOSS;
	ck_assert_double_lt(fabs(lost / (5.0 * N) - (bad * 0.8 + (1 - bad) * 0.01)), 0.004);
	r = set("all ge=1,1,100,0");
	for (unsigned k = 0; k < 5 * N; k++) {
		bool a = rule_fate(r, &dice, one, 0) == V_GELOSS;
		bool b = rule_fate(r, &dice, two, 0) == V_GELOSS;
		bool c = rule_fate(r, &dice, one, 1) == V_GELOSS;

		same += (a == b) + (a == c);
		n += 2;
	}
	ck_assert_double_lt(fabs(same / (double)n - 0.5), 0.03);
	ck_assert_int_eq(rule_fate(set("all ge=0,1,100,0"), &dice, at("10.0.0.9"), 0), V_PASS);
}
END_TEST

START_TEST(test_jitter_uniform)
{
	unsigned seen[51] = { 0 }, outside = 0;
	double expected[50];
	struct rule *r;

	reset(21);
	r = set("10.0.0.0/8 delay=30ms jitter=10ms");
	for (unsigned i = 0; i < 50; i++)
		expected[i] = N / 50.0;
	for (unsigned k = 0; k < N; k++) {
		int64_t delay = rule_due(r, &dice, k * MS, 0, 100) - k * MS;

		if (delay < 20 * MS || delay > 40 * MS)
			outside++;
		else
			seen[(delay - 20 * MS) * 50 / (20 * MS)]++;
	}
	ck_assert_uint_eq(outside, 0);
	check_shape("uniform", seen, expected, 50);
}
END_TEST

START_TEST(test_jitter_normal)
{
	enum { BINS = 32 };
	unsigned seen[BINS] = { 0 };
	double expected[BINS], mean = 0, square = 0;
	struct rule *r;

	reset(22);
	r = set("10.0.0.0/8 delay=100ms jitter=10ms dist=normal");
	for (unsigned i = 0; i < BINS; i++) {	/* of a quarter of a deviation, the outer ones open */
		double lo = i == 0 ? -INFINITY : (i - 16.0) / 4, hi = (i - 15.0) / 4;

		if (i == BINS - 1)
			hi = INFINITY;
		expected[i] = N * (erf(hi * M_SQRT1_2) - erf(lo * M_SQRT1_2)) / 2;
	}
	for (unsigned k = 0; k < N; k++) {
		double z = (double)(rule_due(r, &dice, k * MS, 0, 100) - (k + 100) * MS) / 1e7;
		int bin = (int)floor(z * 4) + 16;

		mean += z / N;
		square += z * z / N;
		seen[bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin]++;
	}
	check_shape("normal", seen, expected, BINS);
	ck_assert_double_lt(fabs(mean), 4 / sqrt(N));
	ck_assert_double_lt(fabs(square - 1), 4 * sqrt(2.0 / N));
	/* never back in time */
	r = set("10.0.0.0/8 delay=1ms jitter=10ms dist=normal");
	for (unsigned k = 0; k < 1000; k++)
		ck_assert_int_ge(rule_due(r, &dice, k * MS, 0, 100), k * MS);
}
END_TEST

START_TEST(test_reorder_and_fifo)
{
	unsigned later = 0, overtaken = 0, other = 0;
	int64_t last = 0;
	struct rule *r;

	reset(31);
	r = set("10.0.0.0/8 delay=5ms reorder=10,60ms");
	for (unsigned k = 0; k < N; k++) {
		int64_t delay = rule_due(r, &dice, k * MS, 0, 100) - k * MS;

		other += delay != 5 * MS && delay != 65 * MS;
		later += delay == 65 * MS;
	}
	ck_assert_uint_eq(other, 0);
	check_share("reorder", later, N, 0.10);
	r = set("10.0.0.0/8 reorder=0 jitter=4ms fifo=1");
	for (unsigned k = 0; k < N; k++) {
		int64_t due = rule_due(r, &dice, k * MS, 0, 100);

		overtaken += due < last;
		last = due;
	}
	ck_assert_uint_eq(overtaken, 0);
	ck_assert_int_ge(rule_due(r, &dice, 0, 1, 100), 1 * MS);	/* the way back has its own */
	ck_assert_int_le(rule_due(r, &dice, 0, 1, 100), 9 * MS);
}
END_TEST

/* Twice of what fits is offered: the link is never idle, its queue never longer than told. */
START_TEST(test_rate)
{
	const int64_t one = 100 * 8 * INT64_C(1000000000) / 800000;	/* 1 ms for 100 bytes */
	int64_t last = 0;
	unsigned passed = 0, wrong = 0;
	struct rule *r;

	reset(41);
	r = set("10.0.0.0/8 rate=800k,20ms delay=3ms");
	for (unsigned k = 0; k < 20000; k++) {
		int64_t now = k * one / 2, due = rule_due(r, &dice, now, 0, 100);

		if (due < 0)
			continue;
		passed++;
		wrong += due - now < one + 3 * MS || due - now > 20 * MS + one + 3 * MS;
		wrong += last != 0 && due - last != one;
		last = due;
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_ge(passed, 10000);
	ck_assert_uint_le(passed, 10000 + 22);
	/* half of what fits: no queue at all */
	for (unsigned k = 0; k < 1000; k++) {
		int64_t now = 100 * 1000 * MS + k * 2 * one;

		ck_assert_int_eq(rule_due(r, &dice, now, 0, 100), now + one + 3 * MS);
	}
}
END_TEST

START_TEST(test_hits)
{
	for (unsigned i = 0; i < sizeof percents / sizeof percents[0]; i++) {
		unsigned hits = 0;

		reset(100 + i);
		for (unsigned k = 0; k < N; k++)
			hits += dice_hit(&dice, percents[i]);
		check_share("dup and corrupt", hits, N, percents[i] / 100);
	}
}
END_TEST

START_TEST(test_longest_prefix)
{
	static const struct { const char *of, *rule; } want[] = {
		{ "10.0.0.1", "10.0.0.1" }, { "10.0.0.2", "10.0.0.0/8" }, { "11.0.0.1", "0.0.0.0/0" },
		{ "fd00:200::5", "fd00:200::5" }, { "fd00:200::6", "fd00:200::/64" },
		{ "fd00:201::6", "all" }, { "::1", "all" },
	};
	static const char *const wrong[] = {
		"", "10.0.0.0/33", "10.0.0.0/", "fd00::/129", "fd00::/x", "10.0.0", "every",
		"10.0.0.0/8 loss", "10.0.0.0/8 lose=1", "10.0.0.0/8 tcp=maybe", "10.0.0.0/8 forge=all",
		"10.0.0.0/8 dist=pareto", "10.0.0.0/8 ge=1,2,3", "10.0.0.0/8 via=there",
	};
	struct prefix p;

	reset(1);
	for (unsigned i = 0; i < sizeof want / sizeof want[0]; i++)
		set(want[i].rule);
	ck_assert_uint_eq(rules.n, 6);
	for (unsigned i = 0; i < sizeof want / sizeof want[0]; i++) {
		ck_assert_int_eq(prefix_parse(want[i].rule, &p), 0);
		ck_assert_msg(rules_match(&rules, at(want[i].of))->prefix.bits == p.bits, "%s",
		    want[i].of);
	}
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		char text[64];

		snprintf(text, sizeof text, "%s", wrong[i]);
		ck_assert_msg(rules_set(&rules, text) == NULL, "%s", wrong[i]);
	}
	ck_assert(rules_reset(&rules, "all"));
	ck_assert(!rules_reset(&rules, "fe80::/10"));
}
END_TEST

START_TEST(test_errors)
{
	struct packet_info v4 = { .ttl = 3, .df = true }, v6 = { .v6 = true, .ttl = 3, .df = true };
	int type, code;
	uint32_t value;

	reset(1);
	ck_assert(!rule_error(set("all hops=2 mtu=1300"), &v4, 1300, &type, &code, &value));
	ck_assert(rule_error(set("all"), &v4, 1301, &type, &code, &value));
	ck_assert(type == 3 && code == 4 && value == 1300);
	ck_assert(rule_error(set("all"), &v6, 1301, &type, &code, &value));
	ck_assert(type == 2 && code == 0 && value == 1300);
	v4.df = false;
	ck_assert(!rule_error(set("all"), &v4, 1301, &type, &code, &value));
	ck_assert(rule_error(set("all hops=3"), &v4, 100, &type, &code, &value));
	ck_assert(type == 11 && code == 0);
	ck_assert(rule_error(set("all"), &v6, 100, &type, &code, &value));
	ck_assert(type == 3 && code == 0);
	ck_assert(rule_error(set("all err=1,4"), &v6, 100, &type, &code, &value));
	ck_assert(type == 1 && code == 4 && value == 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_dice, test_loss, test_bursts, test_burst_states, test_jitter_uniform,
		test_jitter_normal, test_reorder_and_fifo, test_rate, test_hits, test_longest_prefix,
		test_errors, NULL,
	};

	return run_suite("rule", tests);
}
