/*
 * log.c - log lines to stderr, each by one write(2).
 *
 * The module's one state: program, level, form, and a small table of keys
 * for log_limited().  Threads may log; the table has a lock.
 */
#include "common/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/utf.h"

#define TEXT_MAX 2048			/* bytes of a line's text; the rest is cut */
#define LIMIT_KEYS 64
#define LIMIT_NS (60 * NS_PER_S)

struct limited {
	char key[48];
	struct mono since;
	int told;
	unsigned long left_out;
};

static struct {
	char program[32];
	enum log_level max;
	bool prefixes;			/* stderr is systemd's journal: "<4>text" */
	const struct clock *clock;	/* NULL: the real one */
	pthread_mutex_t lock;
	struct limited limited[LIMIT_KEYS];
} state = { .max = LOG_NOTICE, .lock = PTHREAD_MUTEX_INITIALIZER };

static const char *const level_name[] = {
	[LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
	[LOG_INFORM] = "info", [LOG_DEBUGGING] = "debug",
};

/* Does JOURNAL_STREAM name the device and inode of our stderr? */
static bool
stderr_is_journal(void)
{
	const char *e = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return e != NULL && sscanf(e, "%llu:%llu", &dev, &ino) == 2 &&
	    fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void
log_init(const char *program, enum log_level max)
{
	snprintf(state.program, sizeof(state.program), "%s", program);
	state.max = max;
	state.prefixes = stderr_is_journal();
}

void
log_set_level(enum log_level max)
{
	state.max = max;
}

void
log_set_clock(const struct clock *clock)
{
	state.clock = clock;
}

static const struct clock *
the_clock(void)
{
	return state.clock != NULL ? state.clock : clock_real();
}

char *
log_escape(char *out, size_t n, const char *s, size_t len)
{
	size_t o = 0;

	if (n == 0)
		return out;
	for (size_t i = 0, take; i < len; i += take) {
		uint32_t cp;

		take = utf_next(s + i, len - i, &cp);
		if (take > 0 && utf_is_printable(cp)) {
			if (o + take >= n)
				break;
			memcpy(out + o, s + i, take);
			o += take;
			continue;
		}
		take = 1;
		if (o + 4 >= n)
			break;
		o += (size_t)snprintf(out + o, n - o, "\\x%02x", (unsigned char)s[i]);
	}
	out[o] = '\0';
	return out;
}

static void
write_line(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(STDERR_FILENO, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return;		/* nobody to tell */
		p += w;
		n -= (size_t)w;
	}
}

static void
put(enum log_level level, const char *text)
{
	char line[TEXT_MAX * 4 + 128], when[20];
	size_t n;

	if (state.prefixes)
		n = (size_t)snprintf(line, sizeof(line), "<%d>", (int)level);
	else
		n = (size_t)snprintf(line, sizeof(line), "%s %s%s%s ",
		    wall_format(when, sizeof(when), clock_wall(the_clock())), state.program,
		    state.program[0] != '\0' ? " " : "", level_name[level]);
	log_escape(line + n, sizeof(line) - n - 1, text, strlen(text));
	n += strlen(line + n);
	line[n++] = '\n';
	write_line(line, n);
}

static void __attribute__((format(printf, 2, 0)))
put_v(enum log_level level, const char *fmt, va_list ap)
{
	static const char more[] = "...";
	char text[TEXT_MAX];
	int saved = errno;
	int n;

	n = vsnprintf(text, sizeof(text), fmt, ap);
	if (n < 0)
		snprintf(text, sizeof(text), "unprintable: %s", fmt);
	else if ((size_t)n >= sizeof(text)) {
		size_t end = sizeof(text) - sizeof(more);

		while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
			end--;		/* not inside a character */
		memcpy(text + end, more, sizeof(more));
	}
	put(level, text);
	errno = saved;
}

void
log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > state.max)
		return;
	va_start(ap, fmt);
	put_v(level, fmt, ap);
	va_end(ap);
}

/* The row of key; when all are taken, the one that rested longest makes room. */
static struct limited *
limited_find(const char *key, struct mono now)
{
	struct limited *oldest = &state.limited[0];

	for (size_t i = 0; i < LIMIT_KEYS; i++) {
		struct limited *l = &state.limited[i];

		if (strncmp(l->key, key, sizeof(l->key) - 1) == 0)
			return l;
		if (l->key[0] == '\0') {
			oldest = l;
			break;
		}
		if (l->since.ns < oldest->since.ns)
			oldest = l;
	}
	*oldest = (struct limited){ .since = now };
	snprintf(oldest->key, sizeof(oldest->key), "%s", key);
	return oldest;
}

void
log_limited(enum log_level level, const char *key, int burst, const char *fmt, ...)
{
	struct mono now = clock_mono(the_clock());
	unsigned long left_out = 0;
	struct limited *l;
	bool tell;
	va_list ap;

	if (level > state.max)
		return;
	pthread_mutex_lock(&state.lock);
	l = limited_find(key, now);
	if (now.ns - l->since.ns >= LIMIT_NS) {
		left_out = l->left_out;
		l->since = now;
		l->told = 0;
		l->left_out = 0;
	}
	tell = l->told < burst;
	if (tell)
		l->told++;
	else
		l->left_out++;
	pthread_mutex_unlock(&state.lock);
	if (left_out > 0)
		log_msg(level, "%s: %lu lines alike were left out", key, left_out);
	if (!tell)
		return;
	va_start(ap, fmt);
	put_v(level, fmt, ap);
	va_end(ap);
}
