/*
 * collector_conf.c - the tables behind collector.yaml.
 */
#include "common/collector_conf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/netmask.h"

#define S(x) (INT64_C(x) * 1000000000)
#define MS(x) (INT64_C(x) * 1000000)
#define DAY (INT64_C(86400) * 1000000000)
#define MIB (INT64_C(1) << 20)

static const char *const level_names[] = { "error", "warning", "notice", "info", "debug", NULL };
static const char *const language_names[] = { "zh", "en", NULL };

#define L(field) offsetof(struct collector_listen_conf, field)
static const struct conf_key listen_keys[] = {
	{ .name = "address", .type = CONF_STR, .offset = L(address), .def = "0.0.0.0",
	  .help = "Local address for agents and alertd; \"::\" takes IPv6 and IPv4." },
	{ .name = "port", .type = CONF_INT, .offset = L(port), .def = "7466", .min = 0, .max = 65535,
	  .help = "TCP port; 0 lets the kernel choose and the log tell." },
	{ .name = "ca", .type = CONF_PATH, .offset = L(ca), .flags = CONF_REQUIRED,
	  .help = "CA certificates (PEM) that agents and alertd must be signed by." },
	{ .name = "cert", .type = CONF_PATH, .offset = L(cert), .flags = CONF_REQUIRED,
	  .help = "Own certificate (PEM) with the URI linkwatch://collector/ID." },
	{ .name = "key", .type = CONF_SECRET_FILE, .offset = L(key), .flags = CONF_REQUIRED,
	  .help = "Key of that certificate (PEM)." },
	{ .name = "crl", .type = CONF_PATH, .offset = L(crl),
	  .help = "Revoked certificates (PEM); without it none are." },
	{ .name = "max_conns", .type = CONF_INT, .offset = L(max_conns), .def = "20000", .min = 1,
	  .max = 100000, .help = "Connections at a time; beyond it new ones are closed at once." },
	{ .name = "handshakes", .type = CONF_INT, .offset = L(handshakes), .def = "16", .min = 1, .max = 4096,
	  .help = "Connections that shake hands at a time; who comes beyond waits, in turn by address." },
	{ .name = "waiting", .type = CONF_INT, .offset = L(waiting), .def = "16384", .min = 1, .max = 100000,
	  .help = "Connections that may wait for that; beyond it the address with the most loses its newest." },
	{ .name = NULL },
};
static const struct conf_schema listen_schema = { .noun = "listen",
	.size = sizeof(struct collector_listen_conf), .keys = listen_keys, .where = SIZE_MAX };

#define I(field) offsetof(struct collector_ingest_conf, field)
static const struct conf_key ingest_keys[] = {
	{ .name = "commit", .type = CONF_DURATION, .offset = I(commit_ns), .def = "20ms", .min = MS(1),
	  .max = MS(50), .help = "How long a batch may wait for the fdatasync that it shares with others." },
	{ .name = "window", .type = CONF_INT, .offset = I(window), .def = "1024", .min = 1, .max = 1024,
	  .help = "Batches of one agent that may be in flight." },
	{ .name = "past", .type = CONF_DURATION, .offset = I(past_ns), .def = "8d", .min = S(60),
	  .max = 366 * DAY, .help = "Samples older than this are refused: the longest outage of an agent's uplink." },
	{ .name = "future", .type = CONF_DURATION, .offset = I(future_ns), .def = "5m", .min = S(1),
	  .max = DAY, .help = "Samples further ahead of our clock are refused." },
	{ .name = "agent_bytes", .type = CONF_SIZE, .offset = I(agent_bytes), .def = "16M", .min = 65536,
	  .max = 1024 * MIB, .help = "Bytes of batches taken from one agent in a second; it is not read beyond." },
	{ .name = "agent_batches", .type = CONF_INT, .offset = I(agent_batches), .def = "10000", .min = 10,
	  .max = 1000000, .help = "The same for batches." },
	{ .name = "agent_samples", .type = CONF_INT, .offset = I(agent_samples), .def = "2000000",
	  .min = 1000, .max = 100000000, .help = "The same for samples." },
	{ .name = "agent_sessions", .type = CONF_INT, .offset = I(agent_sessions), .def = "30", .min = 2,
	  .max = 6000, .help = "Sessions that one agent may begin in a minute; refused beyond." },
	{ .name = "pending", .type = CONF_SIZE, .offset = I(pending_bytes), .def = "16M", .min = MIB,
	  .max = 48 * MIB, .help = "Bytes that may wait for the disk; no agent is read while there are more." },
	{ .name = NULL },
};
static const struct conf_schema ingest_schema = { .noun = "ingest",
	.size = sizeof(struct collector_ingest_conf), .keys = ingest_keys, .where = SIZE_MAX };

