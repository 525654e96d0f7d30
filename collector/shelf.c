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
#include "collector/shelf_file.h"
#include "collector/shelf_notes.h"
#include "common/batch.h"
#include "common/log.h"
#include "common/mem.h"

#define SERIES_LIST ".series"
#define REBUILD_LIST ".rebuild"
#define HOLD_MAX 512			/* rows that wait for a file that cannot be written now */
#define BACKLOG_ROWS 480		/* gathered for a file when many wait in the journal */
#define BACKLOG_BYTES (64 << 20)	/* for all files */
#define RETRY_NS (10 * NS_PER_S)
#define REBUILD_RETRY_NS (60 * NS_PER_S)
#define FLUSH_SLICE_NS (50 * NS_PER_MS)
#define HEAVY_SHARE 4			/* making and moving files: one part in so many of the time */

struct shelf_note {
	struct rrd_note note;
	struct shelf_notes *notes;	/* borrowed */
};

struct shelf {
	struct shelf_opts o;
	struct series_policy policy;	/* o.policy points to it */
	char *dir;			/* owned; o.dir points to it */
	int dirfd;			/* owned */
	struct shelf_notes *notes;	/* owned */
	struct table series;		/* struct series, by name */
	struct table known;		/* names that have had a file (value: itself) */
	struct series **all;		/* the same series, in the order of the plan */
	size_t all_n, all_cap, hand;	/* hand: where the next flush goes on */
	struct sync *sync;		/* owned */
	struct batch_space *space;	/* owned: of the batch that is being taken */
	struct shelf_note note;
	bool dirty;			/* written since the last shelf_sync_begin() */
	bool is_after_crash;		/* of the machine */
	size_t round;			/* rows gathered for a file just now */
	int64_t heavy_ns;		/* monotonic: no file is made or moved before */
	struct shelf_stat stat;
};

/* --------------------------------------------------------- opening, closing */

static void
note_known(void *arg, const char *name)
{
	struct shelf *sh = arg;

	table_puts(&sh->known, name, sh);
}

static void
note_head(struct rrd_note *note, uint64_t inode, const uint8_t *head, size_t len)
{
	shelf_notes_head(((struct shelf_note *)note)->notes, inode, head, len);
}

/* Finishes what the process before was writing when it was killed. */
static void
redo(struct shelf_notes *notes, const char *dir)
{
	char name[SERIES_PATH_MAX], *path;
	const uint8_t *head;
	uint64_t inode;
	size_t len;
	int r;

	head = shelf_notes_was_writing(notes, &inode, &len);
	if (head == NULL || !shelf_notes_was_opening(notes, name, sizeof name))
		return;
	path = xasprintf("%s/%s.rrd", dir, name);
	r = rrdfile_redo(path, inode, head, len);
	log_notice("link=%s: its RRD file was being written when the store was killed: %s", name,
	    r == 0 ? "finished" : strerror(-r));
	free(path);
}

/* The process before died of its own fault while it worked on a file: that file is not touched again. */
static void
after_crash(struct shelf *sh)
{
	char name[SERIES_PATH_MAX], from[SERIES_PATH_MAX + 8], to[ASIDE_MAX];
	int r;

	if (!shelf_notes_was_opening(sh->notes, name, sizeof name))
		return;
	snprintf(from, sizeof from, "%s.rrd", name);
	r = shelf_file_aside(sh->dirfd, from, "damaged", clock_wall(sh->o.clock).ns / NS_PER_S, to);
	log_error("link=%s: the store crashed at its RRD file: %s%s", name,
	    r == 0 ? "set aside as " : "cannot be set aside: ", r == 0 ? to : strerror(-r));
	sh->stat.aside += r == 0;
	shelf_notes_add(sh->notes, REBUILD_LIST, name);
}

int
shelf_open(struct shelf **out, const struct shelf_opts *o, bool crashed, char *why, size_t n)
{
	struct shelf *sh = xcalloc(1, sizeof *sh);
	int r;

	*out = NULL;
	sh->o = *o;
	sh->policy = *o->policy;
	sh->space = batch_space_new();
	sh->o.policy = &sh->policy;
	sh->round = o->rows;
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
	sh->sync = sync_new(sh->dirfd);
	sh->note = (struct shelf_note){ { note_head }, sh->notes };
	shelf_notes_each(sh->notes, SERIES_LIST, note_known, sh);
	sh->is_after_crash = shelf_notes_begin(sh->notes);
	if (sh->is_after_crash)
		log_notice("store: the machine went down without a stop: rows that come again are written again");
	else if (crashed)
		after_crash(sh);
	else
		redo(sh->notes, sh->dir);
	*out = sh;
	sh = NULL;
out:
	shelf_close(sh, false);
	return r;
}

