/*
 * fuzz_snmp.c - what an SNMP device may say: the bytes as a message of either
 * version, opened with keys and without, as a name with its pattern, then as
 * values of two readings.
 */
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "agent/probe.h"
#include "agent/snmp_glob.h"
#include "agent/snmp_message.h"
#include "agent/snmp_usm.h"
#include "agent/snmp_values.h"
#include "common/agent_conf.h"
#include "common/clock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_binds(struct snmp_answer *a)
{
	struct snmp_bind b;
	unsigned n = 0;

	assert(snmp_report_kind(a) <= 6);
	while (snmp_take_bind(a, &b) == 1) {
		assert(b.len >= 2 && b.len <= SNMP_NAME_MAX);
		(void)snmp_storage_kind(&b.value);
		assert(++n < 65536);
	}
}

static void
message(uint8_t *data, size_t size)
{
	struct snmp_seal seal = { .auth = SNMP_AUTH_SHA1, .priv = SNMP_PRIV_AES128, .user = "u",
		.auth_key.len = 20, .priv_key.len = 16 };
	struct snmp_answer a;
	struct snmp_v3 v3;
	uint32_t id;

	if (snmp_message_id(data, size, &id) == 0)
		assert(id <= SNMP_ID_MAX);
	if (snmp_take_v2c(data, size, &a) == 0)
		read_binds(&a);
	if (snmp_take_v3(data, size, &v3) != 0)
		return;
	assert(v3.engine.len == 0 || (v3.engine.len >= 5 && v3.engine.len <= SNMP_ENGINE_MAX));
	assert(v3.engine.boots <= INT32_MAX && v3.engine.time <= INT32_MAX);
	if (snmp_take_scoped(v3.data, &a) == 0)
		read_binds(&a);
	seal.engine = v3.engine;
	if (snmp_usm_take(&seal, data, size, &v3, &a) == 0)
		read_binds(&a);
}

/* The first byte says how long the pattern is. */
static void
pattern(const uint8_t *data, size_t size)
{
	char text[256];
	size_t n = size > 0 ? data[0] : 0;

	if (n + 1 > size)
		return;
	memcpy(text, data + 1, n);
	text[n] = '\0';
	(void)snmp_glob(text, data + 1 + n, size - 1 - n);
	if (strchr(text, '*') == NULL && strchr(text, '?') == NULL)
		assert(snmp_glob(text, (const uint8_t *)text, strlen(text)));
	assert(snmp_glob("*", data, size));
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
		(void)snmp_reading_object(r, slot % 20, slot / 20 % 3, &v);
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
	static const double scale[SNMP_OIDS_MAX] = { 1, 0.1, -8, 1e308, 0 };
	struct sample_value value[SAMPLE_VALUES];
	struct snmp_reading a, b;
	struct snmp_tables ta, tb;
	uint32_t n, causes, roles = 0;
	uint8_t *copy = malloc(size + 1);
	size_t half = size / 2;

	memcpy(copy, data, size);
	pattern(copy, size);
	message(copy, size);
	memcpy(copy, data, size);
	snmp_reading_init(&a, 1);
	snmp_reading_init(&b, 1 + (size > 0 ? data[0] : 0) * NS_PER_S);
	snmp_tables_init(&ta);
	snmp_tables_init(&tb);
	fill(copy, half, &a, &ta);
	fill(copy + half, size - half, &b, &tb);
	snmp_reading_tables(&b, &tb);
	causes = snmp_values(&a, &b, size % 2 ? scale : NULL, value, &n);
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
