/*
 * plan.h - links.yaml to a plan that frames and records can carry.
 */
#pragma once

#include "common/conf.h"
#include "common/linkwatch.pb-c.h"

/*
 * Reads links.yaml and checks what the collector's bounds add: the whole plan fits a journal
 * record, each agent's part a frame, ids a path. 0 and *out (links_free), or -EINVAL with lines in errs.
 */
int plan_load(const char *path, Linkwatch__Pb__Plan **out, struct conf_errors *errs);
