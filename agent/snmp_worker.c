/*
 * snmp_worker.c - queues to and from the SNMP thread, and its poll loop.
 *
 * The loop owns the table of who waits (by device number); the thread owns the
 * devices and the secrets.  They share the two queues, under one lock.
 */
#include "agent/snmp_worker.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent/snmp_device.h"
#include "agent/snmp_session.h"
#include "agent/target.h"
#include "common/log.h"
#include "common/mem.h"

#define TICK_MS 20			/* while a poll is under way */
#define SECRET_MAX 256

enum order_kind { ORDER_ADD, ORDER_REMOVE, ORDER_POLL, ORDER_SECRETS };

struct order {				/* loop -> thread */
	struct order *next;
	enum order_kind kind;
	uint32_t device;
	struct snmp_device *add;
	uint64_t token;
	struct sockaddr_storage to;
	socklen_t len;
	struct snmp_secret *secret;
	size_t secrets;
};

struct answer {				/* thread -> loop */
	struct answer *next;
	uint32_t device;
	struct probe_result result;
};

struct waiter { uint32_t device; snmp_worker_done *done; void *arg; };

struct snmp_worker {
	/* the loop's */
	struct event *ready;
	struct waiter *waiter;
	size_t waiters;
	uint32_t last_device;
	char **name;			/* credentials that are known */
	size_t names;
	pthread_t thread;
	bool running;
	/* shared */
	pthread_mutex_t lock;
	struct order *orders, **orders_tail;
	struct answer *answers, **answers_tail;
	size_t orders_n;
	bool ending;
	int wake_thread, wake_loop;	/* eventfds */
	/* the thread's */
	struct snmp_device_env env;
	struct snmp_device **device;
	size_t devices, devices_cap;
	struct snmp_secret *secret;
	size_t secrets;
	struct pollfd *fds;
	struct snmp_device **fd_device;
};

/* ------------------------------------------------------------------ secrets */

/* First line of a file; NULL after logging why. */
static char *
read_secret(const char *credential, const char *path)
{
	char line[SECRET_MAX + 2], *out = NULL;
	FILE *f = fopen(path, "re");
	size_t n;

	if (f == NULL) {
		log_error("credential=%s: %s: %s", credential, path, strerror(errno));
		return NULL;
	}
	setvbuf(f, NULL, _IONBF, 0);	/* no copy is left behind */
	if (fgets(line, sizeof line, f) == NULL)
		line[0] = '\0';
	n = strcspn(line, "\r\n");
	if (n == 0 || n > SECRET_MAX)
		log_error("credential=%s: %s: first line is %s", credential, path,
		    n == 0 ? "empty" : "too long");
	else
		out = xstrndup(line, n);
	explicit_bzero(line, sizeof line);
	fclose(f);
	return out;
}

static bool
read_phrase(const char *credential, const char *path, char **out)
{
	if (path == NULL)
		return true;
	*out = read_secret(credential, path);
	if (*out == NULL)
		return false;
	if (strlen(*out) >= 8)
		return true;
	log_error("credential=%s: %s: a pass phrase has 8 bytes at least (RFC 3414)", credential,
	    path);
	return false;
}

static bool
load_secret(const struct snmp_credential *c, struct snmp_secret *out)
{
	*out = (struct snmp_secret){ .name = xstrdup(c->name), .version = c->version,
		.auth = c->auth, .priv = c->priv };
	if (c->version == SNMP_V2C) {
		out->community = read_secret(c->name, c->community_file);
		return out->community != NULL;
	}
	out->user = xstrdup(c->user);
	out->context = c->context != NULL ? xstrdup(c->context) : NULL;
	return read_phrase(c->name, c->auth_secret_file, &out->auth_phrase) &&
	    read_phrase(c->name, c->priv_secret_file, &out->priv_phrase);
}

static void
free_secrets(struct snmp_secret *secret, size_t n)
{
	for (size_t i = 0; i < n; i++)
		snmp_secret_fini(&secret[i]);
	free(secret);
}

