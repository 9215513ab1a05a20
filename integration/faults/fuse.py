# A file system with one file, in a few requests of the FUSE protocol (linux/fuse.h, version 7.31): it works,
# says that its disk fails, or does not answer, as it is told. Spoken to the kernel directly: no library does
# the last of these.
import ctypes, errno, os, select, struct, threading

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 14, 15, 17, 18
FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = 25, 26, 27, 28, 29, 36, 42
EMPTY = (RELEASE, RELEASEDIR, FLUSH)
libc = ctypes.CDLL(None, use_errno=True)
mode, names = ["works"], ["remote.dat"]
unanswered, resumed = threading.Event(), threading.Event()


def attributes(node):
    kind, size, links = (0o40755, 0, 2) if node == 1 else (0o100644, 5, 1)
    times = (10**9,) * 3
    return struct.pack("<6Q10I", node, size, 1, *times, 0, 0, 0, kind, links, 0, 0, 0, 4096, 0)


def entries(offset):
    found = b""
    for at, name in enumerate([".", ".."] + names):
        if at >= offset:
            node, kind = (1, 4) if at < 2 else (at, 8)
            raw = name.encode()
            entry = struct.pack("<2Q2I", node, at + 1, len(raw), kind) + raw
            found += entry + bytes(-len(entry) % 8)
    return found


def answer(opcode, node, body):
    if opcode == GETATTR:
        return struct.pack("<Q2I", 0, 0, 0) + attributes(node)
    if opcode == LOOKUP:
        name = body.rstrip(b"\0").decode()
        if name not in names:
            return errno.ENOENT
        node = names.index(name) + 2
        return struct.pack("<4Q2I", node, 0, 0, 0, 0, 0) + attributes(node)
    if opcode in (OPEN, OPENDIR):
        return struct.pack("<Q2I", 1, 0, 0)
    if opcode == READDIR:
        return entries(struct.unpack_from("<Q", body, 8)[0])
    if opcode == READ:
        return b"whole"
    if opcode == STATFS:
        return struct.pack("<5Q4I6I", *(1000,) * 5, 4096, 255, 4096, 0, *(0,) * 6)
    return b"" if opcode in EMPTY else errno.ENOSYS


def reply(device, unique, found):
    error, data = (-found, b"") if isinstance(found, int) else (0, found)
    try:
        os.write(device, struct.pack("<IiQ", 16 + len(data), error, unique) + data)
    except OSError:
        pass  # whoever asked was killed


def serve(device):
    waiting = select.poll()
    waiting.register(device, select.POLLIN)
    while True:
        waiting.poll()
        if mode[0] == "hangs":
            # Left where it is: whoever waits for a request that was taken in cannot even be killed.
            unanswered.set()
            resumed.wait()
        try:
            request = os.read(device, 1 << 20)
        except OSError:
            return
        opcode, unique, node = struct.unpack_from("<IQQ", request, 4)
        body = request[40:]
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            continue
        if opcode == INIT:
            more = struct.pack("<4I2H4I", 7, 31, 4096, 0, 8, 6, 1 << 16, 1, 0, 0)
            reply(device, unique, more + bytes(64 - len(more)))
        elif mode[0] == "fails":
            reply(device, unique, errno.EIO)
        else:
            reply(device, unique, answer(opcode, node, body))


def mount(path):
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    if libc.mount(b"watchd-proof", path.encode(), b"fuse", 0, options) != 0:
        raise OSError(ctypes.get_errno(), "mount")
    threading.Thread(target=serve, args=(device,), daemon=True).start()


def turn(to):
    mode[0] = to
    if to == "hangs":
        unanswered.clear()
        resumed.clear()
    else:
        resumed.set()


def unmount(path):
    turn("works")
    libc.umount2(path.encode(), 2)
