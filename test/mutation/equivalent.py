"""Mutants that change nothing that anybody could see, each with the reason.

Keyed by the text of the line and what it becomes; where a line is there more than once, also by what
stands above it."""

from dataclasses import dataclass


@dataclass
class Equivalent:
    file: str
    old: str
    new: str
    reason: str
    after: str = ''


MUTANTS = []
