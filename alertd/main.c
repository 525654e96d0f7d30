/*
 * main.c - linkwatch-alertd: options, signals, privilege drop, loop, exit status.
 */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alertd/shell.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sandbox.h"

#define DRAIN_S 5	/* at the end, for answers of gateways */

static const char usage[] =
    "usage: linkwatch-alertd [-nV] [-c FILE]\n"
    "  -c FILE  configuration (/etc/linkwatch/alertd.yaml)\n"
    "  -n       check the configuration and end\n"
    "  -V       print the version\n"
    "  -h       print this\n";

struct ending {
	struct shell *sh;
	int rounds;
	struct event *timer;
};

/* Ends the loop as soon as no gateway owes us an answer. */
static void
on_drain(evutil_socket_t fd, short what, void *arg)
{
	struct ending *end = arg;
	struct outbox_counts n;

	(void)fd;
	(void)what;
	outbox_count(end->sh->outbox, &n);
	if ((n.sending == 0 && db_batch_is_empty(end->sh->batch)) ||
	    end->rounds++ >= DRAIN_S * 20)
		event_base_loopbreak(end->sh->base);
}

static void
on_end(evutil_socket_t sig, short what, void *arg)
{
	static const struct timeval soon = { 0, 50000 };
	struct ending *end = arg;

	(void)what;
	if (end->timer != NULL) {	/* asked twice: now */
		event_base_loopbreak(end->sh->base);
		return;
	}
	log_notice("signal %d: ending", (int)sig);
	event_del(end->sh->tick);
	event_del(end->sh->wake);
	end->timer = event_new(end->sh->base, -1, EV_PERSIST, on_drain, end);
	event_add(end->timer, &soon);
}

static void
on_hup(evutil_socket_t sig, short what, void *arg)
{
	struct shell *sh = arg;

	(void)sig;
	(void)what;
	free(shell_reload(sh));
}

/* Makes a directory that is missing for the user that we shall be. */
static void
make_for(const struct passwd *pw, const char *path, mode_t mode)
{
	if (mkdir(path, 0700) != 0)
		return;		/* it is there, or what needs it will say why not */
	if (chmod(path, mode) != 0 || chown(path, pw->pw_uid, pw->pw_gid) != 0)
		log_warning("%s: %s", path, strerror(errno));
}

/* A root that stays root, but powerless, can give the socket only to a group that it is in. */
static void
join_group(const struct alertd_conf *conf)
{
	const struct group *gr = conf->control.group == NULL ? NULL : getgrnam(conf->control.group);

	if (gr != NULL && conf->user == NULL && geteuid() == 0 && setgid(gr->gr_gid) != 0)
		log_warning("group %s: %s", conf->control.group, strerror(errno));
}

static void
prepare(const struct alertd_conf *conf)
{
	const struct passwd *pw = conf->user == NULL || geteuid() != 0 ? NULL :
									 getpwnam(conf->user);
	char *dir = xstrdup(conf->control.socket), *slash = strrchr(dir, '/');

	if (pw != NULL && slash != NULL && slash != dir) {
		*slash = '\0';
		make_for(pw, dir, 0755);
		make_for(pw, conf->state_dir, 0700);
	}
	free(dir);
}

static int
drop(const struct shell *sh)
{
	char why[200];
	int rc;

	prepare(&sh->conf->conf);
	join_group(&sh->conf->conf);
	rc = sandbox_drop(sh->conf->conf.user, NULL, why, sizeof(why));

	if (rc != 0)
		log_error("%s", why);
	return rc;
}

static int
run(struct shell *sh)
{
	struct event_config *cfg = event_config_new();
	struct ending end = { .sh = sh };
	struct event *term, *intr, *hup;
	char why[512];
	int rc;

	sh->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	term = evsignal_new(sh->base, SIGTERM, on_end, &end);
	intr = evsignal_new(sh->base, SIGINT, on_end, &end);
	hup = evsignal_new(sh->base, SIGHUP, on_hup, sh);
	rc = shell_start(sh, why, sizeof(why));
	if (rc != 0) {
		log_error("%s", why);
	} else {
		event_add(term, NULL);
		event_add(intr, NULL);
		event_add(hup, NULL);
		log_notice("started: %s", sh->conf_path);
		event_base_dispatch(sh->base);
		log_notice("ended");
	}
	event_free(term);
	event_free(intr);
	event_free(hup);
	if (end.timer != NULL)
		event_free(end.timer);
	shell_stop(sh);
	event_base_free(sh->base);
	return rc;
}

int
main(int argc, char **argv)
{
	struct shell sh = { .clock = clock_real(), .rng = rng_real() };
	struct conf_errors errs = { 0 };
	const char *path = "/etc/linkwatch/alertd.yaml";
	bool check = false;
	int opt;

	sandbox_early();
	log_init("linkwatch-alertd", LOG_NOTICE);
	while ((opt = getopt(argc, argv, "c:nVh")) != -1) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case 'n':
			check = true;
			break;
		case 'V':
			return puts("linkwatch-alertd " LW_VERSION) < 0 || fflush(stdout) != 0;
		case 'h':
			return fputs(usage, stdout) < 0 || fflush(stdout) != 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
	sh.conf = shell_conf_load(path, &errs);
	conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	if (sh.conf == NULL || check) {
		opt = sh.conf == NULL;
		shell_conf_release(sh.conf);
		return opt;
	}
	log_set_level((enum log_level)sh.conf->conf.log_level);
	sh.conf_path = xstrdup(path);
	opt = drop(&sh) != 0 || run(&sh) != 0;
	free(sh.conf_path);
	return opt;
}
