/*
 * tail.c - live samples at a terminal (see tail.h).
 */
#include "collector/tail.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/journal_place.h"
#include "collector/tail_line.h"
#include "common/clock.h"
#include "common/disk.h"
#include "common/journal.h"

#define POLL_MS 200
#define SILENT_NS (12 * NS_PER_S)	/* ingest writes "alive" every 5 s */

struct follow {
	struct tail_line line;
	struct disk *disk;
	struct journal_reader *reader;
	struct mono heard;		/* when the last record was read */
	bool silent;			/* and it has been said */
	bool broken;			/* the journal cannot be read: said */
};

/* ------------------------------------------------------------------ records */

static void
take_sample(void *arg, const struct stored *from, const struct sample *s)
{
	struct follow *f = arg;

	tail_line_sample(&f->line, from, s);
}

static void
take_gap(void *arg, const struct stored *from, const Linkwatch__Pb__Gap *gap)
{
	struct follow *f = arg;

	tail_line_gap(&f->line, from->agent, gap);
}

static void
take_session(struct follow *f, const struct journal_record *rec)
{
	Linkwatch__Pb__Session *s = linkwatch__pb__session__unpack(NULL, rec->len, rec->data);

	if (s != NULL && pick_takes_agent(&f->line.pick, s->agent))
		tail_line_session(&f->line, s);
	if (s != NULL)
		linkwatch__pb__session__free_unpacked(s, NULL);
}

static void
take_record(struct follow *f, const struct journal_record *rec)
{
	struct stored_fns fns = { .sample = take_sample, .gap = take_gap, .arg = f };

	if (rec->type == JREC_SESSION)
		take_session(f, rec);
	else if (rec->type == JREC_BATCH && stored_walk(rec, &f->line.pick, &fns) != 0)
		tail_line_note(&f->line, "记录 %" PRIu64 " 无法解读", "record %" PRIu64 " holds no sound batch",
		    rec->seq);
}

/* The journal cannot be read at one place: says so once, and goes on behind it if it can. */
static void
pass_over(struct follow *f, int why)
{
	uint64_t seq;

	if (!f->broken)
		fprintf(stderr, "linkwatch-collector: journal: %s\n",
		    why == -EBADMSG ? journal_reader_detail(f->reader) : strerror(-why));
	f->broken = journal_reader_skip(f->reader, &seq) != 1;
	if (!f->broken)
		tail_line_note(&f->line, "从记录 %" PRIu64 " 继续", "going on with record %" PRIu64, seq);
}

/* Reads what is there. true: something was. */
static bool
read_all(struct follow *f)
{
	struct journal_record rec;
	bool any = false;
	int r;

	while (!ferror(stdout) && (r = journal_reader_next(f->reader, &rec)) != 0) {
		if (r == 1) {
			take_record(f, &rec);
			any = true;
			f->broken = false;
		} else if (r == -ESTALE) {
			tail_line_note(&f->line, "记录 %" PRIu64 " 之前的已被清除",
			    "what stood before record %" PRIu64 " was taken by retention", rec.seq);
		} else {
			pass_over(f, r);
			if (f->broken)
				break;
		}
	}
	return any;
}

/* ---------------------------------------------------------------- following */

static void
watch_silence(struct follow *f, bool heard)
{
	struct mono now = clock_mono(clock_real());
	int64_t quiet_ns = now.ns - f->heard.ns;

	if (heard) {
		if (f->silent)
			tail_line_note(&f->line, "ingest 又有记录了（沉默 %" PRIu64 " 秒）",
			    "ingest writes again (it was silent for %" PRIu64 " s)", (uint64_t)(quiet_ns / NS_PER_S));
		f->silent = false;
		f->heard = now;
	} else if (!f->silent && quiet_ns > SILENT_NS) {
		f->silent = true;
		tail_line_note(&f->line, "ingest 已 %" PRIu64 " 秒没有写入任何记录：它没有运行，或磁盘已满",
		    "ingest has written nothing for %" PRIu64 " s: it does not run, or the disk is full",
		    (uint64_t)(quiet_ns / NS_PER_S));
	}
}

