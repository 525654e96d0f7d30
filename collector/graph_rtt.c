/*
 * graph_rtt.c - drawing of RTT, loss and PDV: of one link, of several over each
 * other, of both ways of a path (pure).
 *
 * RTT is stored in seconds and drawn in milliseconds, ratios are drawn in per
 * cent.  Lost and not measured look different on purpose: a step in which all
 * was lost is red, a step without any sample grey, a loss of 0 a line on the
 * ground.  Where several links share a graph, a line that breaks is a gap, and
 * a bar of the line's colour at the bottom says that all was lost.
 */
#include <stdio.h>

#include "collector/graph_parts.h"

const struct loss_step graph_loss_steps[LOSS_STEPS] = {
	{ 0.0, { "#15803d", "#3fb950" }, { "丢包 0", "loss 0" } },
	{ 0.05, { "#0f7fd1", "#4cc2ff" }, { "≤5%", "<=5%" } },
	{ 0.20, { "#b7791f", "#e3b341" }, { "≤20%", "<=20%" } },
	{ 0.50, { "#d9480f", "#ff9248" }, { "≤50%", "<=50%" } },
	{ 1.0, { "#c01c28", "#ff6b68" }, { ">50%", ">50%" } },
};

#define BAR_SHARE 0.035			/* of the height, for each track that lost all */

/* --------------------------------------------------------------- one link */

/* The median a week before, thin and dashed, behind the smoke's lines. */
static void
draw_before(struct builder *b, const char *ds, int factor)
{
	if (b->q->before == 0)
		return;
	graph_def_before(b, "old", ds);
	graph_add(b, "CDEF:oldv=old,%d,*", factor);
	graph_add(b, "LINE1.5:oldv%s: %s:dashes=5,3", b->p->before, graph_before_text(b));
}

static void
draw_smoke(struct builder *b)
{
	static const char *const names[] = { "min", "p10", "p25", "p50", "p75", "p90", "max" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		char ds[16];

		snprintf(ds, sizeof ds, "rtt_%s", names[i]);
		graph_def(b, 0, ds, ds, i == 0 ? "MIN" : i == 6 ? "MAX" : "AVERAGE");
		graph_add(b, "CDEF:%s=%s,1000,*", names[i], ds);
	}
	for (int i = 0; i < 3; i++)
		graph_add(b, "CDEF:band_%d=%s,%s,-,0,MAX", i, names[6 - i], names[i]);
	for (int i = 0; i < 3; i++) {
		static const char *const text[] = { "min-max", "p10-p90", "p25-p75" };

		graph_add(b, "AREA:%s#00000000", names[i]);
		graph_add(b, "AREA:band_%d%s: %s:STACK", i, b->p->smoke[i], text[i]);
	}
}

/* The median `p50` in the colour of loss; way: the prefix of both names, legend once. */
static void
draw_median(struct builder *b, const char *way, bool legend)
{
	const char *low = "-1";
	char buf[32];

	graph_add(b, "LINE1:%sp50%s", way, b->p->join);
	for (size_t i = 0; i < LOSS_STEPS; i++) {
		const struct loss_step *s = &graph_loss_steps[i];

		graph_add(b, "CDEF:%sm%zu=%sloss,%s,GT,%sloss,%g,LE,*,%sp50,UNKN,IF", way, i, way, low,
		    way, s->below, way);
		graph_add(b, "LINE2:%sm%zu%s%s%s", way, i, s->color[b->q->theme], legend ? ": " : "",
		    legend ? s->text[b->q->lang] : "");
		snprintf(buf, sizeof buf, "%g", s->below);
		low = buf;
	}
}

static void
draw_lost(struct builder *b)
{
	graph_add(b, "CDEF:lost=loss,0.999,GE,INF,UNKN,IF");
	graph_add(b, "AREA:lost%s: %s", b->p->lost, graph_say(b, "全部丢失", "all lost"));
}

static void
one_rtt(struct builder *b)
{
	graph_def(b, 0, "loss", "loss", "AVERAGE");
	graph_ground(b, "loss");
	draw_lost(b);
	draw_smoke(b);
	draw_before(b, "rtt_p50", 1000);
	draw_median(b, "", true);
	graph_add(b, "COMMENT:\\l");
	graph_print_row(b, "p50", graph_say(b, "中位时延", "Median RTT"), "%8.2lf ms");
	graph_add(b, "CDEF:losspct=loss,100,*");
	graph_print_row(b, "losspct", graph_say(b, "丢包率　", "Loss      "), "%8.2lf %%");
}

