/*
 * conf_tree.c - YAML events of libyaml to nodes with line and column.
 */
#include "common/conf_tree.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "common/mem.h"
#include "common/utf.h"

struct builder {
	const char *name;		/* of the file, in messages */
	const char *text;
	size_t len;
	struct conf_errors *errs;
	struct conf_node *root;		/* owned */
	struct conf_node *open[CONF_DEPTH_MAX];	/* borrowed from the tree */
	size_t depth, nodes;
	int documents;
};

static struct conf_where
where_of(const yaml_mark_t *m)
{
	int line = m->line < INT_MAX ? (int)m->line + 1 : INT_MAX;
	int col = m->column < INT_MAX ? (int)m->column + 1 : INT_MAX;

	return (struct conf_where){ line, col };
}

/* ------------------------------------------------------------ the raw text */

/* May c stand in a configuration file?  Tab and line ends may. */
static bool
char_is_allowed(uint32_t c)
{
	return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c < 0x7f) || c >= 0xa0 ||
	    c == 0x85;
}

/* libyaml would stop at these too, but cannot say where in our words. */
static int
check_text(const struct builder *b)
{
	struct conf_where at = { 1, 1 };
	uint32_t c;

	for (size_t i = 0, n; i < b->len; i += n) {
		n = utf_next(b->text + i, b->len - i, &c);
		if (n == 0) {
			conf_error(b->errs, b->name, at, "byte 0x%02x is not UTF-8",
			    (unsigned char)b->text[i]);
			return -EINVAL;
		}
		if (!char_is_allowed(c)) {
			conf_error(b->errs, b->name, at, "control character 0x%02x", (unsigned)c);
			return -EINVAL;
		}
		if (c == '\n' || (c == '\r' && (i + 1 == b->len || b->text[i + 1] != '\n'))) {
			at.line++;
			at.col = 1;
		} else {
			at.col++;
		}
	}
	return 0;
}

static bool
starts_with(const struct builder *b, const char *bytes, size_t n)
{
	return b->len >= n && memcmp(b->text, bytes, n) == 0;
}

/* Takes away a byte order mark; says what a foreign encoding is. */
static int
check_encoding(struct builder *b)
{
	const struct conf_where start = { 1, 1 };

	if (starts_with(b, "\xff\xfe", 2) || starts_with(b, "\xfe\xff", 2)) {
		conf_error(b->errs, b->name, start, "the file is UTF-16, expected UTF-8");
		return -EINVAL;
	}
	if (starts_with(b, "\xef\xbb\xbf", 3)) {
		b->text += 3;
		b->len -= 3;
	}
	return check_text(b);
}

/* --------------------------------------------------------------- the nodes */

static void
append(struct conf_node *parent, struct conf_node *child)
{
	if (parent->n == parent->room) {
		parent->room = parent->room > 0 ? parent->room * 2 : 4;
		parent->item = xreallocarray(parent->item, parent->room, sizeof(*parent->item));
	}
	parent->item[parent->n++] = child;
}

/* A node of the event at its place in the tree; NULL with a line in errs. */
static struct conf_node *
add(struct builder *b, const yaml_event_t *ev, enum conf_node_type type)
{
	struct conf_node *node;

	if (++b->nodes > CONF_NODES_MAX) {
		conf_error(b->errs, b->name, where_of(&ev->start_mark),
		    "more than %d values in one file", CONF_NODES_MAX);
		return NULL;
	}
	node = xcalloc(1, sizeof(*node));
	node->type = type;
	node->where = where_of(&ev->start_mark);
	if (b->depth > 0)
		append(b->open[b->depth - 1], node);
	else
		b->root = node;
	return node;
}

static int
refuse_names(struct builder *b, const yaml_event_t *ev, const yaml_char_t *anchor,
    const yaml_char_t *tag)
{
	if (anchor == NULL && tag == NULL)
		return 0;
	conf_error(b->errs, b->name, where_of(&ev->start_mark), "%s are not used here",
	    anchor != NULL ? "anchors (&) and aliases (*)" : "tags (!)");
	return -EINVAL;
}

static int
open_node(struct builder *b, const yaml_event_t *ev, enum conf_node_type type)
{
	struct conf_node *node;

	if (b->depth == CONF_DEPTH_MAX) {
		conf_error(b->errs, b->name, where_of(&ev->start_mark),
		    "nested deeper than %d levels", CONF_DEPTH_MAX);
		return -EINVAL;
	}
	node = add(b, ev, type);
	if (node == NULL)
		return -EINVAL;
	b->open[b->depth++] = node;
	return 0;
}

static int
add_scalar(struct builder *b, const yaml_event_t *ev)
{
	const char *value = (const char *)ev->data.scalar.value;
	size_t len = ev->data.scalar.length;
	struct conf_node *node;

	if (memchr(value, '\0', len) != NULL) {
		conf_error(b->errs, b->name, where_of(&ev->start_mark), "a NUL in a string");
		return -EINVAL;
	}
	node = add(b, ev, CONF_NODE_SCALAR);
	if (node == NULL)
		return -EINVAL;
	node->text = xstrndup(value, len);
	node->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	return 0;
}

