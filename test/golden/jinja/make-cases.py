# Small templates, and what Python's jinja2 makes of them when it is set up as Hugging Face's transformers
# sets it up. Writes cases.json: a list of {template, text} or {template, error: true}, with the variables
# that all share. Needs python3-jinja2; the tests need only the file.
#
#   python3 test/golden/jinja/make-cases.py [seed] [random cases] [file]
import datetime
import json
import os
import random
import sys

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2024, 7, 9, 15, 4, 5, 678000)


class Generation(Extension):
    tags = {'generation'}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(['name:endgeneration'], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method('_text'), [], [], body).set_lineno(line)

    def _text(self, caller):
        return caller()


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


env = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
env.filters['tojson'] = tojson
env.globals['raise_exception'] = raise_exception
env.globals['strftime_now'] = lambda form: NOW.strftime(form)

VARIABLES = {
    's': 'Hello World', 'u': 'héllo ß Σας 😀x日本', 'e': '', 'pad': '  \tpad me \n', 'low': 'abc',
    'html': '<a href=\'x\'>&"</a>', 'lines': 'a\r\nb\x0bc\u2028d', 'both': 'it\'s "q"\\\n\x00\u200b',
    'num': '  42 ', 'real': '3.7e2', 'hex': '0x1F', 'csv': 'a,b,,c',
    'n': 7, 'z': 0, 'neg': -13, 'big': 123456789012345678901234567890, 'f': 2.5, 'g': 1e16, 'h': -0.1,
    't': True, 'no': None, 'l': [3, 1, 2], 'ls': ['b', 'A', 'c', 'a'], 'll': [[1, 2], [3], []],
    'mix': [1, 'a', None, 2.0, True, [1], {'k': 1}],
    'd': {'a': 1, 'B': 'two', 'c': None, 'n': {'x': [1, {'y': 'deep'}]}}, 'clash': {'1': 'one', 'items': 'mine'},
    'rec': [{'n': 'Bob', 'a': 3, 'g': 'x', 'ok': True}, {'n': 'al', 'a': 1, 'g': 'y'},
            {'n': 'Cy', 'a': 2, 'g': 'X', 'ok': False}],
    'messages': [
        {'role': 'system', 'content': ' Be <b>brief</b>. '}, {'role': 'user', 'content': 'Hi & "bye"'},
        {'role': 'assistant', 'content': None, 'tool_calls': [
            {'id': 'call_1', 'function': {'name': 'f', 'arguments': {'x': 1, 'y': [True, None, 1.5], 'é': 'ü'}}}]},
        {'role': 'tool', 'content': '{"t": 21}', 'name': 'f', 'tool_call_id': 'call_1'}],
}

