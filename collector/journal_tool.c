/*
 * journal_tool.c - verify, stat and export (see journal_tool.h).
 */
#include "collector/journal_tool.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/batch.h"
#include "common/disk.h"
#include "common/journal.h"
#include "common/linkwatch.pb-c.h"

struct export {
	const char *agent, *link;
	bool json;
	int64_t from_ns, to_ns;
	uint64_t samples;
};

static int
open_dir(const char *dir, struct disk **disk)
{
	struct stat st;
	int r;

	/* Opening would make it. */
	if (stat(dir, &st) != 0) {
		fprintf(stderr, "linkwatch-collector: %s: %s\n", dir, strerror(errno));
		return -errno;
	}
	r = disk_open_real(dir, disk);
	if (r != 0)
		fprintf(stderr, "linkwatch-collector: %s: %s\n", dir, strerror(-r));
	return r;
}

static int
verify(struct disk *disk, const char *dir)
{
	struct journal_recovery rec;
	int r = journal_verify(disk, &rec);

	if (r != 0) {
		fprintf(stderr, "linkwatch-collector: %s: %s%s%s\n", dir,
		    r == -EBADMSG ? "damaged" : strerror(-r), rec.detail[0] != '\0' ? ": " : "", rec.detail);
		return 1;
	}
	if (rec.first_seq == rec.next_seq)
		printf("%s: empty\n", dir);
	else
		printf("%s: records %" PRIu64 " to %" PRIu64 " are sound and chained\n", dir, rec.first_seq,
		    rec.next_seq - 1);
	return 0;
}

/* ------------------------------------------------------------------- stat */

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
show_stat(struct disk *disk)
{
	static const char *const type_name[] = {
		[JREC_BATCH] = "batch", [JREC_SESSION] = "session", [JREC_PLAN] = "plan",
		[JREC_REFUSED] = "refused", [JREC_COLLECTOR] = "collector", [JREC_PLANRESULT] = "plan-result",
	};
	struct journal_reader *reader;
	struct journal_record rec;
	uint64_t count[8] = { 0 }, bytes[8] = { 0 }, first = 0, last = 0;
	char from[32] = "-", to[32] = "-";
	int r = journal_reader_open(&reader, disk, 0);

	while (r == 0 && ((r = journal_reader_next(reader, &rec)) == 1 || r == -ESTALE)) {
		size_t t = rec.type < 8 ? rec.type : 0;

		if (r == -ESTALE) {
			r = 0;
			continue;
		}
		r = 0;
		count[t]++;
		bytes[t] += rec.len;
		if (first == 0) {
			first = rec.seq;
			wall_format(from, sizeof from, rec.wall);
		}
		last = rec.seq;
		wall_format(to, sizeof to, rec.wall);
	}
	if (r < 0)
		fprintf(stderr, "linkwatch-collector: journal: %s\n",
		    r == -EBADMSG ? journal_reader_detail(reader) : strerror(-r));
	journal_reader_close(reader);
	printf("records %" PRIu64 " to %" PRIu64 ", %s to %s\n", first, last, from, to);
	for (size_t t = 0; t < 8; t++)
		if (count[t] > 0)
			printf("type %-12s %10" PRIu64 " records %14" PRIu64 " bytes\n",
			    t < sizeof type_name / sizeof type_name[0] && type_name[t] != NULL ? type_name[t] :
			    "other", count[t], bytes[t]);
	disk->ops->list(disk, print_cursor, disk);
	return r < 0;
}

/* ------------------------------------------------------------------ export */

static void
print_csv(const struct sample *s)
{
	char when[32];

	wall_format(when, sizeof when, (struct wall){ s->start_ns });
	printf("%s.%03d,%u,%u,%u,%u", when, (int)(s->start_ns / NS_PER_MS % 1000), s->step_ms, s->sent,
	    s->rtt_count, s->flags);
	for (uint32_t i = 0; i < s->rtt_count; i++)
		printf("%c%.4f", i == 0 ? ',' : ' ', s->rtt_100ns[i] / 1e4);
	if (s->rtt_count == 0)
		putchar(',');
	putchar(',');
	for (uint32_t i = 0; i < s->causes; i++)
		printf("%s%s=%u", i > 0 ? " " : "", cause_name(s->cause[i].cause), s->cause[i].count);
	putchar(',');
	for (uint32_t i = 0; i < s->values; i++)
		printf("%s%s=%.12g", i > 0 ? " " : "", value_role_name(s->value[i].role), s->value[i].value);
	putchar('\n');
}

