/*
 * web_tail.h - follows the collector's journal near its tip.
 *
 * At the start it goes back some ten minutes, so that the wall is filled at
 * once, and takes the plan from links.yaml until a PLAN record tells better.
 */
#pragma once

#include "collector/web_live.h"

struct event_base;
struct tail;

/* live, base: borrowed. journal: its directory. links: path of links.yaml. -errno with a line in err. */
int tail_new(struct tail **out, struct event_base *base, struct live *live, const char *journal,
    const char *links, char *err, size_t n);
void tail_free(struct tail *);
/* NULL, or why the journal cannot be read now. */
const char *tail_trouble(const struct tail *);
/* The number of the journal's next record; that of the next one for a reader with a durable cursor (0 or -errno). */
uint64_t tail_limit(const struct tail *);
int tail_cursor(const struct tail *, const char *reader, uint64_t *next);
/* Reads links.yaml again, unless the journal has told a plan. */
void tail_reload(struct tail *);
