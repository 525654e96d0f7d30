/*
 * journal_tool.c - verify and stat (see journal_tool.h).
 */
#include "collector/journal_tool.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/disk.h"
#include "common/journal.h"
#include "common/linkwatch.pb-c.h"
#include "common/mem.h"
#include "common/when.h"

#define ME "linkwatch-collector: "
#define HEX_LEN (2 * JOURNAL_HASH_LEN)

static int
open_dir(const char *dir, struct disk **disk)
{
	struct stat st;
	int r;

	/* Opening would make it. */
	if (stat(dir, &st) != 0) {
		fprintf(stderr, ME "%s: %s\n", dir, strerror(errno));
		return -errno;
	}
	r = disk_open_real(dir, disk);
	if (r != 0)
		fprintf(stderr, ME "%s: %s\n", dir, strerror(-r));
	return r;
}

static int
output_failed(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	fprintf(stderr, ME "standard output: %s\n", strerror(errno));
	return 1;
}

static void
hex(char out[HEX_LEN + 1], const uint8_t hash[JOURNAL_HASH_LEN])
{
	for (size_t i = 0; i < JOURNAL_HASH_LEN; i++)
		snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

/* ------------------------------------------------------------------ verify */

struct head { uint64_t seq; char hex[HEX_LEN + 1]; };

struct verify {
	struct head *head;		/* owned: to be found */
	size_t heads;
	uint64_t first, last;		/* records seen */
	uint64_t purged;		/* records before it were taken, as the last "purged" says; 0: none does */
	char wrong[200];		/* the first head that differs, or "" */
	uint64_t wrong_seq;
};

/* "HASH@SEQ", of which the hash may be cut to 16 digits or more. */
static bool
parse_head(const char *s, struct head *h)
{
	size_t n = strspn(s, "0123456789abcdef");
	char *end;

	if (n < 16 || n > HEX_LEN || s[n] != '@' || s[n + 1] < '0' || s[n + 1] > '9')
		return false;
	memcpy(h->hex, s, n);
	h->hex[n] = '\0';
	errno = 0;
	h->seq = strtoull(s + n + 1, &end, 10);
	return errno == 0 && *end == '\0' && h->seq > 0;
}

/* Remembers what a "purged" record says; one that the chain covers is as good as any other. */
static void
note_purge(struct verify *v, const struct journal_record *rec)
{
	Linkwatch__Pb__CollectorEvent *e = linkwatch__pb__collector_event__unpack(NULL, rec->len, rec->data);
	uint64_t before;

	if (e == NULL)
		return;
	if (strcmp(e->what, "purged") == 0 && sscanf(e->detail, "before=%" SCNu64, &before) == 1)
		v->purged = before;
	linkwatch__pb__collector_event__free_unpacked(e, NULL);
}

static void
check_heads(struct verify *v, uint64_t seq, const uint8_t hash[JOURNAL_HASH_LEN])
{
	char text[HEX_LEN + 1];

	for (size_t i = 0; i < v->heads; i++) {
		const struct head *h = &v->head[i];

		if (h->seq != seq)
			continue;
		hex(text, hash);
		if (strncmp(h->hex, text, strlen(h->hex)) == 0 || v->wrong[0] != '\0')
			continue;
		v->wrong_seq = seq;
		snprintf(v->wrong, sizeof v->wrong, "record %" PRIu64 " has the hash %s, not %s", seq, text, h->hex);
	}
}

static void
verify_each(void *arg, const struct journal_record *rec, const uint8_t hash[JOURNAL_HASH_LEN])
{
	struct verify *v = arg;

	if (v->first == 0)
		v->first = rec->seq;
	v->last = rec->seq;
	if (rec->type == JREC_COLLECTOR)
		note_purge(v, rec);
	if (v->heads > 0)
		check_heads(v, rec->seq, hash);
}

struct cursors { struct disk *disk; uint64_t highest; char name[80]; };

static void
highest_cursor(void *arg, const char *name)
{
	struct cursors *c = arg;
	uint64_t next;

	if (strncmp(name, "cursor.", 7) != 0 || journal_cursor_load(c->disk, name + 7, &next) != 0 ||
	    next <= c->highest)
		return;
	c->highest = next;
	snprintf(c->name, sizeof c->name, "%.70s", name);
}

/* What each record cannot tell: whether the ends are where they were. -EBADMSG with a line in why. */
static int
check_ends(struct disk *disk, const struct verify *v, const struct journal_recovery *rec,
    uint64_t cursor, const char *cursor_name, char *why, size_t n)
{
	(void)disk;
	if (rec->first_seq > 1 && rec->first_seq > v->purged) {
		snprintf(why, n, "%020" PRIu64 ".seg, offset 0: records %" PRIu64 " to %" PRIu64
		    " are gone, and the journal does not say that retention took them", rec->first_seq,
		    v->purged > 0 ? v->purged : 1, rec->first_seq - 1);
		return -EBADMSG;
	}
	if (cursor > rec->next_seq) {
		snprintf(why, n, "the journal ends with record %" PRIu64 ", but %s says that %" PRIu64
		    " was read", rec->next_seq - 1, cursor_name, cursor - 1);
		return -EBADMSG;
	}
	for (size_t i = 0; i < v->heads; i++)
		if (v->head[i].seq >= rec->next_seq) {
			snprintf(why, n, "the journal ends with record %" PRIu64 ", but the head of %" PRIu64
			    " is known", rec->next_seq - 1, v->head[i].seq);
			return -EBADMSG;
		}
	return 0;
}

static void
print_sound(const char *dir, const struct verify *v, const struct journal_recovery *rec)
{
	char head[HEX_LEN + 1];

	if (rec->first_seq == rec->next_seq) {
		printf("%s: empty\n", dir);
		return;
	}
	hex(head, rec->head);
	printf("%s: records %" PRIu64 " to %" PRIu64 " are sound and chained\n", dir, rec->first_seq,
	    rec->next_seq - 1);
	if (rec->torn_bytes > 0)
		printf("behind them %" PRIu64 " bytes that are not published yet, or torn\n", rec->torn_bytes);
	for (size_t i = 0; i < v->heads; i++)
		if (v->head[i].seq < rec->first_seq)
			printf("record %" PRIu64 " was taken by retention: its head is not compared\n",
			    v->head[i].seq);
	printf("head %s@%" PRIu64 "\n", head, rec->next_seq - 1);
}

static int
verify_all(struct disk *disk, const char *dir, struct verify *v)
{
	struct cursors c = { .disk = disk };
	struct journal_recovery rec;
	char why[256] = "";
	int r;

	/* Before the records: a reader that goes on meanwhile is not ahead of them. */
	disk->ops->list(disk, highest_cursor, &c);
	r = journal_check(disk, verify_each, v, &rec);
	snprintf(why, sizeof why, "%s", rec.detail);
	/* The first that is wrong is named: a head that differs stands before a break behind it. */
	if ((r == 0 || r == -EBADMSG) && v->wrong[0] != '\0') {
		snprintf(why, sizeof why, "%s", v->wrong);
		r = -EBADMSG;
	}
	if (r == 0)
		r = check_ends(disk, v, &rec, c.highest, c.name, why, sizeof why);
	if (r != 0) {
		fprintf(stderr, ME "%s: %s%s%s\n", dir, r == -EBADMSG ? "damaged" : strerror(-r),
		    why[0] != '\0' ? ": " : "", why);
		if (r == -EBADMSG && v->last > 0)
			fprintf(stderr, ME "%s: records %" PRIu64 " to %" PRIu64 " before it are sound and chained\n",
			    dir, v->first, v->wrong[0] != '\0' ? v->wrong_seq - 1 : v->last);
		return r == -EBADMSG ? JOURNAL_DAMAGED : JOURNAL_FAILED;
	}
	print_sound(dir, v, &rec);
	return output_failed() ? JOURNAL_FAILED : JOURNAL_GOOD;
}

static int
verify(const struct journal_place *p, struct disk *disk, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "head", required_argument, NULL, 'H' }, { NULL, 0, NULL, 0 },
	};
	struct verify v = { 0 };
	int c, r = JOURNAL_USAGE;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
		v.head = xreallocarray(v.head, v.heads + 1, sizeof *v.head);
		if (c != 'H' || !parse_head(optarg, &v.head[v.heads++]))
			goto out;
	}
	if (optind == argc)
		r = verify_all(disk, p->dir, &v);
