/*
 * shelf.c - the RRD files of a store (see shelf.h).
 */
#include "collector/shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/rrdfile.h"
#include "collector/shelf_notes.h"
#include "common/batch.h"
#include "common/log.h"
#include "common/mem.h"

#define SERIES_LIST ".series"
#define REBUILD_LIST ".rebuild"
#define RETRY_NS (60 * NS_PER_S)

struct shelf {
	struct shelf_opts o;
	char *dir;			/* owned; o.dir points to it */
	int dirfd;			/* owned */
	struct shelf_notes *notes;	/* owned */
	struct table series;		/* struct series, by name */
	struct table known;		/* names that have had a file (value: itself) */
	bool dirty;			/* written since the last shelf_sync() */
	struct shelf_stat stat;
};

/* --------------------------------------------------------- opening, closing */

static void
note_known(void *arg, const char *name)
{
	struct shelf *sh = arg;

	table_puts(&sh->known, name, sh);
}

int
shelf_open(struct shelf **out, const struct shelf_opts *o, bool crashed, char *why, size_t n)
{
	struct shelf *sh = xcalloc(1, sizeof *sh);
	char name[SERIES_PATH_MAX], from[SERIES_PATH_MAX + 8], to[SERIES_PATH_MAX + 64];
	int r;

	*out = NULL;
	sh->o = *o;
	sh->o.dir = sh->dir = xstrdup(o->dir);
	sh->dirfd = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sh->dirfd < 0) {
		r = -errno;
		snprintf(why, n, "%s: %s", o->dir, strerror(errno));
		goto out;
	}
	r = shelf_notes_open(&sh->notes, sh->dirfd, why, n);
	if (r != 0)
		goto out;
	shelf_notes_each(sh->notes, SERIES_LIST, note_known, sh);
	if (shelf_notes_was_opening(sh->notes, name, sizeof name) && crashed) {
		snprintf(from, sizeof from, "%s.rrd", name);
		snprintf(to, sizeof to, "%s.damaged-%" PRId64, from, clock_wall(o->clock).ns / NS_PER_S);
		log_error("link=%s: its RRD file crashed librrd: set aside as %s", name, to);
		if (renameat(sh->dirfd, from, sh->dirfd, to) == 0)
			sh->stat.aside++;
		shelf_notes_add(sh->notes, REBUILD_LIST, name);
	}
	*out = sh;
	sh = NULL;
out:
	shelf_close(sh);
	return r;
}

static void
series_free(struct series *s)
{
	gather_fini(&s->gather);
	free(s);
}

void
shelf_close(struct shelf *sh)
{
	struct series *s;

	if (sh == NULL)
		return;
	for (size_t i = 0; (s = table_next(&sh->series, &i)) != NULL;)
		series_free(s);
	table_fini(&sh->series);
	table_fini(&sh->known);
	shelf_notes_close(sh->notes);
	if (sh->dirfd >= 0)
		close(sh->dirfd);
	free(sh->dir);
	free(sh);
}

/* --------------------------------------------------------------- the plan */

static void
want_rebuild(struct shelf *sh, struct series *s)
{
	int r;

	gather_empty(&s->gather);
	if (s->state == SERIES_READY) {
		r = shelf_notes_add(sh->notes, REBUILD_LIST, s->name);
		if (r != 0)
			log_error("link=%s: rebuild cannot be noted: %s", s->name, strerror(-r));
	}
	s->state = SERIES_WANTS_REBUILD;
}

static void
note_rebuild(void *arg, const char *name)
{
	struct shelf *sh = arg;
	struct series *s = table_gets(&sh->series, name);

	if (s != NULL && s->state == SERIES_READY) {
		gather_empty(&s->gather);
		s->state = SERIES_WANTS_REBUILD;
	}
}

