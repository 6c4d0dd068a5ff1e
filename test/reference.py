# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""Says what doxygen leaves unsaid: which values of enumerations and which template parameters the
reference does not describe.

    python3 reference.py <folder of doxygen's XML>
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


def main(folder):
    looked_at, found = 0, []
    for path in sorted(pathlib.Path(folder).glob("*.xml")):
        for compound in xml.parse(path).getroot().iterfind("compounddef"):
            scope = compound.findtext("compoundname")
            if compound.get("kind") not in ("class", "struct", "namespace") or compound.get("prot") == "private":
                continue
            looked_at += 1
            found += undescribed(compound, scope)
            for member in compound.iter("memberdef"):
                if member.get("prot") == "public":
                    looked_at += 1
                    found += undescribed(member, f"{scope}::{member.findtext('name')}")
    for line in found:
        print(f"not documented: {line}", file=sys.stderr)
    print(f"{looked_at} public names, {len(found)} gaps")
    return 1 if found or looked_at == 0 else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: reference.py <folder of doxygen's XML>")
    sys.exit(main(sys.argv[1]))
