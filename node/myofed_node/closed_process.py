"""Closes this process off, for good: it can use one folder and its own memory, and nothing else of the machine or the network.

For work on files that nobody vouches for (a model someone sent). Everything that the work needs is imported before. Three of
the kernel's means together: Landlock (landlock(7)) takes all rights on files but those below the folder, seccomp (seccomp(2))
takes the system calls by which a process reaches others, resource limits (getrlimit(2)) bound what it can use up.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
from dataclasses import dataclass
from pathlib import Path

from myofed_node import landlock, linux_calls

PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2
RET_ALLOW, RET_ERRNO, RET_KILL = 0x7FFF0000, 0x00050000, 0x80000000
"""linux/prctl.h, linux/seccomp.h."""
LOAD_WORD, JUMP_EQUAL, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
"""Classic BPF, linux/bpf_common.h: LD|W|ABS, JMP|JEQ|K, JMP|JGE|K, RET|K."""
NUMBER_AT, ARCHITECTURE_AT = 0, 4
"""Offsets in struct seccomp_data."""
X86_64 = 0xC000003E
X32_BIT = 0x40000000
"""System calls of the x32 ABI carry this bit: all are refused."""
_INSTRUCTION = struct.Struct("=HBBI")

FORBIDDEN_X86_64 = {
    "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "recvfrom": 45, "sendmsg": 46, "recvmsg": 47, "bind": 49,
    "listen": 50, "socketpair": 53, "accept4": 288, "recvmmsg": 299, "sendmmsg": 307,
    "fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "kill": 62, "tkill": 200, "tgkill": 234,
    "pidfd_open": 434, "pidfd_send_signal": 424, "pidfd_getfd": 438,
    "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297,
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "process_madvise": 440, "kcmp": 312,
    "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260, "fchmodat": 268, "fchmodat2": 452,
    "truncate": 76, "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280,
    "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199,
    "setxattrat": 463, "removexattrat": 466, "file_setattr": 469,
    "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308, "swapon": 167,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "mount_setattr": 442,
    "open_by_handle_at": 304, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "bpf": 321, "userfaultfd": 323, "perf_event_open": 298, "keyctl": 250, "add_key": 248, "request_key": 249,
    "kexec_load": 246, "kexec_file_load": 320, "init_module": 175, "finit_module": 313, "reboot": 169,
    "mq_open": 240, "msgget": 68, "msgsnd": 69, "semget": 64, "shmget": 29, "shmat": 30,
}  # fmt: skip
"""By which a process reaches another one, the network, the kernel's own state, or what stands beside a file's content."""


@dataclass(frozen=True)
class Bounds:
    """What the process may use from now on.

    Attributes:
        more_memory_bytes: Address space beside what it has.
        cpu_seconds: Computing time in all.
        file_bytes: Of one file that it writes.
    """

    more_memory_bytes: int
    cpu_seconds: int
    file_bytes: int


def close_off(folder: Path, bounds: Bounds) -> None:
    """This process, and any thread it starts, reaches nothing but `folder` from now on.

    Descriptors that are open stay open. Call it from the only thread.

    Args:
        folder: May be read and written below.
        bounds: What it may use.

    Raises:
        OSError: This host cannot do it; the process may be half closed by then and should end.
    """
    if machine() != "x86_64":
        raise OSError(errno.EOPNOTSUPP, "no list of system calls for this processor")
    if landlock.version() < landlock.LEAST_VERSION:
        raise OSError(errno.EOPNOTSUPP, f"no Landlock of version {landlock.LEAST_VERSION} or newer")
    _bound(bounds)
    linux_calls.process_control(PR_SET_DUMPABLE, 0)
    landlock.keep_only(folder)
    _forbid_calls(sorted(FORBIDDEN_X86_64.values()))


def machine() -> str:
    """The processor's name, as uname(2) has it."""
    return platform.machine()


def _bound(bounds: Bounds) -> None:
    memory = _address_space() + bounds.more_memory_bytes
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: bounds.cpu_seconds,
        resource.RLIMIT_FSIZE: bounds.file_bytes,
        resource.RLIMIT_CORE: 0,
    }
    for limit, most in limits.items():
        hard = resource.getrlimit(limit)[1]
        lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (lowest, lowest))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _forbid_calls(numbers: list[int]) -> None:
    """These system calls fail with EPERM, in whatever form they are made; another architecture's end the process."""
    refuse = len(numbers) + 2
    program = [
        _INSTRUCTION.pack(LOAD_WORD, 0, 0, ARCHITECTURE_AT),
        _INSTRUCTION.pack(JUMP_EQUAL, 1, 0, X86_64),
        _INSTRUCTION.pack(RETURN, 0, 0, RET_KILL),
        _INSTRUCTION.pack(LOAD_WORD, 0, 0, NUMBER_AT),
        _INSTRUCTION.pack(JUMP_AT_LEAST, refuse - 1, 0, X32_BIT),
    ]
    for place, number in enumerate(numbers):
        program.append(_INSTRUCTION.pack(JUMP_EQUAL, len(numbers) - place, 0, number))
    program.append(_INSTRUCTION.pack(RETURN, 0, 0, RET_ALLOW))
    program.append(_INSTRUCTION.pack(RETURN, 0, 0, RET_ERRNO | errno.EPERM))
    code = ctypes.create_string_buffer(b"".join(program))
    pointer = struct.pack("@HxxxxxxQ", len(program), ctypes.addressof(code))
    header = ctypes.create_string_buffer(pointer)
    linux_calls.forbid_new_privileges()
    linux_calls.process_control(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(header))
