/*
 * links_plan.c - links.yaml, once checked, to the Plan of the collector and
 * of each agent (pure but for the file read).
 */
#include "common/links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "common/clock.h"
#include "common/frame.h"
#include "common/journal.h"
#include "common/links_conf.h"
#include "common/mem.h"
#include "common/model.h"
#include "common/utf.h"

#define SHORT_UNITS 16

/* What a kind of probe does when the file does not say. */
static const struct {
	int64_t step_ns, timeout_ns, count, size, port;
} usual[] = {
	[PROBE_ICMP] = { 10 * NS_PER_S, NS_PER_S, 10, 56, 0 },
	[PROBE_TCP] = { 10 * NS_PER_S, NS_PER_S, 2, 0, 0 },
	[PROBE_SNMP] = { 60 * NS_PER_S, 2 * NS_PER_S, 1, 0, 161 },
};

int64_t
links_step_ns(const struct links_link *l)
{
	return l->step_ns > 0 ? l->step_ns : usual[l->probe].step_ns;
}

static int64_t
timeout_of(const struct links_link *l)
{
	int64_t t = usual[l->probe].timeout_ns, step = links_step_ns(l);

	if (l->timeout_ns > 0)
		return l->timeout_ns;
	return t < step ? t : step;
}

/* ---------------------------------------------------------------- strings */

/* The texts that a plan needs beyond those of the file; lives while it is packed. */
struct texts { char **v; size_t n; };

static char *
keep(struct texts *t, char *s)
{
	t->v = xreallocarray(t->v, t->n + 1, sizeof(*t->v));
	t->v[t->n++] = s;
	return s;
}

static void
texts_free(struct texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i]);
	free(t->v);
}

static char *
either(char *a, char *b)
{
	return a != NULL ? a : b;
}

static char *
or_empty(char *s)
{
	return s != NULL ? s : (char *)protobuf_c_empty_string;
}

/* The beginning of name, as long as fits. */
static char *
shortened(struct texts *t, char *name, size_t units)
{
	return keep(t, xstrndup(name, utf_cut(name, units)));
}

/* ------------------------------------------------------------------- plan */

static const struct links_agent *
agent_of(const struct links_conf *c, const char *id)
{
	const struct links_agent *a = c->agents.v;

	for (size_t i = 0; i < c->agents.n; i++)
		if (strcmp(a[i].id, id) == 0)
			return &a[i];
	return NULL;			/* not after the checks of links.c */
}

/* oids and objects as columns, which free_objects() frees; their texts are the file's. */
static void
fill_objects(Linkwatch__Pb__Link *p, const struct links_link *l)
{
	const struct links_object *o = l->objects.v;
	size_t n = l->oids.n + l->objects.n;

	p->oid = xcalloc(n, sizeof(char *));
	p->n_oid = n;
	if (l->oids.n > 0)
		memcpy(p->oid, l->oids.v, l->oids.n * sizeof(char *));
	for (size_t i = l->oids.n; i < n; i++)
		p->oid[i] = o[i - l->oids.n].oid;
	if (l->objects.n == 0)
		return;			/* bare numbers need no columns beside them */
	p->n_oid_name = p->n_oid_unit = p->n_oid_type = p->n_oid_scale = n;
	p->oid_name = xcalloc(n, sizeof(char *));
	p->oid_unit = xcalloc(n, sizeof(char *));
	p->oid_type = xcalloc(n, sizeof(uint32_t));
	p->oid_scale = xcalloc(n, sizeof(double));
	for (size_t i = 0; i < n; i++) {
		const struct links_object *x = i < l->oids.n ? NULL : &o[i - l->oids.n];

		p->oid_name[i] = or_empty(x != NULL ? x->name : NULL);
		p->oid_unit[i] = or_empty(x != NULL ? x->unit : NULL);
		p->oid_type[i] = x != NULL ? (uint32_t)x->type : OID_AUTO;
		p->oid_scale[i] = x != NULL ? x->scale : 1;
	}
}

