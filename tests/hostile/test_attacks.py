"""Malicious files: netdsl runs nothing from them and opens no other file.

No markup and no control character from them reaches an output.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.numpy import save

from netdsl.cli import run

NET = "net N {\n    input x: 4\n    fc: dense(3)\n}\n"
FIT = {"fc.weight": np.zeros((3, 4), np.float32), "fc.bias": np.zeros(3, np.float32)}
MARKUP = [
    "<script>alert(1)</script>",
    "&quot;&lt;b&gt;",
    "javascript:alert(1)",
    "]]>",
    '\\N \\G \\"];',
    "<<b>x</b>>",
    "</text><a href='http://x.y'>",
    "--><!--",
    "%0A::error::x",
    "::error file=a::b",
    "${{ secrets.X }}",
    "\u202egnp.exe",
    "\x1b[31mred\x1b]8;;http://x.y\x07",
    "\x9b31m",
    "' onload='alert(1)",
    '" onload="alert(1)',
    "\u2028",
    "\x7f",
]


def check_format(
    text: str, format_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[str, str]:
    """The standard output and standard error of `check` for a text."""
    path = tmp_path / "n.net"
    path.write_text(text, encoding="utf-8")
    run(["check", str(path), "--format", format_name])
    printed = capsys.readouterr()
    return printed.out, printed.err


# ---- outputs


@pytest.mark.parametrize("text", MARKUP)
def test_texts_do_not_control_a_terminal(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Strings, comments and names of a text are printed without their control characters."""
    word = text.replace('"', "'")
    for program in (
        f'# {text}\nnet N {{\n    input x: 3\n    conv("{word}", 1)\n}}\n',
        f'net N {{\n    input x: 3\n    let a = ["{word}"]\n    dense(a)  # {text}\n}}\n',
        f"net N {{\n    {text}\n}}\n",
    ):
        out, err = check_format(program, "text", tmp_path, capsys)
        assert all(c.isprintable() or c in "\n\t" for c in out + err)
        out, _ = check_format(program, "github", tmp_path, capsys)
        assert all(line.startswith(("::error ", "::notice ")) for line in out.splitlines())
        for format_name in ("json", "sarif"):
            out, _ = check_format(program, format_name, tmp_path, capsys)
            json.loads(out)
            assert "\x1b" not in out
            assert "\x9b" not in out


def test_names_of_files_do_not_control_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """File names are printed without escapes and cannot start a command to GitHub Actions."""
    for name in ("\x1b[31ma.net", "a\n::error::b.net", "a%0A::error::b.net", "a,line=1::b.net"):
        path = tmp_path / name
        path.write_text("net N {\n    input x: 3\n    convv\n}\n")
        for format_name in ("text", "github"):
            assert run(["check", str(path), "--format", format_name]) == 1
            printed = capsys.readouterr()
            assert "\x1b" not in printed.out + printed.err
            assert not [
                line
                for line in (printed.out + printed.err).splitlines()
                if line.startswith("::error::")
            ]
        assert run(["check", str(tmp_path / f"no{name}")]) == 1
        assert "\x1b" not in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("dot") is None, reason="drawing SVG needs the program `dot`")
@pytest.mark.parametrize("text", MARKUP)
def test_svg_is_inert(text: str, tmp_path: Path) -> None:
    """The picture of a net whose text has markup is XML without active content.

    It has no script, style sheet, link, event handler or address.
    """
    word = text.replace('"', "'").replace("\n", " ")
    program = (
        f'# {text}\nnet N(act = "{word}") {{\n    # {text}\n    input x: 3x8x8\n    große_1:'
        " conv(4, 1)\n    aux a { relu }\n    relu\n}\n"
    )
    path = tmp_path / "n.net"
    path.write_text(program, encoding="utf-8")
    code = run(["draw", str(path), "-o", str(tmp_path / "n.svg")])
    assert code in (0, 1)
    if code == 0:
        found = active_content((tmp_path / "n.svg").read_text(encoding="utf-8"))
        # The only links lead to lines of the text beside the picture.
        assert [part for part in found if not re.fullmatch(r"a href=n\.net#L\d", part)] == []