static int
begin_document(struct builder *b, const yaml_event_t *ev)
{
	if (++b->documents == 1)
		return 0;
	conf_error(b->errs, b->name, where_of(&ev->start_mark),
	    "a second document begins; a file holds one");
	return -EINVAL;
}

static int
take_event(struct builder *b, const yaml_event_t *ev)
{
	int r;

	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		return begin_document(b, ev);
	case YAML_ALIAS_EVENT:
		return refuse_names(b, ev, ev->data.alias.anchor, NULL);
	case YAML_SCALAR_EVENT:
		r = refuse_names(b, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
		return r != 0 ? r : add_scalar(b, ev);
	case YAML_SEQUENCE_START_EVENT:
		r = refuse_names(b, ev, ev->data.sequence_start.anchor,
		    ev->data.sequence_start.tag);
		return r != 0 ? r : open_node(b, ev, CONF_NODE_LIST);
	case YAML_MAPPING_START_EVENT:
		r = refuse_names(b, ev, ev->data.mapping_start.anchor,
		    ev->data.mapping_start.tag);
		return r != 0 ? r : open_node(b, ev, CONF_NODE_MAPPING);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	default:
		return 0;
	}
}

/* The byte at a mark of the parser, 0 behind the end. */
static char
byte_at(const struct builder *b, const yaml_mark_t *m)
{
	size_t line = 0, i = 0, col = 0;
	uint32_t c;

	for (; i < b->len && line < m->line; i++)
		if (b->text[i] == '\n' ||
		    (b->text[i] == '\r' && (i + 1 == b->len || b->text[i + 1] != '\n')))
			line++;
	for (; i < b->len && col < m->column; col++)
		i += utf_next(b->text + i, b->len - i, &c);
	return i < b->len ? b->text[i] : '\0';
}

static void
syntax_error(const struct builder *b, const yaml_parser_t *p)
{
	const char *problem = p->problem != NULL ? p->problem : "not YAML";
	const char *hint = "";

	if (byte_at(b, &p->problem_mark) == '\t')
		hint = strstr(problem, "tab") != NULL ? " (indent with blanks)" :
		    " (a tab; indent with blanks)";
	else if (strstr(problem, "<document start>") != NULL ||
		 strstr(problem, "block end") != NULL || strstr(problem, "mapping values") != NULL)
		hint = " (is the indentation of this line or the one before right?)";
	if (p->context != NULL && p->context_mark.line != p->problem_mark.line)
		conf_error(b->errs, b->name, where_of(&p->problem_mark),
		    "syntax: %s%s, %s that begins in line %zu", problem, hint, p->context,
		    p->context_mark.line + 1);
	else
		conf_error(b->errs, b->name, where_of(&p->problem_mark), "syntax: %s%s", problem,
		    hint);
}

static int
run(struct builder *b, yaml_parser_t *p)
{
	bool ended = false;
	int r = 0;

	while (r == 0 && !ended) {
		yaml_event_t ev;

		if (!yaml_parser_parse(p, &ev)) {
			syntax_error(b, p);
			return -EINVAL;
		}
		ended = ev.type == YAML_STREAM_END_EVENT;
		r = take_event(b, &ev);
		yaml_event_delete(&ev);
	}
	return r;
}

int
conf_tree_parse(const char *text, size_t len, const char *name, struct conf_errors *errs,
    struct conf_node **out)
{
	struct builder b = { .name = name, .text = text, .len = len, .errs = errs };
	yaml_parser_t p;
	int r;

	*out = NULL;
	r = check_encoding(&b);
	if (r != 0)
		return r;
	if (!yaml_parser_initialize(&p))
		abort();		/* out of memory */
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p, (const unsigned char *)b.text, b.len);
	r = run(&b, &p);
	yaml_parser_delete(&p);
	if (r != 0)
		conf_tree_free(b.root);
	else
		*out = b.root;
	return r;
}

void
conf_tree_free(struct conf_node *node)
{
	if (node == NULL)
		return;
	for (size_t i = 0; i < node->n; i++)
		conf_tree_free(node->item[i]);	/* at most CONF_DEPTH_MAX deep */
	free(node->item);
	free(node->text);
	free(node);
}

const struct conf_node *
conf_node_find(const struct conf_node *map, const char *key)
{
	if (map == NULL || map->type != CONF_NODE_MAPPING)
		return NULL;
	for (size_t i = 0; i + 1 < map->n; i += 2)
		if (map->item[i]->type == CONF_NODE_SCALAR &&
		    strcmp(map->item[i]->text, key) == 0)
			return map->item[i + 1];
	return NULL;
}

bool
conf_node_is_empty(const struct conf_node *node)
{
	return node->type == CONF_NODE_SCALAR && !node->quoted &&
	    (node->text[0] == '\0' || strcmp(node->text, "~") == 0);
}

const char *
conf_node_kind(const struct conf_node *node)
{
	switch (node->type) {
	case CONF_NODE_LIST:
		return "a list";
	case CONF_NODE_MAPPING:
		return "a mapping";
	default:
		return conf_node_is_empty(node) ? "empty" : "a single value";
	}
}
