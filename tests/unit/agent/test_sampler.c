/*
 * test_sampler.c - from results to samples, as probe.h states it.
 */
#include "agent/sampler.h"

#include <check.h>

#include "common/batch.h"
#include "common/clock.h"
#include "suite.h"

#define START (INT64_C(1760000000) * NS_PER_S)

static struct sampler s;
static struct sample out;

static void
begin(uint32_t count)
{
	sampler_init(&s, "l1", count, 10 * NS_PER_S, NS_PER_S);
	sampler_begin(&s, 0, START);
	for (uint32_t i = 0; i < count; i++)
		sampler_sent(&s, sampler_token(0, i));
}

static void
result(uint64_t token, enum probe_outcome outcome, uint32_t causes, int64_t rtt_ns)
{
	struct probe_result r = { .token = token, .outcome = outcome, .causes = causes,
		.rtt_ns = rtt_ns };

	sampler_result(&s, &r);
}

static uint32_t
cause(uint32_t c)
{
	for (uint32_t i = 0; i < out.causes; i++)
		if (out.cause[i].cause == c)
			return out.cause[i].count;
	return 0;
}

static void
close_step(uint64_t step)
{
	ck_assert(sampler_close(&s, step, false, &out));
	ck_assert_str_eq(out.link, "l1");
	ck_assert_uint_eq(out.step_ms, 10000);
	ck_assert_uint_le(out.rtt_count, out.sent);
}

START_TEST(test_all_answered)
{
	begin(3);
	result(2, PROBE_REPLY, 0, 3000);
	result(0, PROBE_REPLY, 0, 1049);
	result(1, PROBE_REPLY, 0, 1);
	close_step(0);
	ck_assert_int_eq(out.start_ns, START);
	ck_assert_uint_eq(out.sent, 3);
	ck_assert_uint_eq(out.rtt_count, 3);
	ck_assert_uint_eq(out.rtt_100ns[0], 10);	/* in the order of sending */
	ck_assert_uint_eq(out.rtt_100ns[1], 1);		/* never 0 */
	ck_assert_uint_eq(out.rtt_100ns[2], 30);
	ck_assert_uint_eq(out.causes, 0);
	ck_assert_uint_eq(out.flags, 0);
	ck_assert(!sampler_close(&s, 0, false, &out));
	sampler_fini(&s);
}
END_TEST

START_TEST(test_unanswered_is_a_timeout)
{
	begin(4);
	result(1, PROBE_REPLY, 0, 500);
	result(3, PROBE_LOST, CAUSE_BIT(CAUSE_HOST_UNREACHABLE), 0);
	close_step(0);
	ck_assert_uint_eq(out.sent, 4);
	ck_assert_uint_eq(out.rtt_count, 1);
	ck_assert_uint_eq(cause(CAUSE_TIMEOUT), 2);
	ck_assert_uint_eq(cause(CAUSE_HOST_UNREACHABLE), 1);
	sampler_fini(&s);
}
END_TEST

START_TEST(test_late_within_the_step)
{
	begin(2);
	result(0, PROBE_REPLY, 0, NS_PER_S);		/* just in time */
	result(1, PROBE_REPLY, 0, NS_PER_S + 1);
	close_step(0);
	ck_assert_uint_eq(out.rtt_count, 1);
	ck_assert_uint_eq(cause(CAUSE_TIMEOUT), 1);
	ck_assert_uint_eq(cause(CAUSE_LATE_REPLY), 1);
	sampler_fini(&s);
}
END_TEST

START_TEST(test_late_after_the_step)
{
	begin(2);
	close_step(0);
	ck_assert_uint_eq(cause(CAUSE_TIMEOUT), 2);
	sampler_begin(&s, 1, START + 10 * NS_PER_S);
	sampler_sent(&s, sampler_token(1, 0));
	result(sampler_token(0, 1), PROBE_REPLY, 0, 7 * NS_PER_S);
	result(sampler_token(1, 0), PROBE_REPLY, 0, 1000);
	close_step(1);
	ck_assert_uint_eq(out.sent, 1);
	ck_assert_uint_eq(out.rtt_count, 1);
	ck_assert_uint_eq(cause(CAUSE_LATE_REPLY), 1);
	sampler_fini(&s);
}
END_TEST

START_TEST(test_duplicates)
{
	begin(1);
	result(0, PROBE_REPLY, 0, 1000);
	for (unsigned i = 0; i < 100; i++)
		result(0, PROBE_REPLY, 0, 2000);
	result(0, PROBE_EXTRA, CAUSE_BIT(CAUSE_DUPLICATE), 0);
	result(0, PROBE_LOST, CAUSE_BIT(CAUSE_TTL_EXCEEDED), 0);
	close_step(0);
	ck_assert_uint_eq(out.rtt_count, 1);
	ck_assert_uint_eq(out.rtt_100ns[0], 10);
	ck_assert_uint_eq(cause(CAUSE_DUPLICATE), 101);
	ck_assert_uint_eq(cause(CAUSE_TTL_EXCEEDED), 0);
	sampler_fini(&s);
}
END_TEST

