/*
 * fuzz_control.c - bytes of a client of alertd's control socket: every line
 * that comes back is one JSON object, and what is served has a known shape.
 */
#include <event2/event.h>
#include <jansson.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "alertd/control.h"
#include "common/control.h"
#include "common/log.h"
#include "common/utf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_base *base;
static struct control *ctl;
static char path[64];

static void
require(bool truth)
{
	if (!truth)
		abort();
}

static void
serve(void *arg, const struct control_request *req)
{
	(void)arg;
	require(req->cmd != NULL && json_is_object(req->args));
	require(req->actor.role >= USER_VIEWER && req->actor.role <= USER_ADMIN);
	require(utf_is_line(req->actor.user));
	if (strcmp(req->cmd, "subscribe") == 0)
		control_subscribe(ctl, req->ticket);
	if (strncmp(req->cmd, "fail", 4) == 0)
		control_fail(ctl, req->ticket, "usage", "没有", req->cmd);
	else
		control_ok(ctl, req->ticket, json_deep_copy(req->args));
	control_push(ctl, json_pack("{ss}", "event", "link"));
}

static void
clean_up(void)
{
	control_free(ctl);
	event_base_free(base);
}

static void
start(void)
{
	static struct alertd_conf conf;
	char why[200];

	signal(SIGPIPE, SIG_IGN);
	log_init("fuzz_control", LOG_ERROR);
	snprintf(path, sizeof(path), "/tmp/lw-fuzz-control-%d.sock", (int)getpid());
	conf.control.socket = path;
	base = event_base_new();
	require(control_new(&ctl, base, &conf, serve, NULL, why, sizeof(why)) == 0);
	atexit(clean_up);
}

/* Each line in buf is a JSON object. */
static void
check_lines(char *buf)
{
	for (char *line = buf, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		json_t *json;
		*end = '\0';
		json = json_loads(line, 0, NULL);
		require(json_is_object(json));
		json_decref(json);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	static char buf[4 * 1024 * 1024];
	size_t n = 0, sent = 0;
	ssize_t r = -1;
	int fd;

	if (base == NULL)
		start();
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	memcpy(sun.sun_path, path, strlen(path));
	require(connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0);
	for (int i = 0; i < 100000 && r != 0; i++) {
		ssize_t w = send(fd, data + sent, size - sent, MSG_NOSIGNAL);
		sent += w > 0 ? (size_t)w : 0;
		if (sent == size)
			shutdown(fd, SHUT_WR);
		event_base_loop(base, EVLOOP_NONBLOCK);
		r = recv(fd, buf + n, sizeof(buf) - 1 - n, 0);
		n += r > 0 ? (size_t)r : 0;
	}
	require(r == 0);	/* it closed: nothing hangs */
	buf[n] = '\0';
	close(fd);
	event_base_loop(base, EVLOOP_NONBLOCK);
	check_lines(buf);
	return 0;
}
