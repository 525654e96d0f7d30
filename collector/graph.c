/*
 * graph.c - arguments of rrd_graph_v: the frame, the ground, and which kinds there are.
 *
 * One row of `kinds` for each kind; a builder (graph_rtt.c, graph_rows.c) adds
 * DEFs and drawing.  Times are UTC+8, counted here and by the worker's own TZ,
 * never by the machine's; each graph says so below.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/graph_parts.h"
#include "common/mem.h"
#include "common/model.h"

#define UTC8_S (8 * 3600)

static const struct palette palettes[] = {
	[GRAPH_LIGHT] = {
		.back = "#ffffff", .canvas = "#ffffff", .font = "#334155", .grid = "#94a3b838",
		.mgrid = "#64748b48", .axis = "#64748b",
		.smoke = { "#dfe6ee", "#b9c6d5", "#8fa2b8" }, .join = "#5b6b80", .before = "#a855f7",
		.lost = "#ef8f8a", .gap = "#efede4",
		.mark = { "#8b7d5550", "#2f6fed38", "#e0457b30" },
		.line = { "#1565c0", "#c2570c", "#7b3fb5", "#0f766e", "#b42318", "#4d5a6b", "#b8860b",
		    "#d6336c" },
		.fill = "#1565c040", .fill_down = "#c2570c40",
	},
	[GRAPH_DARK] = {
		.back = "#161c24", .canvas = "#161c24", .font = "#c5d0dc", .grid = "#93a4b824",
		.mgrid = "#93a4b840", .axis = "#7d8b9c",
		.smoke = { "#2a3441", "#41505f", "#5f7186" }, .join = "#8fa1b5", .before = "#d2a8ff",
		.lost = "#a83236", .gap = "#28271f",
		.mark = { "#c9b98048", "#5b9bff40", "#ff5c9a30" },
		.line = { "#58a6ff", "#f0883e", "#bc8cff", "#2dd4bf", "#ff7b72", "#9aa7b5", "#e3b341",
		    "#ff8fb8" },
		.fill = "#58a6ff38", .fill_down = "#f0883e38",
	},
};

/* ------------------------------------------------------------- for builders */

void
graph_add(struct builder *b, const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;

	if (b->out->argc >= GRAPH_ARGS_MAX)
		return;
	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	b->out->argv[b->out->argc++] = s;
	b->out->argv[b->out->argc] = NULL;
}

char *
graph_escape(char *out, size_t n, const char *s)
{
	size_t used = 0;

	if (n == 0)
		return out;
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;
		const char *put = s;
		size_t len = 1;

		if (c == ':') {
			put = "\\:";
			len = 2;
		} else if (c == '\\') {
			put = "/";
		} else if (c == '%') {
			put = "\xef\xbc\x85";	/* the full-width sign: no conversion begins here */
			len = 3;
		} else if (c < 0x20 || c == 0x7f) {
			put = " ";
		} else if (c >= 0xc0) {
			while ((s[len] & 0xc0) == 0x80)
				len++;
			s += len - 1;
		}
		if (used + len >= n)
			break;
		memcpy(out + used, put, len);
		used += len;
	}
	out[used] = '\0';
	return out;
}

const char *
graph_say(const struct builder *b, const char *zh, const char *en)
{
	return b->q->lang == GRAPH_ZH ? zh : en;
}

/* A legend text is padded by a blank: without it the box touches the first glyph. */
void
graph_def(struct builder *b, size_t t, const char *var, const char *ds, const char *cf)
{
	char path[1024];

	graph_add(b, "DEF:%s=%s:%s:%s", var, graph_escape(path, sizeof path, b->q->track[t].rrd), ds, cf);
}

/* librrd shifts what was made of a variable with it, so the shift stands right behind the DEF. */
void
graph_def_before(struct builder *b, const char *var, const char *ds)
{
	const struct graph_request *q = b->q;
	char path[1024];

	graph_add(b, "DEF:%s=%s:%s:AVERAGE:start=%lld:end=%lld", var, graph_escape(path, sizeof path,
	    q->track[0].rrd), ds, (long long)(q->from - q->before), (long long)(q->to - q->before));
	graph_add(b, "SHIFT:%s:%lld", var, (long long)q->before);
}