static void
print_json(const struct sample *s)
{
	printf("{\"start_ns\":%" PRId64 ",\"step_ms\":%u,\"sent\":%u,\"replies\":%u,\"flags\":%u,\"rtt_ms\":[",
	    s->start_ns, s->step_ms, s->sent, s->rtt_count, s->flags);
	for (uint32_t i = 0; i < s->rtt_count; i++)
		printf("%s%.4f", i > 0 ? "," : "", s->rtt_100ns[i] / 1e4);
	printf("],\"causes\":{");
	for (uint32_t i = 0; i < s->causes; i++)
		printf("%s\"%s\":%u", i > 0 ? "," : "", cause_name(s->cause[i].cause), s->cause[i].count);
	printf("},\"values\":{");
	for (uint32_t i = 0; i < s->values; i++)
		printf("%s\"%s\":%.12g", i > 0 ? "," : "", value_role_name(s->value[i].role), s->value[i].value);
	printf("}}\n");
}

static void
export_record(struct export *x, const struct journal_record *rec)
{
	Linkwatch__Pb__StoredBatch *sb = linkwatch__pb__stored_batch__unpack(NULL, rec->len, rec->data);
	Linkwatch__Pb__Batch *b = NULL;
	struct batch_cursor c;
	struct sample s;
	char why[128];

	if (sb != NULL && strcmp(sb->agent, x->agent) == 0)
		b = batch_unpack(sb->batch.data, sb->batch.len);
	if (b != NULL && batch_check(b, why, sizeof why) == 0) {
		batch_cursor_init(&c, b);
		while (batch_cursor_next(&c, &s)) {
			if (strcmp(s.link, x->link) != 0 || s.start_ns < x->from_ns || s.start_ns >= x->to_ns)
				continue;
			x->samples++;
			(x->json ? print_json : print_csv)(&s);
		}
	}
	if (b != NULL)
		linkwatch__pb__batch__free_unpacked(b, NULL);
	if (sb != NULL)
		linkwatch__pb__stored_batch__free_unpacked(sb, NULL);
}

static int
export_all(struct disk *disk, struct export *x)
{
	struct journal_reader *reader;
	struct journal_record rec;
	int r = journal_reader_open(&reader, disk, 0);

	if (r == 0 && !x->json)
		printf("start,step_ms,sent,replies,flags,rtt_ms,causes,values\n");
	while (r == 0 && ((r = journal_reader_next(reader, &rec)) == 1 || r == -ESTALE)) {
		if (r == 1 && rec.type == JREC_BATCH)
			export_record(x, &rec);
		r = 0;
	}
	if (r < 0)
		fprintf(stderr, "linkwatch-collector: journal: %s\n",
		    r == -EBADMSG ? journal_reader_detail(reader) : strerror(-r));
	journal_reader_close(reader);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "linkwatch-collector: standard output: %s\n", strerror(errno));
		return 1;
	}
	return r < 0;
}

/* Seconds since 1970, as text. */
static bool
parse_seconds(const char *s, int64_t *ns)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(s, &end, 10);
	return errno == 0 && end != s && *end == '\0' && v >= 0 && !__builtin_mul_overflow(v, NS_PER_S, ns);
}

static int
export_main(struct disk *disk, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "format", required_argument, NULL, 'f' }, { "from", required_argument, NULL, 'a' },
		{ "to", required_argument, NULL, 'b' }, { NULL, 0, NULL, 0 },
	};
	struct export x = { .from_ns = INT64_MIN, .to_ns = INT64_MAX };
	char agent[ID_MAX + 1];
	const char *slash;
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "f:", longopts, NULL)) != -1)
		if (c == 'f' && (strcmp(optarg, "json") == 0 || strcmp(optarg, "csv") == 0))
			x.json = optarg[0] == 'j';
		else if (c == 'f' || c == '?' || !parse_seconds(optarg, c == 'a' ? &x.from_ns : &x.to_ns))
			return 2;
	slash = optind + 1 == argc ? strchr(argv[optind], '/') : NULL;
	if (slash == NULL || (size_t)(slash - argv[optind]) > ID_MAX)
		return 2;
	snprintf(agent, sizeof agent, "%.*s", (int)(slash - argv[optind]), argv[optind]);
	x.agent = agent;
	x.link = slash + 1;
	if (!id_is_valid(x.agent) || !id_is_valid(x.link))
		return 2;
	return export_all(disk, &x);
}

int
journal_tool(const char *dir, int argc, char **argv)
{
	struct disk *disk = NULL;
	int r = 2;

	if (argc < 1 || (argc > 1 && strcmp(argv[0], "export") != 0))
		goto out;
	if (strcmp(argv[0], "verify") != 0 && strcmp(argv[0], "stat") != 0 && strcmp(argv[0], "export") != 0)
		goto out;
	r = 1;
	if (open_dir(dir, &disk) != 0)
		goto out;
	if (argv[0][0] == 'v')
		r = verify(disk, dir);
	else if (argv[0][0] == 's')
		r = show_stat(disk);
	else
		r = export_main(disk, argc, argv);
out:
	if (disk != NULL)
		disk->ops->close(disk);
	if (r == 2)
		fprintf(stderr, "usage: linkwatch-collector [-c FILE] journal verify | stat | "
		    "export [--format csv|json] [--from SECONDS] [--to SECONDS] AGENT/LINK\n");
	return r;
}
