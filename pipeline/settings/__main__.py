"""`python -m pipeline.settings use PROFILE` puts a profile in force, `schema` writes the editors' schemas.

Without arguments the settings in force are printed.
"""

import sys

from pipeline.errors import run
from pipeline.settings import describe, schema, use


def main() -> None:
    """Do what the words say."""
    words = sys.argv[1:]
    if words == ["schema"]:
        schema.write()
        return
    if len(words) == 2 and words[0] == "use":
        for line in use(words[1]):
            print(line, file=sys.stderr)
    elif words:
        sys.exit(__doc__)
    print(describe(), end="")


if __name__ == "__main__":
    run(main)
