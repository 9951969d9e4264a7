"""Namespaces by system call: make them, step into them, and a private world for a whole process.

Everything is anonymous: a namespace lives as long as a descriptor or a process in it does, so a lab whose process is
killed with -9 takes its interfaces with it and nothing has to be swept. `os.unshare` exists only from Python 3.12.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

from vrrpcore.errors import PermissionMissing, VrrpwatchError

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
CLONE_NEWNET: Final = 0x40000000
MS_REC: Final = 16384
MS_PRIVATE: Final = 1 << 18
PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4

_libc = ctypes.CDLL(None, use_errno=True)


class LabError(VrrpwatchError):
    """The lab cannot do what was asked; the message says what and why."""


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """unshare(2) for the calling thread; OSError on refusal."""
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int = 0) -> None:
    """setns(2) for the calling thread; OSError on refusal."""
    _check(_libc.setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str | None, flags: int = 0, data: str | None = None) -> None:
    """mount(2); OSError on refusal."""
    result = _libc.mount(
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode() if data else None,
    )
    _check(result, f"mount {target}")


def die_with_parent(parent: int, number: int = signal.SIGKILL) -> None:
    """Ask the kernel for a signal when the parent goes; at once when it is gone already. For a fresh child.

    The kernel means the parent *thread*: never start such a child from a thread that ends before it.
    """
    _libc.prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


class Namespace:
    """A network + mount + UTS namespace with its own /run and /sys, held by descriptors.

    `entered()` puts the calling thread into its network (sockets opened inside stay there); `enter_child()` puts a
    freshly forked child wholly inside.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.net = self.mnt = self.uts = -1
        failure: list[BaseException] = []

        def make() -> None:
            try:
                self._make()
            except OSError as error:
                failure.append(error)

        # A thread of its own: unshare(CLONE_NEWNS) also parts it from our working directory and root.
        worker = threading.Thread(target=make, name=f"make-{name}")
        worker.start()
        worker.join()
        if failure:
            self.close()
            raise PermissionMissing(
                f"cannot make a network namespace ({failure[0]}): needs root or user namespaces; try `sudo ./run demo`"
            )

    def _make(self) -> None:
        unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS)
        mount("none", "/", None, MS_REC | MS_PRIVATE)
        mount("tmpfs", "/run", "tmpfs", 0, "mode=755")
        try:
            mount("sysfs", "/sys", "sysfs")
        except OSError:
            pass  # a container may forbid it; only tools that read /sys/class/net miss it
        socket.sethostname(self.name)
        flags = os.O_RDONLY | os.O_CLOEXEC
        self.net = os.open("/proc/thread-self/ns/net", flags)
        self.mnt = os.open("/proc/thread-self/ns/mnt", flags)
        self.uts = os.open("/proc/thread-self/ns/uts", flags)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread is inside this network (and reads and writes its /proc/sys/net) for the `with` block."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(self.net, CLONE_NEWNET)
            try:
                yield
            finally:
                setns(home, CLONE_NEWNET)
        finally:
            os.close(home)

    def enter_child(self) -> Callable[[], None]:
        """What a child must run between fork and exec to live inside: network, /run, /sys, host name."""
        net, mnt, uts, directory = self.net, self.mnt, self.uts, os.getcwd()

        def enter() -> None:
            setns(net, CLONE_NEWNET)
            setns(uts, CLONE_NEWUTS)
            setns(mnt, CLONE_NEWNS)
            try:
                os.chdir(directory)  # setns moved us to /
            except OSError:
                os.chdir("/")

        return enter

    def sysctl(self, path: str, value: str | None = None) -> str:
        """Read or write /proc/sys/`path` of this network; LabError where the kernel does not have or allow it."""
        with self.entered():
            try:
                if value is not None:
                    with open(f"/proc/sys/{path}", "w") as out:
                        out.write(value)
                with open(f"/proc/sys/{path}") as file:
                    return file.read().strip()
            except OSError as error:
                raise LabError(f"{self.name}: sysctl {path}: {error.strerror}") from error

    def close(self) -> None:
        """Let go; the kernel removes the namespaces when their last process ends."""
        for descriptor in (self.net, self.mnt, self.uts):
            if descriptor >= 0:
                os.close(descriptor)
        self.net = self.mnt = self.uts = -1


def enter_private_world() -> int:
    """Give this process fresh network, mount and PID namespaces, by a user namespace when it is not root.

    Returns in a child that is process 1 of the new world, with that child's id outside of it; the parent waits for it
    and exits with its code. When the parent dies, however it dies, the kernel kills everything inside. Must be called
    before any thread starts. PermissionMissing when the kernel refuses.
    """
    uid, gid = os.getuid(), os.getgid()
    flags = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID
    try:
        if os.geteuid() == 0:
            unshare(flags)
        else:
            unshare(flags | CLONE_NEWUSER)
            _map_root(uid, gid)
    except OSError as error:
        raise PermissionMissing(
            f"this kernel refuses namespaces to an ordinary user ({error.strerror}): run `sudo ./run demo`"
        ) from error
    parent = os.getpid()
    child = os.fork()
    if child:
        _wait_and_exit(child)
    # getppid() is 0 here, the parent lives outside: only the death signal counts, the race is a parent that died now.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if not os.path.exists(f"/proc/{parent}"):
        os._exit(1)
    outside = int(os.readlink("/proc/self"))
    # Taking on a user namespace made us undumpable, and our descriptors unreachable for `lab exec` of the same user.
    _libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    try:
        mount("proc", "/proc", "proc")
    except OSError:
        pass  # containers mask parts of /proc and then refuse a fresh one: the outer view still works for us
    return outside


def _map_root(uid: int, gid: int) -> None:
    """Become root of the user namespace just made (user_namespaces(7))."""
    for name, line in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open(f"/proc/self/{name}", "w") as out:
            out.write(line)


def _wait_and_exit(child: int) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the child as well, and it cleans up

    def forward(number: int, _frame: object) -> None:
        os.kill(child, number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    while True:
        try:
            _, status = os.waitpid(child, 0)
        except InterruptedError:
            continue
        sys.stdout.flush()
        os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