out:
	free(v.head);
	return r;
}

/* ------------------------------------------------------------------- stat */

#define TYPES 8

static void
print_cursor(void *arg, const char *name)
{
	struct disk *disk = arg;
	uint64_t next;

	if (strncmp(name, "cursor.", 7) != 0)
		return;
	if (journal_cursor_load(disk, name + 7, &next) == 0)
		printf("reader %-16s next %" PRIu64 "\n", name + 7, next);
	else
		printf("reader %-16s damaged\n", name + 7);
}

static int
journal_error(const char *what, int r)
{
	fprintf(stderr, ME "journal: %s\n", r == -EBADMSG && *what != '\0' ? what : strerror(-r));
	return r == -EBADMSG ? JOURNAL_DAMAGED : JOURNAL_FAILED;
}

/* Reads every record. */
static int
count_types(struct disk *disk)
{
	static const char *const type_name[TYPES] = {
		[JREC_BATCH] = "batch", [JREC_SESSION] = "session", [JREC_PLAN] = "plan",
		[JREC_REFUSED] = "refused", [JREC_COLLECTOR] = "collector", [JREC_PLANRESULT] = "plan-result",
	};
	struct journal_reader *reader;
	struct journal_record rec;
	uint64_t count[TYPES] = { 0 }, bytes[TYPES] = { 0 };
	int r = journal_reader_open(&reader, disk, 0), status = 0;

	while (r == 0 && ((r = journal_reader_next(reader, &rec)) == 1 || r == -ESTALE)) {
		size_t t = rec.type < TYPES ? rec.type : 0;

		count[t] += r == 1;
		bytes[t] += r == 1 ? rec.len : 0;
		r = 0;
	}
	if (r < 0)
		status = journal_error(journal_reader_detail(reader), r);
	journal_reader_close(reader);
	for (size_t t = 0; t < TYPES; t++)
		if (count[t] > 0)
			printf("type %-12s %10" PRIu64 " records %14" PRIu64 " bytes\n",
			    type_name[t] != NULL ? type_name[t] : "other", count[t], bytes[t]);
	return status;
}