static void
free_objects(Linkwatch__Pb__Link *p)
{
	free(p->oid);
	free(p->oid_name);
	free(p->oid_unit);
	free(p->oid_type);
	free(p->oid_scale);
}

static void
fill_link(Linkwatch__Pb__Link *p, const struct links_link *l, const struct links_agent *a,
    struct texts *t)
{
	linkwatch__pb__link__init(p);
	p->id = l->id;
	p->agent = l->agent;
	p->probe = (uint32_t)l->probe;
	p->target = l->target;
	p->port = (uint32_t)(l->port > 0 ? l->port : usual[l->probe].port);
	p->step_ms = (uint32_t)(links_step_ns(l) / NS_PER_MS);
	p->timeout_ms = (uint32_t)(timeout_of(l) / NS_PER_MS);
	p->count = (uint32_t)(l->count > 0 ? l->count : usual[l->probe].count);
	p->size = (uint32_t)(l->size > 0 ? l->size : usual[l->probe].size);
	p->family = l->family == 1 ? 4 : l->family == 2 ? 6 : 0;
	p->credential = or_empty(l->credential);
	p->interface = or_empty(l->interface);
	p->host = l->host;
	p->df = l->df;
	p->tls = l->tls;
	p->dscp = (uint32_t)l->dscp;
	p->ttl = (uint32_t)l->ttl;
	p->device = or_empty(l->device);
	p->server_name = or_empty(l->server_name);
	p->alias = or_empty(l->alias);
	fill_objects(p, l);
	p->source = or_empty(l->source);
	p->class_ = (uint32_t)l->class;
	p->name_zh = either(l->name, l->id);
	p->name_en = either(l->name_en, l->id);
	p->short_zh = either(l->short_zh, shortened(t, p->name_zh, SHORT_UNITS));
	p->short_en = either(l->short_en, shortened(t, p->name_en, SHORT_UNITS));
	p->vendor = either(l->vendor, a->vendor);
	p->zone = or_empty(either(l->zone, a->zone));
	p->chain = or_empty(l->chain);
	p->segment = (uint32_t)l->segment;
	p->reverse = l->reverse_of == NULL ? or_empty(NULL) : keep(t, xasprintf("%s/%s", l->reverse_of->agent,
	    l->reverse_of->id));
	p->limit_loss = l->limits.loss;
	p->limit_rtt_ns = l->limits.rtt_ns;
	p->down_after = (uint32_t)l->down_after;
}

static void
fill_names(Linkwatch__Pb__Plan *plan, const struct links_conf *c, struct texts *t)
{
	const struct links_vendor *v = c->vendors.v;
	const struct links_agent *a = c->agents.v;
	const struct links_chain *ch = c->chains.v;
	const struct links_zone *z = c->zones.v;

	for (size_t i = 0; i < plan->n_vendor; i++) {
		Linkwatch__Pb__Vendor *p = plan->vendor[i];

		p->id = v[i].id;
		p->code = v[i].code;
		p->code_en = either(v[i].code_en, shortened(t, v[i].id, 8));
		p->name_zh = either(v[i].name, v[i].id);
		p->name_en = either(v[i].name_en, v[i].id);
	}
	for (size_t i = 0; i < plan->n_agent; i++) {
		Linkwatch__Pb__AgentInfo *p = plan->agent[i];

		p->id = a[i].id;
		p->vendor = a[i].vendor;
		p->zone = or_empty(a[i].zone);
		p->name_zh = either(a[i].name, a[i].id);
		p->name_en = either(a[i].name_en, a[i].id);
	}
	for (size_t i = 0; i < plan->n_chain; i++) {
		plan->chain[i]->id = ch[i].id;
		plan->chain[i]->name_zh = either(ch[i].name, ch[i].id);
		plan->chain[i]->name_en = either(ch[i].name_en, ch[i].id);
	}
	for (size_t i = 0; i < plan->n_zone; i++) {
		plan->zone[i]->id = z[i].id;
		plan->zone[i]->name_zh = either(z[i].name, z[i].id);
		plan->zone[i]->name_en = either(z[i].name_en, z[i].id);
	}
}

