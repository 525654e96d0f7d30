/*
 * policy.c - reading policy.yaml, the lists that stand when it leaves them
 * out, and the questions that others ask of it.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "alertd/policy.h"
#include "common/mem.h"

#define UTC8_S (8 * 3600)
#define DAY_MIN (24 * 60)

/* The lists of a policy that names none. */
static const char builtin[] =
    "segments:\n"
    "  - {segment: access, rtt_warning: 5ms, rtt_critical: 10ms}\n"
    "  - {segment: extranet, rtt_warning: 10ms, rtt_critical: 20ms}\n"
    "  - {segment: edge, rtt_warning: 2ms, rtt_critical: 5ms}\n"
    "  - {segment: vpc, rtt_warning: 1ms, rtt_critical: 3ms}\n"
    "  - {segment: host, rtt_warning: 1ms, rtt_critical: 3ms}\n"
    "rules:\n"
    "  - {loss: extreme, state: down, after: 60m}\n"
    "  - {loss: extreme, state: down, after: 10m, vendor_share: 30%, links: 3}\n"
    "  - {loss: serious, state: down, after: 10m}\n"
    "  - {loss: serious, state: down, vendor_share: 10%, links: 3}\n"
    "  - {loss: moderate, state: down}\n"
    "  - {loss: moderate, state: degraded, severity: critical, after: 30m}\n"
    "  - {loss: minor, state: any}\n"
    "routes:\n"
    "  - {grade: 4, roles: [duty, vendor], channels: [sms, mail], fallback: [mail, sms]}\n"
    "escalation:\n"
    "  - {roles: [vendor-lead], channels: [sms],\n"
    "     unacknowledged: {grade_1: 10m, grade_2: 15m, grade_3: 30m}}\n"
    "  - {roles: [module-lead], channels: [sms],\n"
    "     unacknowledged: {grade_1: 15m, grade_2: 30m, grade_3: 2h}}\n"
    "  - {roles: [project-lead], channels: [sms],\n"
    "     unacknowledged: {grade_1: 30m, grade_2: 1h}, unrecovered: {grade_3: 8h}}\n"
    "  - {roles: [client], channels: [sms], unacknowledged: {grade_1: 30m, grade_2: 2h}}\n"
    "  - {roles: [director], channels: [sms],\n"
    "     unacknowledged: {grade_1: 1h}, unrecovered: {grade_2: 4h}}\n"
    "sms_channels: [sms]\n"
    "mail_channels: [mail]\n";

int
policy_minute_parse(const char *s, int *out)
{
	int h, m;

	if (strlen(s) != 5 || s[2] != ':' || !isdigit((unsigned char)s[0]) ||
	    !isdigit((unsigned char)s[1]) || !isdigit((unsigned char)s[3]) ||
	    !isdigit((unsigned char)s[4]))
		return -EINVAL;
	h = (s[0] - '0') * 10 + s[1] - '0';
	m = (s[3] - '0') * 10 + s[4] - '0';
	if (h > 23 || m > 59)
		return -EINVAL;
	*out = h * 60 + m;
	return 0;
}

int
policy_time_parse(const char *s, struct wall *out)
{
	struct tm tm = { 0 }, back;
	time_t t;
	int minute;

	if (strlen(s) != 16 || s[4] != '-' || s[7] != '-' || s[10] != ' ')
		return -EINVAL;
	for (int i = 0; i < 10; i++)
		if (i != 4 && i != 7 && !isdigit((unsigned char)s[i]))
			return -EINVAL;
	if (policy_minute_parse(s + 11, &minute) < 0)
		return -EINVAL;
	tm.tm_year = atoi(s) - 1900;
	tm.tm_mon = atoi(s + 5) - 1;
	tm.tm_mday = atoi(s + 8);
	t = timegm(&tm);
	gmtime_r(&t, &back);
	if (tm.tm_year < 100 || tm.tm_year > 200 || back.tm_mon != atoi(s + 5) - 1 ||
	    back.tm_mday != atoi(s + 8))
		return -EINVAL;
	out->ns = (t + minute * 60 - UTC8_S) * NS_PER_S;
	return 0;
}

/* ------------------------------------------------------------- what is checked */

struct check {
	struct policy *p;
	const char *file;
	struct conf_errors *errs;
};

