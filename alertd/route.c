/*
 * route.c - who hears of an incident, and how many short messages he can bear.
 */
#include <math.h>
#include <string.h>

#include "alertd/route.h"

struct selection {
	const struct policy *p;
	const struct incident *inc;
	const struct channels_down *down;
	struct route_target *out;
	size_t n, max;
};

static bool
is_down(const struct channels_down *down, const char *channel)
{
	for (size_t i = 0; down != NULL && i < CHANNELS_DOWN; i++)
		if (strcmp(down->name[i], channel) == 0)
			return true;
	return false;
}

static const char *
address_on(const struct policy *p, const struct policy_contact *k, const char *channel)
{
	if (policy_channel_is_mail(p, channel))
		return k->mail;
	return k->phone;
}

/* The first of the fallback channels where k has an address. */
static void
put_fallback(const struct policy *p, const struct conf_list *fallback, struct route_target *t)
{
	char *const *name = fallback->v;

	t->fallback = t->fallback_address = NULL;
	for (size_t i = 0; i < fallback->n && t->fallback == NULL; i++)
		if (strcmp(name[i], t->channel) != 0 && address_on(p, t->contact, name[i]) != NULL) {
			t->fallback = name[i];
			t->fallback_address = address_on(p, t->contact, name[i]);
		}
}

static bool
make_target(const struct policy *p, const struct policy_contact *k, const char *channel,
    const struct conf_list *fallback, const struct channels_down *down, struct route_target *out)
{
	struct route_target t = { .contact = k, .channel = channel };

	t.address = address_on(p, k, channel);
	put_fallback(p, fallback, &t);
	if (t.fallback != NULL && (t.address == NULL || is_down(down, channel))) {
		struct route_target other = { .contact = k, .channel = t.fallback,
			.address = t.fallback_address };

		if (t.address != NULL) {	/* it may work again by then */
			other.fallback = t.channel;
			other.fallback_address = t.address;
		}
		t = other;
	}
	*out = t;
	return t.address != NULL;
}

bool
route_target(const struct policy *p, const struct policy_contact *k, const char *channel,
    const struct channels_down *down, struct route_target *out)
{
	const struct policy_route *r = p->routes.v;
	struct conf_list none = { 0 };

	/* Routes say what stands in for what. */
	return make_target(p, k, channel, p->routes.n > 0 ? &r[0].fallback : &none, down, out);
}

static void
select_add(struct selection *s, const struct policy_contact *k, const struct conf_list *channels,
    const struct conf_list *fallback)
{
	char *const *channel = channels->v;
	struct route_target t;

	if (k->vendor != NULL && strcmp(k->vendor, s->inc->vendor) != 0)
		return;
	for (size_t i = 0; i < channels->n; i++) {
		bool twice = false;

		if (!make_target(s->p, k, channel[i], fallback, s->down, &t))
			continue;
		for (size_t j = 0; j < s->n && !twice; j++)
			twice = s->out[j].contact == k && strcmp(s->out[j].channel, t.channel) == 0;
		if (!twice && s->n < s->max)
			s->out[s->n++] = t;
	}
}

static bool
has(const struct conf_list *l, const char *s)
{
	char *const *v = l->v;

	for (size_t i = 0; i < l->n; i++)
		if (strcmp(v[i], s) == 0)
			return true;
	return false;
}

/* All contacts that are named, or of a role that is named. */
static void
select_people(struct selection *s, const struct conf_list *contacts, const struct conf_list *roles,
    const struct conf_list *channels, const struct conf_list *fallback)
{
	const struct policy_contact *k = s->p->contacts.v;

	for (size_t i = 0; i < s->p->contacts.n; i++)
		if (has(contacts, k[i].id) || (k[i].role != NULL && has(roles, k[i].role)))
			select_add(s, &k[i], channels, fallback);
}

static bool
route_fits(const struct policy_route *r, const struct incident *inc)
{
	return inc->grade <= r->grade &&
	    (r->vendor == NULL || strcmp(r->vendor, inc->vendor) == 0) &&
	    (r->kind == NULL || strcmp(r->kind, anomaly_kind_name(inc->kind)) == 0);
}

/* Nobody was named who can be reached: duty, else everybody who may know. */
static void
select_anybody(struct selection *s)
{
	const struct policy_contact *k = s->p->contacts.v;
	char *names[] = { NULL, NULL };
	struct conf_list both = { .v = names, .n = 0 };

	if (s->p->sms_channels.n > 0)
		names[both.n++] = ((char **)s->p->sms_channels.v)[0];
	if (s->p->mail_channels.n > 0)
		names[both.n++] = ((char **)s->p->mail_channels.v)[0];
	for (int pass = 0; pass < 2 && s->n == 0; pass++)
		for (size_t i = 0; i < s->p->contacts.n; i++)
			if (pass == 1 || (k[i].role != NULL && strcmp(k[i].role, "duty") == 0))
				select_add(s, &k[i], &both, &both);
}

size_t
route_select(const struct policy *p, const struct incident *inc, const struct channels_down *down,
    struct route_target *out, size_t max)
{
	struct selection s = { .p = p, .inc = inc, .down = down, .out = out, .max = max };
	const struct policy_route *r = p->routes.v;

	for (size_t i = 0; i < p->routes.n; i++)
		if (route_fits(&r[i], inc))
			select_people(&s, &r[i].contacts, &r[i].roles, &r[i].channels,
			    &r[i].fallback);
	if (s.n == 0)
		select_anybody(&s);
	return s.n;
}

size_t
route_step(const struct policy *p, const struct policy_step *step, const struct incident *inc,
    const struct channels_down *down, struct route_target *out, size_t max)
{
	struct selection s = { .p = p, .inc = inc, .down = down, .out = out, .max = max };
	const struct policy_route *r = p->routes.v;
	struct conf_list none = { 0 };

	select_people(&s, &step->contacts, &step->roles, &step->channels,
	    p->routes.n > 0 ? &r[0].fallback : &none);
	return s.n;
}

/* --------------------------------------------------------------------- budgets */

/* The time of the k-th newest message (1: the newest), or 0. */
static int64_t
nth_newest(const struct budget *b, uint32_t k)
{
	if (k == 0 || k > b->n)
		return 0;
	return b->sent_s[(b->next + BUDGET_DAY - k) % BUDGET_DAY];
}

int64_t
budget_next(const struct budget *b, const struct policy *p, unsigned grade, int64_t now_ns)
{
	const struct { int64_t limit, period_s; } rule[] = {
		{ p->budget.minute, 60 }, { p->budget.hour, 3600 }, { p->budget.day, 86400 },
	};
	int64_t at = now_ns;

	for (int i = 0; i < 3; i++) {
		double share = grade >= 3 ? 1 - p->budget.reserve : 1;
		int64_t limit = (int64_t)ceil((double)rule[i].limit * share), last;

		if (limit < 1)
			limit = 1;
		last = nth_newest(b, (uint32_t)limit);
		if (last != 0 && (last + rule[i].period_s) * NS_PER_S > at)
			at = (last + rule[i].period_s) * NS_PER_S;
	}
	return at;
}

void
budget_take(struct budget *b, int64_t at_ns)
{
	int64_t at_s = at_ns / NS_PER_S, newest = nth_newest(b, 1);

	b->sent_s[b->next] = at_s > newest ? at_s : newest;
	b->next = (b->next + 1) % BUDGET_DAY;
	if (b->n < BUDGET_DAY)
		b->n++;
}
