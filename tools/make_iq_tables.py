"""Makes src/tensor/iq_tables.c: the codebooks of GGUF's IQ formats, taken from the `gguf` package (gguf.quants).

An entry is kept as the indices of its elements, element j in bits [b * j, b * j + b) of a word of 16 bits, with b = 2 for the
books of 8 elements and b = 4 for those of 4; what an index stands for is said in src/tensor/blocks_iq.c.

Needs numpy, gguf. Usage: python make_iq_tables.py [OUT]
"""

import pathlib
import sys

import numpy as np
from gguf import quants

BOOKS = [
    ("iq1_book", quants.IQ1_S, "IQ1_S and IQ1_M: index - 1"),
    ("iq2_xxs_book", quants.IQ2_XXS, "IQ2_XXS: 8, 25 or 43"),
    ("iq2_xs_book", quants.IQ2_XS, "IQ2_XS: 8, 25 or 43"),
    ("iq2_s_book", quants.IQ2_S, "IQ2_S: 8, 25 or 43"),
    ("iq3_xxs_book", quants.IQ3_XXS, "IQ3_XXS: 8 * index + 4, the last 62"),
    ("iq3_s_book", quants.IQ3_S, "IQ3_S: 2 * index + 1"),
]


def words(kind):
    kind.init_grid()
    grid = kind.grid.reshape(kind.grid_shape)
    index = np.searchsorted(np.array(kind.grid_map, np.float32), grid)
    assert (np.array(kind.grid_map, np.float32)[index] == grid).all()
    bits = 16 // grid.shape[1]
    return (index << bits * np.arange(grid.shape[1])).sum(axis=1)


def main():
    here = pathlib.Path(__file__).resolve().parent
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "src" / "tensor" / "iq_tables.c"
    # blocks_iq.c makes the signs of seven from their parity
    assert all(s == i | (i.bit_count() & 1) << 7 for i, s in enumerate(quants.IQ2_XXS.ksigns))
    text = "// The codebooks of the IQ formats, written by tools/make_iq_tables.py from the `gguf` package, gguf/quants.py. Do not edit.\n"
    text += '#include "tensor/tensor_internal.h"\n\n// clang-format off\n'
    for name, kind, meaning in BOOKS:
        entries = words(kind)
        text += f"// {meaning}\nconst uint16_t {name}[{len(entries)}] = {{\n"
        for at in range(0, len(entries), 14):
            text += "    " + ", ".join(f"0x{e:04x}" for e in entries[at : at + 14]) + ",\n"
        text += "};\n\n"
    out.write_text(text + "// clang-format on\n")


if __name__ == "__main__":
    main()
