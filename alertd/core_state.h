/*
 * core_state.h - what the parts of the core share; nobody else includes it.
 *
 *   core.c           the door: one event in, the decisions of it out
 *   core_out.c       how decisions are gathered
 *   core_link.c      one sample of one link: detectors, state, ledger
 *   core_agent.c     agents, the collector and the feed: silence, clocks
 *   core_incident.c  anomalies become incidents; their problem comes and goes
 *   core_condition.c incidents that belong to no link
 *   core_life.c      time passes for an incident: grade, announcement, limits
 *   core_notify.c    messages: recipients, budgets, storms, digests
 *   core_command.c   people act
 *   core_save.c      saving and restoring
 *   core_view.c      looking at it
 *
 * Everything that a later decision depends on is in a struct *_mem (saved as
 * bytes), in an incident, in an anomaly or in the plan: a core restored from
 * what was saved goes on as if nothing had happened.  What is saved as bytes
 * has no pointers; its magic changes with its meaning.
 */
#pragma once

#include "alertd/core.h"
#include "alertd/detect.h"
#include "alertd/escalate.h"
#include "alertd/ledger.h"
#include "alertd/message.h"
#include "alertd/policy.h"
#include "alertd/route.h"
#include "common/hashmap.h"

/* An incident of a link is of one of these classes; of each at most one is active. */
enum fault_class { FAULT_PATH = 0, FAULT_CAPACITY, FAULT_ERRORS, FAULT_CLASSES };

#define CHANGES 16

struct mem_head { uint32_t magic, size; };
#define LINK_MAGIC 0x4c4b0002u
#define AGENT_MAGIC 0x41470001u
#define CORE_MAGIC 0x434f0001u
#define CONTACT_MAGIC 0x43540001u
#define VENDOR_MAGIC 0x56450001u

struct link_mem {
	struct mem_head head;
	uint32_t state;			/* as its samples say: enum link_state; 0: none came yet */
	uint32_t state_cause;
	int64_t state_since;
	uint32_t shown, shown_cause;	/* as last told */
	uint32_t blind;			/* anomaly kind that keeps us from seeing it, or 0 */
	int64_t blind_since;
	int64_t heard_s;		/* wall second of the last sample's arrival */
	int64_t last_start, last_end;	/* of the last sample */
	uint32_t step_ms, unseen;	/* steps in a row that were not observed */
	uint32_t unseen_cause, behind;	/* behind: the last sample came from a backlog */
	int64_t unseen_since;
	/* of samples older than the last: start, and how many in a row */
	int64_t late_last;
	uint32_t late_run, changes;
	int64_t change[CHANGES];	/* when it went down or came up */
	uint64_t incident[FAULT_CLASSES];
	/* journal number of the first sample of a run with losses */
	uint64_t first_seq;
	uint32_t planned;		/* in a planned window, by the last sample's time */
	uint32_t definite;		/* the last state that was no lack of sight */
	struct ledger ledger;
	uint64_t detect[DETECT_STATE / 8];
};

struct agent_mem {
	struct mem_head head;
	int64_t heard_s, first_s;	/* wall seconds; heard 0: never */
	uint32_t connected, silent;
	int64_t since;			/* of connected, ns */
	int64_t silent_since;
	int64_t cert_ns;
	uint32_t offset_run, clock_bad;
	uint64_t clock_jumps;
	int64_t jump_s, offset_ns;
	uint32_t cert_bad, refused;
	int64_t refused_s;
	uint64_t incident;		/* of its silence */
	char address[64];
};

struct core_mem {
	struct mem_head head;
	int64_t now;
	uint32_t feed_up, feed_told;
	int64_t feed_since;		/* up or lost since */
	int64_t alive_s;		/* last sign of life of the collector */
	int64_t watching_s;		/* silence of agents counts from here */
	uint32_t collector_told, stalled;
	int64_t digest_day;		/* the last day whose digest was made */
	struct channels_down down;
};