static void
plan_link(struct shelf *sh, const Linkwatch__Pb__Link *l)
{
	char name[SERIES_PATH_MAX], path[SERIES_PATH_MAX];
	struct series_def def;
	struct series *s;

	if (series_path(path, sizeof path, l->agent, l->id) != 0 ||
	    series_define(&def, l, &sh->o.policy) != 0)
		return;
	snprintf(name, sizeof name, "%s/%s", l->agent, l->id);
	s = table_gets(&sh->series, name);
	if (s == NULL) {
		s = xcalloc(1, sizeof *s);
		memcpy(s->name, name, sizeof s->name);
		memcpy(s->path, path, sizeof s->path);
		s->def = def;
		s->is_known = table_gets(&sh->known, name) != NULL;
		table_puts(&sh->series, name, s);
		sh->stat.series++;
	} else if (memcmp(&s->def, &def, sizeof def) != 0) {
		/* The rows that wait have the old shape; the rebuild brings them again. */
		shelf_flush_one(sh, s);
		gather_empty(&s->gather);
		s->def = def;
	}
}

void
shelf_plan(struct shelf *sh, const Linkwatch__Pb__Plan *plan, bool save)
{
	for (size_t i = 0; i < plan->n_link; i++)
		plan_link(sh, plan->link[i]);
	shelf_notes_each(sh->notes, REBUILD_LIST, note_rebuild, sh);
	if (save)
		shelf_notes_save_plan(sh->notes, plan);
}

Linkwatch__Pb__Plan *
shelf_saved_plan(const struct shelf *sh)
{
	return shelf_notes_load_plan(sh->notes);
}

/* ---------------------------------------------------------------- the files */

static void
set_aside(struct shelf *sh, struct series *s, const char *how, const char *why)
{
	char to[SERIES_PATH_MAX + 64];
	int64_t now = clock_wall(sh->o.clock).ns / NS_PER_S;

	snprintf(to, sizeof to, "%s.%s-%" PRId64, s->path, how, now);
	if (renameat(sh->dirfd, s->path, sh->dirfd, to) == 0) {
		log_warning("link=%s: RRD file set aside as %s (%s), rebuilt from the journal", s->name, to, why);
		sh->stat.aside++;
	} else if (errno != ENOENT) {
		log_error("link=%s: bad RRD file (%s) cannot be set aside: %s", s->name, why, strerror(errno));
	}
}

/* The rows stay undone for now: after a while the journal brings them again. */
static int
give_up(struct shelf *sh, struct series *s, int r, const char *why)
{
	log_limited(LOG_ERROR, s->name, 1, "link=%s: RRD file not written: %s", s->name, why);
	sh->stat.failures++;
	want_rebuild(sh, s);
	s->retry_ns = clock_mono(sh->o.clock).ns + RETRY_NS;
	return r;
}

static int
make_file(struct shelf *sh, struct series *s, const char *path, int64_t first)
{
	char why[256], agent[ID_MAX + 1];
	int r;

	snprintf(agent, sizeof agent, "%.*s", (int)strcspn(s->name, "/"), s->name);
	if (mkdirat(sh->dirfd, agent, 0700) != 0 && errno != EEXIST)
		return give_up(sh, s, -errno, strerror(errno));
	if (!s->is_known) {
		r = shelf_notes_add(sh->notes, SERIES_LIST, s->name);
		if (r != 0)
			return give_up(sh, s, r, strerror(-r));
		s->is_known = true;
	}
	shelf_notes_opening(sh->notes, s->name);
	r = rrdfile_create(path, &s->def, first - s->def.step_s, why, sizeof why);
	shelf_notes_opening(sh->notes, NULL);
	return r == 0 ? 0 : give_up(sh, s, r, why);
}

/* 0: the file is there and sound, *last set. 1: it will be rebuilt. -errno: not now. */
static int
ready_file(struct shelf *sh, struct series *s, const char *path, int64_t *last)
{
	int64_t now = clock_wall(sh->o.clock).ns / NS_PER_S;
	int64_t first = s->gather.row[0].t;
	char why[256];
	int r = rrdfile_check(path, &s->def, now, last, why, sizeof why);

	switch (r) {
	case 0:
		return 0;
	case -ENOENT:
		if (s->is_known && s->state == SERIES_READY) {
			log_warning("link=%s: RRD file is gone, rebuilt from the journal", s->name);
			want_rebuild(sh, s);
			return 1;
		}
		r = make_file(sh, s, path, first);
		*last = first - s->def.step_s;
		return r;
	case -ESTALE:
		set_aside(sh, s, "old", why);
		want_rebuild(sh, s);
		return 1;
	case -EBADMSG:
		set_aside(sh, s, "damaged", why);
		want_rebuild(sh, s);
		return 1;
	default:
		return give_up(sh, s, r, why);
	}
}

