"""A table as LaTeX with booktabs, every special character escaped."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import zip_longest

from scantrial.core import format as fmt
from scantrial.report.document import Cell, Table

_SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # after the end of a row it would begin an option
    "]": "{]}",
    "*": "{*}",
    "\u00a0": "~",
    "\u2212": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "…": r"\dots{}",
}

_GREEK = {
    "αβγδεζηθικλμνξ": "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi",
    "πρςστυφχψωϵϑϕ": "pi rho varsigma sigma tau upsilon varphi chi psi omega epsilon vartheta phi",
    "ΓΔΘΛΞΠΣΥΦΨΩ": "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega",
    "\u00b5\u2206\u2126": "mu Delta Omega",  # the signs for micro, increment and ohm
}
_SIGNS |= {
    letter: rf"$\{name}$"
    for letters, names in _GREEK.items()
    for letter, name in zip(letters, names.split(), strict=True)
}
# Letters that LaTeX has no command for, since they look as Latin ones do.
_SIGNS |= dict(
    zip(
        "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a7\u03bf",
        "ABEZHIKMNOPTXo",
        strict=True,
    )
)

LONG_CELL = 40
"""Letters; a column with a longer cell has a fixed width."""


def escape_latex(words: str) -> str:
    """Return words as LaTeX that prints just them, on one line."""
    line = re.sub(r"[ \t\n\r\f\v]+", " ", words).strip(" ")
    line = "".join(_SIGNS.get(sign, sign) for sign in fmt.glued(line))
    # Two hyphens would be a dash, two apostrophes a quotation mark.
    return re.sub(r"([-'])(?=\1)", r"\1{}", line)


def table_to_latex(table: Table) -> str:
    r"""Return a table as a ``table`` float for ``\usepackage{booktabs}``; lines under a cell are rows of their own."""
    rules = "".join(_rule(table, i) for i in range(len(table.columns)))
    header = " & ".join(escape_latex(column.title) for column in table.columns)
    body = [line for row in table.rows for line in _lines(row)]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs} and, with pdflatex, \\usepackage[T1]{fontenc}; "
            "other alphabets than Latin and Greek need lualatex",
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{escape_latex(table.caption)}}}",
            f"  \\label{{tab:{table.id}}}",
            f"  \\begin{{tabular}}{{{rules}}}",
            r"    \toprule",
            f"    {header} \\\\",
            r"    \midrule",
            *(f"    {line} \\\\" for line in body),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _rule(table: Table, i: int) -> str:
    """Return how a column is set; one of long texts breaks them."""
    if any(len(row[i].text) > LONG_CELL for row in table.rows):
        return r"p{0.3\linewidth}"
    return "r" if table.columns[i].align == "right" else "l"


def _lines(row: Sequence[Cell]) -> list[str]:
    """Return a row of cells, and a row in small print for each line under them."""
    below = zip_longest(*(cell.below for cell in row), fillvalue="")
    small = [[f"{{\\footnotesize {escape_latex(words)}}}" if words else "" for words in cells] for cells in below]
    return [" & ".join(cells) for cells in ([_first_line(cell) for cell in row], *small)]


def _first_line(cell: Cell) -> str:
    shown = f"\\textbf{{{escape_latex(cell.text)}}}" if cell.strong else escape_latex(cell.text)
    return f"{shown} {{\\footnotesize {escape_latex(cell.aside)}}}" if cell.aside else shown