struct vendor_mem {
	struct mem_head head;
	int64_t opened_s[CHANGES];	/* ring of the latest incidents' openings */
	uint32_t opened, in_storm;
	int64_t storm_since, storm_next, storm_last;
	uint32_t storm_count, storm_told;
	uint32_t storm_grade[GRADES];
	uint64_t storm_incident;
};

struct contact_mem { struct mem_head head; struct budget budget; };

struct agent_state {
	struct agent_mem m;
	char id[ID_MAX + 1];
	const Linkwatch__Pb__AgentInfo *conf;	/* in the plan; NULL: it left */
	uint32_t min_step_ms;
	uint32_t links;
	Linkwatch__Pb__Health *health;	/* owned; NULL: never heard */
	bool dirty;
};

struct vendor_state {
	struct vendor_mem m;
	char id[ID_MAX + 1];
	const Linkwatch__Pb__Vendor *conf;	/* may be NULL */
	uint32_t links_ab, down_ab;
	bool dirty;
};

struct contact_state { struct contact_mem m; char id[ID_MAX + 1]; bool dirty; };

struct link_entry {
	struct link_mem m;
	const Linkwatch__Pb__Link *conf;	/* in the plan */
	struct agent_state *agent;
	struct vendor_state *vendor;
	struct detect_conf limits;
	struct anomaly *active[DETECT_MAX];	/* owned; by row of detect_table */
	bool dirty;
	/* Only for views: */
	uint32_t view_sent[3], view_lost[3], view_at;
	double view_rtt_ns;
	uint32_t values;
	struct sample_value value[SAMPLE_VALUES];
};

struct entry {				/* an incident in memory */
	struct incident inc;
	struct link_entry **link;	/* all of its links that are in the plan */
	size_t n, room;
	bool dirty;
};

struct out;

struct core {
	const struct policy *policy;
	struct core_mem m;
	bool dirty;
	struct wall now;
	const struct event *ev;		/* of this call */
	Linkwatch__Pb__Plan *plan;	/* owned; NULL: none yet */
	struct link_entry **link;	/* in the order of the plan */
	size_t links;
	struct agent_state **agent;
	size_t agents;
	struct vendor_state **vendor;
	size_t vendors;
	struct contact_state **contact;
	size_t contacts;
	struct hashmap *link_by_key, *agent_by_id;	/* "agent/link" */
	struct entry **entry;		/* ascending by number */
	size_t entries;
	struct entry **dropped;		/* freed at the next call */
	size_t dropped_n;
	uint64_t last_incident, last_anomaly;
	struct anomaly *condition;	/* lasting ones that belong to no link */
	size_t conditions;
	struct out *out;
};

/* --------------------------------------------------------------- core_out.c */