WRITTEN = r'''
{{ 1 }} {{ 1.0 }} {{ 1e16 }} {{ 1e15 }} {{ 1e-4 }} {{ 1e-5 }} {{ 123456789.123 }} {{ 0.1 + 0.2 }} {{ -0.0 }}
{{ 7 / 2 }} {{ 6 / 3 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }}
{{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 100 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ (-8) ** 2 }} {{ 2 ** 0.5 }}
{{ big }} {{ big * big }} {{ big // 7 }} {{ big / 7 }} {{ big % 1000 }} {{ -big }}
{{ 1 / 0 }}
{{ true }} {{ True }} {{ none }} {{ None }} {{ true + 1 }} {{ [true, none, 1.0, 'a'] }}
{{ 'it\'s' }} {{ ["it's"] }} {{ ['a"b'] }} {{ ['\'"'] }} {{ ['\n\t\\'] }} {{ [both] }} {{ [u] }}
{{ (1,) }} {{ () }} {{ (1, 2) }} {{ {} }} {{ {'a': 1, 2: 'b', none: true} }} {{ {1: 'a', true: 'b', 1.0: 'c'} }}
{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 == true }} {{ 3 > 2 > 1 }} {{ 1 < 2 == 2 }}
{{ undefined_name == none }} {{ undefined_name is none }} {{ x.y is defined }} {{ x == y }} {{ x != none }}
{{ missing }}|{{ missing | length }}|{{ missing | list }}|{{ missing | upper }}|{{ missing ~ 'a' }}|{{ not missing }}
{{ missing.attribute }}
{{ missing + 1 }}
{{ missing() }}
{{ d.missing }}|{{ d.missing is defined }}|{{ d['missing'] }}
{{ d.missing.deeper }}
{{ no.attribute }}|{{ no['x'] }}|{{ 5 .real is defined }}
{{ clash.items }}
{{ clash['items'] }} {{ clash.1 is defined }} {{ clash['1'] }}
{{ d.__class__ }}
{{ d.update }}|{{ l.append }}
{{ d.update({}) }}
{{ l.append(1) }}
{{ d.get('a') }} {{ d.get('c', 5) }} {{ d.get('q') }} {{ d.get('q', 5) }} {{ d.keys() }} {{ d.values() | list }} {{ d.items() | list }}
{{ d | length }} {{ 'a' in d }} {{ 1 in d }} {{ d | items | list }} {{ d | dictsort }} {{ d | list }}
{{ l[0] }} {{ l[-1] }} {{ l[9] }}| {{ l[1:] }} {{ l[::-1] }} {{ l[-2:] }} {{ l[:-1] }} {{ l[::2] }} {{ l[5:1:-2] }}
{{ s[0] }} {{ s[-3:] }} {{ s[::-1] }} {{ u[-1] }} {{ u[12] }} {{ u[11:13] }} {{ u | length }} {{ u[::-1] }} {{ s[1:none] }}
{{ l['a'] }}| {{ l[1.0] }}| {{ s[true] }} {{ (1, 2)[1] }} {{ range(5)[2] }} {{ range(10)[2:8:3] }}
{{ l[::0] }}
{{ d[1:2] }}
{{ s['upper']() }} {{ s.upper }}
{{ 'a' ~ 1 ~ none ~ [1] ~ missing }} {{ 1 ~ 2 + 3 }} {{ 'a' + 'b' * 3 }} {{ 3 * [1] }} {{ [1] + [2] }} {{ (1,) + (2,) }}
{{ 'a' + 1 }}
{{ [1] + (2,) }}
{{ 'ell' in s }} {{ 'x' not in s }} {{ 3 in l }} {{ '3' in l }} {{ none in mix }} {{ 2 in range(3) }} {{ 2.0 in range(3) }}
{{ 1 in s }}
{{ 1 in 5 }}
{{ 'a' < 'b' }} {{ 'Z' < 'a' }} {{ [1, 2] < [1, 3] }} {{ (1,) < (1, 2) }} {{ '😀' > '\uffff' }} {{ 1 < 1.5 }}
{{ 'a' < 1 }}
{{ none < 1 }}
{{ 0 or 'x' }} {{ '' or 0 }} {{ 1 and 2 }} {{ 0 and 1 }} {{ not 0 }} {{ not '' and 1 }} {{ [] or {} or () }}
{{ 'y' if t else 'n' }} {{ 'y' if no else 'n' }} {{ 'y' if no }}| {{ ('y' if no) is defined }} {{ 1 if 0 else 2 if 0 else 3 }}
{{ 'a' 'b' "c" }} {{ '\x41\u00e9\U0001F600\101\q\é' }} {{ 1_000 }} {{ 0x1f }} {{ 0b101 }} {{ 0o17 }} {{ 1_0.5_0e1 }}
{{ 012 }}
{{ s | upper | lower | title | capitalize }} {{ 'o\'neil mc-donald (ab) [c]' | title }} {{ 'o\'neil mc-donald'.title() }} {{ 'ß ﬁ ǆ' | title }}
{{ 'ǆx ßy ﬁz' .title() }} {{ 'ΑΣ ΑΣΑ'.lower() }} {{ u.upper() }} {{ u | capitalize }} {{ 'İ'.lower() | length }} {{ 'aBc'.swapcase() }}
[{{ pad | trim }}] [{{ pad.strip() }}] [{{ pad.lstrip() }}] [{{ pad.rstrip() }}] [{{ 'xxaxx'.strip('x') }}] [{{ 'abcba'.lstrip('ab') }}] [{{ 'abc' | trim('ac') }}] [{{ '\u00a0\x1ca\ufeff'.strip() }}]
{{ csv.split(',') }} {{ csv.split(',', 1) }} {{ csv.rsplit(',', 1) }} {{ pad.split() }} {{ ' a  b c '.split(none, 1) }} {{ ' a  b c '.rsplit(none, 1) }} {{ 'a b'.split(maxsplit=0) }} {{ ''.split() }} {{ ''.split(',') }}
{{ s.split('') }}
{{ 'a=b=c'.partition('=') }} {{ 'a=b=c'.rpartition('=') }} {{ 'a'.partition('=') }} {{ 'a'.rpartition('=') }} {{ lines.splitlines() }} {{ lines.splitlines(true) }}
{{ 'a</think>b</think>c'.split('</think>')[-1].lstrip('\n') }} {{ 'x<think>y'.split('<think>')[0] }}
{{ s.replace('l', 'L') }} {{ s.replace('l', 'L', 2) }} {{ 'abc'.replace('', '-') }} {{ 'abc'.replace('', '-', 2) }} {{ s | replace('o', 0) }} {{ s | replace('l', 'L', count=1) }}
{{ s.startswith('He') }} {{ s.startswith(('x', 'He')) }} {{ s.endswith('d', 0, 5) }} {{ s.startswith('W', 6) }} {{ s.startswith('', 99) }} {{ s.endswith(()) }}
{{ s.startswith(['He']) }}
{{ s.find('o') }} {{ s.find('o', 5) }} {{ s.rfind('o') }} {{ s.find('q') }} {{ s.index('W') }} {{ u.find('x') }} {{ s.count('l') }} {{ s.count('') }} {{ 'aaa'.count('aa') }}
{{ s.index('q') }}
{{ s.removeprefix('Hello ') }} {{ s.removesuffix('ld') }} {{ s.removeprefix('x') }} {{ '7'.zfill(3) }} {{ '-7'.zfill(4) }} {{ 'ab'.center(5) }}| {{ 'ab'.center(7, '*') }} {{ 'a'.ljust(3, '.') }} {{ 'a'.rjust(3) }} {{ 'a\tb'.expandtabs(4) }}
{{ '12'.isdigit() }} {{ '²'.isdigit() }} {{ '²'.isdecimal() }} {{ 'aé'.isalpha() }} {{ ''.isalpha() }} {{ 'a1'.isalnum() }} {{ ' \t'.isspace() }} {{ 'Ab Cd'.istitle() }} {{ 'ab'.islower() }} {{ 'AB1'.isupper() }} {{ 'a_1'.isidentifier() }} {{ 'é'.isascii() }}
{{ ','.join(ls) }} {{ ','.join('abc') }} {{ ls | join }} {{ l | join(', ') }} {{ rec | join('/', attribute='n') }} {{ mix | join('|') }} {{ ','.join(d) }}
{{ ','.join([1]) }}
{{ '%s is %d' % ('a', 3) }} {{ '%05.1f|%-6s|%6s|%+d|%x|%X|%#x|%o|%e|%g|%%|%c|%r' % (3.14159, 'a', 'b', 5, 255, 255, 255, 8, 12345.678, 0.0001, 'z', 'q') }} {{ '%(a)s' % d }} {{ '%s' % missing }} {{ '%5.2s|' % 'abc' }} {{ '%*d' % (5, 3) }}
{{ '%s %s' % 'a' }}
{{ '%s' % ('a', 'b') }}
{{ '%d' % 'a' }}
{{ '%.0f %.0f %.0f %.2f %.1f' % (0.5, 1.5, 2.5, 2.675, 0.25) }} {{ '%g %g %g' % (1e20, 123456789, 0.00001) }} {{ '%.3e' % 0 }} {{ '%s' | format('x') }} {{ '%(k)s' | format(k=5) }}
{{ '{} {}'.format(1, 'a') }} {{ '{1} {0}'.format(1, 2) }} {{ '{a}-{b!r}'.format(a=1, b='x') }} {{ '{:>5}|{:<5}|{:^5}|{:*^7}'.format('a', 'b', 'c', 'd') }} {{ '{:,} {:_} {:+d} {:05d} {:x} {:#b} {:e} {:.3f} {:%}'.format(1234567, 1234567, 5, 42, 255, 5, 1234.5, 2.0005, 0.25) }} {{ '{0[a]} {0.a} {1[0]}'.format(d, l) }} {{ '{{}}'.format() }}
{{ '{} {}'.format(1) }}
{{ 3.7 | int }} {{ '3.7' | int }} {{ num | int }} {{ hex | int }} {{ hex | int(base=16) }} {{ 'x' | int(5) }} {{ none | int }} {{ '1_000' | int }} {{ real | float }} {{ 'x' | float }} {{ 'inf' | float }} {{ '1e5' | int }} {{ true | int }}
{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 1234 | round(-2) }} {{ 2.1 | round(method='ceil') }} {{ 2.19 | round(1, 'floor') }} {{ -2.5 | round }} {{ 5 | round(1) }} {{ 42.55 | round | int }}
{{ -3 | abs }} {{ -2.5 | abs }} {{ true | abs }} {{ l | sum }} {{ rec | sum(attribute='a') }} {{ [0.1] * 3 | sum }} {{ l | min }} {{ ls | max }} {{ rec | max(attribute='a') }} {{ [] | min }}|
{{ l | sort }} {{ ls | sort }} {{ ls | sort(case_sensitive=true) }} {{ ls | sort(reverse=true) }} {{ rec | sort(attribute='a') | map(attribute='n') | list }} {{ rec | sort(attribute='g,a') | map(attribute='n') | list }}
{{ mix | sort }}
{{ ['a', 'A', 'b'] | unique | list }} {{ [1, 1.0, true, '1'] | unique | list }} {{ l | reverse | list }} {{ 'abc' | reverse }} {{ l | first }} {{ l | last }} {{ [] | first }}| {{ 'abc' | last }} {{ d | first }} {{ range(3) | last }}
{{ rec | groupby('g') }} {% for g, items in rec | groupby('g') %}{{ g }}:{{ items | length }};{% endfor %} {{ (rec | groupby('g'))[0].grouper }} {{ rec | groupby('q', default='-') | length }}
{{ rec | selectattr('ok') | map(attribute='n') | join(',') }} {{ rec | selectattr('ok', 'defined') | list | length }} {{ rec | rejectattr('g', 'equalto', 'x') | map(attribute='n') | list }} {{ no | selectattr('x') | list }} {{ missing | selectattr('x') | list }} {{ rec | selectattr('ok', 'undefined') | list | length }}
{{ mix | select('string') | list }} {{ l | select('odd') | list }} {{ l | reject('gt', 2) | list }} {{ mix | select | list | length }} {{ ls | map('upper') | list }} {{ ls | map('replace', 'a', 'z') | join }} {{ rec | map(attribute='q', default=0) | list }} {{ ll | map('sum') | list }} {{ ll | map(attribute=0) | list }}
{% set x = l | map('string') %}{{ x | list }}{{ x | list }}{{ 'yes' if x }}
{{ l | map('nofilter') | list }}
{{ l | select('notest') | list }}
{% if no %}{{ s | nofilter }}{% endif %}ok
{{ s | nofilter if no }}ok
{% for x in [] %}{{ x | nofilter }}{% endfor %}ok
{{ range(7) | batch(3) | list }} {{ range(5) | batch(3, '-') | list }} {{ range(7) | slice(3) | list }} {{ range(7) | slice(3, '-') | list }}
{{ 'one two  three' | wordcount }} {{ 'a\nb\n\nc' | indent }}| {{ 'a\nb\n\nc' | indent(2, true, true) }}| {{ 'a\nb' | indent('> ', first=true) }} {{ 'a\n' | indent }}|
{{ 'The quick brown fox' | truncate(10) }} {{ 'The quick brown fox' | truncate(10, true) }} {{ 'abcdefgh' | truncate(5, false, '..', 0) }} {{ 'short' | truncate(3, leeway=5) }}
{{ d | tojson }} {{ messages[2].tool_calls[0] | tojson }} {{ [1.0, 1e20, none, true, 'é"\\\n<>&\u2028\x7f'] | tojson }} {{ 'é' | tojson(ensure_ascii=true) }} {{ '😀' | tojson(true) }}
{{ d | tojson(indent=2) }} {{ [] | tojson(indent=2) }} {{ {'b': 1, 'a': [1, {}]} | tojson(indent=4, sort_keys=true) }} {{ {'a': [1, 2]} | tojson(separators=(',', ':')) }} {{ {1: 2, none: 3, true: 4, 1.5: 5} | tojson }} {{ (1, 2) | tojson }}
{{ missing | tojson }}
{{ l | map('string') | tojson }}
{{ html | e }} {{ html | escape | safe }} {{ html | safe }} {{ html | e | e }} {{ ('<' | safe) + '>' }} {{ '<' ~ ('<' | safe) }} {{ html | forceescape | length }} {{ 'a b/ç?' | urlencode }} {{ {'a b': 'c/d', 'e': 1} | urlencode }}
{{ missing | default('D') }} {{ '' | default('D') }} {{ '' | default('D', true) }} {{ none | d('D') }} {{ none | d('D', boolean=true) }} {{ 0 | default(5, true) }} {{ missing | d }}|
{{ 1 is number }} {{ true is number }} {{ true is integer }} {{ 1.0 is float }} {{ 1 is integer }} {{ 's' is string }} {{ d is mapping }} {{ l is sequence }} {{ d is sequence }} {{ s is sequence }} {{ s is iterable }} {{ 5 is iterable }} {{ missing is iterable }} {{ no is none }} {{ no is defined }} {{ (1,) is sequence }} {{ range(3) is sequence }} {{ 5 is callable }} {{ range is callable }}
{{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ true is true }} {{ 1 is true }} {{ false is false }} {{ true is boolean }} {{ 1 is sameas true }} {{ none is sameas none }} {{ 'ab' is lower }} {{ 'AB' is upper }} {{ 1 is eq 1 }} {{ 1 is ne(2) }} {{ 1 is lt 2 }} {{ 3 is ge 3 }} {{ 1 is in [1, 2] }} {{ 'upper' is filter }} {{ 'odd' is test }} {{ 'x' is filter }} {{ 3 is not odd }}
{{ 'a' is odd }}
{% for i in l %}{{ loop.index }}/{{ loop.length }}{{ ',' if not loop.last }}{% endfor %} {% for i in ls %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.previtem }}{{ loop.nextitem }}{{ loop.cycle('x', 'y') }};{% endfor %}
{% for i in [1, 1, 2] %}{{ loop.changed(i) }}{% endfor %} {% for i in [] %}x{% else %}none{% endfor %} {% for i in l if i > 1 %}{{ i }}{{ loop.length }}{% endfor %} {% for i in missing %}x{% else %}e{% endfor %} {{ loop }}|
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %} {% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %} {% for c in u %}{{ c }}.{% endfor %} {% for k in d %}{{ k }}{% endfor %}
{% for a, b in l %}{% endfor %}
{% for x in no %}{% endfor %}
{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %} {% for i in l %}{% break %}{% else %}else{% endfor %}
{% for i in l %}{% for j in l %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %} {% for i in ll recursive %}{{ loop.depth }}{% if i is iterable %}[{{ loop(i) }}]{% else %}{{ i }}{% endif %}{% endfor %}
{% break %}
{% for i in l %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}
{% set x = 1 %}{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }} {% if t %}{% set x = 5 %}{% endif %}{{ x }} {% set a, b = 1, 2 %}{{ b }}{{ a }}
{% set ns = namespace(n=0, l=[]) %}{% for i in l %}{% set ns.n = ns.n + i %}{% set ns.l = ns.l + [i] %}{% endfor %}{{ ns.n }}{{ ns.l }}{{ ns }}{{ ns.q is defined }}{{ ns['n'] }}
{% set d.a = 1 %}
{% set x %}a{{ 1 }} {% endset %}[{{ x }}]{% set y | upper | trim %} b {% endset %}[{{ y }}] {{ x is string }}
{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a }} {% set a = 5 %}{% with a = 1, b = a %}{{ b }}{% endwith %}
{% filter upper | trim %} abc {{ s }} {% endfilter %} {% generation %}{% set q = 1 %}x{{ q }}{% endgeneration %}{{ q }}
{% macro f(a, b=2, c=b) %}{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }};{% endmacro %}{{ f(1) }}{{ f(1, 3) }}{{ f(1, c=4) }}{{ f() }}{{ f(1, 2, 3, 4, x=5) }}{{ f(*l) }}{{ f(**{'a': 9}) }}{{ f }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}
{% macro f(a) %}{{ a }}{% endmacro %}{{ f(b=2) }}
{% macro f() %}<{{ caller() }}>{% endmacro %}{% call f() %}x{{ s }}{% endcall %} {% macro g() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) g() %}{{ a }}-{{ b }}{% endcall %}
{% macro f() %}x{% endmacro %}{% call f() %}y{% endcall %}
{% macro f() %}{{ caller() }}{% endmacro %}{{ f() }}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}
{% macro f() %}{{ s }}{% endmacro %}{{ f() }}{% set s = 'later' %}{{ f() }}
{% for i in l %}{{ s }}{% set s = i %}{{ s }}{% endfor %}{{ s }} {% for i in l %}{% if i == 1 %}{% set s = 'one' %}{% endif %}{{ s }}{% endfor %}
{% for i in [1] %}{% for j in [1] %}{{ s }}{% endfor %}{% set s = 2 %}{% endfor %}
{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.current }}{{ c.next() }}{{ c.next() }} {% set j = joiner('|') %}{{ j() }}a{{ j() }}b {{ dict(a=1, **{'b': 2}) }} {{ dict([('x', 1)]) }} {{ range(3) }} {{ range(5, 0, -2) | list }} {{ range(2, 5) }}
{{ range(1000000) | length }}
{% raw %}{{ x }} {% if %}{% endraw %} {%- raw -%}  a  {%- endraw -%} b {# comment #} c {#- x -#} d
  {% if t %}
    a
  {% endif %}
  b {{ 1 }}
c  {%- if t -%}  d  {%- endif %}  e
  {%+ if t %}f{% endif +%}

g
{# a comment #}
h {{- 1 -}} i {{ '\n' }}{% if t %}

j{% endif %}
  {# c #}  {% if t %} k {% endif %}
{{ '{{' }} {{ '%}' }} {{ {'a': {'b': 1}}['a']['b'] }} {{ {'a': 1}.a }} {{ -1 | abs }} {{ -l[0] }} {{ not 1 == 2 }} {{ 1 + 2 * 3 - 4 / 2 }} {{ 2 * 3 % 4 }} {{ 10 - 2 - 3 }}
{{ s | upper ~ '!' }} {{ (s ~ '!') | upper }} {{ l | length > 2 }} {{ 1 + l | length }} {{ 'a' if s is string and l else 'b' }} {{ s.split()[0].lower() | capitalize }}
{{ raise_exception('no ' ~ s) }}
{% if missing %}{{ raise_exception('x') }}{% endif %}fine
{{ strftime_now('%Y-%m-%d %H:%M:%S %d %b %B %a %A %y %j %I %p %f %w %U %W %V %G %u %e %-d %-m %F %T %D %R %c %x %X %% %h %n%t %C %z%Z.') }}
{% include 'x' %}
{% unknown %}
{% if t %}
{{ 'a }}
{{ (1 }}
{{ 1 + }}
{% endif %}
{% for i in l %}{% endif %}
{% set loop = 1 %}{{ loop }}
{% for loop in l %}{% endfor %}
{{ s.encode() }}
{{ '' | safe is escaped }} {{ s is escaped }} {{ ['<' | safe] }} {{ {'a': 1} == {'a': 1.0} }} {{ [1, [2]] == [1, [2]] }} {{ (1,) == [1] }} {{ '1' == 1 }} {{ range(3) == [0, 1, 2] }}
{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | first }} {{ messages[-1].name }} {{ messages[1:] | map(attribute='role') | join(',') }} {{ messages[2].content is none }} {{ messages[2].tool_calls[0].function.arguments.y[2] }} {{ messages[::-1][0].role }}
{% for m in messages %}{{ '<|' ~ m.role ~ '|>' }}{{ m.content | trim if m.content is string else '' }}{% if m.tool_calls %}{% for c in m.tool_calls %}{{ c.function.name }}({% for k, v in c.function.arguments | items %}{{ k }}={{ v | tojson }}{{ ', ' if not loop.last }}{% endfor %}){% endfor %}{% endif %}{{ '\n' }}{% endfor %}
'''

