/*
 * stored_event.c - what is in the journal beside samples (see stored_event.h).
 */
#include "collector/stored_event.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/frame.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/when.h"

struct out {
	FILE *f;
	const struct event_filter *filter;
	int lines;
};

struct event {				/* one line; what is 0 or NULL does not apply */
	const char *type, *agent, *what, *reason;
	int64_t at_ns, from_ns, to_ns;
	uint64_t samples, count;
};

void
stored_event_head(FILE *f)
{
	fputs("type,agent,at,at_ns,from_ns,to_ns,samples,count,what,reason\n", f);
}

/* A field in quotes that no spreadsheet takes for a formula. */
static void
put_quoted(FILE *f, const char *s)
{
	size_t len = strlen(s), n = len * 4 + 1;
	char *text = xmalloc(n);
	const char *p = log_escape(text, n, s, len);

	fputs(strchr("=+-@", *p) != NULL && *p != '\0' ? "\"'" : "\"", f);
	for (; *p != '\0'; p++)
		fprintf(f, "%s%c", *p == '"' ? "\"" : "", *p);
	fputc('"', f);
	free(text);
}

static void
put_csv_number(FILE *f, int64_t v)
{
	if (v != 0)
		fprintf(f, "%" PRId64, v);
	fputc(',', f);
}

static void
put_csv(FILE *f, const struct event *e, const char *at)
{
	fprintf(f, "%s,", e->type);
	put_quoted(f, e->agent);
	fprintf(f, ",%s,%" PRId64 ",", at, e->at_ns);
	put_csv_number(f, e->from_ns);
	put_csv_number(f, e->to_ns);
	put_csv_number(f, (int64_t)e->samples);
	put_csv_number(f, (int64_t)e->count);
	fprintf(f, "%s,", e->what != NULL ? e->what : "");
	put_quoted(f, e->reason);
	fputc('\n', f);
}

static void
put_json_number(FILE *f, const char *key, int64_t v)
{
	if (v != 0)
		fprintf(f, ",\"%s\":%" PRId64, key, v);
}

static void
put_json(FILE *f, const struct event *e, const char *at)
{
	fprintf(f, "{\"type\":\"%s\",\"agent\":", e->type);
	stored_text_json(f, e->agent);
	fprintf(f, ",\"at\":\"%s\",\"at_ns\":%" PRId64, at, e->at_ns);
	put_json_number(f, "from_ns", e->from_ns);
	put_json_number(f, "to_ns", e->to_ns);
	put_json_number(f, "samples", (int64_t)e->samples);
	put_json_number(f, "count", (int64_t)e->count);
	if (e->what != NULL)
		fprintf(f, ",\"what\":\"%s\"", e->what);
	fputs(",\"reason\":", f);
	stored_text_json(f, e->reason);
	fputs("}\n", f);
}

static void
put(struct out *o, const struct event *e)
{
	char at[WHEN_RFC3339_LEN];

	when_format(at, sizeof at, (struct wall){ e->at_ns });
	(o->filter->json ? put_json : put_csv)(o->f, e, at);
	o->lines++;
}

static bool
is_within(const struct event_filter *x, int64_t at_ns)
{
	return at_ns >= x->from_ns && at_ns < x->to_ns;
}

static bool
takes(const struct event_filter *x, const char *agent)
{
	return id_is_valid(agent) ? pick_takes_agent(x->pick, agent) : x->pick->all || pick_is_empty(x->pick);
}

static void
put_gap(void *arg, const struct stored *from, const Linkwatch__Pb__Gap *gap)
{
	struct out *o = arg;
	struct event e = { .type = "gap", .agent = from->agent, .at_ns = from->received_ns, .from_ns = gap->from_ns,
		.to_ns = gap->to_ns, .samples = gap->count, .reason = gap->reason };

	if (gap->to_ns >= o->filter->from_ns && gap->from_ns < o->filter->to_ns)
		put(o, &e);
}

static void
no_sample(void *arg, const struct stored *from, const struct sample *s)
{
	(void)arg, (void)from, (void)s;
}

static int
session_event(struct out *o, const struct journal_record *rec)
{
	Linkwatch__Pb__Session *s = linkwatch__pb__session__unpack(NULL, rec->len, rec->data);

	if (s == NULL)
		return -EBADMSG;
	if (takes(o->filter, s->agent) && is_within(o->filter, s->at_ns))
		put(o, &(struct event){ .type = "session", .agent = s->agent, .at_ns = s->at_ns,
		    .what = s->up ? "up" : "down", .reason = s->up ? s->address : s->reason });
	linkwatch__pb__session__free_unpacked(s, NULL);
	return 0;
}

static int
refused_event(struct out *o, const struct journal_record *rec)
{
	Linkwatch__Pb__Refused *m = linkwatch__pb__refused__unpack(NULL, rec->len, rec->data);

	if (m == NULL)
		return -EBADMSG;
	if (takes(o->filter, m->peer) && is_within(o->filter, m->at_ns))
		put(o, &(struct event){ .type = "refused", .agent = m->peer, .at_ns = m->at_ns, .samples = m->samples,
		    .count = m->count, .what = refusal_name(m->code), .reason = m->reason });
	linkwatch__pb__refused__free_unpacked(m, NULL);
	return 0;
}

int
stored_events(FILE *f, const struct journal_record *rec, const struct event_filter *filter)
{
	struct out o = { .f = f, .filter = filter };
	struct stored_fns fns = { .sample = no_sample, .gap = put_gap, .arg = &o };
	int r = 0;

	if (rec->type == JREC_BATCH)
		r = stored_walk(rec, filter->pick, &fns);
	else if (rec->type == JREC_SESSION)
		r = session_event(&o, rec);
	else if (rec->type == JREC_REFUSED)
		r = refused_event(&o, rec);
	return r != 0 ? r : o.lines;
}

int
stored_walk_refused(const struct journal_record *rec, const struct event_filter *x, const struct stored_fns *fns)
{
	Linkwatch__Pb__Refused *m = linkwatch__pb__refused__unpack(NULL, rec->len, rec->data);
	struct stored from = { .seq = rec->seq };
	int r = -EBADMSG;

	if (m == NULL)
		return r;
	from.agent = m->peer;
	from.received_ns = m->at_ns;
	r = m->batch.len > 0 && id_is_valid(m->peer) && pick_takes_agent(x->pick, m->peer) && is_within(x, m->at_ns) ?
	    stored_walk_batch(&from, m->batch.data, m->batch.len, x->pick, fns) : 0;
	linkwatch__pb__refused__free_unpacked(m, NULL);
	return r;
}
