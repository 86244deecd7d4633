"""A document is read as far as is needed to know what would be done with it."""

from __future__ import annotations

import pytest
from graphql import GraphQLError as SyntaxProblem
from graphql import OperationDefinitionNode, parse
from hypothesis import given, settings
from hypothesis import strategies as st

from contexter_nb.clients._graphql_document import (
    Operation,
    chosen_operation,
    operations_of,
)
from contexter_nb.core import InvalidArgumentError

ONE_QUERY = (Operation("query", None),)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("{ me { name } }", ONE_QUERY),
        ("query { me }", ONE_QUERY),
        ("query Q { me }", (Operation("query", "Q"),)),
        ("mutation { add }", (Operation("mutation", None),)),
        ("subscription S { news }", (Operation("subscription", "S"),)),
        ("query query { mutation }", (Operation("query", "query"),)),
        ("query mutation { fragment }", (Operation("query", "mutation"),)),
        ("fragment mutation on Query { me } { ...mutation }", ONE_QUERY),
        ("\ufeffquery{me}", ONE_QUERY),
    ],
)
def test_kind_and_name_are_read(document: str, expected: tuple[Operation, ...]) -> None:
    """Keywords count where an operation begins, and nowhere else."""
    assert operations_of(document) == expected


@pytest.mark.parametrize(
    "document",
    [
        '{ a(text: "mutation { add }") }',
        '{ a(text: "\\"} mutation { add }") }',
        '{ a(text: "\\\\") # mutation { add }\n }',
        '{ a(text: """} mutation { "quoted" \\""" } """) }',
        '{ a(text: """one \\" quote and a \\\\ backslash""") }',
        '{ a(text: """two backslashes \\\\""" } mutation { """) }',
        '{ a(text: """""", other: "") }',
        "# mutation { add }\n{ a }",
        "{ a # } mutation { add\r\n }",
        '"""mutation { add }""" query { a }',
    ],
)
def test_strings_and_comments_do_not_count(document: str) -> None:
    """What stands in a string, a block string or a comment is no operation."""
    parse(document)
    assert operations_of(document) == ONE_QUERY


def test_only_declared_variables_are_declared() -> None:
    """Variables used in directives or fields are not those that are declared."""
    (operation,) = operations_of(
        'query Q($a: [Int!] = [1] @d(x: 2), $b: In = {k: "$no: Int"}) @inc(if: $c) '
        "{ f(x: $d) }"
    )
    assert operation.variables == {"a", "b"}
    (operation,) = operations_of("query @inc(if: $c) { f }")
    assert (operation.name, operation.variables) == (None, frozenset())


def test_one_of_several_operations_is_chosen_by_its_name() -> None:
    """With several operations a name is needed; a wrong one is told what there is."""
    document = "query A { a } mutation B { b } fragment F on T { c } query A2 { d }"
    assert chosen_operation(document, "B").kind == "mutation"
    with pytest.raises(InvalidArgumentError, match=r"several operations \(A, B, A2\)"):
        chosen_operation(document, None)
    with pytest.raises(InvalidArgumentError, match="no operation 'C'; it has A, B, A2"):
        chosen_operation(document, "C")


