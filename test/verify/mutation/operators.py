"""What can be changed in a source: every mutant of a text, in the order of the places."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One place of a text, and what to put there."""

    operator: str
    begin: int
    end: int
    new: str


def masked(text):
    """The text with comments, literals and preprocessor lines blanked, of the same length."""
    pattern = r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])\'|^#[^\n]*'
    blank = lambda m: re.sub(r'[^\n]', ' ', m.group())
    return re.sub(pattern, blank, text, flags=re.S | re.M)


def in_function(code):
    """For each position, whether it is in the body of a function."""
    inside, stack, head = [], [], 0
    for i, c in enumerate(code):
        if c == '{':
            stack.append(not re.search(r'\b(class|struct|namespace|enum|union)\b', code[head:i]))
        elif c == '}' and stack:
            stack.pop()
        if c in '{};':
            head = i + 1
        inside.append(bool(stack) and stack[-1])
    return inside


DECLARATION = re.compile(
    r'(?!delete\b|return\b|throw\b|goto\b)'
    r'(const|auto|static|using|friend|typename|constexpr|mutable|template|requires)\b'
    r'|(?!delete\b|return\b|throw\b)[\w:]+(<[^;=]*>)?[\s*&]+\w+\s*([=({;]|$)')
CONTROL = re.compile(r'(if|while|for|do|else|switch|case|default|try|catch|public|private|protected)\b')


def statements(code):
    """Simple statements, each from its first character to behind its semicolon."""
    inside = in_function(code)
    found = []
    for m in re.finditer(r'(?<=\n)( +)([^\s;{}#][^;{}]*;)[ ]*(?=\n)', code):
        begin, end = m.start(2), m.end(2)
        before = code[:begin].rstrip()[-1:]
        if not before or not re.match(r'[;{})e]', before) or not inside[begin]:
            continue
        if before == 'e' and not re.search(r'\belse$', code[:begin].rstrip()):
            continue
        statement = m.group(2)
        if CONTROL.match(statement) or DECLARATION.match(statement):
            continue
        if statement.count('(') != statement.count(')'):
            continue
        found.append((begin, end, m.group(1)))
    # What an if or a loop controls, on the same line.
    for m in re.finditer(r'\n +(?:else )?(?:if|while|for) \(', code):
        close = matching(code, m.end() - 1)
        tail = re.compile(r'[ ]([^\s;{}][^;{}\n]*;)[ ]*(?=\n)').match(code, close + 1)
        if tail and inside[close] and not DECLARATION.match(tail.group(1)):
            found.append((tail.start(1), tail.end(1), None))
    return sorted(found)


def matching(code, opening):
    depth = 0
    for i in range(opening, len(code)):
        depth += {'(': 1, ')': -1}.get(code[i], 0)
        if depth == 0:
            return i
    raise ValueError('a parenthesis that is not closed')


def skipped(code, position):
    """Lines whose change says nothing about what runs."""
    begin = code.rfind('\n', 0, position) + 1
    line = code[begin:code.find('\n', position)].strip()
    return re.match(r'(static_assert|template|requires|concept|using|friend|BOOST_ASIO)', line)


COMPARISONS = {'==': ['!='], '!=': ['=='], '<': ['<='], '<=': ['<'], '>': ['>='], '>=': ['>']}
WEAKER = {'acq_rel': ['acquire', 'release'], 'acquire': ['relaxed'], 'release': ['relaxed'],
          'seq_cst': ['acq_rel']}


def changes(text):
    """All changes of a text, by place."""
    code = masked(text)
    inside = in_function(code)
    result = []

    def replace(operator, begin, end, new):
        if not skipped(code, begin):
            result.append(Change(operator, begin, end, new))

    for m in re.finditer(r'(?<=\s)(<=|>=|==|!=|<|>)(?=\s)', code):
        for new in COMPARISONS[m.group()]:
            replace('comparison', m.start(), m.end(), new)
    for m in re.finditer(r'(?<=\s)(&&|\|\|)(?=\s)', code):
        replace('and, or', m.start(), m.end(), '||' if m.group() == '&&' else '&&')
    for m in re.finditer(r'\b(if|while) \(', code):
        opening = m.end() - 1
        close = matching(code, opening)
        condition = text[opening + 1:close]
        if re.fullmatch(r'[^&|]+ [!=]= [^&|]+', condition):
            continue  # as the comparison changed
        if inside[opening] and not re.match(r'[\w:]+(\s*\*\s*|\s+)(const\s+)?\w+\s*=[^=]', condition):
            replace('negation', opening + 1, close, '!(' + condition + ')')
    for m in re.finditer(r'(?<![\w.])\d+(?![\w.])', code):
        n = int(m.group())
        if re.search(r'operator|\bstatic_cast<', code[max(0, m.start() - 9):m.start()]):
            continue
        replace('constant', m.start(), m.end(), str(n - 1 if n else 1))
    for m in re.finditer(r'\b(true|false)\b', code):
        replace('constant', m.start(), m.end(), 'false' if m.group() == 'true' else 'true')
    for m in re.finditer(r'\bmemory_order_(\w+)', code):
        for new in WEAKER.get(m.group(1), []):
            replace('memory order', m.start(1), m.end(1), new)
    for m in re.finditer(r'\breturn ((?!true\b|false\b|\{\})[^;{}]+);', code):
        if inside[m.start()] and m.group(1) not in ('0', 'nullptr', 'outcome::waiting'):
            replace('return', m.start(1), m.end(1), '{}')

    simple = statements(code)
    for begin, end, _ in simple:
        if not re.match(r'return\s', code[begin:]):
            replace('removal', begin, end, ';')
    for (b1, e1, i1), (b2, e2, i2) in zip(simple, simple[1:]):
        alone = i1 is not None and i1 == i2 and code[e1:b2].strip() == '' and text[b1:e1] != text[b2:e2]
        controlled = code[:b1].rstrip()[-1:] in (')', 'e')
        if alone and not controlled and not re.match(r'(return|throw)\b', code[b1:] ) \
                and not re.match(r'(return|throw)\b', code[b2:]):
            replace('exchange', b1, e2, text[b2:e2] + text[e1:b2] + text[b1:e1])
    return sorted(result, key=lambda c: (c.begin, c.end, c.operator, c.new))
