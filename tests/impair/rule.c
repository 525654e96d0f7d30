/*
 * rule.c - rules as text, and what they do to one packet (pure).
 */
#include "tests/impair/rule.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
dice_seed(struct dice *d, uint64_t seed)
{
	d->s[0] = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
	d->s[1] = seed ^ UINT64_C(0xD1B54A32D192ED03);
	for (int i = 0; i < 20; i++)
		dice_u64(d);
}

/* xorshift128+ */
uint64_t
dice_u64(struct dice *d)
{
	uint64_t a = d->s[0], b = d->s[1];

	d->s[0] = b;
	a ^= a << 23;
	d->s[1] = a ^ b ^ (a >> 18) ^ (b >> 5);
	return d->s[1] + b;
}

double
dice_unit(struct dice *d)
{
	return (double)(dice_u64(d) >> 11) * 0x1p-53;
}

static double
dice_gauss(struct dice *d)
{
	double u = 1 - dice_unit(d), v = dice_unit(d);

	return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

bool
dice_hit(struct dice *d, double percent)
{
	return percent > 0 && dice_unit(d) * 100 < percent;
}

static int64_t
parse_time(const char *s)
{
	char *end;
	double v = strtod(s, &end);

	if (strncmp(end, "us", 2) == 0)
		v *= 1e3;
	else if (strncmp(end, "ns", 2) == 0)
		v *= 1;
	else if (*end == 's')
		v *= 1e9;
	else
		v *= 1e6;
	return v < 0 ? 0 : (int64_t)v;
}

static double
parse_rate(const char *s)
{
	char *end;
	double v = strtod(s, &end);

	switch (*end) {
	case 'k':
		return v * 1e3;
	case 'M':
		return v * 1e6;
	case 'G':
		return v * 1e9;
	default:
		return v;
	}
}

/* What stands behind the comma of v, or NULL. */
static const char *
second(const char *v)
{
	const char *comma = strchr(v, ',');

	return comma != NULL ? comma + 1 : NULL;
}

/* Which of n words is v?  -1: none. */
static int
one_of(const char *v, const char *const *word, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(v, word[i]) == 0)
			return i;
	return -1;
}

static bool
set_word(struct rule *r, const char *key, const char *v)
{
	static const char *const mode[] = { "off", "open", "rst", "drop" };
	static const char *const forgery[FORGE_MAX] = {
		"off", "source", "id", "seq", "cookie", "short", "long", "sum",
	};
	static const char *const dist[] = { "uniform", "normal" };
	int i = -1;

	if (strcmp(key, "tcp") == 0 && (i = one_of(v, mode, 4)) >= 0)
		r->tcp = (enum tcp_mode)i;
	else if (strcmp(key, "forge") == 0 && (i = one_of(v, forgery, FORGE_MAX)) >= 0)
		r->forge = (enum forgery)i;
	else if (strcmp(key, "dist") == 0 && (i = one_of(v, dist, 2)) >= 0)
		r->normal = i == 1;
	else if (strcmp(key, "via") == 0)
		i = address_parse(v, &r->via);
	return i >= 0;
}

static bool
set_ge(struct rule *r, const char *v)
{
	if (sscanf(v, "%lf,%lf,%lf,%lf", &r->ge_p, &r->ge_r, &r->ge_h, &r->ge_k) != 4)
		return false;
	r->ge = r->ge_p > 0;
	if (r->ge_state == NULL)
		r->ge_state = calloc(65536, 1);
	return r->ge_state != NULL;
}

static bool
set_pair(struct rule *r, const char *key, const char *v)
{
	const char *next = second(v);

	if (strcmp(key, "reorder") == 0) {
		r->reorder = atof(v);
		r->reorder_ns = next != NULL ? parse_time(next) : 10000000;
	} else if (strcmp(key, "rate") == 0) {
		r->rate_bps = parse_rate(v);
		r->queue_ns = next != NULL ? parse_time(next) : 100000000;
	} else if (strcmp(key, "err") == 0) {
		r->err_type = atoi(v);
		r->err_code = next != NULL ? atoi(next) : 0;
	} else if (strcmp(key, "corrupt") == 0) {
		r->corrupt = atof(v);
		r->mend = next != NULL && strcmp(next, "cookie") == 0;
	} else if (strcmp(key, "ge") == 0) {
		return set_ge(r, v);
	} else {
		return set_word(r, key, v);
	}
	return true;
}