static bool
phone_is_valid(const char *s)
{
	size_t n = strspn(s + (*s == '+'), "0123456789");

	return n >= 3 && n <= 20 && s[(*s == '+') + n] == '\0';
}

static bool
mail_is_valid(const char *s)
{
	const char *at = strchr(s, '@');

	if (at == NULL || at == s || at[1] == '\0' || strchr(at + 1, '@') != NULL ||
	    strlen(s) > 254)
		return false;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f || strchr("<>()[],;:\\\"", *s) != NULL)
			return false;
	return true;
}

/* One line of printable text: it goes into messages. */
static bool
text_is_plain(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	return true;
}

static void
check_contact(struct check *c, struct policy_contact *k)
{
	if (k->name == NULL)
		k->name = xstrdup(k->name_en != NULL ? k->name_en : k->id);
	if (k->name_en == NULL)
		k->name_en = xstrdup(k->name);
	if (!text_is_plain(k->name) || !text_is_plain(k->name_en))
		conf_error(c->errs, c->file, k->where,
		    "name of contact '%s' has a control character", k->id);
	if (k->phone != NULL && !phone_is_valid(k->phone))
		conf_error(c->errs, c->file, k->where,
		    "phone of contact '%s' is '%s', expected 3 to 20 digits", k->id, k->phone);
	if (k->mail != NULL && !mail_is_valid(k->mail))
		conf_error(c->errs, c->file, k->where,
		    "mail of contact '%s' is '%s', expected name@host", k->id, k->mail);
	if (k->phone == NULL && k->mail == NULL)
		conf_error(c->errs, c->file, k->where,
		    "contact '%s' has neither phone nor mail", k->id);
}

static void
check_contacts_known(struct check *c, const struct conf_list *ids, struct conf_where where,
    const char *what)
{
	char *const *id = ids->v;

	for (size_t i = 0; i < ids->n; i++)
		if (policy_contact(c->p, id[i]) == NULL)
			conf_error(c->errs, c->file, where, "%s names contact '%s', who is not there",
			    what, id[i]);
}

static bool
kind_is_known(const char *name)
{
	for (int k = ANOMALY_DOWN; k <= ANOMALY_SELF; k++)
		if (strcmp(anomaly_kind_name((uint32_t)k), name) == 0)
			return true;
	return false;
}

static void
check_route(struct check *c, const struct policy_route *r)
{
	check_contacts_known(c, &r->contacts, r->where, "route");
	if (r->kind != NULL && !kind_is_known(r->kind))
		conf_error(c->errs, c->file, r->where, "route names kind '%s', which is none", r->kind);
	if (r->contacts.n == 0 && r->roles.n == 0)
		conf_error(c->errs, c->file, r->where, "route has neither contacts nor roles");
	if (r->channels.n == 0)
		conf_error(c->errs, c->file, r->where, "route has no channels");
}

static void
check_step(struct check *c, const struct policy_step *s)
{
	bool ever = false;

	check_contacts_known(c, &s->contacts, s->where, "escalation step");
	if (s->contacts.n == 0 && s->roles.n == 0)
		conf_error(c->errs, c->file, s->where,
		    "escalation step has neither contacts nor roles");
	if (s->channels.n == 0)
		conf_error(c->errs, c->file, s->where, "escalation step has no channels");
	for (int g = 0; g < GRADES; g++)
		ever = ever || s->unacked[g] > 0 || s->unrecovered[g] > 0;
	if (!ever)
		conf_error(c->errs, c->file, s->where, "escalation step has no time: it never comes");
}

static void
check_window(struct check *c, struct policy_window *w, const char *what)
{
	if (policy_time_parse(w->from, &w->begin) < 0)
		conf_error(c->errs, c->file, w->where,
		    "'from' of %s '%s' is '%s', expected \"2026-01-10 23:00\"", what, w->name, w->from);
	else if (policy_time_parse(w->to, &w->end) < 0)
		conf_error(c->errs, c->file, w->where,
		    "'to' of %s '%s' is '%s', expected \"2026-01-10 23:00\"", what, w->name, w->to);
	else if (w->end.ns <= w->begin.ns)
		conf_error(c->errs, c->file, w->where, "%s '%s' ends before it begins", what, w->name);
}

