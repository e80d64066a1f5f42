"""The effective specification has one form and one digest."""

from hypothesis import given, settings

from trimtab.spec.load import load_spec

from .documents import documents, limits_of, specification


def test_the_same_documents_have_the_same_digest() -> None:
    assert load_spec().digest == load_spec().digest
    assert len(load_spec().digest) == 64


@settings(max_examples=40)
@given(documents)
def test_the_effective_document_read_again_means_the_same(document: object) -> None:
    spec = specification(limits_of(document))
    again = specification(limits_of(spec.document()["spec"]))
    assert again.limits == spec.limits
    assert again.digest == spec.digest


@settings(max_examples=40)
@given(documents, documents)
def test_different_limits_have_different_digests(left: object, right: object) -> None:
    one, two = specification(limits_of(left)), specification(limits_of(right))
    assert (one.digest == two.digest) == (one.limits == two.limits)
