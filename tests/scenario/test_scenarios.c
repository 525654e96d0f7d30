/*
 * test_scenarios.c - plays every tests/scenario/stories/NAME.txt and compares
 * what happens with what the file says must happen.
 *
 *   test_scenarios [-u] [FILE ...]    -u: write what happened into the files, to be
 *                                     read and judged before it is committed
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/scenario/scenario.h"

#define STORIES "tests/scenario/stories"

static char *
read_file(const char *path)
{
	char *text = NULL;
	size_t size = 0, n;
	char buf[4096];
	FILE *in = fopen(path, "r"), *o = open_memstream(&text, &size);

	while (in != NULL && (n = fread(buf, 1, sizeof(buf), in)) > 0)
		fwrite(buf, 1, n, o);
	if (in != NULL)
		fclose(in);
	fclose(o);
	return text;
}

/* The first line in which they differ, to stderr. */
static void
show_difference(const char *path, const char *how, const char *want, const char *got)
{
	int line = 1;

	while (*want != '\0' && *want == *got) {
		line += *want == '\n';
		want++;
		got++;
	}
	while (line > 1 && want[-1] != '\n' && want[-1] == got[-1]) {
		want--;
		got--;
	}
	fprintf(stderr, "%s:%d: %s\n  expected %.*s\n  happened %.*s\n", path, line, how,
	    (int)strcspn(want, "\n"), want, (int)strcspn(got, "\n"), got);
}

static bool
play(const char *path, bool update)
{
	static const unsigned every[] = { 0, 1, 7 };
	char *want = read_file(path), *got = NULL;
	bool ok = true;

	for (size_t i = 0; i < 3 && ok; i++) {
		unsigned n = every[i];

		if (n != 0 && strncmp(want, "# long\n", 7) == 0)
			n *= 1000;
		ok = scenario_run(path, n, &got) == 0;
		if (ok && update && i == 0) {
			FILE *out = fopen(path, "w");

			fputs(got, out);
			fclose(out);
			free(want);
			want = xstrdup(got);
		}
		if (ok && strcmp(want, got) != 0) {
			show_difference(path, i == 0 ? "not as told" :
			    "differs when the core is restored on the way", want, got);
			ok = false;
		}
		free(got);
	}
	free(want);
	return ok;
}

static int
is_story(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 4 && strcmp(d->d_name + n - 4, ".txt") == 0;
}

int
main(int argc, char **argv)
{
	bool update = argc > 1 && strcmp(argv[1], "-u") == 0;
	int passed = 0, failed = 0, n, first = update ? 2 : 1;
	struct dirent **list = NULL;

	if (argc > first) {
		for (int i = first; i < argc; i++)
			play(argv[i], update) ? passed++ : failed++;
	} else {
		n = scandir(STORIES, &list, is_story, alphasort);
		for (int i = 0; i < n; i++) {
			char path[512];

			snprintf(path, sizeof(path), STORIES "/%s", list[i]->d_name);
			play(path, update) ? passed++ : failed++;
			free(list[i]);
		}
		free(list);
	}
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0 || passed == 0;
}
