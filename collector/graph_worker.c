/*
 * graph_worker.c - the warm process that draws.  The only calls to librrd's drawing.
 */
#include <errno.h>
#include <math.h>
#include <rrd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "collector/graph_worker.h"
#include "collector/rrdfile.h"
#include "common/mem.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_SANITIZER
#endif
#endif

#define REQUEST_MAX (256 * 1024)
#define FETCH_ROWS_MAX 20000
#define LOCK_TRIES 100			/* a second in all: the writer holds a file for milliseconds */
#define LOCK_WAIT_NS (10 * 1000 * 1000)
#define HEAD_TRIES 3

struct answer {
	uint32_t status;
	int64_t from, to;
	uint32_t left, top, width, height;
	const void *body;
	size_t len;
};

static int
read_all(void *buf, size_t n)
{
	char *p = buf;

	while (n > 0) {
		ssize_t r = read(STDIN_FILENO, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -EPIPE;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int
write_all(const void *buf, size_t n)
{
	const char *p = buf;

	while (n > 0) {
		ssize_t r = write(STDIN_FILENO, p, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return -EPIPE;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int
send_answer(const struct answer *a)
{
	uint8_t head[40];
	uint32_t len;
	size_t n = 0;
	struct { const void *p; size_t n; } part[] = {
		{ &len, 4 }, { &a->status, 4 }, { &a->from, 8 }, { &a->to, 8 }, { &a->left, 4 },
		{ &a->top, 4 }, { &a->width, 4 }, { &a->height, 4 },
	};

	len = (uint32_t)(sizeof head - 4 + a->len);
	for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
		memcpy(head + n, part[i].p, part[i].n);
		n += part[i].n;
	}
	if (write_all(head, n) != 0)
		return -EPIPE;
	return write_all(a->body, a->len);
}

/* Takes the image and where the canvas lies in it out of librrd's answer. */
static void
collect(const rrd_info_t *info, struct answer *a)
{
	for (; info != NULL; info = info->next) {
		if (strcmp(info->key, "image") == 0 && info->type == RD_I_BLO) {
			a->body = info->value.u_blo.ptr;
			a->len = info->value.u_blo.size;
		} else if (info->type == RD_I_CNT) {
			unsigned long v = info->value.u_cnt;

			if (strcmp(info->key, "graph_left") == 0)
				a->left = (uint32_t)v;
			else if (strcmp(info->key, "graph_top") == 0)
				a->top = (uint32_t)v;
			else if (strcmp(info->key, "graph_width") == 0)
				a->width = (uint32_t)v;
			else if (strcmp(info->key, "graph_height") == 0)
				a->height = (uint32_t)v;
			else if (strcmp(info->key, "graph_start") == 0)
				a->from = (int64_t)v;
			else if (strcmp(info->key, "graph_end") == 0)
				a->to = (int64_t)v;
		}
	}
}

/* The store is writing the file just now: librrd gives up at once.  Waits a little; once more? */
static bool
is_locked(unsigned *tries)
{
	static const struct timespec wait = { .tv_nsec = LOCK_WAIT_NS };

	if (!rrd_test_error() || strstr(rrd_get_error(), "could not lock") == NULL ||
	    ++*tries > LOCK_TRIES)
		return false;
	nanosleep(&wait, NULL);
	return true;
}

/*
 * A damaged file crashes librrd, or worse.  The store may be writing the head just now: one that is wrong
 * is looked at again.
 */
static int
check_file(const char *path, char *why, size_t n)
{
	static const struct timespec wait = { .tv_nsec = LOCK_WAIT_NS };
	int r;

	for (int i = 0; (r = rrdfile_check_any(path, time(NULL), why, n)) == -EBADMSG && i < HEAD_TRIES; i++)
		nanosleep(&wait, NULL);
	return r == -EBADMSG ? r : 0;	/* librrd says itself what else there is */
}

/* The file of "DEF:NAME=FILE:..." to out, where librrd's \\: is a colon. false: it names none. */
static bool
file_of(const char *arg, char *out, size_t n)
{
	const char *p = strncmp(arg, "DEF:", 4) == 0 ? strchr(arg, '=') : NULL;
	size_t o = 0;

	if (p == NULL)
		return false;
	for (p++; *p != '\0' && *p != ':' && o + 1 < n; p++) {
		if (p[0] == '\\' && p[1] != '\0')
			p++;
		out[o++] = *p;
	}
	out[o] = '\0';
	return true;
}

/* Each of the files once, for their definitions stand together. */
static int
check_files(int argc, char **argv, char *why, size_t n)
{
	char path[4096], last[4096] = "";

	for (int i = 0; i < argc; i++) {
		if (!file_of(argv[i], path, sizeof path) || strcmp(path, last) == 0)
			continue;
		if (check_file(path, why, n) != 0)
			return -EBADMSG;
		memcpy(last, path, sizeof last);
	}
	return 0;
}

static int
refuse(const char *why)
{
	const struct answer a = { .status = 1, .body = why, .len = strlen(why) };

	return send_answer(&a);
}

static int
draw(int argc, char **argv)
{
	struct answer a = { .status = 1 };
	char why[256];
	rrd_info_t *info;
	unsigned tries = 0;
	int rc;

	if (check_files(argc, argv, why, sizeof why) != 0)
		return refuse(why);
	do {
		rrd_clear_error();
		info = rrd_graph_v(argc, argv);
	} while (info == NULL && is_locked(&tries));
	if (info != NULL)
		collect(info, &a);
	if (a.body != NULL && a.len > 0 && a.len < GRAPH_ANSWER_MAX - 64) {
		a.status = 0;
	} else {
		a.body = rrd_test_error() ? rrd_get_error() : "no image";
		a.len = strlen(a.body);
	}
	rc = send_answer(&a);
	if (info != NULL)
		rrd_info_free(info);
	return rc;
}

static void
put_rows(FILE *f, time_t from, time_t to, unsigned long step, unsigned long ds, char **names,
    const rrd_value_t *v)
{
	const char *sep = "";

	fprintf(f, "{\"from\":%lld,\"to\":%lld,\"step\":%lu,\"ds\":[", (long long)from, (long long)to,
	    step);
	for (unsigned long i = 0; i < ds; i++)
		fprintf(f, "%s\"%s\"", i > 0 ? "," : "", names[i]);
	fputs("],\"rows\":[", f);
	for (time_t t = from; t < to; t += (time_t)step, sep = ",") {
		fprintf(f, "%s[%lld", sep, (long long)t + (long long)step);
		for (unsigned long i = 0; i < ds; i++, v++)
			fprintf(f, isfinite(*v) ? ",%.9g" : ",null", *v);
		fputc(']', f);
	}
	fputs("]}", f);
}

/* "fetch" FILE CF FROM TO RESOLUTION: the rows as JSON. */
static int
fetch(char **argv)
{
	time_t from = (time_t)strtoll(argv[3], NULL, 10), to = (time_t)strtoll(argv[4], NULL, 10);
	unsigned long step = strtoul(argv[5], NULL, 10), ds = 0;
	struct answer a = { .status = 1 };
	rrd_value_t *data = NULL;
	char **names = NULL, *text = NULL;
	size_t len = 0;
	unsigned tries = 0;
	char why[256];
	FILE *f;
	int rc;

	if (check_file(argv[1], why, sizeof why) != 0)
		return refuse(why);
	do {
		rrd_clear_error();
		rc = rrd_fetch_r(argv[1], argv[2], &from, &to, &step, &ds, &names, &data);
	} while (rc != 0 && is_locked(&tries));
	if (rc == 0 && (to - from) / (time_t)step <= FETCH_ROWS_MAX) {
		f = open_memstream(&text, &len);
		put_rows(f, from, to, step, ds, names, data);
		fclose(f);
		a = (struct answer){ .from = from, .to = to, .body = text, .len = len };
	} else {
		a.body = rc != 0 ? rrd_get_error() : "too many rows: ask for a coarser resolution";
		a.len = strlen(a.body);
	}
	rc = send_answer(&a);
	for (unsigned long i = 0; i < ds && names != NULL; i++)
		free(names[i]);
	free(names);
	free(data);
	free(text);
	return rc;
}

/* Splits n bytes into argc strings; the vector is owned by the caller.  NULL: not so many, or no end. */
static char **
split(char *p, size_t n, uint32_t argc)
{
	char **argv;
	size_t off = 0;

	if (argc == 0 || argc > GRAPH_ARGS_MAX || n == 0 || p[n - 1] != '\0')
		return NULL;
	argv = xcalloc(argc + 1, sizeof *argv);
	for (uint32_t i = 0; i < argc; i++) {
		if (off >= n) {
			free(argv);
			return NULL;
		}
		argv[i] = p + off;
		off += strlen(p + off) + 1;
	}
	return argv;
}

/* One request, 0 or -errno when the worker should end. */
static int
serve(void)
{
	uint32_t len, argc;
	char *buf = NULL, **argv = NULL;
	int rc = -EPROTO;

	if (read_all(&len, sizeof len) != 0)
		return -EPIPE;
	if (len < 8 || len > REQUEST_MAX)
		return -EPROTO;
	buf = xmalloc(len);
	rc = read_all(buf, len);
	if (rc != 0)
		goto out;
	memcpy(&argc, buf, sizeof argc);
	argv = split(buf + 4, len - 4, argc);
	if (argv == NULL)
		rc = -EPROTO;
	else
		rc = argc == 6 && strcmp(argv[0], "fetch") == 0 ? fetch(argv) : draw((int)argc, argv);
out:
	free(argv);
	free(buf);
	return rc;
}

int
graph_worker_main(void)
{
	const struct rlimit memory = { 1 << 30, 1 << 30 };
	int rc;

	graph_png_use();
	prctl(PR_SET_PDEATHSIG, 9);
	close_range(3, ~0u, 0);
#ifdef WITH_SANITIZER
	(void)memory;			/* its shadow alone is terabytes of address space */
#else
	setrlimit(RLIMIT_AS, &memory);
#endif
	setenv("TZ", "UTC-8", 1);	/* POSIX sign: eight hours east */
	unsetenv("RRDCACHED_ADDRESS");
	do
		rc = serve();
	while (rc == 0);
	return rc == -EPIPE ? 0 : 1;
}
