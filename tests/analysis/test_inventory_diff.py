"""Two inventories side by side: each package is in exactly one of the lists, and equal facts are not told."""

from __future__ import annotations

from dataclasses import fields

from bench.analysis.inventory_diff import FACTS, diff
from bench.anatomy import Inventory, Package


def package(name: str, version: str, disk_bytes: int = 1, manager: str = "pypi") -> Package:
    return Package(manager=manager, name=name, version=version, disk_bytes=disk_bytes)


def test_an_image_differs_in_nothing_from_itself() -> None:
    one = Inventory(os="Debian", torch="2.13.0", packages=(package("torch", "2.13.0"),))
    found = diff(one, one)
    assert (found.facts, found.only_a, found.only_b, found.versions, found.same_packages) == ((), (), (), (), 1)


def test_each_package_is_in_one_list_and_the_largest_comes_first() -> None:
    a = Inventory(packages=(package("torch", "2.12.0", 700), package("six", "1"), package("ray", "2", 90)))
    b = Inventory(
        packages=(package("torch", "2.13.0", 800), package("six", "1"), package("x", "1"), package("y", "1", 5))
    )
    found = diff(a, b)
    assert [row.name for row in found.only_a] == ["ray"]
    assert [row.name for row in found.only_b] == ["y", "x"]
    (torch,) = found.versions
    assert (torch.a_version, torch.b_version, torch.a_disk_bytes, torch.b_disk_bytes) == ("2.12.0", "2.13.0", 700, 800)
    assert found.same_packages == 1


def test_spelling_of_python_names_is_no_difference_and_another_manager_is() -> None:
    a = Inventory(packages=(package("Foo_Bar", "1"), package("numpy", "1", manager="deb")))
    b = Inventory(packages=(package("foo-bar", "1"), package("numpy", "1")))
    found = diff(a, b)
    assert found.same_packages == 1
    assert [(row.manager, row.name) for row in (*found.only_a, *found.only_b)] == [("deb", "numpy"), ("pypi", "numpy")]


def test_two_versions_side_by_side_are_both_told() -> None:
    a = Inventory(packages=(package("six", "1.17"), package("six", "1.16")))
    (row,) = diff(a, Inventory(packages=(package("six", "1.17"),))).versions
    assert (row.a_version, row.b_version) == ("1.16, 1.17", "1.17")


def test_unknown_and_known_are_different_facts() -> None:
    (fact,) = diff(Inventory(cuda="13.0.2"), Inventory()).facts
    assert (fact.fact, fact.a, fact.b) == ("cuda", "13.0.2", None)


def test_every_fact_of_an_inventory_is_compared() -> None:
    elsewhere = {"packages", "doubts", "os_id"}  # lists of their own; the id says what PRETTY_NAME says
    assert set(FACTS) == {field.name for field in fields(Inventory)} - elsewhere
