/*
 * test_spool.c - what was put is there, numbered once, bounded, and what is
 * lost is said: across crashes, full and failing disks and damage.
 */
#include "agent/spool.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/spool_gap.h"
#include "common/batch.h"
#include "faultydisk.h"
#include "suite.h"

#define T0 (INT64_C(1760000000) * NS_PER_S)

static char dir[64];
static struct faulty disk;
static struct rng_seed seed;
static struct spool *spool;
static struct batch_builder *builder;
static char why[320];
static int64_t at;

static void
open_spool(const struct spool_opts *opts)
{
	static const struct spool_opts none;
	struct disk *real;

	ck_assert_int_eq(disk_open_real(dir, &real), 0);
	faulty_init(&disk, real);
	ck_assert_msg(spool_open(&spool, &disk.disk, rng_real(), opts != NULL ? opts : &none,
	    (struct wall){ at }, why, sizeof why) == 0, "%s", why);
}

static void
close_spool(void)
{
	spool_close(spool);
	spool = NULL;
	disk.disk.ops->close(&disk.disk);
}

static void
begin(const struct spool_opts *opts)
{
	strcpy(dir, "/tmp/test_spool.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	rng_seeded(&seed, 1);
	builder = batch_builder_new();
	at = T0;
	open_spool(opts);
}

static void
end(void)
{
	char command[128];

	if (spool != NULL)
		close_spool();
	batch_builder_free(builder);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* A batch of n samples, each of a second, with rtts replies. */
static int
put(unsigned n, uint32_t rtts)
{
	uint32_t rtt[SAMPLE_RTT_MAX];

	for (unsigned i = 0; i < SAMPLE_RTT_MAX; i++)
		rtt[i] = 1 + (uint32_t)rng_below(&seed.rng, UINT32_MAX - 1);
	for (unsigned i = 0; i < n; i++) {
		struct sample s = { .link = "l1", .start_ns = at, .step_ms = 1000, .sent = rtts,
			.rtt_count = rtts, .rtt_100ns = rtt };

		ck_assert_int_eq(batch_builder_add(builder, &s), 0);
		at += NS_PER_S;
	}
	return spool_put(spool, builder, (struct wall){ at });
}

static Linkwatch__Pb__Batch *
get(uint64_t seq)
{
	struct spool_batch b;
	Linkwatch__Pb__Batch *m;

	ck_assert_int_eq(spool_get(spool, seq, &b), 1);
	m = batch_unpack(b.data, b.len);
	ck_assert_ptr_nonnull(m);
	ck_assert_int_eq(batch_check(m, why, sizeof why), 0);
	ck_assert_uint_eq(m->seq, b.seq);
	ck_assert_mem_eq(m->boot_id.data, spool_boot_id(spool), BOOT_ID_LEN);
	return m;
}

static void
done(Linkwatch__Pb__Batch *m)
{
	linkwatch__pb__batch__free_unpacked(m, NULL);
}

static struct spool_stat
stat_now(void)
{
	struct spool_stat st;

	spool_stat(spool, &st);
	return st;
}

/* All that stands from seq on: samples delivered plus samples in gaps. */
static uint64_t
account(uint64_t seq, uint64_t *in_gaps)
{
	struct spool_batch b;
	uint64_t samples = 0;

	*in_gaps = 0;
	for (; spool_get(spool, seq, &b) == 1; seq = b.seq + 1) {
		Linkwatch__Pb__Batch *m = batch_unpack(b.data, b.len);

		ck_assert_ptr_nonnull(m);
		samples += m->n_sent;
		for (size_t i = 0; i < m->n_gap; i++)
			*in_gaps += m->gap[i]->count;
		done(m);
	}
	return samples;
}

START_TEST(test_put_and_get)
{
	struct spool_batch b;
	uint8_t boot[BOOT_ID_LEN];

	begin(NULL);
	ck_assert_int_eq(spool_get(spool, 1, &b), 0);
	ck_assert_int_eq(spool_put(spool, builder, (struct wall){ at }), 0);	/* nothing: no batch */
	ck_assert_uint_eq(stat_now().next_seq, 1);
	for (unsigned i = 1; i <= 5; i++)
		ck_assert_int_eq(put(i, 1), 0);
	for (unsigned i = 1; i <= 5; i++) {
		Linkwatch__Pb__Batch *m = get(i);

		ck_assert_uint_eq(m->n_sent, i);
		done(m);
	}
	done(get(2));				/* also backwards */
	ck_assert_int_eq(spool_get(spool, 6, &b), 0);
	ck_assert_uint_eq(stat_now().batches, 5);
	memcpy(boot, spool_boot_id(spool), sizeof boot);
	close_spool();
	open_spool(NULL);
	ck_assert_mem_eq(boot, spool_boot_id(spool), sizeof boot);
	ck_assert_uint_eq(stat_now().next_seq, 6);
	done(get(5));
	end();
}
END_TEST

START_TEST(test_ack)
{
	begin(NULL);
	for (unsigned i = 0; i < 100; i++)
		ck_assert_int_eq(put(1, 1), 0);
	ck_assert_int_eq(spool_ack(spool, 101), -ERANGE);
	ck_assert_int_eq(spool_ack(spool, UINT64_MAX), -ERANGE);
	ck_assert_uint_eq(stat_now().batches, 100);
	ck_assert_int_eq(spool_ack(spool, 60), 0);
	ck_assert_int_eq(spool_ack(spool, 10), 0);	/* backwards: nothing */
	ck_assert_uint_eq(stat_now().acked_seq, 60);
	ck_assert_uint_eq(stat_now().batches, 40);
	close_spool();
	open_spool(NULL);
	ck_assert_uint_eq(stat_now().acked_seq, 60);
	done(get(61));
	end();
}
END_TEST

START_TEST(test_acked_segments_go)
{
	struct spool_opts opts = { .max_bytes = 16 << 20, .segment_bytes = 64 * 1024 };
	uint64_t before;

	begin(&opts);
	for (unsigned i = 0; i < 200; i++)
		ck_assert_int_eq(put(1, 900), 0);
	before = stat_now().bytes;
	ck_assert_uint_gt(before, 700 * 1000);
	ck_assert_int_eq(spool_ack(spool, 100), 0);
	ck_assert_uint_lt(stat_now().bytes, before * 6 / 10);
	ck_assert_uint_le(stat_now().first_seq, 101);	/* not one beyond the ack */
	done(get(101));
	ck_assert_uint_eq(stat_now().dropped_samples, 0);
	end();
}
END_TEST

START_TEST(test_bounded)
{
	struct spool_opts opts = { .max_bytes = 1 << 20, .segment_bytes = 64 * 1024 };
	uint64_t delivered, in_gaps;
	Linkwatch__Pb__Batch *m;
	struct spool_batch b;

	begin(&opts);
	for (unsigned i = 0; i < 1000; i++) {
		ck_assert_int_eq(put(2, 400), 0);
		ck_assert_uint_le(stat_now().bytes, (1 << 20) + 64 * 1024);
	}
	ck_assert_uint_gt(stat_now().dropped_samples, 500);
	ck_assert_int_eq(spool_get(spool, 1, &b), 1);
	ck_assert_uint_gt(b.seq, 1);		/* the first that stands */
	/* nothing may be missing without a word, once the last gap has been told */
	ck_assert_int_eq(spool_flush(spool, (struct wall){ at }), 0);
	delivered = account(1, &in_gaps);
	/* gaps that were dropped again stand in later ones only by their numbers: count is of samples */
	ck_assert_uint_eq(stat_now().dropped_samples + delivered, 2000);
	m = get(stat_now().next_seq - 1);
	done(m);
	end();
}
END_TEST

/* Everything ever dropped stands in gaps that reached the other side. */
START_TEST(test_gap_names_what_went)
{
	struct spool_opts opts = { .max_bytes = 1 << 20, .segment_bytes = 64 * 1024 };
	Linkwatch__Pb__Batch *m;
	uint64_t seq, first = 0, count = 0;

	begin(&opts);
	ck_assert_int_eq(put(1, 1), 0);
	ck_assert_int_eq(spool_ack(spool, 1), 0);
	while (stat_now().dropped_samples == 0)
		ck_assert_int_eq(put(3, 400), 0);
	first = stat_now().first_seq;
	ck_assert_int_eq(put(1, 1), 0);
	for (seq = first; count == 0; seq++) {
		m = get(seq);
		if (m->n_gap > 0) {
			ck_assert_str_eq(m->gap[0]->reason, "spool full");
			ck_assert_uint_eq(m->gap[0]->first_seq, 2);	/* 1 was acknowledged */
			ck_assert_uint_eq(m->gap[0]->last_seq, first - 1);
			ck_assert_uint_lt(m->gap[0]->last_seq, m->seq);
			ck_assert_uint_eq(m->gap[0]->count, 3 * (first - 2));
			ck_assert_int_eq(m->gap[0]->from_ns, T0 + NS_PER_S);
			ck_assert_int_eq(m->gap[0]->to_ns,
			    T0 + NS_PER_S + (int64_t)m->gap[0]->count * NS_PER_S);
			count = m->gap[0]->count;
		}
		done(m);
	}
	ck_assert_uint_eq(stat_now().dropped_samples, count);
	end();
}
END_TEST

START_TEST(test_gap_survives_a_crash)
{
	struct spool_opts opts = { .max_bytes = 1 << 20, .segment_bytes = 64 * 1024 };
	uint64_t in_gaps, dropped;

	begin(&opts);
	while (stat_now().dropped_samples == 0)
		ck_assert_int_eq(put(3, 400), 0);
	dropped = stat_now().dropped_samples;
	close_spool();				/* before the gap was told */
	open_spool(&opts);
	ck_assert_int_eq(spool_flush(spool, (struct wall){ at }), 0);
	account(1, &in_gaps);
	ck_assert_uint_eq(in_gaps, dropped);
	close_spool();
	open_spool(&opts);			/* told once, not twice */
	ck_assert_int_eq(spool_flush(spool, (struct wall){ at }), 0);
	account(1, &in_gaps);
	ck_assert_uint_eq(in_gaps, dropped);
	end();
}
END_TEST

/* The file "gap" was not removed although the batch that tells it is durable. */
START_TEST(test_gap_is_not_told_twice)
{
	struct gaps gaps = { 0 };
	struct gap lost = { .any = true, .count = 5, .from_ns = T0, .to_ns = T0 + NS_PER_S };
	uint64_t in_gaps;

	begin(NULL);
	ck_assert_int_eq(put(1, 1), 0);
	gaps_add(&gaps, GAP_DISK, &lost);
	ck_assert_int_eq(gaps_save(&gaps, &disk.disk), 0);
	close_spool();
	open_spool(NULL);
	ck_assert_int_eq(spool_flush(spool, (struct wall){ at }), 0);
	ck_assert_int_eq(gaps_save(&gaps, &disk.disk), 0);
	close_spool();
	open_spool(NULL);
	ck_assert_int_eq(spool_flush(spool, (struct wall){ at }), 0);
	account(1, &in_gaps);
	ck_assert_uint_eq(in_gaps, 5);
	end();
}
END_TEST

static void
fails_and_recovers(int write_error, int sync_error)
{
	uint64_t delivered, in_gaps;

	begin(NULL);
	ck_assert_int_eq(put(1, 10), 0);
	disk.write_error = write_error;
	disk.sync_error = sync_error;
	for (unsigned i = 0; i < 20; i++)
		ck_assert_int_ne(put(1, 10), 0);
	ck_assert_uint_gt(stat_now().memory_bytes, 0);
	ck_assert_int_ne(stat_now().error, 0);
	disk.write_error = disk.sync_error = 0;
	/* the first may do no more than open the journal again */
	for (unsigned i = 0; i < 3 && spool_flush(spool, (struct wall){ at }) != 0; i++)
		continue;
	ck_assert_int_eq(stat_now().error, 0);
	ck_assert_uint_eq(stat_now().memory_bytes, 0);
	delivered = account(1, &in_gaps);
	ck_assert_uint_eq(delivered, 21);	/* each once */
	ck_assert_uint_eq(in_gaps, 0);
	for (uint64_t seq = 1; seq < stat_now().next_seq; seq++)
		done(get(seq));
	end();
}

START_TEST(test_full_disk)
{
	fails_and_recovers(-ENOSPC, 0);
}
END_TEST

START_TEST(test_failing_sync)
{
	fails_and_recovers(0, -EIO);
}
END_TEST

START_TEST(test_failing_write)
{
	fails_and_recovers(-EIO, 0);
}
END_TEST

START_TEST(test_memory_is_bounded_too)
{
	struct spool_opts opts = { .memory_bytes = 100 * 1000 };
	uint64_t delivered, in_gaps;

	begin(&opts);
	disk.write_error = -ENOSPC;
	for (unsigned i = 0; i < 100; i++) {
		ck_assert_int_eq(put(2, 400), -ENOSPC);
		ck_assert_uint_le(stat_now().memory_bytes, opts.memory_bytes);
	}
	ck_assert_uint_gt(stat_now().dropped_samples, 0);
	disk.write_error = 0;
	ck_assert_int_eq(spool_flush(spool, (struct wall){ at }), 0);
	delivered = account(1, &in_gaps);
	ck_assert_uint_gt(delivered, 0);
	ck_assert_uint_eq(delivered + in_gaps, 200);
	ck_assert_uint_eq(in_gaps, stat_now().dropped_samples);
	end();
}
END_TEST

/* kill -9 in the middle: what was reported as durable is there, numbers without holes. */
START_TEST(test_killed)
{
	for (unsigned round = 0; round < 12; round++) {
		int fd[2], status;
		uint64_t told = 0, n;
		pid_t pid;

		begin(NULL);
		close_spool();
		ck_assert_int_eq(pipe(fd), 0);
		pid = fork();
		if (pid == 0) {
			uint64_t i;

			open_spool(NULL);
			for (i = 1;; i++)
				if (put(1, 50) != 0 || write(fd[1], &i, sizeof i) != sizeof i)
					_exit(1);
		}
		close(fd[1]);
		for (unsigned k = 0; k < 3 + 7 * round; k++) {
			ck_assert_int_eq(read(fd[0], &n, sizeof n), sizeof n);
			told = n;
		}
		kill(pid, SIGKILL);
		while (read(fd[0], &n, sizeof n) == sizeof n)
			told = n;
		close(fd[0]);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status));
		open_spool(NULL);
		for (uint64_t seq = 1; seq <= told; seq++)
			done(get(seq));
		ck_assert_uint_ge(stat_now().next_seq, told + 1);
		ck_assert_uint_le(stat_now().next_seq, told + 2);
		ck_assert_int_eq(put(1, 1), 0);
		end();
	}
}
END_TEST

