/*
 * control.c - clients of the control socket: lines in, lines out.
 *
 * A client's next request is not looked at before the one before it was
 * answered, so answers come in order and one client cannot pile up work.
 */
#include "alertd/control.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <grp.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/control.h"
#include "common/log.h"
#include "common/model.h"
#include "common/mem.h"
#include "common/utf.h"

#define LINE_S 30
#define QUEUE_MAX (16 * 1024 * 1024)

struct control_client {
	TAILQ_ENTRY(control_client) link;
	struct control *ctl;
	struct bufferevent *bev;
	struct event *slow;		/* runs while a line is incomplete */
	uint64_t serial;
	uid_t uid;
	bool busy;			/* a request waits for its answer */
	bool ended;			/* it will ask no more: close after the last answer */
	bool subscribed;
	json_t *id;			/* of the request that waits */
};

struct user { uid_t uid; enum user_role role; char name[64]; };

struct control {
	struct event_base *base;
	struct evconnlistener *listener;
	char *path;
	control_serve *serve;
	void *arg;
	TAILQ_HEAD(, control_client) clients;
	size_t n_clients, n_subscribed;
	uint64_t serial;
	struct user *users;
	size_t n_users;
	uid_t *proxies;
	size_t n_proxies;
	struct event *resume;		/* goes on with clients whose answer went out */
};

/* -------------------------------------------------------------------- who */

static bool
find_uid(const char *login, uid_t *uid, char *name, size_t n)
{
	char *end;
	unsigned long number = strtoul(login, &end, 10);
	const struct passwd *pw = NULL;

	if (*login != '\0' && *end == '\0' && number < UINT32_MAX) {
		*uid = (uid_t)number;
		pw = getpwuid(*uid);
		snprintf(name, n, "%s", pw == NULL ? login : pw->pw_name);
		return true;
	}
	pw = getpwnam(login);
	if (pw == NULL)
		return false;
	*uid = pw->pw_uid;
	snprintf(name, n, "%s", pw->pw_name);
	return true;
}

void
control_users(struct control *ctl, const struct alertd_conf *conf)
{
	const struct control_user *u = conf->control.users.v;
	char name[64];

	free(ctl->users);
	free(ctl->proxies);
	ctl->users = xcalloc(conf->control.users.n + 1, sizeof(ctl->users[0]));
	ctl->proxies = xcalloc(conf->control.proxies.n + 1, sizeof(ctl->proxies[0]));
	ctl->n_users = ctl->n_proxies = 0;
	for (size_t i = 0; i < conf->control.users.n; i++) {
		struct user *user = &ctl->users[ctl->n_users];
		if (!find_uid(u[i].login, &user->uid, user->name, sizeof(user->name))) {
			log_warning("control: no user '%s' on this host", u[i].login);
			continue;
		}
		if (u[i].name != NULL)
			snprintf(user->name, sizeof(user->name), "%s", u[i].name);
		user->role = (enum user_role)u[i].role;
		ctl->n_users++;
	}
	for (size_t i = 0; i < conf->control.proxies.n; i++) {
		const char *login = ((char **)conf->control.proxies.v)[i];
		if (find_uid(login, &ctl->proxies[ctl->n_proxies], name, sizeof(name)))
			ctl->n_proxies++;
		else
			log_warning("control: no user '%s' on this host", login);
	}
}

static void
actor_of_uid(const struct control *ctl, uid_t uid, struct control_actor *actor)
{
	const struct passwd *pw;

	*actor = (struct control_actor){ .role = USER_NONE, .channel = "linkctl" };
	for (size_t i = 0; i < ctl->n_users; i++) {
		if (ctl->users[i].uid != uid)
			continue;
		snprintf(actor->user, sizeof(actor->user), "%s", ctl->users[i].name);
		actor->role = ctl->users[i].role;
		return;
	}
	pw = getpwuid(uid);
	if (pw != NULL)
		snprintf(actor->user, sizeof(actor->user), "%s", pw->pw_name);
	else
		snprintf(actor->user, sizeof(actor->user), "uid %u", (unsigned)uid);
	if (uid == 0 || uid == geteuid())
		actor->role = USER_ADMIN;
}

