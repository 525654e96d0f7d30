/*
 * journal_dump.c - a journal as JSON, one line for each record and sample.
 *
 *   journal_dump DIR
 *
 * Reads the journal of a collector or the spool of an agent, whether somebody
 * writes it or not, and first verifies it from end to end: a damaged one is
 * an error.  The integration tests count samples with it.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/batch.h"
#include "common/disk.h"
#include "common/journal.h"
#include "common/linkwatch.pb-c.h"

static void
put(json_t *o)
{
	json_dumpf(o, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	putchar('\n');
	json_decref(o);
}

static json_t *
hex(const ProtobufCBinaryData *d)
{
	char text[2 * BOOT_ID_LEN + 1] = "";

	for (size_t i = 0; i < d->len && i < BOOT_ID_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", d->data[i]);
	return json_string(text);
}

static json_t *
sample_to_json(const struct sample *s)
{
	json_t *rtt = json_array(), *cause = json_object(), *value = json_object();

	for (uint32_t i = 0; i < s->rtt_count; i++)
		json_array_append_new(rtt, json_integer(s->rtt_100ns[i]));
	for (uint32_t i = 0; i < s->causes; i++)
		json_object_set_new(cause, cause_name(s->cause[i].cause), json_integer(s->cause[i].count));
	for (uint32_t i = 0; i < s->values; i++)
		json_object_set_new(value, value_role_name(s->value[i].role), json_real(s->value[i].value));
	return json_pack("{s:s, s:I, s:i, s:i, s:i, s:o, s:o, s:o}", "link", s->link, "start_ns",
	    (json_int_t)s->start_ns, "step_ms", (int)s->step_ms, "sent", (int)s->sent, "flags",
	    (int)s->flags, "rtt_100ns", rtt, "causes", cause, "values", value);
}

static void
dump_health(const char *agent, const Linkwatch__Pb__Health *h)
{
	put(json_pack("{s:s, s:s, s:I, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:I, s:I, s:I, s:i, s:I,"
	    " s:I, s:I}", "type", "health", "agent", agent, "plan_revision", (json_int_t)h->plan_revision,
	    "links", (int)h->links, "refused_links", (int)h->refused_links, "late_sends",
	    (json_int_t)h->late_sends, "loop_lag_ns", (json_int_t)h->loop_lag_ns, "socket_drops",
	    (json_int_t)h->socket_drops, "foreign_replies", (json_int_t)h->foreign_replies, "clock_jumps",
	    (json_int_t)h->clock_jumps, "resolver_failures", (json_int_t)h->resolver_failures,
	    "ping_mode", (int)h->ping_mode, "starved_steps", (json_int_t)h->starved_steps,
	    "duplicate_replies", (json_int_t)h->duplicate_replies, "late_replies",
	    (json_int_t)h->late_replies, "names_failing", (int)h->names_failing, "capped",
	    (json_int_t)h->capped, "memory_bytes", (json_int_t)h->memory_bytes, "spool_dropped",
	    (json_int_t)h->spool_dropped));
}

static int
dump_batch(const char *agent, const uint8_t *data, size_t len, uint64_t record)
{
	Linkwatch__Pb__Batch *b = batch_unpack(data, len);
	struct batch_cursor c;
	struct sample s;
	char why[128] = "no protobuf";
	json_t *boot;

	if (b == NULL || batch_check(b, why, sizeof why) != 0) {
		fprintf(stderr, "journal_dump: record %" PRIu64 ": %s\n", record, why);
		if (b != NULL)
			linkwatch__pb__batch__free_unpacked(b, NULL);
		return 1;
	}
	boot = hex(&b->boot_id);
	put(json_pack("{s:s, s:I, s:s, s:O, s:I, s:I, s:b}", "type", "batch", "record", (json_int_t)record,
	    "agent", agent, "boot", boot, "seq", (json_int_t)b->seq, "samples",
	    (json_int_t)b->n_link_index, "health", b->health != NULL));
	for (size_t i = 0; i < b->n_gap; i++)
		put(json_pack("{s:s, s:s, s:I, s:I, s:I, s:s}", "type", "gap", "agent", agent, "count",
		    (json_int_t)b->gap[i]->count, "first_seq", (json_int_t)b->gap[i]->first_seq,
		    "last_seq", (json_int_t)b->gap[i]->last_seq, "reason", b->gap[i]->reason));
	if (b->health != NULL)
		dump_health(agent, b->health);
	batch_cursor_init(&c, b);
	while (batch_cursor_next(&c, &s)) {
		json_t *o = sample_to_json(&s);

		json_object_set_new(o, "type", json_string("sample"));
		json_object_set_new(o, "agent", json_string(agent));
		json_object_set(o, "boot", boot);
		json_object_set_new(o, "seq", json_integer((json_int_t)b->seq));
		put(o);
	}
	json_decref(boot);
	linkwatch__pb__batch__free_unpacked(b, NULL);
	return 0;
}

static int
dump_stored(const struct journal_record *r)
{
	Linkwatch__Pb__StoredBatch *s = linkwatch__pb__stored_batch__unpack(NULL, r->len, r->data);
	int rc;

	if (s == NULL)
		return 1;
	rc = dump_batch(s->agent, s->batch.data, s->batch.len, r->seq);
	linkwatch__pb__stored_batch__free_unpacked(s, NULL);
	return rc;
}

static int
dump_session(const struct journal_record *r)
{
	Linkwatch__Pb__Session *s = linkwatch__pb__session__unpack(NULL, r->len, r->data);

	if (s == NULL)
		return 1;
	put(json_pack("{s:s, s:s, s:b, s:s, s:s}", "type", "session", "agent", s->agent, "up", s->up,
	    "address", s->address, "reason", s->reason));
	linkwatch__pb__session__free_unpacked(s, NULL);
	return 0;
}

static int
dump_refused(const struct journal_record *r)
{
	Linkwatch__Pb__Refused *f = linkwatch__pb__refused__unpack(NULL, r->len, r->data);

	if (f == NULL)
		return 1;
	put(json_pack("{s:s, s:s, s:i, s:s, s:I}", "type", "refused", "peer", f->peer, "code",
	    (int)f->code, "reason", f->reason, "seq", (json_int_t)f->seq));
	linkwatch__pb__refused__free_unpacked(f, NULL);
	return 0;
}

static int
dump_collector(const struct journal_record *r)
{
	Linkwatch__Pb__CollectorEvent *e = linkwatch__pb__collector_event__unpack(NULL, r->len, r->data);

	if (e == NULL)
		return 1;
	put(json_pack("{s:s, s:s, s:s}", "type", "collector", "what", e->what, "detail", e->detail));
	linkwatch__pb__collector_event__free_unpacked(e, NULL);
	return 0;
}

static int
dump_plan(const struct journal_record *r)
{
	Linkwatch__Pb__Plan *p = linkwatch__pb__plan__unpack(NULL, r->len, r->data);

	if (p == NULL)
		return 1;
	put(json_pack("{s:s, s:I, s:i}", "type", "plan", "record", (json_int_t)r->seq, "links",
	    (int)p->n_link));
	linkwatch__pb__plan__free_unpacked(p, NULL);
	return 0;
}

static int
dump_plan_result(const struct journal_record *r)
{
	Linkwatch__Pb__AgentPlanResult *a = linkwatch__pb__agent_plan_result__unpack(NULL, r->len, r->data);
	const Linkwatch__Pb__PlanResult *p;

	if (a == NULL)
		return 1;
	p = a->result;
	for (size_t i = 0; p != NULL && i < p->n_link && i < p->n_reason; i++)
		put(json_pack("{s:s, s:s, s:s, s:s}", "type", "refused-link", "agent", a->agent, "link",
		    p->link[i], "reason", p->reason[i]));
	linkwatch__pb__agent_plan_result__free_unpacked(a, NULL);
	return 0;
}

static int
dump_record(const struct journal_record *r)
{
	switch (r->type) {
	case JREC_BATCH:
		return dump_stored(r);
	case JREC_SPOOL:
		return dump_batch("", r->data, r->len, r->seq);
	case JREC_SESSION:
		return dump_session(r);
	case JREC_REFUSED:
		return dump_refused(r);
	case JREC_COLLECTOR:
		return dump_collector(r);
	case JREC_PLAN:
		return dump_plan(r);
	case JREC_PLANRESULT:
		return dump_plan_result(r);
	default:
		return 0;
	}
}

static int
dump(struct disk *disk)
{
	struct journal_reader *reader;
	struct journal_record r;
	int rc = journal_reader_open(&reader, disk, 1), bad = 0;

	if (rc != 0)
		return rc;
	while ((rc = journal_reader_next(reader, &r)) == 1 || rc == -ESTALE)
		if (rc == 1)
			bad |= dump_record(&r);
	if (rc < 0)
		fprintf(stderr, "journal_dump: %s\n", journal_reader_detail(reader));
	journal_reader_close(reader);
	return rc < 0 ? rc : bad ? -EBADMSG : 0;
}

int
main(int argc, char **argv)
{
	struct journal_recovery rec = { 0 };
	struct disk *disk;
	int rc;

	if (argc != 2) {
		fprintf(stderr, "usage: journal_dump DIR\n");
		return 2;
	}
	rc = disk_open_real(argv[1], &disk);
	if (rc == 0) {
		rc = journal_verify(disk, &rec);
		if (rc == 0)
			rc = dump(disk);
		disk->ops->close(disk);
	}
	if (rc != 0)
		fprintf(stderr, "journal_dump: %s: %s %s\n", argv[1], strerror(-rc), rec.detail);
	return rc != 0;
}