#define J(field) offsetof(struct collector_journal_conf, field)
static const struct conf_key journal_keys[] = {
	{ .name = "segment", .type = CONF_SIZE, .offset = J(segment_bytes), .def = "16M", .min = 65536,
	  .max = 1024 * MIB, .help = "Size at which a new file begins; retention takes whole files." },
	{ .name = "max_bytes", .type = CONF_SIZE, .offset = J(max_bytes), .def = "20G", .min = MIB,
	  .max = INT64_MAX, .help = "Beyond this size the oldest files go." },
	{ .name = "max_age", .type = CONF_DURATION, .offset = J(max_age_ns), .def = "400d", .min = S(3600),
	  .max = 3660 * DAY, .help = "Files whose records are all older go." },
	{ .name = "reader_share", .type = CONF_RATIO, .offset = J(reader_share), .def = "25%", .min = 0,
	  .max = 10, .help = "A reader that is behind (store, alertd) keeps so much of max_bytes on top." },
	{ .name = NULL },
};
static const struct conf_schema journal_schema = { .noun = "journal",
	.size = sizeof(struct collector_journal_conf), .keys = journal_keys, .where = SIZE_MAX };

#define K(field) offsetof(struct collector_keep_conf, field)
#define KEEP_KEYS(name_, detail_) \
static const struct conf_key name_##_keys[] = { \
	{ .name = "detail", .type = CONF_DURATION, .offset = K(detail_ns), .def = detail_, .min = S(3600), \
	  .max = 31 * DAY, .help = "Every step; at most 90,000 of them." }, \
	{ .name = "minutes", .type = CONF_DURATION, .offset = K(minutes_ns), .def = "36h", .min = 0, \
	  .max = 60 * DAY, .help = "Mean, least and greatest of each minute; 0s: none of them." }, \
	{ .name = "ten_minutes", .type = CONF_DURATION, .offset = K(ten_minutes_ns), .def = "10d", .min = 0, \
	  .max = 600 * DAY, .help = "The same of ten minutes." }, \
	{ .name = "hours", .type = CONF_DURATION, .offset = K(hours_ns), .def = "40d", .min = 0, \
	  .max = 3660 * DAY, .help = "The same of an hour." }, \
	{ .name = "six_hours", .type = CONF_DURATION, .offset = K(six_hours_ns), .def = "400d", .min = 0, \
	  .max = 7320 * DAY, .help = "The same of six hours." }, \
	{ .name = NULL }, \
}; \
static const struct conf_schema name_##_schema = { .noun = "retention", \
	.size = sizeof(struct collector_keep_conf), .keys = name_##_keys, .where = SIZE_MAX, \
	.check = check_keep }

/* A coarse resolution that ends before a finer one would never be looked at. */
static void
check_keep(void *obj, const struct conf_scope *scope)
{
	static const char *const names[] = { "detail", "minutes", "ten_minutes", "hours", "six_hours" };
	static const int64_t res[] = { 0, S(60), S(600), S(3600), S(21600) };
	const struct collector_keep_conf *k = obj;
	const int64_t keep[] = { k->detail_ns, k->minutes_ns, k->ten_minutes_ns, k->hours_ns, k->six_hours_ns };
	size_t finer = 0;

	for (size_t i = 1; i < sizeof keep / sizeof keep[0]; i++) {
		if (keep[i] == 0)
			continue;
		if (keep[i] < 10 * res[i])
			conf_scope_error(scope, names[i], "'%s' is less than ten of them", names[i]);
		else if (keep[i] <= keep[finer])
			conf_scope_error(scope, names[i], "'%s' is not kept longer than '%s': leave it out by 0s",
			    names[i], names[finer]);
		finer = i;
	}
}

KEEP_KEYS(keep_a, "1d");
KEEP_KEYS(keep_b, "12h");
KEEP_KEYS(keep_c, "6h");

