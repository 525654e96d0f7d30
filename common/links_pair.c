/*
 * links_pair.c - `reverse` of links.yaml: two links that measure one path from
 * both of its ends (pure).
 *
 * It is written, never guessed: an agent's addresses are none of this file's
 * business, and behind address translation they would tell nothing.  Either
 * link of a pair may name the other, or both; a link has one way back at most.
 */
#include <stdlib.h>
#include <string.h>

#include "common/links_conf.h"
#include "common/mem.h"
#include "common/model.h"

static int
by_key(const void *a, const void *b)
{
	const struct links_link *x = *(struct links_link *const *)a;
	const struct links_link *y = *(struct links_link *const *)b;
	int c = strcmp(x->agent, y->agent);

	return c != 0 ? c : strcmp(x->id, y->id);
}

/* The link that "AGENT/LINK" names; NULL: none, or no such form. */
static struct links_link *
named(struct links_link **sorted, size_t n, const char *name)
{
	const char *slash = strchr(name, '/');
	struct links_link want = { 0 }, *key = &want, **found;

	if (slash == NULL)
		return NULL;
	want.agent = xstrndup(name, (size_t)(slash - name));
	want.id = xstrdup(slash + 1);
	found = bsearch(&key, sorted, n, sizeof(*sorted), by_key);
	free(want.agent);
	free(want.id);
	return found != NULL ? *found : NULL;
}

/* Why l and back are no two ways of one path; NULL: they are. */
static const char *
pair_fault(const struct links_link *l, const struct links_link *back)
{
	if (strcmp(back->agent, l->agent) == 0)
		return "is of the same agent: the way back is measured from the other end";
	if (back->probe != l->probe)
		return "is of another kind of probe: both ways are measured alike";
	if (back->reverse_of != NULL && back->reverse_of != l)
		return "has another link for its way back";
	if (l->reverse_of != NULL && l->reverse_of != back)
		return "is not the only one: another link names this one";
	return NULL;
}

void
links_check_pairs(const struct conf_scope *scope, struct conf_list *links)
{
	struct links_link *l = links->v, **sorted = xcalloc(links->n + 1, sizeof(*sorted));
	size_t n = 0;

	for (size_t i = 0; i < links->n; i++)
		if (l[i].id != NULL && l[i].agent != NULL && l[i].probe != 0)
			sorted[n++] = &l[i];
	qsort(sorted, n, sizeof(*sorted), by_key);
	for (size_t i = 0; i < links->n; i++) {
		struct conf_scope item = conf_scope_item(scope, "links", i);
		struct links_link *back;
		const char *fault;

		if (l[i].reverse == NULL || l[i].id == NULL || l[i].agent == NULL || l[i].probe == 0)
			continue;
		back = named(sorted, n, l[i].reverse);
		fault = back == NULL ? "is not defined; name it as AGENT/LINK" :
		    pair_fault(&l[i], back);
		if (fault != NULL) {
			conf_scope_error(&item, "reverse", "link '%s' names reverse '%s', which %s",
			    l[i].id, l[i].reverse, fault);
			continue;
		}
		l[i].reverse_of = back;
		back->reverse_of = &l[i];
	}
	free(sorted);
}
