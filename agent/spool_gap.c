/*
 * spool_gap.c - the account of what the spool has lost.
 */
#include "agent/spool_gap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/batch.h"
#include "common/mem.h"
#include "common/model.h"

#define FILE_NAME "gap"
#define FILE_MAX 4096

static const char *const reason_text[GAP_REASONS] = {
	[GAP_SPOOL_FULL] = "spool full",
	[GAP_DISK] = "disk failed",
	[GAP_DAMAGED] = "spool damaged",
};

static bool
any_of(const struct gap *g)
{
	for (unsigned i = 0; i < GAP_REASONS; i++)
		if (g[i].any)
			return true;
	return false;
}

bool
gaps_any(const struct gaps *g)
{
	return any_of(g->gap) || any_of(g->telling);
}

bool
gaps_are_being_told(const struct gaps *g)
{
	return any_of(g->telling);
}

bool
gaps_tell(struct gaps *g)
{
	if (any_of(g->telling) || !any_of(g->gap))
		return false;
	memcpy(g->telling, g->gap, sizeof g->telling);
	memset(g->gap, 0, sizeof g->gap);
	return true;
}

void
gaps_resolve(struct gaps *g, bool told)
{
	for (unsigned i = 0; i < GAP_REASONS && !told; i++)
		gaps_add(g, i, &g->telling[i]);
	memset(g->telling, 0, sizeof g->telling);
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
	Linkwatch__Pb__Batch *b = batch_unpack(data, len);
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
put_messages(const struct gap *gap, Linkwatch__Pb__Gap *msg, Linkwatch__Pb__Gap **list, size_t *n)
{
	for (unsigned i = 0; i < GAP_REASONS; i++) {
		if (!gap[i].any)
			continue;
		linkwatch__pb__gap__init(&msg[*n]);
		msg[*n].from_ns = gap[i].from_ns;
		msg[*n].to_ns = gap[i].to_ns;
		msg[*n].count = gap[i].count;
		msg[*n].first_seq = gap[i].first_seq;
		msg[*n].last_seq = gap[i].last_seq;
		msg[*n].reason = (char *)reason_text[i];
		list[*n] = &msg[*n];
		++*n;
	}
}

static void
pack(const Linkwatch__Pb__Batch *b, uint8_t **out, size_t *len)
{
	*len = linkwatch__pb__batch__get_packed_size(b);
	*out = xmalloc(*len);
	linkwatch__pb__batch__pack(b, *out);
}

void
gaps_pack(const struct gaps *g, const uint8_t *boot_id, uint64_t seq, uint8_t **out, size_t *len)
{
	Linkwatch__Pb__Gap msg[GAP_REASONS], *list[GAP_REASONS];
	Linkwatch__Pb__Batch b = LINKWATCH__PB__BATCH__INIT;

	put_messages(g->telling, msg, list, &b.n_gap);
	b.gap = list;
	b.boot_id.data = (uint8_t *)boot_id;
	b.boot_id.len = BOOT_ID_LEN;
	b.seq = seq;
	pack(&b, out, len);
}

/* Of a file the last base_ns gaps are being told; of a batch all are. */
static int
gaps_unpack(struct gaps *g, const void *data, size_t len, bool is_file)
{
	Linkwatch__Pb__Batch *b = batch_unpack(data, len);
	struct gaps telling = { 0 };
	size_t fresh;

	*g = telling;
	if (b == NULL)
		return -EBADMSG;
	fresh = is_file && b->base_ns >= 0 && (uint64_t)b->base_ns <= b->n_gap ?
	    b->n_gap - (size_t)b->base_ns : is_file ? b->n_gap : 0;
	for (size_t i = 0; i < b->n_gap; i++)
		add_message(i < fresh ? g : &telling, b->gap[i]);
	memcpy(g->telling, telling.gap, sizeof g->telling);
	linkwatch__pb__batch__free_unpacked(b, NULL);
	return 0;
}

bool
gaps_are_told_by(const struct gaps *g, const void *data, size_t len)
{
	struct gaps told;

	if (gaps_unpack(&told, data, len, false) != 0 || !gaps_are_being_told(g))
		return false;
	for (unsigned i = 0; i < GAP_REASONS; i++) {
		const struct gap *a = &g->telling[i], *b = &told.telling[i];

		if (a->any != b->any || a->count != b->count || a->from_ns != b->from_ns ||
		    a->to_ns != b->to_ns || a->first_seq != b->first_seq ||
		    a->last_seq != b->last_seq)
			return false;
	}
	return true;
}

int
gaps_save(const struct gaps *g, struct disk *disk)
{
	Linkwatch__Pb__Gap msg[2 * GAP_REASONS], *list[2 * GAP_REASONS];
	Linkwatch__Pb__Batch b = LINKWATCH__PB__BATCH__INIT;
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
	put_messages(g->gap, msg, list, &b.n_gap);
	b.base_ns = -(int64_t)b.n_gap;
	put_messages(g->telling, msg, list, &b.n_gap);
	b.base_ns += (int64_t)b.n_gap;
	b.gap = list;
	pack(&b, &data, &len);
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
		(void)gaps_unpack(g, data, len, true);
	free(data);
}
