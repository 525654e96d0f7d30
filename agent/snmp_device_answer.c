/*
 * snmp_device_answer.c - what an answer says, phase by phase.
 */
#include <string.h>

#include "agent/snmp_device_state.h"

#define ROWS_MAX 16384			/* of a column that is searched: then it has no end */
#define TABLE_ROWS_MAX 512		/* of one that is read at each poll */
#define SEARCH_AGAIN_NS (60 * NS_PER_S)	/* for an interface that was not found */

const uint32_t snmp_storage_column[3][11] = {
	{ 1, 3, 6, 1, 2, 1, 25, 2, 3, 1, 2 },	/* type */
	{ 1, 3, 6, 1, 2, 1, 25, 2, 3, 1, 5 },	/* size */
	{ 1, 3, 6, 1, 2, 1, 25, 2, 3, 1, 6 },	/* used */
};
const uint32_t snmp_processor_load[11] = { 1, 3, 6, 1, 2, 1, 25, 3, 3, 1, 2 };

/* An answer that cannot be read, or not to its end. */
void
snmp_device_rubbish(struct snmp_device *d)
{
	snmp_device_finish(d, PROBE_REPLY, CAUSE_BIT(CAUSE_SNMP_ERROR));
}

static bool
is_below(const struct snmp_bind *b, const uint32_t *root, size_t len)
{
	return b->len > len && memcmp(b->name, root, len * sizeof *root) == 0 &&
	    b->value.type != SNMP_TYPE_MISSING;
}

/* Is b a step forward in the walk?  A device that goes round in circles is not followed. */
static bool
walk_on(struct snmp_device *d, const struct snmp_bind *b, unsigned rows_max)
{
	struct walk *w = d->walk;

	if (++w->rows > rows_max || snmp_name_compare(b->name, b->len, w->name, w->len) <= 0)
		return false;
	memcpy(w->name, b->name, b->len * sizeof b->name[0]);
	w->len = b->len;
	return true;
}

static void
not_in_column(struct snmp_device *d, int64_t now_ns)
{
	if (!d->by_alias && ++d->column < SNMP_IF_COLUMNS) {
		snmp_device_walk(d, SEARCH, snmp_if_column[d->column].name,
		    snmp_if_column[d->column].len);
		return;
	}
	d->column = 0;
	d->search_ns = now_ns + SEARCH_AGAIN_NS;
	snmp_device_go_on(d, now_ns);
}

static void
searched(struct snmp_device *d, struct snmp_answer *a, int64_t now_ns)
{
	const struct snmp_var *root = &snmp_if_column[d->column];
	struct snmp_bind b;
	bool any = false;
	int rc;

	while ((rc = snmp_take_bind(a, &b)) == 1) {
		any = true;
		if (!is_below(&b, root->name, root->len) || !walk_on(d, &b, ROWS_MAX)) {
			not_in_column(d, now_ns);
			return;
		}
		if (b.len == root->len + 1 && b.name[root->len] > 0 &&
		    snmp_is_name(&b.value, d->pattern)) {
			d->if_index = b.name[root->len];	/* rows rise: it is the lowest */
			snmp_device_go_on(d, now_ns);
			return;
		}
	}
	if (rc < 0)
		snmp_device_rubbish(d);
	else if (any)
		snmp_device_request(d);
	else
		not_in_column(d, now_ns);
}

static void
end_of_scalars(struct snmp_device *d)
{
	const struct snmp_number *slot = d->now->slot;

	if (d->if_index > 0 && !slot[SNMP_IN_OCTETS].have && !slot[SNMP_IN_OCTETS_32].have)
		d->causes |= CAUSE_BIT(CAUSE_SNMP_NO_OBJECT);
	for (size_t i = 0; i < d->nameds; i++)
		if (!slot[SNMP_OID0 + i].have && (d->causes & CAUSE_BIT(CAUSE_SNMP_ERROR)) == 0)
			d->causes |= CAUSE_BIT(CAUSE_SNMP_NO_OBJECT);
	if (!d->host_values) {
		snmp_device_finish(d, PROBE_REPLY, 0);
		return;
	}
	snmp_tables_init(&d->tables);
	snmp_device_walk(d, STORAGE, snmp_storage_column[0], 11);
}

/* false: the interface has moved to another index. */
static bool
take_scalar(struct snmp_device *d, const struct snmp_var *var, const struct snmp_bind *b)
{
	if (b->len != var->len || memcmp(b->name, var->name, var->len * sizeof b->name[0]) != 0) {
		d->causes |= CAUSE_BIT(CAUSE_SNMP_ERROR);	/* not what was asked for */
		return true;
	}
	if (var->slot == SNMP_IF_NAME)
		return snmp_is_name(&b->value, d->pattern);
	if (var->slot >= SNMP_OID0)
		(void)snmp_reading_object(d->now, var->slot - SNMP_OID0,
		    d->type[var->slot - SNMP_OID0], &b->value);
	else
		(void)snmp_reading_add(d->now, var->slot, &b->value);
	return true;
}