/* Overwrites eight bytes of the segment that begins with record first. */
static void
damage(uint64_t first, long offset)
{
	char path[128];
	int fd;

	snprintf(path, sizeof path, "%s/%020llu.seg", dir, (unsigned long long)first);
	fd = open(path, O_WRONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, "XXXXXXXX", 8, offset), 8);
	close(fd);
}

/* Everything that is sent when each batch is acknowledged at once, as an uplink would. */
struct sent {
	uint64_t batches, samples, missing, gaps;
	Linkwatch__Pb__Gap *gap[8];	/* of "spool damaged", in order */
};

static void
drain(struct sent *s)
{
	struct spool_batch b;
	uint64_t seq = stat_now().acked_seq + 1;

	memset(s, 0, sizeof *s);
	for (;;) {
		Linkwatch__Pb__Batch *m;
		int rc = spool_get(spool, seq, &b);

		if (rc == 0 && spool_flush(spool, (struct wall){ at }) == 0)
			rc = spool_get(spool, seq, &b);
		if (rc != 1)
			break;
		if (b.seq != seq) {
			if (stat_now().acked_seq + 1 < b.seq) {	/* an earlier gap is to be told first */
				ck_assert_int_eq(spool_flush(spool, (struct wall){ at }), 0);
				continue;
			}
			ck_assert_uint_eq(stat_now().first_seq, b.seq);	/* so says HELLO */
			s->missing += b.seq - seq;
		}
		m = batch_unpack(b.data, b.len);
		ck_assert_ptr_nonnull(m);
		ck_assert_int_eq(batch_check(m, why, sizeof why), 0);
		s->batches++;
		s->samples += m->n_sent;
		for (size_t i = 0; i < m->n_gap; i++) {
			ck_assert_str_eq(m->gap[i]->reason, "spool damaged");
			ck_assert_uint_eq(m->gap[i]->count, 0);		/* nobody knows */
			ck_assert_uint_lt(s->gaps, 8);
			s->gap[s->gaps++] = m->gap[i];
			m->gap[i] = NULL;
		}
		m->n_gap = 0;
		done(m);
		seq = b.seq + 1;
		ck_assert_int_eq(spool_ack(spool, b.seq), 0);
	}
}

