/*
 * adhoc.c - from the command line to the exit status.
 */
#include "agent/adhoc.h"

#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/adhoc_print.h"
#include "common/log.h"
#include "common/mem.h"

#define NAME_COLUMN_MAX 40
#define SLIPPED_NS (100 * NS_PER_MS)	/* less is not worth a word */

enum { ALL_ANSWERED = 0, SOME_SILENT = 1, SOME_UNKNOWN = 2, USAGE = 3, NO_START = 4 };

struct totals {
	size_t targets, answered, unknown, away;
	uint64_t sent, received;
};

static void
on_fate(void *arg, size_t target, uint32_t round, uint32_t fate, uint32_t causes)
{
	const struct adhoc_opts *o = arg;

	adhoc_print_fate(stdout, adhoc_list_host(&o->list, target), round, fate, causes);
}

/* Did it answer, and let us in? */
static bool
answered(const struct adhoc_view *v)
{
	uint32_t turned_away = v->more != NULL ? v->more->beside[CAUSE_REFUSED] +
	    v->more->beside[CAUSE_TLS] + v->more->beside[CAUSE_SNMP_AUTH] : 0;

	return v->stats.received > turned_away;
}

static void
look(struct adhoc *a, const struct adhoc_opts *o, size_t i, uint32_t *scratch, char *address,
    struct adhoc_view *v)
{
	const struct adhoc_target *t = adhoc_target(a, i);

	*v = (struct adhoc_view){ .opts = o, .name = adhoc_list_host(&o->list, i),
		.port = o->list.entry[i].port, .fate = adhoc_fates(a, i), .more = t->more,
		.sorted = scratch };
	adhoc_stats(&v->stats, v->fate, o->count, scratch);
	if (t->probe.to_len > 0 && getnameinfo((const struct sockaddr *)&t->probe.to,
	    t->probe.to_len, address, NI_MAXHOST, NULL, 0, NI_NUMERICHOST) == 0)
		v->address = address;
}

static int
name_column(const struct adhoc_opts *o)
{
	size_t width = 6;

	for (size_t i = 0; i < o->list.n; i++) {
		size_t n = strlen(adhoc_list_host(&o->list, i));

		width = n > width ? n : width;
	}
	return (int)(width < NAME_COLUMN_MAX ? width : NAME_COLUMN_MAX);
}

/* All RTTs together; the fates of single targets are gone afterwards. */
static void
print_totals(struct adhoc *a, const struct adhoc_opts *o, const struct totals *t, bool utf8)
{
	uint32_t *all = adhoc_fates(a, 0);
	struct adhoc_stats s;

	adhoc_stats(&s, all, o->list.n * o->count, all);
	printf("%zu targets: %zu answered, %zu did not", t->targets, t->answered,
	    t->targets - t->answered - t->unknown - t->away);
	if (t->away > 0)
		printf(", %zu turned us away", t->away);
	if (t->unknown > 0)
		printf(", %zu without address", t->unknown);
	printf("; %" PRIu64 " sent, %" PRIu64 " answered", t->sent, t->received);
	if (t->sent > 0)
		printf(", %.3g %% lost", 100.0 * (double)(t->sent - t->received) / (double)t->sent);
	putchar('\n');
	if (s.received > 0) {
		printf("  min %.3f  median %.3f  p90 %.3f  max %.3f ms\n", s.min / 1e6, s.p50 / 1e6,
		    s.p90 / 1e6, s.max / 1e6);
		adhoc_print_hist(stdout, all, s.received, utf8);
	}
}

static void
print_notes(struct adhoc *a, const struct adhoc_opts *o)
{
	if (adhoc_foreign(a) > 0)
		log_warning("%" PRIu64 " replies came from somebody else than asked; not counted",
		    adhoc_foreign(a));
	if (adhoc_pace(a)->slipped_ns > SLIPPED_NS && !o->quiet)
		log_warning("this host was busy: requests left up to %.3f s later than planned",
		    (double)adhoc_pace(a)->slipped_ns / NS_PER_S);
}

static int
report(struct adhoc *a, const struct adhoc_opts *o)
{
	uint32_t *scratch = xcalloc(o->count, sizeof *scratch);
	bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	int width = name_column(o);
	struct totals t = { .targets = o->list.n };
	struct adhoc_view v;
	char address[NI_MAXHOST];

	if (!o->json && o->list.n > 1)
		adhoc_print_head(stdout, width);
	for (size_t i = 0; i < o->list.n; i++) {
		look(a, o, i, scratch, address, &v);
		t.unknown += v.address == NULL;
		t.answered += answered(&v);
		t.away += v.stats.received > 0 && !answered(&v);
		t.sent += v.stats.sent;
		t.received += v.stats.received;
		if (o->json)
			adhoc_print_json(stdout, &v);
		else if (o->list.n > 1)
			adhoc_print_row(stdout, &v, width, utf8);
		else
			adhoc_print_lone(stdout, &v, utf8);
	}
	if (!o->json && o->list.n > 1)
		print_totals(a, o, &t, utf8);
	print_notes(a, o);
	free(scratch);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		log_error("standard output: %s", strerror(errno));
		return NO_START;
	}
	return t.unknown > 0 ? SOME_UNKNOWN : t.answered < t.targets ? SOME_SILENT : ALL_ANSWERED;
}

static int
measure(const struct adhoc_opts *o)
{
	struct adhoc_events events = { .arg = (void *)o };
	struct adhoc *a;
	int rc;

	if (o->list.n == 1 && !o->json && !o->quiet)
		events.fate = on_fate;
	if (adhoc_new(&a, o, &events) != 0)
		return NO_START;
	rc = adhoc_run(a) == 0 ? report(a, o) : NO_START;
	adhoc_free(a);
	return rc;
}

int
adhoc_main(int argc, char **argv)
{
	struct adhoc_opts o;
	int rc = USAGE;

	(void)setlocale(LC_CTYPE, "");
	log_init("linkwatch-agent", LOG_WARNING);
	if (adhoc_opts_parse(&o, argc, argv, stdin, stderr) != 0) {
		fputs("linkwatch-agent probe --help tells the options\n", stderr);
	} else if (o.help) {
		adhoc_usage(stdout);
		rc = 0;
	} else {
		rc = measure(&o);
	}
	adhoc_list_free(&o.list);
	return rc;
}
