/*
 * escalate.c - what falls due in the life of an incident.
 */
#include "alertd/escalate.h"

static bool
is_past(struct wall due, struct wall now)
{
	return due.ns != 0 && now.ns >= due.ns;
}

/* Does it go on?  In the recovery hold nobody is pressed. */
static bool
is_lasting(const struct incident *inc)
{
	return (inc->state == INC_OPEN || inc->state == INC_HANDLING) && inc->clean_since.ns == 0;
}

static bool
step_is_due(const struct policy_step *s, const struct incident *inc, struct wall now,
    bool *unrecovered)
{
	unsigned g = inc->grade - 1u;
	int64_t since = now.ns - inc->announced.ns;

	*unrecovered = false;
	if (inc->state == INC_OPEN && s->unacked[g] > 0 && since >= s->unacked[g])
		return true;
	*unrecovered = true;
	return s->unrecovered[g] > 0 && now.ns - inc->raise_base.ns >= s->unrecovered[g];
}

enum due
escalate_due(const struct policy *p, const struct incident *inc, struct wall now,
    unsigned *step, bool *unrecovered)
{
	const struct policy_limits *l = policy_limits(p, inc->grade);
	const struct policy_step *s = p->escalation.v;

	if (!is_lasting(inc))
		return DUE_NOTHING;
	if (inc->state == INC_HANDLING && inc->eta.ns != 0 && p->life.lapse > 0 &&
	    now.ns >= inc->eta.ns + p->life.lapse)
		return DUE_LAPSE;
	if (is_past(inc->recover_due, now) && !inc->overdue)
		return l->raise && inc->grade > 1 ? DUE_RAISE : DUE_OVERDUE;
	if (inc->announced.ns == 0 || inc->announce_at.ns != 0)
		return DUE_NOTHING;
	for (unsigned i = 0; i < p->escalation.n && i < 32; i++)
		if ((inc->escalated & 1u << i) == 0 && step_is_due(&s[i], inc, now, unrecovered)) {
			*step = i;
			return DUE_STEP;
		}
	if (is_past(inc->next_reminder, now))
		return inc->state == INC_OPEN ? DUE_REMIND : DUE_PROGRESS;
	return DUE_NOTHING;
}

/* The next reminder, counted from now; none when there were enough. */
static void
set_reminder(const struct policy *p, struct incident *inc, struct wall now)
{
	const struct policy_limits *l = policy_limits(p, inc->grade);
	int64_t every = inc->state == INC_OPEN ? l->remind : l->progress;
	bool enough = inc->state == INC_OPEN && inc->reminders >= (uint64_t)l->remind_max;

	inc->next_reminder.ns = every > 0 && !enough ? now.ns + every : 0;
}

void
escalate_done(const struct policy *p, struct incident *inc, struct wall now, enum due what,
    unsigned step)
{
	switch (what) {
	case DUE_STEP:
		inc->escalated |= 1u << step;
		inc->escalation++;
		break;
	case DUE_REMIND:
	case DUE_PROGRESS:
		inc->reminders++;
		set_reminder(p, inc, now);
		break;
	case DUE_OVERDUE:
		inc->overdue = true;
		break;
	case DUE_NOTHING:
	case DUE_LAPSE:
	case DUE_RAISE:
		break;		/* the core changes the incident itself */
	}
}

void
escalate_start(const struct policy *p, struct incident *inc, struct wall now)
{
	const struct policy_limits *l = policy_limits(p, inc->grade);

	inc->announced = now;
	inc->escalated = 0;
	inc->reminders = 0;
	inc->ack_due.ns = l->acknowledge > 0 ? now.ns + l->acknowledge : 0;
	set_reminder(p, inc, now);
}

void
escalate_acked(const struct policy *p, struct incident *inc, struct wall now)
{
	inc->ack_due.ns = 0;
	inc->reminders = 0;
	set_reminder(p, inc, now);
}

void
escalate_stop(struct incident *inc)
{
	inc->next_reminder.ns = inc->ack_due.ns = 0;
}

void
escalate_limit(const struct policy *p, struct incident *inc)
{
	const struct policy_limits *l = policy_limits(p, inc->grade);

	inc->recover_due.ns = l->recover > 0 ? inc->raise_base.ns + l->recover : 0;
}