R = random.Random(int(sys.argv[1]) if len(sys.argv) > 1 else 1)


def pick(*options):
    return R.choice(options)


def call(*options):
    """The first part, then some of the others as arguments."""
    name, *rest = options
    count = R.randint(0, len(rest))
    return f"{name}({', '.join(option() if callable(option) else option for option in rest[:count])})"


def text(depth):
    if depth <= 0 or R.random() < 0.15:
        return pick('s', 'u', 'low', 'pad', 'html', 'lines', 'both', 'num', 'csv', 'd.B', 'ls[1]', 'rec[0].n',
                    'messages[1].content', "'a b'", "'x,y'", '"é😀"', "'\\n a\\n'", 'e')
    inner = lambda: text(depth - 1)  # noqa: E731
    short = lambda: pick("'a'", "'l'", "','", "' '", "'o'", 'e', "'lo'", "'😀'")  # noqa: E731
    number = lambda: whole(depth - 1)  # noqa: E731
    small = lambda: pick('0', '1', '2', '-1')  # noqa: E731
    of = inner()
    own = of if of.isidentifier() or of.endswith(')') and '|' not in of else f'({of})'
    return pick(
        f'{own}.upper()', f'{own}.lower()', f'{own}.title()', f'{own}.strip({pick("", short())})',
        f'{own}.lstrip({pick("", short())})', f'{own}.rstrip({pick("", short())})',
        f'{own}.replace({pick(short(), inner())}, {inner()}{pick("", ", " + small())})',
        f'{own}.split({pick(short(), "none")})[{small()}]', f'{own}.rsplit(" ", {small()}) | join("_")',
        f'{own}.splitlines() | last', f'{own}.partition({pick("s", short())})[{pick("0", "1", "2")}]',
        f'{own}.removeprefix({short()})', f'{own}.zfill({number()})', f'{own}.center({pick("5", "12")})',
        f'{own}[{small()}:{pick("", small(), "5")}]', f'{own}[::{pick("-1", "2", "-2")}]', f'{own}[{small()}]',
        f'{own} ~ {thing(depth - 1)}', f'{own} + {inner()}', f'{own} * {pick("2", "0", "n - 5")}',
        f'{own} | trim', f'{own} | title', f'{own} | capitalize', f'{own} | indent({pick("", "2", "1, true")})',
        f'{own} | truncate({pick("5", "9, true", "12, false, e")})', f'{own} | tojson', f'{own} | e',
        f'{own} | replace({short()}, {thing(depth - 1)})', f'{own} | reverse', f'{own} | urlencode', f'{own} | string',
        f'{thing(depth - 1)} | string', f'({thing(depth - 1)}) | tojson', f'({items(depth - 1)}) | join({pick("", short())})',
        f'"%s/%5s" % ({inner()}, {thing(depth - 1)})', f'"{{}}|{{:>6}}".format({thing(depth - 1)}, {inner()})',
        f'({inner()} if {flag(depth - 1)} else {inner()})', f'({own} or {inner()})', f'({items(depth - 1)}) | first | string',
        f'{own} | default({inner()}, true)')


