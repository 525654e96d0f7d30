/*
 * snmp_values.c - gauges, rates, wraps, resets and restarts (pure).
 */
#include "agent/snmp_values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/probe.h"
#include "common/clock.h"

#define UPTIME_SLACK_CS 500		/* a device's clock may run so far apart from ours */
#define TICKS_WRAP (UINT64_C(1) << 32)
#define WRAP_BPS 100e9			/* taken for the speed of an interface that tells none */

void
snmp_reading_init(struct snmp_reading *r, int64_t at_ns)
{
	*r = (struct snmp_reading){ .at_ns = at_ns, .cpu = -1, .memory = -1, .storage = -1 };
}

bool
snmp_is_name(const struct snmp_value *v, const char *name)
{
	size_t len = v->len, n = strlen(name);

	if (v->type != SNMP_TYPE_STRING)
		return false;
	while (len > n && v->text[len - 1] == '\0')
		len--;
	return len == n && memcmp(v->text, name, n) == 0;
}

/* Some devices give numbers as text ("0.42"). */
static bool
number_in_text(const struct snmp_value *v, double *out)
{
	char text[40], *end;

	if (v->len == 0 || v->len >= sizeof text)
		return false;
	memcpy(text, v->text, v->len);
	text[v->len] = '\0';
	if (strspn(text, "0123456789.+-eE") != v->len)
		return false;		/* no "nan", "inf", hex, NUL */
	*out = strtod(text, &end);
	return *end == '\0' && isfinite(*out);
}

static bool
to_number(const struct snmp_value *v, struct snmp_number *out)
{
	*out = (struct snmp_number){ .have = true, .v = (uint64_t)v->number };
	switch (v->type) {
	case SNMP_TYPE_INTEGER:
		out->real = (double)v->number;
		return true;
	case SNMP_TYPE_GAUGE:
	case SNMP_TYPE_TICKS:
		out->v &= UINT32_MAX;
		out->real = (double)out->v;
		return true;
	case SNMP_TYPE_COUNTER32:
		out->v &= UINT32_MAX;
		out->bits = 32;
		return true;
	case SNMP_TYPE_COUNTER64:
		out->bits = 64;
		return true;
	case SNMP_TYPE_DOUBLE:
		out->real = v->real;
		return isfinite(v->real);
	case SNMP_TYPE_STRING:
		return number_in_text(v, &out->real);
	case SNMP_TYPE_NONE:
	case SNMP_TYPE_OID:
		break;
	}
	return false;
}

static bool
slot_is_counter(enum snmp_slot slot)
{
	return slot >= SNMP_IN_OCTETS && slot <= SNMP_OUT_DISCARDS;
}

bool
snmp_reading_add(struct snmp_reading *r, enum snmp_slot slot, const struct snmp_value *v)
{
	struct snmp_number number;

	if (slot >= SNMP_SLOTS || slot == SNMP_IF_NAME || !to_number(v, &number))
		return false;
	if (slot < SNMP_OID0 && slot_is_counter(slot) != (number.bits != 0))
		return false;
	if (slot == SNMP_UPTIME && v->type != SNMP_TYPE_TICKS)
		return false;
	r->slot[slot] = number;
	r->any = true;
	return true;
}

void
snmp_tables_init(struct snmp_tables *t)
{
	*t = (struct snmp_tables){ .storage = -1, .memory = -1 };
}

void
snmp_tables_cpu(struct snmp_tables *t, const struct snmp_value *load)
{
	if (load->type != SNMP_TYPE_INTEGER || load->number < 0 || load->number > 100)
		return;
	t->cpu_sum += (uint64_t)load->number;
	t->cpus++;
}

void
snmp_tables_storage(struct snmp_tables *t, enum snmp_storage kind, const struct snmp_value *size,
    const struct snmp_value *used)
{
	double ratio, *to = kind == STORAGE_RAM ? &t->memory : &t->storage;

	if (kind == STORAGE_OTHER || size->type != SNMP_TYPE_INTEGER ||
	    used->type != SNMP_TYPE_INTEGER || size->number <= 0 || used->number < 0)
		return;
	ratio = (double)used->number / (double)size->number;
	if (ratio > 1)
		ratio = 1;
	if (ratio > *to)
		*to = ratio;
}

