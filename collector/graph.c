/*
 * graph.c - arguments of rrd_graph_v for each kind of graph.
 *
 * One row of `kinds` for each kind; a builder adds DEFs and drawing.  RTT is
 * stored in seconds and drawn in milliseconds, ratios are drawn in per cent.
 * Lost and not measured look different on purpose: a step in which all was
 * lost is shaded red, a step without any sample grey.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/graph.h"
#include "common/mem.h"
#include "common/model.h"

struct palette {
	const char *back, *canvas, *font, *grid, *mgrid, *axis;
	const char *smoke[3];		/* min-max, p10-p90, p25-p75 */
	const char *join;		/* thin line between medians */
	const char *lost, *gap, *band;
	const char *line[6], *fill;
};

static const struct palette palettes[] = {
	[GRAPH_LIGHT] = {
		.back = "#ffffff", .canvas = "#ffffff", .font = "#334155", .grid = "#94a3b838",
		.mgrid = "#64748b48", .axis = "#64748b",
		.smoke = { "#dfe6ee", "#b9c6d5", "#8fa2b8" }, .join = "#5b6b80",
		.lost = "#f2b8b5", .gap = "#efede4", .band = "#e0457b30",
		.line = { "#1565c0", "#c2570c", "#7b3fb5", "#0f766e", "#b42318", "#4d5a6b" },
		.fill = "#1565c040",
	},
	[GRAPH_DARK] = {
		.back = "#161c24", .canvas = "#161c24", .font = "#c5d0dc", .grid = "#93a4b824",
		.mgrid = "#93a4b840", .axis = "#7d8b9c",
		.smoke = { "#2a3441", "#41505f", "#5f7186" }, .join = "#8fa1b5",
		.lost = "#6b2b2e", .gap = "#28271f", .band = "#ff5c9a30",
		.line = { "#58a6ff", "#f0883e", "#bc8cff", "#2dd4bf", "#ff7b72", "#9aa7b5" },
		.fill = "#58a6ff38",
	},
};

/* The median's colour by the loss of its step: up to `below`, inclusive. */
static const struct {
	double below;
	const char *color[2], *text[2];
} loss_steps[] = {
	{ 0.0, { "#15803d", "#3fb950" }, { "丢包 0", "loss 0" } },
	{ 0.05, { "#0f7fd1", "#4cc2ff" }, { "≤5%", "<=5%" } },
	{ 0.20, { "#b7791f", "#e3b341" }, { "≤20%", "<=20%" } },
	{ 0.50, { "#d9480f", "#ff9248" }, { "≤50%", "<=50%" } },
	{ 1.0, { "#c01c28", "#ff6b68" }, { ">50%", ">50%" } },
};

struct builder {
	const struct graph_request *q;
	const struct palette *p;
	struct graph_args *out;
	int64_t edge;			/* from here on a sample may still be on its way */
};

static void __attribute__((format(printf, 2, 3)))
add(struct builder *b, const char *fmt, ...)
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

static const char *
say(const struct builder *b, const char *zh, const char *en)
{
	return b->q->lang == GRAPH_ZH ? zh : en;
}

/* A legend text is padded by a blank: without it the box touches the first glyph. */
static void
def(struct builder *b, const char *var, const char *ds, const char *cf)
{
	char path[1024];

	add(b, "DEF:%s=%s:%s:%s", var, graph_escape(path, sizeof path, b->q->rrd), ds, cf);
}

/* Bands of incidents lie under everything else.  v: any variable, since librrd wants one in a CDEF. */
static void
draw_bands(struct builder *b, const char *v)
{
	for (size_t i = 0; i < b->q->bands; i++) {
		const struct graph_band *w = &b->q->band[i];

		add(b, "CDEF:band%zu=%s,POP,TIME,%lld,GE,TIME,%lld,LE,*,INF,UNKN,IF", i, v,
		    (long long)w->from, (long long)w->to);
		add(b, "AREA:band%zu%s%s%s", i, b->p->band, i == 0 ? ": " : "",
		    i == 0 ? say(b, "故障", "incident") : "");
	}
}

