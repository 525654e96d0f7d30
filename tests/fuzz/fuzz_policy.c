/*
 * fuzz_policy.c - policy.yaml: any bytes give a policy by which an incident
 * can be graded, routed and worded, or lines that say why not.
 */
#include <stdlib.h>
#include <string.h>

#include "alertd/escalate.h"
#include "alertd/grade.h"
#include "alertd/message.h"
#include "alertd/route.h"
#include "common/mem.h"
#include "common/utf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
	if (!truth)
		abort();
}

static void
use(const struct policy *p)
{
	struct incident *inc = xcalloc(1, sizeof(*inc));
	struct route_target *t = xcalloc(ROUTE_TARGETS, sizeof(*t));
	struct message_facts f = { .event = MSG_OPEN, .inc = inc,
		.now.ns = INT64_C(1768437060) * NS_PER_S };
	struct grade_facts g = { .kind = ANOMALY_DOWN, .link_class = CLASS_A, .down = true,
		.lasting_ns = 3600 * NS_PER_S };
	struct budget b = { 0 };
	char buf[MESSAGE_SMS_BYTES];
	unsigned step;
	bool unrecovered;

	inc->kind = ANOMALY_DOWN;
	inc->state = INC_OPEN;
	strcpy(inc->object_zh, "A云浦东");
	strcpy(inc->object_en, "A-Pudong");
	inc->grade = (uint8_t)grade_of(p, &g);
	require(inc->grade >= 1 && inc->grade <= GRADES);
	escalate_start(p, inc, f.now);
	f.now.ns += 7200 * NS_PER_S;
	escalate_due(p, inc, f.now, &step, &unrecovered);
	require(route_select(p, inc, NULL, t, ROUTE_TARGETS) <= ROUTE_TARGETS);
	for (size_t i = 0; i < p->escalation.n; i++)
		route_step(p, (const struct policy_step *)p->escalation.v + i, inc, NULL, t,
		    ROUTE_TARGETS);
	budget_take(&b, f.now.ns);
	require(budget_next(&b, p, 3, f.now.ns) >= f.now.ns);
	for (int lang = LANG_ZH; lang <= LANG_EN; lang++)
		require(utf_units(message_sms(buf, sizeof(buf), p, &f, (enum policy_lang)lang)) <=
		    MESSAGE_SMS_UNITS);
	policy_is_quiet(p, f.now, NULL);
	policy_window_at(&p->planned, f.now, "v", "a", "l");
	free(inc);
	free(t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policy *p = NULL;
	struct conf_errors errs = { 0 };
	int rc = policy_parse((const char *)data, size, "fuzz", &p, &errs);

	require((rc == 0) == (p != NULL));
	require(rc == 0 || errs.n > 0);
	if (p != NULL)
		use(p);
	policy_free(p);
	conf_errors_free(&errs);
	return 0;
}
