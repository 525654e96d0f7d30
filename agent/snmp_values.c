/*
 * snmp_values.c - gauges, rates, wraps, resets and restarts (pure).
 */
#include "agent/snmp_values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "agent/probe.h"
#include "agent/snmp_glob.h"
#include "common/clock.h"

#define NAME_BYTES_MAX 255		/* of an interface: a DisplayString has no more */
#define UPTIME_SLACK_CS 500		/* a device's clock may run so far apart from ours */
#define TICKS_WRAP (UINT64_C(1) << 32)
#define WRAP_BPS 100e9			/* taken for the speed of an interface that tells none */
#define WRAP_BPS_32 1e9			/* the same of one that has counters of 32 bits only */

void
snmp_reading_init(struct snmp_reading *r, int64_t at_ns)
{
	*r = (struct snmp_reading){ .at_ns = at_ns, .cpu = -1, .memory = -1, .storage = -1 };
}

bool
snmp_is_name(const struct snmp_value *v, const char *pattern)
{
	size_t len = v->len;

	if (v->type != SNMP_TYPE_STRING)
		return false;
	while (len > 0 && v->text[len - 1] == '\0')
		len--;
	/* to match takes as many steps as name and pattern have bytes, multiplied */
	return len <= NAME_BYTES_MAX && snmp_glob(pattern, v->text, len);
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
	case SNMP_TYPE_MISSING:
	case SNMP_TYPE_OID:
		break;
	}
	return false;
}

