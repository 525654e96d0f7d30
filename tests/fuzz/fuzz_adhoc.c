/*
 * fuzz_adhoc.c - files of targets: first byte, which kind and family; the rest, the file.
 *
 * Whatever is taken is a host that the agent itself would take, and a network
 * never grows beyond the most that may be.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/adhoc_list.h"
#include "agent/guard.h"
#include "agent/target.h"
#include "common/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct adhoc_list *l, const struct adhoc_form *form)
{
	assert(l->n <= ADHOC_TARGETS_MAX);
	for (size_t i = 0; i < l->n; i++) {
		const char *host = adhoc_list_host(l, i);
		struct sockaddr_storage ss;

		assert(strlen(host) > 0 && strlen(host) <= TARGET_HOST_MAX);
		assert((l->entry[i].port != 0) == (form->kind != PROBE_ICMP));
		if (target_literal(host, 0, &ss) == 0) {
			assert(strpbrk(host, " \t\r\n:/[]%#") == NULL);
			continue;
		}
		assert(guard_one_host((struct sockaddr *)&ss));
		assert(form->family == AF_UNSPEC || form->family == ss.ss_family);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int families[] = { AF_UNSPEC, AF_INET, AF_INET6, AF_UNSPEC };
	struct adhoc_form form;
	struct adhoc_list l = { 0 };
	FILE *f, *err;
	unsigned faults;

	if (size < 2)
		return 0;
	form = (struct adhoc_form){ .kind = PROBE_ICMP + data[0] % 3u,
		.family = families[data[0] >> 2 & 3], .port = (data[0] & 16) != 0 ? 443 : 0 };
	if (form.kind == PROBE_ICMP)
		form.port = 0;
	f = fmemopen((void *)(data + 1), size - 1, "r");
	err = fopen("/dev/null", "w");
	assert(f != NULL && err != NULL);
	faults = adhoc_list_read(&l, &form, f, "list", err);
	assert(faults <= size);
	fclose(f);
	fclose(err);
	check(&l, &form);
	adhoc_list_free(&l);
	return 0;
}
