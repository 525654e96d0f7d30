/*
 * web_tail.c - from the journal's tip into the table of the latest.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/web_tail.h"
#include "common/links.h"
#include "common/log.h"
#include "common/mem.h"

#define BACK_NS (10 * 60 * NS_PER_S)
#define BACK_STEP 4096			/* records of a stride back */
#define BACK_MAX (64 * BACK_STEP)
#define PLAN_BACK_MAX 1000000		/* records searched for a plan when links.yaml cannot be read */
#define POLL_MS 200
#define ROUND_MAX 2000			/* records in one go, then the loop has its turn */

struct tail {
	struct live *live;
	struct disk *disk;
	struct journal_reader *reader;
	struct event *timer;
	char *links;
	bool plan_seen;			/* in the journal */
	bool told;			/* the trouble stands in the log */
	char trouble[200];
};

/* The wall time of record seq, or of the first one behind it that stands; 0: none. */
static int64_t
wall_of(struct disk *disk, uint64_t seq)
{
	struct journal_reader *r;
	struct journal_record rec;
	int64_t at = 0;
	int rc;

	if (journal_reader_open(&r, disk, seq) != 0)
		return 0;
	rc = journal_reader_next(r, &rec);
	if (rc == -ESTALE)
		rc = journal_reader_next(r, &rec);
	if (rc == 1)
		at = rec.wall.ns;
	journal_reader_close(r);
	return at;
}

/* The number of a record some ten minutes before the last one. */
static uint64_t
start_point(struct disk *disk, uint64_t limit)
{
	int64_t newest = limit > 1 ? wall_of(disk, limit - 1) : 0;
	uint64_t seq = limit;

	while (seq > 1 && limit - seq < BACK_MAX) {
		uint64_t next = seq > BACK_STEP ? seq - BACK_STEP : 1;

		if (seq < limit && wall_of(disk, seq) < newest - BACK_NS)
			break;
		seq = next;
	}
	return seq;
}

static void
load_links(struct tail *t)
{
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *plan = NULL;

	if (links_load(t->links, &plan, &errs) == 0)
		live_plan(t->live, plan);
	else
		log_warning("web: no plan from %s: %s", t->links, errs.n > 0 ? errs.line[0] : "?");
	conf_errors_free(&errs);
}

/* Walks back from limit in growing strides until a stretch holds a PLAN record. */
static void
search_plan(struct tail *t, uint64_t limit)
{
	uint64_t end = limit, from, stride = BACK_STEP;

	while (end > 1 && limit - end < PLAN_BACK_MAX && live_current_plan(t->live) == NULL) {
		struct journal_reader *r;
		struct journal_record rec;
		int rc;

		from = end > stride ? end - stride : 1;
		if (journal_reader_open(&r, t->disk, from) != 0)
			return;
		while ((rc = journal_reader_next(r, &rec)) == 1 || rc == -ESTALE)
			if (rc == 1 && rec.seq >= end)
				break;
			else if (rc == 1 && rec.type == JREC_PLAN)
				live_record(t->live, &rec);
		journal_reader_close(r);
		end = from;
		stride *= 2;
	}
}

static void
say_trouble(struct tail *t, const char *why)
{
	snprintf(t->trouble, sizeof t->trouble, "%s", why);
	if (!t->told)
		log_warning("web: journal: %s", why);
	t->told = true;
}

/* Reads what is there, at most ROUND_MAX records; true: there may be more. */
static bool
read_some(struct tail *t)
{
	struct journal_record rec;
	int rc = 0;

	for (int i = 0; i < ROUND_MAX; i++) {
		rc = journal_reader_next(t->reader, &rec);
		if (rc == -ESTALE)
			continue;
		if (rc != 1)
			break;
		t->plan_seen |= rec.type == JREC_PLAN;
		if (live_record(t->live, &rec) != 0)
			log_limited(LOG_WARNING, "web-record", 3, "web: journal record %llu cannot be read",
			    (unsigned long long)rec.seq);
	}
	if (rc < 0) {
		say_trouble(t, rc == -EBADMSG ? journal_reader_detail(t->reader) : strerror(-rc));
	} else if (*t->trouble != '\0') {
		log_notice("web: journal can be read again");
		*t->trouble = '\0';
		t->told = false;
	}
	return rc == 1;
}

static void
poll_journal(evutil_socket_t fd, short what, void *arg)
{
	struct tail *t = arg;
	struct timeval tv = { 0, POLL_MS * 1000 };

	(void)fd;
	(void)what;
	if (read_some(t))
		tv.tv_usec = 0;
	evtimer_add(t->timer, &tv);
}

int
tail_new(struct tail **out, struct event_base *base, struct live *live, const char *journal,
    const char *links, char *err, size_t n)
{
	struct tail *t = xcalloc(1, sizeof *t);
	struct journal_reader *probe = NULL;
	struct timeval tv = { 0, POLL_MS * 1000 };
	uint64_t limit;
	int rc;

	t->live = live;
	t->links = xstrdup(links);
	rc = disk_open_real(journal, &t->disk);
	if (rc != 0) {
		snprintf(err, n, "%s: %s", journal, strerror(-rc));
		goto out;
	}
	load_links(t);
	journal_reader_open(&probe, t->disk, 1);
	limit = journal_reader_limit(probe);
	journal_reader_close(probe);
	if (live_current_plan(live) == NULL)
		search_plan(t, limit);
	journal_reader_open(&t->reader, t->disk, start_point(t->disk, limit));
	while (read_some(t))
		;
	t->timer = evtimer_new(base, poll_journal, t);
	evtimer_add(t->timer, &tv);
out:
	if (rc != 0) {
		tail_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void
tail_free(struct tail *t)
{
	if (t == NULL)
		return;
	if (t->timer != NULL)
		event_free(t->timer);
	journal_reader_close(t->reader);
	if (t->disk != NULL)
		t->disk->ops->close(t->disk);
	free(t->links);
	free(t);
}

const char *
tail_trouble(const struct tail *t)
{
	return *t->trouble != '\0' ? t->trouble : NULL;
}

uint64_t
tail_limit(const struct tail *t)
{
	return journal_reader_limit(t->reader);
}

int
tail_cursor(const struct tail *t, const char *reader, uint64_t *next)
{
	return journal_cursor_load(t->disk, reader, next);
}

void
tail_reload(struct tail *t)
{
	if (!t->plan_seen)
		load_links(t);
}