static void
free_names(struct snmp_worker *w)
{
	for (size_t i = 0; i < w->names; i++)
		free(w->name[i]);
	free(w->name);
	w->name = NULL;
	w->names = 0;
}

/* Reads all of them, notes the names of the good ones; *n of them are returned. */
static struct snmp_secret *
load_secrets(struct snmp_worker *w, const struct snmp_credential *credential, size_t count,
    size_t *n)
{
	struct snmp_secret *secret = xcalloc(count, sizeof *secret);

	free_names(w);
	w->name = xcalloc(count, sizeof *w->name);
	*n = 0;
	for (size_t i = 0; i < count; i++) {
		if (!load_secret(&credential[i], &secret[*n])) {
			snmp_secret_fini(&secret[*n]);
			continue;
		}
		w->name[w->names++] = xstrdup(credential[i].name);
		++*n;
	}
	return secret;
}

bool
snmp_worker_knows(const struct snmp_worker *w, const char *credential)
{
	for (size_t i = 0; i < w->names; i++)
		if (strcmp(w->name[i], credential) == 0)
			return true;
	return false;
}

/* --------------------------------------------------------------- the thread */

static void
wake(int fd)
{
	uint64_t one = 1;

	while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
		continue;		/* EAGAIN: it is awake for sure */
}

static void
calm(int fd)
{
	uint64_t n;

	while (read(fd, &n, sizeof n) < 0 && errno == EINTR)
		continue;
}

static struct snmp_secret *
find_secret(void *arg, const char *name)
{
	struct snmp_worker *w = arg;

	for (size_t i = 0; i < w->secrets; i++)
		if (strcmp(w->secret[i].name, name) == 0)
			return &w->secret[i];
	return NULL;
}

static enum snmp_turn
whose_turn(void *arg, const struct snmp_device *d)
{
	const struct snmp_worker *w = arg;
	enum snmp_turn turn = SNMP_TURN_FREE;

	for (size_t i = 0; i < w->devices; i++) {
		enum snmp_turn t = snmp_device_turn(d, w->device[i]);

		if (t > turn)
			turn = t;
	}
	return turn;
}

static void
device_done(void *arg, struct snmp_device *d, const struct probe_result *r)
{
	struct snmp_worker *w = arg;
	struct answer *a = xcalloc(1, sizeof *a);

	a->device = snmp_device_id(d);
	a->result = *r;
	pthread_mutex_lock(&w->lock);
	*w->answers_tail = a;
	w->answers_tail = &a->next;
	pthread_mutex_unlock(&w->lock);
	wake(w->wake_loop);
}

static size_t
find_device(const struct snmp_worker *w, uint32_t id)
{
	size_t i = 0;

	while (i < w->devices && snmp_device_id(w->device[i]) != id)
		i++;
	return i;
}

static void
add_device(struct snmp_worker *w, struct snmp_device *d)
{
	if (w->devices == w->devices_cap) {
		w->devices_cap = w->devices_cap > 0 ? 2 * w->devices_cap : 32;
		w->device = xreallocarray(w->device, w->devices_cap, sizeof *w->device);
		w->fds = xreallocarray(w->fds, 2 * w->devices_cap + 1, sizeof *w->fds);
		w->fd_device = xreallocarray(w->fd_device, 2 * w->devices_cap + 1,
		    sizeof *w->fd_device);
	}
	w->device[w->devices++] = d;
}

static void
new_secrets(struct snmp_worker *w, struct order *o)
{
	for (size_t i = 0; i < w->devices; i++)
		snmp_device_reset(w->device[i]);
	snmp_library_forget();
	free_secrets(w->secret, w->secrets);
	w->secret = o->secret;
	w->secrets = o->secrets;
	o->secret = NULL;
	o->secrets = 0;
}

