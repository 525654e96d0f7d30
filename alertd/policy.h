/*
 * policy.h - policy.yaml: what counts as a fault, how grave it is, who is told
 * of it, when and how often.
 *
 * Everything has a default: a file that names only contacts is a working
 * policy.  A list that the file leaves out (loss rules, segments, routes,
 * escalation) is the built-in one, which conf/policy.yaml prints with comments.
 *
 * Pure but for the file read of policy_load().  A policy never changes once it
 * is loaded; a reload makes another one.
 */
#pragma once

#include "common/clock.h"
#include "common/conf.h"
#include "common/model.h"

#define GRADES 4			/* 1 is the gravest */

/* How much of a link or of a vendor is lost: the columns of the matrix. */
enum loss_degree { LOSS_EXTREME = 1, LOSS_SERIOUS = 2, LOSS_MODERATE = 3, LOSS_MINOR = 4 };
#define LOSS_DEGREES 4

struct policy_down {
	int64_t after_a, after_b, after_c;	/* lost steps in a row, by class */
	int64_t up_after;		/* good steps in a row that end it */
	int64_t snmp_after;		/* readings in a row: not up, or no answer */
};

struct policy_loss {
	double warning, critical;	/* ratio */
	/* ns; longer where a limit asks for more packets */
	int64_t warning_window, critical_window;
	int64_t min_lost;		/* packets */
	double confidence;		/* of the lower bound that must pass the limit */
	double hysteresis;		/* clears below limit * (1 - this) */
};

struct policy_latency {
	int64_t slot;			/* ns */
	int64_t bad, of;		/* so many slots of the last so many */
	/* of packets over the limit that make a slot bad: 5% = p95 */
	double share;
	double hysteresis;
};

struct policy_segment {			/* fixed limits of RTT by segment */
	struct conf_where where;
	int segment;			/* enum segment */
	int64_t rtt_warning, rtt_critical;	/* ns */
};

struct policy_service { int64_t after; };	/* refused steps in a row */

struct policy_snmp {
	double utilisation_warning, utilisation_critical;	/* of the interface's speed */
	double load_warning, load_critical;	/* CPU, memory, storage */
	double errors;			/* errors and discards per second */
	int64_t slot, bad, of;
};

/* the longer of ns and steps of the quickest link */
struct policy_silent { int64_t after, steps; };
struct policy_clock { int64_t offset, reports; };
struct policy_self { int64_t feed_after, collector_after, certificate; };

struct policy_matrix_row { int64_t grade[LOSS_DEGREES]; };	/* extreme ... minor */
struct policy_matrix { struct policy_matrix_row a, b, c; };

enum rule_state { RULE_DOWN = 1, RULE_DEGRADED = 2, RULE_ANY = 3 };

struct policy_rule {			/* one row: the first that fits decides */
	struct conf_where where;
	int loss;			/* enum loss_degree */
	int state;			/* enum rule_state */
	int severity;			/* degraded: at least so severe (enum severity) */
	int64_t after;			/* lasts so long, ns */
	/* of the vendor's class A and B links down at once; 0: not asked */
	double vendor_share;
	int64_t links;			/* and at least so many of them */
};

struct policy_fixed { int64_t silent, clock, self; };	/* grades of faults without a link */

struct policy_limits {			/* of one grade; ns, 0: none */
	int64_t acknowledge, recover, progress;
	int64_t remind, remind_max;
	int64_t group;			/* what is related and breaks so soon after is the same fault */
	int64_t tell;			/* the first message waits so long */
	int64_t hold;			/* clean so long before it counts as recovered */
	int64_t watch;			/* clean so long before it may be closed */
	bool raise;			/* one grade up when `recover` expires */
};

struct policy_flap { int64_t changes, within, mute, settle; };
struct policy_storm { int64_t incidents, within, every; };
/* reserve: for grades 1 and 2 */
struct policy_budget { int64_t minute, hour, day; double reserve; };
/* grade and below wait */
struct policy_quiet { char *from, *to; int64_t grade; int from_min, to_min; };
/* grade and below only in the digest */
struct policy_digest { char *at; int64_t grade; int at_min; };
struct policy_life { int64_t relapse, lapse, keep, hold_stale; bool announce_past; };