def whole(depth):
    if depth <= 0 or R.random() < 0.2:
        return pick('n', 'z', 'neg', 'big', '1', '2', '10', 'f', 'h', '0.5', 'd.a', 'l[0]', 't')
    a, b = whole(depth - 1), whole(depth - 1)
    return pick(
        f'({a} + {b})', f'({a} - {b})', f'({a} * {b})', f'({a} / ({b} or 1))', f'({a} // ({b} or 3))',
        f'({a} % ({b} or 7))', f'-({a})', f'({a}) | abs', f'({a}) | round({pick("", "1", "-1")})',
        f'({a}) | int', f'({a}) | float', f'({items(depth - 1)}) | length', f'({text(depth - 1)}) | length',
        f'({text(depth - 1)}) | int({pick("", "5")})', f'({text(depth - 1)}).count({pick("e", "low", "ls[3]")})',
        f'({text(depth - 1)}).find("l")', '(l | sum)', '(l | max)', f'({text(depth - 1)}) | wordcount', f'[{a}, {b}] | min')


def items(depth):
    if depth <= 0 or R.random() < 0.2:
        return pick('l', 'ls', 'll', 'mix', 'rec', 'd', 'range(3)', 'csv.split(",")', '(1, 2)', 'messages', '[]', 'd.items()')
    inner = items(depth - 1)
    return pick(
        f'({inner}) | list', f'({inner}) | reverse | list', f'({inner}) | map("string") | list', f'({inner}) | select | list',
        f'({inner}) | map("length") | list', f'({inner}) | select("string") | list', f'({inner}) | unique | list',
        f'({inner}) | batch(2) | list', f'({inner}) | slice(2) | list', f'({inner}) | map("upper") | sort',
        f'({inner}) | list + [{thing(depth - 1)}]', f'(({inner}) | list)[{pick("1:", ":-1", "::-1", "::2")}]',
        f'[{thing(depth - 1)}, {thing(depth - 1)}]', f'({thing(depth - 1)}, {thing(depth - 1)})', f'({text(depth - 1)}).split()',
        f'({text(depth - 1)}) | list', f'{{{text(0)}: {thing(depth - 1)}, "k": {thing(depth - 1)}}}', 'rec | groupby("g")',
        'rec | map(attribute="n") | list', 'd | dictsort', 'rec | selectattr("ok") | list', 'rec | sort(attribute="a")')


