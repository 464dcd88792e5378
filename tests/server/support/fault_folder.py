"""A folder with a file for each fault of a fake device."""

from pathlib import Path


class FaultFolder:
    """Starts and ends the faults of the fake device that reads the folder `path`."""

    path: Path

    def inject_fault(self, fault: str, content: str = "") -> None:
        """Start a fault: a file of that name, with a content for those that have one: see the device's C source."""
        unfinished = self.path / f"{fault}.unfinished"
        unfinished.write_text(content)
        unfinished.rename(self.path / fault)

    def clear_fault(self, fault: str) -> None:
        """End a fault."""
        (self.path / fault).unlink(missing_ok=True)
