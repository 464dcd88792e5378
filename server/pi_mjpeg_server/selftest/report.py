"""What was found, and the report of it in Markdown."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from pi_mjpeg_server import VERSION


class Outcome(StrEnum):
    """How a check ended.

    `ABSENT` is for what this machine or this camera does not have, and `SKIPPED` for what cannot be tried because
    something before has failed.
    """

    PASSED = "pass"
    FAILED = "FAIL"
    ABSENT = "not here"
    SKIPPED = "not tried"


@dataclass(frozen=True, slots=True)
class Finding:
    """How one check ended, and what was seen, with figures. `log` are lines that a driver printed meanwhile."""

    outcome: Outcome
    text: str
    log: tuple[str, ...] = ()


def passed(text: str) -> Finding:
    """Return the finding of a check that is as it should be."""
    return Finding(Outcome.PASSED, text)


def failed(text: str) -> Finding:
    """Return the finding of a check that is not."""
    return Finding(Outcome.FAILED, text)


def absent(text: str) -> Finding:
    """Return the finding that there is nothing to check."""
    return Finding(Outcome.ABSENT, text)


def skipped(text: str) -> Finding:
    """Return the finding of a check that could not be made."""
    return Finding(Outcome.SKIPPED, text)


@dataclass(slots=True)
class Section:
    """The findings about one thing, each with the name of its check."""

    title: str
    findings: list[tuple[str, Finding]] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """All findings so far. `redact` removes from each text what is private."""

    redact: Callable[[str], str]
    sections: list[Section] = field(default_factory=list)
    interrupted: bool = False

    def begin(self, title: str) -> None:
        """Begin a section."""
        self.sections.append(Section(self.redact(title)))

    def add(self, check: str, finding: Finding) -> Finding:
        """Add a finding to the last section, and return it without what is private."""
        log = tuple(map(self.redact, finding.log))
        shown = Finding(finding.outcome, self.redact(finding.text), log)
        self.sections[-1].findings.append((check, shown))
        return shown

    def count(self, outcome: Outcome) -> int:
        """Return how many checks ended so."""
        return sum(finding.outcome is outcome for section in self.sections for _, finding in section.findings)

    @property
    def successful(self) -> bool:
        """Whether all checks were made and none failed."""
        return not self.interrupted and self.count(Outcome.FAILED) == 0

    def markdown(self, date: str, seconds: float) -> str:
        """Return the report. `date` is that of today, and `seconds` is how long it took."""
        counts = ", ".join(f"{self.count(outcome)} {outcome}" for outcome in Outcome)
        lines = ["# pi-mjpeg selftest", "", f"pi-mjpeg {VERSION}, {date}, {seconds:.0f} s: {counts}."]
        if self.interrupted:
            lines += ["", "**It was interrupted: this is what was found until then.**"]
        all_findings = [(section.title, *each) for section in self.sections for each in section.findings]
        if failures := [f"{title}, {check}" for title, check, found in all_findings if found.outcome is Outcome.FAILED]:
            lines += ["", f"Failed: {'; '.join(failures)}."]
        for section in self.sections:
            lines += ["", f"## {section.title}", "", "| check | result | what was seen |", "|---|---|---|"]
            lines += [f"| {check} | {finding.outcome} | {_cell(finding.text)} |" for check, finding in section.findings]
        for title, check, found in all_findings:
            if found.log:
                lines += ["", f"## Log of: {title}, {check}", "", "```text", *map(_line, found.log), "```"]
        return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Return a text in one line in which nothing ends the cell of a table or is taken for HTML."""
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|").replace("<", "&lt;")


def _line(text: str) -> str:
    """Return a line that does not end the block of code that it stands in."""
    return text.replace("```", "'''").rstrip()
