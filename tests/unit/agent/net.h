/*
 * net.h - a small network of namespaces around the test process.
 *
 *   us 10.77.0.1, fd77::1 ---- router 10.77.0.2, fd77::2
 *
 * The router forwards, answers 10.88.0.0/24 with "host unreachable", 10.89.0.0/24
 * with "prohibited", drops what goes to 10.90.0.0/24, has 10.91.0.0/24 and fd91::/64 behind
 * a link of 1280 bytes, where nobody answers, and knows no more.
 */
#pragma once

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char net_us[32], net_router[32];

static inline void
net_end(void)
{
	char command[128];

	snprintf(command, sizeof command, "ip netns del %s; ip netns del %s", net_us, net_router);
	ck_assert_int_eq(system(command), 0);
}

/* Puts the process into a namespace: net_us or net_router. */
static inline void
net_enter(const char *name)
{
	char path[80];
	int fd;

	snprintf(path, sizeof path, "/run/netns/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(setns(fd, CLONE_NEWNET), 0);
	close(fd);
}

/* Makes it, and puts the process into net_us; needs root. */
static inline void
net_begin(void)
{
	char command[2048];

	snprintf(net_us, sizeof net_us, "lw-us-%d", (int)getpid());
	snprintf(net_router, sizeof net_router, "lw-rt-%d", (int)getpid());
	snprintf(command, sizeof command, "u=%s r=%s\n"
	    "set -e; ip netns add $u; ip netns add $r\n"
	    "ip -n $u link add v0 type veth peer name v0 netns $r\n"
	    "for n in $u $r; do ip -n $n link set lo up; ip -n $n link set v0 up; done\n"
	    "ip -n $u addr add 10.77.0.1/24 dev v0; ip -n $u addr add fd77::1/64 dev v0 nodad\n"
	    "ip -n $r addr add 10.77.0.2/24 dev v0; ip -n $r addr add fd77::2/64 dev v0 nodad\n"
	    "ip -n $u route add default via 10.77.0.2\n"
	    "ip -n $r route add unreachable 10.88.0.0/24\n"
	    "ip -n $r route add prohibit 10.89.0.0/24\n"
	    "ip -n $r route add blackhole 10.90.0.0/24\n"
	    "ip -n $r link add far type veth peer name far0 netns $r mtu 1280; "
	    "ip -n $r link set far mtu 1280 up; ip -n $r link set far0 up\n"
	    "ip -n $r addr add 10.91.0.1/24 dev far; ip -n $r addr add fd91::1/64 dev far nodad\n"
	    "ip -n $r neigh add 10.91.0.9 lladdr 02:00:00:00:00:09 dev far\n"
	    "ip -n $r neigh add fd91::9 lladdr 02:00:00:00:00:09 dev far\n"
	    "ip -n $u route add default via fd77::2\n"
	    "ip netns exec $r sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "
	    "net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0\n",
	    net_us, net_router);
	ck_assert_int_eq(system(command), 0);
	net_enter(net_us);
}