static void
check_minute(struct check *c, const char *s, const char *what, int *out)
{
	if (s == NULL || policy_minute_parse(s, out) < 0)
		conf_error(c->errs, c->file, c->p->where, "%s is '%s', expected HH:MM", what,
		    s == NULL ? "" : s);
}

/* Rows that could never decide, limits the wrong way round. */
static void
check_numbers(struct check *c)
{
	const struct policy *p = c->p;
	const struct policy_segment *s = p->segments.v;

	if (p->loss.warning > 0 && p->loss.critical > 0 && p->loss.warning > p->loss.critical)
		conf_error(c->errs, c->file, p->where, "loss: 'warning' is above 'critical'");
	if (p->loss.confidence < 0.5 || p->loss.confidence > 0.9999)
		conf_error(c->errs, c->file, p->where, "loss: 'confidence' is not 50%%..99.99%%");
	if (p->loss.hysteresis < 0 || p->loss.hysteresis > 0.9 || p->latency.hysteresis < 0 ||
	    p->latency.hysteresis > 0.9)
		conf_error(c->errs, c->file, p->where, "'hysteresis' is not 0%%..90%%");
	if (p->latency.share < 0 || p->latency.share >= 1)
		conf_error(c->errs, c->file, p->where, "latency: 'share' is not 0%%..99%%");
	if (p->budget.reserve < 0 || p->budget.reserve > 1)
		conf_error(c->errs, c->file, p->where, "budget: 'reserve' is not 0%%..100%%");
	if (p->latency.bad > p->latency.of || p->snmp.bad > p->snmp.of)
		conf_error(c->errs, c->file, p->where, "'bad' is above 'of'");
	if (p->snmp.utilisation_warning > p->snmp.utilisation_critical ||
	    p->snmp.load_warning > p->snmp.load_critical)
		conf_error(c->errs, c->file, p->where, "snmp: a warning limit is above its critical one");
	for (size_t i = 0; i < p->segments.n; i++)
		if (s[i].rtt_warning > 0 && s[i].rtt_critical > 0 &&
		    s[i].rtt_warning > s[i].rtt_critical)
			conf_error(c->errs, c->file, s[i].where,
			    "segment %s: 'rtt_warning' is above 'rtt_critical'",
			    segment_name((uint32_t)s[i].segment));
}

static void
check_all(struct check *c)
{
	struct policy *p = c->p;

	for (size_t i = 0; i < p->contacts.n; i++)
		check_contact(c, (struct policy_contact *)p->contacts.v + i);
	for (size_t i = 0; i < p->routes.n; i++)
		check_route(c, (const struct policy_route *)p->routes.v + i);
	for (size_t i = 0; i < p->escalation.n; i++)
		check_step(c, (const struct policy_step *)p->escalation.v + i);
	if (p->escalation.n > 32)
		conf_error(c->errs, c->file, p->where, "more than 32 escalation steps");
	for (size_t i = 0; i < p->planned.n; i++)
		check_window(c, (struct policy_window *)p->planned.v + i, "planned window");
	for (size_t i = 0; i < p->guarded.n; i++)
		check_window(c, (struct policy_window *)p->guarded.v + i, "guarded window");
	check_minute(c, p->quiet.from, "quiet: 'from'", &p->quiet.from_min);
	check_minute(c, p->quiet.to, "quiet: 'to'", &p->quiet.to_min);
	check_minute(c, p->digest.at, "digest: 'at'", &p->digest.at_min);
	check_numbers(c);
	if (strlen(p->signature) > 36 || strlen(p->signature_en) > 12)
		conf_error(c->errs, c->file, p->where, "signature is longer than 12 characters");
}

/* --------------------------------------------------------------------- loading */

static void
take_list(struct conf_list *to, struct conf_list *from)
{
	if (to->n > 0)
		return;
	*to = *from;
	*from = (struct conf_list){ 0 };
}

/* Lists that p leaves out become the built-in ones. */
static void
fill_lists(struct policy *p)
{
	struct policy *d = xcalloc(1, sizeof(*d));
	struct conf_errors errs = { 0 };

	if (conf_parse(builtin, sizeof(builtin) - 1, "builtin", ".", &policy_schema, d, &errs) != 0)
		abort();	/* our own text: a unit test holds it */
	take_list(&p->segments, &d->segments);
	take_list(&p->rules, &d->rules);
	take_list(&p->routes, &d->routes);
	take_list(&p->escalation, &d->escalation);
	take_list(&p->sms_channels, &d->sms_channels);
	take_list(&p->mail_channels, &d->mail_channels);
	conf_free(&policy_schema, d);
	free(d);
	conf_errors_free(&errs);
}