static void
forget(struct sent *s)
{
	for (uint64_t i = 0; i < s->gaps; i++)
		linkwatch__pb__gap__free_unpacked(s->gap[i], NULL);
}

static void
assert_gap(const struct sent *s, uint64_t i, uint64_t first, uint64_t last)
{
	ck_assert_uint_lt(i, s->gaps);
	ck_assert_uint_eq(s->gap[i]->first_seq, first);
	ck_assert_uint_eq(s->gap[i]->last_seq, last);
}

/* 300 batches of 900 RTTs in segments of 64 KiB; the firsts of the segments. */
static unsigned
fill_segments(uint64_t first[64])
{
	struct spool_opts opts = { .max_bytes = 16 << 20, .segment_bytes = 64 * 1024 };
	struct dirent **names;
	unsigned n = 0;
	int found;

	begin(&opts);
	for (unsigned i = 0; i < 300; i++)
		ck_assert_int_eq(put(1, 900), 0);
	found = scandir(dir, &names, NULL, alphasort);
	for (int i = 0; i < found; i++) {
		if (strstr(names[i]->d_name, ".seg") != NULL && n < 64)
			first[n++] = strtoull(names[i]->d_name, NULL, 10);
		free(names[i]);
	}
	free(names);
	ck_assert_uint_gt(n, 8);
	return n;
}