struct out *out_new(void);
void out_free(struct out *);
void out_begin(struct out *);
/* A string that lives as long as the decisions of this call. */
const char *out_text(struct core *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *out_own(struct core *, char *malloced);
void out_add(struct core *, const struct decision *);
void out_local(struct core *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line of the incident's log; actor NULL: the core itself. */
void out_log(struct core *, const struct entry *, const char *what, const char *from,
    const char *to, const char *note);
const struct decisions *out_end(struct core *);

/* -------------------------------------------------------------- core_save.c */

/* The head of what is saved; differs when another build lays it out otherwise. */
struct mem_head save_head(uint32_t magic, size_t size);
void save_dirty(struct core *);		/* decisions for all that changed */
int save_plan(struct core *, const Linkwatch__Pb__Plan *, bool announce);
struct contact_state *save_contact(struct core *, const char *id);	/* made when missing */
struct vendor_state *save_vendor(struct core *, const char *id);
struct link_entry *save_find_link(const struct core *, const char *agent, const char *link);
struct agent_state *save_find_agent(const struct core *, const char *id);
void save_attach(struct core *, struct link_entry *);	/* to the incidents it names */

/* -------------------------------------------------------------- core_link.c */

void link_sample(struct core *, const struct event *);
void link_limits(struct core *, struct link_entry *);	/* from plan and policy */
void link_blind(struct core *, struct link_entry *, uint32_t kind);	/* 0: it is seen again */
void link_show(struct core *, struct link_entry *);	/* tells its state if that changed */
enum link_state link_state_now(const struct core *, const struct link_entry *, uint32_t *cause);
bool link_is_bad(const struct link_entry *, enum fault_class);
bool link_is_flapping(const struct core *, const struct link_entry *);
void link_gone(struct core *, struct link_entry *);	/* it left the plan */
enum fault_class fault_class_of(enum anomaly_kind kind);

/* ------------------------------------------------------------- core_agent.c */

void agent_heard(struct core *, struct agent_state *);
void agent_health(struct core *, const struct event *);
void agent_session(struct core *, const struct event *);
void agent_refused(struct core *, const struct event *);
void agent_collector(struct core *, const struct event *);
void agent_feed(struct core *, const struct event *);
void agent_channel(struct core *, const struct event *);
void agent_tick(struct core *);

/* ---------------------------------------------------------- core_incident.c */

struct entry *incident_find(const struct core *, uint64_t number);
/* active or recovered */
struct entry *incident_by_fingerprint(const struct core *, const char *fingerprint);
/* The active incident that names l among its links, or NULL. */
struct entry *incident_naming(const struct core *, const struct link_entry *l, enum fault_class);
/* A detector of row says: raised, or changed, or no longer. */
void incident_anomaly(struct core *, struct link_entry *, size_t row, uint64_t seq);
void incident_tell_anomaly(struct core *, const struct anomaly *a);
/* A new open one, with a number and a code and nothing else; link_list stays empty. */
struct entry *incident_new(struct core *, const char *fingerprint, enum anomaly_kind kind,
    enum severity severity, struct wall since);
/* The state of one object in its list; the object is added when it is new. */
void incident_list_put(struct entry *, const char *agent, const char *link, enum link_state state);
/* The fault is there since then (no news if it was), or over since then. */
void incident_problem_on(struct core *, struct entry *, int64_t since_ns);
void incident_problem_off(struct core *, struct entry *, int64_t at_ns);
/* As much of s as fits, valid and printable: it goes into messages and JSON. */
void incident_put_line(char *buf, size_t n, const char *s);
/* Looks at its links again: is it clean, since when, how bad. */
void incident_review(struct core *, struct entry *);
void incident_link_changed(struct core *, struct link_entry *);
struct wall incident_proven(const struct core *, const struct entry *);	/* clean is known up to */
bool incident_is_active(const struct entry *);	/* open or handling, or held */
void incident_touch(struct core *, struct entry *);
void incident_state(struct core *, struct entry *, enum incident_state to, const char *what,
    const char *note);
void incident_drop(struct core *, struct entry *);
void incident_attach(struct entry *, struct link_entry *);
void incident_forget_link(struct entry *, const struct link_entry *);
void incident_detach(struct core *, struct entry *);	/* its links forget it */
void incident_locate(struct core *, struct entry *);
void incident_titles(struct core *, struct entry *);

/* --------------------------------------------------------- core_condition.c */

/* Something is wrong that belongs to no link: kind SILENT, CLOCK or SELF. */
void incident_condition(struct core *, const char *fingerprint, enum anomaly_kind kind,
    const struct agent_state *agent, const char *zh, const char *en, struct wall since,
    const char *note);
void incident_condition_end(struct core *, const char *fingerprint, struct wall at);

/* -------------------------------------------------------------- core_life.c */

void life_tick(struct core *);
void life_grade(struct core *, struct entry *);		/* by policy, as things stand */
void life_set_grade(struct core *, struct entry *, unsigned grade, const char *why);
void life_opened(struct core *, struct entry *);
void life_schedule(struct core *, struct entry *);	/* grade and time of the announcement */

/* ------------------------------------------------------------ core_notify.c */

void notify(struct core *, struct entry *, enum message_event, unsigned grade_from);
void notify_step(struct core *, struct entry *, unsigned step, bool unrecovered);
void notify_opened(struct core *, struct entry *);	/* managers; counts for storms */
void notify_tick(struct core *);			/* storms, digests, withheld */
bool notify_is_stormy(struct core *, const struct entry *);

/* ----------------------------------------------------------- core_command.c */

void command_do(struct core *, const struct command *);