/* An array of n pointers to n messages of size bytes in one block; free() frees both. */
static void *
messages(size_t n, size_t size, void (*init)(void *))
{
	char **v = xcalloc(1, n * (sizeof(*v) + size) + 1);
	char *at = (char *)(v + n);

	for (size_t i = 0; i < n; i++, at += size) {
		v[i] = at;
		init(at);
	}
	return v;
}

static void init_link(void *p) { linkwatch__pb__link__init(p); }
static void init_vendor(void *p) { linkwatch__pb__vendor__init(p); }
static void init_agent(void *p) { linkwatch__pb__agent_info__init(p); }
static void init_chain(void *p) { linkwatch__pb__chain__init(p); }
static void init_zone(void *p) { linkwatch__pb__zone__init(p); }

/*
 * A copy of plan that owns all it names, with its revision: the first bytes of
 * SHA-256 over the rest, as packed.  *size: how long it is when packed.
 */
static Linkwatch__Pb__Plan *
sealed(Linkwatch__Pb__Plan *plan, size_t *size)
{
	unsigned char md[SHA256_DIGEST_LENGTH];
	Linkwatch__Pb__Plan *out;
	uint8_t *packed;
	size_t n;

	plan->revision = 0;
	n = linkwatch__pb__plan__get_packed_size(plan);
	packed = xmalloc(n);
	(void)linkwatch__pb__plan__pack(plan, packed);
	out = linkwatch__pb__plan__unpack(NULL, n, packed);
	if (out == NULL)
		abort();		/* out of memory: we packed it ourselves */
	(void)SHA256(packed, n, md);
	free(packed);
	for (size_t i = 0; i < 8; i++)
		out->revision = out->revision << 8 | md[i];
	if (out->revision == 0)
		out->revision = 1;	/* 0 says "no plan" */
	*size = linkwatch__pb__plan__get_packed_size(out);
	return out;
}

static Linkwatch__Pb__Plan *
plan_of(const struct links_conf *c, size_t *size)
{
	Linkwatch__Pb__Plan plan = LINKWATCH__PB__PLAN__INIT, *out;
	const struct links_link *l = c->links.v;
	struct texts t = { 0 };

	plan.n_link = c->links.n;
	plan.link = messages(c->links.n, sizeof(**plan.link), init_link);
	plan.n_vendor = c->vendors.n;
	plan.vendor = messages(c->vendors.n, sizeof(**plan.vendor), init_vendor);
	plan.n_agent = c->agents.n;
	plan.agent = messages(c->agents.n, sizeof(**plan.agent), init_agent);
	plan.n_chain = c->chains.n;
	plan.chain = messages(c->chains.n, sizeof(**plan.chain), init_chain);
	plan.n_zone = c->zones.n;
	plan.zone = messages(c->zones.n, sizeof(**plan.zone), init_zone);
	for (size_t i = 0; i < plan.n_link; i++)
		fill_link(plan.link[i], &l[i], agent_of(c, l[i].agent), &t);
	fill_names(&plan, c, &t);
	out = sealed(&plan, size);
	for (size_t i = 0; i < plan.n_link; i++)
		free_objects(plan.link[i]);
	free(plan.link);
	free(plan.vendor);
	free(plan.agent);
	free(plan.chain);
	free(plan.zone);
	texts_free(&t);
	return out;
}

/* ------------------------------------------------------------- one agent's part */

/* Takes away what is none of an agent's business. */
static void
strip(Linkwatch__Pb__Link *l)
{
	char *none = (char *)protobuf_c_empty_string;

	l->class_ = 0;
	l->n_oid_name = l->n_oid_unit = 0;
	l->name_zh = l->name_en = l->short_zh = l->short_en = none;
	l->vendor = l->zone = l->chain = l->reverse = none;
	l->segment = 0;
	l->limit_loss = 0;
	l->limit_rtt_ns = 0;
	l->down_after = 0;
}