/* In the last segment, found when it is opened: what stands before and behind is still sent. */
START_TEST(test_damaged)
{
	uint8_t boot[BOOT_ID_LEN];
	struct sent s;

	begin(NULL);
	for (unsigned i = 0; i < 50; i++)
		ck_assert_int_eq(put(1, 100), 0);
	memcpy(boot, spool_boot_id(spool), sizeof boot);
	close_spool();
	damage(1, 3000);			/* one record, with sound ones behind it */
	open_spool(NULL);
	ck_assert_ptr_nonnull(strstr(why, "damaged"));
	ck_assert_ptr_nonnull(strstr(why, "still sent"));
	ck_assert_mem_eq(boot, spool_boot_id(spool), sizeof boot);
	ck_assert_uint_eq(stat_now().next_seq, 51);
	ck_assert_int_eq(put(1, 1), 0);
	drain(&s);
	ck_assert_uint_eq(s.samples, 50);
	ck_assert_uint_eq(s.missing, 1);
	ck_assert_uint_eq(s.gaps, 1);
	ck_assert_uint_eq(s.gap[0]->first_seq, s.gap[0]->last_seq);
	ck_assert_int_le(s.gap[0]->from_ns, s.gap[0]->to_ns);
	ck_assert_int_gt(s.gap[0]->from_ns, T0);
	forget(&s);
	close_spool();
	open_spool(NULL);			/* told once, not twice */
	ck_assert_str_eq(why, "");
	ck_assert_int_eq(put(1, 1), 0);
	drain(&s);
	ck_assert_uint_eq(s.batches, 1);
	ck_assert_uint_eq(s.gaps, 0);
	end();
}
END_TEST

