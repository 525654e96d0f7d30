/*
 * stored.c - the samples in the records of the journal (see stored.h).
 */
#include "collector/stored.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/when.h"

static const struct { uint32_t flag; const char *name; } flag_name[] = {
	{ SAMPLE_LATE, "late" }, { SAMPLE_NOT_OBSERVED, "not-observed" },
	{ SAMPLE_SOCKET_DROPS, "socket-drops" }, { SAMPLE_CLOCK_JUMP, "clock-jump" },
	{ SAMPLE_BURST, "burst" },
};

static int
walk_batch(const struct stored *from, const Linkwatch__Pb__Batch *b, const struct pick *pick,
    const struct stored_fns *fns)
{
	struct batch_cursor c;
	struct sample s;
	char why[128];

	if (batch_check(b, why, sizeof why) != 0)
		return -EBADMSG;
	for (size_t i = 0; i < b->n_gap && fns->gap != NULL; i++)
		fns->gap(fns->arg, from, b->gap[i]);
	batch_cursor_init(&c, b);
	while (batch_cursor_next(&c, &s))
		if (pick_takes(pick, from->agent, s.link))
			fns->sample(fns->arg, from, &s);
	return 0;
}

int
stored_walk_batch(const struct stored *from, const uint8_t *packed, size_t len, const struct pick *pick,
    const struct stored_fns *fns)
{
	Linkwatch__Pb__Batch *b = batch_unpack(packed, len);
	int r = b != NULL ? walk_batch(from, b, pick, fns) : -EBADMSG;

	if (b != NULL)
		linkwatch__pb__batch__free_unpacked(b, NULL);
	return r;
}

int
stored_walk(const struct journal_record *rec, const struct pick *pick, const struct stored_fns *fns)
{
	Linkwatch__Pb__StoredBatch *sb = linkwatch__pb__stored_batch__unpack(NULL, rec->len, rec->data);
	struct stored from = { .seq = rec->seq };
	int r = -EBADMSG;

	if (sb == NULL || !id_is_valid(sb->agent))
		goto out;
	r = 0;
	if (!pick_takes_agent(pick, sb->agent))
		goto out;
	from.agent = sb->agent;
	from.received_ns = sb->received_ns;
	r = stored_walk_batch(&from, sb->batch.data, sb->batch.len, pick, fns);
out:
	if (sb != NULL)
		linkwatch__pb__stored_batch__free_unpacked(sb, NULL);
	return r;
}

/* --------------------------------------------------------------------- CSV */

void
stored_csv_head(FILE *f)
{
	fputs("agent,link,start,start_ns,received_ns,step_ms,sent,replies,flags,rtt_ns,causes,values,raw\n", f);
}

/* A blank before each word but the first. */
static void
put_flags(FILE *f, uint32_t flags, const char **sep)
{
	for (size_t i = 0; i < sizeof flag_name / sizeof flag_name[0]; i++)
		if (flags & flag_name[i].flag) {
			fprintf(f, "%s%s", *sep, flag_name[i].name);
			*sep = " ";
		}
}

static void
put_causes(FILE *f, const struct sample *s, const char **sep)
{
	for (uint32_t i = 0; i < s->causes; i++, *sep = " ")
		fprintf(f, "%s%s=%u", *sep, cause_name(s->cause[i].cause), s->cause[i].count);
}

static void
put_values(FILE *f, const struct sample *s, int digits, const char **sep)
{
	for (uint32_t i = 0; i < s->values; i++, *sep = " ")
		fprintf(f, "%s%s=%.*g", *sep, value_role_name(s->value[i].role), digits, s->value[i].value);
}