/* Steps of which nothing is known, told by the variable v; never in the future. */
static void
draw_gap(struct builder *b, const char *v)
{
	add(b, "CDEF:gap=%s,UN,TIME,%lld,LT,*,INF,UNKN,IF", v, (long long)b->edge);
	add(b, "AREA:gap%s: %s", b->p->gap, say(b, "无数据", "no data"));
}

static void
draw_smoke(struct builder *b)
{
	static const char *const names[] = { "min", "p10", "p25", "p50", "p75", "p90", "max" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char ds[16];

		snprintf(ds, sizeof ds, "rtt_%s", names[i]);
		def(b, ds, ds, i == 0 ? "MIN" : i == 6 ? "MAX" : "AVERAGE");
		add(b, "CDEF:%s=%s,1000,*", names[i], ds);
	}
	for (int i = 0; i < 3; i++)
		add(b, "CDEF:band_%d=%s,%s,-,0,MAX", i, names[6 - i], names[i]);
	for (int i = 0; i < 3; i++) {
		static const char *const text[] = { "min-max", "p10-p90", "p25-p75" };

		add(b, "AREA:%s#00000000", names[i]);
		add(b, "AREA:band_%d%s: %s:STACK", i, b->p->smoke[i], text[i]);
	}
}

static void
draw_median(struct builder *b)
{
	const char *low = "-1";
	char buf[32];

	add(b, "LINE1:p50%s", b->p->join);
	for (size_t i = 0; i < sizeof loss_steps / sizeof *loss_steps; i++) {
		add(b, "CDEF:m%zu=loss,%s,GT,loss,%g,LE,*,p50,UNKN,IF", i, low,
		    loss_steps[i].below);
		add(b, "LINE2:m%zu%s: %s", i, loss_steps[i].color[b->q->theme],
		    loss_steps[i].text[b->q->lang]);
		snprintf(buf, sizeof buf, "%g", loss_steps[i].below);
		low = buf;
	}
}

/* "last, average, maximum" of a variable as one line of the legend. */
static void
print_row(struct builder *b, const char *var, const char *title, const char *unit)
{
	add(b, "COMMENT: %s", title);
	add(b, "GPRINT:%s:LAST:%s %s", var, say(b, "当前", "now"), unit);
	add(b, "GPRINT:%s:AVERAGE:%s %s", var, say(b, "平均", "avg"), unit);
	add(b, "GPRINT:%s:MAX:%s %s\\l", var, say(b, "最大", "max"), unit);
}

static void
build_rtt(struct builder *b)
{
	def(b, "loss", "loss", "AVERAGE");
	draw_bands(b, "loss");
	draw_gap(b, "loss");
	add(b, "CDEF:lost=loss,0.999,GE,INF,UNKN,IF");
	add(b, "AREA:lost%s: %s", b->p->lost, say(b, "全部丢失", "all lost"));
	draw_smoke(b);
	draw_median(b);
	add(b, "COMMENT:\\l");
	print_row(b, "p50", say(b, "中位时延", "Median RTT"), "%8.2lf ms");
	add(b, "CDEF:losspct=loss,100,*");
	print_row(b, "losspct", say(b, "丢包率　", "Loss      "), "%8.2lf %%");
}

static void
build_loss(struct builder *b)
{
	def(b, "loss", "loss", "AVERAGE");
	def(b, "worst", "loss", "MAX");
	draw_bands(b, "loss");
	draw_gap(b, "loss");
	add(b, "CDEF:pct=loss,100,*");
	add(b, "CDEF:top=worst,100,*");
	add(b, "AREA:top%s60: %s", b->p->line[4], say(b, "最差", "worst"));
	add(b, "AREA:pct%s: %s\\l", b->p->line[4], say(b, "丢包率", "loss"));
	print_row(b, "pct", say(b, "丢包率", "Loss"), "%7.2lf %%");
}