/* In segments that are not walked when it is opened, found by reading, two in one second. */
START_TEST(test_damaged_in_the_middle)
{
	uint64_t first[64];
	struct sent s;

	fill_segments(first);
	damage(first[2], 200);			/* its first record */
	damage(first[4], 30);			/* its header: all of it is gone */
	drain(&s);
	ck_assert_uint_eq(s.missing, 1 + first[5] - first[4]);
	ck_assert_uint_eq(s.samples, 300 - s.missing);
	ck_assert_uint_eq(s.gaps, 2);
	assert_gap(&s, 0, first[2], first[2]);
	assert_gap(&s, 1, first[4], first[5] - 1);
	forget(&s);
	end();
}
END_TEST

/* A crash between finding the damage and telling it: it is told once. */
START_TEST(test_damage_and_crash)
{
	struct spool_batch b;
	uint64_t first[64];
	struct sent s;

	fill_segments(first);
	damage(first[2], 200);
	ck_assert_int_eq(spool_ack(spool, first[2] - 1), 0);
	ck_assert_int_eq(spool_get(spool, first[2], &b), 1);
	ck_assert_uint_eq(b.seq, first[2] + 1);
	ck_assert_uint_eq(stat_now().acked_seq, first[2]);	/* lost counts as acknowledged */
	disk.write_error = -EIO;		/* neither gap nor cursor gets to the disk */
	close_spool();
	open_spool(NULL);
	ck_assert_int_eq(spool_ack(spool, first[2] - 1), 0);	/* WELCOME says so */
	drain(&s);
	ck_assert_uint_eq(s.gaps, 1);
	assert_gap(&s, 0, first[2], first[2]);
	ck_assert_uint_eq(s.samples, 300 - first[2]);
	forget(&s);
	end();
}
END_TEST