static bool
is_proxy(const struct control *ctl, uid_t uid)
{
	for (size_t i = 0; i < ctl->n_proxies; i++)
		if (ctl->proxies[i] == uid)
			return true;
	return uid == 0 || uid == geteuid();
}

/* A proxy may name whom it speaks for; NULL, or the reason why not. */
static const char *
take_as(const struct control *ctl, uid_t uid, const json_t *as, struct control_actor *actor)
{
	const char *user = json_string_value(json_object_get(as, "user"));
	const char *role = json_string_value(json_object_get(as, "role"));
	const char *vendor = json_string_value(json_object_get(as, "vendor"));

	if (as == NULL)
		return NULL;
	if (!is_proxy(ctl, uid))
		return "only a proxy may speak for others";
	if (user == NULL || *user == '\0' || strlen(user) >= sizeof(actor->user) ||
	    !utf_is_line(user) || role == NULL)
		return "'as' needs a user and a role";
	if (strcmp(role, "vendor") == 0 ? vendor == NULL || !id_is_valid(vendor) :
	    vendor != NULL || user_role_parse(role) == USER_NONE)
		return "'as' needs a role, and a vendor exactly when the role is vendor";
	snprintf(actor->user, sizeof(actor->user), "%s", user);
	snprintf(actor->vendor, sizeof(actor->vendor), "%s", vendor == NULL ? "" : vendor);
	actor->role = vendor != NULL ? USER_VENDOR : user_role_parse(role);
	actor->channel = "web";
	return NULL;
}

/* ---------------------------------------------------------------- answers */

static void
client_free(struct control_client *c)
{
	TAILQ_REMOVE(&c->ctl->clients, c, link);
	c->ctl->n_clients--;
	if (c->subscribed)
		c->ctl->n_subscribed--;
	event_free(c->slow);
	bufferevent_free(c->bev);
	json_decref(c->id);
	free(c);
}

/* It asks and does not read the answers. */
static bool
is_flooded(const struct control_client *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev)) > QUEUE_MAX;
}

static struct control_client *
client_of(const struct control *ctl, uint64_t ticket)
{
	struct control_client *c;

	TAILQ_FOREACH(c, &ctl->clients, link)
		if (c->serial == ticket)
			return c->busy ? c : NULL;
	return NULL;
}

/* Takes object over.  False: it was too long and nothing was written. */
static bool
write_line(struct control_client *c, json_t *object)
{
	char *line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
	size_t len = line == NULL ? 0 : strlen(line);
	bool good = line != NULL && len < CONTROL_LINE_MAX;

	if (good) {
		bufferevent_write(c->bev, line, len);
		bufferevent_write(c->bev, "\n", 1);
	}
	free(line);
	json_decref(object);
	return good;
}

static void
answered(struct control_client *c)
{
	static const struct timeval now = { 0, 0 };

	json_decref(c->id);
	c->id = NULL;
	c->busy = false;
	evtimer_add(c->ctl->resume, &now);
}

static void
fail(struct control_client *c, const char *code, const char *zh, const char *en)
{
	write_line(c, json_pack("{sO* sb s{ss ss ss}}", "id", c->id, "ok", 0, "error", "code",
	    code, "zh", zh, "en", en));
	answered(c);
}

void
control_fail(struct control *ctl, uint64_t ticket, const char *code, const char *zh,
    const char *en)
{
	struct control_client *c = client_of(ctl, ticket);

	if (c != NULL)
		fail(c, code, zh, en);
}

void
control_ok(struct control *ctl, uint64_t ticket, json_t *data)
{
	struct control_client *c = client_of(ctl, ticket);

	if (c == NULL) {
		json_decref(data);
		return;
	}
	if (!write_line(c, json_pack("{sO* sb so}", "id", c->id, "ok", 1, "data", data)))
		fail(c, "usage", "结果太多，请缩小范围", "too much to show: narrow it down");
	else
		answered(c);
}