static bool
slot_is_counter(enum snmp_slot slot)
{
	return (slot >= SNMP_IN_OCTETS && slot <= SNMP_OUT_DISCARDS) ||
	    (slot >= SNMP_RAW_USER && slot <= SNMP_RAW_STEAL);
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

bool
snmp_reading_object(struct snmp_reading *r, size_t i, uint32_t type, const struct snmp_value *v)
{
	struct snmp_number number;

	if (i >= SNMP_OIDS_MAX || !to_number(v, &number))
		return false;
	if (type == OID_GAUGE && number.bits != 0) {
		number.real = (double)number.v;
		number.bits = 0;
	} else if (type == OID_COUNTER && number.bits == 0) {
		/* what has 32 bits begins again at 0; of the others nobody knows where */
		number.bits = v->type == SNMP_TYPE_GAUGE || v->type == SNMP_TYPE_TICKS ? 32 :
		    SNMP_REAL;
	}
	r->slot[SNMP_OID0 + i] = number;
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

enum snmp_storage
snmp_storage_kind(const struct snmp_value *type)
{
	static const uint8_t types[] = { 0x2b, 6, 1, 2, 1, 25, 2, 1 };	/* 1.3.6.1.2.1.25.2.1 */

	if (type->type != SNMP_TYPE_OID || type->len != sizeof types + 1 ||
	    memcmp(type->text, types, sizeof types) != 0)
		return STORAGE_OTHER;
	return type->text[sizeof types] == 2 ? STORAGE_RAM :
	    type->text[sizeof types] == 4 ? STORAGE_DISK : STORAGE_OTHER;
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
	uint64_t passed, expected, behind;

	if (!a->have || !b->have)
		return false;
	/* it counts hundredths in 32 bits: after 497 days they begin again */
	passed = (uint64_t)(now->at_ns - before->at_ns) / 10000000;
	expected = (a->v + passed) % TICKS_WRAP;
	behind = (expected - b->v) % TICKS_WRAP;
	if (behind > TICKS_WRAP / 2) {		/* ahead of what is expected */
		if (b->v >= a->v)
			return false;
		behind = TICKS_WRAP - behind;
	}
	return behind > UPTIME_SLACK_CS + passed / 20;
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
growth(const struct snmp_number *a, const struct snmp_number *b, double most, double *out)
{
	uint64_t range_mask = b->bits == 64 ? UINT64_MAX : UINT32_MAX, grown;

	if (a->bits != b->bits)
		return false;
	if (b->bits == SNMP_REAL) {
		*out = b->real - a->real;
		return *out >= 0;
	}
	if (b->bits == 32 && most > (double)UINT32_MAX)
		return false;
	grown = (b->v - a->v) & range_mask;
	*out = (double)grown;
	return b->v >= a->v || *out <= most;
}

struct pair { enum snmp_slot slot; uint32_t role; double factor; };

/* Bits a second, as the interface says; 0: it does not. */
static double
speed_of(const struct snmp_reading *r)
{
	const struct snmp_number *high = &r->slot[SNMP_HIGH_SPEED], *low = &r->slot[SNMP_SPEED];

	if (high->have && high->real > 0)
		return high->real * 1e6;
	return low->have && low->real > 0 ? low->real : 0;
}

/* The most that this counter can have grown by. */
static double
most_of(const struct pair *pair, uint8_t bits, double speed, double seconds)
{
	bool octets = pair->factor == 8;
	double bps = speed > 0 ? speed * 1.25 : octets && bits == 32 ? WRAP_BPS_32 : WRAP_BPS;
	double most = bps / 8 * seconds;

	if (octets)
		return most;
	/*
	 * A frame has 64 bytes at least.  A fall by less than half of 32 bits is taken for a reset
	 * at any speed: errors do not come by the thousand million.
	 */
	most /= 64;
	return bits == 32 && most > INT32_MAX ? INT32_MAX : most;
}

static uint32_t
put_rates(struct values *out, const struct snmp_reading *before, const struct snmp_reading *now,
    const struct pair *pair, size_t pairs)
{
	double seconds = (double)(now->at_ns - before->at_ns) / NS_PER_S, speed = speed_of(now);
	uint32_t causes = 0;
	double grown;

	for (size_t i = 0; i < pairs; i++) {
		const struct snmp_number *a = &before->slot[pair[i].slot];
		const struct snmp_number *b = &now->slot[pair[i].slot];

		if (!a->have || !b->have || b->bits == 0)
			continue;
		if (growth(a, b, most_of(&pair[i], b->bits, speed, seconds), &grown))
			put(out, pair[i].role, grown * pair[i].factor / seconds,
			    b->bits == SNMP_REAL ? 0 : b->v);
		else
			causes |= CAUSE_BIT(CAUSE_DISCONTINUITY);
	}
	return causes;
}

static uint32_t
interface_rates(struct values *out, const struct snmp_reading *before,
    const struct snmp_reading *now)
{
	bool in64 = now->slot[SNMP_IN_OCTETS].have, out64 = now->slot[SNMP_OUT_OCTETS].have;
	const struct pair pair[] = {
		{ in64 ? SNMP_IN_OCTETS : SNMP_IN_OCTETS_32, ROLE_IN_BPS, 8 },
		{ out64 ? SNMP_OUT_OCTETS : SNMP_OUT_OCTETS_32, ROLE_OUT_BPS, 8 },
		{ SNMP_IN_ERRORS, ROLE_IN_ERRORS, 1 }, { SNMP_OUT_ERRORS, ROLE_OUT_ERRORS, 1 },
		{ SNMP_IN_DISCARDS, ROLE_IN_DISCARDS, 1 },
		{ SNMP_OUT_DISCARDS, ROLE_OUT_DISCARDS, 1 },
	};

	if (discontinued(before, now))
		return CAUSE_BIT(CAUSE_DISCONTINUITY);
	return put_rates(out, before, now, pair, sizeof pair / sizeof pair[0]);
}

/* Growth of a counter of ticks, which wraps at 32 bits; 0 if it is not there. */
static double
ticks(const struct snmp_reading *before, const struct snmp_reading *now, enum snmp_slot slot)
{
	const struct snmp_number *a = &before->slot[slot], *b = &now->slot[slot];

	return a->have && b->have ? (double)((b->v - a->v) & UINT32_MAX) : 0;
}

/*
 * Share of time in which the processors were at work; < 0: not to be told.  Where the kernel's
 * ticks are counted, those of "system" hold them and the waiting too.
 */
static double
busy_ratio(const struct snmp_reading *before, const struct snmp_reading *now)
{
	double idle = ticks(before, now, SNMP_RAW_IDLE), busy = 0;

	if (!before->any || !before->slot[SNMP_RAW_IDLE].have ||
	    !now->slot[SNMP_RAW_IDLE].have || before->slot[SNMP_RAW_IDLE].v == 0)
		return -1;
	for (unsigned i = SNMP_RAW_USER; i <= SNMP_RAW_STEAL; i++)
		if (i != SNMP_RAW_IDLE && i != SNMP_RAW_WAIT && i != SNMP_RAW_KERNEL)
			busy += ticks(before, now, (enum snmp_slot)i);
	if (ticks(before, now, SNMP_RAW_KERNEL) == 0)
		idle += ticks(before, now, SNMP_RAW_WAIT);
	return idle + busy > 0 ? busy / (idle + busy) : -1;
}

bool
snmp_has_ticks(const struct snmp_reading *before, const struct snmp_reading *now)
{
	return before->any && before->slot[SNMP_RAW_IDLE].have && now->slot[SNMP_RAW_IDLE].have &&
	    before->slot[SNMP_RAW_IDLE].v > 0;
}

static uint32_t
rates(struct values *out, const struct snmp_reading *before, const struct snmp_reading *now,
    double *cpu)
{
	struct pair pair[SNMP_OIDS_MAX];
	uint32_t causes = 0;

	if (!before->any || now->at_ns <= before->at_ns)
		return 0;
	if (restarted(before, now))
		return CAUSE_BIT(CAUSE_REBOOT);
	for (unsigned i = 0; i < SNMP_OIDS_MAX; i++)
		pair[i] = (struct pair){ SNMP_OID0 + i, ROLE_OID0 + i, 1 };
	*cpu = busy_ratio(before, now);
	causes = interface_rates(out, before, now);
	return causes | put_rates(out, before, now, pair, SNMP_OIDS_MAX);
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
gauges(struct values *out, const struct snmp_reading *r, double cpu)
{
	const struct snmp_number *idle = &r->slot[SNMP_CPU_IDLE];
	double memory = memory_ratio(r), speed = speed_of(r);

	if (r->slot[SNMP_UPTIME].have)
		put(out, ROLE_UPTIME_S, r->slot[SNMP_UPTIME].real / 100, 0);
	if (r->slot[SNMP_OPER_STATUS].have)
		put(out, ROLE_OPER_STATUS, r->slot[SNMP_OPER_STATUS].real, 0);
	if (r->slot[SNMP_HIGH_SPEED].have || r->slot[SNMP_SPEED].have)
		put(out, ROLE_SPEED_BPS, speed, 0);
	if (cpu < 0)
		cpu = r->cpu;
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

/* Named objects times their scale; what is no number then is left out. */
static void
scale_objects(struct values *out, const double *scale)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < out->n; i++) {
		if (out->v[i].role >= ROLE_OID0)
			out->v[i].value *= scale[out->v[i].role - ROLE_OID0];
		if (isfinite(out->v[i].value))
			out->v[kept++] = out->v[i];
	}
	out->n = kept;
}

uint32_t
snmp_values(const struct snmp_reading *before, const struct snmp_reading *now,
    const double *scale, struct sample_value out[SAMPLE_VALUES], uint32_t *n)
{
	struct values values = { .v = out };
	double cpu = -1;
	uint32_t causes = rates(&values, before, now, &cpu);

	gauges(&values, now, cpu);
	if (scale != NULL)
		scale_objects(&values, scale);
	*n = values.n;
	return causes;
}