/* Headers: of the first segment, of the last, and then of every one. */
START_TEST(test_damaged_headers)
{
	uint64_t first[64];
	unsigned n = fill_segments(first);
	uint8_t boot[BOOT_ID_LEN];
	struct sent s;

	memcpy(boot, spool_boot_id(spool), sizeof boot);
	close_spool();
	damage(first[0], 30);
	damage(first[n - 1], 30);
	open_spool(NULL);
	ck_assert_mem_eq(boot, spool_boot_id(spool), sizeof boot);
	ck_assert_uint_eq(stat_now().next_seq, 301);
	ck_assert_int_eq(put(1, 1), 0);
	drain(&s);
	ck_assert_uint_eq(s.gaps, 2);
	assert_gap(&s, 0, 1, first[1] - 1);
	assert_gap(&s, 1, first[n - 1], 300);
	ck_assert_uint_eq(s.samples, first[n - 1] - first[1] + 1);
	forget(&s);
	end();
}
END_TEST

START_TEST(test_nothing_can_be_read)
{
	uint8_t boot[BOOT_ID_LEN];
	uint64_t in_gaps;
	Linkwatch__Pb__Batch *m;
	char path[128];

	begin(NULL);
	for (unsigned i = 0; i < 50; i++)
		ck_assert_int_eq(put(1, 100), 0);
	memcpy(boot, spool_boot_id(spool), sizeof boot);
	close_spool();
	snprintf(path, sizeof path, "%s/%020d.seg", dir, 1);
	ck_assert_int_eq(unlink(path), 0);
	open_spool(NULL);
	ck_assert_ptr_nonnull(strstr(why, "begun anew"));
	ck_assert_mem_ne(boot, spool_boot_id(spool), sizeof boot);
	ck_assert_uint_eq(stat_now().next_seq, 1);
	ck_assert_int_eq(put(1, 1), 0);
	ck_assert_uint_eq(account(1, &in_gaps), 1);
	m = get(2);
	ck_assert_uint_eq(m->n_gap, 1);
	ck_assert_str_eq(m->gap[0]->reason, "spool damaged");
	done(m);
	end();
}
END_TEST

