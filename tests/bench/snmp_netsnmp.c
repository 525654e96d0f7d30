/*
 * snmp_netsnmp.c - what a GET costs by net-snmp alone: its single sessions, one for each
 * device, opened before the clock starts, on an epoll loop.
 */
#include <net-snmp/net-snmp-config.h>
#include <net-snmp/net-snmp-includes.h>
#include <net-snmp/library/large_fd_set.h>

#include <sys/epoll.h>

#include "tests/bench/snmp_bench.h"

#define EVENTS 64

static unsigned done, ok;

static int
on_answer(int op, netsnmp_session *s, int id, netsnmp_pdu *pdu, void *arg)
{
	(void)s;
	(void)id;
	(void)arg;
	done++;
	if (op == NETSNMP_CALLBACK_OP_RECEIVED_MESSAGE && pdu->errstat == 0)
		ok++;
	return 1;
}

static void *
open_session(const struct bench_args *a, unsigned i)
{
	struct in_addr to = { .s_addr = htonl(a->first + i) };
	netsnmp_session s;
	char peer[64];

	snmp_sess_init(&s);
	snprintf(peer, sizeof peer, "udp:%s:%u", inet_ntoa(to), a->port);
	s.peername = peer;
	s.version = SNMP_VERSION_2c;
	s.community = (u_char *)"public";
	s.community_len = 6;
	s.timeout = 2000000;
	s.retries = 1;
	return snmp_sess_open(&s);
}

static void
ask(void *session, unsigned variables)
{
	static const oid uptime[] = { 1, 3, 6, 1, 2, 1, 1, 3, 0 };
	oid column[] = { 1, 3, 6, 1, 2, 1, 2, 2, 1, 10, 1 };
	netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GET);

	snmp_add_null_var(pdu, uptime, 9);
	for (unsigned i = 1; i < variables; i++) {
		column[9] = 9 + i;
		snmp_add_null_var(pdu, column, 11);
	}
	if (snmp_sess_async_send(session, pdu, on_answer, NULL) != 0)
		return;
	snmp_free_pdu(pdu);
	done++;
}

static void
read_session(void *session)
{
	int fd = snmp_sess_transport(session)->sock;
	netsnmp_large_fd_set set;

	netsnmp_large_fd_set_init(&set, fd + 1);
	netsnmp_large_fd_setfd(fd, &set);
	snmp_sess_read2(session, &set);
	netsnmp_large_fd_set_cleanup(&set);
}

static void
run(const struct bench_args *a, void **session, int epoll)
{
	struct epoll_event event[EVENTS];
	unsigned sent = 0;

	while (done < a->total) {
		int n;

		for (; sent < a->total && sent - done < BENCH_WINDOW; sent++)
			ask(session[sent % a->devices], a->variables);
		n = epoll_wait(epoll, event, EVENTS, BENCH_PATIENCE_S * 1000);
		if (n <= 0)
			return;
		for (int i = 0; i < n; i++)
			read_session(event[i].data.ptr);
	}
}

int
main(int argc, char **argv)
{
	struct bench_args a = bench_args(argc, argv);
	void **session = calloc(a.devices, sizeof *session);
	int epoll = epoll_create1(0);
	double cpu, wall;

	setenv("MIBS", "", 1);
	init_snmp("bench");
	for (unsigned i = 0; i < a.devices; i++) {
		struct epoll_event e = { .events = EPOLLIN };

		session[i] = open_session(&a, i);
		e.data.ptr = session[i];
		if (session[i] == NULL || epoll_ctl(epoll, EPOLL_CTL_ADD,
		    snmp_sess_transport(session[i])->sock, &e) != 0)
			return 2;
	}
	cpu = bench_cpu_s();
	wall = bench_now_s();
	run(&a, session, epoll);
	bench_report(done, ok, bench_cpu_s() - cpu, bench_now_s() - wall, 0);
	free(session);
	return 0;
}