static void
got(struct snmp_device *d, struct snmp_answer *a, int64_t now_ns)
{
	size_t vars = snmp_device_list(d);
	struct snmp_bind b;

	if (d->now->at_ns == 0)
		d->now->at_ns = now_ns;
	for (size_t i = 0; i < d->chunk; i++) {
		int rc = snmp_take_bind(a, &b);

		if (rc < 0) {
			snmp_device_rubbish(d);
			return;
		}
		if (rc == 0) {		/* it left some out */
			d->causes |= CAUSE_BIT(CAUSE_SNMP_ERROR);
			break;
		}
		if (!take_scalar(d, &d->env->var[d->next_var + i], &b)) {
			d->if_index = 0;
			d->search_ns = 0;
			snmp_device_go_on(d, now_ns);
			return;
		}
	}
	d->next_var += d->chunk;
	if (d->next_var < vars)
		snmp_device_request(d);
	else
		end_of_scalars(d);
}

static void
end_of_tables(struct snmp_device *d)
{
	snmp_reading_tables(d->now, &d->tables);
	snmp_device_finish(d, PROBE_REPLY, 0);
}

static void
end_of_storage(struct snmp_device *d)
{
	if (d->now->slot[SNMP_CPU_IDLE].have ||
	    (d->before != NULL && snmp_has_ticks(d->before, d->now)))
		end_of_tables(d);
	else
		snmp_device_walk(d, PROCESSORS, snmp_processor_load, 11);
}

/* One row: its type, size and used.  false: the table is at its end. */
static bool
take_row(struct snmp_device *d, const struct snmp_bind row[3])
{
	if (!is_below(&row[0], snmp_storage_column[0], 11) || !walk_on(d, &row[0], TABLE_ROWS_MAX))
		return false;
	for (unsigned c = 0; c < 3; c++)
		if (row[c].len != 12 || !is_below(&row[c], snmp_storage_column[c], 11) ||
		    row[c].name[11] != row[0].name[11])
			return true;	/* holes: some devices leave cells out */
	snmp_tables_storage(&d->tables, snmp_storage_kind(&row[0].value), &row[1].value,
	    &row[2].value);
	return true;
}

static void
took_storage(struct snmp_device *d, struct snmp_answer *a)
{
	struct snmp_bind row[3];
	bool any = false;

	for (;; any = true) {
		for (unsigned c = 0; c < 3; c++) {
			int rc = snmp_take_bind(a, &row[c]);

			if (rc == 1)
				continue;
			if (rc < 0)
				snmp_device_rubbish(d);
			else if (any)
				snmp_device_request(d);
			else
				end_of_storage(d);
			return;
		}
		if (!take_row(d, row)) {
			end_of_storage(d);
			return;
		}
	}
}

static void
took_processors(struct snmp_device *d, struct snmp_answer *a)
{
	struct snmp_bind b;
	bool any = false;
	int rc;

	while ((rc = snmp_take_bind(a, &b)) == 1) {
		any = true;
		if (!is_below(&b, snmp_processor_load, 11) || !walk_on(d, &b, TABLE_ROWS_MAX)) {
			end_of_tables(d);
			return;
		}
		snmp_tables_cpu(&d->tables, &b.value);
	}
	if (rc < 0)
		snmp_device_rubbish(d);
	else if (any)
		snmp_device_request(d);
	else
		end_of_tables(d);
}

/* A GET was refused: without the variable that it names, or without this chunk. */
static void
get_refused(struct snmp_device *d, const struct snmp_answer *a)
{
	size_t vars = snmp_device_list(d);

	if (a->index >= 1 && a->index <= d->chunk) {
		enum snmp_slot slot = d->env->var[d->next_var + a->index - 1].slot;

		d->skip |= UINT64_C(1) << slot;
		vars--;
	} else {
		d->next_var += d->chunk;
	}
	if (d->next_var < vars)
		snmp_device_request(d);
	else
		end_of_scalars(d);
}

static void
answer_with_error(struct snmp_device *d, const struct snmp_answer *a)
{
	if (a->status == SNMP_TOO_BIG && d->phase == GET && d->chunk > 1) {
		d->chunk_max = d->chunk / 2;
		snmp_device_request(d);
		return;
	}
	if (a->status == SNMP_NOT_AUTHORIZED || a->status == SNMP_NO_ACCESS) {
		snmp_device_finish(d, PROBE_REPLY, CAUSE_BIT(CAUSE_SNMP_AUTH));
		return;
	}
	d->causes |= CAUSE_BIT(a->status == SNMP_NO_SUCH_NAME ? CAUSE_SNMP_NO_OBJECT :
	    CAUSE_SNMP_ERROR);
	if (d->phase == GET)
		get_refused(d, a);
	else if (d->phase == PROCESSORS || d->phase == STORAGE)
		end_of_tables(d);
	else
		snmp_device_finish(d, PROBE_REPLY, 0);
}

void
snmp_device_take(struct snmp_device *d, struct snmp_answer *a, int64_t now_ns)
{
	if (a->status != 0) {
		answer_with_error(d, a);
		return;
	}
	switch (d->phase) {
	case SEARCH:
		searched(d, a, now_ns);
		break;
	case GET:
		got(d, a, now_ns);
		break;
	case STORAGE:
		took_storage(d, a);
		break;
	case PROCESSORS:
		took_processors(d, a);
		break;
	case IDLE:
	case DISCOVERY:
		break;
	}
}
