/*
 * sim_alertd.h - an alertd of the simulated world: the product's feed, core,
 * database and outbox, with gateways that hang, lie and lose answers.
 *
 * The glue between them follows alertd/shell.c: decisions and cursor in one
 * transaction, then the acknowledgement, intents before sends.
 */
#pragma once

#include "tests/sim/sim_net.h"
#include "tests/sim/sim_told.h"

struct core;
struct db;
struct db_batch;
struct feed;
struct outbox;
struct policy;

struct sim_alertd {
	struct proc proc;		/* first */
	struct net_server *collector;	/* borrowed */
	struct told *told;		/* borrowed */
	struct policy *policy;		/* owned */
	char dir[64];			/* of the database */
	struct core *core;
	struct feed *feed;
	struct db *db;
	struct db_batch *batch;
	struct outbox *outbox;
	uint64_t decided_seq, acked_seq;
	bool feed_told, feed_up, db_failing;
	struct wall now;		/* never goes back in one life */
	uint64_t starting[256];		/* messages whose intent is in the batch */
	size_t n_starting;
	bool flush_due;
	int64_t wake_at;		/* true time of the next wake(); 0: none */
	bool told_dead[2];		/* of sms and mail, as the core knows */
	/* People. */
	double people;			/* chance of a command in a second */
	bool reply_ok;			/* the core's answer to the last one */
	/* Faults. */
	double gateway_fault;		/* chance that an attempt goes wrong */
	double db_fault;		/* that a commit fails */
	double die;			/* that it is killed at one of the points that matter */
};

int sim_alertd_init(struct sim_alertd *, struct world *, struct net_server *collector,
    struct told *);
void sim_alertd_fini(struct sim_alertd *);
/* Has it decided and told all?  If not, a line of what is left. */
bool sim_alertd_is_quiet(const struct sim_alertd *, char *out, size_t n);