/* Waits for POLL_MS. true: nobody reads our output any more. */
static bool
output_is_gone(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = 0 };

	return poll(&out, 1, POLL_MS) > 0 && out.revents & (POLLERR | POLLNVAL);
}

/* How long ago the last record was written, so that a dead ingest is told at once. 0 or -errno. */
static int
look_back(struct follow *f)
{
	uint8_t hash[JOURNAL_HASH_LEN];
	struct wall at = { 0 }, now = clock_wall(clock_real());
	uint64_t seq;
	int r = journal_head(f->disk, &seq, hash, &at);

	f->heard = clock_mono(clock_real());
	if (r == 0 && seq > 0 && at.ns < now.ns)
		f->heard.ns -= now.ns - at.ns;
	return r == -EBADMSG ? 0 : r;	/* it may be mended by the next record */
}

static int
follow(struct follow *f)
{
	uint64_t limit;
	int r = look_back(f);

	if (r != 0) {
		fprintf(stderr, "linkwatch-collector: journal: %s\n", strerror(-r));
		return 1;
	}
	journal_reader_open(&f->reader, f->disk, 1);
	limit = journal_reader_limit(f->reader);
	journal_reader_close(f->reader);
	journal_reader_open(&f->reader, f->disk, limit);
	tail_line_head(&f->line);
	do {
		watch_silence(f, read_all(f));
		fflush(stdout);
	} while (!ferror(stdout) && !output_is_gone());
	if (errno != EPIPE && ferror(stdout))
		fprintf(stderr, "linkwatch-collector: standard output: %s\n", strerror(errno));
	return 1;
}

/* ------------------------------------------------------------------ options */

/* 0 or 2, after a message. */
static int
parse(struct tail_line *line, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "link", required_argument, NULL, 'l' }, { "agent", required_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' }, { NULL, 0, NULL, 0 },
	};
	int c, r = 0;

	optind = 0;
	while (r == 0 && (c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		if (c == 'j') {
			line->json = true;
		} else if (c == 'l') {
			r = pick_link(&line->pick, optarg);
			if (r != 0)
				fprintf(stderr, "linkwatch-collector: --link '%s' is neither AGENT/LINK nor 'all'\n", optarg);
		} else if (c == 'a') {
			r = pick_agent(&line->pick, optarg);
			if (r != 0)
				fprintf(stderr, "linkwatch-collector: --agent '%s' is no id of an agent\n", optarg);
		} else {
			r = -EINVAL;
		}
	}
	if (r == 0 && optind == argc)
		return 0;
	fputs("usage: linkwatch-collector [-c FILE] tail [--link AGENT/LINK|all]... [--agent AGENT]... [--json]\n",
	    stderr);
	return 2;
}

/* Opening would make it. */
static int
open_dir(const char *dir, struct disk **disk)
{
	struct stat st;
	int r = stat(dir, &st) == 0 ? access(dir, R_OK | X_OK) : -1;

	r = r == 0 ? disk_open_real(dir, disk) : -errno;
	if (r != 0)
		fprintf(stderr, "linkwatch-collector: %s: %s\n", dir, strerror(-r));
	return r;
}

int
tail_main(const char *conf, int argc, char **argv)
{
	struct follow f = { 0 };
	struct journal_place place;
	int r = journal_place_find(&place, conf, &argc, argv);

	if (r != 0)
		return r;
	tail_line_init(&f.line, isatty(STDOUT_FILENO) == 1);
	r = parse(&f.line, argc, argv);
	if (r == 0)
		r = open_dir(place.dir, &f.disk) == 0 ? follow(&f) : 1;
	journal_reader_close(f.reader);
	if (f.disk != NULL)
		f.disk->ops->close(f.disk);
	tail_line_fini(&f.line);
	journal_place_fini(&place);
	return r;
}