static void
one_loss(struct builder *b)
{
	graph_def(b, 0, "loss", "loss", "AVERAGE");
	graph_def(b, 0, "worst", "loss", "MAX");
	graph_ground(b, "loss");
	graph_add(b, "CDEF:pct=loss,100,*");
	graph_add(b, "CDEF:top=worst,100,*");
	graph_add(b, "AREA:top%s60: %s", b->p->line[4], graph_say(b, "最差", "worst"));
	graph_add(b, "AREA:pct%s: %s", b->p->line[4], graph_say(b, "丢包率", "loss"));
	/* a line on the ground: measured, and nothing lost */
	graph_add(b, "CDEF:none=loss,0,EQ,0,UNKN,IF");
	graph_add(b, "LINE2:none%s: 0", graph_loss_steps[0].color[b->q->theme]);
	draw_before(b, "loss", 100);
	graph_add(b, "COMMENT:\\l");
	graph_print_row(b, "pct", graph_say(b, "丢包率", "Loss"), "%7.2lf %%");
}

static void
one_pdv(struct builder *b)
{
	graph_def(b, 0, "loss", "loss", "AVERAGE");
	graph_def(b, 0, "raw", "pdv", "AVERAGE");
	graph_ground(b, "loss");
	draw_lost(b);
	graph_add(b, "CDEF:ms=raw,1000,*");
	graph_add(b, "AREA:ms%s", b->p->fill);
	draw_before(b, "pdv", 1000);
	graph_add(b, "LINE1.5:ms%s: %s\\l", b->p->line[0], graph_say(b, "时延变化 PDV（p90 - 最小）",
	    "delay variation PDV (p90 - minimum)"));
	graph_print_row(b, "ms", "PDV", "%8.2lf ms");
}

/* ------------------------------------------------------- several, one over another */

/* Grey where no track has a sample. */
static void
overlay_gap(struct builder *b)
{
	char rpn[GRAPH_TRACKS_MAX * 16] = "";
	int n = 0;

	for (size_t t = 0; t < b->q->tracks; t++)
		n += snprintf(rpn + n, sizeof rpn - (size_t)n, "%sl%zu,UN%s", t > 0 ? "," : "", t,
		    t > 0 ? ",*" : "");
	graph_add(b, "CDEF:nothing=%s,UNKN,1,IF", rpn);
	graph_ground(b, "nothing");
}

/* A line for each track: ds times factor, with its figures in `unit`. */
static void
overlay(struct builder *b, const char *ds, int factor, const char *unit)
{
	size_t n = b->q->tracks;

	for (size_t t = 0; t < n; t++) {
		char var[24];

		snprintf(var, sizeof var, "l%zu", t);
		graph_def(b, t, var, "loss", "AVERAGE");
		snprintf(var, sizeof var, "r%zu", t);
		graph_def(b, t, var, ds, "AVERAGE");
		graph_add(b, "CDEF:v%zu=r%zu,%d,*", t, t, factor);
	}
	overlay_gap(b);
	graph_add(b, "COMMENT:\\l");
	/* the tallest bar first, so that the others stand before it */
	for (size_t t = n; t-- > 0;) {
		graph_add(b, "CDEF:b%zu=l%zu,UN,0,l%zu,IF,0.999,GE,1,UNKN,IF", t, t, t);
		graph_add(b, "TICK:b%zu%s:%.3f", t, b->p->line[t], BAR_SHARE * (double)(t + 1));
	}
	for (size_t t = 0; t < n; t++) {
		char name[200], var[24];

		snprintf(var, sizeof var, "v%zu", t);
		graph_add(b, "LINE1.5:v%zu%s: %s", t, b->p->line[t], graph_escape(name, sizeof name,
		    b->q->track[t].name));
		graph_print_row(b, var, "", unit);
	}
	graph_add(b, "LINE1.5:v0%s", b->p->line[0]);		/* over the others */
	graph_add(b, "COMMENT: %s\\l", graph_say(b, "断线：无数据；底部色条：该线全部丢失",
	    "broken line\\: no data; bar at the bottom\\: that line lost all"));
}

/* ------------------------------------------------------------ both ways of a path */

static const struct { const char *prefix, *sign, *inf, *arrow; } ways[] = {
	{ "u", "", "INF", "↑" }, { "d", "-", "NEGINF", "↓" },
};

