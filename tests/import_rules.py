"""Which room imports which, read from the import statements: nothing is run."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]

Table = Mapping[str, frozenset[str]]
"""For each room, the rooms that it may import. A room is a package or a module at the root of its half."""


def rooms(package: str, table: Table) -> set[str]:
    """Return the rooms that a half has, its `__init__` left out."""
    return {_room(".".join(parts), table) for _, parts in _files(package)} - {"__init__"}


def violations(package: str, table: Table) -> list[str]:
    """Return a sentence with both files' names for each import that the table does not allow."""
    found = []
    for file, parts in _files(package):
        room = _room(".".join(parts), table)
        for imported in _imports(file, package, parts):
            other = _room(imported, table)
            if imported and other not in {room, "__init__"} and other not in table.get(room, frozenset()):
                path = f"{imported.replace('.', '/')}.py"
                found.append(f"{file.relative_to(ROOT)} imports {path}: {room} may not import {other}")
    return found


def _folder(package: str) -> Path:
    path = ROOT.joinpath(*package.split("."))
    return path if path.is_dir() else ROOT / "server" / package


def _files(package: str) -> list[tuple[Path, tuple[str, ...]]]:
    folder = _folder(package)
    return [(file, file.relative_to(folder).with_suffix("").parts) for file in sorted(folder.rglob("*.py"))]


def _room(module: str, table: Table) -> str:
    """Return the room of a module that is named relative to its half; a package's own file belongs to the package."""
    first, _, rest = module.removesuffix(".__init__").partition(".")
    nested = f"{first}.{rest.partition('.')[0]}"
    if nested in table:
        return nested
    has_rooms = any(room.startswith(f"{first}.") for room in table)
    return "__init__" if has_rooms and not rest else first


def _imports(file: Path, package: str, parts: tuple[str, ...]) -> Iterator[str]:
    """Yield the modules of the same half that a file imports, named relative to it; also those inside functions."""
    here = [*package.split("."), *parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = here[: len(here) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        if module != package and not module.startswith(f"{package}."):
            continue
        inside = module.removeprefix(package).lstrip(".")
        folder = _folder(package).joinpath(*inside.split(".")) if inside else _folder(package)
        for alias in node.names:
            is_module = (folder / f"{alias.name}.py").exists() or (folder / alias.name).is_dir()
            yield ".".join(filter(None, [inside, alias.name if is_module else ""]))