START_TEST(test_boot_id_lost_or_damaged)
{
	char path[128];
	uint8_t boot[BOOT_ID_LEN];

	begin(NULL);
	ck_assert_int_eq(put(1, 1), 0);
	ck_assert_int_eq(put(1, 1), 0);
	memcpy(boot, spool_boot_id(spool), sizeof boot);
	close_spool();
	snprintf(path, sizeof path, "%s/boot_id", dir);
	ck_assert_int_eq(truncate(path, 7), 0);
	open_spool(NULL);
	ck_assert_mem_ne(boot, spool_boot_id(spool), sizeof boot);
	done(get(1));				/* under the new name: get() checks */
	done(get(2));
	ck_assert_uint_eq(stat_now().next_seq, 3);
	end();
}
END_TEST

START_TEST(test_second_agent)
{
	struct spool *other;
	struct spool_opts none = { 0 };

	begin(NULL);
	ck_assert_int_eq(spool_open(&other, &disk.disk, rng_real(), &none, (struct wall){ at },
	    why, sizeof why), -EBUSY);
	end();
}
END_TEST

/* The collector has more than we have ever written: our disk lied. */
START_TEST(test_lost_numbers)
{
	uint8_t boot[BOOT_ID_LEN];
	Linkwatch__Pb__Batch *m;

	begin(NULL);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(put(1, 1), 0);
	close_spool();
	open_spool(NULL);
	ck_assert_int_eq(put(2, 1), 0);		/* number 5, made since */
	ck_assert(!spool_lost_numbers(spool, 0, 0));
	ck_assert(!spool_lost_numbers(spool, 4, 0));
	ck_assert(spool_lost_numbers(spool, 5, 0));
	ck_assert(!spool_lost_numbers(spool, 5, 5));
	ck_assert(spool_lost_numbers(spool, 6, 5));
	memcpy(boot, spool_boot_id(spool), sizeof boot);
	ck_assert_int_eq(spool_restart(spool), 0);
	ck_assert_mem_ne(boot, spool_boot_id(spool), sizeof boot);
	ck_assert_uint_eq(stat_now().first_seq, 5);
	ck_assert_uint_eq(stat_now().acked_seq, 4);
	m = get(5);				/* under the new name */
	ck_assert_uint_eq(m->n_sent, 2);
	done(m);
	ck_assert_int_eq(put(3, 1), 0);
	close_spool();
	open_spool(NULL);			/* and it stays so */
	ck_assert_uint_eq(stat_now().first_seq, 5);
	done(get(1));				/* the first that stands: 5 */
	done(get(6));
	end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		test_put_and_get, test_ack, test_acked_segments_go, test_bounded,
		test_gap_names_what_went, test_gap_survives_a_crash, test_gap_is_not_told_twice,
		test_full_disk, test_failing_sync, test_failing_write,
		test_memory_is_bounded_too, test_killed, test_damaged,
		test_damaged_in_the_middle, test_damage_and_crash, test_damaged_headers,
		test_nothing_can_be_read,
		test_boot_id_lost_or_damaged, test_second_agent, test_lost_numbers, NULL,
	};

	return run_suite("spool", tests);
}