def flag(depth):
    if depth <= 0:
        return pick('t', 'no', 'missing', 'true', 'l', 'e')
    return pick(
        f'({thing(depth - 1)}) is {pick("string", "number", "mapping", "sequence", "iterable", "none", "defined", "integer", "float", "true", "eq 1")}',
        f'{text(depth - 1)} == {text(depth - 1)}', f'({whole(depth - 1)}) {pick("<", "<=", ">", "==", "!=")} ({whole(depth - 1)})',
        f'{text(0)} in ({text(depth - 1)})', f'({thing(depth - 1)}) not in ({items(depth - 1)})', f'not ({flag(depth - 1)})',
        f'({flag(depth - 1)} {pick("and", "or")} {flag(depth - 1)})', f'({text(depth - 1)}).{pick("isalpha", "isdigit", "islower", "isupper", "isspace", "istitle")}()',
        f'({text(depth - 1)}).{pick("startswith", "endswith")}({pick("e", "low", "(e, low)")})')


def thing(depth):
    return pick(text, whole, items, flag)(depth)


def space():
    return pick('', '', ' ', '\n', '  \n', '\n    ', 'a', 'b \n')


def tag(code):
    return '{%' + pick('', '', '-', '+') + ' ' + code + ' ' + pick('', '', '-', '+') + '%}'


