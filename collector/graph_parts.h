/*
 * graph_parts.h - what graph.c, graph_rtt.c and graph_rows.c share; nobody else uses it.
 */
#pragma once

#include "collector/graph.h"

#define LOSS_STEPS 5

struct palette {
	const char *back, *canvas, *font, *grid, *mgrid, *axis;
	const char *smoke[3];		/* min-max, p10-p90, p25-p75 */
	const char *join;		/* thin line between medians */
	const char *before;		/* what was a week ago */
	const char *lost, *gap, *mark[MARK_KINDS];
	const char *line[GRAPH_TRACKS_MAX], *fill, *fill_down;
};

/* The median's colour by the loss of its step: up to `below`, inclusive. */
struct loss_step {
	double below;
	const char *color[2], *text[2];	/* by theme, by language */
};
extern const struct loss_step graph_loss_steps[LOSS_STEPS];

struct builder {
	const struct graph_request *q;
	const struct palette *p;
	struct graph_args *out;
	int64_t edge;			/* from here on a sample may still be on its way */
};

/* One more argument; beyond GRAPH_ARGS_MAX nothing (test_graph.c draws the fullest ones). */
void graph_add(struct builder *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* zh or en, as asked. */
const char *graph_say(const struct builder *, const char *zh, const char *en);
/* DEF of a DS of track t. */
void graph_def(struct builder *, size_t t, const char *var, const char *ds, const char *cf);
/* What was q->before ago, moved to now. */
void graph_def_before(struct builder *, const char *var, const char *ds);
/* "a week before" and the like. */
const char *graph_before_text(const struct builder *);
/* Marks, and in GRAPH_ONE the steps of which nothing is known, told by variable v: under all else. */
void graph_ground(struct builder *, const char *v);
/* "last, average, maximum" of a variable as one line of the legend; unit is a GPRINT format. */
void graph_print_row(struct builder *, const char *var, const char *title, const char *unit);

/* Of the kinds table of graph.c: rows of values, and who draws. */
struct line_row { uint32_t role; const char *zh, *en; double factor; };
uint32_t graph_rows_mask(const struct line_row *);	/* NULL: 0 */
extern const struct line_row graph_traffic_rows[], graph_error_rows[], graph_host_rows[],
    graph_tls_rows[], graph_cert_rows[];
/* All rows that the series has, as lines (the first one filled), with their figures. */
void graph_build_rows(struct builder *, const struct line_row *, const char *unit);
void graph_build_traffic(struct builder *);
void graph_build_objects(struct builder *);
void graph_build_status(struct builder *);
void graph_build_rtt(struct builder *);
void graph_build_loss(struct builder *);
void graph_build_pdv(struct builder *);
