/*
 * sim_disk.h - storage that forgets: the simulated side of common/disk.h.
 *
 * A platter outlives the processes of the simulation; each life of a process
 * sees it through a view of its own (a struct disk).  What was written is seen
 * at once, but only what was synced is sure to be there after a power cut:
 *  - of writes since the last sync of a file any sectors may have arrived, in
 *    any order, one of them half;
 *  - of names made, renamed and removed since the last sync_dir any subset;
 *  - a sync that fails forgets what it should have written: a later sync says 0
 *    without having written it;
 *  - a full disk takes a part of a write.
 * When a view has died (its process was killed), all it does is in vain.
 */
#pragma once

#include "common/disk.h"
#include "common/rng.h"

struct sim_platter;

struct sim_disk_faults {
	int64_t capacity;		/* bytes in all files; 0: endless */
	double sync_fails;		/* chance of a sync of a file to fail with EIO */
	/* Planted bugs. */
	bool lazy_sync;			/* a sync of a file does nothing and says 0 */
	bool lazy_sync_dir;
	bool late_sync;			/* of a segment: done only after the next write */
};

struct sim_disk_stat { uint64_t writes, syncs, sync_dirs, failed_syncs, full, cuts; };

struct sim_platter *sim_platter_new(uint64_t seed);
void sim_platter_free(struct sim_platter *);
void sim_platter_faults(struct sim_platter *, const struct sim_disk_faults *);
void sim_platter_stat(const struct sim_platter *, struct sim_disk_stat *);

/* A new life's view; disk->ops->close() frees it. */
struct disk *sim_disk_view(struct sim_platter *);
/* The view dies after so many more changes, the last one done or not by chance; -1: never. */
void sim_disk_die_in(struct disk *view, int64_t changes);
bool sim_disk_is_dead(const struct disk *view);
/* The process is gone: everything through the view fails from now on; its locks are free. */
void sim_disk_kill(struct disk *view);
/* Power fails: chance decides what is left of what was not synced.  All views must be dead. */
void sim_platter_cut(struct sim_platter *);

/* Puts a file there as if it had always been, and reads one; for tests. */
void sim_platter_put(struct sim_platter *, const char *name, const void *data, size_t n);
/* NULL: no such file.  Borrowed until the next change. */
const uint8_t *sim_platter_get(struct sim_platter *, const char *name, size_t *n);