/* Takes over what was parsed (rc: how that went) and judges the whole. */
static int
finish(struct policy *p, int rc, const char *file, struct policy **out, struct conf_errors *errs)
{
	struct check c = { .p = p, .file = file, .errs = errs };

	if (rc == 0) {
		fill_lists(p);
		check_all(&c);
		if (p->contacts.n == 0)
			conf_warning(errs, file, p->where, "no contacts: nobody will be told");
	}
	if (rc != 0 || conf_failed(errs)) {
		policy_free(p);
		return -EINVAL;
	}
	*out = p;
	return 0;
}

int
policy_load(const char *path, struct policy **out, struct conf_errors *errs)
{
	struct policy *p = xcalloc(1, sizeof(*p));

	return finish(p, conf_load(path, &policy_schema, p, errs), path, out, errs);
}

int
policy_parse(const char *text, size_t len, const char *name, struct policy **out,
    struct conf_errors *errs)
{
	struct policy *p = xcalloc(1, sizeof(*p));

	return finish(p, conf_parse(text, len, name, ".", &policy_schema, p, errs), name, out, errs);
}

struct policy *
policy_default(void)
{
	struct conf_errors errs = { 0 };
	struct policy *p = NULL;

	if (policy_parse("{}\n", 3, "default", &p, &errs) != 0)
		abort();	/* as above */
	conf_errors_free(&errs);
	return p;
}

void
policy_free(struct policy *p)
{
	if (p == NULL)
		return;
	conf_free(&policy_schema, p);
	free(p);
}

/* ------------------------------------------------------------------- questions */

const struct policy_contact *
policy_contact(const struct policy *p, const char *id)
{
	const struct policy_contact *k = p->contacts.v;

	for (size_t i = 0; i < p->contacts.n; i++)
		if (strcmp(k[i].id, id) == 0)
			return &k[i];
	return NULL;
}

const struct policy_limits *
policy_limits(const struct policy *p, unsigned grade)
{
	if (grade < 1)
		grade = 1;
	return &p->limits[(grade > GRADES ? GRADES : grade) - 1];
}

static bool
list_has(const struct conf_list *l, const char *s)
{
	char *const *v = l->v;

	for (size_t i = 0; i < l->n; i++)
		if (strcmp(v[i], s) == 0)
			return true;
	return false;
}

bool
policy_window_covers(const struct policy_window *w, const char *vendor, const char *agent,
    const char *link)
{
	return (w->vendor == NULL || strcmp(w->vendor, vendor) == 0) &&
	    (w->agent == NULL || strcmp(w->agent, agent) == 0) &&
	    (w->links.n == 0 || list_has(&w->links, link));
}

const struct policy_window *
policy_window_at(const struct conf_list *list, struct wall t, const char *vendor,
    const char *agent, const char *link)
{
	const struct policy_window *w = list->v;

	for (size_t i = 0; i < list->n; i++)
		if (t.ns >= w[i].begin.ns && t.ns < w[i].end.ns &&
		    policy_window_covers(&w[i], vendor, agent, link))
			return &w[i];
	return NULL;
}

bool
policy_is_quiet(const struct policy *p, struct wall t, struct wall *until)
{
	int64_t local_min = (t.ns / NS_PER_S + UTC8_S) / 60, minute = local_min % DAY_MIN;
	int from = p->quiet.from_min, to = p->quiet.to_min;
	bool quiet = from <= to ? minute >= from && minute < to : minute >= from || minute < to;

	if (quiet && until != NULL) {
		int64_t day = local_min - minute + (minute < to ? 0 : DAY_MIN);

		until->ns = ((day + to) * 60 - UTC8_S) * NS_PER_S;
	}
	return quiet;
}

bool
policy_channel_is_sms(const struct policy *p, const char *channel)
{
	return list_has(&p->sms_channels, channel);
}

bool
policy_channel_is_mail(const struct policy *p, const char *channel)
{
	return list_has(&p->mail_channels, channel);
}