def test_an_ambiguous_name_is_refused() -> None:
    """Two operations of one name are refused, since one of them may change things."""
    with pytest.raises(InvalidArgumentError, match="'A' 2 times"):
        chosen_operation("query A { a } mutation A { b }", "A")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "no operation"),
        ("# nothing", "no operation"),
        ("fragment F on T { c }", "no operation"),
        ("query", "without braces"),
        ("query Q($a: Int)", "without braces"),
        ("{ a", "not closed"),
        ("{ a }}", "closes nothing"),
        ("{ a(b: [1) }", "closes nothing"),
        ('{ a(b: "x) }', "string in line 1 that is not closed"),
        ('{ a(\nb: """x) }', "string in line 2 that is not closed"),
        ("type Query { a: Int }", "'type' where a query"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(document: str, said: str) -> None:
    """A document whose kind cannot be known is not sent as if it were a query."""
    with pytest.raises(InvalidArgumentError, match=said):
        chosen_operation(document, None)


def test_what_is_no_text_is_refused() -> None:
    """A document that is no text is an argument's error and no TypeError."""
    with pytest.raises(InvalidArgumentError, match="is a dict; give its source"):
        chosen_operation({"query": "{ a }"}, None)  # type: ignore[arg-type]


_PIECES = st.sampled_from(
    [*'{}()[]"#\\$:@!\n ', '"""', '\\"""', "query", "mutation", "fragment", "on", "Q"]
    + ["{ a }", "query Q { a }", "mutation M($a: Int) { b }", "subscription"]
)


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(), st.lists(_PIECES, max_size=30).map("".join)))
def test_any_text_is_read_or_refused(document: str) -> None:
    """Whatever the text, it is read or refused by InvalidArgumentError."""
    try:
        operations_of(document)
    except InvalidArgumentError as exc:
        assert len(str(exc)) < 400


_NAME = st.sampled_from(["a", "query", "mutation", "on", "fragment", "_1", "Ab"])
_VALUE = st.sampled_from(
    [
        "1",
        '"x } mutation {"',
        '"\\""',
        '"""b \\" \\""" }"""',
        "[1, {k: 2}]",
        "E",
        "-1.5",
    ]
)
_ARGUMENTS = st.one_of(
    st.just(""), st.builds("({0}: {1})".format, _NAME, _VALUE), st.just("(x: $v)")
)
_DIRECTIVE = st.one_of(st.just(""), st.builds(" @{0}{1}".format, _NAME, _ARGUMENTS))
_SELECTION = st.builds(
    "{{ {0}{1}{2} ...on T {{ {0} }} # }} {{\n }}".format, _NAME, _ARGUMENTS, _DIRECTIVE
)
_DECLARED = st.one_of(
    st.just(""),
    st.builds("(${0}: [T!]! = {1} @a(b: 1), ${2}: T)".format, _NAME, _VALUE, _NAME),
)
_DEFINITION = st.one_of(
    _SELECTION,
    st.builds(
        "{0} {1}{2}{3} {4}".format,
        st.sampled_from(["query", "mutation", "subscription"]),
        st.one_of(st.just(""), _NAME),
        _DECLARED,
        _DIRECTIVE,
        _SELECTION,
    ),
    st.builds("fragment F on T{0} {1}".format, _DIRECTIVE, _SELECTION),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(_DEFINITION, min_size=1, max_size=4).map(" ".join))
def test_it_is_read_as_the_reference_reads_it(document: str) -> None:
    """Kinds, names and variables are those that the reference implementation finds."""
    try:
        reference = parse(document)
    except SyntaxProblem:
        return
    expected = tuple(
        Operation(
            each.operation.value,
            each.name.value if each.name else None,
            frozenset(
                one.variable.name.value for one in each.variable_definitions or ()
            ),
        )
        for each in reference.definitions
        if isinstance(each, OperationDefinitionNode)
    )
    assert operations_of(document) == expected


@pytest.mark.parametrize(
    "document",
    [
        '"' * 1_000_000,
        '"""' + "\\" * 1_000_000,
        '\\"' * 500_000,
        '"\\"' * 300_000,
        "{" * 1_000_000,
        "(" * 1_000_000,
        "query(" * 200_000,
        "query " * 200_000,
        "{}" * 200_000 + "}",
        '"""a"""' * 100_000 + '"""',
    ],
    ids=lambda document: document[:6],
)
def test_a_hostile_megabyte_ends_at_once(document: str) -> None:
    """Reading takes time in proportion to the length, so it ends within the test."""
    with pytest.raises(InvalidArgumentError):
        operations_of(document)
