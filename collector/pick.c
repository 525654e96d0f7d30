/*
 * pick.c - which links somebody asked for (see pick.h).
 */
#include "collector/pick.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/model.h"

void
pick_fini(struct pick *p)
{
	for (size_t i = 0; i < p->links; i++)
		free(p->link[i]);
	for (size_t i = 0; i < p->agents; i++)
		free(p->agent[i]);
	free(p->link);
	free(p->agent);
	memset(p, 0, sizeof *p);
}

static void
add(char ***v, size_t *n, char *s)
{
	*v = xreallocarray(*v, *n + 1, sizeof **v);
	(*v)[(*n)++] = s;
}

int
pick_link(struct pick *p, const char *id)
{
	const char *slash = strchr(id, '/');
	char *agent;
	bool good;

	if (strcmp(id, "all") == 0) {
		p->all = true;
		return 0;
	}
	if (slash == NULL)
		return -EINVAL;
	agent = xstrdup(id);
	agent[slash - id] = '\0';
	good = id_is_valid(agent) && id_is_valid(slash + 1);
	free(agent);
	if (!good)
		return -EINVAL;
	add(&p->link, &p->links, xstrdup(id));
	return 0;
}

int
pick_agent(struct pick *p, const char *id)
{
	if (!id_is_valid(id))
		return -EINVAL;
	add(&p->agent, &p->agents, xstrdup(id));
	return 0;
}

bool
pick_is_empty(const struct pick *p)
{
	return !p->all && p->links == 0 && p->agents == 0;
}

static bool
has_agent(const struct pick *p, const char *agent)
{
	for (size_t i = 0; i < p->agents; i++)
		if (strcmp(p->agent[i], agent) == 0)
			return true;
	return p->all || pick_is_empty(p);
}

/* What follows "AGENT/" in id, or NULL: it is of another agent. */
static const char *
link_of(const char *id, const char *agent)
{
	size_t n = strlen(agent);

	return strncmp(id, agent, n) == 0 && id[n] == '/' ? id + n + 1 : NULL;
}

bool
pick_takes_agent(const struct pick *p, const char *agent)
{
	if (has_agent(p, agent))
		return true;
	for (size_t i = 0; i < p->links; i++)
		if (link_of(p->link[i], agent) != NULL)
			return true;
	return false;
}

bool
pick_takes(const struct pick *p, const char *agent, const char *link)
{
	if (has_agent(p, agent))
		return true;
	for (size_t i = 0; i < p->links; i++) {
		const char *l = link_of(p->link[i], agent);

		if (l != NULL && strcmp(l, link) == 0)
			return true;
	}
	return false;
}
