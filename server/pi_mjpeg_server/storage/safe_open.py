"""Opens folders and files of the state folder so that nothing that another user put there is followed.

The commands of an administrator run as root in a folder that belongs to the service's user. Whoever has that user could
put a link there and have root read, change or overwrite a file somewhere else.
"""

import errno
import os
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_MAX_LINKS = 40
"""As many as the kernel follows (path_resolution(7))."""
_FIND = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO without a writer would block here for ever.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class UnsafeFileError(OSError):
    """A file or folder may lead somewhere else, so it is not used. The message says what to do about it."""


@contextmanager
def opened_folder(path: Path, *, create: bool = False) -> Iterator[int]:
    """Open a folder, and yield a descriptor for the functions of `os` that take a `dir_fd`.

    A missing folder is made (0700) if `create` is set. For root, each link on the way has to belong to root or to the
    owner of the folder that it leads to; otherwise `UnsafeFileError` is raised. Raises `OSError`.
    """
    folder = _open_folder(path, create=create)
    try:
        yield folder
    finally:
        os.close(folder)


def read_file(path: Path, max_bytes: int, *, mode: int | None = None) -> bytes:
    """Return the content of a regular file, and give it the permissions `mode`.

    Raises `UnsafeFileError` for a link, for a file with more than one name, for what is no regular file, and, for root,
    for a file that belongs neither to root nor to the owner of its folder. Nothing is changed then. Raises `OSError`,
    and `ValueError` for a file of more than `max_bytes`.
    """
    with opened_folder(path.parent) as folder, _opened_file(path, folder) as descriptor:
        status = os.fstat(descriptor)
        _check_file(path, status, os.fstat(folder))
        if mode is not None and stat.S_IMODE(status.st_mode) != mode:
            os.fchmod(descriptor, mode)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"{path} is larger than {max_bytes} bytes")
    return content


@contextmanager
def _opened_file(path: Path, folder: int) -> Iterator[int]:
    try:
        descriptor = os.open(path.name, _READ, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UnsafeFileError(f"{path} is a symbolic link, which is not followed: remove it") from error
        if error.errno == errno.ENXIO:
            raise UnsafeFileError(f"{path} is not a regular file: remove it") from error
        error.filename = str(path)
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def remove_file(path: Path) -> None:
    """Remove a file; of a link, the link itself. Raises `OSError`."""
    with opened_folder(path.parent) as folder:
        os.unlink(path.name, dir_fd=folder)


def resolve_file(path: Path) -> Path:
    """Return the path of a file without links.

    For root, each link on the way has to belong to root or to the owner of the file; otherwise `UnsafeFileError` is
    raised. Raises `OSError`, such as `FileNotFoundError`.
    """
    if os.geteuid() == 0:
        os.close(_follow_safe_links(path.absolute(), create=False))
    return path.resolve(strict=True)


def _check_file(path: Path, file: os.stat_result, folder: os.stat_result) -> None:
    if not stat.S_ISREG(file.st_mode):
        raise UnsafeFileError(f"{path} is not a regular file: remove it")
    if file.st_nlink != 1:
        raise UnsafeFileError(f"{path} is a hard link, so the file has another name somewhere else: remove it")
    if os.geteuid() == 0 and file.st_uid not in {0, folder.st_uid}:
        raise UnsafeFileError(
            f"{path} belongs to the user {file.st_uid} and its folder to the user {folder.st_uid}: "
            f"remove it, or type: chown {folder.st_uid} {path}"
        )


def _open_folder(path: Path, *, create: bool) -> int:
    if create and os.geteuid() != 0:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() != 0:
        return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    folder = _follow_safe_links(path.absolute(), create=create)
    if not stat.S_ISDIR(os.fstat(folder).st_mode):
        os.close(folder)
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    return folder


def _follow_safe_links(path: Path, *, create: bool) -> int:
    """Return a descriptor (O_PATH) of what `path` leads to.

    It goes from name to name, so that the links that are checked are the ones that are followed.
    """
    link_owners: list[int] = []
    names = deque(path.parts)
    descriptor = os.open("/", _FIND)
    try:
        while names:
            found = _open_name(names.popleft(), descriptor, path, create=create and not any(link_owners))
            status = os.fstat(found)
            if stat.S_ISLNK(status.st_mode):
                link_owners.append(status.st_uid)
                names.extendleft(reversed(Path(os.readlink("", dir_fd=found)).parts))
                os.close(found)
            else:
                os.close(descriptor)
                descriptor = found
            _check_links(path, link_owners, None if names else status)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_links(path: Path, owners: Sequence[int], end: os.stat_result | None) -> None:
    """Check the links on the way to `path`; `end` is what they lead to, once it is reached."""
    if len(owners) > _MAX_LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    if end is not None and not {0, end.st_uid}.issuperset(owners):
        raise UnsafeFileError(
            f"the way to {path} has a symbolic link of the user {max(owners)}, but leads to what belongs to the user "
            f"{end.st_uid}: remove the link, or give the path without it"
        )


def _open_name(name: str, folder: int, path: Path, *, create: bool) -> int:
    try:
        try:
            return os.open(name, _FIND, dir_fd=folder)
        except FileNotFoundError:
            if not create:
                raise
            os.mkdir(name, mode=0o700, dir_fd=folder)
            return os.open(name, _FIND, dir_fd=folder)
    except OSError as error:
        error.filename = str(path)
        raise