#define T(field) offsetof(struct collector_store_conf, field)
static const struct conf_key store_keys[] = {
	{ .name = "rows", .type = CONF_INT, .offset = T(rows), .def = "60", .min = 1, .max = 3600,
	  .help = "Rows gathered for a file before they are written in one go." },
	{ .name = "age", .type = CONF_DURATION, .offset = T(age_ns), .def = "10m", .min = S(1),
	  .max = S(3600), .help = "A row waits at most so long (a reader's wish comes at once)." },
	{ .name = "class_a", .type = CONF_MAP, .offset = T(keep[0]), .sub = &keep_a_schema,
	  .help = "How long the RRD file of a class A link keeps each resolution." },
	{ .name = "class_b", .type = CONF_MAP, .offset = T(keep[1]), .sub = &keep_b_schema,
	  .help = "The same for class B." },
	{ .name = "class_c", .type = CONF_MAP, .offset = T(keep[2]), .sub = &keep_c_schema,
	  .help = "The same for class C." },
	{ .name = NULL },
};
static const struct conf_schema store_schema = { .noun = "store",
	.size = sizeof(struct collector_store_conf), .keys = store_keys, .where = SIZE_MAX };

#define W(field) offsetof(struct collector_web_conf, field)
static const struct conf_key web_keys[] = {
	{ .name = "enabled", .type = CONF_BOOL, .offset = W(enabled), .def = "true",
	  .help = "Whether there is a page at all." },
	{ .name = "address", .type = CONF_STR, .offset = W(address), .def = "127.0.0.1",
	  .help = "Local address of the page." },
	{ .name = "port", .type = CONF_INT, .offset = W(port), .def = "7443", .min = 0, .max = 65535,
	  .help = "HTTPS port; 0 lets the kernel choose and the log tell." },
	{ .name = "cert", .type = CONF_PATH, .offset = W(cert), .help = "Certificate of the page (PEM)." },
	{ .name = "key", .type = CONF_SECRET_FILE, .offset = W(key), .help = "Its key (PEM)." },
	{ .name = "users", .type = CONF_PATH, .offset = W(users),
	  .help = "Who may log in; written by `linkwatch-collector passwd`." },
	{ .name = "tokens", .type = CONF_PATH, .offset = W(tokens),
	  .help = "Tokens of programs that use the API; written by `linkwatch-collector token`." },
	{ .name = "control", .type = CONF_PATH, .offset = W(control),
	  .help = "alertd's control socket: states and incidents. Without it the page shows measurements only." },
	{ .name = "language", .type = CONF_ENUM, .offset = W(language), .def = "zh", .names = language_names,
	  .help = "Language before a browser says otherwise." },
	{ .name = "graph_workers", .type = CONF_INT, .offset = W(graph_workers), .def = "2", .min = 1,
	  .max = 32, .help = "Processes that draw graphs." },
	{ .name = "connections", .type = CONF_INT, .offset = W(connections), .def = "512", .min = 4,
	  .max = 10000, .help = "Connections of browsers at a time." },
	{ .name = "address_connections", .type = CONF_INT, .offset = W(address_connections), .def = "256",
	  .min = 4, .max = 10000, .help = "Of them from one address (of IPv6: one /64)." },
	{ .name = "streams", .type = CONF_INT, .offset = W(streams), .def = "128", .min = 1, .max = 5000,
	  .help = "Open pages that are kept up to date at a time." },
	{ .name = "session_idle", .type = CONF_DURATION, .offset = W(session_idle_ns), .def = "30m",
	  .min = S(60), .max = DAY, .help = "A log-in ends after so long without a request." },
	{ .name = "session_max", .type = CONF_DURATION, .offset = W(session_max_ns), .def = "12h",
	  .min = S(60), .max = 31 * DAY, .help = "A log-in ends after so long in any case." },
	{ .name = "metrics_links", .type = CONF_BOOL, .offset = W(metrics_links), .def = "false",
	  .help = "Whether /metrics tells state, loss and RTT of each link." },
	{ .name = "metrics_from", .type = CONF_STR_LIST, .offset = W(metrics_from),
	  .help = "Addresses or blocks that may read /metrics without a token; not that of a proxy." },
	{ .name = NULL },
};
static const struct conf_schema web_schema = { .noun = "web",
	.size = sizeof(struct collector_web_conf), .keys = web_keys, .where = SIZE_MAX };

