/*
 * log.c - lines to stderr; the product's one piece of global state.
 */
#include "common/log.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"

#define LINE_MAX_LEN 2048
#define KEYS 64				/* of log_limited; the oldest gives way */

struct limit { uint64_t key; int64_t minute; int told, left_out; };

static struct {
	const char *program;
	enum log_level max;
	bool journal;
	struct limit limit[KEYS];
} state = { .max = LOG_INFORM };

/* systemd tells in JOURNAL_STREAM which device:inode its journal socket has. */
static bool
stderr_is_journal(void)
{
	const char *s = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return s != NULL && sscanf(s, "%llu:%llu", &dev, &ino) == 2 && fstat(2, &st) == 0 &&
	    st.st_dev == dev && st.st_ino == ino;
}

void
log_init(const char *program, enum log_level max)
{
	state.program = program;
	state.max = max;
	state.journal = stderr_is_journal();
}

void
log_set_level(enum log_level max)
{
	state.max = max;
}

/* Length of the printable UTF-8 character at p, or 0. */
static size_t
printable(const uint8_t *p, size_t len)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (n == 1)
		return p[0] >= 0x20 && p[0] != 0x7f;
	if (p[0] < 0xc2 || p[0] > 0xf4 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xc2 && p[1] < 0xa0) ||	/* C1 controls */
	    (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
		return 0;
	if (p[0] == 0xe2 && ((p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) ||
	    (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9)))
		return 0;			/* line and direction marks */
	return n;
}

char *
log_escape(char *out, size_t n, const char *s, size_t len)
{
	const uint8_t *p = (const uint8_t *)s;
	size_t at = 0;

	if (n == 0)
		return out;
	while (len > 0) {
		size_t take = printable(p, len);

		if (take > 0) {
			if (at + take >= n)
				break;
			memcpy(out + at, p, take);
			at += take;
		} else {
			if (at + 4 >= n)
				break;
			at += (size_t)snprintf(out + at, n - at, "\\x%02x", p[0]);
			take = 1;
		}
		p += take;
		len -= take;
	}
	out[at] = '\0';
	return out;
}

static const char *
level_name(enum log_level level)
{
	switch (level) {
	case LOG_ERROR: return "error";
	case LOG_WARNING: return "warning";
	case LOG_NOTICE: return "notice";
	case LOG_INFORM: return "info";
	case LOG_DEBUGGING: return "debug";
	}
	return "?";
}

static void __attribute__((format(printf, 2, 0)))
put(enum log_level level, const char *fmt, va_list ap)
{
	char raw[LINE_MAX_LEN], text[LINE_MAX_LEN + 512], line[LINE_MAX_LEN + 640], when[24];
	int n = vsnprintf(raw, sizeof(raw), fmt, ap);

	if (n < 0)
		return;
	log_escape(text, sizeof(text), raw, strlen(raw));
	if (state.journal)
		n = snprintf(line, sizeof(line), "<%d>%s\n", (int)level, text);
	else
		n = snprintf(line, sizeof(line), "%s %s %s: %s\n",
		    wall_format(when, sizeof(when), clock_wall(clock_real())),
		    level_name(level), state.program != NULL ? state.program : "-", text);
	if (n > 0) {
		size_t len = (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1;
		ssize_t put_n = write(2, line, len);	/* one call: lines stay whole */

		(void)put_n;
	}
}

void
log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > state.max)
		return;
	va_start(ap, fmt);
	put(level, fmt, ap);
	va_end(ap);
}

static uint64_t
hash(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);	/* FNV-1a */

	for (; *s != '\0'; s++)
		h = (h ^ (uint8_t)*s) * UINT64_C(0x100000001b3);
	return h;
}

static struct limit *
find_limit(uint64_t key)
{
	struct limit *oldest = &state.limit[0];

	for (size_t i = 0; i < KEYS; i++) {
		if (state.limit[i].key == key)
			return &state.limit[i];
		if (state.limit[i].minute < oldest->minute)
			oldest = &state.limit[i];
	}
	*oldest = (struct limit){ .key = key, .minute = -1 };
	return oldest;
}

void
log_limited(enum log_level level, const char *key, int burst, const char *fmt, ...)
{
	int64_t minute = clock_mono(clock_real()).ns / (60 * NS_PER_S);
	struct limit *l = find_limit(hash(key));
	va_list ap;

	if (level > state.max)
		return;
	if (l->minute != minute) {
		if (l->left_out > 0)
			log_msg(level, "%s: %d more lines like this were left out", key, l->left_out);
		l->minute = minute;
		l->told = l->left_out = 0;
	}
	if (l->told >= burst) {
		l->left_out++;
		return;
	}
	l->told++;
	va_start(ap, fmt);
	put(level, fmt, ap);
	va_end(ap);
}
