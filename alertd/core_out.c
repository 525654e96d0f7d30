/*
 * core_out.c - how the decisions of one call are gathered.
 *
 * They are kept by sort and put in order at the end (core.h names the order).
 * Strings made on the way live in a list until the next call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertd/core_state.h"
#include "common/mem.h"

enum { BUCKETS = 9 };

struct bucket { struct decision *v; size_t n, room; };

struct out {
	struct bucket bucket[BUCKETS];
	struct bucket all;
	char **text;
	size_t texts, text_room;
	struct decisions result;
};

static int
bucket_of(enum decision_type t)
{
	switch (t) {
	case DEC_INCIDENT:
		return 0;
	case DEC_ANOMALY:
		return 1;
	case DEC_LINK:
		return 2;
	case DEC_LOG:
		return 3;
	case DEC_STOP_MESSAGES:
		return 4;
	case DEC_MESSAGE:
		return 5;
	case DEC_LOCAL:
		return 6;
	case DEC_REPLY:
		return 7;
	default:
		return 8;
	}
}

struct out *
out_new(void)
{
	return xcalloc(1, sizeof(struct out));
}

static void
free_texts(struct out *o)
{
	for (size_t i = 0; i < o->texts; i++)
		free(o->text[i]);
	o->texts = 0;
}

void
out_free(struct out *o)
{
	if (o == NULL)
		return;
	free_texts(o);
	free(o->text);
	for (int b = 0; b < BUCKETS; b++)
		free(o->bucket[b].v);
	free(o->all.v);
	free(o);
}

void
out_begin(struct out *o)
{
	free_texts(o);
	for (int b = 0; b < BUCKETS; b++)
		o->bucket[b].n = 0;
	o->all.n = 0;
}

const char *
out_own(struct core *c, char *s)
{
	struct out *o = c->out;

	if (o->texts == o->text_room) {
		o->text_room = o->text_room == 0 ? 16 : 2 * o->text_room;
		o->text = xreallocarray(o->text, o->text_room, sizeof(*o->text));
	}
	o->text[o->texts++] = s;
	return s;
}

const char *
out_text(struct core *c, const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	return out_own(c, s);
}

static void
bucket_add(struct bucket *b, const struct decision *d)
{
	if (b->n == b->room) {
		b->room = b->room == 0 ? 8 : 2 * b->room;
		b->v = xreallocarray(b->v, b->room, sizeof(*b->v));
	}
	b->v[b->n++] = *d;
}

void
out_add(struct core *c, const struct decision *d)
{
	bucket_add(&c->out->bucket[bucket_of(d->type)], d);
}

void
out_local(struct core *c, const char *fmt, ...)
{
	struct decision d = { .type = DEC_LOCAL };
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	d.local = out_own(c, s);
	out_add(c, &d);
}

void
out_log(struct core *c, const struct entry *e, const char *what, const char *from, const char *to,
    const char *note)
{
	const struct command *cmd = c->ev->type == EV_COMMAND ? c->ev->command : NULL;
	struct decision d = { .type = DEC_LOG, .log = {
		.incident = e->inc.number, .at = c->now,
		.actor = cmd != NULL ? cmd->actor : "alertd",
		.role = cmd != NULL ? cmd->role : "system",
		.channel = cmd != NULL && cmd->channel != NULL ? cmd->channel : "core",
		.from = from, .to = to, .what = what, .note = note == NULL ? "" : note } };

	out_add(c, &d);
}

const struct decisions *
out_end(struct core *c)
{
	struct out *o = c->out;

	for (int b = 0; b < BUCKETS; b++)
		for (size_t i = 0; i < o->bucket[b].n; i++)
			bucket_add(&o->all, &o->bucket[b].v[i]);
	o->result = (struct decisions){ .v = o->all.v, .n = o->all.n };
	return &o->result;
}