/* From the segments' headers and the last segment alone: quick, however long the journal is. */
static int
show_place(struct disk *disk)
{
	struct journal_segment *seg = NULL;
	uint8_t hash[JOURNAL_HASH_LEN];
	char from[WHEN_RFC3339_LEN], to[WHEN_RFC3339_LEN], head[HEX_LEN + 1];
	uint64_t last = 0, bytes = 0;
	struct wall at = { 0 };
	size_t n = 0;
	int r = journal_segment_list(disk, &seg, &n);

	if (r == 0)
		r = journal_head(disk, &last, hash, &at);
	if (r != 0) {
		r = journal_error("the last record that was published cannot be read", r);
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		bytes += seg[i].bytes;
	if (last == 0 || n == 0) {
		printf("empty\n");
		goto out;
	}
	hex(head, hash);
	printf("records %" PRIu64 " to %" PRIu64 ", %s to %s\n", seg[0].first_seq, last,
	    when_format(from, sizeof from, seg[0].wall), when_format(to, sizeof to, at));
	printf("segments %zu, %" PRIu64 " bytes\n", n, bytes);
	printf("head %s@%" PRIu64 "\n", head, last);
out:
	free(seg);
	return r;
}

static int
show_stat(const struct journal_place *p, struct disk *disk, int argc, char **argv)
{
	bool types = argc == 2 && strcmp(argv[1], "--types") == 0;
	int r, t = 0;

	(void)p;
	if (argc > 2 || (argc == 2 && !types))
		return JOURNAL_USAGE;
	r = show_place(disk);
	disk->ops->list(disk, print_cursor, disk);
	if (types)
		t = count_types(disk);
	if (output_failed())
		return JOURNAL_FAILED;
	return r != 0 ? r : t;
}

/* ----------------------------------------------------------------- choosing */

static const struct {
	const char *name;
	int (*run)(const struct journal_place *, struct disk *, int argc, char **argv);
} command[] = {
	{ "verify", verify }, { "stat", show_stat }, { "export", journal_export },
};

int
journal_tool(const struct journal_place *p, int argc, char **argv)
{
	struct disk *disk = NULL;
	int r = JOURNAL_USAGE;

	for (size_t i = 0; argc > 0 && i < sizeof command / sizeof command[0]; i++) {
		if (strcmp(argv[0], command[i].name) != 0)
			continue;
		if (open_dir(p->dir, &disk) != 0)
			return JOURNAL_FAILED;
		r = command[i].run(p, disk, argc, argv);
		disk->ops->close(disk);
	}
	if (r == JOURNAL_USAGE)
		fputs("usage: linkwatch-collector [-c FILE] journal verify [--head HASH@SEQ]...\n"
		      "       linkwatch-collector [-c FILE] journal stat [--types]\n"
		      "       linkwatch-collector [-c FILE] journal export --link AGENT/LINK|all... [--agent AGENT]... [--from T]\n"
		      "           [--to T] [--what samples|events|refused] [--format csv|json]\n"
		      "  T: 2026-01-15T08:31:07+08:00, 2026-01-15 08:31 (UTC+8), -2h, now, or seconds since 1970\n"
		      "  --journal DIR  that journal, such as a copy, instead of the collector's\n", stderr);
	return r;
}
