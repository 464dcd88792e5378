"""A picture or film is written wherever the file system lets it be, and whatever it refuses is said in a sentence."""

import errno
import os
import stat
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from custom_components.pi_mjpeg.actions.picture_files import async_copy, async_write

type Write = Callable[[HomeAssistant, str, bytes], Awaitable[None]]

PICTURE = b"\xff\xd8picture\xff\xd9"


@pytest.fixture(params=["written", "copied"])
def write(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Write:
    """What writes a file: a picture, which is in memory, or a film, which is a file already."""
    source = tmp_path_factory.mktemp("source") / "film"

    async def copy(hass: HomeAssistant, path: str, content: bytes) -> None:
        await hass.async_add_executor_job(source.write_bytes, content)
        await async_copy(hass, source, path)

    return async_write if request.param == "written" else copy


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files in a folder, temporary ones included."""
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def said(caught: pytest.ExceptionInfo[HomeAssistantError]) -> dict[str, str] | None:
    """Return what an error names."""
    assert caught.value.translation_key == "not_written"
    return caught.value.translation_placeholders


def refusing(number: int, real: Callable[..., object], refused: Callable[..., bool]) -> Callable[..., object]:
    """Return a call of the system that fails as the file system would, for some arguments."""

    def call(*args: object, **options: object) -> object:
        if refused(*args):
            raise OSError(number, os.strerror(number), str(args[0]))
        return real(*args, **options)

    return call


@pytest.fixture
def without_new_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in which files may be changed and not made, such as one of another user."""
    is_temporary: Callable[..., bool] = lambda path, *_: str(path).endswith(".tmp")  # noqa: E731 - as short
    monkeypatch.setattr(os, "open", refusing(errno.EACCES, os.open, is_temporary))


@pytest.fixture(params=[errno.EPERM, errno.EACCES, errno.EXDEV, errno.EBUSY])
def without_rename(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that moves no file over another one."""
    refused = refusing(request.param, os.replace, lambda *_: True)
    monkeypatch.setattr(os, "replace", refused)
    monkeypatch.setattr(Path, "replace", refused)


@pytest.fixture
def without_chmod(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network share or FAT, which keeps no permissions."""
    for name in ("chmod", "fchmod"):
        monkeypatch.setattr(os, name, refusing(errno.EPERM, getattr(os, name), lambda *_: True))


@pytest.mark.usefixtures("without_chmod")
async def test_permissions_that_cannot_be_set_do_not_matter(hass: HomeAssistant, write: Write, tmp_path: Path) -> None:
    await write(hass, str(tmp_path / "a.jpg"), PICTURE)
    assert contents(tmp_path) == {"a.jpg": PICTURE}


@pytest.mark.usefixtures("without_new_files")
async def test_a_file_that_is_there_can_be_written_where_none_can_be_made(
    hass: HomeAssistant, write: Write, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"an older and much longer picture than this one is")
    await write(hass, str(tmp_path / "a.jpg"), PICTURE)
    assert contents(tmp_path) == {"a.jpg": PICTURE}


@pytest.mark.usefixtures("without_rename")
async def test_without_renaming_the_picture_is_written_in_its_place(
    hass: HomeAssistant, write: Write, tmp_path: Path
) -> None:
    for _ in range(2):
        await write(hass, str(tmp_path / "a.jpg"), PICTURE)
    assert contents(tmp_path) == {"a.jpg": PICTURE}


@pytest.fixture(params=[0o000, 0o002, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """What Home Assistant was told that others may not do."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


async def test_the_file_has_the_permissions_of_any_other_of_home_assistant(
    hass: HomeAssistant, write: Write, tmp_path: Path, umask: int
) -> None:
    await write(hass, str(tmp_path / "new" / "a.jpg"), PICTURE)
    assert stat.S_IMODE((tmp_path / "new" / "a.jpg").stat().st_mode) == 0o666 & ~umask


async def test_a_missing_folder_is_made(hass: HomeAssistant, write: Write, tmp_path: Path) -> None:
    await write(hass, str(tmp_path / "a" / "b" / "c.jpg"), PICTURE)
    assert contents(tmp_path / "a" / "b") == {"c.jpg": PICTURE}


async def test_a_link_is_replaced_and_not_followed(
    hass: HomeAssistant, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it leads was not looked at: it may have been made in the meantime."""
    outside = tmp_path / "outside"
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "a.jpg").symlink_to(outside)
    await write(hass, str(inside / "a.jpg"), PICTURE)
    assert not outside.exists()
    (inside / "b.jpg").symlink_to(outside)
    monkeypatch.setattr(Path, "replace", refusing(errno.EPERM, os.replace, lambda *_: True))
    with pytest.raises(HomeAssistantError):
        await write(hass, str(inside / "b.jpg"), PICTURE)
    assert not outside.exists()


async def test_a_full_disk_costs_neither_the_older_picture_nor_leaves_a_part(
    hass: HomeAssistant, write: Write, tmp_path: Path
) -> None:
    """Linux answers like a full disk for this device. It stands for the temporary file."""
    (tmp_path / "a.jpg").write_bytes(b"old")
    real = os.open

    def on_a_full_disk(path: Path, *args: int) -> int:
        os.close(real(path, *args))
        return real("/dev/full", os.O_WRONLY)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", on_a_full_disk)
        with pytest.raises(HomeAssistantError) as caught:
            await write(hass, str(tmp_path / "a.jpg"), PICTURE)
    assert said(caught) == {"path": f"{tmp_path}/a.jpg", "reason": "No space left on device"}
    assert contents(tmp_path) == {"a.jpg": b"old"}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("folder", "Is a directory"),
        ("file/a.jpg", "Not a directory"),
        ("x" * 300, "File name too long"),
        ("a\0b.jpg", "this is not the name of a file"),
        ("\udcff\ud800.jpg", "this is not the name of a file"),
    ],
)
async def test_what_cannot_be_written_is_said_in_a_sentence_that_names_nothing_else(
    hass: HomeAssistant, write: Write, tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(HomeAssistantError) as caught:
        await write(hass, f"{tmp_path}/{name}", PICTURE)
    assert said(caught) == {"path": f"{tmp_path}/{name}", "reason": reason}
    assert contents(tmp_path) == {"file": b"x"}


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.EDQUOT, errno.EPERM])
async def test_a_file_system_that_refuses_everything_is_said_and_keeps_nothing(
    hass: HomeAssistant, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "open", refusing(number, os.open, lambda *_: True))
    with pytest.raises(HomeAssistantError) as caught:
        await write(hass, str(tmp_path / "a.jpg"), PICTURE)
    assert said(caught) == {"path": f"{tmp_path}/a.jpg", "reason": os.strerror(number)}
    assert contents(tmp_path) == {}


async def test_no_file_that_looks_like_a_picture_is_there_before_the_picture_is(
    hass: HomeAssistant, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    replace = Path.replace

    def look(path: Path, target: Path) -> Path:
        seen.extend(contents(tmp_path))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", look)
    await write(hass, str(tmp_path / "a.jpg"), PICTURE)
    assert len(seen) == 1
    assert seen[0].startswith(".")
    assert Path(seen[0]).suffix == ".tmp"
