"""Compiles the modules in a folder, those of them that are new.

usage: python3 -I -S compile_site.py FOLDER [BEFORE]

A compiled module has the hash of its source (PEP 552), so one in BEFORE with the same source is
copied from there: of a package's next version, most are.  When they are imported, nobody looks at
their source.  What is compiled does not depend on where it lies, nor on BEFORE.

Exit codes: 0 all are compiled, 3 one cannot be: "FILE: ERROR" on the last line, the file as in
FOLDER; others are no fault of the modules.
"""
import importlib.util
import marshal
import os
import py_compile
import sys

MODE = py_compile.PycInvalidationMode.UNCHECKED_HASH
HEADER = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")  # "the hash is not checked"


def modules(folder):
    for path, folders, files in os.walk(folder):
        if "__pycache__" in folders:
            folders.remove("__pycache__")
        for name in sorted(files):
            source = os.path.join(path, name)
            if name.endswith(".py") and os.path.isfile(source) and not os.path.islink(source):
                yield source


def take_over(source, compiled, before):
    """Copy what BEFORE has of this module, if it is of this source and whole."""
    try:
        with open(before, "rb") as file:
            found = file.read()
        with open(source, "rb") as file:
            if found[:16] != HEADER + importlib.util.source_hash(file.read()):
                return False
        marshal.loads(found[16:])
    except (OSError, EOFError, ValueError, TypeError):
        return False
    os.makedirs(os.path.dirname(compiled), exist_ok=True)
    with open(compiled, "wb") as file:
        file.write(found)
    return True


def main(folder, before=None):
    for source in modules(folder):
        name = os.path.relpath(source, folder)
        compiled = importlib.util.cache_from_source(source)
        known = before and os.path.join(before, os.path.relpath(compiled, folder))
        if known and take_over(source, compiled, known):
            continue
        try:
            # An import corrects the name of the file.
            py_compile.compile(source, compiled, name, doraise=True, invalidation_mode=MODE)
        except py_compile.PyCompileError as error:
            about = " ".join(str(error.exc_value).split())
            print("%s: %s: %s" % (name, error.exc_type_name, about))
            return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
