/*
 * sim_disk.c - storage that forgets (see sim_disk.h).
 *
 * A file is an inode with two contents, as processes see it and as the platter
 * has it, and the list of changes between them.  The directory is the same
 * with names.
 */
#include "tests/sim/sim_disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define SECTOR 512

struct bytes {
	uint8_t *p;
	size_t n, cap;
};

/* One change of a file since its last sync. */
struct change {
	bool truncate;
	int64_t off;			/* or the new size */
	size_t n;
	uint8_t *data;
};

struct inode {
	struct bytes live, durable;
	struct change *pending;
	size_t changes, cap;
	struct sim_view *locked_by;
	struct inode *next;
};

struct entry {
	char *name;
	struct inode *inode;
};

struct dir {
	struct entry *v;
	size_t n, cap;
};

/* One change of the directory since its last sync. */
struct dir_change {
	char *remove;			/* NULL: none */
	char *set;
	struct inode *inode;
};

struct sim_platter {
	struct rng_seed seed;
	struct rng *rng;
	struct inode *inodes;
	struct dir live, durable;
	struct dir_change *pending;
	size_t changes, cap;
	struct sim_disk_faults faults;
	struct sim_disk_stat stat;
	struct inode *late;		/* its sync is still to be done (faults.late_sync) */
};

struct sim_view {
	struct disk disk;
	struct sim_platter *platter;
	bool dead;
	int64_t die_in;
};

struct sim_file {
	struct disk_file file;
	struct sim_view *view;
	struct sim_platter *platter;
	struct inode *inode;
	bool writable, holds_lock, is_segment;
};

/* ------------------------------------------------------------------- bytes */

static void
bytes_resize(struct bytes *b, size_t n)
{
	if (n > b->cap) {
		b->cap = n * 2 + 256;
		b->p = xreallocarray(b->p, b->cap, 1);
	}
	if (n > b->n)
		memset(b->p + b->n, 0, n - b->n);
	b->n = n;
}

static void
bytes_write(struct bytes *b, const void *data, size_t n, size_t off)
{
	if (n == 0)
		return;
	if (off + n > b->n)
		bytes_resize(b, off + n);
	memcpy(b->p + off, data, n);
}

static void
bytes_copy(struct bytes *to, const struct bytes *from)
{
	bytes_resize(to, from->n);
	if (from->n > 0)
		memcpy(to->p, from->p, from->n);
}

/* --------------------------------------------------------------- directories */

static struct inode *
dir_find(const struct dir *d, const char *name)
{
	for (size_t i = 0; i < d->n; i++)
		if (strcmp(d->v[i].name, name) == 0)
			return d->v[i].inode;
	return NULL;
}

static void
dir_remove(struct dir *d, const char *name)
{
	for (size_t i = 0; i < d->n; i++) {
		if (strcmp(d->v[i].name, name) == 0) {
			free(d->v[i].name);
			d->v[i] = d->v[--d->n];
			return;
		}
	}
}

static void
dir_set(struct dir *d, const char *name, struct inode *inode)
{
	dir_remove(d, name);
	if (d->n == d->cap) {
		d->cap = d->cap * 2 + 16;
		d->v = xreallocarray(d->v, d->cap, sizeof *d->v);
	}
	d->v[d->n++] = (struct entry){ .name = xstrdup(name), .inode = inode };
}

static void
dir_apply(struct dir *d, const struct dir_change *c)
{
	if (c->remove != NULL)
		dir_remove(d, c->remove);
	if (c->set != NULL)
		dir_set(d, c->set, c->inode);
}

static void
dir_copy(struct dir *to, const struct dir *from)
{
	while (to->n > 0)
		free(to->v[--to->n].name);
	for (size_t i = 0; i < from->n; i++)
		dir_set(to, from->v[i].name, from->v[i].inode);
}

static void
dir_change(struct sim_platter *p, const char *remove, const char *set, struct inode *inode)
{
	struct dir_change c = { .remove = remove != NULL ? xstrdup(remove) : NULL,
		.set = set != NULL ? xstrdup(set) : NULL, .inode = inode };

	if (p->changes == p->cap) {
		p->cap = p->cap * 2 + 16;
		p->pending = xreallocarray(p->pending, p->cap, sizeof *p->pending);
	}
	p->pending[p->changes++] = c;
	dir_apply(&p->live, &c);
}

static void
dir_forget_changes(struct sim_platter *p)
{
	while (p->changes > 0) {
		p->changes--;
		free(p->pending[p->changes].remove);
		free(p->pending[p->changes].set);
	}
}

