/*
 * refusals.c - what was turned away, for the journal.
 *
 * The first refusal of a kind (peer, code) is journaled at once, those alike
 * that follow are counted and told once a minute. At most HUB_REFUSALS_MAX
 * kinds are kept apart; beyond, they count for the peer "others".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/hub.h"
#include "common/frame.h"
#include "common/log.h"
#include "common/mem.h"

#define QUIET_NS (60 * NS_PER_S)
#define FORGET_NS (10 * 60 * NS_PER_S)

static void
tell(struct hub *h, struct refusal_count *rc, struct mono now)
{
	Linkwatch__Pb__Refused m = LINKWATCH__PB__REFUSED__INIT;

	m.peer = rc->peer;
	m.at_ns = clock_wall(h->o.clock).ns;
	m.code = rc->code;
	m.reason = rc->why;
	m.count = rc->count;
	if (hub_append(h, JREC_REFUSED, &m.base) != 0)
		return;
	rc->count = 0;
	rc->told = now;
}

void
refusals_note(struct hub *h, const char *peer, uint32_t code, const char *why)
{
	struct mono now = clock_mono(h->o.clock);
	struct refusal_count *rc;
	char key[sizeof rc->key];
	bool fresh;

	h->stat.refused++;
	snprintf(key, sizeof key, "%s %u", peer, (unsigned)code);
	rc = table_gets(&h->refusals, key);
	if (rc == NULL && h->refusals.n >= HUB_REFUSALS_MAX) {
		peer = "others";
		snprintf(key, sizeof key, "others %u", (unsigned)code);
		rc = table_gets(&h->refusals, key);
	}
	fresh = rc == NULL;
	if (fresh) {
		rc = xcalloc(1, sizeof *rc);
		snprintf(rc->key, sizeof rc->key, "%s", key);
		snprintf(rc->peer, sizeof rc->peer, "%s", peer);
		rc->code = code;
		table_puts(&h->refusals, key, rc);
	}
	snprintf(rc->why, sizeof rc->why, "%s", why);
	rc->count++;
	if (fresh || now.ns - rc->told.ns >= QUIET_NS) {
		log_warning("peer=%s: refused (%s): %s", peer, refusal_name(code), why);
		tell(h, rc, now);
	}
}

void
refusals_tick(struct hub *h, bool all)
{
	struct mono now = clock_mono(h->o.clock);
	struct refusal_count *rc, *old = NULL;

	for (size_t i = 0; (rc = table_next(&h->refusals, &i)) != NULL;) {
		int64_t quiet = now.ns - rc->told.ns;

		if (rc->count > 0 && (all || quiet >= QUIET_NS)) {
			log_warning("peer=%s: refused %llu more times (%s): %s", rc->peer,
			    (unsigned long long)rc->count, refusal_name(rc->code), rc->why);
			tell(h, rc, now);
		} else if (rc->count == 0 && quiet >= FORGET_NS) {
			old = rc;
		}
	}
	if (old != NULL)
		free(table_dels(&h->refusals, old->key));
}

void
refusals_fini(struct hub *h)
{
	struct refusal_count *rc;

	for (size_t i = 0; (rc = table_next(&h->refusals, &i)) != NULL;)
		free(rc);
	table_fini(&h->refusals);
}
