/*
 * main.c - linkwatch-loadgen: any number of agents for one collector.
 *
 *   linkwatch-loadgen prepare DIR [SHAPE]    certificates, links.yaml, collector.yaml
 *   linkwatch-collector -c DIR/collector.yaml
 *   linkwatch-loadgen run DIR [OPTIONS]      the load; prints its figures as JSON
 *   linkwatch-loadgen check DIR              was what was acknowledged written, once?
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/model.h"
#include "tests/loadgen/fleet.h"

enum key {
	AGENTS = 256, LINKS, STEP, RTTS, BATCH, SEED, ADDRESS, PORT, BACKLOG, BACKLOG_AGENTS, SECONDS, WINDOW, RATE,
	CONNECTS, STORMS, LIVE, IDLE, RESUME, CONTROL, MISBEHAVE, BAD, JOURNAL,
};

struct options {
	struct site site;
	struct fleet_opts fleet;
	const char *journal;
};

static void
usage(FILE *f)
{
	fputs("usage: linkwatch-loadgen prepare DIR [OPTIONS]\n"
	    "       linkwatch-loadgen run DIR [OPTIONS]\n"
	    "       linkwatch-loadgen check DIR [--journal JOURNAL]\n"
	    "prepare makes certificates, links.yaml and collector.yaml for\n"
	    "  --agents N          how many (10)\n"
	    "  --links N           of each (20)\n"
	    "  --step DURATION     between two samples of a link (1s)\n"
	    "  --rtts N            packets in a step (10)\n"
	    "  --batch N           samples in a batch (20)\n"
	    "  --seed N            other measurements (1)\n"
	    "  --address IP --port N   where the collector listens (127.0.0.1, 7466)\n"
	    "run is the agents' side, over mutual TLS, and prints figures as JSON:\n"
	    "  --agents N          the first so many (all)\n"
	    "  --backlog DURATION  they begin so long ago and send as fast as acks allow (0s)\n"
	    "  --backlog-agents N  only the first so many; the others begin now (all)\n"
	    "  --live              goes on with what is measured from now on\n"
	    "  --idle              connects and sends nothing\n"
	    "  --seconds S         stops then (when all is acknowledged; --live: on SIGINT)\n"
	    "  --rate N            samples a second of all together, at most\n"
	    "  --window N          batches in flight, at most (what the collector allows)\n"
	    "  --connects N        connections begun in a second (all at once)\n"
	    "  --storms N          all leave and come back at once, so often\n"
	    "  --resume            goes on where the last run stopped (state.json)\n"
	    "  --control           reads storm, stat, stop from stdin, prints a line for each event\n"
	    "  --bad N --misbehave MODE    the last N agents break the protocol:\n", f);
	misbehaviour_list(f);
	fputs("check reads the journal of a collector on this host (DIR/collector/journal): exit status 0\n"
	    "if it holds every acknowledged batch, each once and byte for byte.\n"
	    "  -h, --help   -V, --version\n", f);
}

/* ---------------------------------------------------------------------- options */

static int
bad(const char *option, const char *text, const char *what)
{
	fprintf(stderr, "linkwatch-loadgen: --%s %s: %s\n", option, text, what);
	return -EINVAL;
}

static int
parse_number(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || *out < min || *out > max) {
		char what[80];

		snprintf(what, sizeof what, "must be a number from %llu to %llu", (unsigned long long)min,
		    (unsigned long long)max);
		return bad(option, text, what);
	}
	return 0;
}

/* 250ms, 10s, 5m, 2h, 3d. */
static int
parse_duration(const char *option, const char *text, int64_t *ns)
{
	static const struct { const char *unit; int64_t ns; } units[] = {
		{ "ms", NS_PER_MS }, { "s", NS_PER_S }, { "m", 60 * NS_PER_S }, { "h", 3600 * NS_PER_S },
		{ "d", 86400 * NS_PER_S },
	};
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(text, &end, 10);
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (errno == 0 && end != text && text[0] != '-' && strcmp(end, units[i].unit) == 0 &&
		    v <= 366ull * 86400 * (unsigned long long)NS_PER_S / (unsigned long long)units[i].ns) {
			*ns = (int64_t)v * units[i].ns;
			return 0;
		}
	return bad(option, text, "must be a duration such as 250ms, 10s, 5m, 2h or 3d");
}