/* -------------------------------------------------------------------- inodes */

static struct inode *
inode_new(struct sim_platter *p)
{
	struct inode *i = xcalloc(1, sizeof *i);

	i->next = p->inodes;
	p->inodes = i;
	return i;
}

static void
inode_forget_changes(struct inode *i)
{
	while (i->changes > 0)
		free(i->pending[--i->changes].data);
}

static void
inode_change(struct inode *i, bool truncate, const void *data, size_t n, int64_t off)
{
	struct change c = { .truncate = truncate, .off = off, .n = n };

	if (n > 0) {
		c.data = xmalloc(n);
		memcpy(c.data, data, n);
	}
	if (i->changes == i->cap) {
		i->cap = i->cap * 2 + 16;
		i->pending = xreallocarray(i->pending, i->cap, sizeof *i->pending);
	}
	i->pending[i->changes++] = c;
	if (truncate)
		bytes_resize(&i->live, (size_t)off);
	else
		bytes_write(&i->live, data, n, (size_t)off);
}

/* Sectors of one write that reached the platter, as chance has it. */
static void
write_partly(struct sim_platter *p, struct inode *i, const struct change *c)
{
	size_t at = 0;
	uint64_t mode = rng_below(p->rng, 4), stop = rng_below(p->rng, c->n + 1);

	while (at < c->n) {
		size_t sector_end = SECTOR - (size_t)(c->off + (int64_t)at) % SECTOR;
		size_t n = c->n - at < sector_end ? c->n - at : sector_end;
		bool arrives = mode == 0 ? true : mode == 1 ? at + n <= stop :
		    mode == 2 ? rng_below(p->rng, 2) == 0 : at > stop;

		if (arrives)
			bytes_write(&i->durable, c->data + at, n, (size_t)c->off + at);
		else if (rng_below(p->rng, 16) == 0)
			bytes_write(&i->durable, c->data + at, (size_t)rng_below(p->rng, n),
			    (size_t)c->off + at);
		at += n;
	}
}

/* What became of the changes of a file that no sync confirmed. */
static void
inode_cut(struct sim_platter *p, struct inode *i)
{
	for (size_t k = 0; k < i->changes; k++) {
		const struct change *c = &i->pending[k];

		if (c->truncate && rng_below(p->rng, 2) == 0)
			bytes_resize(&i->durable, (size_t)c->off);
		else if (!c->truncate && rng_below(p->rng, 4) != 0)
			write_partly(p, i, c);
	}
	inode_forget_changes(i);
}

/* All changes that wait have reached the platter. */
static void
inode_synced(struct inode *i)
{
	for (size_t k = 0; k < i->changes; k++) {
		const struct change *c = &i->pending[k];

		if (c->truncate)
			bytes_resize(&i->durable, (size_t)c->off);
		else
			bytes_write(&i->durable, c->data, c->n, (size_t)c->off);
	}
	inode_forget_changes(i);
}

/* --------------------------------------------------------------------- files */

/* Counts one change towards the end of the view: false when it is not to be done any more. */
static bool
may_change(struct sim_view *v)
{
	if (v->dead)
		return false;
	if (v->die_in < 0)
		return true;
	if (v->die_in-- > 0)
		return true;
	v->dead = true;
	return rng_below(v->platter->rng, 2) == 0;
}

static ssize_t
sim_pread(struct disk_file *file, void *buf, size_t n, int64_t off)
{
	struct sim_file *f = (struct sim_file *)file;
	const struct bytes *b = &f->inode->live;

	if (f->view == NULL || f->view->dead)
		return -EIO;
	if (off < 0 || (uint64_t)off >= b->n)
		return 0;
	if (n > b->n - (size_t)off)
		n = b->n - (size_t)off;
	memcpy(buf, b->p + off, n);
	return (ssize_t)n;
}

static int64_t
used_bytes(const struct sim_platter *p)
{
	int64_t n = 0;

	for (size_t i = 0; i < p->live.n; i++)
		n += (int64_t)p->live.v[i].inode->live.n;
	return n;
}

