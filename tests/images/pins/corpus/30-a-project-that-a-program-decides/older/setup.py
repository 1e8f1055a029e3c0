from setuptools import setup

setup(name="older")