static void
obey(struct snmp_worker *w, struct order *o)
{
	size_t i = find_device(w, o->device);

	switch (o->kind) {
	case ORDER_ADD:
		add_device(w, o->add);
		o->add = NULL;
		break;
	case ORDER_REMOVE:
		if (i == w->devices)
			break;
		snmp_device_free(w->device[i]);
		w->device[i] = w->device[--w->devices];
		break;
	case ORDER_POLL:
		if (i < w->devices)
			snmp_device_poll(w->device[i], o->token, &o->to, o->len);
		break;
	case ORDER_SECRETS:
		new_secrets(w, o);
		break;
	}
}

static void
order_free(struct order *o)
{
	snmp_device_free(o->add);
	free_secrets(o->secret, o->secrets);
	free(o);
}

/* false: the end has come. */
static bool
take_orders(struct snmp_worker *w)
{
	struct order *o;
	bool ending;

	calm(w->wake_thread);
	for (;;) {
		pthread_mutex_lock(&w->lock);
		ending = w->ending;
		o = w->orders;
		if (o != NULL) {
			w->orders = o->next;
			w->orders_n--;
			if (w->orders == NULL)
				w->orders_tail = &w->orders;
		}
		pthread_mutex_unlock(&w->lock);
		if (o == NULL || ending)
			break;
		obey(w, o);
		order_free(o);
	}
	if (o != NULL)
		order_free(o);
	return !ending;
}

static size_t
list_fds(struct snmp_worker *w)
{
	size_t n = 1;

	for (size_t i = 0; i < w->devices; i++) {
		int fd[2];

		snmp_device_fds(w->device[i], fd);
		for (unsigned k = 0; k < 2; k++) {
			if (fd[k] < 0)
				continue;
			w->fds[n] = (struct pollfd){ .fd = fd[k], .events = POLLIN };
			w->fd_device[n++] = w->device[i];
		}
	}
	return n;
}

static void *
work(void *arg)
{
	struct snmp_worker *w = arg;
	bool busy = false;

	for (;;) {
		size_t n = list_fds(w);

		w->fds[0] = (struct pollfd){ .fd = w->wake_thread, .events = POLLIN };
		if (poll(w->fds, n, busy ? TICK_MS : -1) < 0 && errno != EINTR)
			break;
		for (size_t i = 1; i < n; i++)
			if (w->fds[i].revents != 0)
				snmp_device_read(w->fd_device[i], w->fds[i].fd);
		if (!take_orders(w))
			break;
		busy = false;
		for (size_t i = 0; i < w->devices; i++)
			busy |= snmp_device_tick(w->device[i]);
	}
	return NULL;
}

/* ----------------------------------------------------------------- the loop */

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct snmp_worker *w = arg;
	struct answer *a;

	(void)what;
	calm(fd);
	for (;;) {
		pthread_mutex_lock(&w->lock);
		a = w->answers;
		if (a != NULL && (w->answers = a->next) == NULL)
			w->answers_tail = &w->answers;
		pthread_mutex_unlock(&w->lock);
		if (a == NULL)
			return;
		for (size_t i = 0; i < w->waiters; i++)
			if (w->waiter[i].device == a->device) {
				w->waiter[i].done(w->waiter[i].arg, &a->result);
				break;
			}
		free(a);
	}
}

static void
give_order(struct snmp_worker *w, const struct order *order)
{
	struct order *o = xmalloc(sizeof *o);

	*o = *order;
	o->next = NULL;
	pthread_mutex_lock(&w->lock);
	*w->orders_tail = o;
	w->orders_tail = &o->next;
	w->orders_n++;
	pthread_mutex_unlock(&w->lock);
	wake(w->wake_thread);
}

