/*
 * sim_bugs.c - planted bugs (see sim_bugs.h).
 */
#include "tests/sim/sim_bugs.h"

#include <errno.h>
#include <string.h>

#include "agent/spool_gap.h"
#include "collector/admit.h"
#include "common/journal.h"
#include "tests/sim/sim_run.h"

const struct sim_bug sim_bugs[] = {
	{ "skip-sync", "a sync of a file is forgotten" },
	{ "skip-dir-sync", "a sync of a directory is forgotten" },
	{ "ack-before-sync", "journal_sync() says 0 and writes with the next call" },
	{ "purge-before-ack", "the agent's spool forgets what was sent, not what was acknowledged" },
	{ "forget-dedup", "a restarted collector does not know which numbers it took" },
	{ "forget-gaps", "the spool does not write down what it lost" },
	{ NULL, NULL }
};

static struct world *world;		/* of the run; the replaced functions have no argument for it */

void
sim_bugs_world(struct world *w)
{
	world = w;
}

static bool
bug(const char *name)
{
	return world != NULL && world_has_bug(world, name);
}

void
sim_bugs_disk(const struct proc *p, struct sim_disk_faults *f)
{
	f->lazy_sync = world_has_bug(p->world, "skip-sync");
	f->lazy_sync_dir = world_has_bug(p->world, "skip-dir-sync");
}

/* ------------------------------------------------------- replaced functions */

int __real_journal_sync(struct journal *);
int __wrap_journal_sync(struct journal *);
int __real_admit_load(struct admit *, const uint8_t *, size_t, uint64_t *);
int __wrap_admit_load(struct admit *, const uint8_t *, size_t, uint64_t *);
void __real_admit_replay(struct admit *, const struct journal_record *);
void __wrap_admit_replay(struct admit *, const struct journal_record *);
int __real_gaps_save(const struct gaps *, struct disk *);
int __wrap_gaps_save(const struct gaps *, struct disk *);

int
__wrap_journal_sync(struct journal *j)
{
	if (bug("ack-before-sync") && world_chance(world, 0.7))
		return 0;
	return __real_journal_sync(j);
}

int
__wrap_admit_load(struct admit *a, const uint8_t *p, size_t n, uint64_t *next_seq)
{
	if (bug("forget-dedup"))
		return -EBADMSG;
	return __real_admit_load(a, p, n, next_seq);
}

void
__wrap_admit_replay(struct admit *a, const struct journal_record *r)
{
	if (!bug("forget-dedup") || r->type != JREC_BATCH)
		__real_admit_replay(a, r);
}

int
__wrap_gaps_save(const struct gaps *g, struct disk *disk)
{
	return bug("forget-gaps") ? 0 : __real_gaps_save(g, disk);
}
