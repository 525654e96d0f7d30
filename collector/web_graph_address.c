/*
 * web_graph_address.c - addresses of pictures for reports and mails, which open without log-in.
 *
 * /shared/AGENT/LINK?PARAMETERS&expires=SECONDS&mac=HEX
 *
 * mac is HMAC-SHA256 over "linkwatch graph 1\n" "AGENT/LINK?PARAMETERS&expires=SECONDS", where the
 * parameters stand as wish_print() writes them: they are read from the address and written anew, so
 * another order or encoding is the same address, and nothing that is not signed has a meaning.
 * Whoever has the address sees this one picture until it expires, which is fixed in time; nothing
 * else.  Without its key file (STATE/graph.key, 32 bytes) an address is worth nothing: taking the
 * file away and starting anew takes back all of them.
 *
 * To a stranger every fault is the same 404: an address tells nothing about what links there are.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/http_server.h"
#include "collector/web_graph.h"
#include "common/log.h"
#include "common/rng.h"

#define ADDRESS_MAX 2048
#define MAC_LEN 64			/* hex digits */
#define DAYS_DEFAULT 90
#define DAYS_MAX 400			/* a report of a year is still read in the next */
#define DAY_S INT64_C(86400)

/* ------------------------------------------------------------------- key */

static int
read_key(const char *path, uint8_t key[GRAPH_KEY_LEN])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), rc = 0;
	uint8_t more;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0 ||
	    read(fd, key, GRAPH_KEY_LEN) != GRAPH_KEY_LEN || read(fd, &more, 1) != 0)
		rc = -EBADMSG;
	close(fd);
	return rc;
}

/* A new key under its name only once it is whole on disk. */
static int
make_key(const char *path)
{
	uint8_t key[GRAPH_KEY_LEN];
	char fresh[4096];
	int fd, rc = 0;

	if ((size_t)snprintf(fresh, sizeof fresh, "%s.%d", path, (int)getpid()) >= sizeof fresh)
		return -ENAMETOOLONG;
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rng_real()->fill(rng_real(), key, sizeof key);
	if (write(fd, key, sizeof key) != sizeof key || fsync(fd) != 0 || link(fresh, path) != 0)
		rc = errno == EEXIST ? 0 : errno != 0 ? -errno : -EIO;
	close(fd);
	unlink(fresh);
	OPENSSL_cleanse(key, sizeof key);
	return rc;
}

void
web_graph_open(struct web *w)
{
	char *path = collector_conf_path(w->conf, "graph.key");
	int rc = read_key(path, w->graph_key);

	if (rc == -ENOENT && (rc = make_key(path)) == 0)
		rc = read_key(path, w->graph_key);
	w->graph_key_known = rc == 0;
	if (rc != 0)
		log_error("web: %s: no addresses of graphs for reports: %s", path,
		    rc == -EBADMSG ? "not a file of 32 bytes that its owner alone may read" : strerror(-rc));
	free(path);
}

/* ------------------------------------------------------------------- mac */

/* The part of an address behind "/shared/" that is signed. */
static void
print_signed(const struct wish *w, int64_t expires, char out[ADDRESS_MAX])
{
	char parameters[ADDRESS_MAX - 2 * ID_MAX - 64];

	wish_print(w, parameters, sizeof parameters);
	snprintf(out, ADDRESS_MAX, "%s?%s&expires=%" PRId64, w->link[0]->key, parameters, expires);
}

static void
print_mac(const struct web *w, const char *text, char out[MAC_LEN + 1])
{
	static const char domain[] = "linkwatch graph 1\n";
	uint8_t md[32], message[sizeof domain + ADDRESS_MAX];
	size_t n = strlen(text);
	unsigned len = sizeof md;

	memcpy(message, domain, sizeof domain - 1);
	memcpy(message + sizeof domain - 1, text, n);
	HMAC(EVP_sha256(), w->graph_key, GRAPH_KEY_LEN, message, sizeof domain - 1 + n, md, &len);
	for (size_t i = 0; i < sizeof md; i++)
		snprintf(out + 2 * i, 3, "%02x", md[i]);
}

void
web_graph_address(struct web_req *q)
{
	char text[ADDRESS_MAX], mac[MAC_LEN + 1], path[ADDRESS_MAX + MAC_LEN + 32];
	int64_t days, now = clock_wall(q->web->clock).ns / NS_PER_S, expires;
	struct graph_args args = { 0 };
	struct wish w;
	int rc = wish_read(q, &w);

	if (rc == -ENOENT) {
		web_fail(q, 404, "not-found", "计划中没有这条链路", "the plan has no such link");
		return;
	}
	if (rc != 0 || http_param_int(&q->query, "days", 1, DAYS_MAX, DAYS_DEFAULT, &days) != 0 ||
	    graph_build(&w.g, &args) != 0) {
		web_fail(q, 400, "parameters", "绘图参数不正确", "these are no proper graph parameters");
		return;
	}
	graph_args_free(&args);
	if (!q->web->graph_key_known) {
		web_fail(q, 503, "no-key", "未能读取签名密钥", "the key for addresses could not be read");
		return;
	}
	expires = now + days * DAY_S;
	print_signed(&w, expires, text);
	print_mac(q->web, text, mac);
	snprintf(path, sizeof path, "/shared/%s&mac=%s", text, mac);
	log_notice("web: user=%s: address of a graph of %s, %" PRId64 " days", q->who.user, w.link[0]->key, days);
	web_answer_json(q, 200, json_pack("{s:s,s:I}", "path", path, "expires", (json_int_t)expires));
}

/* Is this the address of a picture that somebody who may see it has signed? */
static bool
is_signed(struct web_req *q, struct wish *w)
{
	const char *given = http_param(&q->query, "mac");
	char text[ADDRESS_MAX], mac[MAC_LEN + 1];
	int64_t expires;

	if (!q->web->graph_key_known || given == NULL || strlen(given) != MAC_LEN || wish_read(q, w) != 0 ||
	    http_param_int(&q->query, "expires", 1, INT64_C(4102444800), 0, &expires) != 0 ||
	    http_param(&q->query, "from") == NULL || http_param(&q->query, "to") == NULL)
		return false;
	print_signed(w, expires, text);
	print_mac(q->web, text, mac);
	return CRYPTO_memcmp(given, mac, MAC_LEN) == 0 && expires > w->g.now;
}

void
web_graph_shared(struct web_req *q)
{
	struct wish w;

	q->who = (struct session){ 0 };		/* the address alone counts, not who opens it */
	if (!is_signed(q, &w)) {
		web_fail(q, 404, "not-found", "此图地址无效或已过期", "this address of a graph is not valid, or not any more");
		return;
	}
	http_header(q->req, "Cross-Origin-Resource-Policy", "cross-origin");	/* mail is read on another site */
	web_graph_draw(q, &w);
}
