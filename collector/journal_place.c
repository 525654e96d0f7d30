/*
 * journal_place.c - which journal the tools look at (see journal_place.h).
 */
#include "collector/journal_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/collector_conf.h"
#include "common/mem.h"

#define OPTION "--journal"

/* Takes n words out of argv, from at on. */
static void
take_out(int *argc, char **argv, int at, int n)
{
	memmove(argv + at, argv + at + n, (size_t)(*argc - at - n + 1) * sizeof *argv);
	*argc -= n;
}

static int
from_conf(struct journal_place *p, const char *path)
{
	struct conf_errors errs = { 0 };
	struct collector_conf *conf = NULL;

	collector_conf_load(path, &conf, &errs);
	if (conf == NULL)
		conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	if (conf == NULL)
		return 1;
	p->dir = collector_conf_path(conf, "journal");
	p->past_ns = conf->ingest.past_ns;
	p->future_ns = conf->ingest.future_ns;
	collector_conf_free(conf);
	return 0;
}

int
journal_place_find(struct journal_place *p, const char *conf, int *argc, char **argv)
{
	const size_t n = sizeof OPTION - 1;

	/* Without a configuration the limits are those that it may set at most. */
	*p = (struct journal_place){ .past_ns = INT64_MAX, .future_ns = INT64_C(86400000000000) };
	for (int i = 0; i < *argc; i++) {
		if (strcmp(argv[i], OPTION) == 0 && i + 1 < *argc) {
			p->dir = xstrdup(argv[i + 1]);
			take_out(argc, argv, i, 2);
			return 0;
		}
		if (strncmp(argv[i], OPTION "=", n + 1) == 0) {
			p->dir = xstrdup(argv[i] + n + 1);
			take_out(argc, argv, i, 1);
			return 0;
		}
	}
	return from_conf(p, conf);
}

void
journal_place_fini(struct journal_place *p)
{
	free(p->dir);
	p->dir = NULL;
}
