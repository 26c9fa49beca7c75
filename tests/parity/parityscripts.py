# SPDX-License-Identifier: BSD-3-Clause
"""Pages with random scripts: tokens of every kind, broken and nested ones, strings that are joined, escaped,
unescaped and evaluated, several scripts in a page, scripts that are longer than what is read at once."""
import os
import random

PAGES = 400

WORDS = """a b c d f x y var var var function function if else return eval unescape A B foo null true in new typeof
    this for while do""".split()
SIGNS = r"""+ + + - * / % = == != < > & | ^ ! ~ ? : , , , ; ; ; ( ) ( ) [ ] { } { } . . ++ -- += && || <= >= << >> ===
    @ # \ ` $ _""".split()
NUMBERS = "1 0 010 0x1f 1.5 1e3 1.5e-3 2. .5 4294967295 1.5e 1.5ee 1..2 12345678.25 99999999999999999999".split()
COMMENTS = ["//", "// a b\n", "/* x */", "/*", "*/", "//x\n", "/**/", "<!--", "-->"]
NOTHING = "@#`\\" + "".join(map(chr, [*range(1, 33), *range(127, 256)]))
SNIPPETS = ["function f(a,b){", "var a=", 'eval("a;b;")', 'unescape("%41")', 'eval(unescape("%61;"))', "var a,b;",
            "function(x){", "}", ");", '"a"+"b"', '("c")', 'eval("a.")', "</b>", "<script>", "</script >"]
INSIDE = ["a", "B", " ", "%41", "%u0042", r"\x41", r"\u0043", r"\n", r"\\", r"\'", r'\"', r"\0", r"\q", "%", "%4",
          r"\x4", r"\u12", "a;", "b=1;", "var a;", "(", '"', "'", "\xe9", "1", "+", "function f(x){x;};",
          "eval('a;')", "</b>"]


def string(chance):
    quote = chance.choice("\"'")
    text = "".join(chance.choice(INSIDE) for _ in range(chance.randrange(6)))
    return quote + (text.replace(quote, "") if chance.random() < 0.8 else text) + quote


def token(chance):
    kind = chance.random()
    if kind < 0.8:
        return chance.choice(WORDS if kind < 0.3 else SIGNS) if kind < 0.65 else string(chance)
    if kind < 0.97:
        return chance.choice(NUMBERS if kind < 0.88 else COMMENTS if kind < 0.92 else SNIPPETS)
    return chr(chance.randrange(1, 256))


def some(chance, most):
    return "".join(token(chance) + (chance.choice("  \n\t") if chance.random() < 0.5 else "")
                   for _ in range(chance.randrange(most)))


def packed_call(chance):
    """What a packer's function is called with: as it should be, mostly."""
    words = ["".join(chance.choice("abAB;(=1 ") for _ in range(chance.randrange(4))) for _ in range(chance.randrange(1, 60))]
    base = chance.choice((2, 10, 36, 62))
    text = "".join(chance.choice(("0", "1", "Z", "a", "10", "zz", str(chance.randrange(70)), ";", " ", "=", "(", "1;")) for _ in range(chance.randrange(40)))
    given = ["'%s'" % text, str(base), str(len(words)), "'%s'" % "|".join(words) + chance.choice((".split('|')", "")), "0",
             chance.choice(("{}", "{}", "r", "[]", "{x:1}", "1 2"))]
    if chance.random() < 0.2:
        given[chance.randrange(6)] = chance.choice(("x", "5", "2.0", "'2'", "h(1,2)", "'a'+'b'", "'1' b"))
    return "(" + ",".join(given[:chance.choice((6, 6, 6, 6, 5, 4))]) + chance.choice((")", ")", "))", ""))


def packed(chance):
    """A packer's function, or one that is almost so, and calls of it."""
    name = chance.choice(("", "f", "g"))
    body = chance.choice(("x", "x;y", "{x}y", "function(a){b}", "while(c--){if(k[c]){p=x}}return p", "{", "}", ""))
    calls = [(name if chance.random() < 0.9 else "h") + packed_call(chance) + chance.choice((";", "", ";x;", some(chance, 4)))
             for _ in range(chance.choice((1, 1, 1, 2, 3)))]
    return "function " + name + "(" + chance.choice(("p,a,c,k,e,d", "p,a,c,k,e,r", "p,a,c", "p,a", "p,a,c,x")) + "){" + body + "}" + \
        chance.choice(("", "", some(chance, 3))) + "".join(calls)


def moved(chance):
    by = chance.randrange(10)
    text = "".join(chr((ord(c) + by) % 256) for c in "".join(chance.choice(
        ("a;", "var b;", "%41", "%u0042", 'eval("c;")', " ", "(", "d")) for _ in range(chance.randrange(6))))
    return 'dF("%s%d")' % (text.replace('"', "").replace("\\", ""), by)


def script(chance, most):
    parts = []
    for _ in range(1 + (chance.random() < 0.2)):
        parts.append(some(chance, most))
        kind = chance.random()
        if kind < 0.25:
            parts.append(packed(chance) if kind < 0.2 else moved(chance))
            parts.append(some(chance, most))
    return "".join(parts)


def page(chance):
    parts = ["<html>"]
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        most = 1500 if chance.random() < 0.05 else 40
        parts += [chance.choice(("", "text ", "<style>a</style>", "<p class='x'>")), "<script",
                  chance.choice(("", "", " type=\"text/javascript\"", "\n")), ">", script(chance, most),
                  chance.choice(("</script>", "</script>", "</script >", "</SCRIPT>", "</script\n x>", ""))]
    return "".join(parts + [chance.choice(("</html>", "\n", ""))]).encode("latin-1")


def pages(folder, chance):
    """Writes pages: {name: bytes}."""
    os.makedirs(folder)
    names = {"part%04d" % number: page(chance) for number in range(PAGES)}
    for name, data in names.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    return names
