# Copyright (c) 2026 The turnstile authors
# Distributed under the Boost Software License, Version 1.0 (see LICENSE)

"""Finds links of the Markdown pages that lead nowhere.

    python3 links.py <root of the project>

The file of a relative link must exist, and its anchor must be a heading there, by GitHub's rules. A path of
the project in a code span, such as `test/run --help`, must exist too. Links to other sites are not tried."""

import collections
import glob
import os
import pathlib
import re
import sys
import urllib.parse

FOLDERS = ('.ci', '.github', 'cmake', 'example', 'include', 'src', 'test')
INLINE = re.compile(r'!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^\s)>]+)>?(?:\s+"[^"]*")?\s*\)')
BY_NAME = re.compile(r'(?<!\!)\[([^\[\]]+)\]\[([^\[\]]*)\]')
DEFINITION = re.compile(r'^ {0,3}\[([^\]]+)\]:\s*<?(\S+?)>?(?:\s|$)', re.M)
HTML = re.compile(r'<(?:a|img)\b[^>]*?\b(?:href|src)="([^"]+)"')
SPAN = re.compile(r'(?<!`)`([^`\n]+)`(?!`)')


def pages(root):
    for path in sorted(root.rglob('*.md')):
        if not path.relative_to(root).parts[0] in ('build', '.git', '.cache'):
            yield path


def without_code_blocks(text):
    """The text with the lines of code blocks emptied."""
    lines, fence, blank, indented = [], None, True, False
    for line in text.split('\n'):
        mark = re.match(r' {0,3}(```+|~~~+)', line)
        if fence:
            if mark and mark.group(1).startswith(fence) and line.strip() == mark.group(1):
                fence = None
            line = ''
        elif mark:
            fence, line = mark.group(1), ''
        else:
            indented = bool(line[:4] == '    ' and (blank or indented))
            blank = not line.strip()
            if indented:
                line = ''
        lines.append(line)
    return '\n'.join(lines)


def slug(heading):
    """What GitHub makes of a heading."""
    heading = re.sub(r'!?\[([^\]]*)\]\([^)]*\)', r'\1', heading)  # of a link, its text
    heading = re.sub(r'\s+#+\s*$', '', heading).strip().lower()
    return re.sub(r'[^\w\- ]', '', heading).replace(' ', '-')


def anchors(path, cache={}):
    if path not in cache:
        text = path.read_text(encoding='utf-8')
        seen, names = collections.Counter(), set(re.findall(r'<a\s+(?:name|id)="([^"]+)"', text))
        for heading in re.findall(r'^ {0,3}#{1,6}\s+(.*)$', without_code_blocks(text), re.M):
            name = slug(heading)
            names.add(f'{name}-{seen[name]}' if seen[name] else name)
            seen[name] += 1
        cache[path] = names
    return cache[path]


def broken(root, page, target):
    """What is wrong with a link, or None."""
    if re.match(r'[a-z][a-z0-9+.-]*:', target):
        return None
    file, _, anchor = urllib.parse.unquote(target).partition('#')
    path = page
    if file:
        path = pathlib.Path(os.path.normpath(root / file[1:] if file.startswith('/') else page.parent / file))
        if not path.exists() or not path.is_relative_to(root):
            return 'there is no such file'
    if anchor and not (path.suffix == '.md' and anchor in anchors(path)):
        return f'{path.relative_to(root)} has no such heading'
    return None


def missing(root, span):
    """Whether a code span names a path of the project that does not exist."""
    words = span.split()
    path = words[0].removeprefix('./') if words else ''
    if path.split('/')[0] not in FOLDERS or '/' not in path or not re.fullmatch(r'[\w./*{},-]+', path):
        return False
    options = re.fullmatch(r'(.*)\{(.*)\}(.*)', path)
    paths = [options[1] + o + options[3] for o in options[2].split(',')] if options else [path]
    return not all(glob.glob(str(root / p)) for p in paths)


def faults(root, page):
    text = without_code_blocks(page.read_text(encoding='utf-8'))
    for span in SPAN.findall(text):
        yield f'`{span}`', 'there is no such file' if missing(root, span) else None
    text = SPAN.sub(lambda m: '`' + 'x' * len(m[1]) + '`', text)
    defined = {name.lower(): target for name, target in DEFINITION.findall(text)}
    for target in [*INLINE.findall(text), *HTML.findall(text), *defined.values()]:
        yield target, broken(root, page, target)
    for words, name in BY_NAME.findall(text):
        yield f'[{words}][{name}]', None if (name or words).lower() in defined else 'it is not defined'


def main(root):
    root = pathlib.Path(root).resolve()
    links = wrong = 0
    for page in pages(root):
        for target, fault in faults(root, page):
            links += 1
            if fault:
                wrong += 1
                print(f'{page.relative_to(root)}: {target}: {fault}')
    print(f'{links} links and paths, {wrong} of them broken')
    return 1 if wrong or links == 0 else 0


if __name__ == '__main__':
    if len(sys.argv) != 2:
        sys.exit('usage: links.py <root of the project>')
    sys.exit(main(sys.argv[1]))