static Linkwatch__Pb__Plan *
part_of_links(Linkwatch__Pb__Link *const *link, size_t n, size_t *size)
{
	Linkwatch__Pb__Plan part = LINKWATCH__PB__PLAN__INIT, *out;

	part.link = messages(n, sizeof(**part.link), init_link);
	part.n_link = n;
	for (size_t i = 0; i < n; i++) {
		*part.link[i] = *link[i];	/* borrows its strings */
		strip(part.link[i]);
	}
	out = sealed(&part, size);
	free(part.link);
	return out;
}

static Linkwatch__Pb__Plan *
part_of(const Linkwatch__Pb__Plan *plan, const char *agent, size_t *size)
{
	Linkwatch__Pb__Link **link = xcalloc(plan->n_link + 1, sizeof(*link));
	Linkwatch__Pb__Plan *out;
	size_t n = 0;

	for (size_t i = 0; i < plan->n_link; i++)
		if (strcmp(plan->link[i]->agent, agent) == 0)
			link[n++] = plan->link[i];
	out = part_of_links(link, n, size);
	free(link);
	return out;
}

Linkwatch__Pb__Plan *
links_part(Linkwatch__Pb__Link *const *link, size_t n)
{
	size_t size;

	return part_of_links(link, n, &size);
}

Linkwatch__Pb__Plan *
links_for_agent(const Linkwatch__Pb__Plan *plan, const char *agent)
{
	size_t size;

	for (size_t i = 0; i < plan->n_agent; i++)
		if (strcmp(plan->agent[i]->id, agent) == 0)
			return part_of(plan, agent, &size);
	return NULL;
}

/* ------------------------------------------------------------------ doors */

/* A plan must fit into one journal record, an agent's part into one frame. */
static int
check_sizes(const Linkwatch__Pb__Plan *plan, size_t size, const struct links_conf *c,
    const char *name, struct conf_errors *errs)
{
	const struct links_agent *a = c->agents.v;
	int r = 0;

	if (size > JOURNAL_RECORD_MAX) {
		conf_error(errs, name, (struct conf_where){ 1, 1 },
		    "%zu links make a plan of %zu bytes, at most %d can be kept", plan->n_link,
		    size, JOURNAL_RECORD_MAX);
		return -EINVAL;
	}
	if (size <= FRAME_MAX)
		return 0;		/* so are its parts */
	for (size_t i = 0; i < c->agents.n; i++) {
		Linkwatch__Pb__Plan *part = part_of(plan, a[i].id, &size);

		if (size > FRAME_MAX) {
			conf_error(errs, name, a[i].where,
			    "agent '%s' has %zu links in %zu bytes, at most %d can be sent to it",
			    a[i].id, part->n_link, size, FRAME_MAX);
			r = -EINVAL;
		}
		links_free(part);
	}
	return r;
}

static int
finish(struct links_conf *c, const char *name, Linkwatch__Pb__Plan **out,
    struct conf_errors *errs)
{
	size_t size;
	int r;

	*out = plan_of(c, &size);
	r = check_sizes(*out, size, c, name, errs);
	if (r != 0) {
		links_free(*out);
		*out = NULL;
	}
	conf_free(&links_schema, c);
	return r;
}

int
links_load(const char *path, Linkwatch__Pb__Plan **out, struct conf_errors *errs)
{
	struct links_conf c;
	int r = conf_load(path, &links_schema, &c, errs);

	*out = NULL;
	return r != 0 ? r : finish(&c, path, out, errs);
}

int
links_parse(const char *text, size_t len, const char *name, Linkwatch__Pb__Plan **out,
    struct conf_errors *errs)
{
	struct links_conf c;
	int r = conf_parse(text, len, name, ".", &links_schema, &c, errs);

	*out = NULL;
	return r != 0 ? r : finish(&c, name, out, errs);
}

void
links_free(Linkwatch__Pb__Plan *plan)
{
	linkwatch__pb__plan__free_unpacked(plan, NULL);
}