static int
write_rows(struct shelf *sh, struct series *s, const char *path, int64_t last)
{
	struct rrd_row *rows;
	size_t late, n = gather_rows(&s->gather, last, s->def.step_s, s->def.ds_n, &rows, &late);
	char why[256];
	int r;

	/* After a restart rows come again that the file has: only this process's own can be late. */
	if (s->written != 0)
		sh->stat.late += late;
	else
		sh->stat.repeats += late;
	shelf_notes_opening(sh->notes, s->name);
	r = rrdfile_update(path, &s->def, rows, n, why, sizeof why);
	shelf_notes_opening(sh->notes, NULL);
	if (r == 0 && n > 0) {
		s->written = rows[n - 1].t;
		sh->stat.rows += n;
		sh->stat.writes++;
		sh->dirty = true;
	}
	free(rows);
	if (r == 0 || (r == -EAGAIN && s->gather.n < GATHER_MAX / 2)) {
		if (r == 0)
			gather_empty(&s->gather);
		return r;
	}
	if (r != -EBADMSG)
		return give_up(sh, s, r, why);
	set_aside(sh, s, "damaged", why);
	want_rebuild(sh, s);
	return r;
}

int
shelf_flush_one(struct shelf *sh, struct series *s)
{
	int64_t last = 0;
	char *path;
	int r;

	if (s->gather.n == 0 || s->state == SERIES_WANTS_REBUILD)
		return 0;
	path = xasprintf("%s/%s", sh->dir, s->path);
	r = ready_file(sh, s, path, &last);
	if (r == 0)
		r = write_rows(sh, s, path, last);
	free(path);
	return r < 0 ? r : 0;
}

void
shelf_flush(struct shelf *sh, bool all)
{
	int64_t now = clock_mono(sh->o.clock).ns;
	struct series *s;

	for (size_t i = 0; (s = table_next(&sh->series, &i)) != NULL;)
		if (all || gather_is_due(&s->gather, sh->o.rows, sh->o.age_ns, now))
			shelf_flush_one(sh, s);
}

struct series *
shelf_find(const struct shelf *sh, const char *name)
{
	return table_gets(&sh->series, name);
}

void
shelf_rebuild(struct shelf *sh, struct series *s)
{
	set_aside(sh, s, "old", "asked for");
	want_rebuild(sh, s);
	s->retry_ns = 0;
}

/* ------------------------------------------------------------------ samples */

static void
take_sample(struct shelf *sh, struct series *s, uint64_t seq, const struct sample *sm)
{
	int64_t first, last, now_s = clock_wall(sh->o.clock).ns / NS_PER_S;
	double v[SERIES_DS_MAX];

	/* One stamp far ahead would close the file for everything that follows. */
	if (series_slots(&s->def, sm, &first, &last) != 0 || last > now_s + 86400) {
		sh->stat.odd++;
		return;
	}
	series_values(&s->def, sm, v);
	for (int64_t t = first; t <= last; t += s->def.step_s) {
		enum gather_result r = gather_add(&s->gather, t, v, s->def.ds_n, seq,
		    clock_mono(sh->o.clock).ns);

		if (r == GATHER_REPEAT)
			sh->stat.repeats++;
		if (s->gather.n >= sh->o.rows)
			shelf_flush_one(sh, s);
		if (s->state == SERIES_WANTS_REBUILD)
			return;
	}
}

void
shelf_batch(struct shelf *sh, uint64_t seq, const void *data, size_t len, bool rebuilding)
{
	Linkwatch__Pb__StoredBatch *sb = linkwatch__pb__stored_batch__unpack(NULL, len, data);
	Linkwatch__Pb__Batch *b = NULL;
	char name[SERIES_PATH_MAX], why[128];
	struct batch_cursor c;
	struct series *s;
	struct sample sm;

	if (sb == NULL)
		goto out;
	b = batch_unpack(sb->batch.data, sb->batch.len);
	if (b == NULL || batch_check(b, why, sizeof why) != 0 || !id_is_valid(sb->agent))
		goto out;
	batch_cursor_init(&c, b);
	while (batch_cursor_next(&c, &sm)) {
		snprintf(name, sizeof name, "%s/%s", sb->agent, sm.link);
		s = table_gets(&sh->series, name);
		if (s == NULL)
			sh->stat.odd += !rebuilding;
		else if (s->state == (rebuilding ? SERIES_REBUILDING : SERIES_READY))
			take_sample(sh, s, seq, &sm);
	}
out:
	if (b == NULL)
		sh->stat.odd++;
	else
		linkwatch__pb__batch__free_unpacked(b, NULL);
	if (sb != NULL)
		linkwatch__pb__stored_batch__free_unpacked(sb, NULL);
}

