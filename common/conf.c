/*
 * conf.c - a tree of nodes into a struct, by the rows of a schema.
 *
 * Goes through the whole tree whatever it finds, so that all errors come in
 * one run.
 */
#include "common/conf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf_tree.h"
#include "common/conf_value.h"
#include "common/log.h"
#include "common/mem.h"

#define FILE_MAX (8 * 1024 * 1024)
#define SHOWN_MAX 64			/* bytes of a wrong value that a message shows */
#define KEYS_MAX 64			/* rows of one schema */
#define WRITTEN_MAX 256			/* keys that a mapping may have, known or not */

struct reading {
	const char *file, *dir;		/* for messages; for relative paths */
	struct conf_errors *errs;
};

static void read_mapping(const struct reading *, const struct conf_schema *,
    const struct conf_node *, struct conf_where, bool lenient, void *obj);

/* ------------------------------------------------------------- for messages */

/* s as a message shows it: cut, without control characters. */
static const char *
shown(char out[SHOWN_MAX + 4], const char *s)
{
	size_t len = strlen(s), n;

	log_escape(out, SHOWN_MAX, s, len);
	n = strlen(out);
	if (len > SHOWN_MAX - 5 && n > 0)
		memcpy(out + n, "...", 4);
	return out;
}

/* "link 'sh-gw'": by the key that names one of its kind, where it has one. */
static const char *
title(char *out, size_t n, const struct conf_schema *schema, const struct conf_node *node)
{
	char text[SHOWN_MAX + 4];

	snprintf(out, n, "%s", schema->noun);
	for (const struct conf_key *k = schema->keys; k->name != NULL; k++) {
		const struct conf_node *v;

		if ((k->flags & CONF_UNIQUE) == 0 && strcmp(k->name, "id") != 0)
			continue;
		v = conf_node_find(node, k->name);
		if (v == NULL || v->type != CONF_NODE_SCALAR || v->text[0] == '\0')
			continue;
		snprintf(out, n, "%s '%s'", schema->noun, shown(text, v->text));
		break;
	}
	return out;
}

/* --------------------------------------------------------------- one value */

/* Can the file be read, and by us alone? */
static void
check_secret(const struct reading *r, const char *key, const char *path, struct conf_where at)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) != 0)
		conf_error(r->errs, r->file, at, "'%s': cannot read %s: %s", key, path,
		    strerror(errno));
	else if (!S_ISREG(st.st_mode))
		conf_error(r->errs, r->file, at, "'%s': %s is not a plain file", key, path);
	else if ((st.st_mode & (S_IRGRP | S_IROTH)) != 0)
		conf_warning(r->errs, r->file, at,
		    "'%s': %s can be read by %s (mode %04o), expected 0600", key, path,
		    (st.st_mode & S_IROTH) != 0 ? "everyone" : "its group",
		    (unsigned)st.st_mode & 07777);
	if (fd >= 0)
		(void)close(fd);
}

/* A scalar, or one element of a list of them, into field. */
static void
read_scalar(const struct reading *r, const struct conf_key *k, const struct conf_node *node,
    void *field)
{
	bool element = k->type == CONF_STR_LIST || k->type == CONF_ID_LIST;
	char expected[1024], text[SHOWN_MAX + 4];

	if (node->type != CONF_NODE_SCALAR || conf_node_is_empty(node)) {
		conf_value_expected(k, expected, sizeof(expected));
		conf_error(r->errs, r->file, node->where, "%s'%s' is %s, expected %s",
		    element ? "an element of " : "", k->name, conf_node_kind(node), expected);
		return;
	}
	if (conf_value_parse(k, node->text, r->dir, field, expected, sizeof(expected)) != 0) {
		conf_error(r->errs, r->file, node->where, "%s'%s' is %s, expected %s",
		    element ? "an element of " : "", k->name,
		    node->text[0] != '\0' ? shown(text, node->text) : "empty", expected);
		return;
	}
	if (k->type == CONF_SECRET_FILE)
		check_secret(r, k->name, *(char **)field, node->where);
}

