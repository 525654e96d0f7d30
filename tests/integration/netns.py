"""netns.py - sockets that live in another network namespace, and packets by hand."""

import ctypes
import os
import socket
import struct

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def socket_in(namespace, *args):
    """A socket of that namespace (of `ip netns`); the process stays where it is."""
    home = os.open('/proc/self/ns/net', os.O_RDONLY)
    there = os.open(f'/run/netns/{namespace}', os.O_RDONLY)
    try:
        if _libc.setns(there, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), 'setns')
        return socket.socket(*args)
    finally:
        if _libc.setns(home, CLONE_NEWNET) != 0:
            os._exit(70)                # the wrong namespace is no place to go on
        os.close(home)
        os.close(there)


def checksum(data):
    """RFC 1071; 0 over what holds."""
    if len(data) % 2:
        data += b'\0'
    s = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff


def echo(kind, ident, seq, data):
    """An ICMP echo message of IPv4 with its checksum."""
    head = struct.pack('!BBHHH', kind, 0, 0, ident & 0xffff, seq & 0xffff)
    return struct.pack('!BBHHH', kind, 0, checksum(head + data), ident & 0xffff, seq & 0xffff) + data


def ip4(source, target, payload, proto=1):
    """An IPv4 packet; the kernel fills in length and checksum of the header (IP_HDRINCL)."""
    return struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), 0, 0, 64, proto, 0,
                       socket.inet_aton(source), socket.inet_aton(target)) + payload