/* However many a far side sends: a batch takes the sample. */
START_TEST(test_flood_of_duplicates)
{
	struct batch_builder *b = batch_builder_new();

	begin(1);
	result(0, PROBE_REPLY, 0, 1000);
	for (unsigned i = 0; i < CAUSE_COUNT_MAX + 1; i++)
		result(0, PROBE_EXTRA, CAUSE_BIT(CAUSE_DUPLICATE), 0);
	close_step(0);
	ck_assert_uint_eq(cause(CAUSE_DUPLICATE), CAUSE_COUNT_MAX);
	ck_assert_int_eq(batch_builder_add(b, &out), 0);
	batch_builder_free(b);
	sampler_fini(&s);
}
END_TEST

START_TEST(test_refused_is_a_reply)
{
	begin(2);
	result(0, PROBE_REPLY, CAUSE_BIT(CAUSE_REFUSED), 1000);
	result(1, PROBE_REPLY, CAUSE_BIT(CAUSE_REFUSED), 1000);
	close_step(0);
	ck_assert_uint_eq(out.sent, 2);
	ck_assert_uint_eq(out.rtt_count, 2);
	ck_assert_uint_eq(cause(CAUSE_REFUSED), 2);
	sampler_fini(&s);
}
END_TEST

START_TEST(test_not_sent_is_not_loss)
{
	begin(3);
	sampler_not_sent(&s, 0, CAUSE_NOT_SENT);
	result(1, PROBE_NOT_SENT, CAUSE_BIT(CAUSE_LOCAL), 0);
	result(2, PROBE_REPLY, 0, 1000);
	sampler_not_sent(&s, 2, CAUSE_NOT_SENT);	/* it was answered: it left */
	close_step(0);
	ck_assert_uint_eq(out.sent, 1);
	ck_assert_uint_eq(out.rtt_count, 1);
	ck_assert_uint_eq(cause(CAUSE_NOT_SENT), 1);
	ck_assert_uint_eq(cause(CAUSE_LOCAL), 1);
	ck_assert_uint_eq(out.flags & SAMPLE_NOT_OBSERVED, 0);
	sampler_fini(&s);
}
END_TEST

START_TEST(test_nothing_sent_is_not_observed)
{
	begin(2);
	sampler_not_sent(&s, 0, CAUSE_RESOLVE);
	sampler_not_sent(&s, 1, CAUSE_RESOLVE);
	close_step(0);
	ck_assert_uint_eq(out.sent, 0);
	ck_assert_uint_eq(out.flags, SAMPLE_NOT_OBSERVED);
	ck_assert_uint_eq(cause(CAUSE_RESOLVE), 2);
	sampler_missed(&s, START, &out);
	ck_assert_uint_eq(out.sent, 0);
	ck_assert_uint_eq(out.flags, SAMPLE_NOT_OBSERVED | SAMPLE_LATE);
	ck_assert_uint_eq(cause(CAUSE_LOCAL), 2);
	sampler_fini(&s);
}
END_TEST

START_TEST(test_socket_drops_and_sleep_excuse)
{
	begin(4);
	result(0, PROBE_REPLY, 0, 1000);
	result(1, PROBE_LOST, CAUSE_BIT(CAUSE_PROHIBITED), 0);
	sampler_flag_open(&s, SAMPLE_SOCKET_DROPS);
	close_step(0);
	ck_assert_uint_eq(out.sent, 2);			/* two that we can speak of */
	ck_assert_uint_eq(out.rtt_count, 1);
	ck_assert_uint_eq(cause(CAUSE_LOCAL), 2);
	ck_assert_uint_eq(cause(CAUSE_TIMEOUT), 0);
	ck_assert_uint_eq(out.flags, SAMPLE_SOCKET_DROPS);
	sampler_begin(&s, 1, START);
	sampler_sent(&s, sampler_token(1, 0));
	ck_assert(sampler_close(&s, 1, true, &out));
	ck_assert_uint_eq(out.sent, 0);
	ck_assert_uint_eq(out.flags, SAMPLE_NOT_OBSERVED);
	ck_assert_uint_eq(cause(CAUSE_LOCAL), 1);
	sampler_fini(&s);
}
END_TEST

START_TEST(test_two_steps_open)
{
	begin(2);
	sampler_begin(&s, 1, START + 10 * NS_PER_S);
	sampler_sent(&s, sampler_token(1, 0));
	sampler_flag(&s, 1, SAMPLE_LATE);
	result(sampler_token(1, 0), PROBE_REPLY, 0, 2000);
	result(sampler_token(0, 1), PROBE_REPLY, 0, 1000);
	close_step(0);
	ck_assert_uint_eq(out.rtt_count, 1);
	ck_assert_uint_eq(out.rtt_100ns[0], 10);
	ck_assert_uint_eq(out.flags, 0);
	close_step(1);
	ck_assert_uint_eq(out.rtt_count, 1);
	ck_assert_uint_eq(out.flags, SAMPLE_LATE);
	sampler_fini(&s);
}
END_TEST

