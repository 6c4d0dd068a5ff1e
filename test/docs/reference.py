# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""Finds what doxygen does not look for: values of enumerations and template parameters without a
description, and public names that the list of all members leaves out.

    python3 reference.py <folder of doxygen's XML> <list of members>
"""

import pathlib
import re
import sys
import xml.etree.ElementTree as xml


def is_empty(description):
    return description is None or not "".join(description.itertext()).strip()


def undescribed(entity, name):
    described = {
        "".join(p.itertext()).strip()
        for p in entity.iterfind("detaileddescription//parameterlist[@kind='templateparam']//parametername")
    }
    for parameter in entity.iterfind("templateparamlist/param"):
        # "typename Token", with or without the name in an element of its own
        words = re.findall(r"\w+", parameter.findtext("declname") or "".join(parameter.find("type").itertext()))
        if words[-1] not in described:
            yield f"{name}: template parameter {words[-1]}"
    for value in entity.iterfind("enumvalue"):
        if is_empty(value.find("briefdescription")) and is_empty(value.find("detaileddescription")):
            yield f"{name}: value {value.findtext('name')}"


def unlisted(member, scope, listed):
    name = member.findtext("name")
    if re.match("operator|~", name) or name == scope.split("::")[-1]:
        return  # constructors and the like
    if not re.search(rf"`[^`]*\b{name}\b[^`]*`", listed):
        yield f"{scope}::{name}"


def main(folder, page):
    looked_at, undocumented, missing = 0, [], []
    listed = pathlib.Path(page).read_text()
    for path in sorted(pathlib.Path(folder).glob("*.xml")):
        for compound in xml.parse(path).getroot().iterfind("compounddef"):
            scope = compound.findtext("compoundname")
            if compound.get("kind") not in ("class", "struct", "namespace") or compound.get("prot") == "private":
                continue
            looked_at += 1
            undocumented += undescribed(compound, scope)
            for member in compound.iter("memberdef"):
                if member.get("prot") == "public":
                    looked_at += 1
                    undocumented += undescribed(member, f"{scope}::{member.findtext('name')}")
                    for named in (member, *member.iterfind("enumvalue")):
                        missing += unlisted(named, scope, listed)
    for line in undocumented:
        print(f"not documented: {line}", file=sys.stderr)
    for line in missing:
        print(f"not in {page}: {line}", file=sys.stderr)
    gaps = len(undocumented) + len(missing)
    print(f"{looked_at} public names, {gaps} gaps")
    return 1 if gaps or looked_at == 0 else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: reference.py <folder of doxygen's XML> <list of members>")
    sys.exit(main(*sys.argv[1:]))
