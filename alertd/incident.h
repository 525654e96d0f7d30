/*
 * incident.h - the record of one problem that people handle, and its life.
 *
 *   open -> handling -> recovered -> review -> closed -> archived
 *   beside it: hold, cancelled, merged
 *
 * Recovery never closes an incident; a person does, and closing is refused
 * while a link is down or not clean for the watch time, or fields are missing.
 * A relapse within 24 h goes back to handling (or open, if never acknowledged)
 * of the same incident.  The link's state is a separate field.
 */
#pragma once

#include "common/clock.h"
#include "common/model.h"

enum incident_state {
	INC_OPEN = 1, INC_HANDLING = 2, INC_HOLD = 3, INC_RECOVERED = 4,
	INC_REVIEW = 5, INC_CLOSED = 6, INC_ARCHIVED = 7, INC_CANCELLED = 8,
	INC_MERGED = 9,
};

#define INCIDENT_LINKS 64		/* named ones; more are only counted */
#define INCIDENT_TOLD 64

/* The fields that must stand before closing; set by `linkctl incident close --cause ...`. */
enum incident_field {
	FIELD_CAUSE,			/* category number, domain table 101..901 */
	FIELD_ROOT_CAUSE,		/* text */
	FIELD_RESPONSIBLE,		/* unit */
	FIELD_MEASURE,			/* what was done for good */
	FIELD_GRADE_FINAL,		/* 1..4 */
	FIELD_MAX
};

struct incident_link { char agent[ID_MAX + 1], link[ID_MAX + 1]; enum link_state state; };

struct incident {
	uint64_t number;		/* 1, 2, 3 ...: never reused */
	uint16_t code;			/* 4 digits, unique among open ones: reply key */
	char fingerprint[160];		/* what makes two anomalies the same problem */
	enum incident_state state;
	enum anomaly_kind kind;
	enum severity severity;		/* worst so far */
	uint8_t grade, grade_initial, grade_final;	/* 1..4; final 0: not set */
	char vendor[ID_MAX + 1], zone[ID_MAX + 1], agent[ID_MAX + 1], link[ID_MAX + 1];
	enum segment segment;		/* first broken one; SEG_NONE: unknown */
	char located[64];		/* "segment 3", "ambiguous: 3 or 4", "" */
	enum link_state link_state;	/* worst of its links now */
	uint32_t links;			/* how many it ever had */
	struct incident_link link_list[INCIDENT_LINKS];
	struct wall first_fail, opened, acked, recovered, closed, updated;
	struct wall clean_since;	/* probes clean since; 0: not clean */
	struct wall outage_start;	/* of the lasting outage; 0: none */
	int64_t outage_ns;		/* of those that ended */
	uint32_t outages, relapses, reminders;
	struct wall next_reminder, ack_due, recover_due;
	uint8_t escalation;		/* steps taken */
	char handler[64];
	struct wall eta;
	char *field[FIELD_MAX];		/* owned by whoever holds the record; NULL: missing */
	struct { char recipient[ID_MAX + 1], channel[ID_MAX + 1]; } told[INCIDENT_TOLD];
	uint32_t told_n;		/* who got the alarm: recovery goes to exactly these */
	uint32_t version;		/* +1 with each change */
	uint64_t evidence;		/* journal number of the first sample that proves it */
	char title_zh[96], title_en[96];
	bool guarded, flapping;

	/* What restoring needs: the timers and counters of its life. */
	struct wall announce_at;	/* told when this has come; 0: told, or never to be */
	struct wall raise_base;		/* recover_due counts from here */
	struct wall flap_mute;		/* no messages about changes before this */
	uint32_t messages;		/* numbered in the keys of messages */
	uint32_t escalated;		/* bit of each escalation step taken */
	bool stale;			/* opened from a replayed backlog, not announced yet */
	bool stormy;			/* told in a storm's summary only */
	bool digest;			/* waits for the daily digest */
	bool overdue;			/* the recovery limit has expired */
	bool lapsed;			/* was acknowledged, and forgotten */
	bool grade_set;			/* by a person: duration no longer changes it */
	struct wall announced;		/* first told; escalation counts from here */
	char object_zh[64], object_en[64];	/* what the title is about, without its state */
	double figure, limit;		/* worst: ratio, or RTT in ns; 0: none */
};

const char *incident_state_name(enum incident_state);		/* "handling" */
int incident_state_parse(const char *s);			/* -1: none */
const char *incident_state_zh(enum incident_state);		/* "处理中" */
const char *incident_field_name(enum incident_field);		/* "root-cause" */
const char *incident_field_zh(enum incident_field);		/* "根本原因" */
/* The words of a Chinese reader for a link's state: "中断". */
const char *incident_link_zh(enum link_state);
bool incident_is_open(const struct incident *);	/* not closed, archived, cancelled, merged */

/* frees to's fields first; both initialised */
void incident_copy(struct incident *to, const struct incident *from);
void incident_clear(struct incident *);	/* frees the fields */

/* JSON for database, API and CLI alike: jansson objects, owned by the caller. */
struct json_t;
struct json_t *incident_to_json(const struct incident *);
int incident_from_json(const struct json_t *, struct incident *out);	/* 0 or -EINVAL */
