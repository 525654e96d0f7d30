/*
 * adhoc_list.c - words and lines to targets.
 */
#include "agent/adhoc_list.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "agent/guard.h"
#include "agent/target.h"
#include "common/log.h"
#include "common/mem.h"

#define LINE_MAX_BYTES 1024
#define FILE_MAX_BYTES (32 * 1024 * 1024)
#define FAULTS_MAX 100			/* told of one file */
#define WORD_SHOWN 80

void
adhoc_list_free(struct adhoc_list *l)
{
	free(l->text);
	free(l->entry);
	*l = (struct adhoc_list){ 0 };
}

const char *
adhoc_list_host(const struct adhoc_list *l, size_t i)
{
	return l->text + l->entry[i].text;
}

static int
add(struct adhoc_list *l, const char *host, uint16_t port, char *why, size_t n)
{
	size_t len = strlen(host) + 1;

	if (l->n == ADHOC_TARGETS_MAX)
		return snprintf(why, n, "more than %d targets", ADHOC_TARGETS_MAX), -EINVAL;
	if (l->n == l->cap) {
		l->cap = l->cap > 0 ? 2 * l->cap : 16;
		l->entry = xreallocarray(l->entry, l->cap, sizeof *l->entry);
	}
	if (l->text_cap - l->text_len < len) {
		l->text_cap = 2 * l->text_cap + len + 64;
		l->text = xreallocarray(l->text, l->text_cap, 1);
	}
	memcpy(l->text + l->text_len, host, len);
	l->entry[l->n++] = (struct adhoc_entry){ .text = (uint32_t)l->text_len, .port = port };
	l->text_len += len;
	return 0;
}

/* A name that a resolver may be asked for; what looks like an address is none. */
static bool
is_name(const char *s)
{
	if (*s == '\0' || *s == '-' || *s == '.' || strlen(s) > TARGET_HOST_MAX ||
	    s[strspn(s, "0123456789.")] == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && strchr("._-", *s) == NULL)
			return false;
	return true;
}

static int
not_a_host(const char *word, char *why, size_t n)
{
	char shown[4 * WORD_SHOWN + 1];

	log_escape(shown, sizeof shown, word, strnlen(word, WORD_SHOWN));
	snprintf(why, n, "'%s' is not a host name or address", shown);
	return -EINVAL;
}

static int
add_host(struct adhoc_list *l, const struct adhoc_form *form, const char *host, uint16_t port,
    const char *word, char *why, size_t n)
{
	struct sockaddr_storage ss;

	if (target_literal(host, port, &ss) == 0)
		return is_name(host) ? add(l, host, port, why, n) : not_a_host(word, why, n);
	if (form->family != AF_UNSPEC && ss.ss_family != form->family) {
		snprintf(why, n, "'%s' is an address of the other family", word);
		return -EINVAL;
	}
	if (!guard_one_host((struct sockaddr *)&ss)) {
		snprintf(why, n, "'%s' is not the address of one host", word);
		return -EINVAL;
	}
	return add(l, host, port, why, n);
}

/* ----------------------------------------------------------------- networks */

/* Adds a number to an address of n bytes. */
static void
advance(uint8_t *addr, size_t n, uint32_t by)
{
	for (; n-- > 0 && by > 0; by >>= 8) {
		uint32_t v = addr[n] + (by & 0xff);

		addr[n] = (uint8_t)v;
		by += (v >> 8) << 8;
	}
}

