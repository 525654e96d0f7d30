/*
 * io.c - see io.h.
 */
#include "tests/impair/io.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/mem.h"

struct io {
	int ring;			/* -1: the kernel has none for us */
	struct io_uring_params params;
	void *shared, *entries;		/* mapped */
	size_t shared_size, entries_size;
};

static unsigned *
at(const struct io *io, unsigned offset)
{
	return (unsigned *)(void *)((char *)io->shared + offset);
}

static bool
set_up(struct io *io)
{
	struct io_uring_params *p = &io->params;
	size_t submit, complete;

	p->flags = IORING_SETUP_SUBMIT_ALL;
	io->ring = (int)syscall(SYS_io_uring_setup, IO_MAX, p);
	if (io->ring < 0 || (p->features & IORING_FEAT_SINGLE_MMAP) == 0)
		return false;
	submit = p->sq_off.array + p->sq_entries * sizeof(unsigned);
	complete = p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe);
	io->shared_size = submit > complete ? submit : complete;
	io->entries_size = p->sq_entries * sizeof(struct io_uring_sqe);
	io->shared = mmap(NULL, io->shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, io->ring,
	    IORING_OFF_SQ_RING);
	io->entries = mmap(NULL, io->entries_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, io->ring,
	    IORING_OFF_SQES);
	if (io->shared == MAP_FAILED || io->entries == MAP_FAILED)
		return false;
	for (unsigned i = 0; i < p->sq_entries; i++)
		at(io, p->sq_off.array)[i] = i;
	return true;
}

static void
tear_down(struct io *io)
{
	if (io->shared != MAP_FAILED)
		munmap(io->shared, io->shared_size);
	if (io->entries != MAP_FAILED)
		munmap(io->entries, io->entries_size);
	if (io->ring >= 0)
		close(io->ring);
	io->shared = io->entries = MAP_FAILED;
	io->ring = -1;
}

struct io *
io_new(void)
{
	struct io *io = xcalloc(1, sizeof *io);

	io->shared = io->entries = MAP_FAILED;
	if (!set_up(io))
		tear_down(io);
	return io;
}

void
io_free(struct io *io)
{
	if (io != NULL)
		tear_down(io);
	free(io);
}

static void
alone(struct io_op *op)
{
	op->result = op->write ? write(op->fd, op->data, op->len) : read(op->fd, op->data, op->len);
	if (op->result < 0)
		op->result = -errno;
}

/* Puts the operations into the ring, behind what it holds (nothing). */
static void
submit(struct io *io, const struct io_op *ops, size_t n)
{
	const struct io_sqring_offsets *off = &io->params.sq_off;
	struct io_uring_sqe *entry = io->entries;
	unsigned tail = *at(io, off->tail), mask = *at(io, off->ring_mask);

	for (size_t i = 0; i < n; i++, tail++)
		entry[tail & mask] = (struct io_uring_sqe){
			.opcode = ops[i].write ? IORING_OP_WRITE : IORING_OP_READ,
			.fd = ops[i].fd,
			.off = (__u64)-1,
			.addr = (__u64)(uintptr_t)ops[i].data,
			.len = (__u32)ops[i].len,
			.rw_flags = RWF_NOWAIT,		/* else a read of nothing would stay */
			.user_data = i,
		};
	__atomic_store_n(at(io, off->tail), tail, __ATOMIC_RELEASE);
}

/* Takes what is complete; how many. */
static size_t
complete(struct io *io, struct io_op *ops, size_t n)
{
	const struct io_cqring_offsets *off = &io->params.cq_off;
	const struct io_uring_cqe *done = (const void *)((const char *)io->shared + off->cqes);
	unsigned head = *at(io, off->head), mask = *at(io, off->ring_mask);
	unsigned tail = __atomic_load_n(at(io, off->tail), __ATOMIC_ACQUIRE);
	size_t taken = tail - head;

	for (; head != tail; head++)
		if (done[head & mask].user_data < n)
			ops[done[head & mask].user_data].result = done[head & mask].res;
	__atomic_store_n(at(io, off->head), head, __ATOMIC_RELEASE);
	return taken;
}

void
io_run(struct io *io, struct io_op *ops, size_t n)
{
	size_t begun = 0, done = 0;

	if (io->ring < 0 || n == 1) {
		for (size_t i = 0; i < n; i++)
			alone(&ops[i]);
		return;
	}
	submit(io, ops, n);
	while (done < n) {
		long rc = syscall(SYS_io_uring_enter, io->ring, n - begun, n - done, IORING_ENTER_GETEVENTS,
		    NULL, 0);

		if (rc < 0 && errno != EINTR && errno != EAGAIN && errno != EBUSY)
			abort();	/* the buffers may be in use: nothing else is safe */
		begun += rc > 0 ? (size_t)rc : 0;
		done += complete(io, ops, n);
	}
	for (size_t i = 0; i < n; i++)
		if (ops[i].result == -EOPNOTSUPP)	/* no file for RWF_NOWAIT */
			alone(&ops[i]);
}