/* Is node what a list or a mapping wants?  Left out ("key:") is as good as empty. */
static bool
has_shape(const struct reading *r, const struct conf_key *k, const struct conf_node *node,
    enum conf_node_type want)
{
	if (node->type == want)
		return true;
	if (!conf_node_is_empty(node))
		conf_error(r->errs, r->file, node->where, "'%s' is %s, expected %s", k->name,
		    conf_node_kind(node), want == CONF_NODE_LIST ? "a list" : "a mapping");
	return false;
}

/* ------------------------------------------------------------------- lists */

struct seen { char *text; size_t i; };

static int
by_text(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;
	int c = strcmp(x->text, y->text);

	return c != 0 ? c : x->i < y->i ? -1 : 1;
}

/* The value of k in an element as text, malloc'd; NULL: none that could be read. */
static char *
value_of(const struct conf_key *k, const struct conf_node *element, const char *obj)
{
	const struct conf_node *v = conf_node_find(element, k->name);
	union { char *s; int64_t i; double d; bool b; int e; } again = { NULL };
	bool string = k->type == CONF_STR || k->type == CONF_ID || k->type == CONF_PATH ||
	    k->type == CONF_SECRET_FILE;
	char expected[512];

	if (v == NULL || v->type != CONF_NODE_SCALAR || conf_node_is_empty(v))
		return NULL;
	if (!string && conf_value_parse(k, v->text, "", &again, expected, sizeof(expected)) != 0)
		return NULL;
	return conf_value_format(k, obj + k->offset);	/* NULL for a string that was refused */
}

/* No two elements may have the same value of k. */
static void
check_unique(const struct reading *r, const struct conf_key *list, const struct conf_key *k,
    const struct conf_node *node, const char *objs)
{
	struct seen *seen = xcalloc(node->n, sizeof(*seen));
	size_t n = 0;

	for (size_t i = 0; i < node->n; i++) {
		char *text = value_of(k, node->item[i], objs + i * list->sub->size);

		if (text != NULL)
			seen[n++] = (struct seen){ text, i };
	}
	qsort(seen, n, sizeof(*seen), by_text);
	for (size_t i = 1, first = 0; i < n; i++) {
		const struct conf_node *v;
		char text[SHOWN_MAX + 4];

		if (strcmp(seen[i].text, seen[first].text) != 0) {
			first = i;
			continue;
		}
		v = conf_node_find(node->item[seen[i].i], k->name);
		conf_error(r->errs, r->file, v->where, "%s '%s' stands twice (first in line %d)",
		    list->sub->noun, shown(text, v->text),
		    conf_node_find(node->item[seen[first].i], k->name)->where.line);
	}
	for (size_t i = 0; i < n; i++)
		free(seen[i].text);
	free(seen);
}

static void
read_map_list(const struct reading *r, const struct conf_key *k, const struct conf_node *node,
    struct conf_list *out)
{
	const struct conf_schema *sub = k->sub;
	char *objs;

	if (!has_shape(r, k, node, CONF_NODE_LIST) || node->n == 0)
		return;
	objs = xcalloc(node->n, sub->size);
	*out = (struct conf_list){ objs, node->n };
	for (size_t i = 0; i < node->n; i++) {
		const struct conf_node *v = node->item[i];

		if (v->type == CONF_NODE_MAPPING)
			read_mapping(r, sub, v, v->where, false, objs + i * sub->size);
		else
			conf_error(r->errs, r->file, v->where,
			    "an element of '%s' is %s, expected a mapping", k->name,
			    conf_node_kind(v));
	}
	for (const struct conf_key *u = sub->keys; u->name != NULL; u++)
		if ((u->flags & CONF_UNIQUE) != 0)
			check_unique(r, k, u, node, objs);
}

