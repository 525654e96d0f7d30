/*
 * web_alertd.h - what alertd says: states of links, incidents, agents, and commands to it.
 *
 * A client of the control socket (common/control.h) that connects again by
 * itself.  It subscribes and keeps the latest of each link, agent and incident
 * as the JSON that alertd wrote.  While alertd is away nothing is served from
 * here: a verdict of yesterday is worse than none.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct alertd;
struct event_base;
struct json_t;

/* path NULL or "": there is no alertd to ask.  changed(arg) is called from the loop when an incident changed. */
struct alertd *alertd_new(struct event_base *, const char *path,
    void (*incident)(void *arg, struct json_t *incident), void *arg);
void alertd_free(struct alertd *);	/* outstanding requests get their done() with NULL */
bool alertd_is_up(const struct alertd *);
bool alertd_is_configured(const struct alertd *);

/* Borrowed, NULL: not known or alertd is away. */
struct json_t *alertd_link(const struct alertd *, const char *key);	/* "agent/link" */
struct json_t *alertd_agent(const struct alertd *, const char *agent);
struct json_t *alertd_status(const struct alertd *);
/* The incidents known (open ones and the newest others), an object by number; borrowed. */
struct json_t *alertd_incidents(const struct alertd *);
/* A number that grows when the state of a link has changed; of link key, or of all. */
uint64_t alertd_link_changed(const struct alertd *, const char *key);

/*
 * Sends cmd with args (taken over; may be NULL) on behalf of as, an object
 * {"user","role","vendor"?} that is taken over (NULL: the page itself).  done() is called once: with the answer object
 * (borrowed) or NULL when alertd is away or silent for 10 s.
 */
void alertd_ask(struct alertd *, const char *cmd, struct json_t *args, struct json_t *as,
    void (*done)(void *arg, struct json_t *answer), void *arg);
