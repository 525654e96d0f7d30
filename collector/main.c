/*
 * main.c - linkwatch-collector: options, and which of its parts to be.
 *
 * Without a role it is the supervisor of ingest, store and web; with --role
 * (the supervisor's own use) one of them; with a command a tool.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/ssl.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/graph_worker.h"
#include "collector/ingest.h"
#include "collector/journal_tool.h"
#include "collector/shelf.h"
#include "collector/store.h"
#include "collector/supervisor.h"
#include "collector/tail.h"
#include "collector/web.h"
#include "common/collector_conf.h"
#include "common/disk.h"
#include "common/links.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/model.h"
#include "common/sandbox.h"
#include "common/tls.h"

#define CONF_DEFAULT "/etc/linkwatch/collector.yaml"

struct options {
	const char *conf;
	const char *role;
	bool check;
	int after_signal;
};

static void
usage(FILE *f)
{
	fprintf(f,
	    "usage: linkwatch-collector [-nVh] [-c FILE]\n"
	    "       linkwatch-collector [-c FILE] journal verify | stat | export --link AGENT/LINK [OPTIONS]\n"
	    "       linkwatch-collector [-c FILE] tail [--link AGENT/LINK]... [--agent AGENT]... [--json]\n"
	    "       linkwatch-collector [-c FILE] rebuild --link AGENT/LINK\n"
	    "       linkwatch-collector passwd FILE USER [ROLE]\n"
	    "       linkwatch-collector token add | list | revoke FILE ...\n"
	    "  -c FILE  configuration (" CONF_DEFAULT ")\n"
	    "  -n       check the configuration and links.yaml, then exit\n"
	    "  -V       print the version\n"
	    "  -h       this text\n");
}

/* ---------------------------------------------------------------- checking */

static struct collector_conf *
load_conf(const char *path)
{
	struct conf_errors errs = { 0 };
	struct collector_conf *conf = NULL;

	collector_conf_load(path, &conf, &errs);
	conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	return conf;
}

/* -n: everything that a start would read. */
static int
check(const struct collector_conf *conf)
{
	struct tls_files files = { .ca = conf->listen.ca, .cert = conf->listen.cert,
		.key = conf->listen.key, .crl = conf->listen.crl };
	struct conf_errors errs = { 0 };
	Linkwatch__Pb__Plan *plan = NULL;
	struct ssl_ctx_st *ctx;
	char why[256];
	int status = 0;

	if (links_load(conf->links, &plan, &errs) != 0)
		status = 1;
	conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	links_free(plan);
	ctx = tls_context_new(&files, true, why, sizeof why);
	if (ctx == NULL) {
		fprintf(stderr, "linkwatch-collector: listen: %s\n", why);
		status = 1;
	}
	SSL_CTX_free(ctx);
	return status;
}

/* ---------------------------------------------------------------- starting */

/* Makes a directory of ours; one that root has just made is given to the user. */
static int
make_dir(const char *path, const struct passwd *pw)
{
	bool made = mkdir(path, 0700) == 0;

	if (!made && errno != EEXIST)
		return -errno;
	if (made && pw != NULL && chown(path, pw->pw_uid, pw->pw_gid) != 0)
		return -errno;
	/* Or a power cut takes it away with all that is in it; the one who made it may have died first. */
	return disk_sync_parent(path);
}

static int
make_dirs(const struct collector_conf *conf)
{
	static const char *const sub[] = { ".", "journal", "rrd" };
	struct passwd *pw = conf->user != NULL && geteuid() == 0 ? getpwnam(conf->user) : NULL;

	for (size_t i = 0; i < sizeof sub / sizeof sub[0]; i++) {
		char *path = i == 0 ? xstrdup(conf->state) : collector_conf_path(conf, sub[i]);
		int r = make_dir(path, pw);

		if (r != 0)
			log_error("%s: %s", path, strerror(-r));
		free(path);
		if (r != 0)
			return r;
	}
	return 0;
}

static int
supervise(const struct options *o, const struct collector_conf *conf)
{
	static const char *const all[] = { "ingest", "store", "web", NULL };
	static const char *const no_web[] = { "ingest", "store", NULL };
	struct supervisor_opts so = { .conf_path = o->conf, .keeper = "ingest",
		.role = conf->web.enabled ? all : no_web };
	int r = check(conf);

	if (r != 0 || make_dirs(conf) != 0)
		return 1;
	log_notice("linkwatch-collector %s '%s', state in %s", LW_VERSION, conf->id, conf->state);
	return supervisor_run(&so);
}