void
stored_csv(FILE *f, const struct stored *from, const struct sample *s)
{
	char when[WHEN_RFC3339_LEN];
	const char *sep = "";

	fprintf(f, "%s,%s,%s,%" PRId64 ",%" PRId64 ",%u,%u,%u,", from->agent, s->link,
	    when_format(when, sizeof when, (struct wall){ s->start_ns }), s->start_ns, from->received_ns,
	    s->step_ms, s->sent, s->rtt_count);
	put_flags(f, s->flags, &sep);
	sep = ",";
	for (uint32_t i = 0; i < s->rtt_count; i++, sep = " ")
		fprintf(f, "%s%" PRIu64, sep, (uint64_t)s->rtt_100ns[i] * 100);
	fputs(s->rtt_count == 0 ? ",," : ",", f);
	sep = "";
	put_causes(f, s, &sep);
	fputc(',', f);
	sep = "";
	put_values(f, s, 17, &sep);
	fputc(',', f);
	sep = "";
	for (uint32_t i = 0; i < s->values; i++)
		if (s->value[i].raw != 0) {
			fprintf(f, "%s%s=%" PRIu64, sep, value_role_name(s->value[i].role), s->value[i].raw);
			sep = " ";
		}
	fputc('\n', f);
}

void
stored_notes(FILE *f, const struct sample *s)
{
	const char *sep = "";

	put_flags(f, s->flags, &sep);
	put_causes(f, s, &sep);
	put_values(f, s, 7, &sep);
}

/* -------------------------------------------------------------------- JSON */

void
stored_json(FILE *f, const struct stored *from, const struct sample *s)
{
	char when[WHEN_RFC3339_LEN];
	const char *sep = "";

	fprintf(f, "{\"type\":\"sample\",\"agent\":\"%s\",\"link\":\"%s\",\"start\":\"%s\",\"start_ns\":%" PRId64
	    ",\"received_ns\":%" PRId64 ",\"step_ms\":%u,\"sent\":%u,\"replies\":%u,\"flags\":[",
	    from->agent, s->link, when_format(when, sizeof when, (struct wall){ s->start_ns }), s->start_ns,
	    from->received_ns, s->step_ms, s->sent, s->rtt_count);
	for (size_t i = 0; i < sizeof flag_name / sizeof flag_name[0]; i++)
		if (s->flags & flag_name[i].flag) {
			fprintf(f, "%s\"%s\"", sep, flag_name[i].name);
			sep = ",";
		}
	fputs("],\"rtt_ns\":[", f);
	for (uint32_t i = 0; i < s->rtt_count; i++)
		fprintf(f, "%s%" PRIu64, i > 0 ? "," : "", (uint64_t)s->rtt_100ns[i] * 100);
	fputs("],\"causes\":{", f);
	for (uint32_t i = 0; i < s->causes; i++)
		fprintf(f, "%s\"%s\":%u", i > 0 ? "," : "", cause_name(s->cause[i].cause), s->cause[i].count);
	fputs("},\"values\":{", f);
	for (uint32_t i = 0; i < s->values; i++)
		fprintf(f, "%s\"%s\":%.17g", i > 0 ? "," : "", value_role_name(s->value[i].role), s->value[i].value);
	fputs("},\"raw\":{", f);
	sep = "";
	for (uint32_t i = 0; i < s->values; i++)
		if (s->value[i].raw != 0) {
			fprintf(f, "%s\"%s\":%" PRIu64, sep, value_role_name(s->value[i].role), s->value[i].raw);
			sep = ",";
		}
	fputs("}}\n", f);
}

/* -------------------------------------------------------- text from outside */

void
stored_text(FILE *f, const char *s)
{
	size_t len = strlen(s), n = len * 4 + 1;
	char *text = xmalloc(n);

	fputs(log_escape(text, n, s, len), f);
	free(text);
}

void
stored_text_json(FILE *f, const char *s)
{
	size_t len = strlen(s), n = len * 4 + 1;
	char *text = xmalloc(n);

	fputc('"', f);
	for (const char *p = log_escape(text, n, s, len); *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			fputc('\\', f);
		fputc(*p, f);
	}
	fputc('"', f);
	free(text);
}
