/*
 * grade.c - how grave an incident is.
 */
#include "alertd/grade.h"

static bool
rule_fits(const struct policy_rule *r, const struct grade_facts *f)
{
	if (r->state == RULE_DOWN && !f->down)
		return false;
	if (r->state == RULE_DEGRADED && (f->down || (int)f->severity > r->severity))
		return false;
	if (f->lasting_ns < r->after)
		return false;
	return r->vendor_share <= 0 ||
	    (f->vendor_share >= r->vendor_share && f->vendor_down >= (uint64_t)r->links);
}

enum loss_degree
grade_loss(const struct policy *p, const struct grade_facts *f)
{
	const struct policy_rule *r = p->rules.v;

	for (size_t i = 0; i < p->rules.n; i++)
		if (rule_fits(&r[i], f))
			return (enum loss_degree)r[i].loss;
	return LOSS_MINOR;
}

unsigned
grade_of(const struct policy *p, const struct grade_facts *f)
{
	const struct policy_matrix_row *row = f->link_class == CLASS_A ? &p->matrix.a :
	    f->link_class == CLASS_B ? &p->matrix.b : &p->matrix.c;
	unsigned grade;

	if (f->kind == ANOMALY_SILENT)
		grade = (unsigned)p->fixed.silent;
	else if (f->kind == ANOMALY_CLOCK)
		grade = (unsigned)p->fixed.clock;
	else if (f->kind == ANOMALY_SELF)
		grade = (unsigned)p->fixed.self;
	else
		grade = (unsigned)row->grade[grade_loss(p, f) - 1];
	if (f->guarded && grade > 1)
		grade--;
	return grade;
}

const char *
grade_zh(unsigned grade)
{
	static const char *const names[] = { "一级", "二级", "三级", "四级" };

	return grade >= 1 && grade <= GRADES ? names[grade - 1] : "?";
}