static void
read_list(const struct reading *r, const struct conf_key *k, const struct conf_node *node,
    struct conf_list *out)
{
	char **v;

	if (!has_shape(r, k, node, CONF_NODE_LIST) || node->n == 0)
		return;
	v = xcalloc(node->n, sizeof(*v));
	for (size_t i = 0; i < node->n; i++)
		read_scalar(r, k, node->item[i], &v[i]);
	*out = (struct conf_list){ v, node->n };
}

/* ---------------------------------------------------------------- mappings */

static void
read_value(const struct reading *r, const struct conf_key *k, const struct conf_node *node,
    void *obj)
{
	void *field = (char *)obj + k->offset;

	switch (k->type) {
	case CONF_MAP:
		if (has_shape(r, k, node, CONF_NODE_MAPPING))
			read_mapping(r, k->sub, node, node->where, false, field);
		else
			read_mapping(r, k->sub, NULL, node->where, true, field);
		return;
	case CONF_MAP_LIST:
		read_map_list(r, k, node, field);
		return;
	case CONF_STR_LIST:
	case CONF_ID_LIST:
		read_list(r, k, node, field);
		return;
	default:
		read_scalar(r, k, node, field);
	}
}

/* The default of a row, written as in a file. */
static void
set_default(const struct reading *r, const struct conf_key *k, struct conf_where at, void *obj)
{
	struct conf_node *node = NULL;

	if (k->type == CONF_MAP) {
		read_mapping(r, k->sub, NULL, at, true, (char *)obj + k->offset);
		return;
	}
	if (k->def == NULL)
		return;
	if (k->type == CONF_STR_LIST || k->type == CONF_ID_LIST || k->type == CONF_MAP_LIST) {
		if (conf_tree_parse(k->def, strlen(k->def), r->file, r->errs, &node) != 0)
			return;
	} else {
		node = xcalloc(1, sizeof(*node));
		node->text = xstrdup(k->def);
		node->quoted = true;
	}
	if (node != NULL) {
		node->where = at;
		read_value(r, k, node, obj);
	}
	conf_tree_free(node);
}

static void
unknown_key(const struct reading *r, const struct conf_schema *schema,
    const struct conf_node *map, const struct conf_node *key)
{
	const char *names[KEYS_MAX + 1], *hint;
	char text[SHOWN_MAX + 4], in[128];
	size_t n = 0;

	if (conf_errors_full(r->errs))
		return;
	for (const struct conf_key *k = schema->keys; k->name != NULL && n < KEYS_MAX; k++)
		names[n++] = k->name;
	names[n] = NULL;
	hint = conf_suggest(key->text, names);
	conf_error(r->errs, r->file, key->where, "unknown key '%s' in %s%s%s%s",
	    shown(text, key->text), title(in, sizeof(in), schema, map),
	    hint != NULL ? " (did you mean '" : "", hint != NULL ? hint : "",
	    hint != NULL ? "'?)" : "");
}

static const struct conf_key *
find_row(const struct conf_schema *schema, const char *name)
{
	for (const struct conf_key *k = schema->keys; k->name != NULL; k++) {
		assert(k - schema->keys < KEYS_MAX);
		if (strcmp(k->name, name) == 0)
			return k;
	}
	return NULL;
}