def active_content(svg: str) -> list[str]:
    """The active content of an SVG."""
    active_parts = []
    for element in ET.fromstring(svg).iter():
        name = element.tag.rpartition("}")[2].lower()
        if name in {
            "script",
            "style",
            "link",
            "foreignobject",
            "iframe",
            "image",
            "use",
            "animate",
            "set",
            "handler",
        }:
            active_parts.append(name)
        for key, value in element.attrib.items():
            plain = key.rpartition("}")[2].lower()
            if (
                plain.startswith("on")
                or (plain in {"href", "src"} and not value.startswith("#"))
                or "javascript:" in value.lower()
                or "url(http" in value.lower()
            ):
                active_parts.append(f"{name} {plain}={value}")
    return active_parts


@pytest.mark.skipif(
    shutil.which("chromium") is None or shutil.which("dot") is None,
    reason="needs the programs `chromium` and `dot`",
)
def test_browser_runs_nothing(tmp_path: Path) -> None:
    """A browser runs no script in the picture."""
    (tmp_path / "n.net").write_text(
        '# <script>document.title = "bad"</script>\nnet N {\n    input x: 3\n    relu\n}\n'
    )
    assert run(["draw", str(tmp_path / "n.net"), "-o", str(tmp_path / "n.svg")]) == 0
    command = ["chromium", "--headless", "--no-sandbox", "--dump-dom", str(tmp_path / "n.svg")]
    assert "bad" not in subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.replace("&lt;script", "")


# ---- imports


