"""The command line starts fast, reserves standard output for results, and sends no control sequences."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ttsbench
from ttsbench import cli
from ttsbench.engine.terminal import visible, write_result
from ttsbench.errors import ConfigError

HEAVY = {"torch", "torchaudio", "numpy", "pandas", "matplotlib", "scipy", "pydantic", "yaml", "rich", "soundfile"}


def imported_by(*arguments):
    """Top-level packages that a command imports."""
    command = [sys.executable, "-X", "importtime", "-m", "ttsbench.cli", *arguments]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in output.splitlines() if "|" in line}


@pytest.mark.parametrize("arguments", [["--help"], ["compare", "--help"], ["list", "experiments"]])
def test_help_imports_no_heavy_package(arguments):
    assert not imported_by(*arguments) & HEAVY


def test_exported_names_are_those_that_type_checkers_see():
    tree = ast.parse(Path(ttsbench.__file__).read_text(encoding="utf-8"))
    imports = {node.module: [alias.name for alias in node.names] for node in ast.walk(tree)
               if isinstance(node, ast.ImportFrom) and node.module.startswith("ttsbench.")}  # fmt: skip
    assert {module: list(names) for module, names in ttsbench._EXPORTS.items()} == imports
    assert sorted(name for names in imports.values() for name in names) == sorted(ttsbench.__all__)


def test_every_exported_name_can_be_imported():
    assert all(getattr(ttsbench, name).__name__ == name for name in ttsbench.__all__)
    assert set(ttsbench.__all__) <= set(dir(ttsbench))
    with pytest.raises(AttributeError, match="'ttsbench' has no attribute 'Adaptor'"):
        _ = ttsbench.Adaptor


def test_prints_of_a_command_go_to_standard_error(monkeypatch, capsys):
    def command(options):
        print("a plug-in says hello")
        write_result("the table\n")
        return 0

    monkeypatch.setattr(cli, "_doctor", command)
    assert cli.main(["doctor"]) == 0
    output = capsys.readouterr()
    assert output.out == "the table\n"
    assert output.err == "a plug-in says hello\n"


def test_control_sequences_in_names_are_shown_and_not_sent(monkeypatch, capsys):
    def command(options):
        write_result("wavs/\x1b]0;title\x07.wav\n")
        raise ConfigError("There is no folder \x1b[2Jout.")

    monkeypatch.setattr(cli, "_doctor", command)
    assert cli.main(["doctor"]) == 2
    output = capsys.readouterr()
    assert output.out == "wavs/\\x1b]0;title\\x07.wav\n"
    assert output.err == "ttsbench: There is no folder \\x1b[2Jout.\n"


def test_prints_of_plugins_go_to_standard_error(monkeypatch, capsys):
    def command(options):
        print("a plug-in prints")
        write_result("a result\n")
        return 0

    monkeypatch.setattr(cli, "_doctor", command)
    assert cli.main(["doctor"]) == 0
    assert capsys.readouterr() == ("a result\n", "a plug-in prints\n")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("日本語 é …", "日本語 é …"),
        ("\udcff.wav", "\\udcff.wav"),  # a byte that is not UTF-8
        ("\x9b31m", "\\x9b31m"),  # C1 control sequence introducer
        ("a\u202egpj.wav", "a\\u202egpj.wav"),  # right-to-left override
    ],
)
def test_visible_escapes_controls_only(text, shown):
    assert visible(text) == shown


def test_help_imports_no_heavy_library():
    code = (
        "import sys, ttsbench.cli; ttsbench.cli.build_parser().format_help(); "
        "sys.exit(' '.join(sys.modules.keys() & {'torch', 'numpy', 'pandas', 'scipy', 'matplotlib', 'ray'}) or 0)"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert process.returncode == 0, f"imported: {process.stderr}"