static void
series_free(struct series *s)
{
	gather_fini(&s->gather);
	free(s);
}

void
shelf_close(struct shelf *sh, bool clean)
{
	if (sh == NULL)
		return;
	sync_free(sh->sync);
	batch_space_free(sh->space);
	for (size_t i = 0; i < sh->all_n; i++)
		series_free(sh->all[i]);
	free(sh->all);
	table_fini(&sh->series);
	table_fini(&sh->known);
	if (clean)
		shelf_notes_end(sh->notes);
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

static uint32_t
phase_of(const char *name)
{
	uint32_t h = UINT32_C(2166136261);

	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * UINT32_C(16777619);
	return h ^ h >> 15;
}

static void
add_series(struct shelf *sh, const char *name, const char *path, const struct series_def *def)
{
	struct series *s = xcalloc(1, sizeof *s);

	snprintf(s->name, sizeof s->name, "%s", name);
	snprintf(s->path, sizeof s->path, "%s", path);
	s->def = *def;
	s->phase = phase_of(name);
	s->is_known = table_gets(&sh->known, name) != NULL;
	s->is_suspect = sh->is_after_crash;
	table_puts(&sh->series, name, s);
	if (sh->all_n == sh->all_cap) {
		sh->all_cap = sh->all_cap * 2 + 64;
		sh->all = xreallocarray(sh->all, sh->all_cap, sizeof(*sh->all));
	}
	sh->all[sh->all_n++] = s;
	sh->stat.series++;
}

static void
plan_link(struct shelf *sh, const Linkwatch__Pb__Link *l)
{
	char name[SERIES_PATH_MAX], path[SERIES_PATH_MAX];
	struct series_def def;
	struct series *s;

	if (series_path(path, sizeof path, l->agent, l->id) != 0 ||
	    series_define(&def, l, sh->o.policy) != 0)
		return;
	snprintf(name, sizeof name, "%s/%s", l->agent, l->id);
	s = table_gets(&sh->series, name);
	if (s == NULL) {
		add_series(sh, name, path, &def);
	} else if (memcmp(&s->def, &def, sizeof def) != 0) {
		/* The rows that wait have the old shape: they go into the file before it is moved. */
		shelf_flush_one(sh, s);
		if (s->gather.n > 0)
			want_rebuild(sh, s);
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

static int64_t
now_s(const struct shelf *sh)
{
	return clock_wall(sh->o.clock).ns / NS_PER_S;
}

static void
set_aside(struct shelf *sh, struct series *s, const char *how, const char *why)
{
	char to[ASIDE_MAX];
	int r = shelf_file_aside(sh->dirfd, s->path, how, now_s(sh), to);

	if (r == 0) {
		log_warning("link=%s: RRD file set aside as %s (%s), rebuilt from the journal", s->name, to, why);
		sh->stat.aside++;
	} else if (r != -ENOENT) {
		log_error("link=%s: bad RRD file (%s) cannot be set aside: %s", s->name, why, strerror(-r));
	}
}

/*
 * Not now: the rows wait, as many as may; then the journal must bring them again, later.  The longer it
 * goes on the less often it is tried.
 */
static int
give_up(struct shelf *sh, struct series *s, int r, const char *why)
{
	int64_t now = clock_mono(sh->o.clock).ns;
	unsigned often = s->failures < 6 ? s->failures : 6;

	log_limited(LOG_ERROR, s->name, 1, "link=%s: RRD file not written: %s", s->name, why);
	sh->stat.failures++;
	s->failures++;
	if (s->gather.n < HOLD_MAX) {
		s->retry_ns = now + RETRY_NS;
		return r;
	}
	want_rebuild(sh, s);
	s->retry_ns = now + (REBUILD_RETRY_NS << often);
	return r;
}

/* May a file be made or moved now?  What a reader waits for, and what can wait no longer, may. */
static bool
may_be_heavy(const struct shelf *sh, const struct series *s, bool at_once)
{
	return at_once || s->gather.n >= HOLD_MAX || clock_mono(sh->o.clock).ns >= sh->heavy_ns;
}

static void
was_heavy(struct shelf *sh, int64_t since_ns)
{
	int64_t now = clock_mono(sh->o.clock).ns;

	sh->heavy_ns = now + (HEAVY_SHARE - 1) * (now - since_ns);
}

/* A file with what an older one knows from before the first row, if there is an older one. */
static int
make_from_old(struct shelf *sh, struct series *s, const char *path, char *why, size_t n)
{
	char old[ASIDE_MAX], *from;
	int64_t last;
	int r = -ENOENT;

	if (!shelf_file_last_old(sh->dirfd, s->path, old))
		return r;
	from = xasprintf("%s/%s", sh->dir, old);
	r = rrdfile_move(path, &s->def, from, now_s(sh), s->gather.t[0] - s->def.step_s, &last, why, n);
	if (r == 0)
		log_notice("link=%s: what %s knew up to %" PRId64 " is in the new RRD file", s->name, old, last);
	free(from);
	return r;
}

static int
make_file(struct shelf *sh, struct series *s, const char *path)
{
	char why[256], agent[ID_MAX + 1];
	int64_t since = clock_mono(sh->o.clock).ns;
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
	r = s->state == SERIES_REBUILDING ? make_from_old(sh, s, path, why, sizeof why) : -ENOENT;
	if (r != 0)
		r = rrdfile_create(path, &s->def, s->gather.t[0] - s->def.step_s, why, sizeof why);
	was_heavy(sh, since);
	sh->stat.made += r == 0;
	return r == 0 ? 0 : give_up(sh, s, r, why);
}

/* The file gets the shape that its link wants now, or (upto) forgets its last rows. */
static int
move_file(struct shelf *sh, struct series *s, const char *path, int64_t upto, const char *reason)
{
	int64_t last, since = clock_mono(sh->o.clock).ns;
	char why[256];
	int r = rrdfile_move(path, &s->def, path, now_s(sh), upto, &last, why, sizeof why);

	was_heavy(sh, since);
	if (r == 0) {
		log_notice("link=%s: RRD file moved with its history (%s)", s->name, reason);
		sh->stat.moved++;
		s->written = s->written < last ? s->written : last;	/* a longer step's grid may end before */
		return 0;
	}
	if (r != -EBADMSG)
		return give_up(sh, s, r, why);
	set_aside(sh, s, "damaged", why);
	want_rebuild(sh, s);
	return r;
}

static void
rows_written(struct shelf *sh, struct series *s, const struct rrd_append *a)
{
	size_t n = a->rows.n - a->late;

	/* After a restart rows come again that the file has: only this process's own can be late. */
	if (s->written != 0)
		sh->stat.late += a->late;
	else
		sh->stat.repeats += a->late;
	if (n > 0) {
		s->written = a->rows.t[a->rows.n - 1];
		sh->stat.rows += n;
		sh->stat.writes++;
		sh->dirty = true;
	}
	s->is_suspect = false;
	s->failures = 0;
	s->retry_ns = 0;
	gather_drop(&s->gather, a->rows.n, clock_mono(sh->o.clock).ns);
}

/* 0: done; 1: once more; -EBUSY: let it wait; other -errno: it failed, and what follows is arranged. */
static int
try_append(struct shelf *sh, struct series *s, const char *path, size_t but, bool at_once)
{
	struct rrd_append a = { .rows = gather_rows(&s->gather, but), .now = now_s(sh), .note = &sh->note.note,
		.written = s->written, .repeat_is_stale = s->is_suspect };
	char why[256];
	int r = rrdfile_append(path, &s->def, &a, why, sizeof why);

	switch (r) {
	case 0:
		rows_written(sh, s, &a);
		return 0;
	case -EAGAIN:
		return s->gather.n < HOLD_MAX ? r : give_up(sh, s, r, why);
	case -ENOENT:
		if (s->is_known && s->state == SERIES_READY) {
			log_warning("link=%s: RRD file is gone, rebuilt from the journal", s->name);
			want_rebuild(sh, s);
			return -ESTALE;
		}
		if (!may_be_heavy(sh, s, at_once))
			return -EBUSY;
		r = make_file(sh, s, path);
		return r == 0 ? 1 : r;
	case -ESTALE:
	case -ERANGE:
		if (!may_be_heavy(sh, s, at_once))
			return -EBUSY;
		r = move_file(sh, s, path, r == -ESTALE ? INT64_MAX : a.rows.t[0] - s->def.step_s, why);
		return r == 0 ? 1 : r;
	case -EBADMSG:
	case -EINVAL:
		set_aside(sh, s, "damaged", why);
		want_rebuild(sh, s);
		return r;
	default:
		return give_up(sh, s, r, why);
	}
}

/* Writes the rows that wait, but for the newest. at_once: someone waits for it. */
static int
flush_one(struct shelf *sh, struct series *s, size_t but, bool at_once)
{
	char *path;
	int r = 1;

	if (s->gather.n <= but || s->state == SERIES_WANTS_REBUILD ||
	    (!at_once && s->retry_ns != 0 && s->gather.n < HOLD_MAX &&
	    clock_mono(sh->o.clock).ns < s->retry_ns))
		return 0;
	path = xasprintf("%s/%s", sh->dir, s->path);
	shelf_notes_opening(sh->notes, s->name);
	for (int i = 0; i < 4 && r == 1; i++)
		r = try_append(sh, s, path, but, at_once);
	shelf_notes_opening(sh->notes, NULL);
	free(path);
	return r == 1 ? -EIO : r;
}

int
shelf_flush_one(struct shelf *sh, struct series *s)
{
	int r = flush_one(sh, s, 0, true);

	/* It is being rebuilt: that is no failure of the wish. */
	return r == -ESTALE || r == -EBADMSG || r == -EINVAL ? 0 : r;
}

void
shelf_backlog(struct shelf *sh, bool is_behind)
{
	size_t fit = BACKLOG_BYTES / ((sh->all_n + 1) * 12 * sizeof(double));

	fit = fit < BACKLOG_ROWS ? fit : BACKLOG_ROWS;
	sh->round = is_behind && fit > sh->o.rows ? fit : sh->o.rows;
}

void
shelf_flush(struct shelf *sh)
{
	int64_t now = clock_mono(sh->o.clock).ns;

	for (size_t i = 0; i < sh->all_n; i++) {
		struct series *s = sh->all[sh->hand];

		sh->hand = (sh->hand + 1) % sh->all_n;
		if (gather_is_due(&s->gather, s->phase, sh->o.age_ns, now) &&
		    (flush_one(sh, s, 0, false), clock_mono(sh->o.clock).ns - now > FLUSH_SLICE_NS))
			return;
	}
}

void
shelf_flush_all(struct shelf *sh, void (*beat)(void *arg), void *arg)
{
	/* A file that is not there yet is not made now: the journal brings its rows again. */
	for (size_t i = 0; i < sh->all_n; i++) {
		flush_one(sh, sh->all[i], 0, false);
		if (i % 256 == 0 && beat != NULL)
			beat(arg);
	}
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

struct moment { int64_t mono_ns, wall_s; };

static void
take_row(struct shelf *sh, struct series *s, int64_t t, const double *v, uint64_t seq, int64_t now_ns)
{
	switch (gather_add(&s->gather, t, v, s->def.ds_n, seq, now_ns)) {
	case GATHER_REPEAT:
		sh->stat.repeats++;
		break;
	case GATHER_FULL:		/* of a file that can be written in no way */
		want_rebuild(sh, s);
		s->retry_ns = now_ns + REBUILD_RETRY_NS;
		break;
	case GATHER_ADDED:
		/* Rounds end in turn; who came late or out of order has two at most. */
		if (gather_ends_round((uint64_t)(t / s->def.step_s), s->phase, sh->round) ||
		    s->gather.n >= 2 * sh->round)
			flush_one(sh, s, s->gather.n > 2 * GATHER_SLACK ? GATHER_SLACK : 0, false);
		break;
	}
}

static void
take_sample(struct shelf *sh, struct series *s, uint64_t seq, const struct sample *sm, struct moment now)
{
	double v[SERIES_DS_MAX];
	int64_t first, last;

	/* One stamp far ahead would close the file for everything that follows. */
	if (series_slots(&s->def, sm, &first, &last) != 0 || last > now.wall_s + 86400) {
		sh->stat.odd++;
		return;
	}
	series_values(&s->def, sm, v);
	for (int64_t t = first; t <= last && s->state != SERIES_WANTS_REBUILD; t += s->def.step_s)
		take_row(sh, s, t, v, seq, now.mono_ns);
}

static void
take_batch(struct shelf *sh, const char *agent, uint64_t seq, const Linkwatch__Pb__Batch *b, bool rebuilding)
{
	struct moment now = { clock_mono(sh->o.clock).ns, now_s(sh) };
	size_t begin = strlen(agent) + 1, n;
	char name[SERIES_PATH_MAX];
	struct batch_cursor c;
	struct series *s;
	struct sample sm;

	memcpy(name, agent, begin - 1);
	name[begin - 1] = '/';
	batch_cursor_init(&c, b);
	while (batch_cursor_next(&c, &sm)) {
		n = strlen(sm.link);
		memcpy(name + begin, sm.link, n);
		s = table_get(&sh->series, name, begin + n);
		if (s == NULL)
			sh->stat.odd += !rebuilding;
		else if (s->state == (rebuilding ? SERIES_REBUILDING : SERIES_READY))
			take_sample(sh, s, seq, &sm, now);
	}
}

void
shelf_batch(struct shelf *sh, uint64_t seq, const void *data, size_t len, bool rebuilding)
{
	Linkwatch__Pb__StoredBatch *sb = linkwatch__pb__stored_batch__unpack(NULL, len, data);
	Linkwatch__Pb__Batch *b = NULL;
	char why[128];

	if (sb != NULL && id_is_valid(sb->agent))
		b = batch_unpack_into(sh->space, sb->batch.data, sb->batch.len);
	if (b != NULL && batch_check(b, why, sizeof why) == 0)
		take_batch(sh, sb->agent, seq, b, rebuilding);
	else
		sh->stat.odd++;
	if (sb != NULL)
		linkwatch__pb__stored_batch__free_unpacked(sb, NULL);
}

/* ---------------------------------------------------------------- rebuilding */

int
shelf_note_rebuild(const char *dir, const char *name, char *why, size_t n)
{
	int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char from[SERIES_PATH_MAX + 8], to[ASIDE_MAX];
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
	redo(notes, dir);
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
	r = shelf_file_aside(dirfd, from, "old", clock_wall(clock_real()).ns / NS_PER_S, to);
	if (r == -ENOENT)
		r = 0;
	else if (r != 0)
		snprintf(why, n, "%s: %s", from, strerror(-r));
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

	for (size_t i = 0; i < sh->all_n; i++) {
		s = sh->all[i];
		if (s->state == SERIES_WANTS_REBUILD && now >= s->retry_ns) {
			gather_empty(&s->gather);
			s->state = SERIES_REBUILDING;
			s->written = 0;
			s->retry_ns = 0;
			any = true;
		}
	}
	return any;
}

void
shelf_end_pass(struct shelf *sh)
{
	struct series *s;
	bool again = false;
	size_t done = 0;

	for (size_t i = 0; i < sh->all_n; i++) {
		s = sh->all[i];
		if (s->state == SERIES_REBUILDING)
			flush_one(sh, s, 0, true);
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
	for (size_t i = 0; i < sh->all_n; i++) {
		s = sh->all[i];
		if (s->state == SERIES_READY && s->gather.n > 0 && s->gather.first_seq < lowest)
			lowest = s->gather.first_seq;
	}
	return lowest;
}

bool
shelf_sync_begin(struct shelf *sh)
{
	if (!sync_begin(sh->sync))
		return false;
	sh->dirty = false;
	return true;
}

int
shelf_sync_end(struct shelf *sh)
{
	int r = sync_end(sh->sync, false);

	sh->dirty |= r != 0 && r != -EINPROGRESS && r != -ENOENT;
	return r;
}

int
shelf_sync(struct shelf *sh)
{
	sync_end(sh->sync, true);
	if (sh->dirty && syncfs(sh->dirfd) != 0)
		return -errno;
	sh->dirty = false;
	return 0;
}

void
shelf_stat(const struct shelf *sh, struct shelf_stat *st)
{
	*st = sh->stat;
	for (size_t i = 0; i < sh->all_n; i++)
		st->waiting += sh->all[i]->state != SERIES_READY;
}
