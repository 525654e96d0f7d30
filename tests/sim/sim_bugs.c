/*
 * sim_bugs.c - planted bugs (see sim_bugs.h).
 */
#include "tests/sim/sim_bugs.h"

#include <errno.h>
#include <string.h>

#include "agent/spool_gap.h"
#include "alertd/core.h"
#include "alertd/db.h"
#include "alertd/outbox.h"
#include "collector/admit.h"
#include "common/journal.h"
#include "tests/sim/sim_run.h"

const struct sim_bug sim_bugs[] = {
	{ "skip-sync", "a sync of a file is forgotten", false },
	{ "skip-dir-sync", "a sync of a directory is forgotten", false },
	{ "tip-before-sync", "records are published before they are synced", false },
	{ "ack-before-sync", "journal_sync() says 0 and writes with the next call", false },
	{ "purge-before-ack", "the agent's spool forgets what was only sent", false },
	{ "forget-dedup", "a restarted collector does not know which numbers it took", false },
	{ "forget-gaps", "the spool does not write down what it lost", false },
	{ "ack-before-commit", "alertd acknowledges records before it has committed them", true },
	{ "cursor-before-decisions", "the cursor is committed ahead of the decisions", true },
	{ "send-before-commit", "a message goes out before its intent is committed", true },
	{ "lose-message", "now and then a message is not written to the outbox", true },
	{ "forget-unknown", "after a restart a message that was under way counts as sent", true },
	{ "failure-is-success", "a gateway that says no counts as having taken the message", true },
	{ "no-repeat-mark", "a message that may be a repeat does not say so", true },
	{ "forget-incidents", "a restarted alertd does not know its incidents", true },
	{ NULL, NULL, false }
};

static struct world *world;	/* of the run: the replaced functions have no argument for it */

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
	f->late_sync = world_has_bug(p->world, "tip-before-sync");
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
void __real_db_batch_decision(struct db_batch *, const struct decision *, struct wall);
void __wrap_db_batch_decision(struct db_batch *, const struct decision *, struct wall);
int __real_outbox_add(struct outbox *, const struct outbox_message *, struct wall);
int __wrap_outbox_add(struct outbox *, const struct outbox_message *, struct wall);
int __real_outbox_outcome(struct outbox *, uint64_t, enum outbox_outcome, const char *,
    struct wall);
int __wrap_outbox_outcome(struct outbox *, uint64_t, enum outbox_outcome, const char *,
    struct wall);
int __real_core_restore_incident(struct core *, const struct incident *);
int __wrap_core_restore_incident(struct core *, const struct incident *);

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

void
__wrap_db_batch_decision(struct db_batch *b, const struct decision *d, struct wall now)
{
	if (d->type != DEC_MESSAGE || !bug("lose-message") || !world_chance(world, 0.2))
		__real_db_batch_decision(b, d, now);
}

int
__wrap_outbox_add(struct outbox *ob, const struct outbox_message *m, struct wall now)
{
	if (m->state == OUTBOX_SENDING && bug("forget-unknown"))
		return 0;
	return __real_outbox_add(ob, m, now);
}

int
__wrap_outbox_outcome(struct outbox *ob, uint64_t id, enum outbox_outcome how, const char *detail,
    struct wall now)
{
	if (how == OUTCOME_RETRY && bug("failure-is-success"))
		how = OUTCOME_SENT;
	return __real_outbox_outcome(ob, id, how, detail, now);
}

int
__wrap_core_restore_incident(struct core *c, const struct incident *inc)
{
	return bug("forget-incidents") ? 0 : __real_core_restore_incident(c, inc);
}