const char *
graph_before_text(const struct builder *b)
{
	static const struct { int64_t s; const char *zh, *en; } rows[] = {
		{ 86400, "前一天", "a day before" }, { 7 * 86400, "上周同期", "a week before" },
		{ 28 * 86400, "四周前", "four weeks before" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].s == b->q->before)
			return graph_say(b, rows[i].zh, rows[i].en);
	return graph_say(b, "此前", "before");
}

static bool
is_mirrored(const struct graph_request *q)
{
	return q->way == GRAPH_PAIR || (q->kind == GRAPH_TRAFFIC && q->mirror);
}

/*
 * All marks of one kind in one variable.  Each covers two pixels and a step at
 * least, or it would fall between two points.  v: any variable, since librrd
 * wants one in a CDEF.
 */
static void
draw_marks(struct builder *b, enum graph_mark_kind kind, const char *v)
{
	static const char *const zh[] = { "未观测", "计划维护", "故障" };
	static const char *const en[] = { "not observed", "planned", "incident" };
	const struct graph_request *q = b->q;
	int64_t least = 2 * (q->to - q->from) / q->width;
	char rpn[GRAPH_MARKS_MAX * 64] = "0";
	size_t n = 1;

	least = least > q->step_s ? least : q->step_s;
	for (size_t i = 0; i < q->marks; i++) {
		const struct graph_mark *m = &q->mark[i];
		int64_t to = m->to > m->from + least ? m->to : m->from + least;

		if (m->kind == kind)
			n += (size_t)snprintf(rpn + n, sizeof rpn - n, ",TIME,%lld,GE,TIME,%lld,LE,*,+",
			    (long long)m->from, (long long)to);
	}
	if (n == 1)
		return;
	graph_add(b, "CDEF:mark%d=%s,POP,%s,INF,UNKN,IF", kind, v, rpn);
	graph_add(b, "AREA:mark%d%s: %s", kind, b->p->mark[kind], graph_say(b, zh[kind], en[kind]));
	if (is_mirrored(q)) {
		graph_add(b, "CDEF:under%d=mark%d,UN,UNKN,NEGINF,IF", kind, kind);
		graph_add(b, "AREA:under%d%s", kind, b->p->mark[kind]);
	}
}

void
graph_ground(struct builder *b, const char *v)
{
	if (b->q->way != GRAPH_PAIR) {
		/* steps of which nothing is known; never in the future */
		graph_add(b, "CDEF:gap=%s,UN,TIME,%lld,LT,*,INF,UNKN,IF", v, (long long)b->edge);
		graph_add(b, "AREA:gap%s: %s", b->p->gap, graph_say(b, "无数据", "no data"));
		if (is_mirrored(b->q)) {
			graph_add(b, "CDEF:undergap=gap,UN,UNKN,NEGINF,IF");
			graph_add(b, "AREA:undergap%s", b->p->gap);
		}
	}
	for (int k = 0; k < MARK_KINDS; k++)
		draw_marks(b, (enum graph_mark_kind)k, v);
}

void
graph_print_row(struct builder *b, const char *var, const char *title, const char *unit)
{
	graph_add(b, "COMMENT: %s", title);
	graph_add(b, "GPRINT:%s:LAST:%s %s", var, graph_say(b, "当前", "now"), unit);
	graph_add(b, "GPRINT:%s:AVERAGE:%s %s", var, graph_say(b, "平均", "avg"), unit);
	graph_add(b, "GPRINT:%s:MAX:%s %s\\l", var, graph_say(b, "最大", "max"), unit);
}

/* ------------------------------------------------------------------- kinds */