static void
build_pdv(struct builder *b)
{
	def(b, "raw", "pdv", "AVERAGE");
	draw_bands(b, "raw");
	draw_gap(b, "raw");
	add(b, "CDEF:ms=raw,1000,*");
	add(b, "AREA:ms%s", b->p->fill);
	add(b, "LINE1.5:ms%s: %s\\l", b->p->line[0], say(b, "时延变化 PDV（p90 - 最小）",
	    "delay variation PDV (p90 - minimum)"));
	print_row(b, "ms", "PDV", "%8.2lf ms");
}

struct line_row { uint32_t role; const char *zh, *en; double factor; };

static const struct line_row traffic_rows[] = {
	{ ROLE_IN_BPS, "入方向", "in ", 1 }, { ROLE_OUT_BPS, "出方向", "out", 1 }, { 0, 0, 0, 0 },
};
static const struct line_row error_rows[] = {
	{ ROLE_IN_ERRORS, "入方向错包", "in errors   ", 1 },
	{ ROLE_OUT_ERRORS, "出方向错包", "out errors  ", 1 },
	{ ROLE_IN_DISCARDS, "入方向丢弃", "in discards ", 1 },
	{ ROLE_OUT_DISCARDS, "出方向丢弃", "out discards", 1 },
	{ 0, 0, 0, 0 },
};
static const struct line_row host_rows[] = {
	{ ROLE_CPU_RATIO, "处理器", "CPU    ", 100 },
	{ ROLE_MEM_RATIO, "内存　", "memory ", 100 },
	{ ROLE_STORAGE_RATIO, "存储　", "storage", 100 },
	{ 0, 0, 0, 0 },
};
static const struct line_row tls_rows[] = {
	{ ROLE_TLS_S, "TLS 握手", "TLS handshake", 1000 }, { 0, 0, 0, 0 },
};
static const struct line_row cert_rows[] = {
	{ ROLE_CERT_DAYS, "证书剩余", "certificate left", 1 }, { 0, 0, 0, 0 },
};

static uint32_t
rows_mask(const struct line_row *r)
{
	uint32_t m = 0;

	for (; r != NULL && r->role != 0; r++)
		m |= UINT32_C(1) << r->role;
	return m;
}

/* All rows that the series has, as lines (the first one filled), with their figures. */
static void
build_rows(struct builder *b, const struct line_row *rows, const char *unit)
{
	bool first = true;

	for (int i = 0; rows[i].role != 0; i++) {
		const char *ds = value_role_name(rows[i].role);
		char var[16];

		if ((b->q->roles & (UINT32_C(1) << rows[i].role)) == 0)
			continue;
		snprintf(var, sizeof var, "v%d", i);
		def(b, ds, ds, "AVERAGE");
		if (first) {
			/* a connection without its handshake was seen all the same */
			const char *seen = rows == tls_rows || rows == cert_rows ? "loss" : ds;

			if (seen != ds)
				def(b, seen, seen, "AVERAGE");
			draw_bands(b, seen);
			draw_gap(b, seen);
			add(b, "COMMENT:\\l");
		}
		add(b, "CDEF:%s=%s,%g,*", var, ds, rows[i].factor);
		if (first)
			add(b, "AREA:%s%s", var, b->p->fill);
		add(b, "LINE1.5:%s%s: %s", var, b->p->line[i % 6], say(b, rows[i].zh, rows[i].en));
		print_row(b, var, "", unit);
		first = false;
	}
}

