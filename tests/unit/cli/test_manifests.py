"""Reading manifests, on a directory that the test makes (the one disk that a reader of files cannot do without)."""

import io
from pathlib import Path

import pytest

from regent_operator.cli.manifests import Manifest, PathMissingError, read

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"


def whole(*paths: Path) -> list[Manifest]:
    manifests, problems = read(paths)
    assert problems == []
    return manifests


def problems(*paths: Path) -> list[str]:
    """Of paths without an object."""
    manifests, found = read(paths)
    assert manifests == []
    return found


def names(*paths: Path) -> list[str]:
    return [manifest.raw["metadata"]["name"] for manifest in whole(*paths)]


def test_a_directory_gives_its_manifests_in_the_order_of_names_and_not_its_folders(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(CONFIG_MAP % "second")
    (tmp_path / "a.yml").write_text(CONFIG_MAP % "first")
    (tmp_path / "c.json").write_text('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "third"}}')
    (tmp_path / "README.md").write_text("no manifest")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "d.yaml").write_text(CONFIG_MAP % "unseen")

    assert names(tmp_path) == ["first", "second", "third"]


def test_documents_and_lists_are_unfolded_and_empty_documents_skipped(tmp_path: Path) -> None:
    items = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: third}}\n"
    (tmp_path / "all.yaml").write_text(
        "---\n".join([CONFIG_MAP % "first", "# nothing\n", CONFIG_MAP % "second", items])
    )

    assert names(tmp_path / "all.yaml") == ["first", "second", "third"]


def test_paths_may_be_repeated_and_keep_their_order(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CONFIG_MAP % "first")
    (tmp_path / "b.yaml").write_text(CONFIG_MAP % "second")

    assert names(tmp_path / "b.yaml", tmp_path / "a.yaml") == ["second", "first"]


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("---\n".join([CONFIG_MAP % "first", CONFIG_MAP % "second"])))

    assert names(Path("-")) == ["first", "second"]


def test_a_path_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(PathMissingError, match=r'the path ".*absent.yaml" does not exist'):
        read([tmp_path / "absent.yaml"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: [", "not YAML"),
        ("{{ .Values.x }}\n", "a key is an object or a list"),
        ("[" * 5000, "nested too deep"),
        (CONFIG_MAP % "x" + "data: " + "1" * 6000, "not YAML: Exceeds the limit"),
        ("a: &a [*a]\n", "contains itself"),
        ("a: !!timestamp never\n", "a value does not fit its tag"),
        ("a: !!bool never\n", "a value does not fit its tag"),
        ("a: 1\na: 2\n", "key 'a' stands twice"),
        ("- 1\n", "a document is no object"),
        ("apiVersion: v1\nkind: List\nitems: 3\n", "List: items must be a list"),
        ("kind: Secret\n", "no apiVersion"),
        ("apiVersion: v1\nkind: Secret\n", "Secret without metadata.name"),
        ("apiVersion: v1\nkind: Secret\nmetadata: {name: 7}\n", "in quotes if a number"),
    ],
)
def test_what_the_api_server_would_refuse_is_refused_with_the_file(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)

    (problem,) = problems(tmp_path)
    assert problem.startswith(f"{tmp_path / 'bad.yaml'}: ")
    assert words in problem


def test_aliases_that_repeat_each_other_are_refused_unexpanded(tmp_path: Path) -> None:
    levels = [f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 10)}]\n" for level in range(1, 10)]
    (tmp_path / "bad.yaml").write_text("l0: &l0 [x]\n" + "".join(levels))

    assert "aliases make it too large" in problems(tmp_path)[0]


def test_an_alias_is_what_it_repeats(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CONFIG_MAP % "x" + "data: {a: &a {b: c}, d: *a, e: {<<: *a}}\n")

    assert whole(tmp_path)[0].raw["data"] == {"a": {"b": "c"}, "d": {"b": "c"}, "e": {"b": "c"}}


def test_keys_are_the_strings_that_json_has(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CONFIG_MAP % "x" + "data: {2: a, true: b, c: d}\n")

    assert whole(tmp_path)[0].raw["data"] == {"2": "a", "true": "b", "c": "d"}


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("/proc/self/mem")  # also root's read of it fails

    assert problems(tmp_path)[0].startswith(f"{tmp_path / 'a.yaml'}: ")


def test_what_is_no_object_keeps_nothing_else_from_being_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("---\n".join([CONFIG_MAP % "first", "- 1\n", CONFIG_MAP % "second", "kind: ["]))
    items = "{apiVersion: v1, kind: Secret}, {apiVersion: v1, kind: Secret, metadata: {name: third}}"
    (tmp_path / "b.yaml").write_text(f"{{apiVersion: v1, kind: List, items: [{items}]}}")
    (tmp_path / "c.yaml").write_text("a: 1\na: 2\n")
    (tmp_path / "d.yaml").write_text(CONFIG_MAP % "fourth")

    manifests, found = read([tmp_path])
    assert [each.raw["metadata"]["name"] for each in manifests] == ["first", "second", "third", "fourth"]
    assert [(problem.split(": ")[0], problem.split(": ")[1][:16]) for problem in found] == [
        (f"{tmp_path}/a.yaml", "a document is no"),
        (f"{tmp_path}/a.yaml", "not YAML"),
        (f"{tmp_path}/b.yaml", "Secret without m"),
        (f"{tmp_path}/c.yaml", "not YAML"),
    ]


def test_a_date_stays_the_string_that_was_written(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(CONFIG_MAP % "dated" + "data: {day: 2026-11-25}\n")

    assert whole(tmp_path)[0].raw["data"] == {"day": "2026-11-25"}


def test_versions_of_a_kind_are_one_kind(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n")

    assert whole(tmp_path)[0].kind == "apps/Deployment"


def test_what_is_merged_twice_stands_once(tmp_path: Path) -> None:
    text = 'b0: &b0 {a: "1"}\nx: {y: {z: &b {<<: *b0, a: "2"}}}\ndata: {<<: *b}\n'
    path = tmp_path / "a.yaml"
    path.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n" + text)
    (found,) = whole(path)
    assert found.raw["x"] == {"y": {"z": {"a": "2"}}}


def test_kustomizes_own_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [a.yaml]\n")
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    assert names(tmp_path) == ["a"]
