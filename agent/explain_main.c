/*
 * explain_main.c - `linkwatch-agent explain`: reads configuration and plan, and tells.
 *
 * The kept plan came from a collector, so power is given up before it is taken
 * apart.
 */
#include "agent/explain.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/guard.h"
#include "agent/snmp_worker.h"
#include "common/links.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sandbox.h"

#define DEFAULT_FILE "/etc/linkwatch/agent.yaml"
#define PLAN_MAX (1024 * 1024)
#define NOBODY "nobody"

struct options { const char *config, *plan, *agent; bool json, help; };

struct explain {
	struct options o;
	bool have_conf;
	struct agent_conf conf;
	struct guard *guard;
	struct snmp_worker *snmp;	/* for its judgement of secrets; it is never started */
	uint8_t *packed;		/* the kept plan, as it stands in its file */
	size_t packed_len;
	char *source;
	Linkwatch__Pb__Plan *plan;
};

static void
usage(FILE *f)
{
	fputs("usage: linkwatch-agent explain [-c FILE] [--plan LINKS --agent ID] [--json]\n"
	    "  -c, --config FILE  configuration (" DEFAULT_FILE ")\n"
	    "      --plan LINKS   a links.yaml, instead of the plan that the agent has\n"
	    "      --agent ID     whose links of it\n"
	    "      --json         as one JSON object\n", f);
}

static int
read_options(struct options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "plan", required_argument, NULL, 'p' },
		{ "agent", required_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;

	*o = (struct options){ 0 };
	optind = 0;
	while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (c == 'c')
			o->config = optarg;
		else if (c == 'p')
			o->plan = optarg;
		else if (c == 'a')
			o->agent = optarg;
		else if (c == 'j')
			o->json = true;
		else if (c == 'h')
			o->help = true;
		else
			return -EINVAL;
	}
	if (o->help)
		return 0;
	if (optind < argc)
		fprintf(stderr, "linkwatch-agent explain: '%s' is not an option\n", argv[optind]);
	else if ((o->plan == NULL) != (o->agent == NULL))
		fputs("linkwatch-agent explain: --plan and --agent belong together\n", stderr);
	else
		return 0;
	return -EINVAL;
}

/* A preview needs no agent.yaml, unless it was asked for by name. */
static int
load_conf(struct explain *e)
{
	const char *file = e->o.config != NULL ? e->o.config : DEFAULT_FILE;
	struct conf_errors errs = { 0 };
	size_t bad;
	int rc;

	if (e->o.plan != NULL && e->o.config == NULL && access(file, F_OK) != 0)
		return 0;
	rc = agent_conf_load(file, &e->conf, &errs);
	conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	if (rc != 0)
		return rc;
	e->have_conf = true;
	rc = guard_new(&e->guard, e->conf.guard.allow.v, e->conf.guard.allow.n,
	    (uint64_t)e->conf.guard.max_pps, &bad);
	if (rc == 0)
		rc = snmp_worker_new(&e->snmp, clock_real(), rng_real(),
		    e->conf.snmp_credentials.v, e->conf.snmp_credentials.n);
	if (rc != 0)
		log_error("%s: %s", file, strerror(-rc));
	return rc;
}

static int
load_links(struct explain *e)
{
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *all;
	int rc = links_load(e->o.plan, &all, &errs);

	conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	if (rc != 0)
		return rc;
	e->plan = links_for_agent(all, e->o.agent);
	links_free(all);
	e->source = xstrdup(e->o.plan);
	if (e->plan != NULL)
		return 0;
	log_error("%s: has no agent '%s'", e->o.plan, e->o.agent);
	return -ENOENT;
}

static int
read_kept(struct explain *e)
{
	struct stat st;
	ssize_t n = -1;
	int fd;

	e->source = xasprintf("%s/plan", e->conf.state_dir);
	/* root reads it, where the agent writes: no link or pipe is put in its place */
	fd = open(e->source, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0 && fstat(fd, &st) == 0) {
		if (!S_ISREG(st.st_mode)) {
			errno = EINVAL;
		} else if (st.st_size > PLAN_MAX) {
			errno = EFBIG;
		} else {
			e->packed = xmalloc((size_t)st.st_size + 1);
			n = read(fd, e->packed, (size_t)st.st_size);
		}
	}
	if (n < 0) {
		int err = errno;

		log_error("%s: %s%s", e->source, strerror(err), err == ENOENT ?
		    ": the agent has not got a plan yet" : "");
		if (fd >= 0)
			close(fd);
		return -err;
	}
	e->packed_len = (size_t)n;
	close(fd);
	return 0;
}

static int
drop_power(void)
{
	bool root = geteuid() == 0 && getpwnam(NOBODY) != NULL;
	char why[320];
	int rc = sandbox_drop(root ? NOBODY : NULL, NULL, why, sizeof why);

	if (rc != 0)
		log_error("cannot give up power: %s", why);
	return rc;
}

static int
load(struct explain *e)
{
	int rc = load_conf(e);

	if (rc == 0)
		rc = e->o.plan != NULL ? load_links(e) : read_kept(e);
	if (rc == 0)
		rc = drop_power();
	if (rc != 0 || e->plan != NULL)
		return rc;
	e->plan = linkwatch__pb__plan__unpack(NULL, e->packed_len, e->packed);
	if (e->plan != NULL)
		return 0;
	log_error("%s: is not a plan", e->source);
	return -EBADMSG;
}

/* How often this kernel sends a SYN again; its usual number where it does not say. */
static unsigned
syn_retries(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_syn_retries", "re");
	unsigned n = 6;

	if (f == NULL)
		return n;
	if (fscanf(f, "%u", &n) != 1 || n > 127)
		n = 127;
	fclose(f);
	return n;
}

static bool
knows(void *arg, const char *credential)
{
	return snmp_worker_knows(arg, credential);
}

static int
tell(struct explain *e)
{
	struct explain_host host = { .guard = e->guard, .knows = knows, .arg = e->snmp,
		.syn_retries = syn_retries() };
	const struct agent_conf *conf = e->have_conf ? &e->conf : NULL;
	struct explanation x;

	explain_plan(e->plan, &host, &x);
	if (e->o.json)
		(void)explain_json(stdout, &x, conf, e->source, e->plan->revision);
	else
		explain_text(stdout, &x, conf, e->source, e->plan->revision);
	explain_free(&x);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	log_error("standard output: %s", strerror(errno));
	return 1;
}

int
explain_main(int argc, char **argv)
{
	struct explain e = { 0 };
	int rc;

	log_init("linkwatch-agent", LOG_WARNING);
	if (read_options(&e.o, argc, argv) != 0) {
		usage(stderr);
		return 2;
	}
	if (e.o.help) {
		usage(stdout);
		return 0;
	}
	rc = load(&e) == 0 ? tell(&e) : 1;
	links_free(e.plan);
	guard_free(e.guard);
	snmp_worker_free(e.snmp);
	if (e.have_conf)
		agent_conf_free(&e.conf);
	free(e.packed);
	free(e.source);
	return rc;
}