static const struct option options[] = {
	{ "agents", 1, NULL, AGENTS }, { "links", 1, NULL, LINKS }, { "step", 1, NULL, STEP },
	{ "rtts", 1, NULL, RTTS }, { "batch", 1, NULL, BATCH }, { "seed", 1, NULL, SEED },
	{ "address", 1, NULL, ADDRESS }, { "port", 1, NULL, PORT }, { "backlog", 1, NULL, BACKLOG },
	{ "backlog-agents", 1, NULL, BACKLOG_AGENTS }, { "seconds", 1, NULL, SECONDS },
	{ "window", 1, NULL, WINDOW }, { "rate", 1, NULL, RATE }, { "connects", 1, NULL, CONNECTS },
	{ "storms", 1, NULL, STORMS }, { "live", 0, NULL, LIVE }, { "idle", 0, NULL, IDLE },
	{ "resume", 0, NULL, RESUME }, { "control", 0, NULL, CONTROL }, { "misbehave", 1, NULL, MISBEHAVE },
	{ "bad", 1, NULL, BAD }, { "journal", 1, NULL, JOURNAL }, { "help", 0, NULL, 'h' },
	{ "version", 0, NULL, 'V' }, { NULL, 0, NULL, 0 },
};

static const char *
name_of(int key)
{
	const struct option *o = options;

	while (o->val != key)
		o++;
	return o->name;
}

/* An option whose value is a number or a duration. */
static int
set_number(struct options *o, int key, const char *text)
{
	const struct { int key; uint64_t min, max; uint32_t *out; } number[] = {
		{ LINKS, 1, LOAD_LINKS_MAX, &o->site.shape.links },
		{ RTTS, 1, 100, &o->site.shape.rtts }, { BATCH, 1, 10000, &o->site.shape.batch },
		{ BACKLOG_AGENTS, 1, LOAD_AGENTS_MAX, &o->fleet.backlog_agents },
		{ WINDOW, 1, 1024, &o->fleet.window }, { CONNECTS, 1, 1000000, &o->fleet.connects },
		{ STORMS, 0, 1000, &o->fleet.storms }, { BAD, 1, LOAD_AGENTS_MAX, &o->fleet.bad },
	};
	uint64_t v;

	for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) {
		if (number[i].key != key)
			continue;
		if (parse_number(name_of(key), text, number[i].min, number[i].max, &v) != 0)
			return -EINVAL;
		*number[i].out = (uint32_t)v;
	}
	return 0;
}

static int
set(struct options *o, int key, const char *text)
{
	uint64_t v = 0;
	int64_t ns = 0;
	int r = 0;

	switch (key) {
	case AGENTS:
		r = parse_number("agents", text, 1, LOAD_AGENTS_MAX, &v);
		o->site.shape.agents = o->fleet.agents = (uint32_t)v;
		return r;
	case STEP:
		r = parse_duration("step", text, &ns);
		o->site.shape.step_ms = ns / NS_PER_MS > 300000 ? 0 : (uint32_t)(ns / NS_PER_MS);
		return r;
	case SEED:
		return parse_number("seed", text, 0, INT64_MAX, &o->site.shape.seed);
	case RATE:
		return parse_number("rate", text, 1, 1000000000, &o->fleet.rate);
	case PORT:
		r = parse_number("port", text, 1, 65535, &v);
		o->site.port = (uint16_t)v;
		return r;
	case ADDRESS:
		return snprintf(o->site.address, sizeof o->site.address, "%s", text) <
		    (int)sizeof o->site.address ? 0 : bad("address", text, "is too long");
	case BACKLOG:
		return parse_duration("backlog", text, &o->fleet.backlog_ns);
	case SECONDS:
		r = parse_number("seconds", text, 1, 1000000, &v);
		o->fleet.duration_ns = (int64_t)v * NS_PER_S;
		return r;
	case MISBEHAVE:
		o->fleet.misbehaviour = misbehaviour_find(text);
		return o->fleet.misbehaviour != NULL ? 0 : bad("misbehave", text, "no such mode (--help lists them)");
	case JOURNAL:
		o->journal = text;
		return 0;
	default:
		return set_number(o, key, text);
	}
}

