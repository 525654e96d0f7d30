/*
 * web_graph.h - one picture as a browser asks for it; shared by web_graph*.c alone.
 *
 * web_graph_wish.c turns parameters into a struct wish and marks into bands,
 * web_graph.c gets it drawn, web_graph_address.c signs addresses that work
 * without log-in.
 */
#pragma once

#include "collector/graph.h"
#include "collector/web_state.h"

#define WISH_PATH 1024
#define WISH_NAME 240

/* What is asked for.  Its request points into it and into the plan: it lives within one call. */
struct wish {
	struct graph_request g;
	size_t links;
	const struct live_link *link[GRAPH_TRACKS_MAX];		/* the first one is that of the path */
	char path[GRAPH_TRACKS_MAX][WISH_PATH], name[GRAPH_TRACKS_MAX][WISH_NAME], title[WISH_NAME];
	bool titled;
};

/*
 * Reads kind, from, to, w, h, scale, theme, format, with=A/L,A/L, reverse=1, before=S, mirror=1 and
 * title=1.  0, -ENOENT (no such link, or one that the asker may not see) or -EINVAL.
 */
int wish_read(struct web_req *, struct wish *);
/* Asks for marks, draws the wish and answers q. */
void web_graph_draw(struct web_req *, struct wish *);
/* The parameters in one fixed order, as "kind=rtt&from=..."; every wish of one picture gives the same. */
void wish_print(const struct wish *, char *out, size_t n);
/* Adds alertd's answer to link.marks (NULL: nothing is known). */
void wish_mark(struct wish *, json_t *answer);
/* Other links that measure the same target the same way and that the asker may see (owned array). */
json_t *wish_peers(struct web_req *, const struct live_link *);
/* from and to in seconds, default the last hour.  0 or -EINVAL. */
int wish_span(struct web_req *, int64_t now, int64_t *from, int64_t *to);
/* The link of the last two segments and the path of its file.  0 or -ENOENT, as above. */
int wish_link(struct web_req *, const char *agent, const char *id, const struct live_link **link,
    char path[WISH_PATH]);
