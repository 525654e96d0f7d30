/*
 * grade.h - how grave an incident is (pure): the matrix of policy.yaml.
 */
#pragma once

#include "alertd/policy.h"

struct grade_facts {
	enum anomaly_kind kind;
	uint32_t link_class;		/* best of its links; 0: no link */
	bool down;			/* interrupted, not only degraded */
	enum severity severity;
	int64_t lasting_ns;		/* of the outage that stands */
	double vendor_share;		/* of the vendor's class A and B links down now */
	uint32_t vendor_down;		/* and how many they are */
	bool guarded;
};

/* The column: the first rule that fits, else minor. */
enum loss_degree grade_loss(const struct policy *, const struct grade_facts *);
/* 1..4. */
unsigned grade_of(const struct policy *, const struct grade_facts *);
const char *grade_zh(unsigned grade);		/* "二级" */
