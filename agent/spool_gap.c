/*
 * spool_gap.c - the account of what the spool has lost.
 */
#include "agent/spool_gap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/model.h"

#define FILE_NAME "gap"
#define FILE_MAX 4096

static const char *const reason_text[GAP_REASONS] = {
	[GAP_SPOOL_FULL] = "spool full",
	[GAP_DISK] = "disk failed",
	[GAP_DAMAGED] = "spool damaged",
};

bool
gaps_any(const struct gaps *g)
{
	for (unsigned i = 0; i < GAP_REASONS; i++)
		if (g->gap[i].any)
			return true;
	return false;
}

void
gaps_add(struct gaps *g, enum gap_reason reason, const struct gap *lost)
{
	struct gap *to = &g->gap[reason];

	if (!lost->any)
		return;
	if (!to->any) {
		*to = *lost;
		return;
	}
	to->count += lost->count;
	if (lost->from_ns < to->from_ns)
		to->from_ns = lost->from_ns;
	if (lost->to_ns > to->to_ns)
		to->to_ns = lost->to_ns;
	if (lost->first_seq > 0 && (to->first_seq == 0 || lost->first_seq < to->first_seq))
		to->first_seq = lost->first_seq;
	if (lost->last_seq > to->last_seq)
		to->last_seq = lost->last_seq;
}

/* Into g what the message tells, beside what stands there. */
static void
add_message(struct gaps *g, const Linkwatch__Pb__Gap *m)
{
	struct gap told = {
		.any = true, .count = m->count, .from_ns = m->from_ns, .to_ns = m->to_ns,
		.first_seq = m->first_seq, .last_seq = m->last_seq,
	};

	for (unsigned k = 0; k < GAP_REASONS; k++)
		if (strcmp(m->reason, reason_text[k]) == 0)
			gaps_add(g, k, &told);
}

int
gap_count_batch(struct gap *lost, struct gaps *again, const void *data, size_t len, bool numbered)
{
	Linkwatch__Pb__Batch *b = linkwatch__pb__batch__unpack(NULL, len, data);
	int64_t at, end;

	if (b == NULL)
		return -EBADMSG;
	at = b->base_ns;
	for (size_t i = 0; i < b->n_sent && i < b->n_dt_us && i < b->n_step_ms; i++) {
		at += b->dt_us[i] * 1000;
		end = at + b->step_ms[i] * INT64_C(1000000);
		if (!lost->any || at < lost->from_ns)
			lost->from_ns = at;
		if (!lost->any || end > lost->to_ns)
			lost->to_ns = end;
		lost->any = true;
		lost->count++;
	}
	if (numbered) {
		lost->any = true;	/* the number is missing even if it had no samples */
		if (lost->first_seq == 0)
			lost->first_seq = b->seq;
		lost->last_seq = b->seq;
	}
	for (size_t i = 0; i < b->n_gap; i++)
		add_message(again, b->gap[i]);
	linkwatch__pb__batch__free_unpacked(b, NULL);
	return 0;
}

static void
gap_to_message(const struct gaps *g, unsigned reason, Linkwatch__Pb__Gap *out)
{
	const struct gap *gap = &g->gap[reason];

	linkwatch__pb__gap__init(out);
	out->from_ns = gap->from_ns;
	out->to_ns = gap->to_ns;
	out->count = gap->count;
	out->first_seq = gap->first_seq;
	out->last_seq = gap->last_seq;
	out->reason = (char *)reason_text[reason];
}

void
gaps_pack(const struct gaps *g, const uint8_t *boot_id, uint64_t seq, uint8_t **out, size_t *len)
{
	Linkwatch__Pb__Gap msg[GAP_REASONS], *list[GAP_REASONS];
	Linkwatch__Pb__Batch b = LINKWATCH__PB__BATCH__INIT;

	for (unsigned i = 0; i < GAP_REASONS; i++) {
		if (!g->gap[i].any)
			continue;
		gap_to_message(g, i, &msg[b.n_gap]);
		list[b.n_gap] = &msg[b.n_gap];
		b.n_gap++;
	}
	b.gap = list;
	if (boot_id != NULL) {
		b.boot_id.data = (uint8_t *)boot_id;
		b.boot_id.len = BOOT_ID_LEN;
	}
	b.seq = seq;
	*len = linkwatch__pb__batch__get_packed_size(&b);
	*out = xmalloc(*len);
	linkwatch__pb__batch__pack(&b, *out);
}

static int
gaps_unpack(struct gaps *g, const void *data, size_t len)
{
	Linkwatch__Pb__Batch *b = linkwatch__pb__batch__unpack(NULL, len, data);

	*g = (struct gaps){ 0 };
	if (b == NULL)
		return -EBADMSG;
	for (size_t i = 0; i < b->n_gap; i++)
		add_message(g, b->gap[i]);
	linkwatch__pb__batch__free_unpacked(b, NULL);
	return 0;
}

static bool
is_within(const struct gap *told, const struct gap *g)
{
	return told->any && g->any && told->count <= g->count && told->from_ns >= g->from_ns &&
	    told->to_ns <= g->to_ns && told->first_seq >= g->first_seq &&
	    told->last_seq <= g->last_seq;
}

bool
gaps_forget_told(struct gaps *g, const void *data, size_t len)
{
	struct gaps told;
	bool any = false;

	if (gaps_unpack(&told, data, len) != 0)
		return false;
	for (unsigned i = 0; i < GAP_REASONS; i++) {
		struct gap *a = &g->gap[i], *b = &told.gap[i];

		if (!is_within(b, a))
			continue;
		any = true;
		a->count -= b->count;
		/* What came later keeps the whole span: where it began within is not known. */
		if (a->count == 0 && a->last_seq == b->last_seq && a->to_ns == b->to_ns)
			*a = (struct gap){ 0 };
	}
	return any;
}

int
gaps_save(const struct gaps *g, struct disk *disk)
{
	uint8_t *data;
	size_t len;
	int rc;

	if (!gaps_any(g)) {
		rc = disk->ops->unlink(disk, FILE_NAME);
		if (rc == -ENOENT)
			return 0;
		/* Else a power cut brings it back, and it is told again. */
		return rc != 0 ? rc : disk->ops->sync_dir(disk);
	}
	gaps_pack(g, NULL, 0, &data, &len);
	rc = disk_write_file(disk, FILE_NAME, data, len);
	free(data);
	return rc;
}

void
gaps_load(struct gaps *g, struct disk *disk)
{
	void *data = NULL;
	size_t len;

	*g = (struct gaps){ 0 };
	if (disk_read_file(disk, FILE_NAME, FILE_MAX, &data, &len) == 0)
		(void)gaps_unpack(g, data, len);
	free(data);
}
