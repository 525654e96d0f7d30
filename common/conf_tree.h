/*
 * conf_tree.h - YAML text to a tree of nodes that know their places; only
 * conf*.c use it.
 *
 * What is refused with a line in errs: text that is not UTF-8, control
 * characters, a second document, anchors, aliases and tags (nothing can be
 * named once and meant a million times), nesting deeper than CONF_DEPTH_MAX,
 * more than CONF_NODES_MAX nodes.  The size of the text is bounded by conf.c.
 */
#pragma once

#include "common/conf.h"

#define CONF_DEPTH_MAX 16
#define CONF_NODES_MAX 1000000

enum conf_node_type { CONF_NODE_SCALAR, CONF_NODE_LIST, CONF_NODE_MAPPING };

struct conf_node {
	enum conf_node_type type;
	bool quoted;			/* scalar: stood in quotes or as a block */
	struct conf_where where;
	char *text;			/* scalar: owned, no NUL inside */
	struct conf_node **item;	/* owned; mapping: key, value, key, value ... */
	size_t n, room;
};

/* 0 and the root in *out (owned by the caller; NULL: the file says nothing), or -EINVAL with a
 * line in errs. */
int conf_tree_parse(const char *text, size_t len, const char *name, struct conf_errors *errs,
    struct conf_node **out);
void conf_tree_free(struct conf_node *);

/* The value of the first key of that name; NULL: none.  map may be NULL. */
const struct conf_node *conf_node_find(const struct conf_node *map, const char *key);
/* Is the value left out, as in "key:" or "key: ~"? */
bool conf_node_is_empty(const struct conf_node *);
/* "a list", "a mapping", "a string". */
const char *conf_node_kind(const struct conf_node *);