/* The keys that stand in the file; first[] gets where each row was seen. */
static void
read_written(const struct reading *r, const struct conf_schema *schema,
    const struct conf_node *map, int *first, void *obj)
{
	if (map->n / 2 > WRITTEN_MAX) {
		conf_error(r->errs, r->file, map->where, "a mapping of %zu keys, expected a %s",
		    map->n / 2, schema->noun);
		return;
	}
	for (size_t i = 0; i + 1 < map->n; i += 2) {
		const struct conf_node *key = map->item[i], *value = map->item[i + 1];
		const struct conf_key *k;
		char in[128];

		if (key->type != CONF_NODE_SCALAR) {
			conf_error(r->errs, r->file, key->where, "a key is %s, expected a word",
			    conf_node_kind(key));
			continue;
		}
		k = find_row(schema, key->text);
		if (k == NULL) {
			unknown_key(r, schema, map, key);
			continue;
		}
		if (first[k - schema->keys] != 0) {
			conf_error(r->errs, r->file, key->where,
			    "'%s' stands twice in %s (first in line %d)", k->name,
			    title(in, sizeof(in), schema, map), first[k - schema->keys]);
			continue;
		}
		first[k - schema->keys] = key->where.line;
		read_value(r, k, value, obj);
	}
}

/* Does a required row have what it needs?  An empty list or mapping is none. */
static bool
is_missing(const struct conf_key *k, const struct conf_node *value)
{
	if (value == NULL)
		return true;
	if (k->type == CONF_STR_LIST || k->type == CONF_ID_LIST || k->type == CONF_MAP_LIST)
		return conf_node_is_empty(value) ||
		    (value->type == CONF_NODE_LIST && value->n == 0);
	return k->type == CONF_MAP && conf_node_is_empty(value);
}

/*
 * map into obj, which is zeroed.  map NULL: it was left out; lenient then
 * forgives that required keys are missing, and only defaults are set.
 */
static void
read_mapping(const struct reading *r, const struct conf_schema *schema,
    const struct conf_node *map, struct conf_where at, bool lenient, void *obj)
{
	const struct conf_scope scope = { r->file, r->errs, map };
	int first[KEYS_MAX] = { 0 };
	char in[128];

	if (schema->where != SIZE_MAX)
		*(struct conf_where *)((char *)obj + schema->where) = at;
	if (map != NULL)
		read_written(r, schema, map, first, obj);
	for (const struct conf_key *k = schema->keys; k->name != NULL; k++) {
		const struct conf_node *value = conf_node_find(map, k->name);

		if ((k->flags & CONF_REQUIRED) != 0 && !lenient && is_missing(k, value))
			conf_error(r->errs, r->file, value != NULL ? value->where : at,
			    "'%s' is missing in %s", k->name,
			    title(in, sizeof(in), schema, map));
		else if (value == NULL)
			set_default(r, k, at, obj);
	}
	if (schema->check != NULL && map != NULL)
		schema->check(obj, &scope);
}

int
conf_parse(const char *text, size_t len, const char *name, const char *dir,
    const struct conf_schema *schema, void *obj, struct conf_errors *errs)
{
	const struct reading r = { name, dir, errs };
	const struct conf_where start = { 1, 1 };
	struct conf_node empty = { .type = CONF_NODE_MAPPING, .where = start };
	struct conf_node *root = NULL;
	size_t before = errs->n - errs->warnings;
	int rc = 0;

	memset(obj, 0, schema->size);
	if (len > FILE_MAX)
		conf_error(errs, name, start, "more than %d MiB", FILE_MAX >> 20);
	else if (conf_tree_parse(text, len, name, errs, &root) == 0) {
		if (root == NULL || conf_node_is_empty(root))
			read_mapping(&r, schema, &empty, start, false, obj);
		else if (root->type == CONF_NODE_MAPPING)
			read_mapping(&r, schema, root, root->where, false, obj);
		else
			conf_error(errs, name, root->where, "the file is %s, expected a mapping",
			    conf_node_kind(root));
	}
	conf_tree_free(root);
	if (errs->n - errs->warnings > before) {
		conf_free(schema, obj);
		rc = -EINVAL;
	}
	return rc;
}

/* -------------------------------------------------------------------- files */