def body(depth):
    return space() + ''.join(statement(depth) + space() for _ in range(R.randint(1, 2)))


def statement(depth):
    out = '{{' + pick('', '-') + f' {thing(R.randint(1, 3))} ' + pick('', '-') + '}}'
    if depth <= 0:
        return out
    inner = lambda: body(depth - 1)  # noqa: E731
    kind = R.randint(0, 9)
    if kind < 3:
        return out
    if kind == 3:
        return tag(f'if {flag(2)}') + inner() + (tag('else') + inner() if R.random() < 0.5 else '') + tag('endif')
    if kind == 4:
        extra = pick('', ' if i', ' if i is not string')
        tail = pick('{{ i }}', '{{ loop.index }}', '{{ loop.last }}{{ loop.length }}', '{{ loop.previtem }}', '{% if loop.first %}{% continue %}{% endif %}{{ loop.nextitem }}')
        return tag(f'for i in {items(1)}{extra}') + inner() + tail + tag('else') + inner() + tag('endfor')
    if kind == 5:
        return tag(f'set {pick("x", "s", "l")} = {thing(2)}') + '{{ x }}{{ s }}'
    if kind == 6:
        return tag(f'set x{pick("", " | upper", " | trim")}') + inner() + tag('endset') + '{{ x }}'
    if kind == 7:
        return tag(f'macro m({pick("", "a", "a, b=s", "s")})') + inner() + pick('', '{{ a }}{{ b }}') + tag('endmacro') + pick('{{ m() }}', '{{ m(1) }}', '{{ m(s, b=l) }}')
    if kind == 8:
        return tag(f'filter {pick("upper", "trim", "indent(2)", "title")}') + inner() + tag('endfilter')
    return tag('set ns = namespace(v=0)') + tag(f'for i in {items(0)}') + tag('set ns.v = loop.index') + inner() + tag('endfor') + '{{ ns.v }}'


