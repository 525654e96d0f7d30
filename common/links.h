/*
 * links.h - links.yaml: vendors, zones, agents, links and chains (pure but for the file read).
 *
 * The collector reads it and turns it into a Plan; linkctl checks it.  The
 * manual is linkwatch-links(5), the schema table in links.c names every key:
 *
 *   vendors:  [{id, code, code_en, name, name_en}]
 *   zones:    [{id, name, name_en}]
 *   agents:   [{id, vendor, zone, name, name_en}]
 *   chains:   [{id, name, name_en}]
 *   links:    [{id, agent, probe, target, port, step, count, timeout, size, family, source,
 *               credential, interface, host, oids, class, name, name_en, short, short_en,
 *               vendor, zone, chain, segment, reverse, down_after, limits: {loss, rtt}}]
 *
 * Checked across: unique ids (a link's id within its agent), every reference,
 * which two links measure one path
 * from both ends (links_pair.c), keys that the probe kind needs or does not know, timeout within step, what a
 * target may be, that the plan fits a journal record and a part of it a frame.
 *
 * In the Plan nothing is left out: names and short names, vendor and zone, and
 * the numbers that hang on the kind of probe are filled in.
 */
#pragma once

#include "common/conf.h"
#include "common/linkwatch.pb-c.h"

/*
 * 0 and a whole Plan (owned by the caller, links_free), revision set; or
 * -EINVAL with lines in errs.
 */
int links_load(const char *path, Linkwatch__Pb__Plan **out, struct conf_errors *errs);
int links_parse(const char *text, size_t len, const char *name, Linkwatch__Pb__Plan **out,
    struct conf_errors *errs);
void links_free(Linkwatch__Pb__Plan *);
/*
 * The part of agent: its links without what is none of its business; NULL if it
 * has no entry.  The revision is of this part: it stays when other agents' links
 * or mere names change.  Owned by the caller.
 */
Linkwatch__Pb__Plan *links_for_agent(const Linkwatch__Pb__Plan *, const char *agent);
/* The same from all n links of one agent, in the order of the plan. */
Linkwatch__Pb__Plan *links_part(Linkwatch__Pb__Link *const *link, size_t n);
extern const struct conf_schema links_schema;
