/*
 * truth.c - see truth.h.
 */
#include "tests/impair/truth.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "common/mem.h"

const char *
verdict_name(enum verdict v)
{
	static const char *const name[V_MAX] = {
		"pass", "loss", "geloss", "qdrop", "down", "noroute", "mark", "set", "dup", "corrupt",
		"forged", "error", "failed",
	};

	return v < V_MAX ? name[v] : "?";
}

void
truth_write(FILE *f, const struct truth *t)
{
	if (f != NULL)
		fwrite(t, sizeof *t, 1, f);
}

static void
print_address(FILE *out, struct address a)
{
	char text[ADDRESS_TEXT];

	address_text(a, text);
	fprintf(out, "%s,", text);
}

int
truth_dump(const char *path, FILE *out)
{
	FILE *f = fopen(path, "r");
	struct truth t;

	if (f == NULL)
		return -errno;
	fprintf(out, "in_ns,out_ns,planned_ns,src,dst,proto,id,seq,dir,verdict,rule,"
	    "copy,tos,ttl,df,len\n");
	while (fread(&t, sizeof t, 1, f) == 1) {
		fprintf(out, "%" PRId64 ",%" PRId64 ",%" PRId64 ",", t.in_ns, t.out_ns, t.planned_ns);
		print_address(out, t.src);
		print_address(out, t.dst);
		fprintf(out, "%u,%u,%u,%u,%s,%u,%u,%u,%u,%u,%u\n", t.proto, t.id, t.seq, t.dir,
		    verdict_name(t.verdict), t.rule, t.copy, t.tos, t.ttl, t.df, t.len);
	}
	fclose(f);
	return 0;
}

static int
by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int
truth_stat(const char *path, FILE *out)
{
	FILE *f = fopen(path, "r");
	struct truth t;
	double *late = NULL;
	size_t n = 0, room = 0;

	if (f == NULL)
		return -errno;
	while (fread(&t, sizeof t, 1, f) == 1) {
		if (t.out_ns == 0)
			continue;
		if (n == room) {
			room = room > 0 ? room * 2 : 4096;
			late = xreallocarray(late, room, sizeof *late);
		}
		late[n++] = (double)(t.out_ns - t.in_ns - t.planned_ns) / 1e3;
	}
	fclose(f);
	if (n > 0) {
		qsort(late, n, sizeof *late, by_value);
		fprintf(out, "packets=%zu late_us median=%.1f p90=%.1f p99=%.1f max=%.1f\n", n,
		    late[n / 2], late[n * 90 / 100], late[n * 99 / 100], late[n - 1]);
	}
	free(late);
	return 0;
}
