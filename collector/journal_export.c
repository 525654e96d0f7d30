/*
 * journal_export.c - the samples of some links between two instants, or what
 * happened beside them (--what), as CSV or JSON lines.
 *
 * What is asked for is the time of samples, while the journal is in the order
 * of their arrival: a sample may have waited in an agent's spool, for at most
 * ingest.past, and an agent's clock may be ahead by at most ingest.future.  So
 * reading begins with the last segment that was begun before FROM - future,
 * and ends with the first record that came after TO + past.
 */
#include "collector/journal_tool.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/stored_event.h"
#include "common/clock.h"
#include "common/disk.h"
#include "common/journal.h"
#include "common/when.h"

#define ME "linkwatch-collector: "

enum what { SAMPLES, EVENTS, REFUSED };

struct export {
	enum what what;
	struct pick pick;
	bool json;
	int64_t from_ns, to_ns;
	uint64_t samples, unsound;
};

static void
print_sample(void *arg, const struct stored *from, const struct sample *s)
{
	struct export *x = arg;

	if (s->start_ns < x->from_ns || s->start_ns >= x->to_ns)
		return;
	x->samples++;
	(x->json ? stored_json : stored_csv)(stdout, from, s);
}

/* Of a batch whose times are wrong: when it was refused is what counts, and was looked at. */
static void
print_refused(void *arg, const struct stored *from, const struct sample *s)
{
	struct export *x = arg;

	x->samples++;
	(x->json ? stored_json : stored_csv)(stdout, from, s);
}

/* a + b, or the end of the range that it would leave. */
static int64_t
add_bounded(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? (a < 0 ? INT64_MIN : INT64_MAX) : sum;
}

/*
 * The record to begin with.  A wall clock that was set back leaves segments out of order: the first one
 * that is too late counts, so that too much is read rather than too little.
 */
static int
find_start(struct disk *disk, int64_t from_ns, uint64_t *seq)
{
	struct journal_segment *v;
	size_t n, i = 0;
	int r = journal_segment_list(disk, &v, &n);

	*seq = 0;
	if (r != 0)
		return r;
	while (i < n && v[i].wall.ns < from_ns)
		i++;
	if (i > 1)
		*seq = v[i - 1].first_seq;
	free(v);
	return 0;
}

static void
export_record(struct export *x, const struct journal_record *rec)
{
	struct event_filter filter = { .pick = &x->pick, .from_ns = x->from_ns, .to_ns = x->to_ns, .json = x->json };
	struct stored_fns fns = { .sample = x->what == REFUSED ? print_refused : print_sample, .arg = x };
	int r = 0;

	if (x->what == EVENTS)
		r = stored_events(stdout, rec, &filter);
	else if (x->what == REFUSED && rec->type == JREC_REFUSED)
		r = stored_walk_refused(rec, &filter, &fns);
	else if (x->what == SAMPLES && rec->type == JREC_BATCH)
		r = stored_walk(rec, &x->pick, &fns);
	if (r < 0 && x->unsound++ == 0)
		fprintf(stderr, ME "journal: record %" PRIu64 " holds no sound %s\n", rec->seq,
		    rec->type == JREC_BATCH ? "batch" : "event");
}

/* The next record, over what is damaged or was purged meanwhile, which is said: 1, 0 or -errno. */
static int
next_record(struct journal_reader *reader, struct journal_record *rec, bool *damaged)
{
	for (;;) {
		int r = journal_reader_next(reader, rec);
		uint64_t to;

		if (r == -ESTALE) {
			fprintf(stderr, ME "journal: what stood before record %" PRIu64 " was taken by retention\n",
			    rec->seq);
			continue;
		}
		if (r != -EBADMSG && r != -EIO)
			return r;
		*damaged = true;
		fprintf(stderr, ME "journal: damaged: %s\n", journal_reader_detail(reader));
		r = journal_reader_skip(reader, &to);
		if (r != 1)
			return r;
		fprintf(stderr, ME "journal: goes on with record %" PRIu64 "\n", to);
	}
}

static int
export_all(const struct journal_place *p, struct disk *disk, struct export *x)
{
	int64_t end_ns = add_bounded(x->to_ns, p->past_ns);
	struct journal_reader *reader = NULL;
	struct journal_record rec;
	bool damaged = false;
	uint64_t start;
	int r = find_start(disk, add_bounded(x->from_ns, -p->future_ns), &start);

	if (r == 0)
		r = journal_reader_open(&reader, disk, start);
	if (r == 0 && !x->json)
		(x->what == EVENTS ? stored_event_head : stored_csv_head)(stdout);
	while (r == 0 && !ferror(stdout) && (r = next_record(reader, &rec, &damaged)) == 1 &&
	    rec.wall.ns <= end_ns) {
		export_record(x, &rec);
		r = 0;
	}
	journal_reader_close(reader);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, ME "standard output: %s\n", strerror(errno));
		return JOURNAL_FAILED;
	}
	if (r < 0)
		fprintf(stderr, ME "journal: %s\n", strerror(-r));
	if (r < 0)
		return JOURNAL_FAILED;
	return damaged || x->unsound > 0 ? JOURNAL_DAMAGED : JOURNAL_GOOD;
}

/* One option. 0 or JOURNAL_USAGE after a message. */
static int
take_option(struct export *x, int c, const char *value, struct wall now)
{
	static const char *const words[] = { "samples", "events", "refused" };
	struct wall t;

	if (c == 'l') {
		if (pick_link(&x->pick, value) == 0)
			return 0;
		fprintf(stderr, ME "--link '%s' is neither AGENT/LINK nor 'all'\n", value);
	} else if (c == 'g') {
		if (pick_agent(&x->pick, value) == 0)
			return 0;
		fprintf(stderr, ME "--agent '%s' is no id\n", value);
	} else if (c == 'w') {
		for (x->what = SAMPLES; x->what <= REFUSED; x->what++)
			if (strcmp(value, words[x->what]) == 0)
				return 0;
		fprintf(stderr, ME "--what '%s' is neither samples, events nor refused\n", value);
	} else if (c == 'f') {
		x->json = strcmp(value, "json") == 0;
		if (x->json || strcmp(value, "csv") == 0)
			return 0;
		fprintf(stderr, ME "--format '%s' is neither csv nor json\n", value);
	} else if (c == 'a' || c == 'b') {
		if (when_parse(value, now, &t) == 0) {
			*(c == 'a' ? &x->from_ns : &x->to_ns) = t.ns;
			return 0;
		}
		fprintf(stderr, ME "'%s' is no time\n", value);
	}
	return JOURNAL_USAGE;
}

int
journal_export(const struct journal_place *p, struct disk *disk, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "link", required_argument, NULL, 'l' }, { "format", required_argument, NULL, 'f' },
		{ "from", required_argument, NULL, 'a' }, { "to", required_argument, NULL, 'b' },
		{ "agent", required_argument, NULL, 'g' }, { "what", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	struct export x = { .from_ns = 0, .to_ns = INT64_MAX };
	struct wall now = clock_wall(clock_real());
	int c, r = 0;

	optind = 0;
	while (r == 0 && (c = getopt_long(argc, argv, "l:f:", longopts, NULL)) != -1)
		r = take_option(&x, c, optarg, now);
	if (r == 0 && (optind != argc || pick_is_empty(&x.pick)))
		r = JOURNAL_USAGE;
	if (r == 0 && x.from_ns > x.to_ns) {
		fprintf(stderr, ME "--from is later than --to\n");
		r = JOURNAL_USAGE;
	}
	if (r == 0)
		r = export_all(p, disk, &x);
	pick_fini(&x.pick);
	return r;
}
