/*
 * fuzz_snmp.c - what an SNMP device may say: an engine's answer, then the same
 * bytes as values of two readings.
 */
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/probe.h"
#include "agent/snmp_discovery.h"
#include "agent/snmp_values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
engine(const uint8_t *data, size_t size)
{
	struct snmp_engine e;
	uint32_t id;

	if (snmp_discovery_answer(data, size, &id, &e) != 0)
		return;
	assert(e.len >= 5 && e.len <= SNMP_ENGINE_MAX);
	assert(id <= INT32_MAX && e.boots <= INT32_MAX && e.time <= INT32_MAX);
}

/* Next value: slot, type, then eight bytes or a text of so many. */
static size_t
take_value(const uint8_t *p, size_t n, uint8_t *slot, struct snmp_value *v)
{
	size_t used = 2;

	*slot = p[0];
	*v = (struct snmp_value){ .type = p[1] % (SNMP_TYPE_DOUBLE + 1) };
	if (v->type == SNMP_TYPE_STRING) {
		v->len = n > 2 ? p[2] % (n - 2) : 0;
		v->text = p + 3;
		return used + 1 + v->len;
	}
	if (n >= 10) {
		memcpy(&v->number, p + 2, 8);
		memcpy(&v->real, p + 2, 8);
		used += 8;
	}
	return used;
}

static void
fill(const uint8_t *p, size_t n, struct snmp_reading *r, struct snmp_tables *t)
{
	struct snmp_value v, before = { 0 };
	uint8_t slot;

	while (n > 3) {
		size_t used = take_value(p, n, &slot, &v);

		if (used > n)
			break;
		(void)snmp_reading_add(r, (enum snmp_slot)slot, &v);
		(void)snmp_is_name(&v, "eth0");
		snmp_tables_cpu(t, &v);
		snmp_tables_storage(t, (enum snmp_storage)(slot % 3), &before, &v);
		before = v;
		p += used;
		n -= used;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sample_value value[SAMPLE_VALUES];
	struct snmp_reading a, b;
	struct snmp_tables ta, tb;
	uint32_t n, causes, roles = 0;
	uint8_t *copy = malloc(size + 1);
	size_t half = size / 2;

	memcpy(copy, data, size);
	engine(copy, size);
	snmp_reading_init(&a, 1);
	snmp_reading_init(&b, 1 + (size > 0 ? data[0] : 0) * NS_PER_S);
	snmp_tables_init(&ta);
	snmp_tables_init(&tb);
	fill(copy, half, &a, &ta);
	fill(copy + half, size - half, &b, &tb);
	snmp_reading_tables(&b, &tb);
	causes = snmp_values(&a, &b, value, &n);
	assert((causes & ~(CAUSE_BIT(CAUSE_DISCONTINUITY) | CAUSE_BIT(CAUSE_REBOOT))) == 0);
	assert(n <= SAMPLE_VALUES);
	for (uint32_t i = 0; i < n; i++) {
		assert(isfinite(value[i].value));
		assert(value[i].role <= ROLE_MAX && (roles & 1U << value[i].role) == 0);
		roles |= 1U << value[i].role;
		if (value[i].role <= ROLE_OUT_DISCARDS)
			assert(value[i].value >= 0);
	}
	free(copy);
	return 0;
}
