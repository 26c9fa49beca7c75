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


def script(chance, most):
    """Without eval() right behind a brace: behind the end of a function ClamAV leaves it if enough follows."""
    parts, is_behind_brace = [], False
    for _ in range(chance.randrange(most)):
        text = token(chance)
        if text.startswith("eval") and is_behind_brace:
            text = ";" + text
        if text not in COMMENTS and text not in NOTHING:
            is_behind_brace = text.endswith("}")
        parts.append(text + (chance.choice("  \n\t") if chance.random() < 0.5 else ""))
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
