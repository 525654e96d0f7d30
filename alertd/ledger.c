/*
 * ledger.c - how long a link was in each state.
 */
#include <string.h>
#include <time.h>

#include "alertd/ledger.h"
#include "common/clock.h"

#define UTC8_S (8 * 3600)

void
ledger_month(int64_t t_ns, int64_t *begin_ns, int64_t *end_ns)
{
	time_t local = (time_t)(t_ns / NS_PER_S) + UTC8_S;
	struct tm tm;

	gmtime_r(&local, &tm);
	tm.tm_mday = 1;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	*begin_ns = (timegm(&tm) - UTC8_S) * NS_PER_S;
	tm.tm_mon++;
	*end_ns = (timegm(&tm) - UTC8_S) * NS_PER_S;
}

void
ledger_init(struct ledger *l, int64_t at_ns)
{
	memset(l, 0, sizeof(*l));
	l->to_ns = at_ns;
	l->all.from_ns = l->all.to_ns = at_ns;
	l->month.from_ns = l->month.to_ns = at_ns;
}

static void
sum_add(struct ledger_sum *s, int64_t until_ns, enum link_state state)
{
	s->ns[state] += until_ns - s->to_ns;
	s->to_ns = until_ns;
}

void
ledger_credit(struct ledger *l, int64_t until_ns, enum link_state state)
{
	int64_t begin, end;

	if (until_ns <= l->to_ns)
		return;
	sum_add(&l->all, until_ns, state);
	ledger_month(l->to_ns, &begin, &end);
	while (until_ns >= end) {
		int64_t from = end;

		sum_add(&l->month, end, state);
		l->last_month = l->month;
		l->month = (struct ledger_sum){ .from_ns = from, .to_ns = from };
		ledger_month(from, &begin, &end);
	}
	sum_add(&l->month, until_ns, state);
	l->to_ns = until_ns;
}

int64_t
ledger_total(const struct ledger_sum *s)
{
	int64_t sum = 0;

	for (int i = 0; i < LEDGER_STATES; i++)
		sum += s->ns[i];
	return sum;
}
