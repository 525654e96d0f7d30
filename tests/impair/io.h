/*
 * io.h - reads and writes of many packets in one call of the kernel.
 *
 * A TUN device gives and takes one packet a call, and the call itself is a third of
 * the cost.  io_uring does a whole list in one; without it they are done one by one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { IO_MAX = 128 };			/* operations in one list */

struct io_op {
	int fd;				/* non-blocking; borrowed */
	bool write;
	void *data;			/* borrowed until io_run() returns */
	size_t len;
	ssize_t result;			/* out: bytes, or -errno */
};

struct io;

struct io *io_new(void);		/* never NULL */
void io_free(struct io *);
/* Does at most IO_MAX operations in their order; each has its result afterwards. */
void io_run(struct io *, struct io_op *ops, size_t n);
