/*
 * health.h - what an agent says of itself, as JSON (pure).
 *
 * One list of names for the page, the API and linkctl.  Figures count since the
 * agent started unless the name says otherwise.
 */
#pragma once

#include <jansson.h>

#include "common/linkwatch.pb-c.h"

/* An object with a member for each figure; NULL gives null.  The caller owns it. */
json_t *health_json(const Linkwatch__Pb__Health *h);