void
snmp_reading_tables(struct snmp_reading *r, const struct snmp_tables *t)
{
	if (t->cpus > 0)
		r->cpu = (double)t->cpu_sum / t->cpus / 100;
	r->storage = t->storage;
	r->memory = t->memory;
}

struct values { struct sample_value *v; uint32_t n; };

static void
put(struct values *out, uint32_t role, double value, uint64_t raw)
{
	if (out->n < SAMPLE_VALUES && isfinite(value))
		out->v[out->n++] = (struct sample_value){ .role = role, .value = value, .raw = raw };
}

/* Did the device restart between the two readings? */
static bool
restarted(const struct snmp_reading *before, const struct snmp_reading *now)
{
	const struct snmp_number *a = &before->slot[SNMP_UPTIME], *b = &now->slot[SNMP_UPTIME];
	uint64_t passed, expected, off;

	if (!a->have || !b->have || b->v >= a->v)
		return false;
	/* it counts hundredths in 32 bits: after 497 days they begin again */
	passed = (uint64_t)(now->at_ns - before->at_ns) / 10000000;
	expected = (a->v + passed) % TICKS_WRAP;
	off = expected > b->v ? expected - b->v : b->v - expected;
	if (off > TICKS_WRAP / 2)
		off = TICKS_WRAP - off;
	return off > UPTIME_SLACK_CS + passed / 20;
}

static bool
discontinued(const struct snmp_reading *before, const struct snmp_reading *now)
{
	const struct snmp_number *a = &before->slot[SNMP_DISCONTINUITY];
	const struct snmp_number *b = &now->slot[SNMP_DISCONTINUITY];

	return before->if_index != now->if_index || (a->have && b->have && a->v != b->v);
}

/*
 * What a counter grew by.  most: the most that can have passed.  false: it was reset, or may have
 * wrapped more than once.
 */
static bool
growth(const struct snmp_number *a, const struct snmp_number *b, double most, uint64_t *out)
{
	uint64_t range_mask = b->bits == 64 ? UINT64_MAX : UINT32_MAX;

	if (a->bits != b->bits)
		return false;
	if (b->bits == 32 && most > (double)UINT32_MAX)
		return false;
	*out = (b->v - a->v) & range_mask;
	return b->v >= a->v || (double)*out <= most;
}

struct pair { enum snmp_slot slot; uint32_t role; double factor; };

static uint32_t
put_rates(struct values *out, const struct snmp_reading *before, const struct snmp_reading *now,
    const struct pair *pair, size_t pairs)
{
	double seconds = (double)(now->at_ns - before->at_ns) / NS_PER_S;
	double speed = now->slot[SNMP_HIGH_SPEED].have ? now->slot[SNMP_HIGH_SPEED].real * 1e6 : 0;
	/* a frame has 64 bytes at least, so errors come at most as fast as bytes do */
	double most = (speed > 0 ? speed * 1.25 : WRAP_BPS) / 8 * seconds;
	uint32_t causes = 0;
	uint64_t grown;

	for (size_t i = 0; i < pairs; i++) {
		const struct snmp_number *a = &before->slot[pair[i].slot];
		const struct snmp_number *b = &now->slot[pair[i].slot];
		double limit = pair[i].factor == 8 ? most : most / 64;

		if (!a->have || !b->have || b->bits == 0)
			continue;
		if (b->bits == 32 && pair[i].factor != 8 && limit > UINT32_MAX)
			limit = UINT32_MAX;
		if (growth(a, b, limit, &grown))
			put(out, pair[i].role, (double)grown * pair[i].factor / seconds, b->v);
		else
			causes |= CAUSE_BIT(CAUSE_DISCONTINUITY);
	}
	return causes;
}

