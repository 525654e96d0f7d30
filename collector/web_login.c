/*
 * web_login.c - log-in and log-out.
 *
 * scrypt takes tens of milliseconds on purpose, so one thread does it behind
 * a short queue, and the loop never waits.  The thread sees copies only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "collector/http_server.h"
#include "collector/sse.h"
#include "collector/web_state.h"
#include "common/log.h"
#include "common/mem.h"

#define QUEUE_MAX 32
#define KEY_MAX 160
/* Tries of one address that may wait: a burst is no way round the limiter. */
#define PARALLEL_MAX 4
#define COOKIE_OFF "__Host-lw=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Strict"

struct try {
	struct web_req *q;
	struct user user;		/* a copy */
	bool exists, good;
	char name[SESSION_USER_MAX + 1];
	char password[PASSWORD_MAX + 1];
	char by_address[KEY_MAX], by_both[KEY_MAX];	/* for the limiter; the peer may hang up meanwhile */
	struct try *next, *next_known;
};

struct login {
	struct web *web;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct try *todo, **tail, *done;	/* under lock */
	struct try *known;		/* all that wait, todo or done; of the loop alone */
	size_t waiting;
	bool ending;
	int fd;
	struct event *ready;
};

static void *
check_passwords(void *arg)
{
	struct login *l = arg;
	uint64_t one = 1;

	pthread_mutex_lock(&l->lock);
	while (!l->ending) {
		struct try *t = l->todo;

		if (t == NULL) {
			pthread_cond_wait(&l->more, &l->lock);
			continue;
		}
		l->todo = t->next;
		if (l->todo == NULL)
			l->tail = &l->todo;
		pthread_mutex_unlock(&l->lock);
		t->good = user_password_is_good(t->exists ? &t->user : NULL, t->password);
		OPENSSL_cleanse(t->password, sizeof t->password);
		pthread_mutex_lock(&l->lock);
		t->next = l->done;
		l->done = t;
		if (write(l->fd, &one, sizeof one) < 0)
			continue;	/* the counter is full: the loop is woken anyway */
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

void
web_peer_block(const struct web_req *q, char *out, size_t n)
{
	struct in6_addr a;

	if (inet_pton(AF_INET6, http_peer(q->req), &a) != 1 || IN6_IS_ADDR_V4MAPPED(&a)) {
		snprintf(out, n, "%s", http_peer(q->req));
		return;
	}
	memset(a.s6_addr + 8, 0, 8);
	inet_ntop(AF_INET6, &a, out, (socklen_t)n);
}

static void
try_keys(struct web_req *q, const char *name, char *by_address, char *by_both, size_t n)
{
	char peer[INET6_ADDRSTRLEN];

	web_peer_block(q, peer, sizeof peer);
	snprintf(by_address, n, "a %s", peer);
	snprintf(by_both, n, "b %s %s", peer, name);
}

static void
let_in(struct web_req *q, const struct user *u)
{
	struct web *w = q->web;
	char cookie[SESSION_TOKEN_LEN + 1], line[160];

	if (q->logged_in)
		session_close(w->sessions, q->who.id);	/* a log-in never goes on with an old name */
	session_open(w->sessions, u->name, u->role, u->vendor, clock_mono(w->clock), cookie);
	snprintf(line, sizeof line, "__Host-lw=%s; Path=/; HttpOnly; Secure; SameSite=Strict", cookie);
	http_header(q->req, "Set-Cookie", line);
	OPENSSL_cleanse(line, sizeof line);
	OPENSSL_cleanse(cookie, sizeof cookie);
	log_notice("user=%s: logged in from %s", u->name, http_peer(q->req));
	q->logged_in = true;
	web_redirect(q, web_safe_next(q));
}

static void
finish(struct login *l, struct try *t)
{
	struct web *w = l->web;
	const struct user *u = users_find(&w->users, t->name);

	if (t->good && u != NULL && memcmp(u->hash, t->user.hash, sizeof u->hash) == 0) {
		limiter_clear(w->tries, t->by_both);
		let_in(t->q, u);
	} else {
		limiter_fail(w->tries, t->by_address, clock_mono(w->clock));
		limiter_fail(w->tries, t->by_both, clock_mono(w->clock));
		w->failed_logins++;
		log_limited(LOG_WARNING, "web-login", 20, "web: failed log-in from %s",
		    http_peer(t->q->req));
		web_page_login_again(t->q, 403, "用户名或密码不正确", "User or password is not right");
	}
	free(t);
}

static void
forget(struct login *l, const struct try *t)
{
	struct try **at = &l->known;

	while (*at != t)
		at = &(*at)->next_known;
	*at = t->next_known;
}

static unsigned
tries_of(const struct login *l, const char *by_address)
{
	unsigned n = 0;

	for (const struct try *t = l->known; t != NULL; t = t->next_known)
		n += strcmp(t->by_address, by_address) == 0;
	return n;
}

static void
answers_ready(evutil_socket_t fd, short what, void *arg)
{
	struct login *l = arg;
	struct try *t, *next;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof n) < 0)
		return;
	pthread_mutex_lock(&l->lock);
	t = l->done;
	l->done = NULL;
	pthread_mutex_unlock(&l->lock);
	for (; t != NULL; t = next) {
		next = t->next;
		l->waiting--;
		forget(l, t);
		finish(l, t);
	}
}

