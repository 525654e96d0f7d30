/*
 * tail_line.c - what `tail` writes (see tail_line.h).
 */
#include "collector/tail_line.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf.h"
#include "common/when.h"

#define LINK_WIDTH 20			/* at least */
#define HEAD_EVERY 40			/* lines */

static const struct { const char *zh, *en; size_t width; } column[] = {
	{ "时间", "time", 12 }, { "链路", "link", 0 }, { "发送", "sent", 5 }, { "丢失", "lost", 5 },
	{ "最小 ms", "min ms", 9 }, { "中位 ms", "median ms", 9 }, { "最大 ms", "max ms", 9 },
	{ "说明", "notes", 0 },
};

static bool
speaks_chinese(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *v = getenv(names[i]);

		if (v != NULL && *v != '\0')
			return strncmp(v, "zh", 2) == 0;
	}
	return false;
}

void
tail_line_init(struct tail_line *l, bool terminal)
{
	*l = (struct tail_line){ .zh = speaks_chinese(), .again = terminal, .link_width = LINK_WIDTH };
}

void
tail_line_fini(struct tail_line *l)
{
	pick_fini(&l->pick);
}

/* s and blanks up to so many columns; numbers stand at the right. */
static void
put(const char *s, size_t width, bool right)
{
	size_t w = utf_width(s);
	int pad = (int)(width > w ? width - w : 0);

	if (right)
		printf("%*s%s ", pad, "", s);
	else
		printf("%s%*s ", s, pad, "");
}

void
tail_line_head(struct tail_line *l)
{
	const size_t n = sizeof column / sizeof column[0];

	l->since_head = 0;
	if (l->json)
		return;
	for (size_t i = 0; i < n; i++) {
		const char *text = l->zh ? column[i].zh : column[i].en;

		if (i + 1 == n)
			printf("%s\n", text);
		else
			put(text, i == 1 ? l->link_width : column[i].width, i >= 2);
	}
}

static void
next_line(struct tail_line *l)
{
	if (l->again && ++l->since_head > HEAD_EVERY)
		tail_line_head(l);
}

static int
compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Least, median and greatest of the round trips, each as text in ms ("-": none came back). */
static void
rtt_texts(const struct sample *s, char text[3][24])
{
	uint32_t v[SAMPLE_RTT_MAX], n = s->rtt_count;
	double ms[3];

	for (size_t i = 0; i < 3; i++)
		strcpy(text[i], "-");
	if (n == 0 || n > SAMPLE_RTT_MAX)
		return;
	memcpy(v, s->rtt_100ns, n * sizeof v[0]);
	qsort(v, n, sizeof v[0], compare);
	ms[0] = v[0] / 1e4;
	ms[1] = n % 2 == 1 ? v[n / 2] / 1e4 : (v[n / 2 - 1] + (double)v[n / 2]) / 2e4;
	ms[2] = v[n - 1] / 1e4;
	for (size_t i = 0; i < 3; i++)
		snprintf(text[i], sizeof text[i], "%.3f", ms[i]);
}

/* "08:31:07.250" at UTC+8. */
static void
clock_text(char out[16], int64_t ns)
{
	char when[WHEN_RFC3339_LEN];

	when_format(when, sizeof when, (struct wall){ ns });
	snprintf(out, 16, "%.12s", when + 11);
}

static void
put_number(uint64_t v, size_t width)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, v);
	put(text, width, true);
}

void
tail_line_sample(struct tail_line *l, const struct stored *from, const struct sample *s)
{
	char when[16], name[2 * ID_MAX + 2], rtt[3][24];

	if (l->json) {
		stored_json(stdout, from, s);
		return;
	}
	snprintf(name, sizeof name, "%s/%s", from->agent, s->link);
	if (strlen(name) > l->link_width) {
		l->link_width = strlen(name);
		tail_line_head(l);
	}
	next_line(l);
	clock_text(when, s->start_ns);
	rtt_texts(s, rtt);
	put(when, column[0].width, false);
	put(name, l->link_width, false);
	put_number(s->sent, column[2].width);
	put_number(s->sent - s->rtt_count, column[3].width);
	for (size_t i = 0; i < 3; i++)
		put(rtt[i], column[4 + i].width, true);
	stored_notes(stdout, s);
	putchar('\n');
}

void
tail_line_gap(struct tail_line *l, const char *agent, const Linkwatch__Pb__Gap *gap)
{
	char from[WHEN_RFC3339_LEN], to[WHEN_RFC3339_LEN];

	if (l->json) {
		printf("{\"type\":\"gap\",\"agent\":\"%s\",\"from_ns\":%" PRId64 ",\"to_ns\":%" PRId64
		    ",\"samples\":%" PRIu64 ",\"reason\":", agent, gap->from_ns, gap->to_ns, gap->count);
		stored_text_json(stdout, gap->reason);
		puts("}");
		return;
	}
	next_line(l);
	when_format(from, sizeof from, (struct wall){ gap->from_ns });
	when_format(to, sizeof to, (struct wall){ gap->to_ns });
	printf(l->zh ? "-- %s 丢失 %" PRIu64 " 个样本，%.19s 至 %.19s：" : "-- %s has lost %" PRIu64
	    " samples, %.19s to %.19s: ", agent, gap->count, from, to);
	stored_text(stdout, gap->reason);
	putchar('\n');
}

void
tail_line_session(struct tail_line *l, const Linkwatch__Pb__Session *s)
{
	if (l->json) {
		printf("{\"type\":\"session\",\"at_ns\":%" PRId64 ",\"agent\":", s->at_ns);
		stored_text_json(stdout, s->agent);
		printf(",\"up\":%s,\"address\":", s->up ? "true" : "false");
		stored_text_json(stdout, s->address);
		fputs(",\"reason\":", stdout);
		stored_text_json(stdout, s->reason);
		puts("}");
		return;
	}
	next_line(l);
	fputs("-- ", stdout);
	stored_text(stdout, s->agent);
	if (s->up)
		fputs(l->zh ? " 已连接，来自 " : " is connected from ", stdout);
	else
		fputs(l->zh ? " 已断开：" : " is gone: ", stdout);
	stored_text(stdout, s->up ? s->address : s->reason);
	putchar('\n');
}

void
tail_line_note(const struct tail_line *l, const char *zh, const char *en, uint64_t number)
{
	fflush(stdout);
	fputs("linkwatch-collector: ", stderr);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	fprintf(stderr, l->zh ? zh : en, number);
#pragma GCC diagnostic pop
	fputc('\n', stderr);
}