/* The whole of path; *text is malloc'd.  0 or -errno. */
static int
read_file(const char *path, char **text, size_t *len)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC), r = 0;
	size_t room = 64 * 1024, n = 0;
	char *buf = NULL;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = S_ISDIR(st.st_mode) ? -EISDIR : -ENOTSUP;
	if (r != 0)
		goto out;
	buf = xmalloc(room);
	for (;;) {
		ssize_t got;

		if (n == room)
			buf = xreallocarray(buf, room *= 2, 1);
		got = read(fd, buf + n, room - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			r = -errno;
		else if ((n += (size_t)got) > FILE_MAX)
			r = -EFBIG;
		if (got <= 0 || r != 0)
			break;
	}
out:
	(void)close(fd);
	if (r != 0) {
		free(buf);
		return r;
	}
	*text = buf;
	*len = n;
	return 0;
}

/* The directory of path, absolute where that can be told; malloc'd. */
static char *
directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash == NULL ? xstrdup(".") : slash == path ? xstrdup("/") :
	    xstrndup(path, (size_t)(slash - path));
	char *full = realpath(dir, NULL);

	if (full == NULL)
		return dir;
	free(dir);
	return full;
}

int
conf_load(const char *path, const struct conf_schema *schema, void *obj, struct conf_errors *errs)
{
	char *text = NULL, *dir;
	size_t len = 0;
	int r;

	r = read_file(path, &text, &len);
	if (r != 0) {
		memset(obj, 0, schema->size);
		if (r == -EFBIG)
			conf_error(errs, path, (struct conf_where){ 0, 0 }, "more than %d MiB",
			    FILE_MAX >> 20);
		else
			conf_error(errs, path, (struct conf_where){ 0, 0 }, "cannot be read: %s",
			    r == -ENOTSUP ? "not a plain file" : strerror(-r));
		return -EINVAL;
	}
	dir = directory_of(path);
	r = conf_parse(text, len, path, dir, schema, obj, errs);
	free(dir);
	free(text);
	return r;
}

/* --------------------------------------------------------------------- free */

static void
free_value(const struct conf_key *k, void *field)
{
	struct conf_list *list = field;

	switch (k->type) {
	case CONF_STR:
	case CONF_ID:
	case CONF_PATH:
	case CONF_SECRET_FILE:
		free(*(char **)field);
		return;
	case CONF_STR_LIST:
	case CONF_ID_LIST:
		for (size_t i = 0; i < list->n; i++)
			free(((char **)list->v)[i]);
		free(list->v);
		return;
	case CONF_MAP:
		conf_free(k->sub, field);
		return;
	case CONF_MAP_LIST:
		for (size_t i = 0; i < list->n; i++)
			conf_free(k->sub, (char *)list->v + i * k->sub->size);
		free(list->v);
		return;
	default:
		return;
	}
}

void
conf_free(const struct conf_schema *schema, void *obj)
{
	for (const struct conf_key *k = schema->keys; k->name != NULL; k++)
		free_value(k, (char *)obj + k->offset);
	memset(obj, 0, schema->size);
}

/* ------------------------------------------------------------------- scopes */

bool
conf_scope_has(const struct conf_scope *scope, const char *key)
{
	const struct conf_node *v = conf_node_find(scope->node, key);

	return v != NULL && !conf_node_is_empty(v);
}

struct conf_where
conf_scope_where(const struct conf_scope *scope, const char *key)
{
	const struct conf_node *v = key != NULL ? conf_node_find(scope->node, key) : NULL;

	if (v == NULL)
		v = scope->node;
	return v != NULL ? v->where : (struct conf_where){ 0, 0 };
}

struct conf_scope
conf_scope_item(const struct conf_scope *scope, const char *key, size_t i)
{
	const struct conf_node *list = conf_node_find(scope->node, key);
	struct conf_scope item = *scope;

	if (list != NULL && list->type == CONF_NODE_LIST && i < list->n)
		item.node = list->item[i];
	return item;
}

void
conf_scope_error(const struct conf_scope *scope, const char *key, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conf_error(scope->errs, scope->file, conf_scope_where(scope, key), "%s", text);
}
