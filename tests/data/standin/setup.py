from setuptools import setup

setup(
    name="pydcop",
    version="0.0.0.dev0",
    description="A stand-in for pyDCOP in tests",
    packages=["pydcop", "pydcop.commands"],
)