int
snmp_worker_new(struct snmp_worker **out, const struct clock *clock, struct rng *rng,
    const struct snmp_credential *credential, size_t n)
{
	struct snmp_worker *w = xcalloc(1, sizeof *w);

	pthread_mutex_init(&w->lock, NULL);
	w->orders_tail = &w->orders;
	w->answers_tail = &w->answers;
	w->env = (struct snmp_device_env){ .clock = clock, .rng = rng, .secret = find_secret,
		.turn = whose_turn, .done = device_done, .arg = w };
	w->wake_thread = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	w->wake_loop = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	w->fds = xcalloc(1, sizeof *w->fds);
	if (w->wake_thread < 0 || w->wake_loop < 0) {
		int rc = -errno;

		snmp_worker_free(w);
		return rc;
	}
	snmp_library_init();
	w->secret = load_secrets(w, credential, n, &w->secrets);
	*out = w;
	return 0;
}

int
snmp_worker_attach(struct snmp_worker *w, struct event_base *base)
{
	sigset_t all, old;
	int rc;

	w->ready = event_new(base, w->wake_loop, EV_READ | EV_PERSIST, on_ready, w);
	if (w->ready == NULL || event_add(w->ready, NULL) != 0)
		return -ENOMEM;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);	/* signals are the loop's */
	rc = pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	w->running = rc == 0;
	return -rc;
}

static void
end_thread(struct snmp_worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->ending = true;
	pthread_mutex_unlock(&w->lock);
	wake(w->wake_thread);
	pthread_join(w->thread, NULL);
}

void
snmp_worker_free(struct snmp_worker *w)
{
	struct order *o;
	struct answer *a;

	if (w == NULL)
		return;
	if (w->running)
		end_thread(w);
	if (w->ready != NULL)
		event_free(w->ready);
	while (w->devices > 0)
		snmp_device_free(w->device[--w->devices]);
	while ((o = w->orders) != NULL) {
		w->orders = o->next;
		order_free(o);
	}
	while ((a = w->answers) != NULL) {
		w->answers = a->next;
		free(a);
	}
	snmp_library_forget();
	free_secrets(w->secret, w->secrets);
	free_names(w);
	free(w->waiter);
	free(w->device);
	free(w->fds);
	free(w->fd_device);
	if (w->wake_thread >= 0)
		close(w->wake_thread);
	if (w->wake_loop >= 0)
		close(w->wake_loop);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void
snmp_worker_credentials(struct snmp_worker *w, const struct snmp_credential *credential, size_t n)
{
	struct order o = { .kind = ORDER_SECRETS };

	o.secret = load_secrets(w, credential, n, &o.secrets);
	give_order(w, &o);
}

uint32_t
snmp_worker_add(struct snmp_worker *w, const struct target *target, snmp_worker_done *done,
    void *arg)
{
	struct order o = { .kind = ORDER_ADD };

	if (++w->last_device == 0)
		w->last_device = 1;
	o.add = snmp_device_new(&w->env, w->last_device, target);
	w->waiter = xreallocarray(w->waiter, w->waiters + 1, sizeof *w->waiter);
	w->waiter[w->waiters++] =
	    (struct waiter){ .device = w->last_device, .done = done, .arg = arg };
	give_order(w, &o);
	return w->last_device;
}

void
snmp_worker_remove(struct snmp_worker *w, uint32_t device)
{
	struct order o = { .kind = ORDER_REMOVE, .device = device };

	for (size_t i = 0; i < w->waiters; i++)
		if (w->waiter[i].device == device) {
			w->waiter[i] = w->waiter[--w->waiters];
			break;
		}
	give_order(w, &o);
}

int
snmp_worker_poll(struct snmp_worker *w, uint32_t device, uint64_t token,
    const struct sockaddr *to, socklen_t len)
{
	struct order o = { .kind = ORDER_POLL, .device = device, .token = token, .len = len };
	bool full;

	pthread_mutex_lock(&w->lock);
	full = w->orders_n >= SNMP_WORKER_QUEUE;
	pthread_mutex_unlock(&w->lock);
	if (full)
		return -EAGAIN;
	memcpy(&o.to, to, len);
	give_order(w, &o);
	return 0;
}