@pytest.mark.parametrize(
    "target",
    [
        "../x.net",
        "a/../../x.net",
        "/etc/passwd",
        "//host/share/x.net",
        "\\\\host\\share\\x.net",
        "C:/x.net",
        "~/x.net",
        "~root/x.net",
        "./../x.net",
        "a\x01b.net",
        "link.net",
        "folder/x.net",
        "fifo.net",
    ],
)
def test_imports_stay_in_their_folder(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No name and no link leads out of the folder of the importing file; a pipe is not opened."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "x.net").write_text("block SECRET() { relu }\n")
    (home / "link.net").symlink_to(tmp_path / "x.net")
    (home / "folder").symlink_to(tmp_path)
    os.mkfifo(home / "fifo.net")
    (home / "n.net").write_text(f'import "{target}"\nnet N {{\n    input x: 3\n    SECRET\n}}\n')
    assert run(["check", str(home / "n.net"), "--format", "json"]) == 1
    diagnostics = json.loads(capsys.readouterr().out)["diagnostics"]
    assert diagnostics[0]["code"] in {"import-outside", "import-not-found", "not-text"}
    assert "SECRET" not in {d["message"].split("`")[-2] for d in diagnostics[1:]}


AUDIT = """
import sys
STARTS = (
    "subprocess.", "os.exec", "os.fork", "os.spawn", "os.posix_spawn", "os.system", "socket.",
    "pty.", "webbrowser.", "ctypes.dlopen", "urllib.",
)
CHANGES = (
    "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.symlink", "os.link",
    "os.truncate", "shutil.rmtree",
)
seen = []
def hook(event, args):
    if event.startswith(STARTS):
        seen.append((event, str(args)))
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append((event, str(args)))
    if event in CHANGES:
        seen.append((event, str(args)))
from netdsl.cli import run
run(["check", "lenet5"])
sys.addaudithook(hook)
code = [run(["check", path, "--format", "json"]) for path in sys.argv[1:]]
print("\\nSEEN", seen, code)
"""


def test_check_starts_nothing_and_writes_nothing(tmp_path: Path) -> None:
    """`check` in a hostile folder starts no process, opens no socket and writes no file.

    An earlier run lets Python write its bytecode before the audit starts.
    """
    for name in (
        "conftest.py",
        "netdsl.py",
        "sitecustomize.py",
        "setup.py",
        "torch.py",
        "lark.py",
        "pyproject.toml",
        "netdsl.lark",
    ):
        (tmp_path / name).write_text("raise SystemExit('run')\n")
    (tmp_path / "b.net").write_text("block B() { relu }\n")
    (tmp_path / "n.net").write_text(
        'import "b.net"\nnet N {\n    input x: 1x28x28\n    B -> flatten -> dense(10)\n'
        "    expect params == 7_850\n}\ntrain N {\n   "
        ' data = mnist(root = "/etc")\n}\n'
    )
    (tmp_path / "bad.net").write_text(
        'import "../b.net"\nnet N {\n    input x: 3\n    __import__("os").system("id")\n   '
        ' eval("1")\n}\n'
    )
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    process = subprocess.run(
        [sys.executable, "-c", AUDIT, "n.net", "bad.net"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert process.stdout.splitlines()[-1] == "SEEN [] [0, 1]"


# ---- checkpoints


class Shell:
    """An object whose pickle runs a command when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


def head(entries: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with a given header."""
    text = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, object]:
    """An entry of the header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


GOOD = {"fc.weight": entry([3, 4], 0, 48), "fc.bias": entry([3], 48, 60)}
SAFETENSORS = {
    "empty": b"",
    "seven bytes": b"1234567",
    "a head of 2^60 bytes": struct.pack("<Q", 1 << 60) + b"{}",
    "a head beyond the file": head(GOOD, length=9999),
    "a negative length": struct.pack("<q", -1) + b"{}",
    "no JSON": head(b"{not json}"),
    "a list": head([1, 2]),
    "deep JSON": head(b'{"a":' * 90_000),
    "data cut off": head(GOOD, b"\0" * 59),
    "data left over": head(GOOD, b"\0" * 61),
    "overlapping entries": head(
        {"fc.weight": entry([3, 4], 0, 48), "fc.bias": entry([3], 36, 48)}, b"\0" * 48
    ),
    "a gap": head({"fc.weight": entry([3, 4], 0, 48), "fc.bias": entry([3], 52, 64)}, b"\0" * 64),
    "negative offsets": head({"fc.weight": entry([3, 4], -48, 0)}, b"\0" * 48),
    "offsets backwards": head({"fc.weight": entry([3, 4], 48, 0)}, b"\0" * 48),
    "offsets of 2^63": head({"fc.weight": entry([3, 4], 0, 1 << 63)}, b"\0" * 48),
    "a shape of 2^40": head({"fc.weight": entry([1 << 20, 1 << 20], 0, 48)}, b"\0" * 48),
    "a shape that overflows": head({"fc.weight": entry([1 << 62, 4, 1 << 62], 0, 48)}, b"\0" * 48),
    "a negative size": head({"fc.weight": entry([-3, -4], 0, 48)}, b"\0" * 48),
    "no such type": head({"fc.weight": entry([3, 4], 0, 48, "Q99")}, b"\0" * 48),
    "a type of another size": head({"fc.weight": entry([3, 4], 0, 48, "F64")}, b"\0" * 48),
    "a shape of words": head(
        b'{"fc.weight":{"dtype":"F32","shape":["3","4"],"data_offsets":[0,48]}}', b"\0" * 48
    ),
    "no offsets": head(b'{"fc.weight":{"dtype":"F32","shape":[3,4]}}', b"\0" * 48),
    "an entry twice": head(
        b'{"fc.weight":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]},"fc.weight":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]}}',
        b"\0" * 48,
    ),
    "a pickle": pickle.dumps({"a": 1}),
    "another shape": save({**FIT, "fc.bias": np.zeros(4, np.float32)}),
    "a tensor missing": save({"fc.bias": FIT["fc.bias"]}),
    "metadata of numbers": head(
        b'{"__metadata__":{"a":1},"fc.weight":{"dtype":"F32","shape":[3,4],"data_offsets":[0,48]}}',
        b"\0" * 48,
    ),
}


def export(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code and standard error of an export; checks that a failed one leaves no file."""
    (tmp_path / "n.net").write_text(NET)
    out = tmp_path / "n.onnx"
    out.unlink(missing_ok=True)
    code = run(["export", str(tmp_path / "n.net"), "-o", str(out), "--weights", str(weights)])
    assert out.exists() == (code == 0)
    return code, capsys.readouterr().err


@pytest.mark.parametrize("case", SAFETENSORS)
def test_wrong_safetensors(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong file is refused with a diagnostic, and no model is written."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(SAFETENSORS[case])
    code, err = export(path, tmp_path, capsys)
    assert code == 1
    assert err.startswith(("error[corrupt-weights]", "error[weights-mismatch]"))


def archive(
    data: bytes, extra: dict[str, bytes] | None = None, compression: int = zipfile.ZIP_STORED
) -> bytes:
    """A PyTorch checkpoint whose pickle is these bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in {
            "archive/data.pkl": data,
            "archive/version": b"3\n",
            "archive/byteorder": b"little",
            **(extra or {}),
        }.items():
            file.writestr(name, content)
    return buffer.getvalue()


def saved(value: object) -> bytes:
    """The bytes that `torch.save` writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def checkpoints(mark: Path) -> dict[str, bytes]:
    """PyTorch checkpoints that netdsl refuses; some would create the file `mark` if run."""
    shell = pickle.dumps({"fc.weight": Shell(mark)})
    good = saved({n: torch.from_numpy(v) for n, v in FIT.items()})
    return {
        "a command": shell,
        "a command in an archive": archive(shell),
        "a command by hand": b"cos\nsystem\n(S'touch %s'\ntR." % str(mark).encode(),
        "eval": b"c__builtin__\neval\n(S'1+1'\ntR.",
        "an archive of zeros": archive(b"\0" * 50_000_000, compression=zipfile.ZIP_DEFLATED),
        "empty": b"",
        "an archive without a pickle": archive(b""),
        "cut off": good[: len(good) // 2],
        "a number": saved(3),
        "a list": saved([torch.zeros(3)]),
        "a view of 2^40 elements": saved(
            {"fc.weight": torch.zeros(1).expand(1 << 20, 1 << 20), "fc.bias": torch.zeros(3)}
        ),
        "integers of another shape": saved(
            {"fc.weight": torch.zeros(3, 3, dtype=torch.int64), "fc.bias": torch.zeros(3)}
        ),
        "a module": saved_module(),
        "text": b"hello",
        "endless memo": b"(" * 100_000,
        "a tensor without memory": saved(
            {"fc.weight": torch.zeros(3, 4, device="meta"), "fc.bias": torch.zeros(3)}
        ),
        "a sparse tensor": saved(
            {"fc.weight": torch.zeros(3, 4).to_sparse(), "fc.bias": torch.zeros(3)}
        ),
        "numbers for names": saved({1: torch.zeros(3), 2: torch.zeros(3)}),
        "a stack that is empty": archive(b"\x80\x02."),
        "a long string": b"X\xff\xff\xff\x7f" + b"a" * 100,
    }


def saved_module() -> bytes:
    """A whole module, which cannot be loaded without running its code."""
    return saved(torch.nn.Linear(4, 3))


@pytest.mark.parametrize("case", sorted(checkpoints(Path("x"))))
def test_wrong_checkpoints(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong checkpoint is refused with a diagnostic, and no command in its pickle runs."""
    mark = tmp_path / "was-run"
    path = tmp_path / "w.pt"
    path.write_bytes(checkpoints(mark)[case])
    code, err = export(path, tmp_path, capsys)
    assert not mark.exists()
    assert code == 1
    assert err.startswith(("error[corrupt-weights]", "error[weights-mismatch]"))


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights_that_are_not_a_file(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder, a pipe and a missing file are errors; netdsl does not wait for the pipe."""
    folder, pipe = tmp_path / f"folder{suffix}", tmp_path / f"pipe{suffix}"
    folder.mkdir()
    os.mkfifo(pipe)
    for path in (folder, pipe, tmp_path / f"none{suffix}"):
        code, err = export(path, tmp_path, capsys)
        assert (code, err[:21]) == (1, "error[file-not-found]")


# ---- weights in a separate file of an ONNX model


def external(location: str) -> bytes:
    """A model whose weights are in another file."""
    tensor = TensorProto(
        name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value=location)
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 4]) for n in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", [x], [y], [tensor])
    content: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    ).SerializeToString()
    return content


@pytest.mark.parametrize(
    "location",
    [
        "../w.bin",
        "sub/../../w.bin",
        "/etc/passwd",
        "link.bin",
        "hard.bin",
        "folder/w.bin",
        "pipe.bin",
        "",
        "C:/w.bin",
        "\\\\host\\w.bin",
        "a\0b",
        "~/w.bin",
        "sub",
    ],
)
def test_external_data_outside(
    location: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weights outside the model's folder are refused, by whatever name or link."""
    home = tmp_path / "home"
    (home / "sub").mkdir(parents=True)
    (tmp_path / "w.bin").write_bytes(np.ones(4, np.float32).tobytes())
    (home / "link.bin").symlink_to(tmp_path / "w.bin")
    os.link(tmp_path / "w.bin", home / "hard.bin")
    (home / "folder").symlink_to(tmp_path)
    os.mkfifo(home / "pipe.bin")
    (home / "m.onnx").write_bytes(external(location))
    np.save(tmp_path / "x.npy", np.zeros((1, 4), np.float32))
    assert run(["run", str(home / "m.onnx"), str(tmp_path / "x.npy")]) == 1
    assert capsys.readouterr().err.startswith("error[outside-data]")


def test_external_data_beside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights in the model's folder are used; those that a node refers to are checked too."""
    (tmp_path / "w.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    (tmp_path / "m.onnx").write_bytes(external("w.bin"))
    np.save(tmp_path / "x.npy", np.zeros((1, 4), np.float32))
    assert run(["run", str(tmp_path / "m.onnx"), str(tmp_path / "x.npy")]) == 0
    model = onnx.ModelProto.FromString(external("../w.bin"))
    constant = helper.make_node("Constant", [], ["w"])
    constant.attribute.add(
        name="value", type=onnx.AttributeProto.TENSOR, t=model.graph.initializer[0]
    )
    model.graph.ClearField("initializer")
    model.graph.node.insert(0, constant)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert run(["run", str(tmp_path / "m.onnx"), str(tmp_path / "x.npy")]) == 1
    assert "outside-data" in capsys.readouterr().err


# ---- random attacks


def damaged(draw: random.Random, mark: Path) -> tuple[str, bytes]:
    """A wrong checkpoint with further random changes, and its suffix."""
    suffix = draw.choice([".safetensors", ".pt"])
    pool = SAFETENSORS if suffix == ".safetensors" else checkpoints(mark)
    data = bytearray(pool[draw.choice(sorted(pool))][:100_000])
    for _ in range(draw.randrange(4)):
        if data:
            at = draw.randrange(len(data))
            data[at] = draw.randrange(256)
    if draw.random() < 0.3:
        del data[draw.randrange(len(data) + 1) :]
    return suffix, bytes(data)


def try_attack(
    draw: random.Random, folder: Path, mark: Path, capsys: pytest.CaptureFixture[str]
) -> str | None:
    """Try a random attack; returns a description if it is not refused, or else None."""
    kind = draw.choice(["weights", "import", "markup", "external"])
    if kind == "weights":
        suffix, data = damaged(draw, mark)
        path = folder / f"w{suffix}"
        path.write_bytes(data)
        code, err = export(path, folder, capsys)
        return (
            None
            if code == 1 and err.startswith("error[") and not mark.exists()
            else f"{kind}: {code} {err[:200]}"
        )
    steps = "/".join(draw.choice(["..", "..", "sub", ".", ""]) for _ in range(draw.randrange(1, 6)))
    target = (
        draw.choice(["", "/", "//", "~", "C:"])
        + steps
        + draw.choice(["/../../x.net", "/../../../x.net"])
    )
    if kind == "import":
        out, _ = check_format(f'import "{target}"\n{NET}', "json", folder, capsys)
        codes = {d["code"] for d in json.loads(out)["diagnostics"]}
        return None if codes & {"import-outside", "import-not-found"} else f"{kind}: {target}"
    if kind == "external":
        (folder / "m.onnx").write_bytes(external(target))
        code = run(["run", str(folder / "m.onnx"), "x.npy"])
        return (
            None if code == 1 and "outside-data" in capsys.readouterr().err else f"{kind}: {target}"
        )
    text = "".join(
        draw.choice([*MARKUP, "a", " ", "\x1b", "\x07", "\x85"]) for _ in range(8)
    ).replace('"', "")
    out, err = check_format(
        f'# {text}\nnet N {{\n    input x: 3\n    dense("{text}")\n}}\n',
        draw.choice(["text", "github"]),
        folder,
        capsys,
    )
    return (
        None
        if all(c.isprintable() or c in "\n\t" for c in out + err)
        and not [
            s for s in out.splitlines() if s.startswith("::") and not s.startswith("::error file=")
        ]
        else f"{kind}: {text!r}"
    )


def attacks(count: int, seed: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The attacks of a number of random ones that were not refused."""
    draw = random.Random(seed)
    mark = folder / "was-run"
    return [
        p for p in (try_attack(draw, folder, mark, capsys) for _ in range(count)) if p is not None
    ]


def test_generated_attacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of a hundred random attacks are refused."""
    assert attacks(100, 0, tmp_path, capsys) == []


@pytest.mark.slow
def test_ten_thousand_generated_attacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of 10,000 attacks; `pytest -m slow -s tests/hostile/test_attacks.py` prints the count."""
    successful = attacks(10_000, 1, tmp_path, capsys)
    with capsys.disabled():
        print(f"attacks: 10,000 generated, {len(successful)} got through")
    assert successful == []