static int
play_role(const struct options *o, const struct collector_conf *conf)
{
	int sig = o->after_signal;

	if (strcmp(o->role, "ingest") == 0)
		return ingest_main(conf, o->conf);
	if (strcmp(o->role, "store") == 0)
		return store_main(conf, sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGABRT ||
		    sig == SIGILL);
	if (strcmp(o->role, "web") == 0)
		return web_main(conf);
	usage(stderr);
	return 2;
}

/* ------------------------------------------------------------------- tools */

/* A running store does it at once; otherwise the next one will. */
static int
rebuild(const struct collector_conf *conf, int argc, char **argv)
{
	char line[SERIES_PATH_MAX + 16], answer[128], why[256];
	char *dir;
	int r;

	if (argc != 3 || strcmp(argv[1], "--link") != 0 ||
	    snprintf(line, sizeof line, "rebuild %s", argv[2]) >= (int)sizeof line) {
		usage(stderr);
		return 2;
	}
	r = store_ask(conf, line, answer, sizeof answer);
	if (r == 0) {
		if (strcmp(answer, "ok") == 0)
			return 0;
		fprintf(stderr, "linkwatch-collector: %s: %s\n", argv[2], answer);
		return 1;
	}
	if (r != -ENOENT && r != -ECONNREFUSED) {
		fprintf(stderr, "linkwatch-collector: store: %s\n", strerror(-r));
		return 1;
	}
	dir = collector_conf_path(conf, "rrd");
	r = shelf_note_rebuild(dir, argv[2], why, sizeof why);
	free(dir);
	if (r != 0) {
		fprintf(stderr, "linkwatch-collector: %s\n", why);
		return 1;
	}
	printf("no store is running: the next one will rebuild %s\n", argv[2]);
	return 0;
}

static int
run_journal_tool(const struct options *o, int argc, char **argv)
{
	struct journal_place place;
	int r = journal_place_find(&place, o->conf, &argc, argv);

	if (r == 0)
		r = journal_tool(&place, argc - 1, argv + 1);
	journal_place_fini(&place);
	return r;
}

static int
run_command(const struct options *o, int argc, char **argv)
{
	struct collector_conf *conf;
	int status;

	if (strcmp(argv[0], "passwd") == 0)
		return web_passwd_main(argc, argv);
	if (strcmp(argv[0], "token") == 0)
		return web_token_main(argc, argv);
	if (strcmp(argv[0], "tail") == 0)
		return tail_main(o->conf, argc, argv);
	if (strcmp(argv[0], "journal") == 0)
		return run_journal_tool(o, argc, argv);
	if (strcmp(argv[0], "rebuild") != 0) {
		fprintf(stderr, "linkwatch-collector: no command '%s'\n", argv[0]);
		usage(stderr);
		return 2;
	}
	conf = load_conf(o->conf);
	if (conf == NULL)
		return 1;
	status = rebuild(conf, argc, argv);
	collector_conf_free(conf);
	return status;
}

/* ----------------------------------------------------------------- options */

/* 0: go on; else the exit status + 1. */
static int
parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "role", required_argument, NULL, 'r' }, { "after-signal", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "+c:nVh", longopts, NULL)) != -1)
		switch (c) {
		case 'c':
			o->conf = optarg;
			break;
		case 'n':
			o->check = true;
			break;
		case 'r':
			o->role = optarg;
			break;
		case 's':
			o->after_signal = atoi(optarg);
			break;
		case 'V':
			printf("linkwatch-collector %s\n", LW_VERSION);
			return 1;
		case 'h':
			usage(stdout);
			return 1;
		default:
			usage(stderr);
			return 3;
		}
	return 0;
}

int
main(int argc, char **argv)
{
	struct options o = { .conf = CONF_DEFAULT };
	struct collector_conf *conf;
	char program[64] = "linkwatch-collector";
	int status = parse_options(&o, argc, argv);

	if (status != 0)
		return status - 1;
	sandbox_early();
	if (o.role != NULL)
		snprintf(program, sizeof program, "collector-%.20s", o.role);
	log_init(program, LOG_NOTICE);
	if (o.role != NULL && strcmp(o.role, "graph") == 0)
		return graph_worker_main();
	if (optind < argc)
		return run_command(&o, argc - optind, argv + optind);
	conf = load_conf(o.conf);
	if (conf == NULL)
		return 1;
	log_set_level((enum log_level)conf->log_level);
	status = o.check ? check(conf) : o.role != NULL ? play_role(&o, conf) : supervise(&o, conf);
	collector_conf_free(conf);
	return status;
}
