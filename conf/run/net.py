"""net.py - ports, addresses and readiness, asked of the kernel."""

import errno
import http.client
import ipaddress
import socket
import ssl
import struct


def port_is_free(port, kind=socket.SOCK_STREAM, address='127.0.0.1'):
    with socket.socket(socket.AF_INET, kind) as s:
        if kind == socket.SOCK_STREAM:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((address, port))
        except OSError as e:
            if e.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def free_port(kind=socket.SOCK_STREAM, address='127.0.0.1'):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def tcp_answers(port, address='127.0.0.1'):
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def https_status(port, path='/', ca=None, address='127.0.0.1'):
    """The status of a GET, or None while nobody answers."""
    context = ssl.create_default_context(cafile=ca)
    try:
        c = http.client.HTTPSConnection(address, port, timeout=2, context=context)
        c.request('GET', path)
        return c.getresponse().status
    except (OSError, http.client.HTTPException):
        return None


def default_gateway():
    """The IPv4 default gateway as text, or None."""
    try:
        with open('/proc/net/route', encoding='ascii') as f:
            for line in f.readlines()[1:]:
                fields = line.split()
                if fields[1] == '00000000' and int(fields[3], 16) & 2:
                    return str(ipaddress.ip_address(struct.pack('<I', int(fields[2], 16))))
    except OSError:
        pass
    return None


def has_ipv6_loopback():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.bind(('::1', 0))
        return True
    except OSError:
        return False