/* Flags, too.  0: go on; else the exit status + 1. */
static int
parse(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		o->fleet.live |= c == LIVE;
		o->fleet.idle |= c == IDLE;
		o->fleet.resume |= c == RESUME;
		o->fleet.control |= c == CONTROL;
		if (c == 'h') {
			usage(stdout);
			return 1;
		}
		if (c == 'V') {
			printf("linkwatch-loadgen %s\n", LW_VERSION);
			return 1;
		}
		if (c == '?') {
			fprintf(stderr, "linkwatch-loadgen: --help tells the options\n");
			return 3;
		}
		if (optarg != NULL && set(o, c, optarg) != 0)
			return 3;
	}
	return 0;
}

/* --------------------------------------------------------------------- commands */

static int
check_address(const char *address)
{
	struct in6_addr any;

	if (inet_pton(AF_INET, address, &any) == 1 || inet_pton(AF_INET6, address, &any) == 1)
		return 0;
	fprintf(stderr, "linkwatch-loadgen: %s is no address\n", address);
	return -EINVAL;
}

static int
prepare(struct options *o, const char *dir)
{
	char why[256];

	o->site.dir = dir;
	if (check_address(o->site.address) != 0)
		return 1;
	if (site_prepare(&o->site, why, sizeof why) != 0) {
		fprintf(stderr, "linkwatch-loadgen: %s\n", why);
		return 1;
	}
	printf("%s: %u agents of %u links; start linkwatch-collector -c %s/collector.yaml\n", dir,
	    o->site.shape.agents, o->site.shape.links, dir);
	return 0;
}

/* run and check: the shape is what prepare made it. */
static int
load(struct options *o, const char *dir)
{
	struct site given = o->site;
	char why[256];

	if (site_load(&o->site, dir, why, sizeof why) != 0) {
		fprintf(stderr, "linkwatch-loadgen: %s\n", why);
		return -1;
	}
	if (given.port != 0)
		o->site.port = given.port;
	if (given.address[0] != '\0')
		memcpy(o->site.address, given.address, sizeof given.address);
	return check_address(o->site.address);
}

static int
run_command(struct options *o, const char *command, const char *dir)
{
	char *journal;
	int status;

	if (strcmp(command, "prepare") == 0)
		return prepare(o, dir);
	if (strcmp(command, "run") != 0 && strcmp(command, "check") != 0) {
		fprintf(stderr, "linkwatch-loadgen: no command '%s'\n", command);
		return 2;
	}
	if ((o->fleet.misbehaviour != NULL) != (o->fleet.bad > 0)) {
		fprintf(stderr, "linkwatch-loadgen: --bad and --misbehave go together\n");
		return 2;
	}
	if (load(o, dir) != 0)
		return 1;
	if (command[0] == 'r')
		return fleet_run(&o->site, &o->fleet);
	journal = o->journal != NULL ? NULL : site_path(dir, "collector", "journal");
	status = check_journal(&o->site, o->journal != NULL ? o->journal : journal);
	free(journal);
	return status;
}

int
main(int argc, char **argv)
{
	static const struct load_shape shape = { .agents = 10, .links = 20, .step_ms = 1000, .rtts = 10, .batch = 20,
		.seed = 1 };
	struct options o = { .site = { .shape = shape } };
	int status = parse(&o, argc, argv);
	bool preparing;

	if (status != 0)
		return status - 1;
	if (argc - optind != 2) {
		usage(stderr);
		return 2;
	}
	preparing = strcmp(argv[optind], "prepare") == 0;
	if (preparing && o.site.port == 0)
		o.site.port = 7466;
	if (preparing && o.site.address[0] == '\0')
		snprintf(o.site.address, sizeof o.site.address, "127.0.0.1");
	log_init("linkwatch-loadgen", LOG_ERROR);
	return run_command(&o, argv[optind], argv[optind + 1]);
}