struct login *
login_new(struct web *w)
{
	struct login *l = xcalloc(1, sizeof *l);

	l->web = w;
	l->tail = &l->todo;
	l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->more, NULL);
	l->ready = event_new(w->base, l->fd, EV_READ | EV_PERSIST, answers_ready, l);
	event_add(l->ready, NULL);
	if (l->fd < 0 || pthread_create(&l->thread, NULL, check_passwords, l) != 0)
		abort();
	return l;
}

static void
drop_list(struct try *t)
{
	while (t != NULL) {
		struct try *next = t->next;

		OPENSSL_cleanse(t, sizeof *t);
		free(t);
		t = next;
	}
}

void
login_free(struct login *l)
{
	if (l == NULL)
		return;
	pthread_mutex_lock(&l->lock);
	l->ending = true;
	pthread_cond_signal(&l->more);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	drop_list(l->todo);		/* their requests are answered as pending ones */
	drop_list(l->done);
	event_free(l->ready);
	close(l->fd);
	pthread_cond_destroy(&l->more);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static void
enqueue(struct login *l, struct web_req *q, const char *name, const char *password)
{
	const struct user *u = users_find(&l->web->users, name);
	struct try *t = xcalloc(1, sizeof *t);

	t->q = q;
	t->exists = u != NULL;
	if (u != NULL)
		t->user = *u;
	snprintf(t->name, sizeof t->name, "%s", name);
	snprintf(t->password, sizeof t->password, "%s", password);
	try_keys(q, name, t->by_address, t->by_both, KEY_MAX);
	l->waiting++;
	t->next_known = l->known;
	l->known = t;
	pthread_mutex_lock(&l->lock);
	*l->tail = t;
	l->tail = &t->next;
	pthread_cond_signal(&l->more);
	pthread_mutex_unlock(&l->lock);
}

void
web_login(struct web_req *q)
{
	struct web *w = q->web;
	const char *name = http_param(&q->form, "user"), *password = http_param(&q->form, "password");
	struct mono now = clock_mono(w->clock);
	char by_address[KEY_MAX], by_both[KEY_MAX], retry[16];
	unsigned wait, other;

	if (name == NULL || password == NULL || *name == '\0' || *password == '\0' ||
	    strlen(name) > SESSION_USER_MAX || strlen(password) > PASSWORD_MAX) {
		web_page_login_again(q, 400, "请填写用户名和密码", "Enter user and password");
		return;
	}
	try_keys(q, name, by_address, by_both, sizeof by_both);
	wait = limiter_wait(w->tries, by_both, now);
	other = limiter_wait(w->tries, by_address, now);
	if (other > wait)
		wait = other;
	if (wait > 0 || w->login->waiting >= QUEUE_MAX ||
	    tries_of(w->login, by_address) >= PARALLEL_MAX) {
		snprintf(retry, sizeof retry, "%u", wait > 0 ? wait : 1);
		http_header(q->req, "Retry-After", retry);
		web_page_login_again(q, 429, "尝试次数过多，请稍候再试", "Too many tries: wait a little");
		return;
	}
	enqueue(w->login, q, name, password);
}

void
web_logout(struct web_req *q)
{
	struct web *w = q->web;

	log_notice("user=%s: logged out", q->who.user);
	session_close(w->sessions, q->who.id);
	sse_filter(w->sse, web_owner_stands, w);
	http_header(q->req, "Set-Cookie", COOKIE_OFF);
	http_header(q->req, "Clear-Site-Data", "\"cache\"");
	web_redirect(q, "/login");
}