static int
sim_pwritev(struct disk_file *file, const struct iovec *v, int n, int64_t off)
{
	struct sim_file *f = (struct sim_file *)file;
	struct sim_platter *p = f->platter;

	if (f->view == NULL || !f->writable || !may_change(f->view))
		return -EIO;
	p->stat.writes++;
	for (int i = 0; i < n; i++) {
		size_t len = v[i].iov_len, size = f->inode->live.n;
		int64_t grows = off + (int64_t)len - (int64_t)size;
		int64_t room = p->faults.capacity - used_bytes(p);

		if (p->faults.capacity > 0 && grows > 0 && grows > room) {
			size_t cut = (size_t)(grows - (room > 0 ? room : 0));

			len = len > cut ? len - cut : 0;
			if (len > 0)
				inode_change(f->inode, false, v[i].iov_base, len, off);
			p->stat.full++;
			return -ENOSPC;
		}
		if (len > 0)
			inode_change(f->inode, false, v[i].iov_base, len, off);
		off += (int64_t)len;
	}
	if (f->view->dead)
		return -EIO;
	if (p->late != NULL && p->late != f->inode) {
		inode_synced(p->late);
		p->late = NULL;
	}
	return 0;
}

static int
sim_sync(struct disk_file *file)
{
	struct sim_file *f = (struct sim_file *)file;
	struct sim_platter *p = f->platter;

	if (f->view == NULL || !may_change(f->view))
		return -EIO;
	p->stat.syncs++;
	if (p->faults.lazy_sync)
		return 0;
	if (p->faults.sync_fails > 0 && rng_double(p->rng) < p->faults.sync_fails) {
		p->stat.failed_syncs++;
		inode_cut(p, f->inode);		/* and nobody will try again */
		return -EIO;
	}
	if (p->faults.late_sync && f->is_segment)
		p->late = f->inode;
	else
		inode_synced(f->inode);
	return f->view->dead ? -EIO : 0;
}

static int
sim_truncate(struct disk_file *file, int64_t size)
{
	struct sim_file *f = (struct sim_file *)file;

	if (f->view == NULL || !f->writable || size < 0 || !may_change(f->view))
		return -EIO;
	inode_change(f->inode, true, NULL, 0, size);
	return f->view->dead ? -EIO : 0;
}

static int64_t
sim_size(struct disk_file *file)
{
	struct sim_file *f = (struct sim_file *)file;

	return f->view == NULL || f->view->dead ? -EIO : (int64_t)f->inode->live.n;
}

static void
sim_file_close(struct disk_file *file)
{
	struct sim_file *f = (struct sim_file *)file;

	if (f->holds_lock && f->inode->locked_by == f->view)
		f->inode->locked_by = NULL;
	free(f);
}

static const struct disk_file_ops sim_file_ops = { .pread = sim_pread, .pwritev = sim_pwritev,
	.sync = sim_sync, .truncate = sim_truncate, .size = sim_size, .close = sim_file_close };

/* --------------------------------------------------------------------- views */

static int
sim_open(struct disk *disk, const char *name, int flags, struct disk_file **out)
{
	struct sim_view *v = (struct sim_view *)disk;
	struct sim_platter *p = v->platter;
	struct inode *i = dir_find(&p->live, name);
	struct sim_file *f;

	if (v->dead)
		return -EIO;
	if (i != NULL && (flags & DISK_EXCL) != 0)
		return -EEXIST;
	if (i == NULL) {
		if ((flags & DISK_CREATE) == 0)
			return -ENOENT;
		if (!may_change(v))
			return -EIO;
		dir_change(p, NULL, name, i = inode_new(p));
	}
	if ((flags & DISK_LOCK) != 0) {
		if (i->locked_by != NULL && !i->locked_by->dead)
			return -EBUSY;
		i->locked_by = v;
	}
	f = xcalloc(1, sizeof *f);
	f->file.ops = &sim_file_ops;
	f->view = v;
	f->platter = p;
	f->inode = i;
	f->writable = (flags & DISK_WRITE) != 0;
	f->holds_lock = (flags & DISK_LOCK) != 0;
	f->is_segment = strlen(name) > 4 && strcmp(name + strlen(name) - 4, ".seg") == 0;
	*out = &f->file;
	return 0;
}

static int
sim_unlink(struct disk *disk, const char *name)
{
	struct sim_view *v = (struct sim_view *)disk;

	if (v->dead)
		return -EIO;
	if (dir_find(&v->platter->live, name) == NULL)
		return -ENOENT;
	if (!may_change(v))
		return -EIO;
	dir_change(v->platter, name, NULL, NULL);
	return v->dead ? -EIO : 0;
}

static int
sim_rename(struct disk *disk, const char *from, const char *to)
{
	struct sim_view *v = (struct sim_view *)disk;
	struct inode *i = dir_find(&v->platter->live, from);

	if (v->dead)
		return -EIO;
	if (i == NULL)
		return -ENOENT;
	if (!may_change(v))
		return -EIO;
	dir_change(v->platter, from, to, i);
	return v->dead ? -EIO : 0;
}