static bool
set_key(struct rule *r, const char *key, const char *v)
{
	const struct { const char *key; double *percent; } percent[] = {
		{ "loss", &r->loss }, { "dup", &r->dup },
	};
	const struct { const char *key; int *number; } number[] = {
		{ "echo", &r->echo }, { "hops", &r->hops }, { "mtu", &r->mtu }, { "quote", &r->quote },
	};
	const struct { const char *key; bool *flag; } flag[] = {
		{ "fifo", &r->fifo }, { "down", &r->down },
	};

	for (size_t i = 0; i < sizeof percent / sizeof percent[0]; i++)
		if (strcmp(key, percent[i].key) == 0) {
			*percent[i].percent = atof(v);
			return true;
		}
	for (size_t i = 0; i < sizeof flag / sizeof flag[0]; i++)
		if (strcmp(key, flag[i].key) == 0) {
			*flag[i].flag = atoi(v) != 0;
			return true;
		}
	for (size_t i = 0; i < sizeof number / sizeof number[0]; i++)
		if (strcmp(key, number[i].key) == 0) {
			*number[i].number = atoi(v);
			return true;
		}
	if (strcmp(key, "delay") == 0)
		r->delay_ns = parse_time(v);
	else if (strcmp(key, "jitter") == 0)
		r->jitter_ns = parse_time(v);
	else
		return set_pair(r, key, v);
	return true;
}

static struct rule *
find(struct rules *rs, const char *prefix, bool make)
{
	struct rule *r;
	struct prefix p;

	if (prefix_parse(prefix, &p) != 0)
		return NULL;
	for (size_t i = 0; i < rs->n; i++)
		if (rs->v[i].prefix.bits == p.bits && prefix_holds(&rs->v[i].prefix, p.net))
			return &rs->v[i];
	if (!make || rs->n == RULES_MAX)
		return NULL;
	r = &rs->v[rs->n++];
	*r = (struct rule){ .prefix = p, .echo = -1, .quote = -1 };
	return r;
}

struct rule *
rules_set(struct rules *rs, char *spec)
{
	char *save, *token = strtok_r(spec, " \t\n", &save);
	struct rule *r = token != NULL ? find(rs, token, true) : NULL;

	if (r == NULL)
		return NULL;
	while ((token = strtok_r(NULL, " \t\n", &save)) != NULL) {
		char *v = strchr(token, '=');

		if (v == NULL)
			return NULL;
		*v++ = '\0';
		if (!set_key(r, token, v))
			return NULL;
	}
	return r;
}

bool
rules_reset(struct rules *rs, const char *prefix)
{
	struct rule *r = find(rs, prefix, false);

	if (r == NULL)
		return false;
	free(r->ge_state);
	*r = (struct rule){ .prefix = r->prefix, .echo = -1, .quote = -1 };
	return true;
}

struct rule *
rules_match(struct rules *rs, struct address ip)
{
	struct rule *best = NULL;

	for (size_t i = 0; i < rs->n; i++) {
		struct rule *r = &rs->v[i];

		if (prefix_holds(&r->prefix, ip) &&
		    (best == NULL || r->prefix.bits > best->prefix.bits))
			best = r;
	}
	return best;
}

enum verdict
rule_fate(struct rule *r, struct dice *d, struct address key, int dir)
{
	if (r->down)
		return V_DOWN;
	if (r->ge) {
		uint8_t *state = &r->ge_state[key.lo & 0xffff], bit = (uint8_t)(1 << dir);

		if (dice_hit(d, (*state & bit) != 0 ? r->ge_r : r->ge_p))
			*state ^= bit;
		if (dice_hit(d, (*state & bit) != 0 ? r->ge_h : r->ge_k))
			return V_GELOSS;
	}
	return dice_hit(d, r->loss) ? V_LOSS : V_PASS;
}

bool
rule_error(const struct rule *r, const struct packet_info *info, size_t len, int *type, int *code,
    uint32_t *value)
{
	*code = 0;
	*value = 0;
	if (r->err_type != 0) {
		*type = r->err_type;
		*code = r->err_code;
	} else if (r->hops > 0 && info->ttl <= r->hops) {
		*type = info->v6 ? 3 : 11;
	} else if (r->mtu > 0 && len > (size_t)r->mtu && info->df) {
		*type = info->v6 ? 2 : 3;
		*code = info->v6 ? 0 : 4;
		*value = (uint32_t)r->mtu;
	} else {
		return false;
	}
	return true;
}

int64_t
rule_due(struct rule *r, struct dice *d, int64_t now_ns, int dir, size_t len)
{
	int64_t due = now_ns;
	double delay = (double)r->delay_ns;

	if (r->rate_bps > 0) {
		if (r->rate_free_ns < now_ns)
			r->rate_free_ns = now_ns;
		if (r->rate_free_ns - now_ns > r->queue_ns)
			return -1;
		r->rate_free_ns += (int64_t)((double)len * 8e9 / r->rate_bps);
		due = r->rate_free_ns;
	}
	if (r->jitter_ns > 0)
		delay += (double)r->jitter_ns * (r->normal ? dice_gauss(d) : 2 * dice_unit(d) - 1);
	if (dice_hit(d, r->reorder))
		delay += (double)r->reorder_ns;
	if (delay > 0)
		due += (int64_t)delay;
	if (r->fifo) {
		if (due < r->last_due_ns[dir])
			due = r->last_due_ns[dir];
		r->last_due_ns[dir] = due;
	}
	return due;
}