void
control_subscribe(struct control *ctl, uint64_t ticket)
{
	struct control_client *c = client_of(ctl, ticket);

	if (c == NULL || c->subscribed)
		return;
	c->subscribed = true;
	ctl->n_subscribed++;
}

size_t
control_subscribers(const struct control *ctl)
{
	return ctl->n_subscribed;
}

void
control_push(struct control *ctl, json_t *object)
{
	char *line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
	struct control_client *c, *next;

	json_decref(object);
	for (c = TAILQ_FIRST(&ctl->clients); line != NULL && c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (!c->subscribed)
			continue;
		bufferevent_write(c->bev, line, strlen(line));
		bufferevent_write(c->bev, "\n", 1);
		if (is_flooded(c)) {
			log_limited(LOG_WARNING, "control-slow", 1,
			    "control: a subscriber does not read, closed");
			client_free(c);
		}
	}
	free(line);
}

/* --------------------------------------------------------------- requests */

static void
serve_line(struct control_client *c, const char *line, size_t len)
{
	struct control *ctl = c->ctl;
	struct control_request req = { .ticket = c->serial };
	json_t *json = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *args = json_object_get(json, "args"), *empty = NULL;
	const char *why;

	c->busy = true;
	c->id = json_incref(json_object_get(json, "id"));
	req.cmd = json_string_value(json_object_get(json, "cmd"));
	if (args == NULL)
		args = empty = json_object();
	actor_of_uid(ctl, c->uid, &req.actor);
	why = take_as(ctl, c->uid, json_object_get(json, "as"), &req.actor);
	req.args = args;
	if (!json_is_object(json) || req.cmd == NULL || !json_is_object(args))
		fail(c, "usage", "请求格式不对", "this is no request");
	else if (why != NULL)
		fail(c, "denied", "无权代他人操作", why);
	else
		ctl->serve(ctl->arg, &req);
	json_decref(empty);
	json_decref(json);
}

/* Takes the lines that are there, one at a time. */
static void
take_lines(struct control_client *c)
{
	static const struct timeval patience = { LINE_S, 0 };
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t len;
	char *line;

	while (!c->busy && !is_flooded(c) &&
	       (line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF)) != NULL) {
		evtimer_del(c->slow);
		serve_line(c, line, len);
		free(line);
	}
	if (c->busy || is_flooded(c))
		return;
	if (evbuffer_get_length(in) >= CONTROL_REQUEST_MAX) {
		c->busy = true;
		fail(c, "usage", "请求过长", "the request is too long");
		c->ended = true;
		evbuffer_drain(in, evbuffer_get_length(in));
	}
	if (evbuffer_get_length(in) == 0)
		evtimer_del(c->slow);
	else if (!evtimer_pending(c->slow, NULL))
		evtimer_add(c->slow, &patience);
}