static const struct {
	const char *name;
	const struct line_row *rows;	/* what it needs; drawn as lines unless there is a build */
	void (*build)(struct builder *);
	const char *print;		/* format of the rows' figures */
	const char *zh, *en;		/* of the axis */
	const char *upper;		/* --upper-limit */
	bool percent, si;
	bool many;			/* several series can share it */
	const char *text_zh, *text_en;
} kinds[GRAPH_KINDS] = {
	[GRAPH_RTT] = { "rtt", NULL, graph_build_rtt, NULL, "往返时延 毫秒", "RTT ms", NULL, false, false,
	    true, "往返时延", "round-trip time" },
	[GRAPH_LOSS] = { "loss", NULL, graph_build_loss, NULL, "丢包 %", "loss %", "5", false, false, true,
	    "丢包率", "loss" },
	[GRAPH_PDV] = { "pdv", NULL, graph_build_pdv, NULL, "毫秒", "ms", NULL, false, false, true,
	    "时延变化", "delay variation" },
	[GRAPH_TRAFFIC] = { "traffic", graph_traffic_rows, graph_build_traffic, NULL, "比特/秒", "bit/s",
	    NULL, false, true, false, "流量", "traffic" },
	[GRAPH_ERRORS] = { "errors", graph_error_rows, NULL, "%8.2lf/s", "个/秒", "per s", NULL, false,
	    true, false, "错包与丢弃", "errors and discards" },
	[GRAPH_HOST] = { "host", graph_host_rows, NULL, "%7.2lf %%", "占用 %", "used %", "100", true, false,
	    false, "主机资源", "host" },
	[GRAPH_OID] = { "oid", NULL, graph_build_objects, NULL, "数值", "value", NULL, false, true, false,
	    "采集对象", "objects" },
	[GRAPH_STATUS] = { "status", NULL, graph_build_status, NULL, "状态", "state", "1", true, false,
	    false, "端口状态", "port state" },
	[GRAPH_TLS] = { "tls", graph_tls_rows, NULL, "%8.2lf ms", "毫秒", "ms", NULL, false, false, false,
	    "TLS 握手", "TLS handshake" },
	[GRAPH_CERT] = { "cert", graph_cert_rows, NULL, "%8.1lf", "天", "days", NULL, false, false, false,
	    "证书剩余", "certificate left" },
};

const char *
graph_kind_name(enum graph_kind k)
{
	return (unsigned)k < GRAPH_KINDS ? kinds[k].name : "?";
}

const char *
graph_kind_text(enum graph_kind k, enum graph_lang lang)
{
	if ((unsigned)k >= GRAPH_KINDS)
		return "?";
	return lang == GRAPH_ZH ? kinds[k].text_zh : kinds[k].text_en;
}

int
graph_kind_parse(const char *s)
{
	for (int i = 0; i < GRAPH_KINDS; i++)
		if (strcmp(kinds[i].name, s) == 0)
			return i;
	return -1;
}

uint32_t
graph_kinds_of(uint32_t probe, uint32_t roles)
{
	uint32_t out = 0;

	if (probe == PROBE_ICMP || probe == PROBE_TCP)
		out = 1u << GRAPH_RTT | 1u << GRAPH_LOSS | 1u << GRAPH_PDV;
	if (probe == PROBE_TCP)
		roles &= graph_rows_mask(graph_tls_rows) | graph_rows_mask(graph_cert_rows);
	else if (probe != PROBE_SNMP)
		return out;
	for (int i = 0; i < GRAPH_KINDS; i++)
		if ((graph_rows_mask(kinds[i].rows) & roles) != 0)
			out |= 1u << i;
	if ((roles & (UINT32_C(1) << ROLE_OPER_STATUS)) != 0)
		out |= 1u << GRAPH_STATUS;
	if (roles >> ROLE_OID0 != 0)
		out |= 1u << GRAPH_OID;
	return out;
}

/* ------------------------------------------------------------------- frame */

/* Grid and labels of the time axis by the seconds for each pixel; numbers only, so no locale is needed. */
static const struct {
	double per_px;			/* up to */
	const char *grid;
} time_grids[] = {
	{ 0.35, "SECOND:10:MINUTE:1:MINUTE:1:0:%H:%M" },
	{ 1.5, "MINUTE:1:MINUTE:5:MINUTE:5:0:%H:%M" },
	{ 4.5, "MINUTE:5:MINUTE:10:MINUTE:10:0:%H:%M" },
	{ 10, "MINUTE:10:MINUTE:30:MINUTE:30:0:%H:%M" },
	{ 20, "MINUTE:15:HOUR:1:HOUR:1:0:%H:%M" },
	{ 45, "MINUTE:30:HOUR:2:HOUR:2:0:%H:%M" },
	{ 65, "HOUR:1:HOUR:4:HOUR:4:0:%H:%M" },
	{ 110, "HOUR:1:HOUR:6:HOUR:6:0:%m-%d %H:%M" },
	{ 260, "HOUR:2:HOUR:12:HOUR:12:0:%m-%d %H:%M" },
	{ 900, "HOUR:6:DAY:1:DAY:1:86400:%m-%d" },
	{ 1600, "HOUR:12:DAY:2:DAY:2:86400:%m-%d" },
	{ 3600, "DAY:1:DAY:3:DAY:3:86400:%m-%d" },
	{ 8000, "DAY:1:WEEK:1:WEEK:1:0:%m-%d" },
	{ 40000, "WEEK:1:MONTH:1:MONTH:1:0:%Y-%m" },
	{ 90000, "MONTH:1:MONTH:3:MONTH:3:0:%Y-%m" },
	{ HUGE_VAL, "MONTH:1:YEAR:1:YEAR:1:31536000:%Y" },
};