struct policy_contact {
	struct conf_where where;
	char *id, *name, *name_en;
	int lang;			/* enum policy_lang */
	char *phone, *mail;
	/* "duty", "vendor", "lead" ...: what routes and steps name */
	char *role;
	char *vendor;			/* sees only this vendor's; NULL: all */
};
enum policy_lang { LANG_ZH = 0, LANG_EN = 1 };

struct policy_route {			/* who hears of a new incident */
	struct conf_where where;
	int64_t grade;			/* this grade and graver ones */
	char *vendor;			/* NULL: any */
	char *kind;			/* anomaly kind, NULL: any */
	struct conf_list contacts;	/* char *: ids */
	struct conf_list roles;		/* char * */
	struct conf_list channels;	/* char *: one message on each */
	struct conf_list fallback;	/* char *: when one of these fails, the next */
};

struct policy_step {			/* one step of the escalation */
	struct conf_where where;
	struct conf_list roles, contacts, channels;	/* char * */
	int64_t unacked[GRADES];	/* so long without acknowledgement, ns; 0: never */
	int64_t unrecovered[GRADES];	/* so long without recovery */
};

struct policy_window {			/* planned or guarded time */
	struct conf_where where;
	char *name, *from, *to;		/* "2026-01-10 23:00" at UTC+8 */
	char *vendor, *agent;		/* NULL: any */
	struct conf_list links;		/* char *: empty is all */
	struct wall begin, end;
};

struct policy {
	struct conf_where where;
	struct policy_down down;
	struct policy_loss loss;
	struct policy_latency latency;
	struct conf_list segments;	/* struct policy_segment */
	struct policy_service service;
	struct policy_snmp snmp;
	struct policy_silent silent;
	struct policy_clock clock;
	struct policy_self self;
	struct policy_matrix matrix;
	struct conf_list rules;		/* struct policy_rule */
	struct policy_fixed fixed;
	struct policy_limits limits[GRADES];
	struct policy_flap flap;
	struct policy_storm storm;
	struct policy_budget budget;
	struct policy_quiet quiet;
	struct policy_digest digest;
	struct policy_life life;
	char *signature, *signature_en;	/* in front of each SMS, without the brackets */
	struct conf_list contacts;	/* struct policy_contact */
	struct conf_list routes;	/* struct policy_route */
	struct conf_list escalation;	/* struct policy_step */
	struct conf_list planned, guarded;	/* struct policy_window */
	struct conf_list sms_channels;	/* char *: short text to the phone, counted in the budget */
	struct conf_list mail_channels;	/* char *: long text to the mail address */
	char *trap_channel;		/* told of open, raise, recover, close; NULL or "": none */
};

extern const struct conf_schema policy_schema;

/*
 * Reads and checks path.  0 and a policy (owned by the caller, policy_free),
 * or -EINVAL with lines in errs; warnings may come with 0.
 */
int policy_load(const char *path, struct policy **out, struct conf_errors *errs);
/* The same from memory; name stands in messages. */
int policy_parse(const char *text, size_t len, const char *name, struct policy **out,
    struct conf_errors *errs);
/* A policy of defaults alone: no contacts. */
struct policy *policy_default(void);
void policy_free(struct policy *);	/* NULL is allowed */

/* NULL: no such contact. */
const struct policy_contact *policy_contact(const struct policy *, const char *id);
/* Limits of grade 1..4. */
const struct policy_limits *policy_limits(const struct policy *, unsigned grade);
/* Does this window cover this link, whenever it is? */
bool policy_window_covers(const struct policy_window *, const char *vendor, const char *agent,
    const char *link);
/* The window of list that covers this link at t, or NULL.  links.yaml ids; agent-wide: link "". */
const struct policy_window *policy_window_at(const struct conf_list *list, struct wall t,
    const char *vendor, const char *agent, const char *link);
/* Is t inside the quiet hours (UTC+8)?  until (may be NULL) gets their end. */
bool policy_is_quiet(const struct policy *, struct wall t, struct wall *until);
bool policy_channel_is_sms(const struct policy *, const char *channel);
bool policy_channel_is_mail(const struct policy *, const char *channel);
/* "2026-01-15 08:31" at UTC+8.  0 or -EINVAL. */
int policy_time_parse(const char *s, struct wall *out);
/* "08:31" to minutes after midnight.  0 or -EINVAL. */
int policy_minute_parse(const char *s, int *out);