static int
sim_sync_dir(struct disk *disk)
{
	struct sim_view *v = (struct sim_view *)disk;
	struct sim_platter *p = v->platter;

	if (!may_change(v))
		return -EIO;
	p->stat.sync_dirs++;
	if (p->faults.lazy_sync_dir)
		return 0;
	dir_copy(&p->durable, &p->live);
	dir_forget_changes(p);
	return v->dead ? -EIO : 0;
}

static int
sim_list(struct disk *disk, void (*each)(void *arg, const char *name), void *arg)
{
	struct sim_view *v = (struct sim_view *)disk;
	struct dir copy = { 0 };

	if (v->dead)
		return -EIO;
	dir_copy(&copy, &v->platter->live);
	for (size_t i = 0; i < copy.n; i++)
		each(arg, copy.v[i].name);
	for (size_t i = 0; i < copy.n; i++)
		free(copy.v[i].name);
	free(copy.v);
	return 0;
}

static void
sim_view_close(struct disk *disk)
{
	free(disk);
}

static const struct disk_ops sim_disk_ops = { .open = sim_open, .unlink = sim_unlink,
	.rename = sim_rename, .sync_dir = sim_sync_dir, .list = sim_list, .close = sim_view_close };

struct disk *
sim_disk_view(struct sim_platter *p)
{
	struct sim_view *v = xcalloc(1, sizeof *v);

	v->disk.ops = &sim_disk_ops;
	v->platter = p;
	v->die_in = -1;
	return &v->disk;
}

void
sim_disk_die_in(struct disk *view, int64_t changes)
{
	((struct sim_view *)view)->die_in = changes;
}

bool
sim_disk_is_dead(const struct disk *view)
{
	return ((const struct sim_view *)view)->dead;
}

void
sim_disk_kill(struct disk *view)
{
	struct sim_view *v = (struct sim_view *)view;

	v->dead = true;
	for (struct inode *i = v->platter->inodes; i != NULL; i = i->next)
		if (i->locked_by == v)
			i->locked_by = NULL;
}

/* ------------------------------------------------------------------- platters */

struct sim_platter *
sim_platter_new(uint64_t seed)
{
	struct sim_platter *p = xcalloc(1, sizeof *p);

	p->rng = rng_seeded(&p->seed, seed);
	return p;
}

void
sim_platter_free(struct sim_platter *p)
{
	struct inode *next;

	if (p == NULL)
		return;
	for (struct inode *i = p->inodes; i != NULL; i = next) {
		next = i->next;
		inode_forget_changes(i);
		free(i->pending);
		free(i->live.p);
		free(i->durable.p);
		free(i);
	}
	dir_forget_changes(p);
	free(p->pending);
	while (p->live.n > 0)
		free(p->live.v[--p->live.n].name);
	while (p->durable.n > 0)
		free(p->durable.v[--p->durable.n].name);
	free(p->live.v);
	free(p->durable.v);
	free(p);
}

void
sim_platter_faults(struct sim_platter *p, const struct sim_disk_faults *f)
{
	p->faults = *f;
}

void
sim_platter_stat(const struct sim_platter *p, struct sim_disk_stat *st)
{
	*st = p->stat;
}

void
sim_platter_cut(struct sim_platter *p)
{
	uint64_t mode = rng_below(p->rng, 3), prefix = rng_below(p->rng, p->changes + 1);

	p->stat.cuts++;
	p->late = NULL;
	for (size_t i = 0; i < p->changes; i++)
		if (mode == 0 ? i < prefix : mode == 1 ? rng_below(p->rng, 2) == 0 : false)
			dir_apply(&p->durable, &p->pending[i]);
	dir_forget_changes(p);
	dir_copy(&p->live, &p->durable);
	for (struct inode *i = p->inodes; i != NULL; i = i->next) {
		inode_cut(p, i);
		bytes_copy(&i->live, &i->durable);
		i->locked_by = NULL;
	}
}

void
sim_platter_put(struct sim_platter *p, const char *name, const void *data, size_t n)
{
	struct inode *i = inode_new(p);

	bytes_write(&i->live, data, n, 0);
	bytes_copy(&i->durable, &i->live);
	dir_set(&p->live, name, i);
	dir_set(&p->durable, name, i);
}

const uint8_t *
sim_platter_get(struct sim_platter *p, const char *name, size_t *n)
{
	struct inode *i = dir_find(&p->live, name);

	*n = i != NULL ? i->live.n : 0;
	return i == NULL ? NULL : i->live.p != NULL ? i->live.p : (const uint8_t *)"";
}