static const char *
time_grid(double per_px)
{
	size_t i = 0;

	while (per_px > time_grids[i].per_px)
		i++;
	return time_grids[i].grid;
}

static void
build_colors(struct builder *b)
{
	const struct { const char *tag, *color; } colors[] = {
		{ "BACK", b->p->back }, { "CANVAS", b->p->canvas }, { "FONT", b->p->font },
		{ "GRID", b->p->grid }, { "MGRID", b->p->mgrid }, { "AXIS", b->p->axis },
		{ "FRAME", b->p->axis }, { "ARROW", b->p->axis },
		{ "SHADEA", b->p->back }, { "SHADEB", b->p->back },
	};

	for (size_t i = 0; i < sizeof colors / sizeof *colors; i++)
		graph_add(b, "--color=%s%s", colors[i].tag, colors[i].color);
}

/* The title's own line: of what stands there librrd gives a meaning to the backslash alone. */
static void
build_title(struct builder *b)
{
	char text[400];

	if (b->q->title == NULL)
		return;
	snprintf(text, sizeof text, "%s", b->q->title);
	for (char *s = text; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = ' ';
		else if (*s == '\\')
			*s = '/';
	graph_add(b, "--title=%s", text);
	graph_add(b, "--font=TITLE:12:Noto Sans CJK SC,WenQuanYi Micro Hei,Sans");
}

static void
build_options(struct builder *b)
{
	const struct graph_request *q = b->q;

	graph_add(b, "graph");
	graph_add(b, "-");
	graph_add(b, "--imgformat=%s", q->format == GRAPH_SVG ? "SVG" : "PNG");
	graph_add(b, "--start=%lld", (long long)q->from);
	graph_add(b, "--end=%lld", (long long)q->to);
	graph_add(b, "--width=%u", q->width);
	graph_add(b, "--height=%u", q->height);
	graph_add(b, "--zoom=%.2f", q->scale);
	graph_add(b, "--border=0");
	if (!is_mirrored(q))
		graph_add(b, "--lower-limit=0");
	graph_add(b, "--disable-rrdtool-tag");
	graph_add(b, "--font=DEFAULT:10.5:Noto Sans CJK SC,WenQuanYi Micro Hei,Sans");
	graph_add(b, "--font=LEGEND:10:Noto Sans Mono CJK SC,Noto Sans CJK SC,Monospace");
	build_title(b);
	graph_add(b, "--vertical-label=%s", graph_say(b, kinds[q->kind].zh, kinds[q->kind].en));
	graph_add(b, "--x-grid=%s", time_grid((double)(q->to - q->from) / q->width));
	if (kinds[q->kind].upper != NULL && !is_mirrored(q))
		graph_add(b, "--upper-limit=%s", kinds[q->kind].upper);
	if (kinds[q->kind].percent)
		graph_add(b, "--rigid");
	if (!kinds[q->kind].si) {
		graph_add(b, "--units-exponent=0");
		graph_add(b, "--left-axis-format=%%lg");
	}
	if (q->kind == GRAPH_STATUS)
		graph_add(b, "--y-grid=none");
	build_colors(b);
}

/* "2026-01-01 08\:00" at UTC+8. */
static const char *
stamp(char out[32], int64_t t)
{
	time_t local = (time_t)(t + UTC8_S);
	struct tm tm;

	gmtime_r(&local, &tm);
	strftime(out, 32, "%Y-%m-%d %H\\:%M", &tm);
	return out;
}

/* What a picture in a report must say by itself: which time it shows, and by which clock. */
static void
build_foot(struct builder *b)
{
	char from[32], to[32];

	graph_add(b, "COMMENT:%s – %s  UTC+8\\r", stamp(from, b->q->from), stamp(to, b->q->to));
}

/* ------------------------------------------------------------------- doors */

void
graph_mark(struct graph_request *q, enum graph_mark_kind kind, int64_t from, int64_t to)
{
	from = from > q->from ? from : q->from;
	to = to < q->to ? to : q->to;
	if (from <= to && q->marks < GRAPH_MARKS_MAX && (unsigned)kind < MARK_KINDS)
		q->mark[q->marks++] = (struct graph_mark){ kind, from, to };
}

/* Are the series such as this way of drawing takes? */
static bool
tracks_are_good(const struct graph_request *q)
{
	size_t least = q->way == GRAPH_ONE ? 1 : 2;
	size_t most = q->way == GRAPH_OVERLAY ? GRAPH_TRACKS_MAX : least;

	if ((unsigned)q->way > GRAPH_PAIR || q->tracks < least || q->tracks > most)
		return false;
	if (q->way != GRAPH_ONE && (!kinds[q->kind].many || q->before != 0))
		return false;
	for (size_t i = 0; i < q->tracks; i++)
		if (q->track[i].rrd == NULL || (q->way != GRAPH_ONE && q->track[i].name == NULL))
			return false;
	return true;
}

static bool
numbers_are_good(const struct graph_request *q)
{
	return q->from >= 0 && q->to - q->from >= GRAPH_SPAN_MIN && q->to - q->from <= GRAPH_SPAN_MAX &&
	    q->width >= 50 && q->width <= GRAPH_WIDTH_MAX && q->height >= 20 &&
	    q->height <= GRAPH_HEIGHT_MAX && q->step_s > 0 && q->scale >= 1 && q->scale <= 3 &&
	    q->marks <= GRAPH_MARKS_MAX && q->before >= 0 && q->before <= GRAPH_BEFORE_MAX &&
	    q->before < q->from;
}

int
graph_build(const struct graph_request *q, struct graph_args *out)
{
	struct builder b = { .q = q, .out = out };

	*out = (struct graph_args){ 0 };
	if ((unsigned)q->kind >= GRAPH_KINDS || (unsigned)q->lang > GRAPH_EN ||
	    (unsigned)q->theme > GRAPH_DARK || (unsigned)q->format > GRAPH_SVG || !numbers_are_good(q) ||
	    !tracks_are_good(q))
		return -EINVAL;
	if (kinds[q->kind].rows != NULL && (graph_rows_mask(kinds[q->kind].rows) & q->roles) == 0)
		return -EINVAL;
	if (q->kind == GRAPH_OID && q->roles >> ROLE_OID0 == 0)
		return -EINVAL;
	b.p = &palettes[q->theme];
	b.edge = q->now - 3 * (int64_t)q->step_s;
	build_options(&b);
	if (kinds[q->kind].build != NULL)
		kinds[q->kind].build(&b);
	else
		graph_build_rows(&b, kinds[q->kind].rows, kinds[q->kind].print);
	build_foot(&b);
	return 0;
}

int
graph_fetch_build(const char *rrd, const char *cf, int64_t from, int64_t to, int64_t resolution,
    struct graph_args *out)
{
	struct builder b = { .out = out };

	*out = (struct graph_args){ 0 };
	if (rrd == NULL || from < 0 || to - from < 1 || to - from > GRAPH_SPAN_MAX || resolution < 1 ||
	    (strcmp(cf, "AVERAGE") != 0 && strcmp(cf, "MAX") != 0))
		return -EINVAL;
	graph_add(&b, "fetch");
	graph_add(&b, "%s", rrd);
	graph_add(&b, "%s", cf);
	graph_add(&b, "%lld", (long long)from);
	graph_add(&b, "%lld", (long long)to);
	graph_add(&b, "%lld", (long long)resolution);
	return 0;
}

void
graph_args_free(struct graph_args *a)
{
	for (int i = 0; i < a->argc; i++)
		free(a->argv[i]);
	*a = (struct graph_args){ 0 };
}
