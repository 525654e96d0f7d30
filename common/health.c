/*
 * health.c - the figures of an agent by their names (pure).
 */
#include "common/health.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/clock.h"

static const char *
ping_mode(uint32_t mode)
{
	static const char *const names[] = { "none", "raw", "ping" };

	return mode < 3 ? names[mode] : "?";
}

static json_t *
ms(int64_t ns)
{
	return json_real((double)ns / (double)NS_PER_MS);
}

json_t *
health_json(const Linkwatch__Pb__Health *h)
{
	char revision[20];

	if (h == NULL)
		return json_null();
	snprintf(revision, sizeof revision, "%016" PRIx64, h->plan_revision);
	return json_pack("{sf sf ss sI sI sI sI sI sI sI so sI sI sI sI sI sI sI ss sI sI so so sI}",
	    "at", (double)h->wall_ns / (double)NS_PER_S, "uptime_s",
	    (double)h->uptime_ns / (double)NS_PER_S, "plan_revision", revision,
	    "links", (json_int_t)h->links, "refused_links", (json_int_t)h->refused_links,
	    "samples", (json_int_t)h->produced, "spool_batches", (json_int_t)h->spool_batches,
	    "spool_bytes", (json_int_t)h->spool_bytes, "spool_limit", (json_int_t)h->spool_limit,
	    "spool_dropped", (json_int_t)h->spool_dropped,
	    "loop_lag_ms", ms(h->loop_lag_ns), "late_sends", (json_int_t)h->late_sends,
	    "starved_steps", (json_int_t)h->starved_steps,
	    "socket_drops", (json_int_t)h->socket_drops,
	    "foreign_replies", (json_int_t)h->foreign_replies,
	    "duplicate_replies", (json_int_t)h->duplicate_replies,
	    "late_replies", (json_int_t)h->late_replies,
	    "clock_jumps", (json_int_t)h->clock_jumps, "ping_mode", ping_mode(h->ping_mode),
	    "names_failing", (json_int_t)h->names_failing,
	    "resolver_failures", (json_int_t)h->resolver_failures,
	    "held_back", json_pack("{sI sI}", "cap", (json_int_t)h->capped,
		"allow_list", (json_int_t)h->guard_refused),
	    "memory_bytes", json_integer((json_int_t)h->memory_bytes),
	    "refused_batches", (json_int_t)h->refused_batches);
}