/* One line for each named object, under the name and with the unit that people gave it. */
static void
build_objects(struct builder *b)
{
	bool first = true;

	for (uint32_t i = 0; i < GRAPH_OBJECTS; i++) {
		const char *ds = value_role_name(ROLE_OID0 + i);
		const char *name = b->q->object_name[i], *unit = b->q->object_unit[i];
		char name_text[256], unit_text[64], format[80];

		if ((b->q->roles & UINT32_C(1) << (ROLE_OID0 + i)) == 0)
			continue;
		graph_escape(name_text, sizeof name_text, name != NULL ? name : ds);
		graph_escape(unit_text, sizeof unit_text, unit != NULL ? unit : "");
		def(b, ds, ds, "AVERAGE");
		if (first) {
			draw_bands(b, ds);
			draw_gap(b, ds);
			add(b, "COMMENT:\\l");
		}
		first = false;
		snprintf(format, sizeof format, "%%8.2lf %%s%s", unit_text);
		add(b, "LINE1.5:%s%s: %s", ds, b->p->line[i % 6], name_text);
		print_row(b, ds, "", format);
	}
}

static void
build_status(struct builder *b)
{
	const char *ds = value_role_name(ROLE_OPER_STATUS);

	def(b, "st", ds, "MAX");
	draw_bands(b, "st");
	draw_gap(b, "st");
	add(b, "CDEF:up=st,1,LE,1,UNKN,IF");
	add(b, "CDEF:down=st,1,GT,1,UNKN,IF");
	add(b, "AREA:up%s: %s", loss_steps[0].color[b->q->theme], say(b, "端口正常", "port up"));
	add(b, "AREA:down%s: %s\\l", b->p->line[4], say(b, "端口不正常", "port not up"));
}

static const struct {
	const char *name;
	const struct line_row *rows;	/* or build */
	void (*build)(struct builder *);
	const char *print;		/* format of the rows' figures */
	const char *zh, *en;		/* of the axis */
	const char *upper;		/* --upper-limit */
	bool percent, si;
} kinds[GRAPH_KINDS] = {
	[GRAPH_RTT] = { "rtt", NULL, build_rtt, NULL, "往返时延 毫秒", "RTT ms", NULL, false, false },
	[GRAPH_LOSS] = { "loss", NULL, build_loss, NULL, "丢包 %", "loss %", "5", false, false },
	[GRAPH_PDV] = { "pdv", NULL, build_pdv, NULL, "毫秒", "ms", NULL, false, false },
	[GRAPH_TRAFFIC] = { "traffic", traffic_rows, NULL, "%7.2lf %sbit/s", "比特/秒", "bit/s",
	    NULL, false, true },
	[GRAPH_ERRORS] = { "errors", error_rows, NULL, "%8.2lf/s", "个/秒", "per s", NULL, false, true },
	[GRAPH_HOST] = { "host", host_rows, NULL, "%7.2lf %%", "占用 %", "used %", "100", true, false },
	[GRAPH_OID] = { "oid", NULL, build_objects, NULL, "数值", "value", NULL, false, true },
	[GRAPH_STATUS] = { "status", NULL, build_status, NULL, "状态", "state", "1", true, false },
	[GRAPH_TLS] = { "tls", tls_rows, NULL, "%8.2lf ms", "毫秒", "ms", NULL, false, false },
	[GRAPH_CERT] = { "cert", cert_rows, NULL, "%8.1lf", "天", "days", NULL, false, false },
};

