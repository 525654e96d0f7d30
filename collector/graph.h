/*
 * graph.h - what to draw, as arguments of rrd_graph_v (pure).
 *
 * A request is made of checked ids, numbers and enums only; names that people
 * gave reach the arguments through graph_escape() alone.  graph_pool.c hands
 * the arguments to a worker process (graph_worker.h), because librrd's drawing
 * is neither safe in threads nor certain to return.
 *
 * graph.c checks the request and lays the frame; graph_rtt.c draws what probes
 * that count packets measure, graph_rows.c what is read by value.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/linkwatch.pb-c.h"

enum graph_kind {
	GRAPH_RTT = 0,			/* smoke: median by loss, bands */
	GRAPH_LOSS, GRAPH_PDV,
	GRAPH_TRAFFIC, GRAPH_ERRORS, GRAPH_HOST, GRAPH_OID, GRAPH_STATUS,
	GRAPH_TLS, GRAPH_CERT,
	GRAPH_KINDS
};

enum graph_lang { GRAPH_ZH = 0, GRAPH_EN = 1 };
enum graph_theme { GRAPH_LIGHT = 0, GRAPH_DARK = 1 };
enum graph_format { GRAPH_PNG = 0, GRAPH_SVG = 1 };
/* How several series stand in one graph; rtt, loss and pdv alone can be more than one. */
enum graph_way {
	GRAPH_ONE = 0,			/* one track */
	GRAPH_OVERLAY,			/* 2 to GRAPH_TRACKS_MAX, a line each */
	GRAPH_PAIR,			/* both ways of a path: the first upwards, the second downwards */
};

#define GRAPH_ARGS_MAX 256
#define GRAPH_OBJECTS 16			/* ROLE_OID0 .. ROLE_MAX */
#define GRAPH_TRACKS_MAX 8
#define GRAPH_MARKS_MAX 96
#define GRAPH_SPAN_MIN 60			/* s */
#define GRAPH_SPAN_MAX (INT64_C(5) * 366 * 86400)
#define GRAPH_BEFORE_MAX (INT64_C(366) * 86400)
#define GRAPH_WIDTH_MAX 2400			/* pixels of the whole image */
#define GRAPH_HEIGHT_MAX 1200

/* A stretch of time to shade, and why. */
enum graph_mark_kind { MARK_UNSEEN = 0, MARK_PLANNED, MARK_INCIDENT, MARK_KINDS };
struct graph_mark { enum graph_mark_kind kind; int64_t from, to; };	/* s since 1970 */

/* One series: path of its file, made from checked ids; what people call it (NULL in GRAPH_ONE). */
struct graph_track { const char *rrd, *name; };

struct graph_request {
	enum graph_kind kind;
	enum graph_lang lang;
	enum graph_theme theme;
	enum graph_format format;
	enum graph_way way;
	const char *title;		/* borrowed; NULL: none */
	size_t tracks;
	struct graph_track track[GRAPH_TRACKS_MAX];	/* borrowed */
	int64_t from, to;		/* s since 1970; to may lie in the future */
	int64_t now;
	int64_t before;			/* s: what was so long ago is drawn behind; 0: nothing; GRAPH_ONE alone */
	uint32_t width, height;		/* of the canvas without axes */
	uint32_t step_s;		/* of the link, at least 1 */
	uint32_t roles;			/* bit 1 << value_role for each such DS in the file */
	bool mirror;			/* traffic: what goes out downwards */
	/* named objects by their DS, borrowed; NULL: the DS's own name, no unit */
	const char *object_name[GRAPH_OBJECTS], *object_unit[GRAPH_OBJECTS];
	double scale;			/* device pixels for one of CSS: 1 to 3 */
	size_t marks;
	struct graph_mark mark[GRAPH_MARKS_MAX];
};

/* Arguments for rrd_graph_v; argv[0..argc-1] are malloc'd, ended by NULL. */
struct graph_args { int argc; char *argv[GRAPH_ARGS_MAX + 1]; };

/* -EINVAL: a number out of range, from not before to, or what this series does not have. */
int graph_build(const struct graph_request *, struct graph_args *out);
/* The rows of file rrd from..to at about that resolution (s), cf "AVERAGE" or "MAX". -EINVAL as above. */
int graph_fetch_build(const char *rrd, const char *cf, int64_t from, int64_t to, int64_t resolution,
    struct graph_args *out);
void graph_args_free(struct graph_args *);

/* Adds a mark; of too many the last ones are left out, of an empty or unsound stretch nothing is kept. */
void graph_mark(struct graph_request *, enum graph_mark_kind, int64_t from, int64_t to);

/* The key word of a kind ("rtt", "traffic") and back; -1: none. */
const char *graph_kind_name(enum graph_kind);
int graph_kind_parse(const char *s);
/* What people call it: "往返时延", "round-trip time". */
const char *graph_kind_text(enum graph_kind, enum graph_lang);
/* The kinds that a link of this probe and these roles has, as bits 1 << kind. */
uint32_t graph_kinds_of(uint32_t probe, uint32_t roles);

/* s with what rrd_graph gives a meaning to (colon, backslash, percent, control) made harmless;
 * at most n - 1 bytes, cut at a character.  Returns out. */
char *graph_escape(char *out, size_t n, const char *s);
