/*
 * test_io.c - lists of reads and writes: their order, and what has nothing to give.
 */
#include "tests/impair/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/impair/suite.h"

START_TEST(a_list_is_done_in_order)
{
	char out[40], in[40];
	struct io_op ops[80];
	struct io *io = io_new();
	int fd[2];

	ck_assert_int_eq(pipe2(fd, O_NONBLOCK), 0);
	for (int round = 0; round < 10; round++) {
		memset(in, 0, sizeof in);
		for (size_t i = 0; i < 40; i++) {
			out[i] = (char)(round + (int)i);
			ops[i] = (struct io_op){ .fd = fd[1], .write = true, .data = &out[i], .len = 1 };
			ops[40 + i] = (struct io_op){ .fd = fd[0], .data = &in[i], .len = 1 };
		}
		io_run(io, ops, 80);
		for (size_t i = 0; i < 80; i++)
			ck_assert_int_eq(ops[i].result, 1);
		ck_assert_mem_eq(in, out, sizeof in);
	}
	close(fd[0]);
	close(fd[1]);
	io_free(io);
}
END_TEST

/* A read that waited would hold up every packet, and take the next one unseen. */
START_TEST(a_read_of_nothing_does_not_wait)
{
	char a = 'a', in[3] = { 0 };
	struct io *io = io_new();
	int fd[2];

	ck_assert_int_eq(pipe2(fd, O_NONBLOCK), 0);
	for (size_t n = 1; n <= 2; n++) {
		struct io_op ops[3] = {
			{ .fd = fd[0], .data = &in[0], .len = 1 }, { .fd = fd[0], .data = &in[1], .len = 1 },
		};

		io_run(io, ops, n);
		for (size_t i = 0; i < n; i++)
			ck_assert_int_eq(ops[i].result, -EAGAIN);
	}
	ck_assert_int_eq(write(fd[1], &a, 1), 1);
	ck_assert_int_eq(read(fd[0], &in[2], 1), 1);
	ck_assert_int_eq(in[2], 'a');
	close(fd[0]);
	close(fd[1]);
	io_free(io);
}
END_TEST

START_TEST(a_bad_descriptor_fails_alone)
{
	char in[2][64];
	struct io *io = io_new();
	int file = open("/proc/self/stat", O_RDONLY);
	struct io_op ops[2] = {
		{ .fd = -1, .data = in[0], .len = sizeof in[0] },
		/* no file that can promise not to wait: it is read all the same */
		{ .fd = file, .data = in[1], .len = sizeof in[1] },
	};

	ck_assert_int_ge(file, 0);
	io_run(io, ops, 2);
	ck_assert_int_eq(ops[0].result, -EBADF);
	ck_assert_int_gt(ops[1].result, 0);
	close(file);
	io_free(io);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_list_is_done_in_order, a_read_of_nothing_does_not_wait, a_bad_descriptor_fails_alone, NULL,
	};

	return run_suite("io", tests);
}
