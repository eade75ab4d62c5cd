"""The conformance table: every row has a verdict that a test shows (check_conformance.py)."""

import check_conformance
import pytest


@pytest.mark.timeout(120)
def test_table():
    """The summary is in the output of pytest -s, and of tests/check_conformance.py."""
    faults = check_conformance.check()
    print(check_conformance.summary())
    assert not faults, "\n".join(faults)


ROW = {"id": "ST-1", "level": "MUST", "requirement": "x", "verdict": "pass", "reason": "", "test": "test_virtq:test_a"}
RULE = "tests/system/test_recorder.py::test_virtio[status_keeps_its_bits]"


@pytest.mark.parametrize("change, fault", [
    ({"verdict": "fail", "reason": "broken"}, "fails"), ({"verdict": ""}, "verdict"), ({"test": ""}, "without a test"),
    ({"test": "test_virtq:test_b"}, "no such test"), ({"verdict": "not applicable"}, "without a reason"),
    ({"verdict": "deviation"}, "without a reason"), ({"requirement": ""}, "says nothing"),
    ({"test": RULE}, "does not say"),
])
def test_faults_are_found(change, fault):
    known = {"test_virtq:test_a", RULE}
    assert not list(check_conformance.row_faults(ROW, known))
    (found,) = check_conformance.row_faults({**ROW, **change}, known)
    assert fault in found


def test_unlisted_unit_tests_do_not_count(tmp_path, monkeypatch):
    """A test function that main() does not run shows nothing."""
    (tmp_path / "unit").mkdir()
    (tmp_path / "unit" / "test_x.c").write_text(
        "static void test_a(void **s)\n{\n}\nstatic void test_b(void **s)\n{\n}\nstatic void test_c(void **s)\n{\n}\n"
        "int main(void)\n{\n    TEST(test_a),\n    TEST(b),\n}\n")
    monkeypatch.setattr(check_conformance, "TESTS", tmp_path)
    assert check_conformance.unit_tests() == {"test_x:test_a", "test_x:test_b"}
