/*
 * message.h - the words people get (pure).
 *
 * A short message never has more than 70 UTF-16 units, the signature included:
 * if it would, the object is shortened, then the figure is left out, then the
 * request, and the object again.  It holds no address, no link to a page and no
 * decimal point, since gateways refuse such texts.  A mail has the same first
 * line and then everything that is known.
 */
#pragma once

#include "alertd/incident.h"
#include "alertd/policy.h"

#define MESSAGE_SMS_UNITS 70
#define MESSAGE_SMS_BYTES 320		/* enough for 70 units, with the NUL */

enum message_event {
	MSG_OPEN = 0, MSG_REMIND, MSG_PROGRESS, MSG_ESCALATE, MSG_RAISE, MSG_ACK, MSG_LAPSE,
	MSG_RECOVER, MSG_RELAPSE, MSG_FLAP, MSG_VERDICT, MSG_PAST, MSG_CLOSE, MSG_CANCEL,
	MSG_REOPEN, MSG_STORM, MSG_STORM_END, MSG_DIGEST, MSG_WITHHELD, MSG_EVENTS
};

struct message_facts {
	enum message_event event;
	const struct incident *inc;	/* NULL: storm, digest, withheld */
	struct wall now;
	unsigned grade_from;		/* raise */
	bool unrecovered;		/* escalate: why */
	const char *note;		/* cancel; may be NULL */
	const char *vendor_zh, *vendor_en;	/* storm */
	uint32_t count, count_open, count_grade[GRADES];	/* storm, digest, withheld */
	int64_t period_ns;		/* storm, flap: its length */
};

const char *message_event_name(enum message_event);	/* "open": in keys and logs */
/* Units left out are never half a character.  Returns buf (n >= MESSAGE_SMS_BYTES). */
char *message_sms(char *buf, size_t n, const struct policy *, const struct message_facts *,
    enum policy_lang);
/* Malloc'd, owned by the caller; one line, no control characters. */
char *message_subject(const struct policy *, const struct message_facts *, enum policy_lang);
char *message_mail(const struct policy *, const struct message_facts *, enum policy_lang);
/* "41分钟" "41m"; less than a minute in seconds.  Returns buf (n >= 32). */
char *message_duration(char *buf, size_t n, int64_t ns, enum policy_lang);
/* What is wrong, in a word or two: "中断", "DOWN". */
const char *message_state(enum anomaly_kind kind, enum policy_lang);