const char *
graph_kind_name(enum graph_kind k)
{
	return (unsigned)k < GRAPH_KINDS ? kinds[k].name : "?";
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
		roles &= rows_mask(tls_rows) | rows_mask(cert_rows);
	else if (probe != PROBE_SNMP)
		return out;
	for (int i = 0; i < GRAPH_KINDS; i++)
		if ((rows_mask(kinds[i].rows) & roles) != 0)
			out |= 1u << i;
	if ((roles & (UINT32_C(1) << ROLE_OPER_STATUS)) != 0)
		out |= 1u << GRAPH_STATUS;
	if (roles >> ROLE_OID0 != 0)
		out |= 1u << GRAPH_OID;
	return out;
}

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
build_options(struct builder *b)
{
	const struct graph_request *q = b->q;
	const struct { const char *tag, *color; } colors[] = {
		{ "BACK", b->p->back }, { "CANVAS", b->p->canvas }, { "FONT", b->p->font },
		{ "GRID", b->p->grid }, { "MGRID", b->p->mgrid }, { "AXIS", b->p->axis },
		{ "FRAME", b->p->axis }, { "ARROW", b->p->axis },
		{ "SHADEA", b->p->back }, { "SHADEB", b->p->back },
	};

	add(b, "graph");
	add(b, "-");
	add(b, "--imgformat=PNG");
	add(b, "--start=%lld", (long long)q->from);
	add(b, "--end=%lld", (long long)q->to);
	add(b, "--width=%u", q->width);
	add(b, "--height=%u", q->height);
	add(b, "--zoom=%.2f", q->scale);
	add(b, "--border=0");
	add(b, "--lower-limit=0");
	add(b, "--disable-rrdtool-tag");
	add(b, "--font=DEFAULT:10.5:Noto Sans CJK SC,WenQuanYi Micro Hei,Sans");
	add(b, "--font=LEGEND:10:Noto Sans Mono CJK SC,Noto Sans CJK SC,Monospace");
	add(b, "--vertical-label=%s", say(b, kinds[q->kind].zh, kinds[q->kind].en));
	add(b, "--x-grid=%s", time_grid((double)(q->to - q->from) / q->width));
	if (kinds[q->kind].upper != NULL)
		add(b, "--upper-limit=%s", kinds[q->kind].upper);
	if (kinds[q->kind].percent)
		add(b, "--rigid");
	if (!kinds[q->kind].si) {
		add(b, "--units-exponent=0");
		add(b, "--left-axis-format=%%lg");
	}
	if (q->kind == GRAPH_STATUS)
		add(b, "--y-grid=none");
	for (size_t i = 0; i < sizeof colors / sizeof *colors; i++)
		add(b, "--color=%s%s", colors[i].tag, colors[i].color);
}

int
graph_build(const struct graph_request *q, struct graph_args *out)
{
	struct builder b = { .q = q, .out = out };

	*out = (struct graph_args){ 0 };
	if ((unsigned)q->kind >= GRAPH_KINDS || (unsigned)q->lang > GRAPH_EN ||
	    (unsigned)q->theme > GRAPH_DARK || q->rrd == NULL)
		return -EINVAL;
	if (q->from < 0 || q->to - q->from < GRAPH_SPAN_MIN || q->to - q->from > GRAPH_SPAN_MAX ||
	    q->width < 50 || q->width > GRAPH_WIDTH_MAX || q->height < 20 ||
	    q->height > GRAPH_HEIGHT_MAX || q->step_s == 0 || !(q->scale >= 1 && q->scale <= 3) ||
	    q->bands > GRAPH_BANDS_MAX)
		return -EINVAL;
	if (kinds[q->kind].rows != NULL && (rows_mask(kinds[q->kind].rows) & q->roles) == 0)
		return -EINVAL;
	if (q->kind == GRAPH_OID && q->roles >> ROLE_OID0 == 0)
		return -EINVAL;
	b.p = &palettes[q->theme];
	b.edge = q->now - 3 * (int64_t)q->step_s;
	build_options(&b);
	if (kinds[q->kind].rows != NULL)
		build_rows(&b, kinds[q->kind].rows, kinds[q->kind].print);
	else
		kinds[q->kind].build(&b);
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
	add(&b, "fetch");
	add(&b, "%s", rrd);
	add(&b, "%s", cf);
	add(&b, "%lld", (long long)from);
	add(&b, "%lld", (long long)to);
	add(&b, "%lld", (long long)resolution);
	return 0;
}

void
graph_args_free(struct graph_args *a)
{
	for (int i = 0; i < a->argc; i++)
		free(a->argv[i]);
	*a = (struct graph_args){ 0 };
}