START_TEST(test_tokens_that_mean_nothing)
{
	begin(2);
	result(sampler_token(0, 2), PROBE_REPLY, 0, 1000);	/* packet out of range */
	result(sampler_token(UINT64_MAX >> 10, 1), PROBE_REPLY, 0, 1000);
	sampler_sent(&s, sampler_token(7, 0));
	sampler_not_sent(&s, sampler_token(0, 1023), CAUSE_LOCAL);
	sampler_flag(&s, 9, SAMPLE_LATE);
	ck_assert(!sampler_close(&s, 9, false, &out));
	close_step(0);
	ck_assert_uint_eq(out.sent, 2);
	ck_assert_uint_eq(out.rtt_count, 0);
	ck_assert_uint_eq(out.flags, 0);
	sampler_fini(&s);
}
END_TEST

START_TEST(test_more_causes_than_fit)
{
	begin(20);
	for (uint32_t c = 1; c <= CAUSE_MAX; c++)
		result(c, PROBE_REPLY, CAUSE_BIT(c), 1000);
	close_step(0);
	ck_assert_uint_eq(out.causes, SAMPLE_CAUSES);
	ck_assert_uint_eq(out.cause[0].cause, CAUSE_TIMEOUT);	/* by weight */
	ck_assert_uint_eq(cause(CAUSE_DUPLICATE), 0);
	sampler_fini(&s);
}
END_TEST

static void
tls(uint64_t token, uint32_t causes, double days)
{
	struct probe_result r = { .token = token, .outcome = PROBE_MORE, .causes = causes,
		.values = causes == 0, .value = { { .role = ROLE_CERT_DAYS, .value = days } } };

	sampler_result(&s, &r);
}

/* What comes behind a reply changes no count, and goes to the step of that reply if it can. */
START_TEST(test_more)
{
	begin(3);
	result(0, PROBE_REPLY, 0, 1000);
	tls(0, 0, 7);
	result(1, PROBE_REPLY, 0, 1000);
	tls(1, CAUSE_BIT(CAUSE_TLS), 0);
	result(2, PROBE_REPLY, 0, 1000);
	sampler_begin(&s, 1, START + 10 * NS_PER_S);
	sampler_sent(&s, sampler_token(1, 0));
	result(sampler_token(1, 0), PROBE_REPLY, 0, 1000);
	tls(sampler_token(1, 0), 0, 6);
	close_step(0);
	ck_assert_uint_eq(out.sent, 3);
	ck_assert_uint_eq(out.rtt_count, 3);
	ck_assert_uint_eq(out.causes, 1);
	ck_assert_uint_eq(cause(CAUSE_TLS), 1);
	ck_assert_uint_eq(out.values, 1);
	ck_assert_double_eq(out.value[0].value, 7);
	tls(2, CAUSE_BIT(CAUSE_TLS), 0);	/* after its step */
	close_step(1);
	ck_assert_uint_eq(out.sent, 1);
	ck_assert_uint_eq(out.rtt_count, 1);
	ck_assert_uint_eq(cause(CAUSE_TLS), 1);
	ck_assert_uint_eq(cause(CAUSE_LATE_REPLY), 0);
	ck_assert_double_eq(out.value[0].value, 6);
	tls(sampler_token(1, 0), 0, 5);		/* no step is open: forgotten */
	sampler_fini(&s);
}
END_TEST

START_TEST(test_values)
{
	struct probe_result r = { .outcome = PROBE_REPLY, .rtt_ns = 1000, .values = 2,
		.value = { { ROLE_IN_BPS, 1.5, 7 }, { ROLE_UPTIME_S, 9, 0 } } };

	begin(1);
	sampler_result(&s, &r);
	close_step(0);
	ck_assert_uint_eq(out.values, 2);
	ck_assert_uint_eq(out.value[0].raw, 7);
	sampler_begin(&s, 2, START);		/* the same place: nothing of it is left */
	ck_assert(sampler_close(&s, 2, false, &out));
	ck_assert_uint_eq(out.values, 0);
	sampler_fini(&s);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_all_answered, test_unanswered_is_a_timeout, test_late_within_the_step,
		test_late_after_the_step, test_duplicates, test_flood_of_duplicates, test_refused_is_a_reply,
		test_not_sent_is_not_loss, test_nothing_sent_is_not_observed,
		test_socket_drops_and_sleep_excuse, test_two_steps_open,
		test_tokens_that_mean_nothing, test_more_causes_than_fit, test_more, test_values, NULL,
	};

	return run_suite("sampler", tests);
}