static int
add_network(struct adhoc_list *l, const struct adhoc_form *form, const char *word, char *why,
    size_t n)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(word, '/');
	uint8_t net[16] = { 0 }, addr[16];
	int family = memchr(word, ':', (size_t)(slash - word)) != NULL ? AF_INET6 : AF_INET;
	size_t bytes = family == AF_INET6 ? 16 : 4;
	unsigned long bits, host_bits;
	uint32_t first = 0, end;
	char *tail;

	if ((size_t)(slash - word) >= sizeof host || !isdigit((unsigned char)slash[1]))
		return not_a_host(word, why, n);
	memcpy(host, word, (size_t)(slash - word));
	host[slash - word] = '\0';
	bits = strtoul(slash + 1, &tail, 10);
	if (inet_pton(family, host, net) != 1 || *tail != '\0' || bits > 8 * bytes)
		return not_a_host(word, why, n);
	if (form->kind != PROBE_ICMP)
		return snprintf(why, n, "'%s' is a network, which belongs to icmp", word), -EINVAL;
	host_bits = 8 * bytes - bits;
	if (host_bits > 16)
		return snprintf(why, n, "'%s' has more than %d addresses", word,
		    ADHOC_TARGETS_MAX), -EINVAL;
	for (size_t i = 0; i < bytes; i++) {	/* the bits of the host go */
		unsigned long low = 8 * (bytes - i), cut = low - 8;

		if (host_bits >= low)
			net[i] = 0;
		else if (host_bits > cut)
			net[i] &= (uint8_t)(0xff << (host_bits - cut));
	}
	end = UINT32_C(1) << host_bits;
	if (family == AF_INET && host_bits >= 2) {
		first++;		/* the network itself, and its broadcast */
		end--;
	}
	for (uint32_t i = first; i < end; i++) {
		int rc;

		memcpy(addr, net, sizeof addr);
		advance(addr, bytes, i);
		inet_ntop(family, addr, host, sizeof host);
		rc = add_host(l, form, host, 0, host, why, n);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* ------------------------------------------------------------ with a port */

static bool
port_parse(const char *s, uint16_t *out)
{
	char *end;
	unsigned long v;

	if (!isdigit((unsigned char)*s) || strlen(s) > 5)
		return false;
	v = strtoul(s, &end, 10);
	*out = (uint16_t)v;
	return *end == '\0' && v >= 1 && v <= UINT16_MAX;
}

static int
add_with_port(struct adhoc_list *l, const struct adhoc_form *form, const char *word, char *why,
    size_t n)
{
	char host[TARGET_HOST_MAX + 1];
	const char *begin = word, *end = word + strlen(word), *colon = NULL;
	char shown[4 * WORD_SHOWN + 1];
	uint16_t port = form->port;

	log_escape(shown, sizeof shown, word, strnlen(word, WORD_SHOWN));
	if (*word == '[') {
		begin = word + 1;
		end = strchr(word, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':') || memchr(begin, ':',
		    (size_t)(end - begin)) == NULL)
			return not_a_host(word, why, n);
		colon = end[1] == ':' ? end + 1 : NULL;
	} else if ((colon = strchr(word, ':')) != NULL && strchr(colon + 1, ':') != NULL) {
		colon = NULL;		/* an IPv6 address without brackets has no port */
	} else if (colon != NULL) {
		end = colon;
	}
	if (end - begin > TARGET_HOST_MAX)
		return not_a_host(word, why, n);
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	if (colon != NULL && !port_parse(colon + 1, &port))
		return snprintf(why, n, "'%s' has no port of 1..65535", shown), -EINVAL;
	if (port == 0 && (is_name(host) || strchr(host, '.') != NULL || strchr(host, ':') != NULL))
		return snprintf(why, n, "'%s' needs a port: HOST:PORT, or --port", shown), -EINVAL;
	return add_host(l, form, host, port, word, why, n);
}

int
adhoc_list_add(struct adhoc_list *l, const struct adhoc_form *form, const char *word, char *why,
    size_t n)
{
	if (strchr(word, '/') != NULL)
		return add_network(l, form, word, why, n);
	if (form->kind != PROBE_ICMP)
		return add_with_port(l, form, word, why, n);
	return add_host(l, form, word, 0, word, why, n);
}

/* -------------------------------------------------------------------- files */

/* The next line, without what cannot be kept of it; -1: the end, or *total is too much to go on.
 * *cut: it was too long. */
static int
read_line(FILE *f, char *line, size_t room, bool *cut, size_t *total)
{
	size_t n = 0;
	int c;

	*cut = false;
	while (++*total <= FILE_MAX_BYTES && (c = getc(f)) != EOF && c != '\n') {
		if (n + 1 < room)
			line[n++] = c != '\0' ? (char)c : '\x01';
		else
			*cut = true;
	}
	line[n] = '\0';
	return *total > FILE_MAX_BYTES || (c == EOF && n == 0) ? -1 : 0;
}

static int
take_line(struct adhoc_list *l, const struct adhoc_form *form, char *line, bool cut, int *column,
    char *why, size_t n)
{
	char *word = line + strspn(line, " \t\r"), *end;

	*column = (int)(word - line) + 1;
	if (cut)
		return snprintf(why, n, "line of more than %d bytes", LINE_MAX_BYTES - 1), -EINVAL;
	word[strcspn(word, "#")] = '\0';
	for (end = word + strlen(word); end > word && strchr(" \t\r", end[-1]) != NULL; end--)
		end[-1] = '\0';
	return *word != '\0' ? adhoc_list_add(l, form, word, why, n) : 0;
}

unsigned
adhoc_list_read(struct adhoc_list *l, const struct adhoc_form *form, FILE *f, const char *name,
    FILE *err)
{
	char line[LINE_MAX_BYTES], why[512];
	unsigned faults = 0;
	size_t total = 0;
	bool cut;
	int column;

	for (unsigned number = 1; read_line(f, line, sizeof line, &cut, &total) == 0; number++) {
		if (take_line(l, form, line, cut, &column, why, sizeof why) == 0)
			continue;
		fprintf(err, "%s:%u:%d: %s\n", name, number, column, why);
		if (++faults == FAULTS_MAX) {
			fprintf(err, "%s: more than %d faults, the rest is not read\n", name,
			    FAULTS_MAX);
			break;
		}
		if (l->n == ADHOC_TARGETS_MAX)
			break;
	}
	if (total > FILE_MAX_BYTES) {
		fprintf(err, "%s: more than %d bytes\n", name, FILE_MAX_BYTES);
		faults++;
	}
	if (ferror(f)) {
		fprintf(err, "%s: %s\n", name, strerror(errno));
		faults++;
	}
	return faults;
}