#define C(field) offsetof(struct collector_conf, field)
static const struct conf_key collector_keys[] = {
	{ .name = "id", .type = CONF_ID, .offset = C(id), .flags = CONF_REQUIRED,
	  .help = "Name of this collector, as in its certificate." },
	{ .name = "state", .type = CONF_PATH, .offset = C(state), .def = "/var/lib/linkwatch/collector",
	  .help = "Directory of the journal and the RRD files." },
	{ .name = "links", .type = CONF_PATH, .offset = C(links), .flags = CONF_REQUIRED,
	  .help = "links.yaml: vendors, agents, links and chains." },
	{ .name = "user", .type = CONF_STR, .offset = C(user),
	  .help = "Login to become after the start as root; without it root stays root, without capabilities." },
	{ .name = "log_level", .type = CONF_ENUM, .offset = C(log_level), .def = "notice",
	  .min = LOG_ERROR, .names = level_names, .help = "error, warning, notice, info or debug." },
	{ .name = "listen", .type = CONF_MAP, .offset = C(listen), .flags = CONF_REQUIRED,
	  .sub = &listen_schema, .help = "Where agents and alertd connect." },
	{ .name = "ingest", .type = CONF_MAP, .offset = C(ingest), .sub = &ingest_schema,
	  .help = "What is taken from agents." },
	{ .name = "journal", .type = CONF_MAP, .offset = C(journal), .sub = &journal_schema,
	  .help = "The evidence: every batch as it came." },
	{ .name = "store", .type = CONF_MAP, .offset = C(store), .sub = &store_schema,
	  .help = "RRD files, for graphs." },
	{ .name = "web", .type = CONF_MAP, .offset = C(web), .sub = &web_schema,
	  .help = "The page." },
	{ .name = NULL },
};

const struct conf_schema collector_schema = { .noun = "collector", .size = sizeof(struct collector_conf),
	.keys = collector_keys, .where = SIZE_MAX };

/* What the tables cannot say. */
static void
check(const struct collector_conf *c, const char *name, struct conf_errors *errs)
{
	struct conf_where top = { .line = 1, .col = 1 };
	struct netmask mask;

	if (c->web.enabled && (c->web.cert == NULL || c->web.key == NULL || c->web.users == NULL))
		conf_error(errs, name, top, "'web' is enabled and needs 'cert', 'key' and 'users'");
	for (size_t i = 0; i < c->web.metrics_from.n; i++)
		if (netmask_parse(((char **)c->web.metrics_from.v)[i], &mask) != 0)
			conf_error(errs, name, top, "'%s' of 'metrics_from' is no address or block",
			    ((char **)c->web.metrics_from.v)[i]);
	if (c->web.session_idle_ns > c->web.session_max_ns)
		conf_error(errs, name, top, "'session_idle' of 'web' is longer than 'session_max'");
	if (c->journal.max_bytes < 4 * c->journal.segment_bytes)
		conf_error(errs, name, top, "'max_bytes' of 'journal' is less than four segments");
	if (c->ingest.past_ns > c->journal.max_age_ns)
		conf_warning(errs, name, top, "'past' of 'ingest' is longer than 'max_age' of 'journal'");
}

static int
finish(int r, const char *name, struct collector_conf *c, struct collector_conf **out,
    struct conf_errors *errs)
{
	if (r == 0) {
		check(c, name, errs);
		if (conf_failed(errs))
			r = -EINVAL;
	}
	if (r != 0) {
		collector_conf_free(c);
		c = NULL;
	}
	*out = c;
	return r;
}

int
collector_conf_load(const char *path, struct collector_conf **out, struct conf_errors *errs)
{
	struct collector_conf *c = xcalloc(1, sizeof *c);

	return finish(conf_load(path, &collector_schema, c, errs), path, c, out, errs);
}

int
collector_conf_parse(const char *text, size_t len, const char *name, const char *dir,
    struct collector_conf **out, struct conf_errors *errs)
{
	struct collector_conf *c = xcalloc(1, sizeof *c);

	return finish(conf_parse(text, len, name, dir, &collector_schema, c, errs), name, c, out, errs);
}

void
collector_conf_free(struct collector_conf *c)
{
	if (c == NULL)
		return;
	conf_free(&collector_schema, c);
	free(c);
}

char *
collector_conf_path(const struct collector_conf *c, const char *sub)
{
	return xasprintf("%s/%s", c->state, sub);
}