/* ---------------------------------------------------------------- rebuilding */

int
shelf_note_rebuild(const char *dir, const char *name, char *why, size_t n)
{
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char from[SERIES_PATH_MAX + 8], to[SERIES_PATH_MAX + 64];
	struct shelf_notes *notes = NULL;
	int r;

	if (dirfd < 0) {
		r = -errno;
		snprintf(why, n, "%s: %s", dir, strerror(errno));
		return r;
	}
	r = shelf_notes_open(&notes, dirfd, why, n);
	if (r != 0)
		goto out;
	if (!shelf_notes_is_name(name)) {
		r = -EINVAL;
		snprintf(why, n, "'%s' is not AGENT/LINK", name);
		goto out;
	}
	r = shelf_notes_add(notes, REBUILD_LIST, name);
	if (r != 0) {
		snprintf(why, n, "%s/%s: %s", dir, REBUILD_LIST, strerror(-r));
		goto out;
	}
	snprintf(from, sizeof from, "%s.rrd", name);
	snprintf(to, sizeof to, "%s.old-%" PRId64, from, clock_wall(clock_real()).ns / NS_PER_S);
	if (renameat(dirfd, from, dirfd, to) != 0 && errno != ENOENT) {
		r = -errno;
		snprintf(why, n, "%s: %s", from, strerror(errno));
	}
out:
	shelf_notes_close(notes);
	close(dirfd);
	return r;
}

bool
shelf_begin_pass(struct shelf *sh)
{
	int64_t now = clock_mono(sh->o.clock).ns;
	struct series *s;
	bool any = false;

	for (size_t i = 0; (s = table_next(&sh->series, &i)) != NULL;)
		if (s->state == SERIES_WANTS_REBUILD && now >= s->retry_ns) {
			gather_empty(&s->gather);
			s->state = SERIES_REBUILDING;
			s->written = 0;
			any = true;
		}
	return any;
}

void
shelf_end_pass(struct shelf *sh)
{
	struct series *s;
	bool again = false;
	size_t done = 0;

	for (size_t i = 0; (s = table_next(&sh->series, &i)) != NULL;) {
		if (s->state == SERIES_REBUILDING)
			shelf_flush_one(sh, s);
		if (s->state == SERIES_REBUILDING) {
			s->state = SERIES_READY;
			done++;
		}
		again |= s->state == SERIES_WANTS_REBUILD;
	}
	if (done > 0)
		log_notice("store: %zu series rebuilt from the journal", done);
	if (!again && shelf_sync(sh) == 0)
		shelf_notes_clear(sh->notes, REBUILD_LIST);
}

/* ------------------------------------------------------------------- state */

uint64_t
shelf_lowest(const struct shelf *sh)
{
	uint64_t lowest = UINT64_MAX;
	struct series *s;

	/* What a pass gathers is covered by the list of rebuilds. */
	for (size_t i = 0; (s = table_next(&sh->series, &i)) != NULL;)
		if (s->state == SERIES_READY && s->gather.n > 0 && s->gather.first_seq < lowest)
			lowest = s->gather.first_seq;
	return lowest;
}

int
shelf_sync(struct shelf *sh)
{
	if (sh->dirty && syncfs(sh->dirfd) != 0)
		return -errno;
	sh->dirty = false;
	return 0;
}

void
shelf_stat(const struct shelf *sh, struct shelf_stat *st)
{
	struct series *s;

	*st = sh->stat;
	for (size_t i = 0; (s = table_next(&sh->series, &i)) != NULL;)
		st->waiting += s->state != SERIES_READY;
}
