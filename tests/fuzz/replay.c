/*
 * replay.c - runs a fuzz target over files, without a fuzzer.
 *
 * replay_X FILE|DIRECTORY...: each file, and each file of each directory, once
 * as it stands, then cut at every byte (up to CUTS) and with every byte
 * inverted.  The last line is "N passed, 0 failed", N the inputs that ran; a
 * crash ends it before that, with the name of the input on stderr.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CUTS 4096
#define SECONDS_PER_FILE 60

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	char path[512];
	size_t at;
	const char *how;
} now;

/* Names the input that broke; only calls that a signal handler may use. */
static void
on_fault(int sig)
{
	static const char hung[] = "replay: too slow: ", fell[] = "replay: fell on: ";
	const char *what = sig == SIGALRM ? hung : fell;
	ssize_t r = write(2, what, strlen(what));

	r = write(2, now.path, strlen(now.path));
	r = write(2, "\n", 1);
	(void)r;
	signal(sig, SIG_DFL);
	raise(sig);
}

/* The input in a block of its own size, so that a sanitizer sees one byte too far. */
static void
run(const uint8_t *data, size_t n)
{
	uint8_t *p = malloc(n > 0 ? n : 1);

	if (p == NULL)
		abort();
	memcpy(p, data, n);
	LLVMFuzzerTestOneInput(p, n);
	free(p);
}

static uint8_t *
load(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p = NULL;
	long size;

	if (f == NULL)
		return NULL;
	if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0) {
		p = malloc((size_t)size + 1);
		*n = p != NULL ? fread(p, 1, (size_t)size, f) : 0;
	}
	fclose(f);
	return p;
}

/* The inputs run, or -1. */
static long
replay_file(const char *path)
{
	size_t n = 0;
	uint8_t *p = load(path, &n);
	long ran = 1;

	if (p == NULL) {
		fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
		return -1;
	}
	snprintf(now.path, sizeof now.path, "%s", path);
	alarm(SECONDS_PER_FILE);
	run(p, n);
	for (size_t i = 0; i < n && i < CUTS; i++, ran += 2) {
		run(p, i);
		p[i] = (uint8_t)~p[i];
		run(p, n);
		p[i] = (uint8_t)~p[i];
	}
	alarm(0);
	free(p);
	return ran;
}

static long
replay_path(const char *path)
{
	struct dirent **names;
	struct stat st;
	long ran = 0;
	int n;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return replay_file(path);
	n = scandir(path, &names, NULL, alphasort);
	if (n < 0) {
		fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
		return -1;
	}
	for (int i = 0; i < n; i++) {
		char file[512];
		long r = 0;

		snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.' && ran >= 0)
			r = replay_file(file);
		ran = r < 0 ? -1 : ran + r;
		free(names[i]);
	}
	free(names);
	return ran;
}

int
main(int argc, char **argv)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM };
	long ran = 0;

	for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++)
		signal(sigs[i], on_fault);
	for (int i = 1; i < argc; i++) {
		long r = replay_path(argv[i]);

		if (r < 0) {
			printf("%ld passed, 1 failed\n", ran);
			return 1;
		}
		ran += r;
	}
	if (ran == 0) {
		fprintf(stderr, "replay: no inputs\n");
		printf("0 passed, 1 failed\n");
		return 1;
	}
	printf("%ld passed, 0 failed\n", ran);
	return 0;
}