def result(template):
    try:
        return {'template': template, 'text': env.from_string(template).render(**VARIABLES)}
    except Exception:
        return {'template': template, 'error': True}


templates = []
for line in WRITTEN.strip('\n').split('\n'):
    # What stands indented, or begins in the middle of a block, goes with the line before it.
    joined = templates and (line.startswith(' ') or line == '' or line[:1] in 'abcdefghijk')
    if joined:
        templates[-1] += '\n' + line
    else:
        templates.append(line)
templates += [line for line in WRITTEN.strip('\n').split('\n') if line.strip()]
count = int(sys.argv[2]) if len(sys.argv) > 2 else 300
templates += [body(2) if R.random() < 0.5 else '{{ ' + thing(3) + ' }}' for _ in range(count)]
cases = [result(template) for template in dict.fromkeys(templates)]
cases = [c for c in cases if ' at 0x' not in c.get('text', '')]
target = sys.argv[3] if len(sys.argv) > 3 else os.path.join(os.path.dirname(os.path.abspath(__file__)), 'cases.json')
with open(target, 'w') as file:
    json.dump({'now': NOW.isoformat(), 'variables': VARIABLES, 'cases': cases}, file, ensure_ascii=True, indent=0)
    file.write('\n')
print(len(cases), sum('error' in c for c in cases), 'of them errors')
