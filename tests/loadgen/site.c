/*
 * site.c - makes and reads the directory of a load (see site.h).
 */
#include "tests/loadgen/site.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/mem.h"

#define SAMPLE_BYTES_MAX (64 + ID_MAX)	/* of a sample in plain columns, beside its RTTs */

char *
site_path(const char *dir, const char *a, const char *b)
{
	return b == NULL ? xasprintf("%s/%s", dir, a) : xasprintf("%s/%s/%s", dir, a, b);
}

/* ------------------------------------------------------------------- the shape */

#define S(field) offsetof(struct load_shape, field)
static const struct {
	const char *name;
	size_t offset;
	uint32_t min, max;
} keys[] = {
	{ "agents", S(agents), 1, LOAD_AGENTS_MAX }, { "links", S(links), 1, LOAD_LINKS_MAX },
	{ "step_ms", S(step_ms), 1000, 300000 }, { "rtts", S(rtts), 1, 100 },
	{ "batch", S(batch), 1, 10000 },
};
#define KEYS (sizeof keys / sizeof keys[0])

static uint32_t
value_of(const struct load_shape *s, size_t key)
{
	uint32_t v;

	memcpy(&v, (const char *)s + keys[key].offset, sizeof v);
	return v;
}

int
site_check(const struct load_shape *s, char *why, size_t n)
{
	for (size_t i = 0; i < KEYS; i++) {
		uint32_t v = value_of(s, i);

		if (v < keys[i].min || v > keys[i].max) {
			snprintf(why, n, "%s: %u is not between %u and %u", keys[i].name, v, keys[i].min,
			    keys[i].max);
			return -EINVAL;
		}
	}
	if ((uint64_t)s->batch * (SAMPLE_BYTES_MAX + 4 * s->rtts) > BATCH_PACKED_MAX / 2) {
		snprintf(why, n, "batch: %u samples of %u packets do not fit one", s->batch, s->rtts);
		return -EINVAL;
	}
	return 0;
}

static int
write_json(const char *dir, const char *name, json_t *o)
{
	char *path = site_path(dir, name, NULL);
	int r = json_dump_file(o, path, JSON_INDENT(1)) == 0 ? 0 : -EIO;

	free(path);
	json_decref(o);
	return r;
}

static int
write_shape(const struct site *site)
{
	json_t *o = json_pack("{s:s, s:i, s:I}", "address", site->address, "port", (int)site->port, "seed",
	    (json_int_t)site->shape.seed);

	for (size_t i = 0; i < KEYS; i++)
		json_object_set_new(o, keys[i].name, json_integer(value_of(&site->shape, i)));
	return write_json(site->dir, "load.json", o);
}

int
site_load(struct site *site, const char *dir, char *why, size_t n)
{
	char *path = site_path(dir, "load.json", NULL);
	json_error_t e;
	json_t *o = json_load_file(path, JSON_REJECT_DUPLICATES, &e), *address;
	int r = 0;

	memset(site, 0, sizeof *site);
	site->dir = dir;
	if (o == NULL) {
		snprintf(why, n, "%s: %s (made by `linkwatch-loadgen prepare`)", path, e.text);
		free(path);
		return -ENOENT;
	}
	for (size_t i = 0; i < KEYS; i++) {
		json_int_t v = json_integer_value(json_object_get(o, keys[i].name));
		uint32_t u = v >= 0 && v <= UINT32_MAX ? (uint32_t)v : 0;

		memcpy((char *)&site->shape + keys[i].offset, &u, sizeof u);
	}
	site->shape.seed = (uint64_t)json_integer_value(json_object_get(o, "seed"));
	site->port = (uint16_t)json_integer_value(json_object_get(o, "port"));
	address = json_object_get(o, "address");
	if (!json_is_string(address)) {
		snprintf(why, n, "%s: no address", path);
		r = -EINVAL;
	} else {
		snprintf(site->address, sizeof site->address, "%s", json_string_value(address));
		r = site_check(&site->shape, why, n);
	}
	json_decref(o);
	free(path);
	return r;
}

/* -------------------------------------------------------------- the collector's */

/* JSON is YAML. */
static int
write_links(const struct site *site)
{
	json_t *agents = json_array(), *links = json_array();
	char agent[ID_MAX + 1], link[ID_MAX + 1];

	for (uint32_t a = 0; a < site->shape.agents; a++) {
		source_agent_id(agent, a);
		json_array_append_new(agents, json_pack("{s:s, s:s}", "id", agent, "vendor", "load"));
		for (uint32_t l = 0; l < site->shape.links; l++) {
			source_link_id(link, l);
			json_array_append_new(links, json_pack("{s:s, s:s, s:s, s:s, s:o, s:i, s:s, s:s}",
			    "id", link, "agent", agent, "probe", "icmp", "target", "192.0.2.1", "step",
			    json_sprintf("%ums", site->shape.step_ms), "count", (int)site->shape.rtts,
			    "timeout", "900ms", "class", "C"));
		}
	}
	return write_json(site->dir, "links.yaml", json_pack("{s:[{s:s, s:s}], s:o, s:[], s:o}", "vendors",
	    "id", "load", "code", "L", "agents", agents, "chains", "links", links));
}

static int
write_collector(const struct site *site)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:{s:s, s:i, s:s, s:s, s:s, s:i}, s:{s:b}}", "id", "main",
	    "state", "collector", "links", "links.yaml", "listen", "address", site->address, "port",
	    (int)site->port, "ca", "pki/ca.pem", "cert", "pki/collector-main.pem", "key",
	    "pki/collector-main.key", "max_conns", (int)site->shape.agents + 1000, "web", "enabled", 0);

	return write_json(site->dir, "collector.yaml", o);
}

static int
issue_all(const struct site *site, char *why, size_t n)
{
	struct pki *pki = pki_new(site->dir, why, n);
	char id[ID_MAX + 1];
	int r;

	if (pki == NULL)
		return -EIO;
	r = pki_issue(pki, "collector-main", "collector", "main", site->address);
	for (uint32_t a = 0; a < site->shape.agents && r == 0; a++) {
		source_agent_id(id, a);
		r = pki_issue(pki, id, "agent", id, NULL);
	}
	if (r == 0)
		r = pki_issue(pki, "alertd-main", "alertd", "main", NULL);
	if (r != 0)
		snprintf(why, n, "%s/pki: a certificate cannot be made or written", site->dir);
	pki_free(pki);
	return r;
}

int
site_prepare(const struct site *site, char *why, size_t n)
{
	char *state = site_path(site->dir, "state.json", NULL);
	int r = site_check(&site->shape, why, n);

	if (r != 0)
		goto out;
	if (mkdir(site->dir, 0700) != 0 && errno != EEXIST) {
		r = -errno;
		snprintf(why, n, "%s: %s", site->dir, strerror(errno));
		goto out;
	}
	unlink(state);			/* of agents with other certificates */
	r = issue_all(site, why, n);
	if (r == 0 && ((r = write_links(site)) != 0 || (r = write_collector(site)) != 0 ||
	    (r = write_shape(site)) != 0))
		snprintf(why, n, "%s: a file cannot be written", site->dir);
out:
	free(state);
	return r;
}