static uint32_t
rates(struct values *out, const struct snmp_reading *before, const struct snmp_reading *now)
{
	bool in64 = now->slot[SNMP_IN_OCTETS].have, out64 = now->slot[SNMP_OUT_OCTETS].have;
	struct pair pair[6 + SNMP_OIDS_MAX] = {
		{ in64 ? SNMP_IN_OCTETS : SNMP_IN_OCTETS_32, ROLE_IN_BPS, 8 },
		{ out64 ? SNMP_OUT_OCTETS : SNMP_OUT_OCTETS_32, ROLE_OUT_BPS, 8 },
		{ SNMP_IN_ERRORS, ROLE_IN_ERRORS, 1 }, { SNMP_OUT_ERRORS, ROLE_OUT_ERRORS, 1 },
		{ SNMP_IN_DISCARDS, ROLE_IN_DISCARDS, 1 },
		{ SNMP_OUT_DISCARDS, ROLE_OUT_DISCARDS, 1 },
	};

	for (unsigned i = 0; i < SNMP_OIDS_MAX; i++)
		pair[6 + i] = (struct pair){ SNMP_OID0 + i, ROLE_OID0 + i, 1 };
	if (!before->any || now->at_ns <= before->at_ns)
		return 0;
	if (restarted(before, now))
		return CAUSE_BIT(CAUSE_REBOOT);
	if (discontinued(before, now))
		return CAUSE_BIT(CAUSE_DISCONTINUITY);
	return put_rates(out, before, now, pair, 6 + SNMP_OIDS_MAX);
}

static double
memory_ratio(const struct snmp_reading *r)
{
	const struct snmp_number *total = &r->slot[SNMP_MEM_TOTAL];
	double free_kb = 0;

	if (!total->have || total->real <= 0 || !r->slot[SNMP_MEM_AVAILABLE].have)
		return r->memory;
	for (unsigned i = SNMP_MEM_AVAILABLE; i <= SNMP_MEM_CACHED; i++)
		if (r->slot[i].have && r->slot[i].real > 0)
			free_kb += r->slot[i].real;
	return free_kb >= total->real ? 0 : 1 - free_kb / total->real;
}

static void
gauges(struct values *out, const struct snmp_reading *r)
{
	const struct snmp_number *idle = &r->slot[SNMP_CPU_IDLE];
	double cpu = r->cpu, memory = memory_ratio(r);

	if (r->slot[SNMP_UPTIME].have)
		put(out, ROLE_UPTIME_S, r->slot[SNMP_UPTIME].real / 100, 0);
	if (r->slot[SNMP_OPER_STATUS].have)
		put(out, ROLE_OPER_STATUS, r->slot[SNMP_OPER_STATUS].real, 0);
	if (r->slot[SNMP_HIGH_SPEED].have)
		put(out, ROLE_SPEED_BPS, r->slot[SNMP_HIGH_SPEED].real * 1e6, 0);
	if (cpu < 0 && idle->have && idle->real >= 0 && idle->real <= 100)
		cpu = 1 - idle->real / 100;
	if (cpu >= 0)
		put(out, ROLE_CPU_RATIO, cpu, 0);
	if (memory >= 0)
		put(out, ROLE_MEM_RATIO, memory, 0);
	if (r->storage >= 0)
		put(out, ROLE_STORAGE_RATIO, r->storage, 0);
	for (unsigned i = 0; i < SNMP_OIDS_MAX; i++)
		if (r->slot[SNMP_OID0 + i].have && r->slot[SNMP_OID0 + i].bits == 0)
			put(out, ROLE_OID0 + i, r->slot[SNMP_OID0 + i].real, 0);
}

uint32_t
snmp_values(const struct snmp_reading *before, const struct snmp_reading *now,
    struct sample_value out[SAMPLE_VALUES], uint32_t *n)
{
	struct values values = { .v = out };
	uint32_t causes = rates(&values, before, now);

	gauges(&values, now);
	*n = values.n;
	return causes;
}
