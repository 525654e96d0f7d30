"""wire.py - frames and messages by hand, to say to a collector what no agent of ours would say."""

import socket
import ssl
import struct

HELLO, WELCOME, PLAN, BATCH, ACK, REFUSAL, FEED_START = 1, 2, 3, 5, 6, 7, 20


def varint(n):
    n &= (1 << 64) - 1
    out = bytearray()
    while True:
        out.append(n & 127 | (128 if n > 127 else 0))
        n >>= 7
        if n == 0:
            return bytes(out)


def zigzag(n):
    return n << 1 if n >= 0 else (-n << 1) - 1


def field(number, value):
    """One protobuf field: int, bytes, str, or a list of ints (packed)."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack('<d', value)
    if isinstance(value, list):
        value = b''.join(map(varint, value))
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(**fields):
    """message(f1=..., f4=...): fields by number."""
    return b''.join(field(int(k[1:]), v) for k, v in fields.items())


def frame(kind, payload, version=1):
    return struct.pack('>IBBH', len(payload), kind, version, 0) + payload


def hello(boot=b'b' * 16, next_seq=1, versions=(1, 1)):
    return frame(HELLO, message(f1=versions[0], f2=versions[1], f3='0.1.0', f4=boot, f5=1, f6=next_seq))


def batch(base_ns, boot=b'b' * 16, seq=1, links=('l1',), samples=1, step_ms=1000, sent=1, rtt=None, **extra):
    """A Batch of `samples` alike; the columns can be spoilt by extra (f7=[...])."""
    rtt = [10_000] * samples if rtt is None else rtt
    fields = {'f1': boot, 'f2': seq, 'f3': base_ns}
    payload = message(**fields) + b''.join(field(4, l) for l in links)
    columns = {'f5': [0] * samples, 'f6': [0] + [zigzag(step_ms * 1000)] * (samples - 1),
               'f7': [step_ms] * samples, 'f8': [sent] * samples, 'f9': [1] * samples,
               'f10': [0] * samples, 'f11': rtt}
    columns.update(extra)
    return payload + message(**columns)


def parse(payload):
    """Fields of a message: {number: last value} (ints and bytes)."""
    out, i = {}, 0

    def read():
        nonlocal i
        n = shift = 0
        while True:
            b = payload[i]
            i += 1
            n |= (b & 127) << shift
            shift += 7
            if b < 128:
                return n
    while i < len(payload):
        tag = read()
        if tag & 7 == 0:
            out[tag >> 3] = read()
        elif tag & 7 == 1:
            out[tag >> 3] = payload[i:i + 8]
            i += 8
        else:
            n = read()
            out[tag >> 3] = payload[i:i + n]
            i += n
    return out


class Client:
    """A TLS client with any certificate (or none)."""

    def __init__(self, address, ca, cert=None, key=None, timeout=5):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(ca)
        if cert:
            context.load_cert_chain(cert, key)
        self.sock = context.wrap_socket(socket.create_connection(address, timeout))

    def send(self, data):
        self.sock.sendall(data)

    def receive(self):
        """The next (type, payload); None when the far side has closed."""
        head = self._exactly(8)
        if head is None:
            return None
        length, kind = struct.unpack('>IB', head[:5])
        return kind, self._exactly(length)

    def until(self, kind):
        """The payload of the next frame of that kind; None when it closes before."""
        while True:
            got = self.receive()
            if got is None:
                return None
            if got[0] == kind:
                return got[1]

    def _exactly(self, n):
        data = b''
        while len(data) < n:
            try:
                part = self.sock.recv(n - len(data))
            except (ssl.SSLError, ConnectionError):
                return None
            if not part:
                return None
            data += part
        return data

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
