"""Which class is positive, and when its name is a word for health."""

from __future__ import annotations

import pytest

from scantrial.core.positive import class_word, classes_line, health_warning, positive_class, positive_facts
from scantrial.core.yaml import read_tree
from scantrial.data import catalogue
from scantrial.data.phantom import CLASS_NAMES

WARNED = [
    ("COVID", "Normal"),
    ("abnormal", "normal"),
    ("PNEUMONIA", "healthy_control"),
    ("AD", "CN"),
    ("AD", "HC"),
    ("case", "control"),
    ("COVID-positive", "covid negative"),
    ("malignant", "benign"),
    ("melanoma", "nevus"),
    ("Parasitized", "Uninfected"),
    ("DR", "No_DR"),
    ("DR", "NoDR"),
    ("glioma_tumor", "no-tumor"),
    ("glioma_tumor", "notumor"),
    ("COVID", "NonCOVID"),
    ("covid", "noncovid"),
    ("MildDemented", "NonDemented"),
    ("effusion", "No Finding"),
    ("lesion", "none"),
    ("malignant", "normal, benign"),
]

NOT_WARNED = [
    ("Normal", "COVID"),
    ("normal", "pneumonia"),
    ("normal", "abnormal"),
    ("healthy", "unhealthy"),
    ("cat", "dog"),
    ("0", "1"),
    ("a", "b"),
    ("mass", "nodule"),
    ("north", "south"),
    ("LuminalA", "Triple-negative"),
    ("small_cell", "non_small_cell"),
    ("UIP", "Nonspecific"),
    ("union", "nonunion"),
    ("Hodgkin", "non-Hodgkin"),
    ("atrophy", "normal pressure hydrocephalus"),
    ("benign", "normal"),
    ("healthy", "non-normal"),
    ("No 1", "No 2"),
    ("", ""),
]


@pytest.mark.parametrize("names", WARNED)
def test_a_positive_class_named_like_health_is_warned_of(names):
    """Whatever the case and the signs between words; and the warning ends with the line that turns the classes round."""
    warning = health_warning(names)
    assert warning is not None
    assert f"The positive class is “{names[1]}”" in warning
    assert warning.endswith(classes_line(names[::-1]))
    assert health_warning(names[::-1]) is None


@pytest.mark.parametrize("names", NOT_WARNED)
def test_neutral_names_and_the_right_order_are_not_warned_of(names):
    """A disease, a number, two words for health, or health as the negative class."""
    assert health_warning(names) is None


def test_only_two_classes_have_a_positive_one():
    """With three there is none, and no warning."""
    assert positive_class(("a", "b")) == "b"
    assert positive_class(("COVID", "opacity", "Normal")) is None
    assert positive_facts(("COVID", "opacity", "Normal")) == {"positive_class": None, "positive_class_warning": None}


def test_what_the_program_brings_along_is_as_it_should_be():
    """The phantom and the data sets of the built-in studies are not warned of; the one that names health positive is."""
    assert health_warning(CLASS_NAMES) is None
    warned = [
        name
        for name, entry in catalogue.CATALOGUE.items()
        if health_warning(tuple(entry.reader_options.get("classes", ()))) is not None
    ]
    assert warned == ["breastmnist"]


@pytest.mark.parametrize(
    "names",
    [("Normal", "COVID"), ("normal, benign", "malignant"), ("No", "yes"), ("0", "1"), ("a: b", "#c"), ('say "x"', "é")],
)
def test_the_line_reads_back_as_the_names(names):
    """Names with signs of YAML are quoted."""
    tree = read_tree(classes_line(names))
    assert not tree.faults
    assert tree.data == {"classes": list(names)}


def test_a_class_without_a_name_is_named_by_its_number():
    """`8 cases of polyp`, but `of class 1`."""
    assert class_word(1, ("adenoma", "polyp")) == "polyp"
    assert class_word(1, ("0", "1")) == class_word(1, ()) == "class 1"