/* Names, grounds and what was lost of both ways; the upper half belongs to the first. */
static void
pair_ground(struct builder *b)
{
	for (size_t t = 0; t < 2; t++) {
		char var[24];

		snprintf(var, sizeof var, "%sloss", ways[t].prefix);
		graph_def(b, t, var, "loss", "AVERAGE");
	}
	graph_add(b, "CDEF:both=uloss,UN,dloss,UN,*,UNKN,1,IF");
	graph_ground(b, "both");
	for (size_t t = 0; t < 2; t++) {
		const char *w = ways[t].prefix;

		graph_add(b, "CDEF:%sgap=%sloss,UN,TIME,%lld,LT,*,%s,UNKN,IF", w, w,
		    (long long)b->edge, ways[t].inf);
		graph_add(b, "AREA:%sgap%s%s%s", w, b->p->gap, t == 0 ? ": " : "",
		    t == 0 ? graph_say(b, "无数据", "no data") : "");
		graph_add(b, "CDEF:%slost=%sloss,0.999,GE,%s,UNKN,IF", w, w, ways[t].inf);
		graph_add(b, "AREA:%slost%s%s%s", w, b->p->lost, t == 0 ? ": " : "",
		    t == 0 ? graph_say(b, "全部丢失", "all lost") : "");
	}
}

/* The figures of way t: var is what was measured, never its mirror image. */
static void
pair_print(struct builder *b, size_t t, const char *var, const char *unit)
{
	char name[200], title[240];

	graph_escape(name, sizeof name, b->q->track[t].name);
	snprintf(title, sizeof title, "%s %s", ways[t].arrow, name);
	graph_print_row(b, var, title, unit);
}

static void
pair_rtt(struct builder *b)
{
	static const char *const ds[] = { "rtt_p10", "rtt_p50", "rtt_p90" };
	static const char *const short_name[] = { "p10", "p50", "p90" };

	pair_ground(b);
	for (size_t t = 0; t < 2; t++) {
		const char *w = ways[t].prefix;

		for (size_t i = 0; i < 3; i++) {
			char var[24];

			snprintf(var, sizeof var, "%sr%zu", w, i);
			graph_def(b, t, var, ds[i], "AVERAGE");
			graph_add(b, "CDEF:%s%s=%s,%s1000,*", w, short_name[i], var, ways[t].sign);
		}
		graph_add(b, "CDEF:%sms=%sr1,1000,*", w, w);
		graph_add(b, "CDEF:%sband=%sp90,%sp10,-", w, w, w);
		graph_add(b, "AREA:%sp10#00000000", w);
		graph_add(b, "AREA:%sband%s%s:STACK", w, b->p->smoke[1], t == 0 ? ": p10-p90" : ":");
	}
	for (size_t t = 0; t < 2; t++)
		draw_median(b, ways[t].prefix, t == 0);
	graph_add(b, "COMMENT:\\l");
	for (size_t t = 0; t < 2; t++)
		pair_print(b, t, t == 0 ? "ums" : "dms", "%8.2lf ms");
}

/* Areas of ds times factor, up and down. */
static void
pair_area(struct builder *b, const char *ds, int factor, const char *unit)
{
	pair_ground(b);
	graph_add(b, "COMMENT:\\l");
	for (size_t t = 0; t < 2; t++) {
		const char *w = ways[t].prefix, *color = b->p->line[t];
		char var[24];

		snprintf(var, sizeof var, "%sr", w);
		graph_def(b, t, var, ds, "AVERAGE");
		graph_add(b, "CDEF:%sv=%sr,%d,*", w, w, factor);
		graph_add(b, "CDEF:%sm=%sr,%s%d,*", w, w, ways[t].sign, factor);
		graph_add(b, "AREA:%sm%s50", w, color);
		graph_add(b, "LINE1.5:%sm%s", w, color);
		snprintf(var, sizeof var, "%sv", w);
		pair_print(b, t, var, unit);
	}
}

/* ------------------------------------------------------------------ doors */

void
graph_build_rtt(struct builder *b)
{
	if (b->q->way == GRAPH_PAIR)
		pair_rtt(b);
	else if (b->q->way == GRAPH_OVERLAY)
		overlay(b, "rtt_p50", 1000, "%8.2lf ms");
	else
		one_rtt(b);
}

void
graph_build_loss(struct builder *b)
{
	if (b->q->way == GRAPH_PAIR)
		pair_area(b, "loss", 100, "%7.2lf %%");
	else if (b->q->way == GRAPH_OVERLAY)
		overlay(b, "loss", 100, "%7.2lf %%");
	else
		one_loss(b);
}

void
graph_build_pdv(struct builder *b)
{
	if (b->q->way == GRAPH_PAIR)
		pair_area(b, "pdv", 1000, "%8.2lf ms");
	else if (b->q->way == GRAPH_OVERLAY)
		overlay(b, "pdv", 1000, "%8.2lf ms");
	else
		one_pdv(b);
}
