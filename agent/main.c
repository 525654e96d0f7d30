/*
 * main.c - linkwatch-agent: options and exit status.
 *
 * 0: ended as asked, or the configuration is valid (-n).  1: could not start or
 * go on.  2: usage.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/adhoc.h"
#include "agent/agent.h"
#include "agent/explain.h"
#include "common/log.h"
#include "common/model.h"
#include "common/sandbox.h"

#define DEFAULT_FILE "/etc/linkwatch/agent.yaml"

static void
usage(FILE *f)
{
	fprintf(f, "usage: linkwatch-agent [-c FILE] [-n] [-hV]\n"
	    "       linkwatch-agent probe icmp|tcp|snmp [options] TARGET...\n"
	    "       linkwatch-agent explain [-c FILE] [--plan LINKS --agent ID] [--json]\n"
	    "  -c, --config FILE  configuration (" DEFAULT_FILE ")\n"
	    "  -n, --check        check it, print what holds, and end\n"
	    "  -V, --version      print the version\n"
	    "  -h, --help         print this\n");
}

static int
check_only(const struct agent_conf *conf)
{
	conf_print(&agent_conf_schema, conf, stdout);
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}

static int
run(struct agent_conf *conf, const char *file)
{
	struct agent *agent;
	int rc;

	log_init("linkwatch-agent", (enum log_level)conf->log_level);
	if (agent_new(&agent, conf, file) != 0)
		return 1;
	rc = agent_run(agent);
	agent_free(agent);
	return rc == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'n' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *file = DEFAULT_FILE;
	struct conf_errors errs = { 0 };
	struct agent_conf conf;
	bool check = false;
	int c, rc;

	sandbox_early();
	if (argc > 1 && strcmp(argv[1], "probe") == 0)
		return adhoc_main(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "explain") == 0)
		return explain_main(argc - 1, argv + 1);
	while ((c = getopt_long(argc, argv, "c:nVh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'n':
			check = true;
			break;
		case 'V':
			puts("linkwatch-agent " LW_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return 2;
	}
	rc = agent_conf_load(file, &conf, &errs);
	conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	if (rc != 0)
		return 1;
	if (!check)
		return run(&conf, file);
	rc = check_only(&conf);
	agent_conf_free(&conf);
	return rc;
}
