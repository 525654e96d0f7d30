/*
 * plan.c - reading links.yaml for the collector (see plan.h).
 */
#include "collector/plan.h"

#include <errno.h>

#include "common/frame.h"
#include "common/journal.h"
#include "common/links.h"

int
plan_load(const char *path, Linkwatch__Pb__Plan **out, struct conf_errors *errs)
{
	struct conf_where top = { .line = 1, .col = 1 };
	Linkwatch__Pb__Plan *plan, *part;
	size_t n;
	int r = links_load(path, &plan, errs);

	*out = NULL;
	if (r != 0)
		return r;
	n = linkwatch__pb__plan__get_packed_size(plan);
	if (n > JOURNAL_RECORD_MAX)
		conf_error(errs, path, top, "the plan takes %zu bytes, at most %d are possible", n,
		    JOURNAL_RECORD_MAX);
	for (size_t i = 0; i < plan->n_agent; i++) {
		part = links_for_agent(plan, plan->agent[i]->id);
		n = part != NULL ? linkwatch__pb__plan__get_packed_size(part) : 0;
		if (n > FRAME_MAX)
			conf_error(errs, path, top, "the links of agent '%s' take %zu bytes, at most %d are possible",
			    plan->agent[i]->id, n, FRAME_MAX);
		links_free(part);
	}
	if (conf_failed(errs)) {
		links_free(plan);
		return -EINVAL;
	}
	*out = plan;
	return 0;
}