static void
on_write(struct bufferevent *bev, void *arg)
{
	struct control_client *c = arg;

	if (c->ended && !c->busy && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		client_free(c);
}

static void
go_on(struct control_client *c)
{
	if (!c->busy)
		take_lines(c);
	if (is_flooded(c))
		client_free(c);
	else if (c->ended && !c->busy)
		on_write(c->bev, c);
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	(void)bev;
	go_on(arg);
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct control *ctl = arg;
	struct control_client *c, *next;

	(void)fd;
	(void)what;
	for (c = TAILQ_FIRST(&ctl->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		go_on(c);
	}
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct control_client *c = arg;

	if ((what & BEV_EVENT_EOF) != 0 && (c->busy ||
	    evbuffer_get_length(bufferevent_get_output(bev)) > 0)) {
		c->ended = true;	/* shutdown(SHUT_WR): it still wants its answer */
		bufferevent_disable(bev, EV_READ);
		return;
	}
	client_free(c);
}

static void
on_slow(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	client_free(arg);
}

static void
on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct control *ctl = arg;
	struct control_client *c;
	struct ucred cred;
	socklen_t n = sizeof(cred);

	(void)l;
	(void)sa;
	(void)len;
	if (ctl->n_clients >= CONTROL_CLIENTS_MAX ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0) {
		log_limited(LOG_WARNING, "control-full", 1, "control: too many clients");
		evutil_closesocket(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->ctl = ctl;
	c->uid = cred.uid;
	c->serial = ++ctl->serial;
	c->bev = bufferevent_socket_new(ctl->base, fd, BEV_OPT_CLOSE_ON_FREE);
	c->slow = evtimer_new(ctl->base, on_slow, c);
	TAILQ_INSERT_TAIL(&ctl->clients, c, link);
	ctl->n_clients++;
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, CONTROL_REQUEST_MAX);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* --------------------------------------------------------------- listening */

static int
socket_address(const char *path, struct sockaddr_un *sun)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(sun->sun_path))
		return -ENAMETOOLONG;
	memcpy(sun->sun_path, path, strlen(path));
	return 0;
}

/* 0: nobody listens there, and what was left is gone. */
static int
clear_old(const struct sockaddr_un *sun)
{
	struct stat sb;
	int fd, rc;

	if (lstat(sun->sun_path, &sb) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(sb.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	rc = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 || errno == EAGAIN ?
		 -EADDRINUSE : 0;
	close(fd);
	if (rc == 0 && unlink(sun->sun_path) != 0)
		rc = -errno;
	return rc;
}

static void
make_parent(const char *path)
{
	char *dir = xstrdup(path), *slash = strrchr(dir, '/');

	if (slash != NULL && slash != dir) {
		*slash = '\0';
		if (mkdir(dir, 0755) == 0)	/* if it fails, bind() says why */
			chmod(dir, 0755);	/* our umask is for files */
	}
	free(dir);
}

static int
listen_at(const struct alertd_conf *conf, int *out)
{
	struct sockaddr_un sun;
	const struct group *gr = NULL;
	mode_t old;
	int fd = -1, rc = socket_address(conf->control.socket, &sun);

	if (rc == 0) {
		make_parent(conf->control.socket);
		rc = clear_old(&sun);
	}
	if (rc != 0)
		return rc;
	if (conf->control.group != NULL && (gr = getgrnam(conf->control.group)) == NULL)
		return -ESRCH;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	old = umask(0117);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0)
		rc = -errno;
	umask(old);
	if (rc == 0 && gr != NULL && chown(sun.sun_path, (uid_t)-1, gr->gr_gid) != 0)
		rc = -errno;
	if (rc == 0 && listen(fd, 128) != 0)
		rc = -errno;
	if (rc != 0 && fd >= 0)
		close(fd);
	*out = fd;
	return rc;
}

int
control_new(struct control **out, struct event_base *base, const struct alertd_conf *conf,
    control_serve *serve, void *arg, char *why, size_t n)
{
	struct control *ctl;
	int fd = -1, rc = listen_at(conf, &fd);

	*out = NULL;
	if (rc != 0) {
		snprintf(why, n, "%s: %s", conf->control.socket,
		    rc == -EADDRINUSE ? "another linkwatch-alertd listens there" :
		    rc == -ESRCH ? "its group does not exist" :
		    rc == -EEXIST ? "something that is no socket stands there" : strerror(-rc));
		return rc;
	}
	ctl = xcalloc(1, sizeof(*ctl));
	ctl->base = base;
	ctl->path = xstrdup(conf->control.socket);
	ctl->serve = serve;
	ctl->arg = arg;
	TAILQ_INIT(&ctl->clients);
	ctl->resume = evtimer_new(base, on_resume, ctl);
	ctl->listener = evconnlistener_new(base, on_accept, ctl, LEV_OPT_CLOSE_ON_FREE, -1, fd);
	control_users(ctl, conf);
	*out = ctl;
	return 0;
}

void
control_free(struct control *ctl)
{
	if (ctl == NULL)
		return;
	evconnlistener_free(ctl->listener);
	while (!TAILQ_EMPTY(&ctl->clients))
		client_free(TAILQ_FIRST(&ctl->clients));
	event_free(ctl->resume);
	unlink(ctl->path);
	free(ctl->path);
	free(ctl->users);
	free(ctl->proxies);
	free(ctl);
}
